//! Where a till asks whether this is its server: no login and no token, since it shows nothing
//! before the answer has proved who gives it. What is said is specified in
//! [`tillway_proto::moving`].

use super::problem::{Problem, RequestFault, blocking};
use crate::app::App;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tillway_proto::TillId;
use tillway_proto::message_code::CODE_HEADER;
use tillway_proto::moving::MAX_NONCE_CHARS;

#[derive(Deserialize)]
struct Asked {
    nonce: String,
}

/// The route.
pub(super) fn router() -> Router<App> {
    Router::new().route("/api/v1/tills/{id}/addresses", get(addresses))
}

async fn addresses(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(Asked { nonce }): Query<Asked>,
) -> Result<Response, Problem> {
    let till: TillId = id.parse().map_err(|_| RequestFault::NoTillId { text: id.clone() })?;
    if nonce.chars().count() > MAX_NONCE_CHARS {
        return Err(RequestFault::LongNonce { max: MAX_NONCE_CHARS }.into());
    }
    let (head, body) = blocking(move || app.addresses_for(&till, &nonce)).await?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
        (header::CACHE_CONTROL.as_str(), "no-store".to_owned()),
        (CODE_HEADER, head.code.unwrap_or_default()),
    ];
    Ok((headers, body).into_response())
}
