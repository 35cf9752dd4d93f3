//! What scenarios have in common: small catalogues, loading them, waiting for tills.

use fs_err as fs;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tillway_exchangers::package::{Header, verify_file};
use tillway_exchangers::till::dictionary::Shelf;
use tillway_proto::{Kopecks, Thousandths};
use tillway_tests::bench::{Server, TestBench, Till};
use tillway_tests::pos::{Basket, Entry, Tender};
use tillway_tests::wait::{Seen, wait_for};

/// Everything that happens on a bench happens well within this, also beside other tests on two
/// cores. An agent whose word of a closed shift meets an order that it has just carried out
/// unloads by itself after a minute.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// What broke is found broken and mended by itself within this: deadlines and waits between tries
/// of both daemons come to less than a minute and a half, the rest is for two busy cores.
pub(crate) const RECOVERY: Duration = Duration::from_mins(4);

/// A full catalogue in an unoptimised build, beside other tests.
pub(crate) const LARGE_LOAD: Duration = Duration::from_mins(4);

/// A time at which every price of these tests is in force.
pub(crate) fn now() -> jiff::civil::DateTime {
    jiff::Zoned::now().datetime()
}

/// A command that adds item `number`, with barcode `b<number>`.
pub(crate) fn item(number: u32, price: &str) -> String {
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"{number}","name":"Item {number}","barcode":"b{number}","price":{price}}}}}"#
    )
}

/// A command that sets a shelf price of `b<number>`.
pub(crate) fn price(number: u32, price: &str) -> String {
    format!(
        r#"{{"command":"addPrice","price":{{"barcode":"b{number}","price":{price},"doctype":1,"documentid":"SHELF"}}}}"#
    )
}

/// A full catalogue: items of this range at one price, and nothing else.
pub(crate) fn catalogue(numbers: Range<u32>, price: &str) -> Vec<String> {
    let clear = r#"{"command":"clearInventory"}"#.to_owned();
    std::iter::once(clear).chain(numbers.map(|number| item(number, price))).collect()
}

/// Hands a batch to a node's exchange folder, waits until it is loaded, gives the load's report.
pub(crate) fn load(server: &Server, node: &str, commands: &[String]) -> Value {
    load_file(server, node, &format!("{}\n---\n", commands.join("\n---\n")))
}

