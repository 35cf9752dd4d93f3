//! What was sent.

use super::{State, StateError, fact, now, set_fact};
use crate::decide::{Lost, Mark, Progress, Sent, SetAside};
use jiff::civil::DateTime;
use rusqlite::{Connection, Transaction, params};
use std::collections::{BTreeSet, HashSet};
use std::sync::PoisonError;
use uuid::Uuid;

/// Documents remembered as set aside by the server. The server keeps them all.
const MAX_REFUSED: i64 = 10_000;

/// Where progress over a table stands.
pub(super) struct Place {
    sent: &'static str,
    open: &'static str,
    through: &'static str,
}

pub(super) const DOCUMENTS: Place =
    Place { sent: "sent (document)", open: "open_document (document)", through: "low water" };
pub(super) const SHIFTS: Place =
    Place { sent: "closed_shift (workshift)", open: "open_shift (workshift)", through: "shift low water" };

impl Place {
    /// Table and column.
    fn parts(place: &'static str) -> (&'static str, &'static str) {
        place.split_once(" (").map_or((place, place), |(table, column)| (table, column.trim_end_matches(')')))
    }

    fn through(&self, db: &Connection) -> rusqlite::Result<i64> {
        Ok(fact(db, self.through)?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn read(&self, db: &Connection) -> rusqlite::Result<Progress> {
        let ids = |place| {
            let (table, column) = Self::parts(place);
            let mut read = db.prepare_cached(&format!("SELECT {column} FROM {table}"))?;
            read.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<i64>>>()
        };
        Ok(Progress { through: self.through(db)?, open: ids(self.open)?, sent: ids(self.sent)? })
    }

    fn write(&self, db: &Connection, progress: &Progress) -> rusqlite::Result<()> {
        for (place, ids) in [(self.sent, &progress.sent), (self.open, &progress.open)] {
            db.prepare_cached(&format!("DELETE FROM {}", Self::parts(place).0))?.execute([])?;
            Self::insert(db, place, ids)?;
        }
        set_fact(db, self.through, &progress.through.to_string())
    }

    fn insert<'a>(
        db: &Connection,
        place: &'static str,
        ids: impl IntoIterator<Item = &'a i64>,
    ) -> rusqlite::Result<()> {
        let mut insert = db.prepare_cached(&format!("INSERT OR IGNORE INTO {place} VALUES (?1)"))?;
        ids.into_iter().try_for_each(|id| insert.execute([id]).map(drop))
    }

    fn delete<'a>(
        db: &Connection,
        place: &'static str,
        ids: impl IntoIterator<Item = &'a i64>,
    ) -> rusqlite::Result<()> {
        let (table, column) = Self::parts(place);
        let mut delete = db.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?;
        ids.into_iter().try_for_each(|id| delete.execute([id]).map(drop))
    }

    /// These are done with.
    fn note(&self, db: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
        let through = self.through(db)?;
        Self::delete(db, self.open, ids)?;
        Self::insert(db, self.sent, ids.iter().filter(|id| **id > through))
    }

    /// These are not done with after all.
    pub(super) fn take_back(&self, db: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
        let through = self.through(db)?;
        Self::delete(db, self.sent, ids)?;
        Self::insert(db, self.open, ids.iter().filter(|id| **id <= through))
    }

    /// All up to this id are done with.
    fn leave(&self, db: &Connection, limit: i64) -> rusqlite::Result<()> {
        let Progress { through, mut open, mut sent } = self.read(db)?;
        open.retain(|id| *id > limit);
        sent.retain(|id| *id > limit);
        self.write(db, &Progress { through: through.max(limit), open, sent })
    }
}

impl State {
    /// Which documents are done with.
    pub fn progress(&self) -> Result<Progress, StateError> {
        self.look(|db| DOCUMENTS.read(db))
    }

    /// Of which shifts, by `workshiftid`, the closing records are done with.
    pub fn closed_shifts(&self) -> Result<Progress, StateError> {
        self.look(|db| SHIFTS.read(db))
    }

    /// All that counts as sent.
    pub fn sent(&self) -> Result<Sent, StateError> {
        self.look(|db| {
            let ids = |sql| {
                let mut read = db.prepare_cached(sql)?;
                read.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<HashSet<i64>>>()
            };
            let aside = SetAside {
                documents: ids("SELECT document FROM refused")?,
                shifts: ids("SELECT workshift FROM refused_shift")?,
            };
            Ok(Sent { documents: DOCUMENTS.read(db)?, closings: SHIFTS.read(db)?, aside })
        })
    }

    /// The same documents and shifts done with, told in less room. Where they are not as they were
    /// when that was worked out, nothing is written: somebody had one of them sent again
    /// meanwhile.
    pub fn keep_settled(&self, before: [&Progress; 2], settled: [&Progress; 2]) -> Result<bool, StateError> {
        self.change("write", |db| {
            let [documents, shifts] = settled;
            let is_as_before = [&DOCUMENTS.read(db)?, &SHIFTS.read(db)?] == before;
            if is_as_before {
                DOCUMENTS.write(db, documents)?;
                SHIFTS.write(db, shifts)?;
            }
            Ok(is_as_before)
        })
    }

