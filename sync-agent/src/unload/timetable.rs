//! When the unloader does something by itself.

use super::LOOK_BACK_PERIOD;
use super::LOOK_BACK_RETRY;
use crate::retry::Backoff;
use tokio::time::Instant;

/// What an unloading was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// It was for what is missing.
    pub(super) missing: bool,
    /// It was to look back.
    pub(super) look_back: bool,
    /// `None` where it failed; else whether it looked back.
    pub(super) looked_back: Option<bool>,
    /// It left something unsent all the same.
    pub(super) left: bool,
}

/// What is due when.
#[derive(Debug)]
pub(super) struct Timetable {
    /// What is missing is tried again then. Only an unloading of what is missing settles that.
    pub(super) retry_at: Option<Instant>,
    /// A look back is owed; it stays so until one came to its end.
    pub(super) owed: bool,
    /// What is missing is unloaded then, with a look back.
    pub(super) look_back_at: Option<Instant>,
    backoff: Backoff,
}

impl Timetable {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { retry_at: None, owed: false, look_back_at: None, backoff }
    }

    /// An unloading came to an end.
    pub(super) fn note(&mut self, done: Done, now: Instant) {
        let Some(looked_back) = done.looked_back else {
            self.retry_at = Some(now + self.backoff.next_wait());
            // The retry looks back where that is owed.
            self.look_back_at = self.look_back_at.filter(|_| !self.owed);
            return;
        };
        if done.left {
            self.retry_at = Some(now + self.backoff.next_wait());
        } else if done.missing {
            self.backoff.reset();
            self.retry_at = None;
        }
        if done.look_back {
            self.owed = !looked_back;
            self.look_back_at = Some(now + if self.owed { LOOK_BACK_RETRY } else { LOOK_BACK_PERIOD });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn timetable() -> Timetable {
        let wait = Duration::from_secs(1);
        Timetable { owed: true, ..Timetable::new(Backoff::new(wait, wait)) }
    }

    const MISSING: Done = Done { missing: true, look_back: true, looked_back: Some(true), left: false };

    #[tokio::test]
    async fn what_is_missing_is_tried_again_whatever_else_succeeds_in_between() {
        let now = Instant::now();
        let mut table = timetable();
        table.note(Done { looked_back: None, ..MISSING }, now);
        assert!(table.retry_at.is_some() && table.owed);
        table.note(Done { missing: false, look_back: false, looked_back: Some(false), left: false }, now);
        assert!(table.retry_at.is_some() && table.owed, "some days were unloaded, no more");
        table.note(MISSING, now);
        assert_eq!((table.retry_at, table.owed), (None, false));
    }

    #[tokio::test]
    async fn what_is_left_unsent_is_tried_again_and_does_not_keep_a_look_back_owed() {
        let now = Instant::now();
        let mut table = timetable();
        table.note(Done { left: true, ..MISSING }, now);
        assert!(table.retry_at.is_some() && !table.owed);
        assert_eq!(table.look_back_at, Some(now + LOOK_BACK_PERIOD));
        table.note(MISSING, now);
        assert_eq!(table.retry_at, None);
    }

    #[tokio::test]
    async fn a_look_back_is_made_once_a_day_and_sooner_where_the_server_could_not_tell() {
        let now = Instant::now();
        let mut table = timetable();
        table.note(Done { looked_back: Some(false), ..MISSING }, now);
        assert_eq!((table.owed, table.look_back_at), (true, Some(now + LOOK_BACK_RETRY)));
        table.note(MISSING, now);
        assert_eq!((table.owed, table.look_back_at), (false, Some(now + LOOK_BACK_PERIOD)));
        table.note(Done { look_back: false, ..MISSING }, now + LOOK_BACK_RETRY);
        assert_eq!(table.look_back_at, Some(now + LOOK_BACK_PERIOD), "another unloading does not put it off");
    }
}
