//! A till folder, a POS, and a sales-loader that is a stub.

use jiff::civil::{DateTime, date};
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tillway_exchangers::till::documents::writer::{NewShift, PosWriter};
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1::{
    self,
    peer_frame::Frame,
    sales_loader_server::{SalesLoader, SalesLoaderServer},
    server_frame::Frame as Answer,
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
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Shift, number and uuid of a receipt.
pub(crate) type Key = (u64, u64, Vec<u8>);

/// What the stub has heard, and how it behaves.
#[allow(clippy::struct_excessive_bools)] // each is a way to behave, by itself
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How often each document came.
    pub(crate) documents: HashMap<Key, u32>,
    /// What is stated at a hello: all that came, as long as it is not lost.
    pub(crate) had: HashSet<Key>,
    pub(crate) closed: HashSet<u64>,
    pub(crate) tokens: HashSet<String>,
    /// Shifts named at each hello.
    pub(crate) hellos: Vec<Vec<u64>>,
    /// So many streams are to break after their first batch, which is not acknowledged.
    pub(crate) break_streams: u32,
    /// Document ids to set aside.
    pub(crate) refuse: HashSet<i64>,
    /// Shifts whose records are to be set aside.
    pub(crate) refuse_shifts: HashSet<u64>,
    /// Streams break when one of these document ids comes.
    pub(crate) poison: HashSet<i64>,
    /// Streams break when the record of one of these shifts comes.
    pub(crate) poison_shifts: HashSet<u64>,
    /// It is newer: before each answer it says something that no agent of today knows.
    pub(crate) newer: bool,
    /// Every token is a wrong one.
    pub(crate) denies: bool,
    /// Every stream is turned away.
    pub(crate) down: bool,
    /// It says that it may have more than it states.
    pub(crate) partial: bool,
}

impl Heard {
    /// The sales of this server are lost.
    pub(crate) fn lose(&mut self) {
        self.had.clear();
        self.closed.clear();
    }

    /// Numbers of the documents that came.
    pub(crate) fn numbers(&self) -> BTreeSet<u64> {
        self.documents.keys().map(|(_, number, _)| *number).collect()
    }

