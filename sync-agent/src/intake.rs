//! A link to a package, on its way from the broker's message to the file queue (or straight into
//! the dictionary): decide, [fetch], verify, [enqueue], and the [loader](crate::load) goes on.
//!
//! Every way through here ends with a state of the delivery that the server is told.

mod enqueue;
mod fetch;

pub(crate) use enqueue::Enqueue;
pub(crate) use fetch::Fetch;

use crate::backup;
use crate::decide::{Have, LinkStep, on_link};
use crate::download::DownloadError;
use crate::error::{Aborted, blocking, chain};
use crate::load::Straight;
use crate::overview::Overview;
use crate::package_queue::{PackageQueue, PutError};
use crate::room::NoRoom;
use crate::settings::LiveSettings;
use crate::state::State;
use crate::tell::Teller;
use fs_err as fs;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::package::{self, PackageError};
use tillway_file_queue::QueueError;
use tillway_proto::{DeliveryState, PackageLink, RejectCause};

/// A step on the way that is over sooner is neither noted nor told: the next one says more, and
/// each takes a commit, a look at all that the till has, and the server's time, from the very load
/// that it speaks of.
const STEP_LASTS: Duration = Duration::from_millis(200);

/// Why a link did not get into the queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the link `{link}` is no path")]
    Link { link: String },
    #[error("the link has ended at {until} by the server's clock: it has to be announced anew")]
    Ended { until: Timestamp },
    #[error("download failed")]
    Download(#[source] DownloadError),
    #[error("the downloaded package does not read")]
    Package(#[source] PackageError),
    #[error("the package goes from revision {from} to {to}, the link says otherwise")]
    Range { from: u64, to: u64 },
    #[error(transparent)]
    Put(PutError),
    #[error(transparent)]
    Room(NoRoom),
    #[error("the work was broken off")]
    Aborted(#[source] Aborted),
}

impl IntakeError {
    fn cause(&self) -> RejectCause {
        match self {
            Self::Download(error) => error.cause(),
            Self::Package(error) | Self::Put(PutError::Package(error)) if !matches!(error, PackageError::Io { .. }) => {
                RejectCause::Content
            }
            Self::Link { .. } | Self::Range { .. } => RejectCause::Content,
            Self::Ended { .. } | Self::Package(_) | Self::Put(_) | Self::Room(_) | Self::Aborted(_) => {
                RejectCause::Transport
            }
        }
    }

    /// Whether it may be gone once the loader has taken a batch.
    fn passes_with_a_load(&self) -> bool {
        let full = matches!(self, Self::Put(PutError::Queue(QueueError::Full { .. } | QueueError::NoRoom { .. })));
        full || matches!(self, Self::Room(_))
    }
}

/// What a decision about a link is made of.
#[derive(Debug, Clone)]
pub(crate) struct LinkFacts {
    pub(crate) overview: Arc<Overview>,
    pub(crate) queue: PackageQueue,
    pub(crate) state: State,
}

impl LinkFacts {
    fn step(&self, link: &PackageLink) -> LinkStep {
        // What this process put last is the end of the queue; what was noted may be of an earlier
        // time, above or below it.
        let noted = || self.state.queued_to().unwrap_or_default();
        let queued_to = if self.queue.waits() { self.queue.put_to().or_else(noted) } else { None };
        let seen = self.state.delivery(link.delivery).ok().flatten().map(|seen| seen.state);
        on_link(link, Have { cursor: self.overview.cursor(), queued_to, seen })
    }
}

/// Takes links to their ends.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) facts: LinkFacts,
    pub(crate) fetch: Fetch,
    pub(crate) enqueue: Enqueue,
    pub(crate) straight: Straight,
    pub(crate) follow: Follow,
}

impl Intake {
    /// Takes a link to its end.
    pub(crate) async fn take(&self, link: PackageLink) {
        let (known, of) = (self.facts.clone(), link.clone());
        let step = blocking(move || known.step(&of)).await.unwrap_or(LinkStep::Fetch);
        tracing::info!(delivery = %link.delivery, package = link.package.short(), from = %link.from, to = %link.to, ?step, "the server announced a package");
        match step {
            LinkStep::Fetch => self.bring(link).await,
            step => self.follow.teller.blocking(move |teller| not_fetched(teller, &link, step)).await,
        }
    }

    async fn bring(&self, link: PackageLink) {
        let Follow { teller, settings, .. } = &self.follow;
        let straight = {
            let load = &settings.current().load;
            !load.through_queue || load.script.is_some()
        };
        let file = match self.fetch.fetch(&link).await {
            Ok(file) => file,
            Err(error) => {
                teller.failed("a package was not taken", &error);
                return reject(teller, link, &error).await;
            }
        };
        let ready = match verified(&link, &file).await {
            Ok(()) if !straight => self.enqueue.put(&link, &file).await,
            verified => verified,
        };
        if let Err(error) = ready {
            teller.failed("a package did not get into the file queue", &error);
            remove(&file);
            return reject(teller, link, &error).await;
        }
        if straight {
            let of = link.clone();
            teller.blocking(move |teller| teller.delivery(&of, DeliveryState::Downloaded, None)).await;
            self.straight.load(&link, &file).await;
            return self.follow.put_away(&link, file).await;
        }
        // A task of its own: the batch is in the queue, also where the session with the broker
        // ends now.
        let _ = tokio::spawn(self.follow.clone().queued(link, file)).await;
    }
}

/// What is to be done with a package that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) queue: PackageQueue,
    pub(crate) settings: LiveSettings,
    pub(crate) teller: Teller,
}

