//! Who belongs to this server, written beside the backups whenever it changes.
//!
//! A backup knows the tills of its own time. One that was removed since, or was given a new token,
//! must not come back with it: a restore holds the list against what it restored. The list is what
//! is so now, not what happened: one that could not be written is written by the next look.
//!
//! It also says whose place this is, by the key that opens the backups: another server that was
//! pointed at it by mistake, or one that was set up anew, must neither overwrite the list nor
//! delete backups that are not its own.

use super::error::BackupError;
use super::targets::Target;
use crate::network::{Network, NetworkService, TokenHash};
use crate::peer_keys::PeerKeys;
use age::x25519::Identity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use tillway_proto::{NodeId, TillId};

/// Version of the file.
const FORMAT: u32 = 1;

/// Its name beside the backups.
pub(super) const FILE: &str = "peers.json";

/// What the mark of a token is derived for.
const MARK: &str = "tillway 2026 mark of a token beside backups";

/// What the mark of an owner is derived for.
const OWNER: &str = "tillway 2026 owner of a place of backups";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peers {
    format: u32,
    /// When it was written.
    pub(super) at: Timestamp,
    /// A mark of the key that opens the backups beside it; none: of an older server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// The tills, by id.
    pub(super) tills: BTreeMap<TillId, Peer>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    /// Its name for people: `till-<shop>-<code>`.
    pub(super) name: String,
    /// A mark of its token: another token has another one, and it tells nothing of either.
    pub(super) token: Option<String>,
}

/// What became of tills after a backup was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Removed since: removed again.
    pub removed: Vec<String>,
    /// Given a new token since: the old one is void, and they need one more.
    pub without_token: Vec<String>,
    /// Made since: they are not known any more, and must be made anew.
    pub unknown: Vec<String>,
}

impl Peers {
    /// Those of a network.
    pub(super) fn of(network: &Network, at: Timestamp) -> Self {
        let peer = |node: &crate::network::Node| {
            let NodeId::Till(till) = &node.id else { return None };
            Some((till.clone(), Peer { name: network.folder_name(node), token: node.token.map(mark) }))
        };
        Self { format: FORMAT, at, owner: None, tills: network.nodes().filter_map(peer).collect() }
    }

    /// Reads the list; none where there is none.
    pub(super) fn read(target: &dyn Target) -> Result<Option<Self>, BackupError> {
        let Some(text) = target.read(FILE)? else { return Ok(None) };
        let unfit =
            |error: serde_json::Error| BackupError::Unfit { path: target.path_of(FILE), reason: error.to_string() };
        serde_json::from_slice(&text).map(Some).map_err(unfit)
    }

    /// Refuses a place that belongs to a server with another key.
    pub(super) fn check_owner(target: &dyn Target, key: &Identity) -> Result<(), BackupError> {
        Self::readable(target, key).map(drop)
    }

    /// The list of this server, where there is one that reads.
    fn readable(target: &dyn Target, key: &Identity) -> Result<Option<Self>, BackupError> {
        let there = match Self::read(target) {
            // It is replaced.
            Err(BackupError::Unfit { .. }) => None,
            there => there?,
        };
        let is_foreign = |there: &Self| there.owner.as_ref().is_some_and(|owner| *owner != mark_of(key));
        if there.as_ref().is_some_and(is_foreign) {
            return Err(BackupError::OtherServer { path: target.place() });
        }
        Ok(there)
    }

    /// Writes it, durably, where it differs from what is there. Whether it did.
    pub(super) fn write(mut self, target: &dyn Target, key: &Identity) -> Result<bool, BackupError> {
        self.owner = Some(mark_of(key));
        let there = Self::readable(target, key)?;
        if there.is_some_and(|there| there.tills == self.tills && there.owner == self.owner) {
            return Ok(false);
        }
        let failed = |error: serde_json::Error| {
            let source = io::Error::from(error);
            BackupError::Write { path: target.path_of(FILE), source }
        };
        target.write(FILE, &serde_json::to_vec_pretty(&self).map_err(failed)?)?;
        Ok(true)
    }

    /// Takes from a network that was put back what it must not have any more, and from `keys` what
    /// belonged to secrets that were void by then: codes of messages and a password at the broker.
    pub(super) fn reconcile(&self, network: &NetworkService, keys: &PeerKeys) -> Result<Reconciled, BackupError> {
        let failed = |source| BackupError::Write { path: keys.folder().to_owned(), source };
        let restored = Self::of(&*network.current()?, self.at);
        let mut done = Reconciled::default();
        for (till, peer) in &restored.tills {
            match self.tills.get(till) {
                None => {
                    network.remove(&NodeId::Till(till.clone()))?;
                    keys.remove(&till.clone().into()).map_err(failed)?;
                    done.removed.push(peer.name.clone());
                }
                Some(now) if now.token != peer.token => {
                    // Nobody is told the new one.
                    let secret = network.renew_secret(till)?;
                    keys.put(&till.clone().into(), &secret).map_err(failed)?;
                    done.without_token.push(peer.name.clone());
                }
                Some(_) => {}
            }
        }
        let made_since = self.tills.iter().filter(|(till, _)| !restored.tills.contains_key(till));
        done.unknown = made_since.map(|(_, peer)| peer.name.clone()).collect();
        Ok(done)
    }
}

fn mark(token: TokenHash) -> String {
    let mark = blake3::derive_key(MARK, &token.to_bytes());
    blake3::Hash::from_bytes(mark).to_hex()[..16].to_owned()
}

fn mark_of(key: &Identity) -> String {
    let mark = blake3::derive_key(OWNER, key.to_public().to_string().as_bytes());
    blake3::Hash::from_bytes(mark).to_hex()[..16].to_owned()
}
