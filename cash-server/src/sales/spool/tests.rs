//! Crash states, refusals and damage of the spool. Power cuts in random histories:
//! `sales::tests::power`.

use super::{Arrival, Chunk, Item, Position, Spool, SpoolError, SpoolLimits, aside};
use crate::sales::spool::AppendError;
use crate::sales::tests::{any_shift, arrival, batch, closed_shift, open_when_free, sale, till};
use crate::words::Reason;
use fs_err as fs;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tillway_file_queue::disk::{Disk, RealDisk};

/// Real files, of which a crash leaves only what was synced.
#[derive(Debug, Default)]
struct WatchedDisk {
    synced: Mutex<HashMap<PathBuf, u64>>,
    named: Mutex<Vec<PathBuf>>,
    syncs: AtomicUsize,
    full: AtomicBool,
    failing_sync: AtomicBool,
    /// While true a sync does not return.
    held: Mutex<bool>,
    let_go: Condvar,
    syncing: AtomicUsize,
}

impl WatchedDisk {
    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.let_go.notify_all();
    }

    /// Waits until more syncs have begun than `before`.
    async fn sync_begins(&self, before: usize) {
        let begins = async {
            while self.syncing.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        let deadline = Duration::from_secs(20);
        tokio::time::timeout(deadline, begins).await.expect("the spool writes without a sync");
    }

    /// What a power cut leaves, and some bytes of what was under way, in another folder.
    fn crash(&self, folder: &Path, torn: u64) -> TempDir {
        let (synced, named) = (self.synced.lock().unwrap(), self.named.lock().unwrap());
        let left = tempfile::tempdir().unwrap();
        for path in named.iter() {
            let bytes = fs::read(path).unwrap();
            let kept = synced.get(path).copied().unwrap_or(0) + torn;
            let kept = usize::try_from(kept).unwrap().min(bytes.len());
            assert_eq!(path.parent(), Some(folder));
            fs::write(left.path().join(path.file_name().unwrap()), &bytes[..kept]).unwrap();
        }
        left
    }
}

impl Disk for WatchedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<fs::File> {
        RealDisk.create_file(path)
    }

    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()> {
        RealDisk.write(file, bytes)
    }

    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            RealDisk.write_at(file, offset, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.write_at(file, offset, bytes)
    }

    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()> {
        RealDisk.cut(file, length)
    }

    fn sync_file(&self, _file: &fs::File) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self, file: &fs::File) -> io::Result<()> {
        self.syncing.fetch_add(1, Ordering::SeqCst);
        let mut held = self.held.lock().unwrap();
        while *held {
            held = self.let_go.wait(held).unwrap();
        }
        if self.failing_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.synced.lock().unwrap().insert(file.path().to_owned(), file.metadata()?.len());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if path.join("spool.lock").exists() {
            *self.named.lock().unwrap() = segments(path);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(path)
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    super::format::list_segments(folder)
        .unwrap()
        .into_iter()
        .map(|sequence| super::format::segment_path(folder, sequence))
        .collect()
}

fn one(number: u64) -> Arrival {
    arrival(batch(vec![sale(&till(), 1, number)], vec![]))
}

fn open(folder: &Path, loaded: Position, disk: &Arc<WatchedDisk>) -> Spool {
    Spool::open(folder, loaded, SpoolLimits::default(), Arc::clone(disk) as Arc<dyn Disk>).unwrap()
}

fn reopen(folder: &Path, loaded: Position, disk: &Arc<WatchedDisk>) -> Spool {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    open_when_free(folder, loaded, SpoolLimits::default(), &disk).unwrap()
}

async fn append(spool: &Spool, arrival: &Arrival) -> Result<Position, AppendError> {
    spool.append(arrival).await.await.unwrap()
}

fn numbers(chunk: &Chunk) -> Vec<u64> {
    chunk
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Record { payload, .. } => Some(Arrival::parse(payload).unwrap()),
            Item::Damaged { .. } | Item::Missing { .. } => None,
        })
        .flat_map(|arrival| arrival.documents().to_vec())
        .map(|document| document.key.unwrap().number)
        .collect()
}

