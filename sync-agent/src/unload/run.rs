//! One unloading, from `documents.db` to the last acknowledgement.
//!
//! Documents go in *rounds*, a stream each, since a hello has to name the shifts that follow and
//! memory holds a round. The last round also carries the records of shifts: those whose closing
//! the server does not have, and those of the documents. Progress is saved only for what the
//! server acknowledged, or said at the hello that it has, and for what was set aside. What streams
//! broke on time after time goes after all others, in streams of its own ([`super::suspects`]);
//! that it is left unsent does not fail an unloading, which does all else that it has to do and
//! tells of it.

use super::batches::{Batch, Sent, cut_batches, known_by, split_unsendable, split_unsendable_shifts};
use super::history::Past;
use super::look_back;
use super::note::Notes;
use super::read::{Position, Reading, Round, shift_of};
use super::stream::{Acknowledged, RefusedPart, SalesLoader, SalesStream, StreamError};
use super::suspects::{MAX_BROKEN_GROUPS, Suspected};
use crate::backup;
use crate::decide::Holdings;
use crate::error::{self, Aborted, chain};
use crate::progress::{Progress, Stage};
use crate::settings::LiveSettings;
use crate::state::StateError;
use std::collections::VecDeque;
use std::sync::Arc;
use tillway_exchangers::till::documents::{DocumentsError, ShiftRecord};
use tillway_proto::UnloadSelection;
use tillway_proto::sales::{shift_key, v1};
use tonic::transport::Channel;

/// Most rounds of one unloading; a longer backlog goes on with the next one. 20 million documents
/// are more than a till ever makes.
const MAX_ROUNDS: usize = 10_000;

/// Most bytes of one archive; a longer unloading is archived in part.
const MAX_BACKUP_BYTES: usize = 64 * 1024 * 1024;

/// Why an unloading did not come to its end. What was acknowledged before counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnloadError {
    #[error("failed to read the documents")]
    Documents(#[source] DocumentsError),
    #[error("failed to keep the progress of unloading")]
    State(#[source] StateError),
    #[error("failed to send sales")]
    Stream(#[source] StreamError),
    #[error("the stream broke before all that was sent was acknowledged")]
    Broken(#[source] StreamError),
    #[error(
        "documents.db is not there any more, or empty, and was: what was sold since the last unloading is not sent"
    )]
    DocumentsGone,
    #[error("the server cannot tell now whether it knows this till")]
    ServerCannotTell,
    #[error("unloading was broken off")]
    Aborted(#[source] Aborted),
    #[error("unloadscript did not do its work")]
    Script(#[source] crate::script::ScriptError),
}

/// What an unloading did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unloaded {
    /// Documents that the server acknowledged or already had.
    pub(crate) receipts: u64,
    /// Documents and records of shifts set aside, by the server or here.
    pub(crate) set_aside: u64,
}

/// What an unloading came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ended {
    /// Whether it was looked back, where that was asked for.
    pub(crate) looked_back: bool,
    /// Suspects on which streams broke again, one text a group: they are not sent yet, and all
    /// else is.
    pub(crate) left: Vec<String>,
}

/// The steps of an unloading: read, stream, note; and what stands beside them.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    pub(crate) read: Reading,
    pub(crate) server: SalesLoader,
    pub(crate) notes: Notes,
    pub(crate) past: Past,
    pub(crate) progress: Arc<Progress>,
    pub(crate) settings: LiveSettings,
}

/// An unloading under way.
pub(super) struct Run<'a> {
    /// Good for one unloading and made when it is first needed.
    pub(super) channel: Option<Channel>,
    unloaded: &'a mut Unloaded,
    archive: Archive,
    left: Vec<String>,
    /// Something that counted as sent was taken back since the last rounds began.
    taken_back: bool,
}

/// Unloads what is selected, and looks back afterwards where that is due. What was unloaded is
/// added to `unloaded` however it ends. The caller holds the exchange lock.
pub(crate) async fn run(
    steps: &Steps,
    selection: UnloadSelection,
    look_back: bool,
    unloaded: &mut Unloaded,
) -> Result<Ended, UnloadError> {
    let mut run = Run { channel: None, unloaded, archive: Archive::default(), left: Vec::new(), taken_back: false };
    let outcome = unload(steps, selection, look_back, &mut run).await;
    let Run { archive, left, .. } = run;
    let documents = archive.documents;
    if documents > 0 {
        let settings = steps.settings.current();
        let _ = error::blocking(move || backup::keep_sales(&settings.backup, &archive.lines, documents)).await;
    }
    outcome.map(|looked_back| Ended { looked_back, left })
}

