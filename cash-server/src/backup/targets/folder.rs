//! Backups in a folder. A draft is a hidden file that gets its name when it is published.

use super::{Draft, Found, GoesOn, MAX_SMALL_BYTES, Target, UNFINISHED};
use crate::backup::error::BackupError;
use crate::backup::kept::note_of;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{self as fs, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;

/// A folder.
#[derive(Debug)]
pub struct FolderTarget {
    folder: PathBuf,
}

impl FolderTarget {
    /// This one; it may be missing.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn draft_of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{UNFINISHED}{name}"))
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>, BackupError> {
        let failed = |source| BackupError::Read { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let named = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.map_err(failed)?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        };
        entries.map(named).collect()
    }
}

impl Target for FolderTarget {
    fn place(&self) -> PathBuf {
        self.folder.clone()
    }

    fn prepare(&self) -> Result<(), BackupError> {
        make(&self.folder)?;
        for (name, _) in self.entries()? {
            if let Some(name) = name.strip_prefix(UNFINISHED) {
                self.discard(name)?;
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Found>, BackupError> {
        let mut found = Vec::new();
        for (name, path) in self.entries()? {
            // Gone since the folder was read, or no file.
            let bytes = fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
            if let Some(bytes) = bytes.filter(|_| !name.starts_with('.')) {
                found.push(Found { name, bytes });
            }
        }
        Ok(found)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BackupError> {
        let path = self.path_of(name);
        let failed = |source| BackupError::Read { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        make(&self.folder)?;
        let path = self.path_of(name);
        durable::write_atomic(&path, bytes).map_err(|source| BackupError::Write { path, source })
    }

    fn remove(&self, name: &str) -> Result<(), BackupError> {
        remove(&self.path_of(name))
    }

    fn draft<'a>(&'a self, name: &str, _: u64, _: GoesOn<'a>) -> Result<Box<dyn Draft + 'a>, BackupError> {
        let path = self.draft_of(name);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|source| BackupError::Write { path: path.clone(), source })?;
        Ok(Box::new(FileDraft { file: Some(BufWriter::new(file)), path }))
    }

    fn open_draft<'a>(&'a self, name: &str, _: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError> {
        open(&self.draft_of(name))
    }

    fn publish(&self, name: &str) -> Result<(), BackupError> {
        let path = self.path_of(name);
        durable::rename(&self.draft_of(name), &path).map_err(|source| BackupError::Write { path, source })
    }

    fn discard(&self, name: &str) -> Result<(), BackupError> {
        let draft = self.draft_of(name);
        // Its note is written before it is published.
        if draft.exists() && !self.path_of(name).exists() {
            self.remove(&note_of(name))?;
        }
        remove(&draft)
    }

    fn open<'a>(&'a self, name: &str, _: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError> {
        open(&self.path_of(name))
    }
}

/// A file that is not finished.
struct FileDraft {
    file: Option<BufWriter<File>>,
    path: PathBuf,
}

impl Write for FileDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Draft for FileDraft {
    fn finish(mut self: Box<Self>) -> Result<(), BackupError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|source| BackupError::Write { path: self.path.clone(), source })
    }
}

impl Drop for FileDraft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What stays goes with the next preparation.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open<'a>(path: &Path) -> Result<Box<dyn Read + 'a>, BackupError> {
    let file = File::open(path).map_err(|source| BackupError::Read { path: path.to_owned(), source })?;
    Ok(Box::new(BufReader::new(file)))
}

/// Makes a folder that others cannot look into. One that is there stays as it is: somebody chose
/// who may.
pub(in crate::backup) fn make(folder: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::PermissionsExt as _;
    if folder.is_dir() {
        return Ok(());
    }
    durable::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .map_err(|source| BackupError::Write { path: folder.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
