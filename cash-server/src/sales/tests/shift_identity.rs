//! A shift is known by till, number and opening time.

use jiff::ToSpan as _;
use rusqlite::Connection;
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;

use super::{any_shift, closed_shift, incoming, now, open_store, sale, sale_in, till};
use crate::sales::check::Verdict;
use crate::sales::spool::Position;
use crate::store::sales::{FindingFilter, Incoming, Page, SalesStore, ShiftFilter, ShiftView, TotalsBy, TotalsFilter};
use crate::store::sqlite::sales::SqliteSales;

/// When [`closed_shift`] opened.
const MORNING: &str = "2017-02-28T09:00:00";
/// After the fiscal drive was replaced.
const NOON: &str = "2017-02-28T10:00:30";

fn key(opened: &str) -> ShiftKey {
    ShiftKey { number: ShiftNumber(1), opened: Opened::At(opened.parse().unwrap()) }
}

fn load(store: &SqliteSales, arrived: &[Incoming]) {
    let from = store.position().unwrap();
    store.load(from, Position { segment: 1, offset: from.offset + 1 }, arrived, now()).unwrap();
}

fn shifts(store: &SqliteSales) -> Vec<ShiftView> {
    store.shifts(&ShiftFilter::default(), Page::default()).unwrap()
}

/// Opening (empty where none is known), verdict and number of documents of each shift, oldest
/// first.
fn told(store: &SqliteSales) -> Vec<(String, Verdict, i64)> {
    let mut shifts = shifts(store);
    shifts.sort_by_key(ShiftView::key);
    let told =
        |shift: ShiftView| (shift.opened.to_wire().unwrap_or_default(), shift.outcome.verdict, shift.server_documents);
    shifts.into_iter().map(told).collect()
}

fn receipts(store: &SqliteSales) -> i64 {
    store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].receipts
}

fn opened_at(opened: &str, numbers: std::ops::RangeInclusive<u64>) -> v1::Shift {
    v1::Shift { time_beg: opened.to_owned(), ..closed_shift(&till(), 1, numbers) }
}

fn open(shift: v1::Shift) -> v1::Shift {
    v1::Shift { time_end: String::new(), ..shift }
}

#[test]
fn a_number_that_is_given_again_on_the_same_day_is_a_shift_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let first = [sale_in(MORNING, 1, 1), sale_in(MORNING, 1, 2)];
    load(&store, &[incoming(first.to_vec(), vec![opened_at(MORNING, 1..=2)])]);
    load(&store, &[incoming(vec![sale_in(NOON, 1, 1)], vec![opened_at(NOON, 1..=1)])]);
    // The second has the same number, UUID and sum as one of the first: a POS that repeats
    // identifiers still rang up both.
    assert_eq!(receipts(&store), 2, "the same in every word: its shift's opening time was changed");
    let mut other = sale_in(NOON, 1, 1);
    other.time_end = "2017-02-28T10:02:00".to_owned();
    let mut first_again = sale_in(MORNING, 1, 1);
    first_again.document_id = 77;
    load(&store, &[incoming(vec![first_again, other], vec![])]);
    assert_eq!(receipts(&store), 3);
}

#[test]
fn two_shifts_of_one_number_are_checked_handed_over_and_listed_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![opened_at(MORNING, 1..=1)])]);
    load(&store, &[incoming(vec![sale_in(NOON, 1, 5), sale_in(NOON, 1, 6)], vec![opened_at(NOON, 5..=6)])]);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1), (NOON.to_owned(), Verdict::Ok, 2)]);
    let waiting = store.not_handed_over(Page::default()).unwrap();
    assert_eq!(waiting.iter().map(ShiftView::key).collect::<Vec<_>>(), [key(MORNING), key(NOON)]);
    store.note_handed_over(&till(), key(MORNING), waiting[0].changes).unwrap();
    assert_eq!(store.not_handed_over(Page::default()).unwrap().len(), 1);
    let held = |shift| store.held(&till(), shift).unwrap().receipts.len();
    assert_eq!((held(key(MORNING)), held(key(NOON)), held(any_shift(1))), (1, 2, 3));
    let listed = |shift| store.receipts(&till(), shift, Page::default()).unwrap().len();
    assert_eq!((listed(key(MORNING)), listed(key(NOON)), listed(any_shift(1))), (1, 2, 3));
    assert_eq!(store.documents(&till(), key(NOON), Page::default()).unwrap()[0], sale_in(NOON, 1, 5));
}

