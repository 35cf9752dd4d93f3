//! Logins of known tills with a wrong token: one finding a till, until it logs in rightly.
//!
//! What is remembered is bounded by the tills of the network, since only those count; what is
//! written, by one line a till in [`NOTE_EVERY`], however often somebody tries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tillway_proto::TillId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::database::Database;
use crate::store::StoreError;
use crate::store::sales::{FindingFilter, FindingKind, FindingReason, NewFinding, Page, SalesStore};

/// A finding of a till is written anew at most so often.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Notes that wait for the database; further ones are made again with the next login.
const QUEUE: usize = 256;

/// The one subject of these findings.
const SUBJECT: &str = "wrong token";

/// Counts of this process; cheap to clone. A hint: the findings are in the store.
#[derive(Debug, Clone)]
pub(super) struct FailedLogins {
    failing: Arc<Mutex<HashMap<TillId, Failing>>>,
    queue: mpsc::Sender<Note>,
}

#[derive(Debug, Default)]
struct Failing {
    times: u64,
    noted: Option<Instant>,
}

#[derive(Debug)]
enum Note {
    Wrong { till: TillId, reason: FindingReason },
    Right { till: TillId },
}

/// Writes what was counted.
#[derive(Debug)]
pub(super) struct FailedLoginWriter {
    logins: FailedLogins,
    database: Database,
    waiting: mpsc::Receiver<Note>,
}

pub(super) fn channel(database: Database) -> (FailedLogins, FailedLoginWriter) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let logins = FailedLogins { failing: Arc::default(), queue };
    (logins.clone(), FailedLoginWriter { logins, database, waiting })
}

impl FailedLogins {
    /// Somebody has named this till, which is known here, with a token that is not its own.
    /// `from`: the address.
    pub(super) fn wrong(&self, till: &TillId, from: &str) {
        let mut failing = self.lock();
        let entry = failing.entry(till.clone()).or_default();
        entry.times += 1;
        if entry.noted.is_some_and(|noted| noted.elapsed() < NOTE_EVERY) {
            return;
        }
        let reason = FindingReason::FailedLogins { till: till.to_string(), times: entry.times, from: from.to_owned() };
        if self.queue.try_send(Note::Wrong { till: till.clone(), reason }).is_ok() {
            entry.noted = Some(Instant::now());
        }
    }

    /// The till has logged in.
    pub(super) fn right(&self, till: &TillId) {
        let mut failing = self.lock();
        if failing.contains_key(till) && self.queue.try_send(Note::Right { till: till.clone() }).is_ok() {
            failing.remove(till);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TillId, Failing>> {
        // The map is whole after every statement.
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailedLoginWriter {
    /// Writes until `shutdown`, one after another: a right login after a wrong one ends its
    /// finding.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        // What an earlier process has found is closed by this one.
        if let Ok(open) = self.database.read(open_findings).await {
            let mut failing = self.logins.lock();
            for till in open {
                failing.entry(till).or_default();
            }
        }
        loop {
            let note = tokio::select! {
                note = self.waiting.recv() => note,
                () = shutdown.cancelled() => return,
            };
            let Some(note) = note else { return };
            let (till, written) = match note {
                Note::Wrong { till, reason } => {
                    let finding = NewFinding {
                        reason,
                        till: Some(till.clone()),
                        shift: None,
                        subject: SUBJECT.to_owned(),
                        at: Timestamp::now(),
                    };
                    (till, self.database.write(move |store| store.add_finding(&finding)).await)
                }
                Note::Right { till } => {
                    let closed = till.clone();
                    let close = move |store: &dyn SalesStore| {
                        store.close_finding(FindingKind::FailedLogins, Some(&closed), SUBJECT, Timestamp::now())
                    };
                    (till, self.database.write(close).await)
                }
            };
            if written.is_err() {
                // The next login writes it again, whichever it is.
                self.logins.lock().entry(till).or_default().noted = None;
            }
        }
    }
}

fn open_findings(store: &dyn SalesStore) -> Result<Vec<TillId>, StoreError> {
    let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
    let mut page = Page::default();
    let mut tills = Vec::new();
    loop {
        let found = store.findings(&filter, page)?;
        let more = found.len() >= page.limit as usize;
        page.offset += found.len() as u64;
        let ours = found.into_iter().filter(|finding| finding.kind == FindingKind::FailedLogins.as_str());
        tills.extend(ours.filter_map(|finding| finding.till));
        if !more {
            return Ok(tills);
        }
    }
}
