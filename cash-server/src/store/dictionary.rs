//! Where layers and their log are kept.
//!
//! Each layer has a head, the present state of its objects, and a log of what was before. A load
//! is one transaction on a layer; a [`DictionarySnapshot`] reads everything of one moment while
//! loads go on.

use super::StoreError;
use crate::dictionary::entry::{Delete, Effect, Entry, KindId, LayerSpan, LoadOutcome, ObjectKey, Upsert, Version};
use crate::network::{LayerNo, Network};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tillway_exchangers::records::RecordHash;
use tillway_exchangers::row::KeyMatch;
use tillway_proto::{LoadId, Revision, RowHash};
use tillway_service::audit::AuditLine;
use uuid::Uuid;

/// Keeps layers and their log.
pub trait DictionaryStore: Send + Sync {
    /// Begins a load into a layer. Waits for the one that is under way.
    fn begin_load(&self, layer: LayerNo, load: LoadId) -> Result<Box<dyn LoadTxn>, StoreError>;

    /// One moment of everything, to read.
    fn snapshot(&self) -> Result<Box<dyn DictionarySnapshot>, StoreError>;

    /// Which database this is: made with it, and the same in each copy and backup.
    fn identity(&self) -> Result<Uuid, StoreError>;

    /// The newest revision.
    fn head(&self) -> Result<Revision, StoreError>;

    /// The revision that a load took, with its counts; none where it changed nothing or never
    /// ended.
    fn outcome_of(&self, load: LoadId) -> Result<Option<LoadOutcome>, StoreError>;

    /// The newest revisions, newest first.
    fn revisions(&self, limit: u32) -> Result<Vec<RevisionRecord>, StoreError>;

    /// One revision.
    fn revision(&self, revision: Revision) -> Result<Option<RevisionRecord>, StoreError>;

    /// The newest revision at or before a time; zero where there is none.
    fn revision_at(&self, time: Timestamp) -> Result<Revision, StoreError>;

    /// Takes a revision above `cursor`, which a till has from a server that was newer than this
    /// database: it was restored from a backup. Every till's target becomes that revision; what
    /// tills have between the restored head and it is not to be built upon.
    fn skip_past(&self, cursor: Revision, line: &AuditLine) -> Result<Revision, StoreError>;

    /// Forgets at most `step` old states that ended at or before `horizon`. `done` where nothing
    /// is left to forget.
    fn prune(&self, horizon: Revision, step: u32) -> Result<Pruned, StoreError>;
}

/// A load under way: one transaction, all or nothing. Dropped without [`LoadTxn::commit`], it
/// never was.
pub trait LoadTxn: Send {
    /// What the layer held when the load began, by the records that brought it. For another
    /// thread; to be dropped before the load ends.
    fn unchanged_records(&self) -> Box<dyn UnchangedRecords>;

    /// An object that [`UnchangedRecords`] found: it is named, and is so already. False where this
    /// load has written to it or to what it brought along, so that its record has to be carried
    /// out. Asked for each record of a load that changes little, so it asks no database.
    fn unchanged(&mut self, known: Unchanged) -> bool;

    /// Puts objects and what they brought along into the layer, one after the other: where two are
    /// of the same object, the last counts.
    fn upsert_all(&mut self, upserts: &[Upsert]) -> Result<(), StoreError>;

    /// Takes objects out of the layer, with what they brought along and what hangs on them, unless
    /// the load names them again; how many objects there were. A deletion that finds none counts
    /// as one that is unchanged.
    fn delete_all(&mut self, deletions: &[Delete]) -> Result<u64, StoreError>;

    /// From here on objects of the kind are gone, unless the load names them again.
    fn clear(&mut self, kind: KindId) -> Result<(), StoreError>;

    /// The load names these objects, but how they shall be cannot be read: those that are there
    /// stay as they are, with what they brought along. A deletion of theirs does not take effect.
    fn keep(&mut self, kind: KindId, keys: &KeyMatch) -> Result<TakenBack, StoreError>;

    /// Records about these objects are to be read, and not only known by their text.
    fn read_again(&mut self, objects: &[(KindId, KeyMatch)]) -> Result<(), StoreError>;

