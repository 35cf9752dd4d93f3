//! A load into a layer: one transaction on head and log.
//!
//! - An object whose hash is what it was is left alone. An object whose whole expansion is what it was (its `bundle`)
//!   is not looked into: what it owns counts as named. One whose record is what it was, byte for byte, is not even read
//!   ([`known`]).
//! - `clear` does nothing at first. The objects of a cleared kind that are named afterwards are remembered by row
//!   number; at the end the others are deleted. So a full load of the same catalogue changes nothing.
//! - A deletion by key does nothing at first either ([`doomed`]): what is named again afterwards stays, with its history. An
//!   object takes along what it brought and what hangs on it.
//! - What cannot be read is not swept: an object that the load names in a broken record is remembered like one that it
//!   names, and where nobody knows which object that is, the clearing is taken back. So are deletions.
//! - A row is looked for behind the last one first, since a back office names them in much the same order each time.
//! - What a load changes and changes back (delete, then add the same) is as if it had never been touched.

mod brought;
mod deletions;
mod doomed;
mod effect;
mod known;
mod late;
mod named;
#[cfg(test)]
mod tests;

use super::super::connection::{Database, Writer};
use super::signed;
use crate::dictionary::entry::{self, Effect, Entry, KindId, LoadCounts, LoadOutcome, ObjectKey, Upsert};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{Known, KnownRecords, LoadTxn, TakenBack};
use brought::{Brought, Spared};
use doomed::Doomed;
use effect::Done;
use jiff::Timestamp;
use known::{Mark, SqliteKnown};
use named::Cleared;
use roaring::RoaringTreemap;
use rusqlite::{OptionalExtension as _, Row, params};
use tillway_exchangers::row::KeyMatch;
use tillway_proto::{LoadId, Revision, RowHash};

const WHAT: &str = "load into a layer";

/// Rows written from which on a load is a large one.
const LARGE_LOAD_ROWS: u64 = 5_000;

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

/// What an object owns and its record does not bring again.
#[derive(Default)]
struct NotBrought {
    /// Rows of the kinds that the record replaces, and what the object named by plain values before.
    gone: Vec<i64>,
    /// Rows that a rejected entry of the record may have been meant to bring.
    spared: Vec<(KindId, i64)>,
    /// Whether it owns anything that is not gone.
    leftover: bool,
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
    /// Whether the layer held nothing when the load began: most of what comes is new, and is not looked for first.
    was_empty: bool,
    /// Whether this load moved anything into the log, so that an object may have to come back from there.
    replaced: bool,
    unchanged: u64,
    /// What was changed after this revision stays.
    keep_after: Option<i64>,
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

    fn put(&mut self, upsert: &Upsert) -> rusqlite::Result<()> {
        let bundle = bundle_of(upsert);
        let record = upsert.record.and_then(|record| Mark::new(record, 1 + upsert.owned.len()));
        let mut whole = Whole { bundle, record };
        if self.was_empty
            && let Some(id) = self.insert_row(&upsert.main, None, whole)?
        {
            return self.put_owned_by_new(upsert, id, whole);
        }
        let Some(present) = self.present(upsert.main.kind, &upsert.main.key)? else {
            let id = self.insert(&upsert.main, None, whole)?;
            return self.put_owned_by_new(upsert, id, whole);
        };
        if bundle.is_some() && present.whole.bundle == bundle && present.owner.is_none() {
            self.unchanged += 1 + upsert.owned.len() as u64;
            self.name_whole(present.id);
            if record.is_some() && !present.whole.record.is_some_and(|record| record.is_current()) {
                self.write_to(present.id);
                // Where its rows stand was not looked up.
                whole.record = record.map(Mark::scattered);
                self.set_whole(present.id, whole)?;
            }
            return Ok(());
        }
        let named_before = self.named_before(&upsert.main, &present)?;
        let NotBrought { gone, spared, leftover } = self.not_brought_again(present.id, upsert, &named_before)?;
        for (kind, id) in spared {
            self.name(kind, id);
        }
        if leftover {
            whole = Whole::default();
        } else if present.hash == upsert.main.hash.to_bytes()
            && present.whole.record.is_some_and(|record| record.is_current())
            && gone.is_empty()
            && bundle.is_none()
        {
            // The same again in other words: the next load may well use the first ones again.
            whole.record = present.whole.record;
        }
        if !self.put_owned(upsert, present.id)? {
            whole.record = whole.record.map(Mark::scattered);
        }
        // Whoever deletes a row of it takes from the object that it is known as a whole.
        let known_as = if gone.is_empty() { present.whole } else { Whole::default() };
        for id in gone {
            self.delete_row(id)?;
        }
        self.put_row(&upsert.main, None, whole, Present { whole: known_as, ..present })
    }

    /// Puts what a new object brings along, whose row is there already.
    fn put_owned_by_new(&mut self, upsert: &Upsert, owner: i64, whole: Whole) -> rusqlite::Result<()> {
        let in_a_run = self.put_owned(upsert, owner)?;
        let Some(record) = whole.record.filter(|_| !in_a_run) else { return Ok(()) };
        self.set_whole(owner, Whole { record: Some(record.scattered()), ..whole })
    }

