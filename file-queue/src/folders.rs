//! The folders of one queue, and the few moves between them that everything else is made of.

use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;
use uuid::Uuid;

use crate::disk::Disk;
use crate::durable;
use crate::error::QueueError;
use crate::limits::Limits;
use crate::lock::{FolderLock, QueueLock};
use crate::name::{BatchName, QueueName, Sequence};

/// Layout version of the queue's folder.
pub(crate) const LAYOUT_VERSION: u32 = 1;
pub(crate) const FORMAT_FILE: &str = "format";
const FORMAT_WORDS: &str = "tillway file-queue";
const LOCK_FILE: &str = "queue.lock";
const SEQUENCE_FILE: &str = "sequence";
/// Hex digits of blake3 at the end of the small files.
const CHECK_DIGITS: usize = 16;
/// Sequences that are noted at a time: a note is two syncs, and what is not used of it is a hole
/// after the next start.
const SEQUENCES_NOTED: u64 = 256;
/// How many of the first batches one listing brings: memory stays the same whatever the backlog.
const FIRST_BATCHES: usize = 32;

/// What waits in a queue. Batches that are being worked on count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Depth {
    /// Batches.
    pub batches: u64,
    /// Messages in them.
    pub messages: u64,
    /// Bytes of their message files.
    pub bytes: u64,
}

/// Something in `ready/` or `aside/`.
#[derive(Debug)]
pub(crate) enum Found {
    Batch(BatchName),
    /// Not named as this program names batches.
    Stray(OsString),
}

#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) queue: QueueName,
    pub(crate) folder: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) disk: Arc<dyn Disk>,
    /// Of what this handle noted last, how much it gave.
    pub(crate) given: Mutex<Option<Given>>,
}

/// Sequences of one note.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    /// The last one that was used.
    last: Sequence,
    /// The last one that the note covers.
    noted: Sequence,
}

impl Folders {
    pub(crate) fn ready(&self) -> PathBuf {
        self.folder.join("ready")
    }

    pub(crate) fn aside(&self) -> PathBuf {
        self.folder.join("aside")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }

    fn gone(&self) -> PathBuf {
        self.folder.join("gone")
    }

    pub(crate) fn ready_batch(&self, name: BatchName) -> PathBuf {
        self.ready().join(name.to_string())
    }

    pub(crate) fn lock(&self) -> Result<QueueLock, QueueError> {
        QueueLock::take(&self.folder.join(LOCK_FILE), self.limits.lock_wait)
    }

