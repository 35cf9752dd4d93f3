//! The one writer: gathers what waits, writes it in one piece, syncs once, answers each.

use super::format::{self, HEADER_LEN, MAX_RECORD_BYTES, Position};
use super::pending::PendingEntry;
use super::{DATABASE_GROWTH, Shared};
use crate::words::as_said;
use fs_err as fs;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use tillway_file_queue::durable;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A group is closed at this size, so that its members do not wait for a write of unbounded
/// length.
pub const MAX_GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Why a record was not made durable. The same for all of its group.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AppendError {
    /// The folder is at its limit: the loader is behind.
    #[error("the spool of the server is full: {bytes} of {limit} bytes wait for its database; try again later")]
    #[serde(rename = "spool-full")]
    Full {
        /// Bytes there.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk is nearly full; what is there is safe.
    #[error(
        "the disk of the server's spool is nearly full: {free} bytes are free, and {needed} are kept for what was accepted \
         before; free space on it, then sales are taken again by themselves"
    )]
    #[serde(rename = "no-room-for-spool")]
    NoRoom {
        /// Bytes free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// The record is larger than any may be.
    #[error("a batch of {bytes} bytes is above the limit of {MAX_RECORD_BYTES}")]
    #[serde(rename = "batch-too-large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The disk refused.
    #[error("the server could not {action} its spool: {source}; nothing of this batch was taken, try again later")]
    #[serde(rename = "spool-not-written")]
    Disk {
        /// What it tried.
        #[serde(skip)]
        action: &'static str,
        /// What the disk said.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: Arc<io::Error>,
    },
}

/// A record on its way to the disk.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) payload: Vec<u8>,
    pub(super) entry: PendingEntry,
    pub(super) answer: oneshot::Sender<Result<Position, AppendError>>,
    /// Given back when the append is answered.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Runs until every sender is gone.
pub(super) fn run(shared: &Shared, mut queue: mpsc::Receiver<Append>) {
    let mut writer = Writer { shared, active: None, buffer: Vec::new(), refuses: false };
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.payload.len();
        let mut group = vec![first];
        while bytes < MAX_GROUP_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.payload.len();
            group.push(next);
        }
        writer.commit(group);
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    active: Option<Active>,
    buffer: Vec<u8>,
    /// Whether the last group had batches without room, so that the log says it once.
    refuses: bool,
}

/// The segment being written.
struct Active {
    file: fs::File,
    /// Its end: everything before is synced.
    end: Position,
}

