//! Loads and their reports.

use super::download;
use super::notices::{self, NoticeView};
use super::problem::{Problem, blocking};
use crate::app::{self, Acting};
use crate::words::{self, Language, Words};
use axum::Json;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tillway_proto::LoadId;
use utoipa::{IntoParams, ToSchema};

/// Most loads, or rejects of a load, in one answer.
const MAX_LISTED: u32 = 1_000;

/// A load with its counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoadView {
    /// Its number.
    pub id: i64,
    /// Id of the node whose layer it went to.
    pub node: String,
    /// File, or who sent it.
    pub source: String,
    /// Size in bytes.
    pub bytes: u64,
    /// `queued`, `running`, `ready`, `ready-with-errors`, `held` (it would take away too much, see
    /// `reason`; its counts say what it would do), `error`.
    pub state: String,
    /// `STATUS_DURING`, `STATUS_READY`, `STATUS_READY_WITH_ERROR`, `STATUS_ERROR`.
    pub status: String,
    /// When it was accepted, UTC.
    pub queued_at: String,
    /// When it started, UTC.
    pub started_at: Option<String>,
    /// When it ended, UTC.
    pub ended_at: Option<String>,
    /// The revision it took; none where nothing changed.
    pub revision: Option<u64>,
    /// Of its bytes, how many of a hundred are read; none where it is not under way.
    pub read_percent: Option<u64>,
    /// Objects that were not there.
    pub added: u64,
    /// Objects that were there otherwise.
    pub changed: u64,
    /// Objects that are gone.
    pub deleted: u64,
    /// Objects that were so already.
    pub unchanged: u64,
    /// Records that were set aside.
    pub rejected: u64,
    /// Warnings about records that were taken.
    pub warnings: u64,
    /// Why it was refused, waits or is held, in the language asked for.
    pub reason: Option<String>,
    /// The word for it: `held`, `refused`.
    pub reason_kind: Option<String>,
    /// What the reason is made of.
    #[schema(value_type = Option<Object>)]
    pub reason_parameters: Option<Map<String, Value>>,
}

/// A load with the first of its rejects and warnings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoadReport {
    /// The load.
    #[serde(flatten)]
    pub load: LoadView,
    /// What was set aside, the first ones.
    pub rejects: Vec<NoticeView>,
    /// What a person should know of records that were taken, the first ones. Their number is
    /// `warnings` of the load.
    pub warned: Vec<NoticeView>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Listed {
    /// Most rows, 1000 at most.
    limit: Option<u32>,
}

fn view(load: &app::Load, words: &Words) -> LoadView {
    let app::Load { record: load, progress } = load;
    LoadView {
        id: load.id.0,
        node: load.node.to_string(),
        source: load.source.to_string(),
        bytes: load.bytes,
        state: load.state.as_str().to_owned(),
        status: load.status().to_string(),
        queued_at: load.queued_at.to_string(),
        started_at: load.started_at.map(|at| at.to_string()),
        ended_at: load.ended_at.map(|at| at.to_string()),
        revision: load.revision.map(|revision| revision.0),
        read_percent: progress.map(|progress| progress.percent()),
        added: load.counts.added,
        changed: load.counts.changed,
        deleted: load.counts.deleted,
        unchanged: load.counts.unchanged,
        rejected: load.counts.rejected,
        warnings: load.counts.warnings,
        reason: load.reason.as_ref().map(|reason| words.reason(reason)),
        reason_kind: load.reason.as_ref().map(|reason| reason.kind().to_owned()),
        reason_parameters: load.reason.as_ref().map(|reason| reason.parameters().clone()),
    }
}

/// Loads, newest first.
#[utoipa::path(get, path = "/api/v1/loads", tag = "dictionary", security(("administrator" = [])), params(Listed),
    responses((status = 200, body = Vec<LoadView>), (status = 401, body = Problem)))]
pub(super) async fn list(
    app: Acting,
    language: Language,
    Query(asked): Query<Listed>,
) -> Result<Json<Vec<LoadView>>, Problem> {
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_LISTED);
    let loads = blocking(move || app.loads(limit)).await?;
    Ok(Json(loads.iter().map(|load| view(load, words::of(language))).collect()))
}

/// One load with its rejects.
#[utoipa::path(get, path = "/api/v1/loads/{id}", tag = "dictionary", security(("administrator" = [])),
    params(("id" = i64, Path, description = "number of the load")),
    responses((status = 200, body = LoadReport), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(app: Acting, language: Language, Path(id): Path<i64>) -> Result<Json<LoadReport>, Problem> {
    let words = words::of(language);
    let report = blocking(move || app.load(LoadId(id), MAX_LISTED)).await?;
    Ok(Json(LoadReport {
        load: view(&report.load, words),
        rejects: report.rejects.into_iter().map(|one| notices::view(one, words)).collect(),
        warned: report.warnings.into_iter().map(|one| notices::view(one, words)).collect(),
    }))
}

/// The file of a load as it came: unpacked, and streamed. 410 where it is not kept any more.
#[utoipa::path(get, path = "/api/v1/loads/{id}/file", tag = "dictionary", security(("administrator" = [])),
    params(("id" = i64, Path, description = "number of the load")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 410, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn file(app: Acting, Path(id): Path<i64>) -> Result<Response, Problem> {
    let (file, content) = blocking(move || app.open_load_file(LoadId(id))).await?;
    Ok(download::answer(&file, content))
}

/// What became of a held load.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Decided {
    /// The load that was held.
    pub held: i64,
    /// The load that carries it out; none where it was refused.
    pub load: Option<i64>,
}

/// Says yes to a held load: it is carried out as a new load, and what was changed since it was
/// held stays as it is.
#[utoipa::path(post, path = "/api/v1/loads/{id}/approve", tag = "dictionary", security(("administrator" = [])),
    params(("id" = i64, Path, description = "number of the held load")),
    responses((status = 200, body = Decided), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn approve(app: Acting, Path(id): Path<i64>) -> Result<Json<Decided>, Problem> {
    decide(app, id, true).await
}

/// Says no to a held load: it is not carried out. A file in the folder of its producer stays
/// there.
#[utoipa::path(post, path = "/api/v1/loads/{id}/refuse", tag = "dictionary", security(("administrator" = [])),
    params(("id" = i64, Path, description = "number of the held load")),
    responses((status = 200, body = Decided), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn refuse(app: Acting, Path(id): Path<i64>) -> Result<Json<Decided>, Problem> {
    decide(app, id, false).await
}

async fn decide(app: Acting, id: i64, approve: bool) -> Result<Json<Decided>, Problem> {
    let load = blocking(move || app.decide_held(LoadId(id), approve)).await?;
    Ok(Json(Decided { held: id, load: load.map(|load| load.0) }))
}
