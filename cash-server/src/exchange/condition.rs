//! How a till is, in one word: the same on the page, over REST and at the command line.

use super::decide::Wait;
use super::model::Contact;
use super::service::{Next, TillStatus};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tillway_proto::report::SalesWait;

/// A wait of sales that often passes by itself needs a look after this: a server or a POS starts
/// again in less.
const BRIEF_WAIT: SignedDuration = SignedDuration::from_mins(2);

/// How a till is. The order is that of the page: what needs a person comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Its last delivery was rejected, or its dictionary differs.
    Trouble,
    /// Its receipts do not come, by its own word.
    SalesWait,
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
    pub const ALL: [Self; 7] =
        [Self::Trouble, Self::SalesWait, Self::Silent, Self::NeverHeardOf, Self::Behind, Self::Current, Self::Parked];

    /// The condition of a till.
    pub fn of(status: &TillStatus) -> Self {
        match &status.next {
            Next::Nothing(Wait::Parked { .. }) => Self::Parked,
            Next::Nothing(Wait::HeldBack { .. } | Wait::Ahead) | Next::Trouble(_) => Self::Trouble,
            _ if status.record.contact.is_none() => Self::NeverHeardOf,
            _ if status.silent => Self::Silent,
            _ if status.sales_wait.is_some() => Self::SalesWait,
            Next::Nothing(Wait::UpToDate) => Self::Current,
            Next::Nothing(Wait::OnItsWay { .. } | Wait::NoAnswer { .. }) | Next::Announce | Next::NoBroker(_) => {
                Self::Behind
            }
        }
    }

    /// The word in REST and at the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::SalesWait => "sales-wait",
            Self::Silent => "silent",
            Self::NeverHeardOf => "never-heard-of",
            Self::Behind => "behind",
            Self::Current => "current",
            Self::Parked => "parked",
        }
    }
}

/// Why a till's receipts do not come, where a person should look: what often passes by itself is
/// left out at first.
pub(super) fn sales_wait(contact: &Contact, now: Timestamp) -> Option<&SalesWait> {
    let wait = contact.state.sales_wait.as_ref()?;
    // Both times by the till's clock, which may be another one than ours; then ours.
    let at_report = contact.sent_at.duration_since(wait.since).max(SignedDuration::ZERO);
    let since_report = now.duration_since(contact.last_at).max(SignedDuration::ZERO);
    let lasts = at_report.saturating_add(since_report) >= BRIEF_WAIT;
    (lasts || !wait.kind.is_often_brief()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::model::Needs;
    use tillway_proto::report::{SalesWaitKind, TillState};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn contact(kind: SalesWaitKind, since: i64, sent_at: i64) -> Contact {
        let wait = SalesWait { kind, text: "why".to_owned(), since: at(since) };
        Contact {
            first_at: at(0),
            last_at: at(1000),
            present_since: at(0),
            sent_at: at(sent_at),
            instance: uuid::Uuid::nil(),
            previous_instance: None,
            state: TillState { sales_wait: Some(wait), ..TillState::default() },
            needs: Needs::Nothing,
            needs_since: None,
            needs_reason: String::new(),
            two_machines_at: None,
            went_back_at: None,
            claimed: None,
            claimed_at: None,
        }
    }

    #[test]
    fn a_wait_that_often_passes_by_itself_needs_a_look_after_two_minutes_whatever_the_till_s_clock_says() {
        // The till's clock is a day ahead.
        let day = 86_400;
        let brief = contact(SalesWaitKind::Unreachable, day + 990, day + 1000);
        assert_eq!(sales_wait(&brief, at(1000)), None);
        assert!(sales_wait(&brief, at(1110)).is_some());
        let long = contact(SalesWaitKind::DocumentsLocked, day + 880, day + 1000);
        assert!(sales_wait(&long, at(1000)).is_some());
        let refused = contact(SalesWaitKind::Refused, day + 1000, day + 1000);
        assert!(sales_wait(&refused, at(1000)).is_some(), "nobody mends this but a person");
    }
}
