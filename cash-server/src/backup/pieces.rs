//! What goes into a backup beside the databases, opened in the moment that the backup shows.

use super::archive::Piece;
use super::error::BackupError;
use crate::settings::TLS_DIR;
use crate::settings::credentials::CREDENTIALS_DIR;
use crate::store::copies::Copying;
use fs_err::{self as fs, File};
use std::io;
use std::path::Path;
use tillway_file_queue::durable;

/// Folders of the data folder that go into a backup whole, beside the databases.
pub(super) const FOLDERS: [&str; 4] = [CREDENTIALS_DIR, TLS_DIR, "inbox-rest", "spool"];

/// The settings in an archive.
pub(super) const SETTINGS: &str = "settings/cash-server.toml";

/// While the databases are copied.
pub(super) struct InUse<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) settings_file: Option<&'a Path>,
    /// What lies beside them.
    pub(super) beside: Vec<Piece>,
    /// Told how many bytes are copied, of how many; false breaks it off.
    pub(super) goes_on: &'a dyn Fn(u64, u64) -> bool,
}

impl Copying for InUse<'_> {
    /// What lies beside the databases is opened now: a segment of the spool that is loaded and
    /// deleted meanwhile is still read, and what is appended later is left out.
    fn at_the_moment(&mut self) -> io::Result<()> {
        for folder in FOLDERS {
            open_all(&self.data_dir.join(folder), folder, &mut self.beside)?;
        }
        if let Some(file) = self.settings_file {
            self.beside.push(open_piece(SETTINGS.to_owned(), file)?);
        }
        Ok(())
    }

    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        (self.goes_on)(done, total)
    }
}

/// Opens all files below a folder that may be missing. What is being written goes by its final
/// name and is passed over.
fn open_all(folder: &Path, name: &str, into: &mut Vec<Piece>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_all(&path, &name, into)?;
        } else if kind.is_file() && !durable::is_leftover(&path) {
            match open_piece(name, &path) {
                Ok(piece) => into.push(piece),
                // Gone since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn open_piece(name: String, path: &Path) -> io::Result<Piece> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Piece { name, file, bytes })
}

/// A file as a piece of this name.
pub(super) fn piece(name: String, path: &Path) -> Result<Piece, BackupError> {
    open_piece(name, path).map_err(|source| BackupError::Read { path: path.to_owned(), source })
}

/// Bytes of the databases, as far as they can be told.
pub(super) fn database_bytes(data_dir: &Path) -> u64 {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let files = fs::read_dir(data_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "db")).map(|path| length(&path)).sum()
}
