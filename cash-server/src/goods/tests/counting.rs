//! A moment of the dictionary that counts the states that are read of it.

use crate::dictionary::entry::{Entry, KindId, LayerSpan, ObjectKey, Version};
use crate::network::{LayerNo, Network};
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, Group, LayerState, Wanted};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use tillway_proto::{Revision, RowHash};

pub(super) struct Counting {
    inner: Box<dyn DictionarySnapshot>,
    /// States, present and past, that were read.
    pub(super) states: Cell<usize>,
}

impl Counting {
    pub(super) fn over(inner: Box<dyn DictionarySnapshot>) -> Self {
        Self { inner, states: Cell::new(0) }
    }

    fn counted<T>(&self, read: Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
        read.inspect(|states| self.states.set(self.states.get() + states.len()))
    }
}

impl DictionarySnapshot for Counting {
    fn head(&self) -> Revision {
        self.inner.head()
    }

    fn log_start(&self) -> Revision {
        self.inner.log_start()
    }

    fn holds_groups(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Option<Revision>,
    ) -> Result<Vec<bool>, StoreError> {
        self.inner.holds_groups(layer, groups, revision)
    }

    fn groups_held_since(
        &self,
        layer: LayerNo,
        groups: &[Group<'_>],
        revision: Revision,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        self.counted(self.inner.groups_held_since(layer, groups, revision))
    }

    fn lost(&self) -> (Revision, Revision) {
        self.inner.lost()
    }

    fn network(&self) -> Result<Arc<Network>, StoreError> {
        self.inner.network()
    }

    fn layers(&self) -> Result<HashMap<LayerNo, LayerSpan>, StoreError> {
        self.inner.layers()
    }

    fn newest_touch(&self, layer: LayerNo, revision: Revision) -> Result<Option<Revision>, StoreError> {
        self.inner.newest_touch(layer, revision)
    }

    fn changed_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
        self.counted(self.inner.changed_since(layer, revision, limit))
    }

    fn held_since(&self, layer: LayerNo, revision: Revision, limit: usize) -> Result<Vec<ObjectKey>, StoreError> {
        self.counted(self.inner.held_since(layer, revision, limit))
    }

    fn hash_of_many(
        &self,
        layer: LayerNo,
        keys: &[&ObjectKey],
        revision: Option<Revision>,
    ) -> Result<Vec<Option<RowHash>>, StoreError> {
        self.inner.hash_of_many(layer, keys, revision)
    }

    fn bodies(&self, layer: LayerNo, keys: &[&ObjectKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.counted(self.inner.bodies(layer, keys))
    }

    fn page(
        &self,
        layer: LayerNo,
        kind: KindId,
        after: Option<&str>,
        limit: u32,
        bodies: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.counted(self.inner.page(layer, kind, after, limit, bodies))
    }

    fn keys_that_share_a_first_part(&self, layer: LayerNo, kind: KindId) -> Result<Vec<String>, StoreError> {
        self.inner.keys_that_share_a_first_part(layer, kind)
    }

    fn states_at(
        &self,
        layers: &[LayerNo],
        wanted: &[Wanted<'_>],
        revision: Revision,
    ) -> Result<Vec<LayerState>, StoreError> {
        self.counted(self.inner.states_at(layers, wanted, revision))
    }

    fn newest_change(
        &self,
        layer: LayerNo,
        wanted: &[Wanted<'_>],
        before: Revision,
    ) -> Result<Option<Revision>, StoreError> {
        self.inner.newest_change(layer, wanted, before)
    }

    fn kinds(&self, layer: LayerNo) -> Result<Vec<KindId>, StoreError> {
        self.inner.kinds(layer)
    }

    fn belonging(
        &self,
        layer: LayerNo,
        kind: KindId,
        owner: &ObjectKey,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        self.counted(self.inner.belonging(layer, kind, owner, limit))
    }

    fn history(&self, layer: LayerNo, key: &ObjectKey, limit: u32) -> Result<Vec<Version>, StoreError> {
        self.counted(self.inner.history(layer, key, limit))
    }
}
