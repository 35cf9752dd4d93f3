//! The one writer of `dictionaries.db`.

use super::schema::Altered;
use super::state::State;
use super::tally;
use super::{ApplyError, BUSY_TIMEOUT, OpenError, schema};
use crate::kinds::{self, Kind};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_file_queue::file_lock::FileLock;

/// Page cache of the loader in KiB: holds the indexes of some hundred thousand rows while they are
/// loaded.
const CACHE_KIB: i64 = 64 << 10;

/// Page cache while rows are counted, from the first to the last: what is read once serves nobody
/// later, and would stay with a process that has nothing to do.
const COUNTING_CACHE_KIB: i64 = 2 << 10;

/// Statements kept prepared: four a kind, and those that update some columns of a few kinds.
const STATEMENTS: usize = 4 * kinds::KINDS.len() + 64;

/// The write-ahead log is cut back to this after a load, so that a full load does not leave its
/// size on disk for ever.
const WAL_LIMIT_BYTES: i64 = 16 << 20;

/// From so many pages on, a log that cannot be emptied is worth a warning: 256 MiB.
const WAL_WARN_PAGES: i64 = 64 << 10;

/// How long emptying the log waits for readers; one that stays longer delays it to the next load.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(250);

/// What tells whether somebody else wrote to the database, without counting a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Names of the kinds that somebody else wrote to since the last load, and of those that the
    /// last recount found to differ.
    pub touched: BTreeSet<String>,
    /// Another value than before: somebody else changed the file, perhaps nothing of ours.
    pub version: i64,
}

/// `dictionaries.db`, open for loading; the lock on it is held as long as this lives.
#[derive(Debug)]
pub struct Loader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Kinds whose tables refused rows of a package: made anew by the next snapshot of them.
    pub(super) unfit: BTreeSet<Kind>,
    _lock: FileLock,
}

impl Loader {
    /// Opens the database, makes it where it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
        make(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&connection).map_err(failed)?;
        schema::upgrade(&mut connection, path)?;
        let loader = Self { connection, path: path.to_path_buf(), unfit: BTreeSet::new(), _lock: lock };
        // A log that stays behind would be read over another file that somebody puts in the place
        // of this one.
        loader.checkpoint();
        Ok(loader)
    }

    /// What the till has.
    pub fn state(&self) -> Result<State, ApplyError> {
        let failed = |source| ApplyError::Database { path: self.path.clone(), what: "read the state of", source };
        let snapshot = self.connection.unchecked_transaction().map_err(failed)?;
        State::of(&snapshot).map_err(failed)
    }

    /// Whether somebody else wrote: read from time to time and compared. Costs no more than a look
    /// at an open database.
    pub fn marks(&self) -> Result<Marks, ApplyError> {
        let failed = |source| ApplyError::Database { path: self.path.clone(), what: "look at the marks of", source };
        // Before the marks, so that a write in between shows the next time.
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)?;
        let touched = tally::touched(&self.connection).map_err(failed)?;
        Ok(Marks { touched, version })
    }

    /// Counts every row of every kind again; gives the kinds whose rows are not those of the last
    /// load, or whose tables no package fits. Loads refuse to build on them from now on, until a
    /// snapshot of them comes.
    pub fn verify(&mut self) -> Result<Vec<Kind>, ApplyError> {
        let path = self.path.clone();
        let failed = |source| ApplyError::Database { path: path.clone(), what: "recount", source };
        set_cache(&self.connection, COUNTING_CACHE_KIB).map_err(failed)?;
        let counted = self.count_all();
        let restored = set_cache(&self.connection, CACHE_KIB).map_err(failed);
        counted.and_then(|differing| restored.map(|()| differing))
    }

    fn count_all(&mut self) -> Result<Vec<Kind>, ApplyError> {
        let path = self.path.clone();
        let failed = |source| ApplyError::Database { path: path.clone(), what: "recount", source };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let altered = schema::mend(&transaction).map_err(failed)?;
        if !altered.is_empty() {
            tracing::error!(path = %path.display(), ?altered, "tables were changed by hand and wait for a snapshot");
        }
        let differing = differing(&transaction, &altered).map_err(failed)?;
        tally::store_touched(&transaction, &differing).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(differing)
    }

    /// Moves the log into the database and cuts it back, as far as readers allow. Not doing so
    /// costs disk, no data.
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

