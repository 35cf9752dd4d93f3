//! Logins of tills' own at the broker, a thousand of them: each comes in, also after the broker
//! was started anew and after it lost them all.

use crate::support::LARGE_LOAD;
use futures_util::stream::{self, StreamExt as _};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tillway_cash_server::peer_keys::{ALGORITHM, BrokerPasswordHash};
use tillway_proto::{DictionaryQueue, PeerSecret, TillId};
use tillway_tests::bench::{BenchOptions, TestBench};
use tillway_tests::broker::Broker;
use tillway_tests::fleet::{Fleet, FleetOptions};
use tillway_tests::wait::{Seen, wait_for};

const TILLS: usize = 1_000;

/// Bytes of a frame, the least there is: the client makes a buffer of many frames for each
/// connection, which with thousands in one process would be all of its memory.
const SMALL_FRAMES: u32 = 4_096;

/// Logins under way at the same time.
const AT_A_TIME: usize = 32;

/// For one login: a broker that has just started is busy with thousands of queues.
const LOGIN_TIME: Duration = Duration::from_mins(2);

async fn come_in(port: u16, vhost: String, till: &TillId, secret: &PeerSecret) -> Result<Connection, lapin::Error> {
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: till.to_string(),
                password: secret.broker_password().as_str().to_owned(),
            },
            host: "127.0.0.1".to_owned(),
            port,
        },
        vhost,
        query: AMQPQueryString { heartbeat: Some(60), frame_max: Some(SMALL_FRAMES), ..AMQPQueryString::default() },
    };
    Connection::connect_uri(uri, ConnectionProperties::default()).await
}

async fn log_in(port: u16, vhost: String, till: TillId, secret: PeerSecret) -> Result<Connection, lapin::Error> {
    let connection = come_in(port, vhost, &till, &secret).await?;
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(DictionaryQueue::of(&till.into()).as_str().into(), passive, FieldTable::default()).await?;
    Ok(connection)
}

/// All at once, each on a connection of its own; how long it took.
fn all_log_in(bench: &TestBench, tills: &[(TillId, PeerSecret)]) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (port, vhost) = (bench.node().unwrap().port, bench.vhost().name.clone());
    let began = Instant::now();
    let connections: Vec<Connection> = runtime.block_on(async {
        let logins = stream::iter(tills.to_vec()).map(|(till, secret)| {
            let vhost = vhost.clone();
            async move {
                let login = log_in(port, vhost, till.clone(), secret);
                let login = tokio::time::timeout(LOGIN_TIME, login).await;
                login
                    .unwrap_or_else(|_| panic!("{till} is not let in in time"))
                    .unwrap_or_else(|error| panic!("{till}: {error}"))
            }
        });
        logins.buffer_unordered(AT_A_TIME).collect().await
    });
    let took = began.elapsed();
    assert_eq!(connections.len(), TILLS);
    assert!(connections.iter().all(|connection| connection.status().connected()), "all are in at the same time");
    took
}

fn has_all(bench: &TestBench, tills: &[(TillId, PeerSecret)]) -> Seen<()> {
    let users = bench.vhost().users().unwrap_or_default();
    let there = tills.iter().filter(|(till, _)| users.contains(till.as_str())).count();
    Seen::when(there == tills.len(), (), there)
}

