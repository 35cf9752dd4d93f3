//! Reading one segment: record by record, past damage; and putting it right after a crash.

use super::aside::SpoolReason;
use super::format::{self, HEADER_BYTES, HEADER_LEN, Header, MARKER, Position, RECORD_HEADER_BYTES};
use super::{SpoolError, aside, io_error};
use crate::words::Reason;
use fs_err as fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tillway_file_queue::disk::Disk;

/// A read of this many bytes serves many records.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Places in a damaged range that are tried as the start of the next record, before the rest of
/// the segment is given up: a payload made of markers must not cost hours.
const MAX_RESYNC_CANDIDATES: usize = 4096;

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record that holds.
    Record {
        /// Where it starts.
        at: Position,
        /// The position behind it.
        end: Position,
        /// What is in it.
        payload: Vec<u8>,
    },
    /// Bytes that are no record, up to the next one that is, or to the end.
    Damaged {
        /// Where they start.
        at: Position,
        /// The position behind them.
        end: Position,
        /// Whether it is certain that no record follows.
        to_the_end: bool,
    },
}

/// Reads a segment from an offset to a length.
pub(super) struct SegmentReader {
    path: PathBuf,
    file: BufReader<fs::File>,
    at: Position,
    length: u64,
}

impl SegmentReader {
    /// Opens a segment at `from`; bytes at and behind `length` are not looked at.
    pub(super) fn open(folder: &Path, from: Position, length: u64) -> Result<Self, SpoolError> {
        let path = format::segment_path(folder, from.segment);
        let mut file = fs::File::open(&path).map_err(|source| io_error("open", &path, source))?;
        file.seek(SeekFrom::Start(from.offset)).map_err(|source| io_error("read", &path, source))?;
        Ok(Self { path, file: BufReader::with_capacity(READ_BUFFER_BYTES, file), at: from, length })
    }

    /// What comes next; `None` at the length.
    pub(super) fn next(&mut self) -> Result<Option<Found>, SpoolError> {
        let found = self.try_next().map_err(|source| io_error("read", &self.path, source))?;
        match found {
            Step::End => Ok(None),
            Step::Found(found) => Ok(Some(found)),
            Step::Newer(version) => {
                Err(SpoolError::NewerVersion { path: self.path.clone(), version, supported: format::VERSION })
            }
        }
    }

    fn try_next(&mut self) -> io::Result<Step> {
        if self.at.offset >= self.length {
            return Ok(Step::End);
        }
        if self.at.offset == 0 {
            if self.length < HEADER_LEN {
                return self.resync().map(Step::Found);
            }
            let mut bytes = [0; HEADER_BYTES];
            self.file.read_exact(&mut bytes)?;
            match format::read_header(&bytes, self.at.segment) {
                Header::Valid => self.at.offset = HEADER_LEN,
                Header::Newer { version } => return Ok(Step::Newer(version)),
                Header::Broken => return self.resync().map(Step::Found),
            }
            return self.try_next();
        }
        let mut header = [0; RECORD_HEADER_BYTES];
        if self.length - self.at.offset < format::record_len(0) {
            return self.resync().map(Step::Found);
        }
        self.file.read_exact(&mut header)?;
        let room = self.length - self.at.offset;
        let Some(length) = format::payload_len(&header).filter(|length| format::record_len(*length) <= room) else {
            return self.resync().map(Step::Found);
        };
        let mut payload = vec![0; length];
        self.file.read_exact(&mut payload)?;
        if !format::holds(self.at, &header, &payload) {
            return self.resync().map(Step::Found);
        }
        let at = self.at;
        self.at.offset += format::record_len(length);
        Ok(Step::Found(Found::Record { at, end: self.at, payload }))
    }

    /// From a damaged place to the next record that holds. Reads the rest of the segment, whose
    /// size is bounded.
    fn resync(&mut self) -> io::Result<Found> {
        let at = self.at;
        self.file.seek(SeekFrom::Start(at.offset))?;
        let mut rest = Vec::new();
        self.file.by_ref().take(self.length - at.offset).read_to_end(&mut rest)?;
        let next = next_record(at, &rest);
        self.at.offset = if let Next::At(offset) = next { offset } else { self.length };
        self.file.seek(SeekFrom::Start(self.at.offset))?;
        Ok(Found::Damaged { at, end: self.at, to_the_end: matches!(next, Next::None) })
    }
}

enum Step {
    End,
    Found(Found),
    Newer(u32),
}

