//! Warnings: what a person should know of a record that was taken. A kind with its parameters,
//! never a sentence, so that each reader gets it in a language of their own.

use super::shortened;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most characters of a value that a warning or a reject shows.
const MAX_VALUE_CHARS: usize = 100;

/// Something a person should know of a record that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The field it is about, with the lists that it stands in: `barcodes[1].name`.
    pub field: String,
    /// The beginning of its value, as it came.
    pub value: String,
    /// What it is.
    pub what: WarningKind,
}

/// What a person should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum WarningKind {
    /// An entry of a nested list was rejected by itself; what stood there before under its key
    /// stays.
    EntryRejected {
        /// Why.
        reason: String,
    },
    /// A value that cannot be read was left out.
    ValueLeftOut {
        /// Why.
        reason: String,
    },
    /// A text was cut to the longest that is kept.
    TextCut {
        /// Its characters.
        chars: u64,
        /// How many are kept.
        max: u64,
    },
    /// Control characters were taken out of a text.
    ControlsTakenOut {
        /// How many.
        count: u64,
    },
    /// A picture is larger than those that are kept, and was left out.
    PictureLeftOut {
        /// Its bytes, in base64.
        bytes: u64,
        /// The most that is kept.
        max: u64,
    },
    /// A price below zero.
    NegativePrice,
    /// An object that people see by its name has none.
    NoName,
    /// Another object has the same barcode.
    SharedBarcode {
        /// The other item's code.
        other: String,
    },
    /// A group is inside itself.
    GroupInItself,
    /// A deletion did not take effect, since a record that may have been meant to add the object
    /// again was rejected.
    NotDeleted,
}

impl Warning {
    pub(super) fn new(field: impl Into<String>, value: impl Into<String>, what: WarningKind) -> Self {
        Self { field: field.into(), value: shortened(value.into(), MAX_VALUE_CHARS), what }
    }
}

impl WarningKind {
    /// Its word, for programs and for the words of a language.
    pub fn word(&self) -> &'static str {
        match self {
            Self::EntryRejected { .. } => "entry-rejected",
            Self::ValueLeftOut { .. } => "value-left-out",
            Self::TextCut { .. } => "text-cut",
            Self::ControlsTakenOut { .. } => "controls-taken-out",
            Self::PictureLeftOut { .. } => "picture-left-out",
            Self::NegativePrice => "negative-price",
            Self::NoName => "no-name",
            Self::SharedBarcode { .. } => "shared-barcode",
            Self::GroupInItself => "group-in-itself",
            Self::NotDeleted => "not-deleted",
        }
    }
}

/// In English, for logs and for `error.txt`.
impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntryRejected { reason } => {
                write!(f, "this entry was not taken, and what stood there before stays: {reason}")
            }
            Self::ValueLeftOut { reason } => write!(f, "the value was left out: {reason}"),
            Self::TextCut { chars, max } => write!(f, "the text has {chars} characters and was cut to {max}"),
            Self::ControlsTakenOut { count } => write!(f, "{count} control characters were taken out"),
            Self::PictureLeftOut { bytes, max } => {
                write!(f, "the picture has {bytes} bytes and was left out; at most {max} are kept")
            }
            Self::NegativePrice => f.write_str("the price is below zero"),
            Self::NoName => f.write_str("it has no name"),
            Self::SharedBarcode { other } => write!(f, "item {other} has the same barcode"),
            Self::GroupInItself => f.write_str("the group is inside itself"),
            Self::NotDeleted => f.write_str(
                "the deletion did not take effect: a record that may have been meant to add the object again was rejected",
            ),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "field `{}`", self.field)?;
            if !self.value.is_empty() {
                write!(f, ", value `{}`", self.value)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.what)
    }
}
