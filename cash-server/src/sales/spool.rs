//! The spool: where what tills send becomes durable, before it is acknowledged and before any
//! database sees it.
//!
//! A folder of segment files `<sequence, 20 digits>.spool`, each a header and records, appended by
//! one writer and read by one loader. The position up to which everything is loaded stands in
//! `sales.db`, in the transaction that loaded it.
//!
//! ```text
//! segment  = header record*
//! header   = "TWSPOOL\n" version:u32 sequence:u64 check:4        (24 bytes; check = blake3 of the 20 bytes before, cut)
//! record   = F5 54 52 0A length:u32 check:16 payload             (check = blake3 of sequence, offset, length, payload, cut)
//! payload  = protobuf `Arrival`: till, shop, instance, time of arrival, batch, refused documents
//! ```
//!
//! Numbers are little-endian. The checksum covers the place of a record, so a stale block of
//! another file, or a piece of a receipt that looks like a record, is never taken for one.
//!
//! # Invariants
//! - What was answered with `Ok` has been written and synced, its segment's name included
//!   ([`Spool::append`]).
//! - A segment is appended to by one process only, once, from its creation on: a start always
//!   begins a new one.
//! - Sequences grow by one, also past the position in the database, so a position never points
//!   into a reused file.
//! - Only bytes that were synced are read by the loader or counted in what a till is told we hold.
//! - The folder is never larger than the limit it was opened with, plus
//!   [`aside::MAX_ASIDE_BYTES`].
//!
//! # A write
//! The writer thread takes the first waiting record and all others that wait behind it (up to
//! [`writer::MAX_GROUP_BYTES`]), writes them in one piece, syncs once, and answers each. While it
//! syncs, the next group gathers: no artificial delay. A full disk or a failing write is answered
//! to everyone in the group, the file is cut back to its synced length, and the next group tries
//! again. After a failed sync the segment's tail cannot be trusted any more (the kernel may have
//! dropped the pages and call the next sync a success): it is cut back, sealed, and a new segment
//! is begun.
//!
//! Before a group is taken the disk must have room for it, for what everything that waits will
//! need in the database, and for a reserve ([`RESERVE_BYTES`]): a disk that is nearly full refuses
//! what is new and keeps what it has.
//!
//! # A crash
//! At the start every segment that is not loaded is scanned. In the newest one a tail that is no
//! record was being written and never acknowledged: it is cut off (where it has anything but
//! zeros, a copy goes to `aside/` and the loader is told ([`Spool::cuts`])). An older segment was
//! put right by an earlier start, so what is no record there is damage, at its end too. What stays
//! is written again in place and synced before a till is told that we hold it: a killed process
//! may have left it in memory only, and after a failed sync the kernel may call such memory clean,
//! so that a sync alone proves nothing.
//!
//! # A read
//! From the loaded position on, record by record, up to the synced length. Where a checksum fails
//! in the middle, the damaged bytes are copied to `aside/` with the reason, and reading goes on at
//! the next record whose checksum holds. Sequences have no holes and the file `passed` tells how
//! far segments were deleted as loaded: where the position lies before what is there, the database
//! is older than the spool or segments were lost, and the reader says so ([`Item::Missing`]).
//!
//! # A delete
//! A segment goes when the position in the database has passed its end and it is not the one being
//! written; `passed` is written first.

pub mod aside;
mod format;
mod loading;
mod passed;
mod pending;
mod read;
mod record;
mod segment;
#[cfg(test)]
mod tests;
pub mod writer;

pub use format::{MAX_RECORD_BYTES, Position};
pub use pending::{Held, HeldReceipt};
pub use read::{Chunk, Item};
pub use record::{Arrival, RefusedDocument, SpoolRecord};
pub use segment::Cut;
pub use writer::AppendError;