#[test]
fn a_thousand_tills_have_logins_of_their_own_after_a_restart_of_the_broker_and_after_it_lost_them() {
    let options =
        BenchOptions::with(&[("exchange.reconcile_period_s", "1")]).on(Broker::start_for_thousands().unwrap());
    let mut bench = TestBench::start_as(options).unwrap();
    let fleet = Fleet::attach(&bench, &FleetOptions { tills: TILLS, shops: 10, ..FleetOptions::default() }).unwrap();
    let tills: Vec<_> = fleet.ids().into_iter().zip(fleet.secrets()).collect();
    wait_for("the logins", LARGE_LOAD, || has_all(&bench, &tills)).unwrap();
    fleet.wait_for_queues(&bench, LARGE_LOAD).unwrap();
    let first = all_log_in(&bench, &tills);

    bench.broker().unwrap().stop().unwrap();
    bench.broker().unwrap().start_again().unwrap();
    assert!(matches!(has_all(&bench, &tills), Seen::Ready(())), "the broker keeps them");
    let second = all_log_in(&bench, &tills);

    // As after a broker that was made anew: a change of the network, or five minutes, and all are
    // back.
    for (till, _) in &tills[..TILLS / 2] {
        bench.vhost().delete_user(till.as_str()).unwrap();
    }
    bench.add_shop("new").unwrap();
    wait_for("the lost logins", LARGE_LOAD, || has_all(&bench, &tills)).unwrap();
    let third = all_log_in(&bench, &tills);
    println!("{TILLS} logins: {first:.1?}, after a restart {second:.1?}, after a loss {third:.1?}");
}

/// Tills of the run by hand, and logins put with one call, as the server puts them.
const MANY: usize = 10_000;
const AT_ONCE: usize = 500;

/// What the broker says of its memory, in MiB.
fn memory(ask: &dyn Fn(&str) -> Value) -> u64 {
    ask("nodes")[0]["mem_used"].as_u64().unwrap_or_default() >> 20
}

/// One run by hand, for docs/benchmarks.md: `cargo test … -- --ignored ten_thousand --nocapture`.
#[test]
#[ignore = "takes minutes, and holds ten thousand connections open"]
fn ten_thousand_logins_by_hand() {
    let mut broker = Broker::start_for_thousands().unwrap();
    let vhost = broker.virtual_host().unwrap();
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(LARGE_LOAD).build().unwrap();
    let url = |path: &str| format!("{}/api/{path}", vhost.management_url());
    let ask = |path: &str| -> Value {
        let asked = client.get(url(path)).basic_auth(&vhost.user, Some(&vhost.password));
        asked.send().unwrap().json().unwrap()
    };
    let tills: Vec<(TillId, PeerSecret)> =
        (0..MANY).map(|number| (format!("_cash_{number}_00ab34ef").parse().unwrap(), PeerSecret::generate())).collect();
    let before = memory(&ask);
    let began = Instant::now();
    for some in tills.chunks(AT_ONCE) {
        let users: Vec<Value> = some
            .iter()
            .map(|(till, secret)| {
                let hash = BrokerPasswordHash::of(&secret.broker_password()).to_text();
                json!({"name": till, "password_hash": hash, "hashing_algorithm": ALGORITHM, "tags": ["tillway-peer-x"]})
            })
            .collect();
        let read = |till: &TillId| format!("^(tillway\\.dictionary\\.{till}|tillway\\.control\\.{till})$");
        let right = |till: &TillId| json!({"user": till, "vhost": vhost.name, "configure": "^$", "write": "^(tillway\\.incoming)$", "read": read(till)});
        let permissions: Vec<Value> = some.iter().map(|(till, _)| right(till)).collect();
        let body = json!({"users": users, "permissions": permissions});
        let put = client.post(url("definitions")).basic_auth(&vhost.user, Some(&vhost.password)).json(&body);
        assert!(put.send().unwrap().status().is_success());
    }
    let made = began.elapsed();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let all_come_in = |port: u16| {
        let began = Instant::now();
        let connections: Vec<Connection> = runtime.block_on(async {
            let logins = stream::iter(&tills).map(|(till, secret)| come_in(port, vhost.name.clone(), till, secret));
            logins.buffer_unordered(AT_A_TIME).map(Result::unwrap).collect().await
        });
        (began.elapsed(), connections)
    };
    let (first, connections) = all_come_in(broker.port);
    let open = memory(&ask);
    drop(connections);
    broker.stop().unwrap();
    let began = Instant::now();
    broker.start_again().unwrap();
    let restarted = began.elapsed();
    let (second, connections) = all_come_in(broker.port);
    println!(
        "{MANY} logins: made in {made:.1?}, {first:.1?} to come in, {second:.1?} after a restart that took {restarted:.1?}; \
         broker {before} MiB before, {open} MiB with {} connections",
        connections.len()
    );
}
