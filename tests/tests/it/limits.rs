//! Connections that only hold places, and loads that take long: whoever works beside them notices
//! nothing.

use crate::sales::{checked, equip, sale};
use crate::support::{catalogue, loaded, now};
use reqwest::Method;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tillway_tests::bench::{TestBench, TillOptions};
use tillway_tests::process::memory_bytes;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// Nothing that takes milliseconds alone takes longer than this beside them, on two busy cores.
const FAST: Duration = Duration::from_secs(5);

/// What so many half-sent heads may cost the server.
const MOST_OF_HEADS_BYTES: u64 = 64 << 20;

/// Connections of another address of this machine: as those of one stranger.
fn connections(runtime: &Runtime, port: u16, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let to: SocketAddr = ([127, 0, 0, 1], port).into();
    let one = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let stream = socket.connect(to).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    };
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = runtime.block_on(one());
        // One that has given way already takes no more.
        let _ = stream.write_all(said);
        open.push(stream);
    }
    open
}

fn page_answers(bench: &TestBench) {
    let mut stream = TcpStream::connect(("127.0.0.1", bench.server.ports.web)).unwrap();
    stream.set_read_timeout(Some(FAST)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[test]
fn a_thousand_silent_connections_and_two_thousand_half_sent_heads_slow_nobody_down_and_cost_little() {
    tillway_proto::process::OpenFiles::raise();
    let bench = TestBench::start().unwrap();
    let (mut till, mut pos) = equip(&bench, TillOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pid = bench.server.pid().unwrap();
    let before = memory_bytes(pid, "VmRSS").unwrap();
    // As much as the server keeps of a head, and far more.
    let [fits, large] =
        [15_000, 200_000].map(|bytes| format!("GET /api/v1/nodes HTTP/1.1\r\nx: {}", "y".repeat(bytes)));
    let _heads = connections(&runtime, bench.server.ports.rest, 1_050, fits.as_bytes());
    let _large = connections(&runtime, bench.server.ports.rest, 1_050, large.as_bytes());
    let grown = memory_bytes(pid, "VmRSS").unwrap().saturating_sub(before);
    assert!(grown < MOST_OF_HEADS_BYTES, "{grown} bytes");
    let _silent = connections(&runtime, bench.server.ports.sales, 1_010, b"PRI * HTTP/2.0\r\n");

    let begun = Instant::now();
    assert!(!bench.server.nodes().unwrap().is_empty());
    page_answers(&bench);
    assert!(begun.elapsed() < FAST, "{:?}", begun.elapsed());
    pos.open_shift(1, 1, now()).unwrap();
    pos.ring(&sale(now())).unwrap();
    pos.close_shift(now()).unwrap();
    let shift = checked(&bench.server, &mut till, 1);
    assert_eq!(shift["outcome"]["verdict"], "ok", "{shift}");
}

/// Makes a till, gives it a name and a new token, and removes it; the longest of the answers.
fn change_the_network(bench: &TestBench, shop: &str, round: u32) -> Duration {
    let mut longest = Duration::ZERO;
    let mut timed = |change: &dyn Fn() -> String| {
        let begun = Instant::now();
        let told = change();
        longest = longest.max(begun.elapsed());
        told
    };
    let api = bench.server.api().unwrap();
    let till = timed(&|| bench.server.create_node(shop, "till", &format!("n{round}")).unwrap().id);
    let (node, token) = (format!("/api/v1/nodes/{till}"), format!("/api/v1/tills/{till}/token"));
    timed(&|| {
        api.json(&Method::PATCH, &node, Some(&json!({"name": "by the door", "parked": true}))).unwrap().to_string()
    });
    timed(&|| api.post(&token, &json!({})).unwrap().to_string());
    timed(&|| api.json(&Method::DELETE, &node, None).unwrap().to_string());
    longest
}

#[test]
fn whoever_changes_the_network_does_not_wait_for_a_load_at_any_moment_of_it() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    // The second one changes each object, deletes half of them in its last sweep, and commits all
    // of it at once.
    for (base, numbers, price) in [("pos1", 0..20_000, "10"), ("pos2", 10_000..30_000, "11")] {
        let text = catalogue(numbers, price).join("\n---\n") + "\n---\n";
        bench.server.deliver_approved("All", base, |out| out.write_all(text.as_bytes()).map(|()| 1)).unwrap();
        let flag = bench.server.inbox("All").join(format!("{base}.flz"));
        let mut rounds = 0;
        while flag.exists() {
            let longest = change_the_network(&bench, &shop, rounds);
            assert!(longest < FAST, "{longest:?} in round {rounds} of the {base} load");
            let begun = Instant::now();
            let code = format!("c{base}{rounds}");
            let made = bench.server.command(&["node", "add", "till", &code, "--parent", "shop-7"]).unwrap();
            assert!(begun.elapsed() < FAST && made.contains(&code), "{:?}, {made}", begun.elapsed());
            rounds += 1;
        }
        let load = loaded(&bench.server, "All", base);
        assert_eq!(load["status"], "STATUS_READY", "{load}");
        assert!(rounds > 2, "the {base} load ended after {rounds} rounds");
    }
}
