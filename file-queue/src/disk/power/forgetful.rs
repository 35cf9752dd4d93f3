//! A disk for tests in one process: forgets at a power cut what was not synced, and fails on
//! demand.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;

use super::{LedgerDisk, Summary, cut};
use crate::disk::{Disk, RealDisk};

/// Never: the value of a countdown that does not end.
const NEVER: u64 = u64::MAX;

/// Real folders, of which a power cut leaves what was synced and what the seed leaves of the rest.
/// Where nothing is set it does not fail.
#[derive(Debug)]
pub struct ForgetfulDisk {
    disk: LedgerDisk,
    taken: AtomicU64,
    dead_from: AtomicU64,
    room_bytes: AtomicU64,
    free_bytes: AtomicU64,
    good_syncs: AtomicU64,
    bad_syncs: AtomicU64,
}

impl ForgetfulDisk {
    /// With its ledger in this folder, on the same file system as what the test writes, and
    /// outside of that.
    pub fn new(ledger: &Path) -> io::Result<Self> {
        Ok(Self {
            disk: LedgerDisk::open(ledger)?,
            taken: AtomicU64::new(0),
            dead_from: AtomicU64::new(NEVER),
            room_bytes: AtomicU64::new(NEVER),
            free_bytes: AtomicU64::new(NEVER),
            good_syncs: AtomicU64::new(NEVER),
            bad_syncs: AtomicU64::new(0),
        })
    }

    /// Steps taken so far: changes and syncs, also those that failed.
    pub fn steps(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// The `steps`-th step from now on (0: the next) and all after it fail, until the power is
    /// cut: to the disk the process is dead. A write in that step is half done.
    pub fn die_after(&self, steps: u64) {
        self.dead_from.store(self.steps().saturating_add(steps), Ordering::SeqCst);
    }

    /// Another process goes on after the one that died; the power was never cut.
    pub fn revive(&self) {
        self.dead_from.store(NEVER, Ordering::SeqCst);
    }

    /// Whether that step has come.
    pub fn is_dead(&self) -> bool {
        self.steps() > self.dead_from.load(Ordering::SeqCst)
    }

    /// So many more bytes can be written; the write that passes them is done in part and fails, as
    /// on a full disk. What is removed gives nothing back. `u64::MAX` for no limit.
    pub fn set_room(&self, bytes: u64) {
        self.room_bytes.store(bytes, Ordering::SeqCst);
    }

    /// What [`Disk::free_bytes`] says; `u64::MAX` for the truth.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.free_bytes.store(bytes, Ordering::SeqCst);
    }

    /// After `good` more syncs of files, `bad` of them fail: what they should have made durable
    /// may be lost, and later syncs of the same file that return `Ok` do not bring it back.
    pub fn fail_syncs(&self, good: u64, bad: u64) {
        self.bad_syncs.store(bad, Ordering::SeqCst);
        self.good_syncs.store(good, Ordering::SeqCst);
    }

    /// The power goes and comes back: what was not synced is taken back by the choice of `seed`,
    /// and nothing fails any more. Nobody may use the files meanwhile.
    pub fn cut_power(&self, seed: u64) -> io::Result<Summary> {
        let summary = cut(self.disk.folder(), seed)?;
        self.disk.forget()?;
        for countdown in [&self.dead_from, &self.room_bytes, &self.good_syncs] {
            countdown.store(NEVER, Ordering::SeqCst);
        }
        self.bad_syncs.store(0, Ordering::SeqCst);
        Ok(summary)
    }

    fn step(&self) -> io::Result<()> {
        let at = self.taken.fetch_add(1, Ordering::SeqCst);
        if at >= self.dead_from.load(Ordering::SeqCst) { Err(io::Error::other("dead")) } else { Ok(()) }
    }

    /// How much of a write is done, and how it ends.
    fn allowed(&self, bytes: &[u8]) -> (usize, io::Result<()>) {
        if let Err(error) = self.step() {
            return (bytes.len() / 2, Err(error));
        }
        let room = self.room_bytes.load(Ordering::SeqCst);
        if room == NEVER {
            return (bytes.len(), Ok(()));
        }
        let left = room.saturating_sub(bytes.len() as u64);
        self.room_bytes.store(left, Ordering::SeqCst);
        match usize::try_from(room) {
            Ok(room) if room < bytes.len() => (room, Err(io::ErrorKind::StorageFull.into())),
            _ => (bytes.len(), Ok(())),
        }
    }

    fn sync(&self, file: &fs::File) -> io::Result<()> {
        self.step()?;
        let good = self.good_syncs.load(Ordering::SeqCst);
        if good == 0 && self.bad_syncs.load(Ordering::SeqCst) > 0 {
            self.bad_syncs.fetch_sub(1, Ordering::SeqCst);
            self.disk.note_failed_sync(file.path())?;
            return Err(io::Error::other("input/output error"));
        }
        if good != NEVER && good > 0 {
            self.good_syncs.store(good - 1, Ordering::SeqCst);
        }
        self.disk.sync_file(file)
    }
}

impl Disk for ForgetfulDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<fs::File> {
        self.step()?;
        if self.room_bytes.load(Ordering::SeqCst) == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.create_file(path)
    }

    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()> {
        let (done, ended) = self.allowed(bytes);
        if done > 0 || ended.is_ok() {
            self.disk.write(file, &bytes[..done])?;
        }
        ended
    }

    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (done, ended) = self.allowed(bytes);
        if done > 0 || ended.is_ok() {
            self.disk.write_at(file, offset, &bytes[..done])?;
        }
        ended
    }

    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()> {
        self.step()?;
        self.disk.cut(file, length)
    }

    fn sync_file(&self, file: &fs::File) -> io::Result<()> {
        self.sync(file)
    }

    fn sync_data(&self, file: &fs::File) -> io::Result<()> {
        self.sync(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.remove_dir_all(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        match self.free_bytes.load(Ordering::SeqCst) {
            NEVER => RealDisk.free_bytes(path),
            said => Ok(said),
        }
    }
}
