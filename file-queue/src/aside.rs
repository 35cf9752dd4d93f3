//! Setting aside: what is broken, or was tried too often, goes out of the way with its reason, and
//! the rest goes on.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::durable;
use crate::error::QueueError;
use crate::folders::{Folders, Found};
use crate::limits::MAX_REASON_BYTES;
use crate::lock::QueueLock;
use crate::name::BatchName;

pub(crate) const REASON_FILE: &str = "reason";
const NOTE_VERSION: u32 = 1;

/// Why something lies aside: the content of the file `reason` in its folder, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) version: u32,
    pub(crate) reason: String,
    pub(crate) at: Timestamp,
}

impl Note {
    /// The reason in a folder that lies aside; none where it was never written or cannot be read.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(REASON_FILE)).ok()?).ok()
    }
}

/// Something in `aside/`. Strays go before batches, batches in their order, when there is too
/// much.
#[derive(Debug)]
struct Kept {
    batch: Option<BatchName>,
    path: PathBuf,
    bytes: u64,
}

impl Folders {
    /// Moves a batch from `ready/` to `aside/`, then removes the oldest from there if there is too
    /// much.
    pub(crate) fn set_aside(&self, name: BatchName, reason: &str, lock: &QueueLock) -> Result<(), QueueError> {
        let from = self.ready_batch(name);
        let to = self.aside().join(name.to_string());
        if fs::symlink_metadata(&to).is_ok() {
            // Only hand-made copies bring two batches of one sequence.
            return self.set_stray_aside(OsStr::new(&name.to_string()), lock);
        }
        self.write_reason(&from, reason);
        let failed = self.failed("set aside a batch of file queue");
        self.disk.rename(&from, &to).map_err(&failed)?;
        fail::fail_point!("queue::set_aside");
        self.disk.sync_dir(&self.aside()).map_err(&failed)?;
        self.disk.sync_dir(&self.ready()).map_err(&failed)?;
        tracing::warn!(queue = %self.queue, sequence = %name.sequence, reason, "batch set aside");
        self.trim_aside(&to, lock);
        Ok(())
    }

    /// Moves something that is no batch out of `ready/`: into a folder of its own, which carries
    /// the reason.
    pub(crate) fn set_stray_aside(&self, name: &OsStr, lock: &QueueLock) -> Result<(), QueueError> {
        let reason = format!("{} is not the name of a batch, or is there twice", name.display());
        let folder = self.aside().join(format!("stray-{}", Uuid::new_v4().simple()));
        let failed = self.failed("set aside a stray of file queue");
        self.disk.create_dir(&folder).map_err(&failed)?;
        self.write_reason(&folder, &reason);
        if let Err(error) = self.disk.rename(&self.ready().join(name), &folder.join(name)) {
            // Tried again at every `next`: without this, each time would leave a folder.
            self.purge(&folder);
            return Err(failed(error));
        }
        for synced in [&folder, &self.aside(), &self.ready()] {
            self.disk.sync_dir(synced).map_err(&failed)?;
        }
        tracing::warn!(queue = %self.queue, reason, "stray set aside");
        self.trim_aside(&folder, lock);
        Ok(())
    }

    /// As well as it goes: on a full disk a batch goes aside without its reason rather than
    /// staying in the way.
    fn write_reason(&self, folder: &Path, reason: &str) {
        let mut reason = reason.to_owned();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        let note = Note { version: NOTE_VERSION, reason, at: Timestamp::now() };
        let written = serde_json::to_vec(&note)
            .map_err(io::Error::from)
            .and_then(|json| durable::write_atomic_on(&*self.disk, &folder.join(REASON_FILE), &json));
        if let Err(error) = written {
            tracing::warn!(queue = %self.queue, %error, "failed to write why a batch is set aside");
        }
    }

    /// Removes the oldest until count and bytes are within limits; `newest` goes only where it is
    /// too much alone.
    fn trim_aside(&self, newest: &Path, lock: &QueueLock) {
        let trimmed = self.kept_aside().and_then(|mut kept| {
            let mut bytes = kept.iter().fold(0_u64, |sum, kept| sum.saturating_add(kept.bytes));
            let mut count = kept.len();
            kept.sort_unstable_by_key(|kept| (kept.path == newest, kept.batch, kept.path.clone()));
            for oldest in kept {
                if count <= self.limits.max_aside_batches && bytes <= self.limits.max_aside_bytes {
                    break;
                }
                let gone = self.discard(&oldest.path, lock)?;
                self.purge(&gone);
                count -= 1;
                bytes = bytes.saturating_sub(oldest.bytes);
                tracing::warn!(queue = %self.queue, path = %oldest.path.display(), "removed the oldest of what lies aside: there is too much");
            }
            Ok(())
        });
        if let Err(error) = trimmed {
            tracing::warn!(queue = %self.queue, %error, "failed to remove the oldest of what lies aside");
        }
    }

    fn kept_aside(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for found in Self::list(&self.aside())? {
            kept.push(match found? {
                Found::Batch(name) => {
                    Kept { batch: Some(name), path: self.aside().join(name.to_string()), bytes: name.bytes }
                }
                Found::Stray(name) => {
                    let path = self.aside().join(name);
                    let bytes = bytes_under(&path)?;
                    Kept { batch: None, path, bytes }
                }
            });
        }
        Ok(kept)
    }
}

/// Bytes of all files under `path`, itself included.
pub(crate) fn bytes_under(path: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    let mut open = vec![path.to_path_buf()];
    while let Some(path) = open.pop() {
        let found = fs::symlink_metadata(&path)?;
        if found.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            bytes = bytes.saturating_add(found.len());
        }
    }
    Ok(bytes)
}
