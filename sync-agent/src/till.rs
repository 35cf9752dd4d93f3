//! What the tasks of one agent share.

use crate::aside::{self, Aside};
use crate::broker::Link;
use crate::dictionary::Dictionary;
use crate::download::Downloader;
use crate::error::{self, Aborted};
use crate::errors_file::ErrorsFile;
use crate::installation::InstallationFile;
use crate::lock::ExchangeLock;
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::recount::Recounts;
use crate::settings::LiveSettings;
use crate::state::{State, StateError};
use crate::unload::{self, CountError, Suspects, UnloadRequest};
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, OnceLock, PoisonError};
use tillway_exchangers::till::dictionary;
use tillway_file_queue::{Claim, Queue};
use tillway_proto::report::{MAX_ASIDE_UNITS, SalesWait, TillState};
use tillway_proto::{DeliveryId, DeliveryState, PackageLink, PackageName, RejectCause, Report, Revision, TillId};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The till that this agent serves, and everything its tasks have in common.
#[derive(Debug)]
pub(crate) struct Till {
    pub(crate) id: TillId,
    pub(crate) instance: Uuid,
    pub(crate) settings: LiveSettings,
    pub(crate) installation: InstallationFile,
    pub(crate) state: State,
    pub(crate) dictionary: Dictionary,
    /// The file queue `dictionary`.
    pub(crate) queue: Queue,
    pub(crate) reports: Outbox,
    pub(crate) errors: ErrorsFile,
    /// Held by each download, and by what one that was given up has still to write.
    pub(crate) downloading: Arc<Mutex<()>>,
    /// Made for the first link.
    pub(crate) downloader: OnceLock<Downloader>,
    /// Held by each load and each unload.
    pub(crate) exchange: ExchangeLock,
    /// The revision at which the last batch ends that this process put into the file queue; 0
    /// where it put none.
    pub(crate) queued_to: AtomicU64,
    /// The batch that was just put into the empty file queue, for the loader, which takes it
    /// first.
    pub(crate) claimed: SyncMutex<Option<Claim>>,
    /// Something may wait in the file queue.
    pub(crate) loader_poke: Notify,
    /// A batch of the file queue came to its end.
    pub(crate) load_ended: Notify,
    /// Say now that we are here.
    pub(crate) contact_poke: Notify,
    /// Recounts of the whole dictionary that are asked for.
    pub(crate) recounts: Recounts,
    /// Documents on which streams of sales broke.
    pub(crate) suspects: Suspects,
    /// How far long work is.
    pub(crate) progress: Progress,
    /// Since when unsent documents cannot be counted.
    pub(crate) uncounted_since: SyncMutex<Option<Timestamp>>,
    pub(crate) unloads: mpsc::Sender<UnloadRequest>,
    /// How many unloadings came to their end.
    pub(crate) unloaded: watch::Sender<u64>,
    pub(crate) link: watch::Sender<Link>,
    /// A command of the broker is being worked on.
    pub(crate) working: watch::Sender<bool>,
    pub(crate) shutdown: CancellationToken,
}

