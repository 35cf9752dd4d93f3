//! Settings of tills, at each node.

use super::problem::{Problem, blocking};
use crate::app::{Acting, AppError, SettingInfo};
use crate::network::SettingChanges;
use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tillway_proto::{NodeId, SettingForm};
use utoipa::ToSchema;

/// A setting as it is at a node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingView {
    /// The key of `cash.ini`.
    pub key: String,
    /// What counts.
    pub value: String,
    /// Folder name of the node that sets it; none: nobody does, and a till's own `cash.ini`
    /// counts.
    pub set_by: Option<String>,
    /// What the node itself sets.
    pub own: Option<String>,
    /// What counts where the node sets nothing.
    pub above: String,
    /// What counts where nobody sets anything.
    pub default: String,
    /// What may stand there.
    pub allowed: String,
    /// The smallest number, where it is one.
    pub least: Option<u64>,
    /// The largest number, where it is one.
    pub most: Option<u64>,
    /// Of a till whose agent says it: what it has.
    pub on_till: Option<String>,
}

impl From<SettingInfo> for SettingView {
    fn from(info: SettingInfo) -> Self {
        let SettingInfo { setting, value, set_by, own, above } = info;
        let (least, most) = match setting.form {
            SettingForm::Flag { .. } => (None, None),
            SettingForm::Number { least, most, .. } => (Some(least), Some(most)),
        };
        Self {
            key: setting.key.to_owned(),
            value,
            set_by: set_by.map(|(_, folder)| folder),
            own,
            above,
            default: setting.default_text(),
            allowed: setting.allowed(),
            least,
            most,
            on_till: None,
        }
    }
}

/// Other values of settings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsAsked {
    /// By key, as in `cash.ini`: `{"queuechunksize":"1000"}`. Null: the node sets it no more.
    pub settings: BTreeMap<String, Option<String>>,
}

/// All settings that a server may set, as they are at a node: the deepest node on the way to a
/// till wins.
#[utoipa::path(get, path = "/api/v1/nodes/{id}/settings", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or folder name such as shop-7 or till-7-1")),
    responses((status = 200, body = Vec<SettingView>), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn list(app: Acting, Path(id): Path<String>) -> Result<Json<Vec<SettingView>>, Problem> {
    blocking(move || shown(&app, &id, app.nodes().settings(&id)?)).await.map(Json)
}

/// Sets settings of the tills at a node and below it: all or nothing. They reach each till in
/// contact within seconds, any other when it is back.
#[utoipa::path(patch, path = "/api/v1/nodes/{id}/settings", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or folder name such as shop-7 or till-7-1")),
    request_body = SettingsAsked,
    responses((status = 200, body = Vec<SettingView>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn set(
    app: Acting,
    Path(id): Path<String>,
    Json(asked): Json<SettingsAsked>,
) -> Result<Json<Vec<SettingView>>, Problem> {
    let changes: SettingChanges = asked.settings;
    blocking(move || shown(&app, &id, app.nodes().set_settings(&id, &changes)?)).await.map(Json)
}

/// With what a till says that it has.
fn shown(app: &Acting, id: &str, settings: Vec<SettingInfo>) -> Result<Vec<SettingView>, AppError> {
    let mut views: Vec<SettingView> = settings.into_iter().map(Into::into).collect();
    let NodeId::Till(till) = app.nodes().find(id)? else { return Ok(views) };
    let till = app.till(till.as_str())?;
    let state = till.status.record.contact.as_ref().map(|contact| &contact.state);
    if let Some(told) = state.and_then(|state| state.settings.as_ref()) {
        for view in &mut views {
            view.on_till = Some(told.get(&view.key).unwrap_or(&view.default).clone());
        }
    }
    Ok(views)
}
