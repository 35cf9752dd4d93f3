//! The store: each receipt once, the check kept true, findings.

use crate::words::{Language, Reason};
use jiff::ToSpan;
use jiff::civil::Date;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::{MAX_AMOUNT, v1};
use tokio_util::sync::CancellationToken;

use super::{any_shift, closed_shift, incoming, now, open_store, sale, sale_in, shop, till};
use crate::sales::check::Verdict;
use crate::sales::run::{Retention, prune};
use crate::sales::spool::Position;
use crate::store::sales::{
    FindingFilter, FindingKind, FindingReason, NewFinding, Page, Refused, SalesStore, ShiftFilter, ShiftView,
    StreamNote, TotalsBy, TotalsFilter,
};
use crate::store::sqlite::sales::SqliteSales;

/// When [`closed_shift`] opened.
const MORNING: &str = "2017-02-28T09:00:00";

const START: Position = Position { segment: 0, offset: 0 };

fn at(offset: u64) -> Position {
    Position { segment: 1, offset }
}

fn only_shift(store: &SqliteSales) -> ShiftView {
    let shifts = store.shifts(&ShiftFilter::default(), Page::default()).unwrap();
    assert_eq!(shifts.len(), 1, "{shifts:?}");
    shifts.into_iter().next().unwrap()
}

fn open_findings(store: &SqliteSales) -> Vec<String> {
    let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
    store.findings(&filter, Page::default()).unwrap().into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_receipt_that_comes_twice_is_there_once_and_reads_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let documents = vec![sale(&till(), 1, 1), sale(&till(), 1, 2)];
    let loaded = store.load(START, at(10), &[incoming(documents.clone(), vec![])], now()).unwrap();
    assert_eq!((loaded.added, loaded.same), (2, 0));
    let again = store.load(at(10), at(20), &[incoming(documents.clone(), vec![])], now()).unwrap();
    assert_eq!((again.added, again.same, again.conflicting), (0, 2, 0));
    assert_eq!(store.documents(&till(), any_shift(1), Page::default()).unwrap(), documents);
    let total = &store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0];
    assert_eq!((total.receipts, total.lines, total.counted.sale_sum.0), (2, 2, 150 + 250));
    assert_eq!(store.position().unwrap(), at(20));
}

#[test]
fn a_shift_is_in_the_future_where_its_times_have_come_nowhere_yet() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    store.load(START, at(10), &[incoming(vec![sale(&till(), 1, 1)], vec![])], now()).unwrap();
    let shift = only_shift(&store);
    // Where the day begins first it is 14 hours later than by UTC.
    let there = jiff::tz::offset(14).to_timestamp(shift.began.max(shift.ended).unwrap()).unwrap();
    assert!(!shift.is_in_future(there));
    assert!(shift.is_in_future(there - 1.second()));
    assert!(!shift.is_in_future(there + 10.hours()), "a till in another zone than this server's");
}

#[test]
fn a_till_row_id_that_changed_is_no_conflict_but_another_sum_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let mut document = sale(&till(), 1, 1);
    store.load(START, at(10), &[incoming(vec![document.clone()], vec![])], now()).unwrap();
    document.document_id = 99;
    assert_eq!(store.load(at(10), at(20), &[incoming(vec![document.clone()], vec![])], now()).unwrap().same, 1);
    document.sum += 1;
    let loaded = store.load(at(20), at(30), &[incoming(vec![document], vec![])], now()).unwrap();
    assert_eq!(loaded.conflicting, 1);
    assert_eq!(open_findings(&store), ["receipt-conflict"]);
    assert_eq!(store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].counted.sale_sum.0, 150);
}

