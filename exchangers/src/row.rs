//! Rows: the canonical form of an object. The same bytes are the body in the server's dictionary,
//! travel in packages and are hashed; the till hashes its columns by encoding them again.
//!
//! A row has the values of its kind's declared fields in table order, and before them `extra`: the
//! unknown fields as one canonical JSON object, or nothing. A value is null, a 64-bit integer or
//! text; what types mean by that is said at [`crate::kinds::FieldType`].
//!
//! # Encoding, version 1
//!
//! ```text
//! row    = version values
//! version = 0x01
//! values = extra, then each field of the kind in table order; nulls at the end are left out
//! value  = head [data]
//! head   = varint (LEB128, at most 10 bytes, no needless bytes) of  n << 2 | tag
//!   tag 0   a run of n ≥ 1 nulls; never two runs side by side, never at the end
//!   tag 1   an integer: n (0 to 8) bytes follow, the zigzag form little-endian without zero bytes at its end
//!   tag 2   text: n bytes of UTF-8 follow
//! ```
//!
//! There is one encoding of a row: a decoder refuses every other, so equal bytes and equal rows
//! are the same thing. A field added at the end of a kind later is null in older rows and does not
//! change their bytes.
//!
//! [`hash`] is XXH3-128 of the bytes, seeded with the number of the kind. An [`ObjectKey`] is the
//! text of the key fields joined by U+001F.

mod decode;
mod encode;
mod json;
mod key;

#[cfg(test)]
mod tests;

pub use crate::json::MAX_DEPTH;
pub use decode::{RowError, RowRef, Values};
pub use encode::Encoder;
pub use json::{to_json, to_payload, write_json};
pub use key::{KEY_SEPARATOR, KeyMatch, ObjectKey, key};

use crate::kinds::Kind;
use tillway_proto::RowHash;

/// Version of the encoding.
pub const ROW_VERSION: u8 = 1;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A number: an integer, a bool, kopecks, thousandths.
    Integer(i64),
    /// Text, a code, a date, canonical JSON.
    Text(String),
}

/// A value of a row, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValueRef<'a> {
    /// Nothing.
    #[default]
    Null,
    /// As [`Value::Integer`].
    Integer(i64),
    /// As [`Value::Text`].
    Text(&'a str),
}

/// A row that owns its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Canonical JSON object of the unknown fields.
    pub extra: Option<String>,
    /// Values of the declared fields in table order; missing ones at the end are null.
    pub values: Vec<Value>,
}

impl Value {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text),
        }
    }
}

impl ValueRef<'_> {
    /// The value, owned.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(number),
            Self::Text(text) => Value::Text(text.to_owned()),
        }
    }
}

impl<'a> From<Option<&'a str>> for ValueRef<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl Row {
    /// Appends the encoded row to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(out);
        encoder.push(self.extra.as_deref().into());
        for value in &self.values {
            encoder.push(value.as_ref());
        }
    }

    /// The encoded row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }
}

/// The hash of an encoded row of a kind: the same on the server and on every till.
pub fn hash(kind: Kind, encoded: &[u8]) -> RowHash {
    RowHash(xxhash_rust::xxh3::xxh3_128_with_seed(encoded, u64::from(kind.id())))
}
