//! Objects that are known by the text of their records: a window over the rows of a layer, in the
//! order in which they were written, read beside the transaction of the load.
//!
//! What it sees is what the layer held when the load began, since nobody else writes until the
//! load ends. What the load itself has changed meanwhile is known to the load
//! ([`super::SqliteLoad`]).

use super::super::super::connection::{Database, Reader};
use crate::dictionary::entry::KindId;
use crate::store::StoreError;
use crate::store::dictionary::{ObjectToken, Unchanged, UnchangedRecords};
use rusqlite::{OptionalExtension as _, params};
use std::collections::VecDeque;
use tillway_exchangers::records::RecordHash;

const WHAT: &str = "look for objects that are known by their records";

/// Numbers of rows that are read at once.
const STEP: i64 = 256;

/// Objects of the window that one question looks at: some that were there are not named any more,
/// or have changed.
const LOOK: usize = 32;

/// Records that are missed in a row before the place is looked up anew, at first; each time that
/// does not help, twice as many.
const FIRST_PATIENCE: u32 = 2;
const MOST_PATIENCE: u32 = 1024;

/// A bit of the number of rows in a [`Mark`]: those that the object owns stand right behind it.
const IN_A_RUN: u32 = 1 << 31;

/// The column `record`: who made it so, and of how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 24]);

impl Mark {
    /// Of an object whose rows stand one behind the other.
    pub(super) fn new(record: RecordHash, rows: usize) -> Option<Self> {
        let rows = u32::try_from(rows).ok().filter(|rows| rows & IN_A_RUN == 0)?;
        let mut bytes = [0; 24];
        bytes[..4].copy_from_slice(&record.version().to_be_bytes());
        bytes[4..8].copy_from_slice(&(rows | IN_A_RUN).to_be_bytes());
        bytes[8..].copy_from_slice(&record.to_bytes());
        Some(Self(bytes))
    }

    /// The same of an object whose rows stand anywhere.
    pub(super) fn scattered(mut self) -> Self {
        let [first, ..] = IN_A_RUN.to_be_bytes();
        self.0[4] &= !first;
        self
    }

    pub(super) fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> [u8; 24] {
        self.0
    }

    /// Whether the texts of the two records can be compared: this program reads both, in one
    /// format.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        self.0[..4] == other.0[..4]
    }

    fn is_of(&self, record: RecordHash) -> bool {
        self.0[8..] == record.to_bytes() && self.0[..4] == record.version().to_be_bytes()
    }

    fn of(&self, object: i64) -> Unchanged {
        let rows = u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]]);
        Unchanged { object: ObjectToken(object), rows: rows & !IN_A_RUN, in_a_run: rows & IN_A_RUN != 0 }
    }
}

pub(super) struct SqliteUnchanged {
    database: Database,
    layer: i64,
    /// Opened with the first question that needs it: a load of one record has none.
    reader: Option<Reader>,
    /// The objects ahead, by their numbers.
    window: VecDeque<(i64, Mark)>,
    /// The last number that was looked at, where there is a window.
    read_to: Option<i64>,
    /// Records missed since the last that was found, or since the place was looked up.
    missed: u32,
    patience: u32,
}

impl SqliteUnchanged {
    pub(super) fn new(database: Database, layer: i64) -> Self {
        Self {
            database,
            layer,
            reader: None,
            window: VecDeque::new(),
            read_to: None,
            missed: 0,
            patience: FIRST_PATIENCE,
        }
    }

    fn reader(&mut self) -> Result<&Reader, StoreError> {
        if self.reader.is_none() {
            let reader = self.database.reader()?;
            reader.execute_batch("BEGIN").map_err(|source| self.database.failed(WHAT, source))?;
            self.reader = Some(reader);
        }
        match &self.reader {
            Some(reader) => Ok(reader),
            None => unreachable!("it was just put there"),
        }
    }

    /// Fills the window as far as one question looks.
    fn fill(&mut self) -> Result<(), StoreError> {
        while self.window.len() < LOOK
            && let Some(after) = self.read_to
        {
            let (layer, until) = (self.layer, after.saturating_add(STEP));
            let read = |reader: &Reader| {
                reader
                    .prepare_cached(
                        "SELECT id, record FROM object WHERE id > ?1 AND id <= ?2 AND +layer = ?3 AND record IS NOT NULL \
                         ORDER BY id",
                    )?
                    .query_map(params![after, until, layer], |row| Ok((row.get(0)?, Mark(row.get(1)?))))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            };
            let found = read(self.reader()?).map_err(|source| self.database.failed(WHAT, source))?;
            // Where nothing follows so soon there is another layer, or the end.
            self.read_to = Some(until).filter(|_| !found.is_empty());
            self.window.extend(found);
        }
        Ok(())
    }
}

impl UnchangedRecords for SqliteUnchanged {
    fn find(&mut self, record: RecordHash) -> Result<Option<Unchanged>, StoreError> {
        self.fill()?;
        let found = self.window.iter().take(LOOK).position(|(_, mark)| mark.is_of(record));
        let Some(at) = found else { return Ok(None) };
        let known = self.window.drain(..=at).next_back().map(|(object, mark)| mark.of(object));
        (self.missed, self.patience) = (0, FIRST_PATIENCE);
        Ok(known)
    }

    fn missed(&mut self, kind: KindId, key: &str) -> Result<(), StoreError> {
        self.missed += 1;
        if self.missed < self.patience {
            return Ok(());
        }
        (self.missed, self.patience) = (0, (self.patience * 2).min(MOST_PATIENCE));
        let layer = self.layer;
        let find = |reader: &Reader| {
            reader
                .prepare_cached("SELECT id FROM object WHERE layer = ?1 AND kind = ?2 AND key = ?3")?
                .query_row(params![layer, kind.0, key], |row| row.get(0))
                .optional()
        };
        let found: Option<i64> = find(self.reader()?).map_err(|source| self.database.failed(WHAT, source))?;
        if let Some(object) = found {
            self.window.clear();
            self.read_to = Some(object);
        }
        Ok(())
    }
}
