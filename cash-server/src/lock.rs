//! One process per role and data folder: an OS lock on a file, which ends with its holder, however
//! it ends.
//!
//! A command that changes something while no server runs holds the server's lock meanwhile, so
//! that nobody else works on the databases. That takes moments, so a server that starts just then
//! waits for it.

use crate::words::as_said;
use fs_err as fs;
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tillway_file_queue::file_lock::FileLock;

/// What a command writes behind its number.
const COMMAND: &str = "(a command)";

/// How long a server that starts waits for commands.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LockError {
    /// Somebody holds it.
    #[error(
        "already running: process {holder} works on {}; stop that one first, or use another data folder",
        folder.display()
    )]
    #[serde(rename = "already-running")]
    Held {
        /// The data folder.
        folder: PathBuf,
        /// The process, as it wrote itself down.
        holder: String,
    },
    /// The file could not be opened, locked or written.
    #[error("failed to lock the data folder")]
    #[serde(rename = "data-not-locked")]
    File {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
}

/// The lock; free again when dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: FileLock,
}

impl DataLock {
    /// Takes the role in a data folder, which is made where it is missing. Waits for commands.
    /// Blocks.
    pub fn take(data_dir: &Path, role: Role) -> Result<Self, LockError> {
        let begun = Instant::now();
        let mut is_first_try = true;
        loop {
            match Self::try_take(data_dir, role, "") {
                // Who has just taken it may not have said yet that it is a command.
                Err(LockError::Held { holder, .. })
                    if is_first_try || (holder.ends_with(COMMAND) && begun.elapsed() < COMMAND_PATIENCE) =>
                {
                    is_first_try = false;
                    thread::sleep(LOOK_EVERY);
                }
                taken => return taken,
            }
        }
    }

    /// Takes the server's role for a command; an error where somebody has it.
    pub fn take_for_command(data_dir: &Path) -> Result<Self, LockError> {
        Self::try_take(data_dir, Role::Server, COMMAND)
    }

    fn try_take(data_dir: &Path, role: Role, mark: &str) -> Result<Self, LockError> {
        fs::create_dir_all(data_dir).map_err(|source| LockError::File { source })?;
        let path = data_dir.join(role.file());
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| LockError::File { source })?;
        let Ok(mut held) = FileLock::try_take(file).map_err(|source| LockError::File { source })? else {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(LockError::Held { folder: data_dir.to_owned(), holder: holder.trim().to_owned() });
        };
        let file = held.file();
        let holder = format!("{} {mark}", std::process::id());
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", holder.trim()))
            .map_err(|source| LockError::File { source })?;
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

    #[test]
    fn a_server_waits_for_a_command_and_a_command_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let command = DataLock::take_for_command(folder.path()).unwrap();
        assert!(matches!(DataLock::take_for_command(folder.path()), Err(LockError::Held { .. })));
        let starting = {
            let folder = folder.path().to_owned();
            thread::spawn(move || DataLock::take(&folder, Role::Server))
        };
        thread::sleep(4 * LOOK_EVERY);
        assert!(!starting.is_finished(), "the server waits");
        drop(command);
        let server = starting.join().unwrap().unwrap();
        assert!(matches!(DataLock::take_for_command(folder.path()), Err(LockError::Held { .. })));
        drop(server);
    }
}
