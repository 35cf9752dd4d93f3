//! The file of a backup: a tar archive, compressed with zstd, encrypted with age unless the
//! settings say otherwise. The tools of any distribution open it: `age -d -i KEY FILE | zstd -d |
//! tar x`.
//!
//! Its last entry is `manifest.json` ([`Manifest`]): what is in it, with the hash of each entry.
//! One that was cut has no manifest, and none of what it holds is believed.

use super::error::BackupError;
use age::x25519::Identity;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{self as fs, File};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// The name of the entry that tells of all others.
const MANIFEST: &str = "manifest.json";

/// Longest manifest that is read.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// Level of zstd: databases become a third at it, as fast as a disk writes.
const LEVEL: i32 = 3;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The moment that it shows.
    pub at: Timestamp,
    /// Version of the server that made it.
    pub version: String,
    /// Its name in the settings.
    pub server: String,
    /// Its files, by their names in the archive.
    pub files: BTreeMap<String, FileNote>,
    /// Rows of each table of each database.
    pub rows: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What a file in an archive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub hash: String,
}

/// A file to put into an archive.
#[derive(Debug)]
pub struct Piece {
    /// Its name there.
    pub name: String,
    /// Where it is read from.
    pub file: File,
    /// So many bytes of it, from its beginning.
    pub bytes: u64,
}

/// What was written.
pub struct Written<W> {
    /// What it is of.
    pub manifest: Manifest,
    /// Bytes of it.
    pub bytes: u64,
    /// Their hash.
    pub hash: String,
    /// Where it went.
    pub to: W,
}

/// Writes an archive; `path` names it in errors. Calls `goes_on` with the bytes of pieces that are
/// read so far; false breaks it off.
pub fn write<W: Write>(
    to: W,
    path: &Path,
    key: Option<&Identity>,
    pieces: Vec<Piece>,
    mut manifest: Manifest,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Written<W>, BackupError> {
    let failed = |source| BackupError::Write { path: path.to_owned(), source };
    let hashed = Hashing::new(to);
    let mut sealed = match key {
        Some(key) => Sealed::Age(seal(key, hashed).map_err(failed)?),
        None => Sealed::Plain(hashed),
    };
    {
        let packed = zstd::Encoder::new(&mut sealed, LEVEL).map_err(failed)?;
        let mut archive = tar::Builder::new(packed);
        let mut read_before = 0;
        for Piece { name, file, bytes } in pieces {
            let mut counted = |so_far: u64| goes_on(read_before + so_far);
            let mut content = Hashing::new(file.take(bytes)).watched_by(&mut counted);
            archive.append_data(&mut header(bytes, manifest.at), &name, &mut content).map_err(failed)?;
            let (read, hash) = content.end();
            if read != bytes {
                let reason = format!("{name} became shorter while it was read");
                return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
            }
            read_before += bytes;
            manifest.files.insert(name, FileNote { bytes, hash });
        }
        let told = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(error.into()))?;
        let mut about = header(told.len() as u64, manifest.at);
        archive.append_data(&mut about, MANIFEST, told.as_slice()).map_err(failed)?;
        archive.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?;
    }
    let hashed = match sealed {
        Sealed::Age(sealed) => sealed.finish().map_err(failed)?,
        Sealed::Plain(hashed) => hashed,
    };
    let (bytes, hash) = (hashed.count, hashed.hasher.finalize().to_hex().to_string());
    Ok(Written { manifest, bytes, hash, to: hashed.inner })
}

fn seal<W: Write>(key: &Identity, to: W) -> io::Result<age::stream::StreamWriter<W>> {
    let recipient = key.to_public();
    age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        .map_err(io::Error::other)?
        .wrap_output(to)
}

fn header(bytes: u64, at: Timestamp) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(at.as_second().unsigned_abs());
    header
}

