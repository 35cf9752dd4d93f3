//! Deletions by key: which objects are meant, what goes with them, and the end of it.

use super::super::starts_with;
use super::{Present, SqliteLoad};
use crate::dictionary::entry::KindId;
use rusqlite::{Row, params};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tillway_exchangers::kinds::{self, HangingKind, Kind};
use tillway_exchangers::row::{KEY_SEPARATOR, KeyMatch};

/// Objects of a kind whose key names what they hang on behind its first part, and that nobody
/// owns. Its condition on kinds is that of the index `object_hanging`, without which SQLite does
/// not use it.
pub(in super::super) static HANGING_BEHIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT id, kind, key, owner FROM object WHERE layer = ?1 AND kind = ?2 AND \
         substr(key, instr(key, char(31)) + 1) = ?3 AND owner IS NULL AND kind IN ({})",
        kinds_behind()
    )
});

/// The numbers of these kinds, as the index has them.
pub(super) fn kinds_behind() -> String {
    let hanging = kinds::all().flat_map(Kind::hanging).filter(|hanging| hanging.part > 0);
    let numbers: BTreeSet<u16> = hanging.map(|hanging| hanging.kind.id()).collect();
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// A row that a deletion is about.
pub(super) struct Reached {
    pub(super) id: i64,
    kind: KindId,
    key: String,
    owner: Option<i64>,
}

fn reached_at(row: &Row<'_>) -> rusqlite::Result<Reached> {
    Ok(Reached { id: row.get(0)?, kind: KindId(row.get(1)?), key: row.get(2)?, owner: row.get(3)? })
}

fn first_part(key: &str) -> &str {
    key.split(KEY_SEPARATOR).next().unwrap_or(key)
}

impl SqliteLoad {
    /// The objects that are meant.
    pub(super) fn matching(&mut self, kind: KindId, keys: &KeyMatch) -> rusqlite::Result<Vec<Reached>> {
        if let KeyMatch::Exact(key) = keys {
            let found = self.present(kind, key.as_str())?;
            let row = |found: Present| Reached { id: found.id, kind, key: key.as_str().to_owned(), owner: found.owner };
            return Ok(found.map(row).into_iter().collect());
        }
        self.writer
            .prepare_cached(&format!(
                "SELECT id, kind, key, owner FROM object WHERE layer = ?1 AND kind = ?2 AND {}",
                starts_with("key", 3)
            ))?
            .query_map(params![self.layer, kind.0, keys.prefix()], reached_at)?
            .filter(|row| row.as_ref().map_or(true, |row| keys.matches(&row.key)))
            .collect()
    }

    /// A record deletes an object: it goes at the end, with what it owns and what hangs on it.
    /// False where one did so before.
    pub(super) fn doom(&mut self, row: &Reached, kind: KindId, line: u64) -> rusqlite::Result<bool> {
        if !self.doomed.delete(row.id, kind, row.owner, line) {
            return Ok(false);
        }
        // What hangs on something itself takes others along only when it goes with that: a barcode
        // that is deleted alone leaves its prices.
        let stands_alone = Kind::by_id(kind.0).filter(|kind| kind.spec().hangs_on.is_empty());
        let hanging = stands_alone.map(Kind::hanging).unwrap_or_default();
        let mut with_it = self.owned_by(row.id)?;
        for one in hanging {
            with_it.extend(self.hanging_on(*one, first_part(&row.key))?);
        }
        while let Some(reached) = with_it.pop() {
            if !self.doomed.reach(row.id, reached.id, reached.kind, reached.owner) {
                continue;
            }
            with_it.extend(self.owned_by(reached.id)?);
            // A barcode that another item has as well keeps its prices.
            let of_it = Kind::by_id(reached.kind.0).map(Kind::hanging).unwrap_or_default();
            if !of_it.is_empty() && !self.is_shared(&reached)? {
                for one in of_it {
                    with_it.extend(self.hanging_on(*one, first_part(&reached.key))?);
                }
            }
        }
        Ok(true)
    }

    fn owned_by(&self, owner: i64) -> rusqlite::Result<Vec<Reached>> {
        let sql = "SELECT id, kind, key, owner FROM object WHERE owner = ?1";
        self.writer.prepare_cached(sql)?.query_map([owner], reached_at)?.collect()
    }

    /// Objects of a kind that hang on the one with this key. Of those whose key does not begin
    /// with it, the ones that nobody owns.
    fn hanging_on(&self, hanging: HangingKind, on: &str) -> rusqlite::Result<Vec<Reached>> {
        let kind = hanging.kind.id();
        if hanging.part > 0 {
            let sql = &*HANGING_BEHIND;
            return self.writer.prepare_cached(sql)?.query_map(params![self.layer, kind, on], reached_at)?.collect();
        }
        let prefix = format!("{on}{KEY_SEPARATOR}");
        let sql = format!(
            "SELECT id, kind, key, owner FROM object WHERE layer = ?1 AND kind = ?2 AND {}",
            starts_with("key", 3)
        );
        self.writer.prepare_cached(&sql)?.query_map(params![self.layer, kind, prefix], reached_at)?.collect()
    }

    /// Whether another object of the kind, which stays, has the same first part of the key.
    fn is_shared(&self, row: &Reached) -> rusqlite::Result<bool> {
        let prefix = format!("{}{KEY_SEPARATOR}", first_part(&row.key));
        let sql = format!("SELECT id FROM object WHERE layer = ?1 AND kind = ?2 AND {}", starts_with("key", 3));
        let others = self.ids(&sql, params![self.layer, row.kind.0, prefix])?;
        Ok(others.into_iter().any(|other| other != row.id && !self.doomed.contains(other)))
    }

    /// Deletes what records delete and nothing named since.
    pub(super) fn carry_out_deletions(&mut self) -> rusqlite::Result<()> {
        for id in self.doomed.take() {
            if self.stays(id)? {
                continue;
            }
            // What it owned and somebody named goes on by itself.
            for left in self.ids("SELECT id FROM object WHERE owner = ?1", [id])? {
                self.write_to(left);
                self.writer.prepare_cached("UPDATE object SET owner = NULL WHERE id = ?1")?.execute([left])?;
            }
            self.delete_row(id)?;
        }
        Ok(())
    }
}
