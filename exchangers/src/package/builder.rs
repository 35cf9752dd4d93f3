//! Building a package: records stream in, a file named by its hash comes out. Memory: one chunk
//! and the table of chunks.

use super::container::{self, FIRST_CHUNK_ZSTD_LEVEL, Magic, ZSTD_LEVEL};
use super::header::{ChunkEntry, Header, KindEntry, Mode};
use super::reader::{Temporary, verify_file};
use super::{MAX_CHUNK_RAW_BYTES, MAX_CHUNK_RECORDS, MAX_CHUNKS, MAX_RECORD_BYTES, PackageError, Record};
use crate::kinds::Kind;
use fs_err as fs;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;
use tillway_proto::{CursorProof, Digest, PackageName, Revision};
use uuid::Uuid;
use zstd::bulk::Compressor;

/// How the names of files on their way start; [`PackageBuilder::remove_leftovers`] knows them by
/// it.
const TEMPORARY_PREFIX: &str = ".building-";

/// Why a package was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder could not be written to.
    #[error("failed to build a package in {}", folder.display())]
    Io {
        /// The folder of packages.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Records must come kind by kind in the order of the kinds' ids, and by growing key within.
    #[error("{kind} `{key}` came out of order: kinds come one after another, keys of a kind grow")]
    Order {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: String,
    },
    /// One object is too large to travel.
    #[error("{kind} `{key}` has {bytes} bytes, allowed are {MAX_RECORD_BYTES}")]
    RecordTooLarge {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// There are more chunks than a package may have.
    #[error("the package has more than {MAX_CHUNKS} chunks")]
    TooManyChunks,
    /// The facts do not fit the records, or a record was added of a kind that has no facts.
    #[error("the facts of the package do not fit its records: {what}")]
    Facts {
        /// What does not fit.
        what: String,
    },
    /// The file that was written does not read back. It was removed.
    #[error("the package does not read back after it was written")]
    Unreadable(#[source] PackageError),
}

/// What a package is about, known when its last record is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// See [`Header::from`].
    pub from: Revision,
    /// See [`Header::to`].
    pub to: Revision,
    /// See [`Header::layers`].
    pub layers: Vec<String>,
    /// Every kind that has rows afterwards or records in the package, in any order. One with
    /// neither may be there too and is left out, unless it is a snapshot of nothing in a package
    /// that is not full.
    pub kinds: Vec<KindFacts>,
}

/// What the till has of one kind afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindFacts {
    /// The kind.
    pub kind: Kind,
    /// How the records of the kind are meant.
    pub mode: Mode,
    /// How many rows.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
}

/// A package that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPackage {
    /// Its name.
    pub name: PackageName,
    /// Its file, `<name>.twp` in the folder given.
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Its header.
    pub header: Header,
}

/// Builds one package. Dropped unfinished, it leaves nothing behind.
pub struct PackageBuilder {
    folder: PathBuf,
    chunk_file: BufWriter<fs::File>,
    _chunk_file: Temporary,
    compressor: Compressor<'static>,
    chunks: Vec<ChunkEntry>,
    offset: u64,
    counts: Vec<(Kind, u64, u64)>,
    last_key: String,
    raw: Vec<u8>,
    records: u32,
    proof: Option<CursorProof>,
}

impl std::fmt::Debug for PackageBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageBuilder")
            .field("folder", &self.folder)
            .field("chunks", &self.chunks.len())
            .finish_non_exhaustive()
    }
}

