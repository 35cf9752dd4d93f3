//! Where it is kept which packages were built, and what tills must have in the states they lead
//! to.
//!
//! All of it can be made again from the dictionary: losing it costs time, nothing else.

use super::StoreError;
use crate::dictionary::Digests;
use jiff::Timestamp;
use tillway_proto::{PackageName, Revision};

/// What a package takes to what. Two tills with one key need the same package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackageKey {
    /// Layers of the effective path that it starts at; empty for a full one.
    pub from_path: String,
    /// The revision that it starts at; zero for a full one.
    pub from: Revision,
    /// Layers of the effective path that it leads to.
    pub to_path: String,
    /// The revision that it leads to.
    pub to: Revision,
    /// Numbers of the kinds that it holds whole, joined by commas; `all` for a full one.
    pub whole: String,
}

/// A package that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// Its name.
    pub name: PackageName,
    /// Size of its file.
    pub bytes: u64,
    /// Objects inside.
    pub objects: u64,
    /// When it was asked for last.
    pub used_at: Timestamp,
}

/// Keeps what was built.
pub trait PackageStore: Send + Sync {
    /// The package for a key; marks it as used.
    fn package(&self, key: &PackageKey) -> Result<Option<PackageRecord>, StoreError>;

    /// Keeps a package.
    fn keep_package(&self, key: &PackageKey, record: &PackageRecord) -> Result<(), StoreError>;

    /// All packages, those not asked for the longest first. A name may be there under several
    /// keys.
    fn packages(&self) -> Result<Vec<PackageRecord>, StoreError>;

    /// From now on packages carry proofs under this mark. Forgets those made under another one,
    /// whose proofs are worth nothing; how many there were.
    fn make_under(&self, mark: &str) -> Result<u64, StoreError>;

    /// Forgets packages, under all their keys.
    fn forget_packages(&self, names: &[PackageName]) -> Result<(), StoreError>;

    /// Forgets packages from or to revisions after `revision`, and digests of those: the
    /// dictionary does not know them any more. How many packages there were.
    fn forget_after(&self, revision: Revision) -> Result<u64, StoreError>;

    /// Forgets digests that nobody asked for since then.
    fn forget_digests(&self, unused_since: Timestamp) -> Result<(), StoreError>;

    /// Counts and digests of a path's state; marks them as used.
    fn digests(&self, path: &str, revision: Revision) -> Result<Option<Digests>, StoreError>;

    /// The newest state of a path whose counts and digests are kept, at or before `revision`.
    fn newest_digests(&self, path: &str, revision: Revision) -> Result<Option<(Revision, Digests)>, StoreError>;

    /// Keeps counts and digests of a path's state, and forgets the oldest of many.
    fn keep_digests(&self, path: &str, revision: Revision, digests: &Digests) -> Result<(), StoreError>;
}