#[test]
fn two_receipts_of_one_number_are_both_there_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let first = sale(&till(), 1, 1);
    let mut second = first.clone();
    second.key.as_mut().unwrap().uuid = vec![9; 16];
    store.load(START, at(10), &[incoming(vec![first, second], vec![closed_shift(&till(), 1, 1..=1)])], now()).unwrap();
    let shift = only_shift(&store);
    assert_eq!((shift.outcome.verdict, shift.outcome.doubled), (Verdict::Differs, vec![1]));
    let mut kinds = open_findings(&store);
    kinds.sort();
    assert_eq!(kinds, ["numbers-again", "shift-differs"]);
}

#[test]
fn a_till_restored_from_an_old_image_loses_no_receipt_and_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let before: Vec<_> = (1..=5).map(|number| sale(&till(), 1, number)).collect();
    store.load(START, at(10), &[incoming(before, vec![])], now()).unwrap();
    // The image is of after receipt 2: the numbers 3 to 5 are given again.
    let after: Vec<_> = (3..=5)
        .map(|number| {
            let mut document = sale(&till(), 1, number);
            document.key.as_mut().unwrap().uuid = vec![u8::try_from(number).unwrap(); 16];
            document
        })
        .collect();
    let loaded = store.load(at(10), at(20), &[incoming(after.clone(), vec![])], now()).unwrap();
    assert_eq!((loaded.added, loaded.same, loaded.conflicting), (3, 0, 0), "none is taken for an old one");
    store.load(at(20), at(30), &[incoming(after, vec![])], now()).unwrap();
    let held = store.held(&till(), any_shift(1)).unwrap();
    assert_eq!(held.receipts.len(), 8, "the till is told of each by number and UUID");
    let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    let again: Vec<_> = findings.iter().filter(|finding| finding.kind == "numbers-again").collect();
    assert_eq!((again.len(), again[0].shift), (1, Some(ShiftNumber(1))));
    assert!(
        crate::words::in_english(&again[0].reason).contains("old image"),
        "{}",
        crate::words::in_english(&again[0].reason)
    );
}

#[test]
fn the_check_follows_what_arrives_and_its_finding_closes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![])], now()).unwrap();
    assert_eq!(only_shift(&store).outcome.verdict, Verdict::Open);
    store.load(at(1), at(2), &[incoming(vec![], vec![closed_shift(&till(), 1, 1..=3)])], now()).unwrap();
    assert_eq!(only_shift(&store).outcome.verdict, Verdict::Waiting);
    assert_eq!(store.recheck_waiting(now()).unwrap(), 0);
    let late = now().checked_add(3.hours()).unwrap();
    assert_eq!(store.recheck_waiting(late).unwrap(), 1);
    assert_eq!(only_shift(&store).outcome.verdict, Verdict::Differs);
    assert_eq!(open_findings(&store), ["shift-differs"]);
    store.load(at(2), at(3), &[incoming(vec![sale(&till(), 1, 3), sale(&till(), 1, 2)], vec![])], late).unwrap();
    let shift = only_shift(&store);
    assert_eq!((shift.outcome.verdict, shift.server_documents), (Verdict::Ok, 3));
    assert!(open_findings(&store).is_empty());
    assert!(store.held(&till(), any_shift(1)).unwrap().closed);
    assert_eq!(store.last_receipt_time(&till()).unwrap().unwrap().to_string(), "2017-02-28T10:03:30");
}

#[test]
fn an_open_record_does_not_replace_a_closed_one_and_other_figures_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let closed = closed_shift(&till(), 1, 1..=1);
    let mut open = closed.clone();
    open.time_end.clear();
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![closed.clone(), open])], now()).unwrap();
    assert_eq!(only_shift(&store).outcome.verdict, Verdict::Ok);
    let mut other = closed;
    other.recorded_sale_sum += 100;
    store.load(at(1), at(2), &[incoming(vec![], vec![other])], now()).unwrap();
    let mut kinds = open_findings(&store);
    kinds.sort();
    assert_eq!(kinds, ["shift-changed", "shift-differs"]);
}

