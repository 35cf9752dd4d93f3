//! Tills' clocks against this server's, by what their reports carry.
//!
//! A report carries the peer's clock of the moment it went to the broker, and may have waited
//! there. Waiting makes a clock look slower than it is, never faster: the peer that looks fastest
//! among its last reports is the truest. So an offset ahead is real with the first report, and one
//! behind counts only where the last reports agree over more than a minute; a queue that was full
//! when this server started is empty by then.
//!
//! Kept in memory only: a minute or two after a start it is known again.

use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::PeerId;

/// Reports closer together than this count as one: those of a backlog come within moments, and
/// have all waited.
const APART: Duration = Duration::from_secs(30);

/// So many of them are looked at. With a contact a minute, a clock that was set right is believed
/// after three minutes.
const LOOKED_AT: usize = 3;

/// What is older says nothing: the peer was off since, and its clock may have been set.
const OLDEST: Duration = Duration::from_hours(1);

/// This server's clock was set where it went on by so much more or less than time did: what was
/// noted before is of another clock.
const STEP: SignedDuration = SignedDuration::from_secs(5);

/// From here on an offset is shown. Less is the way of a report through the broker.
pub const SHOWN_FROM: SignedDuration = SignedDuration::from_mins(1);

/// From here on an offset needs a look: prices that begin at a time begin so much earlier or
/// later.
pub const LOOK_FROM: SignedDuration = SignedDuration::from_mins(5);

/// Where so many peers' clocks, and most of those in contact, are off to one side, it is more
/// likely this server's own.
const OFF_TOGETHER: usize = 3;

/// Whether it is more likely this server's clock that is off, by those of the peers in contact:
/// how far most of them are ahead at least (below zero: behind), and how many they are.
pub fn off_together(ahead: &[Option<SignedDuration>]) -> Option<(SignedDuration, usize)> {
    let off = ahead.iter().flatten().filter(|ahead| ahead.abs() >= LOOK_FROM);
    let (fast, slow): (Vec<&SignedDuration>, Vec<_>) = off.partition(|ahead| ahead.is_positive());
    let side = if fast.len() > slow.len() { fast } else { slow };
    let together = side.len() >= OFF_TOGETHER && side.len() * 2 > ahead.len();
    let least = side.iter().min_by_key(|ahead| ahead.abs()).filter(|_| together)?;
    Some((**least, side.len()))
}

/// A moment by this server's clock, and by the time that no clock shifts.
#[derive(Debug, Clone, Copy)]
struct Moment {
    clock: Timestamp,
    time: Instant,
}

/// The last reports of one peer, the newest last.
#[derive(Debug, Default)]
struct Heard(VecDeque<Sample>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// The first report of these.
    since: Instant,
    /// The most by which one of them was ahead.
    ahead: SignedDuration,
}

impl Heard {
    fn note(&mut self, ahead: SignedDuration, now: Instant) {
        match self.0.back_mut() {
            Some(last) if now.saturating_duration_since(last.since) < APART => last.ahead = last.ahead.max(ahead),
            _ => self.0.push_back(Sample { since: now, ahead }),
        }
        while self.0.len() > LOOKED_AT {
            self.0.pop_front();
        }
        self.0.retain(|sample| now.saturating_duration_since(sample.since) < OLDEST);
    }

    /// How far the peer's clock is ahead; below zero: behind. None where that is not known yet.
    fn ahead(&self) -> Option<SignedDuration> {
        let ahead = self.0.iter().map(|sample| sample.ahead).max()?;
        (ahead >= SignedDuration::ZERO || self.0.len() >= LOOKED_AT).then_some(ahead)
    }
}

/// The clocks of all peers, as this process has heard them. A hint: some reports later it knows
/// them again.
#[derive(Debug, Default)]
pub struct Clocks {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: Option<Moment>,
    peers: HashMap<PeerId, Heard>,
}

impl Clocks {
    /// A report came that left the peer when its clock showed `sent_at`.
    pub fn note(&self, peer: &PeerId, sent_at: Timestamp) {
        self.note_at(peer, sent_at, Moment { clock: Timestamp::now(), time: Instant::now() });
    }

