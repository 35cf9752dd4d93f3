//! The broker as a bare client uses it: what the exchange and the memory of daemons are compared
//! with.

use super::MeasureError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde::{Deserialize, Serialize};
use tillway_proto::queue::{DICTIONARY_MAX_LENGTH, EXCHANGE};
use tillway_tests::bench::TestBench;

/// `delivery-mode` of a persistent message.
const PERSISTENT: u8 = 2;

/// Declarations under way on one channel.
const DECLARATIONS: usize = 32;

/// Where the broker is, and as whom it is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    port: u16,
    vhost: String,
    user: String,
    password: String,
}

impl Address {
    /// The server's user at the broker of a bench.
    pub fn of(bench: &TestBench) -> Result<Self, MeasureError> {
        let port = bench.node().map_err(MeasureError::Bench)?.port;
        let vhost = bench.vhost();
        let (vhost, user, password) = (vhost.name.clone(), vhost.user.clone(), vhost.password.clone());
        Ok(Self { port, vhost, user, password })
    }

    /// A connection; its heartbeats are off, since nobody answers them between two measurements.
    pub async fn connect(&self) -> Result<Connection, MeasureError> {
        let uri = AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: self.user.clone(), password: self.password.clone() },
                host: "127.0.0.1".to_owned(),
                port: self.port,
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(0), ..AMQPQueryString::default() },
        };
        Connection::connect_uri(uri, ConnectionProperties::default()).await.map_err(failed)
    }
}

/// Of the bare client.
pub fn failed(error: lapin::Error) -> MeasureError {
    MeasureError::wrong("the bare client of the broker", error)
}

/// A channel that publishes with confirms to the exchange of tills.
pub async fn publisher(connection: &Connection) -> Result<Channel, MeasureError> {
    let channel = connection.create_channel().await.map_err(failed)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(failed)?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let table = FieldTable::default();
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, table).await.map_err(failed)?;
    Ok(channel)
}

/// Makes queues as the server makes those for links, and binds them.
pub async fn declare(channel: &Channel, queues: &[String]) -> Result<(), MeasureError> {
    let one = async |queue: &String| {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut table = FieldTable::default();
        table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        table.insert("x-max-length".into(), AMQPValue::LongInt(DICTIONARY_MAX_LENGTH));
        table.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        let name = queue.as_str();
        channel.queue_declare(name.into(), options, table).await?;
        let binding = QueueBindOptions::default();
        channel.queue_bind(name.into(), EXCHANGE.into(), name.into(), binding, FieldTable::default()).await
    };
    stream::iter(queues).map(one).buffer_unordered(DECLARATIONS).try_collect::<Vec<()>>().await.map_err(failed)?;
    Ok(())
}

/// Consumes a queue, one message at a time.
pub async fn consume(connection: &Connection, queue: &str) -> Result<Consumer, MeasureError> {
    let channel = connection.create_channel().await.map_err(failed)?;
    channel.basic_qos(1, BasicQosOptions::default()).await.map_err(failed)?;
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.map_err(failed)
}

/// Publishes a persistent message as the server does, and waits for its confirm.
pub async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> Result<(), MeasureError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type("application/json".into());
    let sent = channel.basic_publish(EXCHANGE.into(), queue.into(), options, body, properties).await.map_err(failed)?;
    match sent.await.map_err(failed)? {
        Confirmation::Ack(None) => Ok(()),
        _ => Err(MeasureError::wrong(queue, "the broker did not take a message")),
    }
}

/// Publishes one message to each queue, so many under way at a time.
pub async fn publish_all(
    channel: &Channel,
    queues: &[String],
    body: &[u8],
    under_way: usize,
) -> Result<(), MeasureError> {
    let sent = stream::iter(queues).map(|queue| publish(channel, queue, body)).buffer_unordered(under_way);
    sent.try_collect::<Vec<()>>().await.map(drop)
}

/// A runtime of one thread: with more, a call that waits for its answer wakes another thread each
/// time and is slower.
pub fn runtime() -> Result<tokio::runtime::Runtime, MeasureError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MeasureError::File)
}