/// What follows damage.
enum Next {
    /// A record that holds, at this offset in the segment.
    At(u64),
    /// No record.
    None,
    /// Too many places look like one to try them all.
    Unknown,
}

/// The first record that holds, behind the first byte of `rest`, which stands at `at`.
fn next_record(at: Position, rest: &[u8]) -> Next {
    // Behind a broken header of the segment the first record stands at a known place.
    let starts = rest.windows(MARKER.len()).enumerate().skip(1).filter(|(_, bytes)| *bytes == MARKER);
    for (tried, (start, _)) in starts.enumerate() {
        if tried == MAX_RESYNC_CANDIDATES {
            return Next::Unknown;
        }
        let place = Position { segment: at.segment, offset: at.offset + start as u64 };
        let Some((header, behind)) = rest[start..].split_first_chunk::<RECORD_HEADER_BYTES>() else { continue };
        let payload = format::payload_len(header).and_then(|length| behind.get(..length));
        if payload.is_some_and(|payload| format::holds(place, header, payload)) {
            return Next::At(place.offset);
        }
    }
    Next::None
}

/// A tail that was cut off at a start and had more than zeros in it; a copy is in `aside/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where it began.
    pub at: Position,
    /// Its bytes.
    pub bytes: u64,
}

/// A segment after it was put right.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) length: u64,
    pub(super) cut: Option<Cut>,
}

/// Puts a segment right after a crash: syncs what is there, tells each record from `from` on, and
/// cuts a tail off that is no record, where this is the newest segment: only in that one something
/// was being written.
pub(super) fn recover(
    disk: &dyn Disk,
    folder: &Path,
    from: Position,
    newest: bool,
    mut tell: impl FnMut(Position, &[u8]),
) -> Result<Recovered, SpoolError> {
    let path = format::segment_path(folder, from.segment);
    let failed = |source| io_error("recover", &path, source);
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
    let mut length = file.metadata().map_err(failed)?.len();
    refuse_newer(&path, from.segment, length)?;
    let mut reader = SegmentReader::open(folder, from, length)?;
    let mut cut = None;
    while let Some(found) = reader.next()? {
        match found {
            Found::Record { end, payload, .. } => {
                tell(end, &payload);
            }
            // Left for the reader, which sets it aside and tells the loader.
            Found::Damaged { to_the_end, .. } if !(newest && to_the_end) => {}
            Found::Damaged { at, .. } => {
                let tail = read_range(&path, at.offset, length).map_err(failed)?;
                length = at.offset;
                if tail.iter().any(|byte| *byte != 0) {
                    let reason = Reason::of(&SpoolReason::TornTail);
                    if let Err(error) = aside::keep(disk, folder, at, &tail, &reason) {
                        // A full disk, most likely, and loading makes room. This is not the newest
                        // segment at the next start: its tail is damage then, and the reader keeps
                        // it.
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(segment = %path.display(), offset = at.offset, error, "left a torn tail where it is");
                        break;
                    }
                    cut = Some(Cut { at, bytes: tail.len() as u64 });
                }
                tracing::warn!(segment = %path.display(), offset = at.offset, bytes = tail.len(), "cut a torn tail off");
                disk.cut(&file, at.offset).map_err(failed)?;
                break;
            }
        }
    }
    rewrite(disk, &mut file, from.offset, length).map_err(failed)?;
    disk.sync_data(&file).map_err(failed)?;
    fail::fail_point!("spool::recovered");
    Ok(Recovered { length, cut })
}

/// The version stands in the header, which nobody reads again where the loaded position points
/// behind it.
fn refuse_newer(path: &Path, sequence: u64, length: u64) -> Result<(), SpoolError> {
    if length < HEADER_LEN {
        return Ok(());
    }
    let mut header = [0; HEADER_BYTES];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_err(|source| io_error("read", path, source))?;
    match format::read_header(&header, sequence) {
        Header::Newer { version } => {
            Err(SpoolError::NewerVersion { path: path.to_owned(), version, supported: format::VERSION })
        }
        // What is broken is set aside by the reader, where it still has to read it.
        Header::Valid | Header::Broken => Ok(()),
    }
}

/// Writes what is there once more, the same bytes in their places: pages that a failed sync has
/// left behind as clean are written by the next sync.
fn rewrite(disk: &dyn Disk, file: &mut fs::File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    while at < to {
        let bytes = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut buffer[..bytes])?;
        disk.write_at(file, at, &buffer[..bytes])?;
        at += bytes as u64;
    }
    Ok(())
}

/// The bytes of a file from an offset to another.
pub(super) fn read_range(path: &Path, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(to.saturating_sub(from)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
