//! The payload of a record: what arrived, from whom, when, and what of it was refused.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tillway_proto::TillId;
use tillway_proto::sales::v1;

use super::pending::PendingEntry;
use crate::sales::scan::ScannedBatch;

/// One batch as it arrived. Protobuf: fields are only ever added.
#[derive(Clone, PartialEq, Message)]
pub struct Arrival {
    /// The till whose stream brought it.
    #[prost(string, tag = "1")]
    pub till_id: String,
    /// The shop the till stood in at that moment, as the server's network has it.
    #[prost(string, tag = "2")]
    pub shop_id: String,
    /// The agent's instance.
    #[prost(string, tag = "3")]
    pub instance: String,
    /// Milliseconds since 1970, UTC, by the server's clock.
    #[prost(int64, tag = "4")]
    pub received_at_ms: i64,
    /// Documents and shifts that passed the checks.
    #[prost(message, optional, tag = "5")]
    pub batch: Option<v1::Batch>,
    /// Documents and shifts that did not.
    #[prost(message, repeated, tag = "6")]
    pub refused: Vec<RefusedDocument>,
}

/// A document that is no receipt or a record of a shift that is none, kept with the reason.
#[derive(Clone, PartialEq, Message)]
pub struct RefusedDocument {
    /// The document as the till sent it.
    #[prost(message, optional, tag = "1")]
    pub document: Option<v1::Document>,
    /// What is wrong with it: a reason as JSON, or a sentence of v0.1.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// The shift's record as the till sent it.
    #[prost(message, optional, tag = "3")]
    pub shift: Option<v1::Shift>,
}

impl Arrival {
    /// Reads a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(payload)
    }

    /// The payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Documents that passed the checks.
    pub fn documents(&self) -> &[v1::Document] {
        self.batch.as_ref().map_or(&[], |batch| &batch.documents)
    }

    /// Shift records that passed the checks.
    pub fn shifts(&self) -> &[v1::Shift] {
        self.batch.as_ref().map_or(&[], |batch| &batch.shifts)
    }
}

/// What is appended: a payload, and what is kept in memory of it until it is loaded.
#[derive(Debug)]
pub struct SpoolRecord {
    pub(super) payload: Vec<u8>,
    pub(super) entry: PendingEntry,
}

impl SpoolRecord {
    /// Of an arrival.
    pub fn of(arrival: &Arrival) -> Self {
        Self { payload: arrival.to_bytes(), entry: PendingEntry::of(arrival) }
    }

    /// Of a batch whose bytes are kept as they came; `around` is all but the batch.
    pub(in crate::sales) fn as_it_came(
        till: &TillId,
        around: &Arrival,
        batch: &[u8],
        scanned: ScannedBatch<'_>,
    ) -> Self {
        const BATCH_TAG: u32 = 5;
        let mut payload = Vec::with_capacity(around.encoded_len() + batch.len() + 16);
        // A Vec grows as far as it must.
        let _ = around.encode(&mut payload);
        encode_key(BATCH_TAG, WireType::LengthDelimited, &mut payload);
        encode_varint(batch.len() as u64, &mut payload);
        payload.extend_from_slice(batch);
        Self { payload, entry: PendingEntry::of_scanned(till, scanned) }
    }
}
