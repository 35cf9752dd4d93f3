//! Where the record of loads is kept: what was handed over, how it went, and whom to tell.

mod reason;

pub use reason::{EncodingFault, FolderReason, LoadReason};

use super::audit::AuditLog;
use super::{ServerId, StoreError};
use crate::dictionary::entry::LoadCounts;
use crate::words::Reason;
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tillway_proto::{ExchangeStatus, LoadId, NodeId, Revision, TillId};
use tillway_service::audit::AuditLine;

/// Keeps the record of loads.
pub trait LoadJournal: AuditLog {
    /// Takes a load in, for this server: durable when it returns. An earlier one from the same
    /// file of this server, which was not taken and still lies there, is settled with it.
    fn accept(&self, load: &NewLoad) -> Result<LoadId, StoreError>;

    /// The same where somebody handed it over, whose line says so; its object is the load.
    fn accept_from(&self, load: &NewLoad, line: &AuditLine) -> Result<LoadId, StoreError>;

    /// The load starts now. How often it has started, this time included.
    fn begin(&self, load: LoadId, at: Timestamp) -> Result<u32, StoreError>;

    /// The load did not come to its end and will be tried again. Where the start is not `counted`,
    /// it was no fault of what is loaded.
    fn requeue(&self, load: LoadId, reason: &Reason, counted: bool) -> Result<(), StoreError>;

    /// The files of a load that came through a folder are these now, with this consent: its
    /// producer has written them anew since.
    fn deliver_as(&self, load: LoadId, delivery: &str, consent: Consent) -> Result<(), StoreError>;

    /// The load has ended.
    fn end(&self, load: LoadId, end: &LoadEnd) -> Result<(), StoreError>;

    /// One load.
    fn load(&self, load: LoadId) -> Result<Option<LoadRecord>, StoreError>;

    /// The newest loads, newest first.
    fn recent(&self, limit: u32) -> Result<Vec<LoadRecord>, StoreError>;

    /// How many loads came in each hour that ends after `from`, by when it begins: of these nodes'
    /// layers, or of all.
    fn loads_by_hour(&self, from: Timestamp, of: Option<&[NodeId]>) -> Result<Vec<(Timestamp, u64)>, StoreError>;

    /// The first `limit` rejects of a load.
    fn rejects(&self, load: LoadId, limit: u32) -> Result<Vec<NoticeRecord>, StoreError>;

    /// The first `limit` warnings of a load.
    fn warnings(&self, load: LoadId, limit: u32) -> Result<Vec<NoticeRecord>, StoreError>;

    /// Rejects and warnings that nobody has seen and no later load has mended, newest first.
    fn open_notices(&self, limit: u32) -> Result<Vec<OpenNotice>, StoreError>;

    /// How many rejects and how many warnings nobody has seen.
    fn count_notices(&self) -> Result<(u64, u64), StoreError>;

    /// The objects of a node, by number of kind and key, that a reject or a warning is about, seen
    /// or not.
    fn noticed_objects(&self, node: &NodeId) -> Result<Vec<(u16, String)>, StoreError>;

    /// A person has seen these notices, and all up to the number `up_to`. How many that were open.
    fn see_notices(&self, ids: &[i64], up_to: Option<i64>, at: Timestamp, line: &AuditLine) -> Result<u64, StoreError>;

    /// Refused loads of which a file is kept, newest first.
    fn refused(&self, limit: u32) -> Result<Vec<LoadRecord>, StoreError>;

    /// Takes in a load that repeats a refused or held one, which is settled with it: both or none.
    /// Whoever is told of the first one is told of the new one. None where nothing is kept of the
    /// first one any more.
    fn accept_again(&self, refused: LoadId, load: &NewLoad, line: &AuditLine) -> Result<Option<LoadId>, StoreError>;

    /// Of a refused load no file is kept any more. The line is that of a person who dropped it.
    fn forget_aside(&self, load: LoadId, line: Option<&AuditLine>) -> Result<(), StoreError>;

    /// Somebody decided that a held load is not carried out. False where it is not held any more.
    fn refuse_held(&self, load: LoadId, line: &AuditLine) -> Result<bool, StoreError>;

    /// A newer load of the layer begins with the same `clear`: it takes the place of those that
    /// were held before it. They are not carried out any more; they as they were.
    fn replace_held(&self, by: LoadId, node: &NodeId, clears: &str) -> Result<Vec<LoadRecord>, StoreError>;

