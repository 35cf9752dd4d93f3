//! The agent as a whole: its tasks, from start to a clean stop.

use crate::broker::{self, Link, chain};
use crate::dictionary::Dictionary;
use crate::errors_file::ErrorsFile;
use crate::hand_over;
use crate::installation::InstallationFile;
use crate::load;
use crate::lock::{AgentLock, ExchangeLock, LockError};
use crate::outbox::Outbox;
use crate::retry::Backoff;
use crate::settings::{LiveSettings, Mode};
use crate::state::{self, State, StateError};
use crate::till::Till;
use crate::unload::{self, MAX_WAITING_UNLOADS, shift_close};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tillway_file_queue::{Limits, Queue, QueueError, QueueName};
use tillway_proto::Report;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The file queue of packages on their way into the dictionary.
const DICTIONARY_QUEUE: &str = "dictionary";

/// How long a stop waits for tasks: a load that is under way is finished.
const STOP_TIME: Duration = Duration::from_mins(1);

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// `mode=server`.
    #[error(
        "mode = server: tying a shop's server to the centre is not there yet; this version runs on tills (mode = cash)"
    )]
    ServerMode,
    /// The till folder is taken.
    #[error(transparent)]
    Lock(LockError),
    /// No state.
    #[error("failed to open the agent's state")]
    State(#[source] StateError),
    /// No file queue.
    #[error("failed to open the file queue; see filequeueroot")]
    Queue(#[source] QueueError),
}

/// Runs the agent until `shutdown` is cancelled. Everything that can break while it runs recovers by itself; an error
/// means that it did not start.
pub async fn run(settings: LiveSettings, shutdown: CancellationToken) -> Result<(), RunError> {
    if settings.current().mode == Mode::Server {
        return Err(RunError::ServerMode);
    }
    crate::install_crypto();
    let (unloads, requests) = mpsc::channel(MAX_WAITING_UNLOADS);
    let (_lock, till) = open(settings, unloads, shutdown)?;
    let till = Arc::new(till);
    tracing::info!(till = %till.id, version = env!("CARGO_PKG_VERSION"), "sync agent started");
    let mut tasks = JoinSet::new();
    let requests = Arc::new(Mutex::new(requests));
    keep(&mut tasks, &till, "broker", broker::supervise);
    keep(&mut tasks, &till, "loader", load::run);
    keep(&mut tasks, &till, "verification", load::verify_when_asked);
    keep(&mut tasks, &till, "shift close", shift_close::run);
    keep(&mut tasks, &till, "contact", contact);
    keep(&mut tasks, &till, "command line", hand_over::listen);
    keep(&mut tasks, &till, "unloader", move |till| unload::work(till, Arc::clone(&requests)));
    till.shutdown.cancelled().await;
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME, all).await.is_err() {
        tracing::warn!(after = ?STOP_TIME, "not everything came to its end");
    }
    hand_over::remove(&till);
    tracing::info!("sync agent stopped");
    Ok(())
}

fn open(
    settings: LiveSettings,
    unloads: mpsc::Sender<unload::UnloadRequest>,
    shutdown: CancellationToken,
) -> Result<(AgentLock, Till), RunError> {
    let now = settings.current();
    let lock = AgentLock::take(&now.paths.data).map_err(RunError::Lock)?;
    let state = State::open(&now.paths.data).map_err(RunError::State)?;
    let installation = InstallationFile::open(&now.paths, &now.till).map_err(RunError::State)?;
    // Once more, for a state that was lost.
    let history = installation.look().decided.unwrap_or_default();
    state.leave_history(history.document, history.shift).map_err(RunError::State)?;
    let instance = state::instance(&now.paths.data).map_err(RunError::State)?;
    let queue = open_queue(&now.load.queue_root).map_err(RunError::Queue)?;
    let till = Till {
        id: now.till.clone(),
        instance,
        installation,
        state,
        dictionary: Dictionary::at(now.paths.dictionaries.clone()),
        queue,
        reports: Outbox::new(now.till.clone(), instance),
        errors: ErrorsFile::new(settings.clone()),
        exchange: ExchangeLock::default(),
        loader_poke: Notify::new(),
        contact_poke: Notify::new(),
        verify_poke: Notify::new(),
        unloads,
        unloaded: watch::Sender::new(0),
        link: watch::Sender::new(Link::Connecting),
        working: watch::Sender::new(false),
        settings,
        shutdown,
    };
    Ok((lock, till))
}

fn open_queue(root: &std::path::Path) -> Result<Queue, QueueError> {
    Queue::open(root, &DICTIONARY_QUEUE.parse::<QueueName>()?, Limits::default())
}

/// A task that is begun again if it dies, which only a defect brings about.
fn keep<F>(
    tasks: &mut JoinSet<()>,
    till: &Arc<Till>,
    name: &'static str,
    task: impl Fn(Arc<Till>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let till = Arc::clone(till);
    tasks.spawn(async move {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        while let Err(error) = tokio::spawn(task(Arc::clone(&till))).await {
            till.failed("a task died and is begun again", &error);
            tracing::error!(task = name, error = chain(&error), "task died");
            tokio::time::sleep(backoff.next_wait()).await;
            if till.shutdown.is_cancelled() {
                return;
            }
        }
    });
}

/// Says that the till is here and what it has: when the link is up, on a period, and when something changed.
async fn contact(till: Arc<Till>) {
    let mut link = till.link.subscribe();
    loop {
        let consuming = matches!(*link.borrow_and_update(), Link::Consuming { .. });
        if consuming {
            let state = till.look_now().await;
            till.reports.put(Report::Contact { state });
        }
        tokio::select! {
            () = till.shutdown.cancelled() => return,
            changed = link.changed() => if changed.is_err() { return },
            () = till.contact_poke.notified() => {}
            () = tokio::time::sleep(till.settings.current().contact_period) => {}
        }
    }
}
