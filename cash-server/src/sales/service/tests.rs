//! The protocol, spoken by a real client.

mod faults;
mod holding;
mod limits;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tillway_proto::sales::v1::sales_loader_client::SalesLoaderClient;
use tillway_proto::sales::v1::{self, PeerFrame, ServerFrame, peer_frame, server_frame};
use tillway_proto::{ShopId, TillId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use super::{Deadlines, Deps, ServeError, Speaks, TlsPaths, serve};
use crate::network::{AuthError, TillAuth};
use crate::sales::Intruders;
use crate::sales::loader::Loader;
use crate::sales::spool::{Spool, SpoolLimits};
use crate::sales::tests::{
    DEADLINE, any_shift, batch, closed_shift, open_store, open_when_free, other_till, sale, shop, till,
};
use crate::store::sales::{FindingFilter, Page, SalesStore, TotalsBy, TotalsFilter};
use tillway_file_queue::disk::{Disk, RealDisk};
use tillway_service::serving::Tongues;

/// While it is true, no token is anybody's.
#[derive(Debug, Default)]
struct OneTill(Arc<AtomicBool>);

impl TillAuth for OneTill {
    fn authenticate(&self, asked: &TillId, token: &str) -> Result<ShopId, AuthError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(AuthError::WrongToken);
        }
        match (*asked == till(), token) {
            (true, "secret") => Ok(shop()),
            (true, _) => Err(AuthError::WrongToken),
            (false, _) if self.till_of(token).is_ok_and(|(own, _)| own == *asked) => Ok(shop()),
            (false, _) => Err(AuthError::UnknownTill),
        }
    }

    /// `secret-5` is that of the fifth further till.
    fn till_of(&self, token: &str) -> Result<(TillId, ShopId), AuthError> {
        let till = match token.strip_prefix("secret-") {
            Some(number) => format!("_cash_{number}_0000aaaa").parse().unwrap(),
            None if token == "secret" => till(),
            None => return Err(AuthError::WrongToken),
        };
        Ok((till, shop()))
    }
}

struct Server {
    deps: Deps,
    void: Arc<AtomicBool>,
    address: String,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    async fn start(folder: &Path, limits: SpoolLimits, deadlines: Deadlines) -> Self {
        Self::start_with(folder, limits, deadlines, None).await
    }

    async fn start_with(folder: &Path, limits: SpoolLimits, deadlines: Deadlines, tls: Option<TlsPaths>) -> Self {
        let store = open_store(folder);
        let position = store.position().unwrap();
        let spool = Spool::open(&folder.join("spool"), position, limits, Arc::new(RealDisk)).unwrap();
        let void = Arc::<AtomicBool>::default();
        let (auth, intruders) = (Arc::new(OneTill(Arc::clone(&void))), Intruders::new(store.clone()));
        let deps = Deps { auth, store, spool, intruders, deadlines };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let speaks = tls.map_or_else(|| Speaks::Tongues(Tongues::plain()), Speaks::Own);
        let served = tokio::spawn(serve(listener, deps.clone(), speaks, shutdown.clone()));
        Self { deps, void, address, shutdown, served }
    }

    async fn plain() -> (TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let server = Self::start(folder.path(), SpoolLimits::default(), Deadlines::default()).await;
        (folder, server)
    }

    async fn connect(&self, token: Option<&str>, hello: v1::Hello) -> Result<Till, Status> {
        let endpoint = Endpoint::from_shared(self.address.clone()).unwrap();
        self.connect_through(endpoint.connect().await.unwrap(), token, hello).await
    }

    async fn connect_through(&self, channel: Channel, token: Option<&str>, hello: v1::Hello) -> Result<Till, Status> {
        let mut client = SalesLoaderClient::new(channel);
        let (frames, receiver) = mpsc::channel(64);
        let mut request = Request::new(ReceiverStream::new(receiver));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        frames.send(PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) }).await.unwrap();
        let answers = client.unload(request).await?.into_inner();
        Ok(Till { frames: Some(frames), answers, sequence: 0 })
    }

    /// Opens a stream and takes the statement of what is there.
    async fn open(&self, hello: v1::Hello) -> Result<(Till, Vec<v1::Holding>), Status> {
        let mut till = self.connect(Some("secret"), hello).await?;
        let holdings = till.holdings().await?;
        Ok((till, holdings))
    }

    fn load(&self) {
        let mut loader = Loader::new(self.deps.spool.clone(), Arc::clone(&self.deps.store));
        while loader.step().unwrap() {}
    }

    fn receipts(&self) -> i64 {
        self.deps.store.totals(&TotalsFilter::default(), TotalsBy::All).unwrap()[0].receipts
    }

    fn findings(&self) -> Vec<String> {
        let findings = self.deps.store.findings(&FindingFilter::default(), Page::default()).unwrap();
        findings.into_iter().map(|finding| finding.kind).collect()
    }
}

struct Till {
    frames: Option<mpsc::Sender<PeerFrame>>,
    answers: Streaming<ServerFrame>,
    sequence: u64,
}

