//! The network: look at it, make, change, move, park and remove nodes.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{self, Acting, CreatedNode, NodeInfo};
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tillway_proto::{NodeCode, NodeLevel, Revision};
use utoipa::ToSchema;

/// One node of the network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// `_shop_<code>_<8 hex>` and the like.
    pub id: String,
    /// `chain`, `group`, `shop` or `till`.
    pub level: String,
    /// What people call it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The node it hangs under; none for the chain.
    pub parent: Option<String>,
    /// The name of its watched folder in the inbox.
    pub folder: String,
    /// Whether the till is parked.
    pub parked: bool,
    /// When it was made, UTC.
    pub created_at: String,
    /// Folder names of nodes beside it whose codes differ from its own by leading zeros alone:
    /// people and tables take them for one. They were made before that was refused.
    pub alike: Vec<String>,
}

impl From<NodeInfo> for NodeView {
    fn from(info: NodeInfo) -> Self {
        let NodeInfo { node, parent, folder, alike } = info;
        Self {
            id: node.id.to_string(),
            level: node.level().to_string(),
            code: node.code.to_string(),
            name: node.name,
            parent: parent.map(|(id, _)| id.to_string()),
            folder,
            parked: node.parked,
            created_at: node.created_at.to_string(),
            alike,
        }
    }
}

/// What a new node is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewNode {
    /// Id or folder name of the node it hangs under.
    pub parent: String,
    /// `group`, `shop` or `till`.
    pub level: String,
    /// What people call it: 1 to 20 Latin letters, digits, `-`, `_`.
    pub code: String,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
}

/// A node that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeNode {
    /// The node.
    pub node: NodeView,
    /// A till's secret. Shown this once.
    pub secret: Option<String>,
    /// The bearer token that is derived from it. Shown this once; the server keeps only its hash.
    pub token: Option<String>,
    /// The `cash.ini` that attaches the till, secret included.
    pub cash_ini: Option<String>,
}

impl From<CreatedNode> for MadeNode {
    fn from(made: CreatedNode) -> Self {
        let token = made.secret.as_ref().map(|new| new.secret.token());
        let (secret, cash_ini) = made.secret.map(|new| (new.secret.to_text(), new.cash_ini)).unzip();
        Self { node: made.info.into(), secret, token, cash_ini }
    }
}

/// What to change; what is left out stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    /// A new name.
    pub name: Option<String>,
    /// Id or folder name of another parent: the node moves with all that hangs below it.
    pub parent: Option<String>,
    /// A till: parked under repair, or back.
    pub parked: Option<bool>,
}

impl NodeChange {
    /// As the use case takes it.
    pub fn as_ref(&self) -> app::NodeChange<'_> {
        app::NodeChange { name: self.name.as_deref(), parent: self.parent.as_deref(), parked: self.parked }
    }
}

/// A node after a change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedNode {
    /// The node.
    #[serde(flatten)]
    pub node: NodeView,
    /// The revision that a move took; none where nothing moved.
    pub revision: Option<u64>,
}

impl From<(NodeInfo, Option<Revision>)> for ChangedNode {
    fn from((node, revision): (NodeInfo, Option<Revision>)) -> Self {
        Self { node: node.into(), revision: revision.map(|revision| revision.0) }
    }
}

/// The settings of a till.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CashIni {
    /// The `cash.ini` of the till, without its secret, which the server does not keep.
    pub cash_ini: String,
}

/// A till's new secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewSecret {
    /// Shown this once.
    pub secret: String,
    /// The bearer token that is derived from it. Shown this once.
    pub token: String,
    /// The `cash.ini` that attaches the till, secret included.
    pub cash_ini: String,
}

impl From<app::NewSecret> for NewSecret {
    fn from(new: app::NewSecret) -> Self {
        Self { secret: new.secret.to_text(), token: new.secret.token(), cash_ini: new.cash_ini }
    }
}

/// All nodes, parents before children.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "network", security(("administrator" = [])),
    responses((status = 200, body = Vec<NodeView>), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting) -> Result<Json<Vec<NodeView>>, Problem> {
    let nodes = blocking(move || app.nodes().list()).await?;
    Ok(Json(nodes.into_iter().map(NodeView::from).collect()))
}

/// One node, by id or folder name.
#[utoipa::path(get, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or folder name such as shop-7")),
    responses((status = 200, body = NodeView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(app: Acting, Path(id): Path<String>) -> Result<Json<NodeView>, Problem> {
    blocking(move || app.nodes().show(&id)).await.map(|node| Json(node.into()))
}

/// Makes a group, a shop or a till. A till's token and settings are in the answer, this once.
#[utoipa::path(post, path = "/api/v1/nodes", tag = "network", security(("administrator" = [])), request_body = NewNode,
    responses((status = 201, body = MadeNode), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn create(app: Acting, Json(asked): Json<NewNode>) -> Result<(StatusCode, Json<MadeNode>), Problem> {
    let level: NodeLevel = asked.level.parse().map_err(|_| RequestFault::NoLevel { text: asked.level.clone() })?;
    let code: NodeCode = asked.code.parse().map_err(|_| RequestFault::NoCode { text: asked.code.clone() })?;
    let made = blocking(move || app.nodes().create(&asked.parent, level, &code, &asked.name)).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Renames, moves or parks a node. After a move its tills converge on what they should now have,
/// by difference.
#[utoipa::path(patch, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id or folder name")), request_body = NodeChange,
    responses((status = 200, body = ChangedNode), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn change(
    app: Acting,
    Path(id): Path<String>,
    Json(asked): Json<NodeChange>,
) -> Result<Json<ChangedNode>, Problem> {
    let changed = blocking(move || app.nodes().change(&id, &asked.as_ref()));
    changed.await.map(|changed| Json(changed.into()))
}

/// Removes a node that has nothing below it. A till's secret is void from then on.
#[utoipa::path(delete, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id or folder name")),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove(app: Acting, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.nodes().remove(&id)).await.map(|_| StatusCode::NO_CONTENT)
}

/// Gives a till a new secret; the old one is void, and so is its token.
#[utoipa::path(post, path = "/api/v1/tills/{id}/token", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till")),
    responses((status = 200, body = NewSecret), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn renew_secret(app: Acting, Path(id): Path<String>) -> Result<Json<NewSecret>, Problem> {
    blocking(move || app.nodes().renew_secret(&id)).await.map(|new| Json(new.into()))
}

/// A till was stolen or lost. What its disk holds is void at once: within five seconds its
/// connections to the broker, the sales service and REST end. It is parked, and open codes for it
/// end; a new code (`POST /api/v1/attach-codes`) attaches the machine that takes its place and
/// takes it back into service. Receipts that it had not handed over are on that disk alone.
#[utoipa::path(post, path = "/api/v1/tills/{id}/stolen", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")),
    responses((status = 200, body = NodeView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn stolen(app: Acting, Path(id): Path<String>) -> Result<Json<NodeView>, Problem> {
    blocking(move || app.nodes().shut_out(&id)).await.map(|node| Json(node.into()))
}

/// The settings of a till, without its secret.
#[utoipa::path(get, path = "/api/v1/tills/{id}/cash-ini", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till")),
    responses((status = 200, body = CashIni), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn cash_ini(app: Acting, Path(id): Path<String>) -> Result<Json<CashIni>, Problem> {
    blocking(move || app.nodes().cash_ini(&id)).await.map(|cash_ini| Json(CashIni { cash_ini }))
}
