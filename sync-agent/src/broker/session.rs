//! One connection to the broker, from its first byte to the first thing that breaks.

use super::message::{head_of, properties};
use super::{Broker, Link, hold};
use crate::commands::From;
use crate::error::blocking;
use crate::outbox::Waiting;
use crate::settings::{BrokerSettings, Settings, Trust};
use amq_protocol_tcp::OwnedTLSConfig;
use fs_err as fs;
use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::runtime::default_runtime;
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::consumer::{ConsumerDefect, ConsumerProgress, ConsumerWatch, LIVENESS_PERIOD, QueueLook};
use tillway_proto::queue::{EXCHANGE, REPORTS_EXCHANGE, REPORTS_QUEUE};
use tillway_proto::{ControlQueue, DictionaryQueue, PeerId};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// From the first byte to both consumers.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(20);

/// A confirm that takes longer never comes (a broker killed in between).
const CONFIRM_TIME: Duration = Duration::from_secs(15);

/// How long it may take the broker to answer whether we consume.
const LIVENESS_TIME: Duration = Duration::from_secs(15);

/// So many checks in a row that find another consumer mean a second agent: a copy of the till's
/// settings or folder.
const SHARED_CHECKS: u32 = 5;

/// While the broker blocks publishers (alarms of memory or disk) or the reports queue is missing.
const BLOCKED_WAIT: Duration = Duration::from_secs(2);

/// A goodbye that nobody answers.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Messages taken at a time: a link is worked on alone, so that a newer one can take the place of
/// the one that waits.
const PREFETCH: u16 = 1;

/// A message worked on for longer is acknowledged before its end: RabbitMQ ends a consumer that
/// holds one for 30 minutes, and with it a download over a slow line. If the agent dies after
/// that, the server announces again when nothing is heard.
const HOLD_TIME: Duration = Duration::from_mins(20);

/// What was to be done where no session came about.
pub(super) const CONNECT: &str = "connect to the broker";

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("failed to read the broker's password; it stands in the first line of the file")]
    Password(#[source] io::Error),
    #[error("failed to read who signs the broker's certificate")]
    Authority(#[source] io::Error),
    #[error(
        "TLS with the broker is asked for, and this till trusts no authority yet: put the server's tls/authority.pem into \
         trust/authorities.pem of the data folder, or name a file in dept.broker.cacertpath"
    )]
    NoAuthority,
    #[error("no session with the broker {host}:{port} within {CONNECT_TIME:?}")]
    ConnectTime { host: String, port: u16 },
    #[error("failed to {action}")]
    Broker {
        action: &'static str,
        #[source]
        source: lapin::Error,
    },
    #[error("queue {queue} is not there")]
    QueueMissing { queue: String },
    #[error("the broker ended the consumer of {queue}")]
    ConsumerEnded { queue: String },
    #[error("queue {queue} is not consumed any more")]
    Consumer {
        queue: String,
        #[source]
        source: ConsumerDefect,
    },
    #[error("the broker did not {what} within {after:?}")]
    Silent { what: &'static str, after: Duration },
}

fn broken(action: &'static str) -> impl FnOnce(lapin::Error) -> SessionError {
    move |source| SessionError::Broker { action, source }
}

/// Ends when the settings of the broker are other ones than `known`.
pub(super) async fn broker_changed(settings: &mut watch::Receiver<Arc<Settings>>, known: &BrokerSettings) {
    loop {
        if settings.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if settings.borrow_and_update().broker != *known {
            return;
        }
    }
}

/// Connects, consumes and publishes until something breaks. Says in `consuming_since` when it came
/// to consuming.
pub(super) async fn run(
    of: &Broker,
    broker: &BrokerSettings,
    consuming_since: &mut Option<Instant>,
) -> Result<Infallible, SessionError> {
    let trust = of.settings.current().trust.clone();
    let timed_out = |_| SessionError::ConnectTime { host: broker.host.clone(), port: broker.port };
    let session =
        tokio::time::timeout(CONNECT_TIME, Session::open(&of.id, broker, &trust)).await.map_err(timed_out)??;
    *consuming_since = Some(Instant::now());
    of.link.send_replace(Link::Consuming { since: Timestamp::now() });
    tracing::info!(host = broker.host, port = broker.port, "connected to the broker, consuming");
    let Session { connection, dictionary, control, publisher } = session;
    let (of_dictionary, of_control) = (ConsumerProgress::default(), ConsumerProgress::default());
    let (_, control_queue) = queues(&of.id);
    let ended = tokio::select! {
        ended = consume(of, From::Dictionary, dictionary, &of_dictionary) => ended,
        ended = consume(of, From::Control, control, &of_control) => ended,
        ended = publish(of, &connection, &publisher) => ended,
        ended = watch_dictionary(of, &connection, &of_dictionary) => ended,
        ended = watch(&connection, &control_queue, &of_control, |_| ()) => ended,
    };
    // Best effort: the connection may be the very thing that broke.
    let _ = tokio::time::timeout(CLOSE_TIME, connection.close(200, "session ended".into())).await;
    ended
}

