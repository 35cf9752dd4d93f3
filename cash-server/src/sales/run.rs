//! The role of the server that takes sales, alone or beside the other roles.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan, Zoned};
use tillway_file_queue::{disk, durable};
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::aside::SalesAside;
use super::handover;
use super::loader::Loader;
use super::service::{self, Deadlines, Deps, ServeError, TlsPaths};
use super::spool::{DEFAULT_LIMIT_BYTES, RESERVE_BYTES, Spool, SpoolError, SpoolLimits, Taken};
use crate::network::TillAuth;
use crate::store::StoreError;
use crate::store::sales::SalesStore;
use crate::store::sqlite::sales::SqliteSales;

/// Waiting shifts are checked anew, and old receipts deleted, this often.
const UPKEEP_PERIOD: Duration = Duration::from_mins(1);

/// Receipts deleted in one transaction, so that loading is not held up.
const PRUNE_STEP: u32 = 500;

/// Steps of one upkeep: what is left goes with the next.
const PRUNE_STEPS: u32 = 20;

/// Receipts are tax records: they are never deleted sooner than this, whatever is set. Five years
/// and a quarter.
pub const MIN_KEEP_DAYS: u32 = 1_917;

/// Settings of the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesConfig {
    /// Folder of the spool.
    pub spool_dir: PathBuf,
    /// File of the database.
    pub database: PathBuf,
    /// TLS of the service; plain where absent.
    pub tls: Option<TlsPaths>,
    /// Largest spool.
    pub spool_limit_bytes: u64,
    /// Bytes of its disk that it leaves free, see [`RESERVE_BYTES`].
    pub spool_reserve_bytes: u64,
    /// Receipts older than this many days are deleted, at least [`MIN_KEEP_DAYS`]; `None` keeps
    /// them for ever.
    pub keep_days: Option<u32>,
    /// Exchange folder of the back office; no sales files are written where absent.
    pub handover: Option<PathBuf>,
}

impl SalesConfig {
    /// Defaults: `spool/` and `sales.db` in the server's data folder, no TLS, receipts kept for
    /// ever.
    pub fn in_folder(data: &Path) -> Self {
        Self {
            spool_dir: data.join("spool"),
            database: data.join("sales.db"),
            tls: None,
            spool_limit_bytes: DEFAULT_LIMIT_BYTES,
            spool_reserve_bytes: RESERVE_BYTES,
            keep_days: None,
            handover: None,
        }
    }
}

/// Sockets of the role, opened by the caller.
#[derive(Debug)]
pub struct SalesListeners {
    /// For the gRPC service.
    pub grpc: TcpListener,
}

/// Why the role could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SalesError {
    /// The folder of the database.
    #[error("failed to make the folder of {}", path.display())]
    Folder {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database.
    #[error("failed to open the sales database")]
    Store(#[source] StoreError),
    /// The spool.
    #[error("failed to open the spool of sales")]
    Spool(#[source] SpoolError),
    /// The service.
    #[error("the sales service failed")]
    Serve(#[source] ServeError),
}

/// The role, opened.
#[derive(Debug)]
pub struct SalesLoader {
    config: SalesConfig,
    auth: Arc<dyn TillAuth>,
    store: Arc<dyn SalesStore>,
    spool: Spool,
}

impl SalesLoader {
    /// Opens database and spool. Blocks: a spool that was not loaded is scanned.
    pub fn open(config: SalesConfig, auth: Arc<dyn TillAuth>) -> Result<Self, SalesError> {
        if let Some(folder) = config.database.parent() {
            let failed = |source| SalesError::Folder { path: config.database.clone(), source };
            durable::create_dir_all(folder).map_err(failed)?;
        }
        let store = SqliteSales::open(&config.database).map_err(SalesError::Store)?;
        let position = store.position().map_err(SalesError::Store)?;
        let limits = SpoolLimits {
            total_bytes: config.spool_limit_bytes,
            reserve_bytes: config.spool_reserve_bytes,
            ..SpoolLimits::default()
        };
        let spool =
            Spool::open(&config.spool_dir, position, limits, disk::of_this_machine()).map_err(SalesError::Spool)?;
        Ok(Self { config, auth, store: Arc::new(store), spool })
    }

    /// What is loaded, for page, REST and the exchange.
    pub fn store(&self) -> Arc<dyn SalesStore> {
        Arc::clone(&self.store)
    }

    /// What of the spool lies aside, for REST, page and command line.
    pub fn aside(&self) -> SalesAside {
        SalesAside::new(self.spool.clone(), Arc::clone(&self.store))
    }

    /// Serves and loads until `shutdown`.
    pub async fn run(self, listeners: SalesListeners, shutdown: CancellationToken) -> Result<(), SalesError> {
        let deps = Deps {
            auth: self.auth,
            store: Arc::clone(&self.store),
            spool: self.spool.clone(),
            deadlines: Deadlines::default(),
        };
        // A service that fails takes the others with it: the caller decides what then.
        let stop = shutdown.child_token();
        let spool = self.spool.clone();
        let loading = tokio::spawn(Loader::new(self.spool, Arc::clone(&self.store)).run(stop.clone()));
        let retention = Retention { days: self.config.keep_days, only_handed_over: self.config.handover.is_some() };
        let upkeep = tokio::spawn(upkeep(Arc::clone(&self.store), retention, stop.clone()));
        let handing_over = match self.config.handover {
            Some(root) => tokio::spawn(handover::run(self.store, root, stop.clone())),
            None => tokio::spawn(async {}),
        };
        let served = service::serve(listeners.grpc, deps, self.config.tls, stop.clone()).await;
        stop.cancel();
        for task in [loading, upkeep, handing_over] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the sales loader broke off");
            }
        }
        let Taken { batches, syncs } = spool.taken();
        tracing::info!(batches, syncs, "the sales-loader ends");
        served.map_err(SalesError::Serve)
    }
}

/// Which receipts are old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// Older than so many days, at least [`MIN_KEEP_DAYS`]; `None` keeps them for ever.
    pub(super) days: Option<u32>,
    /// The back office takes sales here, and one that it was not given stays.
    pub(super) only_handed_over: bool,
}

async fn upkeep(store: Arc<dyn SalesStore>, retention: Retention, shutdown: CancellationToken) {
    let mut period = tokio::time::interval(UPKEEP_PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = period.tick() => {}
        }
        let store = Arc::clone(&store);
        let done = tokio::task::spawn_blocking(move || upkeep_once(store.as_ref(), retention)).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "the upkeep of sales failed"),
            Err(error) => tracing::error!(%error, "the upkeep of sales broke off"),
        }
    }
}

pub(super) fn upkeep_once(store: &dyn SalesStore, retention: Retention) -> Result<(), StoreError> {
    store.recheck_waiting(Timestamp::now())?;
    let Some(days) = retention.days else { return Ok(()) };
    let days = i64::from(days.max(MIN_KEEP_DAYS));
    // A clock of this server that jumps ahead alone makes no receipt old: tills have clocks of
    // their own, and what they sold last is not years ago.
    let Some(newest) = store.newest_day()? else { return Ok(()) };
    let Ok(before) = Zoned::now().date().min(newest).checked_sub(days.days()) else { return Ok(()) };
    for _ in 0..PRUNE_STEPS {
        if store.prune(before, retention.only_handed_over, PRUNE_STEP)? == 0 {
            break;
        }
    }
    Ok(())
}
