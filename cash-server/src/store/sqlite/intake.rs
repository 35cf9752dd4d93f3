//! `intake.db`: loads with their reports, and whom to tell of them. The schema is told in
//! `intake_1.sql`. Durable to a power cut, since an accepted body is a promise.

mod notices;
mod rows;
#[cfg(test)]
mod tests;

use super::audit;
use super::connection::{Database, Durability};
use super::dictionary::signed;
use crate::store::intake::{
    Consent, LoadEnd, LoadJournal, LoadReason, LoadRecord, LoadSource, LoadState, NewLoad, NoticeRecord, OpenNotice,
    Told, Watch,
};
use crate::store::{ServerId, StoreError};
use crate::words::Reason;
use jiff::Timestamp;
use rows::{ASK_FIRST, GIVEN, LOADS, path_text, record, tills_told, watch};
use rusqlite::{Connection, OptionalExtension as _, params};
use rusqlite_migration::{M, Migrations};
use serde_json::json;
use std::path::Path;
use std::sync::LazyLock;
use tillway_proto::{LoadId, NodeId};
use tillway_service::audit::AuditLine;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("intake_1.sql")),
        M::up(include_str!("intake_2.sql")),
        M::up(include_str!("intake_3.sql")),
        M::up(include_str!("intake_4.sql")),
        M::up(audit::SCHEMA),
        M::up(include_str!("intake_5.sql")),
        M::up(include_str!("intake_6.sql")),
        M::up(include_str!("intake_7.sql")),
    ])
});

const HOUR_MS: i64 = 3_600_000;

/// Loads that do not go by their age: a clock that jumps ahead makes all of them old at once.
const NEWEST_LOADS: u32 = 100;

/// `intake.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IntakeDb {
    database: Database,
    server: ServerId,
}

impl IntakeDb {
    /// Opens the database for a server, and makes it when it is not there.
    pub fn open(path: &Path, server: ServerId) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Durability::Full)?, server })
    }

    /// The file underneath, for checks and backups.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl audit::InOneDatabase for IntakeDb {
    fn audited(&self) -> &Database {
        &self.database
    }
}

impl LoadJournal for IntakeDb {
    fn accept(&self, load: &NewLoad) -> Result<LoadId, StoreError> {
        self.database.write("take a load in", |transaction| insert(transaction, self.server, load))
    }

    fn accept_from(&self, load: &NewLoad, line: &AuditLine) -> Result<LoadId, StoreError> {
        self.database.write("take a load in from somebody", |transaction| {
            let id = insert(transaction, self.server, load)?;
            audit::put(transaction, &AuditLine { object: format!("load:{}", id.0), ..line.clone() })?;
            Ok(id)
        })
    }

    fn begin(&self, load: LoadId, at: Timestamp) -> Result<u32, StoreError> {
        self.database.write("begin a load", |transaction| {
            transaction.query_row(
                "UPDATE load SET state = 'running', started_at = ?2, tries = tries + 1, why = NULL, reason = NULL WHERE id = ?1 \
                 RETURNING tries",
                params![load.0, at.as_millisecond()],
                |row| row.get(0),
            )
        })
    }

    fn requeue(&self, load: LoadId, reason: &Reason, counted: bool) -> Result<(), StoreError> {
        self.database.write("put a load back", |transaction| {
            transaction
                .execute(
                    "UPDATE load SET state = 'queued', why = ?2, tries = max(0, tries - ?3) WHERE id = ?1",
                    params![load.0, reason.to_string(), !counted],
                )
                .map(|_| ())
        })
    }