struct Session {
    connection: Connection,
    dictionary: Consumer,
    control: Consumer,
    publisher: Publisher,
}

/// Where reports go.
struct Publisher {
    channel: Channel,
    exchange: &'static str,
}

impl Session {
    async fn open(peer: &PeerId, broker: &BrokerSettings, trust: &Trust) -> Result<Self, SessionError> {
        let (connection, exchange) = connect(peer, broker, trust).await?;
        let (dictionary, control) = queues(peer);
        for queue in [&dictionary, &control] {
            check_queue(&connection, queue).await?;
        }
        let channel = connection.create_channel().await.map_err(broken("open a channel"))?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken("ask for confirms"))?;
        let publisher = Publisher { channel, exchange };
        let dictionary = consumer(&connection, &dictionary).await?;
        let control = consumer(&connection, &control).await?;
        Ok(Self { connection, dictionary, control, publisher })
    }
}

/// A connection as this peer, which is not used for anything yet, and the exchange that its
/// reports go to: a login of the peer's own may write to that of reports alone, and one that
/// people made may not know it.
pub(super) async fn connect(
    peer: &PeerId,
    broker: &BrokerSettings,
    trust: &Trust,
) -> Result<(Connection, &'static str), SessionError> {
    let (password, exchange) = match (read_password(broker), &broker.own_password) {
        (Ok(password), _) => (password, EXCHANGE),
        (Err(error), Some(own)) if error.kind() == io::ErrorKind::NotFound => {
            (own.as_str().to_owned(), REPORTS_EXCHANGE)
        }
        (Err(error), _) => return Err(SessionError::Password(error)),
    };
    let trusted = match &broker.authority {
        _ if !broker.tls => None,
        Some(path) => Some(fs::read_to_string(path).map_err(SessionError::Authority)?),
        None if trust.is_some() => Some(trust.pem().to_owned()),
        None => return Err(SessionError::NoAuthority),
    };
    let scheme = if trusted.is_some() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
    let heartbeat = u16::try_from(broker.heartbeat.as_secs()).unwrap_or(u16::MAX);
    let uri = AMQPUri {
        scheme,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: broker.user.clone(), password },
            host: broker.host.clone(),
            port: broker.port,
        },
        vhost: broker.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(heartbeat), ..AMQPQueryString::default() },
    };
    let properties = ConnectionProperties::default().with_connection_name(peer.as_str().into());
    let tls = OwnedTLSConfig { identity: None, cert_chain: trusted };
    let runtime = default_runtime().map_err(broken(CONNECT))?;
    let connection =
        Connection::connect_uri_with_config(uri, properties, tls, runtime).await.map_err(broken(CONNECT))?;
    Ok((connection, exchange))
}

fn queues(peer: &PeerId) -> (String, String) {
    (DictionaryQueue::of(peer).to_string(), ControlQueue::of(peer).to_string())
}

fn read_password(broker: &BrokerSettings) -> io::Result<String> {
    let text = fs::read_to_string(&broker.password_file)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// On a channel of its own, since the broker closes the channel where the queue is missing.
pub(super) async fn check_queue(connection: &Connection, queue: &str) -> Result<QueueLook, SessionError> {
    let channel = connection.create_channel().await.map_err(broken("open a channel"))?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    let found = found.map_err(|source| {
        let missing = source.is_amqp_soft_error() && source.to_string().contains("NOT-FOUND")
            || source.to_string().contains("NOT_FOUND");
        if missing {
            SessionError::QueueMissing { queue: queue.to_owned() }
        } else {
            SessionError::Broker { action: "check a queue", source }
        }
    })?;
    channel.close(200, "checked".into()).await.map_err(broken("close a channel"))?;
    Ok(QueueLook { consumers: found.consumer_count(), messages: found.message_count() })
}

async fn consumer(connection: &Connection, queue: &str) -> Result<Consumer, SessionError> {
    let channel = connection.create_channel().await.map_err(broken("open a channel"))?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(broken("set the prefetch"))?;
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .map_err(broken("consume a queue"))
}

async fn consume(
    of: &Broker,
    from: From,
    consumer: Consumer,
    progress: &ConsumerProgress,
) -> Result<Infallible, SessionError> {
    let hold = match from {
        From::Dictionary => HOLD_TIME,
        // Commands are handed on at once, and each of them counts.
        From::Control | From::Aside => Duration::MAX,
    };
    hold::consume(&mut Consuming { consumer, progress }, hold, |message: &Delivery| {
        let checked = of.codes.check(&head_of(&message.properties), &message.data);
        let (commands, message) = (Arc::clone(&of.commands), message.data.clone());
        async move {
            // What has no right code is acknowledged like the rest, and that is all.
            if checked.is_ok() {
                commands.take(from, &message).await;
            }
        }
    })
    .await
}

struct Consuming<'a> {
    consumer: Consumer,
    progress: &'a ConsumerProgress,
}

