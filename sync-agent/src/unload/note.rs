//! Noting what is done with: sent, or set aside, there or here. None of it is a suspect any more.

use super::batches::Sent;
use super::run::UnloadError;
use super::stream::{Refused, RefusedPart};
use super::suspects::{Suspects, Unit};
use crate::errors_file::ErrorsFile;
use crate::state::State;
use std::sync::Arc;
use tillway_exchangers::till::documents::{BrokenDocument, BrokenShift};
use tillway_proto::receipt::ShiftKey;

/// Notes what is done with. Cheap to clone; calls block.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    pub(crate) state: State,
    pub(crate) suspects: Arc<Suspects>,
    pub(crate) errors: ErrorsFile,
}

impl Notes {
    /// These are done with; what was refused among them is remembered as set aside.
    pub(super) fn done(&self, sent: &Sent, refused: Vec<Refused>) -> Result<(), UnloadError> {
        let mut documents = Vec::new();
        let mut shifts = Vec::new();
        for Refused { what, reason } in refused {
            tracing::error!(?what, reason, "the server set something aside");
            self.errors.add();
            match what {
                RefusedPart::Document(document) => documents.push((document, reason)),
                RefusedPart::Shift(shift) => {
                    let not_told = ShiftKey::not_told(shift.number);
                    let closings = sent
                        .closings
                        .iter()
                        .filter(|(_, of)| *of == shift || (shift == not_told && of.number == shift.number));
                    shifts.extend(closings.map(|(workshift, _)| (*workshift, reason.clone())));
                }
            }
        }
        self.state.note_sent(&sent.documents, &documents, sent.mark, sent.last).map_err(UnloadError::State)?;
        self.suspects.clear(sent.units());
        fail::fail_point!("unload::documents_noted");
        if sent.closings.is_empty() {
            return Ok(());
        }
        let closings: Vec<_> = sent.closings.iter().map(|(workshift, _)| *workshift).collect();
        self.state.note_closed(&closings, &shifts).map_err(UnloadError::State)?;
        fail::fail_point!("unload::closings_noted");
        Ok(())
    }

    /// What is not sendable is done with: a person looks at it, and may have it tried again by
    /// date.
    pub(super) fn set_aside(&self, broken: &[BrokenDocument]) -> Result<(), UnloadError> {
        for document in broken {
            tracing::error!(document = document.document_id, reason = document.reason, "a document is set aside");
            self.errors.add();
        }
        let ids: Vec<_> = broken.iter().map(|document| document.document_id).collect();
        let reasons: Vec<_> = broken.iter().map(|document| (document.document_id, document.reason.clone())).collect();
        self.state.note_sent(&ids, &reasons, None, None).map_err(UnloadError::State)?;
        self.suspects.clear(ids.into_iter().map(Unit::Document));
        Ok(())
    }

    /// The same for records of shifts.
    pub(super) fn set_shifts_aside(&self, broken: &[BrokenShift]) -> Result<(), UnloadError> {
        for shift in broken {
            tracing::error!(
                workshift = shift.workshift_id,
                reason = shift.reason,
                "the record of a shift is set aside"
            );
            self.errors.add();
        }
        let ids: Vec<_> = broken.iter().map(|shift| shift.workshift_id).collect();
        let reasons: Vec<_> = broken.iter().map(|shift| (shift.workshift_id, shift.reason.clone())).collect();
        self.state.note_closed(&ids, &reasons).map_err(UnloadError::State)?;
        self.suspects.clear(ids.into_iter().map(Unit::Shift));
        Ok(())
    }
}
