//! One unloading, from `documents.db` to the last acknowledgement.
//!
//! Documents go in *rounds*, a stream each, since a hello has to name the shifts that follow and memory holds a round. The
//! last round also carries the records of shifts: those whose closing the server does not have, and those of the
//! documents. Progress is saved only for what the server acknowledged, or said at the hello that it has, and for what
//! was set aside. Documents on which streams broke time after time go after all others, in streams of their own
//! ([`super::suspects`]).

use super::batches::{Batch, Sent, cut_batches, split_unsendable};
use super::stream::{self, Acknowledged, Refused, RefusedPart, SalesStream, StreamError};
use super::{history, look_back, suspects};
use crate::backup;
use crate::decide::is_another_database;
use crate::state::StateError;
use crate::till::{Aborted, Till};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tillway_exchangers::till::documents::{
    BrokenDocument, BrokenShift, Documents, DocumentsError, Page, ShiftPage, ShiftRecord,
};
use tillway_proto::UnloadSelection;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::{MAX_HELLO_SHIFTS, v1};
use tonic::transport::Channel;

/// Most rounds of one unloading; a longer backlog goes on with the next one. 20 million documents are more than a till
/// ever makes.
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
    #[error("the stream breaks on document {document} or close to it; the others were sent")]
    Suspect {
        document: i64,
        #[source]
        source: Box<Self>,
    },
    #[error("failed to send sales")]
    Stream(#[source] StreamError),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) unloaded: Unloaded,
    /// Whether it was looked back, where that was asked for.
    pub(crate) looked_back: bool,
}

/// Unloads what is selected, and looks back afterwards where that is due. The caller holds the exchange lock.
pub(crate) async fn run(till: &Arc<Till>, selection: UnloadSelection, look_back: bool) -> Result<Ended, UnloadError> {
    let mut unloaded = Unloaded::default();
    let mut archive = Archive::default();
    let outcome = unload(till, selection, look_back, &mut unloaded, &mut archive).await;
    let documents = archive.documents;
    if documents > 0 {
        let _ = till
            .blocking(move |till| backup::keep_sales(&till.settings.current().backup, &archive.lines, documents))
            .await;
    }
    outcome.map(|looked_back| Ended { unloaded, looked_back })
}

