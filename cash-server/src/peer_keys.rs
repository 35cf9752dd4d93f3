//! The keys of the codes of peers' messages: `<data_dir>/credentials/peers/<peer id>`, one line
//! `<64 hex digits> <time>`, mode 600.
//!
//! The server needs them as they are to make codes, so they stand apart from the databases: who
//! gets hold of a database, or of its backup, can forge nobody's messages. The time says since
//! when the key is the peer's: what was sent before has a code that the peer does not take any
//! more.
//!
//! A peer without a file has no secret yet. A file that does not read is not the same: it lets
//! nothing in that has no right code, so damage never opens what was closed.

use fs_err as fs;
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tillway_file_queue::durable;
use tillway_proto::{CodeKey, PeerId, PeerSecret};

/// The key of one peer.
#[derive(Debug, Clone, Copy)]
pub struct PeerKey {
    /// The key.
    pub key: CodeKey,
    /// Since when it is this peer's, to the millisecond.
    pub made_at: Timestamp,
}

/// The keys of all peers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeerKeys {
    folder: PathBuf,
    keys: Arc<RwLock<HashMap<PeerId, PeerKey>>>,
}

impl PeerKeys {
    /// Reads them all.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = folder(data_dir);
        let mut keys = HashMap::new();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        for entry in entries.into_iter().flatten() {
            let path = entry?.path();
            // What a writer left that was cut off is named after no peer.
            let Some(peer) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()) else {
                continue;
            };
            let key = parse(&fs::read_to_string(&path)?).unwrap_or_else(|| {
                tracing::error!(file = %path.display(), "the key of a peer's messages does not read: give the peer a new secret");
                PeerKey { key: PeerSecret::generate().code_key(), made_at: Timestamp::UNIX_EPOCH }
            });
            keys.insert(peer, key);
        }
        Ok(Self { folder, keys: Arc::new(RwLock::new(keys)) })
    }

    /// The key of a peer; none where it has no secret yet.
    pub fn of(&self, peer: &PeerId) -> Option<PeerKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(peer).copied()
    }

    /// Keeps a new one. When this returns it is durable.
    pub fn put(&self, peer: &PeerId, key: CodeKey) -> io::Result<()> {
        let now = Timestamp::now();
        let made_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        durable::write_secret(&self.folder.join(peer.as_str()), &format!("{} {made_at}\n", key.to_text()))?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(peer.clone(), PeerKey { key, made_at });
        Ok(())
    }

    /// Forgets the key of a peer that is no more.
    pub fn remove(&self, peer: &PeerId) -> io::Result<()> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(peer);
        match fs::remove_file(self.folder.join(peer.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => durable::sync_dir(&self.folder),
        }
    }
}

/// The folder of the keys.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("credentials").join("peers")
}

fn parse(text: &str) -> Option<PeerKey> {
    let (key, made_at) = text.trim().split_once(' ')?;
    Some(PeerKey { key: CodeKey::of_text(key)?, made_at: made_at.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_there_after_a_restart_for_its_owner_alone_and_gone_with_its_peer() {
        let data = tempfile::tempdir().unwrap();
        let peer: PeerId = "_cash_north.1_00ab34ef".parse().unwrap();
        let keys = PeerKeys::open(data.path()).unwrap();
        assert!(keys.of(&peer).is_none());
        let key = PeerSecret::generate().code_key();
        keys.put(&peer, PeerSecret::generate().code_key()).unwrap();
        keys.put(&peer, key).unwrap();
        let file = folder(data.path()).join(peer.as_str());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(folder(data.path()).join(format!("{peer}.new")), "torn").unwrap();
        let again = PeerKeys::open(data.path()).unwrap();
        let (kept, known) = (again.of(&peer).unwrap(), keys.of(&peer).unwrap());
        assert_eq!((kept.key.to_text(), kept.made_at), (key.to_text(), known.made_at));
        again.remove(&peer).unwrap();
        again.remove(&peer).unwrap();
        assert!(again.of(&peer).is_none() && PeerKeys::open(data.path()).unwrap().of(&peer).is_none());
    }

    #[test]
    fn a_file_that_does_not_read_opens_nothing() {
        let data = tempfile::tempdir().unwrap();
        let peer: PeerId = "_cash_1_00ab34ef".parse().unwrap();
        fs::create_dir_all(folder(data.path())).unwrap();
        fs::write(folder(data.path()).join(peer.as_str()), "").unwrap();
        assert!(PeerKeys::open(data.path()).unwrap().of(&peer).is_some());
    }
}
