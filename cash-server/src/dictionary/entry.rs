//! What layers are made of, as the store and the log see it: kinds by number, objects by key,
//! bodies as bytes.

use tillway_exchangers::kinds::Kind;
use tillway_exchangers::records::{self, ObjectRow, RecordHash};
use tillway_exchangers::row::{KeyMatch, RowRef};
use tillway_proto::{Revision, RowHash};

/// The stable number of a kind. A kind that this program no longer knows still has its objects in
/// the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindId(pub u16);

impl KindId {
    /// See [`Kind::override_group`]. Of a kind that is not known any more each object stands
    /// alone.
    pub fn override_group(self, key: &str) -> &str {
        Kind::by_id(self.0).map_or(key, |kind| kind.override_group(key))
    }
}

impl From<Kind> for KindId {
    fn from(kind: Kind) -> Self {
        Self(kind.id())
    }
}

/// Which object: its kind and key. Sorted as packages are: by kind, then by the bytes of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: KindId,
    /// Its key columns, joined as `exchangers` joins them.
    pub key: String,
}

/// An object of a layer: its canonical row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind.
    pub kind: KindId,
    /// The key.
    pub key: String,
    /// Hash of the body, kind included.
    pub hash: RowHash,
    /// The encoded row, as it goes into packages.
    pub body: Vec<u8>,
}

impl From<ObjectRow> for Entry {
    fn from(row: ObjectRow) -> Self {
        Self { kind: row.kind.into(), key: row.key.into_text(), hash: row.hash, body: row.body }
    }
}

/// One upsert of a load: an object and the rows that its command brought along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsert {
    /// The object itself.
    pub main: Entry,
    /// Rows that came inside it. Where two have one key, the last counts.
    pub owned: Vec<Entry>,
    /// Kinds of which `owned` is the whole set: what the object brought before and not now is
    /// gone.
    pub replaces: Vec<KindId>,
    /// Rows that the object brought before and that stay as they are; without a key: all of that
    /// kind.
    pub spared: Vec<(KindId, Option<KeyMatch>)>,
    /// The record that says so, by which the object is known again.
    pub record: Option<RecordHash>,
}

/// One deletion of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The kind.
    pub kind: KindId,
    /// Which objects.
    pub keys: KeyMatch,
    /// The line of the record that says so.
    pub line: u64,
}

/// The rows that a stored row named by plain values: see [`records::rows_of_scalars`]. None where
/// it cannot be read.
pub fn rows_of_scalars(kind: KindId, body: &[u8]) -> Vec<ObjectKey> {
    let Some(kind) = Kind::by_id(kind.0) else { return Vec::new() };
    let Ok(row) = RowRef::decode(kind, body) else { return Vec::new() };
    let rows = records::rows_of_scalars(kind, &row).into_iter();
    rows.map(|(kind, key)| ObjectKey { kind: kind.into(), key: key.into_text() }).collect()
}

/// What a load did, in objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadCounts {
    /// Were not in the layer.
    pub added: u64,
    /// Were there, in another state.
    pub changed: u64,
    /// Are there no more.
    pub deleted: u64,
    /// Were named, and were so already; a deletion that found nothing counts as one.
    pub unchanged: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Warnings about records that were taken.
    pub warnings: u64,
}

impl LoadCounts {
    /// Objects that are not as they were.
    pub fn differences(&self) -> u64 {
        self.added + self.changed + self.deleted
    }
}

/// What a load would do, before it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The newest revision before it.
    pub head: Revision,
    /// Whether the layer held nothing before it.
    pub first: bool,
    /// In objects.
    pub counts: LoadCounts,
    /// Kinds of which it takes away all, or more than the share that was asked for.
    pub losses: Vec<Loss>,
}

/// What a load would take away of one kind in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The kind.
    pub kind: KindId,
    /// Objects that the layer held before.
    pub before: u64,
    /// Of these, how many are gone.
    pub deleted: u64,
}

/// A committed load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOutcome {
    /// The revision it took; none where nothing changed.
    pub revision: Option<Revision>,
    /// What it did.
    pub counts: LoadCounts,
}

/// One state of an object in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first revision of this state.
    pub since: Revision,
    /// The first revision after it; none for the present state.
    pub until: Option<Revision>,
    /// Hash of the body.
    pub hash: RowHash,
    /// The encoded row.
    pub body: Vec<u8>,
}

/// The revisions in which a layer changed first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSpan {
    /// The first revision that put something into it.
    pub first: Revision,
    /// The newest revision that touched it.
    pub last: Revision,
}
