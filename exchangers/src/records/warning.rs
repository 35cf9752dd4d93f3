//! Warnings: what a person should know of a record that was taken. A kind with its parameters,
//! never a sentence, so that each reader gets it in a language of their own.

use super::{RejectReason, shortened};
use serde::Serialize;
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

/// What a person should know of. As JSON one flat object: `{"kind":"text-cut","chars":250,
/// "max":200}`. The English of `Display` is for logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WarningKind {
    /// An entry of a nested list was rejected by itself; what stood there before under its key
    /// stays.
    #[error("this entry was not taken, and what stood there before stays: {reason}")]
    EntryRejected {
        /// Why.
        reason: RejectReason,
    },
    /// A value that cannot be read was left out.
    #[error("the value was left out: {reason}")]
    ValueLeftOut {
        /// Why.
        reason: RejectReason,
    },
    /// A text was cut to the longest that is kept.
    #[error("the text has {chars} characters and was cut to {max}")]
    TextCut {
        /// Its characters.
        chars: u64,
        /// How many are kept.
        max: u64,
    },
    /// Control characters were taken out of a text.
    #[error("{count} control characters were taken out")]
    ControlsTakenOut {
        /// How many.
        count: u64,
    },
    /// A picture is larger than those that are kept, and was left out.
    #[error("the picture has {bytes} bytes and was left out; at most {max} are kept")]
    PictureLeftOut {
        /// Its bytes, in base64.
        bytes: u64,
        /// The most that is kept.
        max: u64,
    },
    /// A price below zero.
    #[error("the price is below zero")]
    NegativePrice,
    /// An object that people see by its name has none.
    #[error("it has no name")]
    NoName,
    /// Another object has the same barcode.
    #[error("item {other} has the same barcode")]
    SharedBarcode {
        /// The other item's code.
        other: String,
    },
    /// A group is inside itself.
    #[error("the group is inside itself")]
    GroupInItself,
    /// A deletion did not take effect, since a record that may have been meant to add the object
    /// again was rejected.
    #[error("the deletion did not take effect: a record that may have been meant to add the object again was rejected")]
    NotDeleted,
}

impl Warning {
    pub(super) fn new(field: impl Into<String>, value: impl Into<String>, what: WarningKind) -> Self {
        Self { field: field.into(), value: shortened(value.into(), MAX_VALUE_CHARS), what }
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
