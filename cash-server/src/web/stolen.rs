//! A till that was stolen or lost, on the page: what that means, one click that shuts it out, and
//! the code for the machine that takes its place.

use super::WebState;
use super::act::{gone, judged};
use super::pages::{Made, failed, step};
use super::reader::Reader;
use crate::app::{Acting, AppError};
use crate::rest::problem::{RequestFault, status_of};
use crate::words::Reason;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::TillId;
use tillway_service::page::Crumb;

/// The routes of a stolen till.
pub(super) fn router() -> Router<WebState> {
    Router::new().route("/stolen/confirm", post(confirm)).route("/stolen", post(shut_out))
}

/// What its page shows, before the click and after it.
#[derive(Debug, Serialize)]
pub(super) struct StolenView {
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

async fn confirm(State(state): State<WebState>, reader: Reader, Form(form): Form<TillForm>) -> Response {
    show(&state, &reader, form, false).await
}

async fn shut_out(State(state): State<WebState>, reader: Reader, Form(form): Form<TillForm>) -> Response {
    show(&state, &reader, form, true).await
}

/// The page of a till, which is shut out before where `acts` is set.
async fn show(state: &WebState, reader: &Reader, form: TillForm, acts: bool) -> Response {
    if let Err(refusal) = judged(state, reader, &form.token) {
        return *refusal;
    }
    let Ok(till) = form.till.parse::<TillId>() else { return gone(state, reader) };
    let app = reader.app(state);
    let shown = tokio::task::spawn_blocking(move || view(&app, &till, acts)).await;
    match shown {
        Ok(Ok(view)) => {
            let address = format!("/tills/{}", view.name);
            let crumbs = vec![
                Crumb::to(reader.words().text("tills", []), "/tills"),
                Crumb::to(view.name.clone(), address),
                Crumb::here(reader.words().text("stolen", [])),
            ];
            step(state, reader, "tills", "stolen.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => {
            tracing::warn!(error = crate::error_chain(&error), "a till was not shut out");
            failed(state, reader, status_of(&error), &Reason::of(&error))
        }
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(state, reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&fault))
        }
    }
}

fn view(app: &Acting, till: &TillId, acts: bool) -> Result<StolenView, AppError> {
    let node = if acts { app.nodes().shut_out(till.as_str())? } else { app.nodes().show(till.as_str())? };
    // What it said last is true of its disk; what the server asked for since does not change it.
    let contact = app.till(till.as_str())?.status.record.contact.clone();
    Ok(StolenView {
        till: till.to_string(),
        name: node.folder,
        last_contact: contact.as_ref().map(|contact| contact.last_at),
        unsent_documents: contact.and_then(|contact| contact.state.unsent_documents),
        is_out: acts,
    })
}
