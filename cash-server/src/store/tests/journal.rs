//! The record of loads: ids, restarts, order, what is told once.

use super::{Home, at_once, server};
use crate::dictionary::entry::LoadCounts;
use crate::store::intake::{
    Consent, LoadEnd, LoadJournal, LoadSource, LoadState, NewLoad, NewWatch, NoticeRecord, Told,
};
use crate::words::Reason;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use tillway_proto::{ExchangeStatus, LoadId, NodeId, Revision, TillId};
use tillway_service::audit::AuditLine;

fn node() -> NodeId {
    "_shop_7_00000007".parse().unwrap()
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn new_load(name: &str) -> NewLoad {
    NewLoad {
        node: node(),
        source: LoadSource::Folder(format!("/in/{name}.aif").into()),
        bytes: 5,
        at: now(),
        watch: None,
        delivery: None,
        consent: Consent::No,
    }
}

fn end(state: LoadState, notices: Vec<NoticeRecord>) -> LoadEnd {
    LoadEnd {
        at: now(),
        state,
        counts: LoadCounts { added: 1, rejected: 2, ..LoadCounts::default() },
        revision: Some(Revision(9)),
        applies_from: Some(Revision(9)),
        reason: None,
        notices,
        mended: Vec::new(),
        aside: None,
        held: None,
    }
}

fn notice(line: u64, key: &str) -> NoticeRecord {
    let broken = NoticeRecord::of(Reason::worded("broken"), false);
    NoticeRecord { line, object: Some((1, key.to_owned())), ..broken }
}

pub(super) fn ids_are_unique_whoever_takes_loads_in_and_are_never_given_again(home: &dyn Home) {
    const WRITERS: usize = 4;
    const LOADS: usize = 20;
    let stores = [home.open().journal, home.open().journal];
    let ids = at_once(WRITERS, |n| {
        let one = |load| stores[n % 2].accept(&new_load(&format!("{n}-{load}"))).unwrap();
        let ids: Vec<_> = (0..LOADS).map(one).collect();
        assert!(ids.is_sorted_by(|one, next| one.0 < next.0), "{ids:?}");
        ids
    });
    let unique: BTreeSet<i64> = ids.into_iter().flatten().map(|id| id.0).collect();
    assert_eq!(unique.len(), WRITERS * LOADS);
    let newest = *unique.last().unwrap();
    for id in &unique {
        stores[0].end(LoadId(*id), &end(LoadState::Ready, Vec::new())).unwrap();
    }
    while stores[0].prune(now() + SignedDuration::from_hours(1), 0, 30).unwrap() > 0 {}
    drop(stores);
    let journal = home.open().journal;
    assert!(journal.accept(&new_load("later")).unwrap().0 > newest, "not even after all are forgotten");
}

pub(super) fn a_load_that_was_taken_in_is_there_after_a_restart(home: &dyn Home) {
    let journal = home.open().journal;
    let (id, other) = (journal.accept(&new_load("a")).unwrap(), journal.accept(&new_load("b")).unwrap());
    assert_eq!(journal.begin(id, now()).unwrap(), 1);
    journal.requeue(id, &Reason::worded("full"), false).unwrap();
    assert_eq!((journal.begin(id, now()).unwrap(), journal.begin(id, now()).unwrap()), (1, 2), "tries count");
    drop(journal);
    let journal = home.open().journal;
    let load = journal.load(id).unwrap().unwrap();
    assert_eq!((load.state, load.started_at, load.source), (LoadState::Running, Some(now()), new_load("a").source));
    journal.end(id, &end(LoadState::ReadyWithErrors, vec![notice(3, "x"), notice(4, "y")])).unwrap();
    let journal = home.open().journal;
    let load = journal.newest_of(Path::new("/in/a.aif")).unwrap().unwrap();
    assert_eq!((load.id, load.state, load.revision), (id, LoadState::ReadyWithErrors, Some(Revision(9))));
    let lines = |limit| journal.rejects(id, limit).unwrap().into_iter().map(|reject| reject.line).collect::<Vec<_>>();
    assert_eq!((lines(9), lines(1)), (vec![3, 4], vec![3]));
    assert_eq!(journal.load(other).unwrap().unwrap().state, LoadState::Queued);
    assert_eq!(journal.newest_of(Path::new("/in/A.aif")).unwrap(), None);
    assert_eq!(journal.load(LoadId(999)).unwrap(), None);
}

pub(super) fn what_has_not_ended_comes_oldest_first(home: &dyn Home) {
    let journal = home.open().journal;
    let ids: Vec<_> = ["c", "a", "b"].map(|name| journal.accept(&new_load(name)).unwrap()).into();
    journal.begin(ids[2], now()).unwrap();
    let listed =
        |loads: Vec<crate::store::intake::LoadRecord>| loads.into_iter().map(|load| load.id).collect::<Vec<_>>();
    assert_eq!(listed(journal.unfinished().unwrap()), ids);
    assert_eq!(listed(journal.recent(2).unwrap()), [ids[2], ids[1]], "newest first");
    journal.end(ids[0], &end(LoadState::Ready, Vec::new())).unwrap();
    assert_eq!(listed(journal.unfinished().unwrap()), ids[1..]);
}

pub(super) fn a_load_is_worked_on_by_the_server_that_took_it_in(home: &dyn Home) {
    let [one, other] = [1, 2].map(|number| home.open_for(server(number)).journal);
    // Both have a file of this name, each in its own folder.
    let ids = [&one, &other, &one].map(|journal| journal.accept(&new_load("a")).unwrap());
    assert_eq!(other.load(ids[0]).unwrap().unwrap().server, server(1), "every server sees whose it is");
    let listed =
        |journal: &dyn LoadJournal| journal.unfinished().unwrap().into_iter().map(|load| load.id).collect::<Vec<_>>();
    assert_eq!((listed(one.as_ref()), listed(other.as_ref())), (vec![ids[0], ids[2]], vec![ids[1]]));
    let newest = |journal: &dyn LoadJournal| journal.newest_of(Path::new("/in/a.aif")).unwrap().map(|load| load.id);
    assert_eq!((newest(one.as_ref()), newest(other.as_ref())), (Some(ids[2]), Some(ids[1])));
    assert_eq!(one.recent(9).unwrap().len(), 3, "lists show those of all");
    // A file that is handed over anew settles what became of it before on its own server alone.
    let aside = LoadEnd { aside: Some("/in/a.aif".to_owned()), ..end(LoadState::Error, Vec::new()) };
    for id in ids {
        one.end(id, &aside).unwrap();
    }
    other.accept(&new_load("a")).unwrap();
    assert_eq!(one.refused(9).unwrap().iter().map(|load| load.id).collect::<Vec<_>>(), [ids[2], ids[0]]);
}

pub(super) fn notices_are_bounded_and_seen_once(home: &dyn Home) {
    const BROKEN: u64 = 2_000;
    let journal = home.open().journal;
    for _ in 0..4 {
        let id = journal.accept(&new_load("a")).unwrap();
        let notices = (0..BROKEN).map(|line| notice(line, &format!("{}-{line}", id.0))).collect();
        journal.end(id, &end(LoadState::ReadyWithErrors, notices)).unwrap();
    }
    let kept = journal.count_notices().unwrap().0;
    assert_eq!(kept, u64::from(crate::store::intake::MAX_NOTICES));
    let newest = journal.open_notices(3).unwrap();
    assert!(newest.is_sorted_by(|one, next| one.id > next.id), "newest first");
    let ids: Vec<_> = newest.iter().map(|notice| notice.id).collect();
    let twice = [ids.clone(), ids.clone()].concat();
    assert_eq!(journal.see_notices(&twice, None, now(), &AuditLine::any()).unwrap(), 3);
    assert_eq!(journal.see_notices(&ids, None, now(), &AuditLine::any()).unwrap(), 0);
    assert_eq!(journal.see_notices(&[], Some(ids[0]), now(), &AuditLine::any()).unwrap(), kept - 3);
    assert_eq!(journal.count_notices().unwrap(), (0, 0));
    let id = journal.accept(&new_load("a")).unwrap();
    let object = journal.noticed_objects(&node()).unwrap()[0].clone();
    let mended = LoadEnd { mended: vec![object.clone()], ..end(LoadState::Ready, Vec::new()) };
    journal.end(id, &mended).unwrap();
    assert!(!journal.noticed_objects(&node()).unwrap().contains(&object), "a load brought it without the fault");
}

pub(super) fn a_load_is_repeated_by_one_who_asks_and_no_other(home: &dyn Home) {
    let stores = [home.open().journal, home.open().journal];
    let refused = stores[0].accept(&new_load("a")).unwrap();
    let kept = LoadEnd { aside: Some("kept".to_owned()), ..end(LoadState::Error, Vec::new()) };
    stores[0].end(refused, &kept).unwrap();
    let source = LoadSource::Rest { body: "b".to_owned(), dictionary_id: None, retry_of: Some(refused) };
    let again = NewLoad { source, ..new_load("a") };
    let taken = at_once(4, |n| stores[n % 2].accept_again(refused, &again, &AuditLine::any()).unwrap());
    assert_eq!(taken.into_iter().flatten().count(), 1);
    assert_eq!((stores[1].refused(9).unwrap(), stores[1].unfinished().unwrap().len()), (vec![], 1));
    // A held one is refused by one who asks, and replaced by a newer one of the same kind.
    let held = |journal: &dyn LoadJournal, clears: &str| {
        let id = journal.accept(&new_load(clears)).unwrap();
        let held = Some(crate::store::intake::Held { at: Revision(1), clears: Some(clears.to_owned()) });
        journal.end(id, &LoadEnd { held, ..end(LoadState::Held, Vec::new()) }).unwrap();
        id
    };
    let (first, second) = (held(stores[0].as_ref(), "clearItems"), held(stores[0].as_ref(), "clearUnits"));
    let by = stores[1].accept(&new_load("new")).unwrap();
    let replaced = stores[1].replace_held(by, &node(), "clearItems").unwrap();
    assert_eq!(replaced.iter().map(|load| (load.id, load.state)).collect::<Vec<_>>(), [(first, LoadState::Held)]);
    assert_eq!(stores[0].replace_held(by, &node(), "clearItems").unwrap(), []);
    let told = at_once(4, |n| stores[n % 2].refuse_held(second, &AuditLine::any()).unwrap());
    assert_eq!(told.into_iter().filter(|refused| *refused).count(), 1);
}

pub(super) fn what_a_status_server_took_is_remembered(home: &dyn Home) {
    let journal = home.open().journal;
    let watch = |server: &str| Some(NewWatch { server: server.to_owned(), shop: "7".to_owned() });
    let ids = ["http://a", "http://a", "http://b"]
        .map(|server| journal.accept(&NewLoad { watch: watch(server), ..new_load("a") }).unwrap());
    let order = |skip, limit| {
        let watches = home.open().journal.open_watches(skip, limit).unwrap();
        watches.into_iter().map(|watch| watch.load).collect::<Vec<_>>()
    };
    assert_eq!(order(0, 9), [ids[0], ids[2], ids[1]], "the oldest of each server first");
    assert_eq!((order(1, 1), order(3, 9)), (vec![ids[2]], vec![]));
    let till: TillId = "_cash_1_00000001".parse().unwrap();
    let told = [
        Told::Opened("77".to_owned()),
        Told::Load(ExchangeStatus::During),
        Told::Till(till.clone(), ExchangeStatus::During),
        Told::Till(till.clone(), ExchangeStatus::Ready),
    ];
    for told in &told {
        journal.note_told(ids[0], told).unwrap();
    }
    let known = home.open().journal.open_watches(0, 1).unwrap().remove(0);
    assert_eq!((known.state_id.as_deref(), known.load_told), (Some("77"), Some(ExchangeStatus::During)));
    assert_eq!(known.tills_told, HashMap::from([(till.clone(), ExchangeStatus::Ready)]));
    journal.close_watch(ids[0]).unwrap();
    journal.note_told(ids[0], &Told::Till(till, ExchangeStatus::Error)).unwrap();
    assert_eq!(order(0, 9), [ids[1], ids[2]]);
}

pub(super) fn loads_are_counted_by_the_hour_in_which_they_came(home: &dyn Home) {
    let journal = home.open().journal;
    let other: NodeId = "_shop_8_00000008".parse().unwrap();
    for (minutes, of) in [(0, node()), (10, node()), (50, other.clone()), (120, other.clone())] {
        let load = NewLoad { at: now() + SignedDuration::from_mins(minutes), node: of, ..new_load("a") };
        journal.accept(&load).unwrap();
    }
    let hour = |hours: i64| "2026-01-02T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours);
    let told = |from, of: Option<&[NodeId]>| journal.loads_by_hour(from, of).unwrap();
    assert_eq!(told(now(), None), [(hour(0), 3), (hour(2), 1)], "the hour that has begun counts whole");
    assert_eq!(told(hour(1), None), [(hour(2), 1)]);
    assert_eq!(told(now(), Some(&[node()])), [(hour(0), 2)]);
    assert_eq!(told(now(), Some(&[node(), other])), [(hour(0), 3), (hour(2), 1)]);
    assert_eq!(told(now(), Some(&[])), []);
}
