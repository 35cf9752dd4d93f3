//! Attaching a till on the page: a form for a new one, and the code, shown once and large.

use super::act::{Asked, Refusal, failed};
use super::{MAX_ROWS, WebState};
use crate::app::{AppError, NewCode, Wanted};
use crate::rest::attach_codes::{WantedTill, wanted};
use crate::rest::problem::RequestFault;
use crate::words::{self, Reason};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::NodeLevel;
use tillway_service::actor::Caller;
use tillway_service::page::language;

/// The routes of attaching.
pub(super) fn router() -> Router<WebState> {
    Router::new().route("/attach", get(ask).post(make))
}

/// What the form asks with.
#[derive(Debug, Serialize)]
pub(super) struct AttachView {
    pub(super) form_token: String,
    /// Folder names of shops, each with its name.
    pub(super) shops: Vec<(String, String)>,
}

/// What the page of a code shows.
#[derive(Debug, Serialize)]
pub(super) struct CodeView {
    pub(super) till: String,
    pub(super) code: String,
    pub(super) ends_at: Timestamp,
    pub(super) server: String,
}

/// For a till that is there, or for one of this code in a shop.
#[derive(Deserialize)]
struct AttachForm {
    token: String,
    till: Option<String>,
    shop: Option<String>,
    code: Option<String>,
    name: Option<String>,
}

impl AttachForm {
    fn wanted(self) -> Option<Result<Wanted, RequestFault>> {
        let wanted_till = match (self.till, self.shop, self.code) {
            (Some(till), _, _) => WantedTill::There { till },
            (None, Some(shop), Some(code)) => {
                let name = self.name.unwrap_or_default();
                WantedTill::InShop { shop, code: code.trim().to_owned(), name }
            }
            _ => return None,
        };
        Some(wanted(wanted_till))
    }
}

async fn ask(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    let app = state.app.acting_for(caller);
    let nodes = match tokio::task::spawn_blocking(move || app.nodes().list()).await {
        Ok(Ok(nodes)) => nodes,
        Ok(Err(error)) => return failed(&state, StatusCode::CONFLICT, language, &Reason::of(&error)),
        Err(join) => {
            let fault = RequestFault::from(join);
            return failed(&state, StatusCode::INTERNAL_SERVER_ERROR, language, &Reason::of(&fault));
        }
    };
    let shops = nodes.into_iter().filter(|info| info.node.level() == NodeLevel::Shop);
    let mut shops: Vec<_> = shops.map(|info| (info.folder, info.node.name)).collect();
    shops.sort();
    // Who has more shops than a list has room for makes codes by CSV.
    shops.truncate(MAX_ROWS);
    let shown = AttachView { form_token: state.secret.token(&headers), shops };
    state.renderer.answer(StatusCode::OK, "attach.html", language, &shown)
}

async fn make(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<AttachForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let wanted = match form.wanted() {
        Some(Ok(wanted)) => wanted,
        Some(Err(fault)) => return failed(&state, StatusCode::BAD_REQUEST, language, &Reason::of(&fault)),
        None => return Refusal::Gone.answer(&state, language),
    };
    let app = state.app.acting_for(caller);
    let made = tokio::task::spawn_blocking(move || app.nodes().make_codes(&[wanted], None)).await;
    match made.map(|made| made.map(|mut codes| codes.pop())) {
        Ok(Ok(Some(NewCode { till, code, ends_at, server }))) => {
            let code = code.to_string();
            let shown =
                CodeView { till: till.folder, code, ends_at, server: server.unwrap_or_else(|| "…".to_owned()) };
            state.renderer.answer(StatusCode::OK, "code.html", language, &shown)
        }
        Ok(Ok(None)) => Refusal::Gone.answer(&state, language),
        Ok(Err(error)) => not_made(&state, language, &error),
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(&state, StatusCode::INTERNAL_SERVER_ERROR, language, &Reason::of(&fault))
        }
    }
}

fn not_made(state: &WebState, language: words::Language, error: &AppError) -> Response {
    tracing::warn!(error = crate::error_chain(error), "no code was made");
    failed(state, StatusCode::CONFLICT, language, &Reason::of(error))
}
