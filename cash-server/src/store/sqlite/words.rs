//! Columns that hold why something is as it is: kind and parameters as JSON, beside the column in
//! which older servers wrote a sentence, or in it.

use crate::words::Reason;
use rusqlite::Row;
use rusqlite::types::Type;

/// What stands as JSON in this column; none where it is null.
pub(super) fn optional_reason(row: &Row<'_>, json: usize) -> rusqlite::Result<Option<Reason>> {
    let text: Option<String> = row.get(json)?;
    let read = |text: String| {
        Reason::from_json(&text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(json, Type::Text, Box::new(error)))
    };
    text.map(read).transpose()
}

/// What stands as JSON in one column, or as a sentence in the other, or in neither.
pub(super) fn reason_or_none(row: &Row<'_>, json: usize, sentence: usize) -> rusqlite::Result<Option<Reason>> {
    match optional_reason(row, json)? {
        Some(reason) => Ok(Some(reason)),
        None => Ok(row.get::<_, Option<String>>(sentence)?.map(Reason::worded)),
    }
}

/// What stands as JSON in one column, or as a sentence in the other.
pub(super) fn reason(row: &Row<'_>, json: usize, sentence: usize) -> rusqlite::Result<Reason> {
    match optional_reason(row, json)? {
        Some(reason) => Ok(reason),
        None => row.get::<_, String>(sentence).map(Reason::worded),
    }
}

/// What stands in a column that holds JSON, and a sentence where an older server wrote it.
pub(super) fn stored_reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Reason> {
    row.get::<_, String>(column).map(|text| Reason::stored(&text))
}
