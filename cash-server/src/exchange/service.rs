//! What the rest of the server asks of the exchange: how tills stand, what is on its way, requests
//! to tills.

use super::addresses::PublicAddresses;
use super::along::{Told, put_along};
use super::broker::{Broker, BrokerState};
use super::clock::Clocks;
use super::codes::{Codes, Refused};
use super::condition::sales_wait;
use super::decide::{Action, Aim, Wait, decide};
use super::hear::{is_silent, shortened};
use super::model::{CommandState, Delivery, Needs, PeerRecord, SentCommand};
use super::pace::Pace;
use super::reason::ExchangeReason;
use crate::audit::Verb;
use crate::dictionary::{DictionaryError, DictionaryService};
use crate::hints::{Hint, Hints};
use crate::network::{Network, NetworkError, NetworkService, Node};
use crate::packages::{PackageError, TargetState};
use crate::sales::requests::{self, Ask};
use crate::settings::ExchangeSettings;
use crate::store::StoreError;
use crate::store::exchange::{
    BrokenReport, DeliveryFilter, ExchangeChanges, ExchangeMoment, ExchangeStore, KeptReport, KnownStranger, Stranger,
    Way,
};
use crate::store::sales::SalesStore;
use crate::words::{Reason, as_said};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tillway_proto::command::AsideAction;
use tillway_proto::report::{AsideName, SalesWait};
use tillway_proto::{Command, DeliveryState, NodeId, Order, PeerId, Revision, ShopId, TillId};
use tillway_service::actor::{Actor, Caller};
use tillway_service::audit::{AuditLine, some_of};
use uuid::Uuid;

/// A server that was restored from a backup has lost no more revisions than this: one every ten
/// seconds for four months. A person who is wrong about a till must not use the numbers up.
const MAX_GONE_PAST: u64 = 1_000_000;

/// Why a till gets everything, where it did not ask for it.
const ASKED_BY_A_PERSON: &str = "a person had everything sent anew";

/// What an order that tells a till its settings is called.
pub const TELL_SETTINGS: &str = "take settings over";

/// Deliveries that are read to tell how long those of some tills took: some hundredths of a
/// second.
const MAX_WAYS_READ: u32 = 20_000;

/// Why the exchange could not do what it was asked.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ExchangeError {
    /// No such till.
    #[error("there is no till {till} in the network")]
    UnknownTill {
        /// What was asked for.
        till: TillId,
    },
    /// Something on a till was to be dropped that nobody named.
    #[error("nothing is dropped on {till} that is not named: what a person has not seen must not go")]
    NothingNamed {
        /// The till.
        till: TillId,
    },
    /// The till does not name that revision, or something speaks for it.
    #[error(
        "{till} does not name revision {revision} without anything that speaks for it: look at its `claimed_cursor` again"
    )]
    NotClaimed {
        /// The till.
        till: TillId,
        /// The revision that was given.
        revision: Revision,
    },
    /// There is nothing that could be sent to the till.
    #[error("this server has no dictionary for {till}: load one, or restore the backup that has it")]
    #[serde(rename = "no-dictionary-for-till")]
    NoDictionary {
        /// The till.
        till: TillId,
    },
    /// This server cannot have lost so many revisions.
    #[error(
        "revision {revision} is {} or more beyond revision {head} of this server, which no backup lost: upgrade the till's agent, \
         or set the till up anew", MAX_GONE_PAST + 1
    )]
    #[serde(rename = "too-far-past")]
    TooFar {
        /// The revision that was given.
        revision: Revision,
        /// The newest one of this server.
        head: Revision,
    },
    /// A message could not be written.
    #[error("failed to write a command")]
    #[serde(rename = "command-not-written")]
    Message {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: serde_json::Error,
    },
    /// A blocking task ended before its work.
    #[error("a task of the exchange was cut off")]
    #[serde(rename = "exchange-cut-off")]
    CutOff,
    /// The network could not be read.
    #[error("failed to read the network")]
    #[serde(untagged)]
    Network(#[source] NetworkError),
    /// The dictionary could not be read.
    #[error("failed to read what tills should have")]
    #[serde(untagged)]
    Dictionary(#[source] DictionaryError),
    /// Packages could not be looked after.
    #[error("failed to look after packages")]
    #[serde(untagged)]
    Packages(#[source] PackageError),
    /// The exchange's own database.
    #[error("failed to read or write the state of the exchange")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

/// How one till stands.
#[derive(Debug, Clone)]
pub struct TillStatus {
    /// Its id.
    pub till: TillId,
    /// Its name.
    pub name: String,
    /// Its shop.
    pub shop: Option<ShopId>,
    /// When its node was made.
    pub made_at: Timestamp,
    /// Whether somebody parked it.
    pub parked: bool,
    /// What it said last and its newest delivery.
    pub record: Arc<PeerRecord>,
    /// The revision it should have.
    pub target: Revision,
    /// Whether it was in contact, and has not been for longer than `silent_after_s`.
    pub silent: bool,
    /// Since when it is silent: its last contact.
    pub silent_since: Option<Timestamp>,
    /// How far its clock is ahead of this server's, where that is known and a minute or more;
    /// below zero: behind.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether it has a secret, so that its messages have codes.
    pub has_secret: bool,
    /// Messages in its name that were not taken.
    pub refused: Option<Refused>,
    /// Why its receipts do not come, where a person should look.
    pub sales_wait: Option<SalesWait>,
    /// What comes next for it, or why nothing does.
    pub next: Next,
}

/// What comes next for a till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing, and why.
    Nothing(Wait),
    /// A package is announced at the next pass.
    Announce,
    /// There is no link to the broker; why, where that is known.
    NoBroker(Option<Reason>),
    /// The last pass failed for it.
    Trouble(Reason),
}

impl Next {
    /// The word in REST.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nothing(wait) => wait.code(),
            Self::Announce => "announce",
            Self::NoBroker(_) => "no-broker",
            Self::Trouble(_) => "trouble",
        }
    }

    /// For people.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Nothing(wait) => wait.reason().into(),
            Self::Announce => ExchangeReason::AboutToAnnounce.into(),
            Self::NoBroker(None) => ExchangeReason::WaitsForBroker.into(),
            Self::NoBroker(Some(reason)) => ExchangeReason::BrokerDown { reason: reason.clone() }.into(),
            Self::Trouble(reason) => reason.clone(),
        }
    }
}

