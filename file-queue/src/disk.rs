//! The one door through which the queue, the spool of sales and durable small files change the
//! disk.
//!
//! Every step that must survive a power cut is one method here, so a test can stand between any
//! two of them: fail one, count them, play dead from step N on, or take back what was not synced
//! (module `power`). Reading and locking stay outside: they change nothing.

use std::fmt::Debug;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;

use crate::space;

#[cfg(any(test, feature = "crash-points"))]
pub mod power;

/// The changes a program makes on disk. None of them is durable by itself: `sync_file` and
/// `sync_data` make content durable, `sync_dir` makes the names in a folder durable.
pub trait Disk: Debug + Send + Sync {
    /// Creates one folder; it must not be there yet.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file that must not be there yet.
    fn create_file(&self, path: &Path) -> io::Result<fs::File>;
    /// Writes at the end of what was written to the file so far.
    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()>;
    /// Writes all bytes at an offset.
    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to a length.
    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()>;
    /// Makes the content of a file durable.
    fn sync_file(&self, file: &fs::File) -> io::Result<()>;
    /// Makes the content and length of a file durable, not what else is noted of it (its times):
    /// cheaper.
    fn sync_data(&self, file: &fs::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or folder another name, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Bytes that can still be written where `path` is or will be.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        space::free_bytes(path)
    }
}

/// The disk of this machine, as everything that runs as a program uses it.
///
/// In builds with crash points the environment can put a ledger of what was not synced before it,
/// see [`power::LEDGER_VARIABLE`]; once for the whole process.
#[cfg(any(test, feature = "crash-points"))]
pub fn of_this_machine() -> Arc<dyn Disk> {
    power::of_the_environment().unwrap_or_else(|| Arc::new(RealDisk))
}

/// The disk of this machine, as everything that runs as a program uses it.
#[cfg(not(any(test, feature = "crash-points")))]
pub fn of_this_machine() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync_file(&self, file: &fs::File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_data(&self, file: &fs::File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }
}
