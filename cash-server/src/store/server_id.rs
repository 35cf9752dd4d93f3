//! Which server keeps what.

use uuid::Uuid;

/// One of the servers that work over one database. What lies with one of them alone (the file of a
/// load, a spool) is kept with its id, so that no other takes it for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub Uuid);

impl ServerId {
    /// The server of a database that has one: that of files in a data folder. It stays the same
    /// whatever machine the folder is restored on.
    pub const ALONE: Self = Self(Uuid::nil());
}
