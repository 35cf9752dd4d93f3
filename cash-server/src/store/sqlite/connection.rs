//! One SQLite file: how it is opened, migrated, written by one and read by many.
//!
//! A [`Database`] has one writer connection and a bounded pool of read connections, all in WAL
//! mode: readers see the last committed state and are never blocked by the writer. The writer is
//! handed out whole ([`Database::writer`]), so that a long load may hold it for as long as its
//! transaction lasts; whoever comes second waits. How the write-ahead log stays small whatever
//! readers do: [`log`].

mod guards;
mod log;
mod owner;

use super::super::sizes::DatabaseState;
use super::super::{Place, StoreError};
pub use guards::{Reader, Writer};
use log::{WAL_LIMIT_BYTES, cut_log, log_of};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::Migrations;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::process::GrowthWatch;

/// How long a connection waits for a lock that another process holds: an operator's `sqlite3`
/// shell, a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// A process that switches a new file to a write-ahead log is done within this, or soon after.
const SWITCHED_WITHIN: Duration = Duration::from_millis(5);

/// Most read connections that are kept open for the next reader. More may exist for a moment; they
/// are closed after.
const MAX_IDLE_READERS: usize = 8;

/// Prepared statements kept by one connection: more than any store here has.
const STATEMENT_CACHE: usize = 128;

/// Page cache of one connection, in KiB. Eight readers and four databases stay below 300 MiB at
/// worst.
const CACHE_KIB: i64 = 8 * 1024;

/// The same of a writer that writes much, until it ends: a page that does not fit goes into the
/// log before its time, and comes back from there for its next change.
const LARGE_CACHE_KIB: i64 = 24 * 1024;

/// Pages of the write-ahead log after which a commit moves them into the file: SQLite's own
/// number.
const CHECKPOINT_PAGES: u32 = 1000;

/// A file up to this size is checked when it is opened, which takes about a second at the most. Of
/// a larger one a torn page shows when it is read.
const CHECKED_WHEN_OPENED_BYTES: u64 = 256 * 1024 * 1024;

/// What to do about a damaged file that nobody else has.
const RESTORE: &str = "restore the file from a backup; do not delete it, nobody else has what is in it";

/// What to do about a damaged file that can be made again.
const MOVE_AWAY: &str = "move the file away with the two beside it that end in -wal and -shm: it is made anew at the \
                         next start, from what the other files and the tills know";

/// Pages given back in one step: 4 MiB, a moment's work for a disk.
const GIVE_BACK_PAGES: u32 = 1_000;

/// A file of v0.1 up to this size is made anew when it is opened, within a second, so that its
/// free pages can be given back. A larger one stays as it is: to make it anew is no small step,
/// and an operator may do it with `VACUUM` while the server is off.
const MADE_ANEW_BYTES: u64 = 64 * 1024 * 1024;

/// `PRAGMA auto_vacuum` of a file that gives pages back when it is told to.
const INCREMENTAL: i64 = 2;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: `synchronous=FULL`. For what nobody else has.
    Full,
    /// A crash of the process: `synchronous=NORMAL`. For what can be made again.
    Normal,
}

/// One SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

