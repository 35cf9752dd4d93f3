//! What the server keeps of peers' secrets: `<data_dir>/credentials/peers/<peer id>`, one line
//! `<64 hex digits> <time> <hash>`, mode 600. The digits are the key of the codes of the peer's
//! messages, the hash is that of its password at the broker (of before: no hash, and no login of
//! its own until the peer gets a new secret).
//!
//! The server needs keys as they are to make codes, so they stand apart from the databases: who
//! gets hold of a database, or of its backup, can forge nobody's messages. The time says since
//! when the key is the peer's: what was sent before has a code that the peer does not take any
//! more.
//!
//! A peer without a file has no secret yet. A file that does not read is not the same: it lets
//! nothing in that has no right code, so damage never opens what was closed.

mod broker_password;

pub use broker_password::{ALGORITHM, BrokerPasswordHash};

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
    /// The hash of its password at the broker; none where the secret is of before.
    pub broker_password: Option<BrokerPasswordHash>,
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
                let key = PeerSecret::generate().code_key();
                PeerKey { key, made_at: Timestamp::UNIX_EPOCH, broker_password: None }
            });
            keys.insert(peer, key);
        }
        Ok(Self { folder, keys: Arc::new(RwLock::new(keys)) })
    }

    /// The key of a peer; none where it has no secret yet.
    pub fn of(&self, peer: &PeerId) -> Option<PeerKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(peer).copied()
    }

    /// Those of all peers.
    pub fn all(&self) -> Vec<(PeerId, PeerKey)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|(peer, key)| (peer.clone(), *key)).collect()
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps what is to be kept of a new secret. When this returns it is durable.
    pub fn put(&self, peer: &PeerId, secret: &PeerSecret) -> io::Result<()> {
        let now = Timestamp::now();
        let made_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let (key, hash) = (secret.code_key(), BrokerPasswordHash::of(&secret.broker_password()));
        let line = format!("{} {made_at} {}\n", key.to_text(), hash.to_text());
        durable::write_secret(&self.folder.join(peer.as_str()), &line)?;
        let kept = PeerKey { key, made_at, broker_password: Some(hash) };
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(peer.clone(), kept);
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
    let mut words = text.split_whitespace();
    Some(PeerKey {
        key: CodeKey::of_text(words.next()?)?,
        made_at: words.next()?.parse().ok()?,
        broker_password: words.next().and_then(BrokerPasswordHash::of_text),
    })
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
        let secret = PeerSecret::generate();
        keys.put(&peer, &PeerSecret::generate()).unwrap();
        keys.put(&peer, &secret).unwrap();
        let file = folder(data.path()).join(peer.as_str());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(folder(data.path()).join(format!("{peer}.new")), "torn").unwrap();
        let again = PeerKeys::open(data.path()).unwrap();
        let (kept, known) = (again.of(&peer).unwrap(), keys.of(&peer).unwrap());
        assert_eq!((kept.key.to_text(), kept.made_at), (secret.code_key().to_text(), known.made_at));
        assert!(kept.broker_password.is_some() && kept.broker_password == known.broker_password);
        assert_eq!(again.all().len(), 1);
        // Of before there were logins of peers' own.
        let line = fs::read_to_string(&file).unwrap();
        fs::write(&file, line.trim_end().rsplit_once(' ').unwrap().0).unwrap();
        let before = PeerKeys::open(data.path()).unwrap().of(&peer).unwrap();
        assert_eq!((before.key.to_text(), before.broker_password), (kept.key.to_text(), None));
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
