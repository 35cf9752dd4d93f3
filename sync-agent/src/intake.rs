//! A link to a package, from the broker's message to the file queue (or straight into the
//! dictionary).
//!
//! Every way through here ends with a state of the delivery that the server is told.

use crate::decide::{Have, LinkStep, on_link};
use crate::download::{DownloadError, DownloadLimits, Downloader};
use crate::load;
use crate::retry::Backoff;
use crate::room::{self, NoRoom};
use crate::settings::reader::in_url;
use crate::till::Till;
use crate::{backup, error};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::package::{self, PackageError, PackageReader};
use tillway_exchangers::till::dictionary::load_bytes;
use tillway_file_queue::{NewMessage, QueueError};
use tillway_proto::{DeliveryState, PackageLink, RejectCause};

/// Content type of the messages in the file queue.
const CONTENT_TYPE: &str = "application/vnd.tillway.package-part";

/// Attribute of a batch: the link it came by, as JSON.
pub(crate) const LINK_ATTRIBUTE: &str = "link";

/// How often a full file queue, or a disk without room, is tried again before the link is given
/// back: the loader takes a batch in seconds, and with each there is more room.
const MAX_FULL_TRIES: u32 = 10;

/// A step on the way that is over sooner is neither noted nor told: the next one says more, and
/// each takes a commit, a look at all that the till has, and the server's time, from the very load
/// that it speaks of.
const STEP_LASTS: Duration = Duration::from_millis(200);

