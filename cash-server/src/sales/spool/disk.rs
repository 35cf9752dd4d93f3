//! The one door through which the spool changes the disk, so that a test can stand in it.

use std::fmt::Debug;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use fs_err as fs;
use tillway_file_queue::durable;

/// The changes a spool makes on disk. Nothing is durable before `sync` (content) and `sync_folder` (names).
pub trait SpoolDisk: Debug + Send + Sync {
    /// Creates a file that must not be there yet.
    fn create(&self, path: &Path) -> io::Result<fs::File>;
    /// Writes all bytes at an offset.
    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to a length.
    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()>;
    /// Makes a file's content and length durable.
    fn sync(&self, file: &fs::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file; one that is not there is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl SpoolDisk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &fs::File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        durable::sync_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
