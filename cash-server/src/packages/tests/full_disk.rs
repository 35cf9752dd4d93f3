//! A disk without room: nothing is built, and cleaning makes room without writing anything.

use super::{memo, path_of, service, service_over};
use crate::dictionary::Digests;
use crate::dictionary::tests::kit::{Chain, item};
use crate::packages::{PackageLimits, Repair};
use crate::reserve::DiskReserve;
use crate::store::packages::{PackageKey, PackageRecord, PackageStore};
use crate::store::sqlite::PackageDb;
use crate::store::{Place, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use tillway_proto::{PackageName, Revision};

/// A memory on a full disk: what is there can be read.
struct Full(PackageDb);

fn full<T>() -> Result<T, StoreError> {
    let source = Box::new(io::Error::from(io::ErrorKind::StorageFull));
    Err(StoreError::Full { what: "write", place: Place::new("packages.db"), source })
}

impl PackageStore for Full {
    fn package(&self, key: &PackageKey) -> Result<Option<PackageRecord>, StoreError> {
        self.0.package(key)
    }

    fn keep_package(&self, _: &PackageKey, _: &PackageRecord) -> Result<(), StoreError> {
        full()
    }

    fn packages(&self) -> Result<Vec<PackageRecord>, StoreError> {
        self.0.packages()
    }

    fn make_under(&self, mark: &str) -> Result<u64, StoreError> {
        self.0.make_under(mark)
    }

    fn forget_packages(&self, _: &[PackageName]) -> Result<(), StoreError> {
        full()
    }

    fn forget_after(&self, _: Revision) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn forget_digests(&self, _: Timestamp) -> Result<(), StoreError> {
        full()
    }

    fn digests(&self, path: &str, revision: Revision) -> Result<Option<Digests>, StoreError> {
        self.0.digests(path, revision)
    }

    fn newest_digests(&self, path: &str, revision: Revision) -> Result<Option<(Revision, Digests)>, StoreError> {
        self.0.newest_digests(path, revision)
    }

    fn keep_digests(&self, _: &str, _: Revision, _: &Digests) -> Result<(), StoreError> {
        full()
    }
}

fn later() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(45)
}

#[test]
fn where_the_reserve_is_short_each_package_goes_that_nobody_needs_and_comes_back_when_there_is_room() {
    let chain = Chain::new();
    let service = service(&chain);
    let (id, other) = (chain.till("till-1-1"), chain.till("till-2-1"));
    chain.load("All", &item("1", "Tea", "10"));
    chain.load("shop-2", &item("2", "Tea", "10"));
    let facts = [&id, &other].map(|id| service.package_for(id, Revision::ZERO, &Repair::None).unwrap().unwrap());
    let in_use = HashSet::from([facts[0].name.clone()]);
    assert!(!service.lacks_room());
    assert_eq!(service.cleanup_at(later(), &in_use, &PackageLimits::default()).unwrap().files, 0);
    let short = service.clone().with_disk_reserve(DiskReserve::asking(1, |_| Ok(0)));
    assert!(short.lacks_room());
    assert_eq!(short.cleanup(&in_use, &PackageLimits::default()).unwrap().files, 0, "somebody may be about to use it");
    let cleaned = short.cleanup_at(later(), &in_use, &PackageLimits::default()).unwrap();
    assert_eq!((cleaned.files, cleaned.bytes), (1, facts[1].bytes));
    assert!(path_of(&service, &facts[0]).exists() && !path_of(&service, &facts[1]).exists());
    assert_eq!(service.package_for(&other, Revision::ZERO, &Repair::None).unwrap().unwrap().name, facts[1].name);
}

#[test]
fn cleaning_frees_a_disk_that_takes_no_note_of_it_and_what_tills_must_have_is_known() {
    let chain = Chain::new();
    let id = chain.till("till-1-1");
    chain.load("All", &item("1", "Tea", "10"));
    let before = service(&chain);
    let facts = before.package_for(&id, Revision::ZERO, &Repair::None).unwrap().unwrap();
    chain.load("All", &item("1", "Tea", "11"));
    let full = service_over(&chain, Arc::new(Full(memo(&chain))));
    let full = full.with_disk_reserve(DiskReserve::asking(1, |_| Ok(0)));
    assert_eq!(full.target_states().unwrap()[&id].revision, Revision(2));
    let cleaned = full.cleanup_at(later(), &HashSet::new(), &PackageLimits::default()).unwrap();
    assert_eq!((cleaned.files, cleaned.bytes), (1, facts.bytes));
    assert_eq!(full.cleanup_at(later(), &HashSet::new(), &PackageLimits::default()).unwrap().files, 0);
    assert_eq!(memo(&chain).packages().unwrap().len(), 1, "it is forgotten once there is room");
    before.cleanup_at(later() + SignedDuration::from_hours(72), &HashSet::new(), &PackageLimits::default()).unwrap();
    assert_eq!(memo(&chain).packages().unwrap(), []);
}

#[test]
fn what_a_large_load_left_taken_is_given_back_before_a_package_is_not_built() {
    let chain = Chain::new();
    let id = chain.till("till-1-1");
    chain.load("All", &item("1", "Tea", "10"));
    let log = chain.folder.path().join("dictionary.db-wal");
    assert!(fs_err::metadata(&log).unwrap().len() > 0);
    let free = move |_: &std::path::Path| Ok(if fs_err::metadata(&log).unwrap().len() > 0 { 0 } else { 2 });
    let stores = chain.db.database().clone();
    let reserve = DiskReserve::asking(1, free).that_frees(Arc::new(move || stores.cut_log()));
    let service = service(&chain).with_disk_reserve(reserve);
    assert!(service.package_for(&id, Revision::ZERO, &Repair::None).unwrap().is_some());
}
