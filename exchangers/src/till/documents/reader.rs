//! Finished documents, page by page.

use super::assemble::{assemble, key};
use super::optional::Optional;
use super::progress::Progress;
use super::{DocumentsError, check_schema, open_read_only};
use jiff::civil::{Date, DateTime};
use rusqlite::{Connection, OptionalExtension as _, Params, Transaction, TransactionBehavior};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use tillway_proto::TillId;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::v1;
use uuid::Uuid;

/// What is finished.
pub(super) const FINISHED: &str = "closed IN (1, 2)";

/// When a document ended, whichever way the POS writes a time, and when it began where the POS
/// wrote no end.
const ENDED: &str = "replace(coalesce(time_end, time_beg), ' ', 'T')";

/// Ids of finished documents in the list `?1` and above `?2`, in order.
fn besides() -> String {
    format!(
        "SELECT documentid FROM document WHERE documentid IN (SELECT value FROM json_each(?1)) AND {FINISHED} \
         UNION ALL SELECT documentid FROM document WHERE documentid > ?2 AND {FINISHED} ORDER BY 1"
    )
}

/// `documents.db`, open for reading.
#[derive(Debug)]
pub struct Documents {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) till: TillId,
    pub(super) optional: Optional,
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

/// What stands under the id of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentRow {
    /// Nothing.
    Gone {
        /// Whether anything stands under a later one.
        later: bool,
    },
    /// One that is not finished.
    Unfinished,
    /// One that does not read.
    Broken {
        /// Why.
        reason: String,
    },
    /// A receipt.
    Finished {
        /// Of its key.
        uuid: Uuid,
    },
}

/// What a server knows a document by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentKey {
    /// The row id.
    pub document_id: i64,
    /// Its shift.
    pub shift: ShiftKey,
    /// Its number in the shift.
    pub number: u64,
    /// Its UUID.
    pub uuid: Uuid,
}

impl Documents {
    /// Opens `path` as the documents of `till` and checks that the tables are those that are read
    /// here.
    pub fn open(path: &Path, till: TillId) -> Result<Self, DocumentsError> {
        let connection = open_read_only(path)?;
        check_schema(&connection, path)?;
        let optional = Optional::of(&connection, path)?;
        Ok(Self { connection, path: path.to_path_buf(), till, optional })
    }

    /// Finished documents with an id above `after` that are not in `sent`, by id, at most `limit`.
    pub fn finished_after(&mut self, after: i64, sent: &BTreeSet<i64>, limit: usize) -> Result<Page, DocumentsError> {
        self.finished_besides(&Progress { through: after, sent: sent.clone(), ..Progress::default() }, limit)
    }

    /// Finished documents that are not done with, by id, at most `limit`.
    pub fn finished_besides(&mut self, progress: &Progress, limit: usize) -> Result<Page, DocumentsError> {
        self.page(&besides(), (progress.open_list(), progress.through), &progress.sent, limit)
    }

    /// Finished documents that ended at `time` or later, with an id above `after`, by id, at most
    /// `limit`.
    pub fn finished_since(&mut self, time: DateTime, after: i64, limit: usize) -> Result<Page, DocumentsError> {
        let sql = format!(
            "SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED} AND {ENDED} >= ?2 ORDER BY documentid"
        );
        self.page(&sql, (after, seconds(time)), &BTreeSet::new(), limit)
    }

    /// Finished documents that ended on the days `from` to `to`, with an id above `after`, by id,
    /// at most `limit`.
    pub fn finished_on_days(&mut self, from: Date, to: Date, after: i64, limit: usize) -> Result<Page, DocumentsError> {
        let sql = format!(
            "SELECT documentid FROM document WHERE documentid > ?1 AND {FINISHED} AND {ENDED} >= ?2 AND {ENDED} <= ?3 \
             ORDER BY documentid"
        );
        // Text compares like time in this format; the bound is above every second of the day.
        self.page(&sql, (after, from.to_string(), format!("{to}T99")), &BTreeSet::new(), limit)
    }

