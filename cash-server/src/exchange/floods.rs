//! Peers that report more than a till can have to say.
//!
//! What is beyond the limit is not read: each report tells the whole state, so the next one in
//! time tells what was missed. And whoever goes beyond it is put out at the broker for a minute,
//! so that the queue of reports is for the others. Reports count that have their right code alone:
//! nobody gets another one put out.

use crate::sales::Intruders;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::PeerId;
use tokio::sync::Notify;

/// Reports of one peer within [`WITHIN`]. A till says something a second at most while it works on
/// something; one that comes back after an outage brings some hundred that it kept.
pub const MOST: u32 = 1_200;

/// The time in which they count.
const WITHIN: Duration = Duration::from_mins(1);

/// So long a peer is put out.
pub const OUT_FOR: Duration = Duration::from_mins(1);

/// Counts reports. Kept in memory: a restart forgives.
#[derive(Debug)]
pub struct Floods {
    peers: Mutex<HashMap<PeerId, Count>>,
    intruders: Intruders,
    /// Told when somebody is put out.
    changed: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    reports: u32,
    out_until: Option<Instant>,
}

impl Floods {
    /// Without any. `intruders` is told of each.
    pub fn new(intruders: Intruders) -> Self {
        Self { peers: Mutex::default(), intruders, changed: Arc::default() }
    }

    /// A report of this peer came, with its right code. Whether it is one too many.
    pub fn is_too_many(&self, peer: &PeerId, now: Instant) -> bool {
        let mut peers = self.peers();
        let new = || Count { since: now, reports: 0, out_until: None };
        let count = peers.entry(peer.clone()).or_insert_with(new);
        if now.saturating_duration_since(count.since) >= WITHIN {
            *count = Count { out_until: count.out_until, ..new() };
        }
        count.reports = count.reports.saturating_add(1);
        if count.reports <= MOST {
            return false;
        }
        if count.out_until.is_none_or(|until| until <= now) {
            count.out_until = Some(now + OUT_FOR);
            drop(peers);
            if let Some(till) = peer.till() {
                self.intruders.floods(till, MOST);
            }
            self.changed.notify_one();
        }
        true
    }

    /// Whether the peer may not come in now.
    pub fn is_out(&self, peer: &PeerId, now: Instant) -> bool {
        self.peers().get(peer).and_then(|count| count.out_until).is_some_and(|until| until > now)
    }

    /// When the next of those that are out may come in again; forgets whom nothing is held
    /// against.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        let mut peers = self.peers();
        let is_out = |count: &Count| count.out_until.is_some_and(|until| until > now);
        peers.retain(|_, count| is_out(count) || now.saturating_duration_since(count.since) < WITHIN);
        peers.values().filter(|count| is_out(count)).filter_map(|count| count.out_until).min().map(|until| until - now)
    }

    /// Told when somebody is put out: for one who waits.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<PeerId, Count>> {
        // Each statement leaves it whole.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sales::tests::open_store;

    #[tokio::test]
    async fn who_reports_too_much_is_out_for_a_minute_and_nobody_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let floods = Floods::new(Intruders::new(open_store(folder.path())));
        let [rogue, honest] = ["_cash_1_00ab34ef", "_cash_2_00ab34ef"].map(|id| id.parse::<PeerId>().unwrap());
        let begin = Instant::now();
        for _ in 0..MOST {
            assert!(!floods.is_too_many(&rogue, begin));
        }
        assert!(!floods.is_out(&rogue, begin) && floods.next_in(begin).is_none());
        assert!(floods.is_too_many(&rogue, begin) && floods.is_out(&rogue, begin));
        assert!(!floods.is_too_many(&honest, begin) && !floods.is_out(&honest, begin));
        assert_eq!(floods.next_in(begin), Some(OUT_FOR));
        // What waits in the queue keeps it out no longer.
        for _ in 0..10 {
            assert!(floods.is_too_many(&rogue, begin + OUT_FOR / 2));
        }
        let over = begin + OUT_FOR;
        assert!(!floods.is_out(&rogue, over) && floods.next_in(over).is_none());
        assert!(!floods.is_too_many(&rogue, over), "and begins anew");
        assert!(
            floods.peers().contains_key(&rogue) && !floods.peers().contains_key(&honest),
            "who is quiet is forgotten"
        );
    }
}
