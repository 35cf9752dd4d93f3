//! Gathers what the page shows from the services of the server.

use super::view::{
    Attention, BrokerView, DeliveryView, LoadView, Overview, RejectView, ShiftVerdict, ShiftView, TillCondition,
    TillView,
};
use super::{MAX_ROWS, PageSource};
use crate::exchange::decide::Wait;
use crate::exchange::model::Delivery;
use crate::exchange::service::{Next, TillStatus};
use crate::network::Network;
use crate::rest::RestState;
use crate::sales::check::{Counted, Verdict};
use crate::store::intake::{LoadRecord, LoadSource};
use crate::store::sales::{Finding, FindingFilter, Page, ShiftFilter, ShiftView as StoredShift};
use jiff::Timestamp;
use std::error::Error;
use tillway_proto::{ExchangeStatus, NodeId, TillId};

/// Most loads, deliveries and shifts of the first page: the newest ones.
const RECENT: u32 = 30;

/// Most rejects shown below a load; all that were kept are in its report over REST.
const SHOWN_REJECTS: u32 = 10;

/// Most entries of what needs a look.
const MAX_ATTENTION: usize = 50;

/// The server itself, as the page asks it.
pub struct ServerSource {
    name: String,
    state: RestState,
}

impl ServerSource {
    /// `name` is the server's from its settings.
    pub fn new(name: String, state: RestState) -> Self {
        Self { name, state }
    }

    fn gather(&self) -> Result<Overview, Box<dyn Error + Send + Sync>> {
        let network = self.state.network.current()?;
        let now = Timestamp::now();
        let broker = self.state.exchange.broker();
        let statuses = self.state.exchange.tills()?;
        let findings = self.state.sales.findings(&FindingFilter { till: None, open_only: true }, few(RECENT))?;
        let loads = self.state.journal.recent(RECENT)?;
        let deliveries = self.state.exchange.deliveries(None, RECENT)?;
        let shifts = self.state.sales.shifts(&ShiftFilter::default(), few(RECENT))?;

        let mut tills: Vec<TillView> = statuses.iter().map(|status| till(&network, status)).collect();
        let tills_total = tills.len() as u64;
        let tills_current = tills.iter().filter(|till| till.condition == TillCondition::Current).count() as u64;
        tills.sort_by(|a, b| (a.condition, &a.shop, &a.code).cmp(&(b.condition, &b.shop, &b.code)));
        let attention = attention(&network, &tills, &loads, &findings);
        tills.truncate(MAX_ROWS);
        let loads = loads.iter().map(|record| self.load(&network, record)).collect::<Result<_, _>>()?;
        Ok(Overview {
            now,
            server: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: self.state.dictionary.head()?,
            broker: BrokerView { consuming: broker.consuming, since: Some(broker.since), trouble: broker.trouble },
            attention,
            tills,
            tills_total,
            tills_current,
            deliveries: deliveries.iter().map(|one| delivery(&network, one)).collect(),
            loads,
            shifts: shifts.iter().map(|one| shift(&network, one)).collect(),
        })
    }

    fn load(&self, network: &Network, record: &LoadRecord) -> Result<LoadView, Box<dyn Error + Send + Sync>> {
        let rejects =
            if record.counts.rejected > 0 { self.state.journal.rejects(record.id, SHOWN_REJECTS)? } else { Vec::new() };
        let took = record.started_at.zip(record.ended_at).map(|(started, ended)| {
            let millis = (ended.as_millisecond() - started.as_millisecond()).max(0);
            format!("{}.{:03}", millis / 1000, millis % 1000)
        });
        Ok(LoadView {
            id: record.id.0,
            layer: place(network, &record.node),
            source: short(&record.source),
            source_in_full: record.source.to_string(),
            accepted_at: record.queued_at,
            took_seconds: took,
            revision: record.revision,
            status: record.status(),
            added: record.counts.added,
            changed: record.counts.changed,
            deleted: record.counts.deleted,
            unchanged: record.counts.unchanged,
            rejected: record.counts.rejected,
            rejects: rejects
                .into_iter()
                .map(|reject| RejectView {
                    line: reject.line,
                    verb: reject.verb.unwrap_or_default(),
                    reason: reject.reason,
                })
                .collect(),
            reason: record.reason.clone(),
        })
    }
}

impl PageSource for ServerSource {
    fn overview(&self) -> Result<Overview, String> {
        self.gather().map_err(|error| {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            text
        })
    }
}

