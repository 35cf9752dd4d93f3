//! The queue as a process sees it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fs_err as fs;

use crate::batch::{BatchWriter, Committed, NewMessage};
use crate::check::{check_batch, read_manifest};
use crate::claim::Claim;
use crate::disk::{self, Disk};
use crate::error::QueueError;
use crate::folders::{Depth, FORMAT_FILE, Folders};
use crate::format::{Attributes, ReadError};
use crate::limits::Limits;
use crate::lock::FolderLock;
use crate::name::{BatchName, QueueName, Sequence};

/// A batch that [`Queue::next`] set aside on its way to a sound one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// What its producer said of it as a whole; none where its manifest does not read.
    pub attributes: Option<Attributes>,
    /// Why.
    pub reason: String,
}

/// One queue on disk. Cheap to clone; any number of these, in any number of processes, may work on
/// one folder.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) folders: Arc<Folders>,
}

impl Queue {
    /// Opens the queue `name` under `root`, creating it if needed, and takes away what dead
    /// processes left half done. Reads no batch: opening takes the same time and memory whatever
    /// waits.
    pub fn open(root: &Path, name: &QueueName, limits: Limits) -> Result<Self, QueueError> {
        Self::open_on(disk::of_this_machine(), root, name, limits)
    }

    /// [`Self::open`] on a given [`Disk`].
    pub fn open_on(disk: Arc<dyn Disk>, root: &Path, name: &QueueName, limits: Limits) -> Result<Self, QueueError> {
        let queue = Self::over(disk, root, name, limits);
        queue.folders.prepare()?;
        Ok(queue)
    }

    /// Opens a queue that is there already, and changes nothing by that.
    pub fn open_existing(root: &Path, name: &QueueName, limits: Limits) -> Result<Self, QueueError> {
        let queue = Self::over(disk::of_this_machine(), root, name, limits);
        if !queue.folders.folder.join(FORMAT_FILE).is_file() {
            return Err(QueueError::NoSuchQueue { root: root.to_path_buf(), queue: name.to_string() });
        }
        queue.folders.check_format(false)?;
        Ok(queue)
    }

    fn over(disk: Arc<dyn Disk>, root: &Path, name: &QueueName, limits: Limits) -> Self {
        let folder = root.join(name.as_str());
        Self {
            folders: Arc::new(Folders {
                queue: name.clone(),
                folder,
                limits: limits.kept(),
                disk,
                given: Mutex::default(),
            }),
        }
    }

