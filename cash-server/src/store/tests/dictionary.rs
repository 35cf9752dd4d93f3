//! Layers and their log: isolation, order, revisions, what was.

use super::{Home, at_once, begin, body, chain_and_shop, hash, hash_at, key_of, keys, load, put};
use crate::dictionary::entry::{Delete, Effect, Entry, LoadCounts, Loss, ObjectKey, Upsert};
use crate::dictionary::tests::kit::{BARCODE, ITEM, PRICE, delete, entry, exact, upsert};
use crate::network::{LayerNo, NetworkService};
use crate::store::dictionary::{Crowded, Group, LayerState, Wanted};
use std::time::{Duration, Instant};
use tillway_exchangers::formats::aif;
use tillway_exchangers::records::{Position, RawRecord};
use tillway_proto::{LoadId, NodeLevel, Revision};
use tillway_service::audit::AuditLine;

fn price(start: &str) -> Group<'_> {
    Group { kind: PRICE, start }
}

fn items(keys: &[&str], value: u8) -> Vec<Entry> {
    keys.iter().map(|key| entry(ITEM, key, value)).collect()
}

pub(super) fn a_snapshot_does_not_see_what_is_committed_later(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let [before, after] = [1, 2].map(|value| entry(ITEM, "a", value));
    load(&stores, chain, 1, std::slice::from_ref(&before));
    let old = stores.dictionary.snapshot().unwrap();
    load(&stores, chain, 2, &[after.clone(), entry(ITEM, "b", 1)]);
    load(&stores, shop, 3, &[entry(BARCODE, "c", 1)]);
    assert_eq!(old.head(), Revision(1));
    assert_eq!((hash(&*old, chain, &before), keys(&*old, chain, ITEM)), (Some(before.hash), vec!["a".to_owned()]));
    assert_eq!(hash_at(&*old, chain, &before, 9), Some(before.hash));
    assert_eq!(body(&*old, chain, &before), Some(before.body));
    assert_eq!(old.changed_since(chain, Revision(1), 9).unwrap(), []);
    assert_eq!(old.newest_touch(chain, Revision(9)).unwrap(), Some(Revision(1)));
    assert_eq!((old.layers().unwrap().len(), old.kinds(shop).unwrap()), (1, vec![]));
    assert_eq!(old.history(chain, &key_of(&after), 9).unwrap().len(), 1);
    let new = stores.dictionary.snapshot().unwrap();
    assert_eq!((new.head(), hash(&*new, chain, &after)), (Revision(3), Some(after.hash)));
    assert_eq!(new.layers().unwrap().len(), 2);
}

pub(super) fn a_load_is_seen_by_nobody_before_its_commit_and_holds_no_reader_up(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "gone"], 1));
    let mut txn = begin(&stores, chain, 2);
    put(txn.as_mut(), &items(&["a", "b"], 2));
    txn.delete_all(&[delete(ITEM, exact("gone"))]).unwrap();
    for store in [&stores.dictionary, &home.open().dictionary] {
        let meanwhile = store.snapshot().unwrap();
        assert_eq!((meanwhile.head(), store.head().unwrap()), (Revision(1), Revision(1)));
        assert_eq!(keys(&*meanwhile, chain, ITEM), ["a", "gone"]);
        assert_eq!(store.outcome_of(LoadId(2)).unwrap(), None);
        assert_eq!(store.revisions(9).unwrap().len(), 1);
    }
    assert_eq!(txn.commit().unwrap().revision, Some(Revision(2)));
    let after = stores.dictionary.snapshot().unwrap();
    assert_eq!((keys(&*after, chain, ITEM), keys(&*after, shop, ITEM)), (vec!["a".into(), "b".into()], vec![]));
}

pub(super) fn what_is_dropped_or_rolled_back_leaves_nothing(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "b"], 1));
    for rolls_back in [false, true] {
        let mut txn = begin(&stores, chain, 2);
        put(txn.as_mut(), &items(&["a", "c"], 2));
        txn.delete_all(&[delete(ITEM, exact("b"))]).unwrap();
        txn.clear(BARCODE).unwrap();
        if rolls_back {
            txn.rollback();
        } else {
            drop(txn);
        }
        let snapshot = stores.dictionary.snapshot().unwrap();
        assert_eq!((snapshot.head(), keys(&*snapshot, chain, ITEM)), (Revision(1), vec!["a".into(), "b".into()]));
        assert_eq!(hash(&*snapshot, chain, &entry(ITEM, "a", 2)), Some(entry(ITEM, "a", 1).hash));
        assert_eq!(snapshot.history(chain, &key_of(&entry(ITEM, "a", 1)), 9).unwrap().len(), 1);
        assert_eq!(snapshot.changed_since(chain, Revision(1), 9).unwrap(), []);
        assert_eq!(stores.dictionary.outcome_of(LoadId(2)).unwrap(), None);
    }
    assert_eq!(load(&stores, chain, 3, &items(&["a"], 2)).revision, Some(Revision(2)), "no revision is left out");
}

