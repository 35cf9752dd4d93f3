//! What a report changes: pure functions over what is known.
//!
//! Reports may be lost, doubled, late or out of order. Each carries the till's whole state, so the
//! last one heard is taken as it is; a stale one does no harm, because a package also applies to a
//! till that is further on, and the next contact tells the truth. Only findings for people need
//! the order, and they use the till's own clock.

use super::claims::bounded;
use super::model::{Contact, Delivery, Needs};
use super::reason::ExchangeReason;
use crate::words::Reason;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tillway_proto::report::{RejectCause, Reported, TillState};
use tillway_proto::{DeliveryState, Report, Revision};

/// Longest reason of a till that is kept, in characters.
pub const MAX_REASON: usize = 1000;

/// A till's clock that is further ahead is a wrong one.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

/// What a report changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What is known of the till from now on.
    pub contact: Contact,
    /// The delivery named in the report, where it moved on.
    pub delivery: Option<Delivery>,
    /// It was never heard of before.
    pub is_first: bool,
    /// The cursor, where it grew.
    pub applied: Option<Revision>,
    /// Whether the reconciler has something to look at.
    pub poke: bool,
}

/// Takes a report. `delivery` is the one it names, where the server knows it; `believed`, whether
/// anything speaks for the cursor that it names (see [`super::claims`]).
pub fn hear(
    known: Option<&Contact>,
    delivery: Option<&Delivery>,
    reported: &Reported,
    believed: bool,
    silent_after: Duration,
    now: Timestamp,
) -> Heard {
    let mut contact = known.cloned().unwrap_or_else(|| fresh(reported, now));
    let is_first = known.is_none();
    let was_silent = is_silent(&contact, silent_after, now);
    // The server's clock may have gone back since.
    contact.present_since = if was_silent { now } else { contact.present_since.min(now) };
    contact.needs_since = contact.needs_since.map(|since| since.min(now));
    if clock_came_back(contact.sent_at, reported.sent_at, now) {
        contact.sent_at = Timestamp::MIN;
    }
    note_instance(&mut contact, reported, now);
    let cursor_before = contact.state.cursor;
    let (needs_before, digest_before, claimed_before) = (contact.needs.clone(), contact.state.digest, contact.claimed);
    let mut moved = None;
    match &reported.report {
        Report::Contact { state } => take_state(&mut contact, state, believed, reported.sent_at, now),
        Report::Delivery { state, reason, cause, till_state, package, .. } => {
            take_state(&mut contact, till_state, believed, reported.sent_at, now);
            // Whoever has applied it is there, or further on; whoever only says so would be sent
            // the next one at once, without end.
            let contradicts =
                *state == DeliveryState::Applied && delivery.is_some_and(|delivery| contact.state.cursor < delivery.to);
            if let Some(delivery) = delivery.filter(|delivery| delivery.package == *package && !contradicts) {
                if *state == DeliveryState::Applied {
                    satisfy(&mut contact, delivery);
                }
                moved = if let Some(why) = passed_over(&contact, delivery, *state) {
                    step(delivery, DeliveryState::Rejected, Some(why.into()), Some(RejectCause::Transport), now)
                } else {
                    let reason = reason.as_deref().map(|text| Reason::worded(shortened(text)));
                    step(delivery, *state, reason, *cause, now)
                };
            }
        }
        Report::NeedSnapshot { kinds, reason, till_state } => {
            take_state(&mut contact, till_state, believed, reported.sent_at, now);
            contact.needs = contact.needs.and(&Needs::of_report(kinds));
            contact.needs_since = Some(now);
            contact.needs_reason = shortened(reason);
        }
        Report::Unload { .. } | Report::Refused { .. } => {}
    }
    contact.last_at = now;
    contact.sent_at = contact.sent_at.max(reported.sent_at);
    let cursor = contact.state.cursor;
    let ended = moved.as_ref().is_some_and(|delivery| delivery.state.is_final());
    Heard {
        applied: (cursor > cursor_before || (is_first && cursor > Revision::ZERO)).then_some(cursor),
        poke: is_first
            || was_silent
            || ended
            || cursor != cursor_before
            || contact.needs != needs_before
            || contact.state.digest != digest_before
            || contact.claimed != claimed_before,
        delivery: moved,
        is_first,
        contact,
    }
}

