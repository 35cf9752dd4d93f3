//! Where tills are attached: no login and no token, over TLS 1.3 alone. What is said is specified
//! in [`tillway_proto::attach`].

use super::problem::{Problem, RequestFault};
use crate::app::{App, AttachError, Channel};
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Extension, Json, Router};
use tillway_proto::attach::{ATTACH_PATH, Attached, Claim, HELLO_PATH, Hello, Welcome};
use tillway_service::serving::{ChannelBinding, Client};

/// What a till says here is a few hundred bytes.
const MAX_BODY_BYTES: usize = 4 * 1024;

/// The two routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route(HELLO_PATH, post(hello))
        .route(ATTACH_PATH, post(attach))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn hello(
    State(app): State<App>,
    binding: Option<Extension<ChannelBinding>>,
    client: Option<Client>,
    Json(hello): Json<Hello>,
) -> Result<Json<Welcome>, Problem> {
    answered(binding, client, move |channel| app.welcome(&hello, &channel)).await
}

async fn attach(
    State(app): State<App>,
    binding: Option<Extension<ChannelBinding>>,
    client: Option<Client>,
    Json(claim): Json<Claim>,
) -> Result<Json<Attached>, Problem> {
    answered(binding, client, move |channel| app.attach(&claim, &channel)).await
}

async fn answered<T: Send + 'static>(
    binding: Option<Extension<ChannelBinding>>,
    client: Option<Client>,
    ask: impl FnOnce(Channel) -> Result<T, AttachError> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let Some(Extension(ChannelBinding(binding))) = binding else { return Err(AttachError::NeedsTls.into()) };
    let channel = Channel { binding, address: client.map(|Client(address)| address) };
    match tokio::task::spawn_blocking(move || ask(channel)).await {
        Ok(answer) => answer.map(Json).map_err(Into::into),
        Err(join) => Err(RequestFault::from(join).into()),
    }
}
