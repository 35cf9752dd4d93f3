//! The broker, as a whole fleet uses it: a few connections, a channel for each till.

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::queue::{EXCHANGE, REPORTS_QUEUE};
use tillway_proto::{ControlQueue, DictionaryQueue, TillId};
use tokio::sync::Mutex;

/// From the first byte to a connection; the machine is busy.
const CONNECT_TIME: Duration = Duration::from_mins(1);

/// A confirm that takes longer never comes.
const CONFIRM_TIME: Duration = Duration::from_secs(30);

/// Messages taken at a time, as the agent does.
const PREFETCH: u16 = 1;

const PERSISTENT: u8 = 2;

/// Why the broker is not there for a till now.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("failed with the broker")]
    Broker(#[source] lapin::Error),
    #[error("the broker did not answer in time")]
    Silent(#[source] tokio::time::error::Elapsed),
    #[error("the broker did not take a report")]
    NotTaken,
    #[error("a consumer ended")]
    ConsumerEnded,
}

/// Where the broker is, and who tills are there.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) vhost: String,
    pub(super) user: String,
    pub(super) password: String,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    publisher: Channel,
}

impl Link {
    async fn open(address: &Address) -> Result<Self, LinkError> {
        let uri = AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: address.user.clone(), password: address.password.clone() },
                host: "127.0.0.1".to_owned(),
                port: address.port,
            },
            vhost: address.vhost.clone(),
            query: AMQPQueryString::default(),
        };
        let properties = ConnectionProperties::default().with_connection_name("fleet".into());
        let connection = Connection::connect_uri(uri, properties).await.map_err(LinkError::Broker)?;
        let publisher = connection.create_channel().await.map_err(LinkError::Broker)?;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.map_err(LinkError::Broker)?;
        Ok(Self { connection, publisher })
    }

    fn is_up(&self) -> bool {
        self.connection.status().connected() && self.publisher.status().connected()
    }
}

/// The connections of a fleet.
#[derive(Debug)]
pub(super) struct Links {
    address: Address,
    links: Vec<Mutex<Option<Arc<Link>>>>,
}

impl Links {
    pub(super) fn new(address: Address, connections: usize) -> Self {
        Self { address, links: (0..connections.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// The connection of a till; it is made, or made anew, where it is not up.
    async fn of(&self, number: usize) -> Result<Arc<Link>, LinkError> {
        let mut link = self.links[number % self.links.len()].lock().await;
        if let Some(open) = link.as_ref().filter(|open| open.is_up()) {
            return Ok(Arc::clone(open));
        }
        let opened =
            tokio::time::timeout(CONNECT_TIME, Link::open(&self.address)).await.map_err(LinkError::Silent)??;
        Ok(Arc::clone(link.insert(Arc::new(opened))))
    }

    /// Consumes the queues of a till on a channel of its own. An error where they are not there (yet).
    pub(super) async fn subscribe(&self, number: usize, till: &TillId) -> Result<Session, LinkError> {
        let link = self.of(number).await?;
        let channel = link.connection.create_channel().await.map_err(LinkError::Broker)?;
        let queues = [DictionaryQueue::of(till).to_string(), ControlQueue::of(till).to_string()];
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        for queue in &queues {
            let found = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
            found.map_err(LinkError::Broker)?;
        }
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(LinkError::Broker)?;
        let [dictionary, control] = queues;
        let dictionary = consumer(&channel, &dictionary).await?;
        let control = consumer(&channel, &control).await?;
        Ok(Session { link, channel, dictionary, control })
    }
}

async fn consumer(channel: &Channel, queue: &str) -> Result<Consumer, LinkError> {
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .map_err(LinkError::Broker)
}

/// A till's channel.
#[derive(Debug)]
pub(super) struct Session {
    link: Arc<Link>,
    channel: Channel,
    dictionary: Consumer,
    control: Consumer,
}

impl Session {
    /// The next message of either queue.
    pub(super) async fn next(&mut self) -> Result<Delivery, LinkError> {
        let message = tokio::select! {
            message = self.dictionary.next() => message,
            message = self.control.next() => message,
        };
        message.ok_or(LinkError::ConsumerEnded)?.map_err(LinkError::Broker)
    }

    pub(super) async fn acknowledge(&self, message: &Delivery) -> Result<(), LinkError> {
        message.acker.ack(BasicAckOptions::default()).await.map(drop).map_err(LinkError::Broker)
    }

    /// Publishes a report and waits for the confirm.
    pub(super) async fn publish(&self, report: &[u8]) -> Result<(), LinkError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties =
            BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type("application/json".into());
        let sent =
            self.link.publisher.basic_publish(EXCHANGE.into(), REPORTS_QUEUE.into(), options, report, properties);
        let confirmed = async { sent.await?.await };
        let confirmed = tokio::time::timeout(CONFIRM_TIME, confirmed).await.map_err(LinkError::Silent)?;
        match confirmed.map_err(LinkError::Broker)? {
            lapin::Confirmation::Ack(None) => Ok(()),
            _ => Err(LinkError::NotTaken),
        }
    }

    /// Gives back everything that was not acknowledged.
    pub(super) async fn close(self) {
        let _ = self.channel.close(200, "off".into()).await;
    }
}
