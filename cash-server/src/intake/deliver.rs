//! One delivery, from its file to its report.
//!
//! The order makes a crash at any moment repeat the load, never lose it: commit, keep the file,
//! write the report, note the end, and only then remove data file and flag. A repeated load finds
//! nothing to change and takes no revision.

use super::advice::Advice;
use super::load::{self, Failure, Report, Task};
use super::report::{self, Trouble};
use super::state;
use super::{Intake, archive};
use crate::dictionary::entry::LoadCounts;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::intake::{Consent, Held, LoadEnd, LoadReason, LoadState};
use crate::words::Reason;
use encoding_rs::Encoding;
use jiff::Timestamp;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_exchangers::records::Format;
use tillway_file_queue::durable;
use tillway_proto::{LoadId, NodeId, Revision};
use tokio_util::sync::CancellationToken;

/// Starts of one load that ended with the death of the process or a defect: then it is the load
/// that kills, and it is set aside.
const MAX_STARTS: u32 = 5;

/// Times that a file may change while it is read; the waits between them add up to two minutes.
const MAX_REREADS: u32 = 8;

/// Times that a file that cannot be read is tried: a network share may stumble.
const MAX_READ_TRIES: u32 = 4;

/// Times that the database may refuse what stands in a file: it says the same each time, but for a
/// defect in between.
const MAX_DATA_TRIES: u32 = 3;

/// Times that the server's own defect is tried again.
const MAX_DEFECT_TRIES: u32 = 2;

/// One delivery: a load that is taken in, and its file.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) load: LoadId,
    pub(super) node: NodeId,
    pub(super) layer: LayerNo,
    pub(super) path: PathBuf,
    pub(super) format: &'static dyn Format,
    /// Whether it came over REST: its file has no name of its own.
    pub(super) is_body: bool,
    pub(super) encoding: &'static Encoding,
    /// When it was taken in.
    pub(super) at: Timestamp,
    /// Whether somebody has said yes to whatever it takes away.
    pub(super) consent: Consent,
}

/// Ends the name of a refused file that could not be moved to `badDicts`.
pub(super) const REFUSED: &str = ".bad";

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It came to its end, loaded or refused.
    Ended(Box<Report>),
    /// Not now: at most `limit` times in all, then it is given up.
    Again {
        /// What is wrong.
        reason: LoadReason,
        /// What to do about it.
        advice: Advice,
        /// Tries in all.
        limit: u32,
    },
    /// Not now, however long that takes: it is no fault of what is loaded.
    Later {
        /// What is wrong.
        reason: LoadReason,
        /// Why.
        cause: Cause,
    },
    /// The server stops.
    Stopped,
}

/// What a load waits for that is no fault of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The reserve of free space: a look tells whether it is there again.
    Room,
    /// The disk filled up in the middle of the load: each further try fills it again for as long
    /// as it lasts.
    FullDisk,
    /// The data file is still being written, though its flag is there.
    Writing,
    /// The database: a disk that fails or cannot be written, a lock that another program holds.
    Database,
}

impl Cause {
    /// What to do about it.
    pub(super) fn advice(self) -> Advice {
        match self {
            Self::Room | Self::FullDisk => Advice::FreeSpace,
            Self::Writing => Advice::CloseBeforeFlag,
            Self::Database => Advice::LookAtServer,
        }
    }
}

/// What a load writes for each byte of its input: rows and two indexes in the database, once more
/// in its write-ahead log, and the packed copy.
const LOAD_GROWTH: u64 = 3;

/// So often a load gives way to the move of a node, each time at the price of beginning again.
/// After that whoever moves one is told to try again: a load that never ends helps nobody.
const MAX_GIVEN_WAY: u32 = 5;

/// A file from this size on is packed after the end of its load is told.
const PACKED_LATER_BYTES: u64 = 4 * 1024 * 1024;

