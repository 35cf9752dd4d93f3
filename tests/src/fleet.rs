//! Tills by the hundred in one process.
//!
//! A simulated till has a token and queues of its own and runs the decisions of the real agent
//! ([`tillway_sync_agent::decide`]): what to do with a link, with an answer to a download, with
//! what the server says to have of its sales. What is simulated is the edge: its dictionary is a
//! map in memory, its documents are a list, and its "disk" keeps what the real one would keep over
//! a death.
//!
//! **Room for ten thousand.** Tills share a few AMQP connections, [`TILLS_PER_CONNECTION`] each,
//! and have one channel of their own there, so that a till that dies gives back exactly what it
//! held. Downloads, loads and streams under way are bounded ([`AT_A_TIME`]). What they hold of a
//! dictionary depends on [`Apply`].
//!
//! **Seeds.** What befalls a till is drawn from the fleet's seed and the till's number, so a seed
//! gives each till the same luck again. The order in which tills are served is not part of it:
//! they run side by side.

mod attach;
mod dictionary;
mod faults;
mod link;
mod packages;
mod reports;
mod sales;
mod stream;
mod till;

pub use dictionary::Apply;
pub use faults::Faults;
pub use sales::{Ledger, Sold};
pub use till::Told;

use crate::bench::{BenchError, TestBench};
use crate::wait::{Seen, TimedOut, wait_for};
use faults::Chance;
use fs_err as fs;
use link::{Address, Links};
use packages::Packages;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use till::{SimulatedTill, Wish};
use tillway_proto::{IdError, PeerSecret, ShopId, TillId};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// Tills on one AMQP connection. A till has one channel, and RabbitMQ allows 2047 on a connection;
/// the client looks at all of a connection's channels with each frame that it writes.
pub const TILLS_PER_CONNECTION: usize = 250;

/// Downloads, loads and streams of sales under way at one time, over the whole fleet: more would
/// only wait for each other on the machine that runs server and fleet.
pub const AT_A_TIME: usize = 32;

/// For links, and for other commands.
const QUEUES_OF_A_TILL: usize = 2;

/// Requests at one time while tills are made.
const ATTACH_AT_A_TIME: usize = 8;

/// Threads of the fleet: it shares the machine with the server it is to test.
const THREADS: usize = 2;

/// What a fleet is.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// How many shops.
    pub shops: usize,
    /// How many tills, spread evenly over the shops.
    pub tills: usize,
    /// What its luck is drawn from.
    pub seed: u64,
    /// What tills do with a package.
    pub apply: Apply,
    /// Each package is downloaded once for the whole fleet, not by each till.
    pub share_downloads: bool,
    /// What befalls tills until [`Fleet::calm`].
    pub faults: Faults,
    /// How often a till says that it is there.
    pub contact_period: Duration,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            shops: 20,
            tills: 300,
            seed: 1,
            apply: Apply::Shared,
            share_downloads: false,
            faults: Faults::default(),
            contact_period: Duration::from_secs(10),
        }
    }
}

