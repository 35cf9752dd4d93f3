//! Sales up: unloading, the sales-loader, the check at shift close.

use crate::support::{SOON, converged, item, load, now};
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use rusqlite::Connection;
use serde_json::{Value, json};
use tillway_exchangers::till::documents::writer::{NewShift, PosWriter};
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, Thousandths};
use tillway_tests::bench::{Server, TestBench, Till, TillOptions};
use tillway_tests::demo::{Demo, DemoOptions};
use tillway_tests::pos::{Basket, Entry, Pos, Purpose, Tender};
use tillway_tests::wait::{Seen, wait_for};
use uuid::Uuid;

fn small_shop(options: TillOptions) -> (TestBench, Till, Pos) {
    let bench = TestBench::start().unwrap();
    let (till, pos) = equip(&bench, options);
    (bench, till, pos)
}

/// Makes a shop with one till that sells one item for 10.00.
pub(crate) fn equip(bench: &TestBench, options: TillOptions) -> (Till, Pos) {
    let shop = bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    let mut till = bench.add_till_with(&shop, "7", "71", options).unwrap();
    converged(&bench.server, &mut till);
    let pos = till.pos().unwrap();
    (till, pos)
}

pub(crate) fn sale(time: DateTime) -> Basket {
    let entries = vec![Entry::new("b1", Thousandths(2_000))];
    Basket::sale(time, entries, vec![Tender::Card(Kopecks(1_500)), Tender::Cash(Kopecks(1_000))])
}

