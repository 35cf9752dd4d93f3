//! What was in `documents.db` when the agent was installed, and what of it is left alone as
//! history: the file `installation` in the data folder. It outlives `sync.db`.
//!
//! What the till sold before it was attached to a server is not unloaded by itself, but for the
//! last day. No clock may decide that about a receipt sold after the installation: a till that was
//! offline for days, or whose clock fell back to 2017, must lose nothing. So the ids that were
//! there are recorded before anything else is done, and the times only cut among those, on the
//! boundary of a shift ([`Installation::history`]).
//!
//! Written once at the installation, and once more when it is decided whether there is history.
//! Where it does not read, or an agent from before this file was here, nothing is history: all
//! goes up, and what the server has it says.

use crate::decide::Mark;
use crate::error::chain;
use crate::source::Source;
use crate::state::StateError;
use fs_err as fs;
use jiff::civil::DateTime;
use jiff::{ToSpan as _, Unit, Zoned};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tillway_exchangers::till::documents::DocumentsError;
use tillway_file_queue::durable;

/// So far back before its installation a till is unloaded.
const UNLOADED_HOURS: i64 = 24;

/// Newest shifts among which the cut is looked for. More than begin in a day and a half; what a
/// shift left open years ago, or one dated in the future, says is not heard.
const RECENT_SHIFTS: u32 = 20;

/// A shift that was there at the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenShift {
    workshift: i64,
    /// When it ended, as far as that is known. One that was never closed ended when the next
    /// began.
    ended: Option<DateTime>,
    /// The lowest id of a document of it or of a later one.
    first_document: Option<i64>,
}

/// Row ids up to which documents and shifts are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) document: i64,
    pub(crate) shift: i64,
    /// The newest of these documents: if it is another one now, so is the database.
    pub(crate) mark: Option<Mark>,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// When it was, by the till's clock.
    at: DateTime,
    /// The highest document id that was there: later ones are no history, whatever their times.
    document: i64,
    /// The newest finished document that was there.
    pub(crate) mark: Option<Mark>,
    /// The newest shifts that were there, oldest first.
    shifts: Vec<SeenShift>,
    /// What is left alone, once that is decided.
    pub(crate) decided: Option<History>,
}

impl Installation {
    /// Nothing is history.
    fn without_history() -> Self {
        let none = Some(History::default());
        Self { at: DateTime::default(), document: 0, mark: None, shifts: Vec::new(), decided: none }
    }

    fn look(source: &dyn Source) -> Result<Self, DocumentsError> {
        let Some(mut documents) = source.open()? else { return Ok(Self::without_history()) };
        let mark = documents.newest(i64::MAX)?.map(|key| Mark { document: key.document_id, uuid: key.uuid });
        let document = documents.highest()?;
        let mut next_began = None;
        let mut shifts = Vec::new();
        for head in documents.shifts_before(i64::MAX, RECENT_SHIFTS)? {
            let ended = if head.closed { head.ended } else { next_began };
            next_began = head.began;
            let first_document = documents.first_document_since(head.workshift_id)?;
            shifts.push(SeenShift { workshift: head.workshift_id, ended, first_document });
        }
        shifts.reverse();
        let at = Zoned::now().datetime().round(Unit::Second).unwrap_or_default();
        Ok(Self { at, document, mark, shifts, decided: None })
    }

    /// What would be left alone: what was there and belongs to shifts before the first recent one
    /// that did not end before a day before the installation, nor before `asked`.
    pub(crate) fn history(&self, asked: Option<DateTime>) -> History {
        let day_before = self.at.checked_sub(UNLOADED_HOURS.hours()).unwrap_or(DateTime::MIN);
        let from = asked.map_or(day_before, |asked| asked.min(day_before));
        let kept = self.shifts.iter().find(|shift| shift.ended.is_none_or(|ended| ended >= from));
        match kept {
            Some(kept) => History {
                document: kept.first_document.map_or(self.document, |first| self.document.min(first - 1)),
                shift: kept.workshift - 1,
                mark: None,
            },
            None => self.shifts.last().map_or_else(History::default, |last| History {
                document: self.document,
                shift: last.workshift,
                mark: None,
            }),
        }
    }
}

