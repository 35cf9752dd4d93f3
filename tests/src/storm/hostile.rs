//! A hostile till among the honest ones: it has a till's whole disk, and means harm.
//!
//! It lies in its reports (about cursors, clocks, counts, deliveries and orders of others),
//! floods the queue of reports, orders other tills about in the server's name and reports in
//! theirs (all of that by the login that tills of before share, which may write to every queue),
//! tries tokens that are wrong, opens connections that it never finishes, and tries with its own
//! login and token what is not its own ([`rogue`]). It runs on
//! a thread of its own, beside all the other faults, and comes from an address of its own, as
//! another machine does. Nothing it does may break an invariant: the model and the verdict look
//! at the honest tills alone. Its loads are bounded, and it stops when it is told to or dropped.

mod rogue;

use super::StormError;
use crate::amqp;
use crate::bench::{BenchError, ServerPorts, TestBench};
use crate::faults::seed::Seed;
use lapin::options::BasicPublishOptions;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tillway_proto::queue::{EXCHANGE, REPORTS_QUEUE};
use tillway_proto::sales::v1::sales_loader_client::SalesLoaderClient;
use tillway_proto::sales::v1::{Hello, PeerFrame, peer_frame};
use tillway_proto::{ControlQueue, DictionaryQueue, Direction, MessageHead, PeerId, PeerSecret};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tonic::Request;
use tonic::transport::Endpoint;
use uuid::Uuid;

/// The address it comes from, so that a limit for each address does not meet the honest tills.
const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// The code of its shop, and its own.
const CODE: &str = "666";

/// Between two deeds, in milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 100..=1_500;

/// A deed that takes longer is given up: the server may be frozen or off.
const DEED_TIME: Duration = Duration::from_secs(15);

/// Reports of one flood.
const FLOOD: u64 = 1_000;

/// Lies told in a row.
const LIES: u64 = 20;

/// Wrong tokens tried in a row.
const WRONG_TOKENS: u64 = 20;

/// Connections that are begun in one deed and not finished.
const HALF_OPEN: u64 = 150;

/// How long they are held: beyond the server's deadlines for a first word.
const HELD: Duration = Duration::from_secs(12);

/// Connections held at a time, over all deeds.
const HELD_AT_MOST: u64 = 450;

/// What it did.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Lies that the broker took.
    pub lies: AtomicU64,
    /// Reports of floods that the broker took.
    pub floods: AtomicU64,
    /// Orders to other tills and reports in their names that the broker took.
    pub forged: AtomicU64,
    /// Wrong tokens that were refused.
    pub tokens: AtomicU64,
    /// Wrong tokens that were taken: there must be none.
    pub tokens_taken: AtomicU64,
    /// Connections that were begun and not finished.
    pub half_open: AtomicU64,
    /// Grabs at others' queues that the broker refused.
    pub grabs: AtomicU64,
    /// Those that came out: there must be none.
    pub grabbed: AtomicU64,
    /// Calls and documents in others' names that the server refused.
    pub posed: AtomicU64,
    /// Those that it took: there must be none.
    pub posed_well: AtomicU64,
}

/// Where it strikes.
#[derive(Debug, Clone)]
struct Target {
    till: String,
    peer: PeerId,
    shop: String,
    ports: ServerPorts,
    broker_port: u16,
    vhost: String,
    user: String,
    password: String,
    /// Its own: what it says in its own name has the right code.
    secret: PeerSecret,
    /// The honest tills, whose names it uses and whom it orders about.
    others: Vec<PeerId>,
}

