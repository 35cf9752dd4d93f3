//! Turns what the use cases tell into what pages show.

use super::address::with;
use super::attention::{DiskFacts, Facts, StrangerFacts, TillFacts, attention, entry};
use super::view::{
    AsideView, Attention, AttentionSort, BackupsView, BrokerView, DeliveryView, LoadView, NoticeView, ProgressView,
    RejectView, ShiftVerdict, ShiftView, TillView, TlsView,
};
use crate::app::{Acting, AppError, BackupsState, Load, LoadReport, Overview, OverviewLimits, Till, TlsOverview};
use crate::aside::{AsideId, AsideUnit, Shown};
use crate::exchange::decide::Wait;
use crate::exchange::model::Delivery;
use crate::exchange::service::{Next, TillStatus};
use crate::exchange::{BrokerState, Condition};
use crate::network::Network;
use crate::network::change::alike;
use crate::sales::check::{Counted, Verdict};
use crate::store::intake::{Consent, LoadRecord, LoadSource, NoticeRecord, OpenNotice};
use crate::store::sales::{Finding, FindingKind, ShiftView as StoredShift};
use crate::words::{Reason, Words};
use jiff::Timestamp;
use tillway_proto::command::AsideAction;
use tillway_proto::{ExchangeStatus, NodeId, TillId, Version};

/// Most loads, deliveries and shifts of a page: the newest ones.
const RECENT: u32 = 30;

/// Most rejects and warnings that nobody has seen on a page; REST and the command line list all.
const SHOWN_NOTICES: u32 = 50;

/// Most rejects shown below a load; all that were kept are in its report over REST.
const SHOWN_REJECTS: u32 = 10;

const LIMITS: OverviewLimits = OverviewLimits { recent: RECENT, notices: SHOWN_NOTICES, of_a_load: SHOWN_REJECTS };

/// What is known at one moment, for one reader in their words: each page takes its part.
pub(super) struct Gathered<'a> {
    /// What the reader may ask for more.
    pub(super) app: &'a Acting,
    pub(super) words: &'static Words,
    pub(super) now: Timestamp,
    pub(super) facts: Overview,
    /// What needs a look, the weightiest first.
    pub(super) attention: Vec<Attention>,
}