/// The record and its file.
#[derive(Debug)]
pub(crate) struct InstallationFile {
    path: PathBuf,
    record: Mutex<Installation>,
}

impl InstallationFile {
    /// Reads the record, and makes it where the agent was just installed: before the
    /// [`instance`](crate::state::instance) is there.
    pub(crate) fn open(data: &Path, source: &dyn Source) -> Result<Self, StateError> {
        let path = data.join("installation");
        let record = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, file = %path.display(), "the record of the installation is damaged: all sales go up");
                Installation::without_history()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let record = Self::first(data, source);
                write(&path, &record)?;
                fail::fail_point!("installation::recorded");
                record
            }
            Err(error) => return Err(StateError::File(error)),
        };
        Ok(Self { path, record: Mutex::new(record) })
    }

    fn first(data: &Path, source: &dyn Source) -> Installation {
        if data.join("instance").exists() {
            return Installation::without_history();
        }
        Installation::look(source).unwrap_or_else(|error| {
            let error = chain(&error);
            tracing::error!(error, "documents.db cannot be read at the installation: all sales in it go up");
            Installation::without_history()
        })
    }

    pub(crate) fn look(&self) -> Installation {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is decided what is left alone.
    pub(crate) fn decide(&self, history: History) -> Result<(), StateError> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.decided = Some(history);
        write(&self.path, &record)?;
        fail::fail_point!("installation::decided");
        Ok(())
    }
}

fn write(path: &Path, record: &Installation) -> Result<(), StateError> {
    let bytes = serde_json::to_vec(record).map_err(|error| StateError::File(error.into()))?;
    durable::write_atomic(path, &bytes).map_err(StateError::File)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn shift(workshift: i64, ended: Option<&str>, first_document: i64) -> SeenShift {
        SeenShift { workshift, ended: ended.map(at), first_document: Some(first_document) }
    }

    fn left(document: i64, shift: i64) -> History {
        History { document, shift, mark: None }
    }

    /// Installed on the tenth at noon, with documents up to 40.
    fn installation(shifts: Vec<SeenShift>) -> Installation {
        Installation { at: at("2026-03-10T12:00:00"), document: 40, mark: None, shifts, decided: None }
    }

    #[test]
    fn history_ends_on_the_boundary_of_the_first_shift_of_the_last_day() {
        let shifts = vec![
            shift(4, Some("2026-03-08T22:00:00"), 1),
            shift(5, Some("2026-03-09T22:00:00"), 11),
            shift(6, None, 31),
        ];
        let installation = installation(shifts);
        assert_eq!(installation.history(None), left(10, 4));
        // Asked for after three days offline: still the day before the installation.
        assert_eq!(installation.history(Some(at("2026-03-12T12:00:00"))), left(10, 4));
        assert_eq!(installation.history(Some(at("2026-03-01T00:00:00"))), left(0, 3));
    }

    #[test]
    fn only_what_was_there_at_the_installation_is_history() {
        let old = installation(vec![shift(4, Some("2026-03-08T22:00:00"), 1)]);
        assert_eq!(old.history(None), left(40, 4));
        let open = installation(vec![shift(4, None, 1)]);
        assert_eq!(open.history(None), left(0, 3));
        let no_receipt_yet = SeenShift { first_document: None, ..shift(5, None, 0) };
        let fresh = installation(vec![shift(4, Some("2026-03-08T22:00:00"), 1), no_receipt_yet]);
        assert_eq!(fresh.history(None), left(40, 4));
        assert_eq!(installation(Vec::new()).history(None), History::default());
    }

    #[test]
    fn a_clock_that_is_wrong_at_the_installation_leaves_nothing() {
        let installed_2017 = Installation {
            at: at("2017-01-01T00:00:00"),
            ..installation(vec![shift(4, Some("2026-03-08T22:00:00"), 1)])
        };
        assert_eq!(installed_2017.history(None), left(0, 3));
    }
}
