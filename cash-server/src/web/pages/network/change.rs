//! What can be done with a node: add one below it, rename, move, remove it after a question.

use super::super::super::act::{acted, judged};
use super::super::{Made, Reader, WebState, failed, not_shown, step};
use crate::app::{Acting, AppError, NodeChange};
use crate::rest::problem::RequestFault;
use crate::words::Reason;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tillway_proto::{NodeCode, NodeId, NodeLevel};
use tillway_service::page::Crumb;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/network/do/add", post(add))
        .route("/network/do/rename", post(rename))
        .route("/network/do/move", post(move_node))
        .route("/network/do/remove", post(remove))
        .route("/network/do/ask-remove", post(ask_remove))
}

#[derive(Deserialize)]
struct NodeForm {
    token: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    name: String,
}

async fn add(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let code = form.code.trim().to_owned();
    let (Ok(level), Ok(code)) = (form.level.parse::<NodeLevel>(), code.parse::<NodeCode>()) else {
        let why = Reason::of(&RequestFault::NoCode { text: code });
        return failed(&state, &reader, StatusCode::BAD_REQUEST, &why);
    };
    acted(&state, &reader, "/network", move |app| {
        app.nodes().create(&form.parent, level, &code, form.name.trim()).map(drop)
    })
    .await
}

async fn rename(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    change(state, reader, form, |form, app| {
        let change = NodeChange { name: Some(form.name.trim()), ..NodeChange::default() };
        app.nodes().change(&form.node, &change).map(drop)
    })
    .await
}

async fn move_node(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    change(state, reader, form, |form, app| {
        let change = NodeChange { parent: Some(&form.parent), ..NodeChange::default() };
        app.nodes().change(&form.node, &change).map(drop)
    })
    .await
}

async fn change(
    state: WebState,
    reader: Reader,
    form: NodeForm,
    change: fn(&NodeForm, &Acting) -> Result<(), AppError>,
) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/network", move |app| change(&form, app)).await
}

/// What the question before a removal shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct RemoveView {
    pub(in super::super) folder: String,
    pub(in super::super) name: String,
    pub(in super::super) level: NodeLevel,
    /// What hangs below it; only a node without any can go.
    pub(in super::super) below: u64,
    /// Documents that a till had not brought, where it said so.
    pub(in super::super) unsent: Option<u64>,
    pub(in super::super) back: String,
}

async fn ask_remove(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let app = reader.app(&state);
    let asked = tokio::task::spawn_blocking(move || {
        let info = app.nodes().show(&form.node)?;
        let all = app.nodes().list()?;
        let is_below =
            |one: &&crate::app::NodeInfo| one.parent.as_ref().is_some_and(|(parent, _)| *parent == info.node.id);
        let unsent = match &info.node.id {
            NodeId::Till(till) => {
                let contact = app.till(till.as_str())?.status.record.contact.clone();
                contact.and_then(|contact| contact.state.unsent_documents)
            }
            _ => None,
        };
        let below = all.iter().filter(is_below).count() as u64;
        let (level, name) = (info.node.level(), info.node.name.clone());
        let back = match level {
            NodeLevel::Till => format!("/tills/{}", info.folder),
            _ => format!("/network/{}", info.folder),
        };
        Ok::<_, AppError>(RemoveView { folder: info.folder, name, level, below, unsent, back })
    });
    match asked.await {
        Ok(Ok(view)) => {
            let words = reader.words();
            let crumbs = vec![
                Crumb::to(words.text("nav-network", []), "/network"),
                Crumb::to(view.folder.clone(), view.back.clone()),
                Crumb::here(words.text("node-remove", [])),
            ];
            step(&state, &reader, "network", "network_remove.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

async fn remove(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/network", move |app| app.nodes().remove(&form.node).map(drop)).await
}
