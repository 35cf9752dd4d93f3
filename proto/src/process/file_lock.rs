//! A lock of the operating system on an open file (`flock`): it ends with its process, however that ends.

use fs_err as fs;
use std::fs::TryLockError;
use std::io;

/// An open file that is ours alone, until this is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock(fs::File);

impl FileLock {
    /// Locks the file; `None` where somebody else has it locked. Never waits.
    pub fn try_take(file: fs::File) -> io::Result<Option<Self>> {
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }

    /// The file, to write into it who holds it.
    pub fn file(&mut self) -> &mut fs::File {
        &mut self.0
    }
}

impl Drop for FileLock {
    /// Unlocks in so many words: closing alone would leave the lock with a child process that was forked meanwhile and has
    /// not reached its exec, and the next to take it would be told that somebody works there.
    fn drop(&mut self) {
        if let Err(error) = self.0.file().unlock() {
            tracing::warn!(path = %self.0.path().display(), %error, "failed to unlock; closing the file does it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    fn take(path: &Path) -> Option<FileLock> {
        FileLock::try_take(fs::File::create(path).unwrap()).unwrap()
    }

    #[test]
    fn one_holds_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = take(&path).unwrap();
        assert!(take(&path).is_none());
        drop(held);
        take(&path).unwrap();
    }

    #[test]
    fn it_is_free_at_once_whatever_processes_are_started_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    Command::new("true").status().unwrap();
                }
            });
            let held_by_a_child = (0..20_000).filter(|_| take(&path).is_none()).count();
            done.store(true, Ordering::SeqCst);
            assert_eq!(held_by_a_child, 0);
        });
    }
}
