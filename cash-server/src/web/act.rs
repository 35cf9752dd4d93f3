//! What a person can do on the pages: try set-aside units again or drop them, say yes or no to a
//! held load, acknowledge what was found about a till, park it, ask it for something.
//!
//! Plain forms, no script, which only these pages can send
//! ([`FormSecret`](tillway_service::page::FormSecret)). What is done leads back to where the form
//! stood.

use super::WebState;
use super::pages::{Made, failed, step};
use super::people::blocking;
use super::reader::Reader;
use crate::app::{Acting, AppError, BulkAct};
use crate::aside::AsideId;
use crate::rest::problem::{RequestFault, status_of};
use crate::words::{Language, Reason};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::TillId;
use tillway_proto::command::AsideAction;
use tillway_service::page::{Crumb, FormRefusal, Outcome};

/// A form of the page: a token, the name of one unit and a word.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The routes of actions.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/aside", post(settle))
        .route("/aside/confirm", post(confirm))
        .route("/held", post(decide_held))
        .route("/acknowledge", post(acknowledge))
        .route("/notices/seen", post(seen))
        .route("/till/act", post(act_on_till))
        .route("/till/end-code", post(end_code))
        .route("/finding/close", post(close_finding))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

#[derive(Deserialize)]
struct AsideForm {
    token: String,
    unit: String,
    action: Option<AsideAction>,
}

#[derive(Deserialize)]
struct HeldForm {
    token: String,
    unit: String,
    decision: Decision,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Refuse,
}

