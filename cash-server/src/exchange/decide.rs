//! What to do for one till now: a pure function of what is known.
//!
//! The reconciler asks [`decide`] for every till and carries out the answer; asking again at any
//! time is safe. An announcement is a hint, what is true is the till's cursor: a till is done when
//! its cursor is its target, the digest of its state is that of the target, and it asked for
//! nothing. Everything else is on its way with a deadline, held back until a time, or parked.
//!
//! An equal cursor alone is not an equal state: a till's disk may be a copy of another till's, and
//! a server restored from a backup gives the same revisions out again. Where the digests differ,
//! everything is sent whole, once; where it then still differs, another snapshot would not help,
//! and the till is held back with the reason.

use super::model::{Delivery, Needs, PeerRecord};
use super::reason::{ExchangeReason, utc_text};
use crate::settings::ExchangeSettings;
use crate::words::Reason;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tillway_proto::report::RejectCause;
use tillway_proto::{DeliveryId, DeliveryState, Digest, Revision};

/// A rejected delivery is tried again after this; it doubles with each failure.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The longest wait between two tries: a till whose disk is full is mended within the hour after
/// somebody frees it.
const RETRY_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// After so many rejections in a row for what was inside, a difference is not tried again: a
/// snapshot mends what a difference cannot. A line that breaks or a full disk does not count: a
/// snapshot is larger than the difference that failed.
const BAD_CONTENTS_BEFORE_SNAPSHOT: u32 = 3;

/// A till whose state still differs after everything was sent whole gets it again after this, or
/// with the next load: once a day costs little, and mends a till whose disk was replaced by a copy
/// since.
const STILL_DIFFERS_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A till that says nothing for so long after a link went out gets no other until it is heard of,
/// or until the link is renewed: it is switched off, or busy with what it has. One in contact
/// answers within moments.
const ANSWER_TIME: SignedDuration = SignedDuration::from_secs(20);

/// Deadlines and waits double at most so often.
const MOST_DOUBLINGS: u32 = 10;

/// A state that lies in the future by more than this was written before the clock went back, and
/// counts as overdue.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What a till should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// The revision.
    pub target: Revision,
    /// The digest of the state at that revision, where it is known: nothing is compared where it
    /// is not.
    pub digest: Option<Digest>,
    /// Whether somebody parked it.
    pub parked: bool,
}

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
        /// Why.
        reason: ExchangeReason,
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
        /// How many of them were rejected for what was inside; then the file itself is looked at
        /// before it is used again.
        bad_contents: u32,
        /// Since when the till has left links unanswered, where this one takes the place of such a
        /// one.
        unanswered_since: Option<Timestamp>,
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
    /// The till has said nothing since a link went out to it. That link stays in its queue; a
    /// package with what is newer is made when the till is heard of, or when the link is renewed.
    NoAnswer {
        /// When the link went out.
        since: Timestamp,
        /// When it is renewed.
        until: Timestamp,
    },
    /// The last delivery did not help; the next try comes at this time, or with the next load.
    HeldBack {
        /// When.
        until: Timestamp,
        /// Why.
        why: Held,
    },
    /// The till has a dictionary, and this server has none for it.
    Ahead,
}

/// Why a till is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It rejected the last delivery, and said why.
    Rejected(Option<Reason>),
    /// It applied everything whole, and its state still is not what it should be.
    StillDiffers,
}

