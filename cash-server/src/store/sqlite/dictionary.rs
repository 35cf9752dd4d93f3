//! `dictionary.db`: layers, their log, the sequence of revisions, and where nodes were moved to,
//! since a move takes a revision. The nodes themselves lie beside it in `network.db`
//! ([`super::network`]).
//!
//! The schema is told in `dictionary_1.sql` and what follows it. Durable to a power cut.

mod load;
mod prune;
mod snapshot;
mod states;

use super::audit;
use super::connection::{Database, Durability};
use super::network::NETWORK_DB;
use crate::dictionary::entry::{LoadCounts, LoadOutcome};
use crate::network::{LayerNo, Network};
use crate::store::StoreError;
use crate::store::audit::{AuditLog, read_as_one};
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore, LoadTxn, Pruned, RevisionRecord};
use crate::store::network::NetworkStore as _;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use rusqlite_migration::{M, Migrations};
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use tillway_proto::{LoadId, Revision};
use tillway_service::audit::AuditFilter;
use tillway_service::audit::{AuditLine, AuditRecord};
use uuid::Uuid;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("dictionary_1.sql")),
        M::up(include_str!("dictionary_2.sql")),
        M::up(include_str!("dictionary_3.sql")),
        M::up(include_str!("dictionary_4.sql")),
        M::up(include_str!("dictionary_5.sql")),
        M::up(audit::SCHEMA),
    ])
});

/// `dictionary.db` and `network.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DictionaryDb {
    pub(super) database: Database,
    /// `network.db`.
    pub(super) nodes: Database,
    /// The network as it was read last; the counters `network` in both say whether it still holds.
    pub(super) network: Arc<Mutex<Arc<Network>>>,
}

impl DictionaryDb {
    /// Opens the database with `network.db` beside it, and makes them when they are not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let nodes = Database::open(&path.with_file_name(NETWORK_DB), &super::network::MIGRATIONS, Durability::Full)?;
        let database = Database::open(path, &MIGRATIONS, Durability::Full)?;
        super::network::take_over(&database, &nodes)?;
        Ok(Self { database, nodes, network: Arc::default() })
    }

    /// The file of the dictionaries, for checks and backups.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The file of the network's nodes.
    pub fn nodes(&self) -> &Database {
        &self.nodes
    }
}

impl AuditLog for DictionaryDb {
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let (moves, nodes): (&dyn AuditLog, &dyn AuditLog) = (&self.database, &self.nodes);
        read_as_one([moves, nodes], filter)
    }

    fn note(&self, line: &AuditLine) -> Result<(), StoreError> {
        self.database.note(line)
    }

    fn prune_audit(&self, persons: bool, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let moves = self.database.prune_audit(persons, before, limit)?;
        Ok(moves + self.nodes.prune_audit(persons, before, limit)?)
    }
}

impl DictionaryStore for DictionaryDb {
    fn begin_load(&self, layer: LayerNo, load: LoadId) -> Result<Box<dyn LoadTxn>, StoreError> {
        Ok(Box::new(load::SqliteLoad::begin(&self.database, layer, load)?))
    }

    fn snapshot(&self) -> Result<Box<dyn DictionarySnapshot>, StoreError> {
        Ok(Box::new(snapshot::SqliteSnapshot::begin(self)?))
    }

    fn identity(&self) -> Result<Uuid, StoreError> {
        self.database.read("read which database this is", |reader| {
            reader.query_row("SELECT id FROM identity", (), |row| row.get(0)).map(Uuid::from_bytes)
        })
    }

    fn head(&self) -> Result<Revision, StoreError> {
        self.database.read("read the newest revision", |reader| counter(reader, "revision")).map(Revision)
    }

    fn outcome_of(&self, load: LoadId) -> Result<Option<LoadOutcome>, StoreError> {
        self.database.read("look a load up", |reader| {
            reader
                .query_row("SELECT revision, added, changed, deleted FROM revision WHERE load = ?1", [load.0], |row| {
                    let counts = LoadCounts {
                        added: unsigned(row, 1)?,
                        changed: unsigned(row, 2)?,
                        deleted: unsigned(row, 3)?,
                        ..LoadCounts::default()
                    };
                    Ok(LoadOutcome { revision: Some(Revision(unsigned(row, 0)?)), counts })
                })
                .optional()
        })
    }

