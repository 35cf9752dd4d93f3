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
//! which nothing is left in it ([`tell_lost`]). A server that hears nothing would wait for its
//! deadline.

use crate::dictionary::DictionaryError;
use crate::error::{Aborted, chain};
use crate::intake::LINK_ATTRIBUTE;
use crate::progress::Watched;
use crate::retry::Backoff;
use crate::room::{self, NoRoom};
use crate::script;
use crate::state::{SeenDelivery, StateError};
use crate::till::Till;
use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::package::{MessageSource, PackageError, PackageReader, PackageSource};
use tillway_exchangers::till::dictionary::{Applied, ApplyError, load_bytes};
use tillway_file_queue::{Claim, QueueError, SetAside};
use tillway_proto::{DeliveryState, PackageLink, PackageName, RejectCause, Report};

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
    Dictionary(#[source] DictionaryError),
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
    match error {
        LoadError::Dictionary(DictionaryError::Apply(ApplyError::Gap { .. })) => Verdict::Gap(format!("gap: {reason}")),
        LoadError::Dictionary(DictionaryError::Apply(ApplyError::Diverged { kinds })) => {
            Verdict::NeedSnapshot { kinds, reason }
        }
        LoadError::Dictionary(DictionaryError::Apply(error)) if error.is_corrupt() => Verdict::Damaged(reason),
        LoadError::Dictionary(DictionaryError::Apply(error)) if error.waits_for_room_or_lock() => Verdict::Wait(reason),
        LoadError::Room(_) => Verdict::Wait(reason),
        LoadError::Dictionary(DictionaryError::Damaged) => Verdict::Damaged(reason),
        LoadError::Dictionary(DictionaryError::Apply(error)) if error.is_temporary() => later(reason),
        LoadError::Dictionary(DictionaryError::Apply(_)) => Verdict::Broken(reason),
        LoadError::Package(PackageError::Io { .. })
        | LoadError::Dictionary(_)
        | LoadError::Script(_)
        | LoadError::State(_)
        | LoadError::Aborted(_) => later(reason),
        LoadError::Package(_) => Verdict::Broken(reason),
        // Another package may well go through where this one does not.
        LoadError::Panicked(_) => Verdict::Later { cause: RejectCause::Content, reason },
    }
}

/// Nothing is wrong with the package.
fn later(reason: String) -> Verdict {
    Verdict::Later { cause: RejectCause::Transport, reason }
}

