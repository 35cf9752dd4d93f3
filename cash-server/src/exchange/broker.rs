//! The link to RabbitMQ: supervisors that connect, declare, publish and consume, and begin anew
//! when anything breaks.
//!
//! [`publishing`] and [`consuming`] have a connection each: a broker that is short of memory or
//! disk stops reading from connections that publish, and reports must come in all the same; and
//! where reports cannot be consumed, links still go out. Whatever error ends a session ends it
//! whole; the next one declares everything again and pokes the reconciler. Liveness of the
//! consuming side means *consuming*: it asks on a period whether the broker knows its consumer.
//!
//! A virtual host belongs to the servers of one database: see [`Owner`].
//!
//! Control queues refuse what does not fit (`reject-publish`) rather than dropping the oldest: the
//! server then knows that a command did not reach the peer, keeps it in its own table and tries
//! again until its deadline. Links are the opposite: the newest replaces the older (`drop-head` at
//! length one), and reports may lose their oldest.

mod consuming;
pub mod logins;
mod message;
pub mod online;
mod owner;
mod publishing;
mod queues;

pub use owner::Owner;

use super::reports::Reports;
use crate::error_chain;
use crate::hints::Hints;
use crate::settings::BrokerSettings;
use crate::words::{Reason, as_said};
use amq_protocol_tcp::OwnedTLSConfig;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use fs_err as fs;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::runtime::default_runtime;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Confirmation, Connection, ConnectionProperties};
use online::NoSession;
use publishing::Session;
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tillway_proto::consumer::{ConsumerDefect, LIVENESS_PERIOD};
use tillway_proto::queue::{CONTROL_MAX_LENGTH, DICTIONARY_MAX_LENGTH};
use tillway_proto::{ControlQueue, DictionaryQueue, MessageHead, PeerId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A broker that does not answer a connection, a declaration or a confirm within this time is
/// taken for lost. Quorum queues confirm within milliseconds; a new leader takes seconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// A queue that was removed is not declared again before this: the broker tells its consumer
/// meanwhile that it is gone. One whose queue is there again first was seen to hear nothing, and
/// to get nothing of the new one either.
const REMOVAL_TOLD: Duration = Duration::from_millis(500);

/// First wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Longest wait before connecting again, to which jitter adds up to as much: short, since a chain
/// waits for its prices, and one server alone makes no herd.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(5);

/// A session that held this long ends the row of failures.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// What was to be done where no session came about.
const CONNECT: &str = "connect";

/// Why a message is not with the broker.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BrokerError {
    /// There is no session now.
    #[error("there is no connection to the broker")]
    #[serde(rename = "broker-unconnected")]
    Down,
    /// The broker did not answer.
    #[error("the broker did not answer within {seconds} s")]
    #[serde(rename = "broker-silent")]
    Silent {
        /// For how long it was waited.
        seconds: u64,
    },
    /// The broker refused the message: its queue is full.
    #[error("the broker refused the message for {queue}: the queue is full")]
    #[serde(rename = "broker-queue-full")]
    Full {
        /// The queue.
        queue: String,
    },
    /// The broker is short of memory or disk, and takes no messages until it has some again.
    #[error("the broker blocks publishers: {reason}")]
    #[serde(rename = "broker-blocks")]
    Blocked {
        /// What the broker says.
        reason: String,
    },
    /// The queue is missing, and declaring it did not help.
    #[error("the broker has no queue {queue}")]
    #[serde(rename = "broker-without-queue")]
    NoQueue {
        /// The queue.
        queue: String,
    },
    /// The broker refuses one peer's queue; all others work.
    #[error(
        "the broker refuses the queue {queue}; if it was made with other arguments, delete it (`rabbitmqctl \
         delete_queue {queue}`), and the server makes it anew"
    )]
    #[serde(rename = "broker-refuses-queue")]
    Refused {
        /// The queue.
        queue: String,
        /// What the broker says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: lapin::Error,
    },
    /// Servers of another database work at this virtual host.
    #[error(
        "another server works at virtual host {vhost} of this broker: {other} (this one is {own}). Both would take each other's \
         reports: give this server a virtual host of its own (broker.vhost). If the other one is gone for good, delete its mark \
         (`rabbitmqctl delete_queue --vhost {vhost} {queue}`), and this one goes on by itself"
    )]
    #[serde(rename = "broker-of-other-server")]
    OtherServer {
        /// Its mark: 16 digits of its database's identity, its name and host.
        other: String,
        /// The mark of this one.
        own: String,
        /// The virtual host.
        vhost: String,
        /// The queue that is the mark.
        queue: &'static str,
    },
    /// The file with the password.
    #[error("failed to read the broker's password")]
    #[serde(rename = "broker-password-unread")]
    Password {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The files of those who may have signed the broker's certificate.
    #[error("failed to read who may have signed the broker's certificate (broker.authority)")]
    #[serde(rename = "broker-authority-unread")]
    Authorities {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The client or the broker reported an error.
    #[error("failed to {what} at the broker")]
    #[serde(rename = "broker-fails")]
    Client {
        /// What was to be done.
        #[serde(skip)]
        what: &'static str,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: lapin::Error,
    },
    /// The broker or this server ended the session, and nothing else is known.
    #[error("the session ended")]
    #[serde(rename = "broker-session-ended")]
    Ended,
    /// The server stops.
    #[error("the server stops")]
    #[serde(rename = "server-stops")]
    Stopping,
    /// The consumer of reports ended.
    #[error("the broker ended the consumer of reports")]
    #[serde(rename = "broker-ended-consumer")]
    ConsumerEnded,
    /// A defect of this server.
    #[error("the session panicked")]
    #[serde(rename = "broker-session-panicked")]
    Panicked,
    /// The broker gives the consumer of reports nothing (any more).
    #[error("reports are not consumed any more")]
    #[serde(untagged)]
    Consumer(#[source] ConsumerDefect),
    /// A report could not be written to the database.
    #[error("failed to write reports of tills")]
    #[serde(untagged)]
    Reports(#[source] super::ExchangeError),
}

/// How the link stands, for the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// Whether reports are consumed and messages can be published; nothing less counts as up.
    pub consuming: bool,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Why the last try failed, where it is not up.
    pub trouble: Option<Reason>,
    /// What the broker says, where it takes no messages because it is short of memory or disk.
    pub blocked: Option<String>,
    /// What the broker says of the queue of reports, where somebody else made it with other
    /// arguments. Reports are consumed from it all the same.
    pub foreign_queue: Option<Reason>,
}

/// The two sides of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Publishing,
    Consuming,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Publishing => "publishing",
            Self::Consuming => "consuming reports",
        }
    }
}

