//! The page for a shop's administrator: tills, deliveries, loads, sales by shift.
//!
//! Promises: it shows what the server knows at the moment it is asked, names why something waits,
//! renews itself, and needs no script from elsewhere. Templates stand in `templates/`, words in
//! [`crate::words`], their frame in [`tillway_service::page`]; this module turns what
//! [`crate::app`] tells into an [`Overview`] (plain data) and that into HTML. The few things that
//! a person can do here are plain forms that only this page can send.

mod account;
mod act;
mod attach;
mod attention;
mod login;
mod people;
mod render;
mod source;
mod stolen;
mod view;

#[cfg(test)]
pub(crate) use render::TEMPLATES;
pub use tillway_service::page::RenderError;
pub use view::{
    AsideView, Attention, AttentionSort, BrokerView, DeliveryView, LoadView, Overview, ProgressView, RejectView,
    ShiftVerdict, ShiftView, TillView, TlsView,
};

use crate::app::{App, AppError};
use crate::rest::problem::{RequestFault, in_readers_language};
use crate::rest::refusal;
use crate::settings::proof_key::ProofKey;
use crate::words::{self, Reason};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tillway_service::actor::Caller;
use tillway_service::page::{self, FormSecret, Renderer};
use tower_http::timeout::TimeoutLayer;

/// Most rows of a table on the first page; what needs attention comes first, the rest is counted
/// below the table.
pub const MAX_ROWS: usize = 200;

/// A page that takes longer is asked for again by then.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Colours of the words for states.
const MARKS: &str = include_str!("web/marks.css");

/// What the secret of forms is derived for.
const FORMS: &str = "tillway cash-server 2026 tokens of the page's forms";

/// What the page's handlers need.
#[derive(Clone)]
struct WebState {
    app: App,
    /// Of the server.
    name: Arc<str>,
    renderer: Arc<Renderer>,
    secret: FormSecret,
}

/// The secret that tokens of the page's forms are made with, derived from the server's own key.
pub fn form_secret(key: &ProofKey) -> FormSecret {
    FormSecret::new(blake3::derive_key(FORMS, key.bytes()))
}

/// The page of a server for those who came in, ready to be served. `name` is the server's from its
/// settings. Fails only on a defect in templates and words.
pub fn router(app: App, name: &str, secret: FormSecret) -> Result<Router, RenderError> {
    let renderer = Arc::new(render::renderer()?);
    let state = WebState { app, name: name.into(), renderer, secret };
    let known_only = middleware::from_fn_with_state(state.clone(), login::known_only);
    Ok(Router::new()
        .route("/", get(whole))
        .route("/fragment", get(fragment))
        .merge(act::router())
        .merge(attach::router())
        .merge(stolen::router())
        .merge(account::router())
        .merge(people::router())
        .merge(login::router())
        .route_layer(known_only)
        .merge(login::open_router())
        .merge(page::assets(MARKS))
        .with_state(state)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_DEADLINE))
        .layer(middleware::from_fn(in_readers_language)))
}

/// Leads whoever may not read the page without TLS to where it is spoken: the same port.
pub fn only_tls() -> Router {
    Router::new().fallback(to_tls).layer(middleware::from_fn(in_readers_language))
}

async fn to_tls(headers: HeaderMap, request: Request) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match host {
        Some(host) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            Redirect::permanent(&format!("https://{host}{}", request.uri())).into_response()
        }
        _ => refusal("web.plain"),
    }
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

async fn whole(
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
    let language = page::language(asked.lang.as_deref(), headers);
    let form_token = state.secret.token(headers);
    let renderer = Arc::clone(&state.renderer);
    let gathered = tokio::task::spawn_blocking(move || {
        let told = source::overview(&state.app.acting_for(caller), &state.name, words::of(language))?;
        let overview = Overview { form_token, ..told };
        Ok::<_, AppError>(state.renderer.answer(StatusCode::OK, template, language, &overview))
    })
    .await;
    match gathered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!(error = crate::error_chain(&error), "failed to show the page");
            renderer.failed(language, &words::of(language).reason(&Reason::of(&error)))
        }
        Err(join) => renderer.failed(language, &words::of(language).reason(&Reason::of(&RequestFault::from(join)))),
    }
}
