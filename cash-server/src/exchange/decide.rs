//! What to do for one till now: a pure function of what is known.
//!
//! The reconciler asks [`decide`] for every till and carries out the answer; asking again at any time is safe. An
//! announcement is a hint, what is true is the till's cursor: a till is done when its cursor is its target and it asked
//! for nothing. Everything else is on its way with a deadline, held back until a time, or parked.

use super::model::{Delivery, Needs, TillRecord};
use crate::settings::ExchangeSettings;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::time::Duration;
use tillway_proto::{DeliveryId, DeliveryState, Revision};

/// A rejected delivery is tried again after this; it doubles with each failure.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The longest wait between two tries: a till whose disk is full is mended within the hour after somebody frees it.
const RETRY_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// After so many rejections in a row a difference is not tried again: a snapshot mends what a difference cannot.
const REJECTIONS_BEFORE_SNAPSHOT: u32 = 3;

/// Deadlines and waits double at most so often.
const MOST_DOUBLINGS: u32 = 10;

/// A state that lies in the future by more than this was written before the clock went back, and counts as overdue.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing, and why.
    Wait(Wait),
    /// The open delivery ends; then ask again.
    End {
        /// Which one.
        delivery: DeliveryId,
        /// How.
        state: DeliveryState,
        /// Why, for people.
        reason: &'static str,
    },
    /// The link of the open delivery is not known to be with the broker: publish it (again).
    Publish {
        /// Which one.
        delivery: DeliveryId,
    },
    /// Find or build a package and announce it; an open delivery is superseded.
    Announce {
        /// The cursor to start from.
        from: Revision,
        /// What to send whole.
        repair: Needs,
        /// Failed deliveries in a row so far.
        tries: u32,
    },
}

/// Why nothing is to be done for a till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// It has what it should have.
    UpToDate,
    /// Somebody parked it. Its target is known, and it gets it when it is unparked.
    Parked {
        /// Whether it is behind.
        behind: bool,
    },
    /// A delivery is on its way.
    OnItsWay {
        /// Where it stands.
        state: DeliveryState,
        /// When it counts as lost.
        until: Timestamp,
    },
    /// The last delivery was rejected; the next try comes at this time.
    HeldBack {
        /// When.
        until: Timestamp,
        /// What the till said.
        reason: Option<String>,
    },
    /// The till has a dictionary, and this server has none for it.
    Ahead,
}

impl Wait {
    /// The word in REST.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Parked { .. } => "parked",
            Self::OnItsWay { .. } => "on-its-way",
            Self::HeldBack { .. } => "held-back",
            Self::Ahead => "ahead",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("up to date"),
            Self::Parked { behind: true } => f.write_str("parked, behind its target"),
            Self::Parked { behind: false } => f.write_str("parked, up to date"),
            Self::OnItsWay { state, until } => write!(f, "{state}; renewed if nothing is heard before {until:.0}"),
            Self::HeldBack { until, reason: Some(reason) } => {
                write!(f, "rejected by the till ({reason}); tried again at {until:.0}")
            }
            Self::HeldBack { until, reason: None } => write!(f, "rejected by the till; tried again at {until:.0}"),
            Self::Ahead => f.write_str(
                "the till has a dictionary and this server has none for it: load one, or restore the server's backup",
            ),
        }
    }
}

/// What to do for one till now. `target` is the revision it should have.
pub fn decide(
    record: &TillRecord,
    target: Revision,
    parked: bool,
    settings: &ExchangeSettings,
    now: Timestamp,
) -> Action {
    let cursor = record.cursor();
    if target == Revision::ZERO && cursor > target && record.open().is_none() && !parked {
        return Action::Wait(Wait::Ahead);
    }
    // A cursor beyond the target is of a server that was restored from a backup since; the package then goes past it.
    let behind = cursor != target || !record.needs().is_nothing();
    if let Some(open) = record.open() {
        return for_open(record, open, target, parked, behind, settings, now);
    }
    if parked {
        return Action::Wait(Wait::Parked { behind });
    }
    if !behind {
        return Action::Wait(Wait::UpToDate);
    }
    match held_back(record, target, now) {
        Some(wait) => Action::Wait(wait),
        None => announce(record, cursor),
    }
}

