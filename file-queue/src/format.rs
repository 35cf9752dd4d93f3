//! The sealed file: the one container for messages and manifests (format version 1).
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | magic: `TLWMSG\r\n` for a message, `TLWBAT\r\n` for the manifest of a batch |
//! | 8 | 4 | format version, u32 little endian: 1 |
//! | 12 | 4 | H: length of the header, u32 little endian, at most 65 536 |
//! | 16 | 8 | B: length of the body, u64 little endian, at most 2^30 |
//! | 24 | 32 | header seal: blake3 of bytes 0..24 and the header |
//! | 56 | H | header: JSON, [`MessageHeader`] or [`BatchHeader`] |
//! | 56+H | B | body; empty for a manifest |
//! | 56+H+B | 32 | body seal: blake3 of the header seal and the body |
//!
//! The file ends there: a longer or shorter one is damaged. The body seal covers the header seal,
//! so the body of another message does not fit. Unknown fields of the JSON are ignored; a change
//! that an old reader must not ignore raises the version.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Damage;
use crate::limits::{HARD_MAX_MESSAGE_BYTES, MAX_HEADER_BYTES};

/// The version written here and the newest one read.
pub const VERSION: u32 = 1;

const FIXED_BYTES: usize = 24;
const SEAL_BYTES: usize = blake3::OUT_LEN;
const HEADER_AT: usize = FIXED_BYTES + SEAL_BYTES;
/// What a file without header and body takes.
const EMPTY_BYTES: u64 = (HEADER_AT + SEAL_BYTES) as u64;
/// A body is checked in steps of this size.
const STEP_BYTES: usize = 64 << 10;

/// Free text about a message or batch, by name.
pub type Attributes = BTreeMap<String, String>;

/// What a message says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHeader {
    /// Made by the producer, the same in every try.
    pub id: Uuid,
    /// The batch this message belongs to.
    pub batch: Uuid,
    /// Its place in the batch, from 0.
    pub index: u32,
    /// When it was put, by the producer's clock. For people: nothing is decided by it.
    pub created: Timestamp,
    /// What the body is, for example `application/vnd.tillway.chunk`.
    pub content_type: String,
    /// What else the producer says of it.
    #[serde(default)]
    pub attributes: Attributes,
}

/// What a batch says of itself; stands in its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// Made by the producer, the same in every try.
    pub id: Uuid,
    /// When it was begun, by the producer's clock. For people: nothing is decided by it.
    pub created: Timestamp,
    /// How many messages it holds.
    pub messages: u32,
    /// Bytes of all its message files.
    pub bytes: u64,
    /// Content type of its first message, empty where it has none.
    pub content_type: String,
    /// What else the producer says of it.
    #[serde(default)]
    pub attributes: Attributes,
}

/// A header and the magic of the files that carry it.
pub trait Header: Serialize + DeserializeOwned {
    /// The first bytes of the file.
    const MAGIC: [u8; 8];
}

impl Header for MessageHeader {
    const MAGIC: [u8; 8] = *b"TLWMSG\r\n";
}

impl Header for BatchHeader {
    const MAGIC: [u8; 8] = *b"TLWBAT\r\n";
}

/// A file ready to be written: `head`, then the body, then `seal`.
#[derive(Debug)]
pub struct Sealed {
    /// Everything before the body.
    pub head: Vec<u8>,
    /// Everything after the body.
    pub seal: [u8; SEAL_BYTES],
    /// Length of the whole file in bytes.
    pub file_bytes: u64,
}

/// Seals a header and a body. The error is the length of a header that is longer than
/// [`MAX_HEADER_BYTES`].
pub fn seal<H: Header>(header: &H, body: &[u8]) -> Result<Sealed, u64> {
    // Maps with text keys and plain fields always have a JSON; an empty header would fail at the
    // reader, not here.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let header_bytes = header.len() as u64;
    let Some(header_bytes_u32) = u32::try_from(header_bytes).ok().filter(|_| header_bytes <= MAX_HEADER_BYTES) else {
        return Err(header_bytes);
    };
    let body_bytes = body.len() as u64;
    let mut head = Vec::with_capacity(HEADER_AT + header.len());
    head.extend_from_slice(&H::MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&header_bytes_u32.to_le_bytes());
    head.extend_from_slice(&body_bytes.to_le_bytes());
    let header_seal = blake3::Hasher::new().update(&head).update(&header).finalize();
    head.extend_from_slice(header_seal.as_bytes());
    head.extend_from_slice(&header);
    let body_seal = blake3::Hasher::new().update(header_seal.as_bytes()).update(body).finalize();
    Ok(Sealed { head, seal: *body_seal.as_bytes(), file_bytes: EMPTY_BYTES + header_bytes + body_bytes })
}