impl Follow {
    /// It is in the file queue, and the loader begins.
    async fn queued(self, link: PackageLink, file: PathBuf) {
        let mut ended = pin!(self.queue.next_end());
        ended.as_mut().enable();
        self.queue.poke();
        // Where the loader is quicker, the end of the delivery stands, and this is no news any
        // more. The link is acknowledged afterwards: until then it comes again, whatever happens
        // here.
        let _ = tokio::time::timeout(STEP_LASTS, ended).await;
        self.put_away(&link, file).await;
        self.teller.blocking(move |teller| teller.queued(&link)).await;
        fail::fail_point!("enqueue::delivery_noted");
    }

    /// Keeps a copy in the archive; the file itself is done with.
    async fn put_away(&self, link: &PackageLink, file: PathBuf) {
        let (settings, package) = (self.settings.current(), link.package.clone());
        let work = blocking(move || {
            backup::keep_package(&settings.backup, &package, &file);
            remove(&file);
        });
        let _ = work.await;
    }
}

/// Says why a package is not fetched.
fn not_fetched(teller: &Teller, link: &PackageLink, step: LinkStep) {
    match step {
        // Why it was rejected was told the first time; if that report was lost, the next delivery
        // tells it again.
        LinkStep::Repeat(DeliveryState::Rejected) => {
            teller.rejected(link, RejectCause::Transport, "this link was rejected before".to_owned());
        }
        LinkStep::Repeat(state) => teller.delivery(link, state, Some("this link came before".to_owned())),
        LinkStep::Older => {
            let reason = "the till is further already".to_owned();
            teller.delivery(link, DeliveryState::Superseded, Some(reason));
        }
        LinkStep::Gap { have } => {
            let reason = format!("gap: the package starts at revision {}, the till is at {have}", link.from);
            teller.rejected(link, RejectCause::Gap, reason);
        }
        LinkStep::Fetch => {}
    }
}

async fn reject(teller: &Teller, link: PackageLink, error: &IntakeError) {
    let (cause, reason) = (error.cause(), chain(error));
    teller.blocking(move |teller| teller.rejected(&link, cause, reason)).await;
}

/// Whether a file is what its link says, to the last record.
async fn verified(link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
    let (package, range, file) = (link.package.clone(), (link.from, link.to), file.to_owned());
    let verify = blocking(move || {
        let header = package::verify_file(&file, &package).map_err(IntakeError::Package)?;
        if (header.from, header.to) != range {
            return Err(IntakeError::Range { from: header.from.0, to: header.to.0 });
        }
        Ok(())
    });
    verify.await.map_err(IntakeError::Aborted)?
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(%error, "failed to remove a download");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room;
    use tillway_file_queue::Limit;

    #[test]
    fn a_full_queue_and_a_full_disk_are_waited_for_and_what_no_load_mends_is_not() {
        let queue = || "dictionary".to_owned();
        let in_queue = |error| IntakeError::Put(PutError::Queue(error));
        let full = QueueError::Full { queue: queue(), limit: Limit::Batches, present: 2, asked: 1, max: 2 };
        let no_room = QueueError::NoRoom { queue: queue(), free: 1, asked: 2, reserve: 3 };
        for error in [full, no_room].map(in_queue) {
            assert!(error.passes_with_a_load() && error.cause() == RejectCause::Transport, "{error}");
        }
        assert!(IntakeError::Room(room::tests::no_room(0, 1)).passes_with_a_load());
        let too_large = QueueError::TooLarge { queue: queue(), limit: Limit::Bytes, asked: 2, max: 1 };
        assert!(!in_queue(too_large).passes_with_a_load());
    }
}
