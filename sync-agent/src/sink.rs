//! Where packages go: a till's `dictionaries.db` ([`Dictionary`](crate::dictionary)).
//!
//! What each sink promises, since prices hang on it: a package is applied whole or not at all, and
//! cursor, proof, counts and digests change in the transaction of the rows. A look does not wait
//! for a load.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use tillway_exchangers::package::PackageSource;
use tillway_proto::Revision;

pub(crate) use tillway_exchangers::till::dictionary::{Applied, State as Held};

/// Where a package's rows go. Calls block.
pub(crate) trait Sink: fmt::Debug + Send + Sync {
    /// What it holds; nothing, where it is damaged.
    fn look(&self) -> Result<Held, SinkError>;

    /// Applies a package; one that stands alone also at the cursor that it replaces.
    fn apply(&self, package: &mut dyn PackageSource, replaces: Option<Revision>) -> Result<Applied, SinkError>;

    /// Recounts everything; gives the names of the kinds that differ.
    fn verify(&self) -> Result<Vec<String>, SinkError>;

    /// Where somebody else wrote. Cheap, and does not wait for a load.
    fn other_hands(&self) -> OtherHands;

    /// Whether a POS has to be restarted to see what was just loaded. Said once.
    fn take_restart_due(&self) -> bool;

    /// Where it lies: the disk on which a load needs room.
    fn path(&self) -> &Path;

    /// Files beside it that are kept for people only.
    fn leftovers(&self) -> Vec<PathBuf>;

    /// Bytes of the log beside it.
    fn log_bytes(&self) -> u64;

    /// Tells of a reader that never ends, once.
    fn look_at_log(&self);
}

/// Where somebody else wrote since the last load or recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherHands {
    /// Nowhere, as far as is known: a file that is being loaded is looked at another time.
    None,
    /// Somewhere in the file, perhaps in no table of ours.
    Somewhere,
    /// Into rows, or the file is another one.
    Rows,
}

/// What is wrong where a sink does not take a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The package starts behind a revision that the sink does not have.
    Gap,
    /// The rows are not what the package builds on: these kinds have to come whole.
    Diverged(Vec<String>),
    /// What is there is damaged, and the package is not to blame: all has to come whole.
    Damaged,
    /// As soon as there is room on the disk, or somebody lets go of the database.
    Waits,
    /// Perhaps another time.
    Passes,
    /// The package will never be taken.
    Package,
}

/// Why a sink did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct SinkError {
    pub(crate) fault: Fault,
    source: Box<dyn Error + Send + Sync>,
}

impl SinkError {
    pub(crate) fn new(fault: Fault, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { fault, source: source.into() }
    }
}

#[cfg(test)]
pub(crate) mod memory;
