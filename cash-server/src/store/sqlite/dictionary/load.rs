//! A load into a layer: one transaction on head and log.
//!
//! - An object whose hash is what it was is left alone. An object whose whole expansion is what it
//!   was (its `bundle`) is not looked into: what it owns counts as named. One whose record is what
//!   it was, byte for byte, is not even read ([`unchanged`]).
//! - `clear` does nothing at first. The objects of a cleared kind that are named afterwards are
//!   remembered by row number; at the end the others are deleted. So a full load of the same
//!   catalogue changes nothing.
//! - A deletion by key does nothing at first either ([`doomed`]): what is named again afterwards
//!   stays, with its history. An object takes along what it brought and what hangs on it.
//! - What cannot be read is not swept: an object that the load names in a broken record is
//!   remembered like one that it names, and where nobody knows which object that is, the clearing
//!   is taken back. So are deletions.
//! - A row is looked for behind the last one first, since a back office names them in much the
//!   same order each time.
//! - What a load changes and changes back (delete, then add the same) is as if it had never been
//!   touched.

mod brought;
mod deletions;
mod doomed;
mod effect;
mod late;
mod named;
mod put;
#[cfg(test)]
mod tests;
mod unchanged;

use super::super::connection::{Database, Writer};
use super::signed;
use crate::dictionary::entry::{Delete, Effect, KindId, LoadCounts, LoadOutcome, ObjectKey, Upsert};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{Crowded, LoadTxn, ObjectToken, Sample, TakenBack, Unchanged, UnchangedRecords};
pub(super) use deletions::HANGING_BEHIND;
use doomed::Doomed;
use effect::Done;
use jiff::Timestamp;
use named::Cleared;
use roaring::RoaringTreemap;
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::BTreeSet;
use tillway_exchangers::row::KeyMatch;
use tillway_proto::{LoadId, Revision};
use unchanged::{Mark, SqliteUnchanged};

const WHAT: &str = "load into a layer";

/// Where a row stands, and what it is compared by.
#[derive(Clone, Copy)]
struct Present {
    id: i64,
    hash: [u8; 16],
    revision: i64,
    owner: Option<i64>,
    whole: Whole,
}

/// By what an object is known where all of it is as its record said. Only one that nobody owns is.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Whole {
    /// Hash of its expansion; none where it is the object alone.
    bundle: Option<[u8; 16]>,
    record: Option<Mark>,
}

/// The columns of [`present_at`].
const PRESENT: &str = "id, hash, revision, owner, bundle, record";

/// Of a row that begins with [`PRESENT`].
fn present_at(row: &Row<'_>) -> rusqlite::Result<Present> {
    let record = row.get::<_, Option<_>>(5)?.map(Mark::from_bytes);
    let whole = Whole { bundle: row.get(4)?, record };
    Ok(Present { id: row.get(0)?, hash: row.get(1)?, revision: row.get(2)?, owner: row.get(3)?, whole })
}

pub(super) struct SqliteLoad {
    writer: Writer,
    database: Database,
    layer: i64,
    load: i64,
    revision: i64,
    cleared: Cleared,
    doomed: Doomed,
    /// Where the next row stands, if it follows the one before it.
    expected: i64,
    /// Rows inserted or changed.
    writes: u64,
    /// Rows that were there before and that this load has written to.
    written: RoaringTreemap,
    /// The highest of these: most objects that are known stand behind all that was written so far.
    written_to: i64,
    /// Whether the layer held nothing when the load began: most of what comes is new, and is not
    /// looked for first.
    was_empty: bool,
    /// Whether this load moved anything into the log, so that an object may have to come back from
    /// there.
    replaced: bool,
    unchanged: u64,
    /// What was changed after this revision stays.
    keep_after: Option<i64>,
    /// First parts of keys that are no longer of one object alone.
    crowded: Crowded,
    /// Of the load as it stands: rows of cleared kinds are swept by then.
    done: Option<Done>,
}