    /// Takes clearings and deletions of these kinds back, or of all: nobody knows which of their
    /// objects the load names.
    fn take_back(&mut self, of: Option<&[KindId]>) -> TakenBack;

    /// What these objects are, in the order of the tokens; none where one is gone.
    fn objects(&self, tokens: &[ObjectToken]) -> Result<Vec<Option<ObjectKey>>, StoreError>;

    /// Whether somebody waits who must not wait long: a load that can be begun again gives way.
    fn is_wanted(&self) -> bool;

    /// Objects that were changed or deleted after this revision stay as they are, whatever the
    /// load says of them. To be called before anything else.
    fn keep_newer_than(&mut self, revision: Revision);

    /// What it does, after the last record: with the kinds of which it takes away all, or more
    /// than `percent` of a hundred.
    fn effect(&mut self, percent: u8) -> Result<Effect, StoreError>;

    /// Some of the objects that it adds, changes and deletes, so many of each, after
    /// [`Self::effect`].
    fn samples(&mut self, of_each: u32) -> Result<Vec<Sample>, StoreError>;

    /// What shares the first part of its key that should be its own, as far as this load knows.
    fn crowded(&self) -> Crowded;

    /// Makes it true. Where nothing changed there is no revision. `counts.rejected` is left at
    /// zero.
    fn commit(self: Box<Self>) -> Result<LoadOutcome, StoreError>;

    /// Forgets it.
    fn rollback(self: Box<Self>);
}

/// An object that a load touches: encoded rows, as it was and as it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which object.
    pub object: ObjectKey,
    /// None where it was not there.
    pub before: Option<Vec<u8>>,
    /// None where it is gone.
    pub after: Option<Vec<u8>>,
}

/// Where a load may have brought objects whose keys begin with a part that should be theirs alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crowded {
    /// Anywhere.
    Anywhere,
    /// At these first parts: each was another object's too when one with it was added.
    At(BTreeSet<(KindId, String)>),
}

/// What a load was told to take away, and does not, since a record that cannot be used may have
/// been meant to add it again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenBack {
    /// Kinds that a clearing was on its way for.
    pub clears: Vec<KindId>,
    /// Deletions by key.
    pub deletions: Vec<Deletion>,
}

/// A record that deletes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deletion {
    /// Its line.
    pub line: u64,
    /// The object.
    pub object: ObjectToken,
}

/// An object of the layer that is loaded, as the store knows it. It means something to the store
/// that gave it, and until the load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectToken(pub(in crate::store) i64);

/// An object that is as a record says, with all that the record brings along. To be handed to
/// [`LoadTxn::unchanged`]; only the store reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged {
    pub(in crate::store) object: ObjectToken,
    /// Rows of its record.
    pub(in crate::store) rows: u32,
    /// Whether these follow the object's own, one after the other, in the order of the store.
    pub(in crate::store) in_a_run: bool,
}

#[cfg(test)]
impl Unchanged {
    /// Some object, for tests without a store.
    pub(crate) fn any() -> Self {
        Self { object: ObjectToken(1), rows: 1, in_a_run: true }
    }
}

/// Finds objects by the text of the records that brought them. Promises to find those alone that
/// come in the order in which they were first loaded, give or take some: a back office names them
/// so each time, and all others can be looked up by key. It reads ahead of the questions, so that
/// few of them ask the database.
pub trait UnchangedRecords: Send {
    /// The object that is as this record says.
    fn find(&mut self, record: RecordHash) -> Result<Option<Unchanged>, StoreError>;

    /// A record was not found, and orders to add this object: where that is, others may follow.
    fn missed(&mut self, kind: KindId, key: &str) -> Result<(), StoreError>;
}

/// The objects of a kind whose keys start with these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group<'a> {
    /// The kind.
    pub kind: KindId,
    /// How the keys start.
    pub start: &'a str,
}

/// Objects that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// One.
    One(&'a ObjectKey),
    /// All whose keys start so.
    Group(Group<'a>),
}

/// A state of an object in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerState {
    /// The layer.
    pub layer: LayerNo,
    /// Kind of the object.
    pub kind: KindId,
    /// The state.
    pub state: Version,
}

