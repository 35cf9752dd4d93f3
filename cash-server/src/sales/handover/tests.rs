//! Files for the back office.

use super::{answer_requests, hand_over_closed, parse_request};
use crate::sales::receipt::{Receipt, ShiftRecord};
use crate::sales::spool::Position;
use crate::sales::tests::{closed_shift, incoming, now, open_store, other_till, sale, till};
use crate::store::sales::{Incoming, SalesStore};
use fs_err as fs;
use jiff::civil::DateTime;
use std::path::{Path, PathBuf};

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
