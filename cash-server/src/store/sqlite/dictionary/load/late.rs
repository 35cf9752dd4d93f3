//! A load that was held and is carried out later: what was changed or deleted after it was held
//! stays so.
//!
//! - An object that is newer, or that brought something newer along, is left alone with all that
//!   it brought: its newer record says the whole of it.
//! - An object that was deleted since is not added again.
//! - What a record brings along and what is newer by itself (a price that came by its own verb) is
//!   left out of the record.
//! - Neither a deletion nor a clearing takes newer rows away, nor what belongs to the same object
//!   as they do.

use super::SqliteLoad;
use crate::dictionary::entry::{Entry, KindId, Upsert};
use rusqlite::{OptionalExtension as _, params};

impl SqliteLoad {
    /// Whether a row with this revision was changed after the load was held, by another one.
    pub(super) fn is_newer(&self, revision: i64) -> bool {
        self.keep_after.is_some_and(|held| revision > held && revision < self.revision)
    }

    /// Whether a row is newer, or its owner is, or something that it owns.
    pub(super) fn belongs_to_newer(&self, id: i64, revision: i64, owner: Option<i64>) -> rusqlite::Result<bool> {
        if self.is_newer(revision) || self.owns_newer(id)? {
            return Ok(true);
        }
        let Some(owner) = owner else { return Ok(false) };
        let of_owner: Option<i64> = self
            .writer
            .prepare_cached("SELECT revision FROM object WHERE id = ?1")?
            .query_row([owner], |row| row.get(0))
            .optional()?;
        Ok(of_owner.is_some_and(|revision| self.is_newer(revision)) || self.owns_newer(owner)?)
    }

    /// Whether a row that is to be deleted stays.
    pub(super) fn stays(&self, id: i64) -> rusqlite::Result<bool> {
        if self.keep_after.is_none() {
            return Ok(false);
        }
        let row: Option<(i64, Option<i64>)> = self
            .writer
            .prepare_cached("SELECT revision, owner FROM object WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        row.map_or(Ok(false), |(revision, owner)| self.belongs_to_newer(id, revision, owner))
    }

    /// Puts what is not newer.
    pub(super) fn put_late(&mut self, upsert: &Upsert) -> rusqlite::Result<()> {
        match self.present(upsert.main.kind, &upsert.main.key)? {
            None if self.deleted_since(upsert.main.kind, &upsert.main.key)? => return Ok(()),
            Some(present) if self.is_newer(present.revision) || self.owns_newer(present.id)? => {
                self.name_whole(present.id);
                return Ok(());
            }
            _ => {}
        }
        let mut owned = Vec::with_capacity(upsert.owned.len());
        for entry in &upsert.owned {
            if self.may_put(entry)? {
                owned.push(entry.clone());
            }
        }
        if owned.len() == upsert.owned.len() {
            return self.put(upsert);
        }
        // It is not as its record says: it must not be known by it.
        self.put(&Upsert { owned, record: None, ..upsert.clone() })
    }

    fn may_put(&mut self, entry: &Entry) -> rusqlite::Result<bool> {
        match self.present(entry.kind, &entry.key)? {
            Some(present) => Ok(!self.is_newer(present.revision)),
            None => Ok(!self.deleted_since(entry.kind, &entry.key)?),
        }
    }

    fn owns_newer(&self, owner: i64) -> rusqlite::Result<bool> {
        self.writer
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM object WHERE owner = ?1 AND revision > ?2 AND revision < ?3)",
            )?
            .query_row(params![owner, self.keep_after, self.revision], |row| row.get(0))
    }

    /// Whether an object that is not there was taken away after the load was held, by another one.
    fn deleted_since(&self, kind: KindId, key: &str) -> rusqlite::Result<bool> {
        self.writer
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 AND until > ?4 AND until < ?5)",
            )?
            .query_row(params![self.layer, kind.0, key, self.keep_after, self.revision], |row| row.get(0))
    }
}