    fn hear(&mut self, hello: v1::Hello) -> Vec<Answer> {
        let knows = if self.had.is_empty() { "" } else { "2026-01-02T12:00:00" };
        let named = if hello.shifts.is_empty() { vec![0] } else { hello.shifts.clone() };
        self.hellos.push(hello.shifts);
        let last = named.len() - 1;
        let holding = |(index, shift): (usize, &u64)| {
            let had: Vec<_> = self.had.iter().filter(|(of, ..)| of == shift).collect();
            Answer::Holding(v1::Holding {
                shift: *shift,
                receipts: had.iter().flat_map(|(.., uuid)| uuid).copied().collect(),
                numbers: had.iter().map(|(_, number, _)| *number).collect(),
                closed: self.closed.contains(shift),
                last_receipt_time: knows.to_owned(),
                last: index == last,
                partial: self.partial,
                opened: None,
            })
        };
        named.iter().enumerate().map(holding).collect()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Stub(pub(crate) Arc<Mutex<Heard>>);

impl Stub {
    fn answer(&self, frame: Frame) -> Result<Vec<Answer>, Status> {
        let mut heard = self.0.lock().unwrap();
        match frame {
            Frame::Hello(_) if heard.denies => Err(Status::unauthenticated("a wrong token, on purpose")),
            Frame::Hello(_) if heard.down => Err(Status::unavailable("down on purpose")),
            Frame::Hello(hello) => Ok(heard.hear(hello)),
            Frame::Batch(batch) => {
                if heard.break_streams > 0 {
                    heard.break_streams -= 1;
                    return Err(Status::unavailable("broken on purpose"));
                }
                if batch.documents.iter().any(|document| heard.poison.contains(&document.document_id))
                    || batch.shifts.iter().any(|shift| heard.poison_shifts.contains(&shift.number))
                {
                    return Err(Status::internal("poisoned on purpose"));
                }
                let reason = "refused on purpose".to_owned();
                let mut refused = Vec::new();
                for document in batch.documents {
                    let key = document.key.clone().unwrap();
                    let (document_id, reason) = (document.document_id, reason.clone());
                    let key = (key.shift, key.number, key.uuid);
                    if heard.refuse.contains(&document_id) {
                        refused.push(v1::Refused { key: document.key, document_id, reason, ..v1::Refused::default() });
                    } else {
                        heard.had.insert(key.clone());
                    }
                    *heard.documents.entry(key).or_default() += 1;
                }
                for shift in batch.shifts {
                    if heard.refuse_shifts.contains(&shift.number) {
                        let (reason, shift) = (reason.clone(), shift.number);
                        refused.push(v1::Refused { reason, shift, ..v1::Refused::default() });
                    } else if !shift.time_end.is_empty() {
                        heard.closed.insert(shift.number);
                    }
                }
                Ok(vec![Answer::Ack(v1::Ack { through: batch.sequence, refused })])
            }
        }
    }
}

#[tonic::async_trait]
impl SalesLoader for Stub {
    type UnloadStream = Pin<Box<dyn Stream<Item = Result<v1::ServerFrame, Status>> + Send>>;

    async fn unload(&self, request: Request<Streaming<v1::PeerFrame>>) -> Result<Response<Self::UnloadStream>, Status> {
        let token = request.metadata().get("authorization").map(|token| token.to_str().unwrap().to_owned());
        self.0.lock().unwrap().tokens.extend(token);
        let mut frames = request.into_inner();
        let (answers, stream) = mpsc::channel(16);
        let stub = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(v1::PeerFrame { frame: Some(frame) })) = frames.message().await {
                match stub.answer(frame) {
                    Ok(frames) => {
                        let newer = stub.0.lock().unwrap().newer;
                        for frame in frames {
                            if newer {
                                let _ = answers.send(Ok(v1::ServerFrame { frame: None })).await;
                            }
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
pub(crate) struct Till {
    pub(crate) folder: tempfile::TempDir,
    settings: PathBuf,
    pub(crate) stub: Stub,
    pub(crate) pos: PosWriter,
    pub(crate) documents: i64,
}

impl Till {
    pub(crate) async fn new() -> Self {
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
             cash.token=secret\nunloadsalesrequestthroughcs=False\nunloadperiod=1\nerrorsFilePath={}\n",
            folder.path().join("errors.json").display()
        );
        fs_err::write(&settings, text).unwrap();
        let documents = folder.path().join("linuxcash/cash/data/documents.db");
        fs_err::create_dir_all(documents.parent().unwrap()).unwrap();
        let pos = PosWriter::open(&documents).unwrap();
        Self { folder, settings, stub, pos, documents: 0 }
    }

    /// Settings that go over those of [`Self::new`], since of a key that stands twice the last one
    /// counts.
    pub(crate) fn set(&self, lines: &str) {
        let text = fs_err::read_to_string(&self.settings).unwrap() + lines;
        fs_err::write(&self.settings, text).unwrap();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("linuxcash/cash/data/sync")
    }

    pub(crate) fn start(&self) -> Agent {
        let settings = LiveSettings::read(&self.settings, Layout::under(self.folder.path())).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(tillway_sync_agent::run(settings, shutdown.clone()));
        Agent { shutdown, task }
    }

    pub(crate) fn open_shift(&mut self, number: u64) -> i64 {
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

    /// Lets an agent begin its work before anything is sold, so that nothing is history.
    pub(crate) async fn install(&self) {
        let agent = self.start();
        self.wait_for_file("instance").await;
        agent.stop().await;
    }

    /// Waits for a file in the data folder.
    pub(crate) async fn wait_for_file(&self, name: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.data().join(name).exists() {
            assert!(Instant::now() < end, "not in time: {name}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the running agent as the command line does.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = tokio::net::UnixStream::connect(self.data().join("agent.sock")).await.unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    /// Waits until the agent has told of an error, more than before, in its errors file.
    pub(crate) async fn wait_for_log_of_errors(&self) {
        let path = self.folder.path().join("errors.json");
        let _ = fs_err::remove_file(&path);
        let end = Instant::now() + DEADLINE;
        while !path.exists() {
            assert!(Instant::now() < end, "no error was told of");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Another program in `documents.db`.
    pub(crate) fn tool(&self) -> Connection {
        let tool = Connection::open(self.folder.path().join("linuxcash/cash/data/documents.db")).unwrap();
        tool.pragma_update(None, "foreign_keys", false).unwrap();
        tool
    }

    /// Rings up a receipt; gives its row id.
    pub(crate) fn sell(&mut self, workshift: i64, finished: bool) -> i64 {
        self.sell_as(workshift, finished, "")
    }

    /// Rings up a receipt with an identifier.
    pub(crate) fn sell_as(&mut self, workshift: i64, finished: bool, identifier: &str) -> i64 {
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
            identifier: identifier.to_owned(),
            ..v1::Document::default()
        };
        self.pos.add_document(workshift, &document, finished).unwrap()
    }

    /// Waits until the state of the stub is as it should be.
    pub(crate) async fn wait(&self, what: &str, holds: impl Fn(&Heard) -> bool) {
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
    pub(crate) async fn wait_state(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds(&open_state(&self.data())) {
            assert!(Instant::now() < end, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) fn open_state(data: &Path) -> State {
    State::open(data).unwrap()
}

pub(crate) struct Agent {
    shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), tillway_sync_agent::RunError>>,
}

impl Agent {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("a stop ends").unwrap().unwrap();
    }
}

pub(crate) fn noon() -> DateTime {
    date(2026, 1, 2).at(12, 0, 0, 0)
}

pub(crate) fn each_once(heard: &Heard) -> bool {
    heard.documents.values().all(|times| *times == 1)
}
