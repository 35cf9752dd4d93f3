//! Who asks for something: plain data that the faces of a service make, its use cases judge and
//! its audit log keeps.
//!
//! Nothing here knows databases or HTTP.

use serde::{Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Who asks. Its text (`login:admin`, `key:<name>`, `<sort>:<id>` of a peer, `system:root`,
/// `server`) is what the audit log keeps and is searched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person or a program that showed the password of this login.
    Login(String),
    /// A program that showed the key of this name.
    Key(String),
    /// A program below this service in its network, which showed its token.
    Peer {
        /// What sort of peer, in one word.
        sort: &'static str,
        /// Its id.
        id: String,
    },
    /// A user of this machine's operating system, at the command line.
    SystemUser(String),
    /// This service by itself.
    Server,
}

impl Actor {
    /// Whether a person stands behind it, as far as one can know: a program with a key or a
    /// password does what somebody has set it to.
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Login(_) | Self::Key(_) | Self::SystemUser(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(name) => write!(f, "login:{name}"),
            Self::Key(name) => write!(f, "key:{name}"),
            Self::Peer { sort, id } => write!(f, "{sort}:{id}"),
            Self::SystemUser(name) => write!(f, "system:{name}"),
            Self::Server => f.write_str("server"),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The way by which a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// REST.
    Rest,
    /// The page.
    Page,
    /// The command line, where it does not ask over REST.
    CommandLine,
    /// None: something within the service.
    Within,
}

impl Face {
    const ALL: [Self; 4] = [Self::Rest, Self::Page, Self::CommandLine, Self::Within];

    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Page => "page",
            Self::CommandLine => "command-line",
            Self::Within => "within",
        }
    }
}

/// A word that names no face.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way by which a request comes in")]
pub struct UnknownFace(String);

impl FromStr for Face {
    type Err = UnknownFace;

    fn from_str(text: &str) -> Result<Self, UnknownFace> {
        Self::ALL.into_iter().find(|face| face.as_str() == text).ok_or_else(|| UnknownFace(text.to_owned()))
    }
}

/// What somebody may: a role, and where it holds, in words of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// The role.
    pub role: String,
    /// Where; none: everywhere.
    pub place: Option<String>,
}

/// Who asks, by which way, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// By which way.
    pub face: Face,
    /// The client's address, where it came over the network.
    pub address: Option<IpAddr>,
    /// What a user or a key may; none: what follows from who asks.
    pub grant: Option<Grant>,
}

impl Caller {
    /// This service by itself.
    pub fn server() -> Self {
        Self { actor: Actor::Server, face: Face::Within, address: None, grant: None }
    }
}
