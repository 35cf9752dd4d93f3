//! Receipts that are looked for: each filter finds its own, page by page, and sums are equal
//! whatever they are by.

use super::Home;
use crate::sales::spool::Position;
use crate::sales::tests::{incoming, now, sale, shop, till};
use crate::store::sales::{
    FoundReceipts, MAX_LOOKED_AT, ReceiptFilter, ReceiptId, ReceiptPage, ReceiptSort, SalesStore, TotalsBy,
    TotalsFilter,
};
use jiff::civil::{Date, DateTime};
use tillway_proto::Kopecks;
use tillway_proto::receipt::DocumentNumber;
use tillway_proto::sales::v1;

const START: Position = Position { segment: 0, offset: 0 };
const PAGE: ReceiptPage = ReceiptPage { after: None, limit: 100, oldest_first: false };

fn at(offset: u64) -> Position {
    Position { segment: 1, offset }
}

fn day() -> ReceiptFilter {
    let of = |hour| DateTime::constant(2017, 2, 28, hour, 0, 0, 0);
    ReceiptFilter::between(of(0), of(23))
}

fn numbers(found: &FoundReceipts) -> Vec<u64> {
    found.rows.iter().map(|row| row.receipt.number.0).collect()
}

/// Sales 1 to 5, a refund 6, a withdrawal 7.
fn load_some(store: &dyn SalesStore) {
    let mut documents: Vec<v1::Document> = (1..=7).map(|number| sale(&till(), 1, number)).collect();
    documents[1].cashier = "anna".to_owned();
    documents[2].lines[0].item_code = "milk".to_owned();
    documents[3].payments[0].type_code = 4;
    documents[3].payments[0].card_number = "************1234".to_owned();
    documents[4].time_end = "2017-02-28T18:00:00".to_owned();
    documents[5].doctype = 2;
    documents[5].payments[0].opcode = 74;
    documents[6].doctype = 4;
    store.load(START, at(1), &[incoming(documents, vec![])], now()).unwrap();
}

pub(super) fn each_filter_of_receipts_finds_its_own_the_newest_first(home: &dyn Home) {
    let store = home.open().sales;
    load_some(store.as_ref());
    let find = |filter: ReceiptFilter| numbers(&store.find_receipts(&filter, PAGE).unwrap());
    assert_eq!(find(day()), [5, 7, 6, 4, 3, 2, 1]);
    let oldest = ReceiptPage { oldest_first: true, ..PAGE };
    assert_eq!(numbers(&store.find_receipts(&day(), oldest).unwrap()), [1, 2, 3, 4, 6, 7, 5]);
    assert_eq!(find(ReceiptFilter { till: Some(till()), ..day() }).len(), 7);
    assert!(find(ReceiptFilter { till: "_cash_9_00000009".parse().ok(), ..day() }).is_empty());
    let other = "_shop_9_00000009".parse().unwrap();
    assert_eq!(find(ReceiptFilter { shops: Some(vec![shop()]), ..day() }).len(), 7);
    assert!(find(ReceiptFilter { shops: Some(vec![other]), ..day() }).is_empty());
    let both = Some(vec![shop(), "_shop_9_00000009".parse().unwrap()]);
    assert_eq!(find(ReceiptFilter { shops: both, ..day() }).len(), 7);
    assert!(find(ReceiptFilter { shops: Some(Vec::new()), ..day() }).is_empty(), "of no shop at all");
    let afternoon = DateTime::constant(2017, 2, 28, 12, 0, 0, 0);
    assert_eq!(find(ReceiptFilter { from: afternoon, ..day() }), [5]);
    assert_eq!(find(ReceiptFilter { until: DateTime::constant(2017, 2, 28, 10, 2, 30, 0), ..day() }), [1]);
    assert_eq!(find(ReceiptFilter { sort: Some(ReceiptSort::Sale), ..day() }), [5, 4, 3, 2, 1]);
    assert_eq!(find(ReceiptFilter { sort: Some(ReceiptSort::Refund), ..day() }), [6]);
    assert_eq!(find(ReceiptFilter { sort: Some(ReceiptSort::Other), ..day() }), [7]);
    assert_eq!(find(ReceiptFilter { number: Some(DocumentNumber(3)), ..day() }), [3]);
    let sums = ReceiptFilter { least: Some(Kopecks(250)), most: Some(Kopecks(350)), ..day() };
    assert_eq!(find(sums), [3, 2]);
    assert_eq!(find(ReceiptFilter { item: Some("milk".to_owned()), ..day() }), [3]);
    assert_eq!(find(ReceiptFilter { item: Some("4600000000017".to_owned()), ..day() }).len(), 7, "a barcode");
    assert_eq!(find(ReceiptFilter { cashier: Some("anna".to_owned()), ..day() }), [2]);
    assert_eq!(find(ReceiptFilter { payment: Some(4), ..day() }), [4]);
    assert_eq!(find(ReceiptFilter { card: Some("1234".to_owned()), ..day() }), [4]);
    assert_eq!(find(ReceiptFilter { card: Some("777".to_owned()), ..day() }).len(), 7, "a customer's card");
}

