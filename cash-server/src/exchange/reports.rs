//! Takes reports of tills: in one transaction a batch is read, decided with [`super::hear`], and
//! written. Nobody else's write comes between, so what a pass of the reconciler ended meanwhile is
//! seen as ended.
//!
//! A report that cannot be read, or that this server stumbles over, is set aside with its reason
//! and never blocks the next. Reports of tills that are not in the network are counted by till,
//! with the last one kept. What follows from a report happens after it is written: the intake
//! learns of a grown cursor, the reconciler is poked, a new till is asked for sales.

use super::ExchangeError;
use super::claims::{bounded_count, is_as_before};
use super::clock::Clocks;
use super::codes::Codes;
use super::hear::{hear, shortened};
use super::model::{CommandState, Contact, Delivery, SentCommand};
use crate::hints::{Hint, Hints};
use crate::network::{Network, NetworkService};
use crate::packages::{Claims, PackageService};
use crate::store::StoreError;
use crate::store::exchange::{
    BrokenReport, ExchangeChanges, ExchangeMoment, ExchangeStore, MAX_BROKEN_BYTES, Stranger,
};
use crate::words::{Reason, in_english};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::report::{ReportError, Reported, TillState};
use tillway_proto::{DeliveryId, MessageHead, PeerId, Report, Revision, ShopId, TillId};
use tillway_service::audit::AuditLine;
use tokio::sync::mpsc;
use uuid::Uuid;

/// A contact that comes this long after the till's queue took an order is of a till that has read
/// it: a till takes an order within moments, and a contact that was under way meanwhile comes
/// sooner.
const ANSWERED_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// After so long a contact answers an order whatever time the till's clock had: it may be slow,
/// and contacts do not wait in the queue for as long while orders go out.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

/// An order that a till has worked on for longer goes on to its deadline however often the till
/// says that it works.
const LONGEST_WORK: SignedDuration = SignedDuration::from_hours(24);

/// What happened that others act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A till's cursor grew.
    Applied {
        /// The till.
        till: TillId,
        /// Its cursor.
        cursor: Revision,
    },
    /// A till was heard of for the first time.
    Attached {
        /// The till.
        till: TillId,
    },
}

/// A report as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// What went with it; none where it was kept aside, where that is not kept.
    pub head: Option<MessageHead>,
    /// The report.
    pub body: Vec<u8>,
}

/// Takes batches of reports. Cheap to clone.
#[derive(Clone)]
pub struct Reports {
    /// Where what they change is kept.
    pub store: Arc<dyn ExchangeStore>,
    /// Who may report.
    pub network: NetworkService,
    /// Knows what speaks for a cursor.
    pub packages: PackageService,
    /// Without contact for this long a till was silent.
    pub silent_after: Duration,
    /// Tills' clocks.
    pub clocks: Arc<Clocks>,
    /// Codes of messages.
    pub codes: Arc<Codes>,
    /// Wakes the reconciler.
    pub hints: Hints,
    /// What others act on.
    pub events: mpsc::Sender<Event>,
}

