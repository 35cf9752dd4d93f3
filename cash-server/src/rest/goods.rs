//! Goods: found by what somebody types, one with what each layer says of it, the history of its
//! price, and what a barcode costs on one till. Money in kopecks.

use super::problem::{Problem, blocking};
use crate::app::{self, Acting};
use crate::goods::rows::Said;
use crate::goods::search::Sought;
use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{NodeId, Revision};
use utoipa::{IntoParams, ToSchema};

/// Most goods, or changes of a price, in one answer.
const MAX_LISTED: usize = 1_000;

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A barcode, a code or its beginning, words of the name (of the last one its beginning is
    /// enough); left out: all goods.
    #[serde(default)]
    q: String,
    /// Where a list goes on: `next` of the part before.
    after: Option<String>,
    /// Most goods, 1000 at most.
    limit: Option<usize>,
}

/// Goods that were found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found {
    /// In their order.
    pub goods: Vec<LineView>,
    /// Where the list goes on; none: that is all.
    pub next: Option<String>,
    /// Whether words find all goods: false while names of new ones are being read.
    pub complete: bool,
}

/// A good of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Its barcodes.
    pub barcodes: Vec<String>,
    /// What it costs at `node`: the least of its barcodes' prices.
    pub price_from: Option<i64>,
    /// The most.
    pub price_to: Option<i64>,
    /// Id of the node where it costs that.
    pub node: String,
}

/// A good with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GoodView {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Its barcodes, in any layer.
    pub barcodes: Vec<String>,
    /// What layers say of it, upper ones first: the deepest on a till's path is heard. The first
    /// 1000 rows.
    pub layers: Vec<SaidView>,
    /// Rows of layers beyond these.
    pub layers_more: u64,
    /// What it costs now, what holds on the most tills first.
    pub prices: Vec<PriceView>,
    /// What it will cost, by what is known now, in the order of time.
    pub coming: Vec<ComingView>,
    /// Tills that shall sell it.
    pub tills: u64,
    /// Shops of these.
    pub shops: u64,
    /// Tills that have another price than they shall have.
    pub stale: Vec<StaleView>,
    /// Tills of which nobody knows what they have.
    pub unknown_tills: u64,
}

/// What a layer says of a good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SaidView {
    /// Id of the layer's node.
    pub node: String,
    /// What says it: `item`, `barcode`, or `document` (a price by document).
    pub by: &'static str,
    /// The barcode, or the item's code, that it is about.
    pub of: String,
    /// The name that it gives.
    pub name: Option<String>,
    /// The price that it gives.
    pub price: Option<i64>,
    /// Type of the document.
    pub document_type: Option<i64>,
    /// Number of the document.
    pub document: Option<String>,
    /// From this local time on.
    pub from: Option<String>,
    /// Up to this local time, included.
    pub until: Option<String>,
    /// Since this revision.
    pub since: u64,
    /// When that was, UTC; none where that is forgotten.
    pub at: Option<String>,
    /// The load that said it.
    pub load: Option<i64>,
    /// Tills whose price it gives now.
    pub tills: u64,
}

/// What a good costs now in some shops.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceView {
    /// The price; none: it is sold without one.
    pub price: Option<i64>,
    /// Of these barcodes; none: of the good, which has none.
    pub barcodes: Vec<String>,
    /// Id of the node whose layer gives it.
    pub node: Option<String>,
    /// What gives it: `item`, `barcode`, `document`.
    pub by: Option<&'static str>,
    /// Ids of the shops.
    pub shops: Vec<String>,
    /// Tills there.
    pub tills: u64,
}

/// What a good will cost in some shops.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComingView {
    /// From this local time on.
    pub from: String,
    /// The price; none: it has none then.
    pub price: Option<i64>,
    /// Of these barcodes; none: of the good, which has none.
    pub barcodes: Vec<String>,
    /// Ids of the shops.
    pub shops: Vec<String>,
    /// Tills there.
    pub tills: u64,
}

/// A till that has another price than it shall have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StaleView {
    /// Id of the till.
    pub till: String,
    /// Of this barcode; none: of the good, which has none.
    pub barcode: Option<String>,
    /// The price that it has; none: it does not sell it, or has no price.
    pub has: Option<i64>,
    /// The price that it shall have.
    pub should_have: Option<i64>,
    /// The revision that it has.
    pub revision: u64,
}

/// How the price of a good became what it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// Its name.
    pub name: Option<String>,
    /// The newest change first.
    pub changes: Vec<ChangeView>,
    /// Whether there were changes before, which are forgotten: see `retention.dictionary_days`.
    pub cut: bool,
    /// Where the list goes on: with changes before this revision; none: that is all.
    pub next: Option<u64>,
}

