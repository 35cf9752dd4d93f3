//! Attaching a till on the page: a form for a new one, and the code, shown once and large.

use super::WebState;
use super::act::{gone, judged};
use super::pages::{MAX_ROWS, Made, failed, step};
use super::reader::Reader;
use crate::app::{AppError, NewCode, Wanted};
use crate::rest::attach_codes::{WantedTill, wanted};
use crate::rest::problem::{RequestFault, status_of};
use crate::words::Reason;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::NodeLevel;
use tillway_service::page::Crumb;

/// The routes of attaching.
pub(super) fn router() -> Router<WebState> {
    Router::new().route("/attach", get(ask).post(make))
}

/// What the page may be asked for with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    shop: String,
}

/// What the form asks with.
#[derive(Debug, Serialize)]
pub(super) struct AttachView {
    /// Folder names of shops, each with its name.
    pub(super) shops: Vec<(String, String)>,
    /// The one that was asked for.
    pub(super) shop: String,
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

async fn ask(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    let app = reader.app(&state);
    let nodes = match tokio::task::spawn_blocking(move || app.nodes().list()).await {
        Ok(Ok(nodes)) => nodes,
        Ok(Err(error)) => return failed(&state, &reader, status_of(&error), &Reason::of(&error)),
        Err(join) => {
            let fault = RequestFault::from(join);
            return failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&fault));
        }
    };
    let shops = nodes.into_iter().filter(|info| info.node.level() == NodeLevel::Shop);
    let mut shops: Vec<_> = shops.map(|info| (info.folder, info.node.name)).collect();
    shops.sort();
    // Who has more shops than a list has room for makes codes by CSV.
    shops.truncate(MAX_ROWS);
    let crumbs = crumbs(&reader, reader.words().text("attach-new", []));
    step(&state, &reader, "tills", "attach.html", Made { crumbs, body: AttachView { shops, shop: asked.shop } })
}

async fn make(State(state): State<WebState>, reader: Reader, Form(form): Form<AttachForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let wanted = match form.wanted() {
        Some(Ok(wanted)) => wanted,
        Some(Err(fault)) => return failed(&state, &reader, StatusCode::BAD_REQUEST, &Reason::of(&fault)),
        None => return gone(&state, &reader),
    };
    let app = reader.app(&state);
    let made = tokio::task::spawn_blocking(move || app.nodes().make_codes(&[wanted], None)).await;
    match made.map(|made| made.map(|mut codes| codes.pop())) {
        Ok(Ok(Some(NewCode { till, code, ends_at, server }))) => {
            let code = code.to_string();
            let crumbs = crumbs(&reader, till.folder.clone());
            let body =
                CodeView { till: till.folder, code, ends_at, server: server.unwrap_or_else(|| "…".to_owned()) };
            step(&state, &reader, "tills", "code.html", Made { crumbs, body })
        }
        Ok(Ok(None)) => gone(&state, &reader),
        Ok(Err(error)) => not_made(&state, &reader, &error),
        Err(join) => {
            let fault = RequestFault::from(join);
            failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&fault))
        }
    }
}

fn crumbs(reader: &Reader, here: String) -> Vec<Crumb> {
    vec![Crumb::to(reader.words().text("tills", []), "/tills"), Crumb::here(here)]
}

fn not_made(state: &WebState, reader: &Reader, error: &AppError) -> Response {
    tracing::warn!(error = crate::error_chain(error), "no code was made");
    failed(state, reader, status_of(error), &Reason::of(error))
}
