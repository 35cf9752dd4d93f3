//! What a reader has found, before its text is borrowed.

use super::FILE;
use crate::records::{Position, Raw, RawRecord, Record};

pub(super) enum Step {
    /// A record in the reader's buffer.
    Whole(Position),
    Read(Box<Record>),
}

impl Step {
    pub(super) fn read(record: Record) -> Self {
        Self::Read(Box::new(record))
    }

    /// With the reader's buffer. A record of a body is read as one of a file is.
    pub(super) fn raw(self, buffer: &[u8]) -> Raw<'_> {
        match self {
            Self::Whole(start) => Raw::Text(RawRecord::new(buffer.trim_ascii_end(), start, FILE)),
            Self::Read(record) => Raw::Read(record),
        }
    }
}