/// Everything the exchange works with.
pub struct ExchangeParts {
    /// Its memory.
    pub store: Arc<dyn ExchangeStore>,
    /// The network.
    pub network: NetworkService,
    /// The dictionary.
    pub dictionary: DictionaryService,
    /// Sales, to know what a till sent last.
    pub sales: Arc<dyn SalesStore>,
    /// The link to the broker.
    pub broker: Broker,
    /// Deadlines.
    pub settings: ExchangeSettings,
    /// Where tills reach this server.
    pub addresses: PublicAddresses,
    /// Tills' clocks.
    pub clocks: Arc<Clocks>,
    /// Codes of messages.
    pub codes: Arc<Codes>,
    /// Hints to the reconciler, and from whoever works on what it looks at.
    pub hints: Hints,
}

/// The exchange as others see it, for one caller. Cheap to clone; calls block.
#[derive(Clone)]
pub struct ExchangeService {
    pub(super) parts: Arc<ExchangeParts>,
    /// Who asks.
    caller: Caller,
    /// Why the last pass failed for a till. A hint of this process: each pass finds it anew.
    trouble: Arc<Mutex<HashMap<PeerId, Reason>>>,
    /// Tills whose queues the broker refuses, and what it says. A hint of this process, as its
    /// last pass knew it.
    refused: Arc<Mutex<HashMap<PeerId, Reason>>>,
    /// What tills have called for by their words alone. Of this process: each of several servers
    /// allows as much by itself.
    pub(super) pace: Arc<Pace>,
    /// Which settings tills were told. As above.
    pub(super) told: Told,
    /// What tills should have. A hint of this process, as its last pass knew it.
    states: Arc<Mutex<HashMap<TillId, TargetState>>>,
}

impl ExchangeService {
    /// Over its parts, for the server itself.
    pub fn new(parts: ExchangeParts) -> Self {
        Self {
            parts: Arc::new(parts),
            caller: Caller::server(),
            trouble: Arc::default(),
            refused: Arc::default(),
            pace: Arc::default(),
            told: Told::default(),
            states: Arc::default(),
        }
    }

    /// The same, for somebody who asks: its changes are noted as theirs.
    #[must_use]
    pub fn acting_for(&self, caller: &Caller) -> Self {
        Self { caller: caller.clone(), ..self.clone() }
    }

