//! The codes of messages from and to peers: made for what goes out, looked at in what comes in.
//!
//! A message in the name of a peer that has a secret changes nothing without its right code; it
//! is counted by reason. Many of them are a finding for a person, and which one depends on what
//! else comes: where right codes come as well, somebody else writes in the peer's name; where none
//! comes, the peer has another secret than this server thinks. A peer that has no secret yet is
//! heard as it was before there were codes.
//!
//! The counts are a hint of this process: as many come again, or they are of no account.

use super::floods::Floods;
use super::trust::Trust;
use crate::peer_keys::PeerKeys;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tillway_proto::report::TillState;
use tillway_proto::{CodeFault, Direction, MessageHead, PeerId};

/// So many messages without a right code are a finding. Fewer may be a till that was just given
/// its new secret, and what it had sent before.
pub const MANY: u64 = 10;

/// Messages that are further apart are told of by themselves, and what is longer ago is no finding
/// any more.
const TOGETHER: SignedDuration = SignedDuration::from_hours(24);

/// Between two lines of the log about them.
const TOLD_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Messages in the name of one peer that were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How many, by reason.
    pub counts: BTreeMap<CodeFault, u64>,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// What a person should know, where they are many.
    pub finding: Option<CodeFinding>,
}

/// What many messages without a right code mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFinding {
    /// Somebody writes in the peer's name.
    Forged,
    /// The peer's secret is not the one that this server knows.
    OtherSecret,
}

impl CodeFinding {
    /// The word in REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::OtherSecret => "other-secret",
        }
    }
}

/// Makes codes and looks at them.
#[derive(Debug)]
pub struct Codes {
    keys: PeerKeys,
    trust: Trust,
    floods: Option<Arc<Floods>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Of peers that have a secret, so no more than there are keys.
    refused: HashMap<PeerId, Refused>,
    /// When a right code came last, of peers that wrong ones came from, too.
    right_at: HashMap<PeerId, Timestamp>,
    told_at: Option<Timestamp>,
    untold: u64,
}

impl Codes {
    /// With these keys.
    pub fn new(keys: PeerKeys) -> Self {
        Self { keys, trust: Trust::default(), floods: None, seen: Mutex::default() }
    }

    /// Counts reports of peers that have a secret.
    #[must_use]
    pub fn with_floods(self, floods: Arc<Floods>) -> Self {
        Self { floods: Some(floods), ..self }
    }

    /// Whether a report of this peer, with its right code, is one too many: it is not read then.
    pub(super) fn is_too_many(&self, peer: &PeerId) -> bool {
        let counts = |floods: &Arc<Floods>| self.has_secret(peer) && floods.is_too_many(peer, Instant::now());
        self.floods.as_ref().is_some_and(counts)
    }

    /// Hands out authorities to peers that have a secret.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// The authorities that go with a command to a peer: a code keeps them what they are, so one
    /// without a secret gets none.
    pub(super) fn authorities_for(&self, peer: &PeerId) -> String {
        if self.has_secret(peer) { self.trust.for_peer(peer) } else { String::new() }
    }

    /// Whether a peer said that it shows its token where it fetches packages.
    pub(super) fn shows_token(&self, peer: &PeerId) -> bool {
        self.trust.shows_token(peer)
    }

    /// Takes what a peer says that it trusts, and shows.
    pub(super) fn heard_trust(&self, peer: &PeerId, state: &TillState) {
        self.trust.heard(peer, state);
    }

    /// What goes with a message to a peer: its code, where the peer has a secret.
    pub fn head(&self, peer: &PeerId, kind: &str, id: &str, body: &[u8]) -> MessageHead {
        match self.keys.of(peer) {
            Some(known) => known.key.head(Direction::ToPeer, peer, kind, id, body),
            None => MessageHead { kind: kind.to_owned(), id: id.to_owned(), peer: Some(peer.to_string()), code: None },
        }
    }

    /// Whether the peer has a secret.
    pub fn has_secret(&self, peer: &PeerId) -> bool {
        self.keys.of(peer).is_some()
    }

    /// Since when the peer has its present secret. A time of this server's clock before it went
    /// back says nothing.
    pub fn secret_since(&self, peer: &PeerId, now: Timestamp) -> Option<Timestamp> {
        self.keys.of(peer).map(|known| known.made_at).filter(|made_at| *made_at <= now)
    }

    /// Whether a message that names this peer may change something; where not, it is counted.
    pub fn check(&self, peer: &PeerId, head: &MessageHead, body: &[u8], now: Timestamp) -> Result<(), CodeFault> {
        let Some(known) = self.keys.of(peer) else { return Ok(()) };
        let checked = known.key.check(Direction::ToServer, peer, head, body);
        let mut seen = self.seen();
        match checked {
            Ok(()) if seen.refused.contains_key(peer) => drop(seen.right_at.insert(peer.clone(), now)),
            Ok(()) => {}
            Err(fault) => seen.count(peer, fault, now),
        }
        checked
    }

