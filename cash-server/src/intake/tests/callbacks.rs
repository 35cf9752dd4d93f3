use super::*;
use crate::intake::callbacks::{Call, Step, next, server_address};
use crate::store::intake::{Consent, LoadEnd, LoadSource, LoadState, NewLoad, NewWatch, Watch};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use std::collections::HashMap;
use tillway_proto::{ExchangeStatus, TillId};
use tokio::net::TcpListener;

fn till(code: u8) -> (TillId, String) {
    (format!("_cash_{code}_0000000{code}").parse().unwrap(), code.to_string())
}

fn watch(state: LoadState) -> Watch {
    Watch {
        load: LoadId(1),
        node: "_shop_7_00000007".parse().unwrap(),
        server: "http://erp".to_owned(),
        shop: "7".to_owned(),
        since: Timestamp::now(),
        state,
        applies_from: None,
        state_id: Some("s".to_owned()),
        load_told: None,
        tills_told: HashMap::new(),
    }
}

#[test]
fn what_is_told_next_follows_from_load_and_cursors() {
    let tills = [till(1), till(2)];
    let mut cursors = HashMap::from([(tills[0].0.clone(), Revision(4))]);
    let mut watch = Watch { state_id: None, ..watch(LoadState::Queued) };
    assert_eq!(next(&watch, &tills, &cursors), Step::Call(Call::Open));
    let state_id = "s".to_owned();
    watch.state_id = Some(state_id.clone());
    let load = |status| Step::Call(Call::Load { state_id: state_id.clone(), status });
    assert_eq!(next(&watch, &tills, &cursors), load(ExchangeStatus::During));
    watch.load_told = Some(ExchangeStatus::During);
    assert_eq!(next(&watch, &tills, &cursors), Step::Wait);
    (watch.state, watch.applies_from) = (LoadState::ReadyWithErrors, Some(Revision(5)));
    assert_eq!(next(&watch, &tills, &cursors), load(ExchangeStatus::ReadyWithError));
    watch.load_told = Some(ExchangeStatus::ReadyWithError);
    assert_eq!(next(&watch, &tills, &cursors), Step::Wait);
    for (id, code) in &tills {
        cursors.insert(id.clone(), Revision(5));
        let status = ExchangeStatus::ReadyWithError;
        let call = Call::Till { state_id: state_id.clone(), till: id.clone(), code: code.clone(), status };
        assert_eq!(next(&watch, &tills, &cursors), Step::Call(call));
        watch.tills_told.insert(id.clone(), status);
    }
    assert_eq!(next(&watch, &tills, &cursors), Step::Done);
}

#[test]
fn after_a_refused_load_no_till_is_told_of() {
    let watch = Watch { load_told: Some(ExchangeStatus::Error), ..watch(LoadState::Error) };
    assert_eq!(next(&watch, &[till(1)], &HashMap::new()), Step::Done);
}

#[test]
fn only_plain_http_addresses_that_are_allowed_are_called() {
    for (text, address) in [
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://erp.example/", "http://erp.example"),
        ("https://erp.example:8443", "https://erp.example:8443"),
        ("[::1]:80", "http://[::1]"),
    ] {
        assert_eq!(server_address(text, &[]).unwrap(), address);
    }
    for text in ["", "file:///etc/passwd", "ftp://x", "http://u:p@x", "http://x/path", "x:99999", "http://x?y", "a b"] {
        assert!(server_address(text, &[]).is_err(), "{text}");
    }
    let allow = ["erp.example:8080".to_owned(), "OTHER.example".to_owned()];
    assert!(server_address("erp.example:8080", &allow).is_ok());
    assert!(server_address("other.example:1", &allow).is_ok());
    assert!(server_address("erp.example:80", &allow).unwrap_err().contains("intake.status_servers"));
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes calls as `METHOD path status`.
async fn stub(State(seen): State<Seen>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: serde_json::Value = serde_json::from_slice(&axum::body::to_bytes(body, 1024).await.unwrap()).unwrap();
    let path = parts.uri.path().strip_prefix("/CSrest/rest/dicts").unwrap_or("?").to_owned();
    let mut seen = seen.lock().unwrap();
    let line = format!("{} {path} {}", parts.method, body["status"].as_str().unwrap());
    // The first try of the second stage meets a server that stumbles.
    let stumble = path.starts_with("/cashLoad") && !seen.contains(&line);
    seen.push(line);
    if stumble { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { "\"id/1\"".into_response() }
}

async fn status_server() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    let router = Router::new().fallback(stub).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), seen)
}

