//! The network: the tree of groups, and a page for each node with what is below it, the settings
//! of its tills ([`settings`]), and what can be done there ([`change`], [`import`]).

mod change;
mod import;
pub(super) mod settings;

#[cfg(test)]
pub(super) use change::RemoveView;
#[cfg(test)]
pub(super) use import::{ImportView, LineView};

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::tills::natural;
use super::{Kind, Made, Reader, WebState, show};
use crate::app::AppError;
use crate::exchange::Condition;
use crate::network::{Network, NetworkError, Node};
use crate::words::Words;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use settings::SettingsView;
use std::collections::{HashMap, HashSet};
use tillway_proto::{NodeId, NodeLevel};
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "network",
    template: "network.html",
    parts: &[("navigation", "navigation.html"), ("below", "network_below.html")],
};

/// Rows of one page.
const PAGE: usize = 100;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/network", get(chain))
        .route("/network/{node}", get(node))
        .merge(change::router())
        .merge(import::router())
        .merge(settings::router())
}

/// What the page of a node shows.
#[derive(Debug, Serialize)]
pub(super) struct NodePage {
    pub(super) folder: String,
    pub(super) id: String,
    /// `chain`, `group`, `shop`.
    pub(super) level: NodeLevel,
    pub(super) code: String,
    pub(super) name: String,
    /// How many of each are below it, and how its tills are.
    pub(super) below: Below,
    pub(super) tree: Vec<Branch>,
    pub(super) rows: Vec<Row>,
    pub(super) found: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// Nodes that it can be moved under: folder name and what it is called.
    pub(super) parents: Vec<(String, String)>,
    /// Folder names of nodes whose codes look like its own.
    pub(super) tills: String,
    /// The receipts of the shops below it.
    pub(super) sales: String,
    /// None where the reader sees the place only on the way to their own.
    pub(super) settings: Option<SettingsView>,
}

/// What is below a node.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Below {
    pub(super) shops: u64,
    pub(super) tills: u64,
    pub(super) current: u64,
    pub(super) look: u64,
}

/// A group of the tree, or the chain.
#[derive(Debug, Serialize)]
pub(super) struct Branch {
    pub(super) depth: usize,
    pub(super) folder: String,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) shops: u64,
    pub(super) is_here: bool,
}

/// A node directly below.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) address: String,
    pub(super) folder: String,
    pub(super) level: NodeLevel,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) below: Below,
    /// How a till is.
    pub(super) condition: Option<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    page: String,
}

async fn chain(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, None, &asked.page)).await
}

async fn node(
    State(state): State<WebState>,
    reader: Reader,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    if name.starts_with("till-") || name.starts_with("_cash_") {
        return Redirect::to(&format!("/tills/{}", super::super::address::escaped(&name))).into_response();
    }
    show(state, reader, &KIND, move |gathered| view(gathered, Some(&name), &asked.page)).await
}

fn view(gathered: &Gathered<'_>, name: Option<&str>, page: &str) -> Result<Made<NodePage>, AppError> {
    let (network, words) = (&*gathered.facts.network, gathered.words);
    let none = || NetworkError::UnknownNode { text: "All".to_owned() };
    let found = if let Some(name) = name { network.find(name)? } else { network.chain().ok_or_else(none)? };
    let counts = Counts::of(gathered);
    let mut below: Vec<&Node> = network.children(&found.id);
    below.sort_by_cached_key(|node| (node.level(), natural(node.code.as_str())));
    let pages = below.len().div_ceil(PAGE).max(1);
    let page = page.parse().unwrap_or(1_usize).clamp(1, pages);
    let from = (page - 1) * PAGE;
    let shown = &below[from..below.len().min(from + PAGE)];
    let folder = network.folder_name(found);
    let address = |page: usize| with(&address_of(network, found), [("page", page.to_string().as_str())]);
    let body = NodePage {
        id: found.id.to_string(),
        level: found.level(),
        code: found.code.to_string(),
        name: found.name.clone(),
        below: counts.below(network, &found.id),
        tree: tree(network, &found.id),
        rows: shown.iter().map(|node| row(network, node, &counts)).collect(),
        found: below.len() as u64,
        first: if shown.is_empty() { 0 } else { from as u64 + 1 },
        last: (from + shown.len()) as u64,
        previous: (page > 1).then(|| address(page - 1)),
        next: (page < pages).then(|| address(page + 1)),
        parents: parents(network, found),
        tills: list_below("/tills", network, found),
        sales: list_below("/sales/receipts", network, found),
        settings: settings::of_node(gathered, found, None)?,
        folder,
    };
    Ok(Made { crumbs: crumbs(network, found, words), body })
}