impl Till {
    async fn send(&mut self, mut batch: v1::Batch) {
        self.sequence += 1;
        batch.sequence = self.sequence;
        let frame = PeerFrame { frame: Some(peer_frame::Frame::Batch(batch)) };
        let _ = self.frames.as_ref().unwrap().send(frame).await;
    }

    async fn answer(&mut self) -> Result<Option<server_frame::Frame>, Status> {
        let answer = tokio::time::timeout(DEADLINE, self.answers.message());
        Ok(answer.await.expect("an answer in time")?.and_then(|frame| frame.frame))
    }

    async fn ack(&mut self) -> Result<v1::Ack, Status> {
        match self.answer().await? {
            Some(server_frame::Frame::Ack(ack)) => Ok(ack),
            other => panic!("expected Ack, got {other:?}"),
        }
    }

    async fn holdings(&mut self) -> Result<Vec<v1::Holding>, Status> {
        let mut holdings = Vec::new();
        loop {
            match self.answer().await? {
                Some(server_frame::Frame::Holding(holding)) => holdings.push(holding),
                other => panic!("expected Holding, got {other:?}"),
            }
            if holdings.last().unwrap().last {
                return Ok(holdings);
            }
        }
    }

    /// The status the stream ends with.
    async fn end(&mut self) -> Result<(), Status> {
        loop {
            if self.answer().await?.is_none() {
                return Ok(());
            }
        }
    }
}

fn hello(shifts: &[u64]) -> v1::Hello {
    v1::Hello {
        schema: 1,
        peer_id: till().to_string(),
        shop_id: shop().to_string(),
        agent_version: "0.1.0".to_owned(),
        instance: "one".to_owned(),
        shifts: shifts.to_vec(),
        openings: Vec::new(),
    }
}

fn one(number: u64) -> v1::Batch {
    batch(vec![sale(&till(), 1, number)], vec![])
}

#[tokio::test]
async fn a_till_without_its_token_sends_nothing() {
    let (_folder, server) = Server::plain().await;
    assert_eq!(server.connect(None, hello(&[])).await.err().unwrap().code(), Code::Unauthenticated);
    let wrong = server.connect(Some("wrong"), hello(&[])).await.err().unwrap();
    assert_eq!(wrong.code(), Code::Unauthenticated);
    let in_others_name = v1::Hello { peer_id: other_till().to_string(), ..hello(&[]) };
    let mut in_others_name = server.connect(Some("secret"), in_others_name).await.unwrap();
    assert_eq!(in_others_name.end().await.unwrap_err().code(), Code::Unauthenticated);
    let of_a_shop = v1::Hello { peer_id: shop().to_string(), ..hello(&[]) };
    let status = server.connect(Some("secret"), of_a_shop).await.unwrap().end().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("tills alone"), "{status:?}");
    let newer = v1::Hello { schema: 2, ..hello(&[]) };
    let status = server.connect(Some("secret"), newer).await.unwrap().end().await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("upgrade"), "{status:?}");
}

#[tokio::test]
async fn batches_are_acknowledged_in_order_and_the_next_stream_is_told_of_them() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, holdings) = server.open(hello(&[])).await.unwrap();
    assert_eq!((holdings.len(), holdings[0].last_receipt_time.as_str()), (1, ""));
    for number in 1..=40 {
        stream.send(one(number)).await;
    }
    stream.send(batch(vec![], vec![closed_shift(&till(), 1, 1..=40)])).await;
    stream.frames = None;
    let mut through = 0;
    while through < 41 {
        let ack = stream.ack().await.unwrap();
        assert!(ack.through > through && ack.refused.is_empty());
        through = ack.through;
    }
    stream.end().await.unwrap();
    for loaded in [false, true] {
        if loaded {
            server.load();
        }
        let (_stream, holdings) = server.open(hello(&[1, 2])).await.unwrap();
        assert_eq!(holdings.iter().map(|holding| holding.shift).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((holdings[0].receipts.len(), holdings[0].closed), (40 * 16, true), "loaded: {loaded}");
        assert_eq!((holdings[1].receipts.len(), holdings[1].closed), (0, false));
        assert_eq!(holdings[0].last_receipt_time, "2017-02-28T10:40:30");
    }
    assert_eq!(server.receipts(), 40);
    assert_eq!(server.deps.store.till_states().unwrap()[0].instance, "one");
}

