//! Where sales come from: a till's `documents.db` ([`DocumentsFile`]).
//!
//! A source is only read. Documents and shifts are known by row ids that grow; what is done with
//! is kept elsewhere ([`crate::state`]).

use jiff::civil::{Date, DateTime};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use tillway_exchangers::till::documents::{
    DocumentKey, DocumentRow, Documents, DocumentsError, DocumentsWatch, Page, Progress, ShiftHead, ShiftPage,
};
use tillway_proto::TillId;

type Read<T> = Result<T, DocumentsError>;

/// Where sales come from. Calls block.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Opens it for reading; none where nothing was sold yet.
    fn open(&self) -> Read<Option<Box<dyn Sales>>>;

    /// What tells whether anything was written since it was asked last; true at the first time.
    fn watch(&self) -> Box<dyn FnMut() -> Read<bool> + Send>;

    /// The file whose writes the file system tells of, where it is one.
    fn file(&self) -> Option<&Path>;
}

/// The calls of a source that is open; each is the one of [`Documents`] with its name.
macro_rules! sales {
    ($(fn $name:ident(&mut self $(, $argument:ident: $of:ty)*) -> $given:ty;)*) => {
        /// A source that is open for reading: see [`Documents`].
        pub(crate) trait Sales {
            $(fn $name(&mut self $(, $argument: $of)*) -> Read<$given>;)*
        }

        impl Sales for Documents {
            $(fn $name(&mut self $(, $argument: $of)*) -> Read<$given> {
                Documents::$name(self $(, $argument)*)
            })*
        }
    };
}

sales! {
    fn finished_besides(&mut self, progress: &Progress, limit: usize) -> Page;
    fn finished_since(&mut self, time: DateTime, after: i64, limit: usize) -> Page;
    fn finished_on_days(&mut self, from: Date, to: Date, after: i64, limit: usize) -> Page;
    fn unsent(&mut self, progress: &Progress) -> u64;
    fn settle(&mut self, progress: &Progress) -> Progress;
    fn row(&mut self, document: i64) -> DocumentRow;
    fn highest(&mut self) -> i64;
    fn newest(&mut self, through: i64) -> Option<DocumentKey>;
    fn keys_of_shift(&mut self, workshift: i64) -> Vec<DocumentKey>;
    fn first_document_since(&mut self, workshift: i64) -> Option<i64>;
    fn closed_besides(&mut self, progress: &Progress, limit: usize) -> ShiftPage;
    fn shifts_of(&mut self, documents: &BTreeSet<i64>) -> ShiftPage;
    fn shifts_before(&mut self, before: i64, limit: u32) -> Vec<ShiftHead>;
    fn last_closed(&mut self) -> i64;
    fn settle_shifts(&mut self, progress: &Progress) -> Progress;
}

/// `documents.db` of a till.
#[derive(Debug)]
pub(crate) struct DocumentsFile {
    path: PathBuf,
    till: TillId,
}

impl DocumentsFile {
    pub(crate) fn at(path: PathBuf, till: TillId) -> Self {
        Self { path, till }
    }
}

impl Source for DocumentsFile {
    fn open(&self) -> Read<Option<Box<dyn Sales>>> {
        match Documents::open(&self.path, self.till.clone()) {
            Ok(documents) => Ok(Some(Box::new(documents))),
            // The POS has not made it yet, or is just making it.
            Err(DocumentsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn watch(&self) -> Box<dyn FnMut() -> Read<bool> + Send> {
        let mut watch = DocumentsWatch::new(&self.path);
        Box::new(move || watch.changed())
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

#[cfg(test)]
pub(crate) mod memory;
