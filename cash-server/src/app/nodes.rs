//! The network: look at it, make, change, move, park and remove nodes, and give tills new secrets.
//!
//! These use cases need no running server: the command line has them where none runs.

use super::error::AppError;
use super::rights::{Act, Place};
use super::scope::{self, Scope};
use crate::exchange::PublicAddresses;
use crate::hints::{Hint, Hints};
use crate::network::change::alike_of_each;
use crate::network::{LayerNo, Network, NetworkService, Node};
use crate::peer_keys::PeerKeys;
use std::collections::HashMap;
use tillway_proto::{NodeCode, NodeId, NodeLevel, PeerId, PeerSecret, Revision, TillId};
use tillway_service::actor::Caller;

/// A node, with what its place in the tree says of it.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// The node.
    pub node: Node,
    /// The node it hangs under, and the folder name of that; none for the chain.
    pub parent: Option<(NodeId, String)>,
    /// The name of its folder in the inbox.
    pub folder: String,
    /// Folder names of nodes beside it whose codes differ from its own by leading zeros alone.
    pub alike: Vec<String>,
}

/// A node that was made.
#[derive(Debug)]
pub struct CreatedNode {
    /// The node.
    pub info: NodeInfo,
    /// A till's secret: shown once.
    pub secret: Option<NewSecret>,
}

/// A secret that was made just now. The server keeps the hash of its token, and the key of its
/// messages' codes.
#[derive(Debug)]
pub struct NewSecret {
    /// The secret.
    pub secret: PeerSecret,
    /// The `cash.ini` that attaches the till, secret included.
    pub cash_ini: String,
}

/// What to change about a node; what is none stays.
#[derive(Debug, Default)]
pub struct NodeChange<'a> {
    /// A new name.
    pub name: Option<&'a str>,
    /// Another parent.
    pub parent: Option<&'a str>,
    /// A till: parked, or back.
    pub parked: Option<bool>,
}

/// Nodes of the network, as one caller has them. Nodes are named by id or folder name. Calls
/// block.
pub struct Nodes {
    /// The network.
    pub network: NetworkService,
    /// The keys of tills' messages.
    pub keys: PeerKeys,
    /// Where tills reach this server.
    pub addresses: PublicAddresses,
    /// Who is woken after a change.
    pub hints: Hints,
    /// Who asks.
    pub caller: Caller,
}

impl Nodes {
    /// All nodes, parents before children.
    pub fn list(&self) -> Result<Vec<NodeInfo>, AppError> {
        let scope = Scope::of(&self.network, &self.caller, Act::Read)?;
        Ok(self.all()?.into_iter().filter(|info| scope.covers(&info.node.id)).collect())
    }

    /// One node.
    pub fn show(&self, text: &str) -> Result<NodeInfo, AppError> {
        let node = self.find(text)?;
        self.allow(Act::Read, Place::Node(&node))?;
        self.info(&node)
    }

    /// Makes a group, a shop or a till.
    pub fn create(&self, parent: &str, level: NodeLevel, code: &NodeCode, name: &str) -> Result<CreatedNode, AppError> {
        let parent = self.find(parent)?;
        self.allow(Act::ChangeNodes, Place::Node(&parent))?;
        let created = self.network.create(&parent, level, code, name)?;
        let secret = match (&created.id, created.secret) {
            (NodeId::Till(till), Some(secret)) => Some(self.take_over(till, secret)?),
            _ => None,
        };
        let info = self.info(&created.id)?;
        self.hints.give(Hint::Network);
        Ok(CreatedNode { info, secret })
    }

    /// Parks, renames or moves a node, in this order. With the revision that a move took.
    pub fn change(&self, text: &str, change: &NodeChange<'_>) -> Result<(NodeInfo, Option<Revision>), AppError> {
        let node = self.find(text)?;
        self.allow(Act::ChangeNodes, Place::Node(&node))?;
        if let Some(parked) = change.parked {
            let NodeId::Till(till) = &node else { return Err(AppError::OnlyTillsPark { node }) };
            self.network.park(till, parked)?;
        }
        if let Some(name) = change.name {
            self.network.rename(&node, name)?;
        }
        let mut revision = None;
        if let Some(parent) = change.parent {
            let parent = self.find(parent)?;
            self.allow(Act::ChangeNodes, Place::Node(&parent))?;
            revision = self.network.move_node(&node, &parent)?;
        }
        self.hints.give(Hint::Network);
        Ok((self.info(&node)?, revision))
    }

