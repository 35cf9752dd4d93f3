//! Documents and records of shifts in batches, and what is remembered of a batch until it is acknowledged.

use crate::decide::{Holdings, Mark};
use jiff::civil::DateTime;
use prost::Message as _;
use tillway_exchangers::till::documents::{BrokenDocument, ShiftRecord};
use tillway_proto::sales::{BATCH_BYTES, MAX_BATCH_DOCUMENTS, MAX_DOCUMENT_PARTS, MAX_FRAME_BYTES, v1};
use uuid::Uuid;

/// A document may not be larger than a frame with room for its envelope.
const MAX_DOCUMENT_BYTES: usize = MAX_FRAME_BYTES - 64 * 1024;

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
    ];
    for (what, count) in parts {
        if count > MAX_DOCUMENT_PARTS {
            return Some(format!("it has {count} {what}, allowed are {MAX_DOCUMENT_PARTS}"));
        }
    }
    let bytes = document.encoded_len();
    (bytes > MAX_DOCUMENT_BYTES).then(|| format!("it has {bytes} bytes, allowed are {MAX_DOCUMENT_BYTES}"))
}

fn has(held: &Holdings, document: &v1::Document) -> bool {
    let Some(key) = &document.key else { return false };
    <[u8; 16]>::try_from(key.uuid.as_slice()).is_ok_and(|uuid| held.has(key.shift, key.number, uuid))
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
}

/// What has to be sent, in batches, and what the server has already. Shifts follow their documents.
pub(super) fn cut_batches(
    documents: Vec<v1::Document>,
    shifts: Vec<ShiftRecord>,
    held: &Holdings,
) -> (Vec<Batch>, Sent) {
    let mut had = Sent::default();
    let mut batches = vec![Batch::default()];
    let mut with = |bytes: usize, put: &mut dyn FnMut(&mut Batch)| {
        if batches
            .last()
            .is_none_or(|batch| batch.is_full() || (batch.bytes > 0 && batch.bytes + bytes > MAX_DOCUMENT_BYTES))
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
            with(bytes, &mut |batch| batch.documents.extend(document.take()));
        }
    }
    for record in shifts {
        let mut record = Some(record);
        let bytes = record.as_ref().map_or(0, |record| record.shift.encoded_len());
        with(bytes, &mut |batch| batch.shifts.extend(record.take()));
    }
    batches.retain(|batch| batch.bytes > 0);
    (batches, had)
}

/// What a batch held, for when it is acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) documents: Vec<i64>,
    /// Row ids and numbers of closed shifts.
    pub(super) closings: Vec<(i64, u64)>,
    pub(super) mark: Option<Mark>,
    pub(super) last: Option<DateTime>,
}

impl Sent {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut sent = Self::default();
        batch.documents.iter().for_each(|document| sent.add(document));
        let closed = batch.shifts.iter().filter(|record| record.is_closed());
        sent.closings = closed.map(|record| (record.workshift_id, record.shift.number)).collect();
        sent
    }

    fn add(&mut self, document: &v1::Document) {
        self.documents.push(document.document_id);
        self.newest(mark_of(document), document.time_end.parse().ok());
    }

    pub(super) fn join(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.closings.extend(other.closings);
        self.newest(other.mark, other.last);
    }

    fn newest(&mut self, mark: Option<Mark>, last: Option<DateTime>) {
        if mark.map(|mark| mark.document) > self.mark.map(|mark| mark.document) {
            self.mark = mark;
        }
        self.last = self.last.max(last);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

fn mark_of(document: &v1::Document) -> Option<Mark> {
    let uuid = Uuid::from_slice(&document.key.as_ref()?.uuid).ok()?;
    Some(Mark { document: document.document_id, uuid })
}
