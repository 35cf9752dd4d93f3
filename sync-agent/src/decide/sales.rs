//! Which sales the server has, which it lost, and which are none of its business.

use std::collections::{HashMap, HashSet};
use tillway_exchangers::till::documents::{DocumentKey, DocumentRow};
use tillway_proto::receipt::ShiftKey;
use uuid::Uuid;

pub use tillway_exchangers::till::documents::Progress;

/// A document and its key: if `documents.db` has another one in its place, it is another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Its row id on the till.
    pub document: i64,
    /// The UUID of its key.
    pub uuid: Uuid,
}

/// Whether `documents.db` is another one than the one the mark was taken from: restored from an
/// old image, or new. `found` is what stands under the marked id.
///
/// What was sent never becomes unfinished, nor ceases to read. A POS may prune old documents, the
/// marked one too, as long as later ones are there. Where this says yes without need, documents
/// are offered again that the server has, and it says so.
pub fn is_another_database(mark: Mark, found: &DocumentRow) -> bool {
    match found {
        DocumentRow::Gone { later } => !later,
        DocumentRow::Unfinished | DocumentRow::Broken { .. } => true,
        DocumentRow::Finished { uuid } => *uuid != mark.uuid,
    }
}

/// What the server says that it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// By shift, number and UUID of each receipt. A server of v0.1 states them by the number of
    /// the shift alone.
    pub receipts: HashMap<ShiftKey, HashSet<(u64, [u8; 16])>>,
    /// Shifts whose closing record it has.
    pub closed: HashSet<ShiftKey>,
    /// It may have more than it says.
    pub partial: bool,
    /// It has receipts of this till, of whichever shift.
    pub knows_the_till: bool,
}

impl Holdings {
    /// Whether it has the receipt of this key.
    pub fn has(&self, shift: ShiftKey, number: u64, uuid: [u8; 16]) -> bool {
        let of = |shift| self.receipts.get(&shift).is_some_and(|receipts| receipts.contains(&(number, uuid)));
        of(shift) || of(ShiftKey::not_told(shift.number))
    }

    /// Whether it has the closing record of this shift.
    pub fn has_closed(&self, shift: ShiftKey) -> bool {
        self.closed.contains(&shift) || self.closed.contains(&ShiftKey::not_told(shift.number))
    }

    /// How many receipts of this shift it has.
    pub fn count(&self, shift: ShiftKey) -> usize {
        let of = |shift| self.receipts.get(&shift).map_or(0, HashSet::len);
        of(shift).max(of(ShiftKey::not_told(shift.number)))
    }
}

/// A shift on the till, as far as the server may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TillShift {
    /// Its row id.
    pub workshift: i64,
    /// Its number and when it was opened.
    pub key: ShiftKey,
    /// Whether it is closed.
    pub closed: bool,
    /// Its finished documents.
    pub documents: Vec<DocumentKey>,
}

/// What counts as sent, of documents and of closing records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// Documents done with.
    pub documents: Progress,
    /// Closing records done with.
    pub closings: Progress,
    /// What is done with because it was set aside: it is not sent again by itself.
    pub aside: SetAside,
}

/// What was set aside, by row ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetAside {
    /// Documents.
    pub documents: HashSet<i64>,
    /// Closed shifts.
    pub shifts: HashSet<i64>,
}

/// What counts as sent and is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lost {
    /// Row ids of documents.
    pub documents: Vec<i64>,
    /// Row ids of closed shifts.
    pub closings: Vec<i64>,
}

impl Lost {
    /// Whether everything is there.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.closings.is_empty()
    }
}

