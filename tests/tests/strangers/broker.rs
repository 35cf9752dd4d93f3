//! What passes through the broker, as a client in Python sees it: links and commands as docs tell
//! them, and a report that such a client sends. What could not be taken of it is settled on the
//! page, with `curl`.

use crate::http::{Curl, field_of};
use crate::support::{item, load, until};
use crate::tools::{python, said_to};
use serde_json::{Value, json};
use tillway_tests::bench::{TestBench, TillOptions};

#[test]
fn a_client_in_python_reads_links_and_commands_and_a_till_of_its_own_is_heard() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    let till = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    let (vhost, port) = (bench.vhost(), bench.node().unwrap().port.to_string());
    let speak = |user: &str, password: &str, deed: &[&str], text: &str| -> Value {
        let arguments = [&port, vhost.name.as_str(), user, password].into_iter().chain(deed.iter().copied());
        serde_json::from_str(&said_to(python("broker_client.py", arguments), text)).unwrap()
    };
    let as_till = |deed: &[&str], text: &str| speak(&vhost.tills, &vhost.tills_password, deed, text);

    // A contact by the page of the format: the till is here, has nothing, and is a stranger's.
    let report = |cursor: u64| {
        json!({"schema": 2, "peer": till.id, "instance": "00000000-0000-0000-0000-000000000007",
            "sent_at": jiff::Timestamp::now(), "type": "contact", "state": {"agent_version": "a stranger", "cursor": cursor}})
        .to_string()
    };
    load(&bench.server, "All", &[item(1, "10")]);
    until("the stranger to be heard", || {
        // The queue for reports is there once the server has reached the broker.
        let told = as_till(&["report"], &report(0));
        if told != json!({"published": true}) {
            return (false, told.to_string());
        }
        let seen = bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap();
        (seen["agent_version"] == "a stranger", seen.to_string())
    });

    let dictionary = format!("tillway.dictionary.{}", till.id);
    let link = as_till(&["look", &dictionary], "");
    assert_eq!((&link["persistent"], &link["exchange"]), (&json!(true), &json!("tillway")), "{link}");
    let message = &link["message"];
    assert_eq!((&message["schema"], &message["type"]), (&json!(1), &json!("load-package")), "{message}");
    assert_eq!((&message["from"], &message["to"]), (&json!(0), &json!(1)), "{message}");
    let name = message["package"].as_str().unwrap();
    assert!(name.len() == 64 && message["link"].as_str().unwrap().contains(name), "{message}");

    bench.server.api().unwrap().post(&format!("/api/v1/tills/{}/unload", till.id), &json!({})).unwrap();
    let control = format!("tillway.control.{}", till.id);
    let command = as_till(&["look", &control], "");
    assert_eq!(command["message"]["type"], "unload-sales", "{command}");
    assert_eq!(command["message"]["selection"]["what"], "missing", "{command}");
    assert_eq!(command["routing_key"], json!(control));

    // What a till's login may not do.
    assert_eq!(as_till(&["declare", "tillway.mine"], ""), json!({"refused": 403}));
    // Rubbish stops nobody.
    for rubbish in ["", "{", "[1,2]", r#"{"schema":1}"#, r#"{"schema":1,"till":"_cash_9_00000000","type":"contact"}"#] {
        as_till(&["report"], rubbish);
    }
    let later = report(0).replace("a stranger", "a stranger again");
    as_till(&["report"], &later);
    until("the stranger to be heard behind the rubbish", || {
        let seen = bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap();
        (seen["agent_version"] == "a stranger again", seen.to_string())
    });
    settle_on_the_page(&bench);
}

/// What a person does with a report that could not be taken: drops it by the page's form.
fn settle_on_the_page(bench: &TestBench) {
    let rest = Curl::admin(bench, bench.server.ports.rest);
    let list = || rest.json(&["/api/v1/aside"]);
    let first = || list()[0]["id"].as_str().map(str::to_owned);
    until("a report to lie aside", || (first().is_some(), list().to_string()));
    let unit = first().unwrap();
    let page = Curl::admin(bench, bench.server.ports.web);
    let token = field_of(&page.text(&["/?lang=en"]), "token");
    let origin = format!("Origin: http://127.0.0.1:{}", bench.server.ports.web);
    let form = |token: &str| [format!("token={token}"), format!("unit={unit}"), "action=drop".to_owned()];
    let post = |fields: &[String], more: &[&str]| {
        let mut arguments: Vec<&str> = vec!["/aside?lang=en"];
        for field in fields {
            arguments.extend(["--data-urlencode", field]);
        }
        arguments.extend(more);
        page.status(&arguments)
    };
    assert_eq!(post(&form(&token), &[]), 403, "it does not say that it comes from the page");
    assert_eq!(post(&form(&token), &["-H", "Origin: http://elsewhere.example"]), 403);
    assert_eq!(post(&form("0000"), &["-H", &origin]), 403, "a token of another page");
    assert_eq!(post(&form(&token)[..1], &["-H", &origin]), 422, "a form without its fields");
    assert!(list().to_string().contains(&unit), "nothing was done so far");
    assert_eq!(post(&form(&token), &["-H", &origin]), 303);
    until("it to be gone", || (!list().to_string().contains(&unit), list().to_string()));
}
