//! When peers were heard of last: kept in memory, and written seldom.
//!
//! A peer that has nothing new says so each minute all the same. To write its row each time was
//! nearly all that an idle server wrote: 2 GB a day for 100 tills. So a report that changes
//! nothing but its time is noted here alone, and the times of all peers go into the table `heard`
//! together, at most once in [`WRITTEN_AFTER`], with whatever is written then.
//!
//! A time is a hint. What is lost of it at a stop makes no peer silent falsely: one that was heard
//! of within [`MAY_BE_LATER`] before a start may have been heard of until then, so its silence
//! counts from the start. One that was silent before stays so.

use super::rows::{millis, parsed, time};
use super::unreadable::Unreadable;
use crate::exchange::model::Contact;
use crate::store::StoreError;
use crate::store::sqlite::connection::Database;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, Transaction, params};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::PeerId;

/// Longest time for which a peer's last word is in memory alone, where peers say anything at all.
const WRITTEN_AFTER: Duration = Duration::from_mins(5);

/// So much later than the file says a peer may have been heard of: [`WRITTEN_AFTER`], and as much
/// again for reports that came late.
const MAY_BE_LATER: SignedDuration = SignedDuration::from_mins(10);

/// The last words of peers whose rows were written before them.
#[derive(Debug)]
pub(super) struct Heard {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    words: HashMap<PeerId, LastWord>,
    written_at: Instant,
}

/// The last word of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastWord {
    last_at: Timestamp,
    sent_at: Timestamp,
    is_written: bool,
}

/// What a write does to the last word of a peer, once it is committed.
#[derive(Debug)]
pub(super) enum Step {
    /// There is a newer one, in memory alone.
    Noted(PeerId, LastWord),
    /// It stands in the peer's row.
    InItsRow(PeerId),
}

impl Heard {
    /// As the file has it, for a process that starts at `now`.
    pub(super) fn open(database: &Database, unreadable: &Unreadable, now: Timestamp) -> Result<Self, StoreError> {
        let words = database.read("read when tills were heard of", |reader| {
            let mut words = HashMap::new();
            let sql = "SELECT contact.till, max(contact.last_at, ifnull(heard.last_at, contact.last_at)),
                              max(contact.sent_at, ifnull(heard.sent_at, contact.sent_at)), contact.last_at
                       FROM contact LEFT JOIN heard USING (till)";
            let read = |row: &Row<'_>| Ok((parsed::<PeerId>(row, 0)?, (time(row, 1)?, time(row, 2)?), time(row, 3)?));
            let mut query = reader.prepare(sql)?;
            for row in query.query_map([], |row| unreadable.row("last word of a till", row, read))? {
                let Some((peer, (last_at, sent_at), in_its_row)) = row? else { continue };
                let silence = now.duration_since(last_at);
                let may_be_now = silence > SignedDuration::ZERO && silence <= MAY_BE_LATER;
                if may_be_now || last_at > in_its_row {
                    let last_at = if may_be_now { now } else { last_at };
                    words.insert(peer, LastWord { last_at, sent_at, is_written: true });
                }
            }
            Ok(words)
        })?;
        Ok(Self { inner: Mutex::new(Inner { words, written_at: Instant::now() }) })
    }

    /// Puts what is known beyond the peer's row into what was read of it.
    pub(super) fn put_into(&self, peer: &PeerId, contact: &mut Contact) {
        if let Some(word) = self.inner().words.get(peer) {
            (contact.last_at, contact.sent_at) = (word.last_at, word.sent_at);
        }
    }

    /// Writes the last words of all peers where that is due; says whether it did.
    pub(super) fn write_where_due(&self, transaction: &Transaction<'_>, now: Instant) -> rusqlite::Result<bool> {
        let inner = self.inner();
        if now.saturating_duration_since(inner.written_at) < WRITTEN_AFTER {
            return Ok(false);
        }
        let mut put = transaction.prepare_cached(
            "INSERT INTO heard (till, last_at, sent_at) VALUES (?, ?, ?)
             ON CONFLICT (till) DO UPDATE SET last_at = excluded.last_at, sent_at = excluded.sent_at",
        )?;
        for (peer, word) in inner.words.iter().filter(|(_, word)| !word.is_written) {
            put.execute(params![peer.as_str(), millis(word.last_at), millis(word.sent_at)])?;
        }
        Ok(true)
    }

    /// What a write did is committed.
    pub(super) fn committed(&self, steps: Vec<Step>, all_written: bool, now: Instant) {
        let mut inner = self.inner();
        if all_written {
            inner.words.values_mut().for_each(|word| word.is_written = true);
            inner.written_at = now;
        }
        for step in steps {
            match step {
                Step::Noted(peer, word) => drop(inner.words.insert(peer, word)),
                Step::InItsRow(peer) => drop(inner.words.remove(&peer)),
            }
        }
    }

    /// Forgets a peer that is no more.
    pub(super) fn forget(&self, peer: &PeerId) {
        self.inner().words.remove(peer);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastWord {
    /// The last word in a contact that changes nothing else; none where it changes something.
    pub(super) fn alone(before: Option<&Contact>, contact: &Contact) -> Option<Self> {
        let before = before?;
        let Contact { last_at, sent_at, .. } = *contact;
        let same = *contact == Contact { last_at, sent_at, ..before.clone() };
        same.then_some(Self { last_at, sent_at, is_written: false })
    }
}
