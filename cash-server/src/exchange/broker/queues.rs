//! The queues of peers at the broker: made once a session, removed with their peer.
//!
//! Declarations and removals go through a channel of their own, many at a time, and those of
//! hundreds of peers through some more. The broker answers what it refuses (a queue that is there
//! with other arguments, a missing permission) by closing that channel under all that is under way
//! on it. Then it is opened again and the few that failed are asked one by one, so that one peer's
//! queue is named and stops nobody else.

use super::{BrokerError, Lane, answered, bind_queue, declare_queue};
use crate::words::Reason;
use futures_util::StreamExt as _;
use futures_util::stream;
use lapin::options::QueueDeleteOptions;
use lapin::{Channel, Connection, ErrorKind};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::PeerId;
use tillway_proto::queue::EXCHANGE;
use tokio::time::Instant;

/// Declarations under way at the same time: they are answered in order on one channel.
const IN_FLIGHT: usize = 32;

/// Tills that are worth another channel, and the most channels: the broker works them side by
/// side.
const TILLS_A_CHANNEL: usize = 8 * IN_FLIGHT;
const MAX_CHANNELS: usize = 4;

/// A refused queue is asked for again after this: somebody deletes it by hand and soon sees the
/// peer go on, and a thousand of them cost a thousand channels a minute, not one each pass.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// The queues of a silent peer are made again after this: making one that is there costs the
/// broker little, and a peer whose queue somebody deleted waits no longer than that, or some
/// minutes where thousands are silent.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Silent peers whose queues one pass makes again at most: each takes some milliseconds, and the
/// links of all others wait for it.
const MAX_LOOKED_AGAIN: usize = 200;

/// What the broker's answer means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It concerns this queue.
    Queue,
    /// The channel was closed under it; whose fault it was is not known.
    Channel,
    /// The link is broken.
    Link,
}

/// Queues of one session.
pub(super) struct Queues {
    connection: Arc<Connection>,
    channel: tokio::sync::Mutex<Channel>,
    known: Mutex<QueueCache>,
}

#[derive(Default)]
struct QueueCache {
    /// When they were made or found last.
    made: HashMap<PeerId, Instant>,
    removed: HashSet<PeerId>,
    refused: HashMap<PeerId, Refused>,
}

struct Refused {
    reason: Reason,
    again_at: Instant,
}

impl Queues {
    pub(super) fn new(connection: Arc<Connection>, channel: Channel) -> Self {
        Self { connection, channel: channel.into(), known: Mutex::default() }
    }

    /// Makes the queues that this session has not made yet. Gives the peers, of those asked for,
    /// whose queues the broker refuses, and why. An error: the link is broken.
    pub(super) async fn declare(&self, peers: Vec<PeerId>) -> Result<HashMap<PeerId, Reason>, BrokerError> {
        let missing = self.known().missing(&peers, Instant::now());
        if !missing.is_empty() {
            let mut channel = self.channel.lock().await;
            self.declare_missing(&mut channel, &missing).await?;
        }
        let known = self.known();
        let refused = |peer: PeerId| known.refused.get(&peer).map(|refused| (peer, refused.reason.clone()));
        Ok(peers.into_iter().filter_map(refused).collect())
    }

    async fn declare_missing(&self, channel: &mut Channel, missing: &[PeerId]) -> Result<(), BrokerError> {
        let channels = missing.len().div_ceil(TILLS_A_CHANNEL).clamp(1, MAX_CHANNELS);
        let mut more = Vec::with_capacity(channels - 1);
        for _ in 1..channels {
            more.push(answered("open a channel", self.connection.create_channel()).await?);
        }
        let shares = missing.chunks(missing.len().div_ceil(channels));
        let side_by_side = shares.zip(std::iter::once(channel).chain(&mut more)).map(|(peers, channel)| async move {
            for some in peers.chunks(IN_FLIGHT) {
                self.declare_some(channel, some).await?;
            }
            Ok(())
        });
        futures_util::future::try_join_all(side_by_side).await?;
        for channel in more {
            answered("close a channel", channel.close(200, "declared".into())).await?;
        }
        Ok(())
    }

