//! The check at shift close, as a pure function.

use crate::words::Reason;
use tillway_proto::Kopecks;

use crate::sales::check::{Counted, Difference, Facts, Hole, Measure, RecordFacts, Verdict, check};

fn three_sales() -> Counted {
    Counted { sales: 3, sale_sum: Kopecks(300), ..Counted::default() }
}

fn closed() -> RecordFacts {
    RecordFacts {
        closed: true,
        recorded: three_sales(),
        till: three_sales(),
        till_documents: 3,
        unfinished: 0,
        first: 5,
        last: 7,
        waited: false,
    }
}

fn facts() -> Facts {
    Facts { record: Some(closed()), server: three_sales(), numbers: vec![5, 6, 7], quiet: false }
}

#[test]
fn a_shift_on_which_all_agree_is_ok() {
    let outcome = check(&facts());
    assert_eq!(outcome.verdict, Verdict::Ok);
    assert!(outcome.differences.is_empty() && outcome.holes.is_empty() && outcome.doubled.is_empty());
}

#[test]
fn a_shift_without_a_closing_record_is_open() {
    assert_eq!(check(&Facts { record: None, ..facts() }).verdict, Verdict::Open);
    let open = RecordFacts { closed: false, ..closed() };
    assert_eq!(check(&Facts { record: Some(open), ..facts() }).verdict, Verdict::Open);
}

#[test]
fn a_closed_shift_waits_for_its_documents_but_not_for_ever() {
    let server = Counted { sales: 2, sale_sum: Kopecks(200), ..Counted::default() };
    let short = Facts { server, numbers: vec![5, 7], ..facts() };
    assert_eq!(check(&short).verdict, Verdict::Waiting);
    let outcome = check(&Facts { record: Some(RecordFacts { waited: true, ..closed() }), ..short });
    assert_eq!(outcome.verdict, Verdict::Differs);
    assert_eq!(outcome.holes, [Hole { from: 6, to: 6 }]);
    let sum = Difference { measure: Measure::SaleSum, recorded: Some(300), till: 300, server: Some(200) };
    assert!(outcome.differences.contains(&sum), "{outcome:?}");
    assert_eq!(
        outcome.reasons().iter().map(|reason| crate::words::in_english(&Reason::of(reason))).collect::<Vec<_>>(),
        [
            "sales: till 3, shift record 3, server 2 (-1)",
            "sum of sales: till 3.00, shift record 3.00, server 2.00 (-1.00)",
            "documents: till 3, server 2 (-1)",
            "1 document number missing: 6",
        ]
    );
}

#[test]
fn a_difference_between_till_and_shift_record_is_shown_though_the_server_has_all() {
    let recorded = Counted { sale_sum: Kopecks(299), ..three_sales() };
    let outcome = check(&Facts { record: Some(RecordFacts { recorded, ..closed() }), ..facts() });
    assert_eq!(outcome.verdict, Verdict::Differs);
    assert_eq!(
        outcome.differences,
        [Difference { measure: Measure::SaleSum, recorded: Some(299), till: 300, server: Some(300) }]
    );
}

#[test]
fn holes_at_both_ends_and_doubled_numbers_are_found() {
    let record = RecordFacts { first: 1, last: 9, till_documents: 4, ..closed() };
    let outcome = check(&Facts { record: Some(record), numbers: vec![3, 4, 4, 7], ..facts() });
    assert_eq!(outcome.holes, [Hole { from: 1, to: 2 }, Hole { from: 5, to: 6 }, Hole { from: 8, to: 9 }]);
    assert_eq!(outcome.missing_numbers, 6);
    assert_eq!(outcome.doubled, [4]);
    assert_eq!(outcome.verdict, Verdict::Differs);
}

#[test]
fn numbers_that_are_not_known_make_no_holes() {
    let record = RecordFacts { first: 0, last: 0, ..closed() };
    assert_eq!(check(&Facts { record: Some(record), ..facts() }).verdict, Verdict::Ok);
    let empty = RecordFacts {
        recorded: Counted::default(),
        till: Counted::default(),
        till_documents: 0,
        first: 0,
        last: 0,
        ..closed()
    };
    assert_eq!(check(&Facts { record: Some(empty), ..Facts::default() }).verdict, Verdict::Ok);
    let huge = RecordFacts { first: 1, last: u64::MAX, ..closed() };
    assert_eq!(check(&Facts { record: Some(huge), ..Facts::default() }).missing_numbers, u64::MAX);
}