pub(super) fn loads_wait_for_each_other_and_each_change_takes_a_revision_of_its_own(home: &dyn Home) {
    const LOADS: usize = 12;
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let other = home.open();
    let mut revisions = at_once(LOADS, |n| {
        let (stores, layer) = (if n % 2 == 0 { &stores } else { &other }, if n % 3 == 0 { shop } else { chain });
        load(stores, layer, i64::try_from(n).unwrap(), &items(&["all", &n.to_string()], u8::try_from(n).unwrap()))
            .revision
    });
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=LOADS as u64).map(|n| Some(Revision(n))).collect::<Vec<_>>());
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(snapshot.head(), Revision(LOADS as u64));
    assert_eq!(keys(&*snapshot, chain, ITEM).len() + keys(&*snapshot, shop, ITEM).len(), LOADS + 2);
    let told = stores.dictionary.revisions(99).unwrap();
    assert!(told.is_sorted_by(|newer, older| newer.revision > older.revision), "{told:?}");
}

pub(super) fn a_load_that_changes_nothing_takes_no_revision_and_is_remembered_as_nothing(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    assert_eq!(begin(&stores, chain, 1).commit().unwrap().revision, None, "of nothing at all");
    let first = load(&stores, chain, 2, &items(&["a"], 1));
    let again = load(&stores, chain, 3, &items(&["a"], 1));
    assert_eq!((again.revision, again.counts), (None, LoadCounts { unchanged: 1, ..LoadCounts::default() }));
    let outcomes = [1, 2, 3].map(|load| home.open().dictionary.outcome_of(LoadId(load)).unwrap());
    assert_eq!(outcomes, [None, Some(first), None]);
    assert_eq!(stores.dictionary.snapshot().unwrap().newest_touch(chain, Revision(9)).unwrap(), Some(Revision(1)));
}

pub(super) fn objects_come_in_the_order_of_the_bytes_of_their_keys_page_after_page(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    // A language would sort them otherwise: case, accents, blanks, separators.
    let sorted = [
        "", " a", "1", "10", "2", "A", "Z", "_", "a", "a\u{1f}", "a\u{1f}b", "a b", "a%", "ab", "b", "z", "é", "ё",
        "Я", "а", "я", "ﬀ", "😀",
    ];
    let mut expected: Vec<&str> = sorted.to_vec();
    expected.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let mut shuffled: Vec<&str> = sorted.iter().rev().copied().collect();
    shuffled.swap(0, 7);
    load(&stores, chain, 1, &items(&shuffled, 1));
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(keys(&*snapshot, chain, ITEM), expected);
    for limit in [1, 2, 5, 100] {
        let (mut walked, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = snapshot.page(chain, ITEM, after.as_deref(), limit, false).unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            walked.extend(page.into_iter().map(|entry| entry.key));
        }
        assert_eq!(walked, expected, "in pages of {limit}");
    }
    let of_one_barcode = ["4\u{1f}a", "4\u{1f}b", "40\u{1f}a", "5"];
    load(&stores, chain, 2, &of_one_barcode.map(|key| entry(BARCODE, key, 1)));
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(snapshot.keys_that_share_a_first_part(chain, BARCODE).unwrap(), ["4\u{1f}a", "4\u{1f}b"]);
    assert_eq!(snapshot.kinds(chain).unwrap(), [ITEM, BARCODE]);
}

pub(super) fn what_is_put_comes_back_byte_for_byte(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let long = "я".repeat(2_000);
    let keys = ["", " ", "a ", "A", "'; DROP TABLE object; --", "\"", "\\", "?1", "%", "\u{1f}", "e\u{301}", &long];
    let mut entries = items(&keys, 1);
    entries[0].body = Vec::new();
    entries[1].body = (0..=255).collect();
    entries[2].body = vec![0xff; 2 << 20];
    load(&stores, chain, 1, &entries);
    let snapshot = home.open().dictionary.snapshot().unwrap();
    for entry in &entries {
        assert_eq!(body(&*snapshot, chain, entry).as_ref(), Some(&entry.body), "{:.20}", entry.key);
        assert_eq!(hash(&*snapshot, chain, entry), Some(entry.hash));
    }
    entries.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(snapshot.page(chain, ITEM, None, 99, true).unwrap(), entries);
    assert_eq!(body(&*snapshot, chain, &entry(ITEM, "a", 1)), None, "`A` and `a ` are not `a`");
}

