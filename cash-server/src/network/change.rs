//! Which changes of the network are allowed: pure decisions over the network of the moment.

use super::NetworkError;
use super::token::{TillToken, TokenHash};
use super::tree::{LayerNo, Network, Node};
use tillway_proto::{NodeCode, NodeId, NodeLevel, TillId};

/// Longest name of a node, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// What the store has to change. Made by the functions here, within the transaction that carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkChange {
    /// Nothing: it is so already.
    None,
    /// A new node.
    Create {
        /// Its id.
        id: NodeId,
        /// Its code.
        code: NodeCode,
        /// Its name.
        name: String,
        /// Where it hangs; none for the chain.
        parent: Option<LayerNo>,
        /// A till's token.
        token: Option<TokenHash>,
    },
    /// A new name.
    Rename {
        /// Which node.
        no: LayerNo,
        /// The name.
        name: String,
    },
    /// Another parent; takes a revision.
    Move {
        /// Which node.
        no: LayerNo,
        /// Under which node.
        parent: LayerNo,
    },
    /// Away with it.
    Remove {
        /// Which node.
        no: LayerNo,
    },
    /// Under repair, or back from it.
    Park {
        /// Which till.
        no: LayerNo,
        /// Whether it is under repair.
        parked: bool,
    },
    /// A new token.
    Token {
        /// Which till.
        no: LayerNo,
        /// The hash of the token.
        token: TokenHash,
    },
}

/// The chain, unless there is one.
pub fn ensure_chain(
    network: &Network,
    id: &NodeId,
    code: &NodeCode,
    name: &str,
) -> Result<NetworkChange, NetworkError> {
    if network.chain().is_some() {
        return Ok(NetworkChange::None);
    }
    Ok(NetworkChange::Create {
        id: id.clone(),
        code: code.clone(),
        name: checked_name(name)?,
        parent: None,
        token: None,
    })
}

/// A new node under `parent`.
pub fn create(
    network: &Network,
    parent: &NodeId,
    id: &NodeId,
    code: &NodeCode,
    name: &str,
    token: Option<&TillToken>,
) -> Result<NetworkChange, NetworkError> {
    let above = network.require(parent)?;
    check_level(id.level(), code, above)?;
    check_code(network, id.level(), code, above, None)?;
    Ok(NetworkChange::Create {
        id: id.clone(),
        code: code.clone(),
        name: checked_name(name)?,
        parent: Some(above.no),
        token: token.map(TillToken::hash),
    })
}

/// A new name.
pub fn rename(network: &Network, id: &NodeId, name: &str) -> Result<NetworkChange, NetworkError> {
    let node = network.require(id)?;
    let name = checked_name(name)?;
    if node.name == name { Ok(NetworkChange::None) } else { Ok(NetworkChange::Rename { no: node.no, name }) }
}

/// Another parent.
pub fn move_node(network: &Network, id: &NodeId, parent: &NodeId) -> Result<NetworkChange, NetworkError> {
    let node = network.require(id)?;
    let above = network.require(parent)?;
    if node.parent() == Some(above.no) {
        return Ok(NetworkChange::None);
    }
    check_level(node.level(), &node.code, above)?;
    if network.is_within(above.no, node.no) {
        return Err(NetworkError::Loop { node: id.clone(), parent: parent.clone() });
    }
    check_code(network, node.level(), &node.code, above, Some(node.no))?;
    Ok(NetworkChange::Move { no: node.no, parent: above.no })
}

/// Away with a node that has no children.
pub fn remove(network: &Network, id: &NodeId) -> Result<NetworkChange, NetworkError> {
    let node = network.require(id)?;
    if node.level() == NodeLevel::Chain {
        return Err(NetworkError::ChainStays { node: id.clone() });
    }
    let children = network.children(id).len();
    if children > 0 {
        return Err(NetworkError::HasChildren { node: id.clone(), children });
    }
    Ok(NetworkChange::Remove { no: node.no })
}

/// A till under repair, or back from it.
pub fn park(network: &Network, id: &TillId, parked: bool) -> Result<NetworkChange, NetworkError> {
    let node = network.require(&NodeId::Till(id.clone()))?;
    if node.parked == parked { Ok(NetworkChange::None) } else { Ok(NetworkChange::Park { no: node.no, parked }) }
}

/// A new token; the old one is void.
pub fn reissue_token(network: &Network, id: &TillId, token: &TillToken) -> Result<NetworkChange, NetworkError> {
    let node = network.require(&NodeId::Till(id.clone()))?;
    Ok(NetworkChange::Token { no: node.no, token: token.hash() })
}

fn checked_name(name: &str) -> Result<String, NetworkError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(NetworkError::Name { name: name.chars().take(MAX_NAME_CHARS).collect() });
    }
    Ok(name.to_owned())
}

fn check_level(level: NodeLevel, code: &NodeCode, parent: &Node) -> Result<(), NetworkError> {
    if level.may_hang_under(parent.level()) {
        return Ok(());
    }
    Err(NetworkError::Level { level, code: code.clone(), parent: parent.id.clone() })
}

/// Shop and group codes are unique in the chain, till codes in their shop.
fn check_code(
    network: &Network,
    level: NodeLevel,
    code: &NodeCode,
    parent: &Node,
    moved: Option<LayerNo>,
) -> Result<(), NetworkError> {
    let same = network.by_code(level, code.as_str()).into_iter();
    let taken = same
        .filter(|other| Some(other.no) != moved)
        .find(|other| level != NodeLevel::Till || other.parent() == Some(parent.no));
    match taken {
        None => Ok(()),
        Some(other) => Err(NetworkError::CodeTaken { level, code: code.clone(), by: other.id.clone() }),
    }
}
