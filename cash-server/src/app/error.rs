//! Why a use case did not do what it was asked.

use super::rights::Denied;
use crate::aside::AsideError;
use crate::backup::BackupError;
use crate::dictionary::DictionaryError;
use crate::exchange::{CashIniError, ExchangeError};
use crate::goods::GoodsError;
use crate::intake::UploadError;
use crate::network::NetworkError;
use crate::store::StoreError;
use crate::words::as_said;
use serde::Serialize;
use std::io;
use tillway_exchangers::row::RowError;
use tillway_proto::{LoadId, NodeId, Revision};
use tillway_service::people::{Login, PeopleError};

/// Why a use case did not do what it was asked. Each face words it for those it serves. The errors
/// of the nouns say themselves what failed, so they are taken over as they are.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AppError {
    /// A node of another level than this is for.
    #[error("{node} is no till: name one by id or as till-<shop>-<code>")]
    NoTill {
        /// What was named.
        node: NodeId,
    },
    /// A node of another level than this is for.
    #[error("{node} is no till: only a till can be parked")]
    OnlyTillsPark {
        /// What was named.
        node: NodeId,
    },
    /// A node of another level than this is for.
    #[error("{node} is no shop: name one by id or as shop-<code>")]
    NoShop {
        /// What was named.
        node: NodeId,
    },
    /// Not a part of the tree that a role can hold for.
    #[error("{node} is no place of a role: name the chain, a group or a shop")]
    NoPlace {
        /// What was named.
        node: NodeId,
    },
    /// No such role.
    #[error("`{text}` is no role: viewer, operator, administrator or auditor")]
    NoRole {
        /// What was named.
        text: String,
    },
    /// No language of ours.
    #[error("`{text}` is no language: en or ru")]
    NoLanguage {
        /// What was named.
        text: String,
    },
    /// Nothing that people are told of at once.
    #[error("`{text}` is nothing that people are told of at once: held-load, silent-shop or shift-differs")]
    NoAlert {
        /// What was named.
        text: String,
    },
    /// No mail goes out.
    #[error("no mails are sent: the settings name no mail server")]
    NoMailServer,
    /// A user without an address.
    #[error("{login} has no address of mail")]
    NoMailOf {
        /// Who.
        login: Login,
    },
    /// More codes than one request may ask for.
    #[error("one request makes at most {max} codes: ask for the rest by itself")]
    #[serde(rename = "too-many-codes-at-once")]
    CodesAtOnce {
        /// How many.
        max: usize,
    },
    /// More tills than one request may name.
    #[error("one request is about at most {max} tills: narrow the choice, and do the rest after")]
    #[serde(rename = "too-many-tills-at-once")]
    TillsAtOnce {
        /// How many.
        max: usize,
    },
    /// What should be a condition of tills is none.
    #[error("`{text}` is no condition of a till: `tills` shows them")]
    NoCondition {
        /// What was named.
        text: String,
    },
    /// No such kind of objects.
    #[error("there is no kind `{kind}`; see docs/formats/kinds.md")]
    UnknownKind {
        /// What was named.
        #[serde(rename = "objects")]
        kind: String,
    },
    /// No such load.
    #[error("there is no load {}, or it is older than loads are kept", load.0)]
    UnknownLoad {
        /// What was named.
        load: LoadId,
    },
    /// The file of a load went by its age, or was never kept.
    #[error("the file of load {} is not kept (any more): files are kept for {days} days, fewer where they are many", load.0)]
    LoadFileNotKept {
        /// The load.
        load: LoadId,
        /// For how long they are kept.
        days: u32,
    },
    /// The file of a load is there and cannot be read.
    #[error("failed to read the file of load {}", load.0)]
    LoadFileUnreadable {
        /// The load.
        load: LoadId,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// As many files are being read as may be.
    #[error("other files are being read right now: try again in a minute")]
    DownloadsBusy,
    /// No layer that the caller sees has such a good, or had it.
    #[error("there is no good with the code `{code}`: look for it by barcode or name")]
    UnknownGood {
        /// What was named.
        code: String,
    },
    /// No such change of a good's price.
    #[error("revision {revision} changed nothing of the good `{code}` that is known here")]
    UnknownChange {
        /// The good.
        code: String,
        /// What was named.
        revision: Revision,
    },
    /// No such finding, or it is closed.
    #[error("there is no open finding {finding}")]
    NoOpenFinding {
        /// What was named.
        finding: i64,
    },
    /// No such receipt, or one of another part of the tree.
    #[error("there is no receipt {receipt}: it has not come, or was deleted for its age")]
    NoReceipt {
        /// What was named.
        receipt: String,
    },
    /// Receipts are looked for by words that very many goods have.
    #[error("more than {max} goods are called `{text}`: say more of the name, or the code")]
    TooManyItems {
        /// The words.
        text: String,
        /// How many there may be.
        max: usize,
    },
    /// A row of the dictionary does not read.
    #[error(transparent)]
    #[serde(rename = "object-unreadable")]
    Row {
        /// Why not.
        #[from]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: RowError,
    },
    /// An object of the dictionary could not be written as AIF writes it.
    #[error(transparent)]
    #[serde(rename = "object-not-written")]
    Payload {
        /// Why not.
        #[from]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: serde_json::Error,
    },
    /// The file with the key of a till's messages.
    #[error("failed to keep the key of the till's messages: ask for a new secret once more")]
    #[serde(rename = "peer-key-not-kept")]
    PeerKey {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The caller may not do this.
    #[error(transparent)]
    #[serde(untagged)]
    Denied(Denied),
    /// The network.
    #[error(transparent)]
    #[serde(untagged)]
    Network(#[from] NetworkError),
    /// The exchange with tills.
    #[error(transparent)]
    #[serde(untagged)]
    Exchange(#[from] ExchangeError),
    /// The dictionary.
    #[error(transparent)]
    #[serde(untagged)]
    Dictionary(#[from] DictionaryError),
    /// What was set aside.
    #[error(transparent)]
    #[serde(untagged)]
    Aside(#[from] AsideError),
    /// A file that a person sends.
    #[error(transparent)]
    #[serde(untagged)]
    Upload(#[from] UploadError),
    /// Backups.
    #[error(transparent)]
    #[serde(untagged)]
    Backup(#[from] BackupError),
    /// The settings of a till could not be written.
    #[error(transparent)]
    #[serde(untagged)]
    CashIni(#[from] CashIniError),
    /// People.
    #[error(transparent)]
    #[serde(untagged)]
    People(#[from] PeopleError),
    /// A store.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreError),
}

impl From<GoodsError> for AppError {
    fn from(error: GoodsError) -> Self {
        match error {
            GoodsError::Store(error) => Self::Store(error),
            GoodsError::Row(source) => Self::Row { source },
        }
    }
}
