//! The page for a shop's administrator: tills, deliveries, loads, sales by shift.
//!
//! Promises: it shows what the server knows at the moment it is asked, names why something waits,
//! renews itself, and needs no script from elsewhere. Templates stand in `templates/`, words in
//! [`crate::words`]; this module turns what [`crate::app`] tells into an [`Overview`] (plain data)
//! and that into HTML. The few things that a person can do here are plain forms that only this
//! page can send.

mod act;
mod attention;
mod render;
mod source;
mod view;

pub use act::FormSecret;
#[cfg(test)]
pub(crate) use render::TEMPLATES;
pub use render::{RenderError, Renderer};
pub use view::{
    AsideView, Attention, AttentionSort, BrokerView, DeliveryView, LoadView, Overview, ProgressView, RejectView,
    ShiftVerdict, ShiftView, TaskView, TillView,
};

use crate::app::{App, AppError};
use crate::rest::auth::{Administrator, administrator_only};
use crate::settings::credentials::Credentials;
use crate::words::{Language, Words};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tillway_service::actor::{Caller, Face};
use tower_http::timeout::TimeoutLayer;

/// Most rows of a table on the first page; what needs attention comes first, the rest is counted
/// below the table.
pub const MAX_ROWS: usize = 200;

/// A page that takes longer is asked for again by then.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

const STYLE: &str = include_str!("web/assets/page.css");
const SCRIPT: &str = include_str!("web/assets/page.js");

/// What may be loaded by the page: its own style and script, nothing from elsewhere, nothing
/// inline.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                              img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the page's handlers need.
#[derive(Clone)]
struct WebState {
    app: App,
    /// Of the server.
    name: Arc<str>,
    renderer: Arc<Renderer>,
    secret: FormSecret,
}

/// The page of a server for its administrator alone, ready to be served. `name` is the server's
/// from its settings. Fails only on a defect in templates and words.
pub fn router(app: App, name: &str, admin: Arc<Credentials>, secret: FormSecret) -> Result<Router, RenderError> {
    let renderer = Arc::new(Renderer::new()?);
    let state = WebState { app, name: name.into(), renderer, secret };
    let guard = Administrator { credentials: admin, face: Face::Page };
    Ok(Router::new()
        .route("/", get(page))
        .route("/fragment", get(fragment))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .merge(act::router())
        .with_state(state)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_DEADLINE))
        .layer(middleware::from_fn_with_state(guard, administrator_only)))
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

async fn page(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    overview(state, caller, "page.html", asked, &headers).await
}

async fn fragment(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    overview(state, caller, "overview.html", asked, &headers).await
}

async fn overview(
    state: WebState,
    caller: Caller,
    template: &'static str,
    asked: Asked,
    headers: &HeaderMap,
) -> Response {
    let language = language(asked.lang.as_deref(), headers);
    let form_token = state.secret.token(headers);
    let gathered = tokio::task::spawn_blocking(move || {
        let told = source::overview(&state.app.acting_for(caller), &state.name, Words::of(language))?;
        let overview = Overview { form_token, ..told };
        Ok::<_, AppError>(html(StatusCode::OK, state.renderer.render(template, language, &overview)))
    })
    .await;
    match gathered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed(&crate::error_chain(&error)),
        Err(join) => failed(&join.to_string()),
    }
}

/// What was asked for in the address, else what the browser prefers, else English.
fn language(asked: Option<&str>, headers: &HeaderMap) -> Language {
    asked.and_then(Language::of_tag).unwrap_or_else(|| crate::rest::language::of(headers))
}

/// What a person is told about what was asked for: the message `told-<answer>`, and the reason
/// where there is one.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    answer: &'static str,
    detail: &'a str,
}

fn outcome_page(state: &WebState, status: StatusCode, language: Language, answer: &Outcome<'_>) -> Response {
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
        Err(error) => failed(&crate::error_chain(&error)),
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
