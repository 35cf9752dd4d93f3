//! The consuming side: one connection, a consumer of reports, and a look on a period whether the
//! broker still knows it.
//!
//! A queue of reports that somebody else made with other arguments is consumed as it is: what
//! peers say matters more than how long their queue may get. The page then says what to do about
//! it.

use super::message::head_of;
use super::publishing::{declare_exchange, declare_exchange_on};
use super::queues::named;
use super::{ANSWER_DEADLINE, Broker, BrokerError, Reports, Side, answered, arguments, bind_queue, declare_queue};
use crate::exchange::reports::Received;
use crate::words::Reason;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tillway_proto::consumer::{ConsumerProgress, ConsumerWatch, LIVENESS_PERIOD, QueueLook};
use tillway_proto::queue::{EXCHANGE, REPORTS_EXCHANGE, REPORTS_MAX_LENGTH, REPORTS_QUEUE};

/// Reports that the broker hands over before the first is acknowledged.
const REPORTS_PREFETCH: u16 = 500;

/// Reports written in one transaction.
const MAX_REPORTS_BATCH: usize = 200;

impl Broker {
    pub(super) async fn consume_until_broken(&self, reports: &Reports) -> Result<(), BrokerError> {
        let connection = self.connect(Side::Consuming).await?;
        let ended = self.consume_on(&connection, reports).await;
        // The broker may be gone; closing is a courtesy with a deadline.
        let _ = tokio::time::timeout(ANSWER_DEADLINE, connection.close(200, "beginning anew".into())).await;
        ended
    }

    async fn consume_on(&self, connection: &Connection, reports: &Reports) -> Result<(), BrokerError> {
        let (consuming, foreign) = declare_reports(connection).await?;
        if let Some(reason) = &foreign {
            let reason = crate::words::in_english(reason);
            tracing::warn!(reason, "the queue of reports was made by somebody else; it is consumed as it is");
        }
        self.set_foreign_queue(foreign);
        answered("limit the prefetch", consuming.basic_qos(REPORTS_PREFETCH, BasicQosOptions::default())).await?;
        let consumer = consuming.basic_consume(
            REPORTS_QUEUE.into(),
            "cash-server".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = answered("consume reports", consumer).await?;
        let looking = answered("open a channel", connection.create_channel()).await?;
        self.set_side(Side::Consuming, true, None);
        tracing::info!(broker = %self.address(), "linked to the broker, consuming reports");
        let progress = ConsumerProgress::default();
        tokio::select! {
            ended = consume(consumer, reports, &progress) => ended,
            ended = look_after(&looking, &progress) => ended,
            ended = self.keep_mark(connection) => ended,
        }
    }
}

/// Makes the queue of reports, or takes it as it is, with what the broker says of it.
async fn declare_reports(connection: &Connection) -> Result<(Channel, Option<Reason>), BrokerError> {
    let channel = declare_exchange_on(connection).await?;
    let declared = declare_queue(&channel, REPORTS_QUEUE, arguments(REPORTS_MAX_LENGTH, "drop-head")).await;
    let (channel, foreign) = match declared.map_err(|error| named(error, REPORTS_QUEUE.to_owned())) {
        Ok(()) => (channel, None),
        // The refusal closed the channel.
        Err(refused @ BrokerError::Refused { .. }) => {
            let channel = answered("open a channel", connection.create_channel()).await?;
            (channel, Some(Reason::of(&refused)))
        }
        Err(error) => return Err(error),
    };
    bind_queue(&channel, EXCHANGE, REPORTS_QUEUE).await?;
    declare_exchange(&channel, REPORTS_EXCHANGE).await?;
    bind_queue(&channel, REPORTS_EXCHANGE, REPORTS_QUEUE).await?;
    Ok((channel, foreign))
}

async fn consume(
    mut consumer: lapin::Consumer,
    reports: &Reports,
    progress: &ConsumerProgress,
) -> Result<(), BrokerError> {
    let failed = |source| BrokerError::Client { what: "consume reports", source };
    while let Some(first) = progress.wait(consumer.next()).await {
        let mut batch = vec![first.map_err(failed)?];
        while batch.len() < MAX_REPORTS_BATCH {
            match consumer.next().now_or_never() {
                Some(Some(more)) => batch.push(more.map_err(failed)?),
                Some(None) | None => break,
            }
        }
        let received = batch.iter_mut().map(|delivery| {
            let head = Some(head_of(&delivery.properties));
            Received { head, body: std::mem::take(&mut delivery.data) }
        });
        let received = received.collect();
        fail::fail_point!("broker::reports_received");
        reports.take(received).await.map_err(BrokerError::Reports)?;
        if let Some(last) = batch.last() {
            let ack = last.acker.ack(BasicAckOptions { multiple: true });
            answered("acknowledge reports", ack).await?;
            fail::fail_point!("broker::reports_acknowledged");
        }
    }
    Err(BrokerError::ConsumerEnded)
}

/// Ends when the broker does not know the consumer, or holds reports back from it.
async fn look_after(channel: &Channel, progress: &ConsumerProgress) -> Result<(), BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let (mut watch, mut wait) = (ConsumerWatch::default(), LIVENESS_PERIOD);
    loop {
        tokio::time::sleep(wait).await;
        let asked = channel.queue_declare(REPORTS_QUEUE.into(), passive, FieldTable::default());
        let queue = answered("ask for the consumer of reports", asked).await?;
        let look = QueueLook { consumers: queue.consumer_count(), messages: queue.message_count() };
        wait = watch.look(look, progress).map_err(BrokerError::Consumer)?;
    }
}
