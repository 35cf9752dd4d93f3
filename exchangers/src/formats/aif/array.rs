//! Commands of a REST body: one JSON array.

use super::file::too_large;
use super::raw::Step;
use super::record::read_record;
use crate::formats::foreign_input;
use crate::json::plain_length;
use crate::records::{Cause, MAX_RECORD_BYTES, Position, Raw, RawRecords, Record, RejectReason};
use jiff::tz::TimeZone;
use std::io::{self, BufRead};

/// Reads the commands of a JSON array one by one, in constant memory.
///
/// An element that is no command is a reject like a record of a file, as long as its brackets and
/// quotes are balanced; where they are not, what follows it is part of it, and the body ends in
/// the middle. Empty elements are skipped. After an I/O error it ends.
#[derive(Debug)]
pub struct ArrayReader<R> {
    input: R,
    stage: Stage,
    buffer: Vec<u8>,
    /// The buffer was given out, and is empty again when the next element is asked for.
    given: bool,
    start: Option<Position>,
    next: Position,
    too_large: bool,
    zone: TimeZone,
    scan: Scan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The opening bracket was not met; so many bytes of a BOM were.
    Before(usize),
    Elements,
    After,
    Done,
}

/// What ended an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Comma,
    Bracket,
}

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

impl<R: BufRead> ArrayReader<R> {
    /// Over the whole of a body.
    ///
    /// Times with a zone become times of UTC, unless [`Self::in_zone`] names another one.
    pub fn new(input: R) -> Self {
        Self {
            input,
            stage: Stage::Before(0),
            buffer: Vec::new(),
            given: false,
            start: None,
            next: Position { line: 1, byte: 0 },
            too_large: false,
            zone: TimeZone::UTC,
            scan: Scan::default(),
        }
    }

    /// Converts times that name a zone to times of this one.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    fn step(&mut self) -> io::Result<Option<Step>> {
        if std::mem::take(&mut self.given) {
            self.buffer.clear();
        }
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(self.at_end().map(Step::read));
            }
            if self.next.byte == 0
                && let Some(input) = foreign_input(chunk)
            {
                self.stage = Stage::Done;
                return Ok(Some(Step::read(
                    self.next.record(Err(self.next.reject(Cause::Foreign, RejectReason::ForeignInput { input }))),
                )));
            }
            match self.stage {
                Stage::Before(bom) => {
                    let byte = chunk[0];
                    self.input.consume(1);
                    let position = self.next;
                    self.advance(byte);
                    match byte {
                        b'[' => self.stage = Stage::Elements,
                        _ if byte.is_ascii_whitespace() => {}
                        _ if bom < BOM.len() && byte == BOM[bom] => self.stage = Stage::Before(bom + 1),
                        _ => return Ok(Some(Step::read(self.not_an_array(position)))),
                    }
                }
                Stage::Elements => {
                    let (length, end) = self.scan.run(chunk);
                    let content = &chunk[..length];
                    append(&mut self.buffer, &mut self.start, &mut self.too_large, self.next, content);
                    self.next.line += count_lines(content);
                    let taken = length + usize::from(end.is_some());
                    self.next.byte += taken as u64;
                    self.input.consume(taken);
                    if end == Some(End::Bracket) {
                        self.stage = Stage::After;
                    }
                    if let Some(step) = end.and_then(|_| self.take_record()) {
                        return Ok(Some(step));
                    }
                }
                Stage::After => {
                    let byte = chunk[0];
                    self.input.consume(1);
                    let position = self.next;
                    self.advance(byte);
                    if !byte.is_ascii_whitespace() {
                        self.stage = Stage::Done;
                        let reject = position.reject(Cause::Syntax, RejectReason::TextAfterArray);
                        return Ok(Some(Step::read(position.record(Err(reject)))));
                    }
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    fn advance(&mut self, byte: u8) {
        self.next.byte += 1;
        self.next.line += u64::from(byte == b'\n');
    }

    fn not_an_array(&mut self, position: Position) -> Record {
        self.stage = Stage::Done;
        position.record(Err(position.reject(Cause::WrongFormat, RejectReason::NotAnArray)))
    }

    fn take_record(&mut self) -> Option<Step> {
        let start = self.start.take()?;
        self.given = true;
        self.scan = Scan::default();
        if std::mem::take(&mut self.too_large) {
            return Some(Step::read(start.record(Err(too_large(start)))));
        }
        Some(Step::Whole(start))
    }

    /// The body has ended.
    fn at_end(&mut self) -> Option<Record> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Before(_) => Some(self.not_an_array(self.next)),
            Stage::Elements => {
                let start = self.start.take().unwrap_or(self.next);
                let reject = match read_record(&self.buffer, start, true, &self.zone) {
                    Err(reject) if reject.truncated() && !self.buffer.is_empty() => reject,
                    _ => start.reject(Cause::Truncated, RejectReason::EndsBeforeSign { sign: "]" }),
                };
                self.buffer.clear();
                Some(start.record(Err(reject)))
            }
            Stage::After | Stage::Done => None,
        }
    }
}

impl<R: BufRead> RawRecords for ArrayReader<R> {
    fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
        if self.stage == Stage::Done {
            return Ok(None);
        }
        match self.step() {
            Ok(step) => Ok(step.map(|step| step.raw(&self.buffer))),
            Err(error) => {
                self.stage = Stage::Done;
                Err(error)
            }
        }
    }
}

impl<R: BufRead> Iterator for ArrayReader<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let zone = self.zone.clone();
        self.next_raw().map(|raw| raw.map(|raw| raw.read(&zone))).transpose()
    }
}

/// Follows quotes and brackets to the end of an element.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Length of what belongs to the element, and what ends it there, if anything does.
    fn run(&mut self, chunk: &[u8]) -> (usize, Option<End>) {
        let mut at = 0;
        while at < chunk.len() {
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                at += plain_length(&chunk[at..]);
                match chunk.get(at) {
                    None => break,
                    Some(b'"') => self.in_string = false,
                    Some(b'\\') => self.escaped = true,
                    Some(_) => {} // a control character: the element is told as broken
                }
            } else {
                match chunk[at] {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b',' if self.depth == 0 => return (at, Some(End::Comma)),
                    b']' if self.depth == 0 => return (at, Some(End::Bracket)),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            at += 1;
        }
        (chunk.len(), None)
    }
}

/// Appends a piece of an element, without the blanks before it and within the limit.
fn append(buffer: &mut Vec<u8>, start: &mut Option<Position>, too_large: &mut bool, position: Position, piece: &[u8]) {
    let mut piece = piece;
    if start.is_none() {
        let Some(blanks) = piece.iter().position(|byte| !byte.is_ascii_whitespace()) else { return };
        let line = position.line + count_lines(&piece[..blanks]);
        *start = Some(Position { line, byte: position.byte + blanks as u64 });
        piece = &piece[blanks..];
    }
    if *too_large || buffer.len() + piece.len() > MAX_RECORD_BYTES {
        *too_large = true;
        buffer.clear();
    } else {
        buffer.extend_from_slice(piece);
    }
}

/// Line breaks in some bytes.
#[allow(clippy::naive_bytecount)] // a dependency more for what the compiler turns into wide instructions anyway
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