/// Tries to load it. Only the journal itself is an error.
pub(super) fn attempt(
    intake: &Intake,
    delivery: &Delivery,
    bytes: u64,
    shutdown: &CancellationToken,
) -> Result<Attempt, StoreError> {
    let journal = &intake.journal;
    let need = bytes.saturating_mul(LOAD_GROWTH);
    if let Err(never) = intake.settings.disk_reserve.could_ever(&intake.settings.bodies, need) {
        return Ok(Attempt::Again { reason: never.into(), advice: Advice::HandOverInParts, limit: 0 });
    }
    if let Err(missing) = intake.room(need) {
        return Ok(Attempt::Later { reason: missing.into(), cause: Cause::Room });
    }
    let starts = journal.begin(delivery.load, Timestamp::now())?;
    fail::fail_point!("intake::begun");
    if starts > MAX_STARTS {
        return Ok(Attempt::Again {
            reason: LoadReason::KillsServer { starts: MAX_STARTS },
            advice: Advice::AskSupportOrCorrect,
            limit: 0,
        });
    }
    let progress = intake.start_progress(delivery, bytes);
    let noticed = journal.noticed_objects(&delivery.node)?;
    let mut times = 0;
    let result = loop {
        let task = Task {
            load: delivery.load,
            layer: delivery.layer,
            path: &delivery.path,
            format: delivery.format,
            encoding: delivery.encoding,
            gives_way: times < MAX_GIVEN_WAY,
            stop_on_error: intake.settings.stop_on_error,
            hold: intake.settings.hold,
            consent: delivery.consent,
            zone: &intake.settings.zone,
            noticed: noticed.clone(),
            progress: Arc::clone(&progress),
            shutdown,
        };
        let result = catch_unwind(AssertUnwindSafe(|| load::load(intake.dictionary.as_ref(), &task)));
        if !matches!(result, Ok(Err(Failure::GaveWay))) {
            break result;
        }
        times += 1;
    };
    intake.end_progress();
    let failure = match result {
        Ok(Ok(mut report)) => {
            if starts > 1 {
                recall(intake, delivery.load, &mut report)?;
            }
            // At once: tills need not wait until the file is kept and the report written.
            if report.outcome.is_some_and(|outcome| outcome.revision.is_some()) {
                intake.poke_exchange();
            }
            if let Some(revision) = report.outcome.and_then(|outcome| outcome.revision)
                && let Err(error) = state::look(intake.dictionary.as_ref(), delivery.layer, revision, &mut report)
            {
                tracing::warn!(error = &error as &dyn Error, "failed to look at a layer after its load");
            }
            return Ok(Attempt::Ended(Box::new(report)));
        }
        Ok(Err(failure)) => failure,
        Err(_panic) => {
            journal.requeue(delivery.load, &LoadReason::Defect.into(), true)?;
            let (reason, advice) = (LoadReason::Defect, Advice::AskSupport);
            return Ok(Attempt::Again { reason, advice, limit: MAX_DEFECT_TRIES });
        }
    };
    let detail = crate::error_chain(&failure);
    let attempt = match failure {
        // It gives way so often only, and is then begun once more.
        Failure::Stopped | Failure::GaveWay => {
            journal.requeue(delivery.load, &LoadReason::Interrupted { detail }.into(), false)?;
            return Ok(Attempt::Stopped);
        }
        Failure::Rewritten => {
            Attempt::Again { reason: LoadReason::Rewritten, advice: Advice::RenameThenFlag, limit: MAX_REREADS }
        }
        Failure::Unreadable(_) => Attempt::Again {
            reason: LoadReason::Unreadable { detail },
            advice: Advice::GiveRights,
            limit: MAX_READ_TRIES,
        },
        Failure::Store(StoreError::Full { .. }) => {
            Attempt::Later { reason: LoadReason::Interrupted { detail }, cause: Cause::FullDisk }
        }
        Failure::Store(error) if error.is_about_the_data() => Attempt::Again {
            reason: LoadReason::DatabaseRefuses { detail },
            advice: Advice::AskSupportOrCorrect,
            limit: MAX_DATA_TRIES,
        },
        Failure::Store(_) => Attempt::Later { reason: LoadReason::DatabaseFails { detail }, cause: Cause::Database },
    };
    if let Attempt::Again { reason, .. } | Attempt::Later { reason, .. } = &attempt {
        journal.requeue(delivery.load, &Reason::of(reason), false)?;
    }
    Ok(attempt)
}