#[test]
fn receipts_of_an_agent_of_v0_1_go_to_the_shift_that_was_open_when_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    // It sends documents first, and then the record of their shift, open or closed.
    load(&store, &[incoming(vec![sale(&till(), 1, 1)], vec![])]);
    assert_eq!(told(&store), [(String::new(), Verdict::Open, 1)]);
    load(
        &store,
        &[incoming(
            vec![],
            vec![v1::Shift { time_end: "2017-02-28T10:01:40".to_owned(), ..opened_at(MORNING, 1..=1) }],
        )],
    );
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1)]);
    let after = "2017-02-28T10:01:50";
    load(&store, &[incoming(vec![sale(&till(), 1, 2)], vec![open(opened_at(after, 2..=2))])]);
    load(&store, &[incoming(vec![sale(&till(), 1, 3)], vec![opened_at(after, 2..=3)])]);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1), (after.to_owned(), Verdict::Ok, 2)]);
    // And again, in another order.
    load(&store, &[incoming(vec![sale(&till(), 1, 3), sale(&till(), 1, 1), sale(&till(), 1, 2)], vec![])]);
    assert_eq!(receipts(&store), 3);
    let held = store.held(&till(), any_shift(1)).unwrap();
    assert_eq!((held.receipts.len(), held.closed), (3, true));
}

#[test]
fn what_an_agent_of_v0_1_sent_counts_once_when_its_agent_upgraded_since_sends_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale(&till(), 1, 1), sale(&till(), 1, 2)], vec![])]);
    let mut more = sale_in(MORNING, 1, 2);
    more.lines[0].taxes.push(v1::Tax { code: 1, sum: 5 });
    more.fiscal_copy = Some(0);
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1), more, sale_in(MORNING, 1, 3)], vec![])]);
    assert_eq!(receipts(&store), 3);
    assert_eq!(
        told(&store),
        [(MORNING.to_owned(), Verdict::Open, 3)],
        "nothing is left of the shift that was not told"
    );
    let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    assert!(findings.is_empty(), "no conflict: {findings:?}");
    let held = store.held(&till(), key(MORNING)).unwrap().receipts.len();
    assert_eq!(held, 3, "and the till is told of all of them");
}

#[test]
fn a_receipt_with_other_content_under_another_opening_is_the_same_one_and_is_found() {
    let told_now = |store: &SqliteSales, again: v1::Document| {
        load(store, &[incoming(vec![again], vec![])]);
        let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
        let kinds: Vec<_> = findings.into_iter().map(|finding| finding.kind).collect();
        (receipts(store), store.held(&till(), any_shift(1)).unwrap().receipts.len(), kinds)
    };
    let once_and_found = (1, 1, vec!["receipt-conflict".to_owned()]);
    let changed = |mut document: v1::Document| {
        document.payments[0].card_number = "4111".to_owned();
        document
    };
    // The POS changed the document and when its shift was opened.
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![opened_at(MORNING, 1..=1)])]);
    assert_eq!(told_now(&store, changed(sale_in(NOON, 1, 1))), once_and_found);
    // An agent of v0.1 sends again what ended after the shift had closed.
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let closed = v1::Shift { time_end: "2017-02-28T10:01:00".to_owned(), ..opened_at(MORNING, 1..=1) };
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![closed])]);
    assert_eq!(told_now(&store, changed(sale(&till(), 1, 1))), once_and_found);
    // What an agent of v0.1 sent, from today's agent, which finds the number of the card.
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale(&till(), 1, 1)], vec![])]);
    assert_eq!(told_now(&store, changed(sale_in("2017-02-28T10:01:50", 1, 1))), once_and_found);
}

