//! The pages of this server, a file each, with what stands around all of them.
//!
//! A page gathers what is known ([`Gathered`]), makes plain data of it, and has a template over
//! those. Its parts, where it has any, are sent once more as they change to whoever has the page
//! open: the same address, asked for as a stream of events ([`tillway_service::page::Live`]).

mod audit;
mod bulk;
mod findings;
mod good;
mod goods;
mod load;
mod loads;
mod log;
mod network;
mod overview;
mod report;
mod sales;
mod server;
mod till;
mod tills;
mod timeline;
mod unit;
mod units;

#[cfg(test)]
mod tests;

use super::WebState;
use super::csv::Csv;
use super::reader::Reader;
use super::source::{Gathered, gather};
use crate::app::{Act, Acting, AppError};
use crate::rest::problem::{Problem, RequestFault};
use crate::words::{self, Language, Reason, Words};
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use tillway_service::page::{Crumb, Frame, NavItem, Outcome, Part, asks_for_events, base_of};

/// Most rows of a table; what needs attention comes first, the rest is counted below the table.
pub(super) const MAX_ROWS: usize = 200;

/// All that can be gone to. A page of its own has its entry here, and the words `nav-<name>`.
const NAVIGATION: [NavItem; 11] = [
    NavItem::new("overview", "/"),
    NavItem::new("network", "/network"),
    NavItem::new("tills", "/tills"),
    NavItem::new("loads", "/loads"),
    NavItem::new("goods", "/goods"),
    NavItem::new("sales", "/sales"),
    NavItem::new("findings", "/findings"),
    NavItem::new("report", "/report"),
    NavItem { begins_group: true, ..NavItem::new("server", "/server") },
    NavItem::new("people", "/people"),
    NavItem::new("audit", "/audit"),
];

/// The routes of all pages.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .merge(overview::router())
        .merge(network::router())
        .merge(tills::router())
        .merge(bulk::router())
        .merge(till::router())
        .merge(loads::router())
        .merge(load::router())
        .merge(goods::router())
        .merge(good::router())
        .merge(sales::router())
        .merge(findings::router())
        .merge(report::router())
        .merge(server::router())
        .merge(log::router())
        .merge(units::router())
        .merge(unit::router())
        .merge(audit::router())
}

/// What a page is, whatever it shows.
#[derive(Debug)]
struct Kind {
    /// The entry of the navigation that it belongs to.
    here: &'static str,
    /// Its template.
    template: &'static str,
    /// What of it renews itself.
    parts: &'static [Part],
}

/// What a page shows.
pub(super) struct Made<V> {
    /// The way to it.
    pub(super) crumbs: Vec<Crumb>,
    pub(super) body: V,
}

/// The same in its frame.
#[derive(Debug, Serialize)]
struct Shown<V> {
    frame: Frame,
    now: Timestamp,
    #[serde(flatten)]
    body: V,
}

