//! What happened to a till, newest first: deliveries, orders, contacts, findings, and what people
//! did.

use crate::audit::Verb;
use crate::exchange::TillStatus;
use crate::exchange::model::{Delivery, SentCommand};
use crate::exchange::service::TELL_SETTINGS;
use crate::store::sales::Finding;
use crate::words::Words;
use jiff::Timestamp;
use serde::Serialize;
use tillway_proto::command::AsideAction;
use tillway_proto::{DeliveryState, Order, Revision};
use tillway_service::audit::AuditRecord;

/// Most of one sort that are looked at, and that are shown.
pub(super) const MAX_EVENTS: u32 = 40;

/// One thing that happened. The words are `event-<kind>`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EventView {
    pub(super) at: Timestamp,
    /// `good`, `warn`, `bad`, `busy` or nothing.
    pub(super) tone: &'static str,
    #[serde(flatten)]
    pub(super) event: Event,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Event {
    /// A package reached a state.
    Delivery {
        state: DeliveryState,
        from: Revision,
        to: Revision,
        objects: u64,
        bytes: u64,
        took_s: i64,
        reason: String,
    },
    /// An order was given; what became of it.
    Order { order: &'static str, what: String, state: &'static str, receipts: u64, reason: String },
    /// Something about sales was found; whether it is closed.
    Finding { word: String, reason: String, is_open: bool },
    /// Somebody did something.
    Did { verb: String, actor: String, address: String },
    /// The node was made.
    Made,
    /// It was heard of for the first time.
    Heard,
    /// It came back after a silence.
    Back,
    /// Its id was used from two machines.
    TwoMachines,
    /// It went back to an older state.
    WentBack,
    /// It named a revision that nothing speaks for.
    Claimed,
    /// It has been silent since.
    Silent,
}

pub(super) fn timeline(
    status: &TillStatus,
    deliveries: &[Delivery],
    commands: &[SentCommand],
    findings: &[Finding],
    audit: &[AuditRecord],
    words: &Words,
) -> Vec<EventView> {
    let mut events: Vec<EventView> = deliveries.iter().map(|one| of_delivery(one, words)).collect();
    events.extend(commands.iter().map(|one| of_command(one, words)));
    events.extend(findings.iter().map(|one| of_finding(one, words)));
    events.extend(audit.iter().filter(|one| !tells_an_order(one)).map(of_audit));
    events.extend(of_contacts(status));
    if !audit.iter().any(|one| one.verb == Verb::NodeCreate.as_str()) {
        events.push(EventView { at: status.made_at, tone: "", event: Event::Made });
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(MAX_EVENTS as usize);
    events
}

fn of_delivery(one: &Delivery, words: &Words) -> EventView {
    let tone = match one.state {
        DeliveryState::Applied => "good",
        DeliveryState::Rejected => "bad",
        DeliveryState::Expired => "warn",
        DeliveryState::Announced | DeliveryState::Downloaded | DeliveryState::Queued => "busy",
        DeliveryState::Superseded => "",
    };
    let event = Event::Delivery {
        state: one.state,
        from: one.from,
        to: one.to,
        objects: one.objects,
        bytes: one.bytes,
        took_s: one.state_at.duration_since(one.created_at).as_secs().max(0),
        reason: one.reason.as_ref().map(|reason| words.reason(reason)).unwrap_or_default(),
    };
    EventView { at: one.state_at, tone, event }
}

fn of_command(one: &SentCommand, words: &Words) -> EventView {
    use crate::exchange::model::CommandState as State;
    let tone = match one.state {
        State::Done => "good",
        State::Failed | State::Refused => "bad",
        State::Expired => "warn",
        State::Waiting | State::Sent | State::Running => "busy",
    };
    let order = match one.order() {
        Some(Order::UnloadSales { .. }) => "unload",
        Some(Order::ReportState { verify: true }) => "verify",
        Some(Order::ReportState { verify: false }) if one.what == TELL_SETTINGS => "settings",
        Some(Order::ReportState { verify: false }) => "state",
        Some(Order::SettleAside { action: AsideAction::Retry, .. }) => "retry",
        Some(Order::SettleAside { action: AsideAction::Drop, .. }) => "drop",
        Some(Order::LoadPackage(_)) | None => "",
    };
    let event = Event::Order {
        order,
        what: one.what.clone(),
        state: one.state.as_str(),
        receipts: one.receipts,
        reason: one.reason.as_ref().map(|reason| words.reason(reason)).unwrap_or_default(),
    };
    EventView { at: one.state_at, tone, event }
}

fn of_finding(one: &Finding, words: &Words) -> EventView {
    let is_open = one.resolved_at.is_none();
    let event = Event::Finding { word: one.kind.clone(), reason: words.reason(&one.reason), is_open };
    EventView { at: one.first_seen, tone: if is_open { "bad" } else { "" }, event }
}

/// What no person asked for stands there as the order that it is.
fn tells_an_order(one: &AuditRecord) -> bool {
    let is_order = [Verb::TillUnload, Verb::TillVerify].iter().any(|verb| verb.as_str() == one.verb);
    is_order && !one.actor.starts_with("login:") && !one.actor.starts_with("system:")
}

fn of_audit(one: &AuditRecord) -> EventView {
    let address = one.address.clone().unwrap_or_default();
    let event = Event::Did { verb: one.verb.replace('.', "-"), actor: one.actor.clone(), address };
    EventView { at: one.at, tone: "", event }
}

fn of_contacts(status: &TillStatus) -> Vec<EventView> {
    let Some(contact) = &status.record.contact else { return Vec::new() };
    let mut events = vec![EventView { at: contact.first_at, tone: "good", event: Event::Heard }];
    let mut add = |at: Option<Timestamp>, tone, event| events.extend(at.map(|at| EventView { at, tone, event }));
    add(Some(contact.present_since).filter(|since| *since > contact.first_at), "good", Event::Back);
    add(contact.two_machines_at, "bad", Event::TwoMachines);
    add(contact.went_back_at, "warn", Event::WentBack);
    add(contact.claimed_at, "warn", Event::Claimed);
    add(status.silent_since, "warn", Event::Silent);
    events
}