/// Takes batches as they come until the agent stops. A load that is under way is finished.
pub(crate) async fn run(till: Arc<Till>) {
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    loop {
        let wait = match drain(&till).await {
            Ok(true) => {
                backoff.reset();
                LOOK_PERIOD
            }
            Ok(false) => backoff.next_wait(),
            Err(error) => {
                till.failed("the file queue does not work", &error);
                backoff.next_wait()
            }
        };
        tokio::select! {
            () = till.shutdown.cancelled() => return,
            () = till.loader_poke.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Loads until the queue is empty; `false` where something has to be tried later.
async fn drain(till: &Arc<Till>) -> Result<bool, QueueError> {
    while !till.shutdown.is_cancelled() {
        let _exchange = till.exchange.take().await;
        match till.blocking(|till| next(till)).await {
            Ok(Ok(Step::Loaded)) => till.load_ended.notify_waiters(),
            Ok(Ok(Step::Empty)) => return Ok(true),
            Ok(Ok(Step::Later)) => return Ok(false),
            Ok(Err(error)) => return Err(error),
            Err(error) => {
                till.failed("a load was broken off", &error);
                return Ok(false);
            }
        }
        till.contact_poke.notify_one();
    }
    Ok(true)
}

enum Step {
    Loaded,
    Empty,
    Later,
}

fn next(till: &Till) -> Result<Step, QueueError> {
    let mut set_aside = Vec::new();
    let at_hand = till.claimed().take();
    let claim = match at_hand {
        Some(claim) => Ok(Some(claim)),
        None => till.queue.next_telling(|aside| set_aside.push(aside)),
    };
    for aside in set_aside {
        tell_set_aside(till, aside);
    }
    let Some(claim) = claim? else {
        tell_lost(till);
        return Ok(Step::Empty);
    };
    let link = claim.attributes().get(LINK_ATTRIBUTE).map(|text| serde_json::from_str::<PackageLink>(text));
    let Some(Ok(link)) = link else {
        till.errors.add();
        claim.set_aside("its attribute `link` does not read: no batch of a package")?;
        return Ok(Step::Loaded);
    };
    fail::fail_point!("load::claimed");
    // The claim lives on, so that the server is told how its batch ends.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| apply_claim(till, &link, &claim)));
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
            let last = claim.tries() >= till.queue.limits().max_tries;
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
    tell(till, &link, verdict);
    fail::fail_point!("load::told");
    Ok(Step::Loaded)
}

/// The queue set a batch aside: damaged on disk, or the end of each agent that worked on it.
fn tell_set_aside(till: &Till, aside: SetAside) {
    let link = aside.attributes.as_ref().and_then(|attributes| attributes.get(LINK_ATTRIBUTE));
    if let Some(link) = link.and_then(|text| serde_json::from_str::<PackageLink>(text).ok()) {
        return not_loaded(till, &link, RejectCause::Content, aside.reason);
    }
    // Whose it was shows when the queue is empty.
    tracing::error!(sequence = %aside.sequence, reason = aside.reason, "a batch was set aside");
    till.errors.add();
}

/// The queue is empty: what is remembered as waiting there is lost. Its batch was set aside with a
/// manifest that does not read, was dropped by a person, went with a disk; or the agent ended
/// before it told what became of it.
fn tell_lost(till: &Till) {
    // Read before the queue is looked at: what comes into it in between is not remembered as being
    // there yet.
    let queued = match till.state.queued_deliveries() {
        Ok(queued) if queued.is_empty() => return,
        Ok(queued) => queued,
        Err(error) => return tracing::warn!(%error, "failed to look for deliveries that were lost"),
    };
    if !till.queue.depth().is_ok_and(|depth| depth.batches == 0) {
        return;
    }
    let applied = till.dictionary.look().ok().and_then(|state| state.package);
    for SeenDelivery { delivery, package, .. } in queued {
        let Ok(package) = package.parse::<PackageName>() else { continue };
        if applied.as_ref() == Some(&package) {
            till.note(delivery, &package, DeliveryState::Applied, None, None);
            continue;
        }
        tracing::error!(%delivery, package = package.short(), "a package is not in the file queue any more");
        till.errors.add();
        let reason = "the till's file queue does not hold it any more".to_owned();
        till.note(delivery, &package, DeliveryState::Rejected, Some(reason), Some(RejectCause::Transport));
    }
}

/// What a panic said.
fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

fn apply_claim(till: &Till, link: &PackageLink, claim: &Claim) -> Result<Applied, LoadError> {
    fail::fail_point!("load::works");
    check_room(till, link)?;
    let bodies = claim.messages().map(|message| message.map(|message| message.body).map_err(io::Error::other));
    apply(till, link, MessageSource::open(bodies))
}

/// Before the first row: a load that fills the disk is rolled back, and until then no receipt can
/// be written.
fn check_room(till: &Till, link: &PackageLink) -> Result<(), LoadError> {
    let load = load_bytes(link.bytes, link.objects);
    room::make(till, till.dictionary.path(), load, link.bytes).map_err(LoadError::Room)
}

fn apply(
    till: &Till,
    link: &PackageLink,
    source: Result<impl PackageSource, PackageError>,
) -> Result<Applied, LoadError> {
    let mut source = Watched::new(source.map_err(LoadError::Package)?, &till.progress);
    till.dictionary.apply(&mut source, link.replaces).map_err(LoadError::Dictionary)
}

/// Says how a package ended.
fn tell(till: &Till, link: &PackageLink, verdict: Verdict) {
    match verdict {
        Verdict::Done(DeliveryState::Applied, _) if till.dictionary.take_restart_due() => {
            till.errors.add();
            till.note_delivery(link, DeliveryState::Applied, Some(RESTART_DUE.to_owned()));
        }
        Verdict::Done(state, reason) => till.note_delivery(link, state, reason),
        Verdict::NeedSnapshot { kinds, reason } => need_snapshot(till, link, RejectCause::Content, kinds, reason),
        Verdict::Damaged(reason) => need_snapshot(till, link, RejectCause::Transport, Vec::new(), reason),
        Verdict::Wait(reason) => not_loaded(till, link, RejectCause::Transport, reason),
        Verdict::Gap(reason) => till.note_rejected(link, RejectCause::Gap, reason),
        Verdict::Broken(reason) => not_loaded(till, link, RejectCause::Content, reason),
        Verdict::Later { cause, reason } => not_loaded(till, link, cause, reason),
    }
}

fn need_snapshot(till: &Till, link: &PackageLink, cause: RejectCause, kinds: Vec<String>, reason: String) {
    tracing::error!(package = link.package.short(), ?kinds, reason, "the till's rows differ: a snapshot is asked for");
    till.errors.add();
    till.note_rejected(link, cause, reason.clone());
    till.reports.put(Report::NeedSnapshot { kinds, reason, till_state: till.look() });
}

fn not_loaded(till: &Till, link: &PackageLink, cause: RejectCause, reason: String) {
    tracing::error!(package = link.package.short(), reason, "a package was not loaded");
    till.errors.add();
    till.note_rejected(link, cause, reason);
}

/// Loads a package from its file, without the queue, through `uploadscript` where there is one.
pub(crate) async fn straight(till: &Arc<Till>, link: &PackageLink, file: &Path) {
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    let mut tries = 0;
    let verdict = loop {
        let exchange = till.exchange.take().await;
        let outcome = straight_once(till, link, file).await;
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
    let link = link.clone();
    let _ = till.blocking(move |till| tell(till, &link, verdict)).await;
    till.contact_poke.notify_one();
}

async fn straight_once(till: &Arc<Till>, link: &PackageLink, file: &Path) -> Result<Applied, LoadError> {
    if let Some(program) = till.settings.current().load.script.clone() {
        script::run(&program, &[file.as_os_str()], script::SCRIPT_TIME, &till.shutdown)
            .await
            .map_err(LoadError::Script)?;
        let (of, file) = (link.clone(), file.to_owned());
        let noted = till.blocking(move |till| {
            let source = PackageReader::open(&file, &of.package).map_err(LoadError::Package)?;
            till.state.note_script_cursor(of.to, source.header().proof).map_err(LoadError::State)
        });
        noted.await.map_err(LoadError::Aborted)??;
        return Ok(Applied::Skipped { cursor: link.to });
    }
    let (link, file) = (link.clone(), file.to_owned());
    let work = till.blocking(move |till| {
        check_room(till, &link)?;
        apply(till, &link, PackageReader::open(&file, &link.package))
    });
    work.await.map_err(LoadError::Aborted)?
}

#[cfg(test)]
mod tests;
