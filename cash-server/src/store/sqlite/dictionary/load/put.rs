//! An object comes: its rows are compared with what stands there, and what differs is written.

use super::super::starts_with;
use super::brought::{Brought, Spared};
use super::unchanged::Mark;
use super::{Present, SqliteLoad, Whole};
use crate::dictionary::entry::{self, Entry, KindId, ObjectKey, Upsert};
use crate::store::dictionary::Crowded;
use rusqlite::{OptionalExtension as _, params};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::KEY_SEPARATOR;
use tillway_proto::RowHash;

/// Rows written from which on a load is a large one.
const LARGE_LOAD_ROWS: u64 = 5_000;

/// First parts of keys that are noted one by one; of more all are looked at.
const MOST_CROWDED: usize = 5_000;

/// What an object owns and its record does not bring again.
#[derive(Default)]
struct NotBrought {
    /// Rows of the kinds that the record replaces, and what the object named by plain values
    /// before.
    gone: Vec<i64>,
    /// Rows that a rejected entry of the record may have been meant to bring.
    spared: Vec<(KindId, i64)>,
    /// Whether it owns anything that is not gone.
    leftover: bool,
}

impl SqliteLoad {
    pub(super) fn put(&mut self, upsert: &Upsert) -> rusqlite::Result<()> {
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
            if let Some(record) = record
                && !present.whole.record.is_some_and(|present| present.is_comparable(&record))
            {
                self.write_to(present.id);
                // Where its rows stand was not looked up.
                whole.record = Some(record.scattered());
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
            && present.whole.record.is_some_and(|present| record.is_none_or(|record| present.is_comparable(&record)))
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
    pub(super) fn put_owned_by_new(&mut self, upsert: &Upsert, owner: i64, whole: Whole) -> rusqlite::Result<()> {
        let in_a_run = self.put_owned(upsert, owner)?;
        let Some(record) = whole.record.filter(|_| !in_a_run) else { return Ok(()) };
        self.set_whole(owner, Whole { record: Some(record.scattered()), ..whole })
    }

    /// Puts what the object brings along. Where two have one key, the last counts. Says whether
    /// these rows have the numbers behind the object's own.
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

    /// What the object named by plain values of its own row, where that row changes: its old main
    /// barcode.
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
        self.look_for_another(entry, id)?;
        Ok(Some(id))
    }

    /// Notes the first part of a new object's key where it should be its own and another has it:
    /// at this moment their place in the index is at hand.
    fn look_for_another(&mut self, entry: &Entry, id: i64) -> rusqlite::Result<()> {
        let Crowded::At(found) = &mut self.crowded else { return Ok(()) };
        if !Kind::by_id(entry.kind.0).is_some_and(|kind| kind.spec().first_key_is_unique) {
            return Ok(());
        }
        let Some((first, _)) = entry.key.split_once(KEY_SEPARATOR) else { return Ok(()) };
        let is_crowded: bool = self
            .writer
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM object WHERE layer = ?1 AND kind = ?2 AND id <> ?4 AND {})",
                starts_with("key", 3)
            ))?
            .query_row(params![self.layer, entry.kind.0, &entry.key[..=first.len()], id], |row| row.get(0))?;
        if is_crowded {
            found.insert((entry.kind, first.to_owned()));
            if found.len() > MOST_CROWDED {
                self.crowded = Crowded::Anywhere;
            }
        }
        Ok(())
    }

    fn count_write(&mut self) {
        self.writes += 1;
        if self.writes == LARGE_LOAD_ROWS {
            self.writer.writes_much();
        }
    }

    pub(super) fn set_whole(&self, id: i64, whole: Whole) -> rusqlite::Result<()> {
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

    /// If this very load put the same state into the log, takes it out again and says since when
    /// it holds.
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

    pub(super) fn keep_past(&mut self, id: i64) -> rusqlite::Result<()> {
        self.replaced = true;
        self.writer
            .prepare_cached(
                // One row, so nothing would have to be put back where it fails: without OR FAIL
                // SQLite keeps a copy of each page for that, once for each such row.
                "INSERT OR FAIL INTO past(layer, kind, key, since, until, hash, body) \
                 SELECT layer, kind, key, revision, ?2, hash, body FROM object WHERE id = ?1",
            )?
            .execute(params![id, self.revision])?;
        Ok(())
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