async fn unload(
    steps: &Steps,
    selection: UnloadSelection,
    look_back: bool,
    run: &mut Run<'_>,
) -> Result<bool, UnloadError> {
    if blocking(&steps.read, Reading::is_another_database).await? {
        blocking(&steps.past, Past::begin_anew).await?;
    }
    let asked = match selection {
        UnloadSelection::Missing { new_till_from } => new_till_from,
        UnloadSelection::Since { .. } | UnloadSelection::Days { .. } => None,
    };
    steps.past.decide(&steps.server, &mut run.channel, asked).await?;
    rounds(steps, run, selection).await?;
    // A look back would send again what was noted too early.
    if acknowledgements_are_not_awaited() {
        return Ok(true);
    }
    if look_back { look_back::run(steps, run).await } else { Ok(false) }
}

/// Whether progress is to be noted before its acknowledgement, which a test must notice. Never in
/// a release.
fn acknowledgements_are_not_awaited() -> bool {
    fail::fail_point!("without::unload_ack", |_| true);
    false
}

/// Unloads round by round, and then what is suspected.
pub(super) async fn rounds(steps: &Steps, run: &mut Run<'_>, selection: UnloadSelection) -> Result<(), UnloadError> {
    let mut suspected = Suspected::default();
    let mut sent = send_rounds(steps, run, selection, &mut suspected).await;
    // Once: what is not there after that is for the next look back.
    if sent.is_ok() && std::mem::take(&mut run.taken_back) {
        sent = send_rounds(steps, run, UnloadSelection::MISSING, &mut suspected).await;
        run.taken_back = false;
    }
    // A stream that broke is no reason to hold up what is innocent of it.
    if !matches!(sent, Ok(()) | Err(UnloadError::Broken(_))) {
        return sent;
    }
    let sent = sent.and(send_suspects(steps, run, &suspected).await);
    blocking(&steps.read, Reading::settle_progress).await?;
    sent
}

async fn send_rounds(
    steps: &Steps,
    run: &mut Run<'_>,
    selection: UnloadSelection,
    suspected: &mut Suspected,
) -> Result<(), UnloadError> {
    let mut position = Position { selection, after: 0 };
    for _ in 0..MAX_ROUNDS {
        let (mut round, read_to) = blocking(&steps.read, move |read| read.round(position)).await?;
        position = read_to;
        let last = round.last;
        suspected.join(std::mem::take(&mut round.suspected));
        send_round(steps, run, round).await?;
        blocking(&steps.read, Reading::settle_progress).await?;
        if last {
            break;
        }
    }
    Ok(())
}