/// Answers with a page, or with a stream of what changes on it.
async fn show<V: Serialize>(
    state: WebState,
    reader: Reader,
    kind: &'static Kind,
    make: impl Fn(&Gathered<'_>) -> Result<Made<V>, AppError> + Send + Sync + 'static,
) -> Response {
    let language = reader.language;
    if asks_for_events(&reader.headers) && !kind.parts.is_empty() {
        let live = state.live.clone();
        return live.answer(Arc::new(move || {
            let shown = shown(&state, &reader, kind, &make).map_err(|error| crate::error_chain(&error));
            let parts = shown.and_then(|shown| {
                let parts = state.renderer.parts(kind.parts, language, &shown);
                parts.map_err(|error| crate::error_chain(&error))
            });
            parts.inspect_err(|why| tracing::warn!(why, "failed to renew a page")).ok()
        }));
    }
    let (asking, asked) = (state.clone(), reader.clone());
    let made = tokio::task::spawn_blocking(move || {
        let shown = shown(&asking, &asked, kind, &make)?;
        Ok(asking.renderer.answer(StatusCode::OK, kind.template, language, &shown))
    });
    match made.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

/// Answers with a table that takes a while to gather.
async fn table(
    state: WebState,
    reader: Reader,
    name: &'static str,
    make: impl FnOnce(&Acting, &'static Words) -> Result<Csv, AppError> + Send + 'static,
) -> Response {
    let (app, words) = (reader.app(&state), reader.words());
    match tokio::task::spawn_blocking(move || make(&app, words)).await {
        Ok(Ok(csv)) => csv.answer(name),
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

/// In the place of a page that cannot be shown.
fn not_shown(state: &WebState, reader: &Reader, error: AppError) -> Response {
    let why = Reason::of(&error);
    // The status is the one that REST answers with.
    let status = StatusCode::from_u16(Problem::from(error).status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    failed(state, reader, status, &why)
}

/// A page that says why something was not done.
pub(super) fn failed(state: &WebState, reader: &Reader, status: StatusCode, why: &Reason) -> Response {
    failed_in(state, reader.language, status, why)
}

/// The same before it is known who reads it.
pub(super) fn failed_in(state: &WebState, language: Language, status: StatusCode, why: &Reason) -> Response {
    let detail = words::of(language).reason(why);
    let answer = if status == StatusCode::NOT_FOUND { "gone" } else { "failed" };
    state.renderer.outcome(status, language, &Outcome { answer, detail: &detail })
}

fn shown<V>(
    state: &WebState,
    reader: &Reader,
    kind: &Kind,
    make: &impl Fn(&Gathered<'_>) -> Result<Made<V>, AppError>,
) -> Result<Shown<V>, AppError> {
    let app = reader.app(state);
    let gathered = gather(&app, reader.words())?;
    let Made { crumbs, body } = make(&gathered)?;
    let frame = Frame { renews: !kind.parts.is_empty(), ..frame(state, reader, kind.here, crumbs, Some(&gathered)) };
    Ok(Shown { frame, now: gathered.now, body })
}

/// What stands around a page; with counts where `gathered` has them.
fn frame(
    state: &WebState,
    reader: &Reader,
    here: &'static str,
    crumbs: Vec<Crumb>,
    gathered: Option<&Gathered<'_>>,
) -> Frame {
    let counted = |item: NavItem| match (item.name, gathered) {
        ("tills", Some(gathered)) => NavItem { count: gathered.facts.tills.len() as u64, ..item },
        ("findings", Some(gathered)) => NavItem { count: gathered.attention.len() as u64, is_bad: true, ..item },
        _ => item,
    };
    let app = reader.app(state);
    let may_go = |name: &str| match name {
        "people" => app.may_everywhere(Act::ManagePeople),
        "audit" => app.may_everywhere(Act::ReadAudit),
        _ => true,
    };
    Frame {
        server: state.name.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        navigation: NAVIGATION.into_iter().filter(|item| may_go(item.name)).map(counted).collect(),
        here,
        crumbs,
        base: base_of(&reader.uri),
        token: state.secret.token(&reader.headers),
        renews: false,
    }
}

/// A page in the middle of something, such as a question before it is done.
pub(super) fn step<V: Serialize>(
    state: &WebState,
    reader: &Reader,
    here: &'static str,
    template: &'static str,
    made: Made<V>,
) -> Response {
    in_frame(state, reader, StatusCode::OK, here, template, made)
}

/// The same with a status.
pub(super) fn in_frame<V: Serialize>(
    state: &WebState,
    reader: &Reader,
    status: StatusCode,
    here: &'static str,
    template: &'static str,
    made: Made<V>,
) -> Response {
    let frame = frame(state, reader, here, made.crumbs, None);
    let shown = Shown { frame, now: Timestamp::now(), body: made.body };
    state.renderer.answer(status, template, reader.language, &shown)
}
