//! States of a delivery, and the four statuses that operators of the original know.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where one package on its way to one till stands.
///
/// ```text
/// announced ─▶ downloaded ─▶ queued ─▶ applied
///     │             │           │
///     └─────────────┴───────────┴────▶ rejected | expired | superseded
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// The link is with the broker, confirmed.
    Announced,
    /// The till has the whole file and its hash is right.
    Downloaded,
    /// The till has it in its file queue, and has acknowledged the link.
    Queued,
    /// In the till's database, counts and digests compared.
    Applied,
    /// The till could not use it and says why; it is set aside there.
    Rejected,
    /// Its deadline passed; it is announced anew.
    Expired,
    /// A newer delivery took its place.
    Superseded,
}

impl DeliveryState {
    /// Whether nothing more will happen to it (I8: everything ends).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Applied | Self::Rejected | Self::Expired | Self::Superseded)
    }

    /// Whether `next` may follow. Reports may arrive twice, late or with steps missing (a lost
    /// report is no error), but a final state stays, and nothing goes back.
    pub fn may_become(self, next: Self) -> bool {
        !self.is_final() && self.rank() < next.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::Announced => 0,
            Self::Downloaded => 1,
            Self::Queued => 2,
            Self::Applied | Self::Rejected | Self::Expired | Self::Superseded => 3,
        }
    }

    /// The word in databases, messages and REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Downloaded => "downloaded",
            Self::Queued => "queued",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state of a delivery")]
pub struct UnknownState(String);

impl FromStr for DeliveryState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        [
            Self::Announced,
            Self::Downloaded,
            Self::Queued,
            Self::Applied,
            Self::Rejected,
            Self::Expired,
            Self::Superseded,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// The statuses that operators and back offices know (formats/aif, formats/agent-settings).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExchangeStatus {
    /// Under way.
    #[serde(rename = "STATUS_DURING")]
    During,
    /// Done, nothing rejected.
    #[serde(rename = "STATUS_READY")]
    Ready,
    /// Done, but some records were rejected.
    #[serde(rename = "STATUS_READY_WITH_ERROR")]
    ReadyWithError,
    /// Not done.
    #[serde(rename = "STATUS_ERROR")]
    Error,
}

impl ExchangeStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::During => "STATUS_DURING",
            Self::Ready => "STATUS_READY",
            Self::ReadyWithError => "STATUS_READY_WITH_ERROR",
            Self::Error => "STATUS_ERROR",
        }
    }

    /// What operators see of a delivery. An expired or superseded one is followed by another, so
    /// the exchange is still under way; `load_had_rejects` tells whether the load behind it set
    /// records aside.
    pub fn of_delivery(state: DeliveryState, load_had_rejects: bool) -> Self {
        match state {
            DeliveryState::Applied if load_had_rejects => Self::ReadyWithError,
            DeliveryState::Applied => Self::Ready,
            DeliveryState::Rejected => Self::Error,
            DeliveryState::Announced
            | DeliveryState::Downloaded
            | DeliveryState::Queued
            | DeliveryState::Expired
            | DeliveryState::Superseded => Self::During,
        }
    }
}

impl fmt::Display for ExchangeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_state_stays_and_nothing_goes_back() {
        assert!(DeliveryState::Announced.may_become(DeliveryState::Applied));
        assert!(!DeliveryState::Queued.may_become(DeliveryState::Downloaded));
        assert!(!DeliveryState::Queued.may_become(DeliveryState::Queued));
        assert!(!DeliveryState::Superseded.may_become(DeliveryState::Applied));
    }
}