/// Why there is no fleet.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A shop or till was not made.
    #[error("failed to make a node of the fleet")]
    Attach(#[source] BenchError),
    /// The server answered with something that is no till.
    #[error("the server made `{id}`, which is no id")]
    Id {
        /// What it said.
        id: String,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
    /// No broker.
    #[error("no broker")]
    Broker(#[source] Box<BenchError>),
    /// No runtime, or no folder.
    #[error("failed to set the fleet up")]
    SetUp(#[source] io::Error),
    /// No HTTP client.
    #[error("failed to set up downloads")]
    Http(#[source] reqwest::Error),
    /// No address of the sales-loader.
    #[error("the address of the sales-loader is none")]
    Sales(#[source] tonic::transport::Error),
    /// `sales.db` could not be read.
    #[error("failed to read {}", path.display())]
    SalesDb {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// What all tills of a fleet share.
#[derive(Debug)]
struct Shared {
    links: Links,
    packages: Packages,
    /// To the sales-loader; it connects when it is first used, and again when it broke.
    sales: Channel,
    ledger: std::sync::Mutex<Ledger>,
    at_a_time: Semaphore,
    faults: Faults,
    calm: AtomicBool,
    contact_period: Duration,
    shutdown: CancellationToken,
    /// Tills that consume now.
    awake: AtomicUsize,
    /// The last thing that broke.
    trouble: std::sync::Mutex<String>,
}

impl Shared {
    /// Something broke: kept for whoever waits in vain.
    fn broke(&self, what: &str, error: &dyn std::error::Error) {
        let mut told = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        *self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = told;
    }

    /// The faults that may happen now.
    fn faults(&self) -> Faults {
        if self.calm.load(Ordering::Relaxed) { Faults::default() } else { self.faults }
    }
}

/// A fleet. Its tills are off until [`Fleet::wake`]; selling needs no broker and works with tills
/// that are off.
#[derive(Debug)]
pub struct Fleet {
    tills: Vec<Arc<SimulatedTill>>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    runtime: Option<Runtime>,
    _folder: TempDir,
}

impl Fleet {
    /// Makes shops and tills on the server of a bench.
    pub fn attach(bench: &TestBench, options: &FleetOptions) -> Result<Self, FleetError> {
        let broker = bench.node().map_err(|error| FleetError::Broker(Box::new(error)))?;
        let vhost = bench.vhost();
        let address = Address {
            port: broker.port,
            vhost: vhost.name.clone(),
            user: vhost.tills.clone(),
            password: vhost.tills_password.clone(),
        };
        let folder = tempfile::Builder::new().prefix("tillway-fleet-").tempdir().map_err(FleetError::SetUp)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(AT_A_TIME)
            .enable_all()
            .build()
            .map_err(FleetError::SetUp)?;
        let sales = Endpoint::from_shared(format!("http://127.0.0.1:{}", bench.server.ports.sales));
        let sales = sales.map_err(FleetError::Sales)?.connect_timeout(stream::CONNECT_TIME);
        let packages = Packages::new(
            format!("http://127.0.0.1:{}", bench.server.ports.rest),
            folder.path().to_owned(),
            options.share_downloads,
            options.apply,
        )?;
        let shared = Arc::new(Shared {
            links: Links::new(address, options.tills.div_ceil(TILLS_PER_CONNECTION)),
            packages,
            sales: runtime.block_on(async { sales.connect_lazy() }),
            ledger: std::sync::Mutex::default(),
            at_a_time: Semaphore::new(AT_A_TIME),
            faults: options.faults,
            calm: AtomicBool::new(false),
            contact_period: options.contact_period,
            shutdown: CancellationToken::new(),
            awake: AtomicUsize::new(0),
            trouble: std::sync::Mutex::default(),
        });
        let made = attach::make(&bench.server, options.shops, options.tills)?;
        let mut tills = Vec::with_capacity(made.len());
        for (number, node) in made.into_iter().enumerate() {
            let parsed = |id: &str| {
                let wrong = |source| FleetError::Id { id: id.to_owned(), source };
                (id.parse::<TillId>().map_err(wrong), id.to_owned())
            };
            let shop = node.shop.parse::<ShopId>();
            let shop = shop.map_err(|source| FleetError::Id { id: node.shop.clone(), source })?;
            let identity = till::Identity { till: parsed(&node.id).0?, shop, secret: node.secret };
            let luck = Chance::of(options.seed, number as u64);
            tills.push(Arc::new(SimulatedTill::new(number, identity, luck, &options.faults)));
        }
        let mut fleet = Self { tills, shared, tasks: JoinSet::new(), runtime: Some(runtime), _folder: folder };
        fleet.begin();
        Ok(fleet)
    }

    fn begin(&mut self) {
        let Some(runtime) = &self.runtime else { return };
        for till in &self.tills {
            self.tasks.spawn_on(till::run(Arc::clone(till), Arc::clone(&self.shared)), runtime.handle());
        }
    }

    /// How many tills.
    pub fn len(&self) -> usize {
        self.tills.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.tills.is_empty()
    }

    /// Ids of the tills, by their numbers.
    pub fn ids(&self) -> Vec<TillId> {
        self.tills.iter().map(|till| till.identity.till.clone()).collect()
    }

    /// The secret of each till, in the order of their numbers.
    pub fn secrets(&self) -> Vec<PeerSecret> {
        self.tills.iter().map(|till| till.identity.secret.clone()).collect()
    }

    /// Waits until the server has made the queues of all tills. A till that wakes before finds
    /// none and backs off, as the agent does: what is timed then is its wait.
    pub fn wait_for_queues(&self, bench: &TestBench, within: Duration) -> Result<(), TimedOut> {
        let count = format!("rabbit_amqqueue:count(<<\"{}\">>)", bench.vhost().name);
        let wanted = (QUEUES_OF_A_TILL * self.len()) as u64;
        wait_for("the queues of all tills", within, || {
            let broker = match bench.node() {
                Ok(broker) => broker,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            match broker.count(&count) {
                Ok(found) => Seen::when(found >= wanted, (), format!("{found} of {wanted}")),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
    }

    /// Switches tills on: they consume and report.
    pub fn wake(&self, tills: impl IntoIterator<Item = usize>) {
        self.wish(tills, Wish::Awake);
    }

    /// Switches tills off, as a power cut does: what they held goes back to the broker.
    pub fn silence(&self, tills: impl IntoIterator<Item = usize>) {
        self.wish(tills, Wish::Silent);
    }

    fn wish(&self, tills: impl IntoIterator<Item = usize>, wish: Wish) {
        for till in tills.into_iter().filter_map(|number| self.tills.get(number)) {
            till.wish.send_replace(wish);
        }
    }

    /// How many tills consume now.
    pub fn awake(&self) -> usize {
        self.shared.awake.load(Ordering::Relaxed)
    }

    /// From now on nothing befalls tills any more.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    /// What each till has, and what happened to it.
    pub fn told(&self) -> Vec<Told> {
        self.tills.iter().map(|till| till.told()).collect()
    }

    /// The last thing that broke for any till, in words; empty where nothing did.
    pub fn trouble(&self) -> String {
        self.shared.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Files downloaded so far.
    pub fn downloads(&self) -> u64 {
        self.shared.packages.downloads()
    }

    /// Each of these tills rings up `receipts` in one shift, brings them up as it goes, and closes
    /// the shift. Returns at once; see [`Self::selling`].
    pub fn sell(&mut self, tills: impl IntoIterator<Item = usize>, receipts: usize) {
        let Some(runtime) = &self.runtime else { return };
        for till in tills.into_iter().filter_map(|number| self.tills.get(number)) {
            till.selling.send_modify(|under_way| *under_way += 1);
            let work = sales::shift(Arc::clone(till), Arc::clone(&self.shared), receipts);
            self.tasks.spawn_on(work, runtime.handle());
        }
    }

    /// How many shifts are not closed and brought up yet.
    pub fn selling(&self) -> usize {
        self.tills.iter().map(|till| *till.selling.borrow()).sum()
    }

    /// What was sold, and what the server acknowledged of it.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A value that is watched by one task and set from others.
type Watched<T> = watch::Sender<T>;

/// What a till keeps of its sales, used by one stream at a time.
type SalesCell = Mutex<sales::Sales>;

fn remove(file: &std::path::Path) {
    let _ = fs::remove_file(file);
}
