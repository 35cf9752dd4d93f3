//! Formats, and records that are not read yet: most of a file that comes again is known by its
//! text, and need not be.

use super::{Command, Position, Record, Reject};
use crate::kinds::KINDS;
use jiff::tz::TimeZone;
use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::LazyLock;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128_with_seed};

/// Grows when other rows are made of the same cells.
const ROWS_VERSION: u32 = 3;

/// Of what all formats have in common: under another table of kinds the same text may be another
/// row.
static SEED: LazyLock<u64> = LazyLock::new(|| xxh3_64(format!("{ROWS_VERSION} {KINDS:?}").as_bytes()));

/// How records stand in an input, and how one is read.
pub trait Format: Debug + Send + Sync {
    /// Its name. Formats of one name read the same text of a record to the same command.
    fn name(&self) -> &'static str;

    /// Grows when the same text of a record is read to another command.
    fn version(&self) -> u32;

    /// Ends the name of a file in this format, with its point, in small letters.
    fn ending(&self) -> &'static str;

    /// The records of an input in UTF-8. Times with a zone become times of `zone`.
    fn records<'i>(&'static self, input: Box<dyn Read + Send + 'i>, zone: &TimeZone)
    -> Box<dyn RawRecords + Send + 'i>;

    /// Reads one record, whole and without the blanks around it, that starts at `start`.
    fn read(&self, record: &[u8], start: Position, zone: &TimeZone) -> Result<Command, Reject>;
}

/// XXH3-128 of the text of a record, without the blanks around it: records with the same hash
/// order the same. It holds for the table of kinds and the format of this program; others have
/// other hashes for the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHash {
    hash: u128,
    version: u32,
}

impl RecordHash {
    fn new(text: &[u8], format: &dyn Format) -> Self {
        let seed = xxh3_64_with_seed(format.name().as_bytes(), *SEED ^ u64::from(format.version()));
        let [.., a, b, c, d] = seed.to_be_bytes();
        Self { hash: xxh3_128_with_seed(text, seed), version: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Sixteen bytes, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.hash.to_be_bytes()
    }

    /// What hashes of one format of this program have in common: stored beside one, it tells
    /// whether two may be compared at all.
    pub fn version(self) -> u32 {
        self.version
    }
}

/// A whole record, as it stands in the input.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    text: &'a [u8],
    start: Position,
    format: &'static dyn Format,
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

impl RawRecords for Box<dyn RawRecords + Send + '_> {
    fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
        self.as_mut().next_raw()
    }
}

impl<'a> RawRecord<'a> {
    /// With this text, without the blanks around it.
    pub fn new(text: &'a [u8], start: Position, format: &'static dyn Format) -> Self {
        Self { text, start, format }
    }

    /// Its text.
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// Where it starts.
    pub fn start(self) -> Position {
        self.start
    }

    /// In which format it is.
    pub fn format(self) -> &'static dyn Format {
        self.format
    }

    /// By which it is known again.
    pub fn hash(self) -> RecordHash {
        RecordHash::new(self.text, self.format)
    }

    /// Reads it; times with a zone become times of `zone`.
    pub fn read(self, zone: &TimeZone) -> Record {
        self.start.record(self.format.read(self.text, self.start, zone))
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