async fn unload(
    till: &Arc<Till>,
    selection: UnloadSelection,
    look_back: bool,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<bool, UnloadError> {
    let mut channel = None;
    blocking(till, notice_another_database).await?;
    let asked = match selection {
        UnloadSelection::Missing { new_till_from } => new_till_from,
        UnloadSelection::Since { .. } | UnloadSelection::Days { .. } => None,
    };
    history::decide(till, &mut channel, asked).await?;
    rounds(till, &mut channel, selection, unloaded, archive).await?;
    // A look back would send again what was noted too early.
    if acknowledgements_are_not_awaited() {
        return Ok(true);
    }
    if look_back { look_back::run(till, &mut channel, unloaded, archive).await } else { Ok(false) }
}

/// Whether progress is to be noted before its acknowledgement, which a test must notice. Never in a release.
fn acknowledgements_are_not_awaited() -> bool {
    fail::fail_point!("without::unload_ack", |_| true);
    false
}

/// Unloads round by round.
pub(super) async fn rounds(
    till: &Arc<Till>,
    channel: &mut Option<Channel>,
    selection: UnloadSelection,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<(), UnloadError> {
    let mut position = Position { selection, after: 0 };
    let mut suspected = BTreeMap::new();
    for _ in 0..MAX_ROUNDS {
        let (mut round, read_to) = blocking(till, move |till| read_round(till, position)).await?;
        position = read_to;
        let found = round.documents.len() + round.broken.len() + round.shifts.len() + round.broken_shifts.len();
        let (kept_for_later, documents): (Vec<_>, _) =
            round.documents.into_iter().partition(|document| till.suspects.suspicion(document.document_id).is_some());
        round.documents = documents;
        // A round of nothing else would come again and again.
        let last = round.last || kept_for_later.len() == found;
        suspected.extend(kept_for_later.into_iter().map(|document| (document.document_id, document)));
        send_round(till, channel, round, unloaded, archive).await?;
        blocking(till, settle_progress).await?;
        if last {
            break;
        }
    }
    send_suspects(till, channel, suspected.into_values().collect(), unloaded, archive).await
}

/// The least suspect first: most of them were only under way together with the one that is to blame.
async fn send_suspects(
    till: &Arc<Till>,
    channel: &mut Option<Channel>,
    mut documents: Vec<v1::Document>,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<(), UnloadError> {
    documents.sort_by_key(|document| (till.suspects.suspicion(document.document_id), document.document_id));
    let mut broken = Vec::new();
    let mut documents = documents.into_iter().peekable();
    while let Some(first) = documents.next() {
        let id = first.document_id;
        let suspicion = till.suspects.suspicion(id);
        let mut group = vec![first];
        while group.len() < suspects::group_size(suspicion.unwrap_or_default()) {
            let same = |next: &v1::Document| till.suspects.suspicion(next.document_id) == suspicion;
            let Some(next) = documents.next_if(same) else { break };
            group.push(next);
        }
        let count = group.len();
        let alone = Round { documents: group, ..Round::default() };
        if let Err(error) = send_round(till, channel, alone, unloaded, archive).await {
            let reason = crate::broker::chain(&error);
            tracing::error!(first = id, count, reason, "a stream broke on documents that it broke on before");
            broken.push((id, error));
            if broken.len() >= MAX_BROKEN_SUSPECTS {
                break;
            }
        }
    }
    blocking(till, settle_progress).await?;
    match broken.into_iter().next() {
        Some((document, error)) => Err(UnloadError::Suspect { document, source: Box::new(error) }),
        None => Ok(()),
    }
}

/// Runs work that blocks.
pub(super) async fn blocking<T: Send + 'static>(
    till: &Arc<Till>,
    work: impl FnOnce(&Till) -> Result<T, UnloadError> + Send + 'static,
) -> Result<T, UnloadError> {
    till.blocking(move |till| work(till)).await.map_err(UnloadError::Aborted)?
}

/// `documents.db`, where the POS has made it.
pub(super) fn open(till: &Till) -> Result<Option<Documents>, UnloadError> {
    match Documents::open(&till.settings.current().paths.documents, till.id.clone()) {
        Ok(documents) => Ok(Some(documents)),
        // Nothing sold yet.
        Err(DocumentsError::Missing { .. }) => Ok(None),
        Err(error) => Err(UnloadError::Documents(error)),
    }
}

fn notice_another_database(till: &Till) -> Result<(), UnloadError> {
    let Some(mark) = till.state.mark().map_err(UnloadError::State)? else { return Ok(()) };
    // A till that has sold and has no documents any more: told as an error until a person has looked.
    let Some(mut documents) = open(till)? else { return Err(UnloadError::DocumentsGone) };
    let found = documents.row(mark.document).map_err(UnloadError::Documents)?;
    if !is_another_database(mark, &found) {
        return Ok(());
    }
    tracing::warn!(
        document = mark.document,
        ?found,
        "documents.db is another one than before: what the server has is asked anew"
    );
    history::begin_anew(till)
}

/// Tells the progress in the least room.
fn settle_progress(till: &Till) -> Result<(), UnloadError> {
    let Some(mut documents) = open(till)? else { return Ok(()) };
    let progress = till.state.progress().map_err(UnloadError::State)?;
    let closed = till.state.closed_shifts().map_err(UnloadError::State)?;
    let settled = documents.settle(&progress).map_err(UnloadError::Documents)?;
    let settled_shifts = documents.settle_shifts(&closed).map_err(UnloadError::Documents)?;
    if settled == progress && settled_shifts == closed {
        return Ok(());
    }
    till.state.keep_settled(&settled, &settled_shifts).map_err(UnloadError::State)?;
    fail::fail_point!("unload::settled");
    Ok(())
}

async fn send_round(
    till: &Arc<Till>,
    channel: &mut Option<Channel>,
    round: Round,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<(), UnloadError> {
    let (documents, unsendable) = split_unsendable(round.documents);
    let set_aside: Vec<_> = round.broken.into_iter().chain(unsendable).collect();
    if !set_aside.is_empty() {
        unloaded.set_aside += set_aside.len() as u64;
        blocking(till, move |till| set_aside_here(till, &set_aside)).await?;
    }
    if !round.broken_shifts.is_empty() {
        unloaded.set_aside += round.broken_shifts.len() as u64;
        blocking(till, move |till| set_shifts_aside(till, &round.broken_shifts)).await?;
    }
    if documents.is_empty() && round.shifts.is_empty() {
        return Ok(());
    }
    let named = documents.iter().map(shift_of).chain(round.shifts.iter().map(|record| record.shift.number));
    let (stream, held) = stream::open(till, channel, named).await.map_err(UnloadError::Stream)?;
    let (batches, had) = cut_batches(documents, round.shifts, &held);
    if !had.is_empty() {
        unloaded.receipts += had.documents.len() as u64;
        blocking(till, move |till| note(till, &had, Vec::new())).await?;
    }
    let mut under_way = VecDeque::new();
    let sent = send_batches(till, stream, batches, &mut under_way, unloaded, archive).await;
    if sent.is_err() {
        till.suspects.note_broken(under_way.iter().flat_map(|sent| sent.documents.iter().copied()));
    }
    sent
}

async fn send_batches(
    till: &Arc<Till>,
    mut stream: SalesStream,
    batches: Vec<Batch>,
    under_way: &mut VecDeque<Sent>,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<(), UnloadError> {
    let mut batches = batches.into_iter();
    loop {
        let next = if stream.has_room() { batches.next() } else { None };
        if let Some(batch) = next {
            let sent = Sent::of(&batch);
            archive.add(&batch);
            let shifts = batch.shifts.into_iter().map(|record| record.shift).collect();
            if acknowledgements_are_not_awaited() {
                let early = sent.clone();
                blocking(till, move |till| note(till, &early, Vec::new())).await?;
                fail::fail_point!("unload::noted_too_early");
            }
            under_way.push_back(sent);
            stream.send(batch.documents, shifts).await.map_err(UnloadError::Stream)?;
            fail::fail_point!("unload::sent");
        } else if stream.is_settled() {
            stream.close().await;
            return Ok(());
        } else {
            let acknowledged = stream.acknowledgement().await.map_err(UnloadError::Stream)?;
            fail::fail_point!("unload::acknowledged");
            settle(till, under_way, acknowledged, unloaded).await?;
        }
    }
}

async fn settle(
    till: &Arc<Till>,
    under_way: &mut VecDeque<Sent>,
    acknowledged: Acknowledged,
    unloaded: &mut Unloaded,
) -> Result<(), UnloadError> {
    let Acknowledged { batches, refused } = acknowledged;
    let mut sent = Sent::default();
    for batch in under_way.drain(..batches) {
        sent.join(batch);
    }
    till.suspects.clear(&sent.documents);
    let of_documents = refused.iter().filter(|refused| matches!(refused.what, RefusedPart::Document(_))).count();
    unloaded.set_aside += refused.len() as u64;
    unloaded.receipts += (sent.documents.len() as u64).saturating_sub(of_documents as u64);
    blocking(till, move |till| note(till, &sent, refused)).await
}

/// What goes into the archive of this unloading: one JSON a line.
#[derive(Debug, Default)]
pub(super) struct Archive {
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
