//! Which changes of the network are allowed: pure decisions over the network of the moment.

use super::NetworkError;
use super::codes::Used;
use super::till_settings::SettingChanges;
use super::token::TokenHash;
use super::tree::{LayerNo, Network, Node};
use crate::audit::Verb;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tillway_proto::{CodeName, NodeCode, NodeId, NodeLevel, TillId};
use tillway_service::actor::Caller;
use tillway_service::audit::AuditLine;

/// Longest name of a node, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// Longest code that a new node may get, in characters: what registers, file names and receipts of
/// the field have room for.
pub const MAX_NEW_CODE_CHARS: usize = 20;

/// What the store has to change. Made by the functions here, within the transaction that carries
/// it out.
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
    /// Other settings of the tills at a node and below it.
    Settings {
        /// Which node.
        no: LayerNo,
        /// All that it sets from now on.
        settings: BTreeMap<String, String>,
        /// The generation of the change.
        since: u64,
    },
    /// A new token.
    Token {
        /// Which till.
        no: LayerNo,
        /// The hash of the token.
        token: TokenHash,
    },
    /// A till fell into wrong hands: a token that nobody is told, parked, and no code of it is
    /// good any more.
    ShutOut {
        /// Which till.
        no: LayerNo,
        /// The hash of the token.
        token: TokenHash,
    },
    /// A till is attached: a new token, its code is used, and it is not parked any more.
    Attach {
        /// Which till.
        no: LayerNo,
        /// The hash of the token.
        token: TokenHash,
        /// The code.
        code: CodeName,
        /// Its use.
        used: Used,
    },
}

impl NetworkChange {
    /// What the audit log keeps of it; none where nothing changes. Tokens are left out.
    pub fn audit_line(&self, caller: &Caller, network: &Network) -> Option<AuditLine> {
        let id_of = |no: &LayerNo| network.by_no(*no).map(|node| &node.id);
        let line = |verb, no: &LayerNo, before: Value, after: Value| {
            let object = id_of(no).map_or_else(|| no.0.to_string(), ToString::to_string);
            Some(AuditLine::new(caller, verb, object).before(before).after(after))
        };
        match self {
            Self::None => None,
            Self::Create { id, name, parent, .. } => {
                let after = json!({"name": name, "parent": parent.as_ref().and_then(id_of)});
                Some(AuditLine::new(caller, Verb::NodeCreate, id).after(after))
            }
            Self::Rename { no, name } => {
                let before = network.by_no(*no).map(|node| &node.name);
                line(Verb::NodeRename, no, json!({"name": before}), json!({"name": name}))
            }
            Self::Move { no, parent } => {
                let before = network.by_no(*no).and_then(|node| network.parent(&node.id)).map(|parent| &parent.id);
                line(Verb::NodeMove, no, json!({"parent": before}), json!({"parent": id_of(parent)}))
            }
            Self::Remove { no } => {
                let node = network.by_no(*no);
                let parent = node.and_then(|node| network.parent(&node.id)).map(|parent| &parent.id);
                let before = json!({"name": node.map(|node| &node.name), "parent": parent});
                line(Verb::NodeRemove, no, before, Value::Null)
            }
            Self::Park { no, parked } => {
                let verb = if *parked { Verb::TillPark } else { Verb::TillUnpark };
                line(verb, no, json!({"parked": !parked}), json!({"parked": parked}))
            }
            Self::Settings { no, settings, .. } => {
                let nothing = BTreeMap::new();
                let before = network.by_no(*no).map_or(&nothing, |node| &node.settings);
                let (before, after) = only_changed(before, settings);
                line(Verb::NodeSettings, no, before, after)
            }
            Self::Token { no, .. } => line(Verb::TillToken, no, Value::Null, Value::Null),
            Self::ShutOut { no, .. } => {
                let before = network.by_no(*no).map(|node| node.parked);
                line(Verb::TillStolen, no, json!({"parked": before}), json!({"parked": true}))
            }
            Self::Attach { no, code, .. } => {
                let was_parked = network.by_no(*no).is_some_and(|node| node.parked);
                let (before, after) = if was_parked {
                    (json!({"parked": true}), json!({"code": code, "parked": false}))
                } else {
                    (Value::Null, json!({"code": code}))
                };
                line(Verb::TillAttach, no, before, after)
            }
        }
    }
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
    token: Option<TokenHash>,
) -> Result<NetworkChange, NetworkError> {
    let above = network.require(parent)?;
    check_level(id.level(), code, above)?;
    check_new_code(code)?;
    check_code(network, id.level(), code, above, None)?;
    Ok(NetworkChange::Create {
        id: id.clone(),
        code: code.clone(),
        name: checked_name(name)?,
        parent: Some(above.no),
        token,
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

/// Other settings of the tills at a node and below it: of the values, which are checked, those
/// that are others than before.
pub fn set_settings(
    network: &Network,
    id: &NodeId,
    asked: &SettingChanges,
    now: Timestamp,
) -> Result<NetworkChange, NetworkError> {
    let node = network.require(id)?;
    let mut settings = node.settings.clone();
    for (key, value) in asked {
        match value {
            Some(value) => drop(settings.insert(key.clone(), value.clone())),
            None => drop(settings.remove(key)),
        }
    }
    if settings == node.settings {
        return Ok(NetworkChange::None);
    }
    Ok(NetworkChange::Settings { no: node.no, settings, since: network.next_generation(now) })
}

/// The settings that differ, as they were and as they are.
fn only_changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> (Value, Value) {
    let part = |of: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        let differ = |key: &&String| of.get(*key) != other.get(*key);
        let keys: BTreeSet<&String> = of.keys().chain(other.keys()).filter(differ).collect();
        Value::Object(keys.into_iter().map(|key| (key.clone(), json!(of.get(key)))).collect())
    };
    (part(before, after), part(after, before))
}

/// A new token; the old one is void.
pub fn renew_token(network: &Network, id: &TillId, token: TokenHash) -> Result<NetworkChange, NetworkError> {
    let node = network.require(&NodeId::Till(id.clone()))?;
    Ok(NetworkChange::Token { no: node.no, token })
}

/// A till fell into wrong hands. Done again it is done again: nobody knows who has what.
pub fn shut_out(network: &Network, id: &TillId, token: TokenHash) -> Result<NetworkChange, NetworkError> {
    let node = network.require(&NodeId::Till(id.clone()))?;
    Ok(NetworkChange::ShutOut { no: node.no, token })
}

/// A till is attached by a code; its token of before is void, and whoever had parked it has it
/// back in service.
pub fn attach(
    network: &Network,
    id: &TillId,
    token: TokenHash,
    code: CodeName,
    used: Used,
) -> Result<NetworkChange, NetworkError> {
    let node = network.require(&NodeId::Till(id.clone()))?;
    Ok(NetworkChange::Attach { no: node.no, token, code, used })
}

fn checked_name(name: &str) -> Result<String, NetworkError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(NetworkError::Name { name: name.chars().take(MAX_NAME_CHARS).collect(), max: MAX_NAME_CHARS });
    }
    Ok(name.to_owned())
}