/// A repeated load changes nothing: what it did, its first run did.
fn recall(intake: &Intake, load: LoadId, report: &mut Report) -> Result<(), StoreError> {
    if let Some(outcome) = report.outcome.as_mut().filter(|outcome| outcome.revision.is_none())
        && let Some(first) = intake.dictionary.outcome_of(load)?
    {
        *outcome = first;
        outcome.counts.rejected = report.rejected;
        outcome.counts.warnings = report.warned;
    }
    Ok(())
}

/// Keeps the file, tells the producer, notes the end. `beside`: the folder of a delivery that came
/// through one; what is refused there stays under its name, so that its producer sees that it was
/// not taken. Where else what was refused is kept, if it is.
pub(super) fn settle(
    intake: &Intake,
    delivery: &Delivery,
    report: &mut Report,
    beside: Option<&Path>,
) -> Result<Option<PathBuf>, StoreError> {
    let now = Timestamp::now();
    let stays = report.is_not_taken() && beside.is_some();
    let aside = if stays { None } else { keep(intake, delivery, report) };
    fail::fail_point!("intake::kept");
    if let Some(folder) = beside {
        tell(intake, folder, delivery, report, aside.as_deref());
        fail::fail_point!("intake::told");
    }
    let kept = if stays { Some(path_text(&delivery.path)) } else { refused_name(intake, report, aside.as_deref()) };
    let end = LoadEnd { aside: kept, ..end_of(intake, delivery, report, now) };
    // Before the end is noted: after a crash nobody comes back to a load that has ended.
    if let Some(clears) = report.clears.filter(|_| report.refused.is_none()) {
        for replaced in intake.journal.replace_held(delivery.load, &delivery.node, clears)? {
            tracing::info!(load = replaced.id.0, by = delivery.load.0, "a newer load takes the place of a held one");
            intake.remove_body_of(&replaced);
        }
    }
    intake.journal.end(delivery.load, &end)?;
    fail::fail_point!("intake::ended");
    let counts = &end.counts;
    tracing::info!(
        load = delivery.load.0,
        node = %delivery.node,
        file = %delivery.path.display(),
        state = end.state.as_str(),
        revision = end.revision.map(|revision| revision.0),
        added = counts.added,
        changed = counts.changed,
        deleted = counts.deleted,
        unchanged = counts.unchanged,
        rejected = counts.rejected,
        warnings = counts.warnings,
        reason = end.reason.as_ref().map(crate::words::in_english),
        "load ended"
    );
    intake.callbacks.notify_one();
    Ok(aside)
}

/// Puts the file into `backup` or `badDicts`; a disk that does not take it stops nothing. Where
/// the producer's people find what was refused.
fn keep(intake: &Intake, delivery: &Delivery, report: &Report) -> Option<PathBuf> {
    let settings = &intake.settings;
    let path = &delivery.path;
    let warn = |what: &str, error: io::Error| {
        tracing::warn!(file = %path.display(), error = &error as &dyn Error, "failed to {what}");
    };
    let mut aside = None;
    if report.is_not_taken() {
        match archive::copy(path, place(&settings.bad, delivery, "")) {
            Ok(kept) => aside = Some(kept),
            Err(error) => {
                warn("put a refused file aside; it is moved, or stays where it is under another name", error);
                let mut beside = path.clone().into_os_string();
                beside.push(REFUSED);
                match move_aside(path, [place(&settings.bad, delivery, ""), beside.into()]) {
                    Ok(kept) => aside = Some(kept),
                    Err(error) => warn("move a refused file", error),
                }
            }
        }
    } else if settings.backup_keep_files > 0 {
        let target = place(&settings.backup, delivery, archive::PACKED_ENDING);
        let kept = if report.identity.bytes >= PACKED_LATER_BYTES && intake.packer.works() {
            archive::keep_unpacked(path, &target).inspect(|_| intake.packer.wake())
        } else {
            archive::pack(path, target)
        };
        kept.err().into_iter().for_each(|error| warn("keep a loaded file", error));
    }
    if !report.rejects.is_empty() && !report.is_not_taken() {
        let source = (path.as_path(), delivery.encoding);
        let target = place(&settings.bad, delivery, ".rejects.txt");
        match report::write_rejects(source, &report.rejects, target, intake.words()) {
            Ok(kept) => aside = Some(kept),
            Err(error) => warn("keep rejected records", error),
        }
    }
    aside
}