    /// Loads that this server has taken in and that have not ended, oldest first.
    fn unfinished(&self) -> Result<Vec<LoadRecord>, StoreError>;

    /// The newest load from this file of this server.
    fn newest_of(&self, path: &Path) -> Result<Option<LoadRecord>, StoreError>;

    /// Forgets at most `step` ended loads that are older than `before` or beyond the newest
    /// `keep`. How many it were.
    fn prune(&self, before: Timestamp, keep: u32, step: u32) -> Result<u64, StoreError>;

    /// Forgets at most `step` rejects of loads beyond the newest `keep`. How many it were.
    fn prune_rejects(&self, keep: u32, step: u32) -> Result<u64, StoreError>;

    /// Whom to tell of loads, the oldest of each server first; at most `limit`, after as many as
    /// `skip`.
    fn open_watches(&self, skip: u32, limit: u32) -> Result<Vec<Watch>, StoreError>;

    /// The status server has taken this.
    fn note_told(&self, load: LoadId, told: &Told) -> Result<(), StoreError>;

    /// Nothing more is to be told of this load.
    fn close_watch(&self, load: LoadId) -> Result<(), StoreError>;
}

/// How a load came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadSource {
    /// Through a folder: the data file.
    Folder(PathBuf),
    /// Over REST.
    Rest {
        /// The name of the file that holds the body.
        body: String,
        /// The back office's own id of it.
        dictionary_id: Option<String>,
        /// The load that it repeats: somebody had it tried again.
        retry_of: Option<LoadId>,
    },
}

/// For people: the path, `REST` with the back office's own id, or which load it repeats.
impl fmt::Display for LoadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Rest { retry_of: Some(load), .. } => write!(f, "load {} once more", load.0),
            Self::Rest { dictionary_id: Some(id), .. } => write!(f, "REST, dictionary {id}"),
            Self::Rest { dictionary_id: None, .. } => f.write_str("REST"),
        }
    }
}

/// A load that is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLoad {
    /// The node whose layer it goes to.
    pub node: NodeId,
    /// How it came.
    pub source: LoadSource,
    /// Its size.
    pub bytes: u64,
    /// When.
    pub at: Timestamp,
    /// Whom to tell.
    pub watch: Option<NewWatch>,
    /// Which data file and which flag, where it came through a folder.
    pub delivery: Option<String>,
    /// Whether somebody has said yes to whatever it takes away.
    pub consent: Consent,
}

/// Whether a load that takes away much may be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consent {
    /// Nobody said so: it is held where it takes away too much.
    #[default]
    No,
    /// Nobody may have said so yet: it is held where it changes anything, so that what it would do
    /// is seen first.
    AskFirst,
    /// Its producer said so in words when it was handed over.
    Given,
    /// Somebody said yes to a load that was held: what was changed after this revision, the newest
    /// one then, stays as it is.
    Late(Revision),
}

/// A load that was held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The newest revision when it was held.
    pub at: Revision,
    /// The `clear…` verb that it begins with.
    pub clears: Option<String>,
}

/// Whom to tell of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWatch {
    /// The status server: `http://host:port` or `https://host:port`.
    pub server: String,
    /// The shop's code, as the back office wrote it.
    pub shop: String,
}

/// Where a load stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadState {
    /// Taken in; waits for its turn.
    Queued,
    /// Being loaded.
    Running,
    /// In the layer, nothing rejected.
    Ready,
    /// In the layer, but some records were rejected.
    ReadyWithErrors,
    /// Not in the layer: it waits for somebody who says yes or no.
    Held,
    /// Not in the layer.
    Error,
}

impl LoadState {
    /// The word in the database and in REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::ReadyWithErrors => "ready-with-errors",
            Self::Held => "held",
            Self::Error => "error",
        }
    }

    /// The state of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Ready, Self::ReadyWithErrors, Self::Held, Self::Error]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::ReadyWithErrors | Self::Held | Self::Error)
    }

    /// In the words that back offices know.
    pub fn status(self) -> ExchangeStatus {
        match self {
            Self::Queued | Self::Running => ExchangeStatus::During,
            Self::Ready => ExchangeStatus::Ready,
            Self::ReadyWithErrors => ExchangeStatus::ReadyWithError,
            // They wait for minutes; a person may be back on Monday.
            Self::Held | Self::Error => ExchangeStatus::Error,
        }
    }
}

