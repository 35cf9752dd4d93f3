//! Connections that only hold places: whoever works beside them notices nothing.

use crate::sales::{checked, equip, sale};
use crate::support::now;
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
