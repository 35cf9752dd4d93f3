//! Sales: the mark and what it stands for move together, each receipt counts once.

use super::{Home, at_once, server};
use crate::sales::spool::Position;
use crate::sales::tests::{any_shift, incoming, now, other_till, sale, shop, till};
use crate::store::sales::{
    FindingFilter, FindingKind, FindingReason, Incoming, Loaded, NewFinding, Page, SalesStore, StreamNote, TotalsBy,
    TotalsFilter,
};
use jiff::{SignedDuration, Timestamp};

const START: Position = Position { segment: 0, offset: 0 };

fn at(offset: u64) -> Position {
    Position { segment: 1, offset }
}

fn receipts(numbers: impl IntoIterator<Item = u64>) -> Vec<Incoming> {
    vec![incoming(numbers.into_iter().map(|number| sale(&till(), 1, number)).collect(), vec![])]
}

fn count(store: &dyn SalesStore) -> i64 {
    store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap().first().map_or(0, |total| total.receipts)
}

fn numbers(store: &dyn SalesStore, page: Page) -> Vec<u64> {
    store.receipts(&till(), any_shift(1), page).unwrap().into_iter().map(|receipt| receipt.number.0).collect()
}

pub(super) fn the_mark_moves_with_what_is_loaded_or_not_at_all(home: &dyn Home) {
    let store = home.open().sales;
    assert_eq!(store.position().unwrap(), START);
    store.load(START, at(10), &receipts([1]), now()).unwrap();
    // The mark has moved on: whoever still has the one before loads nothing.
    assert!(store.load(START, at(20), &receipts([2]), now()).is_err());
    assert!(store.load(at(9), at(20), &receipts([2]), now()).is_err());
    assert_eq!((store.position().unwrap(), numbers(store.as_ref(), Page::default())), (at(10), vec![1]));
    drop(store);
    let store = home.open().sales;
    assert_eq!((store.position().unwrap(), count(store.as_ref())), (at(10), 1));
    store.load(at(10), Position { segment: 2, offset: 0 }, &receipts([2]), now()).unwrap();
    assert_eq!(home.open().sales.position().unwrap(), Position { segment: 2, offset: 0 });
}

pub(super) fn of_two_who_load_the_same_one_does_and_nothing_is_loaded_twice(home: &dyn Home) {
    let stores = [home.open().sales, home.open().sales];
    let loaded = at_once(6, |n| stores[n % 2].load(START, at(10), &receipts(1..=20), now()).is_ok());
    assert_eq!(loaded.into_iter().filter(|loaded| *loaded).count(), 1);
    for store in &stores {
        assert_eq!((store.position().unwrap(), count(store.as_ref())), (at(10), 20));
    }
}

pub(super) fn each_server_has_a_mark_of_its_own_and_all_have_the_same_receipts(home: &dyn Home) {
    let [one, other] = [1, 2].map(|number| home.open_for(server(number)).sales);
    one.load(START, at(10), &receipts([1, 2]), now()).unwrap();
    assert_eq!((one.position().unwrap(), other.position().unwrap()), (at(10), START));
    // A till that changed to the other server before it was answered sends a receipt there as
    // well.
    assert_eq!(
        other.load(START, at(7), &receipts([2, 3]), now()).unwrap(),
        Loaded { added: 1, same: 1, ..Loaded::default() }
    );
    assert_eq!((one.position().unwrap(), other.position().unwrap()), (at(10), at(7)));
    assert_eq!((count(one.as_ref()), count(other.as_ref())), (3, 3));
    assert_eq!(home.open_for(server(1)).sales.position().unwrap(), at(10));
}

pub(super) fn a_receipt_counts_once_however_often_it_comes(home: &dyn Home) {
    let store = home.open().sales;
    let twice = store.load(START, at(10), &receipts([1, 2, 1]), now()).unwrap();
    assert_eq!(twice, Loaded { added: 2, same: 1, ..Loaded::default() }, "within one batch");
    let again = store.load(at(10), at(20), &[receipts([2]), receipts([3, 2])].concat(), now()).unwrap();
    assert_eq!(again, Loaded { added: 1, same: 2, ..Loaded::default() });
    let mut other = sale(&till(), 1, 1);
    other.sum += 1;
    let conflict = store.load(at(20), at(30), &[incoming(vec![other], vec![])], now()).unwrap();
    assert_eq!(conflict, Loaded { conflicting: 1, ..Loaded::default() });
    let total = &store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0];
    assert_eq!((total.receipts, total.counted.sale_sum.0), (3, 150 + 250 + 350), "the first stays");
    let documents = store.documents(&till(), any_shift(1), Page::default()).unwrap();
    assert_eq!(documents, [1, 2, 3].map(|number| sale(&till(), 1, number)), "each as it came");
    assert_eq!(store.held(&till(), any_shift(1)).unwrap().receipts.len(), 3);
}