fn check_level(level: NodeLevel, code: &NodeCode, parent: &Node) -> Result<(), NetworkError> {
    if level.may_hang_under(parent.level()) {
        return Ok(());
    }
    Err(NetworkError::Level { level, code: code.clone(), parent: parent.id.clone() })
}

/// What a new node may be called. Codes of older nodes may be longer and may have a dot: they
/// stay.
///
/// Latin letters alone: a code is part of ids, of folder names on shares of any system, of queue
/// names and of addresses, and two texts that look alike there (`с` and `c`) must not be two
/// shops.
fn check_new_code(code: &NodeCode) -> Result<(), NetworkError> {
    let text = code.as_str();
    let fits = text.len() <= MAX_NEW_CODE_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(()) } else { Err(NetworkError::Code { code: code.clone(), max: MAX_NEW_CODE_CHARS }) }
}

/// Shop and group codes are unique in the chain, till codes in their shop. `7` and `007` are taken
/// for one by people and by tables that read numbers, so one of them is enough.
fn check_code(
    network: &Network,
    level: NodeLevel,
    code: &NodeCode,
    parent: &Node,
    moved: Option<LayerNo>,
) -> Result<(), NetworkError> {
    // Where a shop or a group hangs changes nothing about who has its code: what is alike already
    // stays.
    if moved.is_some() && level != NodeLevel::Till {
        return Ok(());
    }
    let rivals: Vec<&Node> = match level {
        NodeLevel::Till => network.children(&parent.id),
        _ => network.nodes().filter(|other| other.level() == level).collect(),
    };
    let rivals = || rivals.iter().filter(|other| Some(other.no) != moved);
    if let Some(other) = rivals().find(|other| other.code == *code) {
        return Err(NetworkError::CodeTaken { level, code: code.clone(), by: other.id.clone() });
    }
    match rivals().find(|other| without_zeros(&other.code) == without_zeros(code)) {
        None => Ok(()),
        Some(other) => Err(NetworkError::CodeAlike { code: code.clone(), by: other.id.clone() }),
    }
}

fn without_zeros(code: &NodeCode) -> &str {
    code.as_str().trim_start_matches('0')
}

/// To each node those whose codes differ from its own by leading zeros alone, by folder name.
pub fn alike_of_each(network: &Network) -> HashMap<LayerNo, Vec<String>> {
    let mut of_each = HashMap::new();
    for nodes in alike(network) {
        for node in &nodes {
            let others = nodes.iter().filter(|other| other.no != node.no);
            of_each.insert(node.no, others.map(|other| network.folder_name(other)).collect());
        }
    }
    of_each
}

/// Live nodes whose codes differ from those of others beside them by leading zeros alone: made
/// before that was refused. Each group of them, sorted by code.
pub fn alike(network: &Network) -> Vec<Vec<&Node>> {
    let mut by_code: BTreeMap<(&str, Option<LayerNo>, &str), Vec<&Node>> = BTreeMap::new();
    for node in network.nodes() {
        let parent = node.parent().filter(|_| node.level() == NodeLevel::Till);
        by_code.entry((node.level().as_str(), parent, without_zeros(&node.code))).or_default().push(node);
    }
    let mut groups: Vec<_> = by_code.into_values().filter(|nodes| nodes.len() > 1).collect();
    for nodes in &mut groups {
        nodes.sort_by(|left, right| left.code.cmp(&right.code));
    }
    groups
}
