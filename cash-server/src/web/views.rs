//! Views of one's own: a list as it is filtered, sorted and cut, under a name. Saved and removed
//! by forms above the list; shown there as links.

use super::WebState;
use super::act::{acted, judged};
use super::reader::Reader;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

/// A form: a name and an address.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The routes.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/views/save", post(save))
        .route("/views/remove", post(remove))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

#[derive(Deserialize)]
struct ViewForm {
    token: String,
    name: String,
    #[serde(default)]
    address: String,
}

async fn save(State(state): State<WebState>, reader: Reader, Form(form): Form<ViewForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/tills", move |app| app.save_view(&form.name, &form.address).map(drop)).await
}

async fn remove(State(state): State<WebState>, reader: Reader, Form(form): Form<ViewForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/tills", move |app| app.remove_view(&form.name)).await
}