impl hold::Messages for Consuming<'_> {
    type Message = Delivery;
    type Error = SessionError;

    async fn next(&mut self) -> Result<Delivery, SessionError> {
        match self.progress.wait(self.consumer.next()).await {
            Some(message) => message.map_err(broken("take a message")),
            None => Err(SessionError::ConsumerEnded { queue: self.consumer.queue().to_string() }),
        }
    }

    async fn acknowledge(&self, message: &Delivery) -> Result<(), SessionError> {
        fail::fail_point!("session::worked");
        message.acker.ack(BasicAckOptions::default()).await.map_err(broken("acknowledge a message"))?;
        fail::fail_point!("session::acknowledged");
        Ok(())
    }
}

async fn publish(of: &Broker, connection: &Connection, publisher: &Publisher) -> Result<Infallible, SessionError> {
    loop {
        let reports = &of.teller.reports;
        let waiting = reports.next().await;
        if connection.status().blocked() || !publish_one(of, connection, publisher, &waiting).await? {
            tokio::time::sleep(BLOCKED_WAIT).await;
            continue;
        }
        reports.done(&waiting);
        let state = of.state.clone();
        if let Ok(Err(error)) = blocking(move || state.note_contact()).await {
            tracing::warn!(%error, "failed to note the contact");
        }
    }
}

/// Whether the broker has the report now; `false`: not at present.
async fn publish_one(
    of: &Broker,
    connection: &Connection,
    Publisher { channel, exchange }: &Publisher,
    waiting: &Waiting,
) -> Result<bool, SessionError> {
    let bytes = match waiting.reported.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "a report cannot be written and is dropped");
            of.teller.reports.done(waiting);
            return Ok(true);
        }
    };
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let head = of.codes.head(waiting.reported.report.kind(), &Uuid::now_v7().to_string(), &bytes);
    let properties = properties(&head);
    let sent = channel.basic_publish((*exchange).into(), REPORTS_QUEUE.into(), options, &bytes, properties);
    let confirmed = async { sent.await?.await };
    match tokio::time::timeout(CONFIRM_TIME, confirmed).await {
        // Not routed: the server has not declared its queue yet.
        Ok(Ok(Confirmation::Ack(returned))) => Ok(returned.is_none()),
        Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Ok(false),
        Ok(Err(source)) => Err(SessionError::Broker { action: "publish a report", source }),
        Err(_) if connection.status().blocked() => Ok(false),
        Err(_) => Err(SessionError::Silent { what: "confirm a report", after: CONFIRM_TIME }),
    }
}

/// Watches over the consumer of the dictionary queue, and finds another agent beside it.
async fn watch_dictionary(
    of: &Broker,
    connection: &Connection,
    progress: &ConsumerProgress,
) -> Result<Infallible, SessionError> {
    let (queue, _) = queues(&of.id);
    let mut shared = 0;
    let look_for_others = |look: QueueLook| {
        // A dead session of our own is counted until its heartbeats are missed.
        shared = if look.consumers > 1 { shared + 1 } else { 0 };
        if shared == SHARED_CHECKS {
            tracing::error!(till = %of.id, "another agent takes messages of this till too: one of the two has a copy of its settings or its folder; stop it");
            of.teller.errors.add();
        }
    };
    watch(connection, &queue, progress, look_for_others).await
}

/// Asks the broker on a period whether we consume a queue: a consumer can die without a word, or
/// be given nothing any more.
async fn watch(
    connection: &Connection,
    queue: &str,
    progress: &ConsumerProgress,
    mut seen: impl FnMut(QueueLook),
) -> Result<Infallible, SessionError> {
    let (mut watch, mut wait) = (ConsumerWatch::default(), LIVENESS_PERIOD);
    loop {
        tokio::time::sleep(wait).await;
        let check = tokio::time::timeout(LIVENESS_TIME, check_queue(connection, queue)).await;
        let look = check.map_err(|_| SessionError::Silent { what: "answer", after: LIVENESS_TIME })??;
        seen(look);
        let again = watch.look(look, progress);
        wait = again.map_err(|source| SessionError::Consumer { queue: queue.to_owned(), source })?;
    }
}