fn place(archive: &Path, delivery: &Delivery, ending: &str) -> PathBuf {
    let origin =
        if delivery.is_body { format!("rest-{}", delivery.node.code()) } else { archive::origin(&delivery.path) };
    archive::place(archive, delivery.load, delivery.at, &origin, ending)
}

/// The name under which a refused file is kept, where it is.
fn refused_name(intake: &Intake, report: &Report, aside: Option<&Path>) -> Option<String> {
    if !report.is_not_taken() {
        return None;
    }
    let aside = aside.filter(|aside| aside.parent() == Some(intake.settings.bad.as_path()))?;
    Some(aside.file_name()?.to_string_lossy().into_owned())
}

fn tell(intake: &Intake, folder: &Path, delivery: &Delivery, report: &Report, aside: Option<&Path>) {
    let (left, words) = (intake.left_in(folder, &delivery.path), intake.words());
    let told = if report.rejected == 0 && report.warned == 0 && !report.is_not_taken() {
        report::write_left(folder, &left, words)
    } else {
        let some = if report.rejected > 0 { LoadReason::SomeRejected } else { LoadReason::SomeWarned };
        let what = report.remark().unwrap_or(some);
        let trouble = Trouble {
            file: &delivery.path,
            what: what.into(),
            advice: if report.held.is_some() {
                Advice::LookWhetherWhole
            } else if report.refused.is_some() {
                Advice::CorrectAndFlag
            } else {
                Advice::CorrectRecords
            },
            rejected: report.rejected,
            rejects: &report.rejects,
            warned: report.warned,
            warnings: &report.warnings,
            aside,
        };
        report::write_error_file(folder, &trouble, &left, words)
    };
    if let Err(error) = told {
        tracing::warn!(folder = %folder.display(), error = &error as &dyn Error, "failed to tell a producer how its load went");
    }
}

fn end_of(intake: &Intake, delivery: &Delivery, report: &Report, at: Timestamp) -> LoadEnd {
    let state = match &report.outcome {
        None if report.held.is_some() => LoadState::Held,
        None => LoadState::Error,
        Some(_) if report.rejected > 0 || report.warned > 0 => LoadState::ReadyWithErrors,
        Some(_) => LoadState::Ready,
    };
    let revision = report.outcome.and_then(|outcome| outcome.revision);
    let rejects = report.rejects.iter().map(|rejected| &rejected.record);
    let refused_counts = LoadCounts { rejected: report.rejected, ..LoadCounts::default() };
    LoadEnd {
        at,
        state,
        counts: match (&report.outcome, &report.held) {
            (Some(outcome), _) => outcome.counts,
            (None, Some(held)) => held.counts,
            (None, None) => refused_counts,
        },
        revision,
        applies_from: report.outcome.and_then(|_| revision.or_else(|| present_since(intake, delivery.layer))),
        reason: report.remark().map(Reason::from),
        notices: rejects.chain(&report.warnings).cloned().collect(),
        mended: report.mended.clone(),
        aside: None,
        held: report.held.as_ref().map(|held| Held { at: held.at, clears: report.clears.map(str::to_owned) }),
    }
}

/// The revision since which the layer holds what a load found there already.
fn present_since(intake: &Intake, layer: LayerNo) -> Option<Revision> {
    let look = || {
        let snapshot = intake.dictionary.snapshot()?;
        snapshot.newest_touch(layer, snapshot.head())
    };
    match look() {
        Ok(found) => Some(found.unwrap_or(Revision::ZERO)),
        Err(error) => {
            tracing::warn!(error = &error as &dyn Error, "failed to look up since when tills have what was loaded");
            None
        }
    }
}

