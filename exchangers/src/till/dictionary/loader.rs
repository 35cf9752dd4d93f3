//! The one writer of `dictionaries.db`.

use super::state::State;
use super::tally;
use super::{ApplyError, BUSY_TIMEOUT, OpenError, schema};
use crate::kinds::{self, Kind};
use fs_err as fs;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Page cache of the loader in KiB: holds the indexes of some hundred thousand rows while they are loaded.
const CACHE_KIB: i64 = 64 << 10;

/// Statements kept prepared: four a kind.
const STATEMENTS: usize = 4 * kinds::KINDS.len() + 16;

/// The write-ahead log is cut back to this after a load, so that a full load does not leave its size on disk for ever.
const WAL_LIMIT_BYTES: i64 = 16 << 20;

/// From so many pages on, a log that cannot be emptied is worth a warning: 256 MiB.
const WAL_WARN_PAGES: i64 = 64 << 10;

/// How long emptying the log waits for readers; one that stays longer delays it to the next load.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(250);

/// What tells whether somebody else wrote to the database, without counting a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Names of the kinds that somebody else wrote to since the last load, and of those that the last recount found to
    /// differ.
    pub touched: BTreeSet<String>,
    /// Another value than before: somebody else changed the file, perhaps nothing of ours.
    pub version: i64,
}

/// `dictionaries.db`, open for loading; the lock on it is held as long as this lives.
#[derive(Debug)]
pub struct Loader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    _lock: fs::File,
}

impl Loader {
    /// Opens the database, makes it where it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&connection).map_err(failed)?;
        schema::upgrade(&mut connection, path)?;
        let loader = Self { connection, path: path.to_path_buf(), _lock: lock };
        // A log that stays behind would be read over another file that somebody puts in the place of this one.
        loader.checkpoint();
        Ok(loader)
    }

    /// What the till has.
    pub fn state(&self) -> Result<State, ApplyError> {
        let failed = |source| ApplyError::Database { path: self.path.clone(), what: "read the state of", source };
        let snapshot = self.connection.unchecked_transaction().map_err(failed)?;
        State::of(&snapshot).map_err(failed)
    }

    /// Whether somebody else wrote: read from time to time and compared. Costs no more than a look at an open database.
    pub fn marks(&self) -> Result<Marks, ApplyError> {
        let failed = |source| ApplyError::Database { path: self.path.clone(), what: "look at the marks of", source };
        // Before the marks, so that a write in between shows the next time.
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)?;
        let touched = tally::touched(&self.connection).map_err(failed)?;
        Ok(Marks { touched, version })
    }

    /// Counts every row of every kind again; gives the kinds whose rows are not those of the last load. Loads refuse to
    /// build on them from now on, until a snapshot of them comes.
    pub fn verify(&mut self) -> Result<Vec<Kind>, ApplyError> {
        let path = self.path.clone();
        let failed = |source| ApplyError::Database { path: path.clone(), what: "recount", source };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let differing = differing(&transaction).map_err(failed)?;
        tally::store_touched(&transaction, &differing).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(differing)
    }

    /// Moves the log into the database and cuts it back, as far as readers allow. Not doing so costs disk, no data.
    pub(super) fn checkpoint(&self) {
        let checkpoint = || {
            self.connection.busy_timeout(CHECKPOINT_WAIT)?;
            let pages = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(1));
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            pages
        };
        let path = self.path.display();
        match checkpoint() {
            Ok(pages) if pages > WAL_WARN_PAGES => {
                tracing::warn!(%path, pages, "a reader keeps the log from being emptied: it holds a transaction open");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%path, %error, "failed to checkpoint"),
        }
    }
}

fn differing(connection: &Connection) -> rusqlite::Result<Vec<Kind>> {
    let stored = tally::stored(connection)?;
    let mut differing = Vec::new();
    for kind in kinds::all() {
        if tally::recount(connection, kind)? != stored[kind.index()] {
            differing.push(kind);
        }
    }
    Ok(differing)
}

/// Moves a database that is no sound one, and its log, to names ending in `.broken`, which may be there from an earlier
/// time and are replaced; gives the new name. Only for a caller that has no [`Loader`] open.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(with(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let broken = with(".broken");
    tillway_file_queue::durable::rename(path, &broken)?;
    Ok(broken)
}

fn lock(path: &Path) -> Result<fs::File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let failed = |source| OpenError::Lock { lock: lock.clone(), source };
    let file =
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock).map_err(failed)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_path_buf(), lock }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES)?;
    // Checkpoints come after each load, in one go, not in the middle of a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The triggers are there for everybody else.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
