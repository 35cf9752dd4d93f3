//! Tells status servers how loads come along (formats/aif): a state is opened, the load's status
//! put, then one of each till of the shop as it has what was loaded.
//!
//! What is to be told follows from the journal and the tills' cursors ([`next`]), and what was
//! told is in the journal: so nothing is lost by a restart, and nothing waits for a message that
//! did not come. Each server has one call under way at a time and waits of its own, so a dead one
//! delays nobody else. Loads are looked at in turns of a bounded number, one turn a second while
//! there are more.

use super::{Intake, lock};
use crate::http_client::{self, is_local};
use crate::store::StoreError;
use crate::store::intake::{LoadState, Told, Watch};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use reqwest::Url;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::{ExchangeStatus, LoadId, Revision, TillId};
use tillway_service::background::{Next, Run, Task, Work, off_thread};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a load is told of. Back offices raise their alarm after ten minutes; a till that is
/// off for the night still gets its word in the morning.
pub const WATCH_LIFETIME: Duration = Duration::from_hours(24);

/// Times that a server may refuse the same call; the waits between them add up to several minutes.
const MAX_REFUSALS: u32 = 12;

/// Loads that are looked at in one turn, the oldest of each server first. Loads wait for a day
/// where a till is off, so there may be many more.
pub(super) const WATCHES_A_TURN: u32 = 500;

/// Where there are more loads than one turn has, when the next turn comes.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// Calls under way to all servers together.
const MAX_CALLS: usize = 64;

/// Of these, how many may go to servers that failed the last time: dead ones must leave room for
/// the others.
const MAX_DOUBTFUL_CALLS: usize = 16;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_mins(1);

/// Without anything to do, how often to look.
const IDLE_WAIT: Duration = Duration::from_mins(1);

/// Longest answer and longest state id that are read.
const MAX_ANSWER_BYTES: usize = 4 * 1024;
const MAX_STATE_ID_CHARS: usize = 256;

/// What to do where a local status server is meant.
const LOCAL_ADVICE: &str = "where it is meant, set intake.status_servers_local in the server's settings";

/// Longest address.
const MAX_ADDRESS_CHARS: usize = 256;

/// One call to a status server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// Opens a state.
    Open,
    /// The status of the load.
    Load { state_id: String, status: ExchangeStatus },
    /// The status of a till.
    Till { state_id: String, till: TillId, code: String, status: ExchangeStatus },
}

/// What to do about a load next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Call(Call),
    Wait,
    Done,
}

/// A till of the shop: its id and code.
pub(super) type Till = (TillId, String);

/// What is to be told next. Pure.
pub(super) fn next(watch: &Watch, tills: &[Till], cursors: &HashMap<TillId, Revision>) -> Step {
    let Some(state_id) = watch.state_id.clone() else { return Step::Call(Call::Open) };
    let status = watch.state.status();
    if watch.load_told != Some(status) {
        return Step::Call(Call::Load { state_id, status });
    }
    if !watch.state.is_final() {
        return Step::Wait;
    }
    if watch.state == LoadState::Held {
        return Step::Wait;
    }
    if status == ExchangeStatus::Error {
        return Step::Done;
    }
    let mut waiting = false;
    for (till, code) in tills.iter().filter(|(till, _)| watch.tills_told.get(till) != Some(&status)) {
        let has_it = watch.applies_from.is_some_and(|from| cursors.get(till).is_some_and(|cursor| *cursor >= from));
        if has_it {
            return Step::Call(Call::Till { state_id, till: till.clone(), code: code.clone(), status });
        }
        waiting = true;
    }
    if waiting { Step::Wait } else { Step::Done }
}

