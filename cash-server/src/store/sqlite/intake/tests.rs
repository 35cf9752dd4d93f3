//! The record of loads over its SQLite file.

use super::*;
use crate::dictionary::entry::LoadCounts;
use crate::store::intake::NewWatch;
use crate::words::Language;
use std::collections::HashMap;
use tillway_exchangers::records::WarningKind;
use tillway_proto::{ExchangeStatus, Revision, TillId};

fn new_load(watch: bool) -> NewLoad {
    NewLoad {
        node: "_shop_7_00000007".parse().unwrap(),
        source: LoadSource::Folder("/in/pos1.aif".into()),
        bytes: 5,
        at: Timestamp::now(),
        watch: watch.then(|| NewWatch { server: "http://erp".to_owned(), shop: "7".to_owned() }),
        delivery: None,
        consent: Consent::No,
    }
}

fn end(state: LoadState) -> LoadEnd {
    LoadEnd {
        at: Timestamp::now(),
        state,
        counts: LoadCounts { added: 1, rejected: 2, ..LoadCounts::default() },
        revision: Some(Revision(9)),
        applies_from: Some(Revision(9)),
        reason: None,
        notices: vec![NoticeRecord { line: 3, byte: 70, ..NoticeRecord::of(Reason::worded("broken"), false) }],
        mended: Vec::new(),
        aside: None,
        held: None,
    }
}

fn journal() -> (tempfile::TempDir, IntakeDb) {
    let folder = tempfile::tempdir().unwrap();
    let db = IntakeDb::open(&folder.path().join("intake.db"), ServerId::ALONE).unwrap();
    (folder, db)
}

#[test]
fn a_load_goes_through_its_states_and_keeps_its_report() {
    let (_folder, db) = journal();
    let id = db.accept(&new_load(false)).unwrap();
    assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 1);
    db.requeue(id, &Reason::worded("disk full"), false).unwrap();
    assert_eq!(db.load(id).unwrap().unwrap().reason, Some(Reason::worded("disk full")));
    assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 1);
    db.requeue(id, &Reason::worded("died"), true).unwrap();
    assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 2);
    assert_eq!(db.unfinished().unwrap().len(), 1);
    let end = end(LoadState::ReadyWithErrors);
    db.end(id, &end).unwrap();
    let load = db.newest_of(Path::new("/in/pos1.aif")).unwrap().unwrap();
    assert_eq!((load.state, load.counts, load.revision, load.reason), (end.state, end.counts, end.revision, None));
    assert_eq!(db.rejects(id, 10).unwrap(), end.notices);
    assert_eq!(db.unfinished().unwrap(), []);
}

#[test]
fn old_loads_are_forgotten_and_those_that_are_still_needed_stay() {
    let (_folder, db) = journal();
    let watched = db.accept(&new_load(true)).unwrap();
    let ended = db.accept(&new_load(false)).unwrap();
    let waiting = db.accept(&new_load(false)).unwrap();
    let newest = db.accept(&new_load(false)).unwrap();
    for id in [watched, ended, newest] {
        db.end(id, &end(LoadState::Ready)).unwrap();
    }
    assert_eq!(db.prune(Timestamp::UNIX_EPOCH, 1, 100).unwrap(), 1);
    let left: Vec<_> = db.recent(9).unwrap().into_iter().map(|load| load.id).collect();
    assert_eq!(left, [newest, waiting, watched]);
    db.close_watch(watched).unwrap();
    assert_eq!(db.prune(Timestamp::UNIX_EPOCH, 1, 1).unwrap(), 1);
}

#[test]
fn loads_go_by_their_age_and_a_clock_that_jumps_ahead_leaves_the_newest() {
    let (_folder, db) = journal();
    for _ in 0..NEWEST_LOADS + 3 {
        let id = db.accept(&new_load(false)).unwrap();
        db.end(id, &end(LoadState::Ready)).unwrap();
    }
    let year_ahead = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 366);
    assert_eq!(db.prune(year_ahead, 100_000, 1000).unwrap(), 3);
    assert_eq!(db.prune(year_ahead, 100_000, 1000).unwrap(), 0);
}