pub(super) fn a_batch_of_none_moves_the_mark_and_nothing_else(home: &dyn Home) {
    let store = home.open().sales;
    assert_eq!(store.load(START, at(10), &[], now()).unwrap(), Loaded::default());
    assert_eq!(store.load(at(10), at(20), &receipts([]), now()).unwrap(), Loaded::default());
    assert_eq!((store.position().unwrap(), count(store.as_ref())), (at(20), 0));
    assert_eq!(store.note_streams(&[]).unwrap(), []);
}

pub(super) fn thousands_of_receipts_are_one_batch(home: &dyn Home) {
    let store = home.open().sales;
    assert_eq!(store.load(START, at(10), &receipts(1..=3_000), now()).unwrap().added, 3_000);
    assert_eq!(store.load(at(10), at(20), &receipts(1..=3_000), now()).unwrap().same, 3_000);
    assert_eq!(count(store.as_ref()), 3_000);
    assert_eq!(store.held(&till(), any_shift(1)).unwrap().receipts.len(), 3_000);
}

pub(super) fn receipts_come_by_number_and_findings_newest_first(home: &dyn Home) {
    let store = home.open().sales;
    store.load(START, at(10), &receipts([10, 9, 2, 100, 1]), now()).unwrap();
    let page = |offset, limit| numbers(store.as_ref(), Page { offset, limit });
    assert_eq!(page(0, 99), [1, 2, 9, 10, 100], "by number, not by text");
    assert_eq!((page(0, 2), page(2, 2), page(4, 2), page(6, 2)), (vec![1, 2], vec![9, 10], vec![100], vec![]));
    for seconds in [2, 0, 1] {
        store.add_finding(&finding(&seconds.to_string(), seconds)).unwrap();
    }
    let subjects = |offset, limit| {
        let found = store.findings(&FindingFilter::default(), Page { offset, limit }).unwrap();
        found.into_iter().map(|finding| finding.subject).collect::<Vec<_>>()
    };
    assert_eq!((subjects(0, 2), subjects(2, 2)), (vec!["2".to_owned(), "1".to_owned()], vec!["0".to_owned()]));
}

fn finding(subject: &str, seconds: i64) -> NewFinding {
    NewFinding {
        reason: FindingReason::SpoolDamaged { bytes: 7 },
        till: None,
        shift: None,
        subject: subject.to_owned(),
        at: after(seconds),
    }
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(super) fn a_finding_that_comes_again_is_counted_and_one_that_is_closed_is_new(home: &dyn Home) {
    let store = home.open().sales;
    let of = |subject: &str| {
        let all = home.open().sales.findings(&FindingFilter::default(), Page::default()).unwrap();
        all.into_iter().find(|finding| finding.subject == subject).unwrap()
    };
    store.add_finding(&finding("one", 0)).unwrap();
    store.add_finding(&finding("One", 0)).unwrap();
    store.add_finding(&finding("one", 5)).unwrap();
    let found = of("one");
    assert_eq!((found.times, found.first_seen, found.last_seen, found.resolved_at), (2, now(), after(5), None));
    let line = tillway_service::audit::AuditLine::any();
    assert!(store.resolve_finding(found.id, after(6), &line).unwrap());
    assert!(!store.resolve_finding(found.id, after(7), &line).unwrap());
    assert!(!store.resolve_finding(found.id + 1_000, after(7), &line).unwrap());
    assert_eq!(of("one").resolved_at, Some(after(6)));
    store.close_finding(FindingKind::SpoolDamaged, None, "no such", after(7)).unwrap();
    store.close_finding(FindingKind::SpoolDamaged, None, "One", after(8)).unwrap();
    assert_eq!(of("One").resolved_at, Some(after(8)));
    store.add_finding(&finding("one", 9)).unwrap();
    assert_eq!((of("one").id, of("one").resolved_at), (found.id, None), "it is open again");
}

pub(super) fn streams_are_noted_all_together(home: &dyn Home) {
    let store = home.open().sales;
    let note = |till: tillway_proto::TillId, instance: &str, seconds| StreamNote {
        till,
        shop: shop(),
        instance: instance.to_owned(),
        agent_version: "1".to_owned(),
        at: after(seconds),
    };
    assert_eq!(store.note_streams(&[note(till(), "a", 0), note(other_till(), "x", 0)]).unwrap(), [None, None]);
    let again = [note(till(), "b", 1), note(other_till(), "x", 1), note(till(), "b", 2)];
    assert_eq!(store.note_streams(&again).unwrap(), [Some("a".to_owned()), None, None], "each after those before it");
    let states = home.open().sales.till_states().unwrap();
    assert_eq!(states.len(), 2);
    let state = states.iter().find(|state| state.till == till()).unwrap();
    assert_eq!((state.instance.as_str(), state.last_stream_at), ("b", Some(after(2))));
}
