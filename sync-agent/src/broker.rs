//! The link to the broker: a supervisor that rebuilds all of it whenever any of it breaks (R13).
//!
//! A *session* is one connection with three channels: one for the dictionary queue, one for the
//! control queue, one that publishes reports with confirms; and it looks, on a period, whether the
//! broker still counts us among the consumers and gives us what waits. When one of these ends, for
//! whatever reason, the session ends and another one is built after a wait that grows and is
//! capped. The queues belong to the server; a session only checks that they are there.
//!
//! Messages are acknowledged when they were worked on, whatever came of it: what can be answered
//! is answered, what cannot is set aside ([`crate::commands`]). A link is held while its package
//! is downloaded; where that takes very long, the link is acknowledged before, and of the links
//! that come meanwhile the newest is worked on next.

mod hold;
mod message;
pub(crate) mod online;
mod session;

use crate::codes::Codes;
use crate::commands::Commands;
use crate::error::chain;
use crate::retry::{self, Backoff};
use crate::settings::{BrokerSettings, LiveSettings, Trust};
use crate::state::State;
use crate::tell::Teller;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::PeerId;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first wait where no session came about or a short one broke; jitter adds up to as much
/// again.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait of an agent that has had no good session yet, jitter included: a till that
/// starts while its shop has no link is there half a minute after the link.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// A session that consumed for this long was a good one. Shorter ones are a broker that flaps.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// After a good session the first wait is anything up to this: with a broker that restarts, or a
/// line that stumbles, all tills lose theirs in one moment, and 10,000 that come back in the next
/// would be 10,000 logins at once. So they are a thousand a second, and a price is never delayed
/// but by a break. Where the broker is away for longer, each further wait is half of it and then
/// anything up to it again: whatever the length of the outage, the last till is back 15 s after
/// the broker, and never more than a fifth of them come within one second. A line that swallows
/// packets lets a try hang for [`session::CONNECT_TIME`]; that counts as waiting, so the last is
/// back after that and [`BREATH`], 21 s, and has 9 s to log in before half a minute is over.
const SPREAD: Duration = Duration::from_secs(10);

/// After a try that took as long as the wait, another comes after any time up to this.
const BREATH: Duration = Duration::from_secs(1);

/// How the link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// A session is being built.
    Connecting,
    /// Both queues are being consumed.
    Consuming {
        /// Since when.
        since: Timestamp,
    },
    /// It broke; another try follows.
    Waiting {
        /// Why it broke.
        reason: String,
    },
}

/// The link of one peer to its broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) id: PeerId,
    /// Where messages go.
    pub(crate) commands: Arc<Commands>,
    /// What they must show.
    pub(crate) codes: Codes,
    /// Where reports come from.
    pub(crate) teller: Teller,
    /// Where the last contact is noted.
    pub(crate) state: State,
    pub(crate) settings: LiveSettings,
    /// How it stands.
    pub(crate) link: watch::Sender<Link>,
    pub(crate) shutdown: CancellationToken,
}

impl Broker {
    /// Keeps a session up until the agent stops.
    pub(crate) async fn run(self) {
        let mut waits = Waits::new();
        let mut settings = self.settings.subscribe();
        loop {
            let broker = settings.borrow_and_update().broker.clone();
            self.link.send_replace(Link::Connecting);
            let (mut consuming_since, began) = (None, Instant::now());
            let ended = tokio::select! {
                () = self.shutdown.cancelled() => break,
                changed = session::broker_changed(&mut settings, &broker) => {
                    tracing::info!(?changed, "settings of the broker changed: connecting anew");
                    waits = Waits::new();
                    continue;
                }
                Err(ended) = session::run(&self, &broker, &mut consuming_since) => ended,
            };
            let wait = waits.after(consuming_since.map(|since: Instant| since.elapsed()), began.elapsed());
            let reason = match online::explained(&self.settings.current(), &ended) {
                Some(problem) => problem.placed(&self.settings.as_written()),
                None => chain(&ended),
            };
            tracing::warn!(reason, wait = format_args!("{wait:.1?}"), "no link to the broker; connecting again");
            self.link.send_replace(Link::Waiting { reason });
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.link.send_replace(Link::Waiting { reason: "the agent stops".to_owned() });
    }
}

/// Whether a broker lets this peer in with its login, and why not.
pub(crate) async fn lets_in(peer: &PeerId, broker: &BrokerSettings, trust: &Trust) -> Result<(), String> {
    let (connection, _) = session::connect(peer, broker, trust).await.map_err(|error| chain(&error))?;
    // It was to be seen that it opens; whatever comes of its end.
    let _ = connection.close(200, "seen".into()).await;
    Ok(())
}

/// The waits between sessions.
#[derive(Debug)]
struct Waits {
    backoff: Backoff,
    /// A good session was lost: by all other tills too, perhaps, in the same moment.
    lost_a_good_one: bool,
}

impl Waits {
    fn new() -> Self {
        Self { backoff: Backoff::new(FIRST_WAIT, MAX_WAIT), lost_a_good_one: false }
    }