/// Who waits for the writer looks again so often: one is woken each time it comes back, and that
/// may be another.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Its write-ahead log.
    log: PathBuf,
    /// Whether it was told that the log is longer than it should be, since somebody reads without
    /// an end.
    uncut: GrowthWatch,
    durability: Durability,
    writer: Mutex<Option<Connection>>,
    writer_back: Condvar,
    /// Somebody cuts the log once its readers have ended.
    cutting_later: AtomicBool,
    /// How many wait for the writer who must not wait long.
    wanted: AtomicUsize,
    readers: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens the file, makes it when it is not there, and brings its schema up to date.
    ///
    /// A schema that is newer than `migrations` is refused with [`StoreError::Newer`] before
    /// anything is written, a file that is no sound database with [`StoreError::Damaged`]. Each
    /// migration is one transaction.
    pub fn open(path: &Path, migrations: &Migrations<'_>, durability: Durability) -> Result<Self, StoreError> {
        let fail = |source: rusqlite::Error| opening(path, durability, source);
        let mut connection = Connection::open_with_flags(path, OPEN_FLAGS).map_err(fail)?;
        owner::follow_folder(path);
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        refuse_newer(path, &connection, migrations, durability)?;
        prepare_shrinkable(&connection).map_err(fail)?;
        configure(&connection, durability).map_err(fail)?;
        check_file(path, &connection, durability)?;
        // A step that makes a table anew drops the old one, and the rows that refer to it must not
        // go with it.
        connection.pragma_update(None, "foreign_keys", false).map_err(fail)?;
        migrate(&mut connection, migrations).map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => fail(without_statement(err)),
            other => StoreError::Open { place: Place::new(path.display()), source: Box::new(other) },
        })?;
        connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
        make_shrinkable(path, &connection);
        let shared = Shared {
            path: path.to_owned(),
            log: log_of(path),
            uncut: GrowthWatch::new(WAL_LIMIT_BYTES),
            durability,
            writer: Mutex::new(Some(connection)),
            writer_back: Condvar::new(),
            cutting_later: AtomicBool::new(false),
            wanted: AtomicUsize::new(0),
            readers: Mutex::new(Vec::new()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How large it is, and of which version.
    pub fn state(&self) -> DatabaseState {
        let size = |path: &Path| fs_err::metadata(path).map(|found| found.len()).unwrap_or_default();
        let version = |reader: &Connection| reader.query_row("PRAGMA user_version", (), |row| row.get(0));
        let name = self.shared.path.file_name().unwrap_or_default();
        DatabaseState {
            name: name.to_string_lossy().into_owned(),
            bytes: size(&self.shared.path),
            log_bytes: size(&self.shared.log),
            schema: self.read("read the version of the schema", version).ok(),
        }
    }

    /// Whether this is that very one, not another on the same path.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The writer connection. Waits until whoever has it gives it back, and lets those go first
    /// who must not wait long.
    pub fn writer(&self) -> Writer {
        let mut slot = lock(&self.shared.writer);
        loop {
            if !self.is_wanted()
                && let Some(connection) = slot.take()
            {
                return self.hand_out(connection);
            }
            let waited = self.shared.writer_back.wait_timeout(slot, LOOK_AGAIN);
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The writer connection for somebody who must not wait long; none where it does not come back
    /// in time. Whoever has it can see that it [is wanted](Self::is_wanted).
    pub fn writer_within(&self, wait: Duration) -> Option<Writer> {
        let end = Instant::now() + wait;
        self.shared.wanted.fetch_add(1, Ordering::SeqCst);
        let mut slot = lock(&self.shared.writer);
        let writer = loop {
            if let Some(connection) = slot.take() {
                break Some(self.hand_out(connection));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break None;
            }
            let waited = self.shared.writer_back.wait_timeout(slot, left.min(LOOK_AGAIN));
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(slot);
        self.shared.wanted.fetch_sub(1, Ordering::SeqCst);
        writer
    }

    /// Whether somebody waits for the writer who must not wait long.
    pub fn is_wanted(&self) -> bool {
        self.shared.wanted.load(Ordering::SeqCst) > 0
    }

    fn hand_out(&self, connection: Connection) -> Writer {
        Writer::lend(connection, Arc::clone(&self.shared))
    }

    /// Gives the room of the write-ahead log back to the disk, as far as nobody reads or writes
    /// right now: waits for nobody.
    ///
    /// To be called where room is missing. After a writer whose log became large it is done in any
    /// case.
    pub fn cut_log(&self) {
        let free = lock(&self.shared.writer).take();
        if let Some(connection) = free {
            let writer = self.hand_out(connection);
            cut_log(&writer, &self.shared, 0);
        }
    }

    /// A read connection.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let idle = lock(&self.shared.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.shared)
                .map_err(|source| StoreError::Open { place: self.place(), source: Box::new(source) })?,
        };
        Ok(Reader::lend(connection, Arc::clone(&self.shared)))
    }

    /// Runs `change` in one transaction that holds the write lock from its start; commits when it
    /// is `Ok`.
    pub fn write<T>(
        &self,
        what: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let run = || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|source| self.failed(what, source))
    }

    /// Runs `query` in one read transaction: all it reads is of one moment.
    pub fn read<T>(
        &self,
        what: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut reader = self.reader()?;
        let run = || {
            let transaction = reader.transaction()?;
            let value = query(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|source| self.failed(what, source))
    }

    /// Gives pages that became free back to the disk, a small step of them; returns how many. None
    /// where the file was made by v0.1 and is too large to be made anew: its free pages are used
    /// by what is written next.
    pub fn give_back_pages(&self) -> Result<u64, StoreError> {
        let what = "give free pages back";
        let writer = self.writer();
        let step = || -> rusqlite::Result<u64> {
            if vacuum_mode(&writer)? != INCREMENTAL {
                return Ok(0);
            }
            let free = || writer.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
            let before = free()?;
            if before > 0 {
                let mut statement = writer.prepare(&format!("PRAGMA incremental_vacuum({GIVE_BACK_PAGES})"))?;
                let mut rows = statement.query(())?;
                while rows.next()?.is_some() {}
            }
            Ok(before.saturating_sub(free()?).unsigned_abs())
        };
        step().map_err(|source| self.failed(what, source))
    }

    /// Whether the file is sound, as far as SQLite's quick check sees.
    pub fn check(&self) -> Result<(), StoreError> {
        let what = "check the database";
        let found =
            self.read(what, |reader| reader.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0)))?;
        if found == "ok" {
            return Ok(());
        }
        Err(self.corrupt(what, found))
    }

    /// The error of a query on this file.
    pub fn failed(&self, what: &'static str, source: rusqlite::Error) -> StoreError {
        let place = self.place();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { what, place, source: Box::new(source) },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                damaged(&self.shared.path, self.shared.durability, Box::new(source))
            }
            _ if is_refused(&source) => StoreError::Refused { what, place, source: Box::new(source) },
            _ if is_unreadable(&source) => StoreError::Unreadable { what, place, source: Box::new(source) },
            _ => StoreError::Query { what, place, source: Box::new(source) },
        }
    }

    fn place(&self) -> Place {
        Place::new(self.shared.path.display())
    }

    /// The error of a value in this file that cannot be.
    pub fn corrupt(&self, what: &'static str, reason: impl Into<String>) -> StoreError {
        StoreError::Corrupt { what, place: self.place(), reason: reason.into() }
    }
}

