//! Totals of sales and refunds by day, hour, shop, till, cashier and payment: a chart, and the
//! table that it is made of.

use super::super::super::chart::{Chart, Value, chart};
use super::super::super::csv::Csv;
use super::super::super::render::rub;
use super::super::MAX_ROWS;
use super::{
    Above, Gathered, Kind, Made, Of, Reader, WebState, changed, crumbs, day, payment, shop_named, show, table,
    till_named, trouble,
};
use crate::app::{Acting, AppError};
use crate::network::Network;
use crate::store::sales::{TotalsBy, TotalsFilter, TotalsRow, TypedTime};
use crate::words::{FluentArgs, Words};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tillway_proto::Kopecks;

const KIND: Kind = Kind { here: "sales", template: "totals.html", parts: &[] };

/// Bars of the chart, the largest where there are more.
const MAX_BARS: usize = 62;

/// Which totals, as the address says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    #[serde(flatten)]
    pub(in super::super) of: Of,
    /// By what; by day where it does not say.
    pub(in super::super) by: String,
}

impl Asked {
    fn address(&self, path: &str, other: &[(&'static str, &str)]) -> String {
        changed(path, self.of.parameters().into_iter().chain([("by", self.by.as_str())]), other)
    }

    fn by(&self) -> TotalsBy {
        TotalsBy::from_word(&self.by).unwrap_or(TotalsBy::Day)
    }
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct TotalsView {
    pub(in super::super) above: Above,
    pub(in super::super) from: String,
    pub(in super::super) to: String,
    pub(in super::super) by: &'static str,
    pub(in super::super) is_filtered: bool,
    pub(in super::super) choices: Vec<ByChip>,
    pub(in super::super) chart: Chart,
    pub(in super::super) rows: Vec<TotalRow>,
    pub(in super::super) more: u64,
    /// All rows together.
    pub(in super::super) all: TotalRow,
    pub(in super::super) csv: String,
}

/// What totals can be by.
#[derive(Debug, Serialize)]
pub(in super::super) struct ByChip {
    /// `totals-by-<word>`.
    pub(in super::super) word: &'static str,
    pub(in super::super) address: String,
    pub(in super::super) is_on: bool,
}

/// A row of the table.
#[derive(Debug, Default, Serialize)]
pub(in super::super) struct TotalRow {
    pub(in super::super) label: String,
    /// The list of the receipts that it is made of, where there is one.
    pub(in super::super) address: Option<String>,
    pub(in super::super) sales: u64,
    pub(in super::super) refunds: u64,
    pub(in super::super) sale_sum: Kopecks,
    pub(in super::super) refund_sum: Kopecks,
    pub(in super::super) net: Kopecks,
    /// Sum of sales by their number; none where there are none.
    pub(in super::super) average: Option<Kopecks>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/sales/totals", get(page)).route("/sales/totals.csv", get(csv))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &asked)).await
}

fn view(gathered: &Gathered<'_>, asked: &Asked) -> Result<Made<TotalsView>, AppError> {
    let (network, words, by) = (&gathered.facts.network, gathered.words, asked.by());
    let mut above = Above::of(gathered, &asked.of, "totals", |other| asked.address("/sales/totals", other))?;
    let found = totals(gathered.app, asked);
    let (from, to, found) = found.unwrap_or_else(|error| {
        above.trouble = Some(trouble(&error, words));
        (None, None, Vec::new())
    });
    let days = [from, to].map(|day| day.map(|day| day.to_string()).unwrap_or_default());
    let told = |one: &TotalsRow| {
        let address = receipts_of(network, one, by, asked, &days);
        row(label(network, &one.key, by, words), address, one)
    };
    let mut rows: Vec<TotalRow> = found.iter().map(told).collect();
    let mut all = all_of(&rows);
    if by == TotalsBy::Payment {
        // What was paid in two ways is in two rows.
        (all.sales, all.refunds, all.average) = (0, 0, None);
    }
    let chart = chart(values(&rows, words));
    let more = rows.len().saturating_sub(MAX_ROWS) as u64;
    rows.truncate(MAX_ROWS);
    let [from, to] = days;
    let choice = |by_this: TotalsBy| ByChip {
        word: by_this.as_str(),
        address: asked.address("/sales/totals", &[("by", by_this.as_str())]),
        is_on: by_this == by,
    };
    let body = TotalsView {
        is_filtered: asked.of != Of::default(),
        by: by.as_str(),
        choices: TotalsBy::ALL.map(choice).into(),
        csv: asked.address("/sales/totals.csv", &[]),
        above,
        from,
        to,
        chart,
        rows,
        more,
        all,
    };
    Ok(Made { crumbs: crumbs(words, Some(words.text("totals", []))), body })
}

/// The first and the last day, and the totals of these days.
type OfDays = (Option<Date>, Option<Date>, Vec<TotalsRow>);

/// Totals in the order in which they are shown.
fn totals(app: &Acting, asked: &Asked) -> Result<OfDays, AppError> {
    let to = day(&asked.of.to);
    let from = app.days_of_sales(day(&asked.of.from).map(TypedTime::Day), to.map(TypedTime::Day))?;
    let from = Some(from.begins().date());
    let filter = TotalsFilter { from, to, ..TotalsFilter::default() };
    let by = asked.by();
    let mut rows = app.totals(asked.of.names().of(), &filter, by)?;
    if !matches!(by, TotalsBy::Day | TotalsBy::Hour) {
        rows.sort_by_key(|row| std::cmp::Reverse(row.counted.sale_sum - row.counted.refund_sum));
    }
    Ok((from, to, rows))
}

fn row(label: String, address: Option<String>, one: &TotalsRow) -> TotalRow {
    let counted = one.counted;
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    TotalRow {
        label,
        address,
        sales: number(counted.sales),
        refunds: number(counted.refunds),
        sale_sum: counted.sale_sum,
        refund_sum: counted.refund_sum,
        net: counted.sale_sum - counted.refund_sum,
        average: (counted.sales > 0).then(|| Kopecks(counted.sale_sum.0 / counted.sales)),
    }
}

fn all_of(rows: &[TotalRow]) -> TotalRow {
    let mut all = TotalRow::default();
    for row in rows {
        all.sales += row.sales;
        all.refunds += row.refunds;
        all.sale_sum += row.sale_sum;
        all.refund_sum += row.refund_sum;
        all.net += row.net;
    }
    let sales = i64::try_from(all.sales).unwrap_or(i64::MAX);
    all.average = (sales > 0).then(|| Kopecks(all.sale_sum.0 / sales));
    all
}

/// What the key of a row is called.
fn label(network: &Network, key: &str, by: TotalsBy, words: &Words) -> String {
    match by {
        TotalsBy::Till => key.parse().map_or_else(|_| key.to_owned(), |till| till_named(network, &till)),
        TotalsBy::Shop => key.parse().map_or_else(|_| key.to_owned(), |shop| shop_named(network, &shop)),
        TotalsBy::Hour => format!("{key}:00"),
        TotalsBy::Payment => key.parse().map_or_else(|_| key.to_owned(), |type_code| payment(type_code, words)),
        TotalsBy::Cashier if key.is_empty() => words.text("no-cashier", []),
        TotalsBy::All | TotalsBy::Day | TotalsBy::Cashier => key.to_owned(),
    }
}

/// The receipts that a row is made of.
fn receipts_of(
    network: &Network,
    one: &TotalsRow,
    by: TotalsBy,
    asked: &Asked,
    [from, to]: &[String; 2],
) -> Option<String> {
    let mut of = Of { from: from.clone(), to: to.clone(), ..asked.of.clone() };
    let mut more = Vec::new();
    match by {
        TotalsBy::Day => (of.from, of.to) = (one.key.clone(), one.key.clone()),
        TotalsBy::Till => {
            let node = one.key.parse().ok().and_then(|till| network.till(&till));
            of.till = node.map_or_else(|| one.key.clone(), |node| network.folder_name(node));
        }
        TotalsBy::Shop => {
            let node = one.key.parse().ok().and_then(|shop| network.node(&tillway_proto::NodeId::Shop(shop)));
            of.shop = network.folder_name(node?);
        }
        TotalsBy::Cashier if !one.key.is_empty() => more.push(("cashier", one.key.as_str())),
        TotalsBy::Payment => more.push(("payment", one.key.as_str())),
        TotalsBy::Hour | TotalsBy::Cashier | TotalsBy::All => return None,
    }
    Some(super::with("/sales/receipts", of.parameters().into_iter().chain(more)))
}

/// A bar for each row, the first of them where there are too many. More refunds than sales are no
/// bar.
fn values(rows: &[TotalRow], words: &Words) -> Vec<Value> {
    let value = |row: &TotalRow| Value {
        label: row.label.clone(),
        told: rub(row.net.0, words.language()),
        amount: row.net.0.max(0).unsigned_abs(),
        filled: None,
    };
    rows.iter().take(MAX_BARS).map(value).collect()
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    table(state, reader, "totals.csv", move |app, words| {
        let gathered = super::super::gather(app, words)?;
        let (network, by) = (&gathered.facts.network, asked.by());
        let (_, _, rows) = totals(app, &asked)?;
        let mut csv = Csv::with_head([
            words.message(&format!("totals-by-{}", by.as_str()), &FluentArgs::new()).unwrap_or_default(),
            words.text("sales", []),
            words.text("refunds", []),
            words.text("sum-of-sales", []),
            words.text("sum-of-refunds", []),
            words.text("sum-net", []),
        ]);
        for one in &rows {
            let row = row(label(network, &one.key, by, words), None, one);
            let TotalRow { label, sales, refunds, sale_sum, refund_sum, net, .. } = row;
            let sums = [sale_sum, refund_sum, net].map(|sum| sum.to_string());
            csv.line([label, sales.to_string(), refunds.to_string()].into_iter().chain(sums));
        }
        Ok(csv)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language};

    #[test]
    fn bars_are_of_the_first_rows_and_never_fall_below_nothing() {
        let of = |net: i64| TotalRow { net: Kopecks(net), ..TotalRow::default() };
        let told = |rows: &[TotalRow]| values(rows, words::of(Language::English));
        let shown = told(&[of(20_050), of(-50)]);
        assert_eq!(
            shown.iter().map(|one| (one.told.as_str(), one.amount)).collect::<Vec<_>>(),
            [("200.50", 20_050), ("−0.50", 0)]
        );
        let many: Vec<TotalRow> = (0..400).map(of).collect();
        assert_eq!(told(&many).len(), MAX_BARS);
    }
}