    /// These documents are done with: the server has them durably, or they were set aside, there
    /// or here, and why. `mark` is the newest of them, `last` the end of the last receipt.
    pub fn note_sent(
        &self,
        documents: &[i64],
        refused: &[(i64, String)],
        mark: Option<Mark>,
        last: Option<DateTime>,
    ) -> Result<(), StateError> {
        self.change("write", |db| {
            DOCUMENTS.note(db, documents)?;
            note_refused(db, "refused (document)", documents, refused)?;
            let known = fact(db, "mark")?.and_then(|text| parse_mark(&text));
            if let Some(mark) = mark.filter(|mark| known.is_none_or(|known| known.document < mark.document)) {
                set_fact(db, "mark", &format!("{} {}", mark.document, mark.uuid))?;
            }
            if let Some(last) = last {
                let newer = fact(db, "last sent")?.is_none_or(|before| before < last.to_string());
                if newer {
                    set_fact(db, "last sent", &last.to_string())?;
                }
            }
            Ok(())
        })
    }

    /// The closing records of these shifts (`workshiftid`) are done with: the server has them, or
    /// they were set aside, there or here, and why.
    pub fn note_closed(&self, shifts: &[i64], refused: &[(i64, String)]) -> Result<(), StateError> {
        self.change("write", |db| {
            SHIFTS.note(db, shifts)?;
            note_refused(db, "refused_shift (workshift)", shifts, refused)
        })
    }

    /// The server does not have these: they are to be sent again. Shifts from `looked_back_to` on
    /// were looked at.
    pub fn take_back(&self, lost: &Lost, looked_back_to: i64) -> Result<(), StateError> {
        self.change("write", |db| {
            DOCUMENTS.take_back(db, &lost.documents)?;
            SHIFTS.take_back(db, &lost.closings)?;
            let before = looked_back(db)?;
            set_fact(db, "looked back to", &before.unwrap_or(i64::MAX).min(looked_back_to).to_string())
        })
    }

    /// The server does not have these documents: they are to be sent again.
    pub fn take_back_documents(&self, documents: &[i64]) -> Result<(), StateError> {
        self.change("write", |db| DOCUMENTS.take_back(db, documents))
    }

    /// The shift (`workshiftid`) back to which what the server lost was found, as long as the look
    /// goes on: earlier ones were not looked at.
    pub fn looked_back_to(&self) -> Result<Option<i64>, StateError> {
        self.look(looked_back)
    }

    /// The look back came to its end.
    pub fn end_look_back(&self) -> Result<(), StateError> {
        self.change("write", |db| db.execute("DELETE FROM fact WHERE name = 'looked back to'", []).map(drop))
    }

    /// The newest document that was sent.
    pub fn mark(&self) -> Result<Option<Mark>, StateError> {
        Ok(self.look(|db| fact(db, "mark"))?.and_then(|text| parse_mark(&text)))
    }

    /// Another `documents.db` stands in the place of the one that was known: nothing of it counts
    /// as sent.
    pub fn forget_sent(&self) -> Result<(), StateError> {
        self.change("write", |db| {
            for table in ["sent", "open_document", "closed_shift", "open_shift", "refused", "refused_shift"] {
                db.execute(&format!("DELETE FROM {table}"), [])?;
            }
            let sql = "DELETE FROM fact WHERE name IN ('mark', 'low water', 'shift low water', 'looked back to')";
            db.execute(sql, []).map(drop)
        })
    }

