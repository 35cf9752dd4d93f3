//! What passes through the broker, as a client in Python sees it: links and commands as docs tell
//! them, and a report that such a client sends. What could not be taken of it is settled on the
//! page, with `curl`.

use crate::http::{Curl, field_of};
use crate::support::{item, load, until};
use crate::tools::{python, said_to};
use fs_err as fs;
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
    let secret = till.secret().unwrap().to_text();
    let as_reporter = ["report", till.id.as_str(), secret.as_str()];

    // A contact by the page of the format: the till is here, has nothing, and is a stranger's.
    let report = |cursor: u64| {
        json!({"schema": 2, "peer": till.id, "instance": "00000000-0000-0000-0000-000000000007",
            "sent_at": jiff::Timestamp::now(), "type": "contact", "state": {"agent_version": "a stranger", "cursor": cursor}})
        .to_string()
    };
    load(&bench.server, "All", &[item(1, "10")]);
    until("the stranger to be heard", || {
        // The queue for reports is there once the server has reached the broker.
        let told = as_till(&as_reporter, &report(0));
        if told != json!({"published": true}) {
            return (false, told.to_string());
        }
        let seen = bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap();
        (seen["agent_version"] == "a stranger", seen.to_string())
    });

    let dictionary = format!("tillway.dictionary.{}", till.id);
    let link = as_till(&["look", &dictionary, &secret], "");
    assert_eq!((&link["persistent"], &link["exchange"]), (&json!(true), &json!("tillway")), "{link}");
    let message = &link["message"];
    assert_eq!((&message["schema"], &message["type"]), (&json!(1), &json!("load-package")), "{message}");
    assert_eq!((&message["from"], &message["to"]), (&json!(0), &json!(1)), "{message}");
    let name = message["package"].as_str().unwrap();
    assert!(name.len() == 64 && message["link"].as_str().unwrap().contains(name), "{message}");

    bench.server.api().unwrap().post(&format!("/api/v1/tills/{}/unload", till.id), &json!({})).unwrap();
    let control = format!("tillway.control.{}", till.id);
    let command = as_till(&["look", &control, &secret], "");
    assert_eq!(command["message"]["type"], "unload-sales", "{command}");
    assert_eq!(command["message"]["selection"]["what"], "missing", "{command}");
    assert_eq!(command["routing_key"], json!(control));
    assert_eq!([&link["is_of_server"], &command["is_of_server"]], [true, true], "{link} {command}");

    // What a till's login may not do.
    assert_eq!(as_till(&["declare", "tillway.mine"], ""), json!({"refused": 403}));
    // Rubbish stops nobody.
    for rubbish in ["", "{", "[1,2]", r#"{"schema":1}"#, r#"{"schema":1,"till":"_cash_9_00000000","type":"contact"}"#] {
        as_till(&as_reporter, rubbish);
    }
    let later = report(0).replace("a stranger", "a stranger again");
    as_till(&as_reporter, &later);
    until("the stranger to be heard behind the rubbish", || {
        let seen = bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap();
        (seen["agent_version"] == "a stranger again", seen.to_string())
    });
    settle_on_the_page(&bench);
}

