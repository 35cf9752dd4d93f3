//! Loads with their rejects and warnings, what of those nobody has seen, and what is on its way to
//! tills.

use super::super::source::{self, Gathered};
use super::super::view::{DeliveryView, LoadView, NoticeView};
use super::{Kind, Made, Reader, WebState, show};
use crate::app::Act;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use tillway_proto::NodeLevel;
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "loads",
    template: "loads.html",
    parts: &[("navigation", "navigation.html"), ("loads", "loads_live.html")],
};

/// Nodes that a list offers; whoever has more hands files over in folders, or by REST.
const MAX_LAYERS: usize = 500;

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct LoadsView {
    /// Rejects and warnings that nobody has seen, newest first.
    pub(super) notices: Vec<NoticeView>,
    /// How many more there are.
    pub(super) notices_more: u64,
    /// The newest of them all: what came later is not marked with them.
    pub(super) notices_up_to: i64,
    /// The last loads, newest first.
    pub(super) loads: Vec<LoadView>,
    /// The last deliveries, newest first.
    pub(super) deliveries: Vec<DeliveryView>,
    /// Folder names of the chain, groups and shops that a file can be sent for, with what they are
    /// called; none where the reader may send none.
    pub(super) layers: Vec<(String, String)>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/loads", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader) -> Response {
    show(state, reader, &KIND, |gathered| {
        let (facts, words) = (&gathered.facts, gathered.words);
        let (rejects, warnings) = facts.notices_open;
        let body = LoadsView {
            notices_more: (rejects + warnings).saturating_sub(facts.notices.len() as u64),
            notices_up_to: facts.notices.first().map_or(0, |open| open.id),
            notices: facts.notices.iter().map(|open| source::notice(&facts.network, open, words)).collect(),
            loads: facts.loads.iter().map(|report| source::load(&facts.network, report, words)).collect(),
            layers: layers(gathered),
            deliveries: facts.deliveries.iter().map(|one| source::delivery(&facts.network, one, words)).collect(),
        };
        Ok(Made { crumbs: vec![Crumb::here(words.text("loads", []))], body })
    })
    .await
}

fn layers(gathered: &Gathered<'_>) -> Vec<(String, String)> {
    let network = &gathered.facts.network;
    let above_tills = network.nodes().filter(|node| node.level() != NodeLevel::Till);
    let may = above_tills.filter(|node| gathered.app.may(Act::ManageLoads, &node.id)).take(MAX_LAYERS);
    may.map(|node| (network.folder_name(node), source::place(network, &node.id, gathered.words))).collect()
}
