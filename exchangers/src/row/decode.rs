//! Reading the encoding: to borrowed values, refusing every byte string that an encoder does not
//! write.

use super::encode::{TAG_INTEGER, TAG_NULLS, TAG_TEXT};
use super::{ROW_VERSION, Row, ValueRef};
use crate::kinds::{Kind, Storage};

/// Why bytes are not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Of another version, or empty.
    #[error("encoded row has version {found:?}, this program reads {ROW_VERSION}")]
    Version {
        /// The first byte.
        found: Option<u8>,
    },
    /// Ends within a value.
    #[error("encoded row ends in the middle of a value")]
    Cut,
    /// A form that an encoder does not write.
    #[error("encoded row is not canonical at byte {at}")]
    NotCanonical {
        /// Where.
        at: usize,
    },
    /// Text that is not UTF-8.
    #[error("encoded row has text that is not UTF-8 at byte {at}")]
    NotText {
        /// Where the text starts.
        at: usize,
    },
    /// More values than the kind has fields: written by a newer program.
    #[error(
        "row of kind `{kind}` has more values than this program knows: it comes from a newer version; upgrade the agents \
         of the tills first, then the server"
    )]
    TooManyValues {
        /// The kind.
        kind: Kind,
    },
    /// A number where the field is a text, or the other way round.
    #[error("row of kind `{kind}` has a value of the wrong type in field `{field}`")]
    WrongType {
        /// The kind.
        kind: Kind,
        /// The field.
        field: &'static str,
    },
}

/// The values of an encoded row as they come, `extra` first; nulls at the end are not there.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    bytes: &'a [u8],
    at: usize,
    nulls: u64,
    after_nulls: bool,
    failed: bool,
}

impl<'a> Values<'a> {
    /// Over the bytes of one row.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RowError> {
        match bytes.first() {
            Some(&ROW_VERSION) => Ok(Self { bytes, at: 1, nulls: 0, after_nulls: false, failed: false }),
            found => Err(RowError::Version { found: found.copied() }),
        }
    }

    fn head(&mut self) -> Result<u64, RowError> {
        let start = self.at;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(RowError::Cut)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(RowError::NotCanonical { at: start });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RowError::NotCanonical { at: start })
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], RowError> {
        let count = usize::try_from(count).map_err(|_| RowError::Cut)?;
        let end = self.at.checked_add(count).ok_or(RowError::Cut)?;
        let taken = self.bytes.get(self.at..end).ok_or(RowError::Cut)?;
        self.at = end;
        Ok(taken)
    }

    fn value(&mut self) -> Result<ValueRef<'a>, RowError> {
        let start = self.at;
        let head = self.head()?;
        let count = head >> 2;
        match head & 3 {
            TAG_NULLS if count > 0 && !self.after_nulls && self.at < self.bytes.len() => {
                self.nulls = count - 1;
                self.after_nulls = true;
                Ok(ValueRef::Null)
            }
            TAG_INTEGER if count <= 8 => {
                let taken = self.take(count)?;
                if taken.last() == Some(&0) {
                    return Err(RowError::NotCanonical { at: start });
                }
                let mut whole = [0; 8];
                whole[..taken.len()].copy_from_slice(taken);
                let zigzag = u64::from_le_bytes(whole);
                self.after_nulls = false;
                Ok(ValueRef::Integer((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()))
            }
            TAG_TEXT => {
                let taken = self.take(count)?;
                self.after_nulls = false;
                std::str::from_utf8(taken).map(ValueRef::Text).map_err(|_| RowError::NotText { at: start })
            }
            _ => Err(RowError::NotCanonical { at: start }),
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<ValueRef<'a>, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.nulls > 0 {
            self.nulls -= 1;
            return Some(Ok(ValueRef::Null));
        }
        if self.failed || self.at >= self.bytes.len() {
            return None;
        }
        let value = self.value();
        self.failed = value.is_err();
        Some(value)
    }
}

/// A decoded row of a kind that borrows its text from the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRef<'a> {
    /// Canonical JSON object of the unknown fields.
    pub extra: Option<&'a str>,
    /// A value for every declared field, in table order.
    pub values: Vec<ValueRef<'a>>,
}

impl<'a> RowRef<'a> {
    /// Decodes a row; the values have the types of the kind's fields, and there is one for each.
    pub fn decode(kind: Kind, bytes: &'a [u8]) -> Result<Self, RowError> {
        let fields = kind.fields();
        let mut encoded = Values::new(bytes)?;
        let extra = match encoded.next().transpose()? {
            None | Some(ValueRef::Null) => None,
            Some(ValueRef::Text(text)) => Some(text),
            Some(ValueRef::Integer(_)) => return Err(RowError::WrongType { kind, field: "extra" }),
        };
        let mut values = Vec::with_capacity(fields.len());
        for value in encoded {
            let value = value?;
            let field = fields.get(values.len()).ok_or(RowError::TooManyValues { kind })?;
            let fits = match value {
                ValueRef::Null => true,
                ValueRef::Integer(_) => field.field_type.storage() == Storage::Integer,
                ValueRef::Text(_) => field.field_type.storage() == Storage::Text,
            };
            if !fits {
                return Err(RowError::WrongType { kind, field: field.name });
            }
            values.push(value);
        }
        values.resize(fields.len(), ValueRef::Null);
        Ok(Self { extra, values })
    }

    /// The row with values of its own, nulls at the end left out.
    pub fn to_row(&self) -> Row {
        let used = self.values.iter().rposition(|value| *value != ValueRef::Null).map_or(0, |last| last + 1);
        Row {
            extra: self.extra.map(str::to_owned),
            values: self.values[..used].iter().map(|value| value.to_value()).collect(),
        }
    }
}
