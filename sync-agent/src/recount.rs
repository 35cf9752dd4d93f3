//! Recounts of the dictionary: whether its rows are those that the last load left. What differs is
//! asked for whole.
//!
//! A recount reads every row, a second's work on a large till. It is made at the start, once a day
//! at a quiet time, when somebody asks, and when somebody else wrote to the file
//! ([`Recount::where_others_wrote`]), which each contact looks for and which costs nothing.

use crate::error::blocking;
use crate::lock::ExchangeLock;
use crate::retry;
use crate::sink::{OtherHands, Sink};
use crate::tell::Teller;
use futures_util::FutureExt as _;
use jiff::Zoned;
use jiff::civil::Time;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
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

/// Recounts what the sink holds. Cheap to clone; all clones share what is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Recount {
    sink: Arc<dyn Sink>,
    teller: Teller,
    exchange: ExchangeLock,
    shutdown: CancellationToken,
    poke: Arc<Notify>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Commands of the server to answer when the recount is done.
    commands: Vec<Uuid>,
    /// When the last one was begun.
    last: Option<Instant>,
}

impl Recount {
    pub(crate) fn new(
        sink: Arc<dyn Sink>,
        teller: Teller,
        exchange: ExchangeLock,
        shutdown: CancellationToken,
    ) -> Self {
        Self { sink, teller, exchange, shutdown, poke: Arc::default(), asked: Arc::default() }
    }

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

    /// Recounts at the start, once a day, and when asked.
    pub(crate) async fn run(self) {
        loop {
            // What was asked for until now, this one answers.
            let _ = self.poke.notified().now_or_never();
            let commands = std::mem::take(&mut self.asked().commands);
            let counted = self.verify().await;
            for command in commands {
                let outcome = match counted {
                    Some(_) => Ok(()),
                    None => Err("the dictionary was not recounted; see the till's log".to_owned()),
                };
                self.teller.answer(command, outcome).await;
            }
            let quiet = until_quiet_time(Zoned::now().time()) + retry::spread(QUIET_TIME);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.poke.notified() => {}
                () = tokio::time::sleep(quiet) => {}
            }
        }
    }

    /// Has everything recounted where somebody else wrote to the dictionary.
    pub(crate) async fn where_others_wrote(&self) {
        let sink = Arc::clone(&self.sink);
        match blocking(move || sink.other_hands()).await {
            Ok(OtherHands::Rows) => {
                tracing::warn!("somebody else wrote to the dictionary: it is recounted");
                self.poke.notify_one();
            }
            Ok(OtherHands::Somewhere) if !self.was_lately() => self.poke.notify_one(),
            Ok(OtherHands::Somewhere | OtherHands::None) => {}
            Err(error) => self.teller.failed("the dictionary was not looked at", &error),
        }
    }

    /// Recounts the whole dictionary; the names of the kinds that differ.
    pub(crate) async fn verify(&self) -> Option<Vec<String>> {
        self.asked().last = Some(Instant::now());
        let counted = {
            let _exchange = self.exchange.take().await;
            let sink = Arc::clone(&self.sink);
            blocking(move || sink.verify()).await
        };
        let failed = |error: &dyn Error| {
            self.teller.failed("the dictionary was not recounted", error);
            None
        };
        match counted {
            Ok(Ok(kinds)) => {
                if kinds.is_empty() {
                    tracing::info!("the dictionary was recounted and is as the last load left it");
                } else {
                    tracing::error!(?kinds, "rows were changed by somebody else: a snapshot is asked for");
                    self.teller.errors.add();
                    let reason = format!("a recount found other rows than the last load left: {}", kinds.join(", "));
                    let differ = kinds.clone();
                    self.teller.blocking(move |teller| teller.need_snapshot(differ, reason)).await;
                }
                Some(kinds)
            }
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }

    fn was_lately(&self) -> bool {
        self.asked().last.is_some_and(|last| last.elapsed() < BETWEEN_DOUBTS)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::TestTill;
    use jiff::civil::time;
    use rusqlite::Connection;
    use tillway_proto::Report;

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
    async fn is_asked_for(recount: &Recount) -> bool {
        recount.where_others_wrote().await;
        tokio::time::timeout(Duration::ZERO, recount.poke.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn a_write_by_hand_is_recounted_at_the_next_look_and_the_snapshot_asked_for_once() {
        let till = TestTill::new();
        assert_eq!(till.recount.verify().await, Some(Vec::new()));
        assert!(!is_asked_for(&till.recount).await);
        let tool = Connection::open(till.sink.path()).unwrap();
        tool.execute("INSERT INTO tmc (code) VALUES ('7')", []).unwrap();
        assert!(is_asked_for(&till.recount).await);
        assert_eq!(till.recount.verify().await, Some(vec!["item".to_owned()]));
        let report = till.recount.teller.reports.next().await;
        assert!(matches!(&report.reported.report, Report::NeedSnapshot { kinds, .. } if kinds == &["item"]));
        assert!(!is_asked_for(&till.recount).await, "it is known, and the snapshot on its way");
        tool.execute("DELETE FROM barcodes", []).unwrap();
        assert!(!is_asked_for(&till.recount).await, "no row was there");
        tool.execute("INSERT INTO barcodes (barcode, code) VALUES ('46', '7')", []).unwrap();
        assert!(is_asked_for(&till.recount).await);
    }

    #[tokio::test]
    async fn a_change_that_may_be_none_of_ours_is_recounted_now_and_then() {
        let till = TestTill::new();
        till.recount.verify().await.unwrap();
        let tool = Connection::open(till.sink.path()).unwrap();
        tool.execute_batch("CREATE TABLE notes_of_the_pos (text)").unwrap();
        assert!(!is_asked_for(&till.recount).await, "one was made just now");
        let long_ago = Instant::now().checked_sub(BETWEEN_DOUBTS).unwrap();
        till.recount.asked().last = Some(long_ago);
        assert!(is_asked_for(&till.recount).await);
        till.recount.verify().await.unwrap();
        till.recount.asked().last = Some(long_ago);
        assert!(!is_asked_for(&till.recount).await);
    }

    #[tokio::test]
    async fn another_file_in_the_place_of_the_dictionary_is_recounted() {
        let till = TestTill::new();
        till.recount.verify().await.unwrap();
        let image = till.folder.path().join("image.db");
        drop(tillway_exchangers::till::dictionary::Loader::open(&image).unwrap());
        fs_err::rename(&image, till.sink.path()).unwrap();
        assert!(is_asked_for(&till.recount).await);
        till.recount.verify().await.unwrap();
        assert!(!is_asked_for(&till.recount).await);
    }
}
