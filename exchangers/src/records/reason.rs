//! Why a record, or a value of one, is not taken: a kind with its parameters, so that each reader
//! gets it worded in a language of their own.
//!
//! As JSON it is one flat object: `{"kind":"wrong-value","field":"price","value":"x",
//! "expected":"number"}`. The kinds are ids of messages where people read them. The English of
//! `Display` is for logs.
//!
//! A format that finds what none of these says adds a variant.

use crate::json::JsonFault;
use crate::kinds::FieldType;
use serde::Serialize;

/// Why a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RejectReason {
    /// The input is cut off.
    #[error("the input ends in the middle of a record")]
    EndsInRecord,
    /// The input is cut off.
    #[error("the input ends in the middle of a separating line")]
    EndsInSeparator,
    /// The input is cut off.
    #[error("the input ends before the closing line `{line}`")]
    EndsBeforeLine {
        /// The line that was expected.
        line: &'static str,
    },
    /// The input is cut off.
    #[error("the input ends before the closing `{sign}`")]
    EndsBeforeSign {
        /// The sign that was expected.
        sign: &'static str,
    },
    /// The input is no text of this program's.
    #[error("{input}")]
    ForeignInput {
        /// What it is.
        input: ForeignInput,
    },
    /// The input as a whole is something else.
    #[error("the body is not a JSON array of commands")]
    NotAnArray,
    /// The input goes on after its end.
    #[error("text follows the end of the array")]
    TextAfterArray,
    /// Bytes that are no character.
    #[error("not UTF-8 at line {line}, byte {byte}")]
    NotUtf8 {
        /// Line of the input, from 1.
        line: u64,
        /// Byte of the input, from 0.
        byte: u64,
    },
    /// Against the grammar of JSON.
    #[error("not JSON at line {line}, byte {byte}: {fault}")]
    NotJson {
        /// Line of the input, from 1.
        line: u64,
        /// Byte of the input, from 0.
        byte: u64,
        /// What is wrong there.
        fault: JsonFault,
    },
    /// Larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    #[error("the record is larger than {max} bytes")]
    RecordTooLarge {
        /// The most that is read, in bytes.
        max: usize,
    },
    /// More than [`MAX_ENTRIES`](super::MAX_ENTRIES).
    #[error("the record has more than {max} entries in its lists: hand it over in parts")]
    TooManyEntries {
        /// The most that is read.
        max: usize,
    },
    /// One name twice in one object, whatever its case.
    #[error("field `{field}`: {}", JsonFault::Twice)]
    FieldTwice {
        /// The name.
        field: String,
    },
    /// The record is no object.
    #[error("the record is not a JSON object")]
    NotAnObject,
    /// It does not say what it orders.
    #[error("`command` is missing")]
    NoCommand,
    /// What it orders is no text.
    #[error("`command` is not a text")]
    CommandNotText,
    /// A verb that the table does not have.
    #[error("unknown verb `{verb}`")]
    UnknownVerb {
        /// The verb.
        verb: String,
    },
    /// The object that a record is about is missing.
    #[error("payload `{payload}` is missing")]
    NoPayload {
        /// The key of the payload.
        payload: &'static str,
    },
    /// The object that a record is about is none.
    #[error("payload `{payload}` is not a JSON object")]
    PayloadNotObject {
        /// The key of the payload.
        payload: &'static str,
    },
    /// A field of the key is missing.
    #[error("key field `{field}` is missing")]
    NoKeyField {
        /// The field.
        field: &'static str,
    },
    /// An entry of a list is no object.
    #[error("expected an object")]
    EntryNotObject,
    /// A list is something else.
    #[error("field `{field}`: expected objects in an array")]
    NoArrayOfObjects {
        /// The field.
        field: &'static str,
    },
    /// A value that its field does not take.
    #[error("field `{field}`: {fault}")]
    #[serde(untagged)]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with the value.
        #[serde(flatten)]
        fault: ValueFault,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ValueFault {
    /// It is of another sort.
    #[error("`{value}` is not {expected}")]
    WrongValue {
        /// The beginning of it.
        value: String,
        /// What the field takes.
        expected: Expected,
    },
    /// More digits after the point than are kept.
    #[error("`{value}` has more than {digits} digits after the point")]
    TooManyDecimals {
        /// The beginning of it.
        value: String,
        /// The most that are kept.
        digits: u32,
    },
    /// More digits before the point than are kept.
    #[error("`{value}` has more than {digits} digits before the point")]
    TooManyDigits {
        /// The beginning of it.
        value: String,
        /// The most that are kept.
        digits: u32,
    },
    /// A number too large for any computer's integer.
    #[error("`{value}` is too large")]
    NumberTooLarge {
        /// The beginning of it.
        value: String,
    },
    /// A number of days that cannot be meant.
    #[error("`{value}` is not a number of days up to {max}")]
    WrongDays {
        /// The beginning of it.
        value: String,
        /// The most that are taken.
        max: i64,
    },
    /// A text that is too long, and must not be cut.
    #[error("`{value}` has {chars} characters, at most {max} are allowed")]
    TooLong {
        /// The beginning of it.
        value: String,
        /// Its characters.
        chars: usize,
        /// The most that are taken.
        max: usize,
    },
    /// A value that is too large.
    #[error("the value has {bytes} bytes, at most {max} are allowed")]
    TooManyBytes {
        /// Its bytes.
        bytes: usize,
        /// The most that are taken.
        max: usize,
    },
    /// A list is expected.
    #[error("`{value}` is not a list")]
    NotAList {
        /// The beginning of it.
        value: String,
    },
    /// The sign that joins the parts of a key.
    #[error("a key must not hold U+001F")]
    SeparatorInKey,
}

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// A text.
    #[error("a text")]
    Text,
    /// A code.
    #[error("a code")]
    Code,
    /// A number without a fraction.
    #[error("a whole number")]
    WholeNumber,
    /// Yes or no.
    #[error("true, false, 0 or 1")]
    Flag,
    /// A number.
    #[error("a number")]
    Number,
    /// A day.
    #[error("a date YYYY-MM-DD")]
    Date,
    /// A moment.
    #[error("a time YYYY-MM-DDTHH:MM:SS")]
    Time,
    /// How long, or until when.
    #[error("a number of days or a time YYYY-MM-DDTHH:MM:SS")]
    DaysOrTime,
    /// Anything.
    #[error("a value")]
    Value,
}

impl From<FieldType> for Expected {
    fn from(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Text { .. } | FieldType::LongText => Self::Text,
            FieldType::Code { .. } => Self::Code,
            FieldType::Integer => Self::WholeNumber,
            FieldType::Bool => Self::Flag,
            FieldType::Money | FieldType::Quantity | FieldType::Decimal { .. } => Self::Number,
            FieldType::Date => Self::Date,
            FieldType::DateTime | FieldType::DateTimeEnd => Self::Time,
            FieldType::DaysOrDateTime => Self::DaysOrTime,
            FieldType::Json => Self::Value,
        }
    }
}

/// What an input is that is no UTF-8 text at all, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignInput {
    /// Text in another encoding.
    #[error("the input is UTF-16; write it as UTF-8")]
    Utf16,
    /// Nothing that was ever written.
    #[error("the input is no text: it begins with a zero byte, as a file that was cut by a power failure")]
    Zeros,
    /// Packed.
    #[error("the input is packed with gzip; hand it over unpacked")]
    Gzip,
    /// Packed.
    #[error("the input is packed with zstd; hand it over unpacked")]
    Zstd,
    /// An archive.
    #[error("the input is a zip archive; hand it over unpacked")]
    Zip,
}
