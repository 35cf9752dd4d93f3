//! A good: what it costs where and why, what is coming, how its price became what it is, and which
//! tills have it at an old price.

use super::super::address::with;
use super::super::csv::Csv;
use super::super::source::{self, Gathered};
use super::goods::address;
use super::{Kind, Made, Reader, WebState, show};
use crate::app::{self, Acting, AppError};
use crate::goods::rows::Said;
use crate::network::Network;
use crate::words::Words;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{Kopecks, NodeId, Revision};
use tillway_service::page::Crumb;

/// What it costs where takes long enough not to be asked for every two seconds.
const KIND: Kind = Kind { here: "goods", template: "good.html", parts: &[] };

/// Changes of the price that are shown; REST tells more.
const SHOWN_CHANGES: usize = 50;

/// Changes in a file.
const MAX_CSV: usize = 1_000;

/// Tills that are named in one place.
const NAMED_TILLS: usize = 100;

/// Shops that are named in one line.
const NAMED_SHOPS: usize = 6;

/// Rows of layers that are shown.
const SHOWN_SAID: usize = 200;

/// Prices that are shown, those of the most tills first; and coming ones, the next first.
const SHOWN_PRICES: usize = 50;

/// What of a good is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The change whose tills are shown: a revision.
    revision: String,
    /// Changes before this revision are shown.
    before: String,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct GoodPage {
    pub(super) code: String,
    pub(super) name: Option<String>,
    pub(super) barcodes: Vec<String>,
    pub(super) tills: u64,
    pub(super) shops: u64,
    pub(super) prices: Vec<NowRow>,
    pub(super) prices_more: u64,
    pub(super) coming: Vec<ComingRow>,
    pub(super) coming_more: u64,
    pub(super) said: Vec<SaidRow>,
    pub(super) said_more: u64,
    pub(super) changes: Vec<ChangeRow>,
    /// Whether there were changes before, which are forgotten.
    pub(super) is_cut: bool,
    /// Address of the changes before these.
    pub(super) older: Option<String>,
    /// Address of the newest changes, where others are shown.
    pub(super) newest: Option<String>,
    /// The tills of one change, where one was asked for.
    pub(super) change: Option<TillsOfChange>,
    /// Tills that have another price than they shall have.
    pub(super) stale: Vec<StaleRow>,
    pub(super) stale_count: u64,
    pub(super) stale_more: u64,
    pub(super) unknown: u64,
    pub(super) csv: String,
}

/// What it costs in some shops.
#[derive(Debug, Serialize)]
pub(super) struct NowRow {
    pub(super) price: Option<Kopecks>,
    pub(super) barcodes: Vec<String>,
    /// Which layer gives it, and the word for the row: `item`, `barcode`, `document`.
    pub(super) layer: Option<String>,
    pub(super) by: Option<&'static str>,
    pub(super) shops: Places,
    pub(super) tills: u64,
}

/// What it will cost in some shops.
#[derive(Debug, Serialize)]
pub(super) struct ComingRow {
    /// Local time.
    pub(super) from: String,
    pub(super) price: Option<Kopecks>,
    pub(super) barcodes: Vec<String>,
    pub(super) shops: Places,
    pub(super) tills: u64,
}

/// Shops, the first of them by name.
#[derive(Debug, Serialize)]
pub(super) struct Places {
    /// What each is called, and its address.
    pub(super) named: Vec<(String, String)>,
    pub(super) more: u64,
}

/// What a layer says.
#[derive(Debug, Serialize)]
pub(super) struct SaidRow {
    pub(super) layer: String,
    pub(super) address: String,
    pub(super) by: &'static str,
    /// The barcode or code that it is about.
    pub(super) of: String,
    pub(super) name: Option<String>,
    pub(super) price: Option<Kopecks>,
    pub(super) document: Option<String>,
    pub(super) document_type: Option<i64>,
    /// Local times.
    pub(super) from: Option<String>,
    pub(super) until: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) load: Option<i64>,
    /// Tills whose price it gives.
    pub(super) tills: u64,
}

/// A change of the price.
#[derive(Debug, Serialize)]
pub(super) struct ChangeRow {
    pub(super) revision: Revision,
    pub(super) at: Timestamp,
    /// Local time, where it holds from later on.
    pub(super) from: Option<String>,
    pub(super) old: Option<Kopecks>,
    pub(super) new: Option<Kopecks>,
    pub(super) barcodes: Vec<String>,
    pub(super) layer: String,
    pub(super) load: Option<i64>,
    pub(super) source: Option<String>,
    pub(super) have: u64,
    pub(super) tills: u64,
    /// Shows its tills.
    pub(super) address: String,
}

