//! Clients that mean to hold places, and those that are only slow.

mod tls;

use super::*;
use axum::body::Bytes;
use axum::routing::{get, post};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_mins(1);
const LARGE: usize = 4 << 20;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn start(limits: Limits) -> Server {
    start_with(Port::plain(), limits)
}

fn start_with(port: Port, limits: Limits) -> Server {
    let router = Router::new()
        .route("/ok", get(|| async { "ok" }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/end", get(|connection: Option<Connection>| async move { connection.unwrap().end() }));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(serve_within(listener, port, router, stop.clone(), limits));
    Server { address, stop }
}

fn limits() -> Limits {
    Limits { connections: connection_limits(6_154), sent: SENT, taken: TAKEN }
}

async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What comes until the server closes, or an error where it cuts off.
async fn rest(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, client.read_to_end(&mut all)).await.expect("the server ends the connection");
    String::from_utf8_lossy(&all).into_owned()
}

async fn asks(from: u8, server: &Server) -> String {
    let mut client = connect_from(from, server.address).await;
    client.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    rest(&mut client).await
}

/// As far as this process may.
fn raise_open_files() {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limits.maximum, maximum: limits.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

#[tokio::test]
async fn half_sent_heads_leave_others_their_places_at_the_same_address_too() {
    raise_open_files();
    let server = start(limits());
    let mut silent = Vec::new();
    for _ in 0..2_100 {
        let mut client = connect_from(2, server.address).await;
        let head = format!("GET /ok HTTP/1.1\r\nx: {}", "y".repeat(1_000));
        // One that has given way may be closed already.
        let _ = client.write_all(head.as_bytes()).await;
        silent.push(client);
    }
    for from in [1, 2] {
        let began = Instant::now();
        assert!(asks(from, &server).await.ends_with("ok"));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let closed = async |client: &mut TcpStream| {
        timeout(Duration::from_millis(1), client.read_u8()).await.is_ok_and(|read| read.is_err())
    };
    let mut gave_way = 0;
    for client in &mut silent {
        gave_way += usize::from(closed(client).await);
    }
    assert!(gave_way >= silent.len() - MAX_WAITING_OF_ADDRESS, "{gave_way}");
}

#[tokio::test]
async fn a_head_has_a_limit_and_what_people_and_programs_send_fits() {
    let server = start(limits());
    for (bytes, answer) in [(12_000, "200"), (17_000, "431")] {
        let mut client = connect_from(1, server.address).await;
        let head = format!("GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(bytes));
        let _ = client.write_all(head.as_bytes()).await;
        let answered = rest(&mut client).await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {answer}")), "{bytes}: {answered}");
    }
}

#[tokio::test]
async fn a_body_that_hardly_moves_is_cut_off_and_one_that_is_slow_arrives() {
    let sent = Rate { bytes: 2_000, within: Duration::from_millis(500) };
    let server = start(Limits { sent, ..limits() });
    let head = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 40000\r\n\r\n";
    let mut holds = connect_from(1, server.address).await;
    holds.write_all(format!("{head}a").as_bytes()).await.unwrap();
    let held = async {
        let answered = rest(&mut holds).await;
        assert!(!answered.contains("200 OK"), "{answered}");
    };
    let mut slow = connect_from(1, server.address).await;
    let slowly = async {
        slow.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..100 {
            slow.write_all(&[b'a'; 400]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        let answered = rest(&mut slow).await;
        assert!(answered.ends_with("40000"), "{answered}");
    };
    tokio::join!(held, slowly);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_and_one_that_is_slow_gets_all() {
    let taken = Rate { bytes: 128 * 1024, within: Duration::from_secs(2) };
    let server = start(Limits { taken, ..limits() });
    let ask = b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut holds = connect_from(1, server.address).await;
    holds.write_all(ask).await.unwrap();
    let mut slow = connect_from(1, server.address).await;
    slow.write_all(ask).await.unwrap();
    let (mut got, mut piece) = (0, vec![0; 32 * 1024]);
    loop {
        let read = timeout(DEADLINE, slow.read(&mut piece)).await.unwrap().expect("the slow one is not cut off");
        if read == 0 {
            break;
        }
        got += read;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(got > LARGE, "{got}");
    tokio::time::sleep(taken.within).await;
    assert!(rest(&mut holds).await.len() < LARGE);
}

#[test]
fn with_few_files_a_port_takes_fewer_connections_and_some_in_any_case() {
    let all = |files| connection_limits(files).all;
    assert_eq!((all(0), all(853), all(21_333)), (LEAST_CONNECTIONS, 853, MAX_CONNECTIONS));
}

#[tokio::test]
async fn a_connection_that_somebody_ends_is_closed_and_no_other_one_is() {
    let server = start(limits());
    let (mut one, mut other) = (connect_from(2, server.address).await, connect_from(2, server.address).await);
    for client in [&mut one, &mut other] {
        client.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    one.write_all(b"GET /end HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    rest(&mut one).await;
    other.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut other).await.contains("HTTP/1.1 200"));
}