/// A change of a price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    /// The revision that brought it.
    pub revision: u64,
    /// When it was loaded, UTC.
    pub at: String,
    /// From which local time on the new price holds, where that is later.
    pub from: Option<String>,
    /// The price before; none: it had none.
    pub old: Option<i64>,
    /// The price after; none: it has none.
    pub new: Option<i64>,
    /// Of these barcodes; none: of the good, which has none.
    pub barcodes: Vec<String>,
    /// Id of the node whose layer was loaded.
    pub node: String,
    /// The load.
    pub load: Option<i64>,
    /// File or sender of the load; none where that is forgotten.
    pub source: Option<String>,
    /// Tills below that node that have it.
    pub tills_have: u64,
    /// All tills below it.
    pub tills: u64,
}

/// A till that a change is for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TillOfChangeView {
    /// Id of the till.
    pub till: String,
    /// Whether it has the change.
    pub has: bool,
    /// Since when, UTC, as far as deliveries are kept.
    pub since: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// Most changes, 1000 at most.
    limit: Option<usize>,
    /// Only changes before this revision: `next` of the answer before.
    before: Option<u64>,
}

/// Which price.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OfBarcode {
    /// A barcode, or an item's code.
    barcode: String,
}

/// What a barcode costs on a till now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TillPricesView {
    /// Id of the till.
    pub till: String,
    /// What was asked for.
    pub barcode: String,
    /// The local time that prices are told for.
    pub at: String,
    /// The revision that the till proved to have; none: nobody knows what it has.
    pub revision: Option<u64>,
    /// The revision that it shall have.
    pub target: u64,
    /// The goods with this barcode: one, unless items share it.
    pub goods: Vec<TillPriceView>,
}

/// What a good costs on a till.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TillPriceView {
    /// Code of the item.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// On the till; none: it does not sell it, or nobody knows.
    pub has: Option<PriceHereView>,
    /// Once the till has what it shall have; none: it will not sell it.
    pub will_have: Option<PriceHereView>,
}

/// A price, and where it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceHereView {
    /// The price; none: it is sold without one.
    pub price: Option<i64>,
    /// Id of the node whose layer gives it.
    pub node: Option<String>,
    /// What gives it: `item`, `barcode`, `document`.
    pub by: Option<&'static str>,
    /// Up to this local time, where it is a dated one.
    pub until: Option<String>,
}