pub(super) fn the_same_key_twice_in_a_load_counts_once_and_the_last_wins(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let twice = [1, 2, 3].map(|value| entry(ITEM, "a", value));
    let added = LoadCounts { added: 1, ..LoadCounts::default() };
    assert_eq!(load(&stores, chain, 1, &twice).counts, added);
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(hash(&*snapshot, chain, &twice[0]), Some(twice[2].hash));
    assert_eq!(snapshot.history(chain, &key_of(&twice[0]), 9).unwrap().len(), 1, "what was between never was");
    // Within one object, too.
    let owned = vec![entry(BARCODE, "b", 1), entry(BARCODE, "c", 1), entry(BARCODE, "b", 2)];
    let mut txn = begin(&stores, chain, 2);
    txn.upsert_all(&[upsert(entry(ITEM, "d", 1), Some(owned))]).unwrap();
    assert_eq!(txn.commit().unwrap().counts.added, 3);
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(hash(&*snapshot, chain, &entry(BARCODE, "b", 1)), Some(entry(BARCODE, "b", 2).hash));
}

pub(super) fn what_comes_back_within_a_load_never_changed(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "b"], 1));
    let mut txn = begin(&stores, chain, 2);
    put(txn.as_mut(), &items(&["a"], 2));
    txn.delete_all(&[delete(ITEM, exact("a"))]).unwrap();
    txn.clear(ITEM).unwrap();
    put(txn.as_mut(), &items(&["b", "a"], 1));
    assert_eq!(txn.commit().unwrap().revision, None);
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(snapshot.changed_since(chain, Revision(1), 9).unwrap(), []);
    let history = snapshot.history(chain, &key_of(&entry(ITEM, "a", 1)), 9).unwrap();
    assert_eq!((history.len(), history[0].since, history[0].until), (1, Revision(1), None));
}

pub(super) fn a_batch_is_as_if_each_came_by_itself(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let whole = |key: &str, value, barcodes: &[&str]| {
        let owned = barcodes.iter().map(|barcode| entry(BARCODE, barcode, value)).collect();
        upsert(entry(ITEM, key, value), Some(owned))
    };
    // A barcode goes from one item to another, an item comes twice, a row comes by itself.
    let upserts = [
        whole("a", 1, &["p", "q"]),
        whole("b", 1, &["q", "r"]),
        upsert(entry(BARCODE, "r", 7), None),
        whole("a", 2, &["p"]),
        whole("b", 1, &["q", "r"]),
    ];
    let deletions = [delete(ITEM, exact("b")), delete(ITEM, exact("none")), delete(ITEM, exact("b"))];
    let counts = [(chain, true), (shop, false)].map(|(layer, at_once)| {
        let mut txn = begin(&stores, layer, 1);
        if at_once {
            txn.upsert_all(&upserts).unwrap();
            txn.delete_all(&deletions).unwrap();
        } else {
            for upsert in upserts.chunks(1) {
                txn.upsert_all(upsert).unwrap();
            }
            for deletion in deletions.chunks(1) {
                txn.delete_all(deletion).unwrap();
            }
        }
        txn.commit().unwrap().counts
    });
    assert_eq!(counts[0], counts[1]);
    let snapshot = stores.dictionary.snapshot().unwrap();
    for kind in [ITEM, BARCODE] {
        let of = |layer| snapshot.page(layer, kind, None, 99, true).unwrap();
        assert_eq!(of(chain), of(shop));
    }
    assert_eq!(keys(&*snapshot, chain, ITEM), ["a"]);
}

pub(super) fn a_batch_of_none_does_nothing(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a"], 1));
    let mut txn = begin(&stores, chain, 2);
    txn.upsert_all(&[]).unwrap();
    assert_eq!(txn.delete_all(&[]).unwrap(), 0);
    txn.read_again(&[]).unwrap();
    assert_eq!(txn.commit().unwrap().counts, LoadCounts::default());
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(snapshot.hash_of_many(chain, &[], None).unwrap(), []);
    assert_eq!(snapshot.hash_of_many(chain, &[], Some(Revision(1))).unwrap(), []);
    assert_eq!(snapshot.bodies(chain, &[]).unwrap(), [] as [Option<Vec<u8>>; 0]);
    assert!(snapshot.holds_groups(chain, &[], None).unwrap().is_empty());
    assert_eq!(snapshot.groups_held_since(chain, &[], Revision(0)).unwrap(), []);
}