/// Reads an archive to its end and holds every file of it against the manifest; `path` names it in
/// errors and says whether it is encrypted. With a folder, all of it is unpacked there, for the
/// user of this process alone; the folder is there and empty. Calls `goes_on` with the bytes of
/// the archive that are read so far; false breaks it off.
pub fn read<'a>(
    source: impl Read + 'a,
    path: &Path,
    key: Option<&Identity>,
    into: Option<&Path>,
    goes_on: &'a mut dyn FnMut(u64) -> bool,
) -> Result<Manifest, BackupError> {
    let failed = |source| BackupError::Read { path: path.to_owned(), source };
    let unfit = |reason: String| BackupError::Unfit { path: path.to_owned(), reason };
    let file = BufReader::new(Watched { inner: source, count: 0, watcher: goes_on });
    let opened: Box<dyn Read + 'a> = if is_sealed(path) {
        let Some(key) = key else { return Err(BackupError::NoKey { path: path.to_owned() }) };
        let wrong_key = |source: age::DecryptError| match source {
            age::DecryptError::Io(source) => failed(source),
            source => BackupError::Key { path: path.to_owned(), source },
        };
        let sealed = age::Decryptor::new_buffered(file).map_err(wrong_key)?;
        Box::new(sealed.decrypt(std::iter::once(key as &dyn age::Identity)).map_err(wrong_key)?)
    } else {
        Box::new(file)
    };
    let mut archive = tar::Archive::new(zstd::Decoder::new(opened).map_err(failed)?);
    let mut found = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
        if name == MANIFEST {
            let mut told = Vec::new();
            entry.take(MAX_MANIFEST_BYTES).read_to_end(&mut told).map_err(failed)?;
            manifest = Some(serde_json::from_slice(&told).map_err(|error| unfit(error.to_string()))?);
            continue;
        }
        let mut content = Hashing::new(&mut entry);
        match into {
            Some(folder) => {
                let place = place_of(folder, &name).ok_or_else(|| unfit(format!("it holds `{name}`")))?;
                unpack(&mut content, &place).map_err(|source| BackupError::Write { path: place, source })?;
            }
            None => drop(io::copy(&mut content, &mut io::sink()).map_err(failed)?),
        }
        let (bytes, hash) = content.end();
        found.insert(name, FileNote { bytes, hash });
    }
    let Some(manifest) = manifest else { return Err(unfit("it ends before its manifest".to_owned())) };
    if manifest.format != FORMAT {
        return Err(unfit(format!(
            "it has format {}, this program knows {FORMAT}: take the newer one",
            manifest.format
        )));
    }
    let differs = manifest.files.iter().find(|(name, note)| found.get(*name) != Some(note)).map(|(name, _)| name);
    match differs.or_else(|| found.keys().find(|name| !manifest.files.contains_key(*name))) {
        Some(name) => Err(unfit(format!("`{name}` in it is not what was put there"))),
        None => Ok(manifest),
    }
}

fn unpack(content: &mut impl Read, place: &Path) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    io::copy(content, &mut file)?;
    file.sync_all()
}

/// Where a file of this name goes; none where the name leads out of the folder.
fn place_of(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && name.components().next().is_some()).then(|| folder.join(name))
}

/// Whether a file is encrypted, by its name.
pub fn is_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "age")
}

enum Sealed<W: Write> {
    Age(age::stream::StreamWriter<W>),
    Plain(W),
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Age(sealed) => sealed.write(bytes),
            Self::Plain(plain) => plain.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Age(sealed) => sealed.flush(),
            Self::Plain(plain) => plain.flush(),
        }
    }
}

/// Tells how much was read; false breaks the reading off.
struct Watched<'a, R> {
    inner: R,
    count: u64,
    watcher: &'a mut dyn FnMut(u64) -> bool,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        if (self.watcher)(self.count) { Ok(read) } else { Err(stopped()) }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the server stops")
}

/// Counts and hashes what goes through it.
struct Hashing<'a, T> {
    inner: T,
    hasher: blake3::Hasher,
    count: u64,
    watcher: Option<&'a mut dyn FnMut(u64) -> bool>,
}

impl<'a, T> Hashing<'a, T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), count: 0, watcher: None }
    }

    /// Told how many bytes were read; false breaks the reading off.
    fn watched_by(self, watcher: &'a mut dyn FnMut(u64) -> bool) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    fn end(self) -> (u64, String) {
        (self.count, self.hasher.finalize().to_hex().to_string())
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<T: Read> Read for Hashing<'_, T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.note(&into[..read]);
        let count = self.count;
        if self.watcher.as_mut().is_some_and(|goes_on| !goes_on(count)) {
            return Err(stopped());
        }
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.note(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
