//! Receipts by till, place, time, number, sum, item, cashier, payment and card.

use super::super::super::csv::Csv;
use super::{
    Above, Gathered, Kind, Made, Of, Reader, WebState, changed, crumbs, doctype, shop_named, show, source, table,
    till_named, time, trouble,
};
use crate::app::{Acting, AppError};
use crate::network::Network;
use crate::rest::receipts as parameters;
use crate::sales::check::REFUNDS;
use crate::store::sales::{FoundReceipt, FoundReceipts, MAX_PAGE, ReceiptSort, TypedTime};
use crate::words::{Reason, Words};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tillway_proto::{Kopecks, TillId};

const KIND: Kind = Kind { here: "sales", template: "receipts.html", parts: &[] };

/// Rows of one page.
const PAGE: u32 = 50;

/// Most receipts of a table that is saved, and most searches that it takes to find them.
const MAX_CSV: usize = 50_000;
const MAX_CSV_SEARCHES: usize = 200;

/// Which receipts, as the address says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    #[serde(flatten)]
    pub(in super::super) of: Of,
    /// `sale`, `refund` or `other`.
    pub(in super::super) sort: String,
    pub(in super::super) number: String,
    /// Sums in roubles.
    pub(in super::super) least: String,
    pub(in super::super) most: String,
    /// Code, barcode, or words of its name.
    pub(in super::super) item: String,
    pub(in super::super) cashier: String,
    /// A type of payment.
    pub(in super::super) payment: String,
    /// The end of a card's number.
    pub(in super::super) card: String,
    /// `oldest`: the oldest first.
    pub(in super::super) order: String,
    /// Where the page before ended.
    pub(in super::super) cursor: String,
}