    fn deliver_as(&self, load: LoadId, delivery: &str, consent: Consent) -> Result<(), StoreError> {
        let consent = consent_value(consent);
        // A write is synced, and there is nothing to write nearly always.
        let known = self.database.read("look a delivery up", |reader| {
            let sql = "SELECT delivery IS ?2 AND consent IS ?3 FROM load WHERE id = ?1";
            let values = params![load.0, delivery, consent];
            reader.prepare_cached(sql)?.query_row(values, |row| row.get::<_, bool>(0)).optional()
        })?;
        if known == Some(true) {
            return Ok(());
        }
        self.database.write("note a delivery", |transaction| {
            let sql = "UPDATE load SET delivery = ?2, consent = ?3 WHERE id = ?1";
            transaction.execute(sql, params![load.0, delivery, consent]).map(|_| ())
        })
    }

    fn end(&self, load: LoadId, end: &LoadEnd) -> Result<(), StoreError> {
        let counts = &end.counts;
        self.database.write("end a load", |transaction| {
            transaction.execute(
                "UPDATE load SET state = ?2, ended_at = ?3, added = ?4, changed = ?5, deleted = ?6, unchanged = ?7, \
                 rejected = ?8, revision = ?9, applies_from = ?10, why = ?11, reason = NULL, aside = ?12, held_at = ?13, \
                 clears = ?14, warnings = ?15 WHERE id = ?1",
                params![
                    load.0,
                    end.state.as_str(),
                    end.at.as_millisecond(),
                    counts.added.cast_signed(),
                    counts.changed.cast_signed(),
                    counts.deleted.cast_signed(),
                    counts.unchanged.cast_signed(),
                    counts.rejected.cast_signed(),
                    end.revision.map(signed),
                    end.applies_from.map(signed),
                    end.reason.as_ref().map(Reason::to_string),
                    end.aside,
                    end.held.as_ref().map(|held| signed(held.at)),
                    end.held.as_ref().and_then(|held| held.clears.as_ref()),
                    counts.warnings.cast_signed(),
                ],
            )?;
            transaction.execute("DELETE FROM reject WHERE load = ?1", [load.0])?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO reject(load, n, line, byte, verb, key, field, value, reason, warning, why) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', ?9, ?10)",
            )?;
            for (n, notice) in (0_i64..).zip(&end.notices) {
                let NoticeRecord { line, byte, verb, key, field, value, .. } = notice;
                let (warning, why) = notices::reason_columns(notice);
                let (line, byte) = (line.cast_signed(), byte.cast_signed());
                insert.execute(params![load.0, n, line, byte, verb, key, field, value, warning, why])?;
            }
            if matches!(end.state, LoadState::Ready | LoadState::ReadyWithErrors) {
                notices::put(transaction, load, end)?;
            }
            Ok(())
        })
    }

    fn load(&self, load: LoadId) -> Result<Option<LoadRecord>, StoreError> {
        self.database.read("look a load up", |reader| {
            reader.prepare_cached(&format!("{LOADS} WHERE id = ?1"))?.query_row([load.0], record).optional()
        })
    }

    fn recent(&self, limit: u32) -> Result<Vec<LoadRecord>, StoreError> {
        self.database.read("list loads", |reader| {
            reader.prepare_cached(&format!("{LOADS} ORDER BY id DESC LIMIT ?1"))?.query_map([limit], record)?.collect()
        })
    }

    fn loads_by_hour(&self, from: Timestamp, of: Option<&[NodeId]>) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        let of = of.map(|nodes| serde_json::to_string(nodes).unwrap_or_default());
        let from = from.as_millisecond().div_euclid(HOUR_MS) * HOUR_MS;
        self.database.read("count loads", |reader| {
            let counted = |row: &rusqlite::Row<'_>| {
                let hour: i64 = row.get(0)?;
                Ok((super::dictionary::time(hour * HOUR_MS), row.get::<_, i64>(1)?.cast_unsigned()))
            };
            match &of {
                None => reader
                    .prepare_cached(
                        "SELECT queued_at / 3600000 AS hour, count(*) FROM load WHERE queued_at >= ?1 GROUP BY hour",
                    )?
                    .query_map([from], counted)?
                    .collect(),
                Some(nodes) => reader
                    .prepare_cached(
                        "SELECT queued_at / 3600000 AS hour, count(*) FROM load INDEXED BY load_by_time \
                         WHERE queued_at >= ?1 AND node IN (SELECT value FROM json_each(?2)) GROUP BY hour",
                    )?
                    .query_map(params![from, nodes], counted)?
                    .collect(),
            }
        })
    }

    fn rejects(&self, load: LoadId, limit: u32) -> Result<Vec<NoticeRecord>, StoreError> {
        self.database.read("list rejects", |reader| notices_of(reader, load, "warning IS NULL", limit))
    }

    fn warnings(&self, load: LoadId, limit: u32) -> Result<Vec<NoticeRecord>, StoreError> {
        self.database.read("list warnings", |reader| notices_of(reader, load, "warning IS NOT NULL", limit))
    }

    fn open_notices(&self, limit: u32) -> Result<Vec<OpenNotice>, StoreError> {
        self.database.read("list notices", |reader| notices::open(reader, limit))
    }

    fn count_notices(&self) -> Result<(u64, u64), StoreError> {
        self.database.read("count notices", notices::count)
    }

    fn noticed_objects(&self, node: &NodeId) -> Result<Vec<(u16, String)>, StoreError> {
        self.database.read("list objects with notices", |reader| notices::objects(reader, node))
    }

    fn see_notices(&self, ids: &[i64], up_to: Option<i64>, at: Timestamp, line: &AuditLine) -> Result<u64, StoreError> {
        self.database.write("note that notices were seen", |transaction| {
            let seen = notices::see(transaction, ids, up_to, at)?;
            if seen > 0 {
                audit::put(transaction, line)?;
            }
            Ok(seen)
        })
    }

    fn refused(&self, limit: u32) -> Result<Vec<LoadRecord>, StoreError> {
        self.database.read("list refused loads", |reader| {
            reader
                .prepare_cached(&format!("{LOADS} WHERE aside IS NOT NULL ORDER BY id DESC LIMIT ?1"))?
                .query_map([limit], record)?
                .collect()
        })
    }

    fn accept_again(&self, refused: LoadId, load: &NewLoad, line: &AuditLine) -> Result<Option<LoadId>, StoreError> {
        self.database.write("take a load in once more", |transaction| {
            let sql = "UPDATE load SET aside = NULL WHERE id = ?1 AND aside IS NOT NULL";
            if transaction.execute(sql, [refused.0])? == 0 {
                return Ok(None);
            }
            let id = insert(transaction, self.server, load)?;
            settle_held(transaction, refused, &LoadReason::CarriedOut { load: id.0 })?;
            let watched = "UPDATE watch SET load = ?2, load_told = NULL WHERE load = ?1 AND NOT EXISTS \
                           (SELECT 1 FROM watch_till t WHERE t.load = ?1)";
            transaction.execute(watched, params![refused.0, id.0])?;
            audit::put(transaction, &line.clone().after(json!({"load": id.0})))?;
            Ok(Some(id))
        })
    }

    fn forget_aside(&self, load: LoadId, line: Option<&AuditLine>) -> Result<(), StoreError> {
        self.database.write("forget a refused load's file", |transaction| {
            let sql = "UPDATE load SET aside = NULL, state = CASE state WHEN 'held' THEN 'error' ELSE state END WHERE id = ?1";
            transaction.execute(sql, [load.0])?;
            line.iter().try_for_each(|line| audit::put(transaction, line))
        })
    }

    fn refuse_held(&self, load: LoadId, line: &AuditLine) -> Result<bool, StoreError> {
        self.database.write("refuse a held load", |transaction| {
            let was_held = settle_held(transaction, load, &LoadReason::RefusedByPerson)?;
            if was_held {
                audit::put(transaction, line)?;
            }
            Ok(was_held)
        })
    }

    fn replace_held(&self, by: LoadId, node: &NodeId, clears: &str) -> Result<Vec<LoadRecord>, StoreError> {
        let replaced = params![node.as_str(), clears, by.0];
        let held = "state = 'held' AND node = ?1 AND clears = ?2 AND id < ?3";
        let find = |connection: &Connection| -> rusqlite::Result<Vec<LoadRecord>> {
            connection.prepare_cached(&format!("{LOADS} WHERE {held}"))?.query_map(replaced, record)?.collect()
        };
        // Most loads replace nothing, and a write is synced.
        if self.database.read("look for held loads", |reader| find(reader))?.is_empty() {
            return Ok(Vec::new());
        }
        self.database.write("replace held loads", |transaction| {
            let found = find(transaction)?;
            let reason = LoadReason::Replaced { load: by.0, clears: clears.to_owned() };
            for one in &found {
                settle_held(transaction, one.id, &reason)?;
            }
            Ok(found)
        })
    }

    fn unfinished(&self) -> Result<Vec<LoadRecord>, StoreError> {
        self.database.read("list unfinished loads", |reader| {
            reader
                .prepare_cached(&format!(
                    "{LOADS} WHERE state IN ('queued', 'running') AND worked_on_by = ?1 ORDER BY id"
                ))?
                .query_map([self.server.0.as_bytes()], record)?
                .collect()
        })
    }

    fn newest_of(&self, path: &Path) -> Result<Option<LoadRecord>, StoreError> {
        self.database.read("look a load up by its file", |reader| {
            reader
                .prepare_cached(&format!(
                    "{LOADS} WHERE source = ?1 AND way = 'folder' AND worked_on_by = ?2 ORDER BY id DESC LIMIT 1"
                ))?
                .query_row(params![path_text(path), self.server.0.as_bytes()], record)
                .optional()
        })
    }

    fn prune(&self, before: Timestamp, keep: u32, step: u32) -> Result<u64, StoreError> {
        self.database.write("forget old loads", |transaction| {
            let forgotten = transaction.execute(
                "DELETE FROM load WHERE id IN (SELECT id FROM load WHERE state NOT IN ('queued', 'running') \
                 AND ((ended_at < ?1 AND id <= (SELECT id FROM load ORDER BY id DESC LIMIT 1 OFFSET ?4)) \
                 OR id <= (SELECT id FROM load ORDER BY id DESC LIMIT 1 OFFSET ?2)) \
                 AND id NOT IN (SELECT load FROM watch) ORDER BY id LIMIT ?3)",
                params![before.as_millisecond(), keep, step, NEWEST_LOADS],
            )?;
            Ok(forgotten as u64)
        })
    }

    fn prune_rejects(&self, keep: u32, step: u32) -> Result<u64, StoreError> {
        self.database.write("forget old rejects", |transaction| {
            let forgotten = transaction.execute(
                "DELETE FROM reject WHERE (load, n) IN (SELECT load, n FROM reject WHERE load <= \
                 (SELECT id FROM load ORDER BY id DESC LIMIT 1 OFFSET ?1) LIMIT ?2)",
                params![keep, step],
            )?;
            Ok(forgotten as u64)
        })
    }

    fn open_watches(&self, skip: u32, limit: u32) -> Result<Vec<Watch>, StoreError> {
        self.database.read("list status callbacks", |reader| {
            let mut watches = reader
                .prepare_cached(
                    "SELECT l.id, l.node, w.server, w.shop, l.queued_at, l.state, l.applies_from, w.state_id, \
                     w.load_told FROM (SELECT *, row_number() OVER (PARTITION BY server ORDER BY load) AS nth FROM watch) w \
                     JOIN load l ON l.id = w.load ORDER BY w.nth, l.id LIMIT ?1 OFFSET ?2",
                )?
                .query_map([limit, skip], watch)?
                .collect::<rusqlite::Result<Vec<Watch>>>()?;
            for watch in &mut watches {
                watch.tills_told = tills_told(reader, watch.load)?;
            }
            Ok(watches)
        })
    }

    fn note_told(&self, load: LoadId, told: &Told) -> Result<(), StoreError> {
        self.database.write("note what a status server knows", |transaction| {
            match told {
                Told::Opened(state_id) => {
                    transaction.execute("UPDATE watch SET state_id = ?2 WHERE load = ?1", params![load.0, state_id])
                }
                Told::Load(status) => transaction
                    .execute("UPDATE watch SET load_told = ?2 WHERE load = ?1", params![load.0, status.as_str()]),
                // Nothing where the watch was closed in the meantime.
                Told::Till(till, status) => transaction.execute(
                    "INSERT INTO watch_till(load, till, told) SELECT load, ?2, ?3 FROM watch WHERE load = ?1 \
                     ON CONFLICT(load, till) DO UPDATE SET told = ?3",
                    params![load.0, till.as_str(), status.as_str()],
                ),
            }
            .map(|_| ())
        })
    }

    fn close_watch(&self, load: LoadId) -> Result<(), StoreError> {
        self.database.write("close a status callback", |transaction| {
            transaction.execute("DELETE FROM watch WHERE load = ?1", [load.0]).map(|_| ())
        })
    }
}

