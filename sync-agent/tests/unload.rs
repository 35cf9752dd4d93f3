//! Sales from `documents.db` to a sales-loader that is a stub, through a whole agent without a broker.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail like tests")]

use jiff::civil::{DateTime, date};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tillway_exchangers::till::documents::writer::{NewShift, PosWriter};
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1::{
    self,
    sales_loader_server::{SalesLoader, SalesLoaderServer},
    server_frame::Frame as Answer,
    till_frame::Frame,
};
use tillway_sync_agent::settings::{Layout, LiveSettings};
use tillway_sync_agent::state::State;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Far above what any step takes; a test that needs it has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// What the stub has heard, and how it behaves.
#[derive(Debug, Default)]
struct Heard {
    /// Documents by uuid, and how often each came.
    documents: HashMap<Vec<u8>, u32>,
    closed: HashSet<u64>,
    tokens: HashSet<String>,
    /// Uuids to name at the hello, by shift.
    held: HashMap<u64, Vec<u8>>,
    /// So many streams are to break after their first batch, which is not acknowledged.
    break_streams: u32,
    /// Document ids to set aside.
    refuse: HashSet<i64>,
}

#[derive(Debug, Clone, Default)]
struct Stub(Arc<Mutex<Heard>>);

impl Stub {
    fn answer(&self, frame: Frame) -> Result<Vec<Answer>, Status> {
        let mut heard = self.0.lock().unwrap();
        match frame {
            Frame::Hello(hello) => {
                let mut holdings: Vec<_> = hello
                    .shifts
                    .iter()
                    .map(|shift| v1::Holding {
                        shift: *shift,
                        receipts: heard.held.get(shift).cloned().unwrap_or_default(),
                        ..v1::Holding::default()
                    })
                    .collect();
                holdings.last_mut().ok_or_else(|| Status::invalid_argument("no shifts"))?.last = true;
                Ok(holdings.into_iter().map(Answer::Holding).collect())
            }
            Frame::Batch(batch) => {
                if heard.break_streams > 0 {
                    heard.break_streams -= 1;
                    return Err(Status::unavailable("broken on purpose"));
                }
                let mut refused = Vec::new();
                for document in batch.documents {
                    if heard.refuse.contains(&document.document_id) {
                        let reason = "refused on purpose".to_owned();
                        refused.push(v1::Refused {
                            key: document.key.clone(),
                            document_id: document.document_id,
                            reason,
                        });
                    }
                    *heard.documents.entry(document.key.unwrap().uuid).or_default() += 1;
                }
                heard.closed.extend(batch.shifts.iter().filter(|s| !s.time_end.is_empty()).map(|s| s.number));
                Ok(vec![Answer::Ack(v1::Ack { through: batch.sequence, refused })])
            }
        }
    }
}

#[tonic::async_trait]
impl SalesLoader for Stub {
    type UnloadStream = Pin<Box<dyn Stream<Item = Result<v1::ServerFrame, Status>> + Send>>;