impl Reports {
    /// Writes a batch. When this returns, the batch may be acknowledged to the broker.
    pub async fn take(&self, received: Vec<Received>) -> Result<(), ExchangeError> {
        let this = self.clone();
        let (events, poke) = super::blocking(move || this.write(&received, None)).await?;
        if poke {
            self.hints.give(Hint::Exchange);
        }
        for event in events {
            // Events only save waiting: who is gone is told nothing.
            if self.events.send(event).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Writes a batch at once, on this thread: what a person has tried again, whose line this is.
    pub fn take_now(&self, bodies: &[Vec<u8>], line: Option<&AuditLine>) -> Result<(), ExchangeError> {
        let kept: Vec<_> = bodies.iter().map(|body| Received { head: None, body: body.clone() }).collect();
        let (events, poke) = self.write(&kept, line)?;
        if poke {
            self.hints.give(Hint::Exchange);
        }
        for event in events {
            // Whoever listens learns it at the next start at the latest; a full channel must not
            // hold a person up.
            if self.events.try_send(event).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// All in one transaction. Where something in a batch cannot be written, each report by
    /// itself, so that the one is set aside and the batch does not come back for ever. An error of
    /// disk, memory or lock is handed on: it passes.
    fn write(&self, received: &[Received], line: Option<&AuditLine>) -> Result<(Vec<Event>, bool), ExchangeError> {
        let together = self.write_together(received, line);
        let reason = match &together {
            Err(ExchangeError::Store(error)) if error.is_about_a_value() => Reason::of(error),
            _ => return together,
        };
        if let [Received { body, .. }] = received {
            let mut set_aside = |_: &dyn ExchangeMoment| {
                let mut batch = Batch::default();
                batch.set_aside(body, reason.clone(), Timestamp::now());
                Ok(ExchangeChanges { audit: line.cloned(), ..batch.finish().0 })
            };
            self.store.change(&mut set_aside).map_err(ExchangeError::Store)?;
            return Ok((Vec::new(), false));
        }
        let (mut events, mut poke) = (Vec::new(), false);
        for (n, one) in received.iter().enumerate() {
            let (of_one, pokes) = self.write(std::slice::from_ref(one), line.filter(|_| n == 0))?;
            events.extend(of_one);
            poke |= pokes;
        }
        Ok((events, poke))
    }

    fn write_together(
        &self,
        received: &[Received],
        line: Option<&AuditLine>,
    ) -> Result<(Vec<Event>, bool), ExchangeError> {
        let network = self.network.current().map_err(ExchangeError::Network)?;
        // Before the transaction: whoever else writes does not wait for it.
        let now = Timestamp::now();
        let (mut read, mut bodies) = (Vec::with_capacity(received.len()), Vec::with_capacity(received.len()));
        for one in received {
            // What has no right code changes nothing: it is counted, and that is all.
            if let Some(reported) = self.read(&network, one, now) {
                read.push(reported);
                bodies.push(&one.body);
            }
        }
        for (_, reported) in read.iter().flatten().filter(|(till, _)| network.till(till).is_some()) {
            self.clocks.note(&reported.peer, reported.sent_at);
            if let Some(state) = state_in(&reported.report) {
                self.codes.heard_trust(&reported.peer, state);
            }
        }
        let claims = self.packages.claims().map_err(ExchangeError::Packages)?;
        let (mut events, mut poke) = (Vec::new(), false);
        let mut decide = |moment: &dyn ExchangeMoment| {
            let now = Timestamp::now();
            let mut batch = Batch::default();
            for (read, body) in read.iter().zip(&bodies) {
                match read {
                    Ok((till, reported)) if network.node(&till.clone().into()).is_some() => {
                        let taking = Taking { moment, claims: &claims, silent_after: self.silent_after, now };
                        taking.take_safely(&mut batch, till, reported, body)?;
                    }
                    Ok((_, reported)) => batch.stranger(&reported.peer, body, now),
                    Err(fault) => batch.set_aside(body, Reason::of(fault), now),
                }
            }
            fail::fail_point!("reports::batch_decided");
            let changes;
            (changes, events, poke) = batch.finish();
            Ok(ExchangeChanges { audit: line.cloned(), ..changes })
        };
        self.store.change(&mut decide).map_err(ExchangeError::Store)?;
        fail::fail_point!("reports::batch_written");
        Ok((events, poke))
    }

    /// What a report says, or why it cannot be taken; none where it has no right code, though the
    /// peer in whose name it came has a secret.
    fn read(
        &self,
        network: &Network,
        received: &Received,
        now: Timestamp,
    ) -> Option<Result<(TillId, Reported), ReportFault>> {
        let reported = read(&received.body);
        // Of one that does not read, whoever its head names.
        let named = || received.head.as_ref()?.peer.as_ref()?.parse().ok();
        let peer: Option<PeerId> =
            reported.as_ref().map_or_else(|_| named(), |(_, reported)| Some(reported.peer.clone()));
        let Some(peer) = peer.filter(|peer| network.node(&peer.clone().into()).is_some()) else {
            return Some(reported);
        };
        match &received.head {
            Some(head) => {
                let is_right = self.codes.check(&peer, head, &received.body, now).is_ok();
                (is_right && !self.codes.is_too_many(&peer)).then_some(reported)
            }
            None if self.codes.has_secret(&peer) => Some(Err(ReportFault::ReportWithoutCode { peer })),
            None => Some(reported),
        }
    }
}

/// Why a report is set aside.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ReportFault {
    /// No report is so large.
    ReportTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest one.
        max: usize,
    },
    /// It comes from a shop's server.
    ReportOfShop {
        /// The shop.
        shop: ShopId,
    },
    /// It was kept without its code, so that nobody knows whose it is.
    ReportWithoutCode {
        /// In whose name it came.
        peer: PeerId,
    },
    /// It brought out a defect of this server.
    ReportStumbledOver {
        /// Whose it is.
        till: TillId,
    },
    /// It does not read.
    #[serde(untagged)]
    Unread(ReportError),
}

/// The till that reports, and what it says.
fn read(body: &[u8]) -> Result<(TillId, Reported), ReportFault> {
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(ReportFault::ReportTooLarge { bytes: body.len(), max: MAX_MESSAGE_BYTES });
    }
    let reported = Reported::parse(body).map_err(ReportFault::Unread)?;
    match &reported.peer {
        PeerId::Till(till) => Ok((till.clone(), reported)),
        PeerId::Shop(shop) => Err(ReportFault::ReportOfShop { shop: shop.clone() }),
    }
}

/// What a report says that the till has.
fn state_in(report: &Report) -> Option<&TillState> {
    match report {
        Report::Contact { state } => Some(state),
        Report::Delivery { till_state, .. } | Report::NeedSnapshot { till_state, .. } => Some(till_state),
        Report::Unload { .. } | Report::Refused { .. } => None,
    }
}

/// Changes of one batch; later reports see what earlier ones changed.
#[derive(Default)]
struct Batch {
    contacts: HashMap<PeerId, Option<Contact>>,
    deliveries: HashMap<DeliveryId, Delivery>,
    commands: HashMap<Uuid, SentCommand>,
    /// Orders that a contact answers, by peer; read with the first contact of each.
    answered_by_contact: HashMap<PeerId, Vec<SentCommand>>,
    broken: Vec<BrokenReport>,
    strangers: HashMap<PeerId, Stranger>,
    events: Vec<Event>,
    poke: bool,
}

/// Takes reports into a batch.
#[derive(Clone, Copy)]
struct Taking<'a> {
    moment: &'a dyn ExchangeMoment,
    claims: &'a Claims,
    silent_after: Duration,
    now: Timestamp,
}

