//! What the POS sees, also while a load runs.

use super::*;
use std::sync::mpsc;
use std::time::Duration;

/// Items on the shelf of the tests below: some chunks of a package.
const ITEMS: u32 = 3000;

/// A package in the middle of whose loading something happens, before each chunk but the first.
struct Interrupted<F> {
    inner: PackageReader,
    chunks: u32,
    between: F,
}

impl<F: FnMut()> PackageSource for Interrupted<F> {
    fn name(&self) -> &PackageName {
        self.inner.name()
    }

    fn header(&self) -> &Header {
        self.inner.header()
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError> {
        if self.chunks > 0 {
            (self.between)();
        }
        self.chunks += 1;
        self.inner.next_chunk()
    }
}

#[test]
fn a_reader_sees_the_old_state_all_through_a_load_and_then_the_new_one_and_is_never_blocked() {
    let mut till = Till::new();
    till.load_full(1, &Overlay::with_items(0..ITEMS, 1));
    let shelf = till.shelf();
    let (ask, asked) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || asked.iter().try_for_each(|()| tell.send(prices_in_one_look(&shelf))));
        // The loader stands in the middle of its transaction until the reader has read: a blocked
        // one never would.
        let look = || {
            ask.send(()).unwrap();
            told.recv_timeout(Duration::from_mins(1)).expect("the reader is blocked")
        };
        for to in 2..5_u64 {
            let after = Overlay::with_items(0..ITEMS, i64::try_from(to).unwrap());
            let package = till.package((0, &Overlay::default()), (to, &after), &all_kinds());
            let mut during = Vec::new();
            let inner = PackageReader::open(&package.path, &package.name).unwrap();
            let mut source = Interrupted { inner, chunks: 0, between: || during.push(look()) };
            assert!(matches!(till.loader.apply(&mut source), Ok(Applied::Done(_))));
            assert!(during.len() > 3, "read {} times during the load", during.len());
            let [old, new] = [to - 1, to].map(|price| vec![i64::try_from(price).unwrap(); ITEMS as usize]);
            assert!(during.iter().all(|prices| *prices == old), "a load shows before its end");
            assert!(look() == new);
        }
        drop(ask);
    });
}

#[test]
fn look_ups_made_at_once_are_of_one_state_though_a_load_ends_between_them() {
    let mut till = Till::new();
    till.load_full(1, &Overlay::with_items(0..3, 1));
    let shelf = till.shelf();
    let read = |shelf: &Shelf| (shelf.cursor().unwrap().0, price_of(shelf, 0), price_of(shelf, 2));
    shelf
        .at_once(|shelf| {
            let first = price_of(shelf, 0);
            till.load_full(2, &Overlay::with_items(0..3, 2));
            assert_eq!(read(shelf), (1, first, Some(Kopecks(1))));
            Ok(())
        })
        .unwrap();
    assert_eq!(read(&shelf), (2, Some(Kopecks(2)), Some(Kopecks(2))));
}

/// The prices of all items by one query.
fn prices_in_one_look(shelf: &Shelf) -> Vec<i64> {
    let goods = shelf.by_name("Товар", NOON, ITEMS).unwrap();
    goods.into_iter().map(|good| good.price.unwrap().0).collect()
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
