//! Records: what a back office's input is made of, whatever its [format](crate::formats).
//!
//! A [`Format`] cuts its input into records and reads each to a [`Command`], or to a [`Reject`]
//! with line, byte, verb, key and reason. A reject never stops it; that an input is cut off is a
//! reject of its own ([`Reject::refuses_load`]). As [`RawRecords`] they come unread, with a
//! [`RecordHash`] by which one is known again that was read before.
//!
//! What a format reads of an object are typed [`Cell`]s, put into [`Fields`] by the names of
//! [`crate::kinds`]. Everything else is done here, for all formats alike: which values a field
//! takes, the rows that an object brings along ([`Fields::add`]), what is warned of, what is
//! rejected and what stays as it was.
//!
//! What is taken loosely: codes as number or text, numbers as text, flags as `true`, `0`, `"1"`;
//! an empty text where a number, code or time is expected, as absent; a day where a time is
//! expected; a time with a zone, which is converted to the reader's. Of a field that comes under
//! two of its names the last value that is not absent counts; the same name twice in one object is
//! a reject, whatever its case. Numbers never pass through floating point. Fields that the table
//! does not know are kept in the row's `extra`.
//!
//! What is odd in a record costs as little of it as can be: a [`Warning`] says that a text was
//! cut, that a value was left out, or that an entry of a nested list was rejected by itself
//! ([`Expansion::spared`] says what stays then). The whole record is rejected where its key cannot
//! be read, or a field without which the object would be worse than the one before: a price, a
//! tax, a right.
//!
//! A deletion means the objects whose key has the fields that it names; one it does not name may
//! be any, except the first. A reject says which objects it may have been meant to add
//! ([`Reject::spares`]): a load that clears first must not take them away for not being named.
//!
//! **Architecture invariant:** nothing here knows a format.

mod cell;
mod context;
mod fields;
mod key;
mod list;
mod problem;
mod raw;
mod reason;
mod rows;
mod value;
mod warning;

pub use cell::Cell;
pub(crate) use cell::RowValue;
pub use context::Context;
pub(crate) use fields::KnownKey;
pub use fields::{Fields, Nested};
pub(crate) use key::{complete_key, key_for_people, key_part};
pub use list::{Entry, KeptList};
pub use problem::Problem;
pub use raw::{Format, Raw, RawRecord, RawRecords, RecordHash};
pub use reason::{Expected, ForeignInput, RejectReason, ValueFault};
pub use rows::rows_of_scalars;
pub(crate) use value::convert;
pub use warning::{Warning, WarningKind};

pub use crate::json::JsonFault;

use crate::kinds::Kind;
use crate::row::{KeyMatch, ObjectKey};
use std::fmt;
use tillway_proto::RowHash;

/// Largest record that is read: several images, or some ten thousand barcodes of one item. A
/// larger one is set aside without being held in memory.
pub const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// Most entries of the nested lists of one record together: each may become a row. The largest
/// real one known, an item with a barcode for each gift card, had some thousands.
pub const MAX_ENTRIES: usize = 50_000;

/// One record of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line on which it starts, from 1.
    pub line: u64,
    /// Byte of the input at which it starts, from 0.
    pub byte: u64,
    /// What it orders, or why it is set aside.
    pub command: Result<Command, Reject>,
}

/// What a record orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What is not added again is gone.
    Clear {
        /// The verb, as the table spells it.
        verb: &'static str,
        /// The kinds that it clears.
        kinds: &'static [Kind],
    },
    /// Delete objects.
    Delete {
        /// The verb, as the table spells it.
        verb: &'static str,
        /// Their kind.
        kind: Kind,
        /// Which.
        keys: KeyMatch,
    },
    /// Add an object or change it, with all that it brings.
    Upsert(Expansion),
}

/// An object with the rows that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The verb, as the table spells it.
    pub verb: &'static str,
    /// The object's own row.
    pub main: ObjectRow,
    /// Rows of other kinds, sorted by kind and key, each key once.
    pub owned: Vec<ObjectRow>,
    /// Kinds that came as whole sets, sorted: rows of them that the object owned before and that
    /// are not in `owned` are gone.
    pub replaces: Vec<Kind>,
    /// Rows that the object owned before and that stay as they are: an entry was rejected that may
    /// have been meant to bring them. With the keys, or all rows of that kind that the object
    /// owns.
    pub spared: Vec<(Kind, Option<KeyMatch>)>,
    /// What a person should know of.
    pub warnings: Vec<Warning>,
    /// The text says the same each time: no warning is to be told again, no time depends on a
    /// zone.
    pub lasting: bool,
    /// Hash over main row, owned rows and replaced kinds: equal bundles mean that nothing changed.
    pub bundle: RowHash,
}

