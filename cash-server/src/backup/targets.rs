//! Where backups lie: a folder ([`folder`]), or a store that speaks S3 ([`store`]).
//!
//! What every target promises, held to one contract (`tests/tests/it/backups.rs`):
//!
//! - A backup is written as a **draft**. Nobody lists it before it is published, whatever breaks
//!   off, and what was left of one goes with the next [`Target::prepare`].
//! - What is written under a name is there whole, or as it was before.
//! - Neither way holds a backup in memory.

pub mod folder;
pub mod store;

use super::error::BackupError;
use crate::settings::BackupPlace;
use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// What the name of a draft begins with, or that of the mark beside it.
const UNFINISHED: &str = ".unfinished-";

/// The longest note or list that is read whole.
const MAX_SMALL_BYTES: u64 = 64 * 1024 * 1024;

/// Asked now and then; false breaks off.
pub type GoesOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// Something that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Bytes of it.
    pub bytes: u64,
}

/// A place for backups. Calls block.
pub trait Target: Send + Sync + fmt::Debug {
    /// For people, and for errors: a folder, or `s3://<bucket>/<prefix>`.
    fn place(&self) -> PathBuf;

    /// The same of something in it.
    fn path_of(&self, name: &str) -> PathBuf {
        self.place().join(name)
    }

    /// Makes the place where it is missing, and removes drafts that an end in the middle left.
    fn prepare(&self) -> Result<(), BackupError>;

    /// What lies there, without drafts, in no order. A place that is not there is empty.
    fn list(&self) -> Result<Vec<Found>, BackupError>;

    /// Reads something small whole; none where it is not there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BackupError>;

    /// Writes something small, in the place of what has that name.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError>;

    /// Removes something, where it is there.
    fn remove(&self, name: &str) -> Result<(), BackupError>;

    /// Begins a draft, of about so many bytes at most.
    fn draft<'a>(
        &'a self,
        name: &str,
        most_bytes: u64,
        goes_on: GoesOn<'a>,
    ) -> Result<Box<dyn Draft + 'a>, BackupError>;

    /// Reads a draft that was finished.
    fn open_draft<'a>(&'a self, name: &str, goes_on: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError>;

    /// Lists a draft from now on.
    fn publish(&self, name: &str) -> Result<(), BackupError>;

    /// Removes a draft, where it is there.
    fn discard(&self, name: &str) -> Result<(), BackupError>;

    /// Reads what is listed.
    fn open<'a>(&'a self, name: &str, goes_on: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError>;
}

/// A draft while it is written. One that is dropped before its end is none.
pub trait Draft: Write {
    /// All of it was written: makes it durable.
    fn finish(self: Box<Self>) -> Result<(), BackupError>;
}

/// The target that the settings name. Asks nobody yet.
pub fn open(place: &BackupPlace) -> Result<Arc<dyn Target>, BackupError> {
    Ok(match place {
        BackupPlace::Folder(folder) => Arc::new(folder::FolderTarget::new(folder.clone())),
        BackupPlace::Store(settings) => Arc::new(store::StoreTarget::new(settings)?),
    })
}