/// Why a link did not get into the queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the link `{link}` is no path")]
    Link { link: String },
    #[error("download failed")]
    Download(#[source] DownloadError),
    #[error("the downloaded package does not read")]
    Package(#[source] PackageError),
    #[error("the package goes from revision {from} to {to}, the link says otherwise")]
    Range { from: u64, to: u64 },
    #[error("failed to put the package into the file queue")]
    Queue(#[source] QueueError),
    #[error("failed to write the link into the file queue")]
    Attribute(#[source] serde_json::Error),
    #[error(transparent)]
    Room(NoRoom),
    #[error("the work was broken off")]
    Aborted(#[source] error::Aborted),
}

impl IntakeError {
    fn cause(&self) -> RejectCause {
        match self {
            Self::Download(error) => error.cause(),
            Self::Package(error) if !matches!(error, PackageError::Io { .. }) => RejectCause::Content,
            Self::Link { .. } | Self::Range { .. } => RejectCause::Content,
            Self::Package(_) | Self::Queue(_) | Self::Attribute(_) | Self::Room(_) | Self::Aborted(_) => {
                RejectCause::Transport
            }
        }
    }

    /// Whether it may be gone once the loader has taken a batch.
    fn passes_with_a_load(&self) -> bool {
        matches!(self, Self::Queue(QueueError::Full { .. } | QueueError::NoRoom { .. }) | Self::Room(_))
    }
}

/// Takes a link to its end.
pub(crate) async fn take(till: &Arc<Till>, link: PackageLink) {
    let step = till.blocking({
        let link = link.clone();
        move |till| on_link(&link, have(till, &link))
    });
    let step = step.await.unwrap_or(LinkStep::Fetch);
    tracing::info!(delivery = %link.delivery, package = link.package.short(), from = %link.from, to = %link.to, ?step, "the server announced a package");
    if step == LinkStep::Fetch {
        return fetch(till, link).await;
    }
    let noted = till.blocking(move |till| match step {
        // Why it was rejected was told the first time; if that report was lost, the next delivery
        // tells it again.
        LinkStep::Repeat(DeliveryState::Rejected) => {
            till.note_rejected(&link, RejectCause::Transport, "this link was rejected before".to_owned());
        }
        LinkStep::Repeat(state) => till.note_delivery(&link, state, Some("this link came before".to_owned())),
        LinkStep::Older => {
            let reason = "the till is further already".to_owned();
            till.note_delivery(&link, DeliveryState::Superseded, Some(reason));
        }
        LinkStep::Gap { have } => {
            let reason = format!("gap: the package starts at revision {}, the till is at {have}", link.from);
            till.note_rejected(&link, RejectCause::Gap, reason);
        }
        LinkStep::Fetch => {}
    });
    let _ = noted.await;
}

fn have(till: &Till, link: &PackageLink) -> Have {
    let cursor = till.cursor();
    let waits = till.queue.depth().is_ok_and(|depth| depth.batches > 0);
    // What this process put last is the end of the queue; what was noted may be of an earlier
    // time, above or below it.
    let noted = || till.state.queued_to().unwrap_or_default();
    let queued_to = if waits { till.queued_to().or_else(noted) } else { None };
    let seen = till.state.delivery(link.delivery).ok().flatten().map(|seen| seen.state);
    Have { cursor, queued_to, seen }
}

async fn note(till: &Arc<Till>, link: PackageLink, state: DeliveryState) {
    let _ = till.blocking(move |till| till.note_delivery(&link, state, None)).await;
}

async fn reject(till: &Arc<Till>, link: PackageLink, error: &IntakeError) {
    let (cause, reason) = (error.cause(), error::chain(error));
    let _ = till.blocking(move |till| till.note_rejected(&link, cause, reason)).await;
}

async fn fetch(till: &Arc<Till>, link: PackageLink) {
    let straight = {
        let settings = till.settings.current();
        !settings.load.through_queue || settings.load.script.is_some()
    };
    let file = match download(till, &link).await {
        Ok(file) => file,
        Err(error) => {
            till.failed("a package was not taken", &error);
            return reject(till, link, &error).await;
        }
    };
    if straight {
        let (checked, of) = (file.clone(), link.clone());
        match till
            .blocking(move |_| check(&of, &checked))
            .await
            .unwrap_or_else(|error| Err(IntakeError::Aborted(error)))
        {
            Ok(()) => {
                note(till, link.clone(), DeliveryState::Downloaded).await;
                load::straight(till, &link, &file).await;
                put_away(till, &link, file).await;
            }
            Err(error) => not_taken(till, link, &file, &error).await,
        }
        return;
    }
    if let Err(error) = enqueue(till, &link, &file).await {
        return not_taken(till, link, &file, &error).await;
    }
    // A task of its own: the batch is in the queue, also where the session with the broker ends
    // now.
    let queued = tokio::spawn(follow(Arc::clone(till), link, file));
    let _ = queued.await;
}

/// What is to be done with a package in the file queue, once the loader has begun.
async fn follow(till: Arc<Till>, link: PackageLink, file: PathBuf) {
    let mut ended = pin!(till.load_ended.notified());
    ended.as_mut().enable();
    till.loader_poke.notify_one();
    // Where the loader is quicker, the end of the delivery stands, and this is no news any more.
    // The link is acknowledged afterwards: until then it comes again, whatever happens here.
    let _ = tokio::time::timeout(STEP_LASTS, ended).await;
    put_away(&till, &link, file).await;
    let _ = till.blocking(move |till| till.note_queued(&link)).await;
    fail::fail_point!("enqueue::delivery_noted");
}

async fn not_taken(till: &Arc<Till>, link: PackageLink, file: &Path, error: &IntakeError) {
    till.failed("a package did not get into the file queue", error);
    remove(file);
    reject(till, link, error).await;
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(%error, "failed to remove a download");
    }
}

/// At once, without a wait that would spread a fleet: a price is on the shelf within a second, and
/// a wait that spares a server whose line is full with 10,000 packages would have to be minutes.
/// It serves a bounded number of connections, the others wait for theirs, and what comes to
/// nothing is tried again after growing waits with jitter.
async fn download(till: &Arc<Till>, link: &PackageLink) -> Result<PathBuf, IntakeError> {
    let settings = till.settings.current();
    // A link is a path on the package host that the settings name, and leads nowhere else.
    if !link.link.starts_with('/') || link.link.starts_with("//") || link.link.chars().any(char::is_control) {
        return Err(IntakeError::Link { link: link.link.clone() });
    }
    {
        let link = link.clone();
        let room = till.blocking(move |till| room_for(till, &link)).await.map_err(IntakeError::Aborted)?;
        room.map_err(IntakeError::Room)?;
    }
    let url = format!("http://{}:{}{}", in_url(&settings.packages.host), settings.packages.port, link.link);
    downloader(till)?.fetch(&url, &link.package, link.bytes).await.map_err(IntakeError::Download)
}

/// Whether it is what the link says, to the last record.
fn check(link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
    let header = package::verify_file(file, &link.package).map_err(IntakeError::Package)?;
    if (header.from, header.to) != (link.from, link.to) {
        return Err(IntakeError::Range { from: header.from.0, to: header.to.0 });
    }
    Ok(())
}

/// Keeps a copy in the archive; the file itself is done with.
async fn put_away(till: &Arc<Till>, link: &PackageLink, file: PathBuf) {
    let package = link.package.clone();
    let work = till.blocking(move |till| {
        backup::keep_package(&till.settings.current().backup, &package, &file);
        remove(&file);
    });
    let _ = work.await;
}

/// Made once: a client reads the certificates of the machine, which takes longer than a package
/// with a price, and keeps its connection for the next.
fn downloader(till: &Till) -> Result<&Downloader, IntakeError> {
    if let Some(made) = till.downloader.get() {
        return Ok(made);
    }
    let folder = till.settings.current().paths.data.join("downloads");
    let made = Downloader::new(folder, DownloadLimits::default(), Arc::clone(&till.downloading));
    let made = made.map_err(IntakeError::Download)?;
    Ok(till.downloader.get_or_init(|| made))
}

/// Room for all that is to come, so that what cannot be loaded is not downloaded first.
fn room_for(till: &Till, link: &PackageLink) -> Result<(), NoRoom> {
    let settings = till.settings.current();
    // As it comes, and once more in the file queue.
    let files = link.bytes.saturating_mul(2);
    for place in [&settings.paths.data, &settings.load.queue_root] {
        room::make(till, place, files, link.bytes)?;
    }
    let load = load_bytes(link.bytes, link.objects);
    room::make(till, till.dictionary.path(), load.saturating_add(files), link.bytes)
}

async fn enqueue(till: &Arc<Till>, link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
    let mut tries = 0;
    loop {
        let (of, file) = (link.clone(), file.to_owned());
        let work = move |till: &Arc<Till>| {
            if tries == 0 {
                check(&of, &file)?;
            }
            put(till, &of, &file)
        };
        let put = till.blocking(work).await.map_err(IntakeError::Aborted)?;
        tries += 1;
        match put {
            Err(error) if error.passes_with_a_load() && tries < MAX_FULL_TRIES => {
                tracing::warn!(error = error::chain(&error), tries, "a package waits for room in the file queue");
                if tries == 1 {
                    note(till, link.clone(), DeliveryState::Downloaded).await;
                }
                till.loader_poke.notify_one();
                tokio::time::sleep(backoff.next_wait()).await;
            }
            done => return done,
        }
    }
}

/// One batch a package, visible all at once.
fn put(till: &Till, link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
    let queue_root = till.settings.current().load.queue_root.clone();
    room::make(till, &queue_root, link.bytes, link.bytes).map_err(IntakeError::Room)?;
    let reader = PackageReader::open(file, &link.package).map_err(IntakeError::Package)?;
    let chunk = u32::try_from(till.settings.current().load.chunk_objects).unwrap_or(u32::MAX);
    let messages = package::messages(reader, chunk).map_err(IntakeError::Package)?;
    let mut batch = till.queue.begin_batch().map_err(IntakeError::Queue)?;
    batch.set_attribute(LINK_ATTRIBUTE, serde_json::to_string(link).map_err(IntakeError::Attribute)?);
    for body in messages {
        let body = body.map_err(IntakeError::Package)?;
        batch.put(NewMessage::new(CONTENT_TYPE), &body).map_err(IntakeError::Queue)?;
    }
    fail::fail_point!("enqueue::messages_put");
    // Before the batch is seen: a higher mark than there is only makes a link look older until the
    // queue is empty. A process that ends here forgets it: the link was not acknowledged, comes
    // again, and the loader skips what it has.
    till.put_to(link.to);
    let (_, claim) = batch.commit_and_claim().map_err(IntakeError::Queue)?;
    if claim.is_some() {
        *till.claimed() = claim;
    }
    fail::fail_point!("enqueue::batch_committed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::till::bench::TestTill;
    use tillway_file_queue::Limit;

    #[test]
    fn a_full_queue_and_a_full_disk_are_waited_for_and_what_no_load_mends_is_not() {
        let queue = || "dictionary".to_owned();
        let full = QueueError::Full { queue: queue(), limit: Limit::Batches, present: 2, asked: 1, max: 2 };
        let no_room = QueueError::NoRoom { queue: queue(), free: 1, asked: 2, reserve: 3 };
        for error in [full, no_room].map(IntakeError::Queue) {
            assert!(error.passes_with_a_load() && error.cause() == RejectCause::Transport, "{error}");
        }
        let till = TestTill::new();
        let room = room::make(&till, Path::new("/"), u64::MAX - room::POS_RESERVE_BYTES, 1).unwrap_err();
        assert!(IntakeError::Room(room).passes_with_a_load());
        let too_large = QueueError::TooLarge { queue: queue(), limit: Limit::Bytes, asked: 2, max: 1 };
        assert!(!IntakeError::Queue(too_large).passes_with_a_load());
    }
}
