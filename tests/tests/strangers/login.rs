//! People come in with a real browser, and programs with keys by `curl`.

use crate::http::Curl;
use crate::support::until;
use crate::tools::{python, said_to};
use serde_json::{Value, json};
use tillway_tests::bench::TestBench;

/// Chromium, spoken to over the protocol of its driver by a script that is not ours to change.
fn browser(page: &str, steps: &Value) -> Value {
    let told = said_to(python("browser.py", [page]), &steps.to_string());
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn fill(form: &str, fields: &[(&str, &str)]) -> Vec<Value> {
    let mut steps: Vec<Value> =
        fields.iter().map(|(name, text)| json!({"type": [format!("{form} [name={name}]"), text]})).collect();
    steps.push(json!({"click": format!("{form} button")}));
    steps
}

#[test]
fn a_person_is_invited_chooses_a_password_comes_in_looks_around_and_goes_in_a_browser() {
    let bench = TestBench::start().unwrap();
    let made: Value = serde_json::from_str(
        &bench.server.command(&["--json", "user", "add", "anna", "--name", "Анна", "--role", "administrator"]).unwrap(),
    )
    .unwrap();
    let url = made["link"]["url"].as_str().unwrap();
    let path = &url[url.find("/first").unwrap()..];
    let page = bench.server.page();
    let password = "the password that anna chose";
    for (width, language) in [(1400, "en"), (390, "ru")] {
        let mut steps = vec![json!({"size": [width, 800]})];
        if width == 1400 {
            steps.push(json!({"open": format!("{path}&lang={language}")}));
            steps.extend(fill("form", &[("password", password), ("again", password)]));
            steps.push(json!({"note": "after the link"}));
            steps.push(json!({"open": path}));
            steps.push(json!({"note": "the link again"}));
            steps.push(json!({"forget": true}));
        }
        steps.push(json!({"open": format!("/people?lang={language}")}));
        steps.push(json!({"note": "led to the login page"}));
        steps.extend(fill("form", &[("login", "Anna"), ("password", "not this one")]));
        steps.push(json!({"note": "a wrong password"}));
        steps.extend(fill("form", &[("password", password)]));
        steps.push(json!({"note": "in"}));
        steps.push(json!({"open": format!("/account?lang={language}")}));
        steps.push(json!({"note": "account"}));
        steps.push(json!({"click": "form[action^='/logout'] button"}));
        steps.push(json!({"note": "out"}));
        steps.push(json!({"open": "/"}));
        steps.push(json!({"note": "out for good"}));
        let seen = browser(&page, &Value::Array(steps));
        let at = |note: &str, what: &str| seen["notes"][note][what].as_str().unwrap_or_default().to_owned();
        if width == 1400 {
            assert_eq!(at("after the link", "path"), "/?lang=en", "{seen:#}");
            assert!(at("the link again", "text").contains("was used"), "{seen:#}");
        }
        assert!(at("led to the login page", "path").starts_with("/login?next="), "{seen:#}");
        let wrong = if language == "en" { "do not fit" } else { "не подходят" };
        assert!(at("a wrong password", "text").contains(wrong), "{seen:#}");
        assert!(at("in", "path").starts_with("/people") && at("in", "text").contains("anna"), "{seen:#}");
        assert!(at("account", "text").contains("Chrome"), "{seen:#}");
        assert!(at("out", "path").starts_with("/login"), "{seen:#}");
        assert!(at("out for good", "path").starts_with("/login"), "{seen:#}");
        for (note, shown) in seen["notes"].as_object().unwrap() {
            assert_eq!(shown["wider"], json!(false), "{note} scrolls sideways at {width}: {seen:#}");
        }
        assert_eq!(seen["errors"], json!([]), "{seen:#}");
    }
    // Each step stands in the audit log, with the face and no password.
    let lines = Curl::admin(&bench, bench.server.ports.rest).json(&["/api/v1/audit?limit=100"]);
    let verbs: Vec<_> = lines["lines"].as_array().unwrap().iter().map(|line| line["verb"].as_str().unwrap()).collect();
    for verb in ["user.add", "user.password", "session.begin", "session.end"] {
        assert!(verbs.contains(&verb), "{verbs:?}");
    }
    assert!(!lines.to_string().contains(password));
}

#[test]
fn a_program_has_a_key_until_it_is_taken_away_and_a_guesser_waits() {
    let bench = TestBench::start().unwrap();
    let told = bench.server.command(&["key", "add", "erp", "--days", "30"]).unwrap();
    let key = told.lines().next().unwrap();
    assert!(key.starts_with("twk_"), "{told}");
    let bearer = format!("Authorization: Bearer {key}");
    let rest = Curl::nobody(bench.server.ports.rest);
    assert!(rest.json(&["/api/v1/nodes", "--header", &bearer]).is_array());
    assert!(bench.server.command(&["key", "ls"]).unwrap().contains("system:"));
    bench.server.command(&["key", "remove", "erp"]).unwrap();
    assert_eq!(rest.status(&["/api/v1/nodes", "--header", &bearer]), 401);
    let mut number = 0;
    until("a guesser to be told to wait", || {
        number += 1;
        let status = rest.status(&["/api/v1/nodes", "--user", &format!("admin:guess {number}")]);
        assert!(number < 10, "{status}");
        (status == 429, status.to_string())
    });
    assert!(number > 5, "{number} tries");
    // Whoever may come in from here is the same address, and waits as well; root's commands do
    // not.
    assert!(bench.server.command(&["user", "ls"]).unwrap().contains("admin"));
}
