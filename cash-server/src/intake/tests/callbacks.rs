use super::*;
use crate::intake::callbacks::{CALL_TIMEOUT, Call, Step, client, next, server_address, tell};
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
        assert_eq!(server_address(text, &[], true).unwrap(), address);
    }
    for text in ["", "file:///etc/passwd", "ftp://x", "http://u:p@x", "http://x/path", "x:99999", "http://x?y", "a b"] {
        assert!(server_address(text, &[], true).is_err(), "{text}");
    }
    let allow = ["erp.example:8080".to_owned(), "OTHER.example".to_owned()];
    assert!(server_address("erp.example:8080", &allow, false).is_ok());
    assert!(server_address("other.example:1", &allow, false).is_ok());
    assert!(server_address("erp.example:80", &allow, false).unwrap_err().contains("intake.status_servers"));
}

#[test]
fn addresses_of_this_machine_and_its_link_are_refused_in_whatever_form_and_all_others_taken() {
    for text in [
        "127.0.0.1:8080",
        "127.9.9.9",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0:1",
        "0.1.2.3",
        "169.254.169.254",
        "[::1]:80",
        "[::]",
        "[fe80::1]",
        "[febf::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ] {
        assert!(server_address(text, &[], false).unwrap_err().contains("status_servers_local"), "{text}");
        assert!(server_address(text, &[], true).is_ok(), "{text}");
    }
    let others = ["10.0.0.1", "192.168.1.1:80", "172.16.0.1", "8.8.8.8", "[fd00::1]", "[2001:db8::1]"];
    for text in others.into_iter().chain(["[::ffff:10.0.0.1]"]) {
        assert!(server_address(text, &[], false).is_ok(), "{text}");
    }
}

/// The name is harmless, the address that it leads to is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_this_machine_is_not_called_unless_the_settings_say_so() {
    let (server, seen) = status_server().await;
    let by_name = server.replace("127.0.0.1", "localhost");
    assert!(server_address(&by_name, &[], false).is_ok(), "only the resolver knows where it leads");
    let call = |local: bool| {
        let request = client(local).unwrap().put(&by_name).json(&serde_json::json!({ "status": "x" }));
        async move { request.send().await }
    };
    let error = call(false).await.unwrap_err();
    let told = crate::error_chain(&error);
    assert!(told.contains("localhost") && told.contains("intake.status_servers_local"), "{told}");
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
    assert!(call(true).await.unwrap().status().is_success());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_taken_in_under_other_settings_is_not_called() {
    let (server, seen) = status_server().await;
    let kit = Kit::new();
    accept(&kit, &server);
    let watch = kit.journal.open_watches(0, 1).unwrap().remove(0);
    let refused = tell(&kit.intake(), &watch, Call::Open).await.unwrap_err().to_string();
    assert!(refused.contains("intake.status_servers_local"), "{refused}");
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}

/// Servers that take the connection and never answer, with many loads each, stand before the one
/// that answers.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_never_answer_delay_no_other() {
    let (server, seen) = status_server().await;
    let kit = local_kit();
    let mut silent = Vec::new();
    for _ in 0..20 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = format!("http://{}", listener.local_addr().unwrap());
        for _ in 0..30 {
            accept(&kit, &dead);
        }
        silent.push(listener);
    }
    accept(&kit, &server);
    let began = Instant::now();
    let running = kit.start();
    wait_for("the call of the one that answers", || {
        if seen.lock().unwrap().is_empty() { Err("not called") } else { Ok(()) }
    })
    .await;
    assert!(began.elapsed() < CALL_TIMEOUT, "before the first of the others timed out: {:?}", began.elapsed());
    running.stop().await;
}

/// Loads whose tills are off wait for a day. With as many of them as one turn has, the next load
/// is told of all the same.
#[tokio::test(flavor = "multi_thread")]
async fn loads_that_wait_for_their_tills_keep_no_later_load_from_being_told_of() {
    let (server, calls) = status_server().await;
    let mut kit = local_kit();
    kit.settings.watches_a_turn = 3;
    let loads: Vec<LoadId> = (0..8).map(|_| accept(&kit, &server)).collect();
    for load in &loads {
        kit.journal.end(*load, &end(Some(Revision(9)))).unwrap();
    }
    let running = kit.start();
    wait_for("each load to be told of", || {
        let open = kit.journal.open_watches(0, 99).unwrap();
        let told = open.iter().filter(|watch| watch.load_told == Some(ExchangeStatus::Ready)).count();
        if (open.len(), told) == (loads.len(), loads.len()) { Ok(()) } else { Err((open.len(), told)) }
    })
    .await;
    // And then of each till, in whatever turn its load is.
    for (till, _) in kit.network.current().unwrap().tills() {
        running.intake.notify_applied(till.clone(), Revision(9)).await;
    }
    wait_for("all to be told", || {
        let open = kit.journal.open_watches(0, 99).unwrap().len();
        if open == 0 { Ok(()) } else { Err((open, calls.lock().unwrap().len())) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_panics_is_made_again_and_the_calls_to_others_go_on() {
    let kit = local_kit();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..3 {
        accept(&kit, &format!("http://{}", silent.local_addr().unwrap()));
    }
    let connections = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = silent.accept().await {
            taken.lock().unwrap().push(stream);
        }
    });
    let (server, calls) = status_server().await;
    let load = accept(&kit, &server);
    let began = Instant::now();
    fail::cfg("callbacks::sent", "panic").unwrap();
    let running = kit.start();
    wait_for("the call to be made again", || {
        let seen = calls.lock().unwrap().len();
        if seen >= 2 { Ok(()) } else { Err(seen) }
    })
    .await;
    fail::remove("callbacks::sent");
    wait_for("the call to be noted", || {
        let open = kit.journal.open_watches(0, 99).unwrap();
        let waits = open.iter().any(|watch| watch.load == load && watch.state_id.is_none());
        if waits { Err(open) } else { Ok(()) }
    })
    .await;
    assert!(
        began.elapsed() < CALL_TIMEOUT,
        "the one that never answers still has its first call: {:?}",
        began.elapsed()
    );
    assert_eq!(connections.lock().unwrap().len(), 1, "one call at a time to each server");
    running.stop().await;
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

/// Status servers of these tests listen on this machine.
fn local_kit() -> Kit {
    let mut kit = Kit::new();
    kit.settings.status_server_local = true;
    kit
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
    let kit = local_kit();
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
        let told = &kit.journal.open_watches(0, 9).unwrap()[1].tills_told;
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
        let open = kit.journal.open_watches(0, 9).unwrap();
        if open.iter().all(|watch| watch.load == dead_load) { Ok(()) } else { Err(open) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_changed_nothing_is_told_of_tills_that_have_it_already() {
    let kit = local_kit();
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
