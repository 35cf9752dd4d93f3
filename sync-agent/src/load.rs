//! Loading: batches of the file queue, or a package straight from its file, into the dictionary.
//!
//! A batch ends in one of these ways, and the server is told which: applied; not needed any more;
//! a gap, so that another package is needed; rows that differ, so that a snapshot is needed;
//! broken, so that it is set aside. Where a database is locked or a disk is full it waits, without
//! using up its tries. What else may pass is tried as often as the queue allows: the queue counts
//! a try on disk before the work begins. After the last it is dropped, since the server has it and
//! announces it again; one on which the loader panics is set aside.
//!
//! What never gets here is told as well: a batch that the queue sets aside by itself, and one of
//! which nothing is left in it ([`Loader::tell_lost`]). A server that hears nothing would wait for
//! its deadline.

use crate::error::{Aborted, blocking, chain};
use crate::lock::ExchangeLock;
use crate::package_queue::{LINK_ATTRIBUTE, PackageQueue};
use crate::progress::{Progress, Watched};
use crate::retry::Backoff;
use crate::room::{NoRoom, Room};
use crate::script;
use crate::settings::LiveSettings;
use crate::sink::{Applied, Fault, Sink, SinkError};
use crate::state::{SeenDelivery, State, StateError};
use crate::tell::Teller;
use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::package::{MessageSource, PackageError, PackageReader, PackageSource};
use tillway_file_queue::{Claim, QueueError, SetAside};
use tillway_proto::{DeliveryState, PackageLink, PackageName, RejectCause};
use tokio_util::sync::CancellationToken;

/// How often the queue is looked at without a poke: another process may have put something back.
const LOOK_PERIOD: Duration = Duration::from_secs(20);

/// Waits between tries on a busy database or a full disk.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_mins(1);

/// Tries of a package that is loaded straight, without the queue that would count them.
const MAX_STRAIGHT_TRIES: u32 = 5;

/// What the server is told of a load after which a POS may still read the file that was there
/// before.
const RESTART_DUE: &str = "a new dictionary stands in the place of a damaged one: the POS must be restarted to see it";

