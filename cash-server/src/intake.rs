//! The intake: takes dictionary files of back offices in, through folders and over REST, and loads
//! them one by one.
//!
//! - Each node of the network has a folder ([`folders`]); a data file with a flag beside it is one
//!   delivery. Folders are watched, and scanned on a period in case the file system told nothing.
//! - [`rest`] takes bodies: on disk and in the journal before the answer, so that an accepted one
//!   survives a crash. [`upload`] does so with files that people send on the page.
//! - [`worker`] picks the oldest delivery and loads it ([`load`], [`deliver`]). A load is all or
//!   nothing; it ends with a report in the journal, in `error.txt` beside the source and in
//!   `badDicts`. One that would take away too much is held until somebody says yes ([`hold`]).
//! - What was handed over is kept for a while (`kept`), for people who look at it.
//! - [`callbacks`] tells status servers how loads and tills come along.
//!
//! What is broken delays only itself: tries are counted, waits are bounded, then it is set aside
//! with its reason. Loads go one after the other, since the dictionary has one writer.

mod advice;
mod archive;
mod aside;
pub mod callbacks;
mod cleaning;
mod deliver;
pub mod encoding;
mod folders;
mod formats;
pub mod hold;
mod kept;
mod load;
mod read_ahead;
mod report;
pub mod rest;
mod settings;
mod source;
mod state;
mod strays;
#[cfg(test)]
mod tests;
mod upload;
mod watcher;
mod worker;

pub use aside::{AsideError, RefusedLoad};
pub use formats::Formats;
pub use kept::{KeptContent, KeptFile};
pub use load::{MAX_KEPT_REJECTS, MAX_KEPT_WARNINGS};
pub use report::ERROR_FILE;
pub use settings::{
    DEFAULT_BACKUP_BYTES, DEFAULT_BACKUP_DAYS, DEFAULT_BACKUP_FILES, DEFAULT_BODY_GRACE, DEFAULT_BODY_IDLE,
    DEFAULT_BODY_RATE, DEFAULT_DATA_GRACE, DEFAULT_GROWTH_WATCH, DEFAULT_MAX_BODY_BYTES, DEFAULT_SCAN_PERIOD,
    DEFAULT_STRAY_AFTER, DEFAULT_WRITER_PATIENCE, IntakeSettings,
};
pub use strays::Stray;
pub use upload::{Upload, UploadError, UploadPlace};

use crate::hints::{Hint, Hints};
use crate::network::Network;
use crate::reserve::NoRoom;
use crate::store::StoreError;
use crate::store::dictionary::DictionaryStore;
use crate::store::intake::LoadJournal;
use crate::words::Words;
use fs_err as fs;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_proto::{LoadId, Revision, TillId};
use tillway_service::background::Task;
use tokio::sync::{Notify, Semaphore};
use worker::Worker;