async fn send_suspects(steps: &Steps, run: &mut Run<'_>, suspected: &Suspected) -> Result<(), UnloadError> {
    for group in steps.read.suspects.groups(suspected) {
        if run.left.len() >= MAX_BROKEN_GROUPS {
            break;
        }
        let (first, others) = (group[0], group.len() - 1);
        let round = blocking(&steps.read, move |read| read.group(&group)).await?;
        match send_round(steps, run, round).await {
            Err(UnloadError::Broken(error)) => {
                let like = if others > 0 { format!(" or on one of {others} others like it") } else { String::new() };
                let text = format!("the stream breaks on {first}{like}: {}", chain(&error));
                tracing::error!(text, "not sent yet");
                run.left.push(text);
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Runs what blocks of a step.
pub(super) async fn blocking<S: Clone + Send + 'static, T: Send + 'static>(
    step: &S,
    work: impl FnOnce(&S) -> Result<T, UnloadError> + Send + 'static,
) -> Result<T, UnloadError> {
    let step = step.clone();
    error::blocking(move || work(&step)).await.map_err(UnloadError::Aborted)?
}

async fn send_round(steps: &Steps, run: &mut Run<'_>, round: Round) -> Result<(), UnloadError> {
    let (documents, unsendable) = split_unsendable(round.documents);
    let (shifts, unsendable_shifts) = split_unsendable_shifts(round.shifts);
    let set_aside: Vec<_> = round.broken.into_iter().chain(unsendable).collect();
    if !set_aside.is_empty() {
        run.unloaded.set_aside += set_aside.len() as u64;
        blocking(&steps.notes, move |notes| notes.set_aside(&set_aside)).await?;
    }
    let shifts_aside: Vec<_> = round.broken_shifts.into_iter().chain(unsendable_shifts).collect();
    if !shifts_aside.is_empty() {
        run.unloaded.set_aside += shifts_aside.len() as u64;
        blocking(&steps.notes, move |notes| notes.set_shifts_aside(&shifts_aside)).await?;
    }
    if documents.is_empty() && shifts.is_empty() {
        return Ok(());
    }
    let named = documents.iter().map(shift_of).chain(shifts.iter().map(|record| shift_key(&record.shift)));
    let (stream, mut held) = steps.server.open(&mut run.channel, named).await.map_err(UnloadError::Stream)?;
    let suspicious = fewer_than_counted(&documents, &shifts, &held);
    let sent_now: Vec<_> =
        if suspicious.is_empty() { Vec::new() } else { documents.iter().filter_map(known_by).collect() };
    let (batches, had) = cut_batches(documents, shifts, &held);
    if !had.is_empty() {
        run.unloaded.receipts += had.documents.len() as u64;
        steps.progress.add(Stage::Unload, had.documents.len() as u64);
        blocking(&steps.notes, move |notes| notes.done(&had, Vec::new())).await?;
    }
    let mut under_way = VecDeque::new();
    let sent = send_batches(steps, stream, batches, &mut under_way, run).await;
    if matches!(sent, Err(UnloadError::Broken(_))) {
        steps.read.suspects.note_broken(under_way.iter().flat_map(Sent::units));
    }
    sent?;
    if !suspicious.is_empty() {
        for (shift, number, uuid) in sent_now {
            held.receipts.entry(shift).or_default().insert((number, uuid));
        }
        let taken_back = blocking(&steps.past, move |past| past.at_closings(&suspicious, &held)).await?;
        run.taken_back |= taken_back > 0;
    }
    Ok(())
}

/// Records of closed shifts of which the server would have fewer documents than the till, once
/// these are sent.
fn fewer_than_counted(documents: &[v1::Document], shifts: &[ShiftRecord], held: &Holdings) -> Vec<ShiftRecord> {
    let fewer = |record: &&ShiftRecord| {
        let key = shift_key(&record.shift);
        let there = held.count(key) + documents.iter().filter(|document| shift_of(document) == key).count();
        record.is_closed() && i64::try_from(there).unwrap_or(i64::MAX) < record.shift.counted_documents
    };
    if held.partial { Vec::new() } else { shifts.iter().filter(fewer).cloned().collect() }
}

async fn send_batches(
    steps: &Steps,
    mut stream: SalesStream,
    batches: Vec<Batch>,
    under_way: &mut VecDeque<Sent>,
    run: &mut Run<'_>,
) -> Result<(), UnloadError> {
    let mut batches = batches.into_iter();
    loop {
        let next = if stream.has_room() { batches.next() } else { None };
        if let Some(batch) = next {
            let sent = Sent::of(&batch);
            run.archive.add(&batch);
            let shifts = batch.shifts.into_iter().map(|record| record.shift).collect();
            if acknowledgements_are_not_awaited() {
                let early = sent.clone();
                blocking(&steps.notes, move |notes| notes.done(&early, Vec::new())).await?;
                fail::fail_point!("unload::noted_too_early");
            }
            under_way.push_back(sent);
            stream.send(batch.documents, shifts).await.map_err(UnloadError::Broken)?;
            fail::fail_point!("unload::sent");
        } else if stream.is_settled() {
            stream.close().await;
            return Ok(());
        } else {
            let acknowledged = stream.acknowledgement().await.map_err(UnloadError::Broken)?;
            fail::fail_point!("unload::acknowledged");
            settle(steps, under_way, acknowledged, run.unloaded).await?;
        }
    }
}

async fn settle(
    steps: &Steps,
    under_way: &mut VecDeque<Sent>,
    acknowledged: Acknowledged,
    unloaded: &mut Unloaded,
) -> Result<(), UnloadError> {
    let Acknowledged { batches, refused } = acknowledged;
    let mut sent = Sent::default();
    for batch in under_way.drain(..batches) {
        sent.join(batch);
    }
    let of_documents = refused.iter().filter(|refused| matches!(refused.what, RefusedPart::Document(_))).count();
    unloaded.set_aside += refused.len() as u64;
    let receipts = (sent.documents.len() as u64).saturating_sub(of_documents as u64);
    unloaded.receipts += receipts;
    steps.progress.add(Stage::Unload, receipts);
    blocking(&steps.notes, move |notes| notes.done(&sent, refused)).await
}

/// What goes into the archive of this unloading: one JSON a line.
#[derive(Debug, Default)]
struct Archive {
    lines: Vec<u8>,
    documents: u64,
}

impl Archive {
    fn add(&mut self, batch: &Batch) {
        for document in &batch.documents {
            self.documents += 1;
            if self.lines.len() < MAX_BACKUP_BYTES {
                self.lines.extend_from_slice(super::archive::line(document).to_string().as_bytes());
                self.lines.push(b'\n');
            }
        }
    }
}