/// A hostile till at work.
#[derive(Debug)]
pub struct Hostile {
    /// Its id.
    pub till: String,
    /// What it did so far.
    pub deeds: Arc<Deeds>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Deeds {
    /// Lies, reports of floods, forged messages, wrong tokens refused, connections left half open,
    /// grabs at others' queues refused, tries in others' names refused.
    pub fn counts(&self) -> [u64; 7] {
        [&self.lies, &self.floods, &self.forged, &self.tokens, &self.half_open, &self.grabs, &self.posed]
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// What came out and must not: what it is, and how often.
    pub fn came_out(&self) -> Vec<(&'static str, u64)> {
        let counts = [
            ("wrong tokens", &self.tokens_taken),
            ("grabs at others' queues", &self.grabbed),
            ("tries in others' names", &self.posed_well),
        ];
        let loaded = counts.map(|(what, count)| (what, count.load(Ordering::Relaxed)));
        loaded.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

impl Hostile {
    /// Gives it a till in a shop of its own, and lets it begin.
    pub fn start(bench: &TestBench, others: &[&str], seed: Seed) -> Result<Self, StormError> {
        let shop = bench.add_shop(CODE).map_err(StormError::Bench)?;
        let node = bench.server.create_node(&shop, "till", CODE).map_err(StormError::Bench)?;
        let vhost = bench.vhost();
        let target = Target {
            till: node.id.clone(),
            peer: node.id.parse().map_err(|error| StormError::Bench(BenchError::Id(error)))?,
            shop,
            ports: bench.server.ports,
            broker_port: bench.node().map_err(StormError::Bench)?.port,
            vhost: vhost.name.clone(),
            user: vhost.tills.clone(),
            password: vhost.tills_password.clone(),
            secret: node.secret().map_err(StormError::Bench)?,
            others: others.iter().filter_map(|id| id.parse().ok()).collect(),
        };
        let (deeds, stop) = (Arc::<Deeds>::default(), Arc::<AtomicBool>::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StormError::Bench(BenchError::File(error)))?;
        let at_work = (Arc::clone(&deeds), Arc::clone(&stop));
        let thread = std::thread::spawn(move || runtime.block_on(work(&target, seed, &at_work.0, &at_work.1)));
        Ok(Self { till: node.id, deeds, stop, thread: Some(thread) })
    }

    /// Ends it; what it holds open is closed.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A defect of the hostile till is no finding about the product.
            let _ = thread.join();
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.end();
    }
}

async fn work(target: &Target, mut seed: Seed, deeds: &Arc<Deeds>, stop: &AtomicBool) {
    let held = Arc::<AtomicU64>::default();
    while !stop.load(Ordering::Relaxed) {
        // What fails is tried again by chance: server and broker are killed now and then.
        let deed = async {
            match seed.below(8) {
                0 => lie(target, &mut seed, deeds).await,
                1 => flood(target, deeds).await,
                2 => try_tokens(target, deeds).await,
                3 => forge(target, &mut seed, deeds).await,
                4 | 5 => rogue::grab(target, &mut seed, deeds).await,
                6 => rogue::pose(target, &mut seed, deeds).await,
                _ => half_open(target, &mut seed, deeds, &held).await,
            }
        };
        let _ = tokio::time::timeout(DEED_TIME, deed).await;
        tokio::time::sleep(Duration::from_millis(seed.within(PAUSE_MS))).await;
    }
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Reports about itself that cannot be true, and rubbish.
async fn lie(target: &Target, seed: &mut Seed, deeds: &Deeds) -> Outcome {
    let lies = (0..LIES).map(|_| in_own_name(target, a_lie(target, seed))).collect();
    publish(target, lies, &deeds.lies).await
}

/// The same sound report over and over.
async fn flood(target: &Target, deeds: &Deeds) -> Outcome {
    let report = envelope(target, json!({ "type": "contact", "state": { "cursor": 0 } }));
    let report = in_own_name(target, report.to_string().into_bytes());
    let reports = vec![report; usize::try_from(FLOOD).unwrap_or(0)];
    publish(target, reports, &deeds.floods).await
}

/// Orders to other tills in the server's name, and reports in theirs: without a code, or with one
/// of its own secret.
async fn forge(target: &Target, seed: &mut Seed, deeds: &Deeds) -> Outcome {
    let mut forged = Vec::new();
    for _ in 0..LIES {
        let Some(other) = seed.choose(&target.others).cloned() else { break };
        let elsewhere =
            json!({ "grpchostcs": "192.0.2.66", "httphostcs": "192.0.2.66", "dicturlhostcs": "192.0.2.66" });
        let link = json!({
            "schema": 1, "id": Uuid::from_u64_pair(seed.next(), seed.next()), "type": "load-package", "settings": elsewhere,
            "delivery": Uuid::from_u64_pair(seed.next(), seed.next()), "package": "66".repeat(32), "link": "/x.twp",
            "bytes": 10, "from": 0, "to": u64::MAX >> 1, "objects": 1,
        });
        let order = json!({
            "schema": 1, "id": Uuid::from_u64_pair(seed.next(), seed.next()), "type": "report-state", "settings": elsewhere,
        });
        let mut report = envelope(target, json!({ "type": "contact", "state": { "cursor": 0 } }));
        report["till"] = json!(other);
        let (to, direction, body) = match seed.below(3) {
            0 => (DictionaryQueue::of(&other).to_string(), Direction::ToPeer, link),
            1 => (ControlQueue::of(&other).to_string(), Direction::ToPeer, order),
            _ => (REPORTS_QUEUE.to_owned(), Direction::ToServer, report),
        };
        let body = body.to_string().into_bytes();
        let head = target.secret.code_key().head(direction, &other, "contact", "1", &body);
        let head = if seed.below(2) == 0 { head } else { MessageHead { code: None, ..head } };
        forged.push(Message { to, head, body });
    }
    publish(target, forged, &deeds.forged).await
}

/// A message on its way.
#[derive(Debug, Clone)]
struct Message {
    to: String,
    head: MessageHead,
    body: Vec<u8>,
}

/// A report of its own, with its own right code.
fn in_own_name(target: &Target, body: Vec<u8>) -> Message {
    let head = target.secret.code_key().head(Direction::ToServer, &target.peer, "contact", "1", &body);
    Message { to: REPORTS_QUEUE.to_owned(), head, body }
}

fn envelope(target: &Target, report: Value) -> Value {
    let mut whole = json!({
        "schema": 1,
        "till": target.till,
        "instance": Uuid::from_u128(666),
        "sent_at": jiff::Timestamp::now(),
    });
    if let (Value::Object(whole), Value::Object(report)) = (&mut whole, report) {
        whole.extend(report);
    }
    whole
}

fn a_lie(target: &Target, seed: &mut Seed) -> Vec<u8> {
    let cursors = [1, 5, 1_000, 1 << 32, (1 << 48) - 1, 1 << 48, i64::MAX.unsigned_abs(), u64::MAX];
    let cursor = *seed.choose(&cursors).unwrap_or(&1);
    let somebody = Uuid::from_u64_pair(seed.next(), seed.next());
    let state = json!({
        "agent_version": "9".repeat(1 + usize::try_from(seed.below(3_000)).unwrap_or(0)),
        "cursor": cursor,
        "proof": "00".repeat(32),
        "applied_at": "9999-12-30T00:00:00Z",
        "rows": u64::MAX,
        "unsent_documents": u64::MAX,
        "last_sent": "9999-12-31T23:59:59",
        "queued": u64::MAX,
        "set_aside": u64::MAX,
        "aside": [{ "sort": "document", "name": "<script>\u{1b}[2J\n", "reason": "x".repeat(5_000) }],
    });
    let mut report = match seed.below(8) {
        0..=2 => envelope(target, json!({ "type": "contact", "state": state })),
        3 => envelope(
            target,
            json!({
                "type": "delivery", "delivery": somebody, "package": "00".repeat(32), "state": "applied",
                "till_state": state,
            }),
        ),
        4 => envelope(
            target,
            json!({ "type": "need-snapshot", "kinds": ["no such kind"], "reason": "x", "till_state": state }),
        ),
        5 => envelope(
            target,
            json!({ "type": "unload", "command": somebody, "status": "STATUS_READY", "receipts": u64::MAX }),
        ),
        6 => envelope(target, json!({ "type": "refused", "command": somebody, "reason": "x".repeat(5_000) })),
        _ => return (0..seed.within(0..=2_000)).map(|_| seed.next().to_le_bytes()[0]).collect(),
    };
    match seed.below(4) {
        0 => report["sent_at"] = json!("9999-12-30T00:00:00Z"),
        1 => report["sent_at"] = json!("0001-01-01T00:00:00Z"),
        2 => report["instance"] = json!(somebody),
        _ => {}
    }
    report.to_string().into_bytes()
}

async fn log_in(target: &Target, user: &str, password: &str) -> Result<Connection, lapin::Error> {
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: user.to_owned(), password: password.to_owned() },
            host: "127.0.0.1".to_owned(),
            port: target.broker_port,
        },
        vhost: target.vhost.clone(),
        query: AMQPQueryString::default(),
    };
    let properties = ConnectionProperties::default().with_connection_name("hostile".into());
    Connection::connect_uri(uri, properties).await
}

/// Publishes as the login of tills of before may, and counts what the broker was given.
async fn publish(target: &Target, messages: Vec<Message>, count: &AtomicU64) -> Outcome {
    let connection = log_in(target, &target.user, &target.password).await?;
    let channel = connection.create_channel().await?;
    for Message { to, head, body } in messages {
        let options = BasicPublishOptions::default();
        channel.basic_publish(EXCHANGE.into(), to.as_str().into(), options, &body, amqp::properties(&head)).await?;
        count.fetch_add(1, Ordering::Relaxed);
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// Wrong tokens at the sales service and at REST.
async fn try_tokens(target: &Target, deeds: &Deeds) -> Outcome {
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{}", target.ports.sales))?
        .local_address(Some(FROM.into()))
        .connect()
        .await?;
    for number in 0..WRONG_TOKENS {
        let hello = Hello {
            schema: 1,
            peer_id: target.till.clone(),
            shop_id: target.shop.clone(),
            agent_version: "0.1.0".to_owned(),
            instance: Uuid::from_u128(666).to_string(),
            ..Hello::default()
        };
        let frame = PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) };
        let mut request = Request::new(tokio_stream::once(frame));
        request.metadata_mut().insert("authorization", format!("Bearer wrong-{number}").parse()?);
        let taken = match SalesLoaderClient::new(channel.clone()).unload(request).await {
            Ok(mut answer) => matches!(answer.get_mut().message().await, Ok(Some(_))),
            Err(_) => false,
        };
        let counter = if taken { &deeds.tokens_taken } else { &deeds.tokens };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    let request = format!(
        "GET /api/v1/tills/{} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\nconnection: close\r\n\r\n",
        target.till
    );
    let mut stream = connect(target.ports.rest).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
    let counter = if answer.starts_with("HTTP/1.1 200") { &deeds.tokens_taken } else { &deeds.tokens };
    counter.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Connections that say nothing, or half a word, and stay.
async fn half_open(target: &Target, seed: &mut Seed, deeds: &Deeds, held: &Arc<AtomicU64>) -> Outcome {
    let ports = [target.ports.sales, target.ports.rest, target.ports.web, target.ports.aif];
    let port = *seed.choose(&ports).unwrap_or(&target.ports.sales);
    let words: [&[u8]; 4] = [
        b"",
        b"GET /api/v1/tills HTTP/1.1\r\nx-half: ",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"POST /aifexchange/loaddicts HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n[",
    ];
    let word = *seed.choose(&words).unwrap_or(&words[0]);
    let room = HELD_AT_MOST.saturating_sub(held.load(Ordering::Relaxed)).min(HALF_OPEN);
    let mut open = Vec::new();
    for _ in 0..room {
        let mut stream = connect(port).await?;
        // One that the server closed at once is counted as well: it was tried.
        let _ = stream.write_all(word).await;
        deeds.half_open.fetch_add(1, Ordering::Relaxed);
        open.push(stream);
    }
    let (held, count) = (Arc::clone(held), open.len() as u64);
    held.fetch_add(count, Ordering::Relaxed);
    tokio::spawn(async move {
        tokio::time::sleep(HELD).await;
        drop(open);
        held.fetch_sub(count, Ordering::Relaxed);
    });
    Ok(())
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((FROM, 0)))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}
