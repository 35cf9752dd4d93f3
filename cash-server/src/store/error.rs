//! Why a store could not do what it was asked.

use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What the implementation itself says of a failure.
type Source = Box<dyn Error + Send + Sync>;

/// Where a store keeps things, in the words of its implementation: a file, or a server and the
/// name of a database. For people to read; nothing is to be looked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Arc<str>);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Place {
    /// In these words; they fit "the database …".
    pub fn new(words: impl fmt::Display) -> Self {
        Self(words.to_string().into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a store could not do what it was asked; serialized, the reason that people are told. Which
/// failures can pass is part of the contract:
/// see [`StoreError::is_about_the_data`] and [`StoreError::is_about_a_value`].
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StoreError {
    /// The database cannot be opened or brought up to date.
    #[error("failed to open the database {place}")]
    #[serde(rename = "database-not-opened")]
    Open {
        /// Where.
        place: Place,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {place} has schema {found}, this program knows up to {known}: upgrade cash-server, or restore the \
         backup made before the upgrade"
    )]
    #[serde(rename = "database-newer")]
    Newer {
        /// Where.
        place: Place,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database is another user's.
    #[error("this user may not write to the database {place}: run this as {owner}, whose file it is")]
    #[serde(rename = "database-not-ours")]
    NotOurs {
        /// Where.
        place: Place,
        /// The user, fits "run this as …".
        owner: String,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// The database is not what it was: cut, overwritten, or on a disk that fails.
    #[error("the database {place} is damaged; stop the server, and {remedy}")]
    #[serde(rename = "database-damaged")]
    Damaged {
        /// Where.
        place: Place,
        /// What to do, fits "stop the server, and …".
        #[serde(skip)]
        remedy: &'static str,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// There is no room to write; nothing was changed.
    #[error("failed to {what} in {place}: its disk is full; free space on it, the server goes on by itself")]
    #[serde(rename = "database-full")]
    Full {
        /// What was to be done, fits "failed to …".
        #[serde(skip)]
        what: &'static str,
        /// Where.
        place: Place,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// What was to be written is not taken, however often that is tried; nothing was changed.
    #[error("failed to {what} in {place}: it does not take the data")]
    #[serde(rename = "database-takes-not")]
    Refused {
        /// What was to be done, fits "failed to …".
        #[serde(skip)]
        what: &'static str,
        /// Where.
        place: Place,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// A value that is kept cannot be read as what it should be.
    #[error("failed to {what} in {place}: a value there cannot be read")]
    #[serde(rename = "database-unreadable")]
    Unreadable {
        /// What was to be done, fits "failed to …".
        #[serde(skip)]
        what: &'static str,
        /// Where.
        place: Place,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// A query failed: the disk, the memory, a lock, the connection, or a defect of ours. It
    /// passes, or needs somebody who looks after the server; it says nothing against the data.
    #[error("failed to {what} in {place}")]
    #[serde(rename = "database-query-failed")]
    Query {
        /// What was to be done, fits "failed to …".
        #[serde(skip)]
        what: &'static str,
        /// Where.
        place: Place,
        /// What the database says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Source,
    },
    /// A value that cannot be.
    #[error("failed to {what} in {place}: {reason}; restore the database from a backup")]
    #[serde(rename = "database-corrupt")]
    Corrupt {
        /// What was to be done, fits "failed to …".
        #[serde(skip)]
        what: &'static str,
        /// Where.
        place: Place,
        /// What is wrong.
        reason: String,
    },
}

fn as_said<S: Serializer>(source: &Source, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::error_chain(source.as_ref()))
}

impl StoreError {
    /// Whether what was to be written made this error, so that it comes again however often that
    /// is tried.
    pub fn is_about_the_data(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether a value made this error: the one that was to be written, or one beside it that is
    /// kept and cannot be read. It comes again however often that is tried, and what stands behind
    /// it must not wait.
    pub fn is_about_a_value(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreadable { .. })
    }
}
