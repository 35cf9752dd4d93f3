//! The key of a receipt: made on the till, once, and unique on the server.

use crate::id::TillId;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Number of a shift on its till, as the POS counts them (`workshift.shiftnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShiftNumber(pub u64);

/// Number of a document on its till (`document.checknum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentNumber(pub u64);

impl fmt::Display for ShiftNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What makes a receipt this one and no other: till, shift, document number and a UUID.
///
/// The UUID tells apart two receipts of one number, as a till restored from an old image makes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReceiptKey {
    /// The till that made it.
    pub till: TillId,
    /// The shift it belongs to.
    pub shift: ShiftNumber,
    /// Its number.
    pub number: DocumentNumber,
    /// Made once, on the till.
    pub uuid: Uuid,
}

impl fmt::Display for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.till, self.shift, self.number, self.uuid)
    }
}
