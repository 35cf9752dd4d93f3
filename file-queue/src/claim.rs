//! A batch in the hands of its consumer.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::check::{Fault, message_file, open_message};
use crate::error::QueueError;
use crate::folders::Folders;
use crate::format::{Attributes, BatchHeader, MessageHeader, ReadError};
use crate::lock::FolderLock;
use crate::name::{BatchName, Sequence};

/// A message with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says of itself.
    pub header: MessageHeader,
    /// Its body, as it was put.
    pub body: Vec<u8>,
}

/// A whole batch, claimed: no other consumer gets it until this claim ends. It ends with one of
/// [`Self::ack`], [`Self::release`], [`Self::put_back`], [`Self::set_aside`]; dropped without a
/// word it is released; with the death of the process it is free.
#[derive(Debug)]
pub struct Claim {
    folders: Arc<Folders>,
    name: BatchName,
    header: BatchHeader,
    /// Held as long as the claim; last of the fields that matter, since dropping it frees the
    /// batch.
    _lock: FolderLock,
    ended: bool,
}

impl Claim {
    pub(crate) fn new(folders: Arc<Folders>, name: BatchName, header: BatchHeader, lock: FolderLock) -> Self {
        Self { folders, name, header, _lock: lock, ended: false }
    }

    /// The batch's place in the queue.
    pub fn sequence(&self) -> Sequence {
        self.name.sequence
    }

    /// The id its producer gave it.
    pub fn id(&self) -> Uuid {
        self.header.id
    }

    /// When it was begun, by the producer's clock.
    pub fn created(&self) -> Timestamp {
        self.header.created
    }

    /// What its producer said of it as a whole.
    pub fn attributes(&self) -> &Attributes {
        &self.header.attributes
    }

    /// How many messages it holds; may be none.
    pub fn message_count(&self) -> u32 {
        self.header.messages
    }

    /// Bytes of its message files.
    pub fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// How often it was handed out, this time included.
    pub fn tries(&self) -> u32 {
        self.name.tries
    }

    /// Its messages in the order in which they were put; each is read and checked when asked for,
    /// one in memory at a time. May be called again to start over.
    ///
    /// An error here is rare, since [`crate::Queue::next`] has just read all of it: the disk
    /// failed or changed something since. [`Self::release`] then: the next claim checks again, and
    /// sets aside what is damaged.
    pub fn messages(&self) -> Messages<'_> {
        Messages { claim: self, next: 0 }
    }

    /// The batch is done: removed, durably, after `Ok`. After an error it may come again.
    pub fn ack(mut self) -> Result<(), QueueError> {
        self.ended = true;
        let queue_lock = self.folders.lock()?;
        let gone = self
            .folders
            .discard(&self.folder(), &queue_lock)
            .map_err(self.folders.failed("remove a batch of file queue"))?;
        drop(queue_lock);
        fail::fail_point!("queue::acknowledged");
        self.folders.purge(&gone);
        fail::fail_point!("queue::purged");
        Ok(())
    }

    /// Not this time: the batch is free at once, in its old place, its try counted. If that was
    /// its last try, it is set aside with `reason`.
    pub fn release(mut self, reason: &str) -> Result<(), QueueError> {
        self.ended = true;
        self.end_try(reason)
    }

    /// As if it had not been claimed: free at once, the try not counted. For a consumer that has
    /// to stop.
    pub fn put_back(mut self) -> Result<(), QueueError> {
        self.ended = true;
        let failed = self.folders.failed("put back a batch of file queue");
        let untried = BatchName { tries: self.name.tries.saturating_sub(1), ..self.name };
        let _queue_lock = self.folders.lock()?;
        self.folders.disk.rename(&self.folder(), &self.folders.ready_batch(untried)).map_err(&failed)?;
        self.folders.disk.sync_dir(&self.folders.ready()).map_err(&failed)
    }

    /// Never again: the batch goes to `aside/` with `reason`, where a person finds it.
    pub fn set_aside(mut self, reason: &str) -> Result<(), QueueError> {
        self.ended = true;
        let queue_lock = self.folders.lock()?;
        self.folders.set_aside(self.name, reason, &queue_lock)
    }

    fn end_try(&self, reason: &str) -> Result<(), QueueError> {
        if self.name.tries < self.folders.limits.max_tries {
            // The try was counted when it was handed out; freeing the lock is all there is to do.
            tracing::info!(queue = %self.folders.queue, sequence = %self.name.sequence, tries = self.name.tries, reason, "batch released");
            return Ok(());
        }
        let reason = format!("given up after {} tries, the last: {reason}", self.name.tries);
        let queue_lock = self.folders.lock()?;
        self.folders.set_aside(self.name, &reason, &queue_lock)
    }

    fn folder(&self) -> PathBuf {
        self.folders.ready_batch(self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(error) = self.end_try("its consumer dropped it without a word") {
            tracing::warn!(queue = %self.folders.queue, sequence = %self.name.sequence, %error, "failed to release a batch");
        }
    }
}

/// The messages of a claimed batch, in order. Ends after the first error.
#[derive(Debug)]
pub struct Messages<'a> {
    claim: &'a Claim,
    next: u32,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, QueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.claim.header.messages {
            return None;
        }
        let index = self.next;
        let folder = self.claim.folder();
        let read = open_message(&folder, &self.claim.header, index).and_then(|opened| {
            let file = message_file(index);
            opened.body().map_err(|error| Fault { path: folder.join(&file), file, error })
        });
        self.next = if read.is_ok() { index + 1 } else { self.claim.header.messages };
        Some(match read {
            Ok((header, body)) => Ok(Message { header, body }),
            Err(Fault { path, error: ReadError::Damage(damage), .. }) => Err(QueueError::Damaged { path, damage }),
            Err(Fault { error: ReadError::Io(source), .. }) => {
                Err(self.claim.folders.failed("read a message of file queue")(source))
            }
        })
    }
}
