//! What a load does not take away: what its broken records may have named. And what it does: an
//! old main barcode.

use super::kit::{BARCODE, CLEAR, Chain, ITEM, PRICE, item};

/// Items 1 to 9 with two barcodes each, and a price by document.
fn catalogue() -> String {
    (1..10).map(|n| with_barcodes(n, "Tea")).collect::<String>() + &(1..10).map(price).collect::<String>()
}

fn with_barcodes(n: u32, name: &str) -> String {
    let invent = format!(r#"{{"inventcode":"{n}","name":"{name}","barcode":"46{n}","barcodes":["47{n}"],"price":10}}"#);
    format!(r#"{{"command":"addInventItem","invent":{invent}}}"#) + "\n---\n"
}

fn price(n: u32) -> String {
    format!(r#"{{"command":"addPrice","price":{{"barcode":"46{n}","doctype":1,"documentid":"D{n}","price":9}}}}"#)
        + "\n---\n"
}

fn loaded() -> Chain {
    let chain = Chain::new();
    chain.load("All", &(CLEAR.to_owned() + &catalogue()));
    chain
}

#[test]
fn an_item_that_a_full_load_names_in_a_broken_record_stays_with_its_barcodes() {
    let chain = loaded();
    let before = chain.head(chain.no("All"));
    let broken = catalogue().replacen("\"price\":10", "\"price\":\"dear\"", 1);
    let counts = chain.load("All", &(CLEAR.to_owned() + &broken)).counts;
    assert_eq!((counts.deleted, counts.changed), (0, 0));
    assert_eq!(chain.head(chain.no("All")), before);
}

#[test]
fn a_full_load_whose_every_record_is_broken_deletes_nothing() {
    let chain = loaded();
    let broken = catalogue().replace("\"price\":", "\"price\":\"dear\",\"was\":");
    assert_eq!(chain.load("All", &(CLEAR.to_owned() + &broken)).revision, None);
}

#[test]
fn what_a_full_load_does_not_name_goes_though_another_record_is_broken() {
    let chain = loaded();
    let broken = catalogue().replace(&with_barcodes(9, "Tea"), "").replacen("\"price\":10", "\"price\":\"dear\"", 1);
    assert_eq!(chain.load("All", &(CLEAR.to_owned() + &broken)).counts.deleted, 3, "item 9 and its two barcodes");
    assert_eq!(chain.keys("All", ITEM).len(), 8);
}

#[test]
fn a_price_of_which_only_the_barcode_is_known_spares_all_prices_of_that_barcode() {
    let chain = loaded();
    let cut = r#"{"command":"addPrice","price":{"barcode":"462","price":"9"9,"doctype":1,"documentid":"D2"}}"#;
    let clear = "{\"command\":\"clearPrice\"}\n---\n";
    chain.load("All", &(clear.to_owned() + &price(1) + cut + "\n---\n"));
    assert_eq!(chain.keys("All", PRICE), ["461/1/D1", "462/1/D2"]);
}

#[test]
fn where_nobody_knows_which_item_was_meant_no_item_and_no_barcode_is_deleted() {
    // The first is an item without a key, and says nothing against the clearing of prices; the
    // second may be anything.
    for (unknown, prices) in
        [(r#"{"command":"addInventItem","invent":{"name":"Tea"}}"#, 0), (r#"{"comand":"addUnit"}"#, 9)]
    {
        let chain = loaded();
        chain.load("All", &(CLEAR.to_owned() + &with_barcodes(1, "Tea") + unknown + "\n---\n"));
        assert_eq!((chain.keys("All", ITEM).len(), chain.keys("All", BARCODE).len()), (9, 18), "{unknown}");
        assert_eq!(chain.keys("All", PRICE).len(), prices, "{unknown}");
    }
}

#[test]
fn a_verb_that_is_not_ours_and_a_broken_deletion_hold_no_clearing_back() {
    let chain = loaded();
    let others = "{\"command\":\"addPony\",\"pony\":{\"code\":1}}\n---\n{\"command\":\"deleteInventItem\"}\n---\n";
    chain.load("All", &(CLEAR.to_owned() + &item("1", "Tea", "10") + others));
    assert_eq!(chain.keys("All", ITEM), ["1"]);
}

#[test]
fn a_clearing_after_the_broken_record_counts() {
    let chain = loaded();
    chain.load("All", &(CLEAR.to_owned() + &broken(1) + CLEAR + &item("2", "Tea", "10")));
    assert_eq!(chain.keys("All", ITEM), ["2"]);
}

#[test]
fn another_main_barcode_takes_the_place_of_the_old_one_and_leaves_others_alone() {
    let chain = Chain::new();
    let item = |n: u32, barcode: &str, price: u32| {
        let invent = format!(r#"{{"inventcode":"{n}","barcode":"{barcode}","price":{price}}}"#);
        chain.load("All", &(format!(r#"{{"command":"addInventItem","invent":{invent}}}"#) + "\n---\n")).counts
    };
    let alone = |barcode: &str| {
        let record = format!(r#"{{"command":"addBarcode","barcode":{{"barcode":"{barcode}","code":"7"}}}}"#);
        chain.load("All", &(record + "\n---\n"));
    };
    item(7, "A", 10);
    alone("X");
    let counts = item(7, "B", 10);
    assert_eq!((counts.added, counts.changed, counts.deleted), (1, 1, 1));
    assert_eq!(chain.keys("All", BARCODE), ["B/7", "X/7"]);
    item(8, "A", 10);
    assert_eq!(chain.keys("All", BARCODE), ["A/8", "B/7", "X/7"]);
    // One that a command of its own named since stays, whatever was the main one.
    alone("B");
    item(7, "C", 11);
    assert_eq!(chain.keys("All", BARCODE), ["A/8", "B/7", "C/7", "X/7"]);
}

#[test]
fn another_main_barcode_without_the_others_leaves_the_others() {
    let chain = loaded();
    let other = r#"{"command":"addInventItem","invent":{"inventcode":"1","name":"Tea","barcode":"48","price":10}}"#;
    chain.load("All", &(other.to_owned() + "\n---\n"));
    let of_item: Vec<_> = chain.keys("All", BARCODE).into_iter().filter(|key| key.ends_with("/1")).collect();
    assert_eq!(of_item, ["471/1", "48/1"]);
}

fn delete(n: u32) -> String {
    format!("{{\"command\":\"deleteInventItem\",\"inventcode\":\"{n}\"}}\n---\n")
}

fn broken(n: u32) -> String {
    with_barcodes(n, "Tea").replace("\"price\":10", "\"price\":\"5,50\"")
}

#[test]
fn a_deletion_does_not_take_effect_where_the_record_that_adds_the_item_again_is_rejected() {
    for rest in [String::new(), delete(1), with_barcodes(2, "Coffee")] {
        let chain = loaded();
        let before = chain.head(chain.no("All"));
        chain.load("All", &(delete(1) + &broken(1) + &rest));
        let mut after = chain.head(chain.no("All"));
        if rest.is_empty() {
            assert_eq!(after, before);
        }
        // The last word counts: a deletion behind the broken record does take effect.
        let of_item = |head: &std::collections::BTreeMap<_, _>| head.contains_key(&(ITEM, "1".to_owned()));
        assert_eq!(of_item(&after), !rest.contains("delete"), "{rest}");
        after.retain(|(kind, _), _| *kind == BARCODE);
        assert_eq!(after.len(), if rest.contains("delete") { 16 } else { 18 });
    }
}

#[test]
fn a_barcode_whose_addition_is_rejected_stays_though_its_item_was_deleted_and_added() {
    let chain = loaded();
    let own = r#"{"command":"addBarcode","barcode":{"barcode":"A","code":"1","price":7}}"#.to_owned() + "\n---\n";
    chain.load("All", &own);
    chain.load("All", &(delete(1) + &item("1", "Tea", "11") + &own.replace(":7", ":\"dear\"")));
    let of_item: Vec<_> = chain.keys("All", BARCODE).into_iter().filter(|key| key.ends_with("/1")).collect();
    assert_eq!(of_item, ["A/1"]);
}

#[test]
fn where_nobody_knows_what_a_broken_record_adds_no_deletion_before_it_takes_effect() {
    for (unknown, stays) in [
        (r#"{"command":"addInventItem","invent":{"name":"Tea"}}"#, true),
        (r#"{"comand":"addUnit"}"#, true),
        (r#"{"command":"addUnit","unit":{"name":"kg"}}"#, false),
    ] {
        let chain = loaded();
        chain.load("All", &(delete(3) + unknown + "\n---\n" + &delete(4)));
        let items = chain.keys("All", ITEM);
        assert_eq!((items.contains(&"3".to_owned()), items.contains(&"4".to_owned())), (stays, false), "{unknown}");
    }
}

#[test]
fn an_item_takes_along_what_hangs_on_it_by_whichever_verb_it_came() {
    let chain = loaded();
    let hanging = [
        r#"{"command":"addBarcode","barcode":{"barcode":"A","code":"1"}}"#,
        r#"{"command":"addBarcode","barcode":{"barcode":"S","code":"1"}}"#,
        r#"{"command":"addBarcode","barcode":{"barcode":"S","code":"2"}}"#,
        r#"{"command":"addPrice","price":{"barcode":"A","price":3,"doctype":1,"documentid":"1"}}"#,
        r#"{"command":"addPrice","price":{"barcode":"1","price":3,"doctype":1,"documentid":"1"}}"#,
        r#"{"command":"addPrice","price":{"barcode":"S","price":3,"doctype":1,"documentid":"1"}}"#,
        r#"{"command":"addAdditionalPrice","additionalprice":{"barcode":"A","pricecode":1,"price":2}}"#,
        r#"{"command":"addAdditionalPrice","additionalprice":{"barcode":"2","pricecode":1,"price":2}}"#,
        r#"{"command":"addTmcScale","tmcscale":{"tmcscalecode":"5","tmccode":"1"}}"#,
        r#"{"command":"addTmcScale","tmcscale":{"tmcscalecode":"1","tmccode":"2"}}"#,
        r#"{"command":"addInventCatalog","inventcatalog":{"tmccode":"1","catalogId":"C"}}"#,
    ];
    let hanging = hanging.map(|record| record.to_owned() + "\n---\n").concat();
    let before = chain.head(chain.no("All"));
    chain.load("All", &hanging);
    let again = r#"{"command":"addPrice","price":{"barcode":"A","price":4,"doctype":1,"documentid":"2"}}"#;
    chain.load("All", &(delete(1) + &item("1", "Another", "6") + again + "\n---\n"));
    let after = chain.head(chain.no("All"));
    // Of item 1 its two barcodes and the price of one of them are gone too; of the shared barcode
    // nothing but its row.
    let mut left: Vec<String> = after
        .keys()
        .filter(|key| !before.contains_key(*key))
        .map(|(kind, key)| format!("{} {}", kind.0, key.replace('\u{1f}', "/")))
        .collect();
    left.sort();
    assert_eq!(left, ["2 S/2", "3 A/1/2", "3 S/1/1", "31 1/2", "4 2/1"]);
    let mut gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).map(|(_, key)| key).collect();
    gone.sort();
    assert_eq!(gone, ["461\u{1f}1", "461\u{1f}1\u{1f}D1", "471\u{1f}1"]);
}

#[test]
fn a_deletion_and_the_same_again_change_nothing_and_what_hung_on_it_goes() {
    let chain = loaded();
    let counts = chain.load("All", &(delete(1) + &with_barcodes(1, "Tea"))).counts;
    assert_eq!((counts.added, counts.changed, counts.deleted), (0, 0, 1), "the price of its barcode by document");
}
