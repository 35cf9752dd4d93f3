//! A receipt as it was printed.

use super::{
    Gathered, Kind, Made, Reader, WebState, crumbs, doctype, payment, shop_named, show, source, till_named, time, v1,
};
use crate::app::AppError;
use crate::sales::check::REFUNDS;
use crate::sales::receipt::CHANGE;
use crate::store::sales::ReceiptId;
use crate::words::Words;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use tillway_proto::{Kopecks, Thousandths};

const KIND: Kind = Kind { here: "sales", template: "receipt.html", parts: &[] };

/// What the page shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct ReceiptPage {
    #[serde(flatten)]
    pub(in super::super) slip: SlipView,
    pub(in super::super) till_address: Option<String>,
    /// The list of the receipts of its till on its day.
    pub(in super::super) day: String,
    pub(in super::super) received_at: Timestamp,
}

/// A document as it was printed.
#[derive(Debug, Serialize)]
pub(in super::super) struct SlipView {
    /// What the document is.
    pub(in super::super) doctype: String,
    pub(in super::super) is_refund: bool,
    pub(in super::super) number: u64,
    pub(in super::super) till: String,
    pub(in super::super) shop: String,
    pub(in super::super) shift: u64,
    pub(in super::super) ended: String,
    /// Name, or code.
    pub(in super::super) cashier: String,
    pub(in super::super) lines: Vec<LineView>,
    pub(in super::super) voided: Vec<LineView>,
    pub(in super::super) sum_before: Kopecks,
    pub(in super::super) discount: Kopecks,
    pub(in super::super) sum: Kopecks,
    pub(in super::super) vat: Kopecks,
    pub(in super::super) payments: Vec<PaymentView>,
    pub(in super::super) failed: Vec<PaymentView>,
    /// Number and sum.
    pub(in super::super) certificates: Vec<(String, Kopecks)>,
    pub(in super::super) coupons: Vec<(String, Kopecks)>,
    pub(in super::super) cards: Vec<String>,
    pub(in super::super) fiscal_number: String,
    pub(in super::super) fiscal_identifier: String,
    /// The receipt that a refund is of, as the POS names it, and why the goods came back.
    pub(in super::super) source: String,
    pub(in super::super) back_reason: String,
}

/// A line of it.
#[derive(Debug, Serialize)]
pub(in super::super) struct LineView {
    /// Of its item, or its code.
    pub(in super::super) name: String,
    pub(in super::super) code: String,
    pub(in super::super) barcode: String,
    /// `1.5`, without zeros at the end.
    pub(in super::super) quantity: String,
    pub(in super::super) price: Kopecks,
    pub(in super::super) discount: Kopecks,
    pub(in super::super) sum: Kopecks,
    /// Goods that came back in a receipt that is no refund.
    pub(in super::super) is_refund: bool,
    pub(in super::super) mark: String,
}

/// A payment of it.
#[derive(Debug, Serialize)]
pub(in super::super) struct PaymentView {
    pub(in super::super) name: String,
    pub(in super::super) is_change: bool,
    pub(in super::super) card: String,
    pub(in super::super) sum: Kopecks,
    /// What the terminal printed.
    pub(in super::super) slip: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/sales/receipts/{id}", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader, Path(id): Path<String>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &id)).await
}

fn view(gathered: &Gathered<'_>, text: &str) -> Result<Made<ReceiptPage>, AppError> {
    let (network, words) = (&gathered.facts.network, gathered.words);
    let shown = gathered.app.receipt(text)?;
    let id: ReceiptId = text.parse().map_err(|_| AppError::NoReceipt { receipt: text.to_owned() })?;
    let document = &shown.kept.document;
    let till = network.till(&id.till).map_or_else(|| id.till.to_string(), |node| network.folder_name(node));
    let day = document.time_end.get(..10).unwrap_or_default();
    let of = Printed { till: till_named(network, &id.till), shop: shop_named(network, &shown.kept.shop) };
    let slip = slip(document, of, shown.cashier.as_deref(), &shown.items, words);
    let heading = format!("{} {}", slip.doctype, slip.number);
    let body = ReceiptPage {
        slip,
        till_address: source::till_address(network, &id.till),
        day: super::with("/sales/receipts", [("till", till.as_str()), ("from", day), ("to", day)]),
        received_at: shown.kept.received_at,
    };
    let mut crumbs = crumbs(words, Some(heading));
    crumbs.insert(1, tillway_service::page::Crumb::to(words.text("receipts", []), body.day.clone()));
    Ok(Made { crumbs, body })
}

/// What stands above a receipt.
pub(in super::super) struct Printed {
    pub(in super::super) till: String,
    pub(in super::super) shop: String,
}

/// A document as it was printed, with the names that are known.
pub(in super::super) fn slip(
    document: &v1::Document,
    of: Printed,
    cashier: Option<&str>,
    items: &BTreeMap<String, String>,
    words: &Words,
) -> SlipView {
    let line = |line: &v1::Line| LineView {
        name: items.get(&line.item_code).unwrap_or(&line.item_code).clone(),
        code: line.item_code.clone(),
        barcode: line.barcode.clone(),
        quantity: quantity(line.quantity),
        price: Kopecks(line.price),
        discount: Kopecks(line.discount),
        sum: Kopecks(line.sum),
        is_refund: REFUND_LINES.contains(&line.opcode) && !REFUNDS.contains(&document.doctype),
        mark: line.mark.clone(),
    };
    let paid = |paid: &v1::Payment| PaymentView {
        name: payment(paid.type_code, words),
        is_change: CHANGE.contains(&paid.opcode),
        card: paid.card_number.clone(),
        sum: Kopecks(paid.sum),
        slip: paid.slip.clone(),
    };
    let voucher = |one: &v1::Voucher| (one.number.clone(), Kopecks(one.sum));
    let key = document.key.as_ref();
    SlipView {
        doctype: doctype(document.doctype, words),
        is_refund: REFUNDS.contains(&document.doctype),
        number: key.map_or(0, |key| key.number),
        till: of.till,
        shop: of.shop,
        shift: key.map_or(0, |key| key.shift),
        ended: time(&document.time_end),
        cashier: cashier.unwrap_or(&document.cashier).to_owned(),
        lines: document.lines.iter().map(line).collect(),
        voided: document.voided_lines.iter().map(line).collect(),
        sum_before: Kopecks(document.sum_before),
        discount: Kopecks(document.discount),
        sum: Kopecks(document.sum),
        vat: Kopecks(document.vat),
        payments: document.payments.iter().map(paid).collect(),
        failed: document.failed_payments.iter().map(paid).collect(),
        certificates: document.certificates.iter().map(voucher).collect(),
        coupons: document.coupons.iter().map(voucher).collect(),
        cards: document.cards.clone(),
        fiscal_number: document.fiscal_number.clone(),
        fiscal_identifier: document.fiscal_identifier.clone(),
        source: document.source_identifier.clone(),
        back_reason: document.back_reason.clone(),
    }
}

/// Operations of a line that take goods back (`sales.proto`).
const REFUND_LINES: [i32; 2] = [58, 64];

fn quantity(thousandths: i64) -> String {
    let told = Thousandths(thousandths).to_string();
    told.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_no_zeros_that_say_nothing() {
        assert_eq!([1_000, 10_000, 1_500, 375, 0].map(quantity), ["1", "10", "1.5", "0.375", "0"]);
    }
}
