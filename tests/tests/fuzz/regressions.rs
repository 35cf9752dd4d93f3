//! Inputs that broke something once.

use tillway_tests::fuzz;

#[test]
fn a_verb_as_long_as_a_book_is_told_in_short() {
    let record = format!(r#"{{"command":"{}"}}"#, "x".repeat(100_000));
    fuzz::aif(record.as_bytes());
    fuzz::aif_json(format!("[{record}]").as_bytes());
}
