//! `documents.db`: what the POS sold. The POS writes it; the unloader reads it and never writes.
//!
//! - A document is finished when `closed` is 1 or 2. Documents finish in any order: one with a low
//!   id may finish after one with a high id, so the unloader keeps the highest id it looked at and
//!   the few below it that are not done with ([`Progress`], [`Documents::finished_besides`],
//!   [`Documents::settle`]).
//! - A document or a shift that does not read (a number below zero, a time that is none) is named
//!   beside the others of its page and holds none of them up.
//! - Each call sees one state of the database, however the POS writes meanwhile, and never blocks
//!   it (WAL).
//! - The tables are those of [`SCHEMA`], and where they are there those of [`SCHEMA_2`]; more
//!   tables and columns may be there. Money is in kopecks, quantities in thousandths, times are
//!   local, `YYYY-MM-DDTHH:MM:SS`.
//!
//! **Architecture invariant:** of what is here only [`writer`] writes, and only a POS calls it.

mod assemble;
mod key;
mod optional;
mod progress;
mod reader;
mod shifts;
#[cfg(test)]
mod tests;
mod watch;
pub mod writer;

pub use progress::Progress;
pub use reader::{BrokenDocument, DocumentKey, DocumentRow, Documents, Page};
pub use shifts::{BrokenShift, ShiftHead, ShiftPage, ShiftRecord};
pub use watch::DocumentsWatch;

use fs_err as fs;
use rusqlite::Connection;
use rustix::process::geteuid;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema of version 1.
pub const SCHEMA: &str = include_str!("documents/schema.sql");

/// What version 2 adds. A POS that does not write it is unloaded as well.
pub const SCHEMA_2: &str = include_str!("documents/schema_2.sql");

/// How long a call waits for a lock: in WAL mode only while the POS recovers or starts. A till's
/// POS does not take longer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the unloader reads, table by table.
const READ_COLUMNS: [(&str, &str); 8] = [
    (
        "workshift",
        "workshiftid shopcode shiftnum cashcode scode time_beg time_end checknum1 checknum2 sumsale sumrefund countsale \
         countrefund sumdrawer sumsalecash sumsalenoncash",
    ),
    (
        "document",
        "documentid cashcode workshiftid checknum doctype dept scode time_beg time_end sum1 disc_abs sumb vatsum closed \
         identifier sourceidentifier frdocnum fiscalidentifier backreason",
    ),
    ("goodsitem", "goodsitemid documentid ttime posnum code bcode cquant price disc_abs sumi sumb opcode"),
    ("stornogoodsitem", "documentid ttime tstime opid posnum code bcode cquant price disc_abs sumi sumb opcode"),
    ("moneyitem", "documentid mtime opcode valcode sumb docnum"),
    ("discitem", "goodsitemid discnumber discmode disctype discsize discsum checksum cardnumber"),
    ("carditem", "documentid number"),
    ("users", "workshiftid usercode username"),
];

/// The right of a file's group to write it.
const GROUP_WRITES: u32 = 0o020;

/// Why `documents.db` cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// The POS has not made it yet.
    #[error("{} is not there, or empty: the POS has not made it yet", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It belongs to another user, and reading it would leave that user without it: SQLite makes
    /// the log beside a database with the rights of the database and the owner of who reads.
    #[error(
        "{0} belongs to another user, who alone may write it; to read it would lock that user out: give its group the \
         right to write (chmod 660 {0}), or start the agent's service again, which does so",
        path.display()
    )]
    NotShared {
        /// The file.
        path: PathBuf,
    },
    /// Its tables are not those the unloader knows.
    #[error("{}: table {table} has no {}: the POS program does not fit this agent", path.display(), missing.join(", "))]
    Schema {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The columns that are missing; all of them where the table is missing.
        missing: Vec<&'static str>,
    },
    /// Somebody held a lock on it for too long.
    #[error("{}: table {table} is locked by another program", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// The table that was being read or written.
        table: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// Reading or writing failed; the file may be damaged.
    #[error("{}: failed with table {table}", path.display())]
    Query {
        /// The file.
        path: PathBuf,
        /// The table that was being read or written.
        table: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The schema could not be made or brought up to date.
    #[error("failed to bring the schema of {} up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: rusqlite_migration::Error,
    },
}

impl DocumentsError {
    /// For `map_err`: which file and table a query was about.
    fn query(path: &Path, table: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| {
            let path = path.to_path_buf();
            match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                    Self::Locked { path, table, source }
                }
                _ => Self::Query { path, table, source },
            }
        }
    }
}

/// Opens for reading only; whoever does not find what it needs is told by name.
fn open_read_only(path: &Path) -> Result<Connection, DocumentsError> {
    use rusqlite::OpenFlags;
    if !path.exists() {
        return Err(DocumentsError::Missing { path: path.to_path_buf() });
    }
    if locks_out_its_owner(path) {
        return Err(DocumentsError::NotShared { path: path.to_path_buf() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    });
    opened.map_err(|source| DocumentsError::Open { path: path.to_path_buf(), source })
}

/// Whether the log that a reader makes beside the file could not be written by the file's owner.
/// Root writes anything, whoever has made it.
fn locks_out_its_owner(path: &Path) -> bool {
    let reader = geteuid();
    fs::metadata(path).is_ok_and(|file| {
        let is_of_another = ![0, reader.as_raw()].contains(&file.uid());
        !reader.is_root() && is_of_another && file.permissions().mode() & GROUP_WRITES == 0
    })
}

/// Checks that every table has the columns that are read.
fn check_schema(connection: &Connection, path: &Path) -> Result<(), DocumentsError> {
    // A POS that is just making the file: there is nothing in it yet.
    let empty = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
        .map_err(DocumentsError::query(path, "sqlite_schema"))?;
    if empty {
        return Err(DocumentsError::Missing { path: path.to_path_buf() });
    }
    for (table, columns) in READ_COLUMNS {
        let present = optional::columns_of(connection, path, table)?;
        let missing: Vec<_> = columns.split_whitespace().filter(|column| !present.contains(*column)).collect();
        if !missing.is_empty() {
            return Err(DocumentsError::Schema { path: path.to_path_buf(), table, missing });
        }
    }
    Ok(())
}
