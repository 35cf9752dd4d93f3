//! Bytes of segments and records; the layout is told in the module above.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use tillway_proto::sales::MAX_FRAME_BYTES;

/// Version of the segment format that this code writes and the newest it reads.
pub(super) const VERSION: u32 = 1;

pub(super) const MAGIC: [u8; 8] = *b"TWSPOOL\n";

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 24;

/// The offset of the first record.
pub(super) const HEADER_LEN: u64 = HEADER_BYTES as u64;

/// Starts every record, so that the next one is found behind a damaged one.
pub(super) const MARKER: [u8; 4] = [0xF5, b'T', b'R', 0x0A];

/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER_BYTES: usize = 24;

/// Largest payload: a frame, and room for what stands around it (ids, reasons of refused
/// documents).
pub const MAX_RECORD_BYTES: usize = MAX_FRAME_BYTES + 1024 * 1024;

const SUFFIX: &str = ".spool";

/// A place in the spool: everything before it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Sequence of the segment.
    pub segment: u64,
    /// Offset in bytes within it.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// What a segment's first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    Valid,
    Newer { version: u32 },
    Broken,
}

pub(super) fn header(sequence: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&sequence.to_le_bytes());
    let check = blake3::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&check.as_bytes()[..4]);
    bytes
}

pub(super) fn read_header(bytes: &[u8; HEADER_BYTES], sequence: u64) -> Header {
    let check = blake3::hash(&bytes[..20]);
    if bytes[..8] != MAGIC || bytes[20..] != check.as_bytes()[..4] {
        return Header::Broken;
    }
    let version = read_u32(&bytes[8..12]);
    if version > VERSION {
        return Header::Newer { version };
    }
    if bytes[12..20] == sequence.to_le_bytes() { Header::Valid } else { Header::Broken }
}

/// Appends a record that will stand at `at`; returns the position behind it.
pub(super) fn push_record(buffer: &mut Vec<u8>, at: Position, payload: &[u8]) -> Position {
    // Appends are refused above MAX_RECORD_BYTES, which fits.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&MARKER);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&checksum(at, length, payload));
    buffer.extend_from_slice(payload);
    Position { segment: at.segment, offset: at.offset + record_len(payload.len()) }
}

/// Bytes of a record with a payload of this length.
pub(super) fn record_len(payload: usize) -> u64 {
    (RECORD_HEADER_BYTES + payload) as u64
}

/// The length of the payload, where these bytes may start a record.
pub(super) fn payload_len(header: &[u8; RECORD_HEADER_BYTES]) -> Option<usize> {
    let length = read_u32(&header[4..8]) as usize;
    (header[..4] == MARKER && length <= MAX_RECORD_BYTES).then_some(length)
}

/// Whether the payload is the one that was written here under this record header.
pub(super) fn holds(at: Position, header: &[u8; RECORD_HEADER_BYTES], payload: &[u8]) -> bool {
    u32::try_from(payload.len()).is_ok_and(|length| header[8..] == checksum(at, length, payload))
}

fn checksum(at: Position, length: u32, payload: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&at.segment.to_le_bytes());
    hasher.update(&at.offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    let mut check = [0; 16];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    check
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

pub(super) fn segment_path(folder: &Path, sequence: u64) -> PathBuf {
    folder.join(format!("{sequence:020}{SUFFIX}"))
}

/// Sequences of the segments in a folder, smallest first. Other names are left alone.
pub(super) fn list_segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut sequences = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let sequence = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).filter(|stem| stem.len() == 20);
        sequences.extend(sequence.and_then(|stem| stem.parse::<u64>().ok()));
    }
    sequences.sort_unstable();
    Ok(sequences)
}