pub(super) fn many_objects_are_read_at_once_in_the_order_in_which_they_are_asked_for(home: &dyn Home) {
    const OBJECTS: usize = 5_000;
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let names: Vec<String> = (0..OBJECTS).map(|n| n.to_string()).collect();
    let even: Vec<_> = names.iter().step_by(2).map(|name| entry(ITEM, name, 1)).collect();
    load(&stores, chain, 1, &even);
    load(&stores, chain, 2, &even.iter().map(|before| entry(ITEM, &before.key, 2)).collect::<Vec<_>>());
    load(&stores, shop, 3, &items(&["1"], 1));
    // All of them backwards, one of them often, and kinds mixed.
    let mut asked: Vec<ObjectKey> = names.iter().rev().map(|name| key_of(&entry(ITEM, name, 1))).collect();
    asked.extend([key_of(&entry(ITEM, "0", 1)), key_of(&entry(BARCODE, "0", 1)), key_of(&entry(ITEM, "0", 1))]);
    let asked: Vec<&ObjectKey> = asked.iter().collect();
    let of = |key: &ObjectKey, value| {
        let is_there = key.kind == ITEM && key.key.parse::<usize>().unwrap() % 2 == 0;
        is_there.then(|| entry(ITEM, &key.key, value))
    };
    let hashes = |value| asked.iter().map(|key| of(key, value).map(|entry| entry.hash)).collect::<Vec<_>>();
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(snapshot.hash_of_many(chain, &asked, None).unwrap(), hashes(2));
    assert_eq!(snapshot.hash_of_many(chain, &asked, Some(Revision(1))).unwrap(), hashes(1));
    let bodies: Vec<_> = asked.iter().map(|key| of(key, 2).map(|entry| entry.body)).collect();
    assert_eq!(snapshot.bodies(chain, &asked).unwrap(), bodies);
    assert!(snapshot.hash_of_many(shop, &asked, Some(Revision(2))).unwrap().iter().all(Option::is_none));
}

pub(super) fn a_group_is_found_by_the_beginning_of_its_keys_and_nothing_else(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let keys =
        ["a_b\u{1f}1", "a_b\u{1f}2", "a_b", "axb\u{1f}1", "A_b\u{1f}1", "a%b\u{1f}1", "a_b\u{1f}\u{10ffff}", "a_c"];
    load(&stores, chain, 1, &keys.map(|key| entry(PRICE, key, 1)));
    let mut txn = begin(&stores, chain, 2);
    txn.delete_all(&[delete(PRICE, exact("a_b\u{1f}2"))]).unwrap();
    txn.commit().unwrap();
    let snapshot = stores.dictionary.snapshot().unwrap();
    let held = |start: &str, revision| {
        let mut keys: Vec<_> = snapshot.groups_held_since(chain, &[price(start)], Revision(revision)).unwrap();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|key| key.key).collect::<Vec<_>>()
    };
    assert_eq!(held("a_b\u{1f}", 1), ["a_b\u{1f}1", "a_b\u{1f}2", "a_b\u{1f}\u{10ffff}"]);
    assert_eq!(held("a_b\u{1f}", 2), ["a_b\u{1f}1", "a_b\u{1f}\u{10ffff}"]);
    assert_eq!(held("a%", 1), ["a%b\u{1f}1"]);
    let holds = |start: &str, revision: Option<u64>| {
        snapshot.holds_groups(chain, &[price(start)], revision.map(Revision)).unwrap()[0]
    };
    assert!(holds("a_b\u{1f}2", Some(1)) && !holds("a_b\u{1f}2", Some(2)) && !holds("a_b\u{1f}2", None));
    assert!(holds("a_b\u{1f}", None) && !holds("a_b\u{1f}", Some(0)) && !holds("a__", None) && !holds("A_B", None));
    let several = [price("none"), price("axb"), Group { kind: ITEM, start: "a" }, price("axb"), price("a_c")];
    assert_eq!(snapshot.holds_groups(chain, &several, None).unwrap(), [false, true, false, true, true]);
    assert_eq!(snapshot.holds_groups(shop, &several, None).unwrap(), [false; 5]);
    let mut keys: Vec<_> = snapshot.groups_held_since(chain, &several, Revision(2)).unwrap();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.into_iter().map(|key| key.key).collect::<Vec<_>>(), ["a_c", "axb\u{1f}1"]);
}