use crate::words::{Reason, as_said};
use fs_err as fs;
use pending::{Pending, PendingEntry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_file_queue::disk::Disk;
use tillway_file_queue::durable;
use tillway_file_queue::file_lock::FileLock;
use tillway_proto::TillId;
use tillway_proto::receipt::ShiftKey;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use writer::Append;

/// A new segment is begun when the present one has this many bytes: small enough that loaded bytes
/// leave the disk soon, large enough that a folder at its limit holds some hundred files.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Default limit of the folder. About a million receipts: several days of a thousand tills with
/// the database gone.
pub const DEFAULT_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes of the disk that the spool leaves free besides what its own content will need in the
/// database: 256 MiB for the write-ahead logs of the server's databases (64 MiB each), its logs
/// and what people do on the machine. Refusing while there is room keeps what was accepted safe:
/// the loader can still load it, and loading empties the spool.
pub const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// What waits in the spool needs about this many times its size in the database, tables and
/// indexes.
pub const DATABASE_GROWTH: u64 = 3;

/// Appends that wait for the writer; senders behind them wait.
const APPEND_QUEUE: usize = 256;

/// Bytes of appends that wait for the writer or are being written; senders behind them wait, so
/// that many streams with large batches do not fill the memory.
const APPEND_BYTES: usize = 64 * 1024 * 1024;

/// Why the spool could not be opened, read or kept.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SpoolError {
    /// Another process has the folder.
    #[error("the spool {path} is in use by another process")]
    #[serde(rename = "spool-in-use")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A segment was written by a newer program.
    #[error("the spool segment {path} has format version {version}, this program reads up to {supported}: upgrade it")]
    #[serde(rename = "spool-newer")]
    NewerVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest that is known here.
        supported: u32,
    },
    /// So many acknowledged batches could not be loaded that there is no room for another.
    #[error(
        "{path} is full of batches that could not be loaded ({units} of {bytes} bytes): put them back or drop them, on the page \
         or with `cash-server aside`; until then nothing more is loaded"
    )]
    #[serde(rename = "spool-aside-full")]
    AsideFull {
        /// The folder.
        path: PathBuf,
        /// How many there would be.
        units: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// The folder or a file of it could not be read or changed.
    #[error("failed to {action} the spool {path}")]
    #[serde(rename = "spool-fails")]
    Io {
        /// What was tried.
        #[serde(skip)]
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
}

/// How a spool is kept.
#[derive(Debug, Clone, Copy)]
pub struct SpoolLimits {
    /// Largest sum of all segments; above it appends are refused.
    pub total_bytes: u64,
    /// Size at which a new segment is begun.
    pub segment_bytes: u64,
    /// See [`RESERVE_BYTES`].
    pub reserve_bytes: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { total_bytes: DEFAULT_LIMIT_BYTES, segment_bytes: SEGMENT_BYTES, reserve_bytes: RESERVE_BYTES }
    }
}

/// The spool of one server; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    appends: mpsc::Sender<Append>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    limits: SpoolLimits,
    state: Mutex<State>,
    arrived: Arc<Notify>,
    _lock: FileLock,
}

/// What a spool took since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Batches that were made durable.
    pub batches: u64,
    /// Syncs that made them durable: one a group.
    pub syncs: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Segments on disk with their synced length.
    segments: BTreeMap<u64, u64>,
    /// The one being written.
    active: Option<u64>,
    /// Everything before is in the database.
    loaded: Position,
    /// Segments up to here were deleted.
    passed: Position,
    /// Tails that this start cut off.
    cuts: Vec<Cut>,
    pending: Pending,
    taken: Taken,
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.values().sum()
    }

    /// The sequence of the next new segment.
    fn next_sequence(&self) -> u64 {
        let last = self.segments.keys().next_back().copied().unwrap_or(0);
        last.max(self.loaded.segment).max(self.passed.segment) + 1
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before the lock is let go, so a panicking holder
        // leaves it sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segment_path(&self, sequence: u64) -> PathBuf {
        format::segment_path(&self.folder, sequence)
    }
}

