//! Records that are not read yet: most of a file that comes again is known by its text, and need
//! not be.

use super::command::read_record;
use super::{Position, Record};
use crate::kinds::KINDS;
use jiff::tz::TimeZone;
use std::io;
use std::sync::LazyLock;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Grows when the reader begins to make other rows of the same text.
const READER_VERSION: u32 = 2;

/// Of what the reader knows: under another table of kinds the same text may be another row.
static SEED: LazyLock<u64> = LazyLock::new(|| xxh3_64(format!("{READER_VERSION} {KINDS:?}").as_bytes()));

/// XXH3-128 of the text of a record, without the blanks around it: records with the same hash
/// order the same. It holds for the table of kinds and the reader of this program; others have
/// other hashes for the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHash(pub u128);

impl RecordHash {
    /// Sixteen bytes, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// What hashes of this program have in common: stored beside one, it tells whether that may be
    /// compared at all.
    pub fn version() -> u32 {
        let [.., a, b, c, d] = SEED.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A record that its separator ended, as it stands in the input.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    text: &'a [u8],
    start: Position,
}

/// What comes next of the input.
#[derive(Debug)]
pub enum Raw<'a> {
    /// A record, not read yet.
    Text(RawRecord<'a>),
    /// One that is read already: the last, which may be cut off; one that is no record, or too
    /// large.
    Read(Box<Record>),
}

/// Records one by one, unread.
pub trait RawRecords {
    /// The next one; none at the end. After an error it ends.
    fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>>;
}

/// [`Raw`] before its text is borrowed.
pub(super) enum Step {
    Whole(Position),
    Read(Box<Record>),
}

impl Step {
    pub(super) fn read(record: Record) -> Self {
        Self::Read(Box::new(record))
    }

    pub(super) fn raw(self, buffer: &[u8]) -> Raw<'_> {
        match self {
            Self::Whole(start) => Raw::Text(RawRecord { text: buffer.trim_ascii_end(), start }),
            Self::Read(record) => Raw::Read(record),
        }
    }
}

impl<'a> RawRecord<'a> {
    /// One whose text was kept.
    pub fn kept(text: &'a [u8], line: u64, byte: u64) -> Self {
        Self { text, start: Position { line, byte } }
    }

    /// Its text.
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// Line on which it starts, from 1.
    pub fn line(self) -> u64 {
        self.start.line
    }

    /// Byte of the input at which it starts, from 0.
    pub fn byte(self) -> u64 {
        self.start.byte
    }

    /// By which it is known again.
    pub fn hash(self) -> RecordHash {
        RecordHash(xxh3_128_with_seed(self.text, *SEED))
    }

    /// Reads it; times with a zone become times of `zone`.
    pub fn read(self, zone: &TimeZone) -> Record {
        self.start.record(read_record(self.text, self.start, false, zone))
    }
}

impl Raw<'_> {
    /// Reads it; times with a zone become times of `zone`.
    pub fn read(self, zone: &TimeZone) -> Record {
        match self {
            Self::Text(raw) => raw.read(zone),
            Self::Read(record) => *record,
        }
    }
}
