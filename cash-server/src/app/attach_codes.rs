//! Codes by which tills are attached: make, look at, end.
//!
//! As the other use cases of nodes these need no running server.

use super::error::AppError;
use super::nodes::{NodeInfo, Nodes};
use super::rights::{Act, Place};
use super::scope::Scope;
use crate::hints::Hint;
use crate::network::codes::DEFAULT_LIFE;
use crate::network::{KeptCode, MadeCode, NetworkError};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use tillway_proto::{AttachCode, NodeCode, NodeId, NodeLevel, TillId};

/// Most codes of one request: a chain's whole region. What asks for more asks again.
const MAX_AT_ONCE: usize = 2_000;

/// Whom a code is for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A till of the network, by id or folder name: one that was prepared, or whose machine is
    /// replaced.
    Till(String),
    /// The till of this code in a shop, which is made where it is not there.
    InShop {
        /// Id or folder name of the shop.
        shop: String,
        /// The till's code.
        code: NodeCode,
        /// Its name, where it is made.
        name: String,
    },
}

/// A code that was made just now. Shown once; the server keeps what proves it, and not the code.
#[derive(Debug)]
pub struct NewCode {
    /// Whom it attaches.
    pub till: NodeInfo,
    /// The code.
    pub code: AttachCode,
    /// Until when it is good.
    pub ends_at: Timestamp,
    /// Where the till finds this server, `<host>:<port>`; none where no address is known.
    pub server: Option<String>,
}

/// A code as a list shows it.
#[derive(Debug)]
pub struct CodeInfo {
    /// What the server keeps.
    pub kept: KeptCode,
    /// Whom it attaches; none where it was removed.
    pub till: Option<NodeInfo>,
}

impl Nodes {
    /// Makes a code for each of these tills, and the tills that are not there. `life`: how long
    /// they are good. Open codes of the same tills end.
    ///
    /// Where a till cannot be made none gets a code; those made before it stay, and the same asked
    /// once more goes on with them.
    pub fn make_codes(&self, wanted: &[Wanted], life: Option<SignedDuration>) -> Result<Vec<NewCode>, AppError> {
        if wanted.len() > MAX_AT_ONCE {
            return Err(AppError::CodesAtOnce { max: MAX_AT_ONCE });
        }
        let mut tills = wanted.iter().map(|wanted| self.wanted(wanted)).collect::<Result<Vec<_>, _>>()?;
        // Of two codes of one till the first would be void before anybody saw it.
        let mut named = HashSet::new();
        tills.retain(|till| named.insert(till.clone()));
        let made = self.network.make_codes(&tills, life.unwrap_or(DEFAULT_LIFE), Timestamp::now())?;
        let server = self.addresses.rest_address();
        let mut infos = self.all()?;
        let with = |MadeCode { till, code, ends_at }: MadeCode| {
            let at = infos.iter().position(|info| info.node.id == NodeId::Till(till.clone()));
            let unknown = || NetworkError::UnknownNode { text: till.to_string() };
            let till = infos.swap_remove(at.ok_or_else(unknown)?);
            Ok(NewCode { till, code, ends_at, server: server.clone() })
        };
        made.into_iter().map(with).collect()
    }

    /// All codes that are kept, the newest first.
    pub fn codes(&self) -> Result<Vec<CodeInfo>, AppError> {
        let scope = Scope::of(&self.network, &self.caller, Act::ChangeNodes)?;
        let codes = self.network.codes()?;
        let infos = self.all()?;
        let till = |kept: &KeptCode| infos.iter().find(|info| info.node.no == kept.node).cloned();
        let all = codes.into_iter().map(|kept| CodeInfo { till: till(&kept), kept });
        let is_seen =
            |code: &CodeInfo| scope.is_whole() || code.till.as_ref().is_some_and(|info| scope.covers(&info.node.id));
        Ok(all.filter(is_seen).collect())
    }

    /// Ends the open code of a till. Whether it had one.
    pub fn end_code(&self, till: &str) -> Result<bool, AppError> {
        let till = self.till(till)?;
        self.allow(Act::ChangeNodes, Place::Node(&NodeId::Till(till.clone())))?;
        Ok(self.network.end_code(&till, Timestamp::now())?)
    }

    fn wanted(&self, wanted: &Wanted) -> Result<TillId, AppError> {
        let till = match wanted {
            Wanted::Till(text) => self.till(text)?,
            Wanted::InShop { shop, code, name } => {
                let shop = self.find(shop)?;
                if shop.level() != NodeLevel::Shop {
                    return Err(AppError::NoShop { node: shop });
                }
                let network = self.network.current()?;
                let there = network.children(&shop).into_iter().find(|node| node.code == *code);
                match there.map(|node| node.id.clone()) {
                    Some(NodeId::Till(till)) => till,
                    // Its secret is told nobody: the code brings it one of its own, and until then
                    // nobody speaks in its name.
                    _ => match self.create(shop.as_str(), NodeLevel::Till, code, name)?.info.node.id {
                        NodeId::Till(till) => till,
                        node => return Err(AppError::NoTill { node }),
                    },
                }
            }
        };
        self.allow(Act::ChangeNodes, Place::Node(&NodeId::Till(till.clone())))?;
        self.hints.give(Hint::Network);
        Ok(till)
    }
}
