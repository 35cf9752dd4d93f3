//! The network: a tree of chain, groups, shops and tills, and who may change it how.
//!
//! [`tree::Network`] is the whole of it in memory, immutable, shared; it also knows where each
//! node hung at each revision, so the path of a till at an old cursor is known. [`change`] decides
//! what is allowed, and [`NetworkService`] has the store carry it out in one transaction. A move
//! takes a revision, so it waits for a load that is under way; nothing else here does.

mod auth;
pub mod change;
pub mod codes;
#[cfg(test)]
mod tests;
pub mod till_settings;
pub mod token;
pub mod tree;

pub use auth::{AuthError, TillAuth};
pub use change::NetworkChange;
pub use codes::{CodeRefusal, KeptCode, MadeCode};
pub use till_settings::{SettingChanges, SettingHere};
pub use token::TokenHash;
pub use tree::{ALL, LayerNo, Network, Node, Parent};

use crate::store::StoreError;
use crate::store::network::NetworkStore;
use codes::{REMEMBERED, Used, new_code, to_millis};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use tillway_proto::attach::Attempt;
use tillway_proto::{CodeName, NodeCode, NodeId, NodeLevel, PeerSecret, ProofKey, Revision, TillId};
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
    /// No setting that a server may set.
    #[error("`{key}` is no setting of a till that can be set here: {keys} are")]
    UnknownSetting {
        /// What was named.
        key: String,
        /// All that there are.
        keys: String,
    },
    /// A value that its key does not take.
    #[error("{key} is set to `{value}`: allowed is True or False")]
    SettingNoFlag {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A value that its key does not take.
    #[error("{key} is set to `{value}`: allowed is a whole number from {least} to {most}")]
    SettingNoNumber {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// As many codes as are kept.
    #[error("{max} codes to attach tills are kept, which is the most: wait until older ones are forgotten")]
    TooManyCodes {
        /// How many.
        max: usize,
    },
    /// Nobody has a code for so long.
    #[error("a code is good for 1 to {max} hours")]
    #[serde(rename = "wrong-code-life")]
    CodeLife {
        /// The longest.
        max: i64,
    },
    /// Somebody else used it at the same moment.
    #[error("the code was used or ended just now")]
    CodeUsedNow,
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

    /// Sets settings of the tills at a node and below it, or sets them no more.
    pub fn set_settings(&self, id: &NodeId, asked: &SettingChanges, now: Timestamp) -> Result<(), NetworkError> {
        let asked = till_settings::checked(asked)?;
        self.store.change(&self.caller, &mut |network| change::set_settings(network, id, &asked, now)).map(|_| ())
    }

    /// Gives a till a new secret; the token of the old one is void.
    pub fn renew_secret(&self, id: &TillId) -> Result<PeerSecret, NetworkError> {
        let secret = PeerSecret::generate();
        let token = TokenHash::of(&secret.token());
        self.store.change(&self.caller, &mut |network| change::renew_token(network, id, token))?;
        tracing::info!(till = %id, "gave a till a new secret");
        Ok(secret)
    }

    /// A till fell into wrong hands: whatever its disk holds is void, no code of it is good any
    /// more, and it is parked until its replacement is attached. Its new secret is for nobody to
    /// be told.
    pub fn shut_out(&self, id: &TillId) -> Result<PeerSecret, NetworkError> {
        let secret = PeerSecret::generate();
        let token = TokenHash::of(&secret.token());
        self.store.change(&self.caller, &mut |network| change::shut_out(network, id, token))?;
        tracing::warn!(till = %id, "a till was stolen or lost: nothing that it has is good any more");
        Ok(secret)
    }

    /// Makes a code for each of these tills, good for so long; open ones of before end.
    pub fn make_codes(
        &self,
        tills: &[TillId],
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<MadeCode>, NetworkError> {
        if life <= SignedDuration::ZERO || life > codes::MAX_LIFE {
            return Err(NetworkError::CodeLife { max: codes::MAX_LIFE.as_hours() });
        }
        let network = self.current()?;
        let mut taken = self.codes()?.into_iter().map(|code| code.name).collect();
        let (made_at, ends_at) = (to_millis(now), to_millis(now + life));
        let (mut made, mut kept) = (Vec::new(), Vec::new());
        for till in tills {
            let node = network.require(&NodeId::Till(till.clone()))?.no;
            let code = new_code(&mut taken)?;
            let key = ProofKey::of(&code.secret);
            kept.push(KeptCode { name: code.name, key, node, made_at, ends_at, used: None });
            made.push(MadeCode { till: till.clone(), code, ends_at });
        }
        self.store.put_codes(&self.caller, &kept, now - REMEMBERED)?;
        tracing::info!(codes = made.len(), "made codes to attach tills");
        Ok(made)
    }

    /// All codes that are kept, the newest first.
    pub fn codes(&self) -> Result<Vec<KeptCode>, NetworkError> {
        self.store.codes().map_err(NetworkError::Store)
    }

    /// The code of this name.
    pub fn code(&self, name: CodeName) -> Result<Option<KeptCode>, NetworkError> {
        self.store.code(name).map_err(NetworkError::Store)
    }

    /// Ends the open code of a till. Whether it had one.
    pub fn end_code(&self, till: &TillId, now: Timestamp) -> Result<bool, NetworkError> {
        let node = self.current()?.require(&NodeId::Till(till.clone()))?.no;
        self.store.end_codes(&self.caller, node, now)
    }

    /// Ends all open codes.
    pub fn end_all_codes(&self, now: Timestamp) -> Result<(), NetworkError> {
        let open = self.codes()?.into_iter().filter(|code| code.is_open(now));
        open.map(|code| code.node).try_for_each(|node| self.store.end_codes(&self.caller, node, now).map(drop))
    }

    /// Attaches the till of a code whose use was judged: it gets a new secret, the token of the
    /// old one is void, and the code is used.
    pub fn attach(
        &self,
        till: &TillId,
        code: CodeName,
        attempt: &Attempt,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<PeerSecret, NetworkError> {
        let secret = PeerSecret::generate();
        let token = TokenHash::of(&secret.token());
        let used = Used { at: to_millis(now), by, attempt: attempt.mark() };
        self.store.change(&self.caller, &mut |network| change::attach(network, till, token, code, used.clone()))?;
        tracing::info!(%till, %code, "attached a till");
        Ok(secret)
    }
}