/// How a load ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadEnd {
    /// When.
    pub at: Timestamp,
    /// A final state.
    pub state: LoadState,
    /// What it did.
    pub counts: LoadCounts,
    /// The revision it took, where something changed.
    pub revision: Option<Revision>,
    /// Tills at this revision or a later one have what was loaded; none where nothing was.
    pub applies_from: Option<Revision>,
    /// Why it was refused, or what is to be known of it.
    pub reason: Option<Reason>,
    /// The first of its rejects and warnings.
    pub notices: Vec<NoticeRecord>,
    /// Objects that it brought without a fault, by number of kind and key, of those that a notice
    /// is about.
    pub mended: Vec<(u16, String)>,
    /// Where it was refused: the name of the file that is kept of it, or the whole path where it
    /// stays in its folder.
    pub aside: Option<String>,
    /// Where it was held.
    pub held: Option<Held>,
}

/// A load, as remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRecord {
    /// Its number.
    pub id: LoadId,
    /// The server that took it in, has its file and works on it.
    pub server: ServerId,
    /// The node whose layer it went to.
    pub node: NodeId,
    /// How it came.
    pub source: LoadSource,
    /// Its size.
    pub bytes: u64,
    /// Where it stands.
    pub state: LoadState,
    /// When it was taken in.
    pub queued_at: Timestamp,
    /// When it started, the last time.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it did.
    pub counts: LoadCounts,
    /// The revision it took, where something changed.
    pub revision: Option<Revision>,
    /// Why it was refused, waits or is to be looked at.
    pub reason: Option<Reason>,
    /// Which data file and which flag, where it came through a folder.
    pub delivery: Option<String>,
    /// Where it was refused: the name of the file that is kept of it, or the whole path where it
    /// stays in its folder.
    pub aside: Option<String>,
    /// Whether somebody has said yes to whatever it takes away.
    pub consent: Consent,
    /// Where it was held.
    pub held: Option<Held>,
}

impl LoadRecord {
    /// In the words that back offices know.
    pub fn status(&self) -> ExchangeStatus {
        self.state.status()
    }
}

/// Rejects and warnings that are remembered; of more, the oldest are forgotten. Five loads that
/// are broken throughout.
pub const MAX_NOTICES: u32 = 5_000;

/// A record that was rejected, or one that was taken with something a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRecord {
    /// Line on which it starts, from 1.
    pub line: u64,
    /// Byte at which it starts, from 0.
    pub byte: u64,
    /// Its verb, where it could be read.
    pub verb: Option<String>,
    /// Its key, where it could be read.
    pub key: Option<String>,
    /// The field it is about, where it is one.
    pub field: Option<String>,
    /// The beginning of its value.
    pub value: Option<String>,
    /// Why it was rejected, or what the warning says.
    pub reason: Reason,
    /// The record was taken.
    pub is_warning: bool,
    /// The object it is about, by number of kind and key, where that is known.
    pub object: Option<(u16, String)>,
    /// The same load brought the object again without the fault.
    pub mended: bool,
}

impl NoticeRecord {
    /// One that says no more than why, of no line and no object.
    pub fn of(reason: Reason, is_warning: bool) -> Self {
        let (line, byte, mended) = (0, 0, false);
        let (verb, key, field, value, object) = (None, None, None, None, None);
        Self { line, byte, verb, key, field, value, reason, is_warning, object, mended }
    }
}

/// A reject or a warning that nobody has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenNotice {
    /// Its number.
    pub id: i64,
    /// The node whose layer it is about.
    pub node: NodeId,
    /// The load that brought it last.
    pub load: LoadId,
    /// When that ended.
    pub at: Timestamp,
    /// What it says.
    pub notice: NoticeRecord,
}

/// What is still to be told of a load, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The load.
    pub load: LoadId,
    /// The node whose layer it goes to.
    pub node: NodeId,
    /// The status server.
    pub server: String,
    /// The shop's code, as the back office wrote it.
    pub shop: String,
    /// When the load was taken in.
    pub since: Timestamp,
    /// Where the load stands.
    pub state: LoadState,
    /// Tills at this revision or a later one have what was loaded.
    pub applies_from: Option<Revision>,
    /// The id that the status server gave.
    pub state_id: Option<String>,
    /// What it knows of the load.
    pub load_told: Option<ExchangeStatus>,
    /// What it knows of tills.
    pub tills_told: HashMap<TillId, ExchangeStatus>,
}

/// What a status server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It gave this id.
    Opened(String),
    /// The status of the load.
    Load(ExchangeStatus),
    /// The status of a till.
    Till(TillId, ExchangeStatus),
}