/// The tills that a change is for.
#[derive(Debug, Serialize)]
pub(super) struct TillsOfChange {
    pub(super) revision: Revision,
    /// Those that do not have it first.
    pub(super) tills: Vec<TillRow>,
    pub(super) more: u64,
}

/// A till that a change is for.
#[derive(Debug, Serialize)]
pub(super) struct TillRow {
    pub(super) place: String,
    pub(super) address: Option<String>,
    pub(super) has: bool,
    pub(super) since: Option<Timestamp>,
}

/// A till that has another price than it shall have.
#[derive(Debug, Serialize)]
pub(super) struct StaleRow {
    pub(super) place: String,
    pub(super) address: Option<String>,
    pub(super) barcode: Option<String>,
    pub(super) has: Option<Kopecks>,
    pub(super) should_have: Option<Kopecks>,
    pub(super) revision: Revision,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/goods/{code}", get(page)).route("/goods/{code}/history.csv", get(csv))
}

async fn page(
    State(state): State<WebState>,
    reader: Reader,
    Path(code): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &code, &asked)).await
}

fn view(gathered: &Gathered<'_>, code: &str, asked: &Asked) -> Result<Made<GoodPage>, AppError> {
    let (app, network, words) = (gathered.app, &gathered.facts.network, gathered.words);
    let [revision, before] = [&asked.revision, &asked.before].map(|text| text.parse().ok().map(Revision));
    let good = app.good(code, SHOWN_SAID)?;
    let history = app.good_history(code, before, SHOWN_CHANGES)?;
    let older = |next: Revision| with(&address(code), [("before", next.0.to_string().as_str())]) + "#history";
    let more = |count: usize, shown: usize| count.saturating_sub(shown) as u64;
    let (prices_more, coming_more) = (more(good.now.len(), SHOWN_PRICES), more(good.coming.len(), SHOWN_PRICES));
    let change = revision.map(|revision| tills_of_change(app, network, code, revision)).transpose()?;
    let prices = good.now.into_iter().take(SHOWN_PRICES).map(|one| NowRow {
        price: one.price,
        barcodes: one.barcodes,
        layer: one.by.as_ref().map(|(layer, _)| source::place(network, layer, words)),
        by: one.by.map(|(_, by)| by.word()),
        shops: places(network, &one.shops, words),
        tills: one.tills,
    });
    let coming = good.coming.into_iter().take(SHOWN_PRICES).map(|one| ComingRow {
        from: local(one.from),
        price: one.price,
        barcodes: one.barcodes,
        shops: places(network, &one.shops, words),
        tills: one.tills,
    });
    let stale = good.stale.iter().take(NAMED_TILLS).map(|one| StaleRow {
        place: source::till_place(network, &one.till),
        address: source::till_address(network, &one.till),
        barcode: one.barcode.clone(),
        has: one.has,
        should_have: one.should_have,
        revision: one.revision,
    });
    let heading = good.name.clone().unwrap_or_else(|| good.code.clone());
    let body = GoodPage {
        prices: prices.collect(),
        coming: coming.collect(),
        prices_more,
        coming_more,
        older: history.next.map(older),
        newest: before.map(|_| address(code) + "#history"),
        said_more: good.said_more,
        said: good.said.into_iter().map(|one| said(network, one, words)).collect(),
        is_cut: history.is_cut,
        changes: history.changes.into_iter().map(|one| change_row(network, code, before, one, words)).collect(),
        change,
        stale: stale.collect(),
        stale_count: good.stale.len() as u64,
        stale_more: more(good.stale.len(), NAMED_TILLS),
        unknown: good.unknown,
        csv: format!("{}/history.csv", address(code)),
        code: good.code,
        name: good.name,
        barcodes: good.barcodes,
        tills: good.tills,
        shops: good.shops,
    };
    let crumbs = vec![Crumb::to(words.text("nav-goods", []), "/goods"), Crumb::here(heading)];
    Ok(Made { crumbs, body })
}

fn local(time: DateTime) -> String {
    time.to_string().replace('T', " ")
}

fn places(network: &Network, nodes: &[NodeId], words: &Words) -> Places {
    let named = nodes.iter().take(NAMED_SHOPS).map(|id| (source::place(network, id, words), node_address(network, id)));
    Places { named: named.collect(), more: nodes.len().saturating_sub(NAMED_SHOPS) as u64 }
}

