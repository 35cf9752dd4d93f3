//! Where lines of the audit log are kept: each with the change that it tells of, read as one.
//!
//! **Architecture invariant:** a change that somebody asked for and its line are committed
//! together.

use super::StoreError;
use jiff::Timestamp;
use tillway_service::audit::{AuditFilter, AuditLine, AuditRecord};

/// The lines of one store. Changes of the store write theirs themselves.
pub trait AuditLog: Send + Sync {
    /// Lines, newest first.
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError>;

    /// Writes a line about a change that is not one of the store itself, but of files.
    fn note(&self, line: &AuditLine) -> Result<(), StoreError>;

    /// Removes at most `limit` lines from before a time: those of persons, or all others. How many
    /// went.
    fn prune_audit(&self, persons: bool, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// The lines of several logs as one, newest first.
pub fn read_as_one<'a>(
    logs: impl IntoIterator<Item = &'a dyn AuditLog>,
    filter: &AuditFilter,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut lines = Vec::new();
    for log in logs {
        lines.extend(log.audit(filter)?);
    }
    lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.id));
    lines.truncate(filter.limit as usize);
    Ok(lines)
}