/// The base address of a status server: `host:port`, `http://…` or `https://…`. The reason where
/// it is none, or is not in a list that is not empty.
///
/// Addresses of this machine and of its link are refused unless `local` ones are allowed: who may
/// load goods must not make the server call what only listens here.
pub(super) fn server_address(text: &str, allow: &[String], local: bool) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("`{text}` is no address of a status server: {what}; write host:port"));
    if text.len() > MAX_ADDRESS_CHARS {
        return Err("the address of the status server is too long".to_owned());
    }
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let Ok(url) = url else { return wrong("it cannot be read") };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("only http and https are used");
    }
    let Some(host) = url.host_str() else { return wrong("it has no host") };
    let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
    if !bare || url.fragment().is_some() {
        return wrong("it has more than host and port");
    }
    let ip: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    if !local && ip.is_some_and(is_local) {
        return Err(format!("`{host}` is an address of this machine or of its link; {LOCAL_ADVICE}"));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let allowed =
        |entry: &String| entry.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(&format!("{host}:{port}"));
    if !allow.is_empty() && !allow.iter().any(allowed) {
        return Err(format!(
            "`{host}:{port}` is not among the status servers that the settings allow (intake.status_servers)"
        ));
    }
    Ok(url.origin().ascii_serialization())
}

/// The client for all calls.
pub(super) fn client(local: bool) -> reqwest::Result<reqwest::Client> {
    http_client::outward(local, LOCAL_ADVICE).connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT).build()
}

/// Growing waits with jitter.
struct Retry {
    tries: u32,
    until: Instant,
    waits: ExponentialBackoff,
}

impl Retry {
    fn new() -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LAST_WAIT)
            .with_jitter()
            .without_max_times()
            .build();
        Self { tries: 0, until: Instant::now(), waits }
    }

    fn failed(&mut self) {
        self.tries += 1;
        self.until = Instant::now() + self.waits.next().unwrap_or(LAST_WAIT);
    }
}

/// Why a call did not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The server cannot be reached: waits with all its calls.
    #[error("the status server {server} cannot be reached")]
    Unreachable {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server does not want this one.
    #[error("the status server {server} refused {what}: {answer}")]
    Refused { server: String, what: String, answer: String },
    /// What was told cannot be noted.
    #[error("failed to note what was told")]
    Journal(#[source] StoreError),
    /// A defect of this server: waits like a server that cannot be reached.
    #[error("the call panicked")]
    Panicked,
}

struct Finished {
    load: LoadId,
    server: String,
    result: Result<(), CallError>,
}

struct Teller {
    servers: HashMap<String, Retry>,
    refusals: HashMap<LoadId, Retry>,
    /// Servers with a call under way.
    busy: HashSet<String>,
    /// Calls under way end with this.
    calls: JoinSet<()>,
    ended: mpsc::Sender<Finished>,
    finished: mpsc::Receiver<Finished>,
    turn: Turn,
}

/// Where the round over all loads stands.
#[derive(Default)]
struct Turn {
    skip: u32,
    servers: HashSet<String>,
    loads: HashSet<LoadId>,
}

/// Telling, as a task of the server. What is under way when the server stops is told again after
/// the next start.
pub(super) fn task(intake: &Arc<Intake>) -> Task {
    let poke = Arc::clone(&intake.callbacks);
    Task::new("status-callbacks", IDLE_WAIT, Telling { intake: Arc::clone(intake), teller: Teller::new() })
        .poked_by(poke)
}

struct Telling {
    intake: Arc<Intake>,
    teller: Teller,
}

impl Work for Telling {
    fn run<'a>(&'a mut self, _: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            let wake = self.teller.turn(&self.intake).await?;
            Ok(Next::In(wake.saturating_duration_since(Instant::now())))
        })
    }
}

impl Teller {
    fn new() -> Self {
        let (ended, finished) = mpsc::channel(MAX_CALLS);
        Self {
            servers: HashMap::new(),
            refusals: HashMap::new(),
            busy: HashSet::new(),
            calls: JoinSet::new(),
            ended,
            finished,
            turn: Turn::default(),
        }
    }

    async fn turn(&mut self, intake: &Arc<Intake>) -> Result<Instant, StoreError> {
        while self.calls.try_join_next().is_some() {}
        while let Ok(finished) = self.finished.try_recv() {
            self.finished(intake, finished).await;
        }
        self.start_calls(intake).await
    }

