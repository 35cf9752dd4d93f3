//! Records inside of a chunk: an upsert or a delete of one object.

use super::MAX_RECORD_BYTES;

const UPSERT: u8 = 1;
const DELETE: u8 = 2;

/// What happens to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// The object is this from now on.
    Upsert {
        /// Its key (see [`crate::row`]).
        key: &'a str,
        /// Its canonical row.
        row: &'a [u8],
    },
    /// The object is gone.
    Delete {
        /// Its key.
        key: &'a str,
    },
}

impl<'a> Record<'a> {
    /// The key of the object.
    pub fn key(&self) -> &'a str {
        match self {
            Self::Upsert { key, .. } | Self::Delete { key } => key,
        }
    }

    /// An upper bound of the encoded length.
    pub(super) fn max_encoded_len(&self) -> usize {
        const TAG_AND_LENGTHS: usize = 1 + 2 * 10;
        TAG_AND_LENGTHS
            + match self {
                Self::Upsert { key, row } => key.len() + row.len(),
                Self::Delete { key } => key.len(),
            }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Upsert { key, row } => {
                out.push(UPSERT);
                push_bytes(out, key.as_bytes());
                push_bytes(out, row);
            }
            Self::Delete { key } => {
                out.push(DELETE);
                push_bytes(out, key.as_bytes());
            }
        }
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    out.extend_from_slice(bytes);
}

/// The records of a chunk, borrowed from it. An error names what does not fit; nothing follows it.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Records<'a> {
    pub(super) fn new(raw: &'a [u8], records: u32) -> Self {
        Self { rest: raw, left: records }
    }

    fn decode(&mut self) -> Result<Record<'a>, &'static str> {
        let (tag, rest) = self.rest.split_first().ok_or("fewer records than its table says")?;
        self.rest = rest;
        let key = str::from_utf8(self.take()?).map_err(|_| "a key that is not UTF-8")?;
        match *tag {
            UPSERT => Ok(Record::Upsert { key, row: self.take()? }),
            DELETE => Ok(Record::Delete { key }),
            _ => Err("a record of an unknown sort"),
        }
    }

    fn take(&mut self) -> Result<&'a [u8], &'static str> {
        const TOO_LONG: &str = "a length that is too large";
        let mut length: usize = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or("a record that is cut off")?;
            self.rest = rest;
            length |= usize::from(byte & 0x7f).checked_shl(shift).ok_or(TOO_LONG)?;
            if byte & 0x80 == 0 {
                if length > MAX_RECORD_BYTES as usize {
                    return Err(TOO_LONG);
                }
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or("a record that is cut off")?;
                self.rest = rest;
                return Ok(bytes);
            }
        }
        Err(TOO_LONG)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err("more records than its table says"));
        }
        let record = self.decode();
        self.left -= 1;
        if record.is_err() {
            self.left = 0;
            self.rest = &[];
        }
        Some(record)
    }
}
