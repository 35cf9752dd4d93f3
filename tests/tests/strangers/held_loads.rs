//! A load that would take away everything, and what a person has to know of records, by `curl` and
//! by files alone.

use crate::http::Curl;
use crate::support::{catalogue, item, load, until};
use fs_err as fs;
use serde_json::Value;
use tillway_tests::bench::TestBench;

const JSON: [&str; 3] = ["-H", "Content-Type: application/json", "-d"];

/// What a back office sends by accident: a catalogue with one of thirty items in it.
fn all_but_one(price: &str) -> String {
    catalogue(1..2, price).join("\n---\n") + "\n---\n"
}

/// Hands a file over as any program does: data, then flag.
fn hand_over(bench: &TestBench, base: &str, text: &str, flag: &str) {
    let folder = bench.server.inbox("All");
    fs::write(folder.join(format!("{base}.aif")), text).unwrap();
    fs::write(folder.join(format!("{base}.flz")), flag).unwrap();
}

/// Which of a delivery's files are there: data, flag.
fn left(bench: &TestBench, base: &str) -> (bool, bool) {
    let folder = bench.server.inbox("All");
    (folder.join(format!("{base}.aif")).exists(), folder.join(format!("{base}.flz")).exists())
}

/// The newest load of a file, when it has ended.
fn ended(rest: &Curl, base: &str) -> Value {
    let mut found = Value::Null;
    until("a load to end", || {
        let loads = rest.json(&["/api/v1/loads"]);
        let of_file = |load: &&Value| load["source"].as_str().is_some_and(|source| source.contains(base));
        found = loads.as_array().unwrap().iter().find(of_file).cloned().unwrap_or_default();
        (!found["ended_at"].is_null(), loads.to_string())
    });
    found
}

/// A load that is held: nothing is changed, the flag goes, the data stays, and each face says how
/// to say yes.
fn held(bench: &TestBench, rest: &Curl, base: &str, price: &str) -> i64 {
    hand_over(bench, base, &all_but_one(price), "");
    until("the flag to go", || (left(bench, base) == (true, false), format!("{:?}", left(bench, base))));
    let load = ended(rest, base);
    assert_eq!((load["state"].as_str(), load["status"].as_str()), (Some("held"), Some("STATUS_ERROR")), "{load}");
    assert_eq!((load["deleted"].as_u64(), load["revision"].as_u64()), (Some(29 * 2), None), "what it would do: {load}");
    let told = fs::read_to_string(bench.server.inbox("All").join("error.txt")).unwrap();
    let number = load["id"].as_i64().unwrap();
    for text in [told.as_str(), load["reason"].as_str().unwrap()] {
        assert!(text.contains(&format!("loads approve {number}")), "{text}");
    }
    number
}

fn decide(rest: &Curl, number: i64, word: &str) -> (u16, Value) {
    let path = format!("/api/v1/loads/{number}/{word}");
    let status = rest.status(&[&path, "-X", "POST"]);
    (status, rest.json(&[&format!("/api/v1/loads/{number}")]))
}

#[test]
fn a_load_that_would_take_away_everything_waits_for_a_yes_by_curl_or_in_its_flag() {
    let bench = TestBench::start().unwrap();
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    load(&bench.server, "All", &catalogue(1..31, "10"));

    let number = held(&bench, &rest, "posno", "11");
    let (status, after) = decide(&rest, number, "refuse");
    assert_eq!((status, after["state"].as_str()), (200, Some("error")), "{after}");
    assert_eq!(left(&bench, "posno"), (true, false), "the file is its producer's");
    assert_eq!(decide(&rest, number, "approve").0, 409, "it was refused");
    assert_eq!(rest.status(&["/api/v1/loads/4711/approve", "-X", "POST"]), 404);

    let number = held(&bench, &rest, "posyes", "12");
    let page = Curl::admin(&bench, bench.server.ports.web).text(&["/findings?lang=en"]);
    assert!(page.contains(&format!("/loads/{number}")) || page.contains("posyes.aif"), "{page}");
    let path = format!("/api/v1/loads/{number}/approve");
    let answer = rest.json(&[&path, "-X", "POST"]);
    assert_eq!(answer["held"].as_i64(), Some(number), "{answer}");
    let path = format!("/api/v1/loads/{}", answer["load"]);
    until("the load to be carried out", || {
        let load = rest.json(&[&path]);
        (load["state"] == "ready" && load["deleted"] == 29 * 2, load.to_string())
    });
    until("its file to go", || (left(&bench, "posyes") == (false, false), format!("{:?}", left(&bench, "posyes"))));

    load(&bench.server, "All", &catalogue(1..31, "10"));
    hand_over(&bench, "posword", &all_but_one("13"), "Approve\r\n");
    until("its files to go", || (left(&bench, "posword") == (false, false), format!("{:?}", left(&bench, "posword"))));
    let load = ended(&rest, "posword");
    assert_eq!((load["state"].as_str(), load["deleted"].as_u64()), (Some("ready"), Some(29 * 2)), "{load}");
}

#[test]
fn notices_stay_until_curl_says_that_they_were_seen_or_the_object_comes_without_them() {
    let bench = TestBench::start().unwrap();
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    load(&bench.server, "All", &[item(1, "-1"), item(2, "\"dear\""), item(3, "3")]);
    let open = || rest.json(&["/api/v1/notices"]).as_array().unwrap().clone();
    let keys = |open: &[Value]| {
        let mut keys: Vec<_> = open.iter().map(|one| one["key"].as_str().unwrap_or_default().to_owned()).collect();
        keys.sort();
        keys
    };
    let first = open();
    assert_eq!(keys(&first), ["1", "2"], "{first:?}");
    let warning = first.iter().find(|one| one["key"] == "1").unwrap();
    assert_eq!(
        (&warning["warning"]["what"], &warning["verb"], &warning["line"]),
        (&"negative-price".into(), &"addInventItem".into(), &1.into())
    );

    assert_eq!(rest.status(&["/api/v1/notices/seen", JSON[0], JSON[1], JSON[2], "{}"]), 400);
    let seen = format!(r#"{{"ids":[{}]}}"#, warning["id"]);
    assert_eq!(rest.json(&["/api/v1/notices/seen", JSON[0], JSON[1], JSON[2], &seen])["seen"], 1);
    assert_eq!(keys(&open()), ["2"]);
    // The same warning was seen; the item that was rejected comes as it should.
    load(&bench.server, "All", &[item(1, "-1"), item(2, "2")]);
    assert_eq!(open(), Vec::<Value>::new());

    // A deletion that had to stand back is told with verb and key.
    let delete = r#"{"command":"deleteInventItem","inventcode":"3"}"#.to_owned();
    load(&bench.server, "All", &[delete, item(3, "\"dear\"")]);
    let stood_back = open().into_iter().find(|one| one["warning"]["what"] == "not-deleted").unwrap();
    assert_eq!((&stood_back["verb"], &stood_back["key"]), (&"deleteInventItem".into(), &"3".into()), "{stood_back}");
    let up_to = format!(r#"{{"up_to":{}}}"#, open().iter().filter_map(|one| one["id"].as_i64()).max().unwrap());
    assert_eq!(rest.json(&["/api/v1/notices/seen", JSON[0], JSON[1], JSON[2], &up_to])["seen"], 2);
    assert_eq!(open(), Vec::<Value>::new());
}
