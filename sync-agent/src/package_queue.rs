//! The file queue of packages between whoever puts them in and the loader. One batch is one
//! package, visible all at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_exchangers::package::{self, PackageError, PackageReader};
use tillway_file_queue::{Claim, Limits, NewMessage, Queue, QueueError, QueueName, SetAside};
use tillway_proto::{PackageLink, Revision};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Its name below `filequeueroot`.
const NAME: &str = "dictionary";

/// Content type of the messages in it.
const CONTENT_TYPE: &str = "application/vnd.tillway.package-part";

/// Attribute of a batch: the link it came by, as JSON.
pub(crate) const LINK_ATTRIBUTE: &str = "link";

/// Why a package is not in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the downloaded package does not read")]
    Package(#[source] PackageError),
    #[error("failed to put the package into the file queue")]
    Queue(#[source] QueueError),
    #[error("failed to write the link into the file queue")]
    Attribute(#[source] serde_json::Error),
}

/// The queue. Cheap to clone; calls block on the disk.
#[derive(Debug, Clone)]
pub(crate) struct PackageQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Queue,
    /// The revision at which the last batch ends that this process put in; 0 where it put none.
    put_to: AtomicU64,
    /// The batch that was just put into the empty queue, for the loader, which takes it first.
    at_hand: Mutex<Option<Claim>>,
    /// Something may wait.
    poke: Notify,
    /// A batch came to its end.
    ended: Notify,
}

impl PackageQueue {
    /// Opens it below `root`, with so much of the disk left free.
    pub(crate) fn open(root: &Path, reserve_bytes: u64) -> Result<Self, QueueError> {
        let limits = Limits { reserve_bytes, ..Limits::default() };
        let files = Queue::open(root, &NAME.parse::<QueueName>()?, limits)?;
        Ok(Self(Arc::new(Inner {
            files,
            put_to: AtomicU64::new(0),
            at_hand: Mutex::default(),
            poke: Notify::new(),
            ended: Notify::new(),
        })))
    }

    /// It without an agent; [`QueueError::NoSuchQueue`] where there is none.
    pub(crate) fn open_existing(root: &Path) -> Result<Queue, QueueError> {
        Queue::open_existing(root, &NAME.parse()?, Limits::default())
    }

    /// The queue on disk, for what lies aside in it and for its depth.
    pub(crate) fn files(&self) -> &Queue {
        &self.0.files
    }

    /// Whether any batch waits.
    pub(crate) fn waits(&self) -> bool {
        self.0.files.depth().is_ok_and(|depth| depth.batches > 0)
    }

    /// The revision at which the last batch ends that this process put in.
    pub(crate) fn put_to(&self) -> Option<Revision> {
        Some(self.0.put_to.load(Ordering::SeqCst)).filter(|to| *to > 0).map(Revision)
    }

    /// Puts a package in, so many objects a message.
    pub(crate) fn put(&self, link: &PackageLink, file: &Path, chunk_objects: u64) -> Result<(), PutError> {
        let reader = PackageReader::open(file, &link.package).map_err(PutError::Package)?;
        let chunk = u32::try_from(chunk_objects).unwrap_or(u32::MAX);
        let messages = package::messages(reader, chunk).map_err(PutError::Package)?;
        let mut batch = self.0.files.begin_batch().map_err(PutError::Queue)?;
        batch.set_attribute(LINK_ATTRIBUTE, serde_json::to_string(link).map_err(PutError::Attribute)?);
        for body in messages {
            let body = body.map_err(PutError::Package)?;
            batch.put(NewMessage::new(CONTENT_TYPE), &body).map_err(PutError::Queue)?;
        }
        fail::fail_point!("enqueue::messages_put");
        // Before the batch is seen: a higher mark than there is only makes a link look older until
        // the queue is empty. A process that ends here forgets it: the link was not acknowledged,
        // comes again, and the loader skips what it has.
        self.0.put_to.store(link.to.0, Ordering::SeqCst);
        let (_, claim) = batch.commit_and_claim().map_err(PutError::Queue)?;
        if claim.is_some() {
            *self.at_hand() = claim;
        }
        fail::fail_point!("enqueue::batch_committed");
        Ok(())
    }

    /// The next batch to work on; tells of each that the queue sets aside meanwhile.
    pub(crate) fn next(&self, set_aside: impl FnMut(SetAside)) -> Result<Option<Claim>, QueueError> {
        let at_hand = self.at_hand().take();
        match at_hand {
            Some(claim) => Ok(Some(claim)),
            None => self.0.files.next_telling(set_aside),
        }
    }

    /// Has the loader look.
    pub(crate) fn poke(&self) {
        self.0.poke.notify_one();
    }

    /// Waits until somebody has it look.
    pub(crate) async fn poked(&self) {
        self.0.poke.notified().await;
    }

    /// A batch came to its end.
    pub(crate) fn note_end(&self) {
        self.0.ended.notify_waiters();
    }

    /// Waits until one does, from when it is enabled.
    pub(crate) fn next_end(&self) -> Notified<'_> {
        self.0.ended.notified()
    }

    fn at_hand(&self) -> MutexGuard<'_, Option<Claim>> {
        self.0.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
