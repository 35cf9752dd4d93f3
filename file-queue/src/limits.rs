//! Everything in a queue has a limit; these are their names, defaults and reasons.

use std::fmt;
use std::time::Duration;

/// Waiting batches of one queue, in bytes of their message files: 4 GiB, far above a full snapshot
/// of a large catalogue, and still small on a till's disk of 32 GB.
pub const MAX_BYTES: u64 = 4 << 30;
/// Waiting batches of one queue: each call of `next` lists them all, which stays in milliseconds
/// up to here.
pub const MAX_BATCHES: u64 = 4096;
/// One message's body: 64 MiB, since a consumer holds one whole body in memory; 25 000 objects are
/// some 10 MiB.
pub const MAX_MESSAGE_BYTES: u64 = 64 << 20;
/// Messages of one batch: 10 000 chunks of 25 000 objects are more than any catalogue.
pub const MAX_BATCH_MESSAGES: u32 = 10_000;
/// Bytes of the disk that a queue leaves free: 128 MiB, so that the till's databases can still
/// take what was queued before, the POS can write its receipts, and a person can log in. Refusing
/// while there is room keeps what was accepted safe.
pub const RESERVE_BYTES: u64 = 128 << 20;
/// How often a batch is handed out before it is set aside. Tries that ended in a power cut count
/// too, so there is room for a bad day in a shop.
pub const MAX_TRIES: u32 = 10;
/// Batches kept aside for a person to look at.
pub const MAX_ASIDE_BATCHES: usize = 100;
/// Bytes kept aside: 512 MiB.
pub const MAX_ASIDE_BYTES: u64 = 512 << 20;
/// How long a call waits for the queue's lock. It is held for a few disk syncs only; whoever holds
/// it longer hangs.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);
/// No setting allows a larger message, and no reader takes one: 1 GiB.
pub const HARD_MAX_MESSAGE_BYTES: u64 = 1 << 30;
/// A header (attributes, content type, ids) of a message or batch: 64 KiB.
pub const MAX_HEADER_BYTES: u64 = 64 << 10;
/// A reason why a batch was set aside is cut after this many bytes.
pub const MAX_REASON_BYTES: usize = 4096;

/// The limits of one queue. Each process that opens a queue brings its own; the defaults suit a
/// till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// See [`MAX_BYTES`].
    pub max_bytes: u64,
    /// See [`MAX_BATCHES`].
    pub max_batches: u64,
    /// See [`MAX_MESSAGE_BYTES`]; values above [`HARD_MAX_MESSAGE_BYTES`] count as that.
    pub max_message_bytes: u64,
    /// See [`MAX_BATCH_MESSAGES`].
    pub max_batch_messages: u32,
    /// See [`RESERVE_BYTES`].
    pub reserve_bytes: u64,
    /// See [`MAX_TRIES`]; zero counts as one.
    pub max_tries: u32,
    /// See [`MAX_ASIDE_BATCHES`].
    pub max_aside_batches: usize,
    /// See [`MAX_ASIDE_BYTES`].
    pub max_aside_bytes: u64,
    /// See [`LOCK_WAIT`].
    pub lock_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: MAX_BYTES,
            max_batches: MAX_BATCHES,
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_batch_messages: MAX_BATCH_MESSAGES,
            reserve_bytes: RESERVE_BYTES,
            max_tries: MAX_TRIES,
            max_aside_batches: MAX_ASIDE_BATCHES,
            max_aside_bytes: MAX_ASIDE_BYTES,
            lock_wait: LOCK_WAIT,
        }
    }
}

impl Limits {
    /// The limits as they are kept: settings that make no sense become the nearest one that does.
    #[must_use]
    pub(crate) fn kept(mut self) -> Self {
        self.max_message_bytes = self.max_message_bytes.min(HARD_MAX_MESSAGE_BYTES);
        self.max_tries = self.max_tries.max(1);
        self
    }
}

/// Which limit a put ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::max_bytes`].
    Bytes,
    /// [`Limits::max_batches`].
    Batches,
    /// [`Limits::max_message_bytes`].
    MessageBytes,
    /// [`Limits::max_batch_messages`].
    BatchMessages,
    /// [`MAX_HEADER_BYTES`].
    HeaderBytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes in the queue",
            Self::Batches => "batches in the queue",
            Self::MessageBytes => "bytes of a message",
            Self::BatchMessages => "messages in a batch",
            Self::HeaderBytes => "bytes of attributes",
        })
    }
}
