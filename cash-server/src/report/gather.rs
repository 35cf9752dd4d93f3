//! What is known at one moment, for one reader in their words; and of that, what needs a look.

use super::attention::{DiskFacts, Facts, StrangerFacts, TillFacts, attention, entry};
use super::entries::{Attention, AttentionSort, BrokerView};
use crate::app::{Acting, AppError, Load, LoadReport, Overview, OverviewLimits, Till, TlsOverview};
use crate::aside::{AsideId, AsideUnit, Shown};
use crate::exchange::service::TillStatus;
use crate::exchange::{BrokerState, Condition};
use crate::network::Network;
use crate::network::change::alike;
use crate::store::intake::LoadSource;
use crate::store::outbox::OutboxState;
use crate::store::sales::{Finding, FindingKind};
use crate::words::{Reason, Words};
use jiff::Timestamp;
use tillway_proto::{ExchangeStatus, NodeId, TillId, Version};

/// Most loads, deliveries and shifts of a page: the newest ones.
const RECENT: u32 = 30;

/// Most rejects and warnings that nobody has seen on a page; REST and the command line list all.
const SHOWN_NOTICES: u32 = 50;

/// Most rejects shown below a load; all that were kept are in its report over REST.
const SHOWN_REJECTS: u32 = 10;

const LIMITS: OverviewLimits = OverviewLimits { recent: RECENT, notices: SHOWN_NOTICES, of_a_load: SHOWN_REJECTS };

/// What is known at one moment, for one reader in their words: each page takes its part.
pub(crate) struct Gathered<'a> {
    /// What the reader may ask for more.
    pub(crate) app: &'a Acting,
    pub(crate) words: &'static Words,
    pub(crate) now: Timestamp,
    pub(crate) facts: Overview,
    /// What needs a look, the weightiest first.
    pub(crate) attention: Vec<Attention>,
}

/// Gathers it. Blocking.
pub(crate) fn gather<'a>(app: &'a Acting, words: &'static Words) -> Result<Gathered<'a>, AppError> {
    let now = Timestamp::now();
    let facts = app.overview(LIMITS)?;
    let network = &facts.network;
    let sales_trouble = facts.findings.as_ref().err().map(|error| words.reason(&Reason::of(error)));
    let findings = facts.findings.as_deref().unwrap_or_default();
    let strangers = facts.strangers.iter().map(|one| StrangerFacts {
        till: one.peer.to_string(),
        first_at: one.first_at,
        last_at: one.last_at,
        reports: one.reports,
    });
    let is_here = |unit: &&AsideUnit| matches!(unit.id, AsideId::Report(_) | AsideId::Sales(_));
    let mut others = in_words(network, &facts.loads, findings, &facts.aside, words);
    others.extend(facts.tls.iter().flat_map(certificates));
    others.extend(facts.outbox.as_ref().and_then(|state| unsent(state, words)));
    let attention = attention(Facts {
        now,
        words,
        broker: &broker(&facts.broker, words),
        disk: facts.disk.map(|room| DiskFacts { free_bytes: room.free_bytes, reserve_bytes: room.reserve_bytes }),
        sales_trouble: sales_trouble.as_deref(),
        tills: &facts.tills.iter().map(|one| till_facts(network, one, words)).collect::<Vec<_>>(),
        strangers: &strangers.collect::<Vec<_>>(),
        aside_here: facts.aside.units.iter().filter(is_here).count() as u64,
        tasks: facts.background.as_deref().unwrap_or_default(),
        others,
        notices_open: facts.notices_open,
        attach_tries: facts.attach_tries,
        password_tries: facts.password_tries,
    });
    Ok(Gathered { app, words, now, facts, attention })
}

