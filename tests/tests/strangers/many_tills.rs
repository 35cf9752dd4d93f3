//! Settings of tills, many tills at once and the file of a load, by `curl` against a server with a
//! real agent.

use crate::http::Curl;
use crate::support::{converged, item, load, until};
use fs_err as fs;
use serde_json::Value;
use tillway_tests::bench::TestBench;

const JSON: [&str; 3] = ["-H", "Content-Type: application/json", "-d"];

fn setting(rest: &Curl, key: &str) -> Value {
    let settings = rest.json(&["/api/v1/nodes/till-7-71/settings"]);
    settings.as_array().unwrap().iter().find(|one| one["key"] == key).cloned().unwrap_or_default()
}

#[test]
fn curl_sets_a_setting_of_a_shop_and_the_agent_of_a_till_has_it_until_nobody_sets_it() {
    let bench = TestBench::start().unwrap();
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut till);
    let before = fs::read_to_string(till.settings_file()).unwrap();
    let path = "/api/v1/nodes/shop-7/settings";
    let set = |value: &str| format!(r#"{{"settings":{{"queuechunksize":{value}}}}}"#);
    let wrong = [path, "-X", "PATCH", JSON[0], JSON[1], JSON[2], &set("\"0\"")];
    assert_eq!(rest.status(&wrong), 400);
    rest.text(&[path, "-X", "PATCH", JSON[0], JSON[1], JSON[2], &set("\"1234\"")]);
    until("the till to have it", || {
        let one = setting(&rest, "queuechunksize");
        (one["on_till"] == "1234" && one["set_by"] == "shop-7", one.to_string())
    });
    assert!(fs::read_to_string(till.settings_file()).unwrap().contains("queuechunksize=1234"));
    rest.text(&[path, "-X", "PATCH", JSON[0], JSON[1], JSON[2], &set("null")]);
    until("the till to have its default", || {
        let one = setting(&rest, "queuechunksize");
        (one["on_till"] == "25000" && one["set_by"].is_null(), one.to_string())
    });
    // What a person wrote into the file stands there as it did.
    let now = fs::read_to_string(till.settings_file()).unwrap();
    assert!(before.lines().all(|line| now.contains(line)), "{before}\n{now}");
    till.check_agent().unwrap();
}

#[test]
fn curl_asks_what_would_become_of_many_tills_and_reads_the_file_of_a_load() {
    let bench = TestBench::start().unwrap();
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut till);
    let bulk = |body: &str| rest.json(&["/api/v1/tills/bulk", JSON[0], JSON[1], JSON[2], body]);
    let would = bulk(r#"{"act":"send-anew","below":"All","dry_run":true}"#);
    assert_eq!((&would[0]["till"], &would[0]["result"]), (&"till-7-71".into(), &"does".into()), "{would}");
    let did = bulk(r#"{"act":"send-anew","below":"All"}"#);
    assert_eq!(did[0]["result"], "done", "{did}");
    until("all to be sent anew", || {
        let deliveries = rest.json(&["/api/v1/deliveries"]);
        let whole = |one: &Value| one["from"] == 0 && one["state"] == "applied";
        let count = deliveries.as_array().unwrap().iter().filter(|one| whole(one)).count();
        (count >= 2, deliveries.to_string())
    });
    let loads = rest.json(&["/api/v1/loads"]);
    let number = loads[0]["id"].as_i64().unwrap();
    let text = rest.text(&[&format!("/api/v1/loads/{number}/file")]);
    assert!(text.contains("addInventItem"), "{text}");
    let heads = rest.text(&[&format!("/api/v1/loads/{number}/file"), "--output", "/dev/null", "--dump-header", "-"]);
    assert!(heads.to_lowercase().contains("content-disposition: attachment; filename=\"load-"), "{heads}");
    assert_eq!(rest.status(&["/api/v1/loads/999/file"]), 404);
}
