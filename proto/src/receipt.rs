//! The key of a receipt: made on the till, once, and unique on the server.

use crate::id::TillId;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize, Serializer};
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

/// When a shift was opened, as far as that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Opened {
    /// Not told: agents of v0.1 tell only the number of a receipt's shift.
    #[default]
    NotTold,
    /// The POS wrote no time, or none that reads.
    Unknown,
    /// At this local time of the till.
    At(DateTime),
}

impl Opened {
    /// The time of opening as it stands on the wire: absent where it is not told, empty where the
    /// POS wrote none.
    pub fn from_wire(text: Option<&str>) -> Result<Self, jiff::Error> {
        match text {
            None => Ok(Self::NotTold),
            Some("") => Ok(Self::Unknown),
            Some(text) => text.parse().map(Self::At),
        }
    }

    /// As it stands on the wire.
    pub fn to_wire(self) -> Option<String> {
        match self {
            Self::NotTold => None,
            Self::Unknown => Some(String::new()),
            Self::At(time) => Some(time.to_string()),
        }
    }

    /// The time, where one is known.
    pub fn time(self) -> Option<DateTime> {
        if let Self::At(time) = self { Some(time) } else { None }
    }
}

impl From<Option<DateTime>> for Opened {
    /// Of a record of a shift, which always tells.
    fn from(time: Option<DateTime>) -> Self {
        time.map_or(Self::Unknown, Self::At)
    }
}

impl Serialize for Opened {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.time().serialize(serializer)
    }
}

/// What makes a shift of a till this one and no other: its number and when it was opened. A POS
/// counts its shifts from 1 again after a change of the fiscal drive, so that one number stands
/// for several shifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ShiftKey {
    /// Its number.
    pub number: ShiftNumber,
    /// When it was opened.
    pub opened: Opened,
}

impl ShiftKey {
    /// A shift of this number of which nobody told when it was opened.
    pub fn not_told(number: ShiftNumber) -> Self {
        Self { number, opened: Opened::NotTold }
    }
}

impl fmt::Display for ShiftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.opened.time() {
            None => write!(f, "{}", self.number),
            Some(time) => write!(f, "{} of {time}", self.number),
        }
    }
}

/// What makes a receipt this one and no other: till, shift, document number and a UUID.
///
/// The UUID tells apart two receipts of one number, as a till restored from an old image makes
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReceiptKey {
    /// The till that made it.
    pub till: TillId,
    /// The shift it belongs to.
    pub shift: ShiftKey,
    /// Its number.
    pub number: DocumentNumber,
    /// Made once, on the till.
    pub uuid: Uuid,
}

impl fmt::Display for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.till, self.shift.number, self.number, self.uuid)
    }
}
