//! What is to be known of a load beside its counts: why it was refused, waits, is held, or what of
//! it did not take effect. Stored and passed as kind and parameters.

use crate::reserve::{NeverRoom, NoRoom};
use crate::words::Reason;
use serde::Serialize;
use tillway_exchangers::records::RejectReason;

/// What is to be known of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LoadReason {
    /// Several things.
    Several {
        /// Which ones.
        reasons: Vec<LoadReason>,
    },
    /// Nobody knows which object a broken record was to add, so none was deleted of the kinds that
    /// the load clears.
    NothingCleared {
        /// Names of the kinds.
        kinds: String,
    },
    /// Deletions that did not take effect: broken records may have been meant to add the objects
    /// again.
    DeletionsLeftOut {
        /// How many.
        count: usize,
        /// Their first lines.
        lines: String,
    },
    /// The input as a whole is not what it should be.
    Refused {
        /// Why not.
        reason: RejectReason,
    },
    /// The input is in a wrong encoding.
    RefusedForEncoding {
        /// Which.
        reason: EncodingFault,
    },
    /// A setting has it so.
    RefusedAtFirstReject,
    /// It would take away too much, and waits for a yes.
    Held {
        /// Its number.
        load: i64,
        /// What is too much.
        reasons: Vec<LoadReason>,
    },
    /// Of a held load: somebody wants to see first what it would do.
    AskedFirst,
    /// Of a held load: some of what it would add.
    WouldAddSome {
        /// Which.
        objects: String,
    },
    /// Of a held load: some of what it would change.
    WouldChangeSome {
        /// Which, each with what differs.
        objects: String,
    },
    /// Of a held load: some of what it would delete.
    WouldDeleteSome {
        /// Which.
        objects: String,
    },
    /// Of a held load: objects of a kind that it would delete.
    WouldDelete {
        /// How many.
        deleted: u64,
        /// Of how many.
        before: u64,
        /// Name of the kind.
        objects: &'static str,
    },
    /// Of a held load: kinds of which it would delete as much.
    WouldDeleteMore {
        /// How many more kinds.
        kinds: usize,
    },
    /// Of a held load: records that cannot be used.
    TooManyRejects {
        /// How many.
        rejected: u64,
        /// Of how many.
        records: u64,
    },
    /// It is loaded, but for records that cannot be used.
    SomeRejected,
    /// It is loaded, and of some records a person should know something.
    SomeWarned,
    /// There is no room for it now.
    NoRoom {
        /// On whose disk.
        folder: String,
        /// Bytes that are free there.
        free: u64,
        /// Bytes that are needed.
        need: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// There will never be room for it.
    NeverRoom {
        /// On whose disk.
        folder: String,
        /// Bytes of the whole disk.
        size: u64,
        /// Bytes that are needed.
        need: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// The process died of it again and again.
    KillsServer {
        /// How often it was begun.
        starts: u32,
    },
    /// It brought a defect of the server to light.
    Defect,
    /// The data file cannot be read.
    Unreadable {
        /// What the system says.
        detail: String,
    },
    /// The data file is not the one that it was at the start.
    Rewritten,
    /// The disk filled up, or the server stops, or had something more urgent to do.
    Interrupted {
        /// What happened.
        detail: String,
    },
    /// The database refuses what stands in the file.
    DatabaseRefuses {
        /// What it says.
        detail: String,
    },
    /// The database fails.
    DatabaseFails {
        /// What it says.
        detail: String,
    },
    /// The flag cannot be looked at, or is no file.
    WrongFlag {
        /// What the system says.
        detail: String,
    },
    /// There is a flag and no data file.
    NoDataFile,
    /// The data file grew on though its flag was there.
    StillWritten {
        /// For how long it was waited.
        seconds: u64,
    },
    /// It is tried again so often.
    TriedAgain {
        /// What is wrong.
        reason: Box<LoadReason>,
        /// How often at most.
        times: u32,
    },
    /// Its node is no longer in the network.
    NodeIsGone {
        /// The node's id.
        node: String,
    },
    /// It was given up and cannot be put aside.
    NotPutAside {
        /// Why it was given up.
        reason: Box<LoadReason>,
    },
    /// What was written to the file after it was loaded; the whole file is kept.
    WrittenOn {
        /// The load that took the file.
        load: i64,
    },
    /// What was written to the file after it was loaded; the file cannot be kept.
    WrittenOnAndLost {
        /// The load that took the file.
        load: i64,
        /// What the system says.
        detail: String,
    },
    /// Its file or its flag went away before it was loaded.
    Vanished,
    /// It is loaded, and what was rejected is not known.
    ReportLost,
    /// It was held, and somebody had it carried out.
    CarriedOut {
        /// The load that did it.
        load: i64,
    },
    /// It was held, and a newer one took its place.
    Replaced {
        /// The newer one.
        load: i64,
        /// The verb that both begin with.
        clears: String,
    },
    /// It was held, and its file was handed over anew.
    HandedOverAnew,
    /// It was held, and somebody said no.
    RefusedByPerson,
    /// Its folder belongs to no node.
    #[serde(untagged)]
    Folder(FolderReason),
}

/// Why a folder belongs to no node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FolderReason {
    /// Two nodes have this folder name.
    FolderOfTwo,
    /// The settings give it to a node that is not there.
    FolderOfGoneNode {
        /// The node's id.
        node: String,
    },
    /// It is the inbox itself.
    InboxItself,
    /// No node has this folder name.
    FolderOfNobody {
        /// The name.
        folder: String,
    },
}

/// How the encoding of an input is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EncodingFault {
    /// The input is in the encoding that it should be in, but damaged.
    DamagedInput {
        /// The encoding's name.
        encoding: &'static str,
        /// The first byte that shows it, from 0.
        byte: u64,
    },
    /// The input should be UTF-8 and is in another encoding.
    OtherEncoding {
        /// Which one it looks like.
        looks_like: &'static str,
        /// The first byte that shows it, from 0.
        byte: u64,
    },
    /// The input is in another encoding than the settings name.
    NotItsEncoding {
        /// The encoding that the settings name.
        encoding: &'static str,
        /// Which one it looks like.
        looks_like: &'static str,
        /// The first byte that shows it, from 0.
        byte: u64,
    },
    /// The input is in no encoding that is known here.
    UnknownEncoding {
        /// The encoding that it should be in.
        encoding: &'static str,
        /// The first byte that shows it, from 0.
        byte: u64,
    },
}

impl LoadReason {
    /// One reason, or all of them; none where there is none.
    pub fn all(mut reasons: Vec<Self>) -> Option<Self> {
        if reasons.len() > 1 { Some(Self::Several { reasons }) } else { reasons.pop() }
    }
}

impl From<NoRoom> for LoadReason {
    fn from(NoRoom { folder, free, need, reserve }: NoRoom) -> Self {
        Self::NoRoom { folder: folder.display().to_string(), free, need, reserve }
    }
}

impl From<NeverRoom> for LoadReason {
    fn from(NeverRoom { folder, size, need, reserve }: NeverRoom) -> Self {
        Self::NeverRoom { folder: folder.display().to_string(), size, need, reserve }
    }
}

impl From<LoadReason> for Reason {
    fn from(reason: LoadReason) -> Self {
        Self::of(&reason)
    }
}
