//! Goods: found by barcode, code or words of the name.

use super::super::address::{escaped, with};
use super::super::csv::Csv;
use super::super::source;
use super::{Kind, Made, Reader, WebState, show};
use crate::app::{Acting, AppError, GoodsLine};
use crate::goods::search::Sought;
use crate::network::Network;
use crate::words::Words;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tillway_proto::Kopecks;
use tillway_service::page::Crumb;

/// What is searched does not change while somebody looks.
const KIND: Kind = Kind { here: "goods", template: "goods.html", parts: &[] };

/// Goods of one part of the list.
const PAGE: usize = 50;

/// Goods of a file, and of one question for it.
const MAX_CSV: usize = 10_000;
const CSV_PART: usize = 500;

/// Barcodes of a good that a list shows.
const SHOWN_BARCODES: usize = 2;

/// What somebody looks for, as the address says it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A barcode, a code or its beginning, words of the name.
    pub(super) q: String,
    /// Where the list goes on.
    pub(super) after: String,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct GoodsView {
    pub(super) asked: Asked,
    pub(super) rows: Vec<GoodsRow>,
    /// The beginning of the list, where this is not it.
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
    pub(super) csv: String,
    /// Whether words may not find all yet.
    pub(super) is_behind: bool,
}

/// A good of the list.
#[derive(Debug, Serialize)]
pub(super) struct GoodsRow {
    pub(super) address: String,
    pub(super) code: String,
    pub(super) name: Option<String>,
    pub(super) barcodes: Vec<String>,
    pub(super) barcodes_more: u64,
    pub(super) price: Option<Kopecks>,
    /// The most, where barcodes have several prices.
    pub(super) price_to: Option<Kopecks>,
    pub(super) place: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/goods", get(page)).route("/goods.csv", get(csv))
}

/// The address of a good's page.
pub(super) fn address(code: &str) -> String {
    format!("/goods/{}", escaped(code))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| {
        let after = asked.after.parse().ok();
        let is_first = after.is_none();
        let found = gathered.app.find_goods(&Sought { text: &asked.q, after, limit: PAGE })?;
        let at = |after: &str| with("/goods", [("q", asked.q.as_str()), ("after", after)]);
        let (network, words) = (&gathered.facts.network, gathered.words);
        let body = GoodsView {
            rows: found.goods.into_iter().map(|line| row(network, line, words)).collect(),
            first: (!is_first).then(|| at("")),
            next: found.next.as_deref().map(at),
            csv: with("/goods.csv", [("q", asked.q.as_str())]),
            is_behind: found.is_behind,
            asked: asked.clone(),
        };
        Ok(Made { crumbs: vec![Crumb::here(words.text("nav-goods", []))], body })
    })
    .await
}

fn row(network: &Network, line: GoodsLine, words: &Words) -> GoodsRow {
    let (price, most) = line.prices.unzip();
    GoodsRow {
        address: address(&line.code),
        code: line.code,
        name: line.name,
        barcodes_more: line.barcodes.len().saturating_sub(SHOWN_BARCODES) as u64,
        barcodes: line.barcodes.into_iter().take(SHOWN_BARCODES).collect(),
        price,
        price_to: most.filter(|most| Some(*most) != price),
        place: source::place(network, &line.place, words),
    }
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    super::table(state, reader, "goods.csv", move |app, words| table(app, &asked.q, words)).await
}

fn table(app: &Acting, text: &str, words: &Words) -> Result<Csv, AppError> {
    let mut csv = Csv::with_head([
        words.text("good-code", []),
        words.text("name", []),
        words.text("barcodes", []),
        words.text("price-from", []),
        words.text("price-to", []),
        words.text("place", []),
    ]);
    let money = |price: Option<Kopecks>| price.map(|price| price.to_string()).unwrap_or_default();
    let (mut after, mut written) = (None, 0);
    while written < MAX_CSV {
        let found = app.find_goods(&Sought { text, after, limit: CSV_PART })?;
        written += found.goods.len();
        for line in found.goods {
            let (least, most) = line.prices.unzip();
            csv.line([
                line.code,
                line.name.unwrap_or_default(),
                line.barcodes.join(" "),
                money(least),
                money(most),
                line.place.to_string(),
            ]);
        }
        after = found.next.and_then(|next| next.parse().ok());
        if after.is_none() {
            return Ok(csv);
        }
    }
    csv.cut(words.text("goods-cut", []));
    Ok(csv)
}