/// One row, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its kind.
    pub kind: Kind,
    /// Its key.
    pub key: ObjectKey,
    /// The encoded row.
    pub body: Vec<u8>,
    /// The hash of kind and row.
    pub hash: RowHash,
}

/// A record that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line on which the record starts, from 1.
    pub line: u64,
    /// Byte of the input at which it starts, from 0.
    pub byte: u64,
    /// Its verb, where it could be read, as it was written.
    pub verb: Option<String>,
    /// Its kind, where the verb is known.
    pub kind: Option<Kind>,
    /// Its key, where it could be read, parts joined by `/`.
    pub key: Option<String>,
    /// Which objects it may have been meant to add: a load that began with a clearing leaves them
    /// as they are.
    pub spares: Spares,
    /// The field that is wrong, where it is one.
    pub about: Option<Box<FieldValue>>,
    /// What is wrong, for people.
    pub reason: Box<RejectReason>,
    /// What is wrong, for programs.
    pub cause: Cause,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    /// Its name.
    pub field: String,
    /// The beginning of its value, as it came.
    pub value: String,
}

/// Most characters of a reject's key, and of a name in it: a record may have megabytes.
pub(crate) const MAX_KEY_CHARS: usize = 200;

/// What a person is told of a text that may be of any length.
pub(crate) fn shortened(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What a record that could not be read may have been meant to add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Spares {
    /// Nothing: it clears, deletes, or has a verb that is not ours.
    Nothing,
    /// Objects of a kind by their key.
    Objects(Kind, Box<KeyMatch>),
    /// Objects of a kind, nobody knows which.
    Kind(Kind),
    /// Nobody knows.
    #[default]
    Anything,
}

/// What is wrong with a record, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The input ends in the middle.
    Truncated,
    /// The input as a whole is not of its format.
    WrongFormat,
    /// The input is packed, or text in another encoding as a whole: see
    /// [`foreign_input`](crate::formats::foreign_input).
    Foreign,
    /// Against the grammar of its format.
    Syntax,
    /// No valid UTF-8.
    Encoding,
    /// Larger than [`MAX_RECORD_BYTES`].
    TooLarge,
    /// More entries than [`MAX_ENTRIES`].
    TooManyEntries,
    /// One name twice in one object.
    Twice,
    /// It does not say what it orders.
    NoCommand,
    /// A verb that the table does not have.
    UnknownVerb,
    /// The payload or a key field is missing.
    Missing,
    /// A value that its field does not take.
    Value,
}

impl Reject {
    /// The input ends in the middle of a record or before its closing line.
    pub fn truncated(&self) -> bool {
        self.cause == Cause::Truncated
    }

    /// The input as a whole is not what its producer meant to hand over: nothing of it may be
    /// loaded.
    pub fn refuses_load(&self) -> bool {
        matches!(self.cause, Cause::Truncated | Cause::WrongFormat | Cause::Foreign)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)?;
        if let Some(verb) = &self.verb {
            write!(f, ", {verb}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Where a record starts in its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Byte, from 0.
    pub byte: u64,
}

impl Position {
    /// The record that starts here.
    pub fn record(self, command: Result<Command, Reject>) -> Record {
        Record { line: self.line, byte: self.byte, command }
    }

    /// A reject of the record that starts here, of which nothing is known.
    pub fn reject(self, cause: Cause, reason: RejectReason) -> Reject {
        let Self { line, byte } = self;
        let (verb, kind, key, spares) = (None, None, None, Spares::default());
        let reason = Box::new(reason);
        Reject { line, byte, verb, kind, key, spares, about: None, reason, cause }
    }

    /// A reject of the record that starts here, for a problem that was met while it was read.
    pub fn reject_for(self, problem: Problem) -> Reject {
        match problem {
            Problem::Whole { cause, reason } => self.reject(cause, reason),
            Problem::Value { cause, field, value, reason } => {
                let (field, value) = (shortened(field, MAX_KEY_CHARS), shortened(value, MAX_KEY_CHARS));
                Reject { about: Some(Box::new(FieldValue { field, value })), ..self.reject(cause, reason) }
            }
        }
    }
}
