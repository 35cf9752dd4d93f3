//! Everything of one moment: a read transaction held open.

use super::super::connection::{Database, Reader};
use super::load::HANGING_BEHIND;
use super::states;
use super::{DictionaryDb, counter, signed, starts_with, unsigned};
use crate::dictionary::entry::{Entry, KindId, LayerSpan, ObjectKey, Version};
use crate::network::{LayerNo, Network};
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, Group, LayerState, Wanted};
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::HashMap;
use std::sync::Arc;
use tillway_exchangers::row::KEY_SEPARATOR;
use tillway_proto::{Revision, RowHash};

pub(super) struct SqliteSnapshot {
    reader: Reader,
    database: Database,
    store: DictionaryDb,
    head: Revision,
    log_start: Revision,
    lost: (Revision, Revision),
}

impl SqliteSnapshot {
    pub(super) fn begin(store: &DictionaryDb) -> Result<Self, StoreError> {
        let reader = store.database.reader()?;
        let begin = || {
            reader.execute_batch("BEGIN")?;
            // The first read fixes the moment.
            let read = |name| counter(&reader, name).map(Revision);
            Ok((read("revision")?, read("log-start")?, (read("lost-after")?, read("lost-before")?)))
        };
        let (head, log_start, lost) = begin().map_err(|source| store.database.failed("begin to read", source))?;
        Ok(Self { reader, database: store.database.clone(), store: store.clone(), head, log_start, lost })
    }

    fn keys(&self, sql: &str, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
        let query = || {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            self.reader
                .prepare_cached(sql)?
                .query_map(params![layer.0, signed(revision), limit], |row| {
                    Ok(ObjectKey { kind: KindId(row.get(0)?), key: row.get(1)? })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        query().map_err(|source| self.database.failed("list changed objects", source))
    }
}

impl DictionarySnapshot for SqliteSnapshot {
    fn head(&self) -> Revision {
        self.head
    }

    fn log_start(&self) -> Revision {
        self.log_start
    }

    fn holds_groups(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Option<Revision>,
    ) -> Result<Vec<bool>, StoreError> {
        let range = starts_with("key", 3);
        let head = format!(
            "SELECT EXISTS (SELECT 1 FROM object WHERE layer = ?1 AND kind = ?2 AND {range} AND revision <= ?4)"
        );
        let past = format!(
            "SELECT EXISTS (SELECT 1 FROM past WHERE layer = ?1 AND kind = ?2 AND {range} AND since <= ?4 AND until > ?4)"
        );
        let at = signed(revision.unwrap_or(self.head));
        let query = || {
            let (mut head, mut past) = (self.reader.prepare_cached(&head)?, self.reader.prepare_cached(&past)?);
            let mut holds = |group: &Group<'_>| {
                let values = params![layer.0, group.kind.0, group.start, at];
                let holds = |row: &Row<'_>| row.get::<_, bool>(0);
                Ok(head.query_row(values, holds)? || (revision.is_some() && past.query_row(values, holds)?))
            };
            groups.iter().map(&mut holds).collect::<rusqlite::Result<_>>()
        };
        query().map_err(|source| self.database.failed("look for objects of a group", source))
    }

    fn groups_held_since(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Revision,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let range = starts_with("key", 3);
        let sql = format!(
            "SELECT key FROM object WHERE layer = ?1 AND kind = ?2 AND {range} \
             UNION ALL SELECT key FROM past WHERE layer = ?1 AND kind = ?2 AND {range} AND until > ?4"
        );
        let query = || {
            let (mut select, mut found) = (self.reader.prepare_cached(&sql)?, Vec::new());
            for Group { kind, start } in groups {
                let key = |row: &Row<'_>| Ok(ObjectKey { kind: *kind, key: row.get(0)? });
                for key in select.query_map(params![layer.0, kind.0, start, signed(revision)], key)? {
                    found.push(key?);
                }
            }
            Ok(found)
        };
        query().map_err(|source| self.database.failed("list objects of a group", source))
    }

    fn lost(&self) -> (Revision, Revision) {
        self.lost
    }

    fn network(&self) -> Result<Arc<Network>, StoreError> {
        self.store.network_seen_by(&self.reader)
    }

    fn layers(&self) -> Result<HashMap<LayerNo, LayerSpan>, StoreError> {
        let query = || {
            self.reader
                .prepare_cached("SELECT layer, first, last FROM layer")?
                .query_map((), |row| {
                    let span = LayerSpan { first: Revision(unsigned(row, 1)?), last: Revision(unsigned(row, 2)?) };
                    Ok((LayerNo(row.get(0)?), span))
                })?
                .collect::<rusqlite::Result<HashMap<_, _>>>()
        };
        query().map_err(|source| self.database.failed("list layers", source))
    }

    fn newest_touch(&self, layer: LayerNo, revision: Revision) -> Result<Option<Revision>, StoreError> {
        self.reader
            .prepare_cached(
                "SELECT revision FROM revision WHERE layer = ?1 AND revision <= ?2 AND load IS NOT NULL \
                 ORDER BY revision DESC LIMIT 1",
            )
            .and_then(|mut statement| {
                statement.query_row(params![layer.0, signed(revision)], |row| unsigned(row, 0)).optional()
            })
            .map(|found| found.map(Revision))
            .map_err(|source| self.database.failed("find the last change of a layer", source))
    }

    fn changed_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
        let sql = "SELECT kind, key FROM object WHERE layer = ?1 AND revision > ?2 \
                   UNION ALL SELECT kind, key FROM past WHERE layer = ?1 AND until > ?2 LIMIT ?3";
        self.keys(sql, layer, revision, limit)
    }

    fn held_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
        let sql = "SELECT kind, key FROM object WHERE layer = ?1 \
                   UNION ALL SELECT kind, key FROM past WHERE layer = ?1 AND until > ?2 LIMIT ?3";
        self.keys(sql, layer, revision, limit)
    }