impl Till {
    /// Runs work that blocks on disk or database away from the tasks that must answer. A panic in
    /// it is an error line, not the end of the agent.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> T + Send + 'static,
    ) -> Result<T, Aborted> {
        let till = Arc::clone(self);
        error::blocking(move || work(&till)).await
    }

    /// What the till has. What cannot be read now is left at zero and logged: a report tells what
    /// it can.
    pub(crate) fn look(&self) -> TillState {
        // One read gives cursor and digest of the same moment. Where a script loads, only it knows
        // the data.
        let (dictionary, digest) = match self.dictionary.look() {
            Ok(state) => {
                let digest = self.script_cursor().is_none().then(|| state.digest());
                (state, digest)
            }
            Err(error) => {
                tracing::warn!(%error, "failed to look at the dictionary");
                (dictionary::State::default(), None)
            }
        };
        let queued = self.queue.depth().map_or_else(
            |error| {
                tracing::warn!(%error, "failed to look at the file queue");
                0
            },
            |depth| depth.batches,
        );
        let Aside { count, units, unreadable } =
            aside::look(&self.settings.current(), Some(&self.queue), Some(&self.state), MAX_ASIDE_UNITS);
        for (what, error) in unreadable {
            tracing::warn!(what, error, "failed to look at what lies aside");
        }
        let unsent = self.unsent();
        let sales_wait = self.sales_wait(&unsent);
        let (cursor, proof) = match self.script_cursor() {
            Some(cursor) => (cursor, self.state.script_proof().unwrap_or_default()),
            None => (dictionary.cursor, dictionary.proof),
        };
        TillState {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cursor,
            proof,
            applied_at: dictionary.applied_at,
            rows: dictionary.rows,
            digest,
            unsent_documents: unsent.ok(),
            sales_wait,
            last_sent: self.state.last_sent().unwrap_or_default(),
            dictionary_log_bytes: dictionary::log_bytes(&self.settings.current().paths.dictionaries),
            queued,
            set_aside: count,
            aside: units,
        }
    }

    /// The revision the till has.
    pub(crate) fn cursor(&self) -> Revision {
        self.script_cursor().unwrap_or_else(|| self.dictionary.look().map_or(Revision::ZERO, |state| state.cursor))
    }

    /// The revision at which the last batch ends that this process put into the file queue.
    pub(crate) fn queued_to(&self) -> Option<Revision> {
        Some(self.queued_to.load(Ordering::SeqCst)).filter(|to| *to > 0).map(Revision)
    }

    /// A batch that ends at this revision is about to be put into the file queue.
    pub(crate) fn put_to(&self, to: Revision) {
        self.queued_to.store(to.0, Ordering::SeqCst);
    }

    /// The batch that was just put into the empty file queue.
    pub(crate) fn claimed(&self) -> MutexGuard<'_, Option<Claim>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a script of the site loads, it alone knows the data, and the agent how far it was
    /// told.
    fn script_cursor(&self) -> Option<Revision> {
        self.settings.current().load.script.as_ref()?;
        self.state.script_cursor().ok()
    }

    /// Finished documents that the server has not acknowledged.
    pub(crate) fn unsent(&self) -> Result<u64, CountError> {
        unload::count_unsent(&self.state, &self.settings.current().paths.documents, &self.id)
    }

    /// Why sales wait: what the last unloading failed of, or why unsent documents cannot be
    /// counted now.
    fn sales_wait(&self, unsent: &Result<u64, CountError>) -> Option<SalesWait> {
        let mut uncounted_since = self.uncounted_since.lock().unwrap_or_else(PoisonError::into_inner);
        *uncounted_since = unsent.as_ref().err().map(|_| uncounted_since.unwrap_or_else(Timestamp::now));
        // A state that does not read is told by the count.
        let failed = self.state.sales_wait().unwrap_or_default();
        failed.or_else(|| {
            let (error, since) = (unsent.as_ref().err()?, (*uncounted_since)?);
            let text = unload::shortened(crate::error::chain(error));
            Some(SalesWait { kind: error.kind(), text, since })
        })
    }

    /// [`Self::look`] from a task.
    pub(crate) async fn look_now(self: &Arc<Self>) -> TillState {
        let till = Arc::clone(self);
        tokio::task::spawn_blocking(move || till.look()).await.unwrap_or_default()
    }

    /// A delivery reached a state: remembered, and told to the server (steps on the way only where
    /// they are asked for).
    pub(crate) fn note_delivery(&self, link: &PackageLink, state: DeliveryState, reason: Option<String>) {
        self.note(link.delivery, &link.package, state, reason, None);
    }

    /// A delivery was rejected.
    pub(crate) fn note_rejected(&self, link: &PackageLink, cause: RejectCause, reason: String) {
        self.note(link.delivery, &link.package, DeliveryState::Rejected, Some(reason), Some(cause));
    }

    /// A delivery reached a state, whose link is not at hand any more.
    pub(crate) fn note(
        &self,
        delivery: DeliveryId,
        package: &PackageName,
        state: DeliveryState,
        reason: Option<String>,
        cause: Option<RejectCause>,
    ) {
        let noted = self.state.note_delivery(delivery, package, state, reason.as_deref());
        self.tell_noted(noted, delivery, package, state, reason, cause);
    }

    /// A package lies in the file queue: remembered with the revision that the queue leads to, and
    /// told.
    pub(crate) fn note_queued(&self, link: &PackageLink) {
        let noted = self.state.note_queued(link.delivery, &link.package, link.to);
        self.tell_noted(noted, link.delivery, &link.package, DeliveryState::Queued, None, None);
    }

    fn tell_noted(
        &self,
        noted: Result<bool, StateError>,
        delivery: DeliveryId,
        package: &PackageName,
        state: DeliveryState,
        reason: Option<String>,
        cause: Option<RejectCause>,
    ) {
        match noted {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, %delivery, "failed to remember a delivery"),
        }
        if state.is_final() || self.settings.current().report_load_steps {
            self.reports.put(Report::Delivery {
                delivery,
                package: package.clone(),
                state,
                reason,
                cause,
                till_state: self.look(),
            });
        }
    }

    /// Logs an error with its sources and counts it.
    pub(crate) fn failed(&self, what: &'static str, error: &dyn std::error::Error) {
        tracing::error!(error = crate::error::chain(error), "{what}");
        self.errors.add();
    }
}

#[cfg(test)]
pub(crate) mod bench;
#[cfg(test)]
mod tests;