fn all(spool: &Spool) -> Vec<u64> {
    numbers(&spool.read(Position::default(), 1000, usize::MAX).unwrap())
}

fn aside_files(folder: &Path) -> usize {
    fs::read_dir(folder.join(aside::FOLDER)).map_or(0, Iterator::count)
}

#[test]
fn the_bytes_of_version_1_stay() {
    let at = Position { segment: 7, offset: super::format::HEADER_LEN };
    let mut bytes = super::format::header(7).to_vec();
    super::format::push_record(&mut bytes, at, &one(1).to_bytes());
    let golden = include_bytes!("tests/version_1.spool");
    assert!(bytes == golden, "the format changed: it needs a new version and a new golden file");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{:020}.spool", 7)), golden).unwrap();
    let spool = open(folder.path(), Position::default(), &Arc::default());
    assert_eq!(all(&spool), [1]);
}

#[tokio::test]
async fn batches_are_answered_only_after_their_sync_and_many_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    append(&spool, &one(1)).await.unwrap();
    let before = disk.syncs.load(Ordering::SeqCst);
    let syncing = disk.syncing.load(Ordering::SeqCst);
    disk.hold(true);
    let mut first = spool.append(&one(2)).await;
    disk.sync_begins(syncing).await;
    let mut later = Vec::new();
    for number in 3..=20 {
        later.push(spool.append(&one(number)).await);
    }
    assert!(first.try_recv().is_err() && later.iter_mut().all(|answer| answer.try_recv().is_err()));
    assert_eq!(spool.held(&till(), any_shift(1)).receipts.len(), 1, "only what is durable is told of");
    assert_eq!(all(&spool), [1], "only what is durable is loaded");
    disk.hold(false);
    first.await.unwrap().unwrap();
    for answer in later {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(disk.syncs.load(Ordering::SeqCst) - before, 2, "one sync for the first, one for the eighteen behind it");
    assert_eq!(all(&spool), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_at_any_byte_of_the_tail() {
    for torn in [0, 1, 3, 23, 24, 25, 60, 100, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(WatchedDisk::default());
        let spool = open(folder.path(), Position::default(), &disk);
        append(&spool, &one(1)).await.unwrap();
        append(&spool, &one(2)).await.unwrap();
        disk.hold(true);
        let syncing = disk.syncing.load(Ordering::SeqCst);
        let unanswered = spool.append(&one(3)).await;
        disk.sync_begins(syncing).await;
        let left = disk.crash(folder.path(), torn);
        disk.hold(false);
        drop(unanswered);
        let spool = open(left.path(), Position::default(), &Arc::default());
        let there = all(&spool);
        assert!(there.starts_with(&[1, 2]) && there.len() <= 3, "torn at {torn}: {there:?}");
        assert_eq!(spool.held(&till(), any_shift(1)).receipts.len(), there.len());
        append(&spool, &one(4)).await.unwrap();
        assert_eq!(all(&spool).last(), Some(&4));
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_set_aside_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    let first = append(&spool, &one(1)).await.unwrap();
    append(&spool, &one(2)).await.unwrap();
    append(&spool, &one(3)).await.unwrap();
    drop(spool);
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    // In the marker, the length, the checksum, the payload; and the header of the segment.
    for (place, left) in [(0, vec![1, 3]), (5, vec![1, 3]), (9, vec![1, 3]), (30, vec![1, 3])] {
        let mut bytes = whole.clone();
        bytes[usize::try_from(first.offset).unwrap() + place] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        let spool = reopen(folder.path(), Position::default(), &disk);
        assert_eq!(all(&spool), left, "byte {place}");
        assert_eq!(aside_files(folder.path()), 2, "the bytes and the reason");
        assert_eq!(all(&spool), left, "reading again sets nothing aside again");
        assert_eq!(aside_files(folder.path()), 2);
    }
    let mut bytes = whole;
    bytes[2] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let spool = reopen(folder.path(), Position::default(), &disk);
    assert_eq!(all(&spool), [1, 2, 3], "a broken header of the segment loses no record");
}

#[tokio::test]
async fn a_full_disk_is_refused_clearly_and_recovers_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    disk.full.store(true, Ordering::SeqCst);
    assert!(append(&spool, &one(1)).await.is_err(), "even the first segment cannot be made");
    disk.full.store(false, Ordering::SeqCst);
    append(&spool, &one(1)).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let error = append(&spool, &one(2)).await.unwrap_err();
    assert!(error.to_string().contains("nothing of this batch was taken"), "{error}");
    disk.full.store(false, Ordering::SeqCst);
    append(&spool, &one(3)).await.unwrap();
    assert_eq!(all(&spool), [1, 3]);
    drop(spool);
    assert_eq!(all(&reopen(folder.path(), Position::default(), &disk)), [1, 3]);
    assert_eq!(aside_files(folder.path()), 0);
}

#[tokio::test]
async fn after_a_failed_sync_the_segment_is_sealed_and_its_tail_gone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    append(&spool, &one(1)).await.unwrap();
    disk.failing_sync.store(true, Ordering::SeqCst);
    assert!(matches!(append(&spool, &one(2)).await, Err(AppendError::Disk { action: "sync", .. })));
    disk.failing_sync.store(false, Ordering::SeqCst);
    append(&spool, &one(3)).await.unwrap();
    assert_eq!(segments(folder.path()).len(), 2);
    assert_eq!(all(&spool), [1, 3]);
    drop(spool);
    assert_eq!(all(&reopen(folder.path(), Position::default(), &disk)), [1, 3]);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_refuses_what_is_new_and_takes_it_again_when_there_is_room() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Arc::new(tillway_file_queue::disk::power::ForgetfulDisk::new(ledger.path()).unwrap());
    let limits = SpoolLimits { reserve_bytes: 10_000, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path(), Position::default(), limits, disk.clone()).unwrap();
    append(&spool, &one(1)).await.unwrap();
    disk.set_free_bytes(10_000);
    let error = append(&spool, &one(2)).await.unwrap_err();
    assert!(matches!(error, AppendError::NoRoom { free: 10_000, .. }), "{error}");
    assert!(error.to_string().contains("free space on it"), "{error}");
    assert_eq!(all(&spool), [1], "what was accepted is there");
    // What waits needs room in the database too: more than the reserve alone.
    disk.set_free_bytes(10_000 + spool.bytes());
    assert!(append(&spool, &one(2)).await.is_err());
    spool.set_aside(Position { segment: 1, offset: 0 }, b"x", &Reason::worded("also with a full disk")).unwrap();
    disk.set_free_bytes(u64::MAX);
    append(&spool, &one(3)).await.unwrap();
    assert_eq!(all(&spool), [1, 3]);
}

#[tokio::test]
async fn a_segment_that_could_neither_be_begun_nor_taken_away_does_not_stop_the_next_try() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Arc::new(tillway_file_queue::disk::power::ForgetfulDisk::new(ledger.path()).unwrap());
    let spool = Spool::open(folder.path(), Position::default(), SpoolLimits::default(), disk.clone()).unwrap();
    fs::write(folder.path().join(format!("{:020}.spool", 1)), "left by a try that failed").unwrap();
    append(&spool, &one(1)).await.unwrap();
    assert_eq!(all(&spool), [1]);
}

