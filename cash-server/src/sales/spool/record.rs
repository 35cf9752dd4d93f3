//! The payload of a record: what arrived, from whom, when, and what of it was refused.

use prost::Message;
use tillway_proto::sales::v1;

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
    /// What is wrong with it.
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
