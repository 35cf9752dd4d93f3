//! The broker, as a whole fleet uses it: a few connections, a channel for each till.
//!
//! A till that comes before its queues are made has its channel closed by the broker, and the
//! client (lapin 4.12) never gives the number of such a channel out again: once the numbers come
//! round, after 2,047 channels, opening it fails with the old error and takes one more place of
//! the connection's, until there is none. So a connection that refuses a channel is left to the
//! tills that have theirs, and another one takes its place.

use crate::amqp;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::queue::{EXCHANGE, REPORTS_QUEUE};
use tillway_proto::{ControlQueue, DictionaryQueue, MessageHead, TillId};
use tokio::sync::Mutex;

/// From the first byte to a connection; the machine is busy.
const CONNECT_TIME: Duration = Duration::from_mins(1);

/// A confirm that takes longer never comes.
const CONFIRM_TIME: Duration = Duration::from_secs(30);

/// Messages taken at a time, as the agent does.
const PREFETCH: u16 = 1;

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

    /// A channel for a till: on another connection where its own has none to give.
    async fn channel(&self, number: usize) -> Result<(Arc<Link>, Channel), LinkError> {
        let link = self.of(number).await?;
        if let Ok(channel) = link.connection.create_channel().await {
            return Ok((link, channel));
        }
        self.replace(number, &link).await;
        let link = self.of(number).await?;
        let channel = link.connection.create_channel().await.map_err(LinkError::Broker)?;
        Ok((link, channel))
    }

    /// The next till opens another connection; those that have a channel on this one keep it.
    async fn replace(&self, number: usize, used_up: &Arc<Link>) {
        let mut link = self.links[number % self.links.len()].lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, used_up)) {
            *link = None;
        }
    }

    /// Consumes the queues of a till on a channel of its own. An error where they are not there
    /// (yet).
    pub(super) async fn subscribe(&self, number: usize, till: &TillId) -> Result<Session, LinkError> {
        let (link, channel) = self.channel(number).await?;
        let queues =
            [DictionaryQueue::of(&till.clone().into()).to_string(), ControlQueue::of(&till.clone().into()).to_string()];
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
    pub(super) async fn publish(&self, head: &MessageHead, report: &[u8]) -> Result<(), LinkError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = amqp::properties(head);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Broker;

    /// More than a connection has numbers of channels.
    const TRIES: usize = 2_100;

    #[test]
    fn tills_that_come_before_their_queues_again_and_again_get_a_channel_when_they_are_there() {
        let vhost = Broker::shared().unwrap().virtual_host().unwrap();
        let (user, password) = (vhost.user.clone(), vhost.password.clone());
        let address = Address { port: Broker::shared().unwrap().port, vhost: vhost.name.clone(), user, password };
        let links = Links::new(address, 1);
        let till: TillId = "_cash_1_00ab34ef".parse().unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            for _ in 0..TRIES {
                let error = links.subscribe(0, &till).await.unwrap_err();
                assert!(matches!(&error, LinkError::Broker(error) if error.is_amqp_soft_error()), "{error:?}");
            }
            let link = links.of(0).await.unwrap();
            for queue in [
                DictionaryQueue::of(&till.clone().into()).to_string(),
                ControlQueue::of(&till.clone().into()).to_string(),
            ] {
                let declared = link.publisher.queue_declare(
                    queue.as_str().into(),
                    QueueDeclareOptions::default(),
                    FieldTable::default(),
                );
                declared.await.unwrap();
            }
            links.subscribe(0, &till).await.unwrap().close().await;
        });
    }
}
