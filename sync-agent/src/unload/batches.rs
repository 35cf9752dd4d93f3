//! Documents and records of shifts in batches, and what is remembered of a batch until it is
//! acknowledged.

use super::read::shift_of;
use super::suspects::Unit;
use crate::decide::{Holdings, Mark};
use jiff::civil::DateTime;
use prost::Message as _;
use tillway_exchangers::till::documents::{BrokenDocument, BrokenShift, ShiftRecord};
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::{BATCH_BYTES, MAX_BATCH_DOCUMENTS, MAX_DOCUMENT_PARTS, MAX_FRAME_BYTES, shift_key, v1};
use uuid::Uuid;

/// A document or a record may not be larger than a frame with room for its envelope.
const MAX_UNIT_BYTES: usize = MAX_FRAME_BYTES - 64 * 1024;

/// Those that may be sent, and those that are too large for it.
pub(super) fn split_unsendable(documents: Vec<v1::Document>) -> (Vec<v1::Document>, Vec<BrokenDocument>) {
    let mut broken = Vec::new();
    let sendable = documents
        .into_iter()
        .filter(|document| match too_large(document) {
            None => true,
            Some(reason) => {
                broken.push(BrokenDocument { document_id: document.document_id, reason });
                false
            }
        })
        .collect();
    (sendable, broken)
}

fn too_large(document: &v1::Document) -> Option<String> {
    let parts = [
        ("lines", document.lines.len()),
        ("voided lines", document.voided_lines.len()),
        ("payments", document.payments.len()),
        ("cards", document.cards.len()),
        ("failed payments", document.failed_payments.len()),
        ("certificates", document.certificates.len()),
        ("coupons", document.coupons.len()),
    ];
    for (what, count) in parts {
        if count > MAX_DOCUMENT_PARTS {
            return Some(format!("it has {count} {what}, allowed are {MAX_DOCUMENT_PARTS}"));
        }
    }
    too_long(document.encoded_len())
}

fn too_long(bytes: usize) -> Option<String> {
    (bytes > MAX_UNIT_BYTES).then(|| format!("it has {bytes} bytes, allowed are {MAX_UNIT_BYTES}"))
}

/// The same for records of shifts. One of an open shift that is too large stays where it is: it is
/// set aside when it is closed.
pub(super) fn split_unsendable_shifts(records: Vec<ShiftRecord>) -> (Vec<ShiftRecord>, Vec<BrokenShift>) {
    let mut broken = Vec::new();
    let sendable = records
        .into_iter()
        .filter(|record| match too_long(record.shift.encoded_len()) {
            None => true,
            Some(reason) => {
                if record.is_closed() {
                    broken.push(BrokenShift { workshift_id: record.workshift_id, reason });
                }
                false
            }
        })
        .collect();
    (sendable, broken)
}

/// Shift, number and UUID of a document.
pub(super) fn known_by(document: &v1::Document) -> Option<(ShiftKey, u64, [u8; 16])> {
    let key = document.key.as_ref()?;
    Some((shift_of(document), key.number, key.uuid.as_slice().try_into().ok()?))
}

fn has(held: &Holdings, document: &v1::Document) -> bool {
    known_by(document).is_some_and(|(shift, number, uuid)| held.has(shift, number, uuid))
}

/// One batch before it is sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) documents: Vec<v1::Document>,
    pub(super) shifts: Vec<ShiftRecord>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.documents.len() + self.shifts.len() >= MAX_BATCH_DOCUMENTS
    }

    /// Whether a record would stand beside documents.
    fn would_mix(&self, is_record: bool) -> bool {
        is_record && !self.documents.is_empty()
    }

    fn would_overflow(&self, bytes: usize) -> bool {
        self.bytes > 0 && self.bytes + bytes > MAX_UNIT_BYTES
    }
}