/// Everything of one moment.
pub trait DictionarySnapshot: Send {
    /// The newest revision of that moment.
    fn head(&self) -> Revision;

    /// The oldest revision whose state is still known.
    fn log_start(&self) -> Revision;

    /// Of each group, whether a layer holds any object of it, at `revision` or (none) in its head;
    /// in their order.
    fn holds_groups(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Option<Revision>,
    ) -> Result<Vec<bool>, StoreError>;

    /// The objects of these groups that a layer held at `revision` or holds now, in no order, some
    /// perhaps twice.
    fn groups_held_since(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Revision,
    ) -> Result<Vec<ObjectKey>, StoreError>;

    /// Cursors between these two, both excluded, are of states that were lost: see
    /// [`DictionaryStore::skip_past`].
    fn lost(&self) -> (Revision, Revision);

    /// The network of that moment.
    fn network(&self) -> Result<Arc<Network>, StoreError>;

    /// All layers that hold or ever held anything.
    fn layers(&self) -> Result<HashMap<LayerNo, LayerSpan>, StoreError>;

    /// The newest revision at or before `revision` that a load of the layer took, as far as the
    /// log goes back.
    fn newest_touch(&self, layer: LayerNo, revision: Revision) -> Result<Option<Revision>, StoreError>;

    /// The objects of a layer that changed after `revision`, in no order, some perhaps twice. At
    /// most `limit`.
    fn changed_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError>;

    /// The objects that a layer held at `revision` or holds now, in no order, some perhaps twice.
    /// At most `limit`.
    fn held_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError>;

    /// The hashes of objects in a layer, at `revision` or (none) in its head; in the order of the
    /// keys, none where the layer has none.
    fn hash_of_many(
        &self,
        layer: LayerNo,
        keys: &[&ObjectKey],
        revision: Option<Revision>,
    ) -> Result<Vec<Option<RowHash>>, StoreError>;

    /// The bodies of objects in the head of a layer, in the order of the keys; none where the
    /// layer has none.
    fn bodies(&self, layer: LayerNo, keys: &[&ObjectKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// The head of a layer, one kind of it, by key: at most `limit` objects after the key `after`.
    fn page(
        &self,
        layer: LayerNo,
        kind: KindId,
        after: Option<&str>,
        limit: u32,
        bodies: bool,
    ) -> Result<Vec<Entry>, StoreError>;

    /// In the head of a layer, the keys of a kind whose first part is not theirs alone, in order.
    fn keys_that_share_a_first_part(&self, layer: LayerNo, kind: KindId) -> Result<Vec<String>, StoreError>;

    /// The states of these objects in some layers at a revision, in the order of the layers.
    fn states_at(
        &self,
        layers: &[LayerNo],
        wanted: &[Wanted<'_>],
        revision: Revision,
    ) -> Result<Vec<LayerState>, StoreError>;

    /// The newest revision before `before` at which any of these objects changed in a layer, as
    /// far as the log goes back.
    fn newest_change(
        &self,
        layer: LayerNo,
        wanted: &[Wanted<'_>],
        before: Revision,
    ) -> Result<Option<Revision>, StoreError>;

    /// The kinds in the head of a layer.
    fn kinds(&self, layer: LayerNo) -> Result<Vec<KindId>, StoreError>;

    /// The objects of a kind, in the head of a layer, that belong to one object of it, in no
    /// order: those that came inside it, and those whose key names it behind its own first part.
    /// At most `limit`, some perhaps twice.
    fn belonging(
        &self,
        layer: LayerNo,
        kind: KindId,
        owner: &ObjectKey,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StoreError>;

    /// All states of an object in a layer that are known, oldest first. At most `limit`, the
    /// newest.
    fn history(&self, layer: LayerNo, key: &ObjectKey, limit: u32) -> Result<Vec<Version>, StoreError>;
}

/// A revision: who took it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRecord {
    /// The revision.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// The layer that was loaded, or the node that was moved.
    pub layer: LayerNo,
    /// The load; none for a move.
    pub load: Option<LoadId>,
    /// Objects added, changed and deleted.
    pub differences: u64,
}

/// One step of pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Old states forgotten.
    pub removed: u64,
    /// Whether nothing is left to forget.
    pub done: bool,
}