impl Wait {
    /// The word in REST.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Parked { .. } => "parked",
            Self::OnItsWay { .. } => "on-its-way",
            Self::NoAnswer { .. } => "no-answer",
            Self::HeldBack { .. } => "held-back",
            Self::Ahead => "ahead",
        }
    }

    /// For people.
    pub fn reason(&self) -> ExchangeReason {
        match self {
            Self::UpToDate => ExchangeReason::UpToDate,
            Self::Parked { behind: true } => ExchangeReason::ParkedBehind,
            Self::Parked { behind: false } => ExchangeReason::Parked,
            Self::OnItsWay { state, until } => ExchangeReason::OnItsWay { state: *state, until: utc_text(*until) },
            Self::NoAnswer { since, until } => {
                ExchangeReason::NoAnswer { since: utc_text(*since), until: utc_text(*until) }
            }
            Self::HeldBack { until, why: Held::Rejected(Some(reason)) } => {
                ExchangeReason::RejectedByTill { reason: reason.clone(), until: utc_text(*until) }
            }
            Self::HeldBack { until, why: Held::Rejected(None) } => {
                ExchangeReason::RejectedUnsaid { until: utc_text(*until) }
            }
            Self::HeldBack { until, why: Held::StillDiffers } => {
                ExchangeReason::StillDiffers { until: utc_text(*until) }
            }
            Self::Ahead => ExchangeReason::NothingForIt,
        }
    }
}

/// What to do for one till now.
pub fn decide(record: &PeerRecord, aim: &Aim, settings: &ExchangeSettings, now: Timestamp) -> Action {
    let (cursor, target) = (record.cursor(), aim.target);
    let has_some = cursor > Revision::ZERO || record.claimed().is_some();
    if target == Revision::ZERO && has_some && record.open().is_none() && !aim.parked {
        return Action::Wait(Wait::Ahead);
    }
    let needs = needs(record, aim);
    // A cursor beyond the target is of a server that was restored from a backup since; the package
    // then goes past it.
    let behind = cursor != target || !needs.is_nothing();
    if let Some(open) = record.open() {
        return for_open(record, open, aim, &needs, settings, now);
    }
    if aim.parked {
        return Action::Wait(Wait::Parked { behind });
    }
    if !behind {
        return Action::Wait(Wait::UpToDate);
    }
    match still_differs(record, aim, now).or_else(|| held_back(record, target, &needs, now)) {
        Some(wait) => Action::Wait(wait),
        None => announce(record, needs),
    }
}

/// What is to be sent whole: what the till asked for, and everything where its state is not that
/// of its revision.
fn needs(record: &PeerRecord, aim: &Aim) -> Needs {
    if differs(record, aim) { Needs::All } else { record.needs().clone() }
}

/// Whether the till's state is known to be another one than its cursor says. Cursor and digest are
/// of one moment on both sides, so where the cursor is the target the digests are of the same
/// revision.
fn differs(record: &PeerRecord, aim: &Aim) -> bool {
    let told = record.contact.as_ref().and_then(|contact| contact.state.digest);
    let both = told.zip(aim.digest).filter(|_| record.cursor() == aim.target && aim.target != Revision::ZERO);
    both.is_some_and(|(told, expected)| told != expected)
}

/// Everything was sent whole, to this very revision, and applied. What the till itself asked for
/// since goes all the same.
fn still_differs(record: &PeerRecord, aim: &Aim, now: Timestamp) -> Option<Wait> {
    let last = record.newest.as_ref().filter(|last| last.state == DeliveryState::Applied)?;
    let sent = last.to == aim.target && last.repair == Needs::All;
    let until = later(last.state_at, STILL_DIFFERS_AGAIN_AFTER);
    let holds = until > now && last.state_at <= later(now, CLOCK_TOLERANCE);
    (sent && holds && differs(record, aim) && record.needs().is_nothing())
        .then_some(Wait::HeldBack { until, why: Held::StillDiffers })
}

