//! Codes by which tills are attached: who has one, how long it is good, and whether it may be
//! used.
//!
//! A code is good once and until its end. A till has one at a time: a new one ends those before
//! it. The peer that used it may repeat its last step for some minutes, since the answer may have
//! been lost on the way: it is known by what it made for that use and told nobody else. It then
//! gets a secret of its own once more, and the one of before is void.

use super::NetworkError;
use super::tree::LayerNo;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::HashSet;
use std::net::IpAddr;
use tillway_proto::attach::Attempt;
use tillway_proto::{AttachCode, CodeName, ProofKey, TillId};

/// How long a code is good where nobody says otherwise.
pub const DEFAULT_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// The longest that a code may be good: a round through all shops of a region.
pub const MAX_LIFE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long after its use a code may be used again by the peer that used it.
pub const REPEAT_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// A code that has ended is remembered for so long, so that who comes with it is told why it is
/// not taken.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Most codes that are kept: names have 20 bits, and one that is typed wrongly is to be nobody's.
pub const MAX_CODES: usize = 20_000;

/// A code as the server keeps it.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Its public part.
    pub name: CodeName,
    /// What proofs are made with.
    pub key: ProofKey,
    /// Whom it attaches.
    pub node: LayerNo,
    /// When it was made, to the millisecond.
    pub made_at: Timestamp,
    /// Until when it is good, to the millisecond.
    pub ends_at: Timestamp,
    /// Who has used it.
    pub used: Option<Used>,
}

/// The use of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// When it was used first, to the millisecond.
    pub at: Timestamp,
    /// The address of the peer.
    pub by: Option<IpAddr>,
    /// What the peer made for this use: [`Attempt::mark`].
    pub attempt: [u8; 32],
}

/// A code that was made just now. Shown once.
#[derive(Debug, Clone)]
pub struct MadeCode {
    /// Whom it attaches.
    pub till: TillId,
    /// The code.
    pub code: AttachCode,
    /// Until when it is good.
    pub ends_at: Timestamp,
}

/// Why a code is not taken from a peer that has proved to know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CodeRefusal {
    /// It was used.
    #[error("the code was used at {at}")]
    #[serde(rename = "attach-code-used")]
    Used {
        /// When.
        at: Timestamp,
    },
    /// Its time is over, or another code took its place.
    #[error("the code ended at {at}")]
    #[serde(rename = "attach-code-ended")]
    Ended {
        /// When.
        at: Timestamp,
    },
}

impl KeptCode {
    /// Whether it may be used now by who makes this attempt.
    pub fn judge(&self, attempt: &Attempt, now: Timestamp) -> Result<(), CodeRefusal> {
        match &self.used {
            Some(used) if used.attempt == attempt.mark() && now.duration_since(used.at) <= REPEAT_WITHIN => Ok(()),
            Some(used) => Err(CodeRefusal::Used { at: used.at }),
            None if now >= self.ends_at => Err(CodeRefusal::Ended { at: self.ends_at }),
            None => Ok(()),
        }
    }

    /// Whether somebody may still use it for the first time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used.is_none() && now < self.ends_at
    }
}

/// A new code, whose name is none of these; it is one of them then.
pub(super) fn new_code(taken: &mut HashSet<CodeName>) -> Result<AttachCode, NetworkError> {
    if taken.len() >= MAX_CODES {
        return Err(NetworkError::TooManyCodes { max: MAX_CODES });
    }
    // At most two in a hundred names are taken.
    loop {
        let code = AttachCode::generate();
        if taken.insert(code.name) {
            return Ok(code);
        }
    }
}

/// A moment as it is stored.
pub(super) fn to_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_until_its_end_and_a_little_longer_for_the_peer_that_used_it() {
        let at = |minute: i64| Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
        let code = AttachCode::generate();
        let (key, name) = (ProofKey::of(&code.secret), code.name);
        let kept = KeptCode { name, key, node: LayerNo(3), made_at: at(0), ends_at: at(60), used: None };
        let (mine, other) = (Attempt::generate(), Attempt::generate());
        assert_eq!((kept.judge(&mine, at(59)), kept.is_open(at(59))), (Ok(()), true));
        assert_eq!(kept.judge(&mine, at(60)), Err(CodeRefusal::Ended { at: at(60) }));
        let used = Used { at: at(59), by: None, attempt: mine.mark() };
        let used = KeptCode { used: Some(used), ..kept };
        assert!(!used.is_open(at(59)));
        assert_eq!(used.judge(&mine, at(69)), Ok(()), "its answer may be lost, beyond the end too");
        let refused = Err(CodeRefusal::Used { at: at(59) });
        assert_eq!((used.judge(&mine, at(70)), used.judge(&other, at(60))), (refused.clone(), refused));
    }
}
