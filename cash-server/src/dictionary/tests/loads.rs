//! What a load changes, and what it leaves alone.

use super::kit::{BARCODE, CLEAR, Chain, ITEM, PRICE, delete, entry, exact, item, parts, upsert};
use crate::dictionary::entry::{KindId, LoadCounts, Upsert};
use tillway_exchangers::kinds::Kind;
use tillway_proto::Revision;

fn counts(added: u64, changed: u64, deleted: u64, unchanged: u64) -> LoadCounts {
    LoadCounts { added, changed, deleted, unchanged, ..LoadCounts::default() }
}

fn catalogue() -> String {
    (0..50).map(|n| item(&n.to_string(), "Tea", "10.50")).collect()
}

#[test]
fn the_same_file_twice_makes_no_revision() {
    let chain = Chain::new();
    let file = CLEAR.to_owned() + &catalogue();
    let first = chain.load("All", &file);
    assert_eq!((first.revision, first.counts), (Some(Revision(1)), counts(50, 0, 0, 0)));
    let second = chain.load("All", &file);
    assert_eq!((second.revision, second.counts), (None, counts(0, 0, 0, 50)));
    assert_eq!(chain.dictionary.head().unwrap(), Revision(1));
}

#[test]
fn clear_and_add_is_compared_with_what_is_there() {
    let chain = Chain::new();
    chain.load("All", &catalogue());
    let file = CLEAR.to_owned() + &catalogue().replace("\"7\"", "\"700\"").replacen("10.50", "11.50", 1);
    let outcome = chain.load("All", &file);
    assert_eq!((outcome.revision, outcome.counts), (Some(Revision(2)), counts(1, 1, 1, 48)));
}

#[test]
fn what_is_changed_and_changed_back_within_a_load_never_was() {
    let chain = Chain::new();
    chain.load("All", &item("1", "Tea", "10"));
    let delete = "{\"command\":\"deleteInventItem\",\"inventcode\":\"1\"}\n---\n";
    let back = delete.to_owned() + &item("1", "Tea", "12") + &item("1", "Tea", "10");
    assert_eq!(chain.load("All", &back).revision, None);
    let outcome = chain.load("All", &(back + delete));
    assert_eq!(outcome.counts.deleted, 1);
    assert_eq!(chain.load("All", delete).revision, None);
}

#[test]
fn a_dropped_load_never_was_and_the_next_one_goes_on() {
    let chain = Chain::new();
    let mut load = chain.begin("All");
    load.upsert_all(&[upsert(entry(ITEM, "a", 1), None)]).unwrap();
    drop(load);
    assert!(chain.head(chain.no("All")).is_empty());
    let mut load = chain.begin("All");
    load.upsert_all(&[upsert(entry(ITEM, "a", 1), None)]).unwrap();
    load.rollback();
    assert_eq!(chain.dictionary.head().unwrap(), Revision::ZERO);
    assert_eq!(chain.load("All", &item("1", "Tea", "10")).revision, Some(Revision(1)));
}

#[test]
fn an_item_sent_again_without_its_barcodes_keeps_them_and_with_fewer_loses_the_rest() {
    let chain = Chain::new();
    let layer = chain.no("All");
    let load = |owned: Option<Vec<_>>| {
        let mut load = chain.begin("All");
        load.upsert_all(&[upsert(entry(ITEM, "a", 1), owned)]).unwrap();
        load.commit().unwrap();
        chain.head(layer).keys().filter(|(kind, _)| *kind == BARCODE).map(|(_, key)| key.clone()).collect::<Vec<_>>()
    };
    let [p, q] = ["p", "q"].map(|key| entry(BARCODE, key, 1));
    assert_eq!(load(Some(vec![p.clone(), q.clone()])), ["p", "q"]);
    assert_eq!(load(None), ["p", "q"]);
    assert_eq!(load(Some(vec![q.clone()])), ["q"]);
    // One that came on its own stays whatever the item says.
    let mut alone = chain.begin("All");
    alone.upsert_all(&[upsert(entry(BARCODE, "q", 1), None)]).unwrap();
    assert_eq!(alone.commit().unwrap().revision, None);
    assert_eq!(load(Some(vec![p])), ["p", "q"]);
    let mut deleting = chain.begin("All");
    assert_eq!(deleting.delete_all(&[delete(ITEM, exact("a"))]).unwrap(), 1);
    assert_eq!(deleting.delete_all(&[delete(ITEM, exact("a"))]).unwrap(), 0);
    deleting.commit().unwrap();
    assert_eq!(chain.head(layer).keys().map(|(_, key)| key.as_str()).collect::<Vec<_>>(), ["q"]);
}

#[test]
fn a_row_touched_on_its_own_is_put_right_by_the_item_again() {
    let chain = Chain::new();
    let whole = upsert(entry(ITEM, "a", 1), Some(vec![entry(BARCODE, "p", 1)]));
    let send = |upsert: &Upsert| {
        let mut load = chain.begin("All");
        load.upsert_all(std::slice::from_ref(upsert)).unwrap();
        load.commit().unwrap().counts.changed
    };
    send(&whole);
    assert_eq!(send(&whole), 0);
    assert_eq!(send(&upsert(entry(BARCODE, "p", 2), None)), 1);
    assert_eq!(send(&whole), 1);
}

