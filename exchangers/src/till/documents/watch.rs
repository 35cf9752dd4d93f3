//! Noticing that the POS wrote something.

use super::{DocumentsError, open_read_only};
use fs_err as fs;
use rusqlite::Connection;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Watches `documents.db` for commits of others. Cheap enough to be asked several times a second;
/// whoever is told of file-system events on `documents.db-wal` may ask at once.
///
/// The file may appear later, and may be replaced by another one.
#[derive(Debug)]
pub struct DocumentsWatch {
    path: PathBuf,
    open: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    connection: Connection,
    file: (u64, u64),
    version: i64,
}

impl DocumentsWatch {
    /// Watches `path`, whether it is there or not.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), open: None }
    }

    /// Whether anything was committed since the last call; true at the first one that finds the
    /// file.
    pub fn changed(&mut self) -> Result<bool, DocumentsError> {
        let file = match fs::metadata(&self.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.open = None;
                return Ok(false);
            }
            // Opening it tells more.
            Err(_) => (0, 0),
        };
        let failed = DocumentsError::query(&self.path, "document");
        match &mut self.open {
            Some(open) if open.file == file => {
                let before = open.version;
                open.version = data_version(&open.connection).map_err(failed)?;
                Ok(open.version != before)
            }
            _ => {
                let connection = open_read_only(&self.path)?;
                let version = data_version(&connection).map_err(failed)?;
                self.open = Some(Opened { connection, file, version });
                Ok(true)
            }
        }
    }
}

/// A number that changes when another connection commits.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}
