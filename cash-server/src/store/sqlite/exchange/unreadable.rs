//! Rows that do not read as what they should be: written by a newer version before a downgrade, or
//! with a bad byte.
//!
//! Promises: such a row is taken as absent and told once; what the database itself fails at stays
//! an error.

use super::super::connection::{is_refused, is_unreadable};
use rusqlite::types::ValueRef;
use rusqlite::{Error, Row};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Most rows that are told of: more are a file that is broken as a whole, and no log needs them
/// all.
const MAX_TOLD: usize = 1_000;

/// Most characters of a row's name in the log.
const MAX_NAME_CHARS: usize = 64;

/// Which rows were told of.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    told: Mutex<HashSet<(&'static str, String)>>,
}

impl Unreadable {
    /// What `read` makes of a row, whose first column names it; none where a value in it does not
    /// read. `what` fits "a … of exchange.db".
    pub(super) fn row<T>(
        &self,
        what: &'static str,
        row: &Row<'_>,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match read(row) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_about_a_value(&error) => {
                self.tell(what, &name(row), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&self, what: &'static str, name: &str, error: &Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MAX_TOLD && told.insert((what, name.to_owned())) {
            tracing::error!(row = name, %error, "a {what} in exchange.db does not read; it is taken as absent");
        }
    }
}

/// Whether an error lies in a value, so that it stays however often it is tried; not in the disk,
/// the memory, a lock or a statement.
fn is_about_a_value(error: &Error) -> bool {
    is_refused(error) || is_unreadable(error)
}

fn name(row: &Row<'_>) -> String {
    match row.get_ref(0) {
        Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).chars().take(MAX_NAME_CHARS).collect(),
        Ok(ValueRef::Blob(bytes)) => match bytes.try_into() {
            Ok(id) => uuid::Uuid::from_bytes(id).to_string(),
            Err(_) => format!("{} bytes", bytes.len()),
        },
        Ok(ValueRef::Integer(number)) => number.to_string(),
        _ => "?".to_owned(),
    }
}