pub(super) fn layers_share_a_sequence_and_nothing_else(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a"], 1));
    assert_eq!(load(&stores, shop, 2, &items(&["a"], 2)).counts.added, 1);
    let mut txn = begin(&stores, shop, 3);
    txn.clear(ITEM).unwrap();
    assert_eq!(txn.commit().unwrap().revision, Some(Revision(3)));
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!((keys(&*snapshot, chain, ITEM), keys(&*snapshot, shop, ITEM)), (vec!["a".to_owned()], vec![]));
    let spans = snapshot.layers().unwrap();
    assert_eq!((spans[&chain].first, spans[&chain].last), (Revision(1), Revision(1)));
    assert_eq!((spans[&shop].first, spans[&shop].last), (Revision(2), Revision(3)));
    let told: Vec<_> =
        stores.dictionary.revisions(2).unwrap().into_iter().map(|one| (one.revision.0, one.layer)).collect();
    assert_eq!(told, [(3, shop), (2, shop)]);
    assert_eq!(
        stores.dictionary.revision(Revision(1)).unwrap().map(|one| (one.layer, one.load)),
        Some((chain, Some(LoadId(1))))
    );
    assert_eq!(stores.dictionary.revision(Revision(4)).unwrap(), None);
}

pub(super) fn what_was_is_known_until_it_is_pruned(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let [one, two, three] = [1, 2, 3].map(|value| entry(ITEM, "a", value));
    load(&stores, chain, 1, std::slice::from_ref(&one));
    load(&stores, chain, 2, std::slice::from_ref(&two));
    let mut txn = begin(&stores, chain, 3);
    txn.delete_all(&[delete(ITEM, exact("a"))]).unwrap();
    txn.commit().unwrap();
    load(&stores, chain, 4, std::slice::from_ref(&three));
    let at = |revision| hash_at(&*stores.dictionary.snapshot().unwrap(), chain, &one, revision);
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(at),
        [None, Some(one.hash), Some(two.hash), None, Some(three.hash), Some(three.hash)]
    );
    let snapshot = stores.dictionary.snapshot().unwrap();
    let spans: Vec<_> = snapshot
        .history(chain, &key_of(&one), 9)
        .unwrap()
        .into_iter()
        .map(|version| (version.since.0, version.until.map(|until| until.0), version.body))
        .collect();
    assert_eq!(spans, [(1, Some(2), one.body.clone()), (2, Some(3), two.body.clone()), (4, None, three.body.clone())]);
    assert_eq!(snapshot.history(chain, &key_of(&one), 1).unwrap()[0].since, Revision(4), "the newest");
    assert_eq!(snapshot.held_since(chain, Revision(3), 9).unwrap(), [key_of(&three)]);
    assert_eq!(stores.dictionary.prune(Revision(2), 1).unwrap().removed, 1);
    while !stores.dictionary.prune(Revision(2), 1).unwrap().done {}
    assert_eq!([2, 3, 4].map(at), [Some(two.hash), None, Some(three.hash)], "at and after the horizon");
    let pruned = stores.dictionary.snapshot().unwrap();
    assert_eq!((snapshot.log_start(), pruned.log_start()), (Revision::ZERO, Revision(2)));
    assert_eq!(pruned.history(chain, &key_of(&one), 9).unwrap().len(), 2);
    assert_eq!(hash_at(&*snapshot, chain, &one, 1), Some(one.hash), "of its moment");
}

