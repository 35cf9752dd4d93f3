//! Why there is no backup, or none that can be put back.

use crate::network::NetworkError;
use crate::reserve::NoRoom;
use crate::settings::credentials::CredentialsError;
use crate::store::StoreError;
use crate::words::as_said;
use serde::{Serialize, Serializer};
use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use tillway_service::people::PeopleError;

/// Why there is no backup, or none that can be put back. A path is that of a file, or that of an
/// object in a store: `s3://<bucket>/<name>`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BackupError {
    /// The key.
    #[error(transparent)]
    #[serde(rename = "backup-key-fails")]
    Credentials {
        /// Why.
        #[from]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: CredentialsError,
    },
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    #[serde(rename = "backup-not-read")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {}", path.display())]
    #[serde(rename = "backup-not-written")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The key does not open it.
    #[error("this key does not open {}: take the one of the server that made it", path.display())]
    #[serde(rename = "backup-of-other-key")]
    Key {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: age::DecryptError,
    },
    /// It needs a key.
    #[error("{} is encrypted: name the file with the server's key (--key-file)", path.display())]
    #[serde(rename = "backup-needs-key")]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
    /// It is not what it was when it was made.
    #[error("{} is damaged: {reason}; take another backup", path.display())]
    #[serde(rename = "backup-damaged")]
    Unfit {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        #[serde(rename = "detail")]
        reason: String,
    },
    /// There is none yet.
    #[error("there is no backup yet")]
    #[serde(rename = "no-backup")]
    None,
    /// What is to be put back would go over what is there.
    #[error(
        "there are databases in {} already: say --replace, which moves them aside, or name another data folder",
        folder.display()
    )]
    #[serde(rename = "restore-over-databases")]
    Occupied {
        /// The data folder.
        folder: PathBuf,
    },
    /// There is no list of who belongs to the server.
    #[error("{} is missing: if it is lost, say --without-peers", path.display())]
    #[serde(rename = "restore-without-peers")]
    NoPeers {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The place belongs to another server.
    #[error(
        "{} belongs to another server: each needs a folder or prefix of its own (backup.dir, backup.s3_prefix)",
        path.display()
    )]
    #[serde(rename = "backup-place-of-other")]
    OtherServer {
        /// The place.
        path: PathBuf,
    },
    /// The store cannot be spoken to with these settings.
    #[error("the settings of the store do not do")]
    #[serde(rename = "backup-store-settings")]
    StoreSettings {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The store does not let this server in.
    #[error("the store does not let this server do this at {}: look at the access key and its rights", path.display())]
    #[serde(rename = "backup-store-denies")]
    StoreDenies {
        /// Where.
        path: PathBuf,
        /// What it says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_the_store_says")]
        source: object_store::Error,
    },
    /// The bucket is not there.
    #[error("there is no bucket for {}: make it, or name another one (backup.s3_bucket)", path.display())]
    #[serde(rename = "backup-no-bucket")]
    NoBucket {
        /// Where.
        path: PathBuf,
        /// What it says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_the_store_says")]
        source: object_store::Error,
    },
    /// The store does not answer, or breaks off.
    #[error("the store does not do what it should at {}", path.display())]
    #[serde(rename = "backup-store-fails")]
    StoreFails {
        /// Where.
        path: PathBuf,
        /// What it says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_the_store_says")]
        source: object_store::Error,
    },
    /// There is too little room.
    #[error("there is no room for a backup")]
    #[serde(untagged)]
    NoRoom(#[source] NoRoom),
    /// People.
    #[error(transparent)]
    #[serde(untagged)]
    People(#[from] PeopleError),
    /// The databases could not be copied or opened.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreError),
    /// The network could not be read or changed.
    #[error(transparent)]
    #[serde(untagged)]
    Network(#[from] NetworkError),
    /// A server works there.
    #[error(transparent)]
    #[serde(untagged)]
    Running(#[from] crate::lock::LockError),
}

/// Most characters of what a store says: it may answer with a page.
const MAX_SAID_CHARS: usize = 800;

fn as_the_store_says<S: Serializer>(error: &object_store::Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&store_said(error))
}

/// What a store, or the way to it, says: on one line, each cause once.
pub(super) fn store_said(error: &object_store::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = source.source();
    }
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(MAX_SAID_CHARS).collect()
}