fn ids(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn said(one: app::SaidHere) -> SaidView {
    let view = SaidView {
        node: one.layer.to_string(),
        by: PricedBy::Item.word(),
        of: String::new(),
        name: None,
        price: None,
        document_type: None,
        document: None,
        from: None,
        until: None,
        since: one.since.0,
        at: text(one.at),
        load: one.load.map(|load| load.0),
        tills: one.tills,
    };
    match one.said {
        Said::Item(row) => SaidView { of: row.code, name: row.name, price: row.price.map(|price| price.0), ..view },
        Said::Barcode(row) => SaidView {
            by: PricedBy::Barcode.word(),
            of: row.barcode,
            name: row.name,
            price: row.price.map(|price| price.0),
            ..view
        },
        Said::Price(row) => SaidView {
            by: PricedBy::Document.word(),
            of: row.of,
            price: row.price.map(|price| price.0),
            document_type: row.document_type,
            document: row.document,
            from: text(row.from),
            until: text(row.until),
            ..view
        },
    }
}

/// Finds goods by a barcode, a code or its beginning, or words of the name. Prices are those of
/// the place of whoever asks, now.
#[utoipa::path(get, path = "/api/v1/goods", tag = "goods", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Found), (status = 401, body = Problem)))]
pub(super) async fn find(app: Acting, Query(asked): Query<Asked>) -> Result<Json<Found>, Problem> {
    let found = blocking(move || {
        app.find_goods(&Sought {
            text: &asked.q,
            after: asked.after.as_deref().and_then(|after| after.parse().ok()),
            limit: asked.limit.unwrap_or(100).clamp(1, MAX_LISTED),
        })
    });
    let found = found.await?;
    let line = |one: app::GoodsLine| LineView {
        code: one.code,
        name: one.name,
        barcodes: one.barcodes,
        price_from: one.prices.map(|(least, _)| least.0),
        price_to: one.prices.map(|(_, most)| most.0),
        node: one.place.to_string(),
    };
    Ok(Json(Found { goods: found.goods.into_iter().map(line).collect(), next: found.next, complete: !found.is_behind }))
}

/// One good: what each layer says of it, what it costs where, what is coming, and which tills have
/// it at another price than they shall have.
#[utoipa::path(get, path = "/api/v1/goods/{code}", tag = "goods", security(("administrator" = [])),
    params(("code" = String, Path, description = "code of the item")),
    responses((status = 200, body = GoodView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(app: Acting, Path(code): Path<String>) -> Result<Json<GoodView>, Problem> {
    let good = blocking(move || app.good(&code, MAX_LISTED)).await?;
    let price = |one: app::PriceNow| PriceView {
        price: one.price.map(|price| price.0),
        barcodes: one.barcodes,
        node: one.by.as_ref().map(|(node, _)| node.to_string()),
        by: one.by.map(|(_, by)| by.word()),
        shops: ids(&one.shops),
        tills: one.tills,
    };
    let coming = |one: app::PriceComing| ComingView {
        from: one.from.to_string(),
        price: one.price.map(|price| price.0),
        barcodes: one.barcodes,
        shops: ids(&one.shops),
        tills: one.tills,
    };
    let stale = |one: app::StaleTill| StaleView {
        till: one.till.to_string(),
        barcode: one.barcode,
        has: one.has.map(|price| price.0),
        should_have: one.should_have.map(|price| price.0),
        revision: one.revision.0,
    };
    Ok(Json(GoodView {
        code: good.code,
        name: good.name,
        barcodes: good.barcodes,
        layers: good.said.into_iter().map(said).collect(),
        layers_more: good.said_more,
        prices: good.now.into_iter().map(price).collect(),
        coming: good.coming.into_iter().map(coming).collect(),
        tills: good.tills,
        shops: good.shops,
        stale: good.stale.into_iter().map(stale).collect(),
        unknown_tills: good.unknown,
    }))
}

/// How the price of a good changed in each layer: old, new, when, by which load, and how many
/// tills have it.
#[utoipa::path(get, path = "/api/v1/goods/{code}/history", tag = "goods", security(("administrator" = [])),
    params(("code" = String, Path, description = "code of the item"), Listed),
    responses((status = 200, body = HistoryView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn history(
    app: Acting,
    Path(code): Path<String>,
    Query(asked): Query<Listed>,
) -> Result<Json<HistoryView>, Problem> {
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_LISTED);
    let history = blocking(move || app.good_history(&code, asked.before.map(Revision), limit)).await?;
    let change = |one: app::GoodChange| ChangeView {
        revision: one.change.revision.0,
        at: one.change.at.to_string(),
        from: text(one.change.from),
        old: one.change.old.map(|price| price.0),
        new: one.change.new.map(|price| price.0),
        barcodes: one.change.barcodes,
        node: one.layer.to_string(),
        load: one.change.load.map(|load| load.0),
        source: text(one.source),
        tills_have: one.have,
        tills: one.tills,
    };
    let changes = history.changes.into_iter().map(change).collect();
    Ok(Json(HistoryView { name: history.name, changes, cut: history.is_cut, next: history.next.map(|next| next.0) }))
}

/// Which tills have a change of a good's price, and since when.
#[utoipa::path(get, path = "/api/v1/goods/{code}/history/{revision}", tag = "goods", security(("administrator" = [])),
    params(("code" = String, Path, description = "code of the item"),
        ("revision" = u64, Path, description = "revision of the change")),
    responses((status = 200, body = Vec<TillOfChangeView>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn tills(
    app: Acting,
    Path((code, revision)): Path<(String, u64)>,
) -> Result<Json<Vec<TillOfChangeView>>, Problem> {
    let tills = blocking(move || app.tills_of_change(&code, Revision(revision))).await?;
    let view =
        |one: app::TillOfChange| TillOfChangeView { till: one.till.to_string(), has: one.has, since: text(one.since) };
    Ok(Json(tills.into_iter().map(view).collect()))
}

/// What a barcode, or an item by its code, costs on a till now: what the till has, by the revision
/// that it proved to have, and what it will have.
#[utoipa::path(get, path = "/api/v1/tills/{id}/price", tag = "goods", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till, or till-<shop>-<code>"), OfBarcode),
    responses((status = 200, body = TillPricesView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn price(
    app: Acting,
    Path(id): Path<String>,
    Query(asked): Query<OfBarcode>,
) -> Result<Json<TillPricesView>, Problem> {
    let told = blocking(move || app.till_prices(&id, &asked.barcode)).await?;
    let here = |one: app::PriceHere| PriceHereView {
        price: one.price.map(|price| price.0),
        node: one.by.as_ref().map(|(node, _)| node.to_string()),
        by: one.by.map(|(_, by)| by.word()),
        until: text(one.until),
    };
    let good = |one: app::TillPrice| TillPriceView {
        code: one.code,
        name: one.name,
        has: one.has.map(here),
        will_have: one.will_have.map(here),
    };
    Ok(Json(TillPricesView {
        till: told.till.to_string(),
        barcode: told.barcode,
        at: told.at.to_string(),
        revision: told.revision.map(|revision| revision.0),
        target: told.target.0,
        goods: told.goods.into_iter().map(good).collect(),
    }))
}
