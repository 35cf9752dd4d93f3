//! Packages: immutable files that take a till's dictionary from revision A to B, or to a whole
//! snapshot at B.
//!
//! A package is built once ([`PackageBuilder`]) and shared by all tills in the same state, so it
//! has no timestamps and its name is the BLAKE3 hash of its content: `<64 hex digits>.twp`. What
//! it holds is checked piece by piece: the header by a hash before it, each chunk by a hash in the
//! header, each size by a bound before anything is inflated.
//!
//! # Format, version 1
//!
//! Integers are little-endian. A package is a *container*:
//!
//! ```text
//! 0   8 bytes   magic: "TILLWAYP" (a package) or "TILLWAYM" (a queue message, below)
//! 8   u32       version: 1
//! 12  u32       length of the header as it stands in the file (zstd)
//! 16  u32       length of the header inflated
//! 20  32 bytes  BLAKE3 of the header as it stands in the file
//! 52  …         the header: JSON, zstd
//! …   …         the chunks, one after another, nothing between or after them
//! ```
//!
//! The header of a package is [`Header`]: range, layers (for people), one entry a kind that has
//! rows or changes, and the table of chunks, whose offsets count from the end of the header:
//!
//! ```json
//! {"from":17,"to":18,"layers":["_chain_main_00000001"],
//!  "kinds":[{"kind":"item","mode":"difference","upserts":1,"deletes":0,"rows":92000,"digest":"<32 hex>"}],
//!  "chunks":[{"kind":"item","offset":0,"bytes":120,"raw":140,"records":1,"blake3":"<64 hex>"}]}
//! ```
//!
//! - `proof`, where it is there, is what the till has to show for its cursor afterwards
//!   ([`tillway_proto::CursorProof`]).
//! - `rows` and `digest` are what the till must hold of the kind afterwards. A kind without an
//!   entry does not change and has no rows.
//! - `difference`: upserts and deletes by key. `snapshot`: the kind's rows, all of them; what the
//!   till had goes away.
//! - A package from revision 0 whose kinds are all snapshots is a *full* one: kinds without an
//!   entry are emptied. One that mixes both modes is a *repair*.
//! - Kinds come in one fixed order, each once; the keys of a kind grow strictly (bytewise), within
//!   and across chunks.
//!
//! A chunk is zstd over the records of one kind, at most [`MAX_CHUNK_RECORDS`] and
//! [`MAX_CHUNK_RAW_BYTES`] (a larger record stands alone, up to [`MAX_RECORD_BYTES`]). A record,
//! with lengths as LEB128:
//!
//! ```text
//! u8 1 (upsert)  length, key (UTF-8)  length, row (see [`crate::row`])
//! u8 2 (delete)  length, key (UTF-8)
//! ```
//!
//! # Queue messages, version 1
//!
//! On its way through the file queue a package is cut into messages of at most `queuechunksize`
//! objects ([`messages`]). Each is a container with the other magic; its header names the package,
//! its place among all, and its chunks; the first one carries the package's header too, without
//! its table of chunks:
//!
//! ```json
//! {"package":"<64 hex>","index":0,"total":7,"header":{…},"chunks":[{…}]}
//! ```
//!
//! # Reading
//!
//! The loader reads a [`PackageSource`]: a file ([`PackageReader`]) or the messages of one
//! ([`MessageSource`]). A newer version is refused with [`PackageError::NewerVersion`]; a field
//! that is not known is ignored, so an addition that an old reader may overlook needs no new
//! version.

mod builder;
mod container;
mod header;
mod message;
mod reader;
mod record;
mod state;
#[cfg(test)]
mod tests;

pub use builder::{BuildError, BuiltPackage, Facts, KindFacts, PackageBuilder};
pub use header::{ChunkEntry, Header, KindEntry, Mode};
pub use message::{MessageSource, Messages, messages};
pub use reader::{PackageReader, read_bytes, verify_file};
pub use record::{Record, Records};
pub use state::state_digest;

