//! REST under `/api/v1` for administrators and agents, its OpenAPI description, and package files.
//!
//! Promises: every answer that is not what was asked for is a [`Problem`] that says what happened,
//! to which node, and what to do, in the language that the request asks for. The description at
//! `/api/v1/openapi.json` is generated from the handlers. Handlers only translate: what is allowed
//! and what follows is decided in [`crate::app`].

mod aside;
mod attach;
pub mod attach_codes;
mod audit;
pub mod auth;
mod background;
pub mod backups;
pub mod bulk;
mod dictionary;
pub(crate) mod download;
mod goods;
mod lately;
mod loads;
mod moving;
pub mod nodes;
mod notices;
pub mod packages;
pub mod people;
pub mod problem;
pub(crate) mod receipts;
pub mod report;
mod sales;
mod server;
pub mod settings;
#[cfg(test)]
mod tests;
mod tills;
mod tls;
mod views;
mod watch;

pub use problem::Problem;
use problem::in_readers_language;
pub(crate) use tls::{only_tls, refusal};
pub use watch::watched;

use crate::app::App;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router, middleware};
use std::sync::Arc;
use std::time::Duration;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Largest body of a request here: the names of a thousand units.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// A question that takes longer has lost its asker: the command line waits half a minute.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);

#[derive(OpenApi)]
#[openapi(
    info(title = "Tillway cash server", description = "Network, dictionaries, tills and sales of a cash server."),
    modifiers(&Schemes)
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let http = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
        components.add_security_scheme("administrator", http(HttpAuthScheme::Basic));
        components.add_security_scheme("key", http(HttpAuthScheme::Bearer));
        components.add_security_scheme("till", http(HttpAuthScheme::Bearer));
    }
}

/// The API with its description, and `/health`.
pub fn router(app: App) -> Router {
    let (administration, mut description) = administration();
    let (agents, of_agents) =
        OpenApiRouter::new().routes(routes!(tills::shift_closed)).routes(routes!(tills::token)).split_for_parts();
    description.merge(of_agents);
    administration
        .layer(middleware::from_fn_with_state(app.clone(), auth::known_only))
        .merge(agents)
        .merge(attach::router())
        .merge(moving::router())
        .layer(middleware::from_fn(in_readers_language))
        .with_state(app)
        .merge(open(description))
}

/// The API for administrators on the socket of this machine: without passwords, for users that
/// [`LocalUser`](tillway_service::serving::LocalUser) names.
pub fn local_router(app: App) -> Router {
    let (administration, description) = administration();
    administration
        .layer(middleware::from_fn(auth::local_administrator_only))
        .layer(middleware::from_fn(in_readers_language))
        .with_state(app)
        .merge(open(description))
}

/// What needs no credentials.
fn open(description: utoipa::openapi::OpenApi) -> Router {
    let described = Arc::new(description);
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { Json(described.as_ref().clone()) }))
        .route("/health", get(|| async { "ok\n" }))
}

/// What administrators alone may ask, not guarded yet.
fn administration() -> (Router<App>, utoipa::openapi::OpenApi) {
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(nodes::list, nodes::create))
        .routes(routes!(nodes::show, nodes::change, nodes::remove))
        .routes(routes!(settings::list, settings::set))
        .routes(routes!(nodes::renew_secret))
        .routes(routes!(nodes::stolen))
        .routes(routes!(nodes::cash_ini))
        .routes(routes!(attach_codes::list, attach_codes::make))
        .routes(routes!(attach_codes::end))
        .routes(routes!(lately::show))
        .routes(routes!(tills::list))
        .routes(routes!(tills::show))
        .routes(routes!(tills::deliveries))
        .routes(routes!(tills::commands))
        .routes(routes!(tills::unload))
        .routes(routes!(tills::unload_below))
        .routes(routes!(tills::verify))
        .routes(routes!(tills::send_anew))
        .routes(routes!(bulk::act))
        .routes(routes!(loads::list))
        .routes(routes!(loads::show))
        .routes(routes!(loads::file))
        .routes(routes!(notices::list))
        .routes(routes!(notices::seen))
        .routes(routes!(loads::approve))
        .routes(routes!(loads::refuse))
        .routes(routes!(dictionary::history))
        .routes(routes!(goods::find))
        .routes(routes!(goods::show))
        .routes(routes!(goods::history))
        .routes(routes!(goods::tills))
        .routes(routes!(goods::price))
        .routes(routes!(sales::shifts))
        .routes(routes!(sales::totals))
        .routes(routes!(sales::receipts))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::show))
        .routes(routes!(sales::findings))
        .routes(routes!(sales::close_finding))
        .routes(routes!(aside::list))
        .routes(routes!(aside::content))
        .routes(routes!(aside::retry))
        .routes(routes!(aside::drop))
        .routes(routes!(aside::acknowledge))
        .routes(routes!(tills::go_past))
        .routes(routes!(audit::list))
        .routes(routes!(people::users, people::add_user))
        .routes(routes!(people::show_user, people::set_user, people::remove_user))
        .routes(routes!(people::reset_user))
        .routes(routes!(people::set_password))
        .routes(routes!(people::sessions_of, people::end_sessions_of))
        .routes(routes!(people::keys, people::add_key))
        .routes(routes!(people::remove_key))
        .routes(routes!(people::me))
        .routes(routes!(people::change_own_password))
        .routes(routes!(people::end_own_session))
        .routes(routes!(report::show))
        .routes(routes!(report::set_mail))
        .routes(routes!(report::set_own_mail))
        .routes(routes!(report::send_trial))
        .routes(routes!(report::send_own_trial))
        .routes(routes!(views::list))
        .routes(routes!(views::save, views::remove))
        .routes(routes!(background::list))
        .routes(routes!(tls::show))
        .routes(routes!(server::databases))
        .routes(routes!(server::retention))
        .routes(routes!(server::log))
        .routes(routes!(backups::list, backups::create))
        .routes(routes!(backups::rehearse))
        .split_for_parts();
    let layers = (
        DefaultBodyLimit::max(MAX_BODY_BYTES),
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_DEADLINE),
    );
    (router.layer(layers), description)
}