fn differing(connection: &Connection, altered: &Altered) -> rusqlite::Result<Vec<Kind>> {
    let stored = tally::stored(connection)?;
    let mut differing = Vec::new();
    for kind in kinds::all() {
        if altered.contains_key(&kind) || tally::recount(connection, kind)? != stored[kind.index()] {
            differing.push(kind);
        }
    }
    Ok(differing)
}

/// Moves a database that is no sound one to a name ending in `.broken`, in place of one from an
/// earlier time, and removes its log; gives the new name. Only for a caller that has no [`Loader`]
/// open.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    remove_log(path)?;
    let broken = with(path, BROKEN);
    tillway_file_queue::durable::rename(path, &broken)?;
    Ok(broken)
}

/// Where a database that was set aside or replaced lies.
pub fn broken(path: &Path) -> PathBuf {
    with(path, BROKEN)
}

/// Where a database is made that is to [`replace`] the one at `path`; nothing is left there of an
/// earlier one.
pub fn beside(path: &Path) -> io::Result<PathBuf> {
    let beside = with(path, ".new");
    remove_log(&beside)?;
    remove(&beside)?;
    Ok(beside)
}

/// Puts the database that was made [`beside`] in the place of one that is damaged, of which a name
/// ending in `.broken` stays where that is possible. Whoever opens the path finds the one or the
/// other; whoever has the old one open keeps that. Only for a caller that has no [`Loader`] open
/// on either.
pub fn replace(path: &Path) -> io::Result<()> {
    let beside = with(path, ".new");
    let broken = with(path, BROKEN);
    remove(&broken)?;
    if let Err(error) = fs::hard_link(path, &broken) {
        tracing::warn!(%error, "the damaged dictionary is not kept");
    }
    // Else its log would be read over the new one. What was in it and not in the file was damaged
    // with it.
    remove_log(path)?;
    remove_log(&beside)?;
    tillway_file_queue::durable::rename(&beside, path)?;
    remove(&with(&beside, ".lock"))
}

/// Whether a POS that opens a damaged database can still read the first rows of it.
pub fn still_reads(path: &Path) -> bool {
    let read = || -> rusqlite::Result<()> {
        let connection = super::state::open_read_only(path)?;
        for table in ["tmc", "barcodes"] {
            connection.prepare(&format!("SELECT * FROM {table} LIMIT 1"))?.query([])?.next()?;
        }
        Ok(())
    };
    read().is_ok()
}

const BROKEN: &str = ".broken";

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_log(path: &Path) -> io::Result<()> {
    ["-wal", "-shm"].into_iter().try_for_each(|suffix| remove(&with(path, suffix)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<FileLock, OpenError> {
    let lock = with(path, ".lock");
    let failed = |source| OpenError::Lock { lock: lock.clone(), source };
    let file =
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock).map_err(failed)?;
    let taken = FileLock::try_take(file).map_err(failed)?;
    taken.map_err(|_| OpenError::InUse { path: path.to_path_buf(), lock })
}

/// Makes the database where it is not there. SQLite itself would make it such that its group may
/// not write, whatever the process allows. But a POS under another user must: who reads a database
/// in WAL mode writes beside it, with the rights that the database has.
fn make(path: &Path) -> Result<(), OpenError> {
    let made = fs::OpenOptions::new().append(true).create(true).mode(0o664).open(path);
    made.map(drop).map_err(|source| OpenError::Make { path: path.to_path_buf(), source })
}

fn set_cache(connection: &Connection, kib: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -kib)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    set_cache(connection, CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES)?;
    // Checkpoints come after each load, in one go, not in the middle of a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The triggers are there for everybody else.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
