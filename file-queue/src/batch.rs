//! How a batch gets into the queue.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use fs_err as fs;
use jiff::Timestamp;
use uuid::Uuid;

use crate::check::{MANIFEST_FILE, message_file};
use crate::claim::Claim;
use crate::error::QueueError;
use crate::folders::{Depth, Folders};
use crate::format::{self, Attributes, BatchHeader, MessageHeader};
use crate::limits::{Limit, MAX_HEADER_BYTES};
use crate::lock::FolderLock;
use crate::name::{BatchName, Sequence};

/// Files that are written before the first of them is synced: the disk takes small ones together.
const SYNCED_TOGETHER: usize = 4;

/// A message of more bytes is synced at once, so that what waits in memory is bounded.
const SYNCED_AT_ONCE_BYTES: u64 = 256 * 1024;

/// A message to be put, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Same in every try of the producer, for a consumer that looks for doubles.
    pub id: Uuid,
    /// What the body is.
    pub content_type: String,
    /// What else is to be said of it.
    pub attributes: Attributes,
}

impl NewMessage {
    /// A message with an id of its own and no attributes.
    #[must_use]
    pub fn new(content_type: impl Into<String>) -> Self {
        Self { id: Uuid::now_v7(), content_type: content_type.into(), attributes: Attributes::new() }
    }

    /// The same with one attribute more.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

/// A batch that is in the queue, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// Its id.
    pub id: Uuid,
    /// How many messages it has.
    pub messages: u32,
    /// Bytes of its message files.
    pub bytes: u64,
}

/// A batch being written. Each message goes to disk as it comes; memory holds one at a time.
/// Dropped without [`Self::commit`], the batch leaves nothing behind.
///
/// After any failed [`Self::put`] the batch is incomplete and can only be dropped.
#[derive(Debug)]
pub struct BatchWriter {
    folders: Arc<Folders>,
    staging: PathBuf,
    lock: Option<FolderLock>,
    /// What waited when the batch was begun; looked at again in commit.
    waiting: Depth,
    header: BatchHeader,
    /// Files that are written and not synced yet.
    unsynced: Vec<fs::File>,
    failed: bool,
    committed: bool,
}

impl BatchWriter {
    pub(crate) fn begin(folders: Arc<Folders>) -> Result<Self, QueueError> {
        let queue_lock = folders.lock()?;
        let (waiting, _) = Folders::count(&folders.ready()).map_err(folders.failed("count file queue"))?;
        refuse_full(&folders, waiting, 0)?;
        refuse_without_room(&folders, 0)?;
        let id = Uuid::now_v7();
        let staging = folders.staging().join(id.simple().to_string());
        let failed = folders.failed("begin a batch in file queue");
        folders.disk.create_dir(&staging).map_err(&failed)?;
        let lock = FolderLock::attempt(&staging, &queue_lock).map_err(&failed)?;
        drop(failed);
        drop(queue_lock);
        let header = BatchHeader {
            id,
            created: Timestamp::now(),
            messages: 0,
            bytes: 0,
            content_type: String::new(),
            attributes: Attributes::new(),
        };
        Ok(Self { folders, staging, lock, waiting, header, unsynced: Vec::new(), failed: false, committed: false })
    }

    /// The id of the batch.
    pub fn id(&self) -> Uuid {
        self.header.id
    }

    /// Says something of the batch as a whole; the last value of a name counts.
    pub fn set_attribute(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.header.attributes.insert(name.into(), value.into());
    }

    /// Adds a message: written, and synced before the commit at the latest; not yet seen by
    /// anybody.
    pub fn put(&mut self, message: NewMessage, body: &[u8]) -> Result<(), QueueError> {
        if self.failed {
            return Err(self.incomplete());
        }
        // Until it is there, it is missing: no early return may leave a batch that could be
        // committed.
        self.failed = true;
        self.stage(message, body)?;
        self.failed = false;
        Ok(())
    }

