//! Dictionaries: layers, their log, the overlay that a till sees, and what changed between two
//! states of it.
//!
//! A **layer** is what one node of the network defines itself; a till sees the **overlay** of the
//! layers on its path, the deepest one winning ([`overlay`]). Every load into a layer that changes
//! anything takes a **revision**, one sequence for the whole server; a move of a node takes one
//! too. The state of any path at any revision since [`View::log_start`] is known, so what a till
//! must change is a range of the log ([`difference`]). Counts and digests of a state ([`digest`])
//! are carried forward by the same difference.
//!
//! **Architecture invariant:** decisions here are functions over a [`DictionarySnapshot`] or a
//! [`View`]; nothing here knows SQL, files or the broker.

pub mod difference;
pub mod digest;
pub mod entry;
pub mod load;
pub mod overlay;
#[cfg(test)]
pub(crate) mod tests;
pub mod view;

pub use digest::{Digests, KindDigest};
pub use view::{Targets, View};

use crate::network::{LayerNo, Network};
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore, Pruned, RevisionRecord};
use entry::{KindId, ObjectKey, Version};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use tillway_exchangers::kinds::Kind;
use tillway_proto::{LoadId, NodeId, Revision, TillId};
use tillway_service::audit::AuditLine;

/// Old states that one step of pruning forgets: the write lock is held for some ten milliseconds.
pub const PRUNE_STEP: u32 = 5_000;

/// States of one object that [`DictionaryService::history`] shows.
pub const MAX_HISTORY: u32 = 1_000;

/// Why a question to the dictionary has no answer.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DictionaryError {
    /// No such node.
    #[error("there is no node {node} in the network")]
    #[serde(rename = "no-node-of-dictionary")]
    UnknownNode {
        /// What was asked for.
        node: NodeId,
    },
    /// The store failed.
    #[error("failed to read the dictionary")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

/// How long the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRetention {
    /// Kept for so long even if no till asks for it: the history of prices.
    pub at_least: SignedDuration,
    /// Not kept for longer, even if a till still asks for it: that till gets a snapshot.
    pub at_most: SignedDuration,
    /// So many revisions, the newest, stay whatever their age: a clock that jumps ahead makes all
    /// of them old at once, and every till that is one load behind would need a snapshot.
    pub newest: u32,
}

/// [`LogRetention::newest`]: a day of loads.
pub const NEWEST_REVISIONS: u32 = 24;

impl Default for LogRetention {
    /// A month of history; a till that is silent for a quarter of a year gets a snapshot.
    fn default() -> Self {
        Self {
            at_least: SignedDuration::from_hours(31 * 24),
            at_most: SignedDuration::from_hours(92 * 24),
            newest: NEWEST_REVISIONS,
        }
    }
}

/// A revision, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionInfo {
    /// The revision.
    pub revision: Revision,
    /// When it was taken.
    pub at: Timestamp,
    /// The layer that was loaded, or the node that was moved.
    pub node: Option<NodeId>,
    /// The load; none for a move.
    pub load: Option<LoadId>,
    /// Objects that it changed.
    pub differences: u64,
}

/// Answers questions about dictionaries. Cheap to clone; calls block.
#[derive(Clone)]
pub struct DictionaryService {
    store: Arc<dyn DictionaryStore>,
    /// Read last; used while head, start of the log and network are still those of a new moment.
    view: Arc<Mutex<Arc<View>>>,
}