fn for_open(
    record: &PeerRecord,
    open: &Delivery,
    aim: &Aim,
    needs: &Needs,
    settings: &ExchangeSettings,
    now: Timestamp,
) -> Action {
    let cursor = record.cursor();
    let end = |state, reason| Action::End { delivery: open.id, state, reason };
    if cursor >= open.to && needs.is_nothing() {
        return end(DeliveryState::Applied, ExchangeReason::SeenByCursor);
    }
    if aim.parked {
        return end(DeliveryState::Superseded, ExchangeReason::EndedByParking);
    }
    if cursor == aim.target && needs.is_nothing() {
        return end(DeliveryState::Superseded, ExchangeReason::NothingNeeded);
    }
    // A claimed cursor beyond the package: the till would take it for an older one, unless it is
    // told.
    let is_told = record.claimed().is_none_or(|claimed| claimed <= open.to || open.replaces == Some(claimed));
    let fits = open.to >= aim.target && open.from <= cursor && open.repair.covers(needs) && is_told;
    let leaves_unanswered = leaves_unanswered(record, now);
    if !fits && !leaves_unanswered {
        return announce(record, needs.clone());
    }
    let until = deadline(record, open, settings);
    if until <= now || open.state_at > later(now, CLOCK_TOLERANCE) {
        return end(DeliveryState::Expired, ExchangeReason::NothingHeard);
    }
    if !open.confirmed {
        return Action::Publish { delivery: open.id };
    }
    if !fits {
        return Action::Wait(Wait::NoAnswer { since: open.unanswered_since, until });
    }
    Action::Wait(Wait::OnItsWay { state: open.state, until })
}

/// Whether the till has left a link unanswered for longer than one in contact does. It finds that
/// link when it comes back; to make a longer package for it with each load would make every load
/// dearer, and nobody would read them.
fn leaves_unanswered(record: &PeerRecord, now: Timestamp) -> bool {
    // A link that the broker did not confirm may have reached nobody.
    record.unanswered().is_some_and(|open| open.confirmed && later(open.unanswered_since, ANSWER_TIME) <= now)
}

/// When an open delivery counts as lost.
///
/// A till out of contact since the delivery reached its state will find the link in its queue when
/// it comes back, so there is time. A till in contact that does not move on has lost it.
pub fn deadline(record: &PeerRecord, delivery: &Delivery, settings: &ExchangeSettings) -> Timestamp {
    fail::fail_point!("without::deadlines", |_| Timestamp::MAX);
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

fn held_back(record: &PeerRecord, target: Revision, needs: &Needs, now: Timestamp) -> Option<Wait> {
    let last = record.newest.as_ref().filter(|last| last.state == DeliveryState::Rejected)?;
    let something_new = last.to < target || !last.repair.covers(needs);
    // With a gap the till told its cursor, so the next package fits. A second one in a row is no
    // mere delay of news.
    let first_gap = last.cause == Some(RejectCause::Gap) && last.tries == 0;
    let until = later(last.state_at, doubled(RETRY_AFTER, last.tries, RETRY_AT_MOST));
    let clock_went_back = last.state_at > later(now, CLOCK_TOLERANCE);
    (!something_new && !first_gap && !clock_went_back && until > now)
        .then(|| Wait::HeldBack { until, why: Held::Rejected(last.reason.clone()) })
}

fn announce(record: &PeerRecord, needs: Needs) -> Action {
    let Failures { tries, bad_contents } = failures(record, &needs);
    let repair = if bad_contents >= BAD_CONTENTS_BEFORE_SNAPSHOT { Needs::All } else { needs };
    let unanswered_since = record.unanswered().map(|open| open.unanswered_since);
    Action::Announce { from: record.cursor(), repair, tries, bad_contents, unanswered_since }
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Failures {
    tries: u32,
    bad_contents: u32,
}

/// A superseded delivery was no failure of its own, nor was one that expired while the till was
/// off; a cursor that grew ends the row.
fn failures(record: &PeerRecord, needs: &Needs) -> Failures {
    let Some(last) = &record.newest else { return Failures::default() };
    let before = Failures { tries: last.tries, bad_contents: last.bad_contents };
    let one_more = Failures {
        tries: last.tries.saturating_add(1),
        bad_contents: last.bad_contents.saturating_add(last.had_bad_content().into()),
    };
    match last.state {
        _ if record.cursor() >= last.to && needs.is_nothing() => Failures::default(),
        DeliveryState::Applied => Failures::default(),
        DeliveryState::Expired if record.has_not_answered(last) => before,
        DeliveryState::Rejected | DeliveryState::Expired => one_more,
        _ => before,
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