#[test]
fn a_record_that_was_corrected_closes_what_was_found_about_its_change() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let right = closed_shift(&till(), 1, 1..=1);
    let wrong = v1::Shift { recorded_sale_sum: right.recorded_sale_sum + 100, ..right.clone() };
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![wrong.clone()])], now()).unwrap();
    assert_eq!(open_findings(&store), ["shift-differs"]);
    // All agree now: the change was the correction.
    store.load(at(1), at(2), &[incoming(vec![], vec![right.clone()])], now()).unwrap();
    assert_eq!((only_shift(&store).outcome.verdict, open_findings(&store)), (Verdict::Ok, vec![]));
    // A right one that is changed again stays open until it is right again.
    store.load(at(2), at(3), &[incoming(vec![], vec![wrong])], now()).unwrap();
    let mut kinds = open_findings(&store);
    kinds.sort();
    assert_eq!(kinds, ["shift-changed", "shift-differs"]);
    store.load(at(3), at(4), &[incoming(vec![], vec![right])], now()).unwrap();
    assert!(open_findings(&store).is_empty());
}

#[test]
fn what_was_found_about_two_machines_closes_when_one_alone_has_sent_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let stream = |instance: &str, hours: i64| {
        let at = now().checked_add(hours.hours()).unwrap();
        let (instance, agent_version) = (instance.to_owned(), "1".to_owned());
        store.note_streams(&[StreamNote { till: till(), shop: shop(), instance, agent_version, at }]).unwrap()
    };
    let found = |kind: FindingKind, hours: i64| {
        let (instance, other) = ("one".to_owned(), "two".to_owned());
        let reason = match kind {
            FindingKind::TwoMachines => FindingReason::TwoMachines { instance, refused: other },
            _ => FindingReason::InstanceChanged { instance, before: other },
        };
        let at = now().checked_add(hours.hours()).unwrap();
        let subject = "machines".to_owned();
        store.add_finding(&NewFinding { reason, till: Some(till()), shift: None, subject, at }).unwrap();
    };
    stream("one", 0);
    found(FindingKind::TwoMachines, 0);
    stream("one", 23);
    assert_eq!(open_findings(&store), ["two-machines"]);
    // The other one takes its turn: both stay, for a day from then on.
    assert_eq!(stream("two", 24), [Some("one".to_owned())]);
    found(FindingKind::InstanceChanged, 24);
    stream("two", 47);
    assert_eq!(open_findings(&store).len(), 2);
    stream("two", 48);
    assert!(open_findings(&store).is_empty());
    // The one that was switched off comes back.
    found(FindingKind::TwoMachines, 100);
    stream("two", 101);
    assert_eq!(open_findings(&store), ["two-machines"]);
}

#[test]
fn a_shift_is_handed_over_once_for_each_state_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let closed = closed_shift(&till(), 1, 1..=2);
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![closed.clone()])], now()).unwrap();
    let waiting = store.not_handed_over(Page::default()).unwrap();
    assert_eq!(waiting.len(), 1);
    store.note_handed_over(&till(), waiting[0].key(), waiting[0].changes).unwrap();
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty());
    // The same again is no change, a late receipt is one.
    store.load(at(1), at(2), &[incoming(vec![sale(&till(), 1, 1)], vec![closed])], now()).unwrap();
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty());
    store.load(at(2), at(3), &[incoming(vec![sale(&till(), 1, 2)], vec![])], now()).unwrap();
    assert_eq!(store.not_handed_over(Page::default()).unwrap().len(), 1);
}

#[test]
fn a_refused_document_is_kept_and_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let mut arrived = incoming(vec![], vec![]);
    arrived.refused.push(Refused { document: Some(sale(&till(), 1, 1)), shift: None, reason: Reason::worded("no") });
    store.load(START, at(1), &[arrived.clone(), arrived], now()).unwrap();
    let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    assert_eq!((findings.len(), findings[0].times), (1, 2));
    assert!(
        crate::words::in_english(&findings[0].reason).contains("document 1 of shift 1"),
        "{}",
        crate::words::in_english(&findings[0].reason)
    );
    assert!(store.resolve_finding(findings[0].id, now(), &tillway_service::audit::AuditLine::any()).unwrap());
    assert!(!store.resolve_finding(findings[0].id, now(), &tillway_service::audit::AuditLine::any()).unwrap());
}