impl Spool {
    /// Opens the folder, made where it is not there; `loaded` is the position in the database.
    /// Blocks: scans what is not loaded yet. Starts the writer thread, which ends with the last
    /// clone of the spool.
    pub fn open(folder: &Path, loaded: Position, limits: SpoolLimits, disk: Arc<dyn Disk>) -> Result<Self, SpoolError> {
        durable::create_dir_all_on(disk.as_ref(), folder).map_err(|source| io_error("make", folder, source))?;
        let lock = lock(folder)?;
        if let Err(error) = aside::remove_leftovers(disk.as_ref(), folder) {
            // They only take room; the next start tries again.
            tracing::warn!(error = &error as &dyn std::error::Error, "leftovers of the spool could not be removed");
        }
        let mut state = State { loaded, passed: passed::read(folder), ..State::default() };
        let sequences = format::list_segments(folder).map_err(|source| io_error("list", folder, source))?;
        // What is behind the loaded position goes; that it was there is noted before.
        if let Some(last) = sequences.iter().rfind(|sequence| **sequence < loaded.segment) {
            let path = format::segment_path(folder, *last);
            let length = fs::metadata(&path).map_err(|source| io_error("read", &path, source))?.len();
            let end = Position { segment: *last, offset: length };
            if end > state.passed {
                passed::note(disk.as_ref(), folder, end);
                state.passed = end;
            }
        }
        for sequence in &sequences {
            let sequence = *sequence;
            let path = format::segment_path(folder, sequence);
            if sequence < loaded.segment {
                durable::remove_file_on(disk.as_ref(), &path)
                    .map_err(|source| io_error("remove a loaded segment of", &path, source))?;
                continue;
            }
            let from = if sequence == loaded.segment { loaded.offset } else { 0 };
            let at = Position { segment: sequence, offset: from };
            let newest = sequences.last() == Some(&sequence);
            let recovered = segment::recover(disk.as_ref(), folder, at, newest, |end, payload| {
                if let Ok(arrival) = Arrival::parse(payload) {
                    state.pending.add(end, PendingEntry::of(&arrival));
                }
            })?;
            // An empty one stays too: a hole in the sequences means that something was lost.
            state.segments.insert(sequence, recovered.length);
            state.cuts.extend(recovered.cut);
        }
        disk.sync_dir(folder).map_err(|source| io_error("sync", folder, source))?;
        let (appends, queue) = mpsc::channel(APPEND_QUEUE);
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            disk,
            limits,
            state: Mutex::new(state),
            arrived: Arc::default(),
            _lock: lock,
        });
        let for_writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("spool-writer".to_owned())
            .spawn(move || writer::run(&for_writer, queue))
            .map_err(|source| io_error("start the writer of", folder, source))?;
        Ok(Self { shared, appends, room: Arc::new(Semaphore::new(APPEND_BYTES)) })
    }

    /// Hands a record to the writer; the answer comes when it is durable, or why it is not. Waits
    /// while the writer's queue is full.
    pub async fn append(&self, arrival: &Arrival) -> oneshot::Receiver<Result<Position, AppendError>> {
        self.append_record(SpoolRecord::of(arrival)).await
    }

    /// [`Self::append`], of a record that is made already.
    pub async fn append_record(&self, record: SpoolRecord) -> oneshot::Receiver<Result<Position, AppendError>> {
        let (answer, answered) = oneshot::channel();
        let SpoolRecord { payload, entry } = record;
        // The semaphore is never closed, and what is above the limit of a record is refused by the
        // writer.
        let bytes = u32::try_from(payload.len().min(MAX_RECORD_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
        let append = Append { payload, entry, answer, room };
        // A writer that is gone drops the answer, which the receiver sees as an error.
        let _ = self.appends.send(append).await;
        answered
    }

    /// What is durable here of these shifts of a till and not in the database yet. Ask before the
    /// database: what is loaded in between is then seen twice, not never.
    pub fn held(&self, till: &TillId, shift: ShiftKey) -> Held {
        self.shared.state().pending.held(till, shift)
    }

    /// End time of the newest receipt of a till that is here and not in the database yet.
    pub fn last_receipt_time(&self, till: &TillId) -> Option<String> {
        self.shared.state().pending.last_time(till)
    }

    /// Reads durable records after `from`, at most this many records and about this many bytes.
    /// Blocks.
    pub fn read(&self, from: Position, max_records: usize, max_bytes: usize) -> Result<Chunk, SpoolError> {
        read::read(&self.shared, from, max_records, max_bytes)
    }

    /// Everything before `position` is in the database: forgets it and deletes segments that are
    /// passed. Blocks.
    pub fn loaded(&self, position: Position) -> Result<(), SpoolError> {
        let passed: Vec<Position> = {
            let mut state = self.shared.state();
            state.loaded = state.loaded.max(position);
            let loaded = state.loaded;
            state.pending.forget_through(loaded);
            state
                .segments
                .iter()
                .filter(|(sequence, length)| {
                    let done =
                        **sequence < loaded.segment || (**sequence == loaded.segment && **length <= loaded.offset);
                    done && state.active != Some(**sequence)
                })
                .map(|(sequence, length)| Position { segment: *sequence, offset: *length })
                .collect()
        };
        if let Some(last) = passed.last() {
            // Not under the lock: it waits for the disk.
            passed::note(self.shared.disk.as_ref(), &self.shared.folder, *last);
            let mut state = self.shared.state();
            state.passed = state.passed.max(*last);
        }
        for Position { segment: sequence, .. } in passed {
            let path = self.shared.segment_path(sequence);
            durable::remove_file_on(self.shared.disk.as_ref(), &path)
                .map_err(|source| io_error("remove a loaded segment of", &path, source))?;
            fail::fail_point!("spool::segment_removed");
            self.shared.state().segments.remove(&sequence);
        }
        Ok(())
    }

    /// Copies a record that cannot be loaded to `aside/` with its reason. Blocks.
    pub fn set_aside(&self, at: Position, payload: &[u8], reason: &Reason) -> Result<(), SpoolError> {
        aside::keep(self.shared.disk.as_ref(), &self.shared.folder, at, payload, reason)
    }

    /// What stands at `from` is about to be loaded. Gives how often that was noted with the
    /// process ending after it, this time included. Blocks.
    pub fn note_loading(&self, from: Position) -> u32 {
        loading::note(self.shared.disk.as_ref(), &self.shared.folder, from)
    }

    /// What was noted has ended without ending the process. Blocks.
    pub fn forget_loading(&self) {
        loading::forget(self.shared.disk.as_ref(), &self.shared.folder);
    }

    /// What lies aside. Blocks.
    pub fn aside(&self) -> Result<Vec<aside::Kept>, SpoolError> {
        aside::list(&self.shared.folder)
    }

    /// The bytes of something that lies aside, as they stood at `at`. Blocks.
    pub fn aside_bytes(&self, at: Position) -> Result<Option<Vec<u8>>, SpoolError> {
        aside::read(&self.shared.folder, at)
    }

    /// Removes something that lies aside, durably. Blocks.
    pub fn drop_aside(&self, at: Position) -> Result<(), SpoolError> {
        aside::remove(self.shared.disk.as_ref(), &self.shared.folder, at)
    }

    /// Tails with content that the start cut off, until they are forgotten.
    pub fn cuts(&self) -> Vec<Cut> {
        self.shared.state().cuts.clone()
    }

    /// The cuts have been noted.
    pub fn forget_cuts(&self) {
        self.shared.state().cuts.clear();
    }

    /// Waits until something durable arrived since the last call.
    pub async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }

    /// Notified when something durable has arrived. One alone may wait for it.
    pub fn arrivals(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.arrived)
    }

    /// What it took since it was opened.
    pub fn taken(&self) -> Taken {
        self.shared.state().taken
    }

    /// Bytes of all segments on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.state().bytes()
    }

    /// The position behind the last durable record.
    pub fn durable_end(&self) -> Position {
        let state = self.shared.state();
        state
            .segments
            .last_key_value()
            .map_or(state.loaded, |(segment, offset)| Position { segment: *segment, offset: *offset }.max(state.loaded))
    }
}

/// Whether bytes begin as a record does, or a segment: then they are a piece of a segment and not
/// what stood in a record.
pub fn is_record_start(bytes: &[u8]) -> bool {
    bytes.starts_with(&format::MARKER) || bytes.starts_with(&format::MAGIC)
}

fn lock(folder: &Path) -> Result<FileLock, SpoolError> {
    let path = folder.join("spool.lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_error("lock", &path, source))?;
    let taken = FileLock::try_take(file).map_err(|source| io_error("lock", &path, source))?;
    taken.map_err(|_| SpoolError::InUse { path: folder.to_owned() })
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> SpoolError {
    SpoolError::Io { action, path: path.to_owned(), source }
}