impl Writer<'_> {
    fn commit(&mut self, group: Vec<Append>) {
        let group = self.refuse_what_does_not_fit(group);
        if group.is_empty() {
            return;
        }
        match self.write(&group) {
            Ok(ends) => {
                let mut answers = Vec::with_capacity(group.len());
                {
                    let mut state = self.shared.state();
                    state.taken.batches += ends.len() as u64;
                    state.taken.syncs += 1;
                    for (append, end) in group.into_iter().zip(&ends) {
                        state.segments.insert(end.segment, end.offset);
                        state.pending.add(*end, append.entry);
                        answers.push((append.answer, *end, append.room));
                    }
                }
                // A receiver that is gone is a stream that ended; its batch is durable all the
                // same.
                for (answer, end, room) in answers {
                    fail::fail_point!("spool::answering");
                    let _ = answer.send(Ok(end));
                    drop(room);
                }
                self.shared.arrived.notify_one();
            }
            Err(error) => {
                tracing::error!(error = %error, batches = group.len(), "the spool refused a group of batches");
                for append in group {
                    let _ = append.answer.send(Err(error.clone()));
                }
            }
        }
    }

    fn refuse_what_does_not_fit(&mut self, group: Vec<Append>) -> Vec<Append> {
        let limit = self.shared.limits.total_bytes;
        let mut bytes = self.shared.state().bytes();
        // A disk that does not tell is asked by the write itself.
        let free = self.shared.disk.free_bytes(&self.shared.folder).unwrap_or(u64::MAX);
        let reserve = self.shared.limits.reserve_bytes;
        let waiting = bytes;
        let mut refuses = None;
        let mut fitting = Vec::with_capacity(group.len());
        for append in group {
            let needed = format::record_len(append.payload.len());
            let refused = if append.payload.len() > MAX_RECORD_BYTES {
                Some(AppendError::TooLarge { bytes: append.payload.len() })
            } else if bytes + needed > limit {
                Some(AppendError::Full { bytes, limit })
            } else if free < reserve_for(reserve, waiting, bytes + needed) {
                Some(AppendError::NoRoom { free, needed: reserve_for(reserve, waiting, bytes + needed) })
            } else {
                None
            };
            if let Some(error) = refused {
                if !matches!(error, AppendError::TooLarge { .. }) {
                    refuses = Some(error.to_string());
                }
                let _ = append.answer.send(Err(error));
            } else {
                bytes += needed;
                fitting.push(append);
            }
        }
        match (&refuses, self.refuses) {
            (Some(why), false) => tracing::error!(why, "the spool takes no sales for now; the tills keep them"),
            (None, true) => tracing::info!("the spool takes sales again"),
            _ => {}
        }
        self.refuses = refuses.is_some();
        fitting
    }

    /// Writes and syncs; the positions behind each record.
    fn write(&mut self, group: &[Append]) -> Result<Vec<Position>, AppendError> {
        if self.active.as_ref().is_some_and(|active| active.end.offset >= self.shared.limits.segment_bytes) {
            self.seal();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.begin_segment()?,
        };
        self.buffer.clear();
        let mut end = active.end;
        let mut ends = Vec::with_capacity(group.len());
        for append in group {
            end = format::push_record(&mut self.buffer, end, &append.payload);
            ends.push(end);
        }
        let disk = &self.shared.disk;
        if let Err(source) = disk.write_at(&mut active.file, active.end.offset, &self.buffer) {
            // What was written of it is not synced and not answered; without it the segment is as
            // before.
            if disk.cut(&active.file, active.end.offset).is_ok() {
                self.active = Some(active);
            } else {
                self.seal();
            }
            return Err(refused("write to", source));
        }
        fail::fail_point!("spool::written");
        if let Err(source) = self.sync(&active.file) {
            // The kernel may now hold pages it calls clean and never write them: no further sync
            // of this file proves anything. Cutting is for the next start, which would otherwise
            // read them from memory.
            if let Err(error) = disk.cut(&active.file, active.end.offset).and_then(|()| self.sync(&active.file)) {
                tracing::warn!(segment = active.end.segment, %error, "failed to cut an unsynced tail off");
            }
            self.seal();
            return Err(refused("sync", source));
        }
        fail::fail_point!("spool::synced");
        active.end = end;
        self.active = Some(active);
        Ok(ends)
    }

    fn begin_segment(&mut self) -> Result<Active, AppendError> {
        let sequence = self.shared.state().next_sequence();
        let path = self.shared.segment_path(sequence);
        let disk = &self.shared.disk;
        let begin = || {
            // Left by a try that failed, so that it could not be taken away either: nothing in it
            // was ever answered.
            durable::remove_file_on(disk.as_ref(), &path)?;
            let mut file = disk.create_file(&path)?;
            fail::fail_point!("spool::segment_created");
            disk.write_at(&mut file, 0, &format::header(sequence))?;
            self.sync(&file)?;
            fail::fail_point!("spool::header_synced");
            disk.sync_dir(&self.shared.folder)?;
            fail::fail_point!("spool::segment_begun");
            Ok(file)
        };
        match begin() {
            Ok(file) => {
                let mut state = self.shared.state();
                state.segments.insert(sequence, HEADER_LEN);
                state.active = Some(sequence);
                Ok(Active { file, end: Position { segment: sequence, offset: HEADER_LEN } })
            }
            Err(source) => {
                // The name must be free for the next try.
                let _ = durable::remove_file_on(disk.as_ref(), &path);
                Err(refused("begin a segment of", source))
            }
        }
    }

    /// Makes what was written durable.
    fn sync(&self, file: &fs::File) -> io::Result<()> {
        fail::fail_point!("without::spool_sync", |_| Ok(()));
        self.shared.disk.sync_data(file)
    }

    /// Nothing is appended to the present segment any more; the loader removes it when it has
    /// passed it.
    fn seal(&mut self) {
        self.active = None;
        self.shared.state().active = None;
    }
}

/// Bytes that must be free before the spool grows from `waiting` to `bytes`: the new bytes
/// themselves, what all of it needs in the database, and the reserve.
fn reserve_for(reserve: u64, waiting: u64, bytes: u64) -> u64 {
    reserve.saturating_add(bytes.saturating_mul(DATABASE_GROWTH)).saturating_add(bytes - waiting)
}

fn refused(action: &'static str, source: io::Error) -> AppendError {
    AppendError::Disk { action, source: Arc::new(source) }
}