    /// Puts what the object brings along. Where two have one key, the last counts. Says whether these rows have the numbers behind
    /// the object's own.
    fn put_owned(&mut self, upsert: &Upsert, owner: i64) -> rusqlite::Result<bool> {
        let (mut in_a_run, mut behind) = (true, owner);
        let brought = Brought::of(upsert);
        for (at, entry) in upsert.owned.iter().enumerate().rev() {
            if !brought.is_last(at, entry) {
                in_a_run = false;
                continue;
            }
            let inserted = if self.was_empty { self.insert_row(entry, Some(owner), Whole::default())? } else { None };
            let id = match inserted {
                Some(id) => id,
                None => match self.present(entry.kind, &entry.key)? {
                    Some(present) => {
                        self.put_row(entry, Some(owner), Whole::default(), present)?;
                        present.id
                    }
                    None => self.insert(entry, Some(owner), Whole::default())?,
                },
            };
            behind += 1;
            in_a_run &= id == behind;
        }
        Ok(in_a_run)
    }

    /// What the object named by plain values of its own row, where that row changes: its old main barcode.
    fn named_before(&self, main: &Entry, present: &Present) -> rusqlite::Result<Vec<ObjectKey>> {
        if present.hash == main.hash.to_bytes() {
            return Ok(Vec::new());
        }
        let body: Vec<u8> = self
            .writer
            .prepare_cached("SELECT body FROM object WHERE id = ?1")?
            .query_row([present.id], |row| row.get(0))?;
        Ok(entry::rows_of_scalars(main.kind, &body))
    }

    /// What the object brought before and does not bring now.
    fn not_brought_again(
        &self,
        owner: i64,
        upsert: &Upsert,
        named_before: &[ObjectKey],
    ) -> rusqlite::Result<NotBrought> {
        let mut owned = self.writer.prepare_cached("SELECT id, kind, key FROM object WHERE owner = ?1")?;
        let mut owned = owned.query([owner])?;
        let mut found = NotBrought::default();
        let (brought, spared) = (Brought::of(upsert), Spared::of(upsert));
        while let Some(row) = owned.next()? {
            let (id, kind, key) = (row.get(0)?, KindId(row.get(1)?), row.get_ref(2)?.as_str()?);
            if brought.contains(kind, key) {
                continue;
            }
            let named = named_before.iter().any(|before| before.kind == kind && before.key == key);
            if spared.has(kind, key) {
                found.spared.push((kind, id));
                found.leftover = true;
            } else if named || upsert.replaces.contains(&kind) {
                found.gone.push(id);
            } else {
                found.leftover = true;
            }
        }
        Ok(found)
    }

    /// Brings a row that is there to the state of `entry`.
    fn put_row(&mut self, entry: &Entry, owner: Option<i64>, whole: Whole, present: Present) -> rusqlite::Result<()> {
        let hash = entry.hash.to_bytes();
        if present.hash == hash {
            self.unchanged += 1;
            if present.whole != whole {
                self.write_to(present.id);
                self.set_whole(present.id, whole)?;
            }
        } else {
            self.write_to(present.id);
            self.count_write();
            let since = if present.revision == self.revision {
                // Changed before in this load: perhaps back to what it was.
                self.take_back(entry)?.unwrap_or(self.revision)
            } else {
                self.keep_past(present.id)?;
                self.revision
            };
            self.writer
                .prepare_cached(
                    "UPDATE object SET hash = ?2, body = ?3, revision = ?4, bundle = ?5, record = ?6 WHERE id = ?1",
                )?
                .execute(params![present.id, hash, entry.body, since, whole.bundle, whole.record.map(|r| r.bytes())])?;
        }
        if present.owner != owner {
            self.write_to(present.id);
            self.writer
                .prepare_cached("UPDATE object SET owner = ?2 WHERE id = ?1")?
                .execute(params![present.id, owner])?;
            self.break_whole(present.owner)?;
        }
        self.name(entry.kind, present.id);
        Ok(())
    }

    /// Inserts a row that is not there.
    fn insert(&mut self, entry: &Entry, owner: Option<i64>, whole: Whole) -> rusqlite::Result<i64> {
        let inserted = self.insert_row(entry, owner, whole)?;
        inserted.ok_or(rusqlite::Error::StatementChangedRows(0))
    }

