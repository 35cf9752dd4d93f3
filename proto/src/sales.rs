//! The sales service: code generated from `proto/sales.proto`, and the limits both ends keep.
//!
//! The protocol is told in the comments of that file.

use crate::id::{IdError, TillId};
use crate::receipt::{DocumentNumber, Opened, ReceiptKey, ShiftKey, ShiftNumber};
use serde::Serialize;
use uuid::Uuid;

/// The generated messages, client and server.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("tillway.sales.v1");
}

/// The generated server over [`ArrivedFrame`]s.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod arrived {
    include!(concat!(env!("OUT_DIR"), "/arrived/tillway.sales.v1.rs"));
}

/// A [`v1::PeerFrame`] as a server takes it: on the wire it is the same, and what is in it stays
/// as the bytes that came, so that it is measured before it is read.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ArrivedFrame {
    /// A [`v1::Hello`], the first frame.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub hello: Option<prost::bytes::Bytes>,
    /// A [`v1::Batch`].
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub batch: Option<prost::bytes::Bytes>,
}

/// Version of the protocol that this code speaks.
pub const SALES_SCHEMA: u32 = 1;

/// Largest frame in bytes on the wire, both ways; the till cuts batches well below.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Largest first frame, a `Hello`: two hundred shifts and a few names are under 10 KiB.
pub const MAX_HELLO_BYTES: usize = 32 * 1024;

/// The metadata of the call in which a peer names itself, beside
/// `authorization: Bearer <cash.token>`: a server refuses a wrong token, and tells whose it was
/// meant to be, before it reads a frame. Agents of version 0.1 do not send it.
pub const PEER_METADATA: &str = "tillway-peer";

/// The till closes a batch when it holds this many bytes of documents: large enough that a stream
/// is not bound by acknowledgements, small enough that little is sent again after a break.
pub const BATCH_BYTES: usize = 128 * 1024;

/// Most documents in one batch.
pub const MAX_BATCH_DOCUMENTS: usize = 500;

/// Most batches under way without an acknowledgement.
pub const MAX_UNACKNOWLEDGED_BATCHES: u64 = 16;

/// Most frames of no known kind that are passed over in one stream: a newer side may add one that
/// the other need not know.
pub const MAX_UNKNOWN_FRAMES: u32 = 100;

/// Most shifts in one `Hello`: a quarter of a year at two a day. More are unloaded in several
/// streams.
pub const MAX_HELLO_SHIFTS: usize = 200;

/// Most lines, voided lines, payments, cards and other parts of one sort in one document.
pub const MAX_DOCUMENT_PARTS: usize = 10_000;

/// Longest text of a document, in bytes: names, codes, fiscal numbers are below a hundred.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// Longest slip of a payment, in bytes: what a terminal prints, some sixty lines in Russian.
pub const MAX_SLIP_BYTES: usize = 64 * 1_024;

/// Largest sum or quantity, in kopecks or thousandths, also of what the lines of a receipt add up
/// to: a hundred billion roubles, so that the totals of a chain fit.
pub const MAX_AMOUNT: i64 = 10_000_000_000_000;

/// A text that is no date-time; compared by what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimeError(String);

/// Reads when a shift was opened; see [`Opened::from_wire`].
pub fn opened(text: Option<&str>) -> Result<Opened, TimeError> {
    Opened::from_wire(text).map_err(|error| TimeError(error.to_string()))
}

/// The shifts that a hello names. `None` where opening times and numbers are not in step, or one
/// is no time.
pub fn named_shifts(hello: &v1::Hello) -> Option<Vec<ShiftKey>> {
    if hello.openings.is_empty() {
        return Some(hello.shifts.iter().map(|number| ShiftKey::not_told(ShiftNumber(*number))).collect());
    }
    if hello.openings.len() != hello.shifts.len() {
        return None;
    }
    let key = |(number, text): (&u64, &String)| {
        Some(ShiftKey { number: ShiftNumber(*number), opened: Opened::from_wire(Some(text)).ok()? })
    };
    hello.shifts.iter().zip(&hello.openings).map(key).collect()
}

/// Shifts as a hello names them: numbers and opening times, in step.
pub fn naming(shifts: impl IntoIterator<Item = ShiftKey>) -> (Vec<u64>, Vec<String>) {
    shifts.into_iter().map(|shift| (shift.number.0, shift.opened.to_wire().unwrap_or_default())).unzip()
}

/// The shift that a record is of.
pub fn shift_key(shift: &v1::Shift) -> ShiftKey {
    let opened = Opened::from_wire(Some(&shift.time_beg)).unwrap_or(Opened::Unknown);
    ShiftKey { number: ShiftNumber(shift.number), opened }
}

/// The shift that a holding is of.
pub fn holding_shift(holding: &v1::Holding) -> Result<ShiftKey, TimeError> {
    Ok(ShiftKey { number: ShiftNumber(holding.shift), opened: opened(holding.opened.as_deref())? })
}

/// Why a key on the wire is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyError {
    /// The document has no key.
    #[error("a document without a key")]
    #[serde(rename = "document-without-key")]
    Missing,
    /// The till's id is none.
    #[error("a document with a wrong till id")]
    #[serde(rename = "document-of-no-till")]
    Till {
        /// Why not.
        #[source]
        #[serde(skip)]
        source: IdError,
    },
    /// The UUID is not 16 bytes.
    #[error("a document whose uuid has {bytes} bytes in place of 16")]
    #[serde(rename = "document-without-uuid")]
    Uuid {
        /// How many it has.
        bytes: usize,
    },
    /// The opening time of its shift is none.
    #[error("a document whose shift was opened at a time that is none")]
    #[serde(rename = "document-of-no-shift")]
    Opened {
        /// Why not.
        #[source]
        #[serde(skip)]
        source: TimeError,
    },
}

impl From<&ReceiptKey> for v1::ReceiptKey {
    fn from(key: &ReceiptKey) -> Self {
        Self {
            till_id: key.till.to_string(),
            shift: key.shift.number.0,
            number: key.number.0,
            uuid: key.uuid.as_bytes().to_vec(),
            shift_opened: key.shift.opened.to_wire(),
        }
    }
}

impl TryFrom<&v1::ReceiptKey> for ReceiptKey {
    type Error = KeyError;

    fn try_from(key: &v1::ReceiptKey) -> Result<Self, KeyError> {
        Ok(Self {
            till: key.till_id.parse::<TillId>().map_err(|source| KeyError::Till { source })?,
            shift: ShiftKey {
                number: ShiftNumber(key.shift),
                opened: opened(key.shift_opened.as_deref()).map_err(|source| KeyError::Opened { source })?,
            },
            number: DocumentNumber(key.number),
            uuid: Uuid::from_slice(&key.uuid).map_err(|_| KeyError::Uuid { bytes: key.uuid.len() })?,
        })
    }
}
