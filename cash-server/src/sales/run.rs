//! The role of the server that takes sales, alone or beside the other roles.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan, Zoned};
use tillway_file_queue::disk;
use tillway_service::background::{Next, Task};
use tillway_service::serving::Tongues;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::aside::SalesAside;
use super::handover;
use super::intruders::Intruders;
use super::loader::Loader;
use super::service::{self, Deadlines, Deps, ServeError, Speaks, TlsPaths};
use super::spool::{DEFAULT_LIMIT_BYTES, RESERVE_BYTES, Spool, SpoolError, SpoolLimits, Taken};
use crate::network::TillAuth;
use crate::store::StoreError;
use crate::store::sales::SalesStore;

/// Shifts that wait for documents are checked anew this often.
const CHECK_PERIOD: Duration = Duration::from_mins(1);

/// Old receipts are deleted this often.
const PRUNE_PERIOD: Duration = Duration::from_mins(1);

/// Receipts deleted in one transaction, so that loading is not held up.
const PRUNE_STEP: u32 = 500;

/// Steps of one run: what is left goes with the next.
const PRUNE_STEPS: u32 = 20;

/// Receipts are tax records: they are never deleted sooner than this, whatever is set. Five years
/// and a quarter.
pub const MIN_KEEP_DAYS: u32 = 1_917;

/// Settings of the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesConfig {
    /// Folder of the spool.
    pub spool_dir: PathBuf,
    /// A certificate for the service alone; none: it speaks what its listener is given with.
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
    /// Defaults: `spool/` in the server's data folder, no certificate of its own, receipts kept
    /// for ever.
    pub fn in_folder(data: &Path) -> Self {
        Self {
            spool_dir: data.join("spool"),
            tls: None,
            spool_limit_bytes: DEFAULT_LIMIT_BYTES,
            spool_reserve_bytes: RESERVE_BYTES,
            keep_days: None,
            handover: None,
        }
    }
}

/// Sockets of the role, opened by the caller.
pub struct SalesListeners {
    /// For the gRPC service.
    pub grpc: TcpListener,
    /// What it speaks, unless it has a certificate of its own.
    pub tongues: Tongues,
}

/// Why the role could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SalesError {
    /// The database.
    #[error("failed to read how far the spool is loaded")]
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
    /// Opens the spool. Blocks: a spool that was not loaded is scanned.
    pub fn open(config: SalesConfig, auth: Arc<dyn TillAuth>, store: Arc<dyn SalesStore>) -> Result<Self, SalesError> {
        let position = store.position().map_err(SalesError::Store)?;
        let limits = SpoolLimits {
            total_bytes: config.spool_limit_bytes,
            reserve_bytes: config.spool_reserve_bytes,
            ..SpoolLimits::default()
        };
        let spool =
            Spool::open(&config.spool_dir, position, limits, disk::of_this_machine()).map_err(SalesError::Spool)?;
        Ok(Self { config, auth, store, spool })
    }

    /// What of the spool lies aside, for REST, page and command line.
    pub fn aside(&self) -> SalesAside {
        SalesAside::new(self.spool.clone(), Arc::clone(&self.store))
    }

    /// Loading, checks, pruning and files for the back office, as tasks of the server.
    pub fn tasks(&self) -> Vec<Task> {
        let store = || Arc::clone(&self.store);
        let mut tasks = vec![Loader::new(self.spool.clone(), store()).into_task()];
        let checked = store();
        tasks.push(Task::blocking("sales-checks", CHECK_PERIOD, move |_| {
            checked.recheck_waiting(Timestamp::now())?;
            Ok::<_, StoreError>(Next::AtPeriod)
        }));
        if let Some(days) = self.config.keep_days {
            let retention = Retention { days, only_handed_over: self.config.handover.is_some() };
            let pruned = store();
            tasks.push(Task::blocking("old-receipts", PRUNE_PERIOD, move |stop| {
                prune(pruned.as_ref(), retention, stop)?;
                Ok::<_, StoreError>(Next::AtPeriod)
            }));
        }
        if let Some(root) = &self.config.handover {
            tasks.extend(handover::tasks(&store(), root));
        }
        tasks
    }

    /// Serves until `shutdown`. What arrives is loaded by [`SalesLoader::tasks`].
    /// `intruders` is told who is where he does not belong.
    pub async fn serve(
        self,
        listeners: SalesListeners,
        intruders: Intruders,
        shutdown: CancellationToken,
    ) -> Result<(), SalesError> {
        let spool = self.spool.clone();
        let Self { auth, store, .. } = self;
        let deps = Deps { auth, store, spool: self.spool, intruders, deadlines: Deadlines::default() };
        let speaks = self.config.tls.map_or(Speaks::Tongues(listeners.tongues), Speaks::Own);
        let served = service::serve(listeners.grpc, deps, speaks, shutdown).await;
        let Taken { batches, syncs } = spool.taken();
        tracing::info!(batches, syncs, "the sales-loader ends");
        served.map_err(SalesError::Serve)
    }
}

/// Which receipts are old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// Older than so many days, at least [`MIN_KEEP_DAYS`].
    pub(super) days: u32,
    /// The back office takes sales here, and one that it was not given stays.
    pub(super) only_handed_over: bool,
}

/// Deletes receipts that are old, in steps, until `stop`.
pub(super) fn prune(store: &dyn SalesStore, retention: Retention, stop: &CancellationToken) -> Result<(), StoreError> {
    let days = i64::from(retention.days.max(MIN_KEEP_DAYS));
    // A clock of this server that jumps ahead alone makes no receipt old: tills have clocks of
    // their own, and what they sold last is not years ago.
    let Some(newest) = store.newest_day()? else { return Ok(()) };
    let Ok(before) = Zoned::now().date().min(newest).checked_sub(days.days()) else { return Ok(()) };
    for _ in 0..PRUNE_STEPS {
        if stop.is_cancelled() || store.prune(before, retention.only_handed_over, PRUNE_STEP)? == 0 {
            break;
        }
    }
    Ok(())
}
