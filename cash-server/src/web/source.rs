//! Turns what the use cases tell into what pages show.

use super::address::with;
use super::view::{
    AsideView, BackupsView, DeliveryView, KeptBackup, LoadView, NoticeView, ProgressView, RejectView, ShiftVerdict,
    ShiftView, TillView, TlsView,
};
use crate::app::{BackupsState, Load, LoadReport, TlsOverview};
use crate::aside::{AsideId, AsideUnit};
use crate::backup::Kept;
use crate::exchange::Condition;
use crate::exchange::decide::Wait;
use crate::exchange::model::Delivery;
use crate::exchange::service::{Next, TillStatus};
use crate::network::Network;
pub(super) use crate::report::{Gathered, broker, gather, place, short, till_address, till_place};
use crate::sales::check::{Counted, Verdict};
use crate::store::intake::{Consent, LoadRecord, LoadSource, NoticeRecord, OpenNotice};
use crate::store::sales::ShiftView as StoredShift;
use crate::words::{Reason, Words};
use jiff::Timestamp;
use tillway_proto::command::AsideAction;
use tillway_proto::{ExchangeStatus, NodeId};

/// Most backups of a page.
const SHOWN_BACKUPS: usize = 30;

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
        kept: state.seen.kept.iter().take(SHOWN_BACKUPS).map(|kept| kept_backup(kept, words)).collect(),
        more: state.seen.kept.len().saturating_sub(SHOWN_BACKUPS) as u64,
    }
}

fn kept_backup(kept: &Kept, words: &Words) -> KeptBackup {
    let Kept { name, note } = kept;
    let rehearsed = note.rehearsed.as_ref();
    KeptBackup {
        name: name.clone(),
        at: note.at,
        mib: note.bytes.div_ceil(1 << 20),
        rehearsed: rehearsed.map(|rehearsal| rehearsal.at),
        fault: rehearsed.and_then(|rehearsal| rehearsal.fault.as_ref()).map(|fault| words.reason(fault)),
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

/// The name of a file that somebody sent on the page.
fn sent_by_page(record: &LoadRecord) -> Option<&str> {
    match &record.source {
        LoadSource::Rest { dictionary_id: Some(file), .. } if record.consent == Consent::AskFirst => Some(file),
        _ => None,
    }
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