fn accept(kit: &Kit, server: &str) -> LoadId {
    let watch = NewWatch { server: server.to_owned(), shop: "7".to_owned() };
    let source = LoadSource::Rest { body: "kept.json".to_owned(), dictionary_id: None, retry_of: None };
    let load = NewLoad {
        node: kit.shop.clone(),
        source,
        bytes: 1,
        at: Timestamp::now(),
        watch: Some(watch),
        delivery: None,
        consent: Consent::No,
    };
    kit.journal.accept(&load).unwrap()
}

async fn seen(seen: &Seen, wanted: &[&str]) {
    wait_for("the calls", || {
        let mut found = seen.lock().unwrap().clone();
        found.dedup();
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_server_hears_of_the_load_and_of_each_till_and_a_dead_one_delays_nobody() {
    let kit = Kit::new();
    // Nobody listens there any more.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (server, calls) = status_server().await;
    let dead_load = accept(&kit, &format!("http://{dead}"));
    let load = accept(&kit, &server);
    kit.journal.end(dead_load, &end(None)).unwrap();
    fs::create_dir_all(&kit.settings.bodies).unwrap();
    let body = format!("[{}]", unit(1, "piece"));
    fs::write(kit.settings.bodies.join("kept.json"), body).unwrap();
    let running = kit.start();
    let revision = kit.ended(load).await.revision.unwrap();
    wait_for("the first stage", || {
        let seen = calls.lock().unwrap().clone();
        if seen.iter().any(|line| line == "PUT /backOfficeState/7/id%2F1 STATUS_READY") { Ok(()) } else { Err(seen) }
    })
    .await;
    let tills: Vec<TillId> = kit.network.current().unwrap().tills().map(|(id, _)| id.clone()).collect();
    running.intake.notify_applied(tills[0].clone(), Revision(0)).await;
    running.intake.notify_applied(tills[1].clone(), revision).await;
    wait_for("the second till", || {
        let told = &kit.journal.open_watches(9).unwrap()[1].tills_told;
        if told.contains_key(&tills[1]) { Ok(()) } else { Err(told.clone()) }
    })
    .await;
    running.stop().await;

    // What was told is remembered over a restart.
    calls.lock().unwrap().clear();
    let running = kit.start();
    for till in &tills {
        running.intake.notify_applied(till.clone(), revision).await;
    }
    seen(&calls, &["PUT /cashLoad/7/1/id%2F1 STATUS_READY"]).await;
    wait_for("the end of the callbacks", || {
        let open = kit.journal.open_watches(9).unwrap();
        if open.iter().all(|watch| watch.load == dead_load) { Ok(()) } else { Err(open) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_changed_nothing_is_told_of_tills_that_have_it_already() {
    let kit = Kit::new();
    let (server, calls) = status_server().await;
    let load = accept(&kit, &server);
    kit.journal.end(load, &end(Some(Revision(3)))).unwrap();
    let running = kit.start();
    for (till, _) in kit.network.current().unwrap().tills() {
        running.intake.notify_applied(till.clone(), Revision(3)).await;
    }
    let base = ["POST /backOfficeState/7 STATUS_DURING", "PUT /backOfficeState/7/id%2F1 STATUS_READY"];
    let tills = ["PUT /cashLoad/7/1/id%2F1 STATUS_READY", "PUT /cashLoad/7/2/id%2F1 STATUS_READY"];
    seen(&calls, &[base, tills].concat()).await;
    running.stop().await;
}

fn end(applies_from: Option<Revision>) -> LoadEnd {
    LoadEnd {
        at: Timestamp::now(),
        state: LoadState::Ready,
        counts: crate::dictionary::entry::LoadCounts::default(),
        revision: None,
        applies_from,
        reason: None,
        notices: Vec::new(),
        mended: Vec::new(),
        aside: None,
        held: None,
    }
}
