//! The one door through which the queue changes the disk.
//!
//! Every step that must survive a power cut is one method here, so a test can stand between any two of them: fail
//! one, count them, or play dead from step N on. Reading and locking stay outside: they change nothing.

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;

/// The changes a queue makes on disk. None of them is durable by itself: `sync_file` makes content durable,
/// `sync_dir` makes the names in a folder durable.
pub trait Disk: Debug + Send + Sync {
    /// Creates one folder; it must not be there yet.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file that must not be there yet.
    fn create_file(&self, path: &Path) -> io::Result<fs::File>;
    /// Writes at the end of what was written to the file so far.
    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content of a file durable.
    fn sync_file(&self, file: &fs::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or folder another name, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
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

    fn sync_file(&self, file: &fs::File) -> io::Result<()> {
        file.sync_all()
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
