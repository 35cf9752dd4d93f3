//! Who belongs to this server, written beside the backups whenever it changes.
//!
//! A backup knows the tills of its own time. One that was removed since, or was given a new token,
//! must not come back with it: a restore holds the list against what it restored. The list is what
//! is so now, not what happened: one that could not be written is written by the next look.

use super::BackupError;
use crate::network::{Network, NetworkService, TokenHash};
use crate::peer_keys::PeerKeys;
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;
use tillway_proto::{NodeId, TillId};

/// Version of the file.
const FORMAT: u32 = 1;

/// What the mark of a token is derived for.
const MARK: &str = "tillway 2026 mark of a token beside backups";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peers {
    format: u32,
    /// When it was written.
    pub(super) at: Timestamp,
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

/// The file in a folder of backups.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("peers.json")
}

impl Peers {
    /// Those of a network.
    pub(super) fn of(network: &Network, at: Timestamp) -> Self {
        let peer = |node: &crate::network::Node| {
            let NodeId::Till(till) = &node.id else { return None };
            Some((till.clone(), Peer { name: network.folder_name(node), token: node.token.map(mark) }))
        };
        Self { format: FORMAT, at, tills: network.nodes().filter_map(peer).collect() }
    }

    /// Reads the list; none where there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, BackupError> {
        let path = path(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(BackupError::Read { path, source }),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| BackupError::Unfit { path, reason: error.to_string() })
    }

    /// Writes it, durably, where it differs from what is there. Whether it did.
    pub(super) fn write(&self, folder: &Path) -> Result<bool, BackupError> {
        // One that does not read is replaced.
        if Self::read(folder).ok().flatten().is_some_and(|there| there.tills == self.tills) {
            return Ok(false);
        }
        let path = path(folder);
        let failed = |source| BackupError::Write { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        durable::write_atomic(&path, &text).map_err(failed)?;
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
