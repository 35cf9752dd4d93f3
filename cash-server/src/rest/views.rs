//! Views of one's own: addresses of pages with names.

use super::problem::{Problem, blocking};
use crate::app::Acting;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tillway_service::people::View;
use utoipa::ToSchema;

/// A view.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedView {
    /// What it is called.
    pub name: String,
    /// The path of the page with its query.
    pub address: String,
}

impl From<View> for SavedView {
    fn from(View { name, address }: View) -> Self {
        Self { name, address }
    }
}

/// What a view shows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewAsked {
    /// The path of the page with its query: `/tills?state=silent&columns=heard,unsent`.
    pub address: String,
}

/// One's own views, by name.
#[utoipa::path(get, path = "/api/v1/me/views", tag = "people", security(("administrator" = [])),
    responses((status = 200, body = Vec<SavedView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn list(app: Acting) -> Result<Json<Vec<SavedView>>, Problem> {
    let views = blocking(move || app.views()).await?;
    Ok(Json(views.into_iter().map(Into::into).collect()))
}

/// Keeps a view, in the place of one of the same name. At most 30.
#[utoipa::path(put, path = "/api/v1/me/views/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "its name, at most 60 characters")), request_body = ViewAsked,
    responses((status = 200, body = SavedView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn save(
    app: Acting,
    Path(name): Path<String>,
    Json(asked): Json<ViewAsked>,
) -> Result<Json<SavedView>, Problem> {
    blocking(move || app.save_view(&name, &asked.address)).await.map(|view| Json(view.into()))
}

/// Removes a view.
#[utoipa::path(delete, path = "/api/v1/me/views/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "its name")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn remove(app: Acting, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.remove_view(&name)).await.map(|()| StatusCode::NO_CONTENT)
}