impl Taking<'_> {
    /// A report that a defect of this server stumbles over must not come again and again with all
    /// those behind it.
    fn take_safely(self, batch: &mut Batch, till: &TillId, reported: &Reported, body: &[u8]) -> Result<(), StoreError> {
        if let Ok(taken) = catch_unwind(AssertUnwindSafe(|| self.take(batch, till, reported))) {
            return taken;
        }
        tracing::error!(%till, "a report brought out a defect of this server; it is set aside");
        batch.set_aside(body, Reason::of(&ReportFault::ReportStumbledOver { till: till.clone() }), self.now);
        Ok(())
    }

    fn take(self, batch: &mut Batch, till: &TillId, reported: &Reported) -> Result<(), StoreError> {
        fail::fail_point!("reports::parsed");
        let peer = &reported.peer;
        if !batch.contacts.contains_key(peer) {
            let record = self.moment.record(peer)?;
            // Its first word since a link went out to it: what is newer than that link may wait
            // for it.
            batch.poke |= record.unanswered().is_some();
            batch.contacts.insert(peer.clone(), record.contact);
        }
        let named = match &reported.report {
            Report::Delivery { delivery, .. } => self.delivery(batch, *delivery, peer)?,
            _ => None,
        };
        let known = batch.contacts.get(peer).and_then(Option::as_ref);
        let believed = match state_in(&reported.report) {
            Some(state) => self.believes(known, till, state)?,
            None => true,
        };
        let heard = hear(known, named.as_ref(), reported, believed, self.silent_after, self.now);
        tell_findings(till, known, &heard.contact);
        if let Some(delivery) = heard.delivery {
            tell_step(&delivery);
            batch.deliveries.insert(delivery.id, delivery);
        }
        if let Some(cursor) = heard.applied {
            batch.events.push(Event::Applied { till: till.clone(), cursor });
        }
        if heard.is_first {
            batch.events.push(Event::Attached { till: till.clone() });
        }
        batch.poke |= heard.poke;
        batch.contacts.insert(peer.clone(), Some(heard.contact));
        self.answer(batch, reported)
    }

    /// Whether anything speaks for the cursor that a till says it has.
    fn believes(self, known: Option<&Contact>, till: &TillId, state: &TillState) -> Result<bool, StoreError> {
        if is_as_before(known, state.cursor) || self.claims.hold(till, state) {
            return Ok(true);
        }
        self.moment.announced(&till.clone().into(), state.cursor)
    }

    /// The delivery, where it is one of this peer.
    fn delivery(self, batch: &Batch, id: DeliveryId, peer: &PeerId) -> Result<Option<Delivery>, StoreError> {
        let found = match batch.deliveries.get(&id) {
            Some(delivery) => Some(delivery.clone()),
            None => self.moment.delivery(id)?,
        };
        Ok(found.filter(|delivery| delivery.peer == *peer))
    }

    /// What an answer means for the command it names.
    fn answer(self, batch: &mut Batch, reported: &Reported) -> Result<(), StoreError> {
        let (id, state, reason, receipts) = match &reported.report {
            Report::Unload { command: Some(id), status, receipts, reason } => {
                (*id, CommandState::of_answer(*status), reason.as_deref(), *receipts)
            }
            Report::Refused { command, reason } => (*command, CommandState::Refused, Some(reason.as_str()), 0),
            Report::Contact { .. } => return self.answer_by_contact(batch, reported),
            _ => return Ok(()),
        };
        let found = match batch.commands.get(&id) {
            Some(command) => Some(command.clone()),
            None => self.moment.command(id)?,
        };
        let Some(mut command) = found.filter(|command| command.peer == reported.peer) else { return Ok(()) };
        if !command.state.is_final() && !self.is_endless(&command, state) {
            if matches!(state, CommandState::Failed | CommandState::Refused) {
                tracing::warn!(till = %command.peer, command = %id, reason, "{}: {}", command.what, state.as_str());
            }
            command.state = state;
            command.state_at = self.now;
            command.receipts = command.receipts.max(bounded_count(receipts));
            command.reason = reason.map(|text| Reason::worded(shortened(text)));
        }
        batch.commands.insert(id, command);
        Ok(())
    }

    /// Whether a till that says again and again that it works on an order keeps it from its
    /// deadline.
    fn is_endless(self, command: &SentCommand, state: CommandState) -> bool {
        let worked_for = self.now.duration_since(command.created_at);
        state == CommandState::Running && command.state == CommandState::Running && worked_for > LONGEST_WORK
    }

    /// The till tells its state after it took these orders.
    fn answer_by_contact(self, batch: &mut Batch, reported: &Reported) -> Result<(), StoreError> {
        let (now, peer, sent_at) = (self.now, &reported.peer, reported.sent_at);
        if !batch.answered_by_contact.contains_key(peer) {
            // Those of this peer: all others may be thousands.
            let open = self.moment.open_commands_of(peer)?;
            let sent = open.into_iter().filter(|command| command.state == CommandState::Sent);
            batch.answered_by_contact.insert(peer.clone(), sent.filter(SentCommand::is_answered_by_contact).collect());
        }
        let Some(orders) = batch.answered_by_contact.get_mut(peer) else { return Ok(()) };
        // Longer ago than that, or in the future: the clock went back since.
        let age = |order: &SentCommand| now.duration_since(order.state_at).abs();
        // A contact that waited in the queue of reports was made before the till could read the
        // order.
        let made_after = |order: &SentCommand| sent_at >= order.state_at || age(order) >= CLOCKS_APART;
        let answered = |order: &SentCommand| age(order) >= ANSWERED_AFTER && made_after(order);
        for order in orders.extract_if(.., |order| answered(order)) {
            let done = SentCommand { state: CommandState::Done, state_at: now, ..order };
            batch.commands.entry(done.id).or_insert(done);
        }
        Ok(())
    }
}

