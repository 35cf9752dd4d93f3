//! What is to be sent, read from `documents.db` round by round.

use super::run::UnloadError;
use super::suspects::{Suspected, Suspects, Unit};
use crate::decide::{Progress, is_another_database};
use crate::source::{Sales, Source};
use crate::state::State;
use std::collections::BTreeSet;
use std::sync::Arc;
use tillway_exchangers::till::documents::{BrokenDocument, BrokenShift, Page, ShiftPage, ShiftRecord};
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

/// Reads what is to be sent. Cheap to clone; calls block.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) source: Arc<dyn Source>,
    /// What is done with.
    pub(crate) state: State,
    /// What goes last.
    pub(crate) suspects: Arc<Suspects>,
}

impl Reading {
    /// The source, where anything was sold yet.
    pub(super) fn open(&self) -> Result<Option<Box<dyn Sales>>, UnloadError> {
        self.source.open().map_err(UnloadError::Documents)
    }

    /// Whether the source is another one than the one whose documents were sent.
    pub(super) fn is_another_database(&self) -> Result<bool, UnloadError> {
        let Some(mark) = self.state.mark().map_err(UnloadError::State)? else { return Ok(false) };
        // A till that has sold and has no documents any more: told as an error until a person has
        // looked.
        let Some(mut documents) = self.open()? else { return Err(UnloadError::DocumentsGone) };
        let found = documents.row(mark.document).map_err(UnloadError::Documents)?;
        let another = is_another_database(mark, &found);
        if another {
            tracing::warn!(
                document = mark.document,
                ?found,
                "documents.db is another one than before: what the server has is asked anew"
            );
        }
        Ok(another)
    }

    /// Tells the progress in the least room.
    pub(super) fn settle_progress(&self) -> Result<(), UnloadError> {
        let Some(mut documents) = self.open()? else { return Ok(()) };
        let progress = self.state.progress().map_err(UnloadError::State)?;
        let closed = self.state.closed_shifts().map_err(UnloadError::State)?;
        let settled = documents.settle(&progress).map_err(UnloadError::Documents)?;
        let settled_shifts = documents.settle_shifts(&closed).map_err(UnloadError::Documents)?;
        if settled == progress && settled_shifts == closed {
            return Ok(());
        }
        self.state.keep_settled([&progress, &closed], [&settled, &settled_shifts]).map_err(UnloadError::State)?;
        fail::fail_point!("unload::settled");
        Ok(())
    }

    /// The next round of what is selected, without suspects.
    pub(super) fn round(&self, mut position: Position) -> Result<(Round, Position), UnloadError> {
        let mut round = Round { last: true, ..Round::default() };
        let Some(mut documents) = self.open()? else { return Ok((round, position)) };
        let suspected = self.suspects.look();
        let mut closed = self.state.closed_shifts().map_err(UnloadError::State)?;
        round.suspected.shifts = besides(&suspected.shifts, &closed);
        // However many suspects there are, they take no room from the others.
        closed.sent.extend(&suspected.shifts);
        let mut progress = self.state.progress().map_err(UnloadError::State)?;
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
            let ShiftPage { records, broken } = shift_records(&mut *documents, &closed, &ids)?;
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

    /// A group of suspects. A shift that is open is none of them: its record goes when it is
    /// closed.
    pub(super) fn group(&self, group: &[Unit]) -> Result<Round, UnloadError> {
        let Some(mut documents) = self.open()? else { return Ok(Round::default()) };
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
    documents: &mut dyn Sales,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::memory::MemorySource;
    use crate::tests::TestTill;

    fn missing() -> Position {
        Position { selection: UnloadSelection::MISSING, after: 0 }
    }

    fn ids(round: &Round) -> (Vec<i64>, Vec<i64>) {
        let documents = round.documents.iter().map(|document| document.document_id);
        (documents.collect(), round.shifts.iter().map(|record| record.workshift_id).collect())
    }

    fn till_with_sales() -> TestTill<crate::sink::memory::MemorySink, MemorySource> {
        let till = TestTill::in_memory();
        for shift in [1, 1, 2] {
            till.source.sell(shift);
        }
        till.source.close(1);
        till
    }

    #[test]
    fn a_round_holds_what_is_not_done_with_and_the_records_of_its_shifts() {
        let till = till_with_sales();
        let read = &till.unloader.steps.read;
        assert_eq!(ids(&read.round(missing()).unwrap().0), (vec![1, 2, 3], vec![1]));
        read.state.note_sent(&[1, 3], &[], None, None).unwrap();
        read.state.note_closed(&[1], &[]).unwrap();
        assert_eq!(ids(&read.round(missing()).unwrap().0), (vec![2], vec![1]), "its count is another one now");
        read.state.note_sent(&[2], &[], None, None).unwrap();
        assert_eq!(ids(&read.round(missing()).unwrap().0), (vec![], vec![]));
    }

    #[test]
    fn suspects_are_left_to_the_end() {
        let till = till_with_sales();
        let read = &till.unloader.steps.read;
        for _ in 0..3 {
            read.suspects.note_broken([Unit::Document(2), Unit::Shift(1)]);
        }
        let (round, _) = read.round(missing()).unwrap();
        assert_eq!(ids(&round), (vec![1, 3], vec![]));
        assert_eq!(round.suspected, Suspected { documents: [2].into(), shifts: [1].into() });
        assert_eq!(ids(&read.group(&[Unit::Document(2), Unit::Shift(1)]).unwrap()), (vec![2], vec![1]));
    }
}