/// Why there is no intake.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A folder cannot be made or read.
    #[error("failed to prepare the folders of the intake")]
    Folder(#[source] io::Error),
    /// The record of loads cannot be read.
    #[error("failed to read which loads were under way")]
    Journal(#[source] StoreError),
    /// No client for status callbacks.
    #[error("failed to prepare status callbacks")]
    Client(#[source] reqwest::Error),
}

/// How far the load that is under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// The load.
    pub load: LoadId,
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl LoadProgress {
    /// Of the bytes, how many of a hundred are read; a file that grows while it is read does not
    /// make it more.
    pub fn percent(&self) -> u64 {
        let read = self.bytes.min(self.total_bytes);
        read.saturating_mul(100).checked_div(self.total_bytes).unwrap_or(100)
    }
}

struct Running {
    load: LoadId,
    total_bytes: u64,
    counters: Arc<load::Counters>,
}

/// Takes files in and loads them. Shared as an `Arc`.
pub struct Intake {
    settings: IntakeSettings,
    dictionary: Arc<dyn DictionaryStore>,
    journal: Arc<dyn LoadJournal>,
    hints: Hints,
    /// Wakes the worker: there may be a delivery, or a node that needs a folder.
    arrived: Arc<Notify>,
    /// Wakes the callbacks.
    callbacks: Arc<Notify>,
    /// How far the load under way in this process is. A hint: the journal knows that it runs.
    running: Mutex<Option<Running>>,
    /// What tills have. A hint of this process: told anew of all tills at each start, and a
    /// callback that it holds up goes with the till's next report.
    cursors: Mutex<HashMap<TillId, Revision>>,
    client: reqwest::Client,
    packer: Arc<archive::Packer>,
    /// Held by the worker for a turn, and by the cleaning for a step: what one of them writes or
    /// reads, the other must not remove.
    turn: Mutex<()>,
    /// Held while a file is on its way out of a folder, and while a folder is read: what is on its
    /// way then was left by a crash.
    leaving: Mutex<()>,
    /// A permit for each body that is being received.
    uploads: Semaphore,
    /// The same for files that people send.
    page_uploads: Arc<Semaphore>,
    /// The same for kept files that people read.
    downloads: Arc<Semaphore>,
}

impl Intake {
    /// Makes its own folders, and looks after what an earlier process left. The inbox may be a
    /// share that is away: the worker looks after it. Gives a hint of each new revision. Blocking.
    pub fn new(
        settings: IntakeSettings,
        dictionary: Arc<dyn DictionaryStore>,
        journal: Arc<dyn LoadJournal>,
        hints: Hints,
    ) -> Result<Arc<Self>, IntakeError> {
        for folder in [&settings.bodies, &settings.backup, &settings.bad] {
            fs::create_dir_all(folder).map_err(IntakeError::Folder)?;
        }
        let client = callbacks::client(settings.status_server_local).map_err(IntakeError::Client)?;
        let intake = Self {
            settings,
            dictionary,
            journal,
            arrived: hints.listen(&[Hint::Network]),
            hints,
            callbacks: Arc::default(),
            running: Mutex::default(),
            cursors: Mutex::default(),
            client,
            packer: Arc::default(),
            turn: Mutex::default(),
            leaving: Mutex::default(),
            uploads: Semaphore::new(rest::MAX_UPLOADS),
            page_uploads: Arc::new(Semaphore::new(upload::MAX_UPLOADS)),
            downloads: kept::downloads(),
        };
        // Before anybody can hand a body over: what has no record was never accepted.
        rest::remove_orphans(&intake)?;
        Ok(Arc::new(intake))
    }

    /// Its work, as tasks of the server. A load that is under way when the server stops is rolled
    /// back and repeated at the next start.
    pub fn tasks(self: &Arc<Self>) -> Vec<Task> {
        vec![
            Worker::task(self),
            callbacks::task(self),
            cleaning::task(self),
            archive::task(Arc::clone(&self.packer), self.settings.backup.clone()),
        ]
    }

    /// The exchange says which revision a till has. To be called when it grew, and once for each
    /// till at start.
    #[expect(clippy::unused_async, reason = "the exchange may have to wait here once several servers share a store")]
    pub async fn notify_applied(&self, till: TillId, cursor: Revision) {
        lock(&self.cursors).insert(till, cursor);
        self.callbacks.notify_one();
    }

    /// The record of loads, for page and REST. Its calls block.
    pub fn loads(&self) -> &Arc<dyn LoadJournal> {
        &self.journal
    }

    /// How far the load that is under way is.
    pub fn progress(&self) -> Option<LoadProgress> {
        lock(&self.running).as_ref().map(|running| LoadProgress {
            load: running.load,
            records: running.counters.records.load(Ordering::Relaxed),
            bytes: running.counters.bytes.load(Ordering::Relaxed),
            total_bytes: running.total_bytes,
        })
    }

    fn network(&self) -> Result<Arc<Network>, StoreError> {
        self.dictionary.snapshot()?.network()
    }

    /// Whether `need` bytes more may be written into the data folder. Blocking.
    fn room(&self, need: u64) -> Result<(), NoRoom> {
        self.settings.disk_reserve.check(&self.settings.bodies, need)
    }

    /// In which what is left for producers is worded.
    fn words(&self) -> &'static Words {
        crate::words::of(self.settings.language)
    }

    fn poke_exchange(&self) {
        self.hints.give(Hint::Revision);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept under these locks is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
