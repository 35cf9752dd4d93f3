//! The link to RabbitMQ: a supervisor that connects, declares, consumes reports, and begins anew when anything breaks.
//!
//! Liveness means *consuming*: only a session whose consumer of reports runs counts as up. Publishing and consuming have
//! a channel each, [`queues`] a third, so that a refused declaration (it closes its channel) stops nothing else. Any other
//! error of a session ends it whole; the next one declares everything again and pokes the reconciler.
//!
//! Control queues refuse what does not fit (`reject-publish`) rather than dropping the oldest: the server then knows that a
//! command did not reach the till, keeps it in its own table and tries again until its deadline. Links are the
//! opposite: the newest replaces the older (`drop-head` at length one), and reports may lose their oldest.

mod queues;

use super::reports::Reports;
use super::told;
use crate::settings::BrokerSettings;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use fs_err as fs;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use queues::Queues;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tillway_proto::queue::{CONTROL_MAX_LENGTH, DICTIONARY_MAX_LENGTH, EXCHANGE, REPORTS_MAX_LENGTH, REPORTS_QUEUE};
use tillway_proto::{ControlQueue, DictionaryQueue, TillId};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// A broker that does not answer a connection, a declaration or a confirm within this time is taken for lost. Quorum
/// queues confirm within milliseconds; a new leader takes seconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// First wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Longest wait before connecting again: short, since a chain waits for its prices.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(20);

/// A session that held this long ends the row of failures.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// Reports that the broker hands over before the first is acknowledged.
const REPORTS_PREFETCH: u16 = 500;

/// Reports written in one transaction.
const MAX_REPORTS_BATCH: usize = 200;

/// `delivery-mode` of a persistent message.
const PERSISTENT: u8 = 2;

/// Why a message is not with the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no session now.
    #[error("there is no connection to the broker")]
    Down,
    /// The broker did not answer.
    #[error("the broker did not answer within {} s", ANSWER_DEADLINE.as_secs())]
    Silent,
    /// The broker refused the message: its queue is full.
    #[error("the broker refused the message for {queue}: the queue is full")]
    Full {
        /// The queue.
        queue: String,
    },
    /// The queue is missing, and declaring it did not help.
    #[error("the broker has no queue {queue}")]
    NoQueue {
        /// The queue.
        queue: String,
    },
    /// The broker refuses one till's queue; all others work.
    #[error(
        "the broker refuses the queue {queue}; if it was made with other arguments, delete it (`rabbitmqctl \
         delete_queue {queue}`), and the server makes it anew"
    )]
    Refused {
        /// The queue.
        queue: String,
        /// What the broker says.
        #[source]
        source: lapin::Error,
    },
    /// The file with the password.
    #[error("failed to read the broker's password")]
    Password(#[source] io::Error),
    /// The client or the broker reported an error.
    #[error("failed to {what} at the broker")]
    Client {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        #[source]
        source: lapin::Error,
    },
    /// The consumer of reports ended.
    #[error("the broker ended the consumer of reports")]
    ConsumerEnded,
    /// A report could not be written to the database.
    #[error("failed to write reports of tills")]
    Reports(#[source] super::ExchangeError),
}

/// How the link stands, for the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// Whether reports are consumed; nothing less counts as up.
    pub consuming: bool,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Why the last try failed, where it is not up.
    pub trouble: Option<String>,
}

/// Which of a till's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Links to packages.
    Dictionary,
    /// All other commands.
    Control,
}

