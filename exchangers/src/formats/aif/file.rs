//! Records of a file: JSON objects with a line `---` after each.

use super::raw::Step;
use super::record::read_record;
use crate::formats::foreign_input;
use crate::records::{Cause, MAX_RECORD_BYTES, Position, Raw, RawRecords, Record, Reject, RejectReason};
use jiff::tz::TimeZone;
use std::io::{self, BufRead, Read as _};

/// Room that a line always has in the buffer: separators and wrapper lines are shorter, so none is
/// cut by the limit.
const MIN_LINE_BYTES: usize = 512;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads the records of a file one by one, in constant memory. See [`super`] for what it
/// takes.
///
/// After an I/O error it ends.
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    /// The record so far, from its first byte that is no blank.
    buffer: Vec<u8>,
    /// Where the record starts; `None` before its first byte that is no blank.
    start: Option<Position>,
    /// The next byte of the input.
    next: Position,
    too_large: bool,
    zone: TimeZone,
    /// A wrapper `### x begin ###` without its end so far.
    wrapped: bool,
    /// A last word after the last record.
    last: Option<Record>,
    ended: bool,
}

enum Line {
    Content,
    Separator,
    Begin,
    End,
    /// The input ends within a separator or a wrapper line.
    CutOff,
}

impl<R: BufRead> RecordReader<R> {
    /// Over the whole of a file.
    ///
    /// Times with a zone become times of UTC, unless [`Self::in_zone`] names another one.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: None,
            next: Position { line: 1, byte: 0 },
            too_large: false,
            zone: TimeZone::UTC,
            wrapped: false,
            last: None,
            ended: false,
        }
    }

    /// Converts times that name a zone to times of this one.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn step(&mut self) -> io::Result<Option<Step>> {
        // Of a record that was given out, or of nothing.
        self.buffer.clear();
        if let Some(last) = self.last.take() {
            return Ok(Some(Step::read(last)));
        }
        let mut starts_line = true;
        while !self.ended {
            let from = self.buffer.len();
            let room = (MAX_RECORD_BYTES + 1).saturating_sub(from).max(MIN_LINE_BYTES);
            let read = (&mut self.input).take(room as u64).read_until(b'\n', &mut self.buffer)?;
            if self.next.byte == 0
                && let Some(input) = foreign_input(&self.buffer)
            {
                self.ended = true;
                self.buffer.clear();
                return Ok(Some(Step::read(
                    self.next.record(Err(self.next.reject(Cause::Foreign, RejectReason::ForeignInput { input }))),
                )));
            }
            if self.next.byte == 0 && self.buffer.starts_with(BOM) {
                self.buffer.drain(..BOM.len());
            }
            let ends_line = self.buffer.ends_with(b"\n") && read > 0;
            self.ended = read == 0 || (!ends_line && read < room);
            let line = if starts_line { classify(&self.buffer[from..], self.ended) } else { Line::Content };
            starts_line = ends_line;
            let position = self.next;
            self.next.byte += read as u64;
            self.next.line += u64::from(ends_line);
            if matches!(line, Line::Content) {
                self.keep(from, position, read);
                continue;
            }
            self.buffer.truncate(from);
            match line {
                Line::Begin => self.wrapped = true,
                Line::End => self.wrapped = false,
                Line::CutOff => {
                    self.last = Some(cut_off(position));
                    self.wrapped = false;
                }
                Line::Separator | Line::Content => {}
            }
            if let Some(step) = self.take_record() {
                return Ok(Some(step));
            }
        }
        let record = self.take_last_record();
        let told = record.iter().any(|record| matches!(&record.command, Err(reject) if reject.truncated()));
        if self.wrapped && !told {
            let reason = RejectReason::EndsBeforeLine { line: "### … end ###" };
            self.last = Some(self.next.record(Err(self.next.reject(Cause::Truncated, reason))));
        }
        self.wrapped = false;
        Ok(record.or_else(|| self.last.take()).map(Step::read))
    }

    /// Keeps the bytes of the record that were just read, or drops those of one that is too large.
    fn keep(&mut self, from: usize, position: Position, read: usize) {
        if self.start.is_none() {
            // Blanks before a record are no part of it.
            let line = &self.buffer[from..];
            let Some(blanks) = line.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                self.buffer.truncate(from);
                return;
            };
            let dropped = read - line.len(); // a BOM
            self.start = Some(Position { line: position.line, byte: position.byte + (dropped + blanks) as u64 });
            self.buffer.drain(..from + blanks);
        }
        if self.buffer.len() > MAX_RECORD_BYTES {
            self.too_large = true;
        }
        if self.too_large {
            self.buffer.clear();
        }
    }

    fn take_record(&mut self) -> Option<Step> {
        let start = self.start.take()?;
        if std::mem::take(&mut self.too_large) {
            return Some(Step::read(start.record(Err(too_large(start)))));
        }
        Some(Step::Whole(start))
    }

    /// The one that the input ends with: it may be cut off.
    fn take_last_record(&mut self) -> Option<Record> {
        let start = self.start.take()?;
        let too_large = std::mem::take(&mut self.too_large);
        let command =
            if too_large { Err(self::too_large(start)) } else { read_record(&self.buffer, start, true, &self.zone) };
        self.buffer.clear();
        Some(start.record(command))
    }
}

impl<R: BufRead> RawRecords for RecordReader<R> {
    fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
        match self.step() {
            Ok(step) => Ok(step.map(|step| step.raw(&self.buffer))),
            Err(error) => {
                self.ended = true;
                self.start = None;
                self.wrapped = false;
                Err(error)
            }
        }
    }
}

impl<R: BufRead> Iterator for RecordReader<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let zone = self.zone.clone();
        self.next_raw().map(|raw| raw.map(|raw| raw.read(&zone))).transpose()
    }
}

pub(super) fn too_large(start: Position) -> Reject {
    start.reject(Cause::TooLarge, RejectReason::RecordTooLarge { max: MAX_RECORD_BYTES })
}

fn cut_off(position: Position) -> Record {
    position.record(Err(position.reject(Cause::Truncated, RejectReason::EndsInSeparator)))
}

fn classify(line: &[u8], at_end: bool) -> Line {
    let text = line.trim_ascii();
    let unfinished = at_end && !line.ends_with(b"\n") && !text.is_empty();
    match text {
        b"---" => Line::Separator,
        b"-" | b"--" if unfinished => Line::CutOff,
        [b'#', ..] => match wrapper(text) {
            Some(line) => line,
            None if unfinished => Line::CutOff,
            None => Line::Content,
        },
        _ => Line::Content,
    }
}

/// `### <name> begin ###` and `### <name> end ###`.
fn wrapper(text: &[u8]) -> Option<Line> {
    let inner = text.strip_prefix(b"###")?.strip_suffix(b"###")?;
    let last = inner.trim_ascii().rsplit(u8::is_ascii_whitespace).next()?;
    if last.eq_ignore_ascii_case(b"begin") {
        Some(Line::Begin)
    } else if last.eq_ignore_ascii_case(b"end") {
        Some(Line::End)
    } else {
        None
    }
}
