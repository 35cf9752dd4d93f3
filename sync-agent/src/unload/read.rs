//! What is to be sent, read from `documents.db` round by round.

use super::run::{UnloadError, open};
use super::suspects::{Suspected, Unit};
use crate::decide::Progress;
use crate::till::Till;
use std::collections::BTreeSet;
use tillway_exchangers::till::documents::{BrokenDocument, BrokenShift, Documents, Page, ShiftPage, ShiftRecord};
use tillway_proto::UnloadSelection;
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{MAX_HELLO_SHIFTS, v1};

/// Most documents of one round: some 10 MB in memory, and more than a till sells in two days.
const ROUND_DOCUMENTS: usize = 2_000;

/// Most closings read for one round: one more than a hello names tells that there are more.
const ROUND_CLOSINGS: usize = MAX_HELLO_SHIFTS + 1;

/// What a round reads from.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) selection: UnloadSelection,
    /// The last id read, where the selection is not by what is missing.
    pub(super) after: i64,
}

/// Documents and shifts to be sent in one stream.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) documents: Vec<v1::Document>,
    pub(super) broken: Vec<BrokenDocument>,
    /// With their row ids.
    pub(super) shifts: Vec<ShiftRecord>,
    pub(super) broken_shifts: Vec<BrokenShift>,
    /// Left out, to be sent after all rounds.
    pub(super) suspected: Suspected,
    pub(super) last: bool,
}

/// The next round of what is selected, without suspects.
pub(super) fn read_round(till: &Till, mut position: Position) -> Result<(Round, Position), UnloadError> {
    let mut round = Round { last: true, ..Round::default() };
    let Some(mut documents) = open(till)? else { return Ok((round, position)) };
    let suspected = till.suspects.look();
    let mut closed = till.state.closed_shifts().map_err(UnloadError::State)?;
    round.suspected.shifts = besides(&suspected.shifts, &closed);
    // However many suspects there are, they take no room from the others.
    closed.sent.extend(&suspected.shifts);
    let mut progress = till.state.progress().map_err(UnloadError::State)?;
    let page = match position.selection {
        UnloadSelection::Missing { .. } => {
            round.suspected.documents = besides(&suspected.documents, &progress);
            progress.sent.extend(&suspected.documents);
            documents.finished_besides(&progress, ROUND_DOCUMENTS)
        }
        UnloadSelection::Since { time } => documents.finished_since(time, position.after, ROUND_DOCUMENTS),
        UnloadSelection::Days { from, to } => documents.finished_on_days(from, to, position.after, ROUND_DOCUMENTS),
    };
    let Page { documents: found, broken, last_id: _ } = page.map_err(UnloadError::Documents)?;
    round.last = found.len() + broken.len() < ROUND_DOCUMENTS;
    let mut shifts = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut cut_at = i64::MAX;
    for document in found {
        let id = document.document_id;
        let shift = shift_of(&document);
        if suspected.documents.contains(&id) {
            round.suspected.documents.insert(id);
        } else if !shifts.contains(&shift) && shifts.len() == MAX_HELLO_SHIFTS {
            (round.last, cut_at) = (false, id);
            break;
        } else {
            shifts.insert(shift);
            ids.insert(id);
            round.documents.push(document);
        }
        position.after = position.after.max(id);
    }
    // A broken one behind the point where the round was cut comes again with the next round.
    round.broken.extend(broken.into_iter().filter(|broken| broken.document_id < cut_at));
    position.after = round.broken.iter().map(|broken| broken.document_id).fold(position.after, i64::max);
    if round.last {
        let ShiftPage { records, broken } = shift_records(&mut documents, &closed, &ids)?;
        round.broken_shifts = broken;
        for record in records {
            if suspected.shifts.contains(&record.workshift_id) {
                round.suspected.shifts.insert(record.workshift_id);
            } else {
                round.shifts.push(record);
            }
        }
        round.last = round.shifts.len() + round.broken_shifts.len() <= MAX_HELLO_SHIFTS;
        round.shifts.truncate(MAX_HELLO_SHIFTS);
    }
    Ok((round, position))
}

/// A group of suspects. A shift that is open is none of them: its record goes when it is closed.
pub(super) fn read_group(till: &Till, group: &[Unit]) -> Result<Round, UnloadError> {
    let Some(mut documents) = open(till)? else { return Ok(Round::default()) };
    let mut of = Suspected::default();
    for unit in group {
        of.add(*unit);
    }
    let only = |ids| Progress { through: i64::MAX, open: ids, sent: BTreeSet::new() };
    let page = documents.finished_besides(&only(of.documents), group.len()).map_err(UnloadError::Documents)?;
    let shifts = documents.closed_besides(&only(of.shifts), group.len()).map_err(UnloadError::Documents)?;
    Ok(Round {
        documents: page.documents,
        broken: page.broken,
        shifts: shifts.records,
        broken_shifts: shifts.broken,
        ..Round::default()
    })
}

pub(super) fn shift_of(document: &v1::Document) -> ShiftKey {
    document.key.as_ref().map_or_else(ShiftKey::default, |key| ShiftKey {
        number: ShiftNumber(key.shift),
        opened: Opened::from_wire(key.shift_opened.as_deref()).unwrap_or_default(),
    })
}

fn besides(suspected: &BTreeSet<i64>, progress: &Progress) -> BTreeSet<i64> {
    suspected.iter().copied().filter(|id| !progress.has(*id)).collect()
}

/// Records to send with the last documents: closings that are not done with, and those of the
/// documents, since their counts are others now.
fn shift_records(
    documents: &mut Documents,
    closed: &Progress,
    documents_sent: &BTreeSet<i64>,
) -> Result<ShiftPage, UnloadError> {
    let mut page = documents.closed_besides(closed, ROUND_CLOSINGS).map_err(UnloadError::Documents)?;
    // One that does not read is set aside when it is closed.
    let of_documents = documents.shifts_of(documents_sent).map_err(UnloadError::Documents)?.records;
    let first: BTreeSet<i64> = of_documents.iter().map(|record| record.workshift_id).collect();
    page.records.retain(|record| !first.contains(&record.workshift_id));
    page.records.extend(of_documents);
    // A hello has room for so many shifts. Those of the documents come first; what is cut off goes
    // with the next round.
    page.records.sort_by_key(|record| (!first.contains(&record.workshift_id), record.workshift_id));
    Ok(page)
}