#[test]
fn a_second_loader_on_one_database_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    store.load(START, at(5), &[], now()).unwrap();
    assert!(store.load(START, at(9), &[incoming(vec![sale(&till(), 1, 1)], vec![])], now()).is_err());
    assert_eq!(store.position().unwrap(), at(5));
    assert!(store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].receipts == 0);
}

#[test]
fn pruning_goes_in_steps_and_leaves_what_is_younger() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let documents = (1..=5).map(|number| sale(&till(), 1, number)).collect();
    store.load(START, at(1), &[incoming(documents, vec![closed_shift(&till(), 1, 1..=5)])], now()).unwrap();
    assert_eq!(store.prune(Date::constant(2017, 2, 28), false, 100).unwrap(), 0);
    let before = Date::constant(2017, 4, 1);
    assert_eq!(store.prune(before, false, 3).unwrap(), 3);
    assert_eq!(store.prune(before, false, 3).unwrap(), 3, "two receipts, and the shift");
    assert_eq!(store.prune(before, false, 3).unwrap(), 0);
    assert!(store.shifts(&ShiftFilter::default(), Page::default()).unwrap().is_empty());
}

#[test]
fn what_was_found_about_a_shift_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let record = v1::Shift { recorded_sales: 7, ..closed_shift(&till(), 1, 1..=1) };
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![record])], now()).unwrap();
    assert_eq!(open_findings(&store).len(), 1);
    while store.prune(Date::constant(2017, 4, 1), false, 100).unwrap() > 0 {}
    assert!(open_findings(&store).is_empty(), "nobody can mend it any more");
}

#[test]
fn a_clock_of_the_server_that_jumps_years_ahead_deletes_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    // By this machine's clock all of it is old enough to go, and by that of the tills nothing is.
    let documents = (1..=3).map(|number| sale(&till(), 1, number)).collect();
    store.load(START, at(1), &[incoming(documents, vec![closed_shift(&till(), 1, 1..=3)])], now()).unwrap();
    let receipts = || store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].receipts;
    let retention = Retention { days: 1, only_handed_over: false };
    let prune_old = || prune(store.as_ref(), retention, &CancellationToken::new()).unwrap();
    prune_old();
    assert_eq!(receipts(), 3);
    // Tills agree with the clock.
    let today = jiff::Zoned::now().datetime().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let sold_today = v1::Document { time_end: today, ..sale(&till(), 2, 4) };
    store.load(at(1), at(2), &[incoming(vec![sold_today], vec![])], now()).unwrap();
    prune_old();
    assert_eq!(receipts(), 1);
}

#[test]
fn a_shift_that_was_deleted_for_its_age_and_is_sent_again_counts_no_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let documents: Vec<_> = (1..=3).map(|number| sale_in(MORNING, 1, number)).collect();
    let again = incoming(documents, vec![closed_shift(&till(), 1, 1..=3)]);
    store.load(START, at(1), std::slice::from_ref(&again), now()).unwrap();
    let before = Date::constant(2017, 4, 1);
    let receipts = || store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].receipts;
    // Also between two steps.
    store.prune(before, false, 2).unwrap();
    store.load(at(1), at(2), std::slice::from_ref(&again), now()).unwrap();
    assert_eq!(receipts(), 1);
    while store.prune(before, false, 2).unwrap() > 0 {}
    let shift = again.shifts[0].key();
    for named in [shift, any_shift(1)] {
        let held = store.held(&till(), named).unwrap();
        assert_eq!((held.receipts.len(), held.closed), (3, true), "a till that asks is told that all of it is here");
    }
    // A till that sends it all the same, an agent of v0.1, and a POS that changed the opening
    // time.
    let of_v0_1 = (1..=3).map(|number| sale(&till(), 1, number)).collect();
    let moved = (1..=3).map(|number| sale_in("2017-02-28T09:00:07", 1, number)).collect();
    let arrived = [again, incoming(of_v0_1, vec![]), incoming(moved, vec![])];
    let loaded = store.load(at(2), at(3), &arrived, now()).unwrap();
    assert_eq!((loaded.added, loaded.same), (0, 9));
    assert_eq!(receipts(), 0);
    assert!(store.shifts(&ShiftFilter::default(), Page::default()).unwrap().is_empty());
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty(), "the back office has it");
    assert!(open_findings(&store).is_empty());
}

