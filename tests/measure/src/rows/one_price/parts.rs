//! What no way from the back office to the shelf can leave out, each measured alone.

use crate::MeasureError;
use crate::amqp::{self, Address};
use crate::figure::median;
use crate::report::{Line, Side, Unit};
use futures_util::StreamExt as _;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Connection, Consumer};
use rusqlite::Connection as Database;
use std::path::PathBuf;
use std::time::Instant;
use tillway_cash_server::packages::links::Links;
use tillway_cash_server::settings::proof_key;
use tillway_file_queue::durable;
use tillway_proto::{PackageName, TillId};
use tillway_tests::bench::{TestBench, Till};
use tokio::runtime::Runtime;

/// What is counted, and why.
pub(super) const WHY: &str = "The sum counts what the promises need and nothing else: the revision is committed on the server \
    before anybody is told of it; the link goes through the broker, confirmed, to a consumer; the package is fetched; the till \
    keeps it in one durable file before it acknowledges the link; the till commits rows and cursor. That is two commits, one \
    durable file (written, synced, renamed, folder synced), one round trip, one fetch. Parsing, building the package, comparing \
    counts and digests, and all that wakes a thread or a process is not in it.";

/// Commits on the way: the revision on the server, the rows on the till.
const COMMITS: f64 = 2.0;

/// About the size of a link and of a package with one price.
const SMALL: [u8; 700] = [b'x'; 700];

const QUEUE: &str = "tillway.dictionary.of-nobody";

/// One measurement of each, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone {
    commit: f64,
    file: f64,
    broker: f64,
    fetch: f64,
}

/// The parts, ready to be measured.
pub(super) struct Parts {
    runtime: Runtime,
    folder: PathBuf,
    database: Database,
    commits: i64,
    _connection: Connection,
    publisher: Channel,
    consumer: Consumer,
    client: reqwest::Client,
    /// Where packages are.
    packages: String,
    links: Links,
    kept: Vec<Alone>,
}

impl Parts {
    /// On the disk, the broker and the server of a bench.
    pub(super) fn open(bench: &TestBench) -> Result<Self, MeasureError> {
        let folder = bench.folder().join("alone");
        fs_err::create_dir_all(&folder).map_err(MeasureError::File)?;
        let path = folder.join("alone.db");
        let database = Database::open(&path).map_err(MeasureError::sql(&path))?;
        let make = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                    CREATE TABLE price (number INTEGER PRIMARY KEY, kopecks INTEGER NOT NULL)";
        database.execute_batch(make).map_err(MeasureError::sql(&path))?;
        let runtime = amqp::runtime()?;
        let address = Address::of(bench)?;
        let (connection, publisher, consumer) = runtime.block_on(async {
            let connection = address.connect().await?;
            let publisher = amqp::publisher(&connection).await?;
            amqp::declare(&publisher, &[QUEUE.to_owned()]).await?;
            let consumer = amqp::consume(&connection, QUEUE).await?;
            Ok::<_, MeasureError>((connection, publisher, consumer))
        })?;
        let key = proof_key::load_or_make(&bench.server.data());
        let client = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            runtime,
            folder,
            database,
            commits: 0,
            _connection: connection,
            publisher,
            consumer,
            client: client.map_err(|error| MeasureError::wrong("a client", error))?,
            packages: format!("http://127.0.0.1:{}", bench.server.ports.rest),
            links: Links::new(&key.map_err(|error| MeasureError::wrong("the key of links", error))?),
            kept: Vec::new(),
        })
    }

    /// Each of them once. Fetched is the package that the till applied last.
    pub(super) fn measure(&mut self, till: &Till) -> Result<Alone, MeasureError> {
        let package = till.state().and_then(|state| state.package);
        let package = package.ok_or_else(|| MeasureError::wrong("the till", "it has no package"))?;
        let started = Instant::now();
        self.commit()?;
        let commit = started.elapsed().as_secs_f64();
        let started = Instant::now();
        durable::write_atomic(&self.folder.join("file"), &SMALL).map_err(MeasureError::File)?;
        let file = started.elapsed().as_secs_f64();
        let started = Instant::now();
        self.round_trip()?;
        let broker = started.elapsed().as_secs_f64();
        let started = Instant::now();
        self.fetch(till, &package)?;
        Ok(Alone { commit, file, broker, fetch: started.elapsed().as_secs_f64() })
    }

    fn commit(&mut self) -> Result<(), MeasureError> {
        self.commits += 1;
        let insert = "INSERT INTO price VALUES (?1, ?1)";
        let inserted = self.database.prepare_cached(insert).and_then(|mut insert| insert.execute([self.commits]));
        inserted.map(drop).map_err(MeasureError::sql(&self.folder))
    }

    fn round_trip(&mut self) -> Result<(), MeasureError> {
        let Self { runtime, publisher, consumer, .. } = self;
        runtime.block_on(async {
            let (confirmed, delivered) = tokio::join!(amqp::publish(publisher, QUEUE, &SMALL), consumer.next());
            confirmed?;
            let delivered = delivered.ok_or_else(|| MeasureError::wrong("the bare consumer", "it ended"))?;
            let delivered = delivered.map_err(amqp::failed)?;
            delivered.acker.ack(BasicAckOptions::default()).await.map(drop).map_err(amqp::failed)
        })
    }

    fn fetch(&self, till: &Till, package: &PackageName) -> Result<(), MeasureError> {
        let id: TillId = till.id.parse().map_err(|error| MeasureError::wrong(&till.id, error))?;
        let token = till.secret().map_err(|error| MeasureError::wrong(&till.id, error))?.token();
        let url = format!("{}{}", self.packages, self.links.beside_token(package, &id));
        let failed = |error: reqwest::Error| MeasureError::wrong(package.short(), error);
        self.runtime.block_on(async {
            let asked = self.client.get(url).bearer_auth(token).send().await;
            let answer = asked.and_then(reqwest::Response::error_for_status);
            answer.map_err(failed)?.bytes().await.map(drop).map_err(failed)
        })
    }

    /// Counts one of [`Self::measure`].
    pub(super) fn keep(&mut self, alone: Alone) {
        self.kept.push(alone);
    }

    fn runs(&self, of: impl Fn(&Alone) -> f64) -> Vec<f64> {
        self.kept.iter().map(of).collect()
    }

    /// The median of the sums.
    pub(super) fn sum(&self) -> f64 {
        median(&self.runs(|alone| COMMITS * alone.commit + alone.file + alone.broker + alone.fetch))
    }

    /// What each took.
    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |name: &str, runs| Line::of(name, Side::Beside, Unit::Seconds, runs);
        vec![
            line("a durable commit, two of which are needed", self.runs(|alone| alone.commit)),
            line("a durable file", self.runs(|alone| alone.file)),
            line("a message through a quorum queue, confirmed and delivered", self.runs(|alone| alone.broker)),
            line("fetching the package", self.runs(|alone| alone.fetch)),
        ]
    }
}