#[derive(Deserialize)]
struct AcknowledgeForm {
    token: String,
    till: String,
    until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct TillForm {
    token: String,
    till: String,
    #[serde(default)]
    act: String,
}

#[derive(Deserialize)]
struct FindingForm {
    token: String,
    finding: i64,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
struct SeenForm {
    token: String,
    /// One notice; none: all up to `up_to`.
    notice: Option<i64>,
    up_to: Option<i64>,
}

/// What the page of confirmation shows.
#[derive(Serialize)]
struct Confirm<'a> {
    unit: &'a str,
    sort: &'a str,
    name: &'a str,
    reason: &'a str,
    back: String,
}

async fn settle(State(state): State<WebState>, reader: Reader, Form(form): Form<AsideForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let (Ok(id), Some(action)) = (form.unit.parse::<AsideId>(), form.action) else {
        return gone(&state, &reader);
    };
    acted(&state, &reader, "/findings", move |app| {
        app.settle(action, vec![id])?.into_iter().try_for_each(|one| one.outcome.map(drop).map_err(AppError::Aside))
    })
    .await
}

/// A yes or a no to a held load, whose effect stands beside the buttons.
async fn decide_held(State(state): State<WebState>, reader: Reader, Form(form): Form<HeldForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let Ok(AsideId::Load(load)) = form.unit.parse::<AsideId>() else { return gone(&state, &reader) };
    let approve = form.decision == Decision::Approve;
    let back = reader.back_or("/findings");
    match blocking(&state, &reader, move |app| app.decide_held(load, approve)).await {
        // From its page on to the load that carries it out.
        Ok(Some(again)) if back.starts_with("/loads/") => Redirect::to(&format!("/loads/{}", again.0)).into_response(),
        Ok(_) => Redirect::to(&back).into_response(),
        Err(response) => response,
    }
}

/// Dropping is for good, so it is asked for twice.
async fn confirm(State(state): State<WebState>, reader: Reader, Form(form): Form<AsideForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    // What it is comes from the list, not with the form: a reason may be long, and the list is
    // what is settled.
    let Ok(id) = form.unit.parse::<AsideId>() else { return gone(&state, &reader) };
    let app = reader.app(&state);
    let Ok(Ok(list)) = tokio::task::spawn_blocking(move || app.aside_shown()).await else {
        return gone(&state, &reader);
    };
    let Some(unit) = list.units.iter().find(|unit| unit.id == id && unit.droppable) else {
        return gone(&state, &reader);
    };
    let body = Confirm {
        unit: &form.unit,
        sort: unit.sort,
        name: &unit.name,
        reason: &reader.words().reason(&unit.reason),
        back: reader.back_or("/findings"),
    };
    let words = reader.words();
    let crumbs =
        vec![Crumb::to(words.text("nav-findings", []), "/findings"), Crumb::here(words.text("drop-confirm", []))];
    step(&state, &reader, "findings", "confirm.html", Made { crumbs, body })
}

async fn acknowledge(State(state): State<WebState>, reader: Reader, Form(form): Form<AcknowledgeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let Ok(till) = form.till.parse::<TillId>() else { return gone(&state, &reader) };
    acted(&state, &reader, "/findings", move |app| app.acknowledge(till.as_str(), form.until)).await
}

async fn seen(State(state): State<WebState>, reader: Reader, Form(form): Form<SeenForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let ids: Vec<i64> = form.notice.into_iter().collect();
    let up_to = form.up_to.filter(|_| ids.is_empty());
    acted(&state, &reader, "/loads", move |app| app.see_notices(&ids, up_to).map(drop)).await
}

/// One thing with one till, as with many of them.
async fn act_on_till(State(state): State<WebState>, reader: Reader, Form(form): Form<TillForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let (Ok(till), Some(act)) = (form.till.parse::<TillId>(), BulkAct::of_word(&form.act)) else {
        return gone(&state, &reader);
    };
    acted(&state, &reader, "/tills", move |app| {
        let done = app.bulk(&act, vec![till.to_string()])?;
        done.into_iter().try_for_each(|one| one.outcome.map(drop))
    })
    .await
}

async fn close_finding(State(state): State<WebState>, reader: Reader, Form(form): Form<FindingForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/findings", move |app| app.close_finding(form.finding, form.note.trim())).await
}

async fn end_code(State(state): State<WebState>, reader: Reader, Form(form): Form<TillForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let Ok(till) = form.till.parse::<TillId>() else { return gone(&state, &reader) };
    acted(&state, &reader, "/tills", move |app| app.nodes().end_code(till.as_str()).map(drop)).await
}

/// Does it off the async threads, then leads back to the page, or tells why it failed.
pub(super) async fn acted(
    state: &WebState,
    reader: &Reader,
    otherwise: &str,
    act: impl FnOnce(&Acting) -> Result<(), AppError> + Send + 'static,
) -> Response {
    let app = reader.app(state);
    match tokio::task::spawn_blocking(move || act(&app)).await {
        Ok(Ok(())) => Redirect::to(&reader.back_or(otherwise)).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(error = crate::error_chain(&error), "what was asked for on the page was not done");
            failed(state, reader, status_of(&error), &Reason::of(&error))
        }
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(state, reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&fault))
        }
    }
}

/// Whether a form is one of these pages; the answer where it is not.
pub(super) fn judged(state: &WebState, reader: &Reader, token: &str) -> Result<(), Box<Response>> {
    judged_in(state, reader.language, &reader.headers, token)
}

/// The same before it is known who sends it.
pub(super) fn judged_in(
    state: &WebState,
    language: Language,
    headers: &HeaderMap,
    token: &str,
) -> Result<(), Box<Response>> {
    state.secret.judge(token, headers).map_err(|refusal| {
        let answer = match refusal {
            FormRefusal::OtherSite => "other-site",
            FormRefusal::Stale => "stale-page",
        };
        Box::new(state.renderer.outcome(StatusCode::FORBIDDEN, language, &Outcome { answer, detail: "" }))
    })
}

/// What a form names cannot be.
pub(super) fn gone(state: &WebState, reader: &Reader) -> Response {
    state.renderer.outcome(StatusCode::NOT_FOUND, reader.language, &Outcome { answer: "gone", detail: "" })
}