    fn stage(&mut self, message: NewMessage, body: &[u8]) -> Result<(), QueueError> {
        let limits = &self.folders.limits;
        let index = self.header.messages;
        let body_bytes = body.len() as u64;
        self.refuse_large(Limit::MessageBytes, body_bytes, limits.max_message_bytes)?;
        self.refuse_large(Limit::BatchMessages, u64::from(index) + 1, limits.max_batch_messages.into())?;
        let NewMessage { id, content_type, attributes } = message;
        let header =
            MessageHeader { id, batch: self.header.id, index, created: Timestamp::now(), content_type, attributes };
        let sealed = format::seal(&header, body).map_err(|asked| self.large_header(asked))?;
        let bytes = self.header.bytes.saturating_add(sealed.file_bytes);
        self.refuse_large(Limit::Bytes, bytes, limits.max_bytes)?;
        refuse_full(&self.folders, self.waiting, bytes)?;
        refuse_without_room(&self.folders, sealed.file_bytes)?;
        self.write(&message_file(index), &[&sealed.head, body, &sealed.seal])?;
        if index == 0 {
            self.header.content_type = header.content_type;
        }
        self.header.messages += 1;
        self.header.bytes = bytes;
        if self.unsynced.len() >= SYNCED_TOGETHER || sealed.file_bytes > SYNCED_AT_ONCE_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Shows the batch to consumers, all of it at once. After `Ok` it survives a power cut.
    ///
    /// After an error it is not in the queue. One exception: where the disk fails in the very last
    /// sync, and then in taking the batch back or by a power cut, it may be there; consumers must
    /// bear a batch that comes twice anyway.
    pub fn commit(self) -> Result<Committed, QueueError> {
        self.show(false).map(|(committed, _)| committed)
    }

    /// [`Self::commit`], and where nothing else waits the batch is handed out at once, its first
    /// try counted in the same step: for a producer whose consumer is in the same process.
    pub fn commit_and_claim(self) -> Result<(Committed, Option<Claim>), QueueError> {
        self.show(true)
    }

    fn show(mut self, claims: bool) -> Result<(Committed, Option<Claim>), QueueError> {
        if self.failed {
            return Err(self.incomplete());
        }
        let manifest = format::seal(&self.header, &[]).map_err(|asked| self.large_header(asked))?;
        self.write(MANIFEST_FILE, &[&manifest.head, &manifest.seal])?;
        self.sync()?;
        let folders = Arc::clone(&self.folders);
        let failed = folders.failed("commit a batch to file queue");
        folders.disk.sync_dir(&self.staging).map_err(&failed)?;

        let queue_lock = folders.lock()?;
        let (waiting, highest) = Folders::count(&folders.ready()).map_err(&failed)?;
        refuse_full(&folders, waiting, self.header.bytes)?;
        fail::fail_point!("queue::batch_synced");
        let sequence = folders.next_sequence(highest, &queue_lock)?;
        fail::fail_point!("queue::sequence_noted");
        let BatchHeader { id, messages, bytes, .. } = self.header;
        let claims = claims && waiting.batches == 0;
        let name = BatchName { sequence, messages, bytes, tries: u32::from(claims) };
        let ready = folders.ready_batch(name);
        folders.disk.rename(&self.staging, &ready).map_err(&failed)?;
        fail::fail_point!("queue::renamed_to_ready");
        // The queue lock keeps consumers away until the name is durable, and the folder lock is
        // gone before they come.
        let synced = folders.disk.sync_dir(&folders.ready()).and_then(|()| folders.disk.sync_dir(&folders.staging()));
        if let Err(error) = synced {
            if let Err(error) = folders.disk.rename(&ready, &self.staging) {
                tracing::warn!(queue = %folders.queue, %sequence, %error, "failed to take back a batch whose commit failed");
                self.committed = true;
            }
            return Err(failed(error));
        }
        fail::fail_point!("queue::committed");
        self.committed = true;
        let lock = self.lock.take();
        let claim =
            lock.filter(|_| claims).map(|lock| Claim::new(Arc::clone(&folders), name, self.header.clone(), lock));
        drop(queue_lock);
        Ok((Committed { sequence, id, messages, bytes }, claim))
    }

    fn write(&mut self, name: &str, parts: &[&[u8]]) -> Result<(), QueueError> {
        let disk = &self.folders.disk;
        let written = disk.create_file(&self.staging.join(name)).and_then(|mut file| {
            parts.iter().try_for_each(|part| disk.write(&mut file, part))?;
            fail::fail_point!("queue::message_written");
            Ok(file)
        });
        self.unsynced.push(written.map_err(self.folders.failed("write a message to file queue"))?);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), QueueError> {
        let mut unsynced = self.unsynced.drain(..).filter(|_| is_synced());
        let synced = unsynced.try_for_each(|file| self.folders.disk.sync_file(&file));
        synced.map_err(self.folders.failed("write a message to file queue"))
    }

    fn incomplete(&self) -> QueueError {
        QueueError::BatchFailed { queue: self.folders.queue.to_string() }
    }

    fn large_header(&self, asked: u64) -> QueueError {
        let queue = self.folders.queue.to_string();
        QueueError::TooLarge { queue, limit: Limit::HeaderBytes, asked, max: MAX_HEADER_BYTES }
    }

    fn refuse_large(&self, limit: Limit, asked: u64, max: u64) -> Result<(), QueueError> {
        if asked <= max {
            return Ok(());
        }
        Err(QueueError::TooLarge { queue: self.folders.queue.to_string(), limit, asked, max })
    }
}

/// Whether a test leaves the syncs of messages out, which must be noticed.
fn is_synced() -> bool {
    fail::fail_point!("without::queue_sync", |_| false);
    true
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        // Still under the folder lock, so nobody else takes it for dead meanwhile.
        match fs::symlink_metadata(&self.staging).and_then(|_| self.folders.disk.remove_dir_all(&self.staging)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(queue = %self.folders.queue, %error, "failed to remove a batch that was not committed; tried again at the next start");
            }
            _ => {}
        }
    }
}

/// Bytes more on a disk that must keep its reserve free. One that does not tell is asked by the
/// write itself.
fn refuse_without_room(folders: &Folders, asked: u64) -> Result<(), QueueError> {
    let reserve = folders.limits.reserve_bytes;
    match folders.disk.free_bytes(&folders.folder) {
        Ok(free) if free < reserve.saturating_add(asked) => {
            Err(QueueError::NoRoom { queue: folders.queue.to_string(), free, asked, reserve })
        }
        _ => Ok(()),
    }
}

/// One batch more, of `bytes`, on top of what waits.
pub(crate) fn refuse_full(folders: &Folders, waiting: Depth, bytes: u64) -> Result<(), QueueError> {
    let limits = &folders.limits;
    for (limit, present, asked, max) in [
        (Limit::Batches, waiting.batches, 1, limits.max_batches),
        (Limit::Bytes, waiting.bytes, bytes, limits.max_bytes),
    ] {
        if present.saturating_add(asked) > max {
            return Err(QueueError::Full { queue: folders.queue.to_string(), limit, present, asked, max });
        }
    }
    Ok(())
}