    /// Inserts a row; its number, or none where there is one with this key.
    fn insert_row(&mut self, entry: &Entry, owner: Option<i64>, whole: Whole) -> rusqlite::Result<Option<i64>> {
        self.count_write();
        let since = self.since_before(entry)?;
        let inserted = self
            .writer
            .prepare_cached(
                "INSERT INTO object(layer, kind, key, revision, hash, body, owner, bundle, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(layer, kind, key) DO NOTHING",
            )?
            .execute(params![
                self.layer,
                entry.kind.0,
                entry.key,
                since.unwrap_or(self.revision),
                entry.hash.to_bytes(),
                entry.body,
                owner,
                whole.bundle,
                whole.record.map(|record| record.bytes())
            ])?;
        if inserted == 0 {
            return Ok(None);
        }
        if since.is_some() {
            self.unchanged += 1;
            self.take_back(entry)?;
        }
        let id = self.writer.last_insert_rowid();
        self.name(entry.kind, id);
        Ok(Some(id))
    }

    fn count_write(&mut self) {
        self.writes += 1;
        if self.writes == LARGE_LOAD_ROWS {
            self.writer.writes_much();
        }
    }

    fn set_whole(&self, id: i64, whole: Whole) -> rusqlite::Result<()> {
        self.writer.prepare_cached("UPDATE object SET bundle = ?2, record = ?3 WHERE id = ?1")?.execute(params![
            id,
            whole.bundle,
            whole.record.map(|record| record.bytes())
        ])?;
        Ok(())
    }

    /// Since when the state held that this very load put into the log, where it is this one.
    fn since_before(&self, entry: &Entry) -> rusqlite::Result<Option<i64>> {
        if !self.replaced {
            return Ok(None);
        }
        self.writer
            .prepare_cached(
                "SELECT since FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 AND until = ?4 AND hash = ?5",
            )?
            .query_row(params![self.layer, entry.kind.0, entry.key, self.revision, entry.hash.to_bytes()], |row| {
                row.get(0)
            })
            .optional()
    }

    /// If this very load put the same state into the log, takes it out again and says since when it holds.
    fn take_back(&mut self, entry: &Entry) -> rusqlite::Result<Option<i64>> {
        if !self.replaced {
            return Ok(None);
        }
        self.writer
            .prepare_cached(
                "DELETE FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 AND until = ?4 AND hash = ?5 \
                 RETURNING since",
            )?
            .query_row(params![self.layer, entry.kind.0, entry.key, self.revision, entry.hash.to_bytes()], |row| {
                row.get(0)
            })
            .optional()
    }

    fn keep_past(&mut self, id: i64) -> rusqlite::Result<()> {
        self.replaced = true;
        self.writer
            .prepare_cached(
                "INSERT INTO past(layer, kind, key, since, until, hash, body) \
                 SELECT layer, kind, key, revision, ?2, hash, body FROM object WHERE id = ?1",
            )?
            .execute(params![id, self.revision])?;
        Ok(())
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
    fn known_records(&self) -> Box<dyn KnownRecords> {
        Box::new(SqliteKnown::new(self.database.clone(), self.layer))
    }

    fn known(&mut self, known: Known) -> bool {
        if known.object <= self.written_to && self.written.contains(known.object.cast_unsigned()) {
            return false;
        }
        self.unchanged += u64::from(known.rows);
        self.expected = known.object + i64::from(known.rows);
        if known.in_a_run {
            self.cleared.name_run(known.object, known.rows);
            self.doomed.spare_run(known.object..self.expected);
        } else {
            self.name_whole(known.object);
        }
        true
    }

    fn upsert(&mut self, upsert: &Upsert) -> Result<(), StoreError> {
        let put = if self.keep_after.is_some() { self.put_late(upsert) } else { self.put(upsert) };
        put.map_err(|source| self.failed(source))
    }

    fn delete(&mut self, kind: KindId, keys: &KeyMatch, line: u64) -> Result<u64, StoreError> {
        let mut delete = || {
            let mut deleted = 0;
            for row in self.matching(kind, keys)? {
                deleted += u64::from(self.doom(&row, kind, line)?);
            }
            if deleted == 0 {
                self.unchanged += 1;
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

    fn read_again(&mut self, kind: KindId, keys: &KeyMatch) -> Result<(), StoreError> {
        for row in self.matching(kind, keys).map_err(|source| self.failed(source))? {
            self.write_to(row.id);
        }
        Ok(())
    }

    fn take_back(&mut self, of: Option<&[KindId]>) -> TakenBack {
        TakenBack { clears: self.cleared.take_back(of), deletions: self.doomed.take_back_kinds(of) }
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

    fn commit(mut self: Box<Self>) -> Result<LoadOutcome, StoreError> {
        self.finish().map_err(|source| self.failed(source))
    }

    fn rollback(self: Box<Self>) {
        drop(self);
    }
}

/// Over all rows of an expansion, in their order; none where it is the object alone.
fn bundle_of(upsert: &Upsert) -> Option<[u8; 16]> {
    if upsert.owned.is_empty() && upsert.replaces.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for kind in &upsert.replaces {
        hasher.update(&kind.0.to_be_bytes());
    }
    hasher.update(&RowHash::to_bytes(upsert.main.hash));
    for entry in &upsert.owned {
        hasher.update(&entry.hash.to_bytes());
    }
    let mut bundle = [0; 16];
    hasher.finalize_xof().fill(&mut bundle);
    Some(bundle)
}