    /// Messages in the name of a peer that were not taken; none where there were none lately.
    pub fn refused(&self, peer: &PeerId, now: Timestamp) -> Option<Refused> {
        let seen = self.seen();
        let refused = seen.refused.get(peer).filter(|refused| refused.last_at.duration_until(now).abs() < TOGETHER)?;
        let many = refused.counts.values().sum::<u64>() >= MANY;
        let finding = many.then(|| match seen.right_at.get(peer) {
            Some(right_at) if *right_at >= refused.first_at => CodeFinding::Forged,
            _ => CodeFinding::OtherSecret,
        });
        Some(Refused { finding, ..refused.clone() })
    }

    /// Forgets peers that are no more.
    pub fn forget(&self, peers: &[PeerId]) {
        let mut seen = self.seen();
        for peer in peers {
            seen.refused.remove(peer);
            seen.right_at.remove(peer);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn count(&mut self, peer: &PeerId, fault: CodeFault, now: Timestamp) {
        let new = || Refused { counts: BTreeMap::new(), first_at: now, last_at: now, finding: None };
        let refused = self.refused.entry(peer.clone()).or_insert_with(new);
        if refused.last_at.duration_until(now).abs() >= TOGETHER {
            *refused = new();
        }
        *refused.counts.entry(fault).or_default() += 1;
        refused.last_at = now;
        self.untold += 1;
        if self.told_at.is_none_or(|told_at| told_at.duration_until(now).abs() >= TOLD_EVERY) {
            let messages = std::mem::take(&mut self.untold);
            tracing::warn!(%peer, reason = %fault, messages, "messages in the name of peers are not taken: this is the last of them");
            self.told_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_proto::PeerSecret;

    const BODY: &[u8] = b"{}";

    struct Kit {
        _data: tempfile::TempDir,
        codes: Codes,
        secret: PeerSecret,
        peer: PeerId,
    }

    fn kit() -> Kit {
        let data = tempfile::tempdir().unwrap();
        let keys = PeerKeys::open(data.path()).unwrap();
        let (secret, peer): (_, PeerId) = (PeerSecret::generate(), "_cash_1_00ab34ef".parse().unwrap());
        keys.put(&peer, &secret).unwrap();
        Kit { _data: data, codes: Codes::new(keys), secret, peer }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn many_messages_without_a_right_code_are_a_finding_and_what_else_comes_says_which() {
        let Kit { codes, secret, peer, .. } = &kit();
        let right = secret.code_key().head(Direction::ToServer, peer, "contact", "1", BODY);
        for minute in 0..10 {
            assert_eq!(codes.refused(peer, at(minute)).and_then(|refused| refused.finding), None, "few");
            assert_eq!(codes.check(peer, &MessageHead::default(), BODY, at(minute)), Err(CodeFault::NoCode));
        }
        let finding = |minute| codes.refused(peer, at(minute)).and_then(|refused| refused.finding);
        assert_eq!(finding(10), Some(CodeFinding::OtherSecret));
        assert_eq!(codes.check(peer, &right, BODY, at(11)), Ok(()));
        assert_eq!(finding(12), Some(CodeFinding::Forged), "the peer itself has the right secret");
        assert_eq!(codes.check(peer, &right, b"{ }", at(12)), Err(CodeFault::WrongCode));
        let counts = codes.refused(peer, at(12)).unwrap().counts;
        assert_eq!(counts, BTreeMap::from([(CodeFault::NoCode, 10), (CodeFault::WrongCode, 1)]));
        assert_eq!(codes.refused(peer, at(12 + 24 * 60)), None, "a day later");
    }

    #[test]
    fn who_has_no_secret_is_heard_as_before_and_gets_no_code() {
        let Kit { codes, .. } = &kit();
        let other: PeerId = "_cash_2_00ab34ef".parse().unwrap();
        assert_eq!(codes.check(&other, &MessageHead::default(), BODY, at(0)), Ok(()));
        assert_eq!(codes.head(&other, "contact", "1", BODY).code, None);
        assert!(!codes.has_secret(&other) && codes.refused(&other, at(0)).is_none());
    }

    #[test]
    fn what_goes_to_a_peer_has_the_code_that_it_looks_for() {
        let Kit { codes, secret, peer, .. } = &kit();
        let head = codes.head(peer, "load-package", "7", BODY);
        assert_eq!(secret.code_key().check(Direction::ToPeer, peer, &head, BODY), Ok(()));
        assert_eq!(codes.check(peer, &head, BODY, at(0)), Err(CodeFault::WrongCode), "sent back");
    }
}
