//! What was set aside anywhere: listed, tried again, dropped; findings about tills that somebody
//! has seen.

use super::problem::{Problem, RequestFault, blocking};
use super::receipts;
use crate::app::{Acting, AppError, AsideContent};
use crate::aside::{AsideDocument, AsideId, AsideUnit, MAX_SETTLED, Settled, UnknownAside};
use crate::words::{self, Language, Reason, Words};
use axum::Json;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tillway_proto::command::AsideAction;
use utoipa::{IntoParams, ToSchema};

/// A unit that was set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsideView {
    /// Its name, for `retry` and `drop`.
    pub id: String,
    /// On a till: `package`, `document`, `shift`, `message`, `units` (those that the till does not
    /// name). Here: `report` that could not be taken, `stranger` who reports as a till that is not
    /// in the network, `load` that was refused, `held`: a load that waits for a yes, `sales` that
    /// the spool could not load, `files` in a folder of the intake that will never be read.
    pub sort: String,
    /// The till, or the node of the load.
    pub node: Option<String>,
    /// What it is called where it stands.
    pub name: String,
    /// Since when, UTC; on a till by its clock.
    pub at: Option<String>,
    /// Why, in the language asked for.
    pub reason: String,
    /// The word for it.
    pub reason_kind: String,
    /// What the reason is made of.
    #[schema(value_type = Object)]
    pub reason_parameters: Map<String, Value>,
    /// `retry` or `drop`, where the till was told so and has not answered yet.
    pub ordered: Option<String>,
    /// Whether it can be tried again.
    pub retryable: bool,
    /// Whether it can be dropped: what has no name cannot.
    pub droppable: bool,
}

/// Which units.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AsideAsked {
    /// Their names from the list.
    pub units: Vec<String>,
}

/// What came of units of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettledView {
    /// Which ones.
    pub units: Vec<String>,
    /// What was done, in the language asked for; none where it failed.
    pub done: Option<String>,
    /// Why it failed, in the language asked for.
    pub problem: Option<String>,
    /// The word for what was done, or for why it failed.
    pub kind: String,
    /// What that is made of.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
}

fn view(unit: &AsideUnit, words: &Words) -> AsideView {
    AsideView {
        id: unit.id.to_string(),
        sort: unit.sort.to_owned(),
        node: unit.place.as_ref().map(ToString::to_string),
        name: unit.name.clone(),
        at: unit.at.map(|at| at.to_string()),
        reason: words.reason(&unit.reason),
        reason_kind: unit.reason.kind().to_owned(),
        reason_parameters: unit.reason.parameters().clone(),
        ordered: unit.ordered.map(|action| action_word(action).to_owned()),
        retryable: unit.retryable,
        droppable: unit.droppable,
    }
}

fn action_word(action: AsideAction) -> &'static str {
    match action {
        AsideAction::Retry => "retry",
        AsideAction::Drop => "drop",
    }
}

fn settled_view(settled: &Settled, words: &Words) -> SettledView {
    let reason = settled.outcome.as_ref().map_or_else(Reason::of, Reason::of);
    let (done, problem) = match &settled.outcome {
        Ok(_) => (Some(words.reason(&reason)), None),
        Err(_) => (None, Some(words.reason(&reason))),
    };
    let (kind, parameters) = (reason.kind().to_owned(), reason.parameters().clone());
    SettledView { units: settled.ids.iter().map(ToString::to_string).collect(), done, problem, kind, parameters }
}

/// Everything that is set aside and waits for a person.
#[utoipa::path(get, path = "/api/v1/aside", tag = "aside", security(("administrator" = [])),
    responses((status = 200, body = Vec<AsideView>), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting, language: Language) -> Result<Json<Vec<AsideView>>, Problem> {
    let units = blocking(move || app.aside()).await?;
    Ok(Json(units.iter().map(|unit| view(unit, words::of(language))).collect()))
}

/// Which unit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitAsked {
    /// Its name from the list.
    unit: String,
}

/// What a unit holds, as far as this server has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsideContentView {
    /// Receipts and other documents of the POS as they came, at most 50: money in kopecks,
    /// quantities in thousandths.
    #[schema(value_type = Vec<Object>)]
    pub documents: Vec<Value>,
    /// Records of shifts, as texts.
    pub shifts: Vec<String>,
    /// Documents and records that are not told.
    pub more: u64,
    /// What is no receipt, as it came, at most 16 KiB.
    pub text: Option<String>,
    /// Whether that is its beginning alone.
    pub is_cut: bool,
    /// The load whose file it is: see `/api/v1/loads/{id}/file`.
    pub load: Option<i64>,
}

