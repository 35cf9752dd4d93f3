//! The pages for a shop's administrator: what needs a look, tills, loads, sales, the server.
//!
//! Promises: they show what the server knows at the moment they are asked, name why something
//! waits, renew themselves, and need no script from elsewhere; without any script they do all that
//! they do, but for renewing themselves in place. Templates stand in `templates/`, words in
//! [`crate::words`], their frame in [`tillway_service::page`]; this module turns what
//! [`crate::app`] tells into plain data ([`view`]) and that into HTML ([`pages`], a file a page).
//! What a person can do here are plain forms that only these pages can send ([`act`]).

mod account;
mod act;
mod address;
mod attach;
mod chart;
mod csv;
mod login;
mod mailing;
mod pages;
mod people;
mod reader;
mod render;
mod source;
mod stolen;
mod upload;
mod view;
mod views;

#[cfg(test)]
pub(crate) use render::TEMPLATES;
pub use tillway_service::page::RenderError;

use crate::app::App;
use crate::rest::problem::in_readers_language;
use crate::rest::refusal;
use crate::settings::proof_key::ProofKey;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;
use std::time::Duration;
use tillway_service::page::{self, FormSecret, Live, Renderer, remember_language};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

/// A page that takes longer is asked for again by then.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// The style beside that of every service.
const STYLE: &str = include_str!("web/own.css");

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
    /// Who has a page open that renews itself.
    live: Live,
}

/// The secret that tokens of the page's forms are made with, derived from the server's own key.
pub fn form_secret(key: &ProofKey) -> FormSecret {
    FormSecret::new(blake3::derive_key(FORMS, key.bytes()))
}

/// The pages of a server for those who came in, ready to be served until `stop`. `name` is the
/// server's from its settings. Fails only on a defect in templates and words.
pub fn router(app: App, name: &str, secret: FormSecret, stop: CancellationToken) -> Result<Router, RenderError> {
    let renderer = Arc::new(render::renderer()?);
    let max_upload_bytes = app.max_upload_bytes();
    let state = WebState { app, name: name.into(), renderer, secret, live: Live::new(stop) };
    let known_only = middleware::from_fn_with_state(state.clone(), login::known_only);
    Ok(Router::new()
        .merge(pages::router())
        .merge(act::router())
        .merge(attach::router())
        .merge(views::router())
        .merge(stolen::router())
        .merge(account::router())
        .merge(people::router())
        .merge(mailing::router())
        .merge(login::router())
        .route_layer(known_only.clone())
        .merge(login::open_router())
        .merge(page::assets(STYLE))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_DEADLINE))
        // A file may be long on its way.
        .merge(upload::router(max_upload_bytes).route_layer(known_only))
        .with_state(state)
        .layer(middleware::from_fn(remember_language))
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