/// Why a package was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("failed to read the package")]
    Package(#[source] PackageError),
    #[error("the dictionary did not take the package")]
    Sink(#[source] SinkError),
    #[error("uploadscript did not take the package")]
    Script(#[source] script::ScriptError),
    #[error("failed to remember what the script loaded")]
    State(#[source] StateError),
    #[error(transparent)]
    Room(NoRoom),
    #[error("the load was broken off")]
    Aborted(#[source] Aborted),
    #[error("the loader panicked: {0}")]
    Panicked(String),
}

/// What follows from an outcome.
#[derive(Debug)]
enum Verdict {
    /// The package is done with.
    Done(DeliveryState, Option<String>),
    /// It starts behind a revision that the till does not have.
    Gap(String),
    /// The till's rows are not what the package builds on: these kinds have to come whole.
    NeedSnapshot { kinds: Vec<String>, reason: String },
    /// The dictionary is damaged, and the package is not to blame: all has to come whole.
    Damaged(String),
    /// It will never load.
    Broken(String),
    /// As soon as there is room on the disk, or somebody lets go of the database.
    Wait(String),
    /// Perhaps later; what to tell the server when there is no later any more.
    Later { cause: RejectCause, reason: String },
}

fn verdict(link: &PackageLink, outcome: Result<Applied, LoadError>) -> Verdict {
    let error = match outcome {
        Ok(Applied::Done(loaded)) => {
            tracing::info!(from = %loaded.from, to = %loaded.to, upserts = loaded.upserts, deletes = loaded.deletes, rows = loaded.rows, "package applied");
            return Verdict::Done(DeliveryState::Applied, None);
        }
        Ok(Applied::Skipped { cursor }) if cursor == link.to => return Verdict::Done(DeliveryState::Applied, None),
        Ok(Applied::Skipped { cursor }) => {
            let reason = format!("the till is at revision {cursor} already");
            return Verdict::Done(DeliveryState::Superseded, Some(reason));
        }
        Err(error) => error,
    };
    let reason = chain(&error);
    // Nothing is wrong with the package.
    let later = |reason| Verdict::Later { cause: RejectCause::Transport, reason };
    match error {
        LoadError::Sink(SinkError { fault, .. }) => match fault {
            Fault::Gap => Verdict::Gap(format!("gap: {reason}")),
            Fault::Diverged(kinds) => Verdict::NeedSnapshot { kinds, reason },
            Fault::Damaged => Verdict::Damaged(reason),
            Fault::Waits => Verdict::Wait(reason),
            Fault::Passes => later(reason),
            Fault::Package => Verdict::Broken(reason),
        },
        LoadError::Room(_) => Verdict::Wait(reason),
        LoadError::Package(PackageError::Io { .. })
        | LoadError::Script(_)
        | LoadError::State(_)
        | LoadError::Aborted(_) => later(reason),
        LoadError::Package(_) => Verdict::Broken(reason),
        // Another package may well go through where this one does not.
        LoadError::Panicked(_) => Verdict::Later { cause: RejectCause::Content, reason },
    }
}

/// Loads one package. Cheap to clone; calls block.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) room: Room,
    pub(crate) progress: Arc<Progress>,
}

impl Load {
    fn load<S: PackageSource>(
        &self,
        link: &PackageLink,
        open: impl FnOnce() -> Result<S, PackageError>,
    ) -> Result<Applied, LoadError> {
        self.room.to_load(link).map_err(LoadError::Room)?;
        let mut package = Watched::new(open().map_err(LoadError::Package)?, &self.progress);
        self.sink.apply(&mut package, link.replaces).map_err(LoadError::Sink)
    }
}

/// The loader: takes batches of the file queue.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) queue: PackageQueue,
    pub(crate) load: Load,
    /// For deliveries that were lost.
    pub(crate) state: State,
    pub(crate) teller: Teller,
    pub(crate) exchange: ExchangeLock,
    pub(crate) shutdown: CancellationToken,
}

enum Step {
    Loaded,
    Empty,
    Later,
}

impl Loader {
    /// Takes batches as they come until the agent stops. A load that is under way is finished.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        loop {
            let wait = match self.drain().await {
                Ok(true) => {
                    backoff.reset();
                    LOOK_PERIOD
                }
                Ok(false) => backoff.next_wait(),
                Err(error) => {
                    self.teller.failed("the file queue does not work", &error);
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.queue.poked() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Loads until the queue is empty; `false` where something has to be tried later.
    async fn drain(&self) -> Result<bool, QueueError> {
        while !self.shutdown.is_cancelled() {
            let _exchange = self.exchange.take().await;
            let this = self.clone();
            match blocking(move || this.next()).await {
                Ok(Ok(Step::Loaded)) => self.queue.note_end(),
                Ok(Ok(Step::Empty)) => return Ok(true),
                Ok(Ok(Step::Later)) => return Ok(false),
                Ok(Err(error)) => return Err(error),
                Err(error) => {
                    self.teller.failed("a load was broken off", &error);
                    return Ok(false);
                }
            }
            self.teller.contact_soon();
        }
        Ok(true)
    }

    fn next(&self) -> Result<Step, QueueError> {
        let mut set_aside = Vec::new();
        let claim = self.queue.next(|aside| set_aside.push(aside));
        for aside in set_aside {
            self.tell_set_aside(aside);
        }
        let Some(claim) = claim? else {
            self.tell_lost();
            return Ok(Step::Empty);
        };
        let link = claim.attributes().get(LINK_ATTRIBUTE).map(|text| serde_json::from_str::<PackageLink>(text));
        let Some(Ok(link)) = link else {
            self.teller.errors.add();
            claim.set_aside("its attribute `link` does not read: no batch of a package")?;
            return Ok(Step::Loaded);
        };
        fail::fail_point!("load::claimed");
        // The claim lives on, so that the server is told how its batch ends.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| self.apply(&link, &claim)));
        let verdict = verdict(&link, outcome.unwrap_or_else(|panic| Err(LoadError::Panicked(last_words(&*panic)))));
        fail::fail_point!("load::applied");
        match &verdict {
            Verdict::Done(..) | Verdict::Gap(_) | Verdict::Damaged(_) => claim.ack()?,
            Verdict::NeedSnapshot { reason, .. } | Verdict::Broken(reason) => claim.set_aside(reason)?,
            Verdict::Wait(reason) => {
                tracing::warn!(package = link.package.short(), reason, "a package waits to be loaded");
                claim.put_back()?;
                return Ok(Step::Later);
            }
            Verdict::Later { cause, reason } => {
                let last = claim.tries() >= self.queue.files().limits().max_tries;
                if last && *cause == RejectCause::Transport {
                    claim.ack()?;
                } else {
                    claim.release(reason)?;
                }
                if !last {
                    return Ok(Step::Later);
                }
            }
        }
        fail::fail_point!("load::claim_settled");
        tell(&self.teller, &*self.load.sink, &link, verdict);
        fail::fail_point!("load::told");
        Ok(Step::Loaded)
    }

    /// The queue set a batch aside: damaged on disk, or the end of each agent that worked on it.
    fn tell_set_aside(&self, aside: SetAside) {
        let link = aside.attributes.as_ref().and_then(|attributes| attributes.get(LINK_ATTRIBUTE));
        if let Some(link) = link.and_then(|text| serde_json::from_str::<PackageLink>(text).ok()) {
            return not_loaded(&self.teller, &link, RejectCause::Content, aside.reason);
        }
        // Whose it was shows when the queue is empty.
        tracing::error!(sequence = %aside.sequence, reason = aside.reason, "a batch was set aside");
        self.teller.errors.add();
    }

    /// The queue is empty: what is remembered as waiting there is lost. Its batch was set aside
    /// with a manifest that does not read, was dropped by a person, went with a disk; or the agent
    /// ended before it told what became of it.
    fn tell_lost(&self) {
        // Read before the queue is looked at: what comes into it in between is not remembered as
        // being there yet.
        let queued = match self.state.queued_deliveries() {
            Ok(queued) if queued.is_empty() => return,
            Ok(queued) => queued,
            Err(error) => return tracing::warn!(%error, "failed to look for deliveries that were lost"),
        };
        if !self.queue.files().depth().is_ok_and(|depth| depth.batches == 0) {
            return;
        }
        let applied = self.load.sink.look().ok().and_then(|state| state.package);
        for SeenDelivery { delivery, package, .. } in queued {
            let Ok(package) = package.parse::<PackageName>() else { continue };
            if applied.as_ref() == Some(&package) {
                self.teller.end(delivery, &package, DeliveryState::Applied, None, None);
                continue;
            }
            tracing::error!(%delivery, package = package.short(), "a package is not in the file queue any more");
            self.teller.errors.add();
            let reason = "the till's file queue does not hold it any more".to_owned();
            self.teller.end(delivery, &package, DeliveryState::Rejected, Some(reason), Some(RejectCause::Transport));
        }
    }

    fn apply(&self, link: &PackageLink, claim: &Claim) -> Result<Applied, LoadError> {
        fail::fail_point!("load::works");
        let bodies = claim.messages().map(|message| message.map(|message| message.body).map_err(io::Error::other));
        self.load.load(link, || MessageSource::open(bodies))
    }
}

/// What a panic said.
fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

/// Says how a package ended.
fn tell(teller: &Teller, sink: &dyn Sink, link: &PackageLink, verdict: Verdict) {
    match verdict {
        Verdict::Done(DeliveryState::Applied, _) if sink.take_restart_due() => {
            teller.errors.add();
            teller.delivery(link, DeliveryState::Applied, Some(RESTART_DUE.to_owned()));
        }
        Verdict::Done(state, reason) => teller.delivery(link, state, reason),
        Verdict::NeedSnapshot { kinds, reason } => need_snapshot(teller, link, RejectCause::Content, kinds, reason),
        Verdict::Damaged(reason) => need_snapshot(teller, link, RejectCause::Transport, Vec::new(), reason),
        Verdict::Wait(reason) => not_loaded(teller, link, RejectCause::Transport, reason),
        Verdict::Gap(reason) => teller.rejected(link, RejectCause::Gap, reason),
        Verdict::Broken(reason) => not_loaded(teller, link, RejectCause::Content, reason),
        Verdict::Later { cause, reason } => not_loaded(teller, link, cause, reason),
    }
}

fn need_snapshot(teller: &Teller, link: &PackageLink, cause: RejectCause, kinds: Vec<String>, reason: String) {
    tracing::error!(package = link.package.short(), ?kinds, reason, "the till's rows differ: a snapshot is asked for");
    teller.errors.add();
    teller.rejected(link, cause, reason.clone());
    teller.need_snapshot(kinds, reason);
}

fn not_loaded(teller: &Teller, link: &PackageLink, cause: RejectCause, reason: String) {
    tracing::error!(package = link.package.short(), reason, "a package was not loaded");
    teller.errors.add();
    teller.rejected(link, cause, reason);
}

/// Loads packages from their files, without the queue, through `uploadscript` where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Straight {
    pub(crate) load: Load,
    /// How far a script was told.
    pub(crate) state: State,
    pub(crate) settings: LiveSettings,
    pub(crate) teller: Teller,
    pub(crate) exchange: ExchangeLock,
    pub(crate) shutdown: CancellationToken,
}

impl Straight {
    /// Loads a package, and tells how that ended.
    pub(crate) async fn load(&self, link: &PackageLink, file: &Path) {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        let mut tries = 0;
        let verdict = loop {
            let exchange = self.exchange.take().await;
            let outcome = self.once(link, file).await;
            drop(exchange);
            tries += 1;
            match verdict(link, outcome) {
                Verdict::Later { reason, .. } | Verdict::Wait(reason) if tries < MAX_STRAIGHT_TRIES => {
                    tracing::warn!(reason, tries, "a load is tried again");
                }
                verdict => break verdict,
            }
            tokio::time::sleep(backoff.next_wait()).await;
        };
        let (link, sink) = (link.clone(), Arc::clone(&self.load.sink));
        self.teller.blocking(move |teller| tell(teller, &*sink, &link, verdict)).await;
        self.teller.contact_soon();
    }

    async fn once(&self, link: &PackageLink, file: &Path) -> Result<Applied, LoadError> {
        let script = self.settings.current().load.script.clone();
        if let Some(program) = &script {
            script::run(program, &[file.as_os_str()], script::SCRIPT_TIME, &self.shutdown)
                .await
                .map_err(LoadError::Script)?;
        }
        let (this, link, file) = (self.clone(), link.clone(), file.to_owned());
        let work = blocking(move || {
            let open = || PackageReader::open(&file, &link.package);
            if script.is_none() {
                return this.load.load(&link, open);
            }
            let proof = open().map_err(LoadError::Package)?.header().proof;
            this.state.note_script_cursor(link.to, proof).map_err(LoadError::State)?;
            Ok(Applied::Skipped { cursor: link.to })
        });
        work.await.map_err(LoadError::Aborted)?
    }
}

#[cfg(test)]
mod tests;
