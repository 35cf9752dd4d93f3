//! Who may ask: the administrator with Basic credentials, a till with its bearer token.

use super::RestState;
use super::problem::Problem;
use crate::network::NetworkService;
use crate::settings::credentials::Credentials;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tillway_proto::TillId;

/// Lets only the administrator through. A browser sends credentials along with whatever another site has it send, so what
/// changes something must not come from another site.
pub async fn administrator_only(State(admin): State<Arc<Credentials>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && is_of_this_site(request.headers()) == Some(false) {
        return Problem::forbidden("another site had a browser send this: nothing was done").into_response();
    }
    let accepted = request.headers().get(header::AUTHORIZATION).is_some_and(|value| admin.accepts(value.as_bytes()));
    if accepted {
        next.run(request).await
    } else {
        Problem::unauthorized(
            "the administrator's user and password are needed; they stand in the server's file credentials/admin",
        )
        .into_response()
    }
}

/// Whether a browser had this server's own page send a request, as it says itself; none where no browser sent it. By
/// `Sec-Fetch-Site`, which browsers send over HTTPS; else by `Origin`, which they send with every form, and `Host`.
pub(crate) fn is_of_this_site(headers: &HeaderMap) -> Option<bool> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let origin = headers.get("origin")?.to_str().ok().and_then(|origin| origin.split_once("://"));
    Some(
        origin
            .map(|(_, authority)| authority)
            .zip(text("host"))
            .is_some_and(|(ours, host)| ours.eq_ignore_ascii_case(host)),
    )
}

/// Whether the request carries the token of this till.
pub(super) async fn till(state: &RestState, till: &TillId, headers: &HeaderMap) -> Result<(), Problem> {
    let token = bearer(headers).ok_or_else(|| wrong_token(till))?.to_owned();
    let network: NetworkService = state.network.clone();
    let asked = till.clone();
    let accepted =
        super::blocking(move || network.current().map(|network| network.verify_token(&asked, &token))).await?;
    if accepted { Ok(()) } else { Err(wrong_token(till)) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn wrong_token(till: &TillId) -> Problem {
    Problem::unauthorized(format!(
        "the token is not that of {till}: put the one made with the till into cash.token of its cash.ini, or make a new one"
    ))
}