    async fn declare_some(&self, channel: &mut Channel, peers: &[PeerId]) -> Result<(), BrokerError> {
        self.reopen_closed(channel).await?;
        let shared = &*channel;
        let side_by_side: Vec<_> = stream::iter(peers.to_vec())
            .map(|peer| async move {
                let declared = declare_peer(shared, &peer).await;
                (peer, declared)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for (peer, declared) in side_by_side {
            let again = match declared {
                Ok(()) => Ok(()),
                Err(error) if fault(&error) == Fault::Link => return Err(error),
                Err(_) => {
                    self.reopen_closed(channel).await?;
                    declare_peer(channel, &peer).await
                }
            };
            match again {
                Ok(()) => {
                    fail::fail_point!("queues::till_declared");
                    self.known().made(&peer, Instant::now());
                }
                Err(error) if fault(&error) == Fault::Queue => {
                    tracing::warn!(%peer, error = %crate::error_chain(&error), "the queue of a till is refused; it is left out");
                    self.known().refused(&peer, Reason::of(&error), Instant::now());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes the queues of a peer, once a session.
    pub(super) async fn remove(&self, peer: &PeerId) -> Result<(), BrokerError> {
        if self.known().removed.contains(peer) {
            return Ok(());
        }
        let mut channel = self.channel.lock().await;
        self.reopen_closed(&mut channel).await?;
        for lane in [Lane::Dictionary, Lane::Control] {
            let queue = lane.queue(peer);
            let deletion = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
            answered("remove a queue", deletion).await.map_err(|error| named(error, queue))?;
        }
        self.known().gone(peer);
        Ok(())
    }

    /// Forgets that the queues of these peers were made, unless that was just now.
    pub(super) fn look_again(&self, peers: &[PeerId]) {
        self.known().look_again(peers, Instant::now());
    }

    /// Those of `peers` whose queues this session has not removed.
    pub(super) fn not_removed(&self, peers: Vec<PeerId>) -> Vec<PeerId> {
        let known = self.known();
        peers.into_iter().filter(|peer| !known.removed.contains(peer)).collect()
    }

    /// The broker does not have the queue, whatever was known.
    pub(super) fn lost(&self, peer: &PeerId) {
        self.known().made.remove(peer);
    }

    async fn reopen_closed(&self, channel: &mut Channel) -> Result<(), BrokerError> {
        if !channel.status().connected() {
            *channel = answered("open a channel", self.connection.create_channel()).await?;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, QueueCache> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueCache {
    /// Those of `peers` that are to be asked for now.
    fn missing(&self, peers: &[PeerId], now: Instant) -> Vec<PeerId> {
        let waits = |peer: &PeerId| self.refused.get(peer).is_some_and(|refused| refused.again_at > now);
        peers.iter().filter(|peer| !self.made.contains_key(*peer) && !waits(peer)).cloned().collect()
    }

    fn made(&mut self, peer: &PeerId, now: Instant) {
        self.refused.remove(peer);
        self.removed.remove(peer);
        self.made.insert(peer.clone(), now);
    }

    fn look_again(&mut self, peers: &[PeerId], now: Instant) {
        let due =
            |peer: &&PeerId| self.made.get(*peer).is_some_and(|made| now.duration_since(*made) >= LOOK_AGAIN_AFTER);
        let due: Vec<PeerId> = peers.iter().filter(due).take(MAX_LOOKED_AGAIN).cloned().collect();
        for peer in due {
            self.made.remove(&peer);
        }
    }

    fn refused(&mut self, peer: &PeerId, reason: Reason, now: Instant) {
        self.refused.insert(peer.clone(), Refused { reason, again_at: now + REFUSED_AGAIN_AFTER });
    }

    fn gone(&mut self, peer: &PeerId) {
        self.made.remove(peer);
        self.refused.remove(peer);
        self.removed.insert(peer.clone());
    }
}

async fn declare_peer(channel: &Channel, peer: &PeerId) -> Result<(), BrokerError> {
    for lane in [Lane::Dictionary, Lane::Control] {
        let queue = lane.queue(peer);
        let declared = async {
            declare_queue(channel, &queue, lane.arguments()).await?;
            bind_queue(channel, EXCHANGE, &queue).await
        };
        declared.await.map_err(|error| named(error, queue))?;
    }
    Ok(())
}

/// A refusal names its queue.
pub(super) fn named(error: BrokerError, queue: String) -> BrokerError {
    match error {
        BrokerError::Client { source, .. } if source.is_amqp_soft_error() => BrokerError::Refused { queue, source },
        other => other,
    }
}

fn fault(error: &BrokerError) -> Fault {
    match error {
        BrokerError::Refused { .. } => Fault::Queue,
        BrokerError::Client { source, .. } if matches!(source.kind(), ErrorKind::InvalidChannelState(..)) => {
            Fault::Channel
        }
        _ => Fault::Link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_till_waits_alone_and_is_asked_for_again() {
        let peer = |number: u32| -> PeerId { format!("_cash_{number}_00ab34ef").parse().unwrap() };
        let peers = [peer(1), peer(2), peer(3)];
        let mut known = QueueCache::default();
        let now = Instant::now();
        assert_eq!(known.missing(&peers, now), peers);
        known.made(&peers[0], now);
        known.refused(&peers[1], Reason::worded("other arguments"), now);
        assert_eq!(known.missing(&peers, now), peers[2..]);
        assert_eq!(known.missing(&peers, now + REFUSED_AGAIN_AFTER), peers[1..]);
        known.made(&peers[1], now);
        assert!(known.refused.is_empty());
        known.gone(&peers[0]);
        assert_eq!(known.missing(&peers, now), [peers[0].clone(), peers[2].clone()], "made again with its node");
    }

    #[test]
    fn the_queues_of_a_silent_till_are_looked_at_again_once_a_minute() {
        let peer: PeerId = "_cash_1_00ab34ef".parse().unwrap();
        let mut known = QueueCache::default();
        let now = Instant::now();
        known.made(&peer, now);
        known.look_again(std::slice::from_ref(&peer), now + Duration::from_secs(59));
        assert!(known.missing(std::slice::from_ref(&peer), now).is_empty());
        known.look_again(std::slice::from_ref(&peer), now + LOOK_AGAIN_AFTER);
        assert_eq!(known.missing(std::slice::from_ref(&peer), now), [peer]);
    }

    #[test]
    fn a_chain_of_silent_tills_is_looked_at_again_in_turns() {
        let count = u32::try_from(2 * MAX_LOOKED_AGAIN).unwrap();
        let peers: Vec<PeerId> =
            (1..=count).map(|number| format!("_cash_{number}_00ab34ef").parse().unwrap()).collect();
        let mut known = QueueCache::default();
        let now = Instant::now();
        for peer in &peers {
            known.made(peer, now);
        }
        for pass in 0..3 {
            let later = now + LOOK_AGAIN_AFTER + Duration::from_secs(pass);
            known.look_again(&peers, later);
            let missing = known.missing(&peers, later);
            assert_eq!(missing.len(), if pass < 2 { MAX_LOOKED_AGAIN } else { 0 });
            for peer in &missing {
                known.made(peer, later);
            }
        }
    }

    #[test]
    fn only_a_refusal_concerns_one_queue_alone() {
        assert_eq!(fault(&BrokerError::Silent { seconds: 1 }), Fault::Link);
        assert_eq!(fault(&BrokerError::Down), Fault::Link);
        let refusal = lapin::protocol::AMQPError::new(
            lapin::protocol::AMQPSoftError::PRECONDITIONFAILED.into(),
            "inequivalent arg 'x-max-length'".into(),
        );
        let source = lapin::Error::from(ErrorKind::ProtocolError(refusal));
        let error = named(BrokerError::Client { what: "declare a queue", source }, "tillway.dictionary.x".to_owned());
        assert_eq!(fault(&error), Fault::Queue);
        let text = crate::error_chain(&error);
        assert!(
            text.contains("tillway.dictionary.x") && text.contains("x-max-length") && text.contains("delete"),
            "{text}"
        );
    }
}
