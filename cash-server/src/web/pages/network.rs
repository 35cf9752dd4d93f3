//! The network: the tree of groups, a page for each node with what is below it, and what can be
//! done there: add, rename, move, remove, take over from a table.

use super::super::act::{acted, judged};
use super::super::address::with;
use super::super::source::{self, Gathered};
use super::tills::natural;
use super::{Kind, Made, Reader, WebState, failed, not_shown, show, step};
use crate::app::{Acting, AppError, NodeChange};
use crate::exchange::Condition;
use crate::network::{Network, NetworkError, Node};
use crate::rest::problem::RequestFault;
use crate::words::{Reason, Words};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use tillway_proto::{NodeCode, NodeId, NodeLevel};
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "network",
    template: "network.html",
    parts: &[("navigation", "navigation.html"), ("below", "network_below.html")],
};

/// Rows of one page.
const PAGE: usize = 100;

/// Most lines of a table that is taken over at once: each makes a node in a transaction of its
/// own.
const MAX_LINES: usize = 2_000;

/// A table of so many lines.
const MAX_TABLE_BYTES: usize = 512 * 1024;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/network", get(chain))
        .route("/network/{node}", get(node))
        .route("/network/do/add", post(add))
        .route("/network/do/rename", post(rename))
        .route("/network/do/move", post(move_node))
        .route("/network/do/remove", post(remove))
        .route("/network/do/ask-remove", post(ask_remove))
        .route("/network/import", get(import))
        .route("/network/import/preview", post(preview))
        .route("/network/import/do", post(take_over))
        .layer(DefaultBodyLimit::max(MAX_TABLE_BYTES))
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

#[derive(Deserialize)]
struct NodeForm {
    token: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    name: String,
}

async fn add(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let code = form.code.trim().to_owned();
    let (Ok(level), Ok(code)) = (form.level.parse::<NodeLevel>(), code.parse::<NodeCode>()) else {
        let why = Reason::of(&RequestFault::NoCode { text: code });
        return failed(&state, &reader, StatusCode::BAD_REQUEST, &why);
    };
    acted(&state, &reader, "/network", move |app| {
        app.nodes().create(&form.parent, level, &code, form.name.trim()).map(drop)
    })
    .await
}

async fn rename(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    change(state, reader, form, |form, app| {
        let change = NodeChange { name: Some(form.name.trim()), ..NodeChange::default() };
        app.nodes().change(&form.node, &change).map(drop)
    })
    .await
}

async fn move_node(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    change(state, reader, form, |form, app| {
        let change = NodeChange { parent: Some(&form.parent), ..NodeChange::default() };
        app.nodes().change(&form.node, &change).map(drop)
    })
    .await
}

async fn change(
    state: WebState,
    reader: Reader,
    form: NodeForm,
    change: fn(&NodeForm, &Acting) -> Result<(), AppError>,
) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/network", move |app| change(&form, app)).await
}

/// What the question before a removal shows.
#[derive(Debug, Serialize)]
pub(super) struct RemoveView {
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) level: NodeLevel,
    /// What hangs below it; only a node without any can go.
    pub(super) below: u64,
    /// Documents that a till had not brought, where it said so.
    pub(super) unsent: Option<u64>,
    pub(super) back: String,
}