#[test]
fn a_receipt_of_v0_1_that_ended_outside_its_shift_goes_to_it_once_no_other_was_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let closed = v1::Shift { time_end: "2017-02-28T10:02:00".to_owned(), ..opened_at(MORNING, 1..=2) };
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![closed])]);
    load(&store, &[incoming(vec![sale(&till(), 1, 2)], vec![])]);
    assert_eq!(told(&store).len(), 2, "its own record may still come");
    assert_eq!(store.recheck_waiting(now().checked_add(3.hours()).unwrap()).unwrap(), 2);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 2)]);
    assert_eq!(store.not_handed_over(Page::default()).unwrap()[0].server_documents, 2);
}

#[test]
fn receipts_whose_record_does_not_come_are_found_and_handed_over_until_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale(&till(), 1, 1), sale(&till(), 1, 2), sale_in(NOON, 5, 9)], vec![])]);
    assert_eq!(store.recheck_waiting(now()).unwrap(), 0);
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty());
    let late = now().checked_add(3.hours()).unwrap();
    assert_eq!(store.recheck_waiting(late).unwrap(), 2);
    assert_eq!(store.recheck_waiting(late).unwrap(), 0, "once");
    let open = FindingFilter { open_only: true, ..FindingFilter::default() };
    let found = store.findings(&open, Page::default()).unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .any(|finding| crate::words::in_english(&finding.reason).contains("its documents 1–2 came without")),
        "{found:?}"
    );
    let waiting = store.not_handed_over(Page::default()).unwrap();
    assert_eq!(waiting.iter().map(|shift| shift.server_documents).collect::<Vec<_>>(), [2, 1]);
    for shift in waiting {
        store.note_handed_over(&till(), shift.key(), shift.changes).unwrap();
    }
    load(
        &store,
        &[incoming(vec![], vec![opened_at(MORNING, 1..=2), v1::Shift { number: 5, ..opened_at(NOON, 9..=9) }])],
    );
    assert!(store.findings(&open, Page::default()).unwrap().is_empty());
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 2), (NOON.to_owned(), Verdict::Ok, 1)]);
    assert_eq!(store.not_handed_over(Page::default()).unwrap().len(), 2, "now with their records");
}

#[test]
fn a_shift_that_is_left_open_is_found_and_handed_over_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let open_shift = |numbers| open(opened_at(MORNING, numbers));
    let empty = open(v1::Shift { number: 2, ..opened_at(NOON, 9..=9) });
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![open_shift(1..=1), empty])]);
    let of_hours = |hours: i64| now().checked_add(hours.hours()).unwrap();
    assert_eq!(store.recheck_waiting(of_hours(47)).unwrap(), 0, "a night and a day");
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty());
    store.recheck_waiting(of_hours(49)).unwrap();
    assert_eq!(store.recheck_waiting(of_hours(49)).unwrap(), 0, "once");
    let open_findings =
        || store.findings(&FindingFilter { open_only: true, ..FindingFilter::default() }, Page::default()).unwrap();
    let found = open_findings();
    assert_eq!(found.len(), 1, "nobody misses a shift without a sale: {found:?}");
    let told_of_it = crate::words::in_english(&found[0].reason);
    assert!(told_of_it.contains("still open, and nothing of it has come for 48 hours"), "{told_of_it}");
    let waiting = store.not_handed_over(Page::default()).unwrap();
    assert_eq!(waiting.iter().map(ShiftView::key).collect::<Vec<_>>(), [key(MORNING)]);
    store.note_handed_over(&till(), key(MORNING), waiting[0].changes).unwrap();
    // It goes on after all.
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 2)], vec![open_shift(1..=2)])]);
    assert!(open_findings().is_empty());
    assert!(store.not_handed_over(Page::default()).unwrap().is_empty(), "the till is there, and will close it");
    load(&store, &[incoming(vec![], vec![opened_at(MORNING, 1..=2)])]);
    assert_eq!(store.not_handed_over(Page::default()).unwrap()[0].server_documents, 2);
}