    /// How many finished documents wait: those that are not done with.
    pub fn unsent(&mut self, progress: &Progress) -> Result<u64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let read = || {
            let mut statement = self.connection.prepare_cached(&besides())?;
            let mut rows = statement.query((progress.open_list(), progress.through))?;
            let mut unsent = 0;
            while let Some(row) = rows.next()? {
                unsent += u64::from(!progress.sent.contains(&row.get(0)?));
            }
            Ok(unsent)
        };
        read().map_err(failed)
    }

    /// The highest id of a document, finished or not; 0 where there is none.
    pub fn highest(&mut self) -> Result<i64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let sql = "SELECT coalesce(max(documentid), 0) FROM document";
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
    }

    /// What stands under the id of a document.
    pub fn row(&mut self, id: i64) -> Result<DocumentRow, DocumentsError> {
        let (path, till, optional) = (self.path.clone(), self.till.clone(), self.optional.clone());
        let snapshot = self.snapshot()?;
        let failed = DocumentsError::query(&path, "document");
        let sql = format!("SELECT {FINISHED} FROM document WHERE documentid = ?1");
        let finished: Option<bool> = snapshot.query_row(&sql, [id], |row| row.get(0)).optional().map_err(&failed)?;
        match finished {
            None => {
                let sql = "SELECT EXISTS (SELECT 1 FROM document WHERE documentid > ?1)";
                let later = snapshot.query_row(sql, [id], |row| row.get(0)).map_err(&failed)?;
                Ok(DocumentRow::Gone { later })
            }
            Some(false) => Ok(DocumentRow::Unfinished),
            Some(true) => Ok(match key(&snapshot, &path, &till, &optional, id)? {
                Ok(key) => DocumentRow::Finished { uuid: key.uuid },
                Err(reason) => DocumentRow::Broken { reason },
            }),
        }
    }

    /// The newest finished document up to this id, if it reads.
    pub fn newest(&mut self, through: i64) -> Result<Option<DocumentKey>, DocumentsError> {
        let (path, till, optional) = (self.path.clone(), self.till.clone(), self.optional.clone());
        let snapshot = self.snapshot()?;
        let sql = format!(
            "SELECT documentid FROM document WHERE documentid <= ?1 AND {FINISHED} ORDER BY documentid DESC LIMIT 1"
        );
        let found: Option<i64> = snapshot
            .query_row(&sql, [through], |row| row.get(0))
            .optional()
            .map_err(DocumentsError::query(&path, "document"))?;
        Ok(match found {
            Some(id) => key(&snapshot, &path, &till, &optional, id)?.ok(),
            None => None,
        })
    }

    /// Keys of the finished documents of a shift that read, by id: what a server is asked about,
    /// without the lines.
    pub fn keys_of_shift(&mut self, workshift_id: i64) -> Result<Vec<DocumentKey>, DocumentsError> {
        let (path, till, optional) = (self.path.clone(), self.till.clone(), self.optional.clone());
        let snapshot = self.snapshot()?;
        let sql = format!("SELECT documentid FROM document WHERE workshiftid = ?1 AND {FINISHED} ORDER BY documentid");
        let read = || {
            let mut statement = snapshot.prepare_cached(&sql)?;
            statement.query_map([workshift_id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()
        };
        let ids = read().map_err(DocumentsError::query(&path, "document"))?;
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            keys.extend(guarded(|| key(&snapshot, &path, &till, &optional, id))?.ok());
        }
        Ok(keys)
    }

    fn page(
        &mut self,
        ids: &str,
        params: impl Params,
        sent: &BTreeSet<i64>,
        limit: usize,
    ) -> Result<Page, DocumentsError> {
        let path = self.path.clone();
        let (till, optional) = (self.till.clone(), self.optional.clone());
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
            match guarded(|| assemble(&snapshot, &path, &till, &optional, id))? {
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

/// Reads one document. Whatever is in it, it is named and the others are read: a panic would come
/// again at every reading, and hold up all that was sold since.
fn guarded<T>(
    read: impl FnOnce() -> Result<Result<T, String>, DocumentsError>,
) -> Result<Result<T, String>, DocumentsError> {
    // It only reads: nothing is left half done.
    std::panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Ok(Err("reading it panicked".to_owned())))
}

/// A time as it stands in the database.
pub(super) fn seconds(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_whose_reading_panics_is_named_like_one_that_does_not_read() {
        assert_eq!(guarded(|| Ok(Ok(1))).unwrap(), Ok(1));
        let read = guarded(|| -> Result<Result<i32, String>, DocumentsError> { panic!("on purpose") }).unwrap();
        assert_eq!(read, Err("reading it panicked".to_owned()));
    }
}
