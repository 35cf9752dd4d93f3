//! The publishing side: one connection, a channel for messages and one for queues.
//!
//! A broker that is short of memory or disk says so (`connection.blocked`) and reads nothing more
//! from this connection. Then nothing is published and nothing waits for a confirm, the connection
//! is kept, and the reconciler is poked when the broker takes messages again.

use super::message::properties;
use super::queues::Queues;
use super::{ANSWER_DEADLINE, Broker, BrokerError, Side, answered, silent};
use crate::hints::Hint;
use futures_util::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection, Event, ExchangeKind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tillway_proto::MessageHead;
use tillway_proto::queue::EXCHANGE;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A message that is not confirmed after so many deadlines never is, however many others are.
const MOST_TURNS: usize = 20;

/// How often it is looked whether an idle connection still stands; its heartbeats find out.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// A connection that publishes.
pub(super) struct Session {
    publishing: Channel,
    pub(super) queues: Queues,
    /// Cancelled by whoever meets an error that ends the session.
    pub(super) broken: CancellationToken,
    /// Why the broker takes no messages, where it takes none.
    blocked: watch::Sender<Option<String>>,
    /// Messages that the broker has confirmed.
    confirmed: AtomicU64,
}

impl Session {
    /// Why the broker takes no messages, where it takes none.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// Publishes one message and waits for its confirm, or until the broker says that it takes
    /// none.
    pub(super) async fn publish(
        &self,
        queue: &str,
        head: &MessageHead,
        body: &[u8],
    ) -> Result<Confirmation, BrokerError> {
        let mut blocked = self.blocked.subscribe();
        if let Some(reason) = self.blocked() {
            return Err(BrokerError::Blocked { reason });
        }
        tokio::select! {
            confirmed = self.publish_confirmed(queue, head, body) => confirmed,
            reason = blocked.wait_for(Option::is_some) => {
                let reason = reason.ok().and_then(|reason| reason.clone()).unwrap_or_default();
                Err(BrokerError::Blocked { reason })
            }
        }
    }

    async fn publish_confirmed(
        &self,
        queue: &str,
        head: &MessageHead,
        body: &[u8],
    ) -> Result<Confirmation, BrokerError> {
        let what = "publish";
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = self.publishing.basic_publish(EXCHANGE.into(), queue.into(), options, body, properties(head));
        // A confirm that is under way when the link breaks never comes, so it has a deadline of
        // its own.
        let confirm = self.answered_in_turn(what, sent).await?;
        fail::fail_point!("broker::message_published");
        let confirmation = self.answered_in_turn(what, confirm).await?;
        self.confirmed.fetch_add(1, Ordering::Relaxed);
        Ok(confirmation)
    }

    async fn answered_in_turn<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<T, BrokerError> {
        let answer = in_turn(&self.confirmed, answer).await.ok_or_else(silent)?;
        answer.map_err(|source| BrokerError::Client { what, source })
    }
}

/// With a thousand messages under way each waits for those before it: as long as others are
/// confirmed the broker is there. None where it is not.
async fn in_turn<T>(confirmed: &AtomicU64, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    for _ in 0..MOST_TURNS {
        let before = confirmed.load(Ordering::Relaxed);
        match tokio::time::timeout(ANSWER_DEADLINE, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if confirmed.load(Ordering::Relaxed) != before => {}
            Err(_) => break,
        }
    }
    None
}

impl Broker {
    pub(super) async fn publish_until_broken(&self) -> Result<(), BrokerError> {
        let connection = Arc::new(self.connect(Side::Publishing).await?);
        let mut events = Box::pin(connection.events_listener());
        let channel = || answered("open a channel", connection.create_channel());
        let (publishing, declaring) = (channel().await?, channel().await?);
        let confirms = publishing.confirm_select(ConfirmSelectOptions::default());
        answered("ask for confirms", confirms).await?;
        declare_exchange(&declaring, EXCHANGE).await?;
        let broken = CancellationToken::new();
        let queues = Queues::new(Arc::clone(&connection), declaring);
        let session = Arc::new(Session {
            publishing,
            queues,
            broken: broken.clone(),
            blocked: watch::Sender::new(None),
            confirmed: AtomicU64::new(0),
        });
        *self.lock_session() = Some(Arc::clone(&session));
        self.set_side(Side::Publishing, true, None);
        tracing::info!(broker = %self.address(), "linked to the broker, publishing");
        self.inner.hints.give(Hint::Exchange);
        let mut kept = Box::pin(self.keep_mark(&connection));
        let mut ended = Ok(());
        while ended.is_ok() && !broken.is_cancelled() && connection.status().connected() {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => self.blocked(&session, Some(reason)),
                    Some(Event::ConnectionUnblocked) => self.blocked(&session, None),
                    Some(_) => {}
                    None => break,
                },
                () = tokio::time::sleep(LOOK_PERIOD) => {}
                () = broken.cancelled() => {}
                lost = &mut kept => ended = lost,
            }
        }
        drop(kept);
        *self.lock_session() = None;
        // The broker may be gone; closing is a courtesy with a deadline.
        let _ = tokio::time::timeout(ANSWER_DEADLINE, connection.close(200, "beginning anew".into())).await;
        ended
    }

    fn blocked(&self, session: &Session, reason: Option<String>) {
        if let Some(reason) = &reason {
            tracing::warn!(reason, "the broker blocks publishers: it is short of memory or disk");
        } else {
            tracing::info!("the broker takes messages again");
        }
        let takes_again = reason.is_none();
        session.blocked.send_replace(reason.clone());
        self.set_blocked(reason);
        if takes_again {
            self.inner.hints.give(Hint::Exchange);
        }
    }
}

pub(super) async fn declare_exchange(channel: &Channel, name: &str) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = channel.exchange_declare(name.into(), ExchangeKind::Direct, options, FieldTable::default());
    answered("declare the exchange", exchange).await
}

/// The exchange is there for whoever binds a queue to it, on whichever connection comes first.
pub(super) async fn declare_exchange_on(connection: &Connection) -> Result<Channel, BrokerError> {
    let channel = answered("open a channel", connection.create_channel()).await?;
    declare_exchange(&channel, EXCHANGE).await?;
    Ok(channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    /// A message that is answered shortly before the deadline of number `answered_after` ends,
    /// while `others_until` others are confirmed, one a deadline.
    async fn waits(answered_after: u32, others_until: u32) -> Option<()> {
        let confirmed = AtomicU64::new(0);
        let others = async {
            for _ in 0..others_until {
                sleep(ANSWER_DEADLINE.mul_f64(0.9)).await;
                confirmed.fetch_add(1, Ordering::Relaxed);
            }
            std::future::pending::<()>().await;
        };
        let answer = sleep(ANSWER_DEADLINE.mul_f64(f64::from(answered_after) - 0.1));
        tokio::select! {
            answer = in_turn(&confirmed, answer) => answer,
            () = others => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirm_may_be_late_while_others_come() {
        assert_eq!(waits(1, 0).await, Some(()), "in time");
        assert_eq!(waits(2, 0).await, None, "nothing came");
        assert_eq!(waits(5, 5).await, Some(()));
        assert_eq!(waits(5, 3).await, None, "then the others stopped");
        let began = Instant::now();
        assert_eq!(waits(1_000, 1_000).await, None, "never confirmed, however many others are");
        assert!(began.elapsed() <= ANSWER_DEADLINE * u32::try_from(MOST_TURNS).unwrap());
    }
}