    fn note_at(&self, peer: &PeerId, sent_at: Timestamp, now: Moment) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.last.is_some_and(|last| is_step(last, now)) {
            inner.peers.clear();
        }
        inner.last = Some(now);
        inner.peers.entry(peer.clone()).or_default().note(sent_at.duration_since(now.clock), now.time);
    }

    /// How far the peer's clock is ahead of this server's, where that is known and a minute or
    /// more; below zero: behind.
    pub fn ahead(&self, peer: &PeerId) -> Option<SignedDuration> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.peers.get(peer)?.ahead().filter(|ahead| ahead.abs() >= SHOWN_FROM)
    }

    /// Forgets peers that are no more.
    pub fn forget(&self, peers: &[PeerId]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in peers {
            inner.peers.remove(peer);
        }
    }
}

/// Whether this server's clock was set between the two.
fn is_step(before: Moment, now: Moment) -> bool {
    let time = SignedDuration::try_from(now.time.saturating_duration_since(before.time)).unwrap_or(SignedDuration::MAX);
    (now.clock.duration_since(before.clock) - time).abs() >= STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        clocks: Clocks,
        start: Instant,
        peer: PeerId,
    }

    impl World {
        fn new() -> Self {
            let peer = "_cash_1_00ab34ef".parse().unwrap();
            Self { clocks: Clocks::default(), start: Instant::now(), peer }
        }

        /// A report of a peer whose clock is `ahead` seconds ahead, which waited for so many;
        /// `set` is what this server's clock was set on by.
        fn hear(&self, at: u64, ahead: i64, waited: i64, set: i64) -> Option<i64> {
            let clock = Timestamp::from_second(1_700_000_000 + at.cast_signed() + set).unwrap();
            let sent_at = clock + SignedDuration::from_secs(ahead - waited);
            let now = Moment { clock, time: self.start + Duration::from_secs(at) };
            self.clocks.note_at(&self.peer, sent_at, now);
            self.clocks.ahead(&self.peer).map(|ahead| ahead.as_secs())
        }
    }

    #[test]
    fn a_clock_ahead_is_known_with_the_first_report_and_one_behind_once_reports_cannot_have_waited() {
        let world = World::new();
        assert_eq!(world.hear(0, 7200, 0, 0), Some(7200));
        let world = World::new();
        assert_eq!(world.hear(0, -600, 0, 0), None, "it may have waited for ten minutes");
        assert_eq!(world.hear(60, -600, 0, 0), None);
        assert_eq!(world.hear(120, -600, 1, 0), Some(-600));
    }

    #[test]
    fn reports_that_waited_for_a_server_that_was_away_make_no_till_slow() {
        let world = World::new();
        for waited in (0..3600).rev().step_by(60) {
            assert_eq!(world.hear(1, 0, waited, 0), None);
        }
        for at in [60, 120, 180] {
            assert_eq!(world.hear(at, 0, 0, 0), None);
        }
        // A peer that is ahead is seen through the backlog as soon as one waited for less.
        let world = World::new();
        assert_eq!(world.hear(0, 600, 3000, 0), None);
        assert_eq!(world.hear(1, 600, 60, 0), Some(540));
    }

    #[test]
    fn a_minute_is_shown_and_less_is_not() {
        let world = World::new();
        assert_eq!(world.hear(0, 59, 0, 0), None);
        assert_eq!(world.hear(60, 60, 0, 0), Some(60));
    }

    #[test]
    fn a_clock_that_was_set_right_is_believed_with_the_third_report() {
        let world = World::new();
        assert_eq!(world.hear(0, 7200, 0, 0), Some(7200));
        assert_eq!(world.hear(60, 0, 0, 0), Some(7200));
        assert_eq!(world.hear(120, 0, 0, 0), Some(7200));
        assert_eq!(world.hear(180, 0, 0, 0), None);
    }

    #[test]
    fn a_step_of_this_server_s_own_clock_is_no_step_of_the_tills() {
        let world = World::new();
        for at in [0, 60, 120] {
            assert_eq!(world.hear(at, 0, 0, 0), None);
        }
        // Set back by an hour, which makes every peer look an hour ahead; then set right again.
        assert_eq!(world.hear(180, 3600, 0, -3600), Some(3600));
        assert_eq!(world.hear(240, 0, 0, 0), None);
    }
}