/// UUIDs of a shift's receipts on the server, in order of their numbers.
fn receipts(server: &Server, till: &Till, shift: u64) -> Vec<String> {
    let path = format!("/api/v1/tills/{}/shifts/{shift}/receipts", till.id);
    let receipts = server.api().unwrap().read(&path).unwrap();
    receipts.as_array().unwrap().iter().map(|receipt| receipt["uuid"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn wait_for_receipts(server: &Server, till: &mut Till, shift: u64, count: usize) -> Vec<String> {
    wait_for(format!("{count} receipts of shift {shift}"), SOON, || {
        till.check_agent().unwrap();
        let found = receipts(server, till, shift);
        Seen::when(found.len() == count, found.clone(), format!("{found:?}"))
    })
    .unwrap()
}

/// A shift's check, when it has come to an end.
pub(crate) fn checked(server: &Server, till: &mut Till, shift: u64) -> Value {
    let path = format!("/api/v1/shifts?till={}", till.id);
    wait_for(format!("shift {shift} to be checked"), SOON, || {
        till.check_agent().unwrap();
        let shifts = server.api().unwrap().read(&path).unwrap();
        let found = shifts.as_array().unwrap().iter().find(|found| found["number"] == shift);
        match found {
            Some(found) => {
                let verdict = found["outcome"]["verdict"].as_str().unwrap_or_default();
                Seen::when(["ok", "differs"].contains(&verdict), found.clone(), found)
            }
            None => Seen::NotYet(shifts.to_string()),
        }
    })
    .unwrap()
}

#[test]
fn real_weeks_come_back_to_the_kopeck() {
    let mut out = Vec::new();
    let options = DemoOptions { weeks: 3, once: true, until_now: false };
    let ended = Demo::start(options, &mut out).and_then(|demo| demo.run(&mut out));
    let told = String::from_utf8(out).unwrap();
    assert!(ended.is_ok(), "{ended:?}\n{told}");
    assert!(told.lines().last().unwrap().starts_with("demo: ok 3 weeks, "), "{told}");
}

#[test]
fn a_closed_shift_comes_up_whole_and_its_check_is_ok() {
    for ask_through_server in [true, false] {
        let (bench, mut till, mut pos) = small_shop(TillOptions { ask_through_server, ..TillOptions::default() });
        pos.open_shift(1, 1, now()).unwrap();
        pos.cash_in(Kopecks(10_000), now()).unwrap();
        let rung = pos.ring(&sale(now())).unwrap();
        let mut refund =
            Basket::sale(now(), vec![Entry::new("b1", Thousandths(1_000))], vec![Tender::Cash(Kopecks(1_000))]);
        refund.purpose = Purpose::Refund { of: Some(rung.uuid), reason: "sour".to_owned() };
        pos.ring(&refund).unwrap();
        let mut voided = sale(now());
        voided.voided = vec![Entry::new("b1", Thousandths(5_000))];
        pos.ring(&voided).unwrap();
        pos.cash_out(Kopecks(5_000), now()).unwrap();
        pos.close_shift(now()).unwrap();

        let shift = checked(&bench.server, &mut till, 1);
        assert_eq!(shift["outcome"]["verdict"], "ok", "{shift}");
        let server = &shift["server"];
        assert_eq!((&server["sales"], &server["sale_sum"]), (&json!(2), &json!(4_000)), "{shift}");
        assert_eq!((&server["refunds"], &server["refund_sum"]), (&json!(1), &json!(1_000)), "{shift}");
        assert_eq!(shift["server_documents"], 5, "{shift}");
    }
}

/// As `documents.db` keeps a time.
fn to_the_second(time: DateTime) -> DateTime {
    time.with().subsec_nanosecond(0).build().unwrap()
}

#[test]
fn a_pos_that_counts_its_shifts_from_1_again_has_two_shifts() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    let first_opened = to_the_second(now());
    pos.open_shift(1, 1, first_opened).unwrap();
    let first = [pos.ring(&sale(now())).unwrap().uuid, pos.ring(&sale(now())).unwrap().uuid];
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
    // A new fiscal drive: the same number on the same day.
    let again = to_the_second(now().checked_add(2.seconds()).unwrap());
    pos.open_shift(1, 1, again).unwrap();
    let second = pos.ring(&sale(again.checked_add(1.second()).unwrap())).unwrap().uuid;
    pos.close_shift(again.checked_add(1.minute()).unwrap()).unwrap();
    let path = format!("/api/v1/shifts?till={}", till.id);
    let shifts = wait_for("both shifts to agree", SOON, || {
        till.check_agent().unwrap();
        let shifts = bench.server.api().unwrap().read(&path).unwrap();
        let told = shifts.as_array().unwrap().clone();
        let agree = told.len() == 2 && told.iter().all(|shift| shift["outcome"]["verdict"] == "ok");
        Seen::when(agree, told, shifts)
    })
    .unwrap();
    let mut counted: Vec<(String, i64)> = shifts
        .iter()
        .map(|shift| (shift["opened"].as_str().unwrap().to_owned(), shift["server"]["sales"].as_i64().unwrap()))
        .collect();
    counted.sort();
    assert_eq!(counted, [(first_opened.to_string(), 2), (again.to_string(), 1)]);
    let of = |opened: DateTime| {
        let path = format!("/api/v1/tills/{}/shifts/1/receipts?opened={opened}", till.id);
        let receipts = bench.server.api().unwrap().read(&path).unwrap();
        let uuid = |receipt: &Value| receipt["uuid"].as_str().unwrap().parse::<Uuid>().unwrap();
        receipts.as_array().unwrap().iter().map(uuid).collect::<Vec<_>>()
    };
    assert_eq!((of(first_opened), of(again)), (first.to_vec(), vec![second]));
}

#[test]
fn an_opening_time_that_the_pos_changes_while_the_shift_is_open_makes_no_second_shift() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    pos.ring(&sale(now())).unwrap();
    till.command(&["unload"]).unwrap();
    wait_for_receipts(&bench.server, &mut till, 1, 1);
    let earlier = now().checked_sub(1.hour()).unwrap().to_string();
    Connection::open(till.documents()).unwrap().execute("UPDATE workshift SET time_beg = ?1", [earlier]).unwrap();
    pos.ring(&sale(now())).unwrap();
    pos.close_shift(now()).unwrap();
    let path = format!("/api/v1/shifts?till={}", till.id);
    wait_for("one shift that agrees", SOON, || {
        till.check_agent().unwrap();
        let shifts = bench.server.api().unwrap().read(&path).unwrap();
        let told = shifts.as_array().unwrap();
        let one = told.len() == 1 && told[0]["outcome"]["verdict"] == "ok" && told[0]["server"]["sales"] == 2;
        Seen::when(one, (), shifts.clone())
    })
    .unwrap();
}

#[test]
fn a_receipt_that_is_missing_on_the_till_is_a_finding() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    till.stop_agent().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    for _ in 0..3 {
        pos.ring(&sale(now())).unwrap();
    }
    pos.close_shift(now()).unwrap();
    drop(pos);
    let documents = Connection::open(till.documents()).unwrap();
    // Whoever took it away did not ask what hangs on it.
    documents.pragma_update(None, "foreign_keys", false).unwrap();
    assert_eq!(documents.execute("DELETE FROM document WHERE checknum = 2", []).unwrap(), 1);
    drop(documents);
    till.start_agent().unwrap();

    let shift = checked(&bench.server, &mut till, 1);
    assert_eq!(shift["outcome"]["verdict"], "differs", "{shift}");
    assert_eq!(shift["outcome"]["missing_numbers"], 1, "{shift}");
    let findings = bench.server.api().unwrap().read("/api/v1/findings").unwrap();
    assert!(!findings.as_array().unwrap().is_empty());
}