    /// Starts what is due; when to look again.
    async fn start_calls(&mut self, intake: &Arc<Intake>) -> Result<Instant, StoreError> {
        let now = Instant::now();
        let mut wake = now + IDLE_WAIT;
        let open = gather(intake, self.turn.skip).await?;
        if !self.is_last_turn(&open, intake.settings.watches_a_turn) {
            wake = now + NEXT_TURN;
        }
        // With each till that has applied something: ten thousand of them are not looked through
        // for nobody.
        if open.is_empty() {
            return Ok(wake);
        }
        let cursors = lock(&intake.cursors).clone();
        for (watch, tills) in open {
            let waits = [self.servers.get(&watch.server), self.refusals.get(&watch.load)];
            let until = waits.into_iter().flatten().map(|retry| retry.until).max();
            let busy = self.busy.contains(&watch.server);
            match next(&watch, &tills, &cursors) {
                Step::Done => self.close(intake, watch.load).await,
                _ if expired(&watch) && !busy => {
                    let missing = tills.iter().filter(|(till, _)| !watch.tills_told.contains_key(till)).count();
                    tracing::warn!(
                        load = watch.load.0,
                        server = watch.server,
                        tills = missing,
                        "gave up telling a status server of a load: a day has passed"
                    );
                    self.close(intake, watch.load).await;
                }
                Step::Wait => {}
                Step::Call(_) if busy || self.busy.len() >= MAX_CALLS => {}
                Step::Call(_) if self.is_doubtful(&watch.server) && self.doubtful_calls() >= MAX_DOUBTFUL_CALLS => {}
                Step::Call(_) if until.is_some_and(|until| until > now) => wake = wake.min(until.unwrap_or(wake)),
                Step::Call(call) => {
                    self.busy.insert(watch.server.clone());
                    let (intake, ended) = (Arc::clone(intake), self.ended.clone());
                    self.calls.spawn(async move {
                        let result = AssertUnwindSafe(tell(&intake, &watch, call)).catch_unwind().await;
                        let result = result.unwrap_or(Err(CallError::Panicked));
                        // There is room: each server has one call at most.
                        let _ = ended.try_send(Finished { load: watch.load, server: watch.server, result });
                        intake.callbacks.notify_one();
                    });
                }
            }
        }
        Ok(wake)
    }

    /// Goes on to the next turn, or to the first after the last; then waits of servers and loads
    /// that are not there any more end.
    fn is_last_turn(&mut self, open: &[(Watch, Vec<Till>)], of: u32) -> bool {
        self.turn.loads.extend(open.iter().map(|(watch, _)| watch.load));
        self.turn.servers.extend(open.iter().map(|(watch, _)| watch.server.clone()));
        if open.len() >= of as usize {
            self.turn.skip = self.turn.skip.saturating_add(of);
            return false;
        }
        let Turn { skip, servers, loads } = std::mem::take(&mut self.turn);
        self.refusals.retain(|load, _| loads.contains(load));
        self.servers.retain(|server, _| servers.contains(server));
        skip == 0
    }

    /// Whether the server failed the last time.
    fn is_doubtful(&self, server: &str) -> bool {
        self.servers.get(server).is_some_and(|retry| retry.tries > 0)
    }

    fn doubtful_calls(&self) -> usize {
        self.busy.iter().filter(|server| self.is_doubtful(server)).count()
    }

    async fn finished(&mut self, intake: &Arc<Intake>, finished: Finished) {
        let Finished { load, server, result } = finished;
        self.busy.remove(&server);
        let Err(error) = result else {
            self.servers.remove(&server);
            self.refusals.remove(&load);
            return;
        };
        tracing::debug!(load = load.0, error = &error as &dyn Error, "a status callback failed");
        match &error {
            CallError::Unreachable { .. } | CallError::Journal(_) | CallError::Panicked => {
                let retry = self.servers.entry(server).or_insert_with(Retry::new);
                retry.failed();
                if retry.tries == 1 {
                    tracing::warn!(
                        load = load.0,
                        error = &error as &dyn Error,
                        "a status callback failed and is tried again"
                    );
                }
            }
            CallError::Refused { .. } => {
                self.servers.remove(&server);
                let retry = self.refusals.entry(load).or_insert_with(Retry::new);
                retry.failed();
                if retry.tries >= MAX_REFUSALS {
                    tracing::warn!(
                        load = load.0,
                        error = &error as &dyn Error,
                        "gave up telling a status server of a load"
                    );
                    self.close(intake, load).await;
                }
            }
        }
    }

