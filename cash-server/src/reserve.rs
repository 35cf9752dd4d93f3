//! Room on the disk that is kept for what was accepted already: its load, its package, the log of
//! the databases.
//!
//! Whoever is about to take on more work looks here first. A full disk stops the server from
//! accepting, never from finishing.

use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_file_queue::space;

/// Room that is kept free unless the settings say otherwise: the write-ahead logs of five
/// databases at their largest, and a load of sales.
pub const DEFAULT_RESERVE_BYTES: u64 = 512 * 1024 * 1024;

type Ask = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

/// How much room stays free, and who is asked how much there is. Cheap to clone.
#[derive(Clone)]
pub struct DiskReserve {
    bytes: u64,
    ask: Arc<Ask>,
    size: Arc<Ask>,
    free: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// There is too little room for something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error(
    "the disk of {} has {free} bytes left: {need} are needed and {reserve} are kept free (server.disk_reserve_mib); free \
     space on it, the server goes on by itself",
    folder.display()
)]
#[serde(tag = "kind", rename = "no-room")]
pub struct NoRoom {
    /// Where.
    pub folder: PathBuf,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that were asked for.
    pub need: u64,
    /// Bytes that stay free.
    pub reserve: u64,
}

/// Something is larger than the disk: no freeing of space makes room for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error(
    "the disk of {} has {size} bytes in all, of which {reserve} are kept free (server.disk_reserve_mib): {need} are needed, \
     which never fit",
    folder.display()
)]
#[serde(tag = "kind", rename = "never-room")]
pub struct NeverRoom {
    /// Where.
    pub folder: PathBuf,
    /// Bytes of the whole disk.
    pub size: u64,
    /// Bytes that were asked for.
    pub need: u64,
    /// Bytes that stay free.
    pub reserve: u64,
}

impl DiskReserve {
    /// Keeps so much free.
    pub fn new(bytes: u64) -> Self {
        Self::asking(bytes, space::free_bytes)
    }

    /// The same, with somebody else to say how much there is.
    pub fn asking(bytes: u64, ask: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self { bytes, ask: Arc::new(ask), size: Arc::new(size_bytes), free: None }
    }

    /// The same, with somebody else to say how large the disk is.
    #[must_use]
    pub fn on_a_disk_of(self, bytes: u64) -> Self {
        Self { size: Arc::new(move |_| Ok(bytes)), ..self }
    }

    /// The same; before it says that there is too little room it has `free` give back what can be
    /// done without.
    #[must_use]
    pub fn that_frees(self, free: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { free: Some(free), ..self }
    }

    /// Whether `need` bytes could be written into a folder if its disk were empty. Where the
    /// system does not say how large it is, or it is smaller than what is to be kept free, they
    /// could: [`Self::check`] tells then.
    pub fn could_ever(&self, folder: &Path, need: u64) -> Result<(), NeverRoom> {
        let Ok(size) = (self.size)(folder) else { return Ok(()) };
        if size <= self.bytes || need <= size - self.bytes {
            return Ok(());
        }
        Err(NeverRoom { folder: folder.to_owned(), size, need, reserve: self.bytes })
    }

    /// Whether `need` bytes more may be written into a folder. Where the system does not say how
    /// much is free, they may: the write itself will tell. Blocks where there is too little room.
    pub fn check(&self, folder: &Path, need: u64) -> Result<(), NoRoom> {
        self.look(folder, need).or_else(|missing| match &self.free {
            Some(free) => {
                free();
                self.look(folder, need)
            }
            None => Err(missing),
        })
    }

    fn look(&self, folder: &Path, need: u64) -> Result<(), NoRoom> {
        let free = match (self.ask)(folder) {
            Ok(free) => free,
            Err(error) => {
                tracing::debug!(folder = %folder.display(), error = &error as &dyn Error, "nobody says how much room there is");
                return Ok(());
            }
        };
        if free >= self.bytes.saturating_add(need) {
            return Ok(());
        }
        Err(NoRoom { folder: folder.to_owned(), free, need, reserve: self.bytes })
    }
}

fn size_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}

impl Default for DiskReserve {
    fn default() -> Self {
        Self::new(DEFAULT_RESERVE_BYTES)
    }
}

impl fmt::Debug for DiskReserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskReserve").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn what_is_needed_comes_on_top_of_what_is_kept_free() {
        let reserve = DiskReserve::asking(100, |_| Ok(150));
        assert_eq!(reserve.check(Path::new("/d"), 50), Ok(()));
        let told = reserve.check(Path::new("/d"), 51).unwrap_err().to_string();
        assert!(told.contains("/d has 150 bytes left: 51 are needed and 100 are kept free"), "{told}");
        assert_eq!(DiskReserve::asking(1, |_| Err(io::Error::other("x"))).check(Path::new("/d"), 1), Ok(()));
    }

    #[test]
    fn what_can_be_done_without_is_given_back_before_anybody_is_told_that_there_is_no_room() {
        let free = Arc::new(AtomicU64::new(0));
        let (asked, freed) = (Arc::clone(&free), Arc::clone(&free));
        let reserve = DiskReserve::asking(100, move |_| Ok(asked.load(Ordering::Relaxed)));
        assert!(reserve.check(Path::new("/d"), 1).is_err());
        let reserve = reserve.that_frees(Arc::new(move || {
            freed.fetch_add(150, Ordering::Relaxed);
        }));
        assert_eq!(reserve.check(Path::new("/d"), 1), Ok(()));
        assert_eq!(reserve.check(Path::new("/d"), 1), Ok(()));
        assert_eq!(free.load(Ordering::Relaxed), 150, "nothing is given back while there is room");
    }

    #[test]
    fn what_is_larger_than_the_disk_without_what_is_kept_free_never_fits() {
        let reserve = DiskReserve::asking(100, |_| Ok(0)).on_a_disk_of(150);
        assert_eq!(reserve.could_ever(Path::new("/d"), 50), Ok(()));
        let told = reserve.could_ever(Path::new("/d"), 51).unwrap_err().to_string();
        assert!(told.contains("150 bytes in all") && told.contains("51 are needed, which never fit"), "{told}");
        let mistaken = DiskReserve::asking(100, |_| Ok(0)).on_a_disk_of(100);
        assert_eq!(mistaken.could_ever(Path::new("/d"), 200), Ok(()), "it is the setting that is wrong");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(DiskReserve::new(0).could_ever(folder.path(), 1), Ok(()));
        assert!(DiskReserve::new(0).could_ever(folder.path(), u64::MAX).is_err());
        assert_eq!(DiskReserve::new(0).could_ever(Path::new("/nowhere"), u64::MAX), Ok(()));
    }
}