fn node_address(network: &Network, id: &NodeId) -> String {
    let folder = network.node(id).map(|node| network.folder_name(node)).unwrap_or_default();
    if let NodeId::Till(_) = id { format!("/tills/{folder}") } else { format!("/network/{folder}") }
}

fn said(network: &Network, one: app::SaidHere, words: &Words) -> SaidRow {
    let row = SaidRow {
        layer: source::place(network, &one.layer, words),
        address: node_address(network, &one.layer),
        by: PricedBy::Item.word(),
        of: String::new(),
        name: None,
        price: None,
        document: None,
        document_type: None,
        from: None,
        until: None,
        at: one.at,
        load: one.load.map(|load| load.0),
        tills: one.tills,
    };
    match one.said {
        Said::Item(said) => SaidRow { of: said.code, name: said.name, price: said.price, ..row },
        Said::Barcode(said) => SaidRow {
            by: PricedBy::Barcode.word(),
            of: said.barcode,
            name: said.name,
            // A price of nothing is none, as the till has it.
            price: said.price.filter(|price| *price != Kopecks::ZERO),
            ..row
        },
        Said::Price(said) => SaidRow {
            by: PricedBy::Document.word(),
            of: said.of,
            price: said.price,
            document: said.document,
            document_type: said.document_type,
            from: said.from.map(local),
            until: said.until.map(local),
            ..row
        },
    }
}

fn change_row(
    network: &Network,
    code: &str,
    before: Option<Revision>,
    one: app::GoodChange,
    words: &Words,
) -> ChangeRow {
    let revision = one.change.revision;
    let page = before.map(|before| before.0.to_string()).unwrap_or_default();
    let asked = [("before", page.as_str()), ("revision", &revision.0.to_string())];
    ChangeRow {
        revision,
        at: one.change.at,
        from: one.change.from.map(local),
        old: one.change.old,
        new: one.change.new,
        barcodes: one.change.barcodes,
        layer: source::place(network, &one.layer, words),
        load: one.change.load.map(|load| load.0),
        source: one.source.as_ref().map(source::short),
        have: one.have,
        tills: one.tills,
        address: with(&address(code), asked.into_iter().filter(|(_, value)| !value.is_empty())) + "#change",
    }
}

fn tills_of_change(app: &Acting, network: &Network, code: &str, revision: Revision) -> Result<TillsOfChange, AppError> {
    let mut tills = app.tills_of_change(code, revision)?;
    tills.sort_by_key(|one| (one.has, std::cmp::Reverse(one.since)));
    let row = |one: &app::TillOfChange| TillRow {
        place: source::till_place(network, &one.till),
        address: source::till_address(network, &one.till),
        has: one.has,
        since: one.since,
    };
    Ok(TillsOfChange {
        revision,
        more: tills.len().saturating_sub(NAMED_TILLS) as u64,
        tills: tills.iter().take(NAMED_TILLS).map(row).collect(),
    })
}

async fn csv(State(state): State<WebState>, reader: Reader, Path(code): Path<String>) -> Response {
    super::table(state, reader, "history.csv", move |app, words| table(app, &code, words)).await
}

fn table(app: &Acting, code: &str, words: &Words) -> Result<Csv, AppError> {
    let history = app.good_history(code, None, MAX_CSV)?;
    let mut csv = Csv::with_head([
        words.text("loaded-at", []),
        words.text("price-from-time", []),
        words.text("price-old", []),
        words.text("price-new", []),
        words.text("barcodes", []),
        words.text("layer", []),
        words.text("load", []),
        words.text("source", []),
        words.text("tills-have-change", []),
        words.text("tills", []),
        words.text("revision", []),
    ]);
    let money = |price: Option<Kopecks>| price.map(|price| price.to_string()).unwrap_or_default();
    for one in history.changes {
        csv.line([
            one.change.at.to_string(),
            one.change.from.map(local).unwrap_or_default(),
            money(one.change.old),
            money(one.change.new),
            one.change.barcodes.join(" "),
            one.layer.to_string(),
            one.change.load.map(|load| load.0.to_string()).unwrap_or_default(),
            one.source.map(|source| source.to_string()).unwrap_or_default(),
            one.have.to_string(),
            one.tills.to_string(),
            one.change.revision.0.to_string(),
        ]);
    }
    if history.is_cut || history.next.is_some() {
        csv.cut(words.text("price-history-cut", []));
    }
    Ok(csv)
}