pub(super) fn receipts_are_found_page_by_page_each_once(home: &dyn Home) {
    let store = home.open().sales;
    // All end at two moments.
    let of = |number: u64| v1::Document {
        time_end: format!("2017-02-28T1{}:00:00", number % 2),
        ..sale(&till(), 1, number)
    };
    store.load(START, at(1), &[incoming((1..=25).map(of).collect(), vec![])], now()).unwrap();
    for oldest_first in [false, true] {
        for filter in [day(), ReceiptFilter { least: Some(Kopecks(0)), ..day() }] {
            let mut page = ReceiptPage { limit: 4, oldest_first, after: None };
            let (mut seen, mut pages) = (Vec::new(), 0);
            loop {
                let found = store.find_receipts(&filter, page).unwrap();
                seen.extend(numbers(&found));
                pages += 1;
                assert_eq!(found.stopped_at, None);
                let Some(next) = found.next else { break };
                page.after = Some(next.to_string().parse().unwrap());
            }
            assert_eq!((seen.len(), pages), (25, 7), "{seen:?}");
            seen.sort_unstable();
            assert_eq!(seen, (1..=25).collect::<Vec<_>>());
        }
    }
}

pub(super) fn a_search_stops_when_it_has_looked_at_enough_and_goes_on(home: &dyn Home) {
    let store = home.open().sales;
    let many = u64::from(MAX_LOOKED_AT) + 10;
    let bare = |number: u64| v1::Document {
        time_end: if number == 1 { "2017-02-28T09:00:00" } else { "2017-02-28T10:00:00" }.to_owned(),
        lines: Vec::new(),
        voided_lines: Vec::new(),
        payments: Vec::new(),
        cards: Vec::new(),
        ..sale(&till(), 1, number)
    };
    store.load(START, at(1), &[incoming((1..=many).map(bare).collect(), vec![])], now()).unwrap();
    let first = ReceiptFilter { number: Some(DocumentNumber(1)), ..day() };
    let found = store.find_receipts(&first, PAGE).unwrap();
    assert_eq!((numbers(&found), found.stopped_at), (vec![], Some(DateTime::constant(2017, 2, 28, 10, 0, 0, 0))));
    let further = store.find_receipts(&first, ReceiptPage { after: found.next, ..PAGE }).unwrap();
    assert_eq!((numbers(&further), further.next), (vec![1], None));
}

pub(super) fn one_receipt_is_there_whole_by_its_id(home: &dyn Home) {
    let store = home.open().sales;
    load_some(store.as_ref());
    let found = store.find_receipts(&ReceiptFilter { number: Some(DocumentNumber(3)), ..day() }, PAGE).unwrap();
    let id: ReceiptId = found.rows[0].id.to_string().parse().unwrap();
    let kept = store.receipt(&id).unwrap().unwrap();
    let mut expected = sale(&till(), 1, 3);
    expected.lines[0].item_code = "milk".to_owned();
    assert_eq!((kept.document, kept.shop, kept.received_at), (expected, shop(), now()));
    assert_eq!(store.receipt(&ReceiptId { number: DocumentNumber(4), ..id }).unwrap(), None, "another's UUID");
}

pub(super) fn sums_are_equal_whatever_they_are_by(home: &dyn Home) {
    let store = home.open().sales;
    let mut documents: Vec<v1::Document> = (1..=40).map(|number| sale(&till(), 1, number)).collect();
    let mut by_hand = (0, 0);
    for (number, document) in (0_i64..).zip(&mut documents) {
        document.time_end = format!("2017-02-{:02}T{:02}:30:00", 20 + number % 3, 8 + number % 12);
        document.cashier = format!("{}", number % 4);
        if number % 5 == 0 {
            document.doctype = 2;
            document.payments[0].opcode = 74;
            by_hand.1 += document.sum;
        } else {
            // In part by card, in part in cash with change.
            let paid = |opcode, type_code, sum| v1::Payment { opcode, type_code, sum, ..v1::Payment::default() };
            document.payments = vec![paid(70, 4, 100), paid(70, 1, document.sum), paid(72, 1, 100)];
            by_hand.0 += document.sum;
        }
    }
    store.load(START, at(1), &[incoming(documents.clone(), vec![])], now()).unwrap();
    store.load(at(1), at(2), &[incoming(documents, vec![])], now()).unwrap();
    let range = TotalsFilter { from: Some(Date::constant(2017, 2, 1)), ..TotalsFilter::default() };
    for filter in [TotalsFilter::default(), range, TotalsFilter { till: Some(till()), ..TotalsFilter::default() }] {
        for by in TotalsBy::ALL {
            let rows = store.totals(&filter, by).unwrap();
            let sums = rows
                .iter()
                .fold((0, 0), |sums, row| (sums.0 + row.counted.sale_sum.0, sums.1 + row.counted.refund_sum.0));
            assert_eq!(sums, by_hand, "by {by:?}: {rows:?}");
        }
    }
    let keys = |by| {
        let rows = store.totals(&TotalsFilter::default(), by).unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(TotalsBy::Payment), ["1", "4"]);
    assert_eq!(keys(TotalsBy::Cashier), ["0", "1", "2", "3"]);
    assert_eq!((keys(TotalsBy::Hour).len(), keys(TotalsBy::Hour)[0].as_str()), (12, "08"));
    while store.prune(Date::constant(2017, 4, 1), false, 7).unwrap() > 0 {}
    for by in TotalsBy::ALL {
        assert_eq!(store.totals(&TotalsFilter::default(), by).unwrap(), [], "what was deleted is taken off: {by:?}");
    }
}
