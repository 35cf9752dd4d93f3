//! Ids of the nodes of the network: `_shop_<code>_<8 hex>`, `_cash_<code>_<8 hex>`,
//! `_group_<code>_<8 hex>`, `_chain_<code>_<8 hex>` (formats/agent-settings: `cash.code`,
//! `storeid`).
//!
//! The code is what people call the node (`7`, `0042`, `north`); the eight hex digits make the id
//! unique for ever, so a till that is removed and made again under its old code is a different
//! till.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest code of a node, in characters.
pub const MAX_CODE_LEN: usize = 32;

/// Why a text is not an id or a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not start with the prefix of its sort.
    #[error("`{text}` is not an id of a {level}: expected `{prefix}<code>_<8 hex digits>`")]
    Shape {
        /// What was read.
        text: String,
        /// What was expected.
        level: NodeLevel,
        /// The prefix of that sort of id.
        prefix: &'static str,
    },
    /// The code has a wrong length or a character that is not allowed.
    #[error("`{text}` is not a code of a node: 1 to 32 Latin letters, digits, `-`, `_` or `.`")]
    Code {
        /// What was read.
        text: String,
    },
    /// No known prefix at all.
    #[error("`{text}` is not an id of a node: it starts with none of `_chain_`, `_group_`, `_shop_`, `_cash_`")]
    Unknown {
        /// What was read.
        text: String,
    },
}

/// What people call a node: 1 to 32 Latin letters, digits, `-`, `_`, `.`; unique among the nodes
/// of its level.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeCode(String);

impl NodeCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=MAX_CODE_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError::Code { text: text.to_owned() }) }
    }
}

impl TryFrom<String> for NodeCode {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<NodeCode> for String {
    fn from(code: NodeCode) -> Self {
        code.0
    }
}

impl fmt::Display for NodeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The level of a node in the network's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeLevel {
    /// The root; there is one.
    Chain,
    /// A group of groups and shops, to any depth: a price zone, a region.
    Group,
    /// A shop.
    Shop,
    /// A till; always a leaf, always under a shop.
    Till,
}

impl NodeLevel {
    /// The word for this level, as in commands, REST and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Group => "group",
            Self::Shop => "shop",
            Self::Till => "till",
        }
    }

    /// The prefix of ids of this level.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Chain => "_chain_",
            Self::Group => "_group_",
            Self::Shop => "_shop_",
            Self::Till => "_cash_",
        }
    }

    /// Whether a node of this level may hang under a node of `parent`.
    pub fn may_hang_under(self, parent: Self) -> bool {
        matches!((self, parent), (Self::Group | Self::Shop, Self::Chain | Self::Group) | (Self::Till, Self::Shop))
    }
}

impl FromStr for NodeLevel {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "chain" => Ok(Self::Chain),
            "group" => Ok(Self::Group),
            "shop" => Ok(Self::Shop),
            "till" => Ok(Self::Till),
            _ => Err(IdError::Unknown { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for NodeLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! node_id {
    ($(#[$doc:meta])* $name:ident, $level:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes the id of a new node: its code and four random bytes.
            pub fn new(code: &NodeCode) -> Self {
                Self(format!("{}{}_{}", $level.prefix(), code, random_suffix()))
            }

            /// The whole id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The code inside the id: what people call the node.
            pub fn code(&self) -> &str {
                &self.0[$level.prefix().len()..self.0.len() - SUFFIX_LEN]
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_shape(text, $level)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check_shape(&text, $level)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

node_id!(
    /// The id of a till: `_cash_<code>_<8 hex>`.
    TillId,
    NodeLevel::Till
);
node_id!(
    /// The id of a shop: `_shop_<code>_<8 hex>`.
    ShopId,
    NodeLevel::Shop
);
node_id!(
    /// The id of a group: `_group_<code>_<8 hex>`.
    GroupId,
    NodeLevel::Group
);
node_id!(
    /// The id of the chain, the root: `_chain_<code>_<8 hex>`.
    ChainId,
    NodeLevel::Chain
);

/// The id of any node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NodeId {
    /// The root.
    Chain(ChainId),
    /// A group.
    Group(GroupId),
    /// A shop.
    Shop(ShopId),
    /// A till.
    Till(TillId),
}

impl NodeId {
    /// Makes the id of a new node of `level`.
    pub fn new(level: NodeLevel, code: &NodeCode) -> Self {
        match level {
            NodeLevel::Chain => Self::Chain(ChainId::new(code)),
            NodeLevel::Group => Self::Group(GroupId::new(code)),
            NodeLevel::Shop => Self::Shop(ShopId::new(code)),
            NodeLevel::Till => Self::Till(TillId::new(code)),
        }
    }

    /// The node's level.
    pub fn level(&self) -> NodeLevel {
        match self {
            Self::Chain(_) => NodeLevel::Chain,
            Self::Group(_) => NodeLevel::Group,
            Self::Shop(_) => NodeLevel::Shop,
            Self::Till(_) => NodeLevel::Till,
        }
    }

    /// The whole id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Chain(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
            Self::Shop(id) => id.as_str(),
            Self::Till(id) => id.as_str(),
        }
    }

    /// The code inside the id.
    pub fn code(&self) -> &str {
        match self {
            Self::Chain(id) => id.code(),
            Self::Group(id) => id.code(),
            Self::Shop(id) => id.code(),
            Self::Till(id) => id.code(),
        }
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let starts = |level: NodeLevel| text.starts_with(level.prefix());
        if starts(NodeLevel::Till) {
            text.parse().map(Self::Till)
        } else if starts(NodeLevel::Shop) {
            text.parse().map(Self::Shop)
        } else if starts(NodeLevel::Group) {
            text.parse().map(Self::Group)
        } else if starts(NodeLevel::Chain) {
            text.parse().map(Self::Chain)
        } else {
            Err(IdError::Unknown { text: text.to_owned() })
        }
    }
}

impl TryFrom<String> for NodeId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        match id {
            NodeId::Chain(id) => id.into(),
            NodeId::Group(id) => id.into(),
            NodeId::Shop(id) => id.into(),
            NodeId::Till(id) => id.into(),
        }
    }
}

/// Whoever hangs below a server and speaks to it: a till, or a shop's server below a centre. In
/// text it is the id of that node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PeerId {
    /// A till.
    Till(TillId),
    /// The server of a shop.
    Shop(ShopId),
}

impl PeerId {
    /// The whole id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Till(id) => id.as_str(),
            Self::Shop(id) => id.as_str(),
        }
    }

    /// The till that it is; none where it is a shop's server.
    pub fn till(&self) -> Option<&TillId> {
        match self {
            Self::Till(id) => Some(id),
            Self::Shop(_) => None,
        }
    }
}

