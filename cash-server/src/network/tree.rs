//! The network as it stands, whole and in memory: tree, codes, and where each node hung at each
//! revision.

use super::NetworkError;
use super::token::TokenHash;
use jiff::Timestamp;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use tillway_proto::id::ChainId;
use tillway_proto::{NodeCode, NodeId, NodeLevel, Revision, TillId};

/// The name of the folder and the layer that all tills share (formats/aif).
pub const ALL: &str = "All";

/// Deepest path that is walked: guards against a loop in a damaged database. Real trees have four
/// or five levels.
pub const MAX_DEPTH: usize = 64;

/// The number of a node inside the server; its layer has the same. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerNo(pub i64);

/// From this revision on the node hung under that parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The first revision of that state; 0 for where the node was created.
    pub since: Revision,
    /// The node it hung under.
    pub parent: LayerNo,
}

/// One node, also one that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number inside the server.
    pub no: LayerNo,
    /// Its id.
    pub id: NodeId,
    /// What people call it, unique among live nodes of its level; a till's among those of its
    /// shop.
    pub code: NodeCode,
    /// Its name for people.
    pub name: String,
    /// Whether the till is under repair: only its newest target is kept, and the day closes
    /// without it.
    pub parked: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was removed; a removed node stays known, since old revisions speak of it.
    pub removed_at: Option<Timestamp>,
    /// Where it hung, oldest first; empty for the chain.
    pub parents: Vec<Parent>,
    /// The hash of a till's token.
    pub token: Option<TokenHash>,
    /// Settings for the tills at it and below it, by key of `cash.ini`; those of a newer server
    /// too.
    pub settings: BTreeMap<String, String>,
    /// The generation of the last change that gave tills at it or below it other settings; 0 where
    /// there was none.
    pub settings_since: u64,
}

impl Node {
    /// The node's level.
    pub fn level(&self) -> NodeLevel {
        self.id.level()
    }

    /// Where it hangs now.
    pub fn parent(&self) -> Option<LayerNo> {
        self.parents.last().map(|entry| entry.parent)
    }

    /// Where it hung at `revision`.
    pub fn parent_at(&self, revision: Revision) -> Option<LayerNo> {
        self.parents.iter().rev().find(|entry| entry.since <= revision).map(|entry| entry.parent)
    }
}

/// The whole network of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    version: u64,
    nodes: BTreeMap<LayerNo, Arc<Node>>,
    by_id: HashMap<NodeId, LayerNo>,
    by_code: HashMap<(NodeLevel, NodeCode), BTreeSet<LayerNo>>,
    by_token: HashMap<TokenHash, LayerNo>,
    children: HashMap<LayerNo, BTreeSet<LayerNo>>,
    chain: Option<LayerNo>,
    settings_since: u64,
}

impl Network {
    /// From its nodes. `version` counts changes of the network.
    pub fn new(version: u64, nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut network = Self::default();
        for node in nodes {
            network.put(version, node);
        }
        network.version = version;
        network
    }

    /// Puts a node in, or in the place of its former state. `version` is that of the network with
    /// it.
    pub fn put(&mut self, version: u64, node: Node) {
        self.version = version;
        self.settings_since = self.settings_since.max(node.settings_since);
        if let Some(former) = self.nodes.get(&node.no).cloned() {
            self.forget(&former);
        }
        if node.removed_at.is_none() {
            self.by_id.insert(node.id.clone(), node.no);
            self.by_code.entry((node.level(), node.code.clone())).or_default().insert(node.no);
            if let Some(token) = node.token {
                self.by_token.insert(token, node.no);
            }
            match node.parent() {
                Some(parent) => {
                    self.children.entry(parent).or_default().insert(node.no);
                }
                None => self.chain = Some(node.no),
            }
        }
        self.nodes.insert(node.no, Arc::new(node));
    }

