//! One process per role and data folder: an OS lock on a file, which ends with its holder, however
//! it ends.

use fs_err as fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tillway_file_queue::file_lock::FileLock;

/// What a process does in a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The cash server.
    Server,
    /// The sales-loader, alone or within the server.
    SalesLoader,
}

impl Role {
    fn file(self) -> &'static str {
        match self {
            Self::Server => "cash-server.lock",
            Self::SalesLoader => "sales-loader.lock",
        }
    }
}

/// Why the folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error(
        "already running: process {holder} works on {}; stop that one first, or use another data folder",
        folder.display()
    )]
    Held {
        /// The data folder.
        folder: PathBuf,
        /// The process, as it wrote itself down.
        holder: String,
    },
    /// The file could not be opened, locked or written.
    #[error("failed to lock the data folder")]
    File(#[source] io::Error),
}

/// The lock; free again when dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: FileLock,
}

impl DataLock {
    /// Takes the role in a data folder, which is made where it is missing.
    pub fn take(data_dir: &Path, role: Role) -> Result<Self, LockError> {
        fs::create_dir_all(data_dir).map_err(LockError::File)?;
        let path = data_dir.join(role.file());
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LockError::File)?;
        let Ok(mut held) = FileLock::try_take(file).map_err(LockError::File)? else {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(LockError::Held { folder: data_dir.to_owned(), holder: holder.trim().to_owned() });
        };
        let file = held.file();
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(LockError::File)?;
        Ok(Self { _file: held })
    }

    /// Whether somebody holds the role. Looks only; makes nothing.
    pub fn is_held(data_dir: &Path, role: Role) -> bool {
        fs::File::open(data_dir.join(role.file())).is_ok_and(|file| FileLock::is_held(&file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!DataLock::is_held(folder.path(), Role::Server));
        let lock = DataLock::take(folder.path(), Role::Server).unwrap();
        assert!(DataLock::is_held(folder.path(), Role::Server));
        let error = DataLock::take(folder.path(), Role::Server).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        DataLock::take(folder.path(), Role::SalesLoader).unwrap();
        drop(lock);
        DataLock::take(folder.path(), Role::Server).unwrap();
    }
}
