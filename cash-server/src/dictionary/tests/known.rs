//! Objects that are known by the text of their records.

use super::kit::{BARCODE, CLEAR, Chain, item};

/// An item with barcodes of its own.
fn with_barcodes(code: u32, name: &str, barcodes: &[u32]) -> String {
    let barcodes: Vec<String> =
        barcodes.iter().map(|barcode| format!(r#"{{"barcode":"{barcode}","name":"{name}"}}"#)).collect();
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"{code}","name":"{name}","barcodes":[{}]}}}}"#,
        barcodes.join(",")
    ) + "\n---\n"
}

fn barcode(barcode: u32, code: u32, name: &str) -> String {
    format!(r#"{{"command":"addBarcode","barcode":{{"barcode":"{barcode}","inventcode":"{code}","name":"{name}"}}}}"#)
        + "\n---\n"
}

fn catalogue(changed: Option<u32>) -> Vec<String> {
    let name = |code| if changed == Some(code) { "Coffee" } else { "Tea" };
    (0..1000).map(|code| with_barcodes(code, name(code), &[code + 5000, code + 7000])).collect()
}

#[test]
fn of_a_file_that_comes_again_only_the_first_records_and_what_changed_are_read() {
    let chain = Chain::new();
    chain.load("All", &(CLEAR.to_owned() + &catalogue(None).concat()));
    let (outcome, unread) = chain.load_knowing("All", &(CLEAR.to_owned() + &catalogue(Some(500)).concat()));
    assert_eq!((outcome.counts.changed, outcome.counts.deleted, outcome.counts.unchanged), (3, 0, 2997));
    assert_eq!(unread, 997);
    let (again, unread) = chain.load_knowing("All", &(CLEAR.to_owned() + &catalogue(Some(500)).concat()));
    assert_eq!((again.revision, again.counts.unchanged, unread), (None, 3000, 998));
}

#[test]
fn what_a_file_does_not_name_any_more_is_gone_and_the_rest_is_still_known() {
    let chain = Chain::new();
    chain.load("All", &catalogue(None).concat());
    let mut fewer = catalogue(None);
    fewer.drain(100..300);
    fewer.remove(50);
    let (outcome, unread) = chain.load_knowing("All", &(CLEAR.to_owned() + &fewer.concat()));
    assert_eq!((outcome.counts.deleted, outcome.counts.unchanged), (3 * 201, 3 * 799));
    assert!(unread > 790, "{unread}");
    assert_eq!(chain.keys("All", BARCODE).len(), 2 * 799);
}

#[test]
fn rows_that_stand_elsewhere_are_spared_with_the_known_object_that_owns_them() {
    let chain = Chain::new();
    // One that stands before the item that brings it, and one that comes to an item later.
    chain.load("All", &(barcode(9999, 1000, "Tea") + &catalogue(None).concat()));
    let mut more = catalogue(None);
    more[500] = with_barcodes(500, "Tea", &[5500, 7500, 9500]);
    more.push(with_barcodes(1000, "Tea", &[6000, 8000, 9999]));
    more.push(with_barcodes(1001, "Tea", &[6001, 8001]));
    let file = CLEAR.to_owned() + &more.concat();
    assert_eq!(chain.load("All", &file).counts.deleted, 0);
    for _ in 0..2 {
        let (again, unread) = chain.load_knowing("All", &file);
        assert_eq!((again.revision, again.counts.deleted, again.counts.unchanged), (None, 0, 3008));
        assert!(unread > 990, "{unread}");
    }
    assert_eq!(chain.keys("All", BARCODE).len(), 2006);
}

#[test]
fn a_record_is_read_again_where_the_same_load_has_changed_what_it_says() {
    let chain = Chain::new();
    chain.load("All", &catalogue(None).concat());
    let delete = |code: u32| format!("{{\"command\":\"deleteInventItem\",\"inventcode\":\"{code}\"}}\n---\n");
    let take_away = barcode(5700, 700, "Taken");
    let file = delete(600) + &take_away + &catalogue(None).concat();
    let (outcome, unread) = chain.load_knowing("All", &file);
    assert_eq!((outcome.revision, outcome.counts.unchanged), (None, 2999));
    assert_eq!(unread, 998, "what a record deletes and another one adds again is as it was");
    // What another load changed is no less changed.
    chain.load("All", &take_away);
    let (outcome, unread) = chain.load_knowing("All", &catalogue(None).concat());
    assert_eq!((outcome.counts.changed, outcome.counts.unchanged, unread), (1, 2999, 997));
}

#[test]
fn the_same_in_other_words_changes_nothing_and_the_first_words_are_still_known() {
    let chain = Chain::new();
    let items = |name: &str| (0..200).map(|code| item(&code.to_string(), name, "10")).collect::<String>();
    chain.load("All", &items("Tea"));
    let (outcome, unread) = chain.load_knowing("All", &items("Tea").replace(":10}", ":10.00}"));
    assert_eq!((outcome.revision, outcome.counts.unchanged, unread), (None, 200, 0));
    assert_eq!(chain.load_knowing("All", &items("Tea")).1, 198);
}

#[test]
fn layers_know_their_own_objects() {
    let chain = Chain::new();
    chain.load("All", &catalogue(None).concat());
    let (outcome, unread) = chain.load_knowing("shop-1", &catalogue(None).concat());
    assert_eq!((outcome.counts.added, unread), (3000, 0));
    assert_eq!(chain.load_knowing("shop-1", &catalogue(None).concat()).1, 998);
}
