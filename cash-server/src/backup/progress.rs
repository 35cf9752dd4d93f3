//! How far a backup or a rehearsal is, how the last one ended, and asking for the next.

use super::error::BackupError;
use crate::words::Reason;
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// How far the backup or rehearsal is that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes done of this step.
    pub done: u64,
    /// Bytes of this step.
    pub total: u64,
}

/// How the last backup or rehearsal of this process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why it failed; none: it did not.
    pub fault: Option<Reason>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying the databases.
    Copying,
    /// Packing, encrypting, and writing to its place.
    Packing,
    /// Reading it again.
    Verifying,
    /// Unpacking it for a rehearsal.
    Unpacking,
}

impl Step {
    /// The word, as over REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Packing => "packing",
            Self::Verifying => "verifying",
            Self::Unpacking => "unpacking",
        }
    }
}

/// Work that can be asked for.
#[derive(Debug, Default)]
pub(super) struct Errand {
    asked: AtomicBool,
    pub(super) poke: Arc<Notify>,
    ended: Mutex<Option<Ended>>,
}

impl Errand {
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.poke.notify_one();
    }

    pub(super) fn take(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    pub(super) fn note<T>(&self, ended: &Result<T, BackupError>) {
        let fault = ended.as_ref().err().map(Reason::of);
        *super::lock(&self.ended) = Some(Ended { at: Timestamp::now(), fault });
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        super::lock(&self.ended).clone()
    }
}
