//! Finished documents, page by page.

use super::assemble::assemble;
use super::{DocumentsError, check_schema, open_read_only};
use jiff::civil::{Date, DateTime};
use rusqlite::{Connection, Params, Transaction, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tillway_proto::TillId;
use tillway_proto::sales::v1;

/// What is finished.
pub(super) const FINISHED: &str = "closed IN (1, 2)";

/// `documents.db`, open for reading.
#[derive(Debug)]
pub struct Documents {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) till: TillId,
}

/// Some finished documents, in order of their ids.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Those that read.
    pub documents: Vec<v1::Document>,
    /// Those that do not.
    pub broken: Vec<BrokenDocument>,
    /// The last id looked at; the next page starts after it. `None` where there was nothing more.
    pub last_id: Option<i64>,
}

/// A finished document that does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenDocument {
    /// Its id.
    pub document_id: i64,
    /// What is wrong with it.
    pub reason: String,
}

impl Documents {
    /// Opens `path` as the documents of `till` and checks that the tables are those that are read here.
    pub fn open(path: &Path, till: TillId) -> Result<Self, DocumentsError> {
        let connection = open_read_only(path)?;
        check_schema(&connection, path)?;
        Ok(Self { connection, path: path.to_path_buf(), till })
    }

    /// Finished documents with an id above `low_water` that are not in `sent`, by id, at most `limit`.
    pub fn finished_after(
        &mut self,
        low_water: i64,
        sent: &BTreeSet<i64>,
        limit: usize,
    ) -> Result<Page, DocumentsError> {
        let sql = format!("SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED} ORDER BY documentid");
        self.page(&sql, [low_water], sent, limit)
    }

    /// Finished documents that ended at `time` or later, with an id above `after`, by id, at most `limit`.
    pub fn finished_since(&mut self, time: DateTime, after: i64, limit: usize) -> Result<Page, DocumentsError> {
        let sql = format!(
            "SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED} AND time_end >= ?2 ORDER BY documentid"
        );
        self.page(&sql, (after, seconds(time)), &BTreeSet::new(), limit)
    }

    /// Finished documents that ended on the days `from` to `to`, with an id above `after`, by id, at most `limit`.
    pub fn finished_on_days(&mut self, from: Date, to: Date, after: i64, limit: usize) -> Result<Page, DocumentsError> {
        let sql = format!(
            "SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED} AND time_end >= ?2 AND time_end <= ?3 \
             ORDER BY documentid"
        );
        // Text compares like time in this format; the bound is above every second of the day.
        self.page(&sql, (after, from.to_string(), format!("{to}T99")), &BTreeSet::new(), limit)
    }

    /// The highest id up to which every document is in `sent`: the new low-water mark. A document that is not finished
    /// holds the mark below it.
    pub fn settled_through(&mut self, low_water: i64, sent: &BTreeSet<i64>) -> Result<i64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let read = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT documentid FROM document WHERE documentid > ?1 ORDER BY documentid")?;
            let mut rows = statement.query([low_water])?;
            let mut settled = low_water;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                if !sent.contains(&id) {
                    break;
                }
                settled = id;
            }
            Ok(settled)
        };
        read().map_err(failed)
    }

    /// The highest id up to which every document is finished and ended before `time`.
    pub fn settled_before(&mut self, time: DateTime) -> Result<i64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let sql = format!(
            "SELECT coalesce((SELECT min(documentid) - 1 FROM document WHERE NOT ({FINISHED} AND time_end < ?1)), \
             (SELECT max(documentid) FROM document), 0)"
        );
        self.connection.query_row(&sql, [seconds(time)], |row| row.get(0)).map_err(failed)
    }

    /// How many finished documents wait: above `low_water` and not in `sent`.
    pub fn unsent(&mut self, low_water: i64, sent: &BTreeSet<i64>) -> Result<u64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let sql = format!("SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED}");
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([low_water])?;
            let mut unsent = 0;
            while let Some(row) = rows.next()? {
                unsent += u64::from(!sent.contains(&row.get(0)?));
            }
            Ok(unsent)
        };
        read().map_err(failed)
    }

    fn page(
        &mut self,
        ids: &str,
        params: impl Params,
        sent: &BTreeSet<i64>,
        limit: usize,
    ) -> Result<Page, DocumentsError> {
        let path = self.path.clone();
        let till = self.till.clone();
        let snapshot = self.snapshot()?;
        let failed = DocumentsError::query(&path, "document");
        let mut page = Page::default();
        let mut statement = snapshot.prepare_cached(ids).map_err(&failed)?;
        let mut rows = statement.query(params).map_err(&failed)?;
        while page.documents.len() + page.broken.len() < limit {
            let Some(row) = rows.next().map_err(&failed)? else { return Ok(page) };
            let id: i64 = row.get(0).map_err(&failed)?;
            page.last_id = Some(id);
            if sent.contains(&id) {
                continue;
            }
            match assemble(&snapshot, &path, &till, id)? {
                Ok(document) => page.documents.push(document),
                Err(reason) => page.broken.push(BrokenDocument { document_id: id, reason }),
            }
        }
        Ok(page)
    }

    /// One state of the database for several queries.
    pub(super) fn snapshot(&mut self) -> Result<Transaction<'_>, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        self.connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)
    }
}

/// A time as it stands in the database.
pub(super) fn seconds(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}
