//! The network: look at it, make, change, move, park and remove nodes, and give tills new tokens.
//!
//! These use cases need no running server: the command line has them where none runs.

use super::error::AppError;
use super::rights::{self, Act, Place};
use crate::exchange::PublicAddresses;
use crate::hints::{Hint, Hints};
use crate::network::change::alike_of_each;
use crate::network::{LayerNo, Network, NetworkService, Node, TillToken};
use std::collections::HashMap;
use tillway_proto::{NodeCode, NodeId, NodeLevel, Revision, TillId};
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
    /// A till's token: shown once, the server keeps only its hash.
    pub token: Option<NewToken>,
}

/// A token that was made just now.
#[derive(Debug)]
pub struct NewToken {
    /// The token.
    pub token: TillToken,
    /// The `cash.ini` that attaches the till, token included.
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
        self.allow(Act::Read, Place::Everywhere)?;
        let network = self.network.current()?;
        let mut alike = alike_of_each(&network);
        Ok(network.nodes().map(|node| info(&network, node, &mut alike)).collect())
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
        let token = match (&created.id, created.token) {
            (NodeId::Till(till), Some(token)) => Some(self.with_cash_ini(till, token)?),
            _ => None,
        };
        let info = self.info(&created.id)?;
        self.hints.give(Hint::Network);
        Ok(CreatedNode { info, token })
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

    /// Removes a node that has nothing below it. A till's token is void from then on.
    pub fn remove(&self, text: &str) -> Result<NodeId, AppError> {
        let node = self.find(text)?;
        self.allow(Act::ChangeNodes, Place::Node(&node))?;
        self.network.remove(&node)?;
        self.hints.give(Hint::Network);
        Ok(node)
    }

    /// Gives a till a new token; the old one is void.
    pub fn reissue_token(&self, till: &str) -> Result<NewToken, AppError> {
        let till = self.till(till)?;
        self.allow(Act::ChangeNodes, Place::Node(&NodeId::Till(till.clone())))?;
        let token = self.network.reissue_token(&till)?;
        self.hints.give(Hint::Network);
        self.with_cash_ini(&till, token)
    }

    /// The `cash.ini` of a till, without its token.
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

    fn with_cash_ini(&self, till: &TillId, token: TillToken) -> Result<NewToken, AppError> {
        let cash_ini = self.addresses.cash_ini(&*self.network.current()?, till, Some(&token))?;
        Ok(NewToken { token, cash_ini })
    }

    fn info(&self, id: &NodeId) -> Result<NodeInfo, AppError> {
        let network = self.network.current()?;
        Ok(info(&network, network.require(id)?, &mut alike_of_each(&network)))
    }

    fn allow(&self, act: Act, place: Place<'_>) -> Result<(), AppError> {
        rights::check(&self.caller.actor, act, place).map_err(AppError::Denied)
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
