//! One unloading, from `documents.db` to the last acknowledgement.
//!
//! Documents go in *rounds*, a stream each, since a hello has to name the shifts that follow and memory holds a round. The
//! last round also carries the records of shifts: those whose closing the server does not have, and the open one. Progress
//! is saved only for what the server acknowledged, or said at the hello that it has.

use super::stream::{self, Acknowledged, Held, SalesStream, StreamError};
use crate::backup;
use crate::decide::{Mark, Progress, history_ends, is_another_database};
use crate::state::StateError;
use crate::till::{Aborted, Till};
use jiff::civil::DateTime;
use prost::Message as _;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tillway_exchangers::till::documents::{BrokenDocument, Documents, DocumentsError, Page, ShiftRecord};
use tillway_proto::UnloadSelection;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::{
    BATCH_BYTES, MAX_BATCH_DOCUMENTS, MAX_DOCUMENT_PARTS, MAX_FRAME_BYTES, MAX_HELLO_SHIFTS, SALES_SCHEMA, v1,
};
use tonic::transport::Channel;
use uuid::Uuid;

/// Most documents of one round: some 10 MB in memory, and more than a till sells in two days.
const ROUND_DOCUMENTS: usize = 2_000;

/// Most rounds of one unloading; a longer backlog goes on with the next one. 20 million documents are more than a till
/// ever makes.
const MAX_ROUNDS: usize = 10_000;

/// Most shifts looked through for closings in one unloading.
const MAX_SHIFTS: u32 = 5_000;

/// A document may not be larger than a frame with room for its envelope.
const MAX_DOCUMENT_BYTES: usize = MAX_FRAME_BYTES - 64 * 1024;

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
    /// Documents set aside, by the server or here.
    pub(crate) set_aside: u64,
}

/// What a round reads from.
#[derive(Debug, Clone)]
struct Position {
    selection: UnloadSelection,
    /// The last id read, where the selection is not by what is missing.
    after: i64,
}

/// Documents and shifts to be sent in one stream.
#[derive(Debug, Default)]
struct Round {
    documents: Vec<v1::Document>,
    broken: Vec<BrokenDocument>,
    /// With their row ids.
    shifts: Vec<ShiftRecord>,
    last: bool,
}

/// Unloads what is selected. The caller holds the exchange lock.
pub(crate) async fn run(till: &Arc<Till>, selection: UnloadSelection) -> Result<Unloaded, UnloadError> {
    let mut unloaded = Unloaded::default();
    let mut archive = Archive::default();
    let outcome = rounds(till, selection, &mut unloaded, &mut archive).await;
    let documents = archive.documents;
    if documents > 0 {
        let _ = till
            .blocking(move |till| backup::keep_sales(&till.settings.current().backup, &archive.lines, documents))
            .await;
    }
    outcome.map(|()| unloaded)
}

