//! Which rows of a table are done with, by their ids, in little room.

use super::DocumentsError;
use super::reader::Documents;
use std::collections::BTreeSet;

/// Which rows are done with: all up to `through` but those in `open`, and those in `sent`.
///
/// Rows finish in any order, so no single id tells it. Kept is the complement: `open` holds the
/// few that are unfinished, and one that is abandoned for good costs one id, however much is sold
/// after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The highest id looked at.
    pub through: i64,
    /// Up to there, what is not done with.
    pub open: BTreeSet<i64>,
    /// Above it, what is done with.
    pub sent: BTreeSet<i64>,
}

impl Progress {
    /// Whether this one is done with.
    pub fn has(&self, id: i64) -> bool {
        if id <= self.through { !self.open.contains(&id) } else { self.sent.contains(&id) }
    }

    /// `open` as a JSON array, the way a query takes it.
    pub(super) fn open_list(&self) -> String {
        list(&self.open)
    }
}

/// Ids as a JSON array.
pub(super) fn list<'a>(ids: impl IntoIterator<Item = &'a i64>) -> String {
    let ids: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}

impl Documents {
    /// The same documents done with, told in the least room: all that is known of is put below
    /// `through`.
    pub fn settle(&mut self, progress: &Progress) -> Result<Progress, DocumentsError> {
        self.settle_in("document", "documentid", progress)
    }

    /// The same for shifts, by `workshiftid`.
    pub fn settle_shifts(&mut self, progress: &Progress) -> Result<Progress, DocumentsError> {
        self.settle_in("workshift", "workshiftid", progress)
    }

    fn settle_in(&mut self, table: &'static str, id: &str, progress: &Progress) -> Result<Progress, DocumentsError> {
        let failed = DocumentsError::query(&self.path, table);
        let through = progress.sent.last().copied().unwrap_or(0).max(progress.through);
        let sql = format!(
            "SELECT {id} FROM {table} WHERE {id} IN (SELECT value FROM json_each(?1)) \
             UNION ALL SELECT {id} FROM {table} WHERE {id} > ?2 AND {id} <= ?3"
        );
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let found = statement.query_map((progress.open_list(), progress.through, through), |row| row.get(0))?;
            found.collect::<rusqlite::Result<BTreeSet<i64>>>()
        };
        // What the POS pruned is in no list any more.
        let open = read().map_err(failed)?.into_iter().filter(|id| !progress.sent.contains(id)).collect();
        Ok(Progress { through, open, sent: BTreeSet::new() })
    }
}
