//! Locks between processes: OS locks on open files (`flock`), which end with their holder, however
//! it ends.
//!
//! Two kinds: the queue lock (short, whoever changes or lists names holds it) and folder locks
//! (long, on the folder of a batch while it is written or worked on). Folder locks are only ever
//! *tried*, and only under the queue lock, so there is no order to deadlock in, and nobody sees a
//! lock that was merely being tried.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::error::QueueError;
use crate::file_lock::FileLock;

/// First and longest pause between two tries for the queue lock.
const PAUSE_FIRST: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The queue lock; free again when dropped.
#[derive(Debug)]
pub(crate) struct QueueLock {
    _held: FileLock,
}

impl QueueLock {
    pub(crate) fn take(path: &Path, wait: Duration) -> Result<Self, QueueError> {
        let failed = |source| QueueError::Io {
            action: "take the lock of file queue",
            folder: path.parent().unwrap_or(path).to_path_buf(),
            source,
        };
        let mut file = open_or_create(path).map_err(failed)?;
        let started = Instant::now();
        let mut pause = PAUSE_FIRST;
        loop {
            file = match FileLock::try_take(file).map_err(failed)? {
                Ok(held) => return Ok(Self { _held: held }),
                Err(file) if started.elapsed() < wait => file,
                Err(_) => return Err(QueueError::Busy { path: path.to_path_buf(), waited: started.elapsed() }),
            };
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// The lock on one batch folder. It follows the folder through renames; free again when dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _held: FileLock,
}

impl FolderLock {
    /// `None` where somebody else holds it. `_proof`: folder locks are only tried under the queue
    /// lock.
    pub(crate) fn attempt(folder: &Path, _proof: &QueueLock) -> io::Result<Option<Self>> {
        let taken = FileLock::try_take(fs::File::open(folder)?)?;
        Ok(taken.ok().map(|held| Self { _held: held }))
    }
}

/// Opens for reading where it is there, so that somebody without write rights can look into a
/// queue.
fn open_or_create(path: &Path) -> io::Result<fs::File> {
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        }
        opened => opened,
    }
}