#[test]
fn objects_go_by_the_parts_of_their_keys_that_are_named() {
    let chain = Chain::new();
    let mut load = chain.begin("All");
    for key in ["4\u{1f}a", "4\u{1f}b", "40\u{1f}a", "4"] {
        load.upsert_all(&[upsert(entry(BARCODE, key, 1), None)]).unwrap();
    }
    assert_eq!(load.delete_all(&[delete(BARCODE, parts(&["4", "*"]))]).unwrap(), 2);
    assert_eq!(load.commit().unwrap().counts.added, 2);
}

#[test]
fn the_prices_of_a_document_go_whatever_their_type_and_those_without_one_by_an_empty_text() {
    let chain = Chain::new();
    let price =
        |fields: &str| format!(r#"{{"command":"addPrice","price":{{"barcode":"46","price":1{fields}}}}}"#) + "\n---\n";
    let delete = |fields: &str| {
        let record = format!(r#"{{"command":"deletePrice","price":{{"barcode":"46"{fields}}}}}"#) + "\n---\n";
        let counts = chain.load("All", &record).counts;
        (counts.deleted, counts.unchanged)
    };
    let [first, other_type, other_document, none] = [
        r#","doctype":1,"documentid":"D1""#,
        r#","doctype":2,"documentid":"D1""#,
        r#","doctype":1,"documentid":"D2""#,
        r#","doctype":1"#,
    ];
    chain.load("All", &[first, other_type, other_document, none].map(price).concat());
    assert_eq!(delete(r#","doctype":1,"documentid":"D7""#), (0, 1), "what is not there is counted, not passed over");
    assert_eq!(delete(r#","doctype":1,"documentid":"""#), (1, 0));
    assert_eq!(chain.keys("All", PRICE), ["46/1/D1", "46/1/D2", "46/2/D1"]);
    assert_eq!(delete(r#","documentid":"D1""#), (2, 0));
    assert_eq!(chain.keys("All", PRICE), ["46/1/D2"]);
}

#[test]
fn layers_do_not_see_each_other_and_share_one_sequence() {
    let chain = Chain::new();
    assert_eq!(chain.load("All", &item("1", "Tea", "10")).revision, Some(Revision(1)));
    assert_eq!(chain.load("shop-1", &item("1", "Tea", "9")).counts, counts(1, 0, 0, 0));
    assert_eq!(chain.load("shop-1", CLEAR).counts, counts(0, 0, 1, 0));
    assert_eq!(chain.dictionary.head().unwrap(), Revision(3));
    assert_eq!(chain.head(chain.no("All")).len(), 1);
    let infos = chain.dictionary.revisions(10).unwrap();
    let told: Vec<_> =
        infos.iter().map(|info| (info.revision.0, info.node.clone().unwrap(), info.differences)).collect();
    assert_eq!(told, [(3, chain.node("shop-1"), 1), (2, chain.node("shop-1"), 1), (1, chain.root.clone(), 1)]);
}

#[test]
fn the_history_of_a_price_is_known() {
    let chain = Chain::new();
    for price in ["10", "11", "12"] {
        chain.load("All", &item("1", "Tea", price));
    }
    chain.load("All", CLEAR);
    chain.load("All", &item("1", "Tea", "10"));
    let history = chain.dictionary.history(&chain.root, Kind::by_name("item").unwrap(), "1").unwrap();
    let spans: Vec<_> = history.iter().map(|version| (version.since.0, version.until.map(|until| until.0))).collect();
    assert_eq!(spans, [(1, Some(2)), (2, Some(3)), (3, Some(4)), (5, None)]);
    assert_eq!(history[0].hash, history[3].hash);
}

#[test]
fn clearing_barcodes_spares_those_that_an_unchanged_item_names() {
    let chain = Chain::new();
    let whole = |key: &str, barcode: &str| upsert(entry(ITEM, key, 1), Some(vec![entry(BARCODE, barcode, 1)]));
    let mut load = chain.begin("All");
    load.upsert_all(&[whole("a", "p")]).unwrap();
    load.upsert_all(&[whole("b", "q")]).unwrap();
    load.commit().unwrap();
    let mut load = chain.begin("All");
    load.clear(KindId(2)).unwrap();
    load.upsert_all(&[whole("a", "p")]).unwrap();
    assert_eq!(load.commit().unwrap().counts, counts(0, 0, 1, 2));
    // Item b is not whole any more: sent again, it brings its barcode back.
    let mut load = chain.begin("All");
    load.upsert_all(&[whole("b", "q")]).unwrap();
    assert_eq!(load.commit().unwrap().counts, counts(1, 0, 0, 1));
}

#[test]
fn clear_takes_the_barcodes_that_an_item_has_from_before_and_does_not_name() {
    let chain = Chain::new();
    let [p, q] = ["p", "q"].map(|key| entry(BARCODE, key, 1));
    let whole = upsert(entry(ITEM, "a", 1), Some(vec![p.clone(), q]));
    let part =
        Upsert { main: entry(ITEM, "a", 1), owned: vec![p], replaces: Vec::new(), spared: Vec::new(), record: None };
    let mut load = chain.begin("All");
    load.upsert_all(std::slice::from_ref(&whole)).unwrap();
    load.upsert_all(std::slice::from_ref(&part)).unwrap();
    load.commit().unwrap();
    assert_eq!(chain.head(chain.no("All")).len(), 3);
    let mut load = chain.begin("All");
    load.clear(ITEM).unwrap();
    load.clear(BARCODE).unwrap();
    load.upsert_all(std::slice::from_ref(&part)).unwrap();
    assert_eq!(load.commit().unwrap().counts.deleted, 1);
}