/// What has to be sent, in batches, and what the server has already. Records of shifts follow the
/// documents in batches of their own.
pub(super) fn cut_batches(
    documents: Vec<v1::Document>,
    shifts: Vec<ShiftRecord>,
    held: &Holdings,
) -> (Vec<Batch>, Sent) {
    let mut had = Sent::default();
    let mut batches = vec![Batch::default()];
    let mut with = |bytes: usize, is_record: bool, put: &mut dyn FnMut(&mut Batch)| {
        if batches
            .last()
            .is_none_or(|batch| batch.is_full() || batch.would_mix(is_record) || batch.would_overflow(bytes))
        {
            batches.push(Batch::default());
        }
        if let Some(batch) = batches.last_mut() {
            batch.bytes += bytes;
            put(batch);
        }
    };
    for document in documents {
        if has(held, &document) {
            had.add(&document);
        } else {
            let mut document = Some(document);
            let bytes = document.as_ref().map_or(0, prost::Message::encoded_len);
            with(bytes, false, &mut |batch| batch.documents.extend(document.take()));
        }
    }
    for record in shifts {
        let mut record = Some(record);
        let bytes = record.as_ref().map_or(0, |record| record.shift.encoded_len());
        with(bytes, true, &mut |batch| batch.shifts.extend(record.take()));
    }
    batches.retain(|batch| batch.bytes > 0);
    (batches, had)
}

/// What a batch held, for when it is acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) documents: Vec<i64>,
    /// Row ids of all shifts whose records it held.
    shifts: Vec<i64>,
    /// Row ids of the closed ones, and what they are known by.
    pub(super) closings: Vec<(i64, ShiftKey)>,
    pub(super) mark: Option<Mark>,
    pub(super) last: Option<DateTime>,
}

impl Sent {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut sent = Self::default();
        batch.documents.iter().for_each(|document| sent.add(document));
        sent.shifts = batch.shifts.iter().map(|record| record.workshift_id).collect();
        let closed = batch.shifts.iter().filter(|record| record.is_closed());
        sent.closings = closed.map(|record| (record.workshift_id, shift_key(&record.shift))).collect();
        sent
    }

    fn add(&mut self, document: &v1::Document) {
        self.documents.push(document.document_id);
        self.newest(mark_of(document), document.time_end.parse().ok());
    }

    pub(super) fn join(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.shifts.extend(other.shifts);
        self.closings.extend(other.closings);
        self.newest(other.mark, other.last);
    }

    fn newest(&mut self, mark: Option<Mark>, last: Option<DateTime>) {
        if mark.map(|mark| mark.document) > self.mark.map(|mark| mark.document) {
            self.mark = mark;
        }
        self.last = self.last.max(last);
    }

    /// All that it held.
    pub(super) fn units(&self) -> impl Iterator<Item = Unit> {
        let shifts = self.shifts.iter().copied().map(Unit::Shift);
        self.documents.iter().copied().map(Unit::Document).chain(shifts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

fn mark_of(document: &v1::Document) -> Option<Mark> {
    let uuid = Uuid::from_slice(&document.key.as_ref()?.uuid).ok()?;
    Some(Mark { document: document.document_id, uuid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(document_id: i64) -> v1::Document {
        v1::Document { document_id, ..v1::Document::default() }
    }

    fn record(workshift_id: i64, time_end: &str, cashier_bytes: usize) -> ShiftRecord {
        let (time_end, cashier) = (time_end.to_owned(), "x".repeat(cashier_bytes));
        ShiftRecord { workshift_id, shift: v1::Shift { number: 1, time_end, cashier, ..v1::Shift::default() } }
    }

    #[test]
    fn records_of_shifts_never_share_a_batch_with_documents() {
        let documents = (1..=3).map(document).collect();
        let (batches, _) = cut_batches(documents, vec![record(7, "", 1), record(8, "late", 1)], &Holdings::default());
        let units: Vec<Vec<_>> = batches.iter().map(|batch| Sent::of(batch).units().collect()).collect();
        assert_eq!(units, [[1, 2, 3].map(Unit::Document).to_vec(), [7, 8].map(Unit::Shift).to_vec()]);
    }

    #[test]
    fn a_record_larger_than_a_frame_is_set_aside_once_its_shift_is_closed() {
        let large = MAX_UNIT_BYTES;
        let (sendable, broken) =
            split_unsendable_shifts(vec![record(1, "late", 1), record(2, "late", large), record(3, "", large)]);
        assert_eq!(sendable.iter().map(|record| record.workshift_id).collect::<Vec<_>>(), [1]);
        assert_eq!(broken.iter().map(|broken| broken.workshift_id).collect::<Vec<_>>(), [2]);
    }
}