    /// For `map_err`: what was being done, to follow "failed to".
    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> QueueError + '_ {
        move |source| QueueError::Io { action, folder: self.folder.clone(), source }
    }

    /// Creates what is missing, and takes away what dead processes left half done. Reads no batch.
    pub(crate) fn prepare(&self) -> Result<(), QueueError> {
        let failed = self.failed("open file queue");
        durable::create_dir_all_on(&*self.disk, &self.folder).map_err(&failed)?;
        let lock = self.lock()?;
        self.check_format(true)?;
        for folder in [self.ready(), self.aside(), self.staging(), self.gone()] {
            match self.disk.create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
        }
        self.disk.sync_dir(&self.folder).map_err(&failed)?;
        if let Some(root) = self.folder.parent() {
            self.disk.sync_dir(root).map_err(&failed)?;
        }
        for file in [SEQUENCE_FILE, FORMAT_FILE] {
            durable::remove_leftovers_on(&*self.disk, &self.folder.join(file)).map_err(&failed)?;
        }
        self.discard_dead_staging(&lock).map_err(&failed)?;
        drop(lock);
        self.purge_gone();
        Ok(())
    }

    /// Refuses a queue of a newer program. With `write`, a missing or unreadable version becomes
    /// this one.
    pub(crate) fn check_format(&self, write: bool) -> Result<(), QueueError> {
        let path = self.folder.join(FORMAT_FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("open file queue")(error)),
        };
        match text.as_deref().and_then(read_format) {
            Some(LAYOUT_VERSION) => Ok(()),
            Some(found) => Err(QueueError::NewerFormat { path, found, known: LAYOUT_VERSION }),
            None if write => {
                if text.is_some() {
                    tracing::warn!(queue = %self.queue, path = %path.display(), "the format file was damaged; written anew");
                }
                let text = write_format(LAYOUT_VERSION);
                durable::write_atomic_on(&*self.disk, &path, text.as_bytes())
                    .map_err(self.failed("write the format of file queue"))
            }
            None => Ok(()),
        }
    }

    /// What lies in `ready/` or `aside/`, in no order. A folder that is not there is empty.
    pub(crate) fn list(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<Found>>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(entries.into_iter().flatten().map(|entry| {
            let name = entry?.file_name();
            Ok(name.to_str().and_then(BatchName::parse).map_or_else(|| Found::Stray(name), Found::Batch))
        }))
    }

    /// Counts by names alone; also says which sequence is the highest.
    pub(crate) fn count(folder: &Path) -> io::Result<(Depth, Sequence)> {
        let (mut depth, mut highest) = (Depth::default(), Sequence(0));
        for found in Self::list(folder)? {
            if let Found::Batch(name) = found? {
                depth.batches += 1;
                depth.messages = depth.messages.saturating_add(name.messages.into());
                depth.bytes = depth.bytes.saturating_add(name.bytes);
                highest = highest.max(name.sequence);
            }
        }
        Ok((depth, highest))
    }

    /// The first few batches behind `after` in order, and a few strays.
    pub(crate) fn first_ready(&self, after: Option<BatchName>) -> io::Result<(Vec<BatchName>, Vec<OsString>)> {
        let (mut first, mut strays) = (BinaryHeap::new(), Vec::new());
        for found in Self::list(&self.ready())? {
            match found? {
                Found::Batch(name) if after.is_none_or(|after| name > after) => {
                    first.push(name);
                    if first.len() > FIRST_BATCHES {
                        first.pop();
                    }
                }
                Found::Stray(name) if strays.len() < FIRST_BATCHES => strays.push(name),
                Found::Batch(_) | Found::Stray(_) => {}
            }
        }
        Ok((first.into_sorted_vec(), strays))
    }

    /// The name under which a batch lies in `folder` now: its number of tries changes with every
    /// claim.
    pub(crate) fn locate(folder: &Path, sequence: Sequence) -> io::Result<Option<BatchName>> {
        for found in Self::list(folder)? {
            match found? {
                Found::Batch(name) if name.sequence == sequence => return Ok(Some(name)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The next sequence, noted durably before it is used, so that no two batches ever have the
    /// same one. Noted are [`SEQUENCES_NOTED`] at a time: as long as the file says what this
    /// handle wrote, nobody else has given any since.
    pub(crate) fn next_sequence(&self, highest_ready: Sequence, _proof: &QueueLock) -> Result<Sequence, QueueError> {
        let failed = self.failed("number a batch in file queue");
        let path = self.folder.join(SEQUENCE_FILE);
        let noted = match fs::read(&path) {
            Ok(bytes) => read_sequence(&bytes).unwrap_or_else(|| {
                tracing::warn!(queue = %self.queue, path = %path.display(), "the sequence file is damaged; counting on from what is known");
                Sequence(0)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sequence(0),
            Err(error) => return Err(failed(error)),
        };
        // The file may have been lost: what lies in the folders, and what was given here, is
        // behind us in any case.
        let (_, highest_aside) = Self::count(&self.aside()).map_err(&failed)?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let last = given.map_or(noted, |given| if given.noted == noted { given.last } else { given.last.max(noted) });
        let next = last.max(highest_ready).max(highest_aside).next();
        let next = next.ok_or_else(|| QueueError::SequenceExhausted { queue: self.queue.to_string() })?;
        let mut through = noted;
        if next > noted {
            *given = None;
            through = next.later(SEQUENCES_NOTED - 1);
            durable::write_atomic_on(&*self.disk, &path, write_sequence(through).as_bytes()).map_err(&failed)?;
        }
        *given = Some(Given { last: next, noted: through });
        Ok(next)
    }

    /// The one step after which a batch or folder is no longer there: a rename into `gone/`. The
    /// files go later, with [`Self::purge`].
    pub(crate) fn discard(&self, path: &Path, _proof: &QueueLock) -> io::Result<PathBuf> {
        let to = self.gone().join(Uuid::new_v4().simple().to_string());
        self.disk.rename(path, &to)?;
        if let Some(folder) = path.parent() {
            self.disk.sync_dir(folder)?;
        }
        Ok(to)
    }

    /// Frees the space of something discarded. What cannot be removed now is removed when the
    /// queue is next opened.
    pub(crate) fn purge(&self, path: &Path) {
        let removed = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => self.disk.remove_dir_all(path),
            Ok(_) => self.disk.remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(queue = %self.queue, %error, "failed to remove a discarded batch; tried again at the next start");
            }
            _ => {}
        }
    }

    fn purge_gone(&self) {
        match fs::read_dir(self.gone()) {
            Ok(entries) => entries.flatten().for_each(|entry| self.purge(&entry.path())),
            Err(error) => tracing::warn!(queue = %self.queue, %error, "failed to look for discarded batches"),
        }
    }

    /// Takes away what producers were writing when they died; a live one holds the lock on its
    /// folder.
    fn discard_dead_staging(&self, lock: &QueueLock) -> io::Result<()> {
        for entry in fs::read_dir(self.staging())? {
            let path = entry?.path();
            match FolderLock::attempt(&path, lock) {
                Ok(None) => {}
                Ok(Some(_dead)) => {
                    self.discard(&path, lock)?;
                    tracing::info!(queue = %self.queue, path = %path.display(), "took away a batch whose producer died before its commit");
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// `<number> <first 16 hex digits of blake3 of the number as text>\n`.
/// A line with its check at the end.
fn checked(mut text: String) -> String {
    let check = blake3::hash(text.as_bytes()).to_hex();
    // Writing to a String cannot fail.
    let _ = writeln!(text, " {}", check.get(..CHECK_DIGITS).unwrap_or_default());
    text
}

fn write_format(version: u32) -> String {
    checked(format!("{FORMAT_WORDS} {version}"))
}

/// The version of the layout. A number without its check is one flipped bit away from another:
/// only our own is believed so.
fn read_format(text: &str) -> Option<u32> {
    let mut words = text.strip_prefix(FORMAT_WORDS)?.split_whitespace();
    let version = words.next()?.parse().ok()?;
    (words.next().is_none() && version == LAYOUT_VERSION || write_format(version) == text).then_some(version)
}

fn write_sequence(sequence: Sequence) -> String {
    checked(sequence.to_string())
}

fn read_sequence(bytes: &[u8]) -> Option<Sequence> {
    let text = std::str::from_utf8(bytes).ok()?;
    let sequence = Sequence(text.split(' ').next()?.parse().ok()?);
    (write_sequence(sequence) == text).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_file_with_a_flipped_bit_names_no_other_version() {
        for text in [write_format(LAYOUT_VERSION), write_format(LAYOUT_VERSION + 1), format!("{FORMAT_WORDS} 1\n")] {
            let version = read_format(&text);
            assert!(version.is_some(), "{text}");
            for at in 0..text.len() * 8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at / 8] ^= 1 << (at % 8);
                let read = read_format(&String::from_utf8_lossy(&bytes));
                assert!(read.is_none() || read == version || read == Some(LAYOUT_VERSION), "bit {at}: {read:?}");
            }
        }
    }

    #[test]
    fn sequence_file_with_a_flipped_bit_is_not_believed() {
        let text = write_sequence(Sequence(42));
        assert_eq!(read_sequence(text.as_bytes()), Some(Sequence(42)));
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            assert_eq!(read_sequence(&bytes), None, "bit {at}");
        }
    }
}
