//! Who is where he does not belong: a wrong token in the name of a known till, and a till's token
//! where it opens nothing. Each is a finding, one a till and sort.
//!
//! A wrong token is told until its till logs in rightly; the others until a person closes them.
//! REST and the sales service tell of both. What is remembered is bounded by the tills of the
//! network, since only those count; what is written, by one line a till and sort in
//! [`NOTE_EVERY`], however often somebody tries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tillway_proto::TillId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::database::Database;
use crate::store::StoreError;
use crate::store::sales::{FindingFilter, FindingKind, FindingReason, NewFinding, Page, SalesStore};

/// A finding is written anew at most so often.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Notes that wait for the database; further ones are made again with the next try.
const QUEUE: usize = 256;

/// Of what somebody who is not trusted said, in characters.
const MAX_DETAIL_CHARS: usize = 200;

/// The subjects of findings.
const WRONG_TOKEN: &str = "wrong token";
const ADMINISTRATION: &str = "administration";
const OTHERS_NAME: &str = "another's name";
const OUT_OF_PLACE: &str = "out of place";
const PROTOCOL: &str = "protocol";
const FLOOD: &str = "flood";

/// What was tried, of which till.
type Tried = (TillId, &'static str);

/// Counts of this process; cheap to clone. A hint: the findings are in the store.
#[derive(Debug, Clone)]
pub struct Intruders {
    counts: Arc<Mutex<HashMap<Tried, Count>>>,
    queue: mpsc::Sender<Note>,
}

#[derive(Debug, Default)]
struct Count {
    times: u64,
    noted: Option<Instant>,
}

#[derive(Debug)]
enum Note {
    Found { tried: Tried, reason: FindingReason },
    Over { tried: Tried },
}

/// Writes what was counted.
#[derive(Debug)]
struct Writer {
    counts: Arc<Mutex<HashMap<Tried, Count>>>,
    database: Database,
    waiting: mpsc::Receiver<Note>,
}

impl Intruders {
    /// Begins to count, within a runtime. What is found is written until all clones are gone.
    pub fn new(store: Arc<dyn SalesStore>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = Arc::<Mutex<HashMap<Tried, Count>>>::default();
        let writer = Writer { counts: Arc::clone(&counts), database: Database::new(store), waiting };
        tokio::spawn(writer.run());
        Self { counts, queue }
    }

    /// Somebody has named this till, which is known here, with a token that is nobody's. `from`:
    /// the address, here and below.
    pub fn wrong_token(&self, till: &TillId, from: &str) {
        let (till_id, from) = (till.to_string(), from.to_owned());
        self.count(till, WRONG_TOKEN, |times| FindingReason::FailedLogins { till: till_id, times, from });
    }

    /// The till has shown its own token.
    pub fn right_token(&self, till: &TillId) {
        let tried = (till.clone(), WRONG_TOKEN);
        let mut counts = lock(&self.counts);
        if counts.contains_key(&tried) && self.queue.try_send(Note::Over { tried: tried.clone() }).is_ok() {
            counts.remove(&tried);
        }
    }

    /// Its token was shown where administrators alone may come.
    pub fn at_administration(&self, till: &TillId, from: &str) {
        let from = from.to_owned();
        self.count(till, ADMINISTRATION, |times| FindingReason::TillAtAdministration { times, from });
    }

    /// Its token was shown in the name of another till.
    pub fn in_others_name(&self, till: &TillId, other: &str, from: &str) {
        let (other, from) = (other.chars().take(MAX_DETAIL_CHARS).collect(), from.to_owned());
        self.count(till, OTHERS_NAME, |times| FindingReason::TillInOthersName { other, times, from });
    }

    /// Its token was shown where there is nothing for a till.
    pub fn out_of_place(&self, till: &TillId, from: &str) {
        let from = from.to_owned();
        self.count(till, OUT_OF_PLACE, |times| FindingReason::TillOutOfPlace { times, from });
    }

    /// Its stream of sales was ended because of what it sent.
    pub fn broke_protocol(&self, till: &TillId, detail: &str, from: &str) {
        let (detail, from) = (detail.chars().take(MAX_DETAIL_CHARS).collect(), from.to_owned());
        self.count(till, PROTOCOL, |times| FindingReason::TillBrokeProtocol { detail, times, from });
    }

    /// It reported more than so often within a minute, and was put out at the broker for one.
    pub fn floods(&self, till: &TillId, most: u32) {
        self.count(till, FLOOD, |times| FindingReason::TillFloods { most, times });
    }

    fn count(&self, till: &TillId, subject: &'static str, reason: impl FnOnce(u64) -> FindingReason) {
        let tried = (till.clone(), subject);
        let mut counts = lock(&self.counts);
        let count = counts.entry(tried.clone()).or_default();
        count.times += 1;
        if count.noted.is_some_and(|noted| noted.elapsed() < NOTE_EVERY) {
            return;
        }
        let reason = reason(count.times);
        if self.queue.try_send(Note::Found { tried, reason }).is_ok() {
            tracing::warn!(%till, "{subject}: somebody is where he does not belong");
            count.noted = Some(Instant::now());
        }
    }
}

impl Writer {
    /// Writes one after another: a right login after a wrong one ends its finding.
    async fn run(mut self) {
        // What an earlier process has found is closed by this one.
        if let Ok(open) = self.database.read(open_findings).await {
            let mut counts = lock(&self.counts);
            for till in open {
                counts.entry((till, WRONG_TOKEN)).or_default();
            }
        }
        while let Some(note) = self.waiting.recv().await {
            let (tried, written) = match note {
                Note::Found { tried, reason } => {
                    let finding = NewFinding {
                        reason,
                        till: Some(tried.0.clone()),
                        shift: None,
                        subject: tried.1.to_owned(),
                        at: Timestamp::now(),
                    };
                    (tried, self.database.write(move |store| store.add_finding(&finding)).await)
                }
                Note::Over { tried } => {
                    let (till, subject) = tried.clone();
                    let close = move |store: &dyn SalesStore| {
                        store.close_finding(FindingKind::FailedLogins, Some(&till), subject, Timestamp::now())
                    };
                    (tried, self.database.write(close).await)
                }
            };
            if written.is_err() {
                // The next try or login writes it again, whichever it is.
                lock(&self.counts).entry(tried).or_default().noted = None;
            }
        }
    }
}

fn lock(counts: &Mutex<HashMap<Tried, Count>>) -> MutexGuard<'_, HashMap<Tried, Count>> {
    // The map is whole after every statement.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sales::tests::{open_store, other_till, till};

    async fn until_found(store: &Arc<dyn SalesStore>, holds: impl Fn(&[(String, Option<TillId>, i64)]) -> bool) {
        let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
        for _ in 0..600 {
            let found = store.findings(&filter, Page::default()).unwrap();
            let found: Vec<_> = found.into_iter().map(|one| (one.kind, one.till, one.times)).collect();
            if holds(&found) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", store.findings(&filter, Page::default()).unwrap());
    }

    #[tokio::test]
    async fn each_till_and_sort_is_one_finding_however_often_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn SalesStore> = open_store(folder.path());
        let intruders = Intruders::new(Arc::clone(&store));
        for _ in 0..1_000 {
            intruders.at_administration(&till(), "192.0.2.66");
            intruders.in_others_name(&till(), other_till().as_str(), "192.0.2.66");
            intruders.out_of_place(&other_till(), "192.0.2.66");
            intruders.broke_protocol(&till(), &"x".repeat(10_000), "192.0.2.66");
            intruders.wrong_token(&till(), "192.0.2.66");
        }
        let of = |kind: &str, till: TillId| (kind.to_owned(), Some(till), 1);
        let expected = [
            of("trespass", till()),
            of("trespass", till()),
            of("trespass", other_till()),
            of("trespass", till()),
            of("failed-logins", till()),
        ];
        until_found(&store, |found| found.len() == expected.len() && expected.iter().all(|one| found.contains(one)))
            .await;
        // The till itself logs in: that ends what was said of its token, and nothing else.
        intruders.right_token(&till());
        until_found(&store, |found| found.len() == 4 && found.iter().all(|(kind, ..)| kind == "trespass")).await;
    }
}