/// A last word that lies in the future by more than this was heard before this server's clock went
/// back.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether a till counts as silent now. One that was heard of before this server's clock went back
/// is silent until it is heard of again, which takes a till in contact no longer than a minute.
pub fn is_silent(contact: &Contact, silent_after: Duration, now: Timestamp) -> bool {
    let silence = now.duration_since(contact.last_at);
    silence > SignedDuration::try_from(silent_after).unwrap_or(SignedDuration::MAX) || silence < -CLOCK_TOLERANCE
}

/// A clock that was far ahead and is not any more: what it said then does not tell what came
/// later.
fn clock_came_back(before: Timestamp, sent_at: Timestamp, now: Timestamp) -> bool {
    let latest = now.saturating_add(CLOCKS_APART).unwrap_or(Timestamp::MAX);
    before > latest && sent_at <= latest
}

fn fresh(reported: &Reported, now: Timestamp) -> Contact {
    Contact {
        first_at: now,
        last_at: now,
        present_since: now,
        sent_at: reported.sent_at,
        instance: reported.instance,
        previous_instance: None,
        state: TillState::default(),
        needs: Needs::Nothing,
        needs_since: None,
        needs_reason: String::new(),
        two_machines_at: None,
        went_back_at: None,
        claimed: None,
        claimed_at: None,
    }
}

/// One change of instance is a till set up anew; a change back means that two machines speak in
/// turn.
fn note_instance(contact: &mut Contact, reported: &Reported, now: Timestamp) {
    if reported.instance == contact.instance {
        return;
    }
    let came_back = contact.previous_instance == Some(reported.instance);
    if came_back && reported.sent_at >= contact.sent_at {
        contact.two_machines_at = Some(now);
    }
    contact.previous_instance = Some(contact.instance);
    contact.instance = reported.instance;
}

/// A cursor that nothing speaks for counts as none: what the till really has is not known, so it
/// gets everything.
fn take_state(contact: &mut Contact, state: &TillState, believed: bool, sent_at: Timestamp, now: Timestamp) {
    let state = bounded(state);
    if !believed {
        // As the database can hold it; no till can have a larger one.
        let claimed = Some(Revision(state.cursor.0.min(i64::MAX.cast_unsigned())));
        if contact.claimed != claimed {
            contact.claimed_at = Some(now);
        }
        contact.claimed = claimed;
        contact.state = TillState { cursor: Revision::ZERO, digest: None, proof: None, ..state };
        return;
    }
    if state.cursor < contact.state.cursor && sent_at > contact.sent_at {
        contact.went_back_at = Some(now);
    }
    contact.claimed = None;
    contact.state = state;
}

/// A delivery that was made after the till asked, and that the till applied, gives what it sent
/// whole, even where the server had given the delivery up. One made before cannot be the answer:
/// this may be an old report again.
fn satisfy(contact: &mut Contact, delivery: &Delivery) {
    if contact.needs_since.is_some_and(|since| delivery.created_at >= since) {
        contact.needs = contact.needs.without(&delivery.repair);
    }
    if contact.needs.is_nothing() {
        contact.needs_since = None;
        contact.needs_reason.clear();
    }
}

/// An agent of v0.1 does not know that a package may take the place of a cursor (`replaces`): it
/// says that it is further already, and would say so of each that follows.
fn passed_over(contact: &Contact, delivery: &Delivery, state: DeliveryState) -> Option<ExchangeReason> {
    let claimed = contact.claimed.filter(|claimed| delivery.replaces == Some(*claimed))?;
    let till = delivery.peer.to_string();
    (state == DeliveryState::Superseded).then_some(ExchangeReason::PassesOver { claimed, till })
}

fn step(
    delivery: &Delivery,
    state: DeliveryState,
    reason: Option<Reason>,
    cause: Option<RejectCause>,
    now: Timestamp,
) -> Option<Delivery> {
    // A till does not end deliveries on the server's behalf.
    let of_till = matches!(
        state,
        DeliveryState::Downloaded | DeliveryState::Queued | DeliveryState::Applied | DeliveryState::Rejected
    );
    (of_till && delivery.state.may_become(state)).then(|| Delivery {
        state,
        state_at: now,
        // The till has the link, so the broker had it, whether its confirm came or not.
        confirmed: true,
        reason,
        cause: cause.filter(|_| state == DeliveryState::Rejected),
        ..delivery.clone()
    })
}

/// A text of a till, cut to what is kept.
pub fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}
