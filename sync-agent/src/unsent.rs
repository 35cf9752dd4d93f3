//! Finished documents that the server has not acknowledged, and why they cannot be counted.

use crate::source::Source;
use crate::state::{State, StateError};
use tillway_exchangers::till::documents::DocumentsError;
use tillway_proto::report::{MAX_SALES_WAIT_BYTES, SalesWaitKind};

/// Why unsent documents cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("failed to read the progress of unloading")]
    State(#[source] StateError),
    #[error("failed to count unsent documents")]
    Documents(#[source] DocumentsError),
    #[error("documents.db is not there any more, or empty, and was")]
    Gone,
}

impl CountError {
    pub(crate) fn kind(&self) -> SalesWaitKind {
        match self {
            Self::State(_) => SalesWaitKind::Agent,
            Self::Documents(error) => kind_of(error),
            Self::Gone => SalesWaitKind::DocumentsMissing,
        }
    }
}

/// Finished documents that the server has not acknowledged; none where the POS has made no
/// `documents.db` yet.
pub(crate) fn count(state: &State, source: &dyn Source) -> Result<u64, CountError> {
    let progress = state.progress().map_err(CountError::State)?;
    if let Some(mut sales) = source.open().map_err(CountError::Documents)? {
        return sales.unsent(&progress).map_err(CountError::Documents);
    }
    let sent = state.mark().map_err(CountError::State)?;
    if sent.is_some() { Err(CountError::Gone) } else { Ok(0) }
}

/// Why sales wait where documents do not read.
pub(crate) fn kind_of(error: &DocumentsError) -> SalesWaitKind {
    match error {
        DocumentsError::Missing { .. } => SalesWaitKind::DocumentsMissing,
        DocumentsError::Locked { .. } => SalesWaitKind::DocumentsLocked,
        DocumentsError::Open { .. }
        | DocumentsError::NotShared { .. }
        | DocumentsError::Schema { .. }
        | DocumentsError::Query { .. }
        | DocumentsError::Migrate { .. } => SalesWaitKind::DocumentsUnreadable,
    }
}

/// A text as it is kept and reported.
pub(crate) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_SALES_WAIT_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DocumentsFile;

    #[test]
    fn unsent_documents_are_counted_or_said_to_be_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.db");
        let source = DocumentsFile::at(path.clone(), "_cash_1_00ab34ef".parse().unwrap());
        let state = State::open(folder.path()).unwrap();
        assert_eq!(count(&state, &source).unwrap(), 0, "nothing sold yet");
        fs_err::write(&path, vec![0xaa; 8192]).unwrap();
        let damaged = count(&state, &source).unwrap_err();
        assert_eq!(damaged.kind(), SalesWaitKind::DocumentsUnreadable, "{damaged}");
        fs_err::remove_file(&path).unwrap();
        drop(tillway_exchangers::till::documents::writer::PosWriter::open(&path).unwrap());
        assert_eq!(count(&state, &source).unwrap(), 0);
        let pos = rusqlite::Connection::open(&path).unwrap();
        pos.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").unwrap();
        let locked = count(&state, &source).unwrap_err();
        assert_eq!(locked.kind(), SalesWaitKind::DocumentsLocked, "{locked}");
    }
}
