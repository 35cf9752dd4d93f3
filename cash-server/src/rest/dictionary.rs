//! The dictionary as people ask for it: the history of one object.

use super::problem::{Problem, blocking};
use crate::app::{Acting, ObjectVersion};
use axum::Json;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Which object.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Asked {
    /// Id or folder name of the node whose layer is asked.
    node: String,
    /// Name of the kind: `item`, `price`, …
    kind: String,
    /// Values of the key fields, in their order, separated by commas.
    key: String,
}

/// One state of an object.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    /// The revision that made it.
    pub since: u64,
    /// When that was, UTC; none where that revision is forgotten.
    pub at: Option<String>,
    /// The revision that ended it; none for the present state.
    pub until: Option<u64>,
    /// The object, as AIF writes it.
    #[schema(value_type = Object)]
    pub object: Box<RawValue>,
}

/// The states of one object in one node's layer, oldest first: the history of a price.
#[utoipa::path(get, path = "/api/v1/history", tag = "dictionary", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<VersionView>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn history(app: Acting, Query(asked): Query<Asked>) -> Result<Json<Vec<VersionView>>, Problem> {
    let versions = blocking(move || {
        let key: Vec<&str> = asked.key.split(',').collect();
        app.history(&asked.node, &asked.kind, &key)
    });
    let view = |version: ObjectVersion| VersionView {
        since: version.since.0,
        at: version.at.map(|at| at.to_string()),
        until: version.until.map(|revision| revision.0),
        object: version.object,
    };
    Ok(Json(versions.await?.into_iter().map(view).collect()))
}
