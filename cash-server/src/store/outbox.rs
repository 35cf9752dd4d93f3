//! What people and programs are told of by mail and webhook: what is so now and was told, and what
//! waits to go out. The interface to where that is kept.
//!
//! What is to be told is written once, in the transaction that notes that it was: so nothing is
//! told twice and nothing forgotten, whenever the server ends.

use super::StoreError;
use crate::words::Reason;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use tillway_proto::NodeId;
use tillway_service::audit::AuditLine;
use uuid::Uuid;

/// Most that waits for one receiver; what comes beyond it is given up at once.
pub const MAX_WAITING: u32 = 2_000;

/// What people are told of at once, where they want to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertSort {
    /// A load waits for a yes or a no. The object is its number.
    HeldLoad,
    /// All tills of a shop are silent. The object is the shop.
    SilentShop,
    /// Shifts of a till differ. The object is the till.
    ShiftDiffers,
}

impl AlertSort {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HeldLoad, Self::SilentShop, Self::ShiftDiffers];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HeldLoad => "held-load",
            Self::SilentShop => "silent-shop",
            Self::ShiftDiffers => "shift-differs",
        }
    }
}

impl FromStr for AlertSort {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word).ok_or(())
    }
}

/// What became of something that people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is so now.
    Start,
    /// It is more than was told.
    Growth,
    /// It is over.
    End,
}

/// Something that people are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What.
    pub sort: AlertSort,
    /// With what: with its sort it names the alert.
    pub object: String,
    /// The node that it stands at: who may look there is told.
    pub node: NodeId,
    /// Since when it is so.
    pub since: Timestamp,
    /// How much of it: tills that are silent, shifts that differ.
    pub size: u64,
    /// What is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Reason>,
}

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Content {
    /// The report of a day.
    Report {
        /// Which day.
        day: Date,
    },
    /// The same, at once, to see whether it arrives.
    Trial,
    /// Something happened.
    Alert {
        /// What became of it.
        stage: Stage,
        /// When.
        at: Timestamp,
        /// What.
        alert: Alert,
    },
    /// What a newer server wrote.
    #[serde(other)]
    Unknown,
}

/// Who gets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// The user of this number, by mail.
    User(i64),
    /// A webhook, by its address.
    Hook(String),
}

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutgoing {
    /// To whom.
    pub receiver: Receiver,
    /// What.
    pub content: Content,
}

/// Something that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// A number that grows.
    pub no: i64,
    /// What receivers know a repeat by.
    pub id: Uuid,
    /// To whom.
    pub receiver: Receiver,
    /// What.
    pub content: Content,
    /// When it was written.
    pub made_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// Tries that failed.
    pub tries: u32,
    /// Why the last one failed.
    pub error: Option<Reason>,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's server has it.
    Sent,
    /// It did not arrive for too long.
    GivenUp,
    /// Nobody is to be told any more.
    Dropped,
}

impl Outcome {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::GivenUp => "given-up",
            Self::Dropped => "dropped",
        }
    }
}

/// What is noted of alerts at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AlertChange {
    /// What is so, as it is told.
    pub put: Vec<Alert>,
    /// What is over: sort and object.
    pub ended: Vec<(AlertSort, String)>,
    /// What goes out because of it.
    pub outgoing: Vec<NewOutgoing>,
}

/// How sending stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxState {
    /// What waits.
    pub waiting: u64,
    /// Since when the oldest of it waits.
    pub waiting_since: Option<Timestamp>,
    /// When something arrived last.
    pub last_sent: Option<Timestamp>,
    /// Why the newest of what waits, or was given up lately, did not arrive.
    pub last_error: Option<Reason>,
    /// What was given up lately, and nothing has arrived at its receiver since.
    pub given_up: u64,
    /// Since when.
    pub given_up_since: Option<Timestamp>,
}

/// Why something is not sent, where the store says so.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OutboxReason {
    /// Too much waits for this receiver already.
    TooMuchWaits {
        /// So much.
        max: u32,
    },
}

/// Keeps what was told and what is to be sent. Calls block.
pub trait OutboxStore: Send + Sync {
    /// What was told of and is not over.
    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError>;

    /// Notes what became of alerts, with what goes out because of it: all or nothing.
    fn note_alerts(&self, change: &AlertChange, now: Timestamp) -> Result<(), StoreError>;

    /// The day whose report was written last; none: none was, ever.
    fn report_written(&self) -> Result<Option<Date>, StoreError>;

    /// Writes the reports of a day, once. False where they are written already.
    fn write_report(&self, day: Date, reports: &[NewOutgoing], now: Timestamp) -> Result<bool, StoreError>;

    /// A trial for a user, with its line of the audit log. False where one waits for them already.
    fn write_trial(&self, user: i64, now: Timestamp, line: &AuditLine) -> Result<bool, StoreError>;

    /// What waits, the oldest first.
    fn waiting(&self, limit: u32) -> Result<Vec<Outgoing>, StoreError>;

    /// When mails to a user arrived since then, each once.
    fn mails_since(&self, user: i64, since: Timestamp) -> Result<Vec<Timestamp>, StoreError>;

    /// These have ended.
    fn note_ended(&self, numbers: &[i64], outcome: Outcome, now: Timestamp) -> Result<(), StoreError>;

    /// A try failed for these, which are tried again then.
    fn note_failed(&self, numbers: &[i64], why: &Reason, due_at: Timestamp) -> Result<(), StoreError>;

    /// How sending stands. `since`: what counts as lately.
    fn state(&self, since: Timestamp) -> Result<OutboxState, StoreError>;

    /// Deletes at most `limit` of what ended before. How many.
    fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