#[tokio::test]
async fn what_a_failed_sync_left_in_memory_is_durable_before_a_start_tells_that_it_is_held() {
    for seed in 0..40 {
        let (folder, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Arc::new(tillway_file_queue::disk::power::ForgetfulDisk::new(ledger.path()).unwrap());
        let dynamic = disk.clone() as Arc<dyn Disk>;
        let open = || open_when_free(folder.path(), Position::default(), SpoolLimits::default(), &dynamic).unwrap();
        let spool = open();
        append(&spool, &one(1)).await.unwrap();
        // The sync fails, and the process is killed before it can cut the tail off.
        disk.fail_syncs(0, 1);
        disk.die_after(2);
        append(&spool, &one(2)).await.unwrap_err();
        drop(spool);
        disk.revive();
        let spool = open();
        let held = spool.held(&till(), any_shift(1)).receipts.len();
        assert_eq!(held, 2, "a killed process leaves the memory of the kernel");
        drop(spool);
        drop(open());
        disk.cut_power(seed).unwrap();
        assert_eq!(all(&open()), [1, 2], "seed {seed}: a till was told that both are held");
    }
}

#[tokio::test]
async fn loaded_segments_go_and_a_full_spool_refuses_until_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { total_bytes: 2_000, segment_bytes: 300, reserve_bytes: 0 };
    let spool = Spool::open(folder.path(), Position::default(), limits, Arc::new(RealDisk)).unwrap();
    let mut number = 0;
    let error = loop {
        number += 1;
        assert!(number < 100, "the spool has no limit");
        match append(&spool, &one(number)).await {
            Ok(_) => assert!(spool.bytes() <= 2_000),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full { limit: 2_000, .. }), "{error}");
    assert!(number > 3);
    let chunk = spool.read(Position::default(), 1000, usize::MAX).unwrap();
    spool.loaded(chunk.next).unwrap();
    assert!(spool.held(&till(), any_shift(1)).receipts.is_empty(), "what is loaded is the database's to tell");
    assert!(segments(folder.path()).len() <= 1);
    let end = append(&spool, &one(number)).await.unwrap();
    assert!(end > chunk.next, "positions only grow");
    assert_eq!(numbers(&spool.read(chunk.next, 10, usize::MAX).unwrap()), [number]);
}

