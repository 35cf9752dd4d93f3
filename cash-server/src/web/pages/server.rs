//! The server itself: its link to the broker, certificates, backups, room on the disk, and what it
//! does by itself.

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::super::view::{BackupsView, BrokerView, TlsView};
use super::tills::natural;
use super::{Kind, Made, Reader, WebState, show};
use crate::app::{Act, Keep};
use crate::store::outbox::OutboxState;
use crate::store::sizes::DatabaseState;
use crate::words::Words;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use tillway_proto::Revision;
use tillway_service::page::{Crumb, TaskView};

const KIND: Kind = Kind {
    here: "server",
    template: "server.html",
    parts: &[("navigation", "navigation.html"), ("server", "server_live.html"), ("background", "background.html")],
};

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct ServerView {
    /// The newest revision.
    pub(super) revision: Revision,
    /// The link to the broker.
    pub(super) broker: BrokerView,
    /// How TLS stands; none where the reader may not see it.
    pub(super) tls: Option<TlsView>,
    /// How backups stand; none where the reader may not see it.
    pub(super) backups: Option<BackupsView>,
    /// How mails and webhooks stand; none where the reader may not see it, or nobody is told.
    pub(super) outbox: Option<OutboxView>,
    /// Room for the data folder, and below which nothing is taken in.
    pub(super) disk_free_mib: Option<u64>,
    pub(super) disk_reserve_mib: Option<u64>,
    /// Versions of tills' agents, with how many tills have each and where those are listed.
    pub(super) versions: Vec<(String, u64, String)>,
    /// All databases; empty where the reader may not see them.
    pub(super) databases: Vec<DatabaseRow>,
    /// How long what is kept; empty where the reader may not see it.
    pub(super) keeps: Vec<KeepRow>,
    /// Whether the reader may look at the log.
    pub(super) reads_log: bool,
    /// What the server does by itself; none where the reader may not see it.
    pub(super) background: Option<Vec<TaskView>>,
}

/// A database.
#[derive(Debug, Serialize)]
pub(super) struct DatabaseRow {
    pub(super) name: String,
    pub(super) kib: u64,
    /// Of what was written and is not in it yet.
    pub(super) log_kib: u64,
    pub(super) schema: Option<u32>,
}

/// How long something is kept. Its words are `keep-<what>`.
#[derive(Debug, Serialize)]
pub(super) struct KeepRow {
    pub(super) what: &'static str,
    pub(super) setting: &'static str,
    /// None: for ever.
    pub(super) days: Option<u32>,
    /// None: no matter how much.
    pub(super) mib: Option<u64>,
    /// Of when the oldest is that is there, where that is known.
    pub(super) oldest: Option<Timestamp>,
}

/// How mails and webhooks stand.
#[derive(Debug, Serialize)]
pub(super) struct OutboxView {
    pub(super) waiting: u64,
    pub(super) waiting_since: Option<Timestamp>,
    pub(super) last_sent: Option<Timestamp>,
    /// Why something did not arrive.
    pub(super) trouble: Option<String>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/server", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader) -> Response {
    show(state, reader, &KIND, |gathered| {
        let (facts, words) = (&gathered.facts, gathered.words);
        let tasks = facts.background.clone();
        let body = ServerView {
            revision: facts.head,
            broker: source::broker(&facts.broker, words),
            tls: facts.tls.as_ref().map(source::tls),
            backups: facts.backups.as_ref().map(|state| source::backups(state, words)),
            outbox: facts.outbox.as_ref().and_then(|state| outbox(state, gathered.app.sends_mail(), words)),
            disk_free_mib: facts.disk.map(|room| room.free_bytes >> 20),
            disk_reserve_mib: facts.disk.map(|room| room.reserve_bytes >> 20),
            versions: versions(gathered),
            databases: databases(gathered),
            keeps: keeps(gathered),
            reads_log: gathered.app.may_everywhere(Act::ReadLog),
            background: tasks
                .map(|tasks| tasks.into_iter().map(|one| TaskView::of(one, gathered.now, words)).collect()),
        };
        Ok(Made { crumbs: vec![Crumb::here(words.text("nav-server", []))], body })
    })
    .await
}

fn databases(gathered: &Gathered<'_>) -> Vec<DatabaseRow> {
    let row = |one: DatabaseState| DatabaseRow {
        name: one.name,
        kib: one.bytes.div_ceil(1 << 10),
        log_kib: one.log_bytes.div_ceil(1 << 10),
        schema: one.schema,
    };
    gathered.app.databases().unwrap_or_default().into_iter().map(row).collect()
}

fn keeps(gathered: &Gathered<'_>) -> Vec<KeepRow> {
    let oldest_backup =
        gathered.facts.backups.as_ref().and_then(|state| state.seen.kept.last()).map(|kept| kept.note.at);
    let row = |keep: &Keep| KeepRow {
        what: keep.what,
        setting: keep.setting,
        days: keep.days,
        mib: keep.bytes.map(|bytes| bytes >> 20),
        oldest: oldest_backup.filter(|_| keep.what == "backups"),
    };
    gathered.app.keeps().unwrap_or_default().iter().map(row).collect()
}

/// None where nobody is told, and never was.
fn outbox(state: &OutboxState, sends_mail: bool, words: &Words) -> Option<OutboxView> {
    let OutboxState { waiting, waiting_since, last_sent, last_error, .. } = state;
    (sends_mail || *waiting > 0 || last_sent.is_some()).then(|| OutboxView {
        waiting: *waiting,
        waiting_since: *waiting_since,
        last_sent: *last_sent,
        trouble: last_error.as_ref().map(|reason| words.reason(reason)),
    })
}

fn versions(gathered: &Gathered<'_>) -> Vec<(String, u64, String)> {
    let mut counts: BTreeMap<_, (&str, u64)> = BTreeMap::new();
    for till in &gathered.facts.tills {
        if let Some(contact) = &till.status.record.contact {
            let version = contact.state.agent_version.as_str();
            counts.entry(natural(version)).or_insert((version, 0)).1 += 1;
        }
    }
    let listed = counts.into_values().rev();
    listed.map(|(version, count)| (version.to_owned(), count, with("/tills", [("version", version)]))).collect()
}
