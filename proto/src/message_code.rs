//! The code that goes with each message over the broker, in both directions: it shows that the
//! message is of the peer that it names, or of its server, and that nobody changed it.
//!
//! Beside the body a message carries the property `type`, the property `message-id`, and two
//! headers:
//!
//! | header | holds |
//! |---|---|
//! | `tillway-peer` | the id of the peer that the message is from or for |
//! | `tillway-code` | the version of codes, `.`, 64 hex digits |
//!
//! The digits are BLAKE3, keyed with the peer's [`CodeKey`], over: one byte with the version, one
//! with the direction (1 to the peer, 2 to the server, 3 an answer over HTTP), then peer, type, id
//! and body, each after its length in bytes as 8 bytes, the lowest first. So no two messages have
//! one input, and a message that is sent back, or on to another peer, has a wrong code.
//!
//! A code does not say that a message is new. Repeats are harmless by what messages mean: a link
//! by its cursor, an order by its id, settings by their generation, a report by its time.

use crate::id::PeerId;
use std::fmt;

/// Version of codes that this code writes, and the only one that it reads.
pub const CODE_VERSION: u8 = 1;

/// The header with the peer.
pub const PEER_HEADER: &str = "tillway-peer";

/// The header with the code.
pub const CODE_HEADER: &str = "tillway-code";

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A command of the server.
    ToPeer,
    /// A report of the peer.
    ToServer,
    /// What the server answers a peer over HTTP: no message, so that nobody makes one of it.
    Answer,
}

/// The key of the codes of one peer's messages.
#[derive(Clone, Copy)]
pub struct CodeKey([u8; 32]);

/// What goes with a message beside its body, as it was read or is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageHead {
    /// What sort of message it is: the property `type`.
    pub kind: String,
    /// Names the message: the property `message-id`.
    pub id: String,
    /// The header [`PEER_HEADER`].
    pub peer: Option<String>,
    /// The header [`CODE_HEADER`].
    pub code: Option<String>,
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum CodeFault {
    /// It has none.
    #[error("it has no code")]
    NoCode,
    /// The code is another one: somebody else wrote the message, or changed it, or has another
    /// secret.
    #[error("its code is wrong")]
    WrongCode,
    /// It names another peer.
    #[error("it names another peer")]
    WrongPeer,
    /// The code does not read.
    #[error("its code does not read")]
    Unreadable,
    /// The code is of a version that is not known here.
    #[error("its code is of another version, this side knows version {CODE_VERSION} alone")]
    Version,
}

impl CodeFault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoCode, Self::WrongCode, Self::WrongPeer, Self::Unreadable, Self::Version];

    /// The word in reports and in REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCode => "no-code",
            Self::WrongCode => "wrong-code",
            Self::WrongPeer => "wrong-peer",
            Self::Unreadable => "unreadable",
            Self::Version => "version",
        }
    }
}

impl CodeKey {
    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As it is stored: 64 hex digits.
    pub fn to_text(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// From what was stored.
    pub fn of_text(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|bytes| Self(*bytes.as_bytes()))
    }

    /// What goes with a message of this kind and id.
    pub fn head(&self, direction: Direction, peer: &PeerId, kind: &str, id: &str, body: &[u8]) -> MessageHead {
        let code = self.code(direction, peer.as_str(), kind, id, body);
        MessageHead {
            kind: kind.to_owned(),
            id: id.to_owned(),
            peer: Some(peer.to_string()),
            code: Some(format!("{CODE_VERSION}.{}", code.to_hex())),
        }
    }

