//! What is remembered and what lies in files is not taken for true where the dictionary or the
//! content says otherwise.

use super::{Till, memo, path_of, service};
use crate::dictionary::tests::kit::{Chain, ITEM, item};
use crate::dictionary::{Digests, KindDigest};
use crate::packages::plan::path_key;
use crate::packages::{PackageError, PackageService, Repair};
use crate::reserve::DiskReserve;
use crate::store::dictionary::DictionaryStore;
use crate::store::packages::PackageStore;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use tillway_proto::{Digest, NodeLevel, Revision, TillId};

fn must_have(service: &PackageService, id: &TillId) -> Digest {
    service.target_states().unwrap()[id].digest
}

#[test]
fn a_server_restored_from_a_backup_does_not_hand_out_files_of_the_lost_time() {
    let mut chain = Chain::new();
    let (id, other) = (chain.till("till-1-1"), chain.till("till-1-2"));
    let (mut lost, mut behind) = (Till::default(), Till::default());
    chain.load("All", &item("1", "Tea", "10"));
    let before = service(&chain);
    behind.sync(&before, &other, &Repair::None).unwrap();
    let backup = chain.backup();
    lost.sync(&before, &id, &Repair::None).unwrap();
    chain.load("All", &item("1", "Tea", "11"));
    lost.sync(&before, &id, &Repair::None).unwrap();
    chain.restore(&backup);
    let service = service(&chain);
    assert_eq!(chain.load("All", &item("1", "Tea", "12")).revision, Some(Revision(2)), "the number is given again");
    behind.sync(&service, &other, &Repair::None).unwrap();
    let present: Vec<_> = chain.head(chain.no("All")).into_values().collect();
    assert_eq!(behind.rows.values().copied().collect::<Vec<_>>(), present);
    // The cursor of the other one is the target, and yet it has the lost price: its digest says
    // so.
    assert_eq!(lost.sync(&service, &id, &Repair::None), None);
    assert_eq!(behind.state(), must_have(&service, &other));
    assert_ne!(lost.state(), must_have(&service, &id));
    lost.sync(&service, &id, &Repair::All).unwrap();
    assert_eq!(lost.state(), must_have(&service, &id));
}

#[test]
fn what_a_till_must_have_is_known_whether_a_package_led_there_or_not() {
    let chain = Chain::new();
    let service = service(&chain);
    let (id, neighbour, far) = (chain.till("till-1-1"), chain.till("till-1-2"), chain.till("till-2-1"));
    let mut till = Till::default();
    assert!(service.target_states().unwrap().is_empty(), "there is nothing to have");
    chain.load("All", &item("1", "Tea", "10"));
    chain.load("shop-1", &item("2", "Tea", "10"));
    for price in ["10", "11", "12"] {
        chain.load("All", &item("1", "Tea", price));
        let counted = service.target_states().unwrap();
        till.sync(&service, &id, &Repair::None);
        let states = service.target_states().unwrap();
        assert_eq!(states, counted);
        assert_eq!((states[&id].revision, states[&id].digest), (till.cursor, till.state()));
        assert_eq!(states[&neighbour], states[&id], "tills of one path are one look-up");
        assert_ne!(states[&far].digest, states[&id].digest);
    }
}

#[test]
fn states_that_are_not_remembered_are_counted_a_few_at_a_time() {
    let chain = Chain::new();
    for n in 10..20 {
        let shop = chain.make(&chain.root, NodeLevel::Shop, &n.to_string());
        chain.make(&shop, NodeLevel::Till, "1");
        chain.load(&format!("shop-{n}"), &item("1", "Tea", "10"));
    }
    let service = service(&chain);
    let known: Vec<usize> = (0..4).map(|_| service.target_states().unwrap().len()).collect();
    assert_eq!(known, [4, 8, 10, 10]);
}

