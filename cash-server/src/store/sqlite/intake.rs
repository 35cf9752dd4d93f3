//! `intake.db`: loads with their reports, and whom to tell of them. The schema is told in `intake_1.sql`. Durable to a
//! power cut, since an accepted body is a promise.

mod notices;

use super::connection::{Database, Durability};
use super::dictionary::{signed, time, unsigned};
use crate::dictionary::entry::LoadCounts;
use crate::store::StoreError;
use crate::store::intake::{
    Consent, Held, LoadEnd, LoadJournal, LoadRecord, LoadSource, LoadState, NewLoad, NoticeRecord, OpenNotice, Told,
    Watch,
};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use rusqlite_migration::{M, Migrations};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use tillway_proto::{ExchangeStatus, LoadId, NodeId, Revision, TillId};

static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("intake_1.sql")),
        M::up(include_str!("intake_2.sql")),
        M::up(include_str!("intake_3.sql")),
        M::up(include_str!("intake_4.sql")),
    ])
});

const LOADS: &str = "SELECT id, node, way, source, dictionary_id, bytes, state, queued_at, started_at, ended_at, \
                     added, changed, deleted, unchanged, rejected, revision, reason, delivery, aside, retry_of, held_at, clears, \
                     consent, warnings FROM load";

/// Loads that do not go by their age: a clock that jumps ahead makes all of them old at once.
const NEWEST_LOADS: u32 = 100;

/// In the column `consent`: its producer said yes.
const GIVEN: i64 = -1;

/// `intake.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IntakeDb {
    database: Database,
}