    /// Whether a message is from or for this peer, as it names itself, and nobody changed it.
    pub fn check(&self, direction: Direction, peer: &PeerId, head: &MessageHead, body: &[u8]) -> Result<(), CodeFault> {
        let code = head.code.as_deref().ok_or(CodeFault::NoCode)?;
        let (version, digits) = code.split_once('.').ok_or(CodeFault::Unreadable)?;
        let version: u32 = version.parse().map_err(|_| CodeFault::Unreadable)?;
        if version != u32::from(CODE_VERSION) {
            return Err(CodeFault::Version);
        }
        let code = blake3::Hash::from_hex(digits).map_err(|_| CodeFault::Unreadable)?;
        if head.peer.as_deref() != Some(peer.as_str()) {
            return Err(CodeFault::WrongPeer);
        }
        // Hashes compare in a time that tells nothing.
        if code == self.code(direction, peer.as_str(), &head.kind, &head.id, body) {
            Ok(())
        } else {
            Err(CodeFault::WrongCode)
        }
    }

    fn code(&self, direction: Direction, peer: &str, kind: &str, id: &str, body: &[u8]) -> blake3::Hash {
        let direction = match direction {
            Direction::ToPeer => 1,
            Direction::ToServer => 2,
            Direction::Answer => 3,
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[CODE_VERSION, direction]);
        for part in [peer.as_bytes(), kind.as_bytes(), id.as_bytes(), body] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToPeer, ToServer};

    fn peer(number: u32) -> PeerId {
        format!("_cash_{number}_00ab34ef").parse().unwrap()
    }

    const BODY: &[u8] = b"{\"schema\":1}";

    #[test]
    fn a_message_is_taken_as_it_was_written_and_in_no_other_way() {
        let key = CodeKey::from_bytes([1; 32]);
        let head = key.head(ToPeer, &peer(1), "load-package", "7", BODY);
        assert_eq!(key.check(ToPeer, &peer(1), &head, BODY), Ok(()));
        let wrong = Err(CodeFault::WrongCode);
        assert_eq!(key.check(ToPeer, &peer(1), &head, b"{\"schema\":2}"), wrong);
        assert_eq!(key.check(ToServer, &peer(1), &head, BODY), wrong, "sent back");
        assert_eq!(CodeKey::from_bytes([2; 32]).check(ToPeer, &peer(1), &head, BODY), wrong, "another secret");
        assert_eq!(key.check(ToPeer, &peer(2), &head, BODY), Err(CodeFault::WrongPeer), "sent on");
        let with = |change: fn(&mut MessageHead)| {
            let mut head = head.clone();
            change(&mut head);
            key.check(ToPeer, &peer(1), &head, BODY)
        };
        assert_eq!(with(|head| head.kind = "report-state".to_owned()), wrong);
        assert_eq!(with(|head| head.id = "8".to_owned()), wrong);
        // The same text in all, with its parts cut elsewhere.
        assert_eq!(with(|head| (head.kind, head.id) = ("load-package7".to_owned(), String::new())), wrong);
        assert_eq!(with(|head| head.peer = None), Err(CodeFault::WrongPeer));
        assert_eq!(with(|head| head.code = None), Err(CodeFault::NoCode));
        assert_eq!(with(|head| head.code = Some("1.ab".to_owned())), Err(CodeFault::Unreadable));
        assert_eq!(with(|head| head.code = Some("a code".to_owned())), Err(CodeFault::Unreadable));
        assert_eq!(with(|head| head.code = Some(format!("0.{}", "a".repeat(64)))), Err(CodeFault::Version));
    }

    #[test]
    fn the_written_code_stays() {
        let head = CodeKey::from_bytes([1; 32]).head(ToServer, &peer(1), "contact", "7", BODY);
        assert_eq!(head.code.as_deref(), Some("1.2a65bae69b1fb66ec3b4245f1dfb1b0f2456972b5e810ab65f43b7b3497cf163"));
    }

    #[test]
    fn a_key_reads_back_and_is_not_told() {
        let key = CodeKey::from_bytes([3; 32]);
        assert_eq!(CodeKey::of_text(&key.to_text()).map(|key| key.to_text()), Some(key.to_text()));
        assert!(CodeKey::of_text("03").is_none() && format!("{key:?}") == "CodeKey(…)");
    }
}