fn short(source: &LoadSource) -> String {
    match source {
        LoadSource::Folder(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        LoadSource::Rest { .. } => source.to_string(),
    }
}

fn few(limit: u32) -> Page {
    Page { offset: 0, limit }
}

/// `367/1` for a till, `shop 367`, `group north`, `chain`.
fn place(network: &Network, node: &NodeId) -> String {
    match node {
        NodeId::Till(till) => till_place(network, till),
        NodeId::Chain(_) => "chain".to_owned(),
        other => format!("{} {}", other.level(), other.code()),
    }
}

fn till_place(network: &Network, till: &TillId) -> String {
    match network.shop_of(till) {
        Some(shop) => format!("{}/{}", shop.code, till.code()),
        None => till.to_string(),
    }
}

fn condition(status: &TillStatus) -> TillCondition {
    match &status.next {
        Next::Nothing(Wait::Parked { .. }) => TillCondition::Parked,
        Next::Nothing(Wait::HeldBack { .. } | Wait::Ahead) | Next::Trouble(_) => TillCondition::Trouble,
        _ if status.record.contact.is_none() => TillCondition::NeverSeen,
        _ if status.silent => TillCondition::Silent,
        Next::Nothing(Wait::UpToDate) => TillCondition::Current,
        Next::Nothing(Wait::OnItsWay { .. }) | Next::Announce | Next::NoBroker => TillCondition::Behind,
    }
}

fn till(network: &Network, status: &TillStatus) -> TillView {
    let contact = status.record.contact.as_ref();
    let up_to_date = matches!(status.next, Next::Nothing(Wait::UpToDate));
    TillView {
        id: status.till.to_string(),
        code: status.till.code().to_owned(),
        name: status.name.clone(),
        shop: network.shop_of(&status.till).map(|shop| shop.code.to_string()).unwrap_or_default(),
        condition: condition(status),
        cursor: contact.map(|contact| contact.state.cursor),
        target: status.target,
        applied_at: contact.and_then(|contact| contact.state.applied_at),
        last_contact: contact.map(|contact| contact.last_at),
        rows: contact.map(|contact| contact.state.rows),
        delivery: status.record.newest.as_ref().map(|delivery| delivery.state),
        waits_for: (!up_to_date).then(|| status.next.to_string()),
        unsent_documents: contact.map(|contact| contact.state.unsent_documents),
        agent_version: contact.map(|contact| contact.state.agent_version.clone()),
    }
}

fn delivery(network: &Network, one: &Delivery) -> DeliveryView {
    DeliveryView {
        till: till_place(network, &one.till),
        package: one.package.short().to_owned(),
        from: one.from,
        to: one.to,
        objects: one.objects,
        bytes: one.bytes,
        state: one.state,
        status: ExchangeStatus::of_delivery(one.state, false),
        updated_at: one.state_at,
        reason: one.reason.clone(),
    }
}

fn shift(network: &Network, one: &StoredShift) -> ShiftView {
    let receipts = |counted: Counted| u64::try_from(counted.sales + counted.refunds).unwrap_or_default();
    let sum = |counted: Counted| counted.sale_sum - counted.refund_sum;
    let verdict = match one.outcome.verdict {
        Verdict::Open => ShiftVerdict::Open,
        Verdict::Waiting => ShiftVerdict::Waiting,
        Verdict::Ok => ShiftVerdict::Agrees,
        Verdict::Differs => ShiftVerdict::Differs,
    };
    let told = matches!(verdict, ShiftVerdict::Waiting | ShiftVerdict::Differs);
    ShiftView {
        shop: one.shop.code().to_owned(),
        till: network.till(&one.till).map_or_else(|| one.till.code().to_owned(), |node| node.code.to_string()),
        number: one.number.0,
        opened: one.began.map(|time| time.to_string()).unwrap_or_default(),
        closed: one.ended.map(|time| time.to_string()).unwrap_or_default(),
        till_receipts: one.till_counted.map(receipts),
        server_receipts: receipts(one.server),
        till_sum: one.till_counted.map(sum),
        server_sum: sum(one.server),
        verdict,
        detail: told.then(|| one.outcome.describe()),
    }
}

fn attention(network: &Network, tills: &[TillView], loads: &[LoadRecord], findings: &[Finding]) -> Vec<Attention> {
    let mut list = Vec::new();
    for till in tills {
        let sort = match till.condition {
            TillCondition::Trouble => "trouble",
            TillCondition::Silent => "silent",
            _ => continue,
        };
        let place = format!("{}/{}", till.shop, till.code);
        list.push(Attention { sort, place, detail: till.waits_for.clone().unwrap_or_default() });
    }
    for finding in findings {
        let place = finding.till.as_ref().map(|till| till_place(network, till)).unwrap_or_default();
        list.push(Attention { sort: "finding", place, detail: finding.text.clone() });
    }
    // Only the last load of a layer: a later clean one has mended an earlier one.
    let mut seen = Vec::new();
    for load in loads {
        if seen.contains(&&load.node) {
            continue;
        }
        seen.push(&load.node);
        if matches!(load.status(), ExchangeStatus::Error | ExchangeStatus::ReadyWithError) {
            let detail =
                load.reason.clone().unwrap_or_else(|| format!("{}: {}", short(&load.source), load.counts.rejected));
            list.push(Attention { sort: "load", place: place(network, &load.node), detail });
        }
    }
    list.truncate(MAX_ATTENTION);
    list
}