#[derive(Debug, Default)]
struct Sides {
    publishing: SideState,
    consuming: SideState,
    blocked: Option<String>,
    foreign_queue: Option<Reason>,
    /// Which side tells of what is wrong now, and what.
    teller: Option<(Side, Reason)>,
}

#[derive(Debug, Default)]
struct SideState {
    up: bool,
    trouble: Option<Reason>,
}

impl Sides {
    /// Whether the other side tells of this; else this side does from now on.
    fn is_told_by_other(&mut self, side: Side, reason: &Reason) -> bool {
        let told = self.teller.as_ref().is_some_and(|(teller, told)| *teller != side && told == reason);
        if !told {
            self.teller = Some((side, reason.clone()));
        }
        told
    }

    fn of(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Publishing => &mut self.publishing,
            Side::Consuming => &mut self.consuming,
        }
    }
}

/// Which of a peer's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Links to packages.
    Dictionary,
    /// All other commands.
    Control,
}

impl Lane {
    fn queue(self, peer: &PeerId) -> String {
        match self {
            Self::Dictionary => DictionaryQueue::of(peer).to_string(),
            Self::Control => ControlQueue::of(peer).to_string(),
        }
    }

    fn arguments(self) -> FieldTable {
        match self {
            Self::Dictionary => arguments(DICTIONARY_MAX_LENGTH, "drop-head"),
            Self::Control => arguments(CONTROL_MAX_LENGTH, "reject-publish"),
        }
    }
}

