//! Which objects of cleared kinds a load names: the others are gone at its end. Numbers of rows in bitmaps, some bits a row.

use crate::dictionary::entry::KindId;
use roaring::RoaringTreemap;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// Owners whose numbers are no further apart are looked up in one range: it walks over what lies between.
const OWNERS_APART: u64 = 64;

/// Kinds that were cleared together, and what was named since.
#[derive(Default)]
struct Group {
    kinds: BTreeSet<KindId>,
    rows: RoaringTreemap,
    /// Objects that were named with all that they own.
    wholes: RoaringTreemap,
    /// Named one behind the other, and not in `rows` yet.
    run: Range<u64>,
}

impl Group {
    /// One run follows another where nothing has changed: a million of them are one.
    fn name_run(&mut self, run: Range<u64>) {
        if self.run.end == run.start {
            self.run.end = run.end;
        } else {
            self.rows.insert_range(std::mem::replace(&mut self.run, run));
        }
    }
}

/// The cleared kinds.
#[derive(Default)]
pub(super) struct Cleared(Vec<Group>);

impl Cleared {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was named of the kind before does not count any more.
    pub(super) fn clear(&mut self, kind: KindId) {
        self.take_back(Some(&[kind]));
        match self.0.last_mut() {
            Some(group) if group.rows.is_empty() && group.wholes.is_empty() && group.run.is_empty() => {
                group.kinds.insert(kind);
            }
            _ => self.0.push(Group { kinds: BTreeSet::from([kind]), ..Group::default() }),
        }
    }

    /// The kinds whose clearing was taken back.
    pub(super) fn take_back(&mut self, of: Option<&[KindId]>) -> Vec<KindId> {
        let mut kinds = Vec::new();
        for group in &mut self.0 {
            kinds.extend(group.kinds.extract_if(.., |kind| of.is_none_or(|of| of.contains(kind))));
        }
        self.0.retain(|group| !group.kinds.is_empty());
        kinds.sort_unstable();
        kinds
    }

    /// A row is named.
    pub(super) fn name(&mut self, kind: KindId, id: i64) {
        if let Some(group) = self.0.iter_mut().find(|group| group.kinds.contains(&kind)) {
            group.rows.insert(id.cast_unsigned());
        }
    }

    /// A row is named, and with it all that it owns.
    pub(super) fn name_whole(&mut self, id: i64) {
        for group in &mut self.0 {
            group.wholes.insert(id.cast_unsigned());
        }
    }

    /// An object is named, and with it all that it owns: the rows with the numbers from its own on.
    pub(super) fn name_run(&mut self, id: i64, rows: u32) {
        let first = id.cast_unsigned();
        for group in &mut self.0 {
            group.name_run(first..first.saturating_add(u64::from(rows)));
        }
    }

    /// The rows of cleared kinds that were not named, in the order of kinds and keys.
    pub(super) fn gone(self, connection: &Connection, layer: i64) -> rusqlite::Result<Vec<i64>> {
        let mut kinds = Vec::new();
        for group in self.0 {
            // From an index alone, so that no row is read for this.
            let mut spared = owned_by(connection, &group.wholes)?;
            spared |= group.rows;
            spared.insert_range(group.run);
            spared |= group.wholes;
            let spared = Rc::new(spared);
            kinds.extend(group.kinds.into_iter().map(|kind| (kind, Rc::clone(&spared))));
        }
        kinds.sort_unstable_by_key(|(kind, _)| *kind);
        let mut gone = Vec::new();
        let mut rows =
            connection.prepare_cached("SELECT id FROM object WHERE layer = ?1 AND kind = ?2 ORDER BY key")?;
        for (kind, spared) in kinds {
            for id in rows.query_map(params![layer, kind.0], |row| row.get::<_, i64>(0))? {
                let id = id?;
                if !spared.contains(id.cast_unsigned()) {
                    gone.push(id);
                }
            }
        }
        Ok(gone)
    }
}

/// The rows that these own.
fn owned_by(connection: &Connection, owners: &RoaringTreemap) -> rusqlite::Result<RoaringTreemap> {
    let mut spared = RoaringTreemap::new();
    let mut statement =
        connection.prepare_cached("SELECT owner, id FROM object WHERE owner BETWEEN ?1 AND ?2 ORDER BY owner")?;
    let mut owners_left = owners.iter().peekable();
    while let Some(first) = owners_left.next() {
        let mut last = first;
        while let Some(next) = owners_left.next_if(|next| next - last <= OWNERS_APART) {
            last = next;
        }
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        for row in statement.query_map(params![first.cast_signed(), last.cast_signed()], pair)? {
            let (owner, id) = row?;
            if owners.contains(owner.cast_unsigned()) {
                spared.insert(id.cast_unsigned());
            }
        }
    }
    Ok(spared)
}
