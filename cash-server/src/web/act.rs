//! What a person can do on the page: try set-aside units again or drop them, and acknowledge what
//! was found about a till.
//!
//! Plain forms, no script, which only this page can send
//! ([`FormSecret`](tillway_service::page::FormSecret)).

use super::WebState;
use crate::app::{Acting, AppError};
use crate::aside::AsideId;
use crate::rest::problem::RequestFault;
use crate::words::{self, Language, Reason};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::TillId;
use tillway_proto::command::AsideAction;
use tillway_service::actor::Caller;
use tillway_service::page::{FormRefusal, Outcome, language};

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
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) lang: Option<String>,
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
    form_token: &'a str,
}

async fn settle(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<AsideForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let (Ok(id), Some(action)) = (form.unit.parse::<AsideId>(), form.action) else {
        return Refusal::Gone.answer(&state, language);
    };
    acted(&state, caller, language, move |app| {
        app.settle(action, vec![id])?.into_iter().try_for_each(|one| one.outcome.map(drop).map_err(AppError::Aside))
    })
    .await
}

/// A yes or a no to a held load, whose effect stands beside the buttons.
async fn decide_held(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<HeldForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let Ok(AsideId::Load(load)) = form.unit.parse::<AsideId>() else { return Refusal::Gone.answer(&state, language) };
    let approve = form.decision == Decision::Approve;
    acted(&state, caller, language, move |app| app.decide_held(load, approve).map(drop)).await
}

/// Dropping is for good, so it is asked for twice.
async fn confirm(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<AsideForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    // What it is comes from the list, not with the form: a reason may be long, and the list is
    // what is settled.
    let Ok(id) = form.unit.parse::<AsideId>() else { return Refusal::Gone.answer(&state, language) };
    let app = state.app.acting_for(caller);
    let Ok(Ok(list)) = tokio::task::spawn_blocking(move || app.aside_shown()).await else {
        return Refusal::Gone.answer(&state, language);
    };
    let Some(unit) = list.units.iter().find(|unit| unit.id == id && unit.droppable) else {
        return Refusal::Gone.answer(&state, language);
    };
    let reason = words::of(language).reason(&unit.reason);
    let shown =
        Confirm { unit: &form.unit, sort: unit.sort, name: &unit.name, reason: &reason, form_token: &form.token };
    state.renderer.answer(StatusCode::OK, "confirm.html", language, &shown)
}

async fn acknowledge(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<AcknowledgeForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let Ok(till) = form.till.parse::<TillId>() else { return Refusal::Gone.answer(&state, language) };
    acted(&state, caller, language, move |app| app.acknowledge(till.as_str(), form.until)).await
}

async fn seen(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<SeenForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let ids: Vec<i64> = form.notice.into_iter().collect();
    let up_to = form.up_to.filter(|_| ids.is_empty());
    acted(&state, caller, language, move |app| app.see_notices(&ids, up_to).map(drop)).await
}

/// Does it off the async threads, then leads back to the page, or tells why it failed.
async fn acted(
    state: &WebState,
    caller: Caller,
    language: Language,
    act: impl FnOnce(&Acting) -> Result<(), AppError> + Send + 'static,
) -> Response {
    let app = state.app.acting_for(caller);
    match tokio::task::spawn_blocking(move || act(&app)).await {
        Ok(Ok(())) => Redirect::to(&format!("/?lang={}", language.code())).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(error = crate::error_chain(&error), "what was asked for on the page was not done");
            failed(state, StatusCode::CONFLICT, language, &Reason::of(&error))
        }
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(state, StatusCode::INTERNAL_SERVER_ERROR, language, &Reason::of(&fault))
        }
    }
}

pub(super) fn failed(state: &WebState, status: StatusCode, language: Language, why: &Reason) -> Response {
    let detail = words::of(language).reason(why);
    state.renderer.outcome(status, language, &Outcome { answer: "failed", detail: &detail })
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The form is not one of this page.
    Form(FormRefusal),
    /// What it names cannot be.
    Gone,
}

impl From<FormRefusal> for Refusal {
    fn from(refusal: FormRefusal) -> Self {
        Self::Form(refusal)
    }
}

impl Refusal {
    pub(super) fn answer(self, state: &WebState, language: Language) -> Response {
        let (status, answer) = match self {
            Self::Form(FormRefusal::OtherSite) => (StatusCode::FORBIDDEN, "other-site"),
            Self::Form(FormRefusal::Stale) => (StatusCode::FORBIDDEN, "stale-page"),
            Self::Gone => (StatusCode::NOT_FOUND, "gone"),
        };
        state.renderer.outcome(status, language, &Outcome { answer, detail: "" })
    }
}
