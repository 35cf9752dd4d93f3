//! What packages and queue messages have in common: a mark, a version, and a checked header in
//! JSON before the chunks.

use super::header::ChunkEntry;
use super::{MAX_HEADER_BYTES, MAX_HEADER_RAW_BYTES, PACKAGE_VERSION, PackageError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read};
use zstd::bulk::Decompressor;

/// Level of compression: beyond it packages get hardly smaller and much slower to build.
pub(super) const ZSTD_LEVEL: i32 = 3;

/// That of a package's first chunk, which is all there is of most: some 8 % smaller on the way to
/// every till, for some 20 ms when it is built.
pub(super) const FIRST_CHUNK_ZSTD_LEVEL: i32 = 13;

/// Length of what stands before the header.
pub(super) const PREFIX_BYTES: usize = 52;

/// What follows: the whole package, or one message of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magic {
    Package,
    Message,
}

impl Magic {
    fn bytes(self) -> &'static [u8; 8] {
        match self {
            Self::Package => b"TILLWAYP",
            Self::Message => b"TILLWAYM",
        }
    }
}

/// Prefix and header, ready to be written.
pub(super) fn encode<H: Serialize>(magic: Magic, header: &H) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let packed = zstd::bulk::compress(&json, ZSTD_LEVEL)?;
    let mut out = Vec::with_capacity(PREFIX_BYTES + packed.len());
    out.extend_from_slice(magic.bytes());
    out.extend_from_slice(&PACKAGE_VERSION.to_le_bytes());
    for (what, length, limit) in
        [("packed", packed.len(), MAX_HEADER_BYTES), ("inflated", json.len(), MAX_HEADER_RAW_BYTES)]
    {
        let length = u32::try_from(length).ok().filter(|length| *length <= limit);
        let length =
            length.ok_or_else(|| io::Error::other(format!("the {what} header is larger than {limit} bytes")))?;
        out.extend_from_slice(&length.to_le_bytes());
    }
    out.extend_from_slice(blake3::hash(&packed).as_bytes());
    out.extend_from_slice(&packed);
    Ok(out)
}

/// Reads prefix and header; gives the header and the length of both in the file.
pub(super) fn decode<H: DeserializeOwned>(
    magic: Magic,
    reader: &mut impl Read,
    origin: &str,
) -> Result<(H, u64), PackageError> {
    let mut prefix = [0_u8; PREFIX_BYTES];
    fill(reader, &mut prefix, origin)?;
    if &prefix[..8] != magic.bytes() {
        return Err(PackageError::NotAPackage { origin: origin.to_owned() });
    }
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    let version = number(8);
    if version > PACKAGE_VERSION {
        return Err(PackageError::NewerVersion { origin: origin.to_owned(), version });
    }
    let (packed_len, raw_len) = (number(12), number(16));
    for (what, value, limit) in [
        ("the length of the header", packed_len, MAX_HEADER_BYTES),
        ("the inflated length of the header", raw_len, MAX_HEADER_RAW_BYTES),
    ] {
        if value > limit {
            let (value, limit) = (value.into(), limit.into());
            return Err(PackageError::TooLarge { origin: origin.to_owned(), what, value, limit });
        }
    }
    let mut packed = vec![0; packed_len as usize];
    fill(reader, &mut packed, origin)?;
    if blake3::hash(&packed).as_bytes()[..] != prefix[20..] {
        return Err(PackageError::broken(origin, "its header does not have the hash before it"));
    }
    let mut json = Vec::new();
    inflate(&mut decompressor(origin)?, &packed, raw_len, &mut json)
        .map_err(|what| PackageError::broken(origin, format!("its header: {what}")))?;
    let header = serde_json::from_slice(&json)
        .map_err(|error| PackageError::broken(origin, format!("its header does not read: {error}")))?;
    Ok((header, PREFIX_BYTES as u64 + u64::from(packed_len)))
}

/// `read_exact` that tells a file that is cut short from one that cannot be read.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8], origin: &str) -> Result<(), PackageError> {
    reader.read_exact(buffer).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => PackageError::broken(origin, "it is cut short"),
        _ => PackageError::Io { origin: origin.to_owned(), source },
    })
}

pub(super) fn decompressor(origin: &str) -> Result<Decompressor<'static>, PackageError> {
    Decompressor::new().map_err(|source| PackageError::Io { origin: origin.to_owned(), source })
}

/// Checks a chunk against its entry and inflates it into `raw`, never beyond what the entry says.
pub(super) fn open_chunk(
    decompressor: &mut Decompressor<'_>,
    entry: &ChunkEntry,
    number: usize,
    packed: &[u8],
    raw: &mut Vec<u8>,
    origin: &str,
) -> Result<(), PackageError> {
    let broken = |what: String| PackageError::broken(origin, format!("chunk {number} ({}): {what}", entry.kind));
    if blake3::hash(packed) != entry.blake3 {
        return Err(broken("it does not have the hash that the table says".to_owned()));
    }
    inflate(decompressor, packed, entry.raw, raw).map_err(broken)
}

fn inflate(decompressor: &mut Decompressor<'_>, packed: &[u8], length: u32, raw: &mut Vec<u8>) -> Result<(), String> {
    let length = length as usize;
    raw.resize(length, 0);
    // The slice bounds what zstd writes, whatever the frame claims.
    let written = decompressor
        .decompress_to_buffer(packed, &mut raw[..])
        .map_err(|error| format!("it does not inflate to the {length} bytes declared: {error}"))?;
    if written == length { Ok(()) } else { Err(format!("it inflates to {written} bytes in place of {length}")) }
}