pub(super) const OPEN_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE).union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a connection whole: its transaction is rolled back when the guard
    // is dropped.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// False where the connection cannot be used again.
fn end_transaction(connection: &Connection) -> bool {
    if connection.is_autocommit() {
        return true;
    }
    match connection.execute_batch("ROLLBACK") {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "failed to roll a transaction back");
            false
        }
    }
}

fn open_writer(shared: &Shared) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(&shared.path, OPEN_FLAGS)?;
    configure(&connection, shared.durability)?;
    Ok(connection)
}

fn open_reader(shared: &Shared) -> rusqlite::Result<Connection> {
    let connection = open_writer(shared)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    write_ahead(connection)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES.cast_signed())?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(())
}

/// A new file is made so that its free pages can be given back; of one that is there this says
/// what `VACUUM` makes of it.
///
/// A file that is so already is left alone: SQLite would write the mode anew, and wait for whoever
/// loads.
fn prepare_shrinkable(connection: &Connection) -> rusqlite::Result<()> {
    if vacuum_mode(connection)? == INCREMENTAL {
        return Ok(());
    }
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")
}

fn vacuum_mode(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))
}

/// Makes a small file of v0.1 anew. Best effort: where it does not succeed, the file serves as it
/// did.
fn make_shrinkable(path: &Path, connection: &Connection) {
    let make = || -> rusqlite::Result<()> {
        if vacuum_mode(connection)? == INCREMENTAL {
            return Ok(());
        }
        if fs_err::metadata(path).map_or(true, |file| file.len() > MADE_ANEW_BYTES) {
            tracing::info!(file = %path.display(), "free pages of this file are not given back to the disk: it was made by an \
                earlier version; `VACUUM` by hand, while the server is off, changes that");
            return Ok(());
        }
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.execute_batch("VACUUM")
    };
    if let Err(error) = make() {
        tracing::warn!(file = %path.display(), %error, "the file could not be made anew; its free pages are not given back");
    }
}