/// Why a file could not be read: the disk failed, or the file is damaged.
#[derive(Debug)]
pub enum ReadError {
    /// The disk failed.
    Io(io::Error),
    /// The file is damaged.
    Damage(Damage),
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// A sealed file whose header was read and found sound, its body not yet read.
#[derive(Debug)]
pub struct Opened<H, R> {
    /// The header.
    pub header: H,
    /// Length of the whole file in bytes.
    pub file_bytes: u64,
    header_seal: [u8; SEAL_BYTES],
    body_bytes: u64,
    source: R,
}

/// Opens a sealed file and checks its header. A file that is not there is [`Damage::Missing`].
pub fn open<H: Header>(path: &Path) -> Result<Opened<H, fs::File>, ReadError> {
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::Damage(Damage::Missing),
        _ => ReadError::Io(error),
    })?;
    let found = file.metadata().map_err(ReadError::Io)?;
    if !found.is_file() {
        return Err(Damage::Missing.into());
    }
    open_from(file, found.len())
}

/// Reads and checks the header of a sealed file of `found` bytes.
pub fn open_from<H: Header, R: Read>(mut source: R, found: u64) -> Result<Opened<H, R>, ReadError> {
    if found == 0 {
        return Err(Damage::Empty.into());
    }
    if found < EMPTY_BYTES {
        return Err(Damage::CutOff { found }.into());
    }
    let mut fixed = [0; FIXED_BYTES];
    fill(&mut source, &mut fixed)?;
    let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, v2, v3, h0, h1, h2, h3, body @ ..] = fixed;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != H::MAGIC {
        return Err(Damage::Magic.into());
    }
    let version = u32::from_le_bytes([v0, v1, v2, v3]);
    if version != VERSION {
        return Err(Damage::Version { found: version, known: VERSION }.into());
    }
    let header_bytes = u64::from(u32::from_le_bytes([h0, h1, h2, h3]));
    let body_bytes = u64::from_le_bytes(body);
    if header_bytes > MAX_HEADER_BYTES || body_bytes > HARD_MAX_MESSAGE_BYTES {
        return Err(Damage::Oversized.into());
    }
    let expected = EMPTY_BYTES + header_bytes + body_bytes;
    if expected != found {
        return Err(Damage::Length { expected, found }.into());
    }
    let mut header_seal = [0; SEAL_BYTES];
    fill(&mut source, &mut header_seal)?;
    let mut header = vec![0; to_usize(header_bytes)?];
    fill(&mut source, &mut header)?;
    if blake3::Hasher::new().update(&fixed).update(&header).finalize() != header_seal {
        return Err(Damage::HeaderChecksum.into());
    }
    let header = serde_json::from_slice(&header).map_err(|error| Damage::Header { reason: error.to_string() })?;
    Ok(Opened { header, file_bytes: found, header_seal, body_bytes, source })
}

impl<H, R: Read> Opened<H, R> {
    /// Checks the body without keeping it.
    pub fn check(mut self) -> Result<H, ReadError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.header_seal);
        let mut step = vec![0; STEP_BYTES];
        let mut left = to_usize(self.body_bytes)?;
        while left > 0 {
            let part = left.min(STEP_BYTES);
            let Some(step) = step.get_mut(..part) else { break };
            fill(&mut self.source, step)?;
            hasher.update(step);
            left -= part;
        }
        self.compare(&hasher)?;
        Ok(self.header)
    }

    /// Reads and checks the body.
    pub fn body(mut self) -> Result<(H, Vec<u8>), ReadError> {
        let mut body = vec![0; to_usize(self.body_bytes)?];
        fill(&mut self.source, &mut body)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.header_seal).update(&body);
        self.compare(&hasher)?;
        Ok((self.header, body))
    }

    fn compare(&mut self, hasher: &blake3::Hasher) -> Result<(), ReadError> {
        let mut seal = [0; SEAL_BYTES];
        fill(&mut self.source, &mut seal)?;
        if hasher.finalize() == seal { Ok(()) } else { Err(Damage::BodyChecksum.into()) }
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), ReadError> {
    source.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Damage(Damage::Shrunk),
        _ => ReadError::Io(error),
    })
}

fn to_usize(bytes: u64) -> Result<usize, ReadError> {
    usize::try_from(bytes).map_err(|_| Damage::Oversized.into())
}
