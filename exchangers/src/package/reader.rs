//! Reading a package from its file.

use super::container::{self, Magic};
use super::header::{self, Header};
use super::{Chunk, PackageError, PackageSource};
use fs_err as fs;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tillway_proto::PackageName;
use zstd::bulk::Decompressor;

/// One buffer of the reader holds a chunk of usual size.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// A package file, open for reading. Memory: the header and one chunk.
///
/// Opening checks mark, version, header and the file's length; each chunk is checked when its turn
/// comes. Whether the whole has the hash that its name promises is [`verify_file`]'s question.
pub struct PackageReader {
    origin: String,
    name: PackageName,
    header: Header,
    file: BufReader<fs::File>,
    decompressor: Decompressor<'static>,
    chunks_at: u64,
    next: usize,
    packed: Vec<u8>,
    raw: Vec<u8>,
}

impl std::fmt::Debug for PackageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageReader").field("origin", &self.origin).field("next", &self.next).finish_non_exhaustive()
    }
}

impl PackageReader {
    /// Opens the file of package `name`.
    pub fn open(path: &Path, name: &PackageName) -> Result<Self, PackageError> {
        let origin = path.display().to_string();
        let io_error = |source| PackageError::Io { origin: origin.clone(), source };
        let file = fs::File::open(path).map_err(io_error)?;
        let length = file.metadata().map_err(io_error)?.len();
        let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, file);
        let (header, chunks_at): (Header, u64) = container::decode(Magic::Package, &mut file, &origin)?;
        header.check(&origin)?;
        let end = chunks_at + header::check_chunks(&header.chunks, &origin)?;
        if header.objects() > 0 && header.chunks.is_empty() {
            return Err(PackageError::broken(&origin, "its records have no chunks"));
        }
        if end != length {
            return Err(PackageError::broken(&origin, format!("it has {length} bytes in place of {end}")));
        }
        let decompressor = container::decompressor(&origin)?;
        let name = name.clone();
        Ok(Self { origin, name, header, file, decompressor, chunks_at, next: 0, packed: Vec::new(), raw: Vec::new() })
    }

    /// Goes back to before the first chunk.
    pub fn rewind(&mut self) -> Result<(), PackageError> {
        self.file
            .seek(SeekFrom::Start(self.chunks_at))
            .map_err(|source| PackageError::Io { origin: self.origin.clone(), source })?;
        self.next = 0;
        Ok(())
    }

    /// The next chunk as it stands in the file, unchecked, and its number; `None` after the last.
    fn read_packed(&mut self) -> Result<Option<usize>, PackageError> {
        let Some(entry) = self.header.chunks.get(self.next) else { return Ok(None) };
        self.packed.resize(entry.bytes as usize, 0);
        container::fill(&mut self.file, &mut self.packed, &self.origin)?;
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    /// The next chunk as it stands in the file, checked by its hash, with its number.
    pub(super) fn next_packed(&mut self) -> Result<Option<(usize, &[u8])>, PackageError> {
        let Some(number) = self.read_packed()? else { return Ok(None) };
        if blake3::hash(&self.packed) != self.header.chunks[number].blake3 {
            return Err(PackageError::broken(&self.origin, format!("chunk {number} does not have its hash")));
        }
        Ok(Some((number, &self.packed)))
    }
}

impl PackageSource for PackageReader {
    fn name(&self) -> &PackageName {
        &self.name
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError> {
        let Some(number) = self.read_packed()? else { return Ok(None) };
        let entry = &self.header.chunks[number];
        container::open_chunk(&mut self.decompressor, entry, number, &self.packed, &mut self.raw, &self.origin)?;
        Ok(Some(Chunk { entry, raw: &self.raw }))
    }
}

/// Reads a whole package: its content has the hash that is its name, and every chunk and record
/// reads. Gives the header.
pub fn verify_file(path: &Path, name: &PackageName) -> Result<Header, PackageError> {
    let origin = path.display().to_string();
    let found = hash_file(path)?;
    if found != *name {
        return Err(PackageError::WrongName { origin, expected: name.clone(), found });
    }
    let mut reader = PackageReader::open(path, name)?;
    while let Some(chunk) = reader.next_chunk()? {
        for record in chunk.records() {
            record.map_err(|what| PackageError::broken(&origin, format!("a chunk of {} has {what}", chunk.kind())))?;
        }
    }
    Ok(reader.header)
}

/// Reads a package that is in memory, as far as its content can be checked without its name; gives
/// the number of records. Whatever the bytes are, it takes no more memory than a header and a
/// chunk may have.
pub fn read_bytes(bytes: &[u8]) -> Result<u64, PackageError> {
    let origin = "the package given";
    let mut rest = bytes;
    let (header, _): (Header, u64) = container::decode(Magic::Package, &mut rest, origin)?;
    header.check(origin)?;
    let length = header::check_chunks(&header.chunks, origin)?;
    if length != rest.len() as u64 {
        return Err(PackageError::broken(origin, format!("its chunks have {} bytes in place of {length}", rest.len())));
    }
    let mut decompressor = container::decompressor(origin)?;
    let (mut raw, mut records) = (Vec::new(), 0);
    for (number, entry) in header.chunks.iter().enumerate() {
        let (packed, after) = rest
            .split_at_checked(entry.bytes as usize)
            .ok_or_else(|| PackageError::broken(origin, "it is cut short"))?;
        rest = after;
        container::open_chunk(&mut decompressor, entry, number, packed, &mut raw, origin)?;
        for record in (Chunk { entry, raw: &raw }).records() {
            record.map_err(|what| PackageError::broken(origin, format!("a chunk of {} has {what}", entry.kind)))?;
            records += 1;
        }
    }
    Ok(records)
}

fn hash_file(path: &Path) -> Result<PackageName, PackageError> {
    let io_error = |source| PackageError::Io { origin: path.display().to_string(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path).map_err(io_error)?).map_err(io_error)?;
    Ok(PackageName::from_hash(hasher.finalize().into()))
}

/// A file on its way: removed when dropped, unless it was renamed away.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) keep: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "failed to remove a temporary file");
        }
    }
}
