//! What a person can do on the page: try set-aside units again or drop them, and acknowledge what
//! was found about a till.
//!
//! Plain forms, no script. A browser sends the administrator's credentials along with whatever
//! another site has it send, so a request must come from this page: by what the browser says of
//! its origin, and by a token that stands in the page's forms and depends on the credentials and
//! on a secret of the server. The secret is derived, so a form is good after a restart, and at
//! each of several servers that share their key.

use super::{Outcome, WebState, html, language, outcome_page};
use crate::app::{Acting, AppError};
use crate::aside::AsideId;
use crate::rest::auth;
use crate::settings::proof_key::ProofKey;
use crate::words::{Language, Words};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::TillId;
use tillway_proto::command::AsideAction;
use tillway_service::actor::Caller;

/// A form of the page: a token, the name of one unit and a word.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// What the secret is derived for.
const FORMS: &str = "tillway cash-server 2026 tokens of the page's forms";

/// The secret of the server that tokens of forms are made with.
#[derive(Clone)]
pub struct FormSecret([u8; 32]);

impl FormSecret {
    /// Derived from the server's own key.
    pub fn of(key: &ProofKey) -> Self {
        Self(blake3::derive_key(FORMS, key.bytes()))
    }

    /// The token for whoever sent these headers.
    pub(super) fn token(&self, headers: &HeaderMap) -> String {
        let who = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        blake3::keyed_hash(&self.0, who).to_hex().to_string()
    }

    /// Whether the token is that of whoever sent these headers. Compared in constant time.
    fn accepts(&self, token: &str, headers: &HeaderMap) -> bool {
        let who = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        blake3::Hash::from_hex(token).is_ok_and(|token| token == blake3::keyed_hash(&self.0, who))
    }
}

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
    lang: Option<String>,
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
    if let Err(refusal) = from_this_page(&state, &form.token, &headers) {
        return refusal.answer(&state, language);
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
    if let Err(refusal) = from_this_page(&state, &form.token, &headers) {
        return refusal.answer(&state, language);
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
    if let Err(refusal) = from_this_page(&state, &form.token, &headers) {
        return refusal.answer(&state, language);
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
    let reason = Words::of(language).reason(&unit.reason);
    let shown =
        Confirm { unit: &form.unit, sort: unit.sort, name: &unit.name, reason: &reason, form_token: &form.token };
    html(StatusCode::OK, state.renderer.render("confirm.html", language, &shown))
}

async fn acknowledge(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<AcknowledgeForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = from_this_page(&state, &form.token, &headers) {
        return refusal.answer(&state, language);
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
    if let Err(refusal) = from_this_page(&state, &form.token, &headers) {
        return refusal.answer(&state, language);
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
            let reason = crate::error_chain(&error);
            outcome_page(state, StatusCode::CONFLICT, language, &Outcome { answer: "failed", detail: &reason })
        }
        Err(join) => {
            let reason = join.to_string();
            outcome_page(
                state,
                StatusCode::INTERNAL_SERVER_ERROR,
                language,
                &Outcome { answer: "failed", detail: &reason },
            )
        }
    }
}

/// Why a form is not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Another site sent it, or the browser does not say who.
    OtherSite,
    /// The page is of before this process, or of other credentials.
    Stale,
    /// What it names cannot be.
    Gone,
}

impl Refusal {
    fn answer(self, state: &WebState, language: Language) -> Response {
        let (status, answer) = match self {
            Self::OtherSite => (StatusCode::FORBIDDEN, "other-site"),
            Self::Stale => (StatusCode::FORBIDDEN, "stale-page"),
            Self::Gone => (StatusCode::NOT_FOUND, "gone"),
        };
        outcome_page(state, status, language, &Outcome { answer, detail: "" })
    }
}

fn from_this_page(state: &WebState, token: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    if !is_same_origin(headers) {
        return Err(Refusal::OtherSite);
    }
    if state.secret.accepts(token, headers) { Ok(()) } else { Err(Refusal::Stale) }
}

/// Who does not say where it comes from is no browser, and has REST.
fn is_same_origin(headers: &HeaderMap) -> bool {
    auth::is_of_this_site(headers) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_form_of_this_site_is_acted_on() {
        let same = |pairs: &[(&'static str, &str)]| is_same_origin(&headers(pairs));
        assert!(same(&[("sec-fetch-site", "same-origin")]));
        assert!(!same(&[("sec-fetch-site", "cross-site"), ("origin", "http://shop7:8081"), ("host", "shop7:8081")]));
        assert!(!same(&[("sec-fetch-site", "same-site")]));
        assert!(same(&[("origin", "http://shop7:8081"), ("host", "shop7:8081")]));
        assert!(!same(&[("origin", "http://evil:8081"), ("host", "shop7:8081")]));
        assert!(!same(&[("origin", "null"), ("host", "shop7:8081")]));
        assert!(!same(&[("host", "shop7:8081")]));
    }

    #[test]
    fn a_token_is_good_for_servers_of_one_key_and_one_set_of_credentials() {
        let [one, same, other] = [1, 1, 2].map(|byte| FormSecret::of(&ProofKey::of([byte; 32])));
        let admin = headers(&[("authorization", "Basic YTpi")]);
        let token = one.token(&admin);
        assert!(one.accepts(&token, &admin) && same.accepts(&token, &admin));
        assert!(!other.accepts(&token, &admin));
        assert!(!one.accepts(&token, &headers(&[("authorization", "Basic YTpj")])));
        assert!(!one.accepts("", &admin));
    }
}
