//! The dictionary as people ask for it: the history of one object.

use super::RestState;
use super::problem::{Problem, blocking};
use crate::dictionary::DictionaryError;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::{self, ObjectKey, RowRef};
use tillway_proto::Revision;
use utoipa::{IntoParams, ToSchema};

impl From<DictionaryError> for Problem {
    fn from(error: DictionaryError) -> Self {
        match error {
            DictionaryError::UnknownNode { .. } => Self::not_found(error.to_string()),
            DictionaryError::Store { .. } => Self::internal(&error),
        }
    }
}

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
pub(super) async fn history(
    State(state): State<RestState>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<VersionView>>, Problem> {
    blocking(move || {
        let kind = Kind::by_name(&asked.kind).ok_or_else(|| {
            Problem::not_found(format!("there is no kind `{}`; see docs/formats/kinds.md", asked.kind))
        })?;
        let parts: Vec<&str> = asked.key.split(',').collect();
        let key = ObjectKey::from_parts(parts.iter().copied());
        let node = state.network.current()?.find(&asked.node)?.id.clone();
        let versions = state.dictionary.history(&node, kind, key.as_str())?;
        versions
            .iter()
            .map(|version| {
                let row = RowRef::decode(kind, &version.body).map_err(|error| Problem::internal(&error))?;
                let object = row::to_payload(kind, &row).map_err(|error| Problem::internal(&error))?;
                Ok(VersionView {
                    since: version.since.0,
                    at: taken_at(&state, version.since)?,
                    until: version.until.map(|revision| revision.0),
                    object,
                })
            })
            .collect::<Result<Vec<_>, Problem>>()
    })
    .await
    .map(Json)
}

fn taken_at(state: &RestState, revision: Revision) -> Result<Option<String>, Problem> {
    Ok(state.dictionary.revision_info(revision)?.map(|info| info.at.to_string()))
}
