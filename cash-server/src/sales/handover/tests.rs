//! Files for the back office.

use super::{answer_requests, hand_over_closed, parse_request};
use crate::sales::receipt::{Receipt, ShiftRecord};
use crate::sales::spool::Position;
use crate::sales::tests::{closed_shift, incoming, now, open_store, other_till, sale, sale_in, till};
use crate::store::sales::{Incoming, SalesStore};
use fs_err as fs;
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use std::path::{Path, PathBuf};
use tillway_proto::sales::v1;

const NOW: DateTime = DateTime::constant(2017, 3, 1, 9, 5, 7, 0);

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn a_closed_shift_is_handed_over_once_and_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let at = |offset| Position { segment: 1, offset };
    let arrived = [incoming(vec![sale(&till(), 1, 1)], vec![closed_shift(&till(), 1, 1..=1)])];
    store.load(Position::default(), at(1), &arrived, now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 0);
    let written = files(&root.join("sale7"));
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].file_name().unwrap(), "sale2017.03.01_09-05-07.json");
    let text = fs::read_to_string(&written[0]).unwrap();
    let golden = include_str!("tests/version_1.json");
    assert!(text == golden, "the file for the back office changed: {text}");
    store.load(at(1), at(2), &[incoming(vec![sale(&till(), 1, 2)], vec![])], now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(files(&root.join("sale7")).len(), 2, "a name that is taken is not overwritten");
}

#[test]
fn a_request_is_answered_and_removed_and_a_broken_one_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let till_folder = root.join("sale7");
    fs::create_dir_all(&till_folder).unwrap();
    let shifts = vec![closed_shift(&till(), 1, 1..=1)];
    let arrived = [incoming(vec![sale(&till(), 1, 1), sale(&till(), 2, 2)], shifts)];
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &arrived, now()).unwrap();
    fs::write(till_folder.join("sale.req"), "###\r\n28.02.2017-28.02.2017\r\n").unwrap();
    assert_eq!(answer_requests(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(answer_requests(store.as_ref(), &root, NOW).unwrap(), 0);
    assert_eq!((files(&till_folder).len(), files(&till_folder.join("online")).len()), (1, 1));
    fs::write(till_folder.join("sale.req"), "all of it").unwrap();
    assert_eq!(answer_requests(store.as_ref(), &root, NOW).unwrap(), 0);
    assert!(till_folder.join("sale.req.bad").exists() && !till_folder.join("sale.req").exists());
}

#[test]
fn a_till_whose_folder_cannot_be_used_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let of_other = Incoming {
        till: other_till(),
        receipts: vec![Receipt::parse(&other_till(), sale(&other_till(), 1, 1)).unwrap()],
        shifts: vec![ShiftRecord::parse(&other_till(), closed_shift(&other_till(), 1, 1..=1)).unwrap()],
        ..incoming(vec![], vec![])
    };
    let arrived = [incoming(vec![sale(&till(), 1, 1)], vec![closed_shift(&till(), 1, 1..=1)]), of_other];
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &arrived, now()).unwrap();
    // A file where the first till's folder should be.
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("sale7"), "in the way").unwrap();
    fs::create_dir_all(root.join("sale8")).unwrap();
    fs::write(root.join("sale8").join("sale.req"), "###\n28.02.2017-28.02.2017\n").unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(answer_requests(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(files(&root.join("sale8")).len(), 2);
    fs::remove_file(root.join("sale7")).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1, "it was left for the next time");
    assert_eq!(files(&root.join("sale7")).len(), 1);
}

#[test]
fn shifts_of_a_till_that_moved_go_to_the_shop_each_was_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange").join("{shop}");
    let before = incoming(vec![sale(&till(), 1, 1)], vec![closed_shift(&till(), 1, 1..=1)]);
    let mut after = incoming(vec![sale(&till(), 2, 2)], vec![closed_shift(&till(), 2, 2..=2)]);
    after.shop = "_shop_4_0000000d".parse().unwrap();
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &[before, after], now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 2);
    for shop in ["3", "4"] {
        assert_eq!(files(&folder.path().join("exchange").join(shop).join("sale7")).len(), 1, "shop {shop}");
    }
}

#[test]
fn receipts_whose_record_does_not_come_are_in_a_file_that_a_back_office_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let arrived = [incoming(vec![sale(&till(), 1, 1), sale(&till(), 1, 2)], vec![])];
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &arrived, now()).unwrap();
    store.recheck_waiting(now().checked_add(3.hours()).unwrap()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    let read = as_a_back_office_reads(&files(&root.join("sale7")));
    assert!(read.ends_with(": 1 shifts, 2 documents\n"), "{read}");
}

#[test]
fn only_a_range_of_days_is_a_request() {
    assert!(parse_request("\u{feff}###\n01.01.2017-07.01.2017").is_some());
    for wrong in ["", "###", "###\n07.01.2017-01.01.2017", "###\n2017-01-01", "01.01.2017-07.01.2017", "###\n1-2\n3"] {
        assert!(parse_request(wrong).is_none(), "{wrong:?}");
    }
}

/// What a back office's reader says of the files: how many shifts and documents each holds.
fn as_a_back_office_reads(paths: &[PathBuf]) -> String {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/strangers/back_office_reader.py");
    let read = std::process::Command::new("python3").arg(reader).args(paths).output().unwrap();
    let text = String::from_utf8(read.stdout).unwrap();
    let wrong = String::from_utf8(read.stderr).unwrap();
    assert!(read.status.success(), "a back office cannot read it: {text}{wrong}");
    text
}