#[test]
fn an_opening_time_that_the_pos_changed_takes_its_receipts_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let sold =
        |opened, numbers: std::ops::RangeInclusive<u64>| numbers.map(|number| sale_in(opened, 1, number)).collect();
    load(&store, &[incoming(sold(MORNING, 1..=2), vec![open(opened_at(MORNING, 1..=2))])]);
    let moved = "2017-02-28T09:00:07";
    load(&store, &[incoming(sold(moved, 3..=3), vec![opened_at(moved, 1..=3)])]);
    assert_eq!(told(&store)[1], (moved.to_owned(), Verdict::Waiting, 1));
    load(&store, &[incoming(sold(moved, 1..=2), vec![])]);
    assert_eq!(told(&store), [(moved.to_owned(), Verdict::Ok, 3)]);
    assert_eq!(receipts(&store), 3);
}

#[test]
fn a_shift_without_an_opening_time_is_another_one_than_those_that_have_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale_in("", 1, 1)], vec![opened_at("", 1..=1)])]);
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 2)], vec![opened_at(MORNING, 2..=2)])]);
    assert_eq!(told(&store), [(String::new(), Verdict::Ok, 1), (MORNING.to_owned(), Verdict::Ok, 1)]);
}

#[test]
fn a_record_that_comes_before_its_receipts_waits_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![], vec![opened_at(MORNING, 1..=1), opened_at(NOON, 2..=2)])]);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Waiting, 0), (NOON.to_owned(), Verdict::Waiting, 0)]);
    load(&store, &[incoming(vec![sale(&till(), 1, 2), sale_in(MORNING, 1, 1)], vec![])]);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1), (NOON.to_owned(), Verdict::Ok, 1)]);
}

#[test]
fn findings_of_two_shifts_of_one_number_are_two() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let wrong = |opened| v1::Shift { recorded_sale_sum: 1, ..opened_at(opened, 1..=1) };
    let mut second = sale_in(NOON, 1, 1);
    second.sum += 1;
    second.time_end = "2017-02-28T10:02:00".to_owned();
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1), second], vec![wrong(MORNING), wrong(NOON)])]);
    let findings =
        store.findings(&FindingFilter { open_only: true, ..FindingFilter::default() }, Page::default()).unwrap();
    let mut subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["shift 1 of 2017-02-28T09:00:00", "shift 1 of 2017-02-28T10:00:30"]);
    load(&store, &[incoming(vec![], vec![opened_at(MORNING, 1..=1)])]);
    let findings =
        store.findings(&FindingFilter { open_only: true, ..FindingFilter::default() }, Page::default()).unwrap();
    let differ = findings.iter().filter(|finding| finding.kind == "shift-differs");
    assert_eq!(differ.map(|finding| finding.shift_opened).collect::<Vec<_>>(), [NOON.parse().ok()]);
}

/// A database of version 2, as v0.1 made it.
fn of_version_2(folder: &std::path::Path) -> Connection {
    let database = Connection::open(folder.join("sales.db")).unwrap();
    for step in
        [include_str!("../../store/sqlite/sales/schema_1.sql"), include_str!("../../store/sqlite/sales/schema_2.sql")]
    {
        database.execute_batch(step).unwrap();
    }
    database.pragma_update(None, "user_version", 2).unwrap();
    database
}

