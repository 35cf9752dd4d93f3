//! `dictionaries.db`: goods, prices, cashiers as the POS reads them. The loader writes it.
//!
//! - One table a kind (see [`crate::kinds`]) with the kind's columns and `extra`, the unknown
//!   fields as JSON. Money is in kopecks, quantities in thousandths. The view `goods` answers what
//!   a POS asks of a barcode.
//! - A package is applied in one transaction, or not at all: rows, `tillway_cursor` and
//!   `tillway_digest` (rows and digest of each kind) move together. Readers see the old state or
//!   the new one and are never blocked (WAL).
//! - `synchronous=FULL`: with one commit a package that is one sync, and "applied" stays true when
//!   the power goes.
//! - Rows that somebody else writes leave a mark: triggers put the kind into `tillway_touched`,
//!   and the loader, whose connection runs no triggers, recounts marked kinds from their columns
//!   at the next load. What then does not agree with the package is rolled back and named.
//!   [`Loader::marks`] tells of such a write between loads.
//! - A second loader is refused by a lock on `dictionaries.db.lock`, which ends with its process.
//!
//! The schema is made from the table of kinds: what a newer version declares in addition (kinds,
//! columns at the end, indexes) is added on opening and with each load. Tables and columns that
//! are not known stay as they are; what stands under a name of ours and is not ours is dropped.
//!
//! A table of a kind that somebody changed by hand so that no package fits it keeps its rows until
//! a snapshot of the kind comes, which makes it anew in the same transaction: a POS that has the
//! file open reads on, and then the new rows. Differences are refused until then
//! ([`ApplyError::Diverged`]).

mod apply;
mod loader;
mod schema;
mod shelf;
mod state;
mod statements;
mod tally;
#[cfg(test)]
mod tests;

pub use apply::{Applied, ApplyError, Loaded, PackageStep, on_package};
pub use loader::{Loader, Marks, beside, broken, replace, set_aside, still_reads};
pub use shelf::{Good, Shelf};
pub use state::{KindState, State};

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the loader waits for somebody else's write: a person with a tool, since there is no
/// other writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes on disk of one object that is loaded, with its indexes, in the database and once more in
/// the log: measured are 270 for goods with barcodes.
const LOAD_BYTES_PER_OBJECT: u64 = 320;

/// The same for long texts, in bytes of their package, which shrinks them some ten times.
const LOAD_BYTES_PER_PACKAGE_BYTE: u64 = 20;

/// Bytes of the log beside a database; 0 where there is none. It is cut back after each load,
/// unless a reader holds a transaction open.
pub fn log_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// How many bytes on disk the load of a package may take while it runs, more than is taken before.
/// Its write-ahead log is half of that, and is cut back after the load.
pub fn load_bytes(package_bytes: u64, objects: u64) -> u64 {
    // Either is an estimate of the whole.
    package_bytes.saturating_mul(LOAD_BYTES_PER_PACKAGE_BYTE).max(objects.saturating_mul(LOAD_BYTES_PER_OBJECT))
}

/// Why `dictionaries.db` cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another loader has it.
    #[error("{} is in use by another loader (lock {})", path.display(), lock.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// The lock could not be taken.
    #[error("failed to lock {}", lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file could not be made, or may not be written.
    #[error("failed to make or write {}", path.display())]
    Make {
        /// The database.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A newer program made it.
    #[error("{} was made by a newer version (schema {found}, this program knows {known}): upgrade it", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// It cannot be opened or brought up to date.
    #[error("failed to open {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The schema could not be made.
    #[error("failed to bring the schema of {} up to date", path.display())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: rusqlite_migration::Error,
    },
}

impl OpenError {
    /// Whether the file is no sound database: [`set_aside`] makes room for a new one.
    pub fn is_corrupt(&self) -> bool {
        match self {
            Self::Database { source, .. } => corrupt(source),
            Self::Migrate { source: rusqlite_migration::Error::RusqliteError { err, .. }, .. } => corrupt(err),
            _ => false,
        }
    }
}

/// Whether a statement does not fit the tables that are there.
fn does_not_fit(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{SqlInputError, SqliteFailure};
    matches!(error, SqliteFailure(error, _) | SqlInputError { error, .. } if error.code == rusqlite::ErrorCode::Unknown)
}

fn corrupt(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
