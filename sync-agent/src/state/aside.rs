//! Documents and records of shifts that were set aside: listed, tried again, dropped.

use super::sales::{DOCUMENTS, Place, SHIFTS};
use super::{State, StateError};
use rusqlite::{Connection, params};
use tillway_proto::command::AsideAction;
use tillway_proto::report::{AsideName, AsideSort, AsideUnit};

/// What of sales can be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalesSort {
    /// A document, by its row id.
    Document,
    /// The record of a shift, by its row id.
    Shift,
}

impl SalesSort {
    fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Document => ("refused", "document"),
            Self::Shift => ("refused_shift", "workshift"),
        }
    }

    fn place(self) -> &'static Place {
        match self {
            Self::Document => &DOCUMENTS,
            Self::Shift => &SHIFTS,
        }
    }

    fn name(self, id: i64) -> AsideName {
        let sort = match self {
            Self::Document => AsideSort::Document,
            Self::Shift => AsideSort::Shift,
        };
        AsideName { sort, name: id.to_string() }
    }
}

impl State {
    /// The newest documents and records of shifts that lie aside and were not dropped, newest
    /// first.
    pub fn aside(&self, most: usize) -> Result<Vec<AsideUnit>, StateError> {
        self.look(|db| {
            let mut read = db.prepare_cached(
                "SELECT 0, document, reason, at FROM refused WHERE dropped = 0
                 UNION ALL SELECT 1, workshift, reason, at FROM refused_shift WHERE dropped = 0
                 ORDER BY at DESC, 2 DESC LIMIT ?1",
            )?;
            let unit = |row: &rusqlite::Row<'_>| {
                let sort = if row.get::<_, i64>(0)? == 0 { SalesSort::Document } else { SalesSort::Shift };
                Ok(AsideUnit {
                    unit: sort.name(row.get(1)?),
                    reason: row.get(2)?,
                    at: row.get::<_, String>(3)?.parse().ok(),
                })
            };
            read.query_map([i64::try_from(most).unwrap_or(i64::MAX)], unit)?.collect()
        })
    }

    /// Does this with what lies aside, `named` or all of it, and gives how many there were.
    ///
    /// What is to be tried again is not done with any more, so the next unloading sends it. What
    /// is dropped stays done with, without being counted among what lies aside, and no look back
    /// takes it up again.
    pub fn settle_aside(&self, sort: SalesSort, action: AsideAction, named: Option<&[i64]>) -> Result<u64, StateError> {
        let (table, column) = sort.table();
        self.change("write", |db| {
            let mut ids = waiting(db, table, column)?;
            if let Some(named) = named {
                ids.retain(|id| named.contains(id));
            }
            let sql = match action {
                AsideAction::Retry => {
                    sort.place().take_back(db, &ids)?;
                    format!("DELETE FROM {table} WHERE {column} = ?1")
                }
                AsideAction::Drop => format!("UPDATE {table} SET dropped = 1 WHERE {column} = ?1"),
            };
            let mut settle = db.prepare_cached(&sql)?;
            ids.iter().try_for_each(|id| settle.execute(params![id]).map(drop))?;
            Ok(ids.len() as u64)
        })
    }
}

fn waiting(db: &Connection, table: &str, column: &str) -> rusqlite::Result<Vec<i64>> {
    let mut read = db.prepare_cached(&format!("SELECT {column} FROM {table} WHERE dropped = 0"))?;
    read.query_map([], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Progress;

    fn with_aside() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let reason = || "broken".to_owned();
        state.note_sent(&[1, 2, 3], &[(2, reason()), (3, reason())], None, None).unwrap();
        state.note_closed(&[7], &[(7, reason())]).unwrap();
        let through = |through| Progress { through, ..Progress::default() };
        let before = [&state.progress().unwrap(), &state.closed_shifts().unwrap()];
        assert!(state.keep_settled(before, [&through(3), &through(7)]).unwrap());
        (folder, state)
    }

    #[test]
    fn what_is_tried_again_is_not_done_with_any_more() {
        let (_folder, state) = with_aside();
        assert_eq!(state.aside(10).unwrap().len(), 3);
        assert_eq!(state.settle_aside(SalesSort::Document, AsideAction::Retry, Some(&[2, 9])).unwrap(), 1);
        assert!(!state.progress().unwrap().has(2) && state.progress().unwrap().has(3));
        assert_eq!(state.settle_aside(SalesSort::Shift, AsideAction::Retry, None).unwrap(), 1);
        assert!(!state.closed_shifts().unwrap().has(7));
        assert_eq!(state.refused_count().unwrap(), 1);
    }

    #[test]
    fn what_is_dropped_stays_done_with_and_out_of_sight_of_a_look_back() {
        let (_folder, state) = with_aside();
        assert_eq!(state.settle_aside(SalesSort::Document, AsideAction::Drop, None).unwrap(), 2);
        assert_eq!(state.settle_aside(SalesSort::Document, AsideAction::Drop, None).unwrap(), 0, "passed over");
        assert_eq!(state.settle_aside(SalesSort::Document, AsideAction::Retry, Some(&[2])).unwrap(), 0);
        assert!(state.progress().unwrap().has(2));
        assert_eq!((state.refused().unwrap(), state.refused_count().unwrap()), (Vec::new(), 1));
        assert_eq!(state.sent().unwrap().aside.documents, [2, 3].into());
    }
}