pub(super) fn states_of_a_few_objects_and_when_they_changed_are_found_by_layer_and_revision(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let one = |key: &str, value| [entry(ITEM, key, value)];
    load(&stores, chain, 1, &one("a", 1));
    load(&stores, shop, 2, &one("a", 5));
    load(&stores, chain, 3, &one("a", 2));
    load(&stores, chain, 4, &[entry(PRICE, "a\u{1f}1", 1), entry(PRICE, "a\u{1f}2", 1), entry(PRICE, "ab\u{1f}1", 1)]);
    load(&stores, chain, 5, &[entry(PRICE, "a\u{1f}1", 2)]);
    let mut txn = begin(&stores, chain, 6);
    txn.delete_all(&[delete(ITEM, exact("a")), delete(PRICE, exact("a\u{1f}2"))]).unwrap();
    txn.commit().unwrap();
    load(&stores, chain, 7, &one("ab", 1));
    let snapshot = stores.dictionary.snapshot().unwrap();
    let (key, group) = (key_of(&one("a", 1)[0]), price("a\u{1f}"));
    let wanted = [Wanted::One(&key), Wanted::Group(group)];
    let at = |layers: &[LayerNo], revision| {
        let found = snapshot.states_at(layers, &wanted, Revision(revision)).unwrap();
        let told = |one: &LayerState| (one.layer, one.kind, one.state.since.0, one.state.body.last().copied().unwrap());
        found.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(at(&[chain, shop], 0), []);
    assert_eq!(at(&[chain, shop], 2), [(chain, ITEM, 1, 1), (shop, ITEM, 2, 5)]);
    assert_eq!(at(&[shop, chain], 3), [(shop, ITEM, 2, 5), (chain, ITEM, 3, 2)]);
    assert_eq!(at(&[chain], 4), [(chain, ITEM, 3, 2), (chain, PRICE, 4, 1), (chain, PRICE, 4, 1)]);
    assert_eq!(at(&[chain], 5), [(chain, ITEM, 3, 2), (chain, PRICE, 5, 2), (chain, PRICE, 4, 1)]);
    let gone = "prices go with their item";
    assert_eq!((at(&[chain], 6), at(&[chain], 7), at(&[chain], u64::MAX)), (vec![], vec![], vec![]), "{gone}");
    let changed = |layer, before| snapshot.newest_change(layer, &wanted, Revision(before)).unwrap().map(|at| at.0);
    let walked = |layer| std::iter::successors(changed(layer, u64::MAX), |at| changed(layer, *at)).collect::<Vec<_>>();
    assert_eq!((walked(chain), walked(shop)), (vec![6, 5, 4, 3, 1], vec![2]), "no other object's changes");
    assert_eq!(snapshot.newest_change(chain, &[], Revision(9)).unwrap(), None);
}

pub(super) fn a_limit_of_changes_is_kept(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "b", "c"], 1));
    load(&stores, chain, 2, &items(&["a", "b", "c"], 2));
    let snapshot = stores.dictionary.snapshot().unwrap();
    for limit in 0..=3 {
        assert_eq!(snapshot.changed_since(chain, Revision(1), limit).unwrap().len(), limit);
        assert_eq!(snapshot.held_since(chain, Revision(1), limit).unwrap().len(), limit);
    }
    assert!(snapshot.changed_since(chain, Revision(1), 99).unwrap().len() >= 3);
    assert_eq!(snapshot.changed_since(chain, Revision(2), 99).unwrap(), []);
}

pub(super) fn a_clear_and_a_deletion_take_what_is_not_named_again(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "b", "c", "d"], 1));
    let mut txn = begin(&stores, chain, 2);
    put(txn.as_mut(), &items(&["d"], 1));
    txn.clear(ITEM).unwrap();
    put(txn.as_mut(), &[entry(ITEM, "a", 1), entry(ITEM, "b", 2), entry(ITEM, "e", 1)]);
    let counts = LoadCounts { added: 1, changed: 1, deleted: 2, unchanged: 2, ..LoadCounts::default() };
    assert_eq!(txn.commit().unwrap().counts, counts, "what is named before the clearing does not count");
    let mut txn = begin(&stores, chain, 3);
    assert_eq!(txn.delete_all(&[delete(ITEM, exact("a"))]).unwrap(), 1);
    assert_eq!(txn.delete_all(&[Delete { line: 2, ..delete(ITEM, exact("b")) }]).unwrap(), 1);
    assert_eq!(txn.delete_all(&[Delete { line: 3, ..delete(ITEM, exact("no such")) }]).unwrap(), 0);
    put(txn.as_mut(), &items(&["b"], 2));
    let kept = txn.keep(ITEM, &exact("a")).unwrap();
    assert_eq!(kept.deletions.iter().map(|deletion| deletion.line).collect::<Vec<_>>(), [1]);
    let tokens: Vec<_> = kept.deletions.iter().map(|deletion| deletion.object).collect();
    assert_eq!(txn.objects(&tokens).unwrap(), [Some(key_of(&entry(ITEM, "a", 1)))]);
    assert_eq!(txn.objects(&[]).unwrap(), []);
    assert_eq!(txn.commit().unwrap().revision, None);
    assert_eq!(keys(&*stores.dictionary.snapshot().unwrap(), chain, ITEM), ["a", "b", "e"]);
}

pub(super) fn a_load_says_what_it_would_do_and_changes_nothing_by_that(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a", "b", "c", "d"], 1));
    let mut txn = begin(&stores, chain, 2);
    txn.clear(ITEM).unwrap();
    put(txn.as_mut(), &items(&["a"], 2));
    let counts = LoadCounts { changed: 1, deleted: 3, ..LoadCounts::default() };
    let losses = vec![Loss { kind: ITEM, before: 4, deleted: 3 }];
    assert_eq!(txn.effect(50).unwrap(), Effect { head: Revision(1), first: false, counts, losses });
    txn.rollback();
    assert_eq!(keys(&*stores.dictionary.snapshot().unwrap(), chain, ITEM).len(), 4);
}