#[tokio::test]
async fn a_spool_that_was_deleted_by_hand_begins_behind_the_loaded_position() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = Position { segment: 41, offset: 500 };
    let spool = open(folder.path(), loaded, &Arc::default());
    assert_eq!(append(&spool, &one(1)).await.unwrap().segment, 42);
    assert_eq!(numbers(&spool.read(loaded, 10, usize::MAX).unwrap()), [1]);
}

#[tokio::test]
async fn a_start_tells_of_what_is_not_loaded_and_deletes_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    let first = append(&spool, &one(1)).await.unwrap();
    append(&spool, &arrival(batch(vec![sale(&till(), 2, 2)], vec![closed_shift(&till(), 2, 2..=2)]))).await.unwrap();
    drop(spool);
    let spool = reopen(folder.path(), first, &disk);
    assert!(spool.held(&till(), any_shift(1)).receipts.is_empty());
    let second = spool.held(&till(), any_shift(2));
    assert_eq!((second.receipts.len(), second.closed), (1, true));
    assert_eq!(spool.last_receipt_time(&till()).unwrap(), "2017-02-28T10:02:30");
    let later = append(&spool, &one(3)).await.unwrap();
    drop(spool);
    let spool = reopen(folder.path(), Position { segment: later.segment, offset: 0 }, &disk);
    assert_eq!(segments(folder.path()).len(), 1);
    assert_eq!(all(&spool), [3]);
}

#[test]
fn a_second_process_and_a_newer_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(WatchedDisk::default());
    let spool = open(folder.path(), Position::default(), &disk);
    let second = Spool::open(folder.path(), Position::default(), SpoolLimits::default(), Arc::new(RealDisk));
    assert!(matches!(second, Err(SpoolError::InUse { .. })));
    drop(spool);
    let mut header = super::format::header(1);
    header[8] = 2;
    let check = blake3::hash(&header[..20]);
    header[20..].copy_from_slice(&check.as_bytes()[..4]);
    fs::write(folder.path().join(format!("{:020}.spool", 1)), header).unwrap();
    let disk = disk as Arc<dyn Disk>;
    // Also where the database has loaded the beginning of it.
    for offset in [0, 24] {
        let loaded = Position { segment: 1, offset };
        let error = open_when_free(folder.path(), loaded, SpoolLimits::default(), &disk).unwrap_err();
        assert!(matches!(error, SpoolError::NewerVersion { version: 2, .. }), "{error}");
    }
}