/// The same with a text.
pub(crate) fn load_file(server: &Server, node: &str, aif: &str) -> Value {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = format!("pos-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    server.deliver_approved(node, &base, |out| out.write_all(aif.as_bytes()).map(|()| 1)).unwrap();
    loaded(server, node, &base)
}

/// The report of a file's load, when it has ended.
pub(crate) fn loaded(server: &Server, node: &str, base: &str) -> Value {
    let flag = server.inbox(node).join(format!("{base}.flz"));
    wait_for(format!("{base} to be loaded"), LARGE_LOAD, || {
        if flag.exists() {
            return Seen::NotYet("the flag is there".to_owned());
        }
        let loads = server.api().unwrap().read("/api/v1/loads?limit=1000").unwrap();
        let load = loads.as_array().unwrap().iter().find(|load| {
            let source = load["source"].as_str().unwrap_or_default();
            source.contains(&format!("{base}.")) || source.ends_with(base)
        });
        match load {
            Some(load) => Seen::when(!load["ended_at"].is_null(), load.clone(), load),
            None => Seen::NotYet(format!("among {loads}")),
        }
    })
    .unwrap()
}

/// The server's view of a till.
pub(crate) fn seen_by_server(server: &Server, till: &Till) -> Value {
    server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap()
}

/// Waits until a till has all that the server has for it, and the server knows.
pub(crate) fn converged(server: &Server, till: &mut Till) -> u64 {
    wait_for(format!("till {} to have everything", till.code), LARGE_LOAD, || {
        till.check_agent().unwrap();
        let seen = seen_by_server(server, till);
        let cursor = till.state().map_or(0, |state| state.cursor.0);
        let target = seen["target"].as_u64().unwrap();
        let there = target > 0 && cursor >= target && seen["cursor"] == seen["target"];
        Seen::when(there, cursor, format!("cursor {cursor}, {seen}"))
    })
    .unwrap()
}

/// The price of `b<number>` on a till's shelf now; none where it is not there.
pub(crate) fn shelf_price(till: &Till, number: u32) -> Option<Kopecks> {
    let shelf = Shelf::open(&till.dictionaries()).unwrap();
    shelf.by_barcode(&format!("b{number}"), now()).unwrap().into_iter().next().and_then(|good| good.price)
}

/// All deliveries of a till, newest first.
pub(crate) fn deliveries(server: &Server, till: &Till) -> Vec<Value> {
    let path = format!("/api/v1/deliveries?till={}&limit=1000", till.id);
    server.api().unwrap().read(&path).unwrap().as_array().unwrap().clone()
}

/// The same once all of them have come to an end: a till tells where it is before the server ends
/// the delivery that brought it there.
pub(crate) fn ended_deliveries(server: &Server, till: &Till) -> Vec<Value> {
    wait_for(format!("the deliveries of till {} to end", till.code), RECOVERY, || {
        let found = deliveries(server, till);
        let open = |one: &Value| ["announced", "downloaded", "queued"].contains(&one["state"].as_str().unwrap());
        let all_ended = !found.iter().any(open);
        Seen::when(all_ended, found.clone(), format!("{found:?}"))
    })
    .unwrap()
}

/// What the server says the till must have: the header of the package that brought it where it is.
pub(crate) fn header(bench: &TestBench, till: &Till) -> Header {
    let name = till.state().unwrap().package.unwrap();
    let path = bench.server.data().join("packages").join(name.file_name());
    assert!(fs::metadata(&path).is_ok(), "{}", path.display());
    verify_file(&path, &name).unwrap()
}

/// Counts and digests of a till are those of the server.
pub(crate) fn assert_digests_agree(bench: &TestBench, till: &Till) {
    let state = till.state().unwrap();
    let header = header(bench, till);
    assert_eq!(state.cursor, header.to);
    let of_till: Vec<_> =
        state.kinds.iter().map(|kind| (kind.kind.name().to_owned(), kind.rows, kind.digest)).collect();
    let of_server: Vec<_> = header
        .kinds
        .iter()
        .filter(|kind| kind.rows > 0)
        .map(|kind| (kind.kind.clone(), kind.rows, kind.digest))
        .collect();
    assert_eq!(of_till.len(), of_server.len());
    for kind in of_till {
        assert!(of_server.contains(&kind), "{kind:?} is not among {of_server:?}");
    }
}

/// UUIDs of a shift's receipts on the server, in order of their numbers.
pub(crate) fn receipts(server: &Server, till: &Till, shift: u64) -> Vec<String> {
    let path = format!("/api/v1/tills/{}/shifts/{shift}/receipts", till.id);
    let receipts = server.api().unwrap().read(&path).unwrap();
    receipts.as_array().unwrap().iter().map(|receipt| receipt["uuid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the server has exactly these receipts of a shift, each once.
pub(crate) fn has_receipts(server: &Server, till: &Till, shift: u64, rung: &[String]) {
    wait_for(format!("{} receipts of shift {shift}", rung.len()), RECOVERY, || {
        let found = receipts(server, till, shift);
        Seen::when(found == rung, (), format!("{} of {} receipts: {found:?}", found.len(), rung.len()))
    })
    .unwrap();
}

/// Waits until a till has all that the server has for it, by its digest too, however much broke
/// before.
pub(crate) fn recovered(server: &Server, till: &mut Till) {
    converged(server, till);
    wait_for(format!("the server to be done with till {}", till.code), RECOVERY, || {
        let seen = seen_by_server(server, till);
        Seen::when(seen["next"] == "up-to-date", (), seen)
    })
    .unwrap();
}

/// Waits until something that the test tells itself holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> (bool, String)) {
    wait_for(what, RECOVERY, || {
        let (holds, state) = holds();
        Seen::when(holds, (), state)
    })
    .unwrap();
}

/// One `b1` at this price, in cash.
pub(crate) fn piece_at(kopecks: i64) -> Basket {
    let entries = vec![Entry::new("b1", Thousandths(1_000))];
    Basket::sale(now(), entries, vec![Tender::Cash(Kopecks(kopecks))])
}

/// Puts another value to a key that stands in a settings file once; gives the number of its line.
pub(crate) fn set(file: &Path, key: &str, value: &str) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let is_it = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let at = text.lines().position(is_it).unwrap_or_else(|| panic!("no {key} in {text}"));
    let lines = text.lines().enumerate();
    let changed =
        lines.map(|(number, line)| if number == at { format!("{key} = {value}\n") } else { format!("{line}\n") });
    fs::write(file, changed.collect::<String>()).unwrap();
    at + 1
}