pub(super) fn what_is_newer_than_a_late_yes_stays(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["old", "changed", "deleted"], 1));
    load(&stores, chain, 2, &items(&["changed", "new"], 2));
    let mut deleting = begin(&stores, chain, 3);
    deleting.delete_all(&[delete(ITEM, exact("deleted"))]).unwrap();
    deleting.commit().unwrap();
    let mut late = begin(&stores, chain, 4);
    late.keep_newer_than(Revision(1));
    late.clear(ITEM).unwrap();
    put(late.as_mut(), &items(&["changed", "deleted", "mine"], 3));
    late.commit().unwrap();
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(keys(&*snapshot, chain, ITEM), ["changed", "mine", "new"]);
    assert_eq!(hash(&*snapshot, chain, &entry(ITEM, "changed", 2)), Some(entry(ITEM, "changed", 2).hash));
}

pub(super) fn a_record_is_known_again_where_its_load_was_committed(home: &dyn Home) {
    const OBJECTS: u64 = 300;
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let names: Vec<String> = (0..OBJECTS).map(|n| format!("{n:03}")).collect();
    let record = |name: &str| RawRecord::new(name.as_bytes(), Position::default(), aif::FILE).hash();
    // How many were known, what the load did, and those that were found and yet had to be carried
    // out.
    let send = |layer, load: i64, first: &[Entry], commits: bool| {
        let mut txn = begin(&stores, layer, load);
        put(txn.as_mut(), first);
        let mut records = txn.unchanged_records();
        let (mut known, mut found_in_vain) = (0, Vec::new());
        for name in &names {
            if let Some(found) = records.find(record(name)).unwrap() {
                if txn.unchanged(found) {
                    known += 1;
                    continue;
                }
                found_in_vain.push(name.as_str());
            }
            records.missed(ITEM, name).unwrap();
            let whole = upsert(entry(ITEM, name, 1), Some(vec![entry(BARCODE, name, 1)]));
            txn.upsert_all(&[Upsert { record: Some(record(name)), ..whole }]).unwrap();
        }
        drop(records);
        let counts = if commits { txn.commit().unwrap().counts } else { LoadCounts::default() };
        (known, counts, found_in_vain.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let added = LoadCounts { added: 2 * OBJECTS, ..LoadCounts::default() };
    let unchanged = LoadCounts { unchanged: 2 * OBJECTS, ..LoadCounts::default() };
    assert_eq!(send(chain, 1, &[], false).0, 0);
    assert_eq!(send(chain, 2, &[], true), (0, added, vec![]), "what was not committed is not known");
    let (known, counts, _) = send(chain, 3, &[], true);
    assert!(known > OBJECTS * 9 / 10, "{known} records are known, which came in their order");
    assert_eq!(counts, unchanged);
    assert_eq!(send(shop, 4, &[], true), (0, added, vec![]), "another layer knows nothing of them");
    let (_, counts, found) = send(chain, 5, &[entry(BARCODE, "200", 2)], true);
    assert_eq!((counts.differences(), found), (0, vec!["200".to_owned()]), "what this load wrote to is carried out");
}

pub(super) fn a_key_whose_first_part_another_has_is_told_of_by_the_load_that_adds_it(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let send = |layer, load, keys: &[&str]| {
        let mut txn = begin(&stores, layer, load);
        put(txn.as_mut(), &keys.iter().map(|key| entry(BARCODE, key, 1)).collect::<Vec<_>>());
        let crowded = txn.crowded();
        txn.commit().unwrap();
        crowded
    };
    assert_eq!(
        send(chain, 1, &["4\u{1f}a", "5\u{1f}a", "6\u{1f}a"]),
        Crowded::Anywhere,
        "of a layer that held nothing"
    );
    send(shop, 2, &["7\u{1f}a"]);
    // Each case: what comes, and the first parts that are not theirs alone.
    let cases: [(&[&str], &[&str]); 5] = [
        (&["4\u{1f}a"], &[]),
        (&["40\u{1f}a", "7\u{1f}b"], &[]),
        (&["4\u{1f}b"], &["4"]),
        (&["4\u{1f}b", "5\u{1f}c", "6\u{1f}b", "6\u{1f}c"], &["5", "6"]),
        (&["8\u{1f}a", "8\u{1f}b"], &["8"]),
    ];
    for (load, (keys, shared)) in (3..).zip(cases) {
        match send(chain, load, keys) {
            Crowded::Anywhere => {}
            Crowded::At(found) => {
                let found: Vec<_> = found.iter().map(|(kind, first)| (*kind, first.as_str())).collect();
                assert_eq!(found, shared.iter().map(|first| (BARCODE, *first)).collect::<Vec<_>>(), "{keys:?}");
            }
        }
    }
}

pub(super) fn lost_revisions_are_skipped_once_and_stay_known_as_lost(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    load(&stores, chain, 1, &items(&["a"], 1));
    assert_eq!(stores.dictionary.skip_past(Revision(7), &AuditLine::any()).unwrap(), Revision(8));
    assert_eq!(stores.dictionary.skip_past(Revision(7), &AuditLine::any()).unwrap(), Revision(8), "it was past it");
    assert_eq!(stores.dictionary.snapshot().unwrap().lost(), (Revision(1), Revision(8)));
    assert_eq!(load(&stores, chain, 2, &items(&["a"], 2)).revision, Some(Revision(9)));
    let snapshot = home.open().dictionary.snapshot().unwrap();
    assert_eq!((snapshot.lost(), snapshot.layers().unwrap()[&chain].last), ((Revision(1), Revision(8)), Revision(9)));
}

pub(super) fn what_is_committed_is_there_after_a_restart(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let outcome = load(&stores, chain, 1, &items(&["a"], 1));
    let identity = stores.dictionary.identity().unwrap();
    drop(begin(&stores, chain, 2));
    drop(stores);
    let stores = home.open();
    assert_eq!(stores.dictionary.identity().unwrap(), identity);
    assert_eq!(
        (stores.dictionary.head().unwrap(), stores.dictionary.outcome_of(LoadId(1)).unwrap()),
        (Revision(1), Some(outcome))
    );
    assert_eq!(keys(&*stores.dictionary.snapshot().unwrap(), chain, ITEM), ["a"]);
    assert_eq!(load(&stores, chain, 3, &items(&["b"], 1)).revision, Some(Revision(2)));
}

pub(super) fn thousands_of_objects_are_one_load(home: &dyn Home) {
    const OBJECTS: usize = 12_000;
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let entries: Vec<_> = (0..OBJECTS).map(|n| entry(ITEM, &n.to_string(), 1)).collect();
    assert_eq!(load(&stores, chain, 1, &entries).counts.added, OBJECTS as u64);
    assert_eq!(load(&stores, chain, 2, &entries).counts.unchanged, OBJECTS as u64);
    let mut txn = begin(&stores, chain, 3);
    txn.clear(ITEM).unwrap();
    put(txn.as_mut(), &entries[OBJECTS / 2..]);
    assert_eq!(txn.commit().unwrap().counts.deleted, OBJECTS as u64 / 2);
    let snapshot = stores.dictionary.snapshot().unwrap();
    assert_eq!(keys(&*snapshot, chain, ITEM).len(), OBJECTS / 2);
    assert_eq!(snapshot.changed_since(chain, Revision(1), usize::MAX).unwrap().len(), OBJECTS / 2);
}

pub(super) fn who_must_not_wait_long_is_seen_by_a_load(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let network = NetworkService::new(stores.network.clone());
    let root = network.current().unwrap().chain().unwrap().id.clone();
    let group = network.create(&root, NodeLevel::Group, &"g".parse().unwrap(), "").unwrap().id;
    let shop = network.current().unwrap().shop("7").unwrap().id.clone();
    let txn = begin(&stores, chain, 1);
    assert!(!txn.is_wanted());
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| network.move_node(&shop, &group));
        let began = Instant::now();
        while !txn.is_wanted() {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody is seen to wait");
            std::thread::yield_now();
        }
        txn.rollback();
        moving.join().unwrap().unwrap();
    });
    assert_eq!(stores.dictionary.head().unwrap(), Revision(1), "the move took it");
}