impl DictionaryService {
    /// Over its store.
    pub fn new(store: Arc<dyn DictionaryStore>) -> Self {
        Self { store, view: Arc::default() }
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn DictionaryStore> {
        &self.store
    }

    /// Takes a revision past this one, see [`DictionaryStore::skip_past`].
    pub fn go_past(&self, revision: Revision, line: &AuditLine) -> Result<Revision, DictionaryError> {
        self.store.skip_past(revision, line).map_err(failed)
    }

    /// The newest revision.
    pub fn head(&self) -> Result<Revision, DictionaryError> {
        self.store.head().map_err(failed)
    }

    /// One moment to read, and what of it fits in memory.
    pub fn moment(&self) -> Result<(Box<dyn DictionarySnapshot>, Arc<View>), DictionaryError> {
        let snapshot = self.store.snapshot().map_err(failed)?;
        let network = snapshot.network().map_err(failed)?;
        let (head, log_start) = (snapshot.head(), snapshot.log_start());
        let kept = Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner));
        if kept.head == head && kept.log_start == log_start && kept.network.version() == network.version() {
            return Ok((snapshot, kept));
        }
        let layers = snapshot.layers().map_err(failed)?;
        let view = Arc::new(View { head, log_start, lost: snapshot.lost(), network, layers });
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&view);
        Ok((snapshot, view))
    }

    /// What every till must have. Costs about a microsecond a till.
    pub fn targets(&self) -> Result<Targets, DictionaryError> {
        self.moment().map(|(_, view)| view.targets())
    }

    /// What one till must have; zero where it has nothing to get.
    pub fn target(&self, till: &TillId) -> Result<Revision, DictionaryError> {
        let (_, view) = self.moment()?;
        let node = node_no(&view.network, &NodeId::Till(till.clone()))?;
        Ok(view.target(node))
    }

    /// Counts and digests of what a node sees now, from the rows themselves: walks the whole
    /// overlay.
    pub fn recount(&self, node: &NodeId) -> Result<Vec<(Kind, KindDigest)>, DictionaryError> {
        let (snapshot, view) = self.moment()?;
        let path = view.effective_path(node_no(&view.network, node)?, view.head);
        let digests = overlay::digests(snapshot.as_ref(), &path).map_err(failed)?;
        Ok(digests.iter().filter_map(|(kind, entry)| Some((Kind::by_id(kind.0)?, entry))).collect())
    }

    /// The states of an object in a node's own layer, oldest first: the history of a price.
    pub fn history(&self, node: &NodeId, kind: Kind, key: &str) -> Result<Vec<Version>, DictionaryError> {
        let (snapshot, view) = self.moment()?;
        let key = ObjectKey { kind: KindId(kind.id()), key: key.to_owned() };
        snapshot.history(node_no(&view.network, node)?, &key, MAX_HISTORY).map_err(failed)
    }

    /// The newest revisions, newest first.
    pub fn revisions(&self, limit: u32) -> Result<Vec<RevisionInfo>, DictionaryError> {
        let (snapshot, view) = self.moment()?;
        drop(snapshot);
        let records = self.store.revisions(limit).map_err(failed)?;
        Ok(records.into_iter().map(|record| info(&view.network, &record)).collect())
    }

    /// One revision, where it is still known.
    pub fn revision_info(&self, revision: Revision) -> Result<Option<RevisionInfo>, DictionaryError> {
        let (snapshot, view) = self.moment()?;
        drop(snapshot);
        let record = self.store.revision(revision).map_err(failed)?;
        Ok(record.map(|record| info(&view.network, &record)))
    }

    /// Forgets a little of what nobody needs: states that ended before `oldest_needed` (the
    /// smallest cursor that any till may come with) and within the retention. To be called until
    /// done, on a period.
    pub fn prune_step(&self, oldest_needed: Revision, retention: &LogRetention) -> Result<Pruned, DictionaryError> {
        let now = Timestamp::now();
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let must_go = self.store.revision_at(before(retention.at_most)).map_err(failed)?;
        let may_go = self.store.revision_at(before(retention.at_least)).map_err(failed)?;
        let stays = self.store.revisions(retention.newest).map_err(failed)?;
        let stays = stays.last().map_or(Revision(u64::MAX), |oldest| oldest.revision);
        self.store.prune(oldest_needed.max(must_go).min(may_go).min(stays), PRUNE_STEP).map_err(failed)
    }
}

fn info(network: &Network, record: &RevisionRecord) -> RevisionInfo {
    RevisionInfo {
        revision: record.revision,
        at: record.at,
        node: network.by_no(record.layer).map(|node| node.id.clone()),
        load: record.load,
        differences: record.differences,
    }
}

fn node_no(network: &Network, id: &NodeId) -> Result<LayerNo, DictionaryError> {
    network.node(id).map(|node| node.no).ok_or_else(|| DictionaryError::UnknownNode { node: id.clone() })
}

fn failed(source: StoreError) -> DictionaryError {
    DictionaryError::Store(source)
}
