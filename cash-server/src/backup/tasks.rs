//! Backups as work that the server does by itself: one a day, a rehearsal now and then, and the
//! list of peers whenever it changes.

use super::error::BackupError;
use super::{Backups, Rehearsal};
use crate::hints::{Hint, Hints};
use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use std::sync::Arc;
use std::time::Duration;
use tillway_service::background::{Next, Task};

/// Whether one is due is looked at least this often: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// A server that starts serves its tills first.
const AFTER_START: Duration = Duration::from_mins(10);

/// One that failed is tried again after this time, then less and less often.
const TRY_AGAIN: Duration = Duration::from_mins(10);

/// The list of peers is looked at this often where nothing calls for it.
const PEERS_EVERY: Duration = Duration::from_mins(10);

impl Backups {
    /// As tasks of the server.
    pub fn tasks(&self, hints: &Hints) -> [Task; 3] {
        let (backups, rehearsals, peers) = (self.clone(), self.clone(), self.clone());
        let backup = Task::blocking("backup", LOOK_EVERY, move |stop| {
            let asked = backups.making.take();
            let now = Zoned::now();
            if !asked && let Some(wait) = backups.due_in(&now)? {
                return Ok(Next::In(wait.min(LOOK_EVERY)));
            }
            match backups.create(&|| !stop.is_cancelled()) {
                Err(_) if stop.is_cancelled() => Ok(Next::AtPeriod),
                made => made.map(|_| Next::AtOnce),
            }
        });
        let rehearsal = Task::blocking("backup-rehearsal", LOOK_EVERY, move |stop| {
            if rehearsals.rehearsal.take() || rehearsals.rehearsal_is_due(Timestamp::now())? {
                match rehearsals.rehearse(&|| !stop.is_cancelled()) {
                    Err(_) if stop.is_cancelled() => {}
                    rehearsed => drop(rehearsed?),
                }
            }
            Ok::<_, BackupError>(Next::AtPeriod)
        });
        let list = Task::blocking("backup-peers", PEERS_EVERY, move |_| peers.write_peers().map(|_| Next::AtPeriod));
        [
            backup.first_after(AFTER_START).retried_after(TRY_AGAIN).poked_at_once_by(Arc::clone(&self.making.poke)),
            rehearsal.first_after(AFTER_START * 3).poked_at_once_by(Arc::clone(&self.rehearsal.poke)),
            list.retried_after(TRY_AGAIN).poked_at_once_by(hints.listen(&[Hint::Network])),
        ]
    }

    /// How long until the next one of a day is due; none: now.
    pub(super) fn due_in(&self, now: &Zoned) -> Result<Option<Duration>, BackupError> {
        if !self.are_daily() {
            return Ok(Some(LOOK_EVERY));
        }
        let hour = Time::constant(0, 0, 0, 0).saturating_add(i64::from(self.parts.settings.hour).hours());
        let today = now.date().to_datetime(hour).to_zoned(now.time_zone().clone()).unwrap_or_else(|_| now.clone());
        let tomorrow = today.checked_add(1.day()).unwrap_or_else(|_| today.clone());
        let last = if *now >= today { today.clone() } else { today.checked_sub(1.day()).unwrap_or(today.clone()) };
        let next = if *now >= today { tomorrow } else { today };
        let newest = self.list()?.into_iter().next().map(|kept| kept.note.at);
        if newest.is_none_or(|newest| newest < last.timestamp()) {
            return Ok(None);
        }
        let wait = next.timestamp().duration_since(now.timestamp()).max(SignedDuration::from_secs(1));
        Ok(Some(wait.unsigned_abs()))
    }

    /// Whether the newest one is to be rehearsed: none stood its trial for so many days; or it was
    /// tried, and failed a day ago or more.
    pub(super) fn rehearsal_is_due(&self, now: Timestamp) -> Result<bool, BackupError> {
        let days = self.parts.settings.rehearse_days;
        let kept = self.list()?;
        let Some(newest) = kept.first() else { return Ok(false) };
        if days == 0 {
            return Ok(false);
        }
        let days_ago = |days: i64| now.checked_sub((days * 24).hours()).unwrap_or(Timestamp::MIN);
        if let Some(Rehearsal { at, fault, .. }) = &newest.note.rehearsed {
            return Ok(fault.is_some() && *at <= days_ago(1));
        }
        let stood = |rehearsal: &&Rehearsal| rehearsal.fault.is_none();
        let last = kept.iter().filter_map(|kept| kept.note.rehearsed.as_ref()).filter(stood);
        let last = last.map(|rehearsal| rehearsal.at).max();
        Ok(last.is_none_or(|last| last <= days_ago(i64::from(days))))
    }
}
