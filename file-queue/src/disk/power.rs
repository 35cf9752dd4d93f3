//! What a power cut takes: everything that was not synced, over real folders. Only for tests.
//!
//! A disk with a **ledger** carries every change out at once on the real files, so that reading
//! and locking need to know nothing of it, and notes in a folder of its own what of it is not
//! durable yet: content by file, names by folder. When the power is [`cut`], what was not synced
//! is taken back on the real files, or a part of it that the seed chooses: nothing survives, all,
//! a prefix, single changes; of content also zeroes in place of bytes and torn blocks of 512
//! bytes; a file may have its name and no content. What a `sync_file` or `sync_data` covered keeps
//! its content, what a `sync_dir` covered keeps its name. A rename is atomic, and durable with a
//! sync of either folder, as on journalling file systems.
//!
//! # In a running daemon
//!
//! With [`LEDGER_VARIABLE`] set to a folder (made where it is not there; one for each daemon, on
//! the file system of its data, outside of it), every durable change of a program built with
//! `crash-points` goes through such a disk: file queues, the spool, [`crate::durable`]. Then:
//!
//! 1. end the process (by `kill -9`, or a crash point);
//! 2. call [`cut`]`(ledger folder, seed)`; it returns what it took back, and empties the ledger;
//! 3. start the process again.
//!
//! Real syncs are left out while a ledger is kept: only the ledger decides what is durable. SQLite
//! syncs by itself and is not in the ledger: of a database what a killed process has written
//! stays. A process that is killed between a change and its note leaves a change that survives, as
//! a power cut may. A removal that was not synced is held for the last [`MAX_KEPT`] of them; an
//! older one counts as written by the kernel's own write-back.
//!
//! # In a test
//!
//! [`ForgetfulDisk`] keeps such a ledger in a temporary folder of the test, and also fails on
//! demand: full after N bytes, syncs that fail, dead from step N on.

mod content;
mod forgetful;
mod ledger;
mod rewind;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use forgetful::ForgetfulDisk;
pub use ledger::{LedgerDisk, MAX_KEPT};

use super::Disk;

/// The variable that names the folder of a daemon's ledger.
pub const LEDGER_VARIABLE: &str = "TILLWAY_POWER_LEDGER";

/// What a power cut took back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Creations, renames and removals that were not durable.
    pub names_at_risk: u64,
    /// Those of them that were taken back.
    pub names_taken_back: u64,
    /// Files with content that was not durable.
    pub files_at_risk: u64,
    /// Those of them whose content was changed back, wholly or in part.
    pub files_taken_back: u64,
}

/// Takes back what was not synced, by the choice of `seed`, and empties the ledger: what is there
/// then is durable. A ledger that is empty, or not there, changes nothing. Nobody may use the
/// files meanwhile.
pub fn cut(ledger: &Path, seed: u64) -> io::Result<Summary> {
    rewind::cut(ledger, seed)
}

/// The disk that the environment asks for, the same for the whole process.
pub(super) fn of_the_environment() -> Option<Arc<dyn Disk>> {
    static DISK: OnceLock<Option<Arc<LedgerDisk>>> = OnceLock::new();
    let disk = DISK.get_or_init(|| {
        let folder = std::env::var_os(LEDGER_VARIABLE)?;
        match LedgerDisk::open(Path::new(&folder)) {
            Ok(disk) => Some(Arc::new(disk)),
            Err(error) => {
                // A test without the ledger it asked for would prove nothing.
                tracing::error!(%error, "failed to open the ledger of {LEDGER_VARIABLE}");
                std::process::exit(2);
            }
        }
    });
    disk.clone().map(|disk| disk as Arc<dyn Disk>)
}

/// Small numbers from a seed (SplitMix64): the same seed always chooses the same.
#[derive(Debug)]
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}
