//! What can go wrong with a queue, and with a file of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::Limit;

/// An error of a queue operation. Sources of I/O errors name the file (fs_err).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The disk refused: full, no rights, broken. The queue is as it was before the call, unless
    /// the call says else.
    #[error("failed to {action} {folder}", folder = .folder.display())]
    Io {
        /// What was being done, to follow "failed to".
        action: &'static str,
        /// The folder of the queue, or the root.
        folder: PathBuf,
        /// The error, with the path of the file.
        source: io::Error,
    },
    /// No room now; there is room again when the consumer has gone on.
    #[error(
        "file queue {queue} is full: {asked} more on top of {present} pass the limit of {max} {limit}; \
         see why its consumer does not go on (`file-queue ls {queue}`), or raise the limit"
    )]
    Full {
        /// Name of the queue.
        queue: String,
        /// The limit.
        limit: Limit,
        /// What is in the queue, in the limit's unit.
        present: u64,
        /// What was to be added, in the limit's unit.
        asked: u64,
        /// The limit's value.
        max: u64,
    },
    /// The disk is nearly full; there is room again when somebody frees some. What is in the queue
    /// is safe.
    #[error(
        "the disk of file queue {queue} is nearly full: {free} bytes are free, {asked} more were asked for, and {reserve} \
         are kept for what was accepted before; free space on it, then it goes on by itself"
    )]
    NoRoom {
        /// Name of the queue.
        queue: String,
        /// Bytes free on the disk.
        free: u64,
        /// Bytes that were to be added.
        asked: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// Too large by itself: waiting does not help.
    #[error(
        "file queue {queue} takes at most {max} {limit}, this has {asked}; put smaller messages (`queuechunksize`), \
         or raise the limit"
    )]
    TooLarge {
        /// Name of the queue.
        queue: String,
        /// The limit.
        limit: Limit,
        /// What was to be put, in the limit's unit.
        asked: u64,
        /// The limit's value.
        max: u64,
    },
    /// A put into this batch failed before, so it cannot be complete; begin a new one.
    #[error("a batch for file queue {queue} is not complete, since a put into it failed; begin a new batch")]
    BatchFailed {
        /// Name of the queue.
        queue: String,
    },
    /// A text that cannot name a queue.
    #[error(
        "{name:?} cannot be the name of a file queue: 1 to 64 letters, digits, '_', '-' and '.', not starting with '.'"
    )]
    QueueName {
        /// The text.
        name: String,
    },
    /// There is no such queue.
    #[error("there is no file queue {queue} under {root}", root = .root.display())]
    NoSuchQueue {
        /// The root looked under.
        root: PathBuf,
        /// The name looked for.
        queue: String,
    },
    /// There is no such batch: it may have been consumed in the meantime.
    #[error("file queue {queue} holds no batch {id}")]
    NoSuchBatch {
        /// Name of the queue.
        queue: String,
        /// The id looked for.
        id: String,
    },
    /// A consumer works on this batch at this moment.
    #[error("batch {id} of file queue {queue} is being worked on by a consumer; try again when it has ended")]
    Claimed {
        /// Name of the queue.
        queue: String,
        /// The id of the batch.
        id: String,
    },
    /// What lies aside under this id is not a batch and cannot go back.
    #[error("{id} in file queue {queue} is not a batch and cannot be put back; it can be dropped")]
    NotABatch {
        /// Name of the queue.
        queue: String,
        /// The id.
        id: String,
    },
    /// A file of a claimed batch is damaged (the disk changed it after `next` had checked it).
    #[error("{path} is damaged: {damage}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The lock was not to be had in time.
    #[error("{path} was locked by another process for more than {waited:?}; see which (`fuser {path}`)", path = .path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },
    /// The queue was written by a newer program.
    #[error("{path} has format {found}, this program knows {known}; update this program", path = .path.display())]
    NewerFormat {
        /// The format file of the queue.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The highest sequence there can be is in use, which only a hand-made folder name can bring
    /// about.
    #[error("file queue {queue} has no sequence left; drop the batch with the highest one")]
    SequenceExhausted {
        /// Name of the queue.
        queue: String,
    },
}

/// What is wrong with a batch or one of its files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// Shorter than the fixed part.
    #[error("the file is cut off after {found} bytes")]
    CutOff {
        /// Length of the file in bytes.
        found: u64,
    },
    /// Cut off by somebody while it was being read.
    #[error("the file became shorter while it was read")]
    Shrunk,
    /// It does not start as such a file does.
    #[error("the file does not start with the mark of a queue file")]
    Magic,
    /// A version this program does not know.
    #[error("the file has version {found}, this program knows {known}")]
    Version {
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Longer or shorter than it says of itself.
    #[error("the file should be {expected} bytes long and is {found}")]
    Length {
        /// Length in bytes by its fixed part.
        expected: u64,
        /// Length in bytes on disk.
        found: u64,
    },
    /// A length in the file passes what any writer may write.
    #[error("the file says it is larger than any such file may be")]
    Oversized,
    /// Fixed part or header changed.
    #[error("the header does not match its checksum")]
    HeaderChecksum,
    /// The header is whole, but not what this version writes.
    #[error("the header cannot be read: {reason}")]
    Header {
        /// What the reader says.
        reason: String,
    },
    /// Body changed.
    #[error("the body does not match its checksum")]
    BodyChecksum,
    /// A file that should be there is not.
    #[error("the file is missing")]
    Missing,
    /// A whole and sound message of another batch, or another place.
    #[error("the message belongs to another batch or another place in it")]
    Misplaced,
    /// Folder name, manifest and messages do not agree on what the batch holds.
    #[error(
        "the batch should hold {expected_messages} messages of {expected_bytes} bytes, and holds {messages} of {bytes}"
    )]
    Counts {
        /// Messages by the manifest.
        expected_messages: u32,
        /// Bytes by the manifest.
        expected_bytes: u64,
        /// Messages found.
        messages: u32,
        /// Bytes found.
        bytes: u64,
    },
}