impl FromStr for PeerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with(NodeLevel::Shop.prefix()) {
            text.parse().map(Self::Shop)
        } else {
            text.parse().map(Self::Till)
        }
    }
}

impl TryFrom<String> for PeerId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<PeerId> for String {
    fn from(id: PeerId) -> Self {
        match id {
            PeerId::Till(id) => id.into(),
            PeerId::Shop(id) => id.into(),
        }
    }
}

impl From<TillId> for PeerId {
    fn from(id: TillId) -> Self {
        Self::Till(id)
    }
}

impl From<ShopId> for PeerId {
    fn from(id: ShopId) -> Self {
        Self::Shop(id)
    }
}

impl From<PeerId> for NodeId {
    fn from(id: PeerId) -> Self {
        match id {
            PeerId::Till(id) => Self::Till(id),
            PeerId::Shop(id) => Self::Shop(id),
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<TillId> for NodeId {
    fn from(id: TillId) -> Self {
        Self::Till(id)
    }
}

impl From<ShopId> for NodeId {
    fn from(id: ShopId) -> Self {
        Self::Shop(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `_` and eight hex digits.
const SUFFIX_LEN: usize = 9;

fn random_suffix() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..SUFFIX_LEN - 1].to_owned()
}

fn check_shape(text: &str, level: NodeLevel) -> Result<(), IdError> {
    let wrong = || IdError::Shape { text: text.to_owned(), level, prefix: level.prefix() };
    let rest = text.strip_prefix(level.prefix()).ok_or_else(wrong)?;
    let (code, suffix) = rest.rsplit_once('_').ok_or_else(wrong)?;
    let hex = suffix.len() == SUFFIX_LEN - 1 && suffix.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex {
        return Err(wrong());
    }
    code.parse::<NodeCode>().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_code() {
        let till: TillId = "_cash_12_00ab34ef".parse().unwrap();
        assert_eq!(till.code(), "12");
        let shop: ShopId = "_shop_north_1_00ab34ef".parse().unwrap();
        assert_eq!(shop.code(), "north_1");
    }

    #[test]
    fn a_new_id_reads_back() {
        let code: NodeCode = "42".parse().unwrap();
        for level in [NodeLevel::Chain, NodeLevel::Group, NodeLevel::Shop, NodeLevel::Till] {
            let id = NodeId::new(level, &code);
            assert_eq!(id.as_str().parse::<NodeId>().unwrap(), id);
            assert_eq!(id.level(), level);
            assert_eq!(id.code(), "42");
        }
    }

    #[test]
    fn a_peer_is_a_till_or_a_shop_and_nothing_else() {
        let till: PeerId = "_cash_1_00ab34ef".parse().unwrap();
        assert_eq!(till.till().map(TillId::as_str), Some("_cash_1_00ab34ef"));
        let shop: PeerId = serde_json::from_str("\"_shop_1_00ab34ef\"").unwrap();
        assert_eq!((shop.till(), serde_json::to_string(&shop).unwrap()), (None, "\"_shop_1_00ab34ef\"".to_owned()));
        for text in ["", "_group_1_00ab34ef", "_chain_1_00ab34ef", "_shop_1_00ab34e"] {
            assert!(text.parse::<PeerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_id_says_what_was_expected() {
        let error = "_shop_1_00ab34ef".parse::<TillId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`_shop_1_00ab34ef` is not an id of a till: expected `_cash_<code>_<8 hex digits>`"
        );
        for text in ["", "_cash_", "_cash_1_00ab34e", "_cash__00ab34ef", "_cash_1_00ab34eg", "_cash_ж_00ab34ef"] {
            assert!(text.parse::<TillId>().is_err(), "{text}");
        }
    }
}
