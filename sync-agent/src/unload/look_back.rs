//! Looking back: whether the server still has what it acknowledged.
//!
//! A server whose sales were lost or restored from a backup, or another server that the till was
//! moved to, lacks receipts that exist nowhere but on the till, which believes them sent. So now
//! and then the agent names its newest shifts, without having anything to send, and hears what is
//! there. Where all of it is, that was one small stream. Where something is not, it is sent again,
//! and the look goes on further back, step by step, until a step is held whole. A look that breaks
//! off is gone on with from where it was.

use super::history::Past;
use super::run::{Run, Steps, UnloadError, blocking, rounds};
use crate::decide::{Holdings, TillShift, lost};
use crate::installation::History;
use crate::source::Sales;
use tillway_exchangers::till::documents::ShiftRecord;
use tillway_proto::UnloadSelection;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::shift_key;

/// Shifts of one step: ten days at two a day, some 100 kB of what the server states.
const STEP_SHIFTS: u32 = 20;

/// Most steps of one look: 27 years of shifts.
const MAX_STEPS: usize = 1_000;

/// What one step asks about.
struct Step {
    shifts: Vec<TillShift>,
    /// The lowest `workshiftid` in it.
    oldest: i64,
}

/// Looks back, and sends again what is lost. False where the server cannot tell now.
pub(super) async fn run(steps: &Steps, run: &mut Run<'_>) -> Result<bool, UnloadError> {
    let mut before = i64::MAX;
    for _ in 0..MAX_STEPS {
        let Some(Step { shifts, oldest }) = blocking(&steps.past, move |past| past.step(before)).await? else {
            break;
        };
        let named = shifts.iter().map(|shift| shift.key).collect();
        let held = steps.server.ask(&mut run.channel, named).await.map_err(UnloadError::Stream)?;
        if held.partial {
            return Ok(false);
        }
        let (missing, looked_back_to) =
            blocking(&steps.past, move |past| past.take_back(&shifts, &held, oldest)).await?;
        if missing > 0 {
            rounds(steps, run, UnloadSelection::MISSING).await?;
            before = oldest;
        } else if let Some(further) = looked_back_to.filter(|to| *to <= oldest) {
            // An earlier look broke off there.
            before = further;
        } else {
            break;
        }
    }
    blocking(&steps.past, |past| past.read.state.end_look_back().map_err(UnloadError::State)).await?;
    Ok(true)
}

impl Past {
    /// The newest shifts below `before` that are none of history.
    fn step(&self, before: i64) -> Result<Option<Step>, UnloadError> {
        let Some(mut documents) = self.read.open()? else { return Ok(None) };
        let history = self.left_alone();
        let mut heads = documents.shifts_before(before, STEP_SHIFTS).map_err(UnloadError::Documents)?;
        heads.retain(|head| head.workshift_id > history.shift);
        let Some(oldest) = heads.last().map(|head| head.workshift_id) else { return Ok(None) };
        let mut shifts = Vec::with_capacity(heads.len());
        for head in heads {
            // One without a number is set aside, and so are its documents.
            let Some(key) = head.key else { continue };
            shifts.push(till_shift(&mut *documents, head.workshift_id, key, head.closed, history)?);
        }
        Ok(Some(Step { shifts, oldest }))
    }

    /// Takes back what the server has lost of these shifts. Gives how many, and how far back an
    /// earlier look came that broke off.
    fn take_back(
        &self,
        shifts: &[TillShift],
        held: &Holdings,
        oldest: i64,
    ) -> Result<(usize, Option<i64>), UnloadError> {
        let sent = self.read.state.sent().map_err(UnloadError::State)?;
        let lost = lost(&sent, shifts, held);
        let missing = lost.documents.len() + lost.closings.len();
        if missing > 0 {
            tracing::warn!(
                documents = lost.documents.len(),
                closings = lost.closings.len(),
                "the server does not have what it acknowledged: sent again"
            );
            self.read.state.take_back(&lost, oldest).map_err(UnloadError::State)?;
            fail::fail_point!("look_back::taken_back");
        }
        Ok((missing, self.read.state.looked_back_to().map_err(UnloadError::State)?))
    }

    /// What the server has of shifts that were closed there just now: what it said at the hello of
    /// the stream that brought their records, and what that stream brought. It is a look back at
    /// these shifts. Where the POS changed the opening time of a shift after receipts of it went
    /// up, the server has them under the former one; they are taken back, sent with the new one,
    /// and it puts them right. Gives how many.
    pub(super) fn at_closings(&self, records: &[ShiftRecord], held: &Holdings) -> Result<usize, UnloadError> {
        if records.is_empty() {
            return Ok(0);
        }
        let Some(mut documents) = self.read.open()? else { return Ok(0) };
        let history = self.left_alone();
        let mut shifts = Vec::with_capacity(records.len());
        for record in records {
            shifts.push(till_shift(&mut *documents, record.workshift_id, shift_key(&record.shift), true, history)?);
        }
        let sent = self.read.state.sent().map_err(UnloadError::State)?;
        let lost = lost(&sent, &shifts, held);
        if !lost.documents.is_empty() {
            tracing::warn!(
                documents = lost.documents.len(),
                "the server does not have these of a shift that closed: sent again"
            );
            self.read.state.take_back_documents(&lost.documents).map_err(UnloadError::State)?;
        }
        Ok(lost.documents.len())
    }
}

/// A shift with its documents that are none of history.
fn till_shift(
    documents: &mut dyn Sales,
    workshift: i64,
    key: ShiftKey,
    closed: bool,
    history: History,
) -> Result<TillShift, UnloadError> {
    let mut keys = documents.keys_of_shift(workshift).map_err(UnloadError::Documents)?;
    keys.retain(|key| key.document_id > history.document);
    Ok(TillShift { workshift, key, closed, documents: keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::TestTill;

    #[test]
    fn what_a_server_does_not_have_of_what_it_acknowledged_is_sent_again() {
        let till = TestTill::in_memory();
        let documents = [till.source.sell(1), till.source.sell(1)];
        till.source.close(1);
        let past = &till.unloader.steps.past;
        past.read.state.note_sent(&documents, &[], None, None).unwrap();
        past.read.state.note_closed(&[1], &[]).unwrap();
        let Step { shifts, oldest } = past.step(i64::MAX).unwrap().unwrap();
        let key = shifts[0].documents[0];
        let first = (key.number, *key.uuid.as_bytes());
        let held = Holdings {
            receipts: [(key.shift, [first].into())].into(),
            closed: [key.shift].into(),
            ..Holdings::default()
        };
        assert_eq!(past.take_back(&shifts, &held, oldest).unwrap(), (1, Some(1)));
        let done = past.read.state.progress().unwrap();
        assert_eq!(documents.map(|document| done.has(document)), [true, false]);
        assert!(past.read.state.closed_shifts().unwrap().has(1), "the closing is there");
        assert!(past.step(oldest).unwrap().is_none(), "no shift is older");
    }
}