#[test]
fn a_receipt_that_comes_first_after_its_shift_was_deleted_is_kept_and_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let shift = closed_shift(&till(), 1, 1..=2);
    store.load(START, at(1), &[incoming(vec![sale_in(MORNING, 1, 1)], vec![shift.clone()])], now()).unwrap();
    while store.prune(Date::constant(2017, 4, 1), false, 100).unwrap() > 0 {}
    let late = incoming(vec![sale_in(MORNING, 1, 1), sale_in(MORNING, 1, 2)], vec![shift]);
    let loaded = store.load(at(1), at(2), &[late], now()).unwrap();
    assert_eq!((loaded.added, loaded.same), (1, 1));
    assert_eq!(store.not_handed_over(Page::default()).unwrap()[0].server_documents, 1);
    assert_eq!(store.held(&till(), any_shift(1)).unwrap().receipts.len(), 2);
}

#[test]
fn sums_beyond_64_bits_stay_at_their_end_and_stop_no_query() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let most = |number| v1::Document { sum: MAX_AMOUNT, ..sale(&till(), 1, number) };
    store.load(START, at(1), &[incoming((1..=3).map(most).collect(), vec![])], now()).unwrap();
    // What a million more of them would have brought.
    let database = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    for table in ["total", "total_part"] {
        database.execute(&format!("UPDATE {table} SET sale_sum = ?1, line_sum = ?1"), [i64::MAX - 1]).unwrap();
    }
    database
        .execute("INSERT INTO total VALUES ('', '_shop_3_0000000c', '_cash_8_0000000b', 1, 0, 5, 0, 1, 5)", [])
        .unwrap();
    store.load(at(1), at(2), &[incoming((4..=5).map(most).collect(), vec![])], now()).unwrap();
    for by in [TotalsBy::All, TotalsBy::Till, TotalsBy::Shop, TotalsBy::Day] {
        let rows = store.totals(&TotalsFilter::default(), by).unwrap();
        assert!(rows.iter().any(|row| row.counted.sale_sum.0 == i64::MAX), "{rows:?}");
    }
    while store.prune(Date::constant(2017, 4, 1), false, 2).unwrap() > 0 {}
}

#[test]
fn a_register_or_user_that_cannot_be_kept_costs_no_record_of_a_shift() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let sound = v1::Register { serial_number: "0001".to_owned(), cash_at_end: 5, ..v1::Register::default() };
    let long = v1::Register { serial_number: "x".repeat(2_000), ..sound.clone() };
    let large = v1::Register { serial_number: "0002".to_owned(), returned: i64::MAX, ..sound.clone() };
    let mut shift = v1::Shift { registers: vec![long, sound.clone(), large], ..closed_shift(&till(), 1, 1..=1) };
    shift
        .registers
        .extend((0..10_000).map(|number| v1::Register { serial_number: format!("many {number}"), ..sound.clone() }));
    let user = shift.users[0].clone();
    shift.users.push(v1::User { name: "x".repeat(2_000), ..user.clone() });
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1)], vec![shift])], now()).unwrap();
    let kept = only_shift(&store);
    assert_eq!(kept.outcome.verdict, Verdict::Ok);
    let details = store.shift_details(&till(), kept.key()).unwrap();
    assert_eq!((details.users, &details.registers[0], details.registers.len()), (vec![user], &sound, 9_998));
}