    /// Documents and shifts up to these ids are history from before the till was attached, and are
    /// not unloaded.
    pub fn leave_history(&self, document: i64, shift: i64) -> Result<(), StateError> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).history = (document, shift);
        self.change("write", |db| leave_history(db, document, shift))
    }

    /// Documents that lie aside, newest first.
    pub fn refused(&self) -> Result<Vec<(i64, String)>, StateError> {
        self.look(|db| {
            let mut read = db.prepare_cached(
                "SELECT document, reason FROM refused WHERE dropped = 0 ORDER BY at DESC, document DESC",
            )?;
            read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// How many documents and records of shifts lie aside; those dropped do not count.
    pub fn refused_count(&self) -> Result<u64, StateError> {
        let sql = "SELECT (SELECT count(*) FROM refused WHERE dropped = 0)
                   + (SELECT count(*) FROM refused_shift WHERE dropped = 0)";
        let count: i64 = self.look(|db| db.query_row(sql, [], |row| row.get(0)))?;
        Ok(count.unsigned_abs())
    }

    /// End of the last receipt that the server acknowledged.
    pub fn last_sent(&self) -> Result<Option<DateTime>, StateError> {
        Ok(self.look(|db| fact(db, "last sent"))?.and_then(|text| text.parse().ok()))
    }
}

pub(super) fn leave_history(db: &Connection, document: i64, shift: i64) -> rusqlite::Result<()> {
    DOCUMENTS.leave(db, document)?;
    SHIFTS.leave(db, shift)
}

/// `well` were taken, or are in `refused` too.
fn note_refused(
    db: &Transaction<'_>,
    place: &'static str,
    well: &[i64],
    refused: &[(i64, String)],
) -> rusqlite::Result<()> {
    let (table, column) = Place::parts(place);
    Place::delete(db, place, well)?;
    let mut insert =
        db.prepare_cached(&format!("INSERT OR REPLACE INTO {table} ({column}, reason, at) VALUES (?1, ?2, ?3)"))?;
    for (id, reason) in refused {
        insert.execute(params![id, reason, now()])?;
    }
    if !refused.is_empty() {
        let sql = format!(
            "DELETE FROM {table} WHERE {column} NOT IN (SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT ?1)"
        );
        db.execute(&sql, [MAX_REFUSED])?;
    }
    Ok(())
}

fn looked_back(db: &Connection) -> rusqlite::Result<Option<i64>> {
    Ok(fact(db, "looked back to")?.and_then(|text| text.parse().ok()))
}

fn parse_mark(text: &str) -> Option<Mark> {
    let (document, uuid) = text.split_once(' ')?;
    Some(Mark { document: document.parse().ok()?, uuid: uuid.parse::<Uuid>().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(through: i64) -> Progress {
        Progress { through, ..Progress::default() }
    }

    fn settle(state: &State, settled: [&Progress; 2]) {
        let before = [&state.progress().unwrap(), &state.closed_shifts().unwrap()];
        assert!(state.keep_settled(before, settled).unwrap());
    }

    #[test]
    fn what_a_person_has_sent_again_meanwhile_is_not_settled_over() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        state.note_sent(&[1, 2, 3], &[(2, "broken".to_owned())], None, None).unwrap();
        let (documents, shifts) = (state.progress().unwrap(), state.closed_shifts().unwrap());
        let retry = tillway_proto::command::AsideAction::Retry;
        assert_eq!(state.settle_aside(crate::state::SalesSort::Document, retry, None).unwrap(), 1);
        assert!(!state.keep_settled([&documents, &shifts], [&through(3), &shifts]).unwrap());
        assert!(!state.progress().unwrap().has(2), "it is sent again");
    }

    #[test]
    fn what_was_sent_is_remembered_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let last = "2026-01-02T10:00:00".parse().ok();
        let mark = |document| Some(Mark { document, uuid: Uuid::from_u128(9) });
        settle(&state, [&Progress { open: [2].into(), ..through(4) }, &through(7)]);
        state.note_sent(&[2, 5], &[(5, "broken".to_owned())], mark(5), last).unwrap();
        state.note_sent(&[4, 6], &[], mark(4), "2026-01-01T10:00:00".parse().ok()).unwrap();
        state.note_closed(&[7, 9], &[(9, "broken".to_owned())]).unwrap();
        drop(state);
        let state = State::open(folder.path()).unwrap();
        assert_eq!(state.progress().unwrap(), Progress { sent: [5, 6].into(), ..through(4) });
        assert_eq!(state.closed_shifts().unwrap(), Progress { sent: [9].into(), ..through(7) });
        assert_eq!(state.refused().unwrap(), [(5, "broken".to_owned())]);
        assert_eq!(state.sent().unwrap().aside, SetAside { documents: [5].into(), shifts: [9].into() });
        assert_eq!((state.mark().unwrap(), state.last_sent().unwrap()), (mark(5), last));
        state.note_sent(&[5], &[], None, None).unwrap();
        state.note_closed(&[9], &[]).unwrap();
        assert_eq!(state.refused_count().unwrap(), 0, "sent after all");
        state.forget_sent().unwrap();
        assert_eq!((state.progress().unwrap(), state.mark().unwrap()), (Progress::default(), None));
    }

    #[test]
    fn what_the_server_lost_is_not_done_with_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        settle(&state, [&through(4), &through(7)]);
        state.note_sent(&[6, 7], &[], None, None).unwrap();
        state.take_back(&Lost { documents: vec![3, 6], closings: vec![5] }, 5).unwrap();
        let expected = Progress { open: [3].into(), sent: [7].into(), ..through(4) };
        assert_eq!(state.progress().unwrap(), expected);
        assert_eq!(state.closed_shifts().unwrap(), Progress { open: [5].into(), ..through(7) });
        state.take_back(&Lost::default(), 9).unwrap();
        assert_eq!(state.looked_back_to().unwrap(), Some(5), "the farthest counts");
        state.end_look_back().unwrap();
        assert_eq!(state.looked_back_to().unwrap(), None);
    }

    #[test]
    fn history_is_done_with_whatever_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        state.note_sent(&[3, 8], &[], None, None).unwrap();
        for _ in 0..2 {
            state.leave_history(5, 2).unwrap();
            assert_eq!(state.progress().unwrap(), Progress { sent: [8].into(), ..through(5) });
            assert_eq!(state.closed_shifts().unwrap(), through(2));
        }
        settle(&state, [&through(9), &through(2)]);
        state.leave_history(5, 2).unwrap();
        assert_eq!(state.progress().unwrap(), through(9));
    }
}
