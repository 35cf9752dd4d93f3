//! What was built: found by its whole key, forgotten when it leads too far.

use super::Home;
use crate::dictionary::entry::KindId;
use crate::dictionary::{Digests, KindDigest};
use crate::store::packages::{PackageKey, PackageRecord};
use jiff::{SignedDuration, Timestamp};
use tillway_proto::{PackageName, Revision};

fn key(from: u64, to: u64) -> PackageKey {
    PackageKey {
        from_path: "1,2".to_owned(),
        from: Revision(from),
        to_path: "1,3".to_owned(),
        to: Revision(to),
        whole: String::new(),
    }
}

/// Used so many minutes ago.
fn record(name: u8, minutes: i64) -> PackageRecord {
    // As stored: to the millisecond.
    let used_at = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let used_at = used_at - SignedDuration::from_mins(minutes);
    PackageRecord { name: PackageName::from_hash([name; 32]), bytes: u64::from(name), objects: 7, used_at }
}

fn digests(rows: u64) -> Digests {
    [(KindId(1), KindDigest { rows, ..KindDigest::default() })].into_iter().collect()
}

pub(super) fn a_package_is_found_by_every_part_of_its_key(home: &dyn Home) {
    let store = home.open().packages;
    let (whole, kept) = (key(1, 2), record(1, 0));
    store.keep_package(&whole, &kept).unwrap();
    assert_eq!(home.open().packages.package(&whole).unwrap(), Some(kept.clone()));
    let others = [
        PackageKey { from_path: "1".to_owned(), ..whole.clone() },
        PackageKey { to_path: "1,3,4".to_owned(), ..whole.clone() },
        PackageKey { whole: "1".to_owned(), ..whole.clone() },
        key(0, 2),
        key(1, 3),
    ];
    for other in &others {
        assert_eq!(store.package(other).unwrap(), None, "{other:?}");
    }
    store.keep_package(&others[0], &kept).unwrap();
    store.keep_package(&whole, &record(2, 0)).unwrap();
    assert_eq!(store.package(&whole).unwrap().unwrap().name, record(2, 0).name, "the last one counts");
    assert_eq!(store.packages().unwrap().len(), 2, "a name is listed once");
    store.forget_packages(&[]).unwrap();
    store.forget_packages(&[kept.name.clone(), PackageName::from_hash([9; 32]), kept.name.clone()]).unwrap();
    assert_eq!((store.package(&others[0]).unwrap(), store.packages().unwrap().len()), (None, 1));
}

pub(super) fn the_package_that_nobody_asked_for_the_longest_comes_first(home: &dyn Home) {
    let store = home.open().packages;
    for (to, minutes) in [(1, 300), (2, 500), (3, 400)] {
        store.keep_package(&key(0, to), &record(u8::try_from(to).unwrap(), minutes)).unwrap();
    }
    let order = || store.packages().unwrap().into_iter().map(|record| record.bytes).collect::<Vec<_>>();
    assert_eq!(order(), [2, 3, 1]);
    store.package(&key(0, 2)).unwrap();
    assert_eq!(order(), [3, 1, 2], "to ask for it is to use it");
}

pub(super) fn what_leads_beyond_a_revision_is_forgotten(home: &dyn Home) {
    let store = home.open().packages;
    for (from, to) in [(0, 5), (0, 6), (6, 7), (9, 5)] {
        store.keep_package(&key(from, to), &record(1, 0)).unwrap();
    }
    store.keep_digests("1", Revision(5), &digests(1)).unwrap();
    store.keep_digests("1", Revision(6), &digests(2)).unwrap();
    assert_eq!(store.forget_after(Revision(5)).unwrap(), 3);
    assert_eq!(store.forget_after(Revision(5)).unwrap(), 0);
    assert!(store.package(&key(0, 5)).unwrap().is_some() && store.package(&key(9, 5)).unwrap().is_none());
    assert_eq!(
        (store.digests("1", Revision(5)).unwrap(), store.digests("1", Revision(6)).unwrap()),
        (Some(digests(1)), None)
    );
}

pub(super) fn the_newest_digests_at_or_before_a_revision_are_found(home: &dyn Home) {
    let store = home.open().packages;
    for revision in [3, 5] {
        store.keep_digests("1", Revision(revision), &digests(revision)).unwrap();
    }
    store.keep_digests("1,2", Revision(4), &digests(9)).unwrap();
    let newest =
        |revision| store.newest_digests("1", Revision(revision)).unwrap().map(|(at, found)| (at.0, found.rows()));
    assert_eq!([2, 3, 4, 5, u64::MAX].map(newest), [None, Some((3, 3)), Some((3, 3)), Some((5, 5)), Some((5, 5))]);
    store.keep_digests("1", Revision(5), &digests(6)).unwrap();
    assert_eq!(newest(5), Some((5, 6)), "kept anew");
    store.keep_digests("1", Revision(7), &Digests::default()).unwrap();
    assert_eq!(store.digests("1", Revision(7)).unwrap(), Some(Digests::default()), "of a path that holds nothing");
    store.forget_digests(Timestamp::now() + SignedDuration::from_hours(1)).unwrap();
    assert_eq!(newest(9), None);
}

pub(super) fn digests_of_one_path_are_bounded_and_the_newest_stay(home: &dyn Home) {
    let store = home.open().packages;
    store.keep_digests("2", Revision(1), &digests(1)).unwrap();
    for revision in 1..=200 {
        store.keep_digests("1", Revision(revision), &digests(revision)).unwrap();
    }
    let kept = (1..=200).filter(|revision| store.digests("1", Revision(*revision)).unwrap().is_some());
    let kept: Vec<u64> = kept.collect();
    assert!((1..50).contains(&kept.len()) && kept.ends_with(&[200]), "{kept:?}");
    assert!(kept.is_sorted_by(|one, next| one + 1 == *next), "{kept:?}");
    assert_eq!(store.digests("2", Revision(1)).unwrap(), Some(digests(1)), "another path keeps its own");
}

pub(super) fn a_new_mark_forgets_what_was_made_under_another(home: &dyn Home) {
    let store = home.open().packages;
    store.make_under("one").unwrap();
    store.keep_package(&key(0, 1), &record(1, 0)).unwrap();
    assert_eq!((store.make_under("one").unwrap(), store.packages().unwrap().len()), (0, 1));
    assert_eq!((home.open().packages.make_under("two").unwrap(), store.packages().unwrap()), (1, vec![]));
}
