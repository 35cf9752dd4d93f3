//! What the POS sees, also while a load runs.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_reader_sees_one_state_or_the_next_and_is_never_blocked() {
    let mut till = Till::new();
    till.load_full(1, &Overlay::with_items(0..3000, 1));
    let packages: Vec<_> = (2..8)
        .map(|to| {
            let (before, after) = (Overlay::default(), Overlay::with_items(0..3000, i64::try_from(to).unwrap()));
            till.package((0, &before), (to, &after), &all_kinds())
        })
        .collect();
    let shelf = till.shelf();
    shelf_reads(&shelf);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let shelf = till_shelf(till.folder.path());
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Acquire) {
                seen.insert(shelf_reads(&shelf));
            }
            seen.insert(shelf_reads(&shelf));
            seen
        });
        for package in &packages {
            let mut reader = PackageReader::open(&package.path, &package.name).unwrap();
            assert!(matches!(till.loader.apply(&mut reader), Ok(Applied::Done(_))));
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert!(seen.contains(&7), "{seen:?}");
}

fn till_shelf(folder: &Path) -> Shelf {
    Shelf::open(&folder.join("dictionaries.db")).unwrap()
}

/// The one revision that some look-ups, made in one state, agree on.
fn shelf_reads(shelf: &Shelf) -> u64 {
    shelf
        .at_once(|shelf| {
            let revision = shelf.cursor()?.0;
            for number in [0, 1500, 2999] {
                assert_eq!(price_of(shelf, number), Some(Kopecks(i64::try_from(revision).unwrap())));
            }
            Ok(revision)
        })
        .unwrap()
}

#[test]
fn the_price_of_a_document_goes_before_while_it_is_effective() {
    let mut till = Till::new();
    let mut overlay = Overlay::with_items(0..3, 10_000);
    let barcode = "4600000000001";
    let price = |barcode: &str, document: (i64, &str), price, effective: Option<(&str, &str)>| {
        let mut fields = vec![
            ("barcode", text(barcode)),
            ("doctype", Value::Integer(document.0)),
            ("documentid", text(document.1)),
            ("price", Value::Integer(price)),
        ];
        if let Some((from, to)) = effective {
            fields.extend([("effectivedate", text(from)), ("effectivedateend", text(to))]);
        }
        fields
    };
    let january = Some(("2017-01-01T00:00:00", "2017-01-31T23:59:59"));
    let day = Some(("2017-01-10T00:00:00", "2017-01-10T23:59:59"));
    overlay.put(kind("price"), &price("1", (1, "repricing of the item"), 9000, None), None);
    overlay.put(kind("price"), &price("1", (2, "sale-off of the item"), 8000, january), None);
    overlay.put(kind("price"), &price(barcode, (1, "repricing of the barcode"), 7000, day), None);
    till.load_full(1, &overlay);
    let shelf = till.shelf();
    let at = |time: DateTime| shelf.by_barcode(barcode, time).unwrap()[0].price.unwrap().0;
    assert_eq!(at(datetime(2016, 12, 31, 23, 59, 59, 0)), 9000);
    assert_eq!(at(datetime(2017, 1, 1, 0, 0, 0, 0)), 8000);
    assert_eq!(at(datetime(2017, 1, 10, 23, 59, 59, 0)), 7000);
    assert_eq!(at(datetime(2017, 1, 11, 0, 0, 0, 0)), 8000);
    assert_eq!(at(datetime(2017, 2, 1, 0, 0, 0, 0)), 9000);
    assert_eq!(shelf.by_code("1", NOON).unwrap().unwrap().price, Some(Kopecks(8000)));
    assert_eq!(shelf.by_code("2", NOON).unwrap().unwrap().price, Some(Kopecks(10_000)));
    let in_view: i64 =
        till.tool().query_row("SELECT price FROM goods WHERE barcode = ?1", [barcode], |row| row.get(0)).unwrap();
    assert_eq!(in_view, 9000, "the view asks for now");
}

#[test]
fn names_are_found_by_their_beginning() {
    let mut till = Till::new();
    till.load_full(1, &Overlay::with_items(0..30, 1));
    let shelf = till.shelf();
    let names = |prefix: &str, limit| -> Vec<String> {
        shelf.by_name(prefix, NOON, limit).unwrap().into_iter().filter_map(|good| good.name).collect()
    };
    assert_eq!(names("Товар 2", 3), ["Товар 2", "Товар 20", "Товар 21"]);
    assert_eq!(names("Товар 2", 100).len(), 11);
    assert!(names("Услуга", 100).is_empty());
    assert_eq!(names("", 100).len(), 30);
}

#[test]
fn what_a_pos_asks_is_answered_from_indexes() {
    let till = Till::new();
    let tool = till.tool();
    for (query, index) in [
        ("SELECT * FROM barcodes WHERE barcode = 'x'", "sqlite_autoindex_barcodes_1"),
        ("SELECT * FROM tmc WHERE code = 'x'", "sqlite_autoindex_tmc_1"),
        ("SELECT * FROM tmc WHERE name >= 'x' AND name < 'y'", "tmc_name"),
        ("SELECT price FROM goods WHERE barcode = 'x'", "sqlite_autoindex_price_1"),
    ] {
        let mut statement = tool.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{query}: {plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN ") && !step.contains("CONSTANT")), "{query}: {plan:?}");
    }
}