    async fn close(&mut self, intake: &Arc<Intake>, load: LoadId) {
        self.refusals.remove(&load);
        let closed = on_journal(intake, move |intake| intake.journal.close_watch(load)).await;
        if let Err(error) = closed {
            tracing::error!(error = &error as &dyn Error, "failed to close a status callback");
        }
    }
}

fn expired(watch: &Watch) -> bool {
    let age = Timestamp::now().as_second() - watch.since.as_second();
    u64::try_from(age).is_ok_and(|age| age > WATCH_LIFETIME.as_secs())
}

async fn gather(intake: &Arc<Intake>, skip: u32) -> Result<Vec<(Watch, Vec<Till>)>, StoreError> {
    on_journal(intake, move |intake| {
        let watches = intake.journal.open_watches(skip, intake.settings.watches_a_turn)?;
        if watches.is_empty() {
            return Ok(Vec::new());
        }
        let network = intake.network()?;
        let tills_of = |watch: &Watch| {
            let below = network.tills_below(&watch.node);
            below
                .into_iter()
                .filter_map(|node| Some((TillId::try_from(node.id.to_string()).ok()?, node.code.to_string())))
                .collect()
        };
        Ok(watches
            .into_iter()
            .map(|watch| {
                let tills = tills_of(&watch);
                (watch, tills)
            })
            .collect())
    })
    .await
}

async fn on_journal<T: Send + 'static>(
    intake: &Arc<Intake>,
    work: impl FnOnce(&Intake) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let intake = Arc::clone(intake);
    off_thread(move || work(&intake)).await
}

pub(super) async fn tell(intake: &Arc<Intake>, watch: &Watch, call: Call) -> Result<(), CallError> {
    let (method, segments, status): (_, Vec<&str>, _) = match &call {
        Call::Open => (reqwest::Method::POST, vec!["backOfficeState", &watch.shop], ExchangeStatus::During),
        Call::Load { state_id, status } => {
            (reqwest::Method::PUT, vec!["backOfficeState", &watch.shop, state_id], *status)
        }
        Call::Till { state_id, code, status, .. } => {
            (reqwest::Method::PUT, vec!["cashLoad", &watch.shop, code, state_id], *status)
        }
    };
    let server = || watch.server.clone();
    let refused = |answer: String| CallError::Refused { server: server(), what: segments.join("/"), answer };
    // It may have been taken in under other settings.
    let (allow, local) = (&intake.settings.status_server_allow, intake.settings.status_server_local);
    let address = server_address(&watch.server, allow, local).map_err(refused)?;
    let mut url = Url::parse(&address).map_err(|error| refused(error.to_string()))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(["CSrest", "rest", "dicts"]).extend(&segments);
    }
    let unreachable = |source: reqwest::Error| CallError::Unreachable { server: server(), source };
    let body = serde_json::json!({ "status": status.as_str() });
    let mut response = intake.client.request(method, url).json(&body).send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        return Err(refused(response.status().to_string()));
    }
    let told = match call {
        Call::Open => {
            let mut answer = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                answer.extend_from_slice(&chunk);
                if answer.len() > MAX_ANSWER_BYTES {
                    return Err(refused("its answer is too long for the id of a state".to_owned()));
                }
            }
            let id = state_id(&answer).ok_or_else(|| refused("its answer is not the id of a state".to_owned()))?;
            Told::Opened(id)
        }
        Call::Load { status, .. } => Told::Load(status),
        Call::Till { till, status, .. } => Told::Till(till, status),
    };
    fail::fail_point!("callbacks::sent");
    let load = watch.load;
    on_journal(intake, move |intake| intake.journal.note_told(load, &told)).await.map_err(CallError::Journal)?;
    fail::fail_point!("callbacks::noted");
    Ok(())
}

/// A JSON string, or a number as some servers have it.
fn state_id(answer: &[u8]) -> Option<String> {
    let id = match serde_json::from_slice(answer).ok()? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (1..=MAX_STATE_ID_CHARS).contains(&id.chars().count()).then_some(id)
}
