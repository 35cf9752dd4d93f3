//! The agent as a whole: its parts, its tasks from start to a clean stop. Only this module knows
//! all of them.

mod watchdog;

use crate::broker::{Broker, Link};
use crate::codes::Codes;
use crate::commands::Commands;
use crate::dictionary::Dictionary;
use crate::error::chain;
use crate::errors_file::ErrorsFile;
use crate::hand_over::HandOver;
use crate::installation::InstallationFile;
use crate::intake::{Enqueue, Fetch, Follow, Intake, LinkFacts};
use crate::load::{Load, Loader, Straight};
use crate::lock::{AgentLock, ExchangeLock, LockError};
use crate::mover::Mover;
use crate::moves::Moves;
use crate::outbox::Outbox;
use crate::overview::Overview;
use crate::package_queue::PackageQueue;
use crate::progress::Progress;
use crate::recount::Recount;
use crate::retry::{self, Backoff};
use crate::room::{self, Room};
use crate::settings::{LiveSettings, Mode};
use crate::sink::Sink;
use crate::source::{DocumentsFile, Source};
use crate::state::{self, State, StateError};
use crate::tell::Teller;
use crate::unload::{MAX_WAITING_UNLOADS, Notes, Past, Reading, SalesLoader, ShiftClose, Steps, Suspects, Unloader};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tillway_file_queue::QueueError;
use tillway_proto::PeerId;
use tillway_proto::process::ServiceManager;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use watchdog::Watchdog;

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
    let now = settings.current();
    if now.mode == Mode::Server {
        return Err(RunError::ServerMode);
    }
    crate::install_crypto();
    let sink = Arc::new(Dictionary::at(now.paths.dictionaries.clone()));
    let source = Arc::new(DocumentsFile::at(now.paths.documents.clone(), now.till.clone()));
    let agent = Agent::open(settings, sink, source, shutdown.clone())?;
    let log = now.log.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    tracing::info!(till = %now.till, version = env!("CARGO_PKG_VERSION"), log, "sync agent started");
    let mut tasks = JoinSet::new();
    let kept = (&shutdown, &agent.broker.teller.errors);
    keep(&mut tasks, "broker", &agent.broker, kept, Broker::run);
    keep(&mut tasks, "loader", &agent.loader, kept, Loader::run);
    keep(&mut tasks, "recount", &agent.recount, kept, Recount::run);
    keep(&mut tasks, "shift close", &agent.shift_close, kept, ShiftClose::run);
    keep(&mut tasks, "contact", &agent.contact, kept, Contact::run);
    keep(&mut tasks, "mover", &agent.mover, kept, Mover::run);
    keep(&mut tasks, "command line", &agent.hand_over, kept, HandOver::run);
    keep(&mut tasks, "unloader", &agent.unloader, kept, Unloader::run);
    keep(&mut tasks, "watchdog", &agent.watchdog, kept, Watchdog::run);
    ServiceManager::of_this_process().serves();
    shutdown.cancelled().await;
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME, all).await.is_err() {
        tracing::warn!(after = ?STOP_TIME, "not everything came to its end");
    }
    agent.hand_over.remove();
    tracing::info!("sync agent stopped");
    Ok(())
}

/// The parts of one agent that have a task; none of them runs yet.
#[derive(Debug)]
pub(crate) struct Agent {
    _lock: AgentLock,
    pub(crate) broker: Broker,
    pub(crate) loader: Loader,
    pub(crate) recount: Recount,
    pub(crate) shift_close: ShiftClose,
    pub(crate) contact: Contact,
    pub(crate) mover: Mover,
    pub(crate) hand_over: HandOver,
    pub(crate) unloader: Unloader,
    pub(crate) watchdog: Watchdog,
}