fn for_open(
    record: &TillRecord,
    open: &Delivery,
    target: Revision,
    parked: bool,
    behind: bool,
    settings: &ExchangeSettings,
    now: Timestamp,
) -> Action {
    let cursor = record.cursor();
    let end = |state, reason| Action::End { delivery: open.id, state, reason };
    if cursor >= open.to && record.needs().is_nothing() {
        return end(DeliveryState::Applied, "the till's cursor shows it");
    }
    if parked {
        return end(DeliveryState::Superseded, "the till is parked");
    }
    if !behind {
        return end(DeliveryState::Superseded, "the till needs nothing more");
    }
    let fits = open.to >= target && open.from <= cursor && open.repair.covers(record.needs());
    if !fits {
        return announce(record, cursor);
    }
    let until = deadline(record, open, settings);
    if until <= now || open.state_at > later(now, CLOCK_TOLERANCE) {
        return end(DeliveryState::Expired, "nothing was heard of it before its deadline");
    }
    if !open.confirmed {
        return Action::Publish { delivery: open.id };
    }
    Action::Wait(Wait::OnItsWay { state: open.state, until })
}

/// When an open delivery counts as lost.
///
/// A till out of contact since the delivery reached its state will find the link in its queue when it comes back, so
/// there is time. A till in contact that does not move on has lost it.
pub fn deadline(record: &TillRecord, delivery: &Delivery, settings: &ExchangeSettings) -> Timestamp {
    let heard = record.contact.as_ref().filter(|contact| contact.last_at > delivery.state_at);
    let Some(contact) = heard else {
        return later(delivery.state_at, signed(settings.silent_deadline));
    };
    let limit = match delivery.state {
        DeliveryState::Downloaded => settings.downloaded_deadline,
        DeliveryState::Queued => settings.queued_deadline,
        _ => settings.announced_deadline,
    };
    let limit = doubled(signed(limit), delivery.tries, signed(settings.silent_deadline));
    later(delivery.state_at.max(contact.present_since), limit)
}

fn held_back(record: &TillRecord, target: Revision, now: Timestamp) -> Option<Wait> {
    let last = record.newest.as_ref().filter(|last| last.state == DeliveryState::Rejected)?;
    let something_new = last.to < target || !last.repair.covers(record.needs());
    let until = later(last.state_at, doubled(RETRY_AFTER, last.tries, RETRY_AT_MOST));
    let clock_went_back = last.state_at > later(now, CLOCK_TOLERANCE);
    (!something_new && !clock_went_back && until > now).then(|| Wait::HeldBack { until, reason: last.reason.clone() })
}

fn announce(record: &TillRecord, cursor: Revision) -> Action {
    let tries = tries_so_far(record);
    let rejected = record.newest.as_ref().is_some_and(|last| last.state == DeliveryState::Rejected);
    let repair = if rejected && tries >= REJECTIONS_BEFORE_SNAPSHOT { Needs::All } else { record.needs().clone() };
    Action::Announce { from: cursor, repair, tries }
}

/// Failures in a row. A superseded delivery was no failure of its own, and a cursor that grew ends the row.
fn tries_so_far(record: &TillRecord) -> u32 {
    match &record.newest {
        None => 0,
        Some(last) if record.cursor() >= last.to && record.needs().is_nothing() => 0,
        Some(last) => match last.state {
            DeliveryState::Applied => 0,
            DeliveryState::Rejected | DeliveryState::Expired => last.tries.saturating_add(1),
            _ => last.tries,
        },
    }
}

fn doubled(base: SignedDuration, times: u32, cap: SignedDuration) -> SignedDuration {
    base.saturating_mul(1 << times.min(MOST_DOUBLINGS)).min(cap.max(base))
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