/// Gathers it. Blocking.
pub(super) fn gather<'a>(app: &'a Acting, words: &'static Words) -> Result<Gathered<'a>, AppError> {
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

pub(super) fn broker(state: &BrokerState, words: &Words) -> BrokerView {
    BrokerView {
        consuming: state.consuming,
        since: Some(state.since),
        trouble: state.trouble.as_ref().map(|reason| words.reason(reason)),
        blocked: state.blocked.clone(),
        foreign_queue: state.foreign_queue.as_ref().map(|reason| words.reason(reason)),
    }
}

pub(super) fn tls(overview: &TlsOverview) -> TlsView {
    TlsView {
        days_left: overview.certificates.first().map_or(0, |server| server.days),
        open_ports: overview.open_ports.iter().map(|port| port.setting).collect(),
    }
}

pub(super) fn backups(state: &BackupsState, words: &Words) -> BackupsView {
    let rehearsed = state.seen.kept.iter().filter_map(|kept| kept.note.rehearsed.as_ref());
    let last = rehearsed.max_by_key(|rehearsal| rehearsal.at);
    BackupsView {
        place: state.place.display().to_string(),
        trouble: state.seen.fault.as_ref().map(|fault| words.reason(fault)),
        newest: state.seen.kept.first().map(|kept| kept.note.at),
        rehearsed: last.map(|rehearsal| rehearsal.at),
        fault: last.and_then(|rehearsal| rehearsal.fault.as_ref()).map(|fault| words.reason(fault)),
    }
}

pub(super) fn load(network: &Network, report: &LoadReport, words: &Words) -> LoadView {
    let LoadReport { load: Load { record, progress }, rejects, warnings } = report;
    let took = record.started_at.zip(record.ended_at).map(|(started, ended)| {
        let millis = (ended.as_millisecond() - started.as_millisecond()).max(0);
        format!("{}.{:03}", millis / 1000, millis % 1000)
    });
    LoadView {
        id: record.id.0,
        layer: place(network, &record.node, words),
        source: sent_by_page(record).map_or_else(|| short(&record.source), str::to_owned),
        source_in_full: match sent_by_page(record) {
            Some(file) => words.text("sent-by-page", [("file", file.to_owned().into())]),
            None => record.source.to_string(),
        },
        accepted_at: record.queued_at,
        took_seconds: took,
        progress: progress.map(|progress| ProgressView { percent: progress.percent(), records: progress.records }),
        revision: record.revision,
        // A held one that was carried out failed in the eyes of its producer alone.
        state: match record.reason.as_ref().map(Reason::kind) {
            Some("carried-out") => "carried-out",
            _ => record.state.as_str(),
        },
        status: record.status(),
        added: record.counts.added,
        changed: record.counts.changed,
        deleted: record.counts.deleted,
        unchanged: record.counts.unchanged,
        rejected: record.counts.rejected,
        warnings: record.counts.warnings,
        warned: warnings.iter().map(|record| notice_view(String::new(), record.clone(), words)).collect(),
        rejects: rejects
            .iter()
            .map(|reject| RejectView {
                line: reject.line,
                verb: reject.verb.clone().unwrap_or_default(),
                reason: words.reason(&reject.reason),
            })
            .collect(),
        reason: record.reason.as_ref().map(|reason| words.reason(reason)),
    }
}

pub(super) fn notice(network: &Network, open: &OpenNotice, words: &Words) -> NoticeView {
    let view = notice_view(place(network, &open.node, words), open.notice.clone(), words);
    NoticeView { id: open.id, load: open.load.0, ..view }
}

pub(super) fn notice_view(layer: String, record: NoticeRecord, words: &Words) -> NoticeView {
    NoticeView {
        id: 0,
        layer,
        load: 0,
        line: record.line,
        verb: record.verb.unwrap_or_default(),
        key: record.key.unwrap_or_default(),
        field: record.field.unwrap_or_default(),
        value: record.value.unwrap_or_default(),
        reason: words.reason(&record.reason),
        is_warning: record.is_warning,
    }
}

pub(super) fn short(source: &LoadSource) -> String {
    match source {
        LoadSource::Folder(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        LoadSource::Rest { .. } => source.to_string(),
    }
}

/// The name of a file that somebody sent on the page.
fn sent_by_page(record: &LoadRecord) -> Option<&str> {
    match &record.source {
        LoadSource::Rest { dictionary_id: Some(file), .. } if record.consent == Consent::AskFirst => Some(file),
        _ => None,
    }
}

/// `367/1` for a till, `shop 367`, `group north`, `chain`.
pub(super) fn place(network: &Network, node: &NodeId, words: &Words) -> String {
    let code = || [("code", node.code().to_owned().into())];
    match node {
        NodeId::Till(till) => till_place(network, till),
        NodeId::Shop(_) => words.text("place-shop", code()),
        NodeId::Group(_) => words.text("place-group", code()),
        NodeId::Chain(_) => words.text("place-chain", []),
    }
}

pub(super) fn till_place(network: &Network, till: &TillId) -> String {
    match network.shop_of(till) {
        Some(shop) => format!("{}/{}", shop.code, till.code()),
        None => till.to_string(),
    }
}

/// The address of a till's page; none where it is gone.
pub(super) fn till_address(network: &Network, till: &TillId) -> Option<String> {
    network.till(till).map(|node| format!("/tills/{}", network.folder_name(node)))
}

pub(super) fn till(network: &Network, status: &TillStatus, words: &Words) -> TillView {
    let contact = status.record.contact.as_ref();
    let up_to_date = matches!(status.next, Next::Nothing(Wait::UpToDate));
    let shop = network.shop_of(&status.till);
    TillView {
        id: status.till.to_string(),
        folder: network.till(&status.till).map(|node| network.folder_name(node)).unwrap_or_default(),
        code: status.till.code().to_owned(),
        name: status.name.clone(),
        shop: shop.map(|shop| shop.code.to_string()).unwrap_or_default(),
        shop_name: shop.map(|shop| shop.name.clone()).unwrap_or_default(),
        condition: Condition::of(status),
        cursor: contact.map(|contact| contact.state.cursor),
        target: status.target,
        applied_at: contact.and_then(|contact| contact.state.applied_at),
        last_contact: contact.map(|contact| contact.last_at),
        silent_since: status.silent_since,
        rows: contact.map(|contact| contact.state.rows),
        delivery: status.record.newest.as_ref().map(|delivery| delivery.state),
        waits_for: (!up_to_date).then(|| words.reason(&status.next.reason())),
        clock_ahead: status.clock_ahead.and_then(|ahead| u64::try_from(ahead.as_secs()).ok()),
        clock_behind: status.clock_ahead.and_then(|ahead| u64::try_from(-ahead.as_secs()).ok()),
        sales_wait: status.sales_wait.as_ref().map(|wait| wait.kind.as_str()),
        unsent_unknown: contact.is_some_and(|contact| contact.state.unsent_documents.is_none()),
        unsent_documents: contact.and_then(|contact| contact.state.unsent_documents),
        agent_version: contact.map(|contact| contact.state.agent_version.clone()),
    }
}

pub(super) fn delivery(network: &Network, one: &Delivery, words: &Words) -> DeliveryView {
    DeliveryView {
        till: one.peer.till().map_or_else(|| one.peer.to_string(), |till| till_place(network, till)),
        address: one.peer.till().and_then(|till| till_address(network, till)),
        package: one.package.short().to_owned(),
        from: one.from,
        to: one.to,
        objects: one.objects,
        bytes: one.bytes,
        state: one.state,
        status: ExchangeStatus::of_delivery(one.state, false),
        updated_at: one.state_at,
        reason: one.reason.as_ref().map(|reason| words.reason(reason)),
    }
}

pub(super) fn shift(network: &Network, one: &StoredShift, words: &Words) -> ShiftView {
    let receipts = |counted: Counted| u64::try_from(counted.sales + counted.refunds).unwrap_or_default();
    let sum = |counted: Counted| counted.sale_sum - counted.refund_sum;
    let verdict = match one.outcome.verdict {
        Verdict::Open => ShiftVerdict::Open,
        Verdict::Waiting => ShiftVerdict::Waiting,
        Verdict::Ok => ShiftVerdict::Agrees,
        Verdict::Differs => ShiftVerdict::Differs,
    };
    let reasons: Vec<String> = one.outcome.reasons().iter().map(|reason| words.reason(&Reason::of(reason))).collect();
    let told = matches!(verdict, ShiftVerdict::Waiting | ShiftVerdict::Differs);
    ShiftView {
        receipts: String::new(),
        shop: one.shop.code().to_owned(),
        till: network.till(&one.till).map_or_else(|| one.till.code().to_owned(), |node| node.code.to_string()),
        number: one.number.0,
        opened: one.began.map(|time| time.to_string()).unwrap_or_default(),
        closed: one.ended.map(|time| time.to_string()).unwrap_or_default(),
        till_receipts: one.till_counted.map(receipts),
        server_receipts: receipts(one.server),
        till_sum: one.till_counted.map(sum),
        server_sum: sum(one.server),
        in_future: one.is_in_future(Timestamp::now()),
        verdict,
        detail: (told && !reasons.is_empty()).then(|| reasons.join("; ")),
    }
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

pub(super) fn aside_view(network: &Network, unit: &AsideUnit, words: &Words) -> AsideView {
    AsideView {
        id: unit.id.to_string(),
        content: content_of(unit),
        sort: unit.sort.to_owned(),
        till: match &unit.place {
            Some(NodeId::Till(till)) => till_address(network, till),
            _ => None,
        },
        place: unit.place.as_ref().map(|node| place(network, node, words)).unwrap_or_default(),
        name: unit.name.clone(),
        at: unit.at,
        reason: words.reason(&unit.reason),
        ordered: unit.ordered.map(|action| match action {
            AsideAction::Retry => "retry",
            AsideAction::Drop => "drop",
        }),
        retryable: unit.retryable,
        droppable: unit.droppable,
    }
}

/// Where the content of a unit is shown; none of what only a till has.
fn content_of(unit: &AsideUnit) -> Option<String> {
    match (&unit.id, unit.sort) {
        (AsideId::Load(load), _) => Some(format!("/loads/{}", load.0)),
        (AsideId::Files(_), _) | (AsideId::Till(..), "package" | "message" | "units") => None,
        (id, _) => Some(with("/findings/unit", [("unit", id.to_string().as_str())])),
    }
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
