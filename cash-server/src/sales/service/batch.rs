//! A batch from the wire becomes a record of the spool: documents that are receipts, and those
//! that are not with the reason.

use jiff::Timestamp;
use prost::Message as _;
use tillway_proto::sales::{MAX_BATCH_DOCUMENTS, v1};
use tillway_proto::{ShopId, TillId};
use tonic::Status;

use crate::sales::receipt::{DocumentError, ShiftRecord, check_document};
use crate::sales::scan::scan;
use crate::sales::spool::{Arrival, RefusedDocument, SpoolRecord};
use crate::words::Reason;

/// Longest reason that is sent back.
const MAX_REASON_CHARS: usize = 300;

/// Longest text that is sent back as the opening time of a shift; one that reads has about twenty.
const MAX_TIME_BYTES: usize = 40;

/// From whom a batch is.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) till: TillId,
    pub(super) shop: ShopId,
    pub(super) instance: String,
}

/// A batch, sorted.
pub(super) struct Sorted {
    /// What the spool keeps.
    pub(super) record: SpoolRecord,
    /// What the till is told of those that are refused.
    pub(super) refused: Vec<v1::Refused>,
    /// Another till, in whose name the last of them came.
    pub(super) in_name_of: Option<String>,
}

/// Sorts a batch. The whole of it is refused only where the till breaks the protocol.
pub(super) fn sort(sender: &Sender, bytes: &[u8], expected: u64, now: Timestamp) -> Result<Sorted, Box<Status>> {
    let mut arrival = Arrival {
        till_id: sender.till.to_string(),
        shop_id: sender.shop.to_string(),
        instance: sender.instance.clone(),
        received_at_ms: now.as_millisecond(),
        batch: None,
        refused: Vec::new(),
    };
    if let Some(scanned) = scan(&sender.till, bytes)
        && scanned.sequence == expected
    {
        let record = SpoolRecord::as_it_came(&sender.till, &arrival, bytes, scanned);
        return Ok(Sorted { record, refused: Vec::new(), in_name_of: None });
    }
    let batch = v1::Batch::decode(bytes)
        .map_err(|error| Box::new(Status::invalid_argument(format!("a batch that does not read: {error}"))))?;
    if batch.sequence != expected {
        let text = format!("batch {} came where {expected} was expected", batch.sequence);
        return Err(Box::new(Status::invalid_argument(text)));
    }
    let count = batch.documents.len().max(batch.shifts.len());
    if count > MAX_BATCH_DOCUMENTS {
        let text = format!("a batch of {count} documents or shifts, at most {MAX_BATCH_DOCUMENTS} are taken");
        return Err(Box::new(Status::invalid_argument(text)));
    }
    let (mut answers, mut in_name_of) = (Vec::new(), None);
    let mut documents = Vec::with_capacity(batch.documents.len());
    for document in batch.documents {
        match check_document(&sender.till, &document) {
            Ok(_) => documents.push(document),
            Err(error) => {
                in_name_of = other_till(&error).or(in_name_of);
                answers.push(answer(short_key(document.key.as_ref()), document.document_id, &error));
                arrival.refused.push(RefusedDocument { document: Some(document), ..refused(&error) });
            }
        }
    }
    let mut shifts = Vec::with_capacity(batch.shifts.len());
    for shift in batch.shifts {
        match ShiftRecord::parse(&sender.till, shift.clone()) {
            Ok(_) => shifts.push(shift),
            Err(error) => {
                in_name_of = other_till(&error).or(in_name_of);
                let key = v1::ReceiptKey { shift: shift.number, ..v1::ReceiptKey::default() };
                let shift_opened = Some(shift.time_beg.clone()).filter(|text| text.len() <= MAX_TIME_BYTES);
                answers.push(v1::Refused { shift: shift.number, shift_opened, ..answer(Some(key), 0, &error) });
                arrival.refused.push(RefusedDocument { shift: Some(shift), ..refused(&error) });
            }
        }
    }
    arrival.batch = Some(v1::Batch { sequence: batch.sequence, documents, shifts });
    Ok(Sorted { record: SpoolRecord::of(&arrival), refused: answers, in_name_of })
}

fn other_till(error: &DocumentError) -> Option<String> {
    if let DocumentError::OtherTill { till, .. } = error { Some(till.clone()) } else { None }
}

/// Why, as the spool keeps it.
fn refused(error: &DocumentError) -> RefusedDocument {
    RefusedDocument { reason: Reason::of(error).to_string(), ..RefusedDocument::default() }
}

/// Why, as the till's log has it.
fn answer(key: Option<v1::ReceiptKey>, document_id: i64, error: &DocumentError) -> v1::Refused {
    let reason = error.to_string().chars().take(MAX_REASON_CHARS).collect();
    v1::Refused { key, document_id, reason, ..v1::Refused::default() }
}

/// A key as it came, unless it is so long that answers of many would not fit a frame.
fn short_key(key: Option<&v1::ReceiptKey>) -> Option<v1::ReceiptKey> {
    const MAX_ID_BYTES: usize = 128;
    let opened_bytes = |key: &v1::ReceiptKey| key.shift_opened.as_ref().map_or(0, String::len);
    let is_short = |key: &&v1::ReceiptKey| {
        [key.till_id.len(), key.uuid.len(), opened_bytes(key)].iter().all(|bytes| *bytes <= MAX_ID_BYTES)
    };
    key.filter(is_short).cloned()
}