    fn hash_of_many(
        &self,
        layer: LayerNo,
        keys: &[&ObjectKey],
        revision: Option<Revision>,
    ) -> Result<Vec<Option<RowHash>>, StoreError> {
        let at = signed(revision.unwrap_or(self.head));
        let query = || {
            let mut present = self
                .reader
                .prepare_cached("SELECT revision, hash FROM object WHERE layer = ?1 AND kind = ?2 AND key = ?3")?;
            // The first state that ended after the revision is the one of that time, if it had
            // begun.
            let mut past = self.reader.prepare_cached(
                "SELECT since, hash FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 AND until > ?4 \
                 ORDER BY until LIMIT 1",
            )?;
            let state = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, hash(row, 1)?));
            let begun = |(since, hash): (i64, RowHash)| (since <= at).then_some(hash);
            let mut find = |key: &&ObjectKey| {
                let found = present.query_row(params![layer.0, key.kind.0, key.key], state).optional()?;
                let found = found.and_then(begun);
                if found.is_some() || revision.is_none() {
                    return Ok(found);
                }
                let found = past.query_row(params![layer.0, key.kind.0, key.key, at], state).optional()?;
                Ok(found.and_then(begun))
            };
            keys.iter().map(&mut find).collect::<rusqlite::Result<_>>()
        };
        query().map_err(|source| self.database.failed("read the states of objects", source))
    }

    fn bodies(&self, layer: LayerNo, keys: &[&ObjectKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let query = || {
            let mut select =
                self.reader.prepare_cached("SELECT body FROM object WHERE layer = ?1 AND kind = ?2 AND key = ?3")?;
            let mut find =
                |key: &&ObjectKey| select.query_row(params![layer.0, key.kind.0, key.key], |row| row.get(0)).optional();
            keys.iter().map(&mut find).collect::<rusqlite::Result<_>>()
        };
        query().map_err(|source| self.database.failed("read objects", source))
    }

    fn page(
        &self,
        layer: LayerNo,
        kind: KindId,
        after: Option<&str>,
        limit: u32,
        bodies: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        // Without a key before it, everything: the empty key is the smallest, and comes with `>=`.
        let (comparison, after) = match after {
            Some(key) => (">", key),
            None => (">=", ""),
        };
        let body = if bodies { "body" } else { "x''" };
        let sql = format!(
            "SELECT key, hash, {body} FROM object WHERE layer = ?1 AND kind = ?2 AND key {comparison} ?3 \
             ORDER BY key LIMIT ?4"
        );
        let query = || {
            self.reader
                .prepare_cached(&sql)?
                .query_map(params![layer.0, kind.0, after, limit], |row| {
                    Ok(Entry { kind, key: row.get(0)?, hash: hash(row, 1)?, body: row.get(2)? })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        query().map_err(|source| self.database.failed("read a layer", source))
    }

    fn keys_that_share_a_first_part(&self, layer: LayerNo, kind: KindId) -> Result<Vec<String>, StoreError> {
        // Of keys alone, in the order of their index: no row is read.
        let sql = "SELECT key FROM object WHERE layer = ?1 AND kind = ?2 ORDER BY key";
        let first = |key: &str| key.find(KEY_SEPARATOR).unwrap_or(key.len());
        let query = || {
            let mut statement = self.reader.prepare_cached(sql)?;
            let mut rows = statement.query(params![layer.0, kind.0])?;
            let (mut found, mut before, mut is_found) = (Vec::new(), None::<String>, false);
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_str()?;
                let shares = before.as_deref().is_some_and(|before| before[..first(before)] == key[..first(key)]);
                if let Some(before) = before.as_deref().filter(|_| shares && !is_found) {
                    found.push(before.to_owned());
                }
                if shares {
                    found.push(key.to_owned());
                }
                is_found = shares;
                let before = before.get_or_insert_default();
                before.clear();
                before.push_str(key);
            }
            Ok(found)
        };
        query().map_err(|source| self.database.failed("look for keys that share a first part", source))
    }

    fn states_at(
        &self,
        layers: &[LayerNo],
        wanted: &[Wanted<'_>],
        revision: Revision,
    ) -> Result<Vec<LayerState>, StoreError> {
        states::at(&self.reader, layers, wanted, (revision < self.head).then_some(revision))
            .map_err(|source| self.database.failed("read states of objects", source))
    }

    fn newest_change(
        &self,
        layer: LayerNo,
        wanted: &[Wanted<'_>],
        before: Revision,
    ) -> Result<Option<Revision>, StoreError> {
        states::newest_change(&self.reader, layer, wanted, before)
            .map_err(|source| self.database.failed("look up when objects changed", source))
    }

    fn kinds(&self, layer: LayerNo) -> Result<Vec<KindId>, StoreError> {
        // Jumps from kind to kind by the index; a plain DISTINCT would walk the whole layer.
        let query = || {
            let mut next = self
                .reader
                .prepare_cached("SELECT kind FROM object WHERE layer = ?1 AND kind > ?2 ORDER BY kind LIMIT 1")?;
            let mut kinds = Vec::new();
            let mut after = -1;
            while let Some(kind) = next.query_row(params![layer.0, after], |row| row.get::<_, u16>(0)).optional()? {
                kinds.push(KindId(kind));
                after = i32::from(kind);
            }
            Ok(kinds)
        };
        query().map_err(|source| self.database.failed("list the kinds of a layer", source))
    }

    fn belonging(
        &self,
        layer: LayerNo,
        kind: KindId,
        owner: &ObjectKey,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let query = || {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let key = |row: &Row<'_>| Ok(ObjectKey { kind, key: row.get("key")? });
            let mut found: Vec<ObjectKey> = self
                .reader
                .prepare_cached(
                    "SELECT key FROM object WHERE owner = (SELECT id FROM object WHERE layer = ?1 AND kind = ?2 \
                     AND key = ?3) AND kind = ?4 LIMIT ?5",
                )?
                .query_map(params![layer.0, owner.kind.0, owner.key, kind.0, limit], key)?
                .collect::<rusqlite::Result<_>>()?;
            let behind = format!("{} LIMIT ?4", *HANGING_BEHIND);
            let mut statement = self.reader.prepare_cached(&behind)?;
            for key in statement.query_map(params![layer.0, kind.0, owner.key, limit], key)? {
                found.push(key?);
            }
            Ok(found)
        };
        query().map_err(|source| self.database.failed("list what belongs to an object", source))
    }

    fn history(&self, layer: LayerNo, key: &ObjectKey, limit: u32) -> Result<Vec<Version>, StoreError> {
        let query = || {
            let mut versions: Vec<Version> = self
                .reader
                .prepare_cached(
                    "SELECT revision AS since, NULL AS until, hash, body FROM object \
                     WHERE layer = ?1 AND kind = ?2 AND key = ?3 \
                     UNION ALL SELECT since, until, hash, body FROM past \
                     WHERE layer = ?1 AND kind = ?2 AND key = ?3 ORDER BY since DESC LIMIT ?4",
                )?
                .query_map(params![layer.0, key.kind.0, key.key, limit], |row| {
                    Ok(Version {
                        since: Revision(unsigned(row, 0)?),
                        until: row.get::<_, Option<i64>>(1)?.map(|until| Revision(until.cast_unsigned())),
                        hash: hash(row, 2)?,
                        body: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            versions.reverse();
            Ok(versions)
        };
        query().map_err(|source| self.database.failed("read the history of an object", source))
    }
}

pub(super) fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<RowHash> {
    row.get::<_, [u8; 16]>(column).map(RowHash::from_bytes)
}