    /// All tills of the network.
    pub fn tills(&self) -> Result<Vec<TillStatus>, ExchangeError> {
        let targets = self.parts.dictionary.targets().map_err(ExchangeError::Dictionary)?;
        let records = self.parts.store.records().map_err(ExchangeError::Store)?;
        let network = &targets.network;
        let status = |(till, node): (&TillId, &Node)| {
            let target = targets.of.get(till).copied().unwrap_or_default();
            self.status(network, till, node, records.get(&till.clone().into()).cloned().unwrap_or_default(), target)
        };
        Ok(network.tills().map(status).collect())
    }

    /// One till.
    pub fn till(&self, till: &TillId) -> Result<TillStatus, ExchangeError> {
        let network = self.parts.network.current().map_err(ExchangeError::Network)?;
        let node = node_of(&network, till)?;
        let target = self.parts.dictionary.target(till).map_err(ExchangeError::Dictionary)?;
        let record = self.parts.store.record(&till.clone().into()).map_err(ExchangeError::Store)?;
        Ok(self.status(&network, till, node, Arc::new(record), target))
    }

    /// Deliveries, newest first.
    pub fn deliveries(&self, till: Option<&TillId>, limit: u32) -> Result<Vec<Delivery>, ExchangeError> {
        let filter = DeliveryFilter { peer: till.cloned().map(PeerId::from), limit, ..DeliveryFilter::default() };
        self.parts.store.deliveries(&filter).map_err(ExchangeError::Store)
    }

    /// How long deliveries took since then: all, or of the newest of these tills.
    pub fn ways(&self, of: Option<&[TillId]>, from: Timestamp) -> Result<Vec<Way>, ExchangeError> {
        let store = &self.parts.store;
        let found = match of {
            None => store.ways(from),
            Some(tills) => {
                let peers: Vec<PeerId> = tills.iter().cloned().map(PeerId::from).collect();
                let of_each = MAX_WAYS_READ / u32::try_from(peers.len().max(1)).unwrap_or(MAX_WAYS_READ);
                store.ways_of(&peers, from, of_each.max(1))
            }
        };
        found.map_err(ExchangeError::Store)
    }

    /// When each till was first known to have a revision that was taken at `taken_at`, as far as
    /// deliveries are kept.
    pub fn first_applied(
        &self,
        revision: Revision,
        taken_at: Timestamp,
    ) -> Result<Vec<(TillId, Timestamp)>, ExchangeError> {
        let applied = self.parts.store.first_applied(revision, taken_at).map_err(ExchangeError::Store)?;
        Ok(applied.into_iter().filter_map(|(peer, at)| Some((peer.till()?.clone(), at))).collect())
    }

    /// Commands, newest first.
    pub fn commands(&self, till: Option<&TillId>, limit: u32) -> Result<Vec<SentCommand>, ExchangeError> {
        self.parts.store.commands(till.cloned().map(PeerId::from).as_ref(), limit).map_err(ExchangeError::Store)
    }

    /// Reports that could not be understood, newest first.
    pub fn broken_reports(&self, limit: u32) -> Result<Vec<KeptReport>, ExchangeError> {
        self.parts.store.broken_reports(limit).map_err(ExchangeError::Store)
    }

    /// One of them.
    pub fn broken_report(&self, id: i64) -> Result<Option<BrokenReport>, ExchangeError> {
        self.parts.store.broken_report(id).map_err(ExchangeError::Store)
    }

    /// Drops one of them; says whether it was there. The line is that of a person who did so.
    pub fn forget_broken_report(&self, id: i64, line: Option<&AuditLine>) -> Result<bool, ExchangeError> {
        self.parts.store.forget_broken_report(id, line).map_err(ExchangeError::Store)
    }

    /// Who reports as a till that is not in the network, those heard of last first.
    pub fn strangers(&self) -> Result<Vec<KnownStranger>, ExchangeError> {
        self.parts.store.strangers().map_err(ExchangeError::Store)
    }

    /// One of them, with its last report.
    pub fn stranger(&self, peer: &PeerId) -> Result<Option<Stranger>, ExchangeError> {
        self.parts.store.stranger(peer).map_err(ExchangeError::Store)
    }

    /// Forgets one of them; says whether it was there.
    pub fn forget_stranger(&self, peer: &PeerId, line: &AuditLine) -> Result<bool, ExchangeError> {
        self.parts.store.forget_stranger(peer, line).map_err(ExchangeError::Store)
    }

