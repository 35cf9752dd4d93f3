//! Objects of a layer read in the order in which they were written, which is mostly the order in which a back office names
//! them again: then an object is found without a search by its key.
//!
//! Promises nothing about what is not here: it may well be in the layer. What is here is as it is in the database, as long
//! as each row that is written is [forgotten](Neighbours::forget).

use super::{PRESENT, Present, present_at};
use crate::dictionary::entry::KindId;
use rusqlite::{Connection, params};

/// Rows read at once. As many lie in some ten pages.
const WINDOW_ROWS: usize = 128;

/// Rows of the window that one question looks at: an object's own rows stand between it and the next, and some objects are not
/// named any more.
const LOOK_ROWS: usize = 32;

/// A found object at most so many numbers behind the one before it is a neighbour: what follows it is read ahead.
const NEAR: i64 = 64;

/// A row of the window.
struct Row {
    kind: KindId,
    key: String,
    present: Present,
    /// It was written since it was read.
    forgotten: bool,
}

/// A window over the rows that follow the object found last.
pub(super) struct Neighbours {
    /// By their numbers. Rows beyond `filled` are kept for the memory of their keys.
    rows: Vec<Row>,
    filled: usize,
    /// The next row that may be asked for.
    next: usize,
    /// The object found last.
    last: i64,
}

impl Neighbours {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), filled: 0, next: 0, last: 0 }
    }

    /// The object, where it is among the next rows.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        layer: i64,
        kind: KindId,
        key: &str,
    ) -> rusqlite::Result<Option<Present>> {
        if self.next >= self.filled {
            self.read_on(connection, layer)?;
        }
        let until = self.filled.min(self.next + LOOK_ROWS);
        let found = (self.next..until).find(|at| {
            let row = &self.rows[*at];
            row.kind == kind && !row.forgotten && row.key == key
        });
        Ok(found.map(|at| {
            self.next = at + 1;
            let present = self.rows[at].present;
            self.last = present.id;
            present
        }))
    }

    /// An object was found by its key.
    pub(super) fn found(&mut self, connection: &Connection, layer: i64, id: i64) -> rusqlite::Result<()> {
        let follows = id > self.last && id - self.last <= NEAR;
        self.last = id;
        if follows { self.fill(connection, layer, id) } else { Ok(()) }
    }

    /// The row is about to be written.
    pub(super) fn forget(&mut self, id: i64) {
        if let Ok(at) = self.rows[..self.filled].binary_search_by_key(&id, |row| row.present.id) {
            self.rows[at].forgotten = true;
        }
    }

    /// After the last row of a window that was of use.
    fn read_on(&mut self, connection: &Connection, layer: i64) -> rusqlite::Result<()> {
        match self.rows[..self.filled].last().map(|row| row.present.id) {
            Some(last) => self.fill(connection, layer, last),
            None => Ok(()),
        }
    }

    fn fill(&mut self, connection: &Connection, layer: i64, after: i64) -> rusqlite::Result<()> {
        (self.filled, self.next) = (0, 0);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {PRESENT}, kind, key FROM object WHERE id > ?1 AND id <= ?2 AND +layer = ?3 ORDER BY id"
        ))?;
        // Rows of other layers may stand between: a range of numbers, so that there are not many of them to walk over.
        let until = after.saturating_add(i64::try_from(WINDOW_ROWS).unwrap_or(i64::MAX));
        let mut found = statement.query(params![after, until, layer])?;
        while let Some(row) = found.next()? {
            let (present, kind, key) = (present_at(row)?, KindId(row.get(6)?), row.get_ref(7)?.as_str()?);
            match self.rows.get_mut(self.filled) {
                Some(old) => {
                    old.key.clear();
                    old.key.push_str(key);
                    (old.kind, old.present, old.forgotten) = (kind, present, false);
                }
                None => self.rows.push(Row { kind, key: key.to_owned(), present, forgotten: false }),
            }
            self.filled += 1;
        }
        Ok(())
    }
}