/// What of these shifts the server has lost, or never had since it is another one. Whatever is not
/// sent yet is no loss: it is on its way. A server that cannot tell has lost nothing.
pub fn lost(sent: &Sent, shifts: &[TillShift], held: &Holdings) -> Lost {
    if held.partial {
        return Lost::default();
    }
    let documents = shifts.iter().flat_map(|shift| &shift.documents).filter(|key| {
        sent.documents.has(key.document_id)
            && !sent.aside.documents.contains(&key.document_id)
            && !held.has(key.shift, key.number, *key.uuid.as_bytes())
    });
    let closings = shifts.iter().filter(|shift| {
        shift.closed
            && sent.closings.has(shift.workshift)
            && !sent.aside.shifts.contains(&shift.workshift)
            && !held.has_closed(shift.key)
    });
    Lost {
        documents: documents.map(|key| key.document_id).collect(),
        closings: closings.map(|shift| shift.workshift).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_proto::receipt::{Opened, ShiftNumber};

    fn shift_3() -> ShiftKey {
        let time = "2026-11-29T08:00:00".parse().unwrap();
        ShiftKey { number: ShiftNumber(3), opened: Opened::At(time) }
    }

    fn key(document_id: i64, number: u64) -> DocumentKey {
        DocumentKey { document_id, shift: shift_3(), number, uuid: Uuid::from_u128(9) }
    }

    fn shift(documents: Vec<DocumentKey>) -> TillShift {
        TillShift { workshift: 1, key: shift_3(), closed: true, documents }
    }

    fn all_sent() -> Sent {
        let through = |through| Progress { through, ..Progress::default() };
        Sent { documents: through(10), closings: through(10), ..Sent::default() }
    }

    fn held(numbers: &[u64]) -> Holdings {
        let receipts = numbers.iter().map(|number| (*number, *Uuid::from_u128(9).as_bytes())).collect();
        Holdings { receipts: [(shift_3(), receipts)].into(), closed: [shift_3()].into(), ..Holdings::default() }
    }

    #[test]
    fn what_counts_as_sent_and_is_not_stated_is_lost() {
        let shifts = [shift(vec![key(1, 1), key(2, 2)])];
        assert!(lost(&all_sent(), &shifts, &held(&[1, 2])).is_empty());
        let gone = lost(&all_sent(), &shifts, &held(&[1]));
        assert_eq!(gone, Lost { documents: vec![2], closings: vec![] });
        let gone = lost(&all_sent(), &shifts, &Holdings::default());
        assert_eq!(gone, Lost { documents: vec![1, 2], closings: vec![1] });
    }

    #[test]
    fn a_shift_of_the_same_number_that_was_opened_at_another_time_is_another_one() {
        let time = "2026-11-29T13:00:00".parse().unwrap();
        let again = ShiftKey { opened: Opened::At(time), ..shift_3() };
        let second = TillShift { key: again, ..shift(vec![DocumentKey { shift: again, ..key(1, 1) }]) };
        let lost = lost(&all_sent(), &[second], &held(&[1]));
        assert_eq!(lost, Lost { documents: vec![1], closings: vec![1] });
    }

    #[test]
    fn what_a_server_of_v0_1_states_by_the_number_of_a_shift_is_there() {
        let Holdings { receipts, .. } = held(&[1]);
        let by_number = ShiftKey::not_told(ShiftNumber(3));
        let receipts = receipts.into_values().map(|receipts| (by_number, receipts)).collect();
        let held = Holdings { receipts, closed: [by_number].into(), ..Holdings::default() };
        assert!(lost(&all_sent(), &[shift(vec![key(1, 1)])], &held).is_empty());
    }

    #[test]
    fn two_receipts_with_one_uuid_are_told_apart_by_their_numbers() {
        let shifts = [shift(vec![key(1, 1), key(2, 2)])];
        assert_eq!(lost(&all_sent(), &shifts, &held(&[2])).documents, [1]);
    }

    #[test]
    fn what_is_on_its_way_or_set_aside_or_not_stated_by_a_server_that_cannot_tell_is_not_lost() {
        let shifts = [shift(vec![key(1, 1), key(11, 2)])];
        let none = Holdings { partial: true, ..Holdings::default() };
        assert!(lost(&all_sent(), &shifts, &none).is_empty());
        let aside = SetAside { documents: [1].into(), shifts: [1].into() };
        assert!(lost(&Sent { aside, ..all_sent() }, &shifts, &Holdings::default()).is_empty());
    }

    #[test]
    fn another_database_is_noticed_by_the_newest_document_that_was_sent() {
        let mark = Mark { document: 5, uuid: Uuid::from_u128(1) };
        let finished = |uuid| DocumentRow::Finished { uuid: Uuid::from_u128(uuid) };
        assert!(!is_another_database(mark, &finished(1)));
        assert!(!is_another_database(mark, &DocumentRow::Gone { later: true }), "pruned");
        assert!(is_another_database(mark, &finished(2)), "restored, and sold again since");
        assert!(is_another_database(mark, &DocumentRow::Gone { later: false }), "restored");
        assert!(is_another_database(mark, &DocumentRow::Unfinished), "restored, and just being sold");
        assert!(is_another_database(mark, &DocumentRow::Broken { reason: String::new() }));
    }
}