    /// Somebody has seen what was found about a till, until the time of what was shown: that needs
    /// no look any more, and what was found since does. None: until now.
    pub fn acknowledge(&self, till: &TillId, until: Option<Timestamp>) -> Result<(), ExchangeError> {
        let network = self.parts.network.current().map_err(ExchangeError::Network)?;
        node_of(&network, till)?;
        let now = Timestamp::now();
        let until = until.unwrap_or(now).min(now);
        let line = AuditLine::new(&self.caller, Verb::TillAcknowledge, till).after(json!({"until": until}));
        self.parts.store.acknowledge(&till.clone().into(), until, &line).map_err(ExchangeError::Store)
    }

    /// Up to when findings about tills were acknowledged.
    pub fn acknowledged(&self) -> Result<HashMap<PeerId, Timestamp>, ExchangeError> {
        self.parts.store.acknowledged().map_err(ExchangeError::Store)
    }

    /// Has this server's revisions go on after the one that a till names and that nothing speaks
    /// for, because a person knows that this server gave it out and was restored from a backup
    /// since. Only the numbers move: the till still counts as having none, and gets everything.
    /// Gives the newest revision, which is the target of every till from now on.
    pub fn go_past(&self, till: &TillId, revision: Revision) -> Result<Revision, ExchangeError> {
        let network = self.parts.network.current().map_err(ExchangeError::Network)?;
        node_of(&network, till)?;
        let record = self.parts.store.record(&till.clone().into()).map_err(ExchangeError::Store)?;
        if record.claimed() != Some(revision) {
            return Err(ExchangeError::NotClaimed { till: till.clone(), revision });
        }
        // An empty one would take from the till all that it has.
        if self.parts.dictionary.target(till).map_err(ExchangeError::Dictionary)? == Revision::ZERO {
            return Err(ExchangeError::NoDictionary { till: till.clone() });
        }
        let head = self.parts.dictionary.head().map_err(ExchangeError::Dictionary)?;
        if revision.0.saturating_sub(head.0) > MAX_GONE_PAST {
            return Err(ExchangeError::TooFar { revision, head });
        }
        let line = AuditLine::new(&self.caller, Verb::TillGoPast, till).before(json!({"revision": head}));
        let newest = self.parts.dictionary.go_past(revision, &line).map_err(ExchangeError::Dictionary)?;
        tracing::warn!(%till, %revision, %head, %newest, "by a person's order this server goes on after the revision of a till");
        self.poke();
        Ok(newest)
    }

    /// Has a till try again, or drop, what is set aside there. No unit means all, which can be
    /// tried again only: between the list that a person saw and the moment when the till reads the
    /// order, more may be set aside. `None` where the same request is under way already.
    pub fn settle_aside(
        &self,
        till: &TillId,
        action: AsideAction,
        units: Vec<AsideName>,
    ) -> Result<Option<Uuid>, ExchangeError> {
        if action == AsideAction::Drop && units.is_empty() {
            return Err(ExchangeError::NothingNamed { till: till.clone() });
        }
        let word = match action {
            AsideAction::Retry => "try again",
            AsideAction::Drop => "drop",
        };
        let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
        let which = if names.is_empty() { "everything".to_owned() } else { names.join(", ") };
        let what = shortened(&format!("{word} what is set aside: {which}"));
        let verb = match action {
            AsideAction::Retry => Verb::AsideRetry,
            AsideAction::Drop => Verb::AsideDrop,
        };
        let line = AuditLine::new(&self.caller, verb, till).after(json!({"units": some_of(names.iter())}));
        self.order(till, Order::SettleAside { action, units }, what, Some(&line))
    }

    /// Orders about units set aside on tills that have not ended.
    pub fn settling(&self) -> Result<Vec<(PeerId, AsideAction, Vec<AsideName>)>, ExchangeError> {
        let open = self.parts.store.open_commands().map_err(ExchangeError::Store)?;
        let settling = open.into_iter().filter_map(|command| match command.order() {
            Some(Order::SettleAside { action, units }) => Some((command.peer, action, units)),
            _ => None,
        });
        Ok(settling.collect())
    }

