//! Locks between processes: OS locks on open files (`flock`), which end with their holder, however it ends.
//!
//! Two kinds: the queue lock (short, whoever changes or lists names holds it) and folder locks (long, on the folder
//! of a batch while it is written or worked on). Folder locks are only ever *tried*, and only under the queue lock,
//! so there is no order to deadlock in, and nobody sees a lock that was merely being tried.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::error::QueueError;

/// First and longest pause between two tries for the queue lock.
const PAUSE_FIRST: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The queue lock; free again when dropped.
#[derive(Debug)]
pub(crate) struct QueueLock(fs::File);

impl QueueLock {
    pub(crate) fn take(path: &Path, wait: Duration) -> Result<Self, QueueError> {
        let failed = |source| QueueError::Io {
            action: "take the lock of file queue",
            folder: path.parent().unwrap_or(path).to_path_buf(),
            source,
        };
        let file = open_or_create(path).map_err(failed)?;
        let started = Instant::now();
        let mut pause = PAUSE_FIRST;
        loop {
            match file.file().try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if started.elapsed() < wait => thread::sleep(pause),
                Err(TryLockError::WouldBlock) => {
                    return Err(QueueError::Busy { path: path.to_path_buf(), waited: started.elapsed() });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Drop for QueueLock {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// The lock on one batch folder. It follows the folder through renames; free again when dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(fs::File);

impl FolderLock {
    /// `None` where somebody else holds it. `_proof`: folder locks are only tried under the queue lock.
    pub(crate) fn attempt(folder: &Path, _proof: &QueueLock) -> io::Result<Option<Self>> {
        let file = fs::File::open(folder)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// Unlocks in so many words: closing alone would leave the lock with a child process that was forked in between and
/// has not reached its exec.
fn unlock(file: &fs::File) {
    if let Err(error) = file.file().unlock() {
        tracing::warn!(path = %file.path().display(), %error, "failed to unlock; closing the file does it");
    }
}

/// Opens for reading where it is there, so that somebody without write rights can look into a queue.
fn open_or_create(path: &Path) -> io::Result<fs::File> {
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        }
        opened => opened,
    }
}
