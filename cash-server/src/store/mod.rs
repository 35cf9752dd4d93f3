//! All SQL of the server stands below this module, behind one interface a noun.
//!
//! **Architecture invariant:** nothing outside `store` knows SQL or SQLite. PostgreSQL will be a
//! second implementation of the traits here. All stores are blocking; async callers use
//! `tokio::task::spawn_blocking`.

pub mod audit;
pub mod dictionary;
pub mod exchange;
pub mod intake;
pub mod network;
pub mod packages;
pub mod sales;
pub mod sqlite;

use std::error::Error;
use std::path::PathBuf;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened or brought up to date.
    #[error("failed to open the database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {} has schema {found}, this program knows up to {known}: upgrade cash-server, or restore the \
         backup made before the upgrade",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The file is another user's.
    #[error("this user may not write to the database {}: run this as {owner}, whose file it is", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The user, fits "run this as …".
        owner: String,
        /// What the database says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is not what it was: cut, overwritten, or on a disk that fails.
    #[error("the database {} is damaged; stop the server, and {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What to do, fits "stop the server, and …".
        remedy: &'static str,
        /// What the database says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no room to write; nothing was changed.
    #[error("failed to {what} in {}: its disk is full; free space on it, the server goes on by itself", path.display())]
    Full {
        /// What was to be done, fits "failed to …".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A query failed.
    #[error("failed to {what} in {}", path.display())]
    Query {
        /// What was to be done, fits "failed to …".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A value that cannot be.
    #[error("failed to {what} in {}: {reason}; restore the database from a backup", path.display())]
    Corrupt {
        /// What was to be done, fits "failed to …".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