    /// Asks a till for sales. `None` where the same request is under way already.
    pub fn request_unload(&self, till: &TillId, ask: Ask) -> Result<Option<Uuid>, ExchangeError> {
        let last = self.parts.sales.last_receipt_time(till).map_err(ExchangeError::Store)?;
        let selection = requests::selection(ask, last, Zoned::now().datetime());
        let what = match &selection {
            tillway_proto::UnloadSelection::Missing { .. } => "unload what is missing".to_owned(),
            // To the minute, so that two requests for "the last 24 hours" are the same one.
            tillway_proto::UnloadSelection::Since { time } => format!("unload since {}", time.strftime("%F %H:%M")),
            tillway_proto::UnloadSelection::Days { from, to } => format!("unload {from} to {to}"),
        };
        let line = AuditLine::new(&self.caller, Verb::TillUnload, till).after(json!({"order": what}));
        self.order(till, Order::UnloadSales { selection }, what, Some(&line))
    }

    /// Asks a till for its state, with `verify` after it has recounted its dictionary. `None`
    /// where the same request is under way already.
    pub fn request_state(&self, till: &TillId, verify: bool) -> Result<Option<Uuid>, ExchangeError> {
        let what = if verify { "verify the dictionary" } else { "report the state" };
        let line = AuditLine::new(&self.caller, Verb::TillVerify, till).after(json!({"order": what}));
        self.order(till, Order::ReportState { verify }, what.to_owned(), Some(&line))
    }

    /// Sends a till everything whole, whatever it has. Whether it was not on its way already.
    pub fn send_anew(&self, till: &TillId) -> Result<bool, ExchangeError> {
        let network = self.parts.network.current().map_err(ExchangeError::Network)?;
        node_of(&network, till)?;
        let line = AuditLine::new(&self.caller, Verb::TillSendAnew, till);
        let (now, peer) = (Timestamp::now(), PeerId::from(till.clone()));
        let mut is_new = false;
        let mut decide = |moment: &dyn ExchangeMoment| {
            let contact = moment.record(&peer)?.contact;
            let asked = contact.filter(|contact| contact.needs != Needs::All);
            is_new = asked.is_some();
            let Some(mut contact) = asked else { return Ok(ExchangeChanges::default()) };
            contact.needs = Needs::All;
            // What is on its way may have been built of what is wrong.
            contact.needs_since = Some(now);
            ASKED_BY_A_PERSON.clone_into(&mut contact.needs_reason);
            let (contacts, audit) = (vec![(peer.clone(), contact)], Some(line.clone()));
            Ok(ExchangeChanges { contacts, audit, ..ExchangeChanges::default() })
        };
        self.parts.store.change(&mut decide).map_err(ExchangeError::Store)?;
        if is_new {
            self.poke();
        }
        Ok(is_new)
    }

    /// Tells a till its settings. Who has changed them has left a line of the audit log.
    pub(super) fn tell_settings(&self, till: &TillId) -> Result<Option<Uuid>, ExchangeError> {
        self.order(till, Order::ReportState { verify: false }, TELL_SETTINGS.to_owned(), None)
    }

    /// How the link to the broker stands.
    pub fn broker(&self) -> BrokerState {
        self.parts.broker.state()
    }

    /// The cursor of every till that was heard of.
    pub fn cursors(&self) -> Result<Vec<(TillId, Revision)>, ExchangeError> {
        let records = self.parts.store.records().map_err(ExchangeError::Store)?;
        let heard = records.iter().filter(|(_, record)| record.contact.is_some());
        Ok(heard.filter_map(|(peer, record)| Some((peer.till()?.clone(), record.cursor()))).collect())
    }

    /// The dictionary it works with.
    pub fn dictionary(&self) -> DictionaryService {
        self.parts.dictionary.clone()
    }

    /// Has the reconciler look at everything soon.
    pub fn poke(&self) {
        self.parts.hints.give(Hint::Exchange);
    }

    pub(super) fn set_trouble(&self, peer: &PeerId, reason: impl Into<Reason>) {
        self.lock_trouble().insert(peer.clone(), reason.into());
    }

    pub(super) fn clear_trouble(&self, peer: &PeerId) {
        self.lock_trouble().remove(peer);
    }

