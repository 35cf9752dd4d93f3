//! The network: a tree of chain, groups, shops and tills, and who may change it how.
//!
//! [`tree::Network`] is the whole of it in memory, immutable, shared; it also knows where each
//! node hung at each revision, so the path of a till at an old cursor is known. [`change`] decides
//! what is allowed, and [`NetworkService`] has the store carry it out in one transaction. A move
//! takes a revision, so it waits for a load that is under way; nothing else here does.

mod auth;
pub mod change;
#[cfg(test)]
mod tests;
pub mod token;
pub mod tree;

pub use auth::{AuthError, TillAuth};
pub use change::NetworkChange;
pub use token::TokenHash;
pub use tree::{LayerNo, Network, Node, Parent};

use crate::store::StoreError;
use crate::store::network::NetworkStore;
use serde::Serialize;
use std::sync::Arc;
use tillway_proto::{NodeCode, NodeId, NodeLevel, PeerSecret, Revision, TillId};
use tillway_service::actor::Caller;

/// Why the network cannot be changed so.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkError {
    /// No such node.
    #[error("there is no node `{text}` in the network: look it up with `cash-server node list`")]
    UnknownNode {
        /// What was asked for.
        text: String,
    },
    /// A level does not go there.
    #[error(
        "a {level} (code {code}) cannot hang under {parent}, a {}: groups and shops hang under the chain or a group, \
         tills under a shop",
        parent.level()
    )]
    #[serde(rename = "wrong-level")]
    Level {
        /// Level of the node.
        level: NodeLevel,
        /// Code of the node.
        code: NodeCode,
        /// Where it was to go.
        parent: NodeId,
    },
    /// A node cannot hang below itself.
    #[error("{node} cannot move under {parent}, which is below it: move {parent} out first")]
    #[serde(rename = "node-in-itself")]
    Loop {
        /// The node.
        node: NodeId,
        /// Where it was to go.
        parent: NodeId,
    },
    /// The code is in use.
    #[error(
        "the code {code} is taken: {by} has it; choose another code, or remove that {level} first ({})",
        if *level == NodeLevel::Till { "codes of tills are unique in their shop" } else { "codes of shops and groups are unique in the chain" }
    )]
    CodeTaken {
        /// Level of both.
        level: NodeLevel,
        /// The code.
        code: NodeCode,
        /// Who has it.
        by: NodeId,
    },
    /// Codes of new nodes are short and simple.
    #[error("`{code}` is no code for a new node: 1 to {max} Latin letters, digits, `-` and `_`")]
    #[serde(rename = "wrong-code")]
    Code {
        /// The code.
        code: NodeCode,
        /// How long one may be, in characters.
        max: usize,
    },
    /// Another node has that code with more or fewer zeros in front.
    #[error(
        "the code {code} differs from the code of {by} by leading zeros alone, and people and tables take the two for one: \
         choose another code, or use that node"
    )]
    CodeAlike {
        /// The code.
        code: NodeCode,
        /// Who has it.
        by: NodeId,
    },
    /// Only a node without children can be removed.
    #[error("{node} has {children} nodes below it: move or remove them first")]
    #[serde(rename = "node-has-children")]
    HasChildren {
        /// The node.
        node: NodeId,
        /// How many hang under it.
        children: usize,
    },
    /// The root stays.
    #[error("{node} is the chain, the root of the network: it cannot be removed")]
    ChainStays {
        /// The chain.
        node: NodeId,
    },
    /// A name that is none.
    #[error("`{name}` is not a name of a node: at most {max} characters, without line breaks")]
    #[serde(rename = "wrong-name")]
    Name {
        /// Its beginning.
        name: String,
        /// How long one may be, in characters.
        max: usize,
    },
    /// A load is under way that does not give way to a move, which takes a revision as the load
    /// does.
    #[error("a load is being written and cannot give way, and a move has to wait for it: try again in a few seconds")]
    #[serde(rename = "load-under-way")]
    Busy,
    /// The store failed.
    #[error("failed to read or change the network")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

