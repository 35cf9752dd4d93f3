//! The number of the next document: a till counts on where it stopped, also after a restart. Holes
//! would be findings.

use super::PosError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

pub(super) fn next_number(documents: &Path) -> Result<u64, PosError> {
    let read = Connection::open_with_flags(documents, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
        connection.query_row("SELECT coalesce(max(checknum), 0) + 1 FROM document", [], |row| row.get::<_, i64>(0))
    });
    let next = read.map_err(|source| PosError::Numbering { path: documents.to_owned(), source })?;
    // Numbers count from 1; one below would be of another program's making.
    Ok(u64::try_from(next).unwrap_or(1))
}