    pub(super) fn set_refused(&self, refused: HashMap<PeerId, Reason>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    pub(super) fn set_states(&self, states: HashMap<TillId, TargetState>) {
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }

    /// What a till should have. The digest goes with its own revision, so an older one is left
    /// out.
    pub(super) fn aim(&self, till: &TillId, target: Revision, parked: bool) -> Aim {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = states.get(till).filter(|state| state.revision == target).map(|state| state.digest);
        Aim { target, digest, parked }
    }

    pub(super) fn lock_trouble(&self) -> std::sync::MutexGuard<'_, HashMap<PeerId, Reason>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(
        &self,
        network: &Network,
        till: &TillId,
        node: &Node,
        record: Arc<PeerRecord>,
        target: Revision,
    ) -> TillStatus {
        let (now, peer) = (Timestamp::now(), PeerId::from(till.clone()));
        let contact = record.contact.as_ref();
        let silent = contact.is_some_and(|contact| is_silent(contact, self.parts.settings.silent_after, now));
        let shop = network.shop_of(till).and_then(|shop| match &shop.id {
            NodeId::Shop(id) => Some(id.clone()),
            _ => None,
        });
        TillStatus {
            till: till.clone(),
            name: node.name.clone(),
            shop,
            made_at: node.created_at,
            parked: node.parked,
            target,
            silent,
            silent_since: contact.filter(|_| silent).map(|contact| contact.last_at),
            clock_ahead: self.parts.clocks.ahead(&peer).filter(|_| !silent),
            has_secret: self.parts.codes.has_secret(&peer),
            refused: self.parts.codes.refused(&peer, now),
            sales_wait: contact.and_then(|contact| sales_wait(contact, now)).cloned(),
            next: self.next(till, &record, target, node.parked, now),
            record,
        }
    }

    fn next(&self, till: &TillId, record: &PeerRecord, target: Revision, parked: bool, now: Timestamp) -> Next {
        // Whether something is due or not: nothing can be sent to it.
        let peer = PeerId::from(till.clone());
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned();
        if let Some(reason) = refused.filter(|_| !parked) {
            return Next::Trouble(reason);
        }
        let aim = self.aim(till, target, parked);
        // Whatever a decision stumbles over, the other tills are shown.
        let Ok(decided) = catch_unwind(AssertUnwindSafe(|| decide(record, &aim, &self.parts.settings, now))) else {
            return Next::Trouble(ExchangeReason::NoDecision.into());
        };
        match decided {
            Action::Wait(wait) => Next::Nothing(wait),
            Action::End { state: DeliveryState::Applied, .. } => Next::Nothing(Wait::UpToDate),
            _ if !self.parts.broker.is_up() => Next::NoBroker(self.parts.broker.state().trouble),
            _ => self.lock_trouble().get(&peer).map_or(Next::Announce, |reason| Next::Trouble(reason.clone())),
        }
    }

    fn order(
        &self,
        till: &TillId,
        order: Order,
        what: String,
        line: Option<&AuditLine>,
    ) -> Result<Option<Uuid>, ExchangeError> {
        let network = self.parts.network.current().map_err(ExchangeError::Network)?;
        node_of(&network, till)?;
        let mut command = Command::new(order);
        let (now, peer) = (Timestamp::now(), PeerId::from(till.clone()));
        put_along(&mut command, &self.parts, &network, &peer);
        let body = command.to_bytes().map_err(|source| ExchangeError::Message { source })?;
        let sent = SentCommand {
            id: command.id,
            peer: peer.clone(),
            body,
            what,
            state: CommandState::Waiting,
            state_at: now,
            created_at: now,
            receipts: 0,
            reason: None,
        };
        // One that the till has begun may have passed what is asked for now, so only those that it
        // has not begun count. Where it asks itself it lives, and may have begun one before its
        // word of that is here: it gets one more, and only one.
        let not_begun = |command: &SentCommand| matches!(command.state, CommandState::Waiting | CommandState::Sent);
        let enough = if matches!(self.caller.actor, Actor::Peer { .. }) { 2 } else { 1 };
        let mut is_new = false;
        let mut decide = |moment: &dyn ExchangeMoment| {
            let open = moment.open_commands_of(&peer)?;
            let same = open.iter().filter(|command| command.what == sent.what && not_begun(command));
            is_new = same.count() < enough;
            if !is_new {
                return Ok(ExchangeChanges::default());
            }
            let (commands, audit) = (vec![sent.clone()], line.cloned());
            Ok(ExchangeChanges { commands, audit, ..ExchangeChanges::default() })
        };
        self.parts.store.change(&mut decide).map_err(ExchangeError::Store)?;
        if !is_new {
            return Ok(None);
        }
        fail::fail_point!("service::order_written");
        self.poke();
        Ok(Some(sent.id))
    }
}

fn node_of<'a>(network: &'a Network, till: &TillId) -> Result<&'a Node, ExchangeError> {
    network.node(&till.clone().into()).ok_or_else(|| ExchangeError::UnknownTill { till: till.clone() })
}