#[test]
fn a_batch_that_was_acknowledged_never_makes_room_for_another_and_damaged_bytes_do() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let spool = Spool::open(folder.path(), Position::default(), SpoolLimits::default(), disk).unwrap();
    let (piece, batch) = (b"bytes that are no batch".as_slice(), one(1).to_bytes());
    let at = |offset| Position { segment: 1, offset };
    spool.set_aside(at(0), piece, &Reason::worded("damaged")).unwrap();
    let aside_folder = folder.path().join(aside::FOLDER);
    for offset in 1..aside::MAX_ASIDE_FILES as u64 {
        fs::write(aside_folder.join(format!("{:020}-{offset:010}.bad", 1)), &batch).unwrap();
    }
    spool.set_aside(at(5_000), &batch, &Reason::worded("the oldest damaged bytes make room")).unwrap();
    assert_eq!(spool.aside_bytes(at(0)).unwrap(), None);
    let error = spool.set_aside(at(6_000), &batch, &Reason::worded("nothing is left that may go")).unwrap_err();
    assert!(matches!(error, SpoolError::AsideFull { units, .. } if units > aside::MAX_ASIDE_FILES), "{error}");
    assert_eq!(spool.aside().unwrap().len(), aside::MAX_ASIDE_FILES);
}

#[test]
fn a_start_removes_what_an_end_in_the_middle_of_setting_aside_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let spool = open_when_free(folder.path(), Position::default(), SpoolLimits::default(), &disk).unwrap();
    spool.set_aside(Position { segment: 1, offset: 0 }, b"kept", &Reason::worded("why")).unwrap();
    drop(spool);
    let aside_folder = folder.path().join(aside::FOLDER);
    let leftovers = [format!("{:020}-{:010}.reason", 1, 7), format!(".{:020}-{:010}.bad.tmp-1", 1, 7)];
    for name in leftovers.iter().map(String::as_str).chain(["a note of the administrator.txt"]) {
        fs::write(aside_folder.join(name), "left").unwrap();
    }
    let spool = open_when_free(folder.path(), Position::default(), SpoolLimits::default(), &disk).unwrap();
    assert_eq!(aside_files(folder.path()), 3, "the unit, its reason, the note");
    assert!(spool.aside().unwrap().iter().all(|kept| kept.reason == Reason::worded("why")));
}

#[tokio::test]
async fn a_torn_tail_on_a_full_disk_does_not_keep_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits::default();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let spool = open_when_free(folder.path(), Position::default(), limits, &disk).unwrap();
    append(&spool, &one(1)).await.unwrap();
    let end = spool.durable_end();
    drop(spool);
    let segment = folder.path().join(format!("{:020}.spool", end.segment));
    let torn = |file: &mut fs::File| std::io::Write::write_all(file, b"torn");
    torn(&mut fs::OpenOptions::new().append(true).open(&segment).unwrap()).unwrap();
    // A file in place of the folder: nothing can be set aside.
    fs::write(folder.path().join(aside::FOLDER), "").unwrap();
    let spool = open_when_free(folder.path(), Position::default(), limits, &disk).unwrap();
    assert_eq!(all(&spool), [1]);
    append(&spool, &one(2)).await.unwrap();
    assert_eq!(spool.durable_end().segment, end.segment + 1);
    drop(spool);
    fs::remove_file(folder.path().join(aside::FOLDER)).unwrap();
    // With room again the tail is damage that the reader keeps, and nothing behind it is lost.
    let spool = open_when_free(folder.path(), Position::default(), limits, &disk).unwrap();
    let chunk = spool.read(Position::default(), 10, 1 << 20).unwrap();
    assert_eq!(chunk.items.iter().filter(|item| matches!(item, Item::Record { .. })).count(), 2);
    assert_eq!(spool.aside().unwrap().len(), 1);
}
