//! How large each database is, and of which version.

/// One database, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseState {
    /// Its name: that of the file.
    pub name: String,
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes of what was written and is not in it yet.
    pub log_bytes: u64,
    /// Steps of its schema; none where it cannot be read right now.
    pub schema: Option<u32>,
}