use std::io;
use tillway_proto::PackageName;

/// Version that this code writes, and the newest it reads.
pub const PACKAGE_VERSION: u32 = 1;

/// Most records in one chunk: what is lost when one is broken, and what a reader holds at a time.
pub const MAX_CHUNK_RECORDS: u32 = 1000;

/// Largest chunk before compression, unless it is one single record: zstd gains little beyond.
pub const MAX_CHUNK_RAW_BYTES: u32 = 256 << 10;

/// Largest record: pictures travel inside of rows. A reader never inflates more than this at once.
pub const MAX_RECORD_BYTES: u32 = 16 << 20;

/// Most chunks in a package: a hundred million records.
pub const MAX_CHUNKS: usize = 100_000;

/// Largest header as it stands in the file: a hundred bytes for each chunk, at the most.
pub const MAX_HEADER_BYTES: u32 = 16 << 20;

/// Largest header inflated; the table of [`MAX_CHUNKS`] chunks takes half of it.
pub const MAX_HEADER_RAW_BYTES: u32 = 48 << 20;

/// Largest body of a queue message: it is held whole. A message is closed early rather than grow
/// beyond it, and one chunk always fits.
pub const MAX_MESSAGE_BYTES: u64 = 24 << 20;

/// Why a package or a message of one cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file could not be read; the source names it.
    #[error("failed to read {origin}")]
    Io {
        /// The file, or which message of which package.
        origin: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something else than a package.
    #[error("{origin} is no package: it does not start with its mark")]
    NotAPackage {
        /// The file, or which message of which package.
        origin: String,
    },
    /// Written by a newer server.
    #[error(
        "{origin} has version {version} of the package format, this program knows up to {PACKAGE_VERSION}: upgrade it"
    )]
    NewerVersion {
        /// The file, or which message of which package.
        origin: String,
        /// Its version.
        version: u32,
    },
    /// Something in it is larger than it may be.
    #[error("{origin}: {what} is {value}, allowed is {limit}")]
    TooLarge {
        /// The file, or which message of which package.
        origin: String,
        /// What is too large.
        what: &'static str,
        /// How large.
        value: u64,
        /// How large it may be.
        limit: u64,
    },
    /// Cut short or changed; another copy may be whole.
    #[error("{origin} is broken: {what}")]
    Broken {
        /// The file, or which message of which package.
        origin: String,
        /// What is wrong.
        what: String,
    },
    /// The content is not what the name promises.
    #[error("{origin} is not package {expected}: its content has the hash {found}")]
    WrongName {
        /// The file.
        origin: String,
        /// The name it should have.
        expected: PackageName,
        /// The name that belongs to its content.
        found: PackageName,
    },
}

impl PackageError {
    fn broken(origin: &str, what: impl Into<String>) -> Self {
        Self::Broken { origin: origin.to_owned(), what: what.into() }
    }
}

/// A package as the loader reads it: header, then chunk after chunk, each verified before it is
/// handed out.
pub trait PackageSource {
    /// The package.
    fn name(&self) -> &PackageName;

    /// What it says of itself.
    fn header(&self) -> &Header;

    /// The next chunk; `None` after the last.
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError>;
}

/// Records of one kind, verified and inflated.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    entry: &'a ChunkEntry,
    raw: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// How many records it has.
    pub fn record_count(&self) -> u32 {
        self.entry.records
    }

    /// Name of the kind.
    pub fn kind(&self) -> &'a str {
        &self.entry.kind
    }

    /// How many records it holds.
    pub fn len(&self) -> u32 {
        self.entry.records
    }

    /// Whether it holds none; a written chunk never does.
    pub fn is_empty(&self) -> bool {
        self.entry.records == 0
    }

    /// The records in order of their keys.
    pub fn records(&self) -> Records<'a> {
        Records::new(self.raw, self.entry.records)
    }
}
