//! The plain data of the exchange: what the server remembers of each till, delivery and command.

use crate::words::Reason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use tillway_exchangers::kinds::Kind;
use tillway_proto::command::AsideAction;
use tillway_proto::report::{RejectCause, TillState};
use tillway_proto::{Command, DeliveryId, DeliveryState, ExchangeStatus, Order, PackageName, PeerId, Revision};
use uuid::Uuid;

/// Which kinds a till must get whole, since a difference cannot mend them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// None: differences do.
    #[default]
    Nothing,
    /// These.
    Kinds(BTreeSet<String>),
    /// Everything.
    All,
}

impl Needs {
    /// As a till asks: no name means all, and so do names of which none is a kind here. Others are
    /// left out: nothing can be sent of them.
    pub fn of_report(kinds: &[String]) -> Self {
        let known: BTreeSet<String> = kinds.iter().filter(|name| Kind::by_name(name).is_some()).cloned().collect();
        if known.is_empty() { Self::All } else { Self::Kinds(known) }
    }

    /// Whether there is none.
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Kinds(kinds) => kinds.is_empty(),
            Self::All => false,
        }
    }

    /// Whether a package that sends `self` whole does all that `needs` asks for.
    pub fn covers(&self, needs: &Self) -> bool {
        match (self, needs) {
            (Self::All, _) => true,
            (_, needs) if needs.is_nothing() => true,
            (Self::Kinds(sent), Self::Kinds(asked)) => asked.is_subset(sent),
            _ => false,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Nothing, rest) | (rest, Self::Nothing) => rest.clone(),
            (Self::Kinds(left), Self::Kinds(right)) => Self::Kinds(left | right),
        }
    }

    /// What is still needed after `sent` was applied.
    #[must_use]
    pub fn without(&self, sent: &Self) -> Self {
        match (self, sent) {
            (_, Self::All) => Self::Nothing,
            (Self::Kinds(asked), Self::Kinds(sent)) if asked.is_subset(sent) => Self::Nothing,
            (Self::Kinds(asked), Self::Kinds(sent)) => Self::Kinds(asked - sent),
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Kinds(kinds) => f.write_str(&kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
            Self::All => f.write_str("all kinds"),
        }
    }
}

/// What a till said last, and when. There is none for a till that was never heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// First report ever.
    pub first_at: Timestamp,
    /// Last report of any sort.
    pub last_at: Timestamp,
    /// Since when it has been in contact without a silence between.
    pub present_since: Timestamp,
    /// The till's clock at its last report.
    pub sent_at: Timestamp,
    /// The agent's state that speaks for this till.
    pub instance: Uuid,
    /// The one before, where it changed.
    pub previous_instance: Option<Uuid>,
    /// What the till has.
    pub state: TillState,
    /// What it asked to get whole.
    pub needs: Needs,
    /// When it asked last.
    pub needs_since: Option<Timestamp>,
    /// Why it asked.
    pub needs_reason: String,
    /// When its id was last seen used from two places in turn.
    pub two_machines_at: Option<Timestamp>,
    /// When its cursor was last seen to go back: restored from an old image.
    pub went_back_at: Option<Timestamp>,
    /// The cursor that it says it has, where nothing speaks for it; `state` then has none.
    pub claimed: Option<Revision>,
    /// When it last began to claim one.
    pub claimed_at: Option<Timestamp>,
}

/// One package on its way to one till, as the server remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where to.
    pub peer: PeerId,
    /// What.
    pub package: PackageName,
    /// Size of the file.
    pub bytes: u64,
    /// Objects inside.
    pub objects: u64,
    /// It applies where `from ≤ cursor < to`.
    pub from: Revision,
    /// The cursor afterwards.
    pub to: Revision,
    /// What it sends whole.
    pub repair: Needs,
    /// Failed deliveries in a row before this one.
    pub tries: u32,
    /// How many of them the till rejected for what was inside.
    pub bad_contents: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// Since when.
    pub state_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether the broker confirmed the link. Until then it counts as not announced.
    pub confirmed: bool,
    /// Why it ended so.
    pub reason: Option<Reason>,
    /// What sort of reason, where the till rejected it and said so.
    pub cause: Option<RejectCause>,
    /// When the first of the links was announced of which the till has said nothing yet: this
    /// one's, or that of one which it took the place of.
    pub unanswered_since: Timestamp,
    /// The cursor that the till claims and that its package takes the place of, where that is
    /// beyond `to`.
    pub replaces: Option<Revision>,
}