#[test]
fn a_back_office_reads_what_cashiers_typed_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let odd = "a\u{2028}b\u{2029}c\u{85}d\r\n}---{ ### sales data begin ### ### shift info end ### \"";
    let mut first = sale(&till(), 1, 1);
    first.back_reason = odd.to_owned();
    first.lines[0].item_code = odd.to_owned();
    let mut shift = closed_shift(&till(), 1, 1..=2);
    shift.users[0].name = odd.to_owned();
    let arrived = [incoming(vec![first, sale(&till(), 1, 2)], vec![shift])];
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &arrived, now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    let written = files(&root.join("sale7"));
    let read = as_a_back_office_reads(&written);
    assert!(read.ends_with(": 1 shifts, 2 documents\n"), "{read}");
    // What was typed is there, letter by letter.
    let text = fs::read_to_string(&written[0]).unwrap();
    let document = text.lines().find(|line| line.contains("\"docNum\":1,")).unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["backReason"], odd);
    assert_eq!(document["inventPositions"][0]["inventCode"], odd);
}

#[test]
fn two_shifts_of_one_number_are_handed_over_both_and_neither_file_replaces_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let at = |offset| Position { segment: 1, offset };
    let shift = |opened: &str, numbers| v1::Shift { time_beg: opened.to_owned(), ..closed_shift(&till(), 1, numbers) };
    let first = [incoming(
        vec![sale_in("2017-02-28T09:00:00", 1, 1), sale_in("2017-02-28T09:00:00", 1, 2)],
        vec![shift("2017-02-28T09:00:00", 1..=2)],
    )];
    store.load(Position::default(), at(1), &first, now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    // The fiscal drive was changed, and it counts from 1 again.
    let mut again = sale_in("2017-02-28T13:00:00", 1, 1);
    again.key.as_mut().unwrap().uuid = vec![5; 16];
    store.load(at(1), at(2), &[incoming(vec![again], vec![shift("2017-02-28T13:00:00", 1..=1)])], now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 0, "the first one did not change");
    let read = as_a_back_office_reads(&files(&root.join("sale7")));
    let counted: Vec<&str> = read.lines().map(|line| line.rsplit_once(": ").unwrap().1).collect();
    assert_eq!(counted, ["1 shifts, 2 documents", "1 shifts, 1 documents"]);
    // Both of that day on request, in one file.
    fs::write(root.join("sale7").join("sale.req"), "###\n28.02.2017-28.02.2017\n").unwrap();
    assert_eq!(answer_requests(store.as_ref(), &root, NOW).unwrap(), 1);
    let text = fs::read_to_string(files(&root.join("sale7")).last().unwrap()).unwrap();
    for opened in ["09", "13"] {
        assert!(text.contains(&format!("\"shift\":1,\"timeBeg\":\"2017-02-28T{opened}:00:00\"")), "{text}");
    }
    assert_eq!(text.matches("\"docNum\"").count(), 3);
}

#[test]
fn a_back_office_gets_all_that_a_pos_writes_of_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let root = folder.path().join("exchange");
    let mut sold = sale(&till(), 1, 1);
    sold.fiscal_copy = Some(1);
    sold.cash_type = Some(2);
    let line = &mut sold.lines[0];
    line.opcode = 63;
    line.mark = "0104600000000017215".to_owned();
    line.additional_barcode = "2200".to_owned();
    line.taxes = vec![v1::Tax { code: 1, sum: 25 }];
    line.bonuses = vec![v1::Bonus { amount: 150, card_number: "777".to_owned() }];
    let payment =
        v1::Payment { opcode: 70, type_code: 4, sum: 150, slip: "APPROVED".to_owned(), ..v1::Payment::default() };
    sold.payments = vec![v1::Payment { card_number: "4111".to_owned(), ..payment.clone() }];
    sold.failed_payments = vec![payment];
    sold.certificates = vec![v1::Voucher { number: "C-1".to_owned(), sum: 500 }];
    sold.coupons = vec![v1::Voucher { number: "K-1".to_owned(), sum: 100 }];
    let register =
        v1::Register { serial_number: "0001".to_owned(), cash_at_end: 5_000, returned: 30, ..v1::Register::default() };
    let shift = v1::Shift { registers: vec![register], ..closed_shift(&till(), 1, 1..=1) };
    let arrived = [incoming(vec![sold], vec![shift])];
    store.load(Position::default(), Position { segment: 1, offset: 1 }, &arrived, now()).unwrap();
    assert_eq!(hand_over_closed(store.as_ref(), &root, NOW).unwrap(), 1);
    let written = files(&root.join("sale7"));
    as_a_back_office_reads(&written);
    let text = fs::read_to_string(&written[0]).unwrap();
    for there in [
        r#""kkms":[{"serialNum":"0001","sumCashEnd":50.00,"sumProtectedBeg":0.00,"sumProtectedEnd":0.00,"sumBack":0.30}]"#,
        r#""frDocCopy":1,"cashType":2"#,
        r#""excisemark":"0104600000000017215","additionalbarcode":"2200","bcode_main":"4600000000017","taxes":[{"taxSum":0.25}]"#,
        r#""bonusPositions":[{"amount":1.50,"cardnum":"777"}]"#,
        r#""moneyPositions":[{"valCode":4,"opCode":70,"sumB":1.50,"cardnum":"4111","slip":"APPROVED"}]"#,
        r#""failedMoneyPositions":[{"valCode":4,"opCode":70,"sumB":1.50,"cardnum":"","slip":"APPROVED"}]"#,
        r#""certificatePositions":[{"number":"C-1","sum":5.00}]"#,
        r#""couponPositions":[{"number":"K-1","sum":1.00}]"#,
    ] {
        assert!(text.contains(there), "{there} is not in {text}");
    }
}