/// Moves a file to the first of these places that takes it: where there is no room for a copy,
/// there may be for a name.
fn move_aside<const N: usize>(path: &Path, places: [PathBuf; N]) -> io::Result<PathBuf> {
    let mut failed = None;
    for place in places {
        match durable::rename(path, &place) {
            Ok(()) => return Ok(place),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Keeps the file of a load that is given up, with the reason beside it; a disk that does not take
/// it stops nothing.
pub(super) fn put_aside(intake: &Intake, delivery: &Delivery, reason: &LoadReason) -> Option<PathBuf> {
    let warn = |what: &str, error: io::Error| {
        let file = delivery.path.display();
        tracing::warn!(%file, error = &error as &dyn Error, "failed to {what}");
    };
    let target = place(&intake.settings.bad, delivery, "");
    let kept = archive::copy(&delivery.path, target.clone()).or_else(|_| move_aside(&delivery.path, [target]));
    let kept = kept.map_err(|error| warn("put a file aside that is given up", error)).ok()?;
    if let Err(error) = archive::note_reason(&kept, &intake.words().reason(&Reason::of(reason))) {
        warn("note why a file was given up", error);
    }
    Some(kept)
}

/// Notes that a load is given up; `kept`: the name of its file in `badDicts`, or the whole path
/// where it stays in its folder.
pub(super) fn give_up(
    intake: &Intake,
    load: LoadId,
    reason: &LoadReason,
    kept: Option<String>,
) -> Result<(), StoreError> {
    let reason = Reason::of(reason);
    tracing::error!(load = load.0, reason = crate::words::in_english(&reason), "gave a load up");
    let end = LoadEnd {
        at: Timestamp::now(),
        state: LoadState::Error,
        counts: LoadCounts::default(),
        revision: None,
        applies_from: None,
        reason: Some(reason),
        notices: Vec::new(),
        mended: Vec::new(),
        aside: kept,
        held: None,
    };
    intake.journal.end(load, &end)?;
    intake.callbacks.notify_one();
    Ok(())
}

/// Ends a load whose file went away before the end was noted: it is in the layer, or it never was.
pub(super) fn close_vanished(intake: &Intake, load: LoadId) -> Result<(), StoreError> {
    let Some(outcome) = intake.dictionary.outcome_of(load)? else {
        return give_up(intake, load, &LoadReason::Vanished, None);
    };
    let end = LoadEnd {
        at: Timestamp::now(),
        state: LoadState::Ready,
        counts: outcome.counts,
        revision: outcome.revision,
        applies_from: outcome.revision,
        reason: Some(LoadReason::ReportLost.into()),
        notices: Vec::new(),
        mended: Vec::new(),
        aside: None,
        held: None,
    };
    intake.journal.end(load, &end)?;
    intake.callbacks.notify_one();
    Ok(())
}

/// Tells the producer in its folder that a delivery cannot be loaded.
pub(super) fn complain(intake: &Intake, folder: &Path, file: &Path, what: &LoadReason, advice: Advice) {
    let what = Reason::of(what);
    tracing::warn!(file = %file.display(), reason = crate::words::in_english(&what), "a delivery cannot be loaded");
    let trouble = Trouble { file, what, advice, rejected: 0, rejects: &[], warned: 0, warnings: &[], aside: None };
    if let Err(error) = report::write_error_file(folder, &trouble, &intake.left_in(folder, file), intake.words()) {
        tracing::warn!(folder = %folder.display(), error = &error as &dyn Error, "failed to tell a producer what is wrong");
    }
}

/// A path as the record of loads has it.
pub(super) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Intake {
    fn start_progress(&self, delivery: &Delivery, total_bytes: u64) -> Arc<load::Counters> {
        let counters = Arc::new(load::Counters::default());
        *super::lock(&self.running) =
            Some(super::Running { load: delivery.load, total_bytes, counters: Arc::clone(&counters) });
        counters
    }

    fn end_progress(&self) {
        *super::lock(&self.running) = None;
    }
}