#[test]
fn receipts_of_an_open_shift_come_up_on_a_period() {
    let (bench, mut till, mut pos) = small_shop(TillOptions { unload_period_s: 1, ..TillOptions::default() });
    pos.open_shift(1, 1, now()).unwrap();
    let first = pos.ring(&sale(now())).unwrap().uuid.to_string();
    assert_eq!(wait_for_receipts(&bench.server, &mut till, 1, 1), std::slice::from_ref(&first));
    let second = pos.ring(&sale(now())).unwrap().uuid.to_string();
    assert_eq!(wait_for_receipts(&bench.server, &mut till, 1, 2), [first, second]);
}

#[test]
fn receipts_of_an_open_shift_come_up_when_the_server_or_the_cashier_asks() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    let first = pos.ring(&sale(now())).unwrap().uuid.to_string();
    let path = format!("/api/v1/tills/{}/unload", till.id);
    bench.server.api().unwrap().post(&path, &json!({})).unwrap();
    assert_eq!(wait_for_receipts(&bench.server, &mut till, 1, 1), std::slice::from_ref(&first));

    let second = pos.ring(&sale(now())).unwrap().uuid.to_string();
    till.command(&["unload"]).unwrap();
    assert_eq!(wait_for_receipts(&bench.server, &mut till, 1, 2), [first, second]);
}

#[test]
fn a_day_asked_for_again_arrives_once() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    let rung: Vec<String> = (0..5).map(|_| pos.ring(&sale(now())).unwrap().uuid.to_string()).collect();
    pos.close_shift(now()).unwrap();
    checked(&bench.server, &mut till, 1);
    let day = now().date().to_string();
    let yesterday = now().date().yesterday().unwrap().to_string();
    let said = till.command(&["unload", "--from", &yesterday, "--to", &day]).unwrap();
    assert_eq!(receipts(&bench.server, &till, 1), rung, "{said}");
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn an_agent_that_lost_its_state_sends_nothing_twice_and_skips_nothing() {
    let (bench, mut till, mut pos) = small_shop(TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung: Vec<String> = (0..5).map(|_| pos.ring(&sale(now())).unwrap().uuid.to_string()).collect();
    till.command(&["unload"]).unwrap();
    wait_for_receipts(&bench.server, &mut till, 1, 5);

    till.stop_agent().unwrap();
    fs_err::remove_dir_all(till.folder().join("data")).unwrap();
    rung.push(pos.ring(&sale(now())).unwrap().uuid.to_string());
    pos.close_shift(now()).unwrap();
    till.start_agent().unwrap();

    let shift = checked(&bench.server, &mut till, 1);
    assert_eq!(shift["outcome"]["verdict"], "ok", "{shift}");
    assert_eq!(receipts(&bench.server, &till, 1), rung);
}

#[test]
fn a_new_till_is_asked_for_the_last_24_hours() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    let old = hand_written(&till, 1, now().saturating_sub(48.hours()));
    let recent = hand_written(&till, 2, now().saturating_sub(1.hour()));
    till.start_agent().unwrap();

    assert_eq!(wait_for_receipts(&bench.server, &mut till, 2, 1), [recent]);
    assert_eq!(receipts(&bench.server, &till, 1), Vec::<String>::new(), "{old} is older than a day");
}

/// A receipt in a closed shift of its own, by a POS that Tillway never saw.
fn hand_written(till: &Till, shift: u64, time: DateTime) -> String {
    let mut writer = PosWriter::open(&till.documents()).unwrap();
    let row = writer
        .open_shift(&NewShift {
            number: ShiftNumber(shift),
            cash_code: till.code.clone(),
            shop_code: till.shop_code.clone(),
            cashier: "1".to_owned(),
            cashier_name: "Cashier 1".to_owned(),
            time_beg: time,
        })
        .unwrap();
    let uuid = Uuid::new_v4().to_string();
    let document = v1::Document {
        key: Some(v1::ReceiptKey { number: shift, ..v1::ReceiptKey::default() }),
        doctype: 1,
        cash_code: till.code.clone(),
        cashier: "1".to_owned(),
        time_beg: time.to_string(),
        time_end: time.to_string(),
        identifier: uuid.clone(),
        ..v1::Document::default()
    };
    writer.add_document(row, &document, true).unwrap();
    writer.close_shift(row, time.saturating_add(1.minute())).unwrap();
    uuid
}
