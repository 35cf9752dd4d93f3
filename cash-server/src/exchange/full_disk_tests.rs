//! What a disk that is full, or nearly, does not stop.

use super::housekeeping::{Housekeeping, Past};
use super::reconciler::decide_all;
use super::test_kit::{Kit, remove_what_is_past};
use crate::dictionary::Digests;
use crate::dictionary::tests::kit::item;
use crate::reserve::DiskReserve;
use crate::store::packages::{PackageKey, PackageRecord, PackageStore};
use crate::store::sqlite::packages::PackageDb;
use crate::store::{Place, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tillway_proto::{PackageName, Revision};

#[tokio::test]
async fn with_little_room_packages_that_nobody_needs_go_first_whatever_else_fails() {
    let kit = Kit::new();
    let memo = Arc::new(PackageDb::open(&kit.chain.folder.path().join("packages.db")).unwrap());
    let packages = kit.packages(memo.clone());
    let name = PackageName::from_hash([7; 32]);
    let path = packages.files().path(&name).unwrap();
    fs_err::write(&path, b"package").unwrap();
    let key = |to| PackageKey {
        from_path: String::new(),
        from: Revision::ZERO,
        to_path: "1".to_owned(),
        to: Revision(to),
        whole: "all".to_owned(),
    };
    let used_at = Timestamp::now() - SignedDuration::from_hours(1);
    memo.keep_package(&key(1), &PackageRecord { name, bytes: 7, objects: 1, used_at }).unwrap();
    // Neither old deliveries nor old commands can be removed.
    kit.store.tamper("ALTER TABLE command RENAME TO elsewhere");
    let keeping = |free| {
        let packages = packages.clone().with_disk_reserve(DiskReserve::asking(100, move |_| Ok(free)));
        Housekeeping::new(kit.service.clone(), packages, kit.settings.retention)
    };
    remove_what_is_past(&keeping(200)).await;
    assert!(path.exists(), "within age and limit, and there is room");
    let failed = remove_what_is_past(&keeping(50)).await;
    assert_eq!(failed, [Past::History]);
    assert!(!path.exists());
}

/// Remembers nothing: its disk is full.
struct Full;

fn full() -> StoreError {
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
    StoreError::Full { what: "keep what a package needs", place: Place::new("packages.db"), source }
}

impl PackageStore for Full {
    fn package(&self, _: &PackageKey) -> Result<Option<PackageRecord>, StoreError> {
        Err(full())
    }
    fn keep_package(&self, _: &PackageKey, _: &PackageRecord) -> Result<(), StoreError> {
        Err(full())
    }
    fn packages(&self) -> Result<Vec<PackageRecord>, StoreError> {
        Ok(Vec::new())
    }
    fn make_under(&self, _: &str) -> Result<u64, StoreError> {
        Ok(0)
    }
    fn forget_packages(&self, _: &[PackageName]) -> Result<(), StoreError> {
        Err(full())
    }
    fn forget_after(&self, _: Revision) -> Result<u64, StoreError> {
        Ok(0)
    }
    fn forget_digests(&self, _: Timestamp) -> Result<(), StoreError> {
        Err(full())
    }
    fn digests(&self, _: &str, _: Revision) -> Result<Option<Digests>, StoreError> {
        Err(full())
    }
    fn newest_digests(&self, _: &str, _: Revision) -> Result<Option<(Revision, Digests)>, StoreError> {
        Ok(None)
    }
    fn keep_digests(&self, _: &str, _: Revision, _: &Digests) -> Result<(), StoreError> {
        Err(full())
    }
}

#[test]
fn digests_that_cannot_be_noted_do_not_end_a_pass() {
    let kit = Kit::new();
    kit.chain.load("All", &item("1", "Milk", "100"));
    let packages = kit.packages(Arc::new(Full));
    packages.target_states().expect_err("the disk is full");
    let decided = decide_all(&kit.service, &packages).unwrap();
    assert!(!decided.plan.announce.is_empty(), "tills wait for their first package");
}
