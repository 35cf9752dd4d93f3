//! How many rows a till must have of each kind, and their digests.

use super::entry::KindId;
use std::collections::BTreeMap;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::state_digest;
use tillway_proto::{Digest, RowHash};

/// Rows and digest of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindDigest {
    /// How many rows.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
}

impl KindDigest {
    /// Puts a row in.
    pub fn add(&mut self, row: RowHash) {
        self.rows += 1;
        self.digest.add(row);
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: RowHash) {
        self.rows = self.rows.saturating_sub(1);
        self.digest.remove(row);
    }
}

/// Rows and digests by kind. A kind without rows and one that is not named are the same.
#[derive(Debug, Clone, Default)]
pub struct Digests(BTreeMap<KindId, KindDigest>);

impl Digests {
    /// Of one kind, to change.
    pub fn entry(&mut self, kind: KindId) -> &mut KindDigest {
        self.0.entry(kind).or_default()
    }

    /// Of one kind.
    pub fn of(&self, kind: KindId) -> KindDigest {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Kinds that have rows.
    pub fn iter(&self) -> impl Iterator<Item = (KindId, KindDigest)> {
        self.0.iter().filter(|(_, entry)| entry.rows > 0).map(|(kind, entry)| (*kind, *entry))
    }

    /// One digest over all kinds that this program knows, as a till makes it of what it has.
    pub fn state(&self) -> Digest {
        state_digest(self.iter().filter_map(|(kind, entry)| Some((Kind::by_id(kind.0)?, entry.rows, entry.digest))))
    }

    /// Rows of all kinds.
    pub fn rows(&self) -> u64 {
        self.0.values().map(|entry| entry.rows).sum()
    }
}

impl PartialEq for Digests {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Digests {}

impl FromIterator<(KindId, KindDigest)> for Digests {
    fn from_iter<T: IntoIterator<Item = (KindId, KindDigest)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}