impl SqliteLoad {
    pub(super) fn begin(database: &Database, layer: LayerNo, load: LoadId) -> Result<Self, StoreError> {
        let writer = database.writer_of_much();
        let begin = || {
            writer.execute_batch("BEGIN IMMEDIATE")?;
            let revision =
                writer.query_row("SELECT value + 1 FROM counter WHERE name = 'revision'", (), |row| row.get(0))?;
            let held = "SELECT EXISTS (SELECT 1 FROM object WHERE layer = ?1)";
            let holds: bool = writer.prepare_cached(held)?.query_row([layer.0], |row| row.get(0))?;
            Ok((revision, !holds))
        };
        let (revision, was_empty) = begin().map_err(|source| database.failed("begin a load", source))?;
        Ok(Self {
            writer,
            database: database.clone(),
            layer: layer.0,
            load: load.0,
            revision,
            cleared: Cleared::default(),
            doomed: Doomed::default(),
            expected: 0,
            writes: 0,
            written: RoaringTreemap::new(),
            written_to: 0,
            was_empty,
            replaced: false,
            unchanged: 0,
            keep_after: None,
            // Into an empty layer all is added: it is quicker to look at all of it at the end.
            crowded: if was_empty { Crowded::Anywhere } else { Crowded::At(BTreeSet::new()) },
            done: None,
        })
    }

    fn present(&mut self, kind: KindId, key: &str) -> rusqlite::Result<Option<Present>> {
        let behind = self
            .writer
            .prepare_cached(&format!(
                "SELECT {PRESENT} FROM object WHERE id = ?4 AND layer = ?1 AND kind = ?2 AND key = ?3"
            ))?
            .query_row(params![self.layer, kind.0, key, self.expected], present_at)
            .optional()?;
        let found = match behind {
            Some(present) => Some(present),
            None => self
                .writer
                .prepare_cached(&format!("SELECT {PRESENT} FROM object WHERE layer = ?1 AND kind = ?2 AND key = ?3"))?
                .query_row(params![self.layer, kind.0, key], present_at)
                .optional()?,
        };
        if let Some(present) = &found {
            self.expected = present.id + 1;
        }
        Ok(found)
    }

    /// The row is named.
    fn name(&mut self, kind: KindId, id: i64) {
        self.cleared.name(kind, id);
        self.doomed.spare(id);
    }

    /// The row is named with all that it owns.
    fn name_whole(&mut self, id: i64) {
        self.cleared.name_whole(id);
        self.doomed.spare_whole(id);
    }

    /// The row is about to be written.
    fn write_to(&mut self, id: i64) {
        self.written.insert(id.cast_unsigned());
        self.written_to = self.written_to.max(id);
    }