/// SQLite does not wait where two processes switch a new file to a write-ahead log at the same
/// moment: one is told that it is busy at once.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY_TIMEOUT =>
            {
                thread::sleep(SWITCHED_WITHIN);
            }
            done => return done,
        }
    }
}

fn opening(path: &Path, durability: Durability, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(path, durability, Box::new(source)),
        Some(ErrorCode::DiskFull) => {
            StoreError::Full { what: "open the database", place: Place::new(path.display()), source: Box::new(source) }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => match owner::other(path) {
            Some(owner) => StoreError::NotOurs { place: Place::new(path.display()), owner, source: Box::new(source) },
            None => StoreError::Open { place: Place::new(path.display()), source: Box::new(source) },
        },
        _ => StoreError::Open { place: Place::new(path.display()), source: Box::new(source) },
    }
}

fn damaged(path: &Path, durability: Durability, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    let remedy = match durability {
        Durability::Full => RESTORE,
        Durability::Normal => MOVE_AWAY,
    };
    StoreError::Damaged { place: Place::new(path.display()), remedy, source }
}

/// Whether SQLite or its driver does not take a value that was to be written: it stays so however
/// often that is tried. Not the disk, the memory, a lock, or a statement of ours that does not fit
/// the database.
pub(super) fn is_refused(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
        ),
        rusqlite::Error::ToSqlConversionFailure(_) | rusqlite::Error::NulError(_) => true,
        _ => false,
    }
}

/// Whether a value in the file, or a row that must be there, does not read as what it should be.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows, Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
            | QueryReturnedNoRows
    )
}

/// A torn page is better found now than in the middle of a load.
fn check_file(path: &Path, connection: &Connection, durability: Durability) -> Result<(), StoreError> {
    if fs_err::metadata(path).is_ok_and(|file| file.len() > CHECKED_WHEN_OPENED_BYTES) {
        return Ok(());
    }
    let found = connection
        .query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0))
        .map_err(|source| opening(path, durability, source))?;
    if found == "ok" { Ok(()) } else { Err(damaged(path, durability, found.into())) }
}

/// Brings the schema up to date. The sales-loader may be a process of its own that opens the same
/// file at the same moment: where a step fails and the file has moved on meanwhile, the other one
/// has made it, and the rest is looked at again.
fn migrate(connection: &mut Connection, migrations: &Migrations<'_>) -> rusqlite_migration::Result<()> {
    loop {
        let before = schema_version(connection);
        match migrations.to_latest(connection) {
            Err(_) if before.is_some() && schema_version(connection) > before => {}
            done => return done,
        }
    }
}

fn schema_version(connection: &Connection) -> Option<i64> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0)).ok()
}

/// The error of a statement without its text: that of a migration has a page of it.
fn without_statement(error: rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqlInputError { error, msg, .. } => rusqlite::Error::SqliteFailure(error, Some(msg)),
        other => other,
    }
}

fn refuse_newer(
    path: &Path,
    connection: &Connection,
    migrations: &Migrations<'_>,
    durability: Durability,
) -> Result<(), StoreError> {
    let open = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Open {
        place: Place::new(path.display()),
        source,
    };
    let found: i64 = connection
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|source| opening(path, durability, source))?;
    // Negative: the file is ahead of this program by so many steps.
    let pending = migrations.pending_migrations(connection).map_err(|source| open(Box::new(source)))?;
    let known = found + i64::from(pending);
    if known < found { Err(StoreError::Newer { place: Place::new(path.display()), found, known }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
