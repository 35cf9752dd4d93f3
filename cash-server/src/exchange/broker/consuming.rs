//! The consuming side: one connection, a consumer of reports, and a look on a period whether the broker still knows it.
//!
//! A queue of reports that somebody else made with other arguments is consumed as it is: what tills say matters more than how
//! long their queue may get. The page then says what to do about it.

use super::publishing::declare_exchange_on;
use super::queues::named;
use super::{
    ANSWER_DEADLINE, Broker, BrokerError, Reports, Side, answered, arguments, bind_queue, declare_queue, told,
};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tillway_proto::queue::{REPORTS_MAX_LENGTH, REPORTS_QUEUE};

/// Reports that the broker hands over before the first is acknowledged.
const REPORTS_PREFETCH: u16 = 500;

/// Reports written in one transaction.
const MAX_REPORTS_BATCH: usize = 200;

/// How often the broker is asked whether it knows the consumer: a consumer that died in silence costs a minute of reports,
/// which are hints.
pub(super) const LIVENESS_PERIOD: Duration = Duration::from_secs(30);

/// A broker that counts no consumer is asked once more after this: one that is busy with thousands of queues was seen to count none
/// where there was one.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How far the consumer is.
#[derive(Default)]
struct Progress {
    batches: AtomicU64,
    /// A batch is being written: no wonder that others wait.
    working: AtomicBool,
}

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
        let progress = Progress::default();
        tokio::select! {
            ended = consume(consumer, reports, &progress) => ended,
            ended = look_after(&looking, &progress) => ended,
        }
    }
}

/// Makes the queue of reports, or takes it as it is, with what the broker says of it.
async fn declare_reports(connection: &Connection) -> Result<(Channel, Option<String>), BrokerError> {
    let channel = declare_exchange_on(connection).await?;
    let declared = declare_queue(&channel, REPORTS_QUEUE, arguments(REPORTS_MAX_LENGTH, "drop-head")).await;
    let (channel, foreign) = match declared.map_err(|error| named(error, REPORTS_QUEUE.to_owned())) {
        Ok(()) => (channel, None),
        // The refusal closed the channel.
        Err(refused @ BrokerError::Refused { .. }) => {
            let channel = answered("open a channel", connection.create_channel()).await?;
            (channel, Some(told(&refused)))
        }
        Err(error) => return Err(error),
    };
    bind_queue(&channel, REPORTS_QUEUE).await?;
    Ok((channel, foreign))
}

async fn consume(mut consumer: lapin::Consumer, reports: &Reports, progress: &Progress) -> Result<(), BrokerError> {
    let failed = |source| BrokerError::Client { what: "consume reports", source };
    while let Some(first) = consumer.next().await {
        progress.working.store(true, Ordering::Relaxed);
        let mut batch = vec![first.map_err(failed)?];
        while batch.len() < MAX_REPORTS_BATCH {
            match consumer.next().now_or_never() {
                Some(Some(more)) => batch.push(more.map_err(failed)?),
                Some(None) | None => break,
            }
        }
        let bodies = batch.iter_mut().map(|delivery| std::mem::take(&mut delivery.data)).collect();
        fail::fail_point!("broker::reports_received");
        reports.take(bodies).await.map_err(BrokerError::Reports)?;
        if let Some(last) = batch.last() {
            let ack = last.acker.ack(BasicAckOptions { multiple: true });
            answered("acknowledge reports", ack).await?;
            fail::fail_point!("broker::reports_acknowledged");
        }
        progress.batches.fetch_add(1, Ordering::Relaxed);
        progress.working.store(false, Ordering::Relaxed);
    }
    Err(BrokerError::ConsumerEnded)
}

/// Ends when the broker does not know the consumer, or holds reports back from it.
async fn look_after(channel: &Channel, progress: &Progress) -> Result<(), BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let (mut idle_at, mut gone_at, mut wait) = (None, None, LIVENESS_PERIOD);
    loop {
        tokio::time::sleep(wait).await;
        let asked = channel.queue_declare(REPORTS_QUEUE.into(), passive, FieldTable::default());
        let queue = answered("ask for the consumer of reports", asked).await?;
        let batches = progress.batches.load(Ordering::Relaxed);
        let gone = queue.consumer_count() == 0 && !progress.working.load(Ordering::Relaxed);
        if gone && gone_at == Some(batches) {
            return Err(BrokerError::ConsumerGone);
        }
        gone_at = gone.then_some(batches);
        wait = if gone { ASK_AGAIN_AFTER } else { LIVENESS_PERIOD };
        if gone {
            continue;
        }
        let waits = queue.message_count() > 0 && !progress.working.load(Ordering::Relaxed);
        if waits && idle_at == Some(batches) {
            return Err(BrokerError::ConsumerStuck);
        }
        idle_at = waits.then_some(batches);
    }
}
