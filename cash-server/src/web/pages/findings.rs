//! Everything that needs a look, with what to do about it; and what was set aside anywhere.

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::super::view::{AsideView, Attention};
use super::{Kind, MAX_ROWS, Made, Reader, WebState, show};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "findings",
    template: "findings.html",
    parts: &[("navigation", "navigation.html"), ("findings", "findings_live.html"), ("aside", "aside_live.html")],
};

/// Which of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The key of a kind; empty: all.
    kind: String,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct FindingsView {
    /// The kind that was asked for.
    pub(super) kind: String,
    pub(super) kinds: Vec<KindView>,
    /// How many there are of all kinds.
    pub(super) total: u64,
    /// What a person should look at, the weightiest first.
    pub(super) attention: Vec<AttentionView>,
    /// How many more there are.
    pub(super) attention_more: u64,
    /// What was set aside and waits for a person.
    pub(super) aside: Vec<AsideView>,
    /// How many more there are.
    pub(super) aside_more: u64,
}

/// A kind that there are some of.
#[derive(Debug, Serialize)]
pub(super) struct KindView {
    pub(super) key: String,
    pub(super) count: u64,
    pub(super) address: String,
}

/// Something to look at.
#[derive(Debug, Serialize)]
pub(super) struct AttentionView {
    #[serde(flatten)]
    pub(super) entry: Attention,
    pub(super) is_grave: bool,
    /// The page of the till, or the list of the tills, that it is about.
    pub(super) address: Option<String>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/findings", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| {
        let crumbs = vec![Crumb::here(gathered.words.text("nav-findings", []))];
        Ok(Made { crumbs, body: view(gathered, &asked.kind) })
    })
    .await
}

fn view(gathered: &Gathered<'_>, kind: &str) -> FindingsView {
    let (all, network) = (&gathered.attention, &gathered.facts.network);
    let mut kinds: Vec<KindView> = Vec::new();
    for entry in all {
        if let Some(one) = kinds.iter_mut().find(|one| one.key == entry.key) {
            one.count += 1;
        } else {
            let address = with("/findings", [("kind", entry.key.as_str())]);
            kinds.push(KindView { key: entry.key.clone(), count: 1, address });
        }
    }
    let chosen: Vec<&Attention> = all.iter().filter(|entry| kind.is_empty() || entry.key == kind).collect();
    let address = |entry: &Attention| match entry.tills.as_slice() {
        [] => None,
        [only] => only.parse().ok().and_then(|till| source::till_address(network, &till)),
        _ => Some(with("/tills", [("problem", entry.key.as_str())])),
    };
    let shown = |entry: &&Attention| AttentionView {
        entry: (*entry).clone(),
        is_grave: entry.sort.is_grave(),
        address: address(entry),
    };
    let units = &gathered.facts.aside.units;
    FindingsView {
        kind: kind.to_owned(),
        kinds,
        total: all.len() as u64,
        attention_more: chosen.len().saturating_sub(MAX_ROWS) as u64,
        attention: chosen.iter().take(MAX_ROWS).map(shown).collect(),
        aside_more: units.len().saturating_sub(MAX_ROWS) as u64,
        aside: units.iter().take(MAX_ROWS).map(|unit| source::aside_view(network, unit, gathered.words)).collect(),
    }
}