/// The link. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: BrokerSettings,
    owner: Owner,
    hints: Hints,
    sides: Mutex<Sides>,
    state: watch::Sender<BrokerState>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Broker {
    /// Not connected yet; [`Broker::run`] does that. `poke` is notified whenever messages can be
    /// published (again).
    pub fn new(settings: BrokerSettings, owner: Owner, hints: Hints) -> Self {
        let state = BrokerState {
            consuming: false,
            since: Timestamp::now(),
            trouble: None,
            blocked: None,
            foreign_queue: None,
        };
        let (state, session) = (watch::Sender::new(state), Mutex::new(None));
        Self { inner: Arc::new(Inner { settings, owner, hints, sides: Mutex::default(), state, session }) }
    }

    /// How the link stands.
    pub fn state(&self) -> BrokerState {
        self.inner.state.borrow().clone()
    }

    /// Watches how the link stands.
    pub fn watch(&self) -> watch::Receiver<BrokerState> {
        self.inner.state.subscribe()
    }

    /// Whether messages can be published now.
    pub fn is_up(&self) -> bool {
        self.session().is_some_and(|session| session.blocked().is_none())
    }

    /// Keeps the link until `shutdown`; never gives up.
    pub async fn run(&self, reports: Reports, shutdown: CancellationToken) {
        let publishing = self.keep(Side::Publishing, &reports, &shutdown);
        tokio::join!(publishing, self.keep(Side::Consuming, &reports, &shutdown));
    }

    /// Keeps one side of the link. Sides fail for reasons of their own, so each backs off by
    /// itself.
    async fn keep(&self, side: Side, reports: &Reports, shutdown: &CancellationToken) {
        let mut waits = reconnect_waits();
        let mut tries = 0_u32;
        while !shutdown.is_cancelled() {
            let began = tokio::time::Instant::now();
            let session = async {
                match side {
                    Side::Publishing => self.publish_until_broken().await,
                    Side::Consuming => self.consume_until_broken(reports).await,
                }
            };
            let session = AssertUnwindSafe(session).catch_unwind();
            let ended = tokio::select! {
                ended = session => ended.unwrap_or(Err(BrokerError::Panicked)),
                () = shutdown.cancelled() => break,
            };
            if side == Side::Publishing {
                *self.lock_session() = None;
            }
            if began.elapsed() >= STABLE_AFTER {
                (waits, tries) = (reconnect_waits(), 0);
            }
            tries = tries.saturating_add(1);
            let error = ended.err().unwrap_or(BrokerError::Ended);
            let (trouble, reason) = match &error {
                BrokerError::Client { what: CONNECT, .. } => {
                    let fault = NoSession::of(&self.inner.settings, &error);
                    (Reason::of(&fault), fault.with_key())
                }
                error => (Reason::of(error), error_chain(error)),
            };
            // Both sides meet the same broker: what the other one tells is not told twice.
            if self.lock_sides().is_told_by_other(side, &trouble) {
                tracing::debug!(broker = %self.address(), tries, reason, "no link to the broker for {}", side.name());
            } else {
                tracing::warn!(
                    broker = %self.address(), tries, reason, "no link to the broker for {}; connecting again", side.name()
                );
            }
            self.set_side(side, false, Some(trouble));
            let wait = waits.next().unwrap_or(RECONNECT_AT_MOST);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
        if side == Side::Publishing {
            *self.lock_session() = None;
        }
        self.set_side(side, false, Some(Reason::of(&BrokerError::Stopping)));
    }

    /// Makes the queues of peers that this session has not made yet. Idempotent at the broker.
    /// Gives the peers whose queues the broker refuses, and why: nothing can be sent to them.
    pub async fn declare(&self, peers: Vec<PeerId>) -> Result<HashMap<PeerId, Reason>, BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        session.queues.declare(peers).await.inspect_err(|_| session.broken.cancel())
    }

    /// Removes the queues of a peer that is no more; what this session has removed is not asked
    /// for again.
    pub async fn remove(&self, peer: &PeerId) -> Result<(), BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        let removed = session.queues.remove(peer).await;
        removed.inspect_err(|error| {
            if !matches!(error, BrokerError::Refused { .. }) {
                session.broken.cancel();
            }
        })
    }

    /// Has the queues of these peers made again with the next [`Broker::declare`], at most once a
    /// minute: whoever is silent may have lost a queue that somebody deleted, and cannot say so.
    pub fn look_again(&self, peers: &[PeerId]) {
        if let Some(session) = self.session() {
            session.queues.look_again(peers);
        }
    }

    /// Those of `peers` whose queues this session has not removed.
    pub fn not_removed(&self, peers: Vec<PeerId>) -> Vec<PeerId> {
        self.session().map(|session| session.queues.not_removed(peers)).unwrap_or_default()
    }

    /// Publishes one persistent message with its head, and waits until the broker confirmed it.
    pub async fn publish(&self, peer: &PeerId, lane: Lane, head: &MessageHead, body: &[u8]) -> Result<(), BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        let queue = lane.queue(peer);
        for again in [false, true] {
            let confirmation = session.publish(&queue, head, body).await.inspect_err(|error| {
                // A blocked broker keeps its connections, and goes on with them.
                if !matches!(error, BrokerError::Blocked { .. }) {
                    session.broken.cancel();
                }
            })?;
            match confirmation {
                Confirmation::Ack(None) | Confirmation::NotRequested => return Ok(()),
                Confirmation::Nack(None) => return Err(BrokerError::Full { queue }),
                // Returned: nobody is bound. Somebody removed the queue, or the broker lost it.
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) if !again => {
                    tracing::warn!(%peer, queue, "the queue is missing; declaring it again");
                    session.queues.lost(peer);
                    tokio::time::sleep(REMOVAL_TOLD).await;
                    self.declare(vec![peer.clone()]).await?;
                }
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {}
            }
        }
        Err(BrokerError::NoQueue { queue })
    }

    /// Connects, and makes sure that no servers of another database work there: nothing is made or
    /// consumed before.
    async fn connect(&self, side: Side) -> Result<Connection, BrokerError> {
        let connection = self.log_in(side).await?;
        if let Err(error) = self.inner.owner.claim(&connection, &self.inner.settings.vhost).await {
            let _ = tokio::time::timeout(ANSWER_DEADLINE, connection.close(200, "not our place".into())).await;
            return Err(error);
        }
        Ok(connection)
    }

    /// Ends with an error where the virtual host is marked for another server: somebody gave it
    /// free while this one was there.
    async fn keep_mark(&self, connection: &Connection) -> Result<(), BrokerError> {
        loop {
            tokio::time::sleep(LIVENESS_PERIOD).await;
            self.inner.owner.claim(connection, &self.inner.settings.vhost).await?;
        }
    }

    async fn log_in(&self, side: Side) -> Result<Connection, BrokerError> {
        connect(&self.inner.settings, &format!("tillway cash-server: {}", side.name())).await
    }

    fn set_side(&self, side: Side, up: bool, trouble: Option<Reason>) {
        self.change(|sides| {
            if up {
                sides.teller = sides.teller.take().filter(|(teller, _)| *teller != side);
            }
            *sides.of(side) = SideState { up, trouble };
            if side == Side::Publishing {
                sides.blocked = None;
            }
        });
    }

    fn set_blocked(&self, reason: Option<String>) {
        self.change(|sides| sides.blocked = reason);
    }

    fn set_foreign_queue(&self, reason: Option<Reason>) {
        self.change(|sides| sides.foreign_queue = reason);
    }

    fn change(&self, change: impl FnOnce(&mut Sides)) {
        let mut sides = self.lock_sides();
        change(&mut sides);
        let consuming = sides.publishing.up && sides.consuming.up;
        self.inner.state.send_modify(|state| {
            // Since when it is down, not since the last try.
            let since = if state.consuming == consuming { state.since } else { Timestamp::now() };
            let trouble = sides.consuming.trouble.clone().or_else(|| sides.publishing.trouble.clone());
            *state = BrokerState {
                consuming,
                since,
                trouble,
                blocked: sides.blocked.clone(),
                foreign_queue: sides.foreign_queue.clone(),
            };
        });
    }

    fn address(&self) -> String {
        let BrokerSettings { host, port, vhost, .. } = &self.inner.settings;
        format!("{host}:{port}, virtual host {vhost}")
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.lock_session().as_ref().filter(|session| !session.broken.is_cancelled()).map(Arc::clone)
    }

    fn lock_sides(&self) -> std::sync::MutexGuard<'_, Sides> {
        self.inner.sides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_session(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.inner.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn declare_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    answered("declare a queue", channel.queue_declare(name.into(), options, arguments)).await.map(|_| ())
}