/// What somebody with a login at the broker tries: his own words, true words again, words of one
/// till to another.
#[test]
fn what_is_forged_replayed_or_sent_on_changes_nothing_and_is_counted() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    let other = bench.prepare_till(&shop, "7", "72", TillOptions::default()).unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    crate::support::converged(&bench.server, &mut till);
    let (vhost, port) = (bench.vhost(), bench.node().unwrap().port.to_string());
    let speak = |deed: &[&str], text: &str| -> Value {
        let whoever = [&port, vhost.name.as_str(), &vhost.tills, &vhost.tills_password];
        serde_json::from_str(&said_to(
            python("broker_client.py", whoever.into_iter().chain(deed.iter().copied())),
            text,
        ))
        .unwrap()
    };
    let forge = |to: &str, messages: &[Value]| speak(&["forge", to], &json!(messages).to_string());
    let seen = |id: &str| bench.server.api().unwrap().read(&format!("/api/v1/tills/{id}")).unwrap();
    let counted = |id: &str, list: &str| seen(id)[list].as_object().unwrap().clone();
    let told = |counts: &serde_json::Map<String, Value>| Value::Object(counts.clone()).to_string();

    // Orders to a till: by nobody, by somebody, of an old version, and what was meant for another.
    let settings = fs::read_to_string(till.settings_file()).unwrap();
    let order = json!({"schema": 1, "id": "00000000-0000-0000-0000-000000000007", "type": "report-state",
        "settings": {"grpchostcs": "192.0.2.66", "httphostcs": "192.0.2.66", "dicturlhostcs": "192.0.2.66"}})
    .to_string();
    let head = |code: Value| json!({"type": "report-state", "id": "7", "peer": till.id, "code": code});
    let of_other =
        speak(&["look", &format!("tillway.dictionary.{}", other.id), &other.secret().unwrap().to_text()], "");
    let orders = [
        json!({"text": order, "head": {}}),
        json!({"text": order, "head": head(json!(format!("1.{}", "0".repeat(64))))}),
        json!({"text": order, "head": head(json!("0.00"))}),
        json!({"text": order, "head": head(json!("a code"))}),
        json!({"text": of_other["text"], "head": of_other["head"]}),
    ];
    forge(&format!("tillway.control.{}", till.id), &orders);
    forge(&format!("tillway.dictionary.{}", till.id), &orders[..1]);
    until("the till to tell of what it did not take", || {
        let counts = counted(&till.id, "refused_by_till");
        let expected = json!({"no-code": 2, "wrong-code": 1, "version": 1, "unreadable": 1, "wrong-peer": 1});
        (Value::Object(counts.clone()) == expected, told(&counts))
    });
    assert_eq!(fs::read_to_string(till.settings_file()).unwrap(), settings, "it listens to nobody else");

    // Reports in a till's name: it was never heard of, and is not now.
    let report = json!({"schema": 2, "peer": other.id, "instance": "00000000-0000-0000-0000-000000000007",
        "sent_at": jiff::Timestamp::now(), "type": "contact", "state": {"agent_version": "forged", "cursor": 1}})
    .to_string();
    let back = json!({"text": of_other["text"], "head": of_other["head"]});
    let sent_back = json!({"text": report, "head": of_other["head"]});
    forge("tillway.reports", &[back, sent_back]);
    forge("tillway.reports", &vec![json!({"text": report, "head": {}}); 10]);
    let refused = |finding: Value, no_code: u64| {
        until(&format!("{no_code} forged reports to be counted"), || {
            let now = seen(&other.id);
            let counts = &now["refused_messages"];
            (counts["no-code"] == no_code && now["refused_finding"] == finding, now.to_string())
        });
    };
    refused(json!("other-secret"), 10);
    assert_eq!(seen(&other.id)["last_contact"], Value::Null);
    assert_eq!(counted(&other.id, "refused_messages")["wrong-code"], 2);

    // The till itself is heard, as often as its words are said again.
    let true_words = report.replace("forged", "itself").replace("\"cursor\":1", "\"cursor\":0");
    let secret = other.secret().unwrap().to_text();
    for _ in 0..3 {
        assert_eq!(speak(&["report", &other.id, &secret], &true_words), json!({"published": true}));
    }
    forge("tillway.reports", &[json!({"text": report, "head": {}})]);
    refused(json!("forged"), 11);
    let now = seen(&other.id);
    assert_eq!((&now["agent_version"], &now["cursor"]), (&json!("itself"), &json!(0)), "{now}");
    let page = Curl::admin(&bench, bench.server.ports.web).text(&["/?lang=en"]);
    assert!(page.contains("Somebody writes in a till") && page.contains("7&#x2f;72"), "{page}");
    load(&bench.server, "All", &[item(1, "11")]);
    crate::support::converged(&bench.server, &mut till);
}

/// What a person does with a report that could not be taken: drops it by the page's form.
fn settle_on_the_page(bench: &TestBench) {
    let rest = Curl::admin(bench, bench.server.ports.rest);
    let list = || rest.json(&["/api/v1/aside"]);
    let first = || list()[0]["id"].as_str().map(str::to_owned);
    until("a report to lie aside", || (first().is_some(), list().to_string()));
    let unit = first().unwrap();
    let page = Curl::admin(bench, bench.server.ports.web);
    let token = field_of(&page.text(&["/attach?lang=en"]), "token");
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