impl Batch {
    fn stranger(&mut self, peer: &PeerId, body: &[u8], now: Timestamp) {
        let body = body[..body.len().min(MAX_BROKEN_BYTES)].to_vec();
        let counted = self.strangers.entry(peer.clone()).or_insert_with(|| {
            tracing::debug!(till = %peer, "a report of a till that is not in the network");
            Stranger { peer: peer.clone(), first_at: now, last_at: now, reports: 0, body: Vec::new() }
        });
        counted.reports += 1;
        counted.body = body;
    }

    fn set_aside(&mut self, body: &[u8], reason: Reason, now: Timestamp) {
        tracing::warn!(bytes = body.len(), reason = in_english(&reason), "set a report aside");
        self.broken.push(BrokenReport { id: 0, at: now, reason, body: body.to_vec() });
    }

    fn finish(self) -> (ExchangeChanges, Vec<Event>, bool) {
        let contacts = self.contacts.into_iter().filter_map(|(peer, contact)| Some((peer, contact?)));
        let changes = ExchangeChanges {
            contacts: contacts.collect(),
            deliveries: self.deliveries.into_values().collect(),
            commands: self.commands.into_values().collect(),
            broken: self.broken,
            strangers: self.strangers.into_values().collect(),
            audit: None,
        };
        (changes, self.events, self.poke)
    }
}

