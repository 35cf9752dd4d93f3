//! The agent as a whole: its tasks, from start to a clean stop.

use crate::broker::{self, Link};
use crate::dictionary::Dictionary;
use crate::error::chain;
use crate::errors_file::ErrorsFile;
use crate::hand_over;
use crate::installation::InstallationFile;
use crate::load;
use crate::lock::{AgentLock, ExchangeLock, LockError};
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::recount::{self, Recounts};
use crate::retry::{self, Backoff};
use crate::room;
use crate::settings::{LiveSettings, Mode};
use crate::state::{self, State, StateError};
use crate::till::Till;
use crate::unload::{self, MAX_WAITING_UNLOADS, Suspects, shift_close};
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tillway_file_queue::{Limits, Queue, QueueError, QueueName};
use tillway_proto::Report;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
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

/// Runs the agent until `shutdown` is cancelled. Everything that can break while it runs recovers
/// by itself; an error means that it did not start.
pub async fn run(settings: LiveSettings, shutdown: CancellationToken) -> Result<(), RunError> {
    if settings.current().mode == Mode::Server {
        return Err(RunError::ServerMode);
    }
    crate::install_crypto();
    let (unloads, requests) = mpsc::channel(MAX_WAITING_UNLOADS);
    let (_lock, till) = open(settings, unloads, shutdown)?;
    let till = Arc::new(till);
    let log = till.settings.current().log.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    tracing::info!(till = %till.id, version = env!("CARGO_PKG_VERSION"), log, "sync agent started");
    let mut tasks = JoinSet::new();
    let requests = Arc::new(Mutex::new(requests));
    keep(&mut tasks, &till, "broker", broker::supervise);
    keep(&mut tasks, &till, "loader", load::run);
    keep(&mut tasks, &till, "recount", recount::run);
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

/// The till with everything its tasks share, and none of them running yet.
pub(crate) fn open(
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
        downloading: Arc::default(),
        downloader: OnceLock::new(),
        exchange: ExchangeLock::default(),
        queued_to: AtomicU64::new(0),
        claimed: std::sync::Mutex::default(),
        loader_poke: Notify::new(),
        load_ended: Notify::new(),
        contact_poke: Notify::new(),
        uncounted_since: std::sync::Mutex::default(),
        recounts: Recounts::default(),
        suspects: Suspects::default(),
        progress: Progress::default(),
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
    // How much stays free is asked before each package, with a larger reserve for a larger one.
    let limits = Limits { reserve_bytes: room::SMALL_RESERVE_BYTES, ..Limits::default() };
    Queue::open(root, &DICTIONARY_QUEUE.parse::<QueueName>()?, limits)
}

/// A task that is begun again when it ends before the agent does, whichever way. Others go on
/// meanwhile.
fn keep<F>(
    tasks: &mut JoinSet<()>,
    till: &Arc<Till>,
    name: &'static str,
    task: impl Fn(Arc<Till>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (shutdown, errors, till) = (till.shutdown.clone(), till.errors.clone(), Arc::clone(till));
    tasks.spawn(keep_up(name, shutdown, KeepUp::DEFAULT, move || errors.add(), move || task(Arc::clone(&till))));
}

/// How a task is begun again.
#[derive(Debug, Clone, Copy)]
struct KeepUp {
    /// The first wait; it doubles.
    first_wait: Duration,
    /// The longest wait.
    max_wait: Duration,
    /// A task that lived this long was well: the next wait is a short one.
    well_after: Duration,
}

impl KeepUp {
    const DEFAULT: Self = Self {
        first_wait: Duration::from_secs(1),
        max_wait: Duration::from_mins(1),
        // Longer than the longest wait, so that one that dies on its first work does not count as
        // well.
        well_after: Duration::from_mins(5),
    };
}

async fn keep_up<F>(
    name: &'static str,
    shutdown: CancellationToken,
    times: KeepUp,
    count: impl Fn() + Send,
    task: impl Fn() -> F + Send,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::new(times.first_wait, times.max_wait);
    loop {
        let begun = Instant::now();
        let ended = tokio::spawn(task()).await;
        if shutdown.is_cancelled() {
            return;
        }
        if begun.elapsed() >= times.well_after {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        let error = ended.err().map_or_else(|| "it ended by itself".to_owned(), |error| chain(&error));
        tracing::error!(task = name, error, ?wait, "a task died and is begun again");
        count();
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Says that the till is here and what it has: when the link is up, on a period, and when
/// something changed. Looks each time whether somebody else wrote to the dictionary, or reads it
/// without an end.
async fn contact(till: Arc<Till>) {
    let mut link = till.link.subscribe();
    loop {
        recount::where_others_wrote(&till).await;
        till.dictionary.look_at_log();
        let consuming = matches!(*link.borrow_and_update(), Link::Consuming { .. });
        if consuming {
            let state = till.look_now().await;
            till.reports.put(Report::Contact { state });
        }
        tokio::select! {
            () = till.shutdown.cancelled() => return,
            changed = link.changed() => if changed.is_err() { return },
            () = till.contact_poke.notified() => {}
            () = tokio::time::sleep(retry::about(till.settings.current().contact_period)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const QUICK: KeepUp = KeepUp {
        first_wait: Duration::from_millis(1),
        max_wait: Duration::from_millis(5),
        well_after: Duration::from_hours(1),
    };

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_begun_again_until_the_agent_stops() {
        let shutdown = CancellationToken::new();
        let (begun, died) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let task = {
            let (begun, shutdown) = (Arc::clone(&begun), shutdown.clone());
            move || {
                let (time, shutdown) = (begun.fetch_add(1, Ordering::SeqCst), shutdown.clone());
                async move {
                    match time {
                        0 | 2 => panic!("on purpose"),
                        1 => {}
                        _ => {
                            shutdown.cancel();
                        }
                    }
                }
            }
        };
        let count = {
            let died = Arc::clone(&died);
            move || {
                died.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = keep_up("a task", shutdown, QUICK, count, task);
        tokio::time::timeout(Duration::from_mins(1), kept).await.unwrap();
        assert_eq!((begun.load(Ordering::SeqCst), died.load(Ordering::SeqCst)), (4, 3));
    }

    #[tokio::test]
    async fn a_task_that_waits_to_be_begun_again_does_not_hold_up_a_stop() {
        let shutdown = CancellationToken::new();
        let slow = KeepUp { first_wait: Duration::from_hours(1), max_wait: Duration::from_hours(2), ..QUICK };
        let stop = shutdown.clone();
        let kept = keep_up("a task", shutdown, slow, move || stop.cancel(), || async { panic!("on purpose") });
        tokio::time::timeout(Duration::from_mins(1), kept).await.unwrap();
    }
}