    fn forget(&mut self, node: &Node) {
        self.by_id.remove(&node.id);
        take_out(&mut self.by_code, (node.level(), node.code.clone()), node.no);
        if let Some(token) = node.token {
            self.by_token.remove(&token);
        }
        if let Some(parent) = node.parent() {
            take_out(&mut self.children, parent, node.no);
        }
    }

    fn get(&self, no: LayerNo) -> Option<&Node> {
        self.nodes.get(&no).map(Arc::as_ref)
    }

    /// Grows with every change of the network.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The generation of the last change of settings anywhere.
    pub fn newest_settings(&self) -> u64 {
        self.settings_since
    }

    /// The root; there is none before the first start has made it.
    pub fn chain(&self) -> Option<&Node> {
        self.chain.and_then(|no| self.get(no))
    }

    /// A live node.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.by_id.get(id).and_then(|no| self.get(*no))
    }

    /// A live node, or the error that says that it is not there.
    pub fn require(&self, id: &NodeId) -> Result<&Node, NetworkError> {
        self.node(id).ok_or_else(|| NetworkError::UnknownNode { text: id.to_string() })
    }

    /// A live till.
    pub fn till(&self, id: &TillId) -> Option<&Node> {
        self.node(&NodeId::Till(id.clone()))
    }

    /// A node by its number, also a removed one.
    pub fn by_no(&self, no: LayerNo) -> Option<&Node> {
        self.get(no)
    }

    /// Live nodes of a level with this code. Only tills may be several, one in each shop.
    pub fn by_code(&self, level: NodeLevel, code: &str) -> Vec<&Node> {
        let Ok(code) = code.parse::<NodeCode>() else { return Vec::new() };
        self.by_code.get(&(level, code)).into_iter().flatten().filter_map(|no| self.get(*no)).collect()
    }

    /// The shop of this code.
    pub fn shop(&self, code: &str) -> Option<&Node> {
        self.by_code(NodeLevel::Shop, code).into_iter().next()
    }

    /// The till of this code in a shop.
    pub fn till_of(&self, shop: &NodeId, code: &str) -> Option<&Node> {
        let shop = self.node(shop)?;
        self.by_code(NodeLevel::Till, code).into_iter().find(|till| till.parent() == Some(shop.no))
    }

    /// A live node by what people write: its id, or its folder name (see [`Self::folder_name`]).
    pub fn find(&self, text: &str) -> Result<&Node, NetworkError> {
        let by_id = text.parse::<NodeId>().ok().and_then(|id| self.node(&id));
        by_id
            .or_else(|| self.nodes().find(|node| self.folder_name(node) == text))
            .ok_or_else(|| NetworkError::UnknownNode { text: text.to_owned() })
    }

    /// `All`, `group-<code>`, `shop-<code>`, `till-<code of the shop>-<code>`.
    pub fn folder_name(&self, node: &Node) -> String {
        match node.level() {
            NodeLevel::Chain => ALL.to_owned(),
            level @ (NodeLevel::Group | NodeLevel::Shop) => format!("{level}-{}", node.code),
            NodeLevel::Till => {
                let shop = node.parent().and_then(|no| self.get(no)).map_or("", |shop| shop.code.as_str());
                format!("till-{shop}-{}", node.code)
            }
        }
    }

    /// The node it hangs under.
    pub fn parent(&self, id: &NodeId) -> Option<&Node> {
        self.node(id).and_then(Node::parent).and_then(|no| self.get(no))
    }

    /// Whether a live node is the other one or hangs below it.
    pub fn is_below(&self, id: &NodeId, top: &NodeId) -> bool {
        let mut at = self.node(id);
        for _ in 0..MAX_DEPTH {
            match at {
                Some(node) if node.id == *top => return true,
                Some(node) => at = node.parent().and_then(|no| self.get(no)),
                None => return false,
            }
        }
        false
    }

    /// What somebody sees of it whose place is this node: what is at it and below it, and the way
    /// there.
    #[must_use]
    pub fn seen_from(&self, place: &NodeId) -> Self {
        let is_seen = |node: &&Node| self.is_below(&node.id, place) || self.is_below(place, &node.id);
        Self::new(self.version, self.nodes().filter(is_seen).cloned())
    }

    /// Live nodes that hang under it.
    pub fn children(&self, id: &NodeId) -> Vec<&Node> {
        self.node(id).map(|node| self.children_of(node.no).collect()).unwrap_or_default()
    }

    fn children_of(&self, no: LayerNo) -> impl Iterator<Item = &Node> {
        self.children.get(&no).into_iter().flatten().filter_map(|child| self.get(*child))
    }

    /// All live nodes, parents before their children.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mut waiting: Vec<&Node> = self.chain().into_iter().collect();
        std::iter::from_fn(move || {
            let node = waiting.pop()?;
            let below: Vec<&Node> = self.children_of(node.no).collect();
            waiting.extend(below.into_iter().rev());
            Some(node)
        })
    }

    /// All live tills.
    pub fn tills(&self) -> impl Iterator<Item = (&TillId, &Node)> {
        self.nodes.values().map(Arc::as_ref).filter(|node| node.removed_at.is_none()).filter_map(|node| {
            match &node.id {
                NodeId::Till(id) => Some((id, node)),
                _ => None,
            }
        })
    }

    /// Tills that were removed.
    pub fn removed_tills(&self) -> impl Iterator<Item = &TillId> {
        self.nodes.values().filter(|node| node.removed_at.is_some()).filter_map(|node| match &node.id {
            NodeId::Till(id) => Some(id),
            _ => None,
        })
    }

    /// The live tills at or below a node.
    pub fn tills_below(&self, id: &NodeId) -> Vec<&Node> {
        let mut found = Vec::new();
        let mut waiting: Vec<&Node> = self.node(id).into_iter().collect();
        while let Some(node) = waiting.pop() {
            if node.level() == NodeLevel::Till {
                found.push(node);
            }
            waiting.extend(self.children_of(node.no));
        }
        found.sort_by_key(|node| node.no);
        found
    }

    /// The shop of a till.
    pub fn shop_of(&self, till: &TillId) -> Option<&Node> {
        self.parent(&NodeId::Till(till.clone()))
    }

    /// The layers on the way from the root to the node as they were at `revision`, root first.
    pub fn path_at(&self, no: LayerNo, revision: Revision) -> Vec<LayerNo> {
        let mut path = vec![no];
        let mut here = self.get(no);
        while let Some(parent) = here.and_then(|node| node.parent_at(revision)) {
            if path.len() >= MAX_DEPTH {
                break;
            }
            path.push(parent);
            here = self.get(parent);
        }
        path.reverse();
        path
    }

    /// Whether `no` is `above` or hangs somewhere below it.
    pub fn is_within(&self, no: LayerNo, above: LayerNo) -> bool {
        self.path_at(no, Revision(u64::MAX)).contains(&above)
    }

    /// Whether this is the token of that live till.
    pub fn verify_token(&self, till: &TillId, token: &str) -> bool {
        self.has_token(till, &TokenHash::of(token))
    }

    /// The same by its hash.
    pub fn has_token(&self, till: &TillId, claimed: &TokenHash) -> bool {
        self.till(till).and_then(|node| node.token).is_some_and(|kept| kept.matches(claimed))
    }

    /// Whose token it is. The look-up is by the hash, so its time tells nothing of the token.
    pub fn till_of_token(&self, token: &str) -> Option<&TillId> {
        match &self.get(*self.by_token.get(&TokenHash::of(token))?)?.id {
            NodeId::Till(id) => Some(id),
            _ => None,
        }
    }

    /// The id of the chain.
    pub fn chain_id(&self) -> Option<&ChainId> {
        match &self.chain()?.id {
            NodeId::Chain(id) => Some(id),
            _ => None,
        }
    }
}

fn take_out<K: Eq + Hash>(index: &mut HashMap<K, BTreeSet<LayerNo>>, key: K, no: LayerNo) {
    if let Entry::Occupied(mut entry) = index.entry(key) {
        entry.get_mut().remove(&no);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
}