/// A node that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: NodeId,
    /// A till's secret: shown once. Here the hash of its token is kept.
    pub secret: Option<PeerSecret>,
}

/// Reads and changes the network, for one caller. Cheap to clone; calls block.
#[derive(Clone)]
pub struct NetworkService {
    store: Arc<dyn NetworkStore>,
    caller: Caller,
}

impl NetworkService {
    /// Over its store, for the server itself.
    pub fn new(store: Arc<dyn NetworkStore>) -> Self {
        Self { store, caller: Caller::server() }
    }

    /// The same, for somebody who asks: its changes are noted as theirs.
    #[must_use]
    pub fn acting_for(&self, caller: &Caller) -> Self {
        Self { store: Arc::clone(&self.store), caller: caller.clone() }
    }

    /// The network as it stands.
    pub fn current(&self) -> Result<Arc<Network>, NetworkError> {
        self.store.network().map_err(NetworkError::Store)
    }

    /// Makes the chain at the first start; later calls give the one that is there, and wait for
    /// nobody.
    pub fn ensure_chain(&self, code: &NodeCode, name: &str) -> Result<NodeId, NetworkError> {
        if let Some(chain) = self.current()?.chain() {
            return Ok(chain.id.clone());
        }
        let id = NodeId::new(NodeLevel::Chain, code);
        let changed = self.store.change(&self.caller, &mut |network| change::ensure_chain(network, &id, code, name))?;
        Ok(changed.network.chain().map_or(id, |chain| chain.id.clone()))
    }

    /// Makes a group, a shop or a till.
    pub fn create(
        &self,
        parent: &NodeId,
        level: NodeLevel,
        code: &NodeCode,
        name: &str,
    ) -> Result<Created, NetworkError> {
        let id = NodeId::new(level, code);
        let secret = (level == NodeLevel::Till).then(PeerSecret::generate);
        let token = secret.as_ref().map(|secret| TokenHash::of(&secret.token()));
        self.store.change(&self.caller, &mut |network| change::create(network, parent, &id, code, name, token))?;
        tracing::info!(node = %id, parent = %parent, name, "made a node of the network");
        Ok(Created { id, secret })
    }

    /// Gives a node another name.
    pub fn rename(&self, id: &NodeId, name: &str) -> Result<(), NetworkError> {
        self.store.change(&self.caller, &mut |network| change::rename(network, id, name)).map(|_| ())
    }

    /// Hangs a node, and all below it, under another parent. Takes a revision, unless it hangs
    /// there already.
    pub fn move_node(&self, id: &NodeId, parent: &NodeId) -> Result<Option<Revision>, NetworkError> {
        let changed = self.store.change(&self.caller, &mut |network| change::move_node(network, id, parent))?;
        if let Some(revision) = changed.revision {
            tracing::info!(node = %id, parent = %parent, %revision, "moved a node of the network");
        }
        Ok(changed.revision)
    }

    /// Removes a node without children; a till's token is void from now on. Ids are never used
    /// again.
    pub fn remove(&self, id: &NodeId) -> Result<(), NetworkError> {
        self.store.change(&self.caller, &mut |network| change::remove(network, id))?;
        tracing::info!(node = %id, "removed a node of the network");
        Ok(())
    }

    /// Parks a till under repair, or takes it back.
    pub fn park(&self, id: &TillId, parked: bool) -> Result<(), NetworkError> {
        self.store.change(&self.caller, &mut |network| change::park(network, id, parked)).map(|_| ())
    }

    /// Gives a till a new secret; the token of the old one is void.
    pub fn renew_secret(&self, id: &TillId) -> Result<PeerSecret, NetworkError> {
        let secret = PeerSecret::generate();
        let token = TokenHash::of(&secret.token());
        self.store.change(&self.caller, &mut |network| change::renew_token(network, id, token))?;
        tracing::info!(till = %id, "gave a till a new secret");
        Ok(secret)
    }
}