    /// The names of all queues under `root`, in order. A root that is not there yet has none.
    pub fn names(root: &Path) -> Result<Vec<QueueName>, QueueError> {
        let failed =
            |source| QueueError::Io { action: "list the file queues under", folder: root.to_path_buf(), source };
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.path().join(FORMAT_FILE).is_file() {
                names.extend(entry.file_name().to_str().and_then(|name| name.parse::<QueueName>().ok()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The name of this queue.
    pub fn name(&self) -> &QueueName {
        &self.folders.queue
    }

    /// The limits this handle keeps.
    pub fn limits(&self) -> &Limits {
        &self.folders.limits
    }

    /// The folder whose change means that a batch may have come: for a consumer that watches
    /// instead of asking.
    pub fn ready_folder(&self) -> PathBuf {
        self.folders.ready()
    }

    /// Begins a batch. Nothing of it is seen before [`BatchWriter::commit`].
    ///
    /// Refused with [`QueueError::Full`] where the queue has no room for even an empty batch.
    pub fn begin_batch(&self) -> Result<BatchWriter, QueueError> {
        BatchWriter::begin(Arc::clone(&self.folders))
    }

    /// Puts one message: a batch of one.
    pub fn put(&self, message: NewMessage, body: &[u8]) -> Result<Committed, QueueError> {
        let mut batch = self.begin_batch()?;
        batch.put(message, body)?;
        batch.commit()
    }

    /// Claims the first batch that nobody works on, or `None`. Every byte of it was read and found
    /// sound.
    ///
    /// Damaged batches, strays, and batches that were handed out [`Limits::max_tries`] times are
    /// set aside on the way. A try is counted durably before the batch is handed out, so a batch
    /// that kills its consumer, or the machine, ends aside too. Never waits for a batch to come.
    pub fn next(&self) -> Result<Option<Claim>, QueueError> {
        self.next_telling(|_| {})
    }

    /// [`Self::next`], which tells each batch that it sets aside: for a consumer whose producer
    /// waits to hear of it. A process that dies in between has told nobody.
    pub fn next_telling(&self, mut told: impl FnMut(SetAside)) -> Result<Option<Claim>, QueueError> {
        while let Some((name, lock)) = self.claim_first(&mut told)? {
            match check_batch(&self.folders.ready_batch(name), name) {
                Ok(header) => return Ok(Some(Claim::new(Arc::clone(&self.folders), name, header, lock))),
                Err(fault) => match fault.error {
                    ReadError::Damage(damage) => {
                        let reason = format!("{}: {damage}", fault.file);
                        let attributes = self.attributes(name);
                        let queue_lock = self.folders.lock()?;
                        self.folders.set_aside(name, &reason, &queue_lock)?;
                        drop(queue_lock);
                        told(SetAside { sequence: name.sequence, attributes, reason });
                    }
                    // The try is counted: a file that the disk cannot read ends aside like any
                    // other.
                    ReadError::Io(source) => return Err(self.folders.failed("read a batch of file queue")(source)),
                },
            }
        }
        Ok(None)
    }

    /// What the producer of a ready batch said of it, where its manifest reads.
    fn attributes(&self, name: BatchName) -> Option<Attributes> {
        read_manifest(&self.folders.ready_batch(name)).ok().map(|header| header.attributes)
    }

    /// Claims the first free batch, unread, one try counted.
    fn claim_first(&self, told: &mut impl FnMut(SetAside)) -> Result<Option<(BatchName, FolderLock)>, QueueError> {
        let folders = &*self.folders;
        let failed = folders.failed("claim a batch of file queue");
        let queue_lock = folders.lock()?;
        let mut after = None;
        loop {
            let (batches, strays) = folders.first_ready(after).map_err(&failed)?;
            for stray in strays {
                if let Err(error) = folders.set_stray_aside(&stray, &queue_lock) {
                    tracing::warn!(queue = %folders.queue, %error, "failed to set a stray aside; going on without");
                }
            }
            if batches.is_empty() {
                return Ok(None);
            }
            for name in batches {
                after = Some(name);
                let lock = match FolderLock::attempt(&folders.ready_batch(name), &queue_lock) {
                    Ok(Some(lock)) => lock,
                    Ok(None) => continue,
                    Err(error) => {
                        // One folder without rights must not hold up the others.
                        tracing::warn!(queue = %folders.queue, %error, "failed to claim a batch; going on with the next");
                        continue;
                    }
                };
                if name.tries >= folders.limits.max_tries {
                    let reason = format!("handed out {} times, and its consumer never finished it", name.tries);
                    let attributes = self.attributes(name);
                    folders.set_aside(name, &reason, &queue_lock)?;
                    told(SetAside { sequence: name.sequence, attributes, reason });
                    continue;
                }
                let tried = BatchName { tries: name.tries + 1, ..name };
                folders.disk.rename(&folders.ready_batch(name), &folders.ready_batch(tried)).map_err(&failed)?;
                fail::fail_point!("queue::try_counted");
                folders.disk.sync_dir(&folders.ready()).map_err(&failed)?;
                fail::fail_point!("queue::claimed");
                return Ok(Some((tried, lock)));
            }
        }
    }

    /// What waits in the queue, by one listing of names.
    pub fn depth(&self) -> Result<Depth, QueueError> {
        let _lock = self.folders.lock()?;
        let (depth, _) = Folders::count(&self.folders.ready()).map_err(self.folders.failed("count file queue"))?;
        Ok(depth)
    }

    /// What lies aside, by one listing of names; strays do not count.
    pub fn aside_depth(&self) -> Result<Depth, QueueError> {
        let _lock = self.folders.lock()?;
        let (depth, _) = Folders::count(&self.folders.aside()).map_err(self.folders.failed("count file queue"))?;
        Ok(depth)
    }
}