#[test]
fn rejects_of_older_loads_are_forgotten_and_their_loads_stay() {
    let (_folder, db) = journal();
    let ids: Vec<_> = (0..4).map(|_| db.accept(&new_load(false)).unwrap()).collect();
    for id in &ids {
        db.end(*id, &end(LoadState::ReadyWithErrors)).unwrap();
    }
    assert_eq!(db.prune_rejects(2, 1).unwrap(), 1);
    assert_eq!(db.prune_rejects(2, 9).unwrap(), 1);
    assert_eq!(db.prune_rejects(2, 9).unwrap(), 0);
    let left: Vec<_> = ids.iter().map(|id| db.rejects(*id, 9).unwrap().len()).collect();
    assert_eq!((left, db.recent(9).unwrap().len()), (vec![0, 0, 1, 1], 4));
}

#[test]
fn a_refused_load_is_repeated_once() {
    let (_folder, db) = journal();
    let refused = db.accept(&new_load(false)).unwrap();
    let end = LoadEnd { aside: Some("kept".to_owned()), ..end(LoadState::Error) };
    db.end(refused, &end).unwrap();
    assert_eq!(db.refused(9).unwrap()[0].aside.as_deref(), Some("kept"));
    let source = LoadSource::Rest { body: "b".to_owned(), dictionary_id: None, retry_of: Some(refused) };
    let again = NewLoad { source: source.clone(), ..new_load(false) };
    let id = db.accept_again(refused, &again, &AuditLine::any()).unwrap().unwrap();
    assert_eq!(db.accept_again(refused, &again, &AuditLine::any()).unwrap(), None);
    assert_eq!((db.refused(9).unwrap(), db.load(id).unwrap().unwrap().source), (vec![], source));
}

#[test]
fn what_was_told_is_remembered_until_the_watch_is_closed() {
    let (_folder, db) = journal();
    let id = db.accept(&new_load(true)).unwrap();
    let till: TillId = "_cash_1_00000001".parse().unwrap();
    db.note_told(id, &Told::Opened("s1".to_owned())).unwrap();
    db.note_told(id, &Told::Load(ExchangeStatus::Ready)).unwrap();
    db.note_told(id, &Told::Till(till.clone(), ExchangeStatus::ReadyWithError)).unwrap();
    let watch = db.open_watches(0, 9).unwrap().remove(0);
    assert_eq!((watch.state_id.as_deref(), watch.load_told), (Some("s1"), Some(ExchangeStatus::Ready)));
    assert_eq!(watch.tills_told, HashMap::from([(till.clone(), ExchangeStatus::ReadyWithError)]));
    db.close_watch(id).unwrap();
    db.note_told(id, &Told::Till(till, ExchangeStatus::Ready)).unwrap();
    assert_eq!(db.open_watches(0, 9).unwrap(), []);
}

fn notice(line: u64, key: Option<&str>, warning: Option<WarningKind>) -> NoticeRecord {
    let object = key.map(|key| (1, key.to_owned()));
    let (is_warning, reason) =
        (warning.is_some(), warning.map_or_else(|| Reason::worded("why"), |kind| Reason::of(&kind)));
    NoticeRecord { line, object, ..NoticeRecord::of(reason, is_warning) }
}

/// Ends a new load with these notices, and these objects without a fault.
fn load_with(db: &IntakeDb, notices: Vec<NoticeRecord>, mended: &[&str]) {
    let id = db.accept(&new_load(false)).unwrap();
    let mended = mended.iter().map(|key| (1, (*key).to_owned())).collect();
    db.end(id, &LoadEnd { notices, mended, ..end(LoadState::ReadyWithErrors) }).unwrap();
}

fn lines(db: &IntakeDb) -> Vec<u64> {
    db.open_notices(99).unwrap().into_iter().rev().map(|open| open.notice.line).collect()
}