impl PackageBuilder {
    /// Begins a package in `folder`, which must be there.
    pub fn new(folder: &Path) -> Result<Self, BuildError> {
        let failed = |source| BuildError::Io { folder: folder.to_path_buf(), source };
        let (chunk_path, file) = temporary(folder).map_err(failed)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            chunk_file: BufWriter::new(file),
            _chunk_file: chunk_path,
            compressor: Compressor::new(FIRST_CHUNK_ZSTD_LEVEL).map_err(failed)?,
            chunks: Vec::new(),
            offset: 0,
            counts: Vec::new(),
            last_key: String::new(),
            raw: Vec::with_capacity(MAX_CHUNK_RAW_BYTES as usize),
            records: 0,
            proof: None,
        })
    }

    /// Removes what killed builders left behind. Only for a caller that knows that nobody builds
    /// in `folder` now.
    pub fn remove_leftovers(folder: &Path) -> Result<(), BuildError> {
        let failed = |source| BuildError::Io { folder: folder.to_path_buf(), source };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Adds a record. Kinds come in the order of their ids, keys of a kind grow strictly
    /// (bytewise).
    pub fn add(&mut self, kind: Kind, record: &Record<'_>) -> Result<(), BuildError> {
        let key = record.key();
        let out_of_order = || BuildError::Order { kind: kind.name(), key: key.to_owned() };
        match self.counts.last() {
            Some((last, ..)) if *last == kind && *key <= *self.last_key => return Err(out_of_order()),
            Some((last, ..)) if *last == kind => {}
            Some((last, ..)) if last.id() > kind.id() => return Err(out_of_order()),
            _ => {
                self.close_chunk()?;
                self.counts.push((kind, 0, 0));
            }
        }
        let bytes = record.max_encoded_len();
        if bytes > MAX_RECORD_BYTES as usize {
            return Err(BuildError::RecordTooLarge { kind: kind.name(), key: key.to_owned(), bytes });
        }
        if self.records == MAX_CHUNK_RECORDS || self.raw.len() + bytes > MAX_CHUNK_RAW_BYTES as usize {
            self.close_chunk()?;
        }
        record.encode(&mut self.raw);
        self.records += 1;
        key.clone_into(&mut self.last_key);
        if let Some((_, upserts, deletes)) = self.counts.last_mut() {
            match record {
                Record::Upsert { .. } => *upserts += 1,
                Record::Delete { .. } => *deletes += 1,
            }
        }
        Ok(())
    }

    /// What the till has to show for its cursor afterwards.
    pub fn prove(&mut self, proof: CursorProof) {
        self.proof = Some(proof);
    }

    /// Writes the package under its name, makes it durable, reads it back and verifies it.
    pub fn finish(mut self, facts: Facts) -> Result<BuiltPackage, BuildError> {
        self.close_chunk()?;
        let header = self.header(facts)?;
        header.check("the package").map_err(|error| BuildError::Facts { what: error.to_string() })?;
        let folder = self.folder.clone();
        let failed = |source| BuildError::Io { folder: folder.clone(), source };
        let (mut temporary, name, bytes) = self.write(&header).map_err(failed)?;
        verify_file(&temporary.path, &name).map_err(BuildError::Unreadable)?;
        fail::fail_point!("package::verified");
        let path = self.folder.join(name.file_name());
        durable::rename(&temporary.path, &path).map_err(failed)?;
        fail::fail_point!("package::renamed");
        temporary.keep = true;
        Ok(BuiltPackage { name, path, bytes, header })
    }

    fn header(&mut self, facts: Facts) -> Result<Header, BuildError> {
        let Facts { from, to, layers, kinds: mut all } = facts;
        all.sort_by_key(|entry| entry.kind.id());
        let full = from == Revision::ZERO && all.iter().all(|entry| entry.mode == Mode::Snapshot);
        let mut counts = self.counts.iter().peekable();
        let mut kinds = Vec::with_capacity(all.len());
        for KindFacts { kind, mode, rows, digest } in all {
            let counted = counts.next_if(|(counted, ..)| *counted == kind);
            if counted.is_none() && rows == 0 && (full || mode == Mode::Difference) {
                continue;
            }
            let (upserts, deletes) = counted.map_or((0, 0), |(_, upserts, deletes)| (*upserts, *deletes));
            kinds.push(KindEntry { kind: kind.name().to_owned(), mode, upserts, deletes, rows, digest });
        }
        if let Some((kind, ..)) = counts.next() {
            return Err(BuildError::Facts {
                what: format!("nothing is said of kind {}, which has records", kind.name()),
            });
        }
        Ok(Header { from, to, layers, proof: self.proof, kinds, chunks: std::mem::take(&mut self.chunks) })
    }

    fn write(&mut self, header: &Header) -> io::Result<(Temporary, PackageName, u64)> {
        self.chunk_file.flush()?;
        let (temporary, file) = temporary(&self.folder)?;
        let mut out = Hashing { hasher: blake3::Hasher::new(), bytes: 0, file };
        out.write_all(&container::encode(Magic::Package, header)?)?;
        self.chunk_file.get_mut().seek(SeekFrom::Start(0))?;
        io::copy(&mut BufReader::with_capacity(256 << 10, self.chunk_file.get_mut()), &mut out)?;
        fail::fail_point!("package::written");
        out.file.sync_all()?;
        fail::fail_point!("package::synced");
        Ok((temporary, PackageName::from_hash(out.hasher.finalize().into()), out.bytes))
    }

    fn close_chunk(&mut self) -> Result<(), BuildError> {
        let Some((kind, ..)) = self.counts.last().filter(|_| self.records > 0) else { return Ok(()) };
        let failed = |source| BuildError::Io { folder: self.folder.clone(), source };
        if self.chunks.len() == MAX_CHUNKS {
            return Err(BuildError::TooManyChunks);
        }
        let packed = self.compressor.compress(&self.raw).map_err(failed)?;
        let entry = entry_of(kind.name(), self.offset, &packed, &self.raw, self.records).map_err(failed)?;
        self.chunk_file.write_all(&packed).map_err(failed)?;
        self.offset += u64::from(entry.bytes);
        if self.chunks.is_empty() {
            self.compressor.set_compression_level(ZSTD_LEVEL).map_err(failed)?;
        }
        self.chunks.push(entry);
        self.raw.clear();
        self.records = 0;
        Ok(())
    }
}

/// The table entry of a chunk.
pub(super) fn entry_of(kind: &str, offset: u64, packed: &[u8], raw: &[u8], records: u32) -> io::Result<ChunkEntry> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    let kind = kind.to_owned();
    Ok(ChunkEntry { kind, offset, bytes: length(packed)?, raw: length(raw)?, records, blake3: blake3::hash(packed) })
}

fn temporary(folder: &Path) -> io::Result<(Temporary, fs::File)> {
    let path = folder.join(format!("{TEMPORARY_PREFIX}{}", Uuid::new_v4().simple()));
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    Ok((Temporary { path, keep: false }, file))
}

struct Hashing {
    hasher: blake3::Hasher,
    bytes: u64,
    file: fs::File,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
