//! Why a till waits, and why a delivery or a command ended: kind and parameters.

use crate::words::Reason;
use jiff::Timestamp;
use serde::Serialize;
use tillway_proto::{DeliveryState, Revision};

/// Why a till waits, or why something that went out to it ended. Times are UTC, to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ExchangeReason {
    /// The till has what it should have.
    UpToDate,
    /// The till is parked and has what it should have.
    Parked,
    /// The till is parked and has an older state.
    ParkedBehind,
    /// A delivery is on its way.
    OnItsWay {
        /// Where it stands.
        state: DeliveryState,
        /// When it counts as lost.
        until: String,
    },
    /// The till has left a link unanswered.
    NoAnswer {
        /// When the link went out.
        since: String,
        /// When it is renewed.
        until: String,
    },
    /// The till rejected the last delivery.
    RejectedByTill {
        /// What it said.
        reason: Reason,
        /// When it is tried again.
        until: String,
    },
    /// The till rejected the last delivery and did not say why.
    RejectedUnsaid {
        /// When it is tried again.
        until: String,
    },
    /// The till applied everything whole, and its state still is another one.
    StillDiffers {
        /// When everything is sent again.
        until: String,
    },
    /// The till has a dictionary, and this server has none for it.
    NothingForIt,
    /// A package is about to be announced.
    AboutToAnnounce,
    /// There is no link to the broker.
    WaitsForBroker,
    /// There is no link to the broker, and what is wrong is known.
    BrokerDown {
        /// What is wrong.
        reason: Reason,
    },
    /// The till calls for one package after another.
    CallsTooOften {
        /// More than so many within minutes.
        packages: u32,
    },
    /// A defect of this server.
    NoDecision,
    /// The till's agent does not know that a package may take the place of what it claims to have.
    PassesOver {
        /// The revision that the till claims.
        claimed: Revision,
        /// The till.
        till: String,
    },
    /// A delivery: the till's cursor shows that it was applied.
    SeenByCursor,
    /// A delivery: the till is parked.
    EndedByParking,
    /// A delivery: the till needs nothing more.
    NothingNeeded,
    /// A delivery: nothing was heard of it before its deadline.
    NothingHeard,
    /// A delivery: a newer one took its place.
    NewerDelivery,
    /// A delivery: its link has the code of the till's old secret, or none.
    NewSecret,
    /// A command: it would drop what nobody has seen.
    NamesNothing,
    /// A command: no answer came before the deadline.
    NoAnswerInTime,
}

impl From<ExchangeReason> for Reason {
    fn from(reason: ExchangeReason) -> Self {
        Self::of(&reason)
    }
}

/// A time as a reason tells it.
pub(super) fn utc_text(at: Timestamp) -> String {
    format!("{at:.0}")
}