impl IntakeDb {
    /// Opens the database, and makes it when it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Durability::Full)? })
    }

    /// The file underneath, for checks and backups.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl LoadJournal for IntakeDb {
    fn accept(&self, load: &NewLoad) -> Result<LoadId, StoreError> {
        self.database.write("take a load in", |transaction| insert(transaction, load))
    }

    fn begin(&self, load: LoadId, at: Timestamp) -> Result<u32, StoreError> {
        self.database.write("begin a load", |transaction| {
            transaction.query_row(
                "UPDATE load SET state = 'running', started_at = ?2, tries = tries + 1, reason = NULL WHERE id = ?1 \
                 RETURNING tries",
                params![load.0, at.as_millisecond()],
                |row| row.get(0),
            )
        })
    }

    fn requeue(&self, load: LoadId, reason: &str, counted: bool) -> Result<(), StoreError> {
        self.database.write("put a load back", |transaction| {
            transaction
                .execute(
                    "UPDATE load SET state = 'queued', reason = ?2, tries = max(0, tries - ?3) WHERE id = ?1",
                    params![load.0, reason, !counted],
                )
                .map(|_| ())
        })
    }

    fn deliver_as(&self, load: LoadId, delivery: &str) -> Result<(), StoreError> {
        // A write is synced, and there is nothing to write nearly always.
        let known = self.database.read("look a delivery up", |reader| {
            let sql = "SELECT delivery IS ?2 FROM load WHERE id = ?1";
            reader.prepare_cached(sql)?.query_row(params![load.0, delivery], |row| row.get::<_, bool>(0)).optional()
        })?;
        if known == Some(true) {
            return Ok(());
        }
        self.database.write("note a delivery", |transaction| {
            let sql = "UPDATE load SET delivery = ?2 WHERE id = ?1";
            transaction.execute(sql, params![load.0, delivery]).map(|_| ())
        })
    }

    fn end(&self, load: LoadId, end: &LoadEnd) -> Result<(), StoreError> {
        let counts = &end.counts;
        self.database.write("end a load", |transaction| {
            transaction.execute(
                "UPDATE load SET state = ?2, ended_at = ?3, added = ?4, changed = ?5, deleted = ?6, unchanged = ?7, \
                 rejected = ?8, revision = ?9, applies_from = ?10, reason = ?11, aside = ?12, held_at = ?13, \
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
                    end.reason,
                    end.aside,
                    end.held.as_ref().map(|held| signed(held.at)),
                    end.held.as_ref().and_then(|held| held.clears.as_ref()),
                    counts.warnings.cast_signed(),
                ],
            )?;
            transaction.execute("DELETE FROM reject WHERE load = ?1", [load.0])?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO reject(load, n, line, byte, verb, key, field, value, reason, warning) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for (n, notice) in (0_i64..).zip(&end.notices) {
                let NoticeRecord { line, byte, verb, key, field, value, reason, .. } = notice;
                let warning = notices::warning_text(notice.warning.as_ref())?;
                let (line, byte) = (line.cast_signed(), byte.cast_signed());
                insert.execute(params![load.0, n, line, byte, verb, key, field, value, reason, warning])?;
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

    fn see_notices(&self, ids: &[i64], up_to: Option<i64>, at: Timestamp) -> Result<u64, StoreError> {
        self.database.write("note that notices were seen", |transaction| notices::see(transaction, ids, up_to, at))
    }

    fn refused(&self, limit: u32) -> Result<Vec<LoadRecord>, StoreError> {
        self.database.read("list refused loads", |reader| {
            reader
                .prepare_cached(&format!("{LOADS} WHERE aside IS NOT NULL ORDER BY id DESC LIMIT ?1"))?
                .query_map([limit], record)?
                .collect()
        })
    }

    fn accept_again(&self, refused: LoadId, load: &NewLoad) -> Result<Option<LoadId>, StoreError> {
        self.database.write("take a load in once more", |transaction| {
            let sql = "UPDATE load SET aside = NULL WHERE id = ?1 AND aside IS NOT NULL";
            if transaction.execute(sql, [refused.0])? == 0 {
                return Ok(None);
            }
            let id = insert(transaction, load)?;
            let settled = "UPDATE load SET state = 'error', reason = 'carried out as load ' || ?2 WHERE id = ?1 AND state = 'held'";
            transaction.execute(settled, params![refused.0, id.0])?;
            let watched = "UPDATE watch SET load = ?2, load_told = NULL WHERE load = ?1 AND NOT EXISTS \
                           (SELECT 1 FROM watch_till t WHERE t.load = ?1)";
            transaction.execute(watched, params![refused.0, id.0])?;
            Ok(Some(id))
        })
    }

    fn forget_aside(&self, load: LoadId) -> Result<(), StoreError> {
        self.database.write("forget a refused load's file", |transaction| {
            let sql = "UPDATE load SET aside = NULL, state = CASE state WHEN 'held' THEN 'error' ELSE state END WHERE id = ?1";
            transaction.execute(sql, [load.0]).map(|_| ())
        })
    }

    fn refuse_held(&self, load: LoadId, reason: &str) -> Result<bool, StoreError> {
        self.database.write("refuse a held load", |transaction| {
            let sql = "UPDATE load SET state = 'error', reason = ?2, aside = NULL WHERE id = ?1 AND state = 'held'";
            Ok(transaction.execute(sql, params![load.0, reason])? > 0)
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
            let sql = format!(
                "UPDATE load SET state = 'error', aside = NULL, reason = 'not carried out: load ' || ?3 || \
                 ' is newer and begins with the same ' || ?2 WHERE {held}"
            );
            transaction.execute(&sql, replaced)?;
            Ok(found)
        })
    }

    fn unfinished(&self) -> Result<Vec<LoadRecord>, StoreError> {
        self.database.read("list unfinished loads", |reader| {
            reader
                .prepare_cached(&format!("{LOADS} WHERE state IN ('queued', 'running') ORDER BY id"))?
                .query_map((), record)?
                .collect()
        })
    }

    fn newest_of(&self, path: &Path) -> Result<Option<LoadRecord>, StoreError> {
        self.database.read("look a load up by its file", |reader| {
            reader
                .prepare_cached(&format!("{LOADS} WHERE source = ?1 AND way = 'folder' ORDER BY id DESC LIMIT 1"))?
                .query_row([path_text(path)], record)
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

    fn told(&self, load: LoadId, told: &Told) -> Result<(), StoreError> {
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

fn notices_of(reader: &Connection, load: LoadId, which: &str, limit: u32) -> rusqlite::Result<Vec<NoticeRecord>> {
    let sql = format!(
        "SELECT line, byte, verb, key, field, value, reason, warning FROM reject WHERE load = ?1 AND {which} \
         ORDER BY n LIMIT ?2"
    );
    reader.prepare_cached(&sql)?.query_map(params![load.0, limit], |row| notices::record(row, 0))?.collect()
}

fn insert(transaction: &Connection, load: &NewLoad) -> rusqlite::Result<LoadId> {
    let (way, source, dictionary_id, retry_of) = match &load.source {
        LoadSource::Folder(path) => {
            let path = path_text(path);
            let settled = "UPDATE load SET aside = NULL, reason = CASE state WHEN 'held' THEN 'not carried out: its file \
                           was handed over anew' ELSE reason END, state = CASE state WHEN 'held' THEN 'error' ELSE state END \
                           WHERE source = ?1 AND way = 'folder' AND aside = ?1";
            transaction.execute(settled, [&path])?;
            ("folder", path, None, None)
        }
        LoadSource::Rest { body, dictionary_id, retry_of } => {
            ("rest", body.clone(), dictionary_id.as_deref(), *retry_of)
        }
    };
    transaction.execute(
        "INSERT INTO load(node, way, source, dictionary_id, bytes, state, queued_at, delivery, retry_of, consent) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9)",
        params![
            load.node.as_str(),
            way,
            source,
            dictionary_id,
            load.bytes.cast_signed(),
            load.at.as_millisecond(),
            load.delivery,
            retry_of.map(|load| load.0),
            match load.consent {
                Consent::No => None,
                Consent::Given => Some(GIVEN),
                Consent::Late(revision) => Some(signed(revision)),
            },
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

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn record(row: &Row<'_>) -> rusqlite::Result<LoadRecord> {
    let way: String = row.get(2)?;
    let source: String = row.get(3)?;
    Ok(LoadRecord {
        id: LoadId(row.get(0)?),
        node: parsed(row, 1)?,
        source: if way == "rest" {
            let retry_of = row.get::<_, Option<i64>>(19)?.map(LoadId);
            LoadSource::Rest { body: source, dictionary_id: row.get(4)?, retry_of }
        } else {
            LoadSource::Folder(PathBuf::from(source))
        },
        bytes: unsigned(row, 5)?,
        state: state(row, 6)?,
        queued_at: time(row.get(7)?),
        started_at: row.get::<_, Option<i64>>(8)?.map(time),
        ended_at: row.get::<_, Option<i64>>(9)?.map(time),
        counts: LoadCounts {
            added: unsigned(row, 10)?,
            changed: unsigned(row, 11)?,
            deleted: unsigned(row, 12)?,
            unchanged: unsigned(row, 13)?,
            rejected: unsigned(row, 14)?,
            warnings: unsigned(row, 23)?,
        },
        revision: revision(row, 15)?,
        reason: row.get(16)?,
        delivery: row.get(17)?,
        aside: row.get(18)?,
        held: revision(row, 20)?.map(|at| row.get(21).map(|clears| Held { at, clears })).transpose()?,
        consent: match row.get::<_, Option<i64>>(22)? {
            None => Consent::No,
            Some(GIVEN) => Consent::Given,
            Some(revision) => Consent::Late(Revision(revision.cast_unsigned())),
        },
    })
}

fn watch(row: &Row<'_>) -> rusqlite::Result<Watch> {
    Ok(Watch {
        load: LoadId(row.get(0)?),
        node: parsed(row, 1)?,
        server: row.get(2)?,
        shop: row.get(3)?,
        since: time(row.get(4)?),
        state: state(row, 5)?,
        applies_from: revision(row, 6)?,
        state_id: row.get(7)?,
        load_told: row.get::<_, Option<String>>(8)?.map(|word| status(8, &word)).transpose()?,
        tills_told: HashMap::new(),
    })
}

fn tills_told(reader: &Connection, load: LoadId) -> rusqlite::Result<HashMap<TillId, ExchangeStatus>> {
    reader
        .prepare_cached("SELECT till, told FROM watch_till WHERE load = ?1")?
        .query_map([load.0], |row| Ok((parsed(row, 0)?, status(1, &row.get::<_, String>(1)?)?)))?
        .collect()
}

fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Revision>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|value| Revision(value.cast_unsigned())))
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<LoadState> {
    let word: String = row.get(column)?;
    LoadState::from_word(&word).ok_or_else(|| unknown(column, &word))
}

fn status(column: usize, word: &str) -> rusqlite::Result<ExchangeStatus> {
    [ExchangeStatus::During, ExchangeStatus::Ready, ExchangeStatus::ReadyWithError, ExchangeStatus::Error]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| unknown(column, word))
}

fn unknown(column: usize, word: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{word}` names no state").into())
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::intake::NewWatch;
    use tillway_exchangers::aif::WarningKind;

    fn new_load(watch: bool) -> NewLoad {
        NewLoad {
            node: "_shop_7_00000007".parse().unwrap(),
            source: LoadSource::Folder("/in/pos1.aif".into()),
            bytes: 5,
            at: Timestamp::now(),
            watch: watch.then(|| NewWatch { server: "http://erp".to_owned(), shop: "7".to_owned() }),
            delivery: None,
            consent: Consent::No,
        }
    }

    fn end(state: LoadState) -> LoadEnd {
        LoadEnd {
            at: Timestamp::now(),
            state,
            counts: LoadCounts { added: 1, rejected: 2, ..LoadCounts::default() },
            revision: Some(Revision(9)),
            applies_from: Some(Revision(9)),
            reason: None,
            notices: vec![NoticeRecord { line: 3, byte: 70, reason: "broken".to_owned(), ..NoticeRecord::default() }],
            mended: Vec::new(),
            aside: None,
            held: None,
        }
    }

    fn journal() -> (tempfile::TempDir, IntakeDb) {
        let folder = tempfile::tempdir().unwrap();
        let db = IntakeDb::open(&folder.path().join("intake.db")).unwrap();
        (folder, db)
    }

    #[test]
    fn a_load_goes_through_its_states_and_keeps_its_report() {
        let (_folder, db) = journal();
        let id = db.accept(&new_load(false)).unwrap();
        assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 1);
        db.requeue(id, "disk full", false).unwrap();
        assert_eq!(db.load(id).unwrap().unwrap().reason.as_deref(), Some("disk full"));
        assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 1);
        db.requeue(id, "died", true).unwrap();
        assert_eq!(db.begin(id, Timestamp::now()).unwrap(), 2);
        assert_eq!(db.unfinished().unwrap().len(), 1);
        let end = end(LoadState::ReadyWithErrors);
        db.end(id, &end).unwrap();
        let load = db.newest_of(Path::new("/in/pos1.aif")).unwrap().unwrap();
        assert_eq!((load.state, load.counts, load.revision, load.reason), (end.state, end.counts, end.revision, None));
        assert_eq!(db.rejects(id, 10).unwrap(), end.notices);
        assert_eq!(db.unfinished().unwrap(), []);
    }

    #[test]
    fn old_loads_are_forgotten_and_those_that_are_still_needed_stay() {
        let (_folder, db) = journal();
        let watched = db.accept(&new_load(true)).unwrap();
        let ended = db.accept(&new_load(false)).unwrap();
        let waiting = db.accept(&new_load(false)).unwrap();
        let newest = db.accept(&new_load(false)).unwrap();
        for id in [watched, ended, newest] {
            db.end(id, &end(LoadState::Ready)).unwrap();
        }
        assert_eq!(db.prune(Timestamp::UNIX_EPOCH, 1, 100).unwrap(), 1);
        let left: Vec<_> = db.recent(9).unwrap().into_iter().map(|load| load.id).collect();
        assert_eq!(left, [newest, waiting, watched]);
        db.close_watch(watched).unwrap();
        assert_eq!(db.prune(Timestamp::UNIX_EPOCH, 1, 1).unwrap(), 1);
    }

    #[test]
    fn loads_go_by_their_age_and_a_clock_that_jumps_ahead_leaves_the_newest() {
        let (_folder, db) = journal();
        for _ in 0..NEWEST_LOADS + 3 {
            let id = db.accept(&new_load(false)).unwrap();
            db.end(id, &end(LoadState::Ready)).unwrap();
        }
        let year_ahead = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 366);
        assert_eq!(db.prune(year_ahead, 100_000, 1000).unwrap(), 3);
        assert_eq!(db.prune(year_ahead, 100_000, 1000).unwrap(), 0);
    }

    #[test]
    fn rejects_of_older_loads_are_forgotten_and_their_loads_stay() {
        let (_folder, db) = journal();
        let ids: Vec<_> = (0..4).map(|_| db.accept(&new_load(false)).unwrap()).collect();
        for id in &ids {
            db.end(*id, &end(LoadState::ReadyWithErrors)).unwrap();
        }
        assert_eq!(db.prune_rejects(2, 1).unwrap(), 1);
        assert_eq!(db.prune_rejects(2, 9).unwrap(), 1);
        assert_eq!(db.prune_rejects(2, 9).unwrap(), 0);
        let left: Vec<_> = ids.iter().map(|id| db.rejects(*id, 9).unwrap().len()).collect();
        assert_eq!((left, db.recent(9).unwrap().len()), (vec![0, 0, 1, 1], 4));
    }

    #[test]
    fn a_refused_load_is_repeated_once() {
        let (_folder, db) = journal();
        let refused = db.accept(&new_load(false)).unwrap();
        let end = LoadEnd { aside: Some("kept".to_owned()), ..end(LoadState::Error) };
        db.end(refused, &end).unwrap();
        assert_eq!(db.refused(9).unwrap()[0].aside.as_deref(), Some("kept"));
        let source = LoadSource::Rest { body: "b".to_owned(), dictionary_id: None, retry_of: Some(refused) };
        let again = NewLoad { source: source.clone(), ..new_load(false) };
        let id = db.accept_again(refused, &again).unwrap().unwrap();
        assert_eq!(db.accept_again(refused, &again).unwrap(), None);
        assert_eq!((db.refused(9).unwrap(), db.load(id).unwrap().unwrap().source), (vec![], source));
    }

    #[test]
    fn what_was_told_is_remembered_until_the_watch_is_closed() {
        let (_folder, db) = journal();
        let id = db.accept(&new_load(true)).unwrap();
        let till: TillId = "_cash_1_00000001".parse().unwrap();
        db.told(id, &Told::Opened("s1".to_owned())).unwrap();
        db.told(id, &Told::Load(ExchangeStatus::Ready)).unwrap();
        db.told(id, &Told::Till(till.clone(), ExchangeStatus::ReadyWithError)).unwrap();
        let watch = db.open_watches(0, 9).unwrap().remove(0);
        assert_eq!((watch.state_id.as_deref(), watch.load_told), (Some("s1"), Some(ExchangeStatus::Ready)));
        assert_eq!(watch.tills_told, HashMap::from([(till.clone(), ExchangeStatus::ReadyWithError)]));
        db.close_watch(id).unwrap();
        db.told(id, &Told::Till(till, ExchangeStatus::Ready)).unwrap();
        assert_eq!(db.open_watches(0, 9).unwrap(), []);
    }

    fn notice(line: u64, key: Option<&str>, warning: Option<WarningKind>) -> NoticeRecord {
        let object = key.map(|key| (1, key.to_owned()));
        NoticeRecord { line, object, warning, reason: "why".to_owned(), ..NoticeRecord::default() }
    }

    /// Ends a new load with these notices, and these objects without a fault.
    fn load_with(db: &IntakeDb, notices: Vec<NoticeRecord>, mended: &[&str]) {
        let id = db.accept(&new_load(false)).unwrap();
        let mended = mended.iter().map(|key| (1, (*key).to_owned())).collect();
        db.end(id, &LoadEnd { notices, mended, ..end(LoadState::ReadyWithErrors) }).unwrap();
    }

    fn lines(db: &IntakeDb) -> Vec<u64> {
        db.open_notices(99).unwrap().into_iter().rev().map(|open| open.notice.line).collect()
    }

    #[test]
    fn a_notice_stays_until_it_was_seen_or_its_object_came_again() {
        let (_folder, db) = journal();
        let warning = Some(WarningKind::NegativePrice);
        load_with(
            &db,
            vec![notice(1, Some("X1"), None), notice(2, Some("X2"), warning.clone()), notice(3, None, None)],
            &[],
        );
        load_with(&db, Vec::new(), &["Y1"]);
        assert_eq!((lines(&db), db.count_notices().unwrap()), (vec![1, 2, 3], (2, 1)));
        load_with(&db, Vec::new(), &["X1"]);
        assert_eq!(lines(&db), [2, 3]);
        let ids: Vec<i64> = db.open_notices(9).unwrap().iter().map(|open| open.id).collect();
        assert_eq!(db.see_notices(&ids, None, Timestamp::now()).unwrap(), 2);
        assert_eq!(db.see_notices(&ids, None, Timestamp::now()).unwrap(), 0);
        // The same warning was seen; a reject is news each time.
        load_with(&db, vec![notice(12, Some("X2"), warning.clone()), notice(13, None, None)], &[]);
        assert_eq!(lines(&db), [13]);
        // Once the object came without it, it is a new one.
        load_with(&db, Vec::new(), &["X2"]);
        load_with(&db, vec![notice(22, Some("X2"), warning)], &[]);
        assert_eq!(lines(&db), [13, 22]);
        let node = "_shop_7_00000007".parse().unwrap();
        assert_eq!(db.noticed_objects(&node).unwrap(), [(1, "X2".to_owned())]);
        assert_eq!(db.see_notices(&[], Some(i64::MAX), Timestamp::now()).unwrap(), 2);
    }

    #[test]
    fn the_same_fault_is_one_notice_and_the_oldest_go_beyond_the_limit() {
        let (_folder, db) = journal();
        for line in [1, 2] {
            load_with(&db, vec![notice(line, Some("X"), None)], &[]);
        }
        assert_eq!(lines(&db), [2]);
        let many = |from: u64| (from..from + 3_000).map(|n| notice(n, Some(&n.to_string()), None)).collect();
        load_with(&db, many(10_000), &[]);
        load_with(&db, many(20_000), &[]);
        assert_eq!(db.count_notices().unwrap(), (u64::from(crate::store::intake::MAX_NOTICES), 0));
        let mended = NoticeRecord { mended: true, ..notice(7, Some("Z"), None) };
        load_with(&db, vec![mended], &[]);
        assert_eq!(lines(&db).last(), Some(&22_999));
    }

    #[test]
    fn what_a_refused_load_rejected_is_no_notice() {
        let (_folder, db) = journal();
        let id = db.accept(&new_load(false)).unwrap();
        db.end(id, &LoadEnd { notices: vec![notice(1, None, None)], ..end(LoadState::Error) }).unwrap();
        assert_eq!(lines(&db), [0; 0]);
        assert_eq!(db.rejects(id, 9).unwrap().len(), 1);
    }
}