/// What a unit holds: receipts where it reads as such, else its text. Of a unit on a till nothing
/// but what the till has sent.
#[utoipa::path(get, path = "/api/v1/aside/content", tag = "aside", security(("administrator" = [])), params(UnitAsked),
    responses((status = 200, body = AsideContentView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn content(
    app: Acting,
    language: Language,
    Query(asked): Query<UnitAsked>,
) -> Result<Json<AsideContentView>, Problem> {
    let id = asked.unit.parse().map_err(|error: UnknownAside| RequestFault::NamesNothingAside { text: error.text })?;
    let AsideContent { content, items } = blocking(move || app.aside_content(&id)).await?;
    let told = |one: &AsideDocument| {
        let mut told = receipts::document(&one.document, &items);
        told["reason"] = one.reason.as_ref().map(|reason| words::of(language).reason(reason)).into();
        told["received_at"] = one.received_at.map(|at| at.to_string()).into();
        told
    };
    Ok(Json(AsideContentView {
        documents: content.documents.iter().map(told).collect(),
        shifts: content.shifts,
        more: content.more,
        text: content.text,
        is_cut: content.is_cut,
        load: content.load.map(|load| load.0),
    }))
}

/// Tries units again, from the beginning. What fails for one does not stop the others.
#[utoipa::path(post, path = "/api/v1/aside/retry", tag = "aside", security(("administrator" = [])), request_body = AsideAsked,
    responses((status = 200, body = Vec<SettledView>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn retry(
    app: Acting,
    language: Language,
    Json(asked): Json<AsideAsked>,
) -> Result<Json<Vec<SettledView>>, Problem> {
    settle(app, AsideAction::Retry, language, asked).await
}

/// Drops units for good, by their names only: `till:<till>` can be tried again, not dropped. What
/// fails for one does not stop the others.
#[utoipa::path(post, path = "/api/v1/aside/drop", tag = "aside", security(("administrator" = [])), request_body = AsideAsked,
    responses((status = 200, body = Vec<SettledView>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn drop(
    app: Acting,
    language: Language,
    Json(asked): Json<AsideAsked>,
) -> Result<Json<Vec<SettledView>>, Problem> {
    settle(app, AsideAction::Drop, language, asked).await
}

async fn settle(
    app: Acting,
    action: AsideAction,
    language: Language,
    asked: AsideAsked,
) -> Result<Json<Vec<SettledView>>, Problem> {
    if asked.units.is_empty() || asked.units.len() > MAX_SETTLED {
        return Err(RequestFault::NamesNoUnits { max: MAX_SETTLED }.into());
    }
    let ids: Result<Vec<AsideId>, _> = asked.units.iter().map(|text| text.parse()).collect();
    let ids = ids.map_err(|error: UnknownAside| RequestFault::NamesNothingAside { text: error.text })?;
    blocking(move || {
        let mut settled = app.settle(action, ids)?;
        let views = settled.iter().map(|one| settled_view(one, words::of(language))).collect();
        match (settled.pop().map(|last| last.outcome), settled.is_empty()) {
            // One that was asked for alone has an answer of its own.
            (Some(Err(error)), true) => Err(AppError::Aside(error)),
            _ => Ok(views),
        }
    })
    .await
    .map(Json)
}

/// What of a till was seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenUntil {
    /// The time of the newest finding that was seen, UTC; none: now. What was found later stays.
    pub until: Option<Timestamp>,
}

/// Somebody has seen what was found about a till (its id on two machines, an old image restored):
/// it needs no look any more.
#[utoipa::path(post, path = "/api/v1/tills/{id}/acknowledge", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>"),
        ("until" = Option<String>, Query, description = "time of the newest finding that was seen, UTC; now where it is left out")),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn acknowledge(
    app: Acting,
    Path(id): Path<String>,
    Query(seen): Query<SeenUntil>,
) -> Result<StatusCode, Problem> {
    blocking(move || app.acknowledge(&id, seen.until)).await?;
    Ok(StatusCode::NO_CONTENT)
}