fn tell_step(delivery: &Delivery) {
    let (till, package) = (&delivery.peer, delivery.package.short());
    if let Some(reason) = &delivery.reason {
        tracing::warn!(%till, package, state = %delivery.state, reason = in_english(reason), "delivery");
    } else {
        tracing::debug!(%till, package, state = %delivery.state, to = %delivery.to, "delivery");
    }
}

fn tell_claim(till: &TillId, contact: &Contact) {
    let claimed = contact.claimed.unwrap_or_default();
    tracing::warn!(%till, %claimed, "nothing speaks for the revision that this till says it has: it gets everything once more");
}

fn tell_findings(till: &TillId, before: Option<&Contact>, after: &Contact) {
    let Some(before) = before else {
        tracing::info!(%till, cursor = %after.state.cursor, "first contact");
        if after.claimed.is_some() {
            tell_claim(till, after);
        }
        return;
    };
    if before.two_machines_at != after.two_machines_at {
        tracing::warn!(%till, "this till's id is used from two machines: give one of them an id of its own");
    }
    if before.claimed_at != after.claimed_at && after.claimed.is_some() {
        tell_claim(till, after);
    }
    if before.went_back_at != after.went_back_at {
        let (from, to) = (before.state.cursor, after.state.cursor);
        tracing::warn!(%till, %from, %to, "the till went back to an older revision: restored from an old image?");
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
