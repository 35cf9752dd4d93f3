//! The network: look at it, make, change, move, park and remove nodes.

use super::RestState;
use super::problem::{Problem, blocking};
use crate::network::change::alike_of_each;
use crate::network::{LayerNo, Network, NetworkError, Node};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tillway_proto::{NodeCode, NodeId, NodeLevel, TillId};
use utoipa::ToSchema;

/// One node of the network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeView {
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
    /// Folder names of nodes beside it whose codes differ from its own by leading zeros alone: people and tables take them for
    /// one. They were made before that was refused.
    pub alike: Vec<String>,
}

fn view(network: &Network, node: &Node) -> NodeView {
    view_with(network, node, &mut alike_of_each(network))
}

fn view_with(network: &Network, node: &Node, alike: &mut HashMap<LayerNo, Vec<String>>) -> NodeView {
    NodeView {
        id: node.id.to_string(),
        level: node.level().to_string(),
        code: node.code.to_string(),
        name: node.name.clone(),
        parent: network.parent(&node.id).map(|parent| parent.id.to_string()),
        folder: network.folder_name(node),
        parked: node.parked,
        created_at: node.created_at.to_string(),
        alike: alike.remove(&node.no).unwrap_or_default(),
    }
}

/// What a new node is.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewNode {
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
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeNode {
    /// The node.
    pub node: NodeView,
    /// A till's token. Shown this once; the server keeps only its hash.
    pub token: Option<String>,
    /// The `cash.ini` that attaches the till, token included.
    pub cash_ini: Option<String>,
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeChange {
    /// A new name.
    pub name: Option<String>,
    /// Id or folder name of another parent: the node moves with all that hangs below it.
    pub parent: Option<String>,
    /// A till: parked under repair, or back.
    pub parked: Option<bool>,
}

/// A till's new token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewToken {
    /// Shown this once.
    pub token: String,
    /// The `cash.ini` that attaches the till, token included.
    pub cash_ini: String,
}

/// All nodes, parents before children.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "network", security(("administrator" = [])),
    responses((status = 200, body = Vec<NodeView>), (status = 401, body = Problem)))]
pub(super) async fn list(State(state): State<RestState>) -> Result<Json<Vec<NodeView>>, Problem> {
    let nodes = blocking(move || {
        let network = state.network.current()?;
        let mut alike = alike_of_each(&network);
        Ok::<_, NetworkError>(network.nodes().map(|node| view_with(&network, node, &mut alike)).collect())
    });
    nodes.await.map(Json)
}

/// One node, by id or folder name.
#[utoipa::path(get, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or folder name such as shop-7")),
    responses((status = 200, body = NodeView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(State(state): State<RestState>, Path(id): Path<String>) -> Result<Json<NodeView>, Problem> {
    blocking(move || {
        let network = state.network.current()?;
        network.find(&id).map(|node| view(&network, node))
    })
    .await
    .map(Json)
}

/// Makes a group, a shop or a till. A till's token and settings are in the answer, this once.
#[utoipa::path(post, path = "/api/v1/nodes", tag = "network", security(("administrator" = [])), request_body = NewNode,
    responses((status = 201, body = MadeNode), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn create(
    State(state): State<RestState>,
    Json(asked): Json<NewNode>,
) -> Result<(StatusCode, Json<MadeNode>), Problem> {
    let level: NodeLevel = asked
        .level
        .parse()
        .map_err(|_| Problem::bad_request(format!("`{}` is no level: group, shop or till", asked.level)))?;
    let code: NodeCode = asked.code.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let made = blocking(move || {
        let parent = state.network.current()?.find(&asked.parent)?.id.clone();
        let created = state.network.create(&parent, level, &code, &asked.name)?;
        let network = state.network.current()?;
        let cash_ini = match (&created.id, &created.token) {
            (NodeId::Till(till), Some(token)) => Some(state.cash_ini(&network, till, token)?),
            _ => None,
        };
        let node = view(&network, network.require(&created.id)?);
        state.network_changed();
        Ok::<_, Problem>(MadeNode { node, token: created.token.map(|token| token.as_str().to_owned()), cash_ini })
    })
    .await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Renames, moves or parks a node. After a move its tills converge on what they should now have, by difference.
#[utoipa::path(patch, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id or folder name")), request_body = NodeChange,
    responses((status = 200, body = NodeView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn change(
    State(state): State<RestState>,
    Path(id): Path<String>,
    Json(asked): Json<NodeChange>,
) -> Result<Json<NodeView>, Problem> {
    blocking(move || {
        let network = state.network.current()?;
        let node = network.find(&id)?.id.clone();
        if let Some(parked) = asked.parked {
            let NodeId::Till(till) = &node else {
                return Err(Problem::bad_request(format!("{node} is no till: only a till can be parked")));
            };
            state.network.park(till, parked)?;
        }
        if let Some(name) = &asked.name {
            state.network.rename(&node, name)?;
        }
        if let Some(parent) = &asked.parent {
            let parent = network.find(parent)?.id.clone();
            state.network.move_node(&node, &parent)?;
        }
        state.network_changed();
        let network = state.network.current()?;
        let node = network.require(&node)?;
        Ok(view(&network, node))
    })
    .await
    .map(Json)
}

/// Removes a node that has nothing below it. A till's token is void from then on.
#[utoipa::path(delete, path = "/api/v1/nodes/{id}", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id or folder name")),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove(State(state): State<RestState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || {
        let node = state.network.current()?.find(&id)?.id.clone();
        state.network.remove(&node)?;
        state.network_changed();
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    })
    .await
}

/// Gives a till a new token; the old one is void.
#[utoipa::path(post, path = "/api/v1/tills/{id}/token", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till")),
    responses((status = 200, body = NewToken), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn reissue_token(
    State(state): State<RestState>,
    Path(id): Path<String>,
) -> Result<Json<NewToken>, Problem> {
    blocking(move || {
        let till = find_till(&state, &id)?;
        let token = state.network.reissue_token(&till)?;
        let network = state.network.current()?;
        let cash_ini = state.cash_ini(&network, &till, &token)?;
        Ok::<_, Problem>(NewToken { token: token.as_str().to_owned(), cash_ini })
    })
    .await
    .map(Json)
}

/// The till of an id or folder name. Blocking.
pub(super) fn find_till(state: &RestState, text: &str) -> Result<TillId, Problem> {
    match &state.network.current()?.find(text)?.id {
        NodeId::Till(till) => Ok(till.clone()),
        other => Err(Problem::bad_request(format!("{other} is no till: name one by id or as till-<shop>-<code>"))),
    }
}
