//! A till that was stolen or lost, on the page: what that means, one click that shuts it out, and
//! the code for the machine that takes its place.

use super::WebState;
use super::act::{Asked, Refusal, failed};
use crate::app::{Acting, AppError};
use crate::rest::problem::RequestFault;
use crate::words::{Language, Reason};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::TillId;
use tillway_service::actor::Caller;
use tillway_service::page::language;

/// The routes of a stolen till.
pub(super) fn router() -> Router<WebState> {
    Router::new().route("/stolen/confirm", post(confirm)).route("/stolen", post(shut_out))
}

/// What its page shows, before the click and after it.
#[derive(Debug, Serialize)]
pub(super) struct StolenView {
    pub(super) form_token: String,
    /// Its id.
    pub(super) till: String,
    /// Its folder name, as people know it.
    pub(super) name: String,
    /// When it was last heard of.
    pub(super) last_contact: Option<Timestamp>,
    /// Finished documents that it had not brought then; none where that is not known.
    pub(super) unsent_documents: Option<u64>,
    /// It is shut out.
    pub(super) is_out: bool,
}

#[derive(Deserialize)]
struct TillForm {
    token: String,
    till: String,
}

async fn confirm(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<TillForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    show(&state, caller, language, &headers, form, false).await
}

async fn shut_out(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<TillForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    show(&state, caller, language, &headers, form, true).await
}

/// The page of a till, which is shut out before where `acts` is set.
async fn show(
    state: &WebState,
    caller: Caller,
    language: Language,
    headers: &HeaderMap,
    form: TillForm,
    acts: bool,
) -> Response {
    if let Err(refusal) = state.secret.judge(&form.token, headers) {
        return Refusal::from(refusal).answer(state, language);
    }
    let Ok(till) = form.till.parse::<TillId>() else { return Refusal::Gone.answer(state, language) };
    let app = state.app.acting_for(caller);
    let shown = tokio::task::spawn_blocking(move || view(&app, &till, form.token, acts)).await;
    match shown {
        Ok(Ok(view)) => state.renderer.answer(StatusCode::OK, "stolen.html", language, &view),
        Ok(Err(error)) => {
            tracing::warn!(error = crate::error_chain(&error), "a till was not shut out");
            failed(state, StatusCode::CONFLICT, language, &Reason::of(&error))
        }
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(state, StatusCode::INTERNAL_SERVER_ERROR, language, &Reason::of(&fault))
        }
    }
}

fn view(app: &Acting, till: &TillId, form_token: String, acts: bool) -> Result<StolenView, AppError> {
    let node = if acts { app.nodes().shut_out(till.as_str())? } else { app.nodes().show(till.as_str())? };
    // What it said last is true of its disk; what the server asked for since does not change it.
    let contact = app.till(till.as_str())?.status.record.contact.clone();
    Ok(StolenView {
        form_token,
        till: till.to_string(),
        name: node.folder,
        last_contact: contact.as_ref().map(|contact| contact.last_at),
        unsent_documents: contact.and_then(|contact| contact.state.unsent_documents),
        is_out: acts,
    })
}