#[test]
fn a_snapshot_heals_whatever_is_remembered_of_its_state() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    chain.load("All", &item("1", "Tea", "10"));
    let path = path_key(&[chain.no("All")]);
    let wrong: Digests = [(ITEM, KindDigest { rows: 7, digest: Digest(7) })].into_iter().collect();
    for repair in [Repair::All, Repair::of_report(&["item".to_owned()])] {
        memo(&chain).keep_digests(&path, Revision(1), &wrong).unwrap();
        let mut till = Till { cursor: Revision(1), ..Till::default() };
        till.sync(&service, &id, &repair).unwrap();
        assert_eq!(must_have(&service, &id), till.state(), "{repair:?}");
    }
}

#[test]
fn what_was_lost_before_an_earlier_restoration_stays_lost() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    chain.load("All", &item("1", "Tea", "10"));
    chain.db.skip_past(Revision(40), &tillway_service::audit::AuditLine::any()).unwrap();
    chain.db.skip_past(Revision(90), &tillway_service::audit::AuditLine::any()).unwrap();
    for cursor in [2, 30, 40, 60, 90] {
        let facts = service.package_for(&id, Revision(cursor), &Repair::None).unwrap().unwrap();
        assert!(facts.full, "cursor {cursor}");
    }
    assert!(!service.package_for(&id, Revision(1), &Repair::None).unwrap().unwrap().full);
}

#[test]
fn a_damaged_file_is_found_when_it_is_looked_at_and_built_anew_when_it_is_asked_for() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    chain.load("All", &item("1", "Tea", "10"));
    let ask = || service.package_for(&id, Revision::ZERO, &Repair::None).unwrap().unwrap();
    let facts = ask();
    assert!(service.recheck(&facts.name).unwrap());
    let path = path_of(&service, &facts);
    let mut bytes = fs_err::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&path, &bytes).unwrap();
    assert_eq!(ask(), facts, "its length is right");
    assert!(!service.recheck(&facts.name).unwrap());
    assert_eq!(ask(), facts);
    assert!(service.recheck(&facts.name).unwrap());
    fs_err::remove_file(&path).unwrap();
    assert!(!service.recheck(&facts.name).unwrap());
    Till::default().sync(&service, &id, &Repair::None).unwrap();
}

#[test]
fn digests_that_nobody_asks_for_are_forgotten_and_counted_anew() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    for price in 0..30 {
        chain.load("All", &item("1", "Tea", &price.to_string()));
        till.sync(&service, &id, &Repair::None).unwrap();
    }
    let path = path_key(&[chain.no("All")]);
    let kept = || (1..31).filter(|n| memo(&chain).digests(&path, Revision(*n)).unwrap().is_some()).count();
    assert_eq!(kept(), 8, "of one path the newest states are kept");
    let soon = Timestamp::now() + SignedDuration::from_hours(29 * 24);
    service.cleanup_at(soon, &HashSet::new(), &super::super::PackageLimits::default()).unwrap();
    assert_eq!(kept(), 8);
    let later = Timestamp::now() + SignedDuration::from_hours(31 * 24);
    service.cleanup_at(later, &HashSet::new(), &super::super::PackageLimits::default()).unwrap();
    assert_eq!(kept(), 0);
    chain.load("All", &item("1", "Tea", "99"));
    till.sync(&service, &id, &Repair::None).unwrap();
}

#[test]
fn a_full_disk_stops_a_package_from_being_built_and_not_one_that_is_there() {
    let chain = Chain::new();
    let service = service(&chain);
    let (id, other) = (chain.till("till-1-1"), chain.till("till-2-1"));
    chain.load("All", &item("1", "Tea", "10"));
    let there = service.package_for(&id, Revision::ZERO, &Repair::None).unwrap();
    let full = service.clone().with_disk_reserve(DiskReserve::asking(1, |_| Ok(0)));
    assert_eq!(full.package_for(&id, Revision::ZERO, &Repair::None).unwrap(), there);
    chain.load("shop-2", &item("2", "Tea", "10"));
    let error = full.package_for(&other, Revision::ZERO, &Repair::None).unwrap_err();
    assert!(matches!(error, PackageError::NoRoom { .. }), "{error:?}");
    assert!(service.package_for(&other, Revision::ZERO, &Repair::None).unwrap().is_some(), "and then it goes on");
}