async fn rounds(
    till: &Arc<Till>,
    selection: UnloadSelection,
    unloaded: &mut Unloaded,
    archive: &mut Archive,
) -> Result<(), UnloadError> {
    if let UnloadSelection::Missing { new_till_from: Some(from) } = selection {
        blocking(till, move |till| leave_history(till, from)).await?;
    }
    let mut position = Position { selection, after: 0 };
    let mut channel = None;
    for _ in 0..MAX_ROUNDS {
        let (round, read_to) = blocking(till, move |till| read_round(till, position)).await?;
        position = read_to;
        let last = round.last;
        send_round(till, &mut channel, round, unloaded, archive).await?;
        blocking(till, raise_low_water).await?;
        if last {
            return Ok(());
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    till: &Arc<Till>,
    work: impl FnOnce(&Till) -> Result<T, UnloadError> + Send + 'static,
) -> Result<T, UnloadError> {
    till.blocking(move |till| work(till)).await.map_err(UnloadError::Aborted)?
}

fn open(till: &Till) -> Result<Option<Documents>, UnloadError> {
    match Documents::open(&till.settings.current().paths.documents, till.id.clone()) {
        Ok(documents) => Ok(Some(documents)),
        // Nothing sold yet.
        Err(DocumentsError::Missing { .. }) => Ok(None),
        Err(error) => Err(UnloadError::Documents(error)),
    }
}

/// The server has no sale of this till. Where the till has never unloaded either, what it sold before it was attached
/// stays out: everything that ended before `from`, but nothing since a day before the agent was installed, so a till that
/// was offline for days after its installation loses nothing. Decided once.
fn leave_history(till: &Till, from: DateTime) -> Result<(), UnloadError> {
    let Some(installed) = till.state.undecided_history().map_err(UnloadError::State)? else { return Ok(()) };
    let Some(mut documents) = open(till)? else { return Ok(()) };
    let from = history_ends(installed, from);
    let document = documents.settled_before(from).map_err(UnloadError::Documents)?;
    let shifts = documents.shifts_after(0, MAX_SHIFTS).map_err(UnloadError::Documents)?;
    let shift = shifts.iter().take_while(|record| record.ended().is_some_and(|ended| ended < from)).last();
    let shift = shift.map_or(0, |record| record.workshift_id);
    if document > 0 {
        tracing::info!(%from, document, "documents from before this till was attached are left out");
    }
    till.state.leave_history(document, shift).map_err(UnloadError::State)
}

fn read_round(till: &Till, mut position: Position) -> Result<(Round, Position), UnloadError> {
    let mut round = Round { last: true, ..Round::default() };
    let Some(mut documents) = open(till)? else { return Ok((round, position)) };
    notice_another_database(till, &mut documents)?;
    let progress = till.state.progress().map_err(UnloadError::State)?;
    let page = match position.selection {
        UnloadSelection::Missing { .. } => documents.finished_after(progress.low_water, &progress.sent, ROUND_DOCUMENTS),
        UnloadSelection::Since { time } => documents.finished_since(time, position.after, ROUND_DOCUMENTS),
        UnloadSelection::Days { from, to } => documents.finished_on_days(from, to, position.after, ROUND_DOCUMENTS),
    };
    let Page { documents: found, broken, last_id: _ } = page.map_err(UnloadError::Documents)?;
    round.last = found.len() + broken.len() < ROUND_DOCUMENTS;
    let mut shifts = BTreeSet::new();
    for document in found {
        let shift = shift_of(&document);
        if !shifts.contains(&shift) && shifts.len() == MAX_HELLO_SHIFTS {
            round.last = false;
            break;
        }
        shifts.insert(shift);
        position.after = position.after.max(document.document_id);
        round.documents.push(document);
    }
    // A broken one behind the point where the round was cut comes again with the next round.
    let cut_at = if round.last { i64::MAX } else { round.documents.last().map_or(i64::MAX, |last| last.document_id) };
    round.broken.extend(broken.into_iter().filter(|broken| broken.document_id <= cut_at || round.documents.is_empty()));
    position.after = round.broken.iter().map(|broken| broken.document_id).fold(position.after, i64::max);
    if round.last {
        round.shifts = shift_records(till, &mut documents, &mut shifts)?;
        round.last = round.shifts.len() <= MAX_HELLO_SHIFTS;
        round.shifts.truncate(MAX_HELLO_SHIFTS);
    }
    Ok((round, position))
}

fn shift_of(document: &v1::Document) -> u64 {
    document.key.as_ref().map_or(0, |key| key.shift)
}

/// Records to send with the last documents: closings the server does not have, the open shift where something of it is
/// sent, and those of the documents, since their counts are others now.
fn shift_records(
    till: &Till,
    documents: &mut Documents,
    of_documents: &mut BTreeSet<u64>,
) -> Result<Vec<ShiftRecord>, UnloadError> {
    let closed = till.state.closed_shifts().map_err(UnloadError::State)?;
    let waiting = documents.shifts_after(closed.low_water, MAX_SHIFTS).map_err(UnloadError::Documents)?;
    let mut records: Vec<ShiftRecord> = waiting
        .into_iter()
        .filter(|record| {
            let unknown_closing = record.is_closed() && !closed.has(record.workshift_id);
            unknown_closing || of_documents.contains(&record.shift.number)
        })
        .collect();
    let named = of_documents.clone();
    for record in &records {
        of_documents.remove(&record.shift.number);
    }
    for number in std::mem::take(of_documents) {
        records.extend(documents.shift(ShiftNumber(number)).map_err(UnloadError::Documents)?);
    }
    // A hello has room for so many shifts. Those of the documents come first; what is cut off goes with the next round.
    records.sort_by_key(|record| (!named.contains(&record.shift.number), record.workshift_id));
    Ok(records)
}

fn notice_another_database(till: &Till, documents: &mut Documents) -> Result<(), UnloadError> {
    let Some(mark) = till.state.mark().map_err(UnloadError::State)? else { return Ok(()) };
    let page = documents.finished_after(mark.document - 1, &BTreeSet::new(), 1).map_err(UnloadError::Documents)?;
    let found = page.documents.first().and_then(mark_of);
    // One that does not read says nothing.
    if page.broken.is_empty() && is_another_database(mark, found) {
        tracing::warn!(
            document = mark.document,
            "documents.db is another one than before: what the server has is asked anew"
        );
        till.state.forget_sent().map_err(UnloadError::State)?;
    }
    Ok(())
}

fn mark_of(document: &v1::Document) -> Option<Mark> {
    let uuid = Uuid::from_slice(&document.key.as_ref()?.uuid).ok()?;
    Some(Mark { document: document.document_id, uuid })
}

fn raise_low_water(till: &Till) -> Result<(), UnloadError> {
    let Some(mut documents) = open(till)? else { return Ok(()) };
    let Progress { low_water, sent } = till.state.progress().map_err(UnloadError::State)?;
    let settled = documents.settled_through(low_water, &sent).map_err(UnloadError::Documents)?;
    if settled > low_water {
        till.state.raise_low_water(settled).map_err(UnloadError::State)?;
    }
    let closed = till.state.closed_shifts().map_err(UnloadError::State)?;
    let shifts = documents.shifts_after(closed.low_water, MAX_SHIFTS).map_err(UnloadError::Documents)?;
    let done = shifts.iter().take_while(|record| record.is_closed() && closed.has(record.workshift_id)).last();
    if let Some(done) = done {
        till.state.note_closed(&[], done.workshift_id).map_err(UnloadError::State)?;
    }
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
    if documents.is_empty() && round.shifts.is_empty() {
        return Ok(());
    }
    let settings = till.settings.current();
    let open_channel = match channel {
        Some(open) => open.clone(),
        None => channel.insert(stream::connect(&settings.sales).await.map_err(UnloadError::Stream)?).clone(),
    };
    let named: BTreeSet<u64> =
        documents.iter().map(shift_of).chain(round.shifts.iter().map(|record| record.shift.number)).collect();
    let hello = v1::Hello {
        schema: SALES_SCHEMA,
        till_id: till.id.to_string(),
        shop_id: settings.shop.as_ref().map(ToString::to_string).unwrap_or_default(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: till.instance.to_string(),
        shifts: named.into_iter().take(MAX_HELLO_SHIFTS).collect(),
    };
    let opened = SalesStream::open(open_channel, settings.token.as_deref(), hello).await;
    let (mut stream, held) = opened.map_err(UnloadError::Stream)?;
    let (batches, had) = cut_batches(documents, round.shifts, &held);
    if !had.is_empty() {
        unloaded.receipts += had.documents.len() as u64;
        blocking(till, move |till| note(till, &had, &[])).await?;
    }
    let mut under_way = VecDeque::new();
    let mut batches = batches.into_iter();
    loop {
        let next = if stream.has_room() { batches.next() } else { None };
        if let Some(batch) = next {
            let sent = Sent::of(&batch);
            archive.add(&batch);
            let shifts = batch.shifts.into_iter().map(|record| record.shift).collect();
            stream.send(batch.documents, shifts).await.map_err(UnloadError::Stream)?;
            under_way.push_back(sent);
        } else if stream.is_settled() {
            stream.close().await;
            return Ok(());
        } else {
            let acknowledged = stream.acknowledgement().await.map_err(UnloadError::Stream)?;
            settle(till, &mut under_way, acknowledged, unloaded).await?;
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
    for (document, reason) in &refused {
        tracing::error!(document, reason, "the server set a document aside");
        till.errors.add();
    }
    let mut sent = Sent::default();
    for batch in under_way.drain(..batches) {
        sent.join(batch);
    }
    let set_aside = refused.len() as u64;
    unloaded.set_aside += set_aside;
    unloaded.receipts += (sent.documents.len() as u64).saturating_sub(set_aside);
    blocking(till, move |till| note(till, &sent, &refused)).await
}

fn note(till: &Till, sent: &Sent, refused: &[(i64, String)]) -> Result<(), UnloadError> {
    till.state.note_sent(&sent.documents, refused, sent.mark, sent.last).map_err(UnloadError::State)?;
    if sent.closings.is_empty() {
        return Ok(());
    }
    let low_water = till.state.closed_shifts().map_err(UnloadError::State)?.low_water;
    till.state.note_closed(&sent.closings, low_water).map_err(UnloadError::State)
}

/// What is not sendable is done with: a person looks at it, and may have it tried again by date.
fn set_aside_here(till: &Till, broken: &[BrokenDocument]) -> Result<(), UnloadError> {
    for document in broken {
        tracing::error!(document = document.document_id, reason = document.reason, "a document is set aside");
        till.errors.add();
    }
    let ids: Vec<_> = broken.iter().map(|document| document.document_id).collect();
    let reasons: Vec<_> = broken.iter().map(|document| (document.document_id, document.reason.clone())).collect();
    till.state.note_sent(&ids, &reasons, None, None).map_err(UnloadError::State)
}

fn split_unsendable(documents: Vec<v1::Document>) -> (Vec<v1::Document>, Vec<BrokenDocument>) {
    let mut broken = Vec::new();
    let sendable = documents
        .into_iter()
        .filter(|document| match too_large(document) {
            None => true,
            Some(reason) => {
                broken.push(BrokenDocument { document_id: document.document_id, reason });
                false
            }
        })
        .collect();
    (sendable, broken)
}

fn too_large(document: &v1::Document) -> Option<String> {
    let parts = [
        ("lines", document.lines.len()),
        ("voided lines", document.voided_lines.len()),
        ("payments", document.payments.len()),
        ("cards", document.cards.len()),
    ];
    for (what, count) in parts {
        if count > MAX_DOCUMENT_PARTS {
            return Some(format!("it has {count} {what}, allowed are {MAX_DOCUMENT_PARTS}"));
        }
    }
    let bytes = document.encoded_len();
    (bytes > MAX_DOCUMENT_BYTES).then(|| format!("it has {bytes} bytes, allowed are {MAX_DOCUMENT_BYTES}"))
}

/// One batch before it is sent.
#[derive(Debug, Default)]
struct Batch {
    documents: Vec<v1::Document>,
    shifts: Vec<ShiftRecord>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.documents.len() + self.shifts.len() >= MAX_BATCH_DOCUMENTS
    }
}

/// What has to be sent, in batches, and what the server has already. Shifts follow their documents.
fn cut_batches(documents: Vec<v1::Document>, shifts: Vec<ShiftRecord>, held: &Held) -> (Vec<Batch>, Sent) {
    let mut had = Sent::default();
    let mut batches = vec![Batch::default()];
    let mut with = |bytes: usize, put: &mut dyn FnMut(&mut Batch)| {
        if batches
            .last()
            .is_none_or(|batch| batch.is_full() || (batch.bytes > 0 && batch.bytes + bytes > MAX_DOCUMENT_BYTES))
        {
            batches.push(Batch::default());
        }
        if let Some(batch) = batches.last_mut() {
            batch.bytes += bytes;
            put(batch);
        }
    };
    for document in documents {
        if held.has(&document) {
            had.add(&document);
        } else {
            let mut document = Some(document);
            let bytes = document.as_ref().map_or(0, prost::Message::encoded_len);
            with(bytes, &mut |batch| batch.documents.extend(document.take()));
        }
    }
    for record in shifts {
        let mut record = Some(record);
        let bytes = record.as_ref().map_or(0, |record| record.shift.encoded_len());
        with(bytes, &mut |batch| batch.shifts.extend(record.take()));
    }
    batches.retain(|batch| batch.bytes > 0);
    (batches, had)
}

/// What a batch held, for when it is acknowledged.
#[derive(Debug, Default)]
struct Sent {
    documents: Vec<i64>,
    /// Row ids of closed shifts.
    closings: Vec<i64>,
    mark: Option<Mark>,
    last: Option<DateTime>,
}

impl Sent {
    fn of(batch: &Batch) -> Self {
        let mut sent = Self::default();
        batch.documents.iter().for_each(|document| sent.add(document));
        sent.closings = batch.shifts.iter().filter(|r| r.is_closed()).map(|r| r.workshift_id).collect();
        sent
    }

    fn add(&mut self, document: &v1::Document) {
        self.documents.push(document.document_id);
        self.newest(mark_of(document), document.time_end.parse().ok());
    }

    fn join(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.closings.extend(other.closings);
        self.newest(other.mark, other.last);
    }

    fn newest(&mut self, mark: Option<Mark>, last: Option<DateTime>) {
        if mark.map(|mark| mark.document) > self.mark.map(|mark| mark.document) {
            self.mark = mark;
        }
        self.last = self.last.max(last);
    }

    fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
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