/// How tills are, by their id.
struct Counts<'a> {
    conditions: HashMap<&'a str, Condition>,
    look: HashSet<&'a str>,
}

impl<'a> Counts<'a> {
    fn of(gathered: &'a Gathered<'_>) -> Self {
        let tills = gathered.facts.tills.iter();
        Self {
            conditions: tills.map(|till| (till.status.till.as_str(), Condition::of(&till.status))).collect(),
            look: gathered.attention.iter().flat_map(|entry| &entry.tills).map(String::as_str).collect(),
        }
    }

    fn below(&self, network: &Network, node: &NodeId) -> Below {
        let mut below = Below::default();
        let mut waiting = vec![node.clone()];
        while let Some(here) = waiting.pop() {
            match here.level() {
                NodeLevel::Till => {
                    below.tills += 1;
                    below.current += u64::from(self.conditions.get(here.as_str()) == Some(&Condition::Current));
                    below.look += u64::from(self.look.contains(here.as_str()));
                }
                NodeLevel::Shop if here != *node => below.shops += 1,
                _ => {}
            }
            waiting.extend(network.children(&here).into_iter().map(|child| child.id.clone()));
        }
        below
    }
}

fn row(network: &Network, node: &Node, counts: &Counts<'_>) -> Row {
    Row {
        address: address_of(network, node),
        folder: network.folder_name(node),
        level: node.level(),
        code: node.code.to_string(),
        name: node.name.clone(),
        below: counts.below(network, &node.id),
        condition: counts.conditions.get(node.id.as_str()).copied(),
    }
}

pub(super) fn address_of(network: &Network, node: &Node) -> String {
    match node.level() {
        NodeLevel::Chain => "/network".to_owned(),
        NodeLevel::Till => format!("/tills/{}", network.folder_name(node)),
        NodeLevel::Group | NodeLevel::Shop => format!("/network/{}", network.folder_name(node)),
    }
}

/// The address of a list of what is at a node and below it.
fn list_below(path: &str, network: &Network, node: &Node) -> String {
    let folder = network.folder_name(node);
    match node.level() {
        NodeLevel::Group => with(path, [("group", folder.as_str())]),
        NodeLevel::Shop => with(path, [("shop", folder.as_str())]),
        NodeLevel::Chain | NodeLevel::Till => path.to_owned(),
    }
}

/// The way from the chain to a node.
pub(super) fn crumbs(network: &Network, node: &Node, words: &Words) -> Vec<Crumb> {
    let called = |node: &Node| {
        if node.name.is_empty() { source::place(network, &node.id, words) } else { node.name.clone() }
    };
    let mut crumbs = vec![Crumb::here(called(node))];
    let mut here = network.parent(&node.id);
    while let Some(above) = here {
        crumbs.push(Crumb::to(called(above), address_of(network, above)));
        here = network.parent(&above.id);
    }
    crumbs.reverse();
    crumbs
}

/// The chain and all groups, as a tree.
fn tree(network: &Network, here: &NodeId) -> Vec<Branch> {
    let mut branches = Vec::new();
    let mut waiting: Vec<(usize, &Node)> = network.chain().map(|chain| (0, chain)).into_iter().collect();
    while let Some((depth, node)) = waiting.pop() {
        let children = network.children(&node.id);
        branches.push(Branch {
            depth,
            folder: network.folder_name(node),
            code: node.code.to_string(),
            name: node.name.clone(),
            shops: children.iter().filter(|child| child.level() == NodeLevel::Shop).count() as u64,
            is_here: node.id == *here,
        });
        let mut groups: Vec<_> = children.into_iter().filter(|child| child.level() == NodeLevel::Group).collect();
        groups.sort_by_cached_key(|group| std::cmp::Reverse(natural(group.code.as_str())));
        waiting.extend(groups.into_iter().map(|group| (depth + 1, group)));
    }
    branches
}

/// What a node can be moved under.
pub(super) fn parents(network: &Network, node: &Node) -> Vec<(String, String)> {
    let may = |above: &&Node| match node.level() {
        NodeLevel::Till => above.level() == NodeLevel::Shop,
        NodeLevel::Shop | NodeLevel::Group => matches!(above.level(), NodeLevel::Chain | NodeLevel::Group),
        NodeLevel::Chain => false,
    };
    let elsewhere = |above: &&Node| Some(above.no) != node.parent() && !network.is_within(above.no, node.no);
    let nodes = network.nodes().filter(may).filter(elsewhere);
    let called =
        |above: &Node| (network.folder_name(above), format!("{} {}", above.code, above.name).trim_end().to_owned());
    let mut parents: Vec<_> = nodes.map(called).collect();
    parents.sort_by_cached_key(|(folder, _)| natural(folder));
    parents
}