    /// Removes a node that has nothing below it. A till's secret is void from then on.
    pub fn remove(&self, text: &str) -> Result<NodeId, AppError> {
        let node = self.find(text)?;
        self.allow(Act::ChangeNodes, Place::Node(&node))?;
        self.network.remove(&node)?;
        if let NodeId::Till(till) = &node {
            self.keys.remove(&till.clone().into()).map_err(|source| AppError::PeerKey { source })?;
        }
        self.hints.give(Hint::Network);
        Ok(node)
    }

    /// Gives a till a new secret; the old one is void.
    pub fn renew_secret(&self, till: &str) -> Result<NewSecret, AppError> {
        let till = self.till(till)?;
        self.allow(Act::ChangeNodes, Place::Node(&NodeId::Till(till.clone())))?;
        let secret = self.network.renew_secret(&till)?;
        let new = self.take_over(&till, secret)?;
        // What is on its way has a code that the till does not take any more.
        self.hints.give(Hint::Exchange);
        // Who has which secret stands beside the backups.
        self.hints.give(Hint::Network);
        Ok(new)
    }

    /// A till was stolen or lost: what its disk holds is void, its login at the broker goes, codes
    /// that are open for it end, and it is parked until its replacement is attached by a code.
    /// Nobody is told the secret that it has from then on.
    pub fn shut_out(&self, till: &str) -> Result<NodeInfo, AppError> {
        let till = self.till(till)?;
        let node = NodeId::Till(till.clone());
        self.allow(Act::ChangeNodes, Place::Node(&node))?;
        let secret = self.network.shut_out(&till)?;
        // What is asked for next: whoever listens looks at both.
        self.hints.give(Hint::Network);
        self.hints.give(Hint::Exchange);
        self.keys.put(&PeerId::from(till), &secret).map_err(|source| AppError::PeerKey { source })?;
        self.info(&node)
    }

    /// The `cash.ini` of a till, without its secret.
    pub fn cash_ini(&self, till: &str) -> Result<String, AppError> {
        let till = self.till(till)?;
        self.allow(Act::Read, Place::Node(&NodeId::Till(till.clone())))?;
        Ok(self.addresses.cash_ini(&*self.network.current()?, &till, None)?)
    }

    /// The till of this name.
    pub fn till(&self, text: &str) -> Result<TillId, AppError> {
        match self.find(text)? {
            NodeId::Till(till) => Ok(till),
            node => Err(AppError::NoTill { node }),
        }
    }

    /// The node of this name.
    pub fn find(&self, text: &str) -> Result<NodeId, AppError> {
        Ok(self.network.current()?.find(text)?.id.clone())
    }

    /// Keeps the key of the codes of a new secret. Where that fails, the token is the new one and
    /// codes are as before: the same asked once more puts it right.
    fn take_over(&self, till: &TillId, secret: PeerSecret) -> Result<NewSecret, AppError> {
        self.keys.put(&PeerId::from(till.clone()), &secret).map_err(|source| AppError::PeerKey { source })?;
        let cash_ini = self.addresses.cash_ini(&*self.network.current()?, till, Some(&secret))?;
        Ok(NewSecret { secret, cash_ini })
    }

    pub(super) fn all(&self) -> Result<Vec<NodeInfo>, AppError> {
        let network = self.network.current()?;
        let mut alike = alike_of_each(&network);
        Ok(network.nodes().map(|node| info(&network, node, &mut alike)).collect())
    }

    fn info(&self, id: &NodeId) -> Result<NodeInfo, AppError> {
        let network = self.network.current()?;
        Ok(info(&network, network.require(id)?, &mut alike_of_each(&network)))
    }

    pub(super) fn allow(&self, act: Act, place: Place<'_>) -> Result<(), AppError> {
        scope::judge(&self.network, &self.caller, act, place)
    }
}

fn info(network: &Network, node: &Node, alike: &mut HashMap<LayerNo, Vec<String>>) -> NodeInfo {
    NodeInfo {
        node: node.clone(),
        parent: network.parent(&node.id).map(|parent| (parent.id.clone(), network.folder_name(parent))),
        folder: network.folder_name(node),
        alike: alike.remove(&node.no).unwrap_or_default(),
    }
}
