//! A load: how it went, everything that was rejected or warned of, the yes or no to one that is
//! held, and which tills have it.

use super::super::source::{self, Gathered};
use super::super::view::{LoadView, NoticeView};
use super::{Kind, Made, Reader, WebState, failed, not_shown, show};
use crate::app::AppError;
use crate::exchange::{Condition, TillStatus};
use crate::rest::download;
use crate::rest::problem::RequestFault;
use crate::store::intake::{LoadRecord, LoadState};
use crate::words::{Reason, Words};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use tillway_proto::LoadId;
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "loads",
    template: "load.html",
    parts: &[("navigation", "navigation.html"), ("load", "load_live.html")],
};

/// Most rejects and as many warnings that are shown; all that were kept are told over REST.
const SHOWN_NOTICES: u32 = 500;

/// Most tills that are named of those that do not have it.
const NAMED_TILLS: usize = 50;

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct LoadPage {
    pub(super) load: LoadView,
    pub(super) bytes: u64,
    /// The file as it came: its name, and until when it is kept; none: as long as it waits.
    pub(super) file: Option<(String, Option<Timestamp>)>,
    pub(super) is_held: bool,
    /// Why it is held, and some of what it would do.
    pub(super) held_for: Vec<String>,
    /// Rejects first, then warnings.
    pub(super) notices: Vec<NoticeView>,
    /// How many more there are.
    pub(super) notices_more: u64,
    /// Tills that it is for, and how many have it; none where nothing changed.
    pub(super) tills: Option<TillsOfLoad>,
}

/// Which tills have a load.
#[derive(Debug, Serialize)]
pub(super) struct TillsOfLoad {
    pub(super) all: u64,
    pub(super) have: u64,
    /// Those that do not, as far as they are named: place, address, how each is, and why.
    pub(super) missing: Vec<MissingTill>,
    pub(super) more: u64,
}

/// A till that does not have it yet.
#[derive(Debug, Serialize)]
pub(super) struct MissingTill {
    pub(super) place: String,
    pub(super) address: Option<String>,
    pub(super) condition: Condition,
    pub(super) why: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/loads/{number}", get(page)).route("/loads/{number}/file", get(file))
}

/// The file as it came.
async fn file(State(state): State<WebState>, reader: Reader, Path(number): Path<i64>) -> Response {
    let app = reader.app(&state);
    match tokio::task::spawn_blocking(move || app.open_load_file(LoadId(number))).await {
        Ok(Ok((file, content))) => download::answer(&file, content),
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

async fn page(State(state): State<WebState>, reader: Reader, Path(number): Path<i64>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, LoadId(number))).await
}

fn view(gathered: &Gathered<'_>, id: LoadId) -> Result<Made<LoadPage>, AppError> {
    let (network, words) = (&gathered.facts.network, gathered.words);
    let report = gathered.app.load(id, SHOWN_NOTICES)?;
    let record = &report.load.record;
    let layer = source::place(network, &record.node, words);
    let told = report.rejects.iter().chain(&report.warnings);
    let notices: Vec<_> = told.map(|one| source::notice_view(layer.clone(), one.clone(), words)).collect();
    let counted = record.counts.rejected + record.counts.warnings;
    let body = LoadPage {
        bytes: record.bytes,
        // Of a load under way its producer still has the file.
        file: gathered.app.load_file(id).ok().map(|file| (file.name, file.until)),
        is_held: record.state == LoadState::Held,
        held_for: if record.state == LoadState::Held { held_for(record, words) } else { Vec::new() },
        notices_more: counted.saturating_sub(notices.len() as u64),
        notices,
        tills: record.revision.map(|revision| {
            let statuses: HashMap<_, _> =
                gathered.facts.tills.iter().map(|till| (till.status.till.as_str(), &till.status)).collect();
            let below = network.tills_below(&record.node);
            let of = below.iter().filter_map(|node| statuses.get(node.id.as_str()));
            let (have, missing): (Vec<&TillStatus>, Vec<_>) =
                of.copied().partition(|status| status.record.cursor() >= revision);
            TillsOfLoad {
                all: (have.len() + missing.len()) as u64,
                have: have.len() as u64,
                more: missing.len().saturating_sub(NAMED_TILLS) as u64,
                missing: missing
                    .into_iter()
                    .take(NAMED_TILLS)
                    .map(|status| MissingTill {
                        place: source::till_place(network, &status.till),
                        address: source::till_address(network, &status.till),
                        condition: Condition::of(status),
                        why: words.reason(&status.next.reason()),
                    })
                    .collect(),
            }
        }),
        load: source::load(network, &report, words),
    };
    let here = words.text("load-titled", [("n", id.0.to_string().into())]);
    Ok(Made { crumbs: vec![Crumb::to(words.text("loads", []), "/loads"), Crumb::here(here)], body })
}

/// Each of the reasons of [`LoadReason::Held`](crate::store::intake::LoadReason) by itself.
fn held_for(record: &LoadRecord, words: &Words) -> Vec<String> {
    let reasons = record.reason.as_ref().and_then(|reason| reason.parameters().get("reasons")?.as_array());
    let each = reasons.into_iter().flatten().filter_map(|one| serde_json::from_value::<Reason>(one.clone()).ok());
    each.map(|one| words.reason(&one)).collect()
}