impl Lane {
    fn queue(self, till: &TillId) -> String {
        match self {
            Self::Dictionary => DictionaryQueue::of(till).to_string(),
            Self::Control => ControlQueue::of(till).to_string(),
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
    poke: Arc<Notify>,
    state: watch::Sender<BrokerState>,
    session: Mutex<Option<Arc<Session>>>,
}

struct Session {
    publishing: Channel,
    queues: Queues,
    /// Cancelled by whoever meets an error that ends the session.
    broken: CancellationToken,
}

impl Broker {
    /// Not connected yet; [`Broker::run`] does that. `poke` is notified whenever a session comes up.
    pub fn new(settings: BrokerSettings, poke: Arc<Notify>) -> Self {
        let state = BrokerState { consuming: false, since: Timestamp::now(), trouble: None };
        let inner = Inner { settings, poke, state: watch::Sender::new(state), session: Mutex::new(None) };
        Self { inner: Arc::new(inner) }
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
        self.session().is_some()
    }

    /// Keeps the link until `shutdown`; never gives up.
    pub async fn run(&self, reports: Reports, shutdown: CancellationToken) {
        let mut waits = reconnect_waits();
        let mut tries = 0_u32;
        while !shutdown.is_cancelled() {
            let began = tokio::time::Instant::now();
            let ended = tokio::select! {
                ended = self.session_until_broken(&reports) => ended,
                () = shutdown.cancelled() => break,
            };
            *self.lock_session() = None;
            if began.elapsed() >= STABLE_AFTER {
                (waits, tries) = (reconnect_waits(), 0);
            }
            tries = tries.saturating_add(1);
            let reason = ended.err().map(|error| told(&error));
            tracing::warn!(
                broker = %self.address(), tries, reason = reason.as_deref().unwrap_or("the session ended"),
                "no link to the broker; connecting again"
            );
            self.set_state(false, reason);
            let wait = waits.next().unwrap_or(RECONNECT_AT_MOST);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
        *self.lock_session() = None;
        self.set_state(false, Some("the server stops".to_owned()));
    }

    /// Makes the queues of tills that this session has not made yet. Idempotent at the broker. Gives the tills whose
    /// queues the broker refuses, and why: nothing can be sent to them.
    pub async fn declare(&self, tills: Vec<TillId>) -> Result<HashMap<TillId, String>, BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        session.queues.declare(tills).await.inspect_err(|_| session.broken.cancel())
    }

    /// Removes the queues of a till that is no more; what this session has removed is not asked for again.
    pub async fn remove(&self, till: &TillId) -> Result<(), BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        let removed = session.queues.remove(till).await;
        removed.inspect_err(|error| {
            if !matches!(error, BrokerError::Refused { .. }) {
                session.broken.cancel();
            }
        })
    }

    /// Those of `tills` whose queues this session has not removed.
    pub fn not_removed(&self, tills: Vec<TillId>) -> Vec<TillId> {
        self.session().map(|session| session.queues.not_removed(tills)).unwrap_or_default()
    }

    /// Publishes one persistent message and waits until the broker confirmed it.
    pub async fn publish(&self, till: &TillId, lane: Lane, body: &[u8]) -> Result<(), BrokerError> {
        let session = self.session().ok_or(BrokerError::Down)?;
        let queue = lane.queue(till);
        for again in [false, true] {
            let confirmation = session.publish(&queue, body).await.inspect_err(|_| session.broken.cancel())?;
            match confirmation {
                Confirmation::Ack(None) | Confirmation::NotRequested => return Ok(()),
                Confirmation::Nack(None) => return Err(BrokerError::Full { queue }),
                // Returned: nobody is bound. Somebody removed the queue, or the broker lost it.
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) if !again => {
                    tracing::warn!(%till, queue, "the queue is missing; declaring it again");
                    session.queues.lost(till);
                    self.declare(vec![till.clone()]).await?;
                }
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {}
            }
        }
        Err(BrokerError::NoQueue { queue })
    }

