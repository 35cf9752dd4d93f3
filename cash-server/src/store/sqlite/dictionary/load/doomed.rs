//! What a load deletes by key: it goes at the end of the load, unless a later record names it
//! again, or a record that is rejected may have been meant to add it again.

use crate::dictionary::entry::KindId;
use crate::store::dictionary::{Deletion, ObjectToken};
use std::collections::HashMap;
use std::ops::Range;

/// The deletion of one object, with all that it reaches.
#[derive(Debug)]
struct Planned {
    kind: KindId,
    /// Line of the record that says so.
    line: u64,
    /// What goes with it, beside the object itself.
    reached: Vec<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    kind: KindId,
    /// The object whose deletion reached it: itself, or what it hangs on.
    root: i64,
    owner: Option<i64>,
}

/// Rows that are deleted at the end, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    rows: HashMap<i64, Row>,
    deletions: HashMap<i64, Planned>,
    /// Rows that are owned by the one with this number.
    owned: HashMap<i64, Vec<i64>>,
}

impl Doomed {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the row is to go.
    pub(super) fn contains(&self, id: i64) -> bool {
        self.rows.contains_key(&id)
    }

    /// A record deletes this object. False where one has done so before, and nothing named the
    /// object since.
    pub(super) fn delete(&mut self, id: i64, kind: KindId, owner: Option<i64>, line: u64) -> bool {
        if self.rows.get(&id).is_some_and(|row| row.root == id) {
            return false;
        }
        self.put(id, Row { kind, root: id, owner });
        // Named in between, it keeps what its first deletion reached: that goes still.
        self.deletions.entry(id).or_insert(Planned { kind, line, reached: Vec::new() }).line = line;
        true
    }

    /// The deletion of `root` reaches this row. False where another one does so already.
    pub(super) fn reach(&mut self, root: i64, id: i64, kind: KindId, owner: Option<i64>) -> bool {
        if self.rows.contains_key(&id) {
            return false;
        }
        self.put(id, Row { kind, root, owner });
        if let Some(deletion) = self.deletions.get_mut(&root) {
            deletion.reached.push(id);
        }
        true
    }

    fn put(&mut self, id: i64, row: Row) {
        self.rows.insert(id, row);
        if let Some(owner) = row.owner {
            self.owned.entry(owner).or_default().push(id);
        }
    }

    /// The row is named again, or is gone. What its deletion reached goes still, unless that is
    /// taken back.
    pub(super) fn spare(&mut self, id: i64) {
        if !self.rows.is_empty() {
            self.rows.remove(&id);
        }
    }

    /// The row is named again with all that it owns.
    pub(super) fn spare_whole(&mut self, id: i64) {
        if self.rows.is_empty() {
            return;
        }
        self.spare(id);
        for owned in self.owned.remove(&id).unwrap_or_default() {
            // It may have got another owner since.
            if self.rows.get(&owned).is_some_and(|row| row.owner == Some(id)) {
                self.spare(owned);
            }
        }
    }

    /// These rows are named again.
    pub(super) fn spare_run(&mut self, rows: Range<i64>) {
        if !self.rows.is_empty() {
            rows.for_each(|id| self.spare(id));
        }
    }

    /// Takes a deletion back with all that it reached. None where nothing of it would go.
    pub(super) fn take_back(&mut self, id: i64) -> Option<Deletion> {
        let deletion = self.deletions.remove(&id)?;
        let before = self.rows.len();
        for row in std::iter::once(id).chain(deletion.reached) {
            if self.rows.get(&row).is_some_and(|row| row.root == id) {
                self.rows.remove(&row);
            }
        }
        (self.rows.len() < before).then_some(Deletion { line: deletion.line, object: ObjectToken(id) })
    }

    /// Takes the deletions of objects of these kinds back, or all; and what other deletions reach
    /// of these kinds. In the order of their lines.
    pub(super) fn take_back_kinds(&mut self, of: Option<&[KindId]>) -> Vec<Deletion> {
        let meant = |kind: &KindId| of.is_none_or(|of| of.contains(kind));
        let roots: Vec<i64> =
            self.deletions.iter().filter(|(_, deletion)| meant(&deletion.kind)).map(|(id, _)| *id).collect();
        let mut taken: Vec<Deletion> = roots.into_iter().filter_map(|root| self.take_back(root)).collect();
        let deletions = &self.deletions;
        self.rows.retain(|_, row| {
            if meant(&row.kind) {
                let planned = deletions.get(&row.root);
                taken.extend(planned.map(|planned| Deletion { line: planned.line, object: ObjectToken(row.root) }));
            }
            !meant(&row.kind)
        });
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    /// The rows that go, in the order of their numbers.
    pub(super) fn take(&mut self) -> Vec<i64> {
        let mut rows: Vec<i64> = std::mem::take(self).rows.into_keys().collect();
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: KindId = KindId(1);
    const BARCODE: KindId = KindId(11);
    const PRICE: KindId = KindId(12);

    fn doomed() -> Doomed {
        let mut doomed = Doomed::default();
        assert!(doomed.delete(1, ITEM, None, 7));
        assert!(doomed.reach(1, 2, BARCODE, Some(1)) && doomed.reach(1, 3, PRICE, None));
        assert!(!doomed.delete(1, ITEM, None, 8) && !doomed.reach(1, 3, PRICE, None));
        doomed
    }

    fn of(line: u64, object: i64) -> Deletion {
        Deletion { line, object: ObjectToken(object) }
    }

    #[test]
    fn what_is_named_again_stays_and_the_rest_goes() {
        let mut named = doomed();
        named.spare(1);
        assert_eq!(named.take(), [2, 3]);
        let mut whole = doomed();
        whole.spare_whole(1);
        assert_eq!(whole.take(), [3]);
        let mut run = doomed();
        run.spare_run(1..3);
        assert_eq!(run.take(), [3]);
    }

    #[test]
    fn a_deletion_is_taken_back_with_all_that_it_reached_and_names_its_line() {
        let mut one = doomed();
        assert!(one.delete(9, KindId(2), None, 5));
        assert_eq!((one.take_back(1), one.take_back(2)), (Some(of(7, 1)), None));
        assert_eq!(one.take(), [9]);
        let mut kinds = doomed();
        assert!(kinds.delete(9, KindId(2), None, 5));
        assert_eq!(kinds.take_back_kinds(Some(&[KindId(2)])), [of(5, 9)]);
        assert_eq!(kinds.take_back_kinds(None), [of(7, 1)]);
        assert!(kinds.is_empty());
    }

    #[test]
    fn what_a_deletion_reached_is_taken_back_by_its_own_kind_and_after_its_object_was_named_again() {
        let mut prices = doomed();
        prices.spare(1);
        assert_eq!(prices.take_back_kinds(Some(&[PRICE])), [of(7, 1)]);
        assert_eq!(prices.take(), [2]);
        let mut all = doomed();
        all.spare(1);
        assert_eq!(all.take_back_kinds(None), [of(7, 1)]);
        assert!(all.is_empty());
        let mut twice = doomed();
        twice.spare(1);
        assert!(twice.delete(1, ITEM, None, 9) && !twice.reach(1, 3, PRICE, None));
        assert_eq!((twice.take_back(1), twice.take_back(1)), (Some(of(9, 1)), None));
        assert!(twice.is_empty());
    }

    #[test]
    fn a_deletion_of_its_own_outlasts_that_of_what_it_hung_on() {
        let mut doomed = doomed();
        assert!(doomed.delete(3, KindId(2), None, 9));
        assert_eq!(doomed.take_back(1), Some(of(7, 1)));
        assert_eq!(doomed.take(), [3]);
    }
}