impl Delivery {
    /// Whether the till rejected it for what was inside. An older agent does not tell the causes
    /// apart.
    pub fn had_bad_content(&self) -> bool {
        self.state == DeliveryState::Rejected && matches!(self.cause, None | Some(RejectCause::Content))
    }
}

/// What the exchange knows of one till.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerRecord {
    /// What it said last; none: never heard of.
    pub contact: Option<Contact>,
    /// Its newest delivery, ended or not.
    pub newest: Option<Delivery>,
}

impl PeerRecord {
    /// The open delivery, where the till has said nothing at all since its link, or the link
    /// before, went out.
    pub fn unanswered(&self) -> Option<&Delivery> {
        self.open().filter(|open| self.has_not_answered(open))
    }

    /// Whether the till has said nothing at all since the link of this delivery, or the link
    /// before, went out.
    pub fn has_not_answered(&self, delivery: &Delivery) -> bool {
        self.contact.as_ref().is_none_or(|contact| contact.last_at <= delivery.unanswered_since)
    }

    /// The revision that the till said it has; 0 where it never said.
    pub fn cursor(&self) -> Revision {
        self.contact.as_ref().map_or(Revision::ZERO, |contact| contact.state.cursor)
    }

    /// The revision that the till claims and nothing speaks for.
    pub fn claimed(&self) -> Option<Revision> {
        self.contact.as_ref().and_then(|contact| contact.claimed)
    }

    /// What the till asked to get whole.
    pub fn needs(&self) -> &Needs {
        self.contact.as_ref().map_or(&Needs::Nothing, |contact| &contact.needs)
    }

    /// The newest delivery, where it has not ended.
    pub fn open(&self) -> Option<&Delivery> {
        self.newest.as_ref().filter(|delivery| !delivery.state.is_final())
    }
}

/// What was ordered on the control queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCommand {
    /// Id, named in the answer.
    pub id: Uuid,
    /// To whom.
    pub peer: PeerId,
    /// The message.
    pub body: Vec<u8>,
    /// What it orders, for people.
    pub what: String,
    /// Where it stands.
    pub state: CommandState,
    /// Since when.
    pub state_at: Timestamp,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// Receipts that the till sent for it.
    pub receipts: u64,
    /// Why it ended so.
    pub reason: Option<Reason>,
}

impl SentCommand {
    /// What it orders; none where an older server wrote what this one does not read.
    pub fn order(&self) -> Option<Order> {
        Command::parse(&self.body).ok().map(|command| command.order)
    }

    /// Whether it would drop all that lies aside on a till, as an older server may have ordered.
    pub fn drops_what_nobody_named(&self) -> bool {
        let order = self.order();
        matches!(order, Some(Order::SettleAside { action: AsideAction::Drop, units }) if units.is_empty())
    }

    /// Whether the till answers it by telling its state, not by naming the command.
    pub fn is_answered_by_contact(&self) -> bool {
        matches!(self.order(), Some(Order::ReportState { .. } | Order::SettleAside { .. }))
    }
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandState {
    /// To be published.
    Waiting,
    /// With the broker, confirmed.
    Sent,
    /// The till works on it.
    Running,
    /// Done.
    Done,
    /// The till could not.
    Failed,
    /// The till does not know this command.
    Refused,
    /// No answer before its deadline.
    Expired,
}

impl CommandState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Sent, Self::Running, Self::Done, Self::Failed, Self::Refused, Self::Expired];

    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Refused | Self::Expired)
    }

    /// The word in the database and in REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }

    /// The state named by a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// What the status in a till's answer means for the command.
    pub fn of_answer(status: ExchangeStatus) -> Self {
        match status {
            ExchangeStatus::During => Self::Running,
            ExchangeStatus::Ready | ExchangeStatus::ReadyWithError => Self::Done,
            ExchangeStatus::Error => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(names: &[&str]) -> Needs {
        Needs::Kinds(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn needs_add_up_and_go_away_with_what_was_sent() {
        assert_eq!(kinds(&["item"]).and(&kinds(&["unit"])), kinds(&["item", "unit"]));
        assert_eq!(kinds(&["item", "unit"]).without(&kinds(&["item"])), kinds(&["unit"]));
        assert_eq!(kinds(&["item"]).without(&kinds(&["item", "unit"])), Needs::Nothing);
        assert_eq!(Needs::All.without(&kinds(&["item"])), Needs::All);
        assert!(Needs::All.covers(&kinds(&["item"])));
        assert!(!kinds(&["item"]).covers(&Needs::All));
        assert!(Needs::Nothing.covers(&Needs::Nothing));
        assert!(!Needs::Nothing.covers(&kinds(&["item"])));
    }
}