#[test]
fn totals_are_by_till_shop_and_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let mut refund = sale(&till(), 1, 2);
    refund.doctype = 2;
    let mut cash_in = sale(&till(), 1, 3);
    cash_in.doctype = 3;
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1), refund, cash_in], vec![])], now()).unwrap();
    for (by, key) in [(TotalsBy::Till, till().to_string()), (TotalsBy::Day, "2017-02-28".to_owned())] {
        let rows = store.totals(&TotalsFilter { till: Some(till()), ..TotalsFilter::default() }, by).unwrap();
        assert_eq!((rows.len(), &rows[0].key, rows[0].receipts), (1, &key, 2));
        assert_eq!((rows[0].counted.sale_sum.0, rows[0].counted.refund_sum.0), (150, 250));
    }
    let none = TotalsFilter { from: Some(Date::constant(2017, 3, 1)), ..TotalsFilter::default() };
    assert!(store.totals(&none, TotalsBy::Shop).unwrap().is_empty());
    assert_eq!(store.receipts(&till(), any_shift(1), Page { offset: 1, limit: 1 }).unwrap()[0].number.0, 2);
}

#[test]
fn a_document_that_was_set_aside_and_is_then_taken_closes_its_finding() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let mut arrived = incoming(vec![], vec![]);
    let too_long = v1::Document { back_reason: "x".repeat(2_000), ..sale(&till(), 1, 1) };
    let reason = Reason::worded("back reason has 2000 bytes");
    arrived.refused.push(Refused { document: Some(too_long), shift: None, reason });
    store.load(START, at(1), &[arrived], now()).unwrap();
    let found = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    assert!(
        crate::words::in_english(&found[0].reason).contains("try again what it set aside"),
        "{}",
        crate::words::in_english(&found[0].reason)
    );
    store.load(at(1), at(2), &[incoming(vec![sale(&till(), 1, 2)], vec![])], now()).unwrap();
    assert_eq!(open_findings(&store), ["document-refused"], "another document mends nothing");
    store.load(at(2), at(3), &[incoming(vec![sale(&till(), 1, 1)], vec![])], now()).unwrap();
    assert!(open_findings(&store).is_empty());
}

#[test]
fn a_finding_of_v0_1_about_a_document_that_was_set_aside_closes_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let mut arrived = incoming(vec![], vec![]);
    let refused = v1::Document { back_reason: "x".repeat(2_000), ..sale(&till(), 1, 1) };
    arrived.refused.push(Refused { document: Some(refused.clone()), shift: None, reason: Reason::worded("no") });
    store.load(START, at(1), &[arrived], now()).unwrap();
    // v0.1 named it by the beginning of its hash.
    let database = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    let hash = blake3::hash(&prost::Message::encode_to_vec(&refused));
    database.execute("UPDATE finding SET subject = ?1", [&hash.to_hex()[..16]]).unwrap();
    store.load(at(1), at(2), &[incoming(vec![sale(&till(), 1, 1)], vec![])], now()).unwrap();
    assert!(open_findings(&store).is_empty());
}

#[test]
fn a_receipt_that_comes_again_as_it_was_kept_closes_the_finding_that_it_differed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let kept = sale(&till(), 1, 1);
    let other = v1::Document { sum: kept.sum + 1, ..kept.clone() };
    store.load(START, at(1), &[incoming(vec![kept.clone(), other], vec![])], now()).unwrap();
    assert_eq!(open_findings(&store), ["receipt-conflict"]);
    store.load(at(1), at(2), &[incoming(vec![kept], vec![])], now()).unwrap();
    assert!(open_findings(&store).is_empty());
}