#[tokio::test]
async fn a_token_that_became_void_ends_its_stream_within_seconds() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    server.void.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.end()).await.expect("out within 5 s");
    assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_broken_document_delays_only_itself() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    let foreign = v1::Document { document_id: 77, ..sale(&other_till(), 1, 2) };
    let timeless = v1::Document { time_end: "yesterday".to_owned(), ..sale(&till(), 1, 3) };
    let keyless = v1::Document { key: None, ..sale(&till(), 1, 4) };
    let documents = vec![sale(&till(), 1, 1), foreign, timeless, keyless, sale(&till(), 1, 5)];
    stream.send(batch(documents, vec![])).await;
    let ack = stream.ack().await.unwrap();
    assert_eq!(ack.refused.iter().map(|refused| refused.document_id).collect::<Vec<_>>(), [77, 3, 4]);
    assert!(ack.refused[0].reason.contains("_cash_8"), "{}", ack.refused[0].reason);
    server.load();
    assert_eq!(server.receipts(), 2);
    // That one was another till's is told beside it, by a writer of its own.
    let told = async {
        while server.findings().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), told).await;
    let mut findings = server.findings();
    findings.sort();
    assert_eq!(findings, ["document-refused", "document-refused", "document-refused", "trespass"]);
}

#[tokio::test]
async fn a_newer_stream_of_the_same_agent_takes_over_and_another_machine_is_refused() {
    let (_folder, server) = Server::plain().await;
    let (mut first, _) = server.open(hello(&[])).await.unwrap();
    let copy = v1::Hello { instance: "two".to_owned(), ..hello(&[]) };
    assert_eq!(server.open(copy.clone()).await.err().unwrap().code(), Code::FailedPrecondition);
    assert_eq!(server.findings(), ["two-machines"]);
    let (mut second, _) = server.open(hello(&[])).await.unwrap();
    assert_eq!(first.end().await.unwrap_err().code(), Code::Aborted);
    second.send(one(1)).await;
    assert_eq!(second.ack().await.unwrap().through, 1);
    second.frames = None;
    second.end().await.unwrap();
    // Afterwards the other agent may send, and that is shown.
    let other = async { while server.open(copy.clone()).await.is_err() {} };
    tokio::time::timeout(DEADLINE, other).await.expect("the other agent may send");
    let shown = async {
        while !server.findings().contains(&"instance-changed".to_owned()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, shown).await.expect("the other agent is shown");
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_stream_with_its_reason() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(1)).await;
    stream.sequence = 6;
    stream.send(one(2)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1, "what came before is acknowledged");
    assert_eq!(stream.end().await.unwrap_err().code(), Code::InvalidArgument);
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    let again = PeerFrame { frame: Some(peer_frame::Frame::Hello(hello(&[]))) };
    stream.frames.as_ref().unwrap().send(again).await.unwrap();
    assert_eq!(stream.end().await.unwrap_err().code(), Code::InvalidArgument);
    let many = v1::Hello { shifts: vec![1; 201], ..hello(&[]) };
    assert_eq!(server.open(many).await.err().unwrap().code(), Code::InvalidArgument);
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    let large = v1::Document { back_reason: "x".repeat(5 * 1024 * 1024), ..sale(&till(), 1, 9) };
    stream.send(batch(vec![large], vec![])).await;
    assert_eq!(stream.end().await.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn frames_of_a_kind_that_only_a_newer_agent_knows_are_passed_over_up_to_a_bound() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    let frames = stream.frames.clone().unwrap();
    let unknown = || frames.send(PeerFrame { frame: None });
    for number in 1..=2 {
        unknown().await.unwrap();
        stream.send(one(number)).await;
        assert_eq!(stream.ack().await.unwrap().through, number);
    }
    for _ in 0..tillway_proto::sales::MAX_UNKNOWN_FRAMES {
        // The stream ends at the last of them.
        let _ = unknown().await;
    }
    assert_eq!(stream.end().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_till_that_is_silent_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let deadlines = Deadlines { idle: Duration::from_millis(50), ..Deadlines::default() };
    let server = Server::start(folder.path(), SpoolLimits::default(), deadlines).await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    assert_eq!(stream.end().await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_full_spool_is_refused_until_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { total_bytes: 2_000, segment_bytes: 200, reserve_bytes: 0 };
    let server = Server::start(folder.path(), limits, Deadlines::default()).await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        assert!(acknowledged < 100, "the spool has no limit");
        stream.send(one(acknowledged + 1)).await;
        match stream.ack().await {
            Ok(ack) => acknowledged = ack.through,
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("full"), "{refused:?}");
    server.load();
    assert_eq!(server.receipts(), i64::try_from(acknowledged).unwrap());
    let (mut stream, holdings) = server.open(hello(&[1])).await.unwrap();
    assert_eq!(holdings[0].receipts.len() as u64, acknowledged * 16);
    stream.send(one(acknowledged + 1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
}

#[tokio::test]
async fn a_stop_lets_nothing_acknowledged_be_lost_and_ends_streams() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), SpoolLimits::default(), Deadlines::default()).await;
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    server.shutdown.cancel();
    assert_eq!(stream.end().await.unwrap_err().code(), Code::Unavailable);
    drop(stream);
    server.served.await.unwrap().unwrap();
    let Deps { spool, store, .. } = server.deps;
    drop((spool, store));
    let position = open_store(folder.path()).position().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let spool = open_when_free(&folder.path().join("spool"), position, SpoolLimits::default(), &disk).unwrap();
    assert_eq!(spool.held(&till(), any_shift(1)).receipts.len(), 1);
}