    fn revisions(&self, limit: u32) -> Result<Vec<RevisionRecord>, StoreError> {
        self.database.read("list revisions", |reader| {
            reader
                .prepare_cached(&format!("{REVISIONS} ORDER BY revision DESC LIMIT ?1"))?
                .query_map([limit], revision_record)?
                .collect()
        })
    }

    fn revision(&self, revision: Revision) -> Result<Option<RevisionRecord>, StoreError> {
        self.database.read("look a revision up", |reader| {
            reader
                .prepare_cached(&format!("{REVISIONS} WHERE revision = ?1"))?
                .query_row([signed(revision)], revision_record)
                .optional()
        })
    }

    fn revision_at(&self, time: Timestamp) -> Result<Revision, StoreError> {
        self.database.read("look a revision up by its time", |reader| {
            let found: Option<u64> = reader
                .prepare_cached("SELECT revision FROM revision WHERE at <= ?1 ORDER BY revision DESC LIMIT 1")?
                .query_row([time.as_millisecond()], |row| unsigned(row, 0))
                .optional()?;
            Ok(Revision(found.unwrap_or_default()))
        })
    }

    fn skip_past(&self, cursor: Revision, line: &AuditLine) -> Result<Revision, StoreError> {
        let chain = self.network()?.chain().map(|chain| chain.no.0).unwrap_or_default();
        self.database.write("skip lost revisions", |transaction| {
            let head = counter(transaction, "revision")?;
            if head > cursor.0 {
                return Ok(Revision(head));
            }
            let next = signed(cursor.next());
            let mut set = transaction.prepare_cached("UPDATE counter SET value = ?2 WHERE name = ?1")?;
            // What was lost in an earlier time stays lost: the range only grows. A till whose
            // cursor lies between two lost ranges gets everything, which is right, if more than it
            // needs.
            if counter(transaction, "lost-before")? == 0 {
                set.execute(params!["lost-after", signed(Revision(head))])?;
            }
            set.execute(params!["lost-before", next])?;
            set.execute(params!["revision", next])?;
            transaction.execute("UPDATE layer SET last = ?1", [next])?;
            // Told of the chain, since it touches every till.
            transaction.execute(
                "INSERT INTO revision(revision, at, layer) VALUES (?1, ?2, ?3)",
                params![next, Timestamp::now().as_millisecond(), chain],
            )?;
            audit::put(transaction, &line.clone().after(json!({"revision": next})))?;
            Ok(Revision(next.cast_unsigned()))
        })
    }

    fn prune(&self, horizon: Revision, step: u32) -> Result<Pruned, StoreError> {
        let removed = self.nodes.read("list removed nodes", prune::removed)?;
        let prune = |transaction: &Transaction<'_>| prune::step(transaction, &removed, horizon, step);
        let pruned = self.database.write("prune the log", prune)?;
        fail::fail_point!("dictionary::pruned");
        Ok(pruned)
    }
}

const REVISIONS: &str = "SELECT revision, at, layer, load, added + changed + deleted FROM revision";

fn revision_record(row: &Row<'_>) -> rusqlite::Result<RevisionRecord> {
    Ok(RevisionRecord {
        revision: Revision(unsigned(row, 0)?),
        at: time(row.get(1)?),
        layer: LayerNo(row.get(2)?),
        load: row.get::<_, Option<i64>>(3)?.map(LoadId),
        differences: unsigned(row, 4)?,
    })
}

pub(super) fn counter(connection: &rusqlite::Connection, name: &str) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT value FROM counter WHERE name = ?1")?.query_row([name], |row| unsigned(row, 0))
}

pub(super) fn signed(revision: Revision) -> i64 {
    // Revisions count loads; a value beyond this, from a till's damaged state, means "the newest".
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| u64::try_from(value).unwrap_or_default())
}

/// A stored time; one that no calendar has becomes the beginning of time, so that a damaged row
/// does not hide others.
pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The condition that the column starts with a parameter. Keys sort by their bytes, and no byte of
/// UTF-8 is above 0xf4: two of the last characters are the end of the range.
fn starts_with(column: &str, parameter: usize) -> String {
    format!("{column} >= ?{parameter} AND {column} < ?{parameter} || char(1114111) || char(1114111)")
}
