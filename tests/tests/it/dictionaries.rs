//! Dictionaries down: intake, difference, delivery, loader.

use crate::support::{
    LARGE_LOAD, SOON, assert_digests_agree, catalogue, converged, deliveries, ended_deliveries, item, load, loaded,
    price, seen_by_server, shelf_price,
};
use rusqlite::Connection;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tillway_exchangers::till::dictionary::Shelf;
use tillway_proto::Kopecks;
use tillway_tests::aif_maker::write_catalogue;
use tillway_tests::bench::{TestBench, TillOptions};
use tillway_tests::journey::{Journey, ProductId, barcode_of, list_price};
use tillway_tests::wait::{Seen, wait_for};

#[test]
fn the_same_catalogue_again_changes_nothing_and_one_price_is_one_object() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    let journey = Journey::load().unwrap();
    let deliver = |name: &str| {
        bench.server.deliver("All", name, |out| write_catalogue(&journey, out)).unwrap();
        loaded(&bench.server, "All", name)
    };
    let first = deliver("pos-first");
    assert_eq!(first["rejected"], 0, "{first}");
    assert!(first["added"].as_u64().unwrap() > 180_000, "items and their barcodes: {first}");
    let cursor = converged(&bench.server, &mut till);
    let before = deliveries(&bench.server, &till).len();

    let again = deliver("pos-again");
    assert_eq!(again["revision"], json!(null), "{again}");
    assert_eq!((&again["added"], &again["changed"], &again["deleted"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(seen_by_server(&bench.server, &till)["target"], cursor);
    assert_eq!(deliveries(&bench.server, &till).len(), before);

    let product = ProductId(1_082_185);
    let changed = format!(
        r#"{{"command":"addPrice","price":{{"barcode":"{}","price":1.05,"doctype":1,"documentid":"SHELF"}}}}"#,
        barcode_of(product)
    );
    assert_ne!(list_price(product), Kopecks(105));
    load(&bench.server, "All", &[changed]);
    converged(&bench.server, &mut till);
    let newest = &deliveries(&bench.server, &till)[0];
    assert_eq!(newest["objects"], 1, "{newest}");
    assert!(newest["bytes"].as_u64().unwrap() < 2_000, "{newest}");
    assert_eq!(newest["from"], cursor);
    assert_digests_agree(&bench, &till);
}

#[test]
fn two_tills_of_a_shop_agree_with_the_server_with_and_without_the_queue() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut through_queue = bench.add_till(&shop, "7", "71").unwrap();
    let straight = TillOptions { through_queue: false, ..TillOptions::default() };
    let mut straight = bench.add_till_with(&shop, "7", "72", straight).unwrap();
    load(&bench.server, "All", &catalogue(0..3_000, "10"));
    load(&bench.server, "shop-7", &[price(5, "9.99")]);
    for till in [&mut through_queue, &mut straight] {
        converged(&bench.server, till);
        assert_digests_agree(&bench, till);
        assert_eq!(shelf_price(till, 5), Some(Kopecks(999)));
        assert_eq!(shelf_price(till, 6), Some(Kopecks(1000)));
    }
    let kinds = |till: &tillway_tests::bench::Till| till.state().unwrap().kinds;
    assert_eq!(kinds(&through_queue), kinds(&straight));
}

#[test]
fn a_row_changed_by_hand_is_noticed_at_the_next_load_and_repaired() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &catalogue(0..500, "10"));
    converged(&bench.server, &mut till);

    let connection = Connection::open(till.dictionaries()).unwrap();
    connection.busy_timeout(SOON).unwrap();
    assert_eq!(connection.execute("UPDATE tmc SET price = 1 WHERE code = '7'", []).unwrap(), 1);
    drop(connection);
    assert_eq!(shelf_price(&till, 7), Some(Kopecks(1)));

    load(&bench.server, "All", &[item(8, "11")]);
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 7), Some(Kopecks(1000)));
    assert_eq!(shelf_price(&till, 8), Some(Kopecks(1100)));
    assert_digests_agree(&bench, &till);
}

#[test]
fn a_till_that_was_off_during_ten_loads_gets_one_package() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &catalogue(0..500, "10"));
    converged(&bench.server, &mut till);
    let applied = |deliveries: &[serde_json::Value]| deliveries.iter().filter(|d| d["state"] == "applied").count();
    let before = applied(&ended_deliveries(&bench.server, &till));

    till.stop_agent().unwrap();
    for number in 0..10 {
        load(&bench.server, "All", &[item(number, "12.34")]);
    }
    till.start_agent().unwrap();
    converged(&bench.server, &mut till);

    let after = ended_deliveries(&bench.server, &till);
    assert_eq!(applied(&after), before + 1, "{after:#?}");
    assert_eq!(after[0]["objects"], 10);
    for number in 0..10 {
        assert_eq!(shelf_price(&till, number), Some(Kopecks(1234)));
    }
}

