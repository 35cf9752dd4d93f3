//! AIF, the dictionary format of back offices: a streaming reader and a writer.
//!
//! A file is UTF-8: JSON objects, one or many lines each, with a line `---` after each. The body
//! of the REST call is a JSON array of the same objects.
//! `{"command": "<verb>", "<payload key>": {…}}`; what verbs and fields there are says
//! [`crate::kinds`].
//!
//! [`RecordReader`] and [`ArrayReader`] hold one record in memory, at most
//! [`MAX_RECORD_BYTES`](crate::records::MAX_RECORD_BYTES), and yield each as a
//! [`Record`](crate::records::Record). What their values may be, and what becomes of odd ones, is
//! said at [`crate::records`].
//!
//! What is taken loosely: a BOM, CRLF, blank lines, empty records, a missing last `---`, wrapper
//! lines `### x begin ###` / `### x end ###`; names in any case; `null` as absent. Unknown fields
//! of the payload, and of the envelope where no declared field has that name, are kept in the
//! row's `extra`.
//!
//! A valid string holds no line break, so a line that is `---` never stands inside a value: the
//! line is the structure.

mod array;
mod file;
mod identify;
mod payload;
mod raw;
mod record;
mod writer;

#[cfg(test)]
mod tests;

pub use array::ArrayReader;
pub use file::RecordReader;
pub use writer::{AifWriter, WriteError};

use crate::records::{Command, Format, Position, RawRecords, Reject};
use jiff::tz::TimeZone;
use std::io::{BufReader, Read};

/// Grows when the same text is read to another command.
const VERSION: u32 = 1;

/// Read at once: large enough that system calls do not count.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Files: objects with `---` between them.
pub const FILE: &dyn Format = &AifFile;

/// Bodies: one JSON array.
pub const ARRAY: &dyn Format = &AifArray;

#[derive(Debug)]
struct AifFile;

#[derive(Debug)]
struct AifArray;

impl Format for AifFile {
    fn name(&self) -> &'static str {
        "aif"
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn ending(&self) -> &'static str {
        ".aif"
    }

    fn records<'i>(
        &'static self,
        input: Box<dyn Read + Send + 'i>,
        zone: &TimeZone,
    ) -> Box<dyn RawRecords + Send + 'i> {
        Box::new(RecordReader::new(BufReader::with_capacity(READ_BUFFER_BYTES, input)).in_zone(zone.clone()))
    }

    fn read(&self, record: &[u8], start: Position, zone: &TimeZone) -> Result<Command, Reject> {
        record::read_record(record, start, false, zone)
    }
}

impl Format for AifArray {
    fn name(&self) -> &'static str {
        AifFile.name()
    }

    fn version(&self) -> u32 {
        AifFile.version()
    }

    fn ending(&self) -> &'static str {
        ".json"
    }

    fn records<'i>(
        &'static self,
        input: Box<dyn Read + Send + 'i>,
        zone: &TimeZone,
    ) -> Box<dyn RawRecords + Send + 'i> {
        Box::new(ArrayReader::new(BufReader::with_capacity(READ_BUFFER_BYTES, input)).in_zone(zone.clone()))
    }

    fn read(&self, record: &[u8], start: Position, zone: &TimeZone) -> Result<Command, Reject> {
        AifFile.read(record, start, zone)
    }
}

/// The place of a byte of the record that starts at `start`.
fn place_in(start: Position, record: &[u8], at: usize) -> Position {
    let before = &record[..at.min(record.len())];
    Position { line: start.line + array::count_lines(before), byte: start.byte + at as u64 }
}