async fn bind_queue(channel: &Channel, exchange: &str, name: &str) -> Result<(), BrokerError> {
    let binding = channel.queue_bind(
        name.into(),
        exchange.into(),
        name.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    answered("bind a queue", binding).await
}

/// A quorum queue of bounded length.
fn arguments(max_length: i32, overflow: &str) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    table.insert("x-max-length".into(), AMQPValue::LongInt(max_length));
    table.insert("x-overflow".into(), AMQPValue::LongString(overflow.into()));
    table
}

/// A connection under a name that operators see.
async fn connect(settings: &BrokerSettings, name: &str) -> Result<Connection, BrokerError> {
    let password = match &settings.password_file {
        None => String::new(),
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|source| BrokerError::Password { source })?;
            text.lines().next().unwrap_or_default().trim_end().to_owned()
        }
    };
    let (scheme, trusted) = if settings.tls {
        (AMQPScheme::AMQPS, Some(authorities(settings).map_err(|source| BrokerError::Authorities { source })?))
    } else {
        (AMQPScheme::AMQP, None)
    };
    let uri = AMQPUri {
        scheme,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: settings.user.clone(), password },
            host: settings.host.clone(),
            port: settings.port,
        },
        vhost: settings.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(settings.heartbeat_s), ..AMQPQueryString::default() },
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let tls = OwnedTLSConfig { identity: None, cert_chain: trusted };
    let runtime = default_runtime().map_err(|source| BrokerError::Client { what: CONNECT, source })?;
    answered(CONNECT, Connection::connect_uri_with_config(uri, properties, tls, runtime)).await
}

/// Whom the broker's certificate may be signed by, PEM.
fn authorities(settings: &BrokerSettings) -> io::Result<String> {
    let (mut all, mut missing) = (String::new(), None);
    for path in &settings.authorities {
        match fs::read_to_string(path) {
            Ok(text) => all.push_str(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(missing) if all.is_empty() => Err(missing),
        _ => Ok(all),
    }
}

async fn answered<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
        Ok(answer) => answer.map_err(|source| BrokerError::Client { what, source }),
        Err(_) => Err(silent()),
    }
}

fn silent() -> BrokerError {
    BrokerError::Silent { seconds: ANSWER_DEADLINE.as_secs() }
}

fn reconnect_waits() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(RECONNECT_AFTER)
        .with_max_delay(RECONNECT_AT_MOST)
        .with_jitter()
        .without_max_times()
        .build()
}