#[test]
fn a_reader_sees_the_old_catalogue_or_the_new_never_a_mix() {
    const ITEMS: u32 = 20_000;
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &catalogue(0..ITEMS, "10"));
    converged(&bench.server, &mut till);

    let done = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (path, done) = (till.dictionaries(), Arc::clone(&done));
        move || {
            let shelf = Shelf::open(&path).unwrap();
            let probes: Vec<String> = (0..ITEMS).step_by(997).map(|number| format!("b{number}")).collect();
            let (mut old, mut new) = (0_u32, 0_u32);
            // Ends with the load; a last look follows, so that the new state is always among what
            // was seen.
            loop {
                let last = done.load(Ordering::Relaxed);
                let prices = shelf
                    .at_once(|shelf| {
                        let mut prices = Vec::new();
                        for probe in &probes {
                            let goods = shelf.by_barcode(probe, crate::support::now())?;
                            prices.push(goods[0].price);
                        }
                        Ok(prices)
                    })
                    .unwrap();
                assert!(prices.iter().all(|price| *price == prices[0]), "a mix: {prices:?}");
                match prices[0] {
                    Some(Kopecks(1000)) => old += 1,
                    Some(Kopecks(2000)) => new += 1,
                    other => panic!("neither old nor new: {other:?}"),
                }
                if last {
                    return (old, new);
                }
            }
        }
    });
    load(&bench.server, "All", &catalogue(0..ITEMS, "20"));
    converged(&bench.server, &mut till);
    done.store(true, Ordering::Relaxed);
    let (old, new) = reader.join().unwrap();
    assert!(old > 0 && new > 0, "looked {old} times at the old and {new} times at the new state");
}

#[test]
fn a_group_price_holds_in_its_shops_and_nowhere_else_until_it_is_removed() {
    let bench = TestBench::start().unwrap();
    let chain = bench.server.chain_id().unwrap();
    let zone = bench.server.create_node(&chain, "group", "north").unwrap().id;
    let inside = bench.server.create_node(&zone, "shop", "1").unwrap().id;
    let outside = bench.add_shop("2").unwrap();
    let mut inside = bench.add_till(&inside, "1", "11").unwrap();
    let mut outside = bench.add_till(&outside, "2", "21").unwrap();
    load(&bench.server, "All", &[item(1, "10"), price(1, "9")]);
    load(&bench.server, "group-north", &[price(1, "8")]);
    converged(&bench.server, &mut inside);
    converged(&bench.server, &mut outside);
    assert_eq!((shelf_price(&inside, 1), shelf_price(&outside, 1)), (Some(Kopecks(800)), Some(Kopecks(900))));

    let remove = r#"{"command":"deletePrice","price":{"barcode":"b1","doctype":1,"documentid":"SHELF"}}"#;
    load(&bench.server, "group-north", &[remove.to_owned()]);
    converged(&bench.server, &mut inside);
    assert_eq!(shelf_price(&inside, 1), Some(Kopecks(900)));
    assert_digests_agree(&bench, &inside);
}

#[test]
fn a_shop_that_moves_gets_the_prices_of_its_new_group_by_difference() {
    let bench = TestBench::start().unwrap();
    let chain = bench.server.chain_id().unwrap();
    for (group, amount) in [("north", "8"), ("south", "7")] {
        bench.server.create_node(&chain, "group", group).unwrap();
        load(&bench.server, &format!("group-{group}"), &[price(1, amount)]);
    }
    let shop = bench.server.create_node("group-north", "shop", "1").unwrap().id;
    let mut till = bench.add_till(&shop, "1", "11").unwrap();
    load(&bench.server, "All", &catalogue(0..500, "10"));
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(800)));

    let api = bench.server.api().unwrap();
    api.json(&reqwest::Method::PATCH, "/api/v1/nodes/shop-1", Some(&json!({ "parent": "group-south" }))).unwrap();
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(700)));
    let newest = &deliveries(&bench.server, &till)[0];
    assert_eq!(newest["objects"], 1, "{newest}");
    assert_digests_agree(&bench, &till);
}

#[test]
fn a_till_added_while_a_load_is_on_its_way_gets_it() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let commands = catalogue(0..2_000, "10");
    let text = format!("{}\n---\n", commands.join("\n---\n"));
    bench.server.deliver("All", "pos-late", |out| std::io::Write::write_all(out, text.as_bytes()).map(|()| 1)).unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    loaded(&bench.server, "All", "pos-late");
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1_999), Some(Kopecks(1000)));
}

#[test]
fn a_back_office_loads_over_rest_and_broken_records_are_named() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    let body = format!(
        r#"[{}, {{"command":"addInventItem","invent":{{"name":"no code"}}}}, {{"command":"dance"}}]"#,
        item(1, "10")
    );
    let answer = bench.server.load_over_rest("7", body).unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    let api = bench.server.api().unwrap();
    let load = wait_for("the load to end", LARGE_LOAD, || {
        let loads = api.read("/api/v1/loads").unwrap();
        Seen::when(!loads[0]["ended_at"].is_null(), loads[0].clone(), &loads)
    })
    .unwrap();
    assert_eq!(load["rejected"], 2, "{load}");
    let report = api.read(&format!("/api/v1/loads/{}", load["id"])).unwrap();
    assert_eq!(report["rejects"].as_array().unwrap().len(), 2, "{report}");
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(1000)));
}
