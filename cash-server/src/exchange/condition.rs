//! How a till is, in one word: the same on the page, over REST and at the command line.

use super::decide::Wait;
use super::service::{Next, TillStatus};
use serde::Serialize;

/// How a till is. The order is that of the page: what needs a person comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its last delivery was rejected, or its dictionary differs.
    Trouble,
    /// No word from it for too long.
    Silent,
    /// It was made here and never reported.
    NeverHeardOf,
    /// A newer state is on its way.
    Behind,
    /// It has what it should have.
    Current,
    /// Under repair, by an operator's word.
    Parked,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Trouble, Self::Silent, Self::NeverHeardOf, Self::Behind, Self::Current, Self::Parked];

    /// The condition of a till.
    pub fn of(status: &TillStatus) -> Self {
        match &status.next {
            Next::Nothing(Wait::Parked { .. }) => Self::Parked,
            Next::Nothing(Wait::HeldBack { .. } | Wait::Ahead) | Next::Trouble(_) => Self::Trouble,
            _ if status.record.contact.is_none() => Self::NeverHeardOf,
            _ if status.silent => Self::Silent,
            Next::Nothing(Wait::UpToDate) => Self::Current,
            Next::Nothing(Wait::OnItsWay { .. } | Wait::NoAnswer { .. }) | Next::Announce | Next::NoBroker => {
                Self::Behind
            }
        }
    }

    /// The word in REST and at the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Silent => "silent",
            Self::NeverHeardOf => "never-heard-of",
            Self::Behind => "behind",
            Self::Current => "current",
            Self::Parked => "parked",
        }
    }
}