    async fn session_until_broken(&self, reports: &Reports) -> Result<(), BrokerError> {
        let connection = Arc::new(self.connect().await?);
        let channel = || answered("open a channel", connection.create_channel());
        let (publishing, declaring, consuming) = (channel().await?, channel().await?, channel().await?);
        let confirms = publishing.confirm_select(ConfirmSelectOptions::default());
        answered("ask for confirms", confirms).await?;
        declare_shared(&declaring).await?;
        answered("limit the prefetch", consuming.basic_qos(REPORTS_PREFETCH, BasicQosOptions::default())).await?;
        let consumer = consuming.basic_consume(
            REPORTS_QUEUE.into(),
            "cash-server".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = answered("consume reports", consumer).await?;
        let broken = CancellationToken::new();
        let queues = Queues::new(Arc::clone(&connection), declaring);
        let session = Session { publishing, queues, broken: broken.clone() };
        *self.lock_session() = Some(Arc::new(session));
        self.set_state(true, None);
        tracing::info!(broker = %self.address(), "linked to the broker, consuming reports");
        self.inner.poke.notify_one();
        let ended = tokio::select! {
            ended = consume(consumer, reports) => ended,
            () = broken.cancelled() => Ok(()),
        };
        *self.lock_session() = None;
        // The broker may be gone; closing is a courtesy with a deadline.
        let _ = tokio::time::timeout(ANSWER_DEADLINE, connection.close(200, "beginning anew".into())).await;
        ended
    }

    async fn connect(&self) -> Result<Connection, BrokerError> {
        let settings = &self.inner.settings;
        let password = match &settings.password_file {
            None => String::new(),
            Some(file) => {
                let text = fs::read_to_string(file).map_err(BrokerError::Password)?;
                text.lines().next().unwrap_or_default().trim_end().to_owned()
            }
        };
        let uri = AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: settings.user.clone(), password },
                host: settings.host.clone(),
                port: settings.port,
            },
            vhost: settings.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(settings.heartbeat_s), ..AMQPQueryString::default() },
        };
        let properties = ConnectionProperties::default().with_connection_name("tillway cash-server".into());
        answered("connect", Connection::connect_uri(uri, properties)).await
    }

    fn set_state(&self, consuming: bool, trouble: Option<String>) {
        self.inner.state.send_modify(|state| {
            // Since when it is down, not since the last try.
            let since = if state.consuming == consuming { state.since } else { Timestamp::now() };
            *state = BrokerState { consuming, since, trouble };
        });
    }

    fn address(&self) -> String {
        format!("{}:{}{}", self.inner.settings.host, self.inner.settings.port, self.inner.settings.vhost)
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.lock_session().as_ref().filter(|session| !session.broken.is_cancelled()).map(Arc::clone)
    }

    fn lock_session(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.inner.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    async fn publish(&self, queue: &str, body: &[u8]) -> Result<Confirmation, BrokerError> {
        let what = "publish";
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties =
            BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type("application/json".into());
        let sent = self.publishing.basic_publish(EXCHANGE.into(), queue.into(), options, body, properties);
        // A confirm that is under way when the link breaks never comes, so it has a deadline of its own.
        let confirm = answered(what, sent).await?;
        answered(what, confirm).await
    }
}

async fn consume(mut consumer: lapin::Consumer, reports: &Reports) -> Result<(), BrokerError> {
    let failed = |source| BrokerError::Client { what: "consume reports", source };
    while let Some(first) = consumer.next().await {
        let mut batch = vec![first.map_err(failed)?];
        while batch.len() < MAX_REPORTS_BATCH {
            match consumer.next().now_or_never() {
                Some(Some(more)) => batch.push(more.map_err(failed)?),
                Some(None) | None => break,
            }
        }
        let bodies = batch.iter_mut().map(|delivery| std::mem::take(&mut delivery.data)).collect();
        reports.take(bodies).await.map_err(BrokerError::Reports)?;
        if let Some(last) = batch.last() {
            let ack = last.acker.ack(BasicAckOptions { multiple: true });
            answered("acknowledge reports", ack).await?;
        }
    }
    Err(BrokerError::ConsumerEnded)
}

async fn declare_shared(channel: &Channel) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, options, FieldTable::default());
    answered("declare the exchange", exchange).await?;
    declare_queue(channel, REPORTS_QUEUE, arguments(REPORTS_MAX_LENGTH, "drop-head")).await?;
    bind_queue(channel, REPORTS_QUEUE).await
}

async fn declare_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    answered("declare a queue", channel.queue_declare(name.into(), options, arguments)).await.map(|_| ())
}

async fn bind_queue(channel: &Channel, name: &str) -> Result<(), BrokerError> {
    let binding = channel.queue_bind(
        name.into(),
        EXCHANGE.into(),
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

async fn answered<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
        Ok(answer) => answer.map_err(|source| BrokerError::Client { what, source }),
        Err(_) => Err(BrokerError::Silent),
    }
}

fn reconnect_waits() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(RECONNECT_AFTER)
        .with_max_delay(RECONNECT_AT_MOST)
        .with_jitter()
        .without_max_times()
        .build()
}