impl Asked {
    fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let own = [
            ("sort", self.sort.as_str()),
            ("number", &self.number),
            ("least", &self.least),
            ("most", &self.most),
            ("item", &self.item),
            ("cashier", &self.cashier),
            ("payment", &self.payment),
            ("card", &self.card),
            ("order", &self.order),
        ];
        self.of.parameters().into_iter().chain(own)
    }

    fn address(&self, path: &str, other: &[(&'static str, &str)]) -> String {
        changed(path, self.parameters(), other)
    }

    /// The same as REST has it.
    fn told(&self, limit: u32) -> parameters::Asked {
        let said = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let names = self.of.names();
        parameters::Asked {
            till: names.till,
            shop: names.shop,
            group: names.group,
            from: said(&self.of.from),
            to: said(&self.of.to),
            sort: said(&self.sort),
            number: said(&self.number),
            least: said(&self.least),
            most: said(&self.most),
            item: said(&self.item),
            cashier: said(&self.cashier),
            payment: said(&self.payment),
            card: said(&self.card),
            order: said(&self.order),
            cursor: said(&self.cursor),
            limit: Some(limit),
        }
    }
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct ReceiptsView {
    pub(in super::super) above: Above,
    pub(in super::super) asked: Asked,
    /// The range, as fields of a form have it.
    pub(in super::super) from: String,
    pub(in super::super) to: String,
    pub(in super::super) is_filtered: bool,
    /// More than the fields that everybody sees.
    pub(in super::super) is_narrow: bool,
    pub(in super::super) sorts: [&'static str; 3],
    pub(in super::super) rows: Vec<ReceiptRow>,
    /// The other order.
    pub(in super::super) turn: String,
    pub(in super::super) next: Option<String>,
    /// The first page, where this is another.
    pub(in super::super) first: Option<String>,
    /// The search stopped here, with enough looked at.
    pub(in super::super) stopped_at: Option<String>,
    pub(in super::super) csv: String,
}

/// A receipt in the list.
#[derive(Debug, Serialize)]
pub(in super::super) struct ReceiptRow {
    pub(in super::super) address: String,
    pub(in super::super) till: String,
    pub(in super::super) till_address: Option<String>,
    pub(in super::super) shop: String,
    pub(in super::super) shift: u64,
    pub(in super::super) number: u64,
    /// What it is, where it is no sale.
    pub(in super::super) doctype: Option<String>,
    pub(in super::super) is_refund: bool,
    pub(in super::super) ended: String,
    /// Their code, and what the till's dictionary calls them.
    pub(in super::super) cashier: String,
    pub(in super::super) cashier_name: Option<String>,
    pub(in super::super) lines: u64,
    pub(in super::super) discount: Kopecks,
    pub(in super::super) sum: Kopecks,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/sales/receipts", get(page)).route("/sales/receipts.csv", get(csv))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &asked)).await
}

fn view(gathered: &Gathered<'_>, asked: &Asked) -> Result<Made<ReceiptsView>, AppError> {
    let (network, words) = (&gathered.facts.network, gathered.words);
    let mut above = Above::of(gathered, &asked.of, "receipts", |other| asked.address("/sales/receipts", other))?;
    let (mut from, mut to, mut found) = (String::new(), String::new(), FoundReceipts::default());
    match asked.told(PAGE).read() {
        Err(fault) => above.trouble = Some(words.reason(&Reason::of(&fault))),
        Ok(read) => match search(gathered.app, asked, &read, read.page) {
            Err(error) => above.trouble = Some(trouble(&error, words)),
            Ok((begin, receipts)) => {
                from = field(begin, "00:00");
                to = read.to.map(|to| field(to, "23:59")).unwrap_or_default();
                found = receipts;
            }
        },
    }
    // The list is shown where the dictionary does not answer.
    let cashiers = gathered.app.cashiers_of(&found.rows).unwrap_or_default();
    let turned = if asked.order.is_empty() { "oldest" } else { "" };
    let seen = Asked { of: asked.of.clone(), number: asked.number.clone(), ..Asked::default() };
    let seen = Asked { order: asked.order.clone(), cursor: asked.cursor.clone(), ..seen };
    let body = ReceiptsView {
        is_filtered: *asked != Asked::default(),
        is_narrow: *asked != seen,
        sorts: ReceiptSort::ALL.map(ReceiptSort::as_str),
        rows: found.rows.iter().map(|one| row(network, one, &cashiers, words)).collect(),
        turn: asked.address("/sales/receipts", &[("order", turned)]),
        next: found.next.map(|place| asked.address("/sales/receipts", &[("cursor", &place.to_string())])),
        first: (!asked.cursor.is_empty()).then(|| asked.address("/sales/receipts", &[])),
        stopped_at: found.stopped_at.map(|at| time(&at.to_string())),
        csv: asked.address("/sales/receipts.csv", &[]),
        from,
        to,
        above,
        asked: asked.clone(),
    };
    Ok(Made { crumbs: crumbs(words, Some(words.text("receipts", []))), body })
}

/// Where the range begins, and what is found in it.
fn search(
    app: &Acting,
    asked: &Asked,
    read: &parameters::Read,
    page: crate::store::sales::ReceiptPage,
) -> Result<(TypedTime, FoundReceipts), AppError> {
    let from = app.days_of_sales(read.from, read.to)?;
    Ok((from, app.find_receipts(asked.of.names().of(), read.filter(from), page)?))
}

/// A time as a field of a form has it.
fn field(typed: TypedTime, of_day: &str) -> String {
    match typed {
        TypedTime::Day(day) => format!("{day}T{of_day}"),
        TypedTime::At(time) => time.strftime("%Y-%m-%dT%H:%M").to_string(),
    }
}

fn row(network: &Network, one: &FoundReceipt, cashiers: &Cashiers, words: &Words) -> ReceiptRow {
    let receipt = &one.receipt;
    ReceiptRow {
        address: format!("/sales/receipts/{}", one.id),
        till: till_named(network, &one.till),
        till_address: source::till_address(network, &one.till),
        shop: shop_named(network, &one.shop),
        shift: one.shift.0,
        number: receipt.number.0,
        doctype: (receipt.doctype != 1).then(|| doctype(receipt.doctype, words)),
        is_refund: REFUNDS.contains(&receipt.doctype),
        ended: time(&receipt.ended.to_string()),
        cashier_name: named(cashiers, one),
        cashier: receipt.cashier.clone(),
        lines: u64::try_from(receipt.lines).unwrap_or_default(),
        discount: receipt.discount,
        sum: receipt.sum,
    }
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    let read = match asked.told(MAX_PAGE).read() {
        Ok(read) => read,
        Err(fault) => {
            let why = Reason::of(&fault);
            return super::super::failed(&state, &reader, axum::http::StatusCode::BAD_REQUEST, &why);
        }
    };
    table(state, reader, "receipts.csv", move |app, words| {
        let gathered = super::super::gather(app, words)?;
        let network = &gathered.facts.network;
        let mut csv = Csv::with_head([
            words.text("ended-at", []),
            words.text("till", []),
            words.text("shop", []),
            words.text("shift", []),
            words.text("receipt-number", []),
            words.text("document-type", []),
            words.text("cashier", []),
            words.text("cashier-name", []),
            words.text("lines", []),
            words.text("discount", []),
            words.text("sum", []),
            words.text("fiscal-number", []),
            words.text("id", []),
        ]);
        let (mut page, mut rows) = (read.page, 0);
        page.after = None;
        for _ in 0..MAX_CSV_SEARCHES {
            let (_, found) = search(app, &asked, &read, page)?;
            rows += found.rows.len();
            let cashiers = app.cashiers_of(&found.rows)?;
            for one in &found.rows {
                csv.line(cells(network, one, &cashiers, words));
            }
            page.after = found.next;
            if page.after.is_none() || rows >= MAX_CSV {
                break;
            }
        }
        if page.after.is_some() {
            csv.line([words.text("csv-is-cut", [])]);
        }
        Ok(csv)
    })
    .await
}

/// Names by till and code.
type Cashiers = BTreeMap<(TillId, String), String>;

fn named(cashiers: &Cashiers, one: &FoundReceipt) -> Option<String> {
    cashiers.get(&(one.till.clone(), one.receipt.cashier.clone())).cloned()
}

fn cells(network: &Network, one: &FoundReceipt, cashiers: &Cashiers, words: &Words) -> [String; 13] {
    let receipt = &one.receipt;
    [
        time(&receipt.ended.to_string()),
        till_named(network, &one.till),
        shop_named(network, &one.shop),
        one.shift.to_string(),
        receipt.number.to_string(),
        doctype(receipt.doctype, words),
        receipt.cashier.clone(),
        named(cashiers, one).unwrap_or_default(),
        receipt.lines.to_string(),
        receipt.discount.to_string(),
        receipt.sum.to_string(),
        receipt.fiscal_number.clone(),
        one.id.to_string(),
    ]
}
