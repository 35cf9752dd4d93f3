//! Many units that were set aside: tried again at once, dropped after a question that names them.

use super::super::act::{gone, judged};
use super::super::source;
use super::super::view::AsideView;
use super::{Made, Reader, WebState, failed, gather, not_shown, step};
use crate::app::AppError;
use crate::aside::{AsideId, MAX_SETTLED};
use crate::rest::problem::RequestFault;
use crate::words::Reason;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;
use tillway_proto::command::AsideAction;
use tillway_service::page::Crumb;

/// A form that names [`MAX_SETTLED`] units.
const MAX_UNITS_FORM_BYTES: usize = 512 * 1024;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/aside/many", post(ask))
        .route("/aside/many/drop", post(drop_them))
        .layer(DefaultBodyLimit::max(MAX_UNITS_FORM_BYTES))
}

/// What the page of the question shows, and that of the answer.
#[derive(Debug, Serialize)]
pub(super) struct UnitsView {
    pub(super) is_done: bool,
    pub(super) rows: Vec<UnitRow>,
    pub(super) all: u64,
    pub(super) failed: u64,
}

/// A unit, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct UnitRow {
    pub(super) id: String,
    /// As the list had it; none where it is gone from there.
    pub(super) unit: Option<AsideView>,
    /// What was done, or why not; empty before.
    pub(super) told: String,
    pub(super) is_failed: bool,
}

struct Sent {
    token: String,
    action: Option<AsideAction>,
    units: Vec<AsideId>,
}

impl Sent {
    fn read(form: Vec<(String, String)>) -> Self {
        let mut sent = Self { token: String::new(), action: None, units: Vec::new() };
        for (name, value) in form {
            match (name.as_str(), value.as_str()) {
                ("token", _) => sent.token = value,
                ("action", "retry") => sent.action = Some(AsideAction::Retry),
                ("action", "drop") => sent.action = Some(AsideAction::Drop),
                ("unit", _) => sent.units.extend(value.parse::<AsideId>()),
                _ => {}
            }
        }
        sent.units.truncate(MAX_SETTLED);
        sent
    }
}

async fn ask(State(state): State<WebState>, reader: Reader, Form(form): Form<Vec<(String, String)>>) -> Response {
    let sent = Sent::read(form);
    if let Err(refusal) = judged(&state, &reader, &sent.token) {
        return *refusal;
    }
    match sent.action {
        Some(AsideAction::Retry) => settled(state, reader, AsideAction::Retry, sent.units).await,
        Some(AsideAction::Drop) => question(state, reader, sent.units).await,
        None => gone(&state, &reader),
    }
}

async fn drop_them(State(state): State<WebState>, reader: Reader, Form(form): Form<Vec<(String, String)>>) -> Response {
    let sent = Sent::read(form);
    if let Err(refusal) = judged(&state, &reader, &sent.token) {
        return *refusal;
    }
    settled(state, reader, AsideAction::Drop, sent.units).await
}

/// What would go, by name; what cannot be dropped is left out.
async fn question(state: WebState, reader: Reader, units: Vec<AsideId>) -> Response {
    let (app, words) = (reader.app(&state), reader.words());
    let asked = tokio::task::spawn_blocking(move || {
        let gathered = gather(&app, words)?;
        let listed = gathered.facts.aside.units.iter();
        let chosen = listed.filter(|unit| unit.droppable && unit.ordered.is_none() && units.contains(&unit.id));
        let row = |unit: &crate::aside::AsideUnit| UnitRow {
            id: unit.id.to_string(),
            unit: Some(source::aside_view(&gathered.facts.network, unit, words)),
            told: String::new(),
            is_failed: false,
        };
        let rows: Vec<UnitRow> = chosen.map(row).collect();
        Ok::<_, AppError>(UnitsView { is_done: false, all: rows.len() as u64, failed: 0, rows })
    });
    answered(&state, &reader, asked.await)
}

async fn settled(state: WebState, reader: Reader, action: AsideAction, units: Vec<AsideId>) -> Response {
    let (app, words) = (reader.app(&state), reader.words());
    let done = tokio::task::spawn_blocking(move || {
        // As they are listed before: what is settled is gone from the list.
        let gathered = gather(&app, words)?;
        let mut rows = Vec::new();
        for settled in app.settle(action, units)? {
            let (told, is_failed) = match &settled.outcome {
                Ok(outcome) => (words.reason(&Reason::of(outcome)), false),
                Err(error) => (words.reason(&Reason::of(error)), true),
            };
            for id in settled.ids {
                let unit = gathered.facts.aside.units.iter().find(|unit| unit.id == id);
                let unit = unit.map(|unit| source::aside_view(&gathered.facts.network, unit, words));
                rows.push(UnitRow { id: id.to_string(), unit, told: told.clone(), is_failed });
            }
        }
        rows.sort_by_key(|row| !row.is_failed);
        let failed = rows.iter().filter(|row| row.is_failed).count() as u64;
        Ok::<_, AppError>(UnitsView { is_done: true, all: rows.len() as u64, failed, rows })
    });
    answered(&state, &reader, done.await)
}

fn answered(
    state: &WebState,
    reader: &Reader,
    view: Result<Result<UnitsView, AppError>, tokio::task::JoinError>,
) -> Response {
    match view {
        Ok(Ok(view)) => {
            let words = reader.words();
            let crumbs =
                vec![Crumb::to(words.text("nav-findings", []), "/findings"), Crumb::here(words.text("aside", []))];
            step(state, reader, "findings", "units.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => not_shown(state, reader, error),
        Err(join) => failed(state, reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}