impl Agent {
    /// Opens what lies on disk, and ties the parts together.
    pub(crate) fn open(
        settings: LiveSettings,
        sink: Arc<dyn Sink>,
        source: Arc<dyn Source>,
        shutdown: CancellationToken,
    ) -> Result<Self, RunError> {
        let now = settings.current();
        let lock = AgentLock::take(&now.paths.data).map_err(RunError::Lock)?;
        let state = State::open(&now.paths.data).map_err(RunError::State)?;
        let installation = InstallationFile::open(&now.paths.data, &*source).map_err(RunError::State)?;
        // Once more, for a state that was lost.
        let history = installation.look().decided.unwrap_or_default();
        state.leave_history(history.document, history.shift).map_err(RunError::State)?;
        let instance = state::instance(&now.paths.data).map_err(RunError::State)?;
        // How much stays free is asked before each package, with a larger reserve for a larger
        // one.
        let queue = PackageQueue::open(&now.load.queue_root, room::SMALL_RESERVE_BYTES).map_err(RunError::Queue)?;

        let id = PeerId::from(now.till.clone());
        let (suspects, progress) = (Arc::new(Suspects::default()), Arc::new(Progress::default()));
        let exchange = ExchangeLock::default();
        let errors = ErrorsFile::new(settings.clone());
        let (unloads, requests) = mpsc::channel(MAX_WAITING_UNLOADS);
        let (link, unloaded) = (watch::Sender::new(Link::Connecting), watch::Sender::new(0));
        let codes = Codes::new(id.clone(), settings.clone());
        let (to, from) = (Arc::clone(&sink), Arc::clone(&source));
        let overview = Overview::new(settings.clone(), state.clone(), to, from, queue.clone(), codes.clone());
        let teller = Teller {
            overview: Arc::new(overview),
            deliveries: state.clone(),
            reports: Outbox::new(id.clone(), instance),
            errors: errors.clone(),
            settings: settings.clone(),
            contact: Arc::default(),
        };
        let recount = Recount::new(Arc::clone(&sink), teller.clone(), exchange.clone(), shutdown.clone());

        // Down: a link is fetched, put into the file queue, and loaded.
        let room = Room { settings: settings.clone(), queue: queue.clone(), sink: Arc::clone(&sink) };
        let load = Load { sink: Arc::clone(&sink), room: room.clone(), progress: Arc::clone(&progress) };
        let intake = Intake {
            facts: LinkFacts { overview: Arc::clone(&teller.overview), queue: queue.clone(), state: state.clone() },
            fetch: Fetch::new(room.clone(), settings.clone()),
            enqueue: Enqueue { queue: queue.clone(), room, settings: settings.clone(), teller: teller.clone() },
            straight: Straight {
                load: load.clone(),
                state: state.clone(),
                settings: settings.clone(),
                teller: teller.clone(),
                exchange: exchange.clone(),
                shutdown: shutdown.clone(),
            },
            follow: Follow { queue: queue.clone(), settings: settings.clone(), teller: teller.clone() },
        };
        let loader = Loader {
            queue: queue.clone(),
            load,
            state: state.clone(),
            teller: teller.clone(),
            exchange: exchange.clone(),
            shutdown: shutdown.clone(),
        };
        let moves = Moves::new(settings.clone(), state.clone());
        let commands = Arc::new(Commands {
            intake,
            unloads: unloads.clone(),
            recount: recount.clone(),
            queue,
            state: state.clone(),
            settings: settings.clone(),
            moves: moves.clone(),
            teller: teller.clone(),
            working: watch::Sender::new(false),
        });

        // Up: documents are read, streamed, and noted.
        let read = Reading { source, state: state.clone(), suspects: Arc::clone(&suspects) };
        let steps = Steps {
            read: read.clone(),
            server: SalesLoader { id: id.clone(), instance, settings: settings.clone() },
            notes: Notes { state: state.clone(), suspects, errors },
            past: Past { read: read.clone(), installation: Arc::new(installation) },
            progress: Arc::clone(&progress),
            settings: settings.clone(),
        };
        let unloader = Unloader {
            requests: Arc::new(Mutex::new(requests)),
            steps,
            state: state.clone(),
            settings: settings.clone(),
            teller: teller.clone(),
            unloaded: unloaded.clone(),
            exchange,
            shutdown: shutdown.clone(),
        };
        let shift_close = ShiftClose {
            id: now.till.clone(),
            read,
            settings: settings.clone(),
            unloads,
            unloaded,
            shutdown: shutdown.clone(),
        };

        Ok(Self {
            _lock: lock,
            broker: Broker {
                id,
                commands: Arc::clone(&commands),
                codes,
                teller: teller.clone(),
                state,
                settings: settings.clone(),
                link: link.clone(),
                shutdown: shutdown.clone(),
            },
            loader,
            mover: Mover {
                id: now.till.clone().into(),
                moves,
                teller: teller.clone(),
                link: link.clone(),
                shutdown: shutdown.clone(),
            },
            contact: Contact {
                recount: recount.clone(),
                sink,
                teller,
                settings,
                link: link.clone(),
                shutdown: shutdown.clone(),
            },
            recount,
            shift_close,
            watchdog: Watchdog { link: link.clone(), shutdown: shutdown.clone() },
            hand_over: HandOver { commands, link, progress, shutdown },
            unloader,
        })
    }
}

/// A part's task, begun again when it ends before the agent does, whichever way. Others go on
/// meanwhile.
fn keep<P: Clone + Send + 'static, F: Future<Output = ()> + Send + 'static>(
    tasks: &mut JoinSet<()>,
    name: &'static str,
    part: &P,
    (shutdown, errors): (&CancellationToken, &ErrorsFile),
    task: fn(P) -> F,
) {
    let (part, errors) = (part.clone(), errors.clone());
    tasks.spawn(keep_up(name, shutdown.clone(), KeepUp::DEFAULT, move || errors.add(), move || task(part.clone())));
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
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    recount: Recount,
    sink: Arc<dyn Sink>,
    teller: Teller,
    settings: LiveSettings,
    link: watch::Sender<Link>,
    shutdown: CancellationToken,
}

impl Contact {
    async fn run(self) {
        let mut link = self.link.subscribe();
        loop {
            self.recount.where_others_wrote().await;
            self.sink.look_at_log();
            if matches!(*link.borrow_and_update(), Link::Consuming { .. }) {
                self.teller.contact().await;
            }
            self.teller.blocking(|teller| teller.overview.keep_cursor()).await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                changed = link.changed() => if changed.is_err() { return },
                () = self.teller.asked_for_contact() => {}
                () = tokio::time::sleep(retry::about(self.settings.current().contact_period)) => {}
            }
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
