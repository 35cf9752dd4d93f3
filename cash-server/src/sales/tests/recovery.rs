//! A database that is older than the spool, parts of the spool that are gone, and damage that only
//! looks like a torn tail.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::{any_shift, arrival, batch, open_store, open_when_free, sale, till};
use crate::sales::loader::Loader;
use crate::sales::spool::{Position, Spool, SpoolLimits};
use crate::store::sales::{Finding, FindingFilter, Page, SalesStore};
use crate::store::sqlite::sales::SqliteSales;
use tillway_file_queue::disk::{Disk, RealDisk};

/// So small that every record has a segment of its own.
const LIMITS: SpoolLimits = SpoolLimits { total_bytes: 1_000_000, segment_bytes: 1, reserve_bytes: 0 };

fn open_spool(folder: &Path, store: &SqliteSales) -> Spool {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    open_when_free(&folder.join("spool"), store.position().unwrap(), LIMITS, &disk).unwrap()
}

fn append(spool: &Spool, numbers: std::ops::RangeInclusive<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in numbers {
        let arrived = arrival(batch(vec![sale(&till(), 1, number)], vec![]));
        runtime.block_on(async { spool.append(&arrived).await.await }).unwrap().unwrap();
    }
}

fn load(spool: &Spool, store: &Arc<SqliteSales>) {
    let mut loader = Loader::new(spool.clone(), store.clone());
    while loader.step().unwrap() {}
}

fn segment(folder: &Path, sequence: u64) -> PathBuf {
    folder.join("spool").join(format!("{sequence:020}.spool"))
}

fn receipts(store: &SqliteSales) -> Vec<u64> {
    let receipts = store.receipts(&till(), any_shift(1), Page::default()).unwrap();
    receipts.into_iter().map(|receipt| receipt.number.0).collect()
}

fn findings(store: &SqliteSales) -> Vec<Finding> {
    store.findings(&FindingFilter::default(), Page::default()).unwrap()
}

fn kinds(store: &SqliteSales) -> Vec<String> {
    findings(store).into_iter().map(|finding| finding.kind).collect()
}

/// Five receipts loaded, of which the database that stands here now has only the first two.
fn put_back(folder: &Path) -> Arc<SqliteSales> {
    let store = open_store(folder);
    let spool = open_spool(folder, &store);
    append(&spool, 1..=2);
    load(&spool, &store);
    let path = folder.join("sales.db");
    let backup = folder.join("backup.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    append(&spool, 3..=5);
    load(&spool, &store);
    drop(spool);
    // A start lets the last segment go too: the spool is empty.
    let spool = open_spool(folder, &store);
    load(&spool, &store);
    assert_eq!(spool.bytes(), 0);
    drop((connection, spool, store));
    for left in ["sales.db-wal", "sales.db-shm"] {
        let _ = fs::remove_file(folder.join(left));
    }
    fs::rename(backup, path).unwrap();
    open_store(folder)
}

#[test]
fn a_database_put_back_from_a_backup_is_found_once_and_what_it_lost_is_not_stated() {
    let folder = tempfile::tempdir().unwrap();
    let store = put_back(folder.path());
    let spool = open_spool(folder.path(), &store);
    // The spool was idle: nothing new has to come before it is found.
    load(&spool, &store);
    let found = findings(&store);
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "spool-missing"), "{found:?}");
    assert_eq!(receipts(&store), [1, 2]);
    assert!(spool.held(&till(), any_shift(1)).receipts.is_empty());
    append(&spool, 3..=6);
    load(&spool, &store);
    drop(spool);
    let spool = open_spool(folder.path(), &store);
    load(&spool, &store);
    assert_eq!(receipts(&store), [1, 2, 3, 4, 5, 6]);
    assert_eq!(findings(&store)[0].times, 1, "once a restore");
}

#[test]
fn a_database_that_is_lost_is_found_also_when_receipts_came_before_the_loader_ran() {
    let folder = tempfile::tempdir().unwrap();
    drop(put_back(folder.path()));
    for left in ["sales.db", "sales.db-wal", "sales.db-shm"] {
        let _ = fs::remove_file(folder.path().join(left));
    }
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), &store);
    append(&spool, 6..=6);
    load(&spool, &store);
    assert_eq!((receipts(&store), kinds(&store)), (vec![6], vec!["spool-missing".to_owned()]));
}

#[test]
fn a_segment_that_was_deleted_before_it_was_loaded_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), &store);
    append(&spool, 1..=3);
    drop(spool);
    fs::remove_file(segment(folder.path(), 2)).unwrap();
    let spool = open_spool(folder.path(), &store);
    load(&spool, &store);
    assert_eq!((receipts(&store), kinds(&store)), (vec![1, 3], vec!["spool-missing".to_owned()]));
}

#[test]
fn starts_and_crashes_without_a_loss_find_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    for number in 1..=4 {
        let spool = open_spool(folder.path(), &store);
        append(&spool, number..=number);
        if number % 2 == 0 {
            load(&spool, &store);
        }
        let next = spool.durable_end().segment + 1;
        drop(spool);
        // A crash just after a segment was begun.
        drop(open_spool(folder.path(), &store));
        fs::write(segment(folder.path(), next), []).unwrap();
    }
    let spool = open_spool(folder.path(), &store);
    append(&spool, 5..=5);
    load(&spool, &store);
    assert_eq!((receipts(&store), kinds(&store)), (vec![1, 2, 3, 4, 5], vec![]));
}

#[test]
fn only_the_newest_segment_can_have_a_torn_tail_and_damage_at_the_end_of_another_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), &store);
    append(&spool, 1..=3);
    drop(spool);
    let older = fs::read(segment(folder.path(), 2)).unwrap();
    let mut damaged = older.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(segment(folder.path(), 2), &damaged).unwrap();
    let spool = open_spool(folder.path(), &store);
    assert_eq!(fs::read(segment(folder.path(), 2)).unwrap(), damaged, "nothing of it is cut off");
    load(&spool, &store);
    assert_eq!((receipts(&store), kinds(&store)), (vec![1, 3], vec!["spool-damaged".to_owned()]));
}

#[test]
fn a_tail_that_is_cut_off_is_shown_unless_it_is_only_zeros() {
    for (tail, expected) in [(&b"\0\0\0\0"[..], 0), (&b"\xF5TR\n half a record"[..], 1)] {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(folder.path());
        let spool = open_spool(folder.path(), &store);
        append(&spool, 1..=1);
        drop(spool);
        let path = segment(folder.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(tail);
        fs::write(&path, bytes).unwrap();
        let spool = open_spool(folder.path(), &store);
        load(&spool, &store);
        load(&spool, &store);
        assert_eq!(receipts(&store), [1]);
        assert_eq!(kinds(&store), vec!["spool-damaged"; expected]);
        assert!(findings(&store).iter().all(|finding| finding.times == 1));
    }
}

#[test]
fn a_tail_with_too_many_places_to_try_is_not_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), &store);
    append(&spool, 1..=1);
    drop(spool);
    let path = segment(folder.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&b"\xF5TR\n".repeat(10_000));
    fs::write(&path, &bytes).unwrap();
    let spool = open_spool(folder.path(), &store);
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len());
    load(&spool, &store);
    assert_eq!((receipts(&store), kinds(&store)), (vec![1], vec!["spool-damaged".to_owned()]));
    assert_eq!(store.position().unwrap(), Position { segment: 1, offset: bytes.len() as u64 });
}