    async fn unload(&self, request: Request<Streaming<v1::TillFrame>>) -> Result<Response<Self::UnloadStream>, Status> {
        let token = request.metadata().get("authorization").map(|token| token.to_str().unwrap().to_owned());
        self.0.lock().unwrap().tokens.extend(token);
        let mut frames = request.into_inner();
        let (answers, stream) = mpsc::channel(16);
        let stub = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(v1::TillFrame { frame: Some(frame) })) = frames.message().await {
                match stub.answer(frame) {
                    Ok(frames) => {
                        for frame in frames {
                            let _ = answers.send(Ok(v1::ServerFrame { frame: Some(frame) })).await;
                        }
                    }
                    Err(status) => {
                        let _ = answers.send(Err(status)).await;
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// A till folder, a POS, and a sales-loader.
struct Till {
    folder: tempfile::TempDir,
    settings: PathBuf,
    stub: Stub,
    pos: PosWriter,
    documents: i64,
}

impl Till {
    async fn new() -> Self {
        let stub = Stub::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = SalesLoaderServer::new(stub.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("cash.ini");
        let text = format!(
            "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=127.0.0.1\ndept.broker.port=1\ngrpcportcs={port}\n\
             cash.token=secret\nunloadsalesrequestthroughcs=False\nunloadperiod=1\n"
        );
        fs_err::write(&settings, text).unwrap();
        let documents = folder.path().join("linuxcash/cash/data/documents.db");
        fs_err::create_dir_all(documents.parent().unwrap()).unwrap();
        let pos = PosWriter::open(&documents).unwrap();
        Self { folder, settings, stub, pos, documents: 0 }
    }

    /// Settings that go over those of [`Self::new`], since of a key that stands twice the last one counts.
    fn set(&self, lines: &str) {
        let text = fs_err::read_to_string(&self.settings).unwrap() + lines;
        fs_err::write(&self.settings, text).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("linuxcash/cash/data/sync")
    }

    fn start(&self) -> Agent {
        let settings = LiveSettings::read(&self.settings, Layout::under(self.folder.path())).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(tillway_sync_agent::run(settings, shutdown.clone()));
        Agent { shutdown, task }
    }

    fn open_shift(&mut self, number: u64) -> i64 {
        let shift = NewShift {
            number: ShiftNumber(number),
            cash_code: "1".to_owned(),
            shop_code: "2".to_owned(),
            cashier: "7".to_owned(),
            cashier_name: "Vera".to_owned(),
            time_beg: noon(),
        };
        self.pos.open_shift(&shift).unwrap()
    }

    /// Rings up a receipt; gives its row id.
    fn sell(&mut self, workshift: i64, finished: bool) -> i64 {
        self.documents += 1;
        let time = noon().to_string();
        let document = v1::Document {
            key: Some(v1::ReceiptKey { number: u64::try_from(self.documents).unwrap(), ..v1::ReceiptKey::default() }),
            doctype: 1,
            cash_code: "1".to_owned(),
            time_beg: time.clone(),
            time_end: time,
            sum_before: 1000,
            sum: 1000,
            ..v1::Document::default()
        };
        self.pos.add_document(workshift, &document, finished).unwrap()
    }

    /// Waits until the state of the stub is as it should be.
    async fn wait(&self, what: &str, holds: impl Fn(&Heard) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            if holds(&self.stub.0.lock().unwrap()) {
                return;
            }
            assert!(Instant::now() < end, "not in time: {what}; last heard: {:?}", self.stub.0.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the agent's own state says so.
    async fn wait_state(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds(&open_state(&self.data())) {
            assert!(Instant::now() < end, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn open_state(data: &Path) -> State {
    State::open(data).unwrap()
}

struct Agent {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), tillway_sync_agent::RunError>>,
}

impl Agent {
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("a stop ends").unwrap().unwrap();
    }
}

fn noon() -> DateTime {
    date(2026, 1, 2).at(12, 0, 0, 0)
}

fn each_once(heard: &Heard) -> bool {
    heard.documents.values().all(|times| *times == 1)
}

#[tokio::test]
async fn what_is_sold_arrives_once_and_a_closed_shift_is_noticed() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let unfinished = till.sell(shift, false);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the finished ones", |heard| heard.documents.len() == 4).await;
    till.pos.finish_document(unfinished, noon()).unwrap();
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.documents.len() == 5 && heard.closed.contains(&1)).await;
    till.wait_state("the low water", |state| state.progress().unwrap().low_water == 5).await;
    agent.stop().await;
    let agent = till.start();
    let shift = till.open_shift(2);
    till.sell(shift, true);
    till.wait("one more", |heard| heard.documents.len() == 6).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert!(each_once(&heard), "{heard:?}");
    assert_eq!(heard.tokens, HashSet::from(["Bearer secret".to_owned()]));
}

#[tokio::test]
async fn an_agent_that_lost_its_state_sends_nothing_that_is_there_and_skips_nothing_that_is_not() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait("all", |heard| heard.documents.len() == 3).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(3)).await;
    agent.stop().await;
    fs_err::remove_dir_all(till.data()).unwrap();
    till.sell(shift, true);
    {
        let mut heard = till.stub.0.lock().unwrap();
        let held = heard.documents.keys().flatten().copied().collect();
        heard.held.insert(1, held);
    }
    let agent = till.start();
    till.wait("the new one", |heard| heard.documents.len() == 4).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(4)).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_stream_that_breaks_loses_nothing() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().break_streams = 5;
    let shift = till.open_shift(1);
    for _ in 0..1_200 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait("all", |heard| heard.documents.len() == 1_200).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(1_200)).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_document_that_the_server_sets_aside_holds_up_nothing_and_is_remembered() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().refuse.insert(2);
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait_state("the progress", |state| state.progress().unwrap().low_water == 3).await;
    agent.stop().await;
    let state = open_state(&till.data());
    assert_eq!(state.refused().unwrap(), [(2, "refused on purpose".to_owned())]);
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_new_documents_database_is_noticed() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait_state("the low water", |state| state.progress().unwrap().low_water == 3).await;
    agent.stop().await;
    let documents = till.folder.path().join("linuxcash/cash/data/documents.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs_err::remove_file(format!("{}{suffix}", documents.display()));
    }
    till.pos = PosWriter::open(&documents).unwrap();
    till.documents = 100;
    let shift = till.open_shift(50);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the one of the new database", |heard| heard.documents.len() == 4).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_second_agent_of_a_till_folder_does_not_start() {
    let till = Till::new().await;
    let first = till.start();
    till.wait_state("it runs", |_| true).await;
    let end = Instant::now() + DEADLINE;
    while !till.data().join("agent.sock").exists() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = till.start().task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("another sync-agent"), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn mode_server_says_that_it_is_not_there_yet() {
    let till = Till::new().await;
    till.set("mode=server\n");
    let error = till.start().task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("not there yet"), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_be_told_of_a_closed_shift_gets_its_sales_all_the_same() {
    let mut till = Till::new().await;
    till.set("unloadsalesrequestthroughcs=True\ncashserverrestport=1\nunloadperiod=0\n");
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("what was there", |heard| heard.documents.len() == 1).await;
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.documents.len() == 2 && heard.closed.contains(&1)).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_server_is_told_of_a_closed_shift_with_the_tills_token() {
    let mut till = Till::new().await;
    let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = rest.local_addr().unwrap().port();
    till.set(&format!("unloadsalesrequestthroughcs=True\ncashserverrestport={port}\nunloadperiod=0\n"));
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("what was there", |heard| heard.documents.len() == 1).await;
    till.pos.close_shift(shift, noon()).unwrap();
    let told = async {
        let (mut stream, _) = rest.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let request = tokio::time::timeout(DEADLINE, told).await.unwrap();
    assert!(request.starts_with("POST /api/v1/tills/_cash_1_00ab34ef/shift-closed "), "{request}");
    assert!(request.to_ascii_lowercase().contains("authorization: bearer secret"), "{request}");
    agent.stop().await;
}
