//! The page for a shop's administrator: tills, deliveries, loads, sales by shift.
//!
//! Promises: it shows what the server knows at the moment it is asked, names why something waits,
//! renews itself, and needs no script from elsewhere. Templates stand in `templates/`, words in
//! `i18n/`; this module turns an [`Overview`] (plain data, gathered by a [`PageSource`]) into
//! HTML. The few things that a person can do here are plain forms that only this page can send.

mod act;
mod attention;
mod language;
mod render;
mod source;
mod view;

pub use language::Language;
pub use render::{RenderError, Renderer};
pub use source::ServerSource;
pub use view::{
    AsideView, Attention, AttentionSort, BrokerView, DeliveryView, LoadView, Overview, ProgressView, RejectView,
    ShiftVerdict, ShiftView, TillView,
};

use crate::rest::RestState;
use crate::rest::auth::administrator_only;
use crate::settings::credentials::Credentials;
use act::FormSecret;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tower_http::timeout::TimeoutLayer;

/// Most rows of a table on the first page; what needs attention comes first, the rest is counted
/// below the table.
pub const MAX_ROWS: usize = 200;

/// A page that takes longer is asked for again by then.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// What may be loaded by the page: its own style and script, nothing from elsewhere, nothing
/// inline.
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
    secret: FormSecret,
    /// On which forms act; none: there is nothing to act on.
    server: Option<RestState>,
}

impl WebState {
    /// Reads templates and words; fails only on a defect in them.
    pub fn new(source: Arc<dyn PageSource>) -> Result<Self, RenderError> {
        Ok(Self { source, renderer: Arc::new(Renderer::new()?), secret: FormSecret::generate(), server: None })
    }

    /// Forms act on this server.
    #[must_use]
    pub fn acting_on(self, server: RestState) -> Self {
        Self { server: Some(server), ..self }
    }
}

/// The routes of the page; the caller puts its check of credentials around them.
pub fn router(state: WebState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/fragment", get(fragment))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .merge(act::router())
        .with_state(state)
}

/// The page of a server for its administrator alone, ready to be served. `name` is the server's
/// from its settings.
pub fn protected(state: RestState, name: &str, admin: Arc<Credentials>) -> Result<Router, RenderError> {
    let source = Arc::new(ServerSource::new(name.to_owned(), state.clone()));
    let guard = middleware::from_fn_with_state(admin, administrator_only);
    let deadline = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_DEADLINE);
    Ok(router(WebState::new(source)?.acting_on(state)).layer(deadline).layer(guard))
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

async fn page(State(state): State<WebState>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    overview(state, "page.html", asked, &headers).await
}

async fn fragment(State(state): State<WebState>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    overview(state, "overview.html", asked, &headers).await
}

async fn overview(state: WebState, template: &'static str, asked: Asked, headers: &HeaderMap) -> Response {
    let language = Language::choose(asked.lang.as_deref(), headers);
    let form_token = state.secret.token(headers);
    let gathered = tokio::task::spawn_blocking(move || {
        let overview = Overview { form_token, ..state.source.overview()? };
        Ok::<_, String>(html(StatusCode::OK, state.renderer.render(template, language, &overview)))
    })
    .await;
    match gathered {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => failed(&reason),
        Err(join) => failed(&join.to_string()),
    }
}

/// What a person is told about what was asked for: a key of the words, and the reason where there
/// is one.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    key: &'a str,
    detail: &'a str,
}

fn told(state: &WebState, status: StatusCode, language: Language, answer: &Answer<'_>) -> Response {
    html(status, state.renderer.render("told.html", language, answer))
}

/// A page, with what a browser is told about it. The origin of its forms must be told to this
/// server, so the referrer is not held back from it.
fn html(status: StatusCode, rendered: Result<String, RenderError>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    match rendered {
        Ok(html) => (status, headers, html).into_response(),
        Err(error) => failed(&crate::exchange::told(&error)),
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
