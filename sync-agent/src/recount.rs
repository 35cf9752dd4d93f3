//! Recounts of the dictionary: whether its rows are those that the last load left. What differs is
//! asked for whole.
//!
//! A recount reads every row, a second's work on a large till. It is made at the start, once a day
//! at a quiet time, when somebody asks, and when somebody else wrote to the file
//! ([`where_others_wrote`]), which each contact looks for and which costs nothing.

use crate::commands;
use crate::dictionary::OtherHands;
use crate::retry;
use crate::till::Till;
use jiff::Zoned;
use jiff::civil::Time;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::Report;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// When the quiet time of the day begins, by the till's clock: few shops sell then. A till that is
/// switched off at night recounts when it is switched on.
const QUIET_FROM_SECS: u64 = 2 * 3600;

/// How long it lasts: each till picks its moment in it, so that snapshots are not asked for in
/// one.
const QUIET_TIME: Duration = Duration::from_hours(3);

const DAY_SECS: u64 = 24 * 3600;

/// Between two recounts that follow from a change of the file in which no row of ours is known to
/// have been written: a POS that keeps a table of its own there must not have everything recounted
/// once a minute.
const BETWEEN_DOUBTS: Duration = Duration::from_mins(10);

/// Most commands that wait for the end of one recount; a server asks one at a time.
const MAX_WAITING_COMMANDS: usize = 100;

/// Recounts that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Recounts {
    poke: Notify,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Commands of the server to answer when the recount is done.
    commands: Vec<Uuid>,
    /// When the last one was begun.
    last: Option<Instant>,
}

impl Recounts {
    /// Asks for one that answers a command of the server; `false` where too many wait already.
    pub(crate) fn ask_for(&self, command: Uuid) -> bool {
        let mut asked = self.asked();
        if asked.commands.len() >= MAX_WAITING_COMMANDS {
            return false;
        }
        if !asked.commands.contains(&command) {
            asked.commands.push(command);
        }
        drop(asked);
        self.poke.notify_one();
        true
    }