async fn ask_remove(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let app = reader.app(&state);
    let asked = tokio::task::spawn_blocking(move || {
        let info = app.nodes().show(&form.node)?;
        let all = app.nodes().list()?;
        let is_below =
            |one: &&crate::app::NodeInfo| one.parent.as_ref().is_some_and(|(parent, _)| *parent == info.node.id);
        let unsent = match &info.node.id {
            NodeId::Till(till) => {
                let contact = app.till(till.as_str())?.status.record.contact.clone();
                contact.and_then(|contact| contact.state.unsent_documents)
            }
            _ => None,
        };
        let below = all.iter().filter(is_below).count() as u64;
        let (level, name) = (info.node.level(), info.node.name.clone());
        let back = match level {
            NodeLevel::Till => format!("/tills/{}", info.folder),
            _ => format!("/network/{}", info.folder),
        };
        Ok::<_, AppError>(RemoveView { folder: info.folder, name, level, below, unsent, back })
    });
    match asked.await {
        Ok(Ok(view)) => {
            let words = reader.words();
            let crumbs = vec![
                Crumb::to(words.text("nav-network", []), "/network"),
                Crumb::to(view.folder.clone(), view.back.clone()),
                Crumb::here(words.text("node-remove", [])),
            ];
            step(&state, &reader, "network", "network_remove.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

async fn remove(State(state): State<WebState>, reader: Reader, Form(form): Form<NodeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    acted(&state, &reader, "/network", move |app| app.nodes().remove(&form.node).map(drop)).await
}

// --- A table of nodes ---

/// What the pages of a table show: before, as a question, and after.
#[derive(Debug, Default, Serialize)]
pub(super) struct ImportView {
    pub(super) table: String,
    pub(super) lines: Vec<LineView>,
    pub(super) makes: u64,
    pub(super) same: u64,
    pub(super) wrong: u64,
    pub(super) is_done: bool,
    /// Why it cannot be read at all.
    pub(super) trouble: String,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LineView {
    pub(super) line: u64,
    pub(super) level: String,
    pub(super) code: String,
    pub(super) parent: String,
    pub(super) name: String,
    /// `import-<word>`: `makes`, `same`, `wrong`, `made`.
    pub(super) word: &'static str,
    pub(super) detail: String,
}

#[derive(Deserialize)]
struct TableForm {
    token: String,
    table: String,
}

#[allow(clippy::unused_async)] // as handlers are
async fn import(State(state): State<WebState>, reader: Reader) -> Response {
    let crumbs = import_crumbs(&reader);
    step(&state, &reader, "network", "network_import.html", Made { crumbs, body: ImportView::default() })
}

fn import_crumbs(reader: &Reader) -> Vec<Crumb> {
    let words = reader.words();
    vec![Crumb::to(words.text("nav-network", []), "/network"), Crumb::here(words.text("import", []))]
}

async fn preview(State(state): State<WebState>, reader: Reader, Form(form): Form<TableForm>) -> Response {
    imported(state, reader, form, false).await
}

async fn take_over(State(state): State<WebState>, reader: Reader, Form(form): Form<TableForm>) -> Response {
    imported(state, reader, form, true).await
}

async fn imported(state: WebState, reader: Reader, form: TableForm, acts: bool) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let (app, words) = (reader.app(&state), reader.words());
    let made = tokio::task::spawn_blocking(move || {
        let there: Vec<Known> = app.nodes().list()?.into_iter().map(Known::of).collect();
        let mut lines = lines(&form.table, &there, words);
        if acts {
            for line in lines.iter_mut().filter(|line| line.word == "makes") {
                let level = line.level.parse::<NodeLevel>().ok();
                let code = line.code.parse::<NodeCode>().ok();
                let Some((level, code)) = level.zip(code) else { continue };
                match app.nodes().create(&line.parent, level, &code, &line.name) {
                    Ok(_) => line.word = "made",
                    Err(error) => (line.word, line.detail) = ("wrong", words.reason(&Reason::of(&error))),
                }
            }
        }
        let count = |words: &[&str]| lines.iter().filter(|line| words.contains(&line.word)).count() as u64;
        let (makes, same, wrong) = (count(&["makes", "made"]), count(&["same"]), count(&["wrong"]));
        let too_many = words.text("import-too-many", [("n", MAX_LINES.into())]);
        let trouble = if lines.len() > MAX_LINES { too_many } else { String::new() };
        Ok::<_, AppError>(ImportView { table: form.table, makes, same, wrong, is_done: acts, trouble, lines })
    });
    match made.await {
        Ok(Ok(view)) => {
            let crumbs = import_crumbs(&reader);
            step(&state, &reader, "network", "network_import.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

/// A node that is there, or would be there after the lines before.
#[derive(Debug, Clone)]
struct Known {
    level: NodeLevel,
    code: String,
    folder: String,
    parent: String,
}

impl Known {
    fn of(info: crate::app::NodeInfo) -> Self {
        let parent = info.parent.map(|(_, folder)| folder).unwrap_or_default();
        Self { level: info.node.level(), code: info.node.code.to_string(), folder: info.folder, parent }
    }
}

/// What would become of each line of a table: `level,code,parent,name`, parents before what hangs
/// under them, named by their folders (`All`, `group-north`, `shop-7`).
fn lines(table: &str, there: &[Known], words: &Words) -> Vec<LineView> {
    let mut known: Vec<Known> = there.to_vec();
    let separator = if table.lines().next().is_some_and(|first| first.contains(';')) { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(table.trim_start_matches('\u{feff}').as_bytes());
    let mut lines = Vec::new();
    // One more than is taken, so that a longer one is told from one that just fits.
    for record in reader.records().take(MAX_LINES + 2) {
        let number = lines.len() as u64 + 1;
        let Ok(record) = record else {
            let line = LineView {
                line: number,
                level: String::new(),
                code: String::new(),
                parent: String::new(),
                name: String::new(),
                word: "wrong",
                detail: words.text("import-unreadable", []),
            };
            lines.push(line);
            continue;
        };
        let cell = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let line = record.position().map_or(number, csv::Position::line);
        let [level, code, parent, name] = [cell(0).to_lowercase(), cell(1), cell(2), cell(3)];
        // A head, and lines of nothing.
        if level == "level" || (level.is_empty() && code.is_empty()) {
            continue;
        }
        let (word, detail) = judge(&level, &code, &parent, &mut known, words);
        lines.push(LineView { line, level, code, parent, name, word, detail });
    }
    lines
}

fn judge(level: &str, code: &str, parent: &str, known: &mut Vec<Known>, words: &Words) -> (&'static str, String) {
    let wrong = |id: &'static str| ("wrong", words.text(id, []));
    let Ok(level @ (NodeLevel::Group | NodeLevel::Shop | NodeLevel::Till)) = level.parse::<NodeLevel>() else {
        return wrong("import-no-level");
    };
    if code.parse::<NodeCode>().is_err() || !code.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return wrong("import-no-code");
    }
    let Some(above) = known.iter().find(|node| node.folder == parent).cloned() else {
        return wrong("import-no-parent");
    };
    let fits = match level {
        NodeLevel::Till => above.level == NodeLevel::Shop,
        _ => matches!(above.level, NodeLevel::Chain | NodeLevel::Group),
    };
    if !fits {
        return wrong("import-wrong-parent");
    }
    // A till's code is its own within its shop, others' within the chain.
    let is_same =
        |node: &&Known| node.level == level && node.code == code && (level != NodeLevel::Till || node.parent == parent);
    if let Some(there) = known.iter().find(is_same) {
        return if there.parent == parent { ("same", String::new()) } else { wrong("import-elsewhere") };
    }
    let folder = match level {
        NodeLevel::Till => format!("till-{}-{code}", above.code),
        level => format!("{level}-{code}"),
    };
    known.push(Known { level, code: code.to_owned(), folder, parent: parent.to_owned() });
    ("makes", String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language};

    #[test]
    fn a_table_is_judged_line_by_line_as_it_would_be_after_the_lines_before() {
        let chain = Known {
            level: NodeLevel::Chain,
            code: "chain".to_owned(),
            folder: "All".to_owned(),
            parent: String::new(),
        };
        let shop = Known {
            level: NodeLevel::Shop,
            code: "7".to_owned(),
            folder: "shop-7".to_owned(),
            parent: "All".to_owned(),
        };
        let table = "level,code,parent,name\n\
            group,north,All,North\n\
            shop,8,group-north,\"Main, street\"\n\
            till,1,shop-8,\n\
            till,1,shop-8,again\n\
            shop,7,group-north,elsewhere\n\
            till,2,group-north,\n\
            till,3,shop-9,\n\
            planet,1,All,\n\
            shop,a b,All,\n";
        let judged = lines(table, &[chain, shop], words::of(Language::English));
        let told: Vec<_> = judged.iter().map(|line| (line.line, line.word)).collect();
        let expected = [
            (2, "makes"),
            (3, "makes"),
            (4, "makes"),
            (5, "same"),
            (6, "wrong"),
            (7, "wrong"),
            (8, "wrong"),
            (9, "wrong"),
            (10, "wrong"),
        ];
        assert_eq!(told, expected, "{judged:?}");
        assert_eq!(judged[1].name, "Main, street");
        let semicolons = lines(
            "level;code;parent;name\nshop;9;All;Nine",
            &[Known { level: NodeLevel::Chain, code: "c".to_owned(), folder: "All".to_owned(), parent: String::new() }],
            words::of(Language::Russian),
        );
        assert_eq!((semicolons.len(), semicolons[0].word, semicolons[0].name.as_str()), (1, "makes", "Nine"));
    }
}
