//! A lock of the operating system on an open file (`flock`): it ends with its process, however
//! that ends.

use fs_err as fs;
use std::fs::TryLockError;
use std::io;

/// An open file that is ours alone, until this is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock(fs::File);

impl FileLock {
    /// Locks the file, or gives it back where somebody else has it locked. Never waits.
    pub fn try_take(file: fs::File) -> io::Result<Result<Self, fs::File>> {
        match file.file().try_lock() {
            Ok(()) => Ok(Ok(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Err(file)),
            Err(TryLockError::Error(source)) => {
                let what = format!("failed to lock {}: {source}", file.path().display());
                Err(io::Error::new(source.kind(), what))
            }
        }
    }

    /// Whether somebody has the file locked. A shared lock is enough to look, and does not get in
    /// the way of another who looks.
    pub fn is_held(file: &fs::File) -> bool {
        match file.file().try_lock_shared() {
            Ok(()) => {
                unlock(file);
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }

    /// The file, to write into it who holds it.
    pub fn file(&mut self) -> &mut fs::File {
        &mut self.0
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// Unlocks in so many words: closing alone would leave the lock with a child process that was
/// forked meanwhile and has not reached its exec, and the next to take it would be told that
/// somebody works there.
fn unlock(file: &fs::File) {
    if let Err(error) = file.file().unlock() {
        tracing::warn!(path = %file.path().display(), %error, "failed to unlock; closing the file does it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;
    use std::thread;

    fn take(path: &Path) -> Option<FileLock> {
        FileLock::try_take(fs::File::create(path).unwrap()).unwrap().ok()
    }

    fn is_held(path: &Path) -> bool {
        FileLock::is_held(&fs::File::open(path).unwrap())
    }

    #[test]
    fn one_holds_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = take(&path).unwrap();
        assert!(take(&path).is_none());
        assert!(is_held(&path));
        drop(held);
        assert!(!is_held(&path));
        take(&path).unwrap();
    }

    #[test]
    fn it_is_free_at_once_whatever_processes_are_started_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held_by_a_child = thread::scope(|scope| {
            let children = scope.spawn(|| {
                for _ in 0..200 {
                    Command::new("true").status().unwrap();
                }
            });
            let mut held_by_a_child = 0;
            while !children.is_finished() {
                held_by_a_child += usize::from(take(&path).is_none() || is_held(&path));
            }
            held_by_a_child
        });
        assert_eq!(held_by_a_child, 0);
    }
}