    /// Deletes a row and what it owns. False where it is gone already.
    fn delete_row(&mut self, id: i64) -> rusqlite::Result<bool> {
        let found = self
            .writer
            .prepare_cached("SELECT revision, owner FROM object WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
            .optional()?;
        let Some((revision, owner)) = found else { return Ok(false) };
        if self.keep_after.is_some() && self.belongs_to_newer(id, revision, owner)? {
            return Ok(false);
        }
        if revision != self.revision {
            self.keep_past(id)?;
        }
        self.write_to(id);
        // Its number may be given again.
        self.doomed.spare(id);
        self.writer.prepare_cached("DELETE FROM object WHERE id = ?1")?.execute([id])?;
        self.break_whole(owner)?;
        let owned = self.ids("SELECT id FROM object WHERE owner = ?1", params![id])?;
        for id in owned {
            self.delete_row(id)?;
        }
        Ok(true)
    }

    /// A row of this object is not as its record said any more.
    fn break_whole(&mut self, owner: Option<i64>) -> rusqlite::Result<()> {
        if let Some(owner) = owner {
            self.write_to(owner);
            self.set_whole(owner, Whole::default())?;
        }
        Ok(())
    }

    fn ids(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<i64>> {
        self.writer.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect()
    }

    fn sweep(&mut self) -> rusqlite::Result<()> {
        for id in std::mem::take(&mut self.cleared).gone(&self.writer, self.layer)? {
            self.delete_row(id)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> rusqlite::Result<LoadOutcome> {
        let counts = self.sweep_and_count()?.counts;
        let revision = if counts.differences() == 0 { None } else { Some(self.take_revision(&counts)?) };
        fail::fail_point!("dictionary::loaded");
        self.writer.commit()?;
        fail::fail_point!("dictionary::committed");
        Ok(LoadOutcome { revision, counts })
    }

    fn take_revision(&self, counts: &LoadCounts) -> rusqlite::Result<Revision> {
        self.writer.execute(
            "INSERT INTO revision(revision, at, layer, load, added, changed, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.revision,
                Timestamp::now().as_millisecond(),
                self.layer,
                self.load,
                counts.added.cast_signed(),
                counts.changed.cast_signed(),
                counts.deleted.cast_signed()
            ],
        )?;
        self.writer.execute(
            "INSERT INTO layer(layer, first, last) VALUES (?1, ?2, ?2) ON CONFLICT(layer) DO UPDATE SET last = ?2",
            params![self.layer, self.revision],
        )?;
        self.writer.execute("UPDATE counter SET value = ?1 WHERE name = 'revision'", [self.revision])?;
        Ok(Revision(self.revision.cast_unsigned()))
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        self.database.failed(WHAT, source)
    }
}

impl LoadTxn for SqliteLoad {
    fn unchanged_records(&self) -> Box<dyn UnchangedRecords> {
        Box::new(SqliteUnchanged::new(self.database.clone(), self.layer))
    }

    fn unchanged(&mut self, known: Unchanged) -> bool {
        let ObjectToken(object) = known.object;
        if object <= self.written_to && self.written.contains(object.cast_unsigned()) {
            return false;
        }
        self.unchanged += u64::from(known.rows);
        self.expected = object + i64::from(known.rows);
        if known.in_a_run {
            self.cleared.name_run(object, known.rows);
            self.doomed.spare_run(object..self.expected);
        } else {
            self.name_whole(object);
        }
        true
    }

    fn upsert_all(&mut self, upserts: &[Upsert]) -> Result<(), StoreError> {
        let put = |load: &mut Self, upsert| {
            if load.keep_after.is_some() { load.put_late(upsert) } else { load.put(upsert) }
        };
        upserts.iter().try_for_each(|upsert| put(self, upsert)).map_err(|source| self.failed(source))
    }

    fn delete_all(&mut self, deletions: &[Delete]) -> Result<u64, StoreError> {
        let mut delete = || {
            let mut deleted = 0;
            for Delete { kind, keys, line } in deletions {
                let mut by_this = 0;
                for row in self.matching(*kind, keys)? {
                    by_this += u64::from(self.doom(&row, *kind, *line)?);
                }
                if by_this == 0 {
                    self.unchanged += 1;
                }
                deleted += by_this;
            }
            Ok(deleted)
        };
        delete().map_err(|source| self.failed(source))
    }

    fn clear(&mut self, kind: KindId) -> Result<(), StoreError> {
        self.cleared.clear(kind);
        Ok(())
    }

    fn keep(&mut self, kind: KindId, keys: &KeyMatch) -> Result<TakenBack, StoreError> {
        let mut taken = TakenBack::default();
        if self.cleared.is_empty() && self.doomed.is_empty() {
            return Ok(taken);
        }
        for row in self.matching(kind, keys).map_err(|source| self.failed(source))? {
            taken.deletions.extend(self.doomed.take_back(row.id));
            self.name_whole(row.id);
        }
        Ok(taken)
    }

    fn read_again(&mut self, objects: &[(KindId, KeyMatch)]) -> Result<(), StoreError> {
        for (kind, keys) in objects {
            for row in self.matching(*kind, keys).map_err(|source| self.failed(source))? {
                self.write_to(row.id);
            }
        }
        Ok(())
    }

    fn take_back(&mut self, of: Option<&[KindId]>) -> TakenBack {
        TakenBack { clears: self.cleared.take_back(of), deletions: self.doomed.take_back_kinds(of) }
    }

    fn objects(&self, tokens: &[ObjectToken]) -> Result<Vec<Option<ObjectKey>>, StoreError> {
        let find = || {
            let mut select = self.writer.prepare_cached("SELECT kind, key FROM object WHERE id = ?1")?;
            let mut one = |token: &ObjectToken| {
                let key = |row: &Row<'_>| Ok(ObjectKey { kind: KindId(row.get(0)?), key: row.get(1)? });
                select.query_row([token.0], key).optional()
            };
            tokens.iter().map(&mut one).collect::<rusqlite::Result<_>>()
        };
        find().map_err(|source| self.failed(source))
    }

    fn is_wanted(&self) -> bool {
        self.database.is_wanted()
    }

    fn keep_newer_than(&mut self, revision: Revision) {
        self.keep_after = Some(signed(revision));
    }

    fn effect(&mut self, percent: u8) -> Result<Effect, StoreError> {
        self.look(percent).map_err(|source| self.failed(source))
    }

    fn samples(&mut self, of_each: u32) -> Result<Vec<Sample>, StoreError> {
        self.look_at_some(of_each).map_err(|source| self.failed(source))
    }

    fn crowded(&self) -> Crowded {
        self.crowded.clone()
    }

    fn commit(mut self: Box<Self>) -> Result<LoadOutcome, StoreError> {
        self.finish().map_err(|source| self.failed(source))
    }

    fn rollback(self: Box<Self>) {
        drop(self);
    }
}
