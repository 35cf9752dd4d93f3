//! Writing the encoding.

use super::{ROW_VERSION, ValueRef};

pub(super) const TAG_NULLS: u64 = 0;
pub(super) const TAG_INTEGER: u64 = 1;
pub(super) const TAG_TEXT: u64 = 2;

/// Encodes one row value by value: `extra` first, then each field in table order. There is nothing
/// to finish: nulls at the end are left out by never being written.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    nulls: u64,
}

impl<'a> Encoder<'a> {
    /// Appends the row to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(ROW_VERSION);
        Self { out, nulls: 0 }
    }

    /// The next value.
    pub fn push(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.nulls += 1,
            ValueRef::Integer(number) => {
                self.flush_nulls();
                let bytes = zigzag(number).to_le_bytes();
                let length = 8 - zigzag(number).leading_zeros() as usize / 8;
                self.head(length as u64, TAG_INTEGER);
                self.out.extend_from_slice(&bytes[..length]);
            }
            ValueRef::Text(text) => {
                self.flush_nulls();
                self.head(text.len() as u64, TAG_TEXT);
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn flush_nulls(&mut self) {
        if self.nulls > 0 {
            self.head(self.nulls, TAG_NULLS);
            self.nulls = 0;
        }
    }

    fn head(&mut self, count: u64, tag: u64) {
        let mut rest = count << 2 | tag;
        while rest >= 0x80 {
            self.out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.out.push(rest.to_le_bytes()[0]);
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}