#[test]
fn a_notice_stays_until_it_was_seen_or_its_object_came_again() {
    let (_folder, db) = journal();
    let warning = Some(WarningKind::NegativePrice);
    load_with(
        &db,
        vec![notice(1, Some("X1"), None), notice(2, Some("X2"), warning.clone()), notice(3, None, None)],
        &[],
    );
    load_with(&db, Vec::new(), &["Y1"]);
    assert_eq!((lines(&db), db.count_notices().unwrap()), (vec![1, 2, 3], (2, 1)));
    load_with(&db, Vec::new(), &["X1"]);
    assert_eq!(lines(&db), [2, 3]);
    let ids: Vec<i64> = db.open_notices(9).unwrap().iter().map(|open| open.id).collect();
    assert_eq!(db.see_notices(&ids, None, Timestamp::now(), &AuditLine::any()).unwrap(), 2);
    assert_eq!(db.see_notices(&ids, None, Timestamp::now(), &AuditLine::any()).unwrap(), 0);
    // The same warning was seen; a reject is news each time.
    load_with(&db, vec![notice(12, Some("X2"), warning.clone()), notice(13, None, None)], &[]);
    assert_eq!(lines(&db), [13]);
    // Once the object came without it, it is a new one.
    load_with(&db, Vec::new(), &["X2"]);
    load_with(&db, vec![notice(22, Some("X2"), warning)], &[]);
    assert_eq!(lines(&db), [13, 22]);
    let node = "_shop_7_00000007".parse().unwrap();
    assert_eq!(db.noticed_objects(&node).unwrap(), [(1, "X2".to_owned())]);
    assert_eq!(db.see_notices(&[], Some(i64::MAX), Timestamp::now(), &AuditLine::any()).unwrap(), 2);
}

#[test]
fn the_same_fault_is_one_notice_and_the_oldest_go_beyond_the_limit() {
    let (_folder, db) = journal();
    for line in [1, 2] {
        load_with(&db, vec![notice(line, Some("X"), None)], &[]);
    }
    assert_eq!(lines(&db), [2]);
    let many = |from: u64| (from..from + 3_000).map(|n| notice(n, Some(&n.to_string()), None)).collect();
    load_with(&db, many(10_000), &[]);
    load_with(&db, many(20_000), &[]);
    assert_eq!(db.count_notices().unwrap(), (u64::from(crate::store::intake::MAX_NOTICES), 0));
    let mended = NoticeRecord { mended: true, ..notice(7, Some("Z"), None) };
    load_with(&db, vec![mended], &[]);
    assert_eq!(lines(&db).last(), Some(&22_999));
}

#[test]
fn what_a_refused_load_rejected_is_no_notice() {
    let (_folder, db) = journal();
    let id = db.accept(&new_load(false)).unwrap();
    db.end(id, &LoadEnd { notices: vec![notice(1, None, None)], ..end(LoadState::Error) }).unwrap();
    assert_eq!(lines(&db), [0; 0]);
    assert_eq!(db.rejects(id, 9).unwrap().len(), 1);
}

#[test]
fn what_an_older_server_wrote_as_a_sentence_is_told_as_it_was_worded() {
    let (_folder, db) = journal();
    let id = db.accept(&new_load(false)).unwrap();
    db.database()
        .writer()
        .execute_batch(
            "UPDATE load SET state = 'error', reason = 'the whole load is refused: x';
             INSERT INTO reject(load, n, line, byte, reason) VALUES (1, 0, 7, 1, 'price `x` is not a number');
             INSERT INTO reject(load, n, line, byte, reason, warning) VALUES
                 (1, 1, 8, 2, 'the text has 250 characters and was cut to 200', '{\"what\":\"text-cut\",\"chars\":250,\"max\":200}'),
                 (1, 2, 9, 3, 'the value was left out: y', '{\"what\":\"value-left-out\",\"reason\":\"y\"}');",
        )
        .unwrap();
    let reason = db.load(id).unwrap().unwrap().reason.unwrap();
    assert_eq!((reason.kind(), crate::words::in_english(&reason).as_str()), ("worded", "the whole load is refused: x"));
    let reject = db.rejects(id, 9).unwrap().remove(0).reason;
    assert_eq!(reject, Reason::worded("price `x` is not a number"));
    let warnings = db.warnings(id, 9).unwrap();
    assert_eq!(warnings[0].reason, Reason::of(&WarningKind::TextCut { chars: 250, max: 200 }));
    let russian = crate::words::of(Language::Russian);
    assert_eq!(russian.reason(&warnings[0].reason), "в тексте 250 символов, он обрезан до 200");
    assert_eq!(russian.reason(&warnings[1].reason), "значение пропущено: y");
}