#[test]
fn a_database_of_v0_1_is_brought_along_and_its_receipts_count_once_when_they_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let old = of_version_2(folder.path());
    let receipt = |number: u64, shift: u64| {
        let receipt = crate::sales::receipt::Receipt::parse(&till(), sale(&till(), shift, number)).unwrap();
        old.execute(
            "INSERT INTO receipt(till, shift, number, uuid, shop, document_id, doctype, cash_code, cashier, department, time_beg,
                 time_end, day, sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number,
                 fiscal_identifier, back_reason, lines, line_sum, content, received_at)
             VALUES (?1, ?2, ?3, ?4, '_shop_3_0000000c', ?3, 1, '7', '', 0, ?5, ?6, '2017-02-28', 0, 0, ?7, 0, '', '', '', '', '', 1,
                 ?7, ?8, 0)",
            rusqlite::params![
                till().as_str(),
                i64::try_from(shift).unwrap(),
                i64::try_from(number).unwrap(),
                receipt.key.uuid.as_bytes(),
                receipt.document.time_beg,
                receipt.document.time_end,
                receipt.document.sum,
                receipt.content
            ],
        )
        .unwrap();
        let id = old.last_insert_rowid();
        old.execute(
            "INSERT INTO line VALUES (?1, 0, 0, 1, '1001', '4600000000017', 50, 1000, 0, 0, 0, 0, '', '')",
            [id],
        )
        .unwrap();
    };
    receipt(1, 1);
    receipt(2, 2);
    old.execute(
        "INSERT INTO shift VALUES (?1, 1, '7', '', '', ?2, '2017-02-28T21:00:00', 1, 0, 1, 0, 150, 0, 0, 0, 0, 1, 0, 150, 0, 1, 0, 0, 0)",
        rusqlite::params![till().as_str(), MORNING],
    )
    .unwrap();
    old.execute("INSERT INTO shift_user VALUES (?1, 1, '1', 'Anna')", [till().as_str()]).unwrap();
    let outcome = r#"{"verdict":"open"}"#;
    for shift in [1, 2] {
        old.execute(
            "INSERT INTO shift_check VALUES (?1, ?2, '_shop_3_0000000c', '2017-02-28', NULL, 'open', ?3, 1, 0, 150, 0, 1, 0, 1, 1)",
            rusqlite::params![till().as_str(), shift, outcome],
        )
        .unwrap();
    }
    old.execute(
        "INSERT INTO finding(kind, till, shift, subject, text, first_seen, last_seen, times)
         VALUES ('shift-differs', ?1, 1, 'shift 1', 'old', 1, 1, 1)",
        [till().as_str()],
    )
    .unwrap();
    drop(old);
    let store = open_store(folder.path());
    assert_eq!(receipts(&store), 2);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Open, 1), (String::new(), Verdict::Open, 1)]);
    assert_eq!(store.shift_details(&till(), key(MORNING)).unwrap().users.len(), 1);
    assert_eq!(store.documents(&till(), key(MORNING), Page::default()).unwrap()[0].lines.len(), 1, "lines stay");
    // All of it once more, from today's agent.
    let shift_2 = v1::Shift { number: 2, ..opened_at(MORNING, 2..=2) };
    load(
        &store,
        &[incoming(vec![sale_in(MORNING, 1, 1), sale_in(MORNING, 2, 2)], vec![opened_at(MORNING, 1..=1), shift_2])],
    );
    assert_eq!(receipts(&store), 2);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1), (MORNING.to_owned(), Verdict::Ok, 1)]);
    let open = FindingFilter { open_only: true, ..FindingFilter::default() };
    assert!(store.findings(&open, Page::default()).unwrap().is_empty(), "the finding of v0.1 closed as well");
    let database = Connection::open(folder.path().join("sales.db")).unwrap();
    let wrong: i64 = database.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(wrong, 0);
    let by_day = store.totals(&TotalsFilter::default(), TotalsBy::Day).unwrap();
    assert_eq!((by_day.len(), by_day[0].receipts), (1, 2));
}

#[test]
fn a_waiting_shift_of_a_number_that_has_another_one_is_checked_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    load(&store, &[incoming(vec![sale_in(MORNING, 1, 1)], vec![opened_at(MORNING, 1..=1), opened_at(NOON, 2..=2)])]);
    let late = now().checked_add(3.hours()).unwrap();
    assert_eq!(store.recheck_waiting(late).unwrap(), 1);
    assert_eq!(told(&store), [(MORNING.to_owned(), Verdict::Ok, 1), (NOON.to_owned(), Verdict::Differs, 0)]);
}
