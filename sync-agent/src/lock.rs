//! One agent a till folder, and one exchange at a time (R3).
//!
//! [`AgentLock`] is a lock of the operating system on `agent.lock` in the data folder: it ends
//! with its process, however that ends. The file names the holder for the error message; nothing
//! is decided by what stands in it. [`ExchangeLock`] orders loads and unloads inside the process
//! that holds the agent lock.

use fs_err as fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_file_queue::file_lock::FileLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Why the till folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent runs on it.
    #[error(
        "already running: another sync-agent (process {holder}) works on {}; one till has one agent: stop that one first",
        folder.display()
    )]
    Held {
        /// The data folder.
        folder: PathBuf,
        /// What the lock file says of the holder.
        holder: String,
    },
    /// The lock file cannot be made.
    #[error("failed to lock the till folder")]
    File(#[source] io::Error),
}

/// The till folder is ours until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct AgentLock {
    _file: FileLock,
}

impl AgentLock {
    /// Takes the lock, or tells who has it. Never waits.
    pub(crate) fn take(data: &Path) -> Result<Self, LockError> {
        fs::create_dir_all(data).map_err(LockError::File)?;
        let path = data.join("agent.lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let taken = file.and_then(FileLock::try_take).map_err(LockError::File)?;
        let Ok(mut held) = taken else {
            let holder = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(LockError::Held {
                folder: data.to_owned(),
                holder: if holder.is_empty() { "unknown".to_owned() } else { holder },
            });
        };
        let file = held.file();
        let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        named.map_err(LockError::File)?;
        Ok(Self { _file: held })
    }
}

/// Held by a load or an unload while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExchangeLock(Arc<Mutex<()>>);

impl ExchangeLock {
    /// Waits until no other exchange runs. Each holder has a deadline of its own, so the wait
    /// ends.
    pub(crate) async fn take(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_agent_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = AgentLock::take(folder.path()).unwrap();
        let error = AgentLock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        AgentLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_lock_file_left_behind_by_a_dead_process_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("agent.lock"), "4242\n").unwrap();
        AgentLock::take(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("agent.lock")).unwrap(), format!("{}\n", std::process::id()));
    }
}