/// A held load is not carried out, or was as another one. False where it is not held any more.
fn settle_held(transaction: &Connection, load: LoadId, reason: &LoadReason) -> rusqlite::Result<bool> {
    let sql = "UPDATE load SET state = 'error', why = ?2, aside = NULL WHERE id = ?1 AND state = 'held'";
    Ok(transaction.execute(sql, params![load.0, Reason::of(reason).to_string()])? > 0)
}

fn notices_of(reader: &Connection, load: LoadId, which: &str, limit: u32) -> rusqlite::Result<Vec<NoticeRecord>> {
    let sql = format!(
        "SELECT line, byte, verb, key, field, value, reason, warning, why FROM reject WHERE load = ?1 AND {which} \
         ORDER BY n LIMIT ?2"
    );
    reader.prepare_cached(&sql)?.query_map(params![load.0, limit], |row| notices::record(row, 0))?.collect()
}

/// For the column `consent`.
fn consent_value(consent: Consent) -> Option<i64> {
    match consent {
        Consent::No => None,
        Consent::AskFirst => Some(ASK_FIRST),
        Consent::Given => Some(GIVEN),
        Consent::Late(revision) => Some(signed(revision)),
    }
}

fn insert(transaction: &Connection, server: ServerId, load: &NewLoad) -> rusqlite::Result<LoadId> {
    let (way, source, dictionary_id, retry_of) = match &load.source {
        LoadSource::Folder(path) => {
            let path = path_text(path);
            let settled = "UPDATE load SET aside = NULL, why = CASE state WHEN 'held' THEN ?2 ELSE why END, \
                           state = CASE state WHEN 'held' THEN 'error' ELSE state END \
                           WHERE source = ?1 AND way = 'folder' AND aside = ?1 AND worked_on_by = ?3";
            transaction.execute(
                settled,
                params![path, Reason::from(LoadReason::HandedOverAnew).to_string(), server.0.as_bytes()],
            )?;
            ("folder", path, None, None)
        }
        LoadSource::Rest { body, dictionary_id, retry_of } => {
            ("rest", body.clone(), dictionary_id.as_deref(), *retry_of)
        }
    };
    transaction.execute(
        "INSERT INTO load(node, way, source, dictionary_id, bytes, state, queued_at, delivery, retry_of, consent, \
         worked_on_by) VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9, ?10)",
        params![
            load.node.as_str(),
            way,
            source,
            dictionary_id,
            load.bytes.cast_signed(),
            load.at.as_millisecond(),
            load.delivery,
            retry_of.map(|load| load.0),
            consent_value(load.consent),
            server.0.as_bytes(),
        ],
    )?;
    let id = transaction.last_insert_rowid();
    if let Some(watch) = &load.watch {
        transaction.execute(
            "INSERT INTO watch(load, server, shop) VALUES (?1, ?2, ?3)",
            params![id, watch.server, watch.shop],
        )?;
    }
    Ok(LoadId(id))
}
