//! Room on the till's disk: a download or a load that would leave too little of it is not begun.
//!
//! The POS must always be able to write its receipts, and it has no say in what the agent does with the disk they share.

use std::path::{Path, PathBuf};
use tillway_file_queue::space::free_bytes;

/// Left free for `documents.db` whatever is downloaded or loaded: 20,000 receipts of 3 kB, weeks of a busy till.
pub(crate) const POS_RESERVE_BYTES: u64 = 64 << 20;

/// There is too little.
#[derive(Debug, thiserror::Error)]
#[error(
    "no room on the disk of {}: {free} bytes are free, needed are {needed} and {POS_RESERVE_BYTES} that stay for the POS's receipts",
    path.display()
)]
pub(crate) struct NoRoom {
    path: PathBuf,
    free: u64,
    needed: u64,
}

/// Whether `needed` bytes may be written below `path`. A disk that cannot be asked has room until a write fails.
pub(crate) fn check(path: &Path, needed: u64) -> Result<(), NoRoom> {
    let free = free_bytes(path).unwrap_or_else(|error| {
        tracing::debug!(%error, "the free room is not known");
        u64::MAX
    });
    if leaves_enough(free, needed) { Ok(()) } else { Err(NoRoom { path: path.to_owned(), free, needed }) }
}

fn leaves_enough(free: u64, needed: u64) -> bool {
    free >= needed.saturating_add(POS_RESERVE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pos_needs_is_never_touched() {
        assert!(leaves_enough(POS_RESERVE_BYTES + 10, 10));
        assert!(!leaves_enough(POS_RESERVE_BYTES + 9, 10));
        assert!(!leaves_enough(POS_RESERVE_BYTES - 1, 0));
        assert!(!leaves_enough(POS_RESERVE_BYTES, u64::MAX));
        assert!(leaves_enough(u64::MAX, u64::MAX), "a disk that cannot be asked");
    }

    #[test]
    fn a_refusal_names_the_place_and_the_bytes() {
        let refused = check(Path::new("/tmp"), u64::MAX - POS_RESERVE_BYTES).unwrap_err().to_string();
        assert!(refused.contains("/tmp") && refused.contains("receipts"), "{refused}");
    }
}