    /// How long to wait after a try that took so long, and a session that consumed for so long, if
    /// it came to that.
    fn after(&mut self, consumed: Option<Duration>, took: Duration) -> Duration {
        if consumed.is_some_and(|consumed| consumed >= GOOD_SESSION) {
            self.lost_a_good_one = true;
            return retry::spread(SPREAD);
        }
        let wait = if self.lost_a_good_one { SPREAD / 2 + retry::spread(SPREAD) } else { self.backoff.next_wait() };
        if consumed.is_some() { wait } else { wait.saturating_sub(took).max(retry::spread(BREATH)) }
    }
}

#[cfg(test)]
mod tests {
    use super::session::CONNECT_TIME;
    use super::*;

    #[test]
    fn a_good_session_is_followed_by_any_wait_up_to_the_spread_and_none_at_first_by_growing_waits() {
        let mut waits = Waits::new();
        let mut longest = Duration::ZERO;
        for consumed in [None, Some(Duration::ZERO), Some(GOOD_SESSION / 2)].into_iter().cycle().take(30) {
            let wait = waits.after(consumed, Duration::ZERO);
            assert!(wait >= FIRST_WAIT && wait <= MAX_WAIT, "{wait:?}");
            longest = longest.max(wait);
        }
        assert!(longest >= MAX_WAIT / 2);
        assert!(Waits::new().after(None, Duration::ZERO) <= BREATH.max(2 * FIRST_WAIT));
        let after_good: Vec<_> = (0..1000).map(|_| waits.after(Some(GOOD_SESSION), GOOD_SESSION)).collect();
        assert!(after_good.iter().all(|wait| *wait <= SPREAD));
        let early = after_good.iter().filter(|wait| **wait < Duration::from_secs(1)).count();
        assert!((50..200).contains(&early), "{early} of 1000 in the first second");
    }

    /// How long after the broker's return an agent tries that lost a good session when the broker
    /// went, where each try during the outage hangs for so long, also when the broker is back
    /// meanwhile.
    fn back_after(outage: Duration, hangs: Duration) -> Duration {
        let mut waits = Waits::new();
        let mut tried_at = waits.after(Some(GOOD_SESSION), GOOD_SESSION);
        while tried_at < outage {
            tried_at += hangs + waits.after(None, hangs);
        }
        tried_at.saturating_sub(outage)
    }

    /// The worst of 2,000 agents over outages of all lengths, and the most that try within one
    /// second.
    fn worst(hangs: Duration) -> (Duration, usize) {
        let outages = (0..40).chain((40..400).step_by(7)).chain([3_600, 20_000]);
        let of_one = |seconds| {
            let back: Vec<_> = (0..2_000).map(|_| back_after(Duration::from_secs(seconds), hangs)).collect();
            let within = |second| back.iter().filter(|back| back.as_secs() == second).count();
            (back.iter().max().copied().unwrap(), (0..60).map(within).max().unwrap())
        };
        outages.map(of_one).fold((Duration::ZERO, 0), |worst, one| (worst.0.max(one.0), worst.1.max(one.1)))
    }

    #[test]
    fn a_fleet_is_back_within_half_a_minute_after_an_outage_of_any_length_and_not_in_one_moment() {
        // What is drawn is the same in each run, whatever else the machine does.
        fastrand::seed(1);
        let (last, most) = worst(Duration::ZERO);
        assert!(last <= SPREAD + SPREAD / 2, "the broker refuses meanwhile: the last tries after {last:?}");
        assert!(most <= 400, "{most} of 2000 try within one second");
        let (last, most) = worst(CONNECT_TIME);
        assert!(last <= Duration::from_secs(21), "packets are swallowed meanwhile: the last tries after {last:?}");
        assert!(most <= 400, "{most} of 2000 try within one second");
    }
}
