//! The page for a shop's administrator: tills, deliveries, loads, sales by shift.
//!
//! Promises: it shows what the server knows at the moment it is asked, names why something waits, renews itself, and needs
//! no script from elsewhere. Templates stand in `templates/`, words in `i18n/`; this module turns an [`Overview`]
//! (plain data, gathered by a [`PageSource`]) into HTML. Nothing here changes anything on the server.

mod language;
mod render;
mod source;
mod view;

pub use language::Language;
pub use render::{RenderError, Renderer};
pub use source::ServerSource;
pub use view::{
    Attention, BrokerView, DeliveryView, LoadView, Overview, RejectView, ShiftVerdict, ShiftView, TillCondition,
    TillView,
};

use crate::rest::RestState;
use crate::rest::auth::administrator_only;
use crate::settings::credentials::Credentials;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;

/// Most rows of a table on the first page; what needs attention comes first, the rest is counted below the table.
pub const MAX_ROWS: usize = 200;

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// What may be loaded by the page: its own style and script, nothing from elsewhere, nothing inline.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                              img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Gathers what the page shows. Blocking: it is called off the async threads.
pub trait PageSource: Send + Sync + 'static {
    /// The state of everything, now. The error is a sentence for the person who asked.
    fn overview(&self) -> Result<Overview, String>;
}

/// What the page's handlers need.
#[derive(Clone)]
pub struct WebState {
    source: Arc<dyn PageSource>,
    renderer: Arc<Renderer>,
}

impl WebState {
    /// Reads templates and words; fails only on a defect in them.
    pub fn new(source: Arc<dyn PageSource>) -> Result<Self, RenderError> {
        Ok(Self { source, renderer: Arc::new(Renderer::new()?) })
    }
}

/// The routes of the page; the caller puts its check of credentials around them.
pub fn router(state: WebState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/fragment", get(fragment))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .with_state(state)
}

/// The page of a server for its administrator alone, ready to be served. `name` is the server's from its settings.
pub fn protected(state: RestState, name: &str, admin: Arc<Credentials>) -> Result<Router, RenderError> {
    let source = Arc::new(ServerSource::new(name.to_owned(), state));
    let guard = middleware::from_fn_with_state(admin, administrator_only);
    Ok(router(WebState::new(source)?).layer(guard))
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

async fn page(State(state): State<WebState>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    answer(state, "page.html", Language::choose(asked.lang.as_deref(), &headers)).await
}

async fn fragment(State(state): State<WebState>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    answer(state, "overview.html", Language::choose(asked.lang.as_deref(), &headers)).await
}

async fn answer(state: WebState, template: &'static str, language: Language) -> Response {
    let gathered = tokio::task::spawn_blocking(move || {
        let overview = state.source.overview()?;
        state.renderer.render(template, language, &overview).map_err(|error| error.to_string())
    })
    .await;
    match gathered {
        Ok(Ok(html)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (headers, html).into_response()
        }
        Ok(Err(reason)) => failed(&reason),
        Err(join) => failed(&join.to_string()),
    }
}

fn failed(reason: &str) -> Response {
    tracing::error!(reason, "failed to show the page");
    let text = format!("failed to show the page: {reason}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}