    fn begin(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.asked().commands)
    }

    fn was_lately(&self) -> bool {
        self.asked().last.is_some_and(|last| last.elapsed() < BETWEEN_DOUBTS)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Recounts at the start, once a day, and when asked.
pub(crate) async fn run(till: Arc<Till>) {
    loop {
        let commands = till.recounts.begin();
        let counted = verify(&till).await;
        for command in commands {
            let outcome = match counted {
                Some(_) => Ok(()),
                None => Err("the dictionary was not recounted; see the till's log".to_owned()),
            };
            commands::answer(&till, command, outcome).await;
        }
        let quiet = until_quiet_time(Zoned::now().time()) + retry::spread(QUIET_TIME);
        tokio::select! {
            () = till.shutdown.cancelled() => return,
            () = till.recounts.poke.notified() => {}
            () = tokio::time::sleep(quiet) => {}
        }
    }
}

/// Until the next quiet time begins: never none, so that one that was used is over.
fn until_quiet_time(now: Time) -> Duration {
    let of_day = Time::midnight().duration_until(now).unsigned_abs().as_secs();
    Duration::from_secs(match QUIET_FROM_SECS.checked_sub(of_day) {
        Some(today @ 1..) => today,
        _ => DAY_SECS + QUIET_FROM_SECS - of_day,
    })
}

/// Has everything recounted where somebody else wrote to the dictionary.
pub(crate) async fn where_others_wrote(till: &Arc<Till>) {
    match till.blocking(|till| till.dictionary.other_hands()).await {
        Ok(OtherHands::Rows) => {
            tracing::warn!("somebody else wrote to the dictionary: it is recounted");
            till.recounts.poke.notify_one();
        }
        Ok(OtherHands::Somewhere) if !till.recounts.was_lately() => till.recounts.poke.notify_one(),
        Ok(OtherHands::Somewhere | OtherHands::None) => {}
        Err(error) => till.failed("the dictionary was not looked at", &error),
    }
}

/// Recounts the whole dictionary; the names of the kinds that differ.
pub(crate) async fn verify(till: &Arc<Till>) -> Option<Vec<String>> {
    let counted = {
        let _exchange = till.exchange.take().await;
        till.recounts.asked().last = Some(Instant::now());
        till.blocking(|till| till.dictionary.verify()).await
    };
    match counted {
        Ok(Ok(kinds)) => {
            if kinds.is_empty() {
                tracing::info!("the dictionary was recounted and is as the last load left it");
            } else {
                tracing::error!(?kinds, "rows were changed by somebody else: a snapshot is asked for");
                till.errors.add();
                let reason = format!("a recount found other rows than the last load left: {}", kinds.join(", "));
                let till_state = till.look_now().await;
                till.reports.put(Report::NeedSnapshot { kinds: kinds.clone(), reason, till_state });
            }
            Some(kinds)
        }
        Ok(Err(error)) => {
            till.failed("the dictionary was not recounted", &error);
            None
        }
        Err(error) => {
            till.failed("the dictionary was not recounted", &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::till::bench::TestTill;
    use jiff::civil::time;
    use rusqlite::Connection;

    #[test]
    fn the_quiet_time_comes_once_a_day() {
        let until = |now| until_quiet_time(now).as_secs();
        assert_eq!(until(time(1, 59, 59, 0)), 1);
        assert_eq!(until(time(0, 0, 0, 0)), QUIET_FROM_SECS);
        assert_eq!(until(time(12, 0, 0, 0)), 14 * 3600);
        for hour in 2..5 {
            let wait = until(time(hour, 0, 0, 0));
            assert!(wait > QUIET_TIME.as_secs() && wait <= DAY_SECS, "used, and over for today: {wait}");
        }
    }

    /// Whether a recount was asked for, without waiting for one.
    async fn is_asked_for(till: &Arc<Till>) -> bool {
        where_others_wrote(till).await;
        tokio::time::timeout(Duration::ZERO, till.recounts.poke.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn a_write_by_hand_is_recounted_at_the_next_look_and_the_snapshot_asked_for_once() {
        let till = TestTill::new();
        assert_eq!(verify(&till).await, Some(Vec::new()));
        assert!(!is_asked_for(&till).await);
        let tool = Connection::open(till.dictionary.path()).unwrap();
        tool.execute("INSERT INTO tmc (code) VALUES ('7')", []).unwrap();
        assert!(is_asked_for(&till).await);
        assert_eq!(verify(&till).await, Some(vec!["item".to_owned()]));
        let report = till.reports.next().await;
        assert!(matches!(&report.reported.report, Report::NeedSnapshot { kinds, .. } if kinds == &["item"]));
        assert!(!is_asked_for(&till).await, "it is known, and the snapshot on its way");
        tool.execute("DELETE FROM barcodes", []).unwrap();
        assert!(!is_asked_for(&till).await, "no row was there");
        tool.execute("INSERT INTO barcodes (barcode, code) VALUES ('46', '7')", []).unwrap();
        assert!(is_asked_for(&till).await);
    }

    #[tokio::test]
    async fn a_change_that_may_be_none_of_ours_is_recounted_now_and_then() {
        let till = TestTill::new();
        verify(&till).await.unwrap();
        let tool = Connection::open(till.dictionary.path()).unwrap();
        tool.execute_batch("CREATE TABLE notes_of_the_pos (text)").unwrap();
        assert!(!is_asked_for(&till).await, "one was made just now");
        let long_ago = Instant::now().checked_sub(BETWEEN_DOUBTS).unwrap();
        till.recounts.asked().last = Some(long_ago);
        assert!(is_asked_for(&till).await);
        verify(&till).await.unwrap();
        till.recounts.asked().last = Some(long_ago);
        assert!(!is_asked_for(&till).await);
    }

    #[tokio::test]
    async fn another_file_in_the_place_of_the_dictionary_is_recounted() {
        let till = TestTill::new();
        verify(&till).await.unwrap();
        let image = till.folder.path().join("image.db");
        drop(tillway_exchangers::till::dictionary::Loader::open(&image).unwrap());
        fs_err::rename(&image, till.dictionary.path()).unwrap();
        assert!(is_asked_for(&till).await);
        verify(&till).await.unwrap();
        assert!(!is_asked_for(&till).await);
    }
}