pub(super) fn what_belongs_to_an_object_came_inside_it_or_names_it(home: &dyn Home) {
    let stores = home.open();
    let (chain, shop) = chain_and_shop(&stores);
    let mut txn = begin(&stores, chain, 1);
    let inside =
        vec![entry(BARCODE, "46\u{1f}a", 1), entry(BARCODE, "47\u{1f}a", 1), entry(PRICE, "46\u{1f}1\u{1f}x", 1)];
    txn.upsert_all(&[upsert(entry(ITEM, "a", 1), Some(inside))]).unwrap();
    put(txn.as_mut(), &[entry(BARCODE, "48\u{1f}a", 1), entry(BARCODE, "49\u{1f}ab", 1)]);
    txn.commit().unwrap();
    let snapshot = stores.dictionary.snapshot().unwrap();
    let of = |layer, limit| {
        let found = snapshot.belonging(layer, BARCODE, &key_of(&entry(ITEM, "a", 1)), limit).unwrap();
        let mut keys: Vec<String> = found.into_iter().map(|key| key.key.replace('\u{1f}', "/")).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    assert_eq!((of(chain, 9), of(shop, 9)), (vec!["46/a".into(), "47/a".into(), "48/a".into()], Vec::<String>::new()));
    assert!(of(chain, 1).len() <= 2);
}
