//! `[people]`: how long those who came in are let in.

use super::source::Source;
use jiff::SignedDuration;
use tillway_service::people::SessionLimits;

/// Longest time in hours that a session goes on without being used, and longest in days in all.
const MAX_IDLE_HOURS: u64 = 24 * 31;
const MAX_SESSION_DAYS: u64 = 92;

/// How long sessions of people last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeopleSettings {
    /// `idle_hours` and `session_days`.
    pub sessions: SessionLimits,
}

impl PeopleSettings {
    pub(super) fn read(source: &Source) -> Self {
        let hours = |number: u64| SignedDuration::from_hours(i64::try_from(number).unwrap_or(1));
        let idle = hours(source.number("people.idle_hours", 1..=MAX_IDLE_HOURS));
        let whole = hours(24 * source.number("people.session_days", 1..=MAX_SESSION_DAYS));
        Self { sessions: SessionLimits { idle, whole } }
    }
}
