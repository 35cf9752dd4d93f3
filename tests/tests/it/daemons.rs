//! The daemons as an operator meets them: killed, apart, parked, watched through the page and the
//! command line.

use crate::sales::{checked, equip, sale, wait_for_receipts};
use crate::support::{SOON, catalogue, converged, load, now, price, seen_by_server, shelf_price};
use axum::extract::{Path, State};
use axum::routing::{post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tillway_proto::Kopecks;
use tillway_tests::bench::{Api, TestBench, TillOptions};
use tillway_tests::wait::{Seen, wait_for};

#[test]
fn sales_come_up_through_a_sales_loader_of_its_own() {
    let bench = TestBench::start_with_sales_apart().unwrap();
    let (mut till, mut pos) = equip(&bench, TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    let rung = pos.ring(&sale(now())).unwrap().uuid.to_string();
    pos.close_shift(now()).unwrap();
    assert_eq!(wait_for_receipts(&bench.server, &mut till, 1, 1), [rung]);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_server_that_is_killed_goes_on_where_it_was() {
    let mut bench = TestBench::start().unwrap();
    let (mut till, mut pos) = equip(&bench, TillOptions { unload_period_s: 1, ..TillOptions::default() });
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for _ in 0..3 {
        // Killed wherever it is with the first one; the second is rung while it is off.
        rung.push(pos.ring(&sale(now())).unwrap().uuid.to_string());
        bench.server.kill();
        rung.push(pos.ring(&sale(now())).unwrap().uuid.to_string());
        bench.server.switch_on().unwrap();
    }
    pos.close_shift(now()).unwrap();
    let arrived = wait_for_receipts(&bench.server, &mut till, 1, rung.len());
    assert_eq!(arrived, rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
    load(&bench.server, "shop-7", &[price(1, "77.00")]);
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(7_700)));
}

#[test]
fn a_parked_till_gets_nothing_until_it_is_back_and_then_its_newest_state() {
    let bench = TestBench::start().unwrap();
    let (mut till, _pos) = equip(&bench, TillOptions::default());
    bench.server.command(&["node", "park", &till.id]).unwrap();
    let before = till.state().unwrap().cursor;
    for round in 1..=3 {
        load(&bench.server, "shop-7", &[price(1, &format!("{round}.00"))]);
    }
    let seen = seen_by_server(&bench.server, &till);
    assert_eq!(seen["next"], "parked", "{seen}");
    assert_eq!(till.state().unwrap().cursor, before);
    bench.server.command(&["node", "unpark", &till.id]).unwrap();
    converged(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn the_page_tells_an_administrator_how_tills_loads_and_shifts_are_and_nobody_else() {
    let bench = TestBench::start().unwrap();
    let (mut till, mut pos) = equip(&bench, TillOptions::default());
    pos.open_shift(1, 1, now()).unwrap();
    pos.ring(&sale(now())).unwrap();
    pos.close_shift(now()).unwrap();
    checked(&bench.server, &mut till, 1);

    let credentials = fs_err::read_to_string(bench.server.data().join("credentials/admin")).unwrap();
    let base = bench.server.page().trim_end_matches('/').to_owned();
    let page = Api::new(&base, &credentials).unwrap();
    let tills = ["Кассы", "актуальна", &till.id];
    for (path, parts) in [("/tills", &tills[..]), ("/sales", &["сходится"]), ("/loads", &["STATUS_READY"])] {
        let russian = page.text(&format!("{path}?lang=ru")).unwrap();
        for part in parts {
            assert!(russian.contains(part), "no {part} in {russian}");
        }
    }
    assert!(page.text("/?lang=en").unwrap().contains("Nothing needs a look"));
    let stranger = Api::new(&base, "admin:guessed").unwrap();
    assert!(stranger.text("/").is_err());
}

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

#[test]
fn a_back_office_that_names_a_status_server_is_told_until_the_tills_have_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let calls = Calls::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let note = |State(calls): State<Calls>, path: String, body: Value| {
        calls.lock().unwrap().push((path, body));
    };
    let router = Router::new()
        .route(
            "/CSrest/rest/dicts/backOfficeState/{shop}",
            post(move |state: State<Calls>, Path(shop): Path<String>| async move {
                note(state, format!("open {shop}"), Value::Null);
                Json("state-1")
            }),
        )
        .route(
            "/CSrest/rest/dicts/backOfficeState/{shop}/{id}",
            put(move |state: State<Calls>, Path((shop, id)): Path<(String, String)>, body: Json<Value>| async move {
                note(state, format!("load {shop} {id}"), body.0);
            }),
        )
        .route(
            "/CSrest/rest/dicts/cashLoad/{shop}/{cash}/{id}",
            put(
                move |state: State<Calls>,
                      Path((shop, cash, id)): Path<(String, String, String)>,
                      body: Json<Value>| async move {
                    note(state, format!("till {shop} {cash} {id}"), body.0);
                },
            ),
        )
        .with_state(Arc::clone(&calls));
    runtime.spawn(async move { axum::serve(listener, router).await });

    let bench = TestBench::start().unwrap();
    let (mut till, _pos) = equip(&bench, TillOptions::default());
    let body = format!("[{}]", catalogue(1..4, "12.00").join(","));
    let query = [("shopcode", "7"), ("dictionaryid", "d-1"), ("addressstatusserver", &address.to_string())];
    let answer = bench.server.load_over_rest_with(&query, body).unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    converged(&bench.server, &mut till);
    let ready = json!({"status": "STATUS_READY"});
    let wanted = [("load 7 state-1".to_owned(), ready.clone()), (format!("till 7 {} state-1", till.code), ready)];
    wait_for("the status server to know that the till has it", SOON, || {
        let told = calls.lock().unwrap().clone();
        Seen::when(wanted.iter().all(|call| told.contains(call)), (), format!("{told:?}"))
    })
    .unwrap();
    assert_eq!(calls.lock().unwrap()[0].0, "open 7");
}

/// Where a service manager would hear what a daemon says, and what it has heard.
struct Manager {
    socket: UnixDatagram,
    heard: String,
}

impl Manager {
    fn listen(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, heard: String::new() }
    }

    /// Waits until a daemon has said this.
    fn hears(&mut self, words: &str) {
        let seen = wait_for(words, SOON, || {
            let mut said = [0; 4096];
            if let Ok(length) = self.socket.recv(&mut said) {
                self.heard.push_str(&String::from_utf8_lossy(&said[..length]));
            }
            Seen::when(self.heard.contains(words), (), self.heard.clone())
        });
        seen.unwrap();
        self.heard.clear();
    }
}

#[test]
fn both_daemons_tell_the_service_manager_that_they_serve_live_and_stop() {
    let mut bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    let folder = till.folder().to_owned();
    let environment = |socket: &std::path::Path| {
        [("NOTIFY_SOCKET", socket.display().to_string()), ("WATCHDOG_USEC", "400000".to_owned())]
    };

    let socket = folder.join("of-agent.sock");
    let mut manager = Manager::listen(&socket);
    till.start_agent_with_env(environment(&socket)).unwrap();
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1\nSTATUS=in contact with the broker since");
    manager.hears("WATCHDOG=1");
    till.stop_agent().unwrap();
    manager.hears("STOPPING=1");

    let socket = folder.join("of-server.sock");
    let mut manager = Manager::listen(&socket);
    bench.server.kill();
    bench.server.switch_on_with_env(environment(&socket)).unwrap();
    manager.hears("STATUS=opening the databases");
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1\nSTATUS=serving; the link to the broker is up");
    bench.server.switch_off().unwrap();
    manager.hears("STOPPING=1");
}