#[test]
fn what_a_back_office_was_not_given_is_not_pruned_where_one_takes_sales() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let shifts = vec![closed_shift(&till(), 1, 1..=1), closed_shift(&till(), 2, 2..=2)];
    store.load(START, at(1), &[incoming(vec![sale(&till(), 1, 1), sale(&till(), 2, 2)], shifts)], now()).unwrap();
    let before = Date::constant(2017, 4, 1);
    assert_eq!(store.prune(before, true, 100).unwrap(), 0);
    let first = &store.not_handed_over(Page::default()).unwrap()[0];
    store.note_handed_over(&till(), first.key(), first.changes).unwrap();
    while store.prune(before, true, 1).unwrap() > 0 {}
    let left = store.shifts(&ShiftFilter::default(), Page::default()).unwrap();
    assert_eq!(left.iter().map(|shift| shift.number.0).collect::<Vec<_>>(), [2]);
    let total = &store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0];
    assert_eq!((total.receipts, total.counted.sale_sum.0), (1, 250), "totals are of what is there");
    let of_day = TotalsFilter { from: Some(Date::constant(2017, 2, 28)), ..TotalsFilter::default() };
    assert_eq!(store.totals(&of_day, TotalsBy::All).unwrap()[0].receipts, 1);
}

#[test]
fn pages_of_receipts_that_went_are_given_back_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let large = |number| v1::Document { identifier: "x".repeat(1_000), ..sale(&till(), 1, number) };
    let shifts = vec![closed_shift(&till(), 1, 1..=2_000)];
    store.load(START, at(1), &[incoming((1..=2_000).map(large).collect(), shifts)], now()).unwrap();
    let database = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    let pages = || database.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let full = pages();
    for _ in 0..40 {
        store.prune(Date::constant(2017, 4, 1), false, 500).unwrap();
    }
    assert!(pages() < full / 4, "{} of {full} pages", pages());
}

#[test]
fn totals_of_a_range_of_days_and_of_a_shop_are_those_of_its_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let on = |day: &str, number| v1::Document { time_end: format!("{day}T10:00:00"), ..sale(&till(), 1, number) };
    let arrived = incoming(vec![on("2017-02-27", 1), on("2017-02-28", 2), on("2017-03-01", 3)], vec![]);
    store.load(START, at(1), &[arrived], now()).unwrap();
    let range = |from: Option<Date>, to: Option<Date>| TotalsFilter { from, to, ..TotalsFilter::default() };
    let count = |filter: &TotalsFilter| store.totals(filter, TotalsBy::All).unwrap()[0].receipts;
    let (first, middle) = (Date::constant(2017, 2, 27), Date::constant(2017, 2, 28));
    assert_eq!(count(&range(None, None)), 3);
    assert_eq!(count(&range(Some(middle), None)), 2);
    assert_eq!(count(&range(None, Some(first))), 1);
    assert_eq!(count(&range(Some(middle), Some(middle))), 1);
    let of_other_shop = TotalsFilter { shop: "_shop_9_00000009".parse().ok(), ..range(Some(first), None) };
    assert_eq!(count(&of_other_shop), 0);
    let days = store.totals(&range(None, Some(middle)), TotalsBy::Day).unwrap();
    assert_eq!(days.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["2017-02-27", "2017-02-28"]);
}

#[test]
fn what_an_older_server_wrote_as_a_sentence_is_told_as_it_was_worded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let older = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    older
        .execute_batch(
            r#"INSERT INTO finding (kind, till, subject, text, first_seen, last_seen, times, why) VALUES
                ('document-refused', '', 'a', 'document 1 was set aside: no sum', 1, 1, 1, NULL),
                ('document-refused', '', 'b', '', 1, 2, 1, '{"kind":"record-refused","detail":"sum 1 is beyond 0"}');"#,
        )
        .unwrap();
    let found = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    assert_eq!(found[1].reason, Reason::worded("document 1 was set aside: no sum"));
    let told = crate::words::of(Language::Russian).reason(&found[0].reason);
    assert!(told.starts_with("запись отложена: sum 1 is beyond 0"), "{told}");
}