pub(crate) fn broker(state: &BrokerState, words: &Words) -> BrokerView {
    BrokerView {
        consuming: state.consuming,
        since: Some(state.since),
        trouble: state.trouble.as_ref().map(|reason| words.reason(reason)),
        blocked: state.blocked.clone(),
        foreign_queue: state.foreign_queue.as_ref().map(|reason| words.reason(reason)),
    }
}

pub(crate) fn short(source: &LoadSource) -> String {
    match source {
        LoadSource::Folder(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        LoadSource::Rest { .. } => source.to_string(),
    }
}

/// `367/1` for a till, `shop 367`, `group north`, `chain`.
pub(crate) fn place(network: &Network, node: &NodeId, words: &Words) -> String {
    let code = || [("code", node.code().to_owned().into())];
    match node {
        NodeId::Till(till) => till_place(network, till),
        NodeId::Shop(_) => words.text("place-shop", code()),
        NodeId::Group(_) => words.text("place-group", code()),
        NodeId::Chain(_) => words.text("place-chain", []),
    }
}

pub(crate) fn till_place(network: &Network, till: &TillId) -> String {
    match network.shop_of(till) {
        Some(shop) => format!("{}/{}", shop.code, till.code()),
        None => till.to_string(),
    }
}

/// The address of a till's page; none where it is gone.
pub(crate) fn till_address(network: &Network, till: &TillId) -> Option<String> {
    network.till(till).map(|node| format!("/tills/{}", network.folder_name(node)))
}

fn till_facts(network: &Network, till: &Till, words: &Words) -> TillFacts {
    let status = &till.status;
    let contact = status.record.contact.as_ref();
    let in_trouble = Condition::of(status) == Condition::Trouble;
    TillFacts {
        id: status.till.to_string(),
        shop: network.shop_of(&status.till).map(|shop| shop.code.to_string()).unwrap_or_default(),
        code: status.till.code().to_owned(),
        parked: status.parked,
        trouble: in_trouble.then(|| words.reason(&status.next.reason())),
        silent_since: status.silent_since,
        in_contact: contact.is_some() && !status.silent,
        clock_ahead: status.clock_ahead,
        sales_wait: status.sales_wait.as_ref().map(|wait| wait.text.clone()),
        never_heard_of_since: contact.is_none().then_some(status.made_at),
        dictionary_log_bytes: contact.map(|contact| contact.state.dictionary_log_bytes).unwrap_or_default(),
        set_aside: contact.map(|contact| contact.state.set_aside).unwrap_or_default(),
        refused: status
            .refused
            .as_ref()
            .and_then(|refused| Some((refused.finding?, refused.counts.values().sum(), refused.first_at))),
        refused_by_till: contact.map(|contact| contact.state.refused_messages.values().sum()).unwrap_or_default(),
        has_no_secret: !status.has_secret,
        other_version: other_version(status),
        two_machines_at: contact.and_then(|contact| contact.two_machines_at),
        went_back_at: contact.and_then(|contact| contact.went_back_at),
        claimed_at: contact.and_then(|contact| contact.claimed_at),
        acknowledged_at: till.acknowledged_at,
    }
}

/// Certificates that end soon, and ports that are open without TLS.
fn certificates(tls: &TlsOverview) -> impl Iterator<Item = Attention> {
    let ending = tls.certificates.iter().filter(|certificate| certificate.needs_look());
    let ending = ending.map(|certificate| {
        let until = certificate.state.validity.until.to_string();
        entry(AttentionSort::CertificateEnds, certificate.state.name.to_owned(), until)
    });
    let open: Vec<_> = tls.open_ports.iter().filter(|port| port.is_reached()).map(|port| port.setting).collect();
    let open = (!open.is_empty()).then(|| entry(AttentionSort::PlainOpen, String::new(), open.join(", ")));
    ending.chain(open)
}

/// What was given up lately of mails and webhooks.
fn unsent(state: &OutboxState, words: &Words) -> Option<Attention> {
    let why = state.last_error.as_ref().map(|reason| words.reason(reason)).unwrap_or_default();
    let told = || entry(AttentionSort::Unsent, String::new(), format!("× {}: {why}", state.given_up));
    (state.given_up > 0).then(|| Attention { since: state.given_up_since, ..told() })
}

/// What comes in words already: what cannot be listed, findings of sales, the last load of each
/// layer, loads that were refused.
fn in_words(
    network: &Network,
    loads: &[LoadReport],
    findings: &[Finding],
    shown: &Shown,
    words: &Words,
) -> Vec<Attention> {
    let aside = &shown.units;
    let unread = |reason: &Reason| entry(AttentionSort::AsideUnread, String::new(), words.reason(reason));
    let mut list: Vec<Attention> = shown.troubles.iter().map(unread).collect();
    for finding in findings {
        let place = finding.till.as_ref().map(|till| till_place(network, till)).unwrap_or_default();
        let parked = finding.till.as_ref().and_then(|till| network.till(till)).is_some_and(|node| node.parked);
        let kind = FindingKind::from_word(&finding.kind);
        // Who knocks in the name of a till that was stolen tells where it is.
        if !parked || kind.is_some_and(FindingKind::is_of_intruders) {
            let sort = match kind {
                Some(FindingKind::Trespass) => AttentionSort::Forged,
                _ if finding.shift.is_some() => AttentionSort::Shift,
                _ => AttentionSort::Finding,
            };
            let told = entry(sort, place, words.reason(&finding.reason));
            let key = kind.map_or_else(|| told.key.clone(), |kind| format!("finding-{}", kind.as_str()));
            let tills = finding.till.iter().map(ToString::to_string).collect();
            let (since, finding) = (Some(finding.first_seen), Some(finding.id));
            list.push(Attention { key, since, finding, tills, ..told });
        }
    }
    for unit in aside.iter().filter(|unit| matches!(unit.id, AsideId::Load(_))) {
        let place = unit.place.as_ref().map(|node| place(network, node, words)).unwrap_or_default();
        let sort = if unit.sort == "held" { AttentionSort::LoadHeld } else { AttentionSort::LoadRefused };
        let told = entry(sort, place, format!("{}: {}", unit.name, words.reason(&unit.reason)));
        list.push(Attention { since: unit.at, ..told });
    }
    for unit in aside.iter().filter(|unit| matches!(unit.id, AsideId::Files(_))) {
        let place = unit.place.as_ref().map(|node| place(network, node, words)).unwrap_or_default();
        let told = entry(AttentionSort::InboxFiles, place, format!("{}: {}", unit.name, words.reason(&unit.reason)));
        list.push(Attention { since: unit.at, ..told });
    }
    for nodes in alike(network) {
        let places: Vec<String> = nodes.iter().map(|node| place(network, &node.id, words)).collect();
        list.push(entry(AttentionSort::CodesAlike, places.join(", "), String::new()));
    }
    // Only the last load of a layer: a later one that went in has mended it. Rejects stay on a
    // list of their own.
    let mut seen = Vec::new();
    for LoadReport { load: Load { record: load, .. }, .. } in loads {
        if seen.contains(&&load.node) {
            continue;
        }
        seen.push(&load.node);
        let refused = aside.iter().any(|unit| unit.id == AsideId::Load(load.id));
        if !refused && load.status() == ExchangeStatus::Error {
            let detail = match &load.reason {
                Some(reason) => words.reason(reason),
                None => format!("{}: {}", short(&load.source), load.counts.rejected),
            };
            list.push(entry(AttentionSort::Load, place(network, &load.node, words), detail));
        }
    }
    list
}

/// The version of a till's agent, where that does not fit this server's. One that does not read is
/// no agent of ours.
fn other_version(status: &TillStatus) -> Option<Version> {
    let version: Version = status.record.contact.as_ref()?.state.agent_version.parse().ok()?;
    (!version.fits(Version::own())).then_some(version)
}
