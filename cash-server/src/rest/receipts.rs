//! Receipts that are looked for, and one of them whole.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, SalesOf, ShownReceipt};
use crate::store::sales::{
    FoundReceipt, MAX_PAGE, ReceiptFilter, ReceiptPage, ReceiptPlace, ReceiptSort, TypedTime, until_of,
};
use axum::Json;
use axum::extract::{Path, Query};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;
use tillway_proto::Kopecks;
use tillway_proto::receipt::DocumentNumber;
use tillway_proto::sales::v1;
use utoipa::IntoParams;

/// Which receipts, and which part of a long list. What is left out filters nothing.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asked {
    /// Of this till: id or `till-<shop>-<code>`.
    pub(crate) till: Option<String>,
    /// Of this shop: id or `shop-<code>`.
    pub(crate) shop: Option<String>,
    /// Of all shops at this node and below it: id or `group-<code>`.
    pub(crate) group: Option<String>,
    /// Ended at this local time or later, `YYYY-MM-DDTHH:MM:SS`, or on this local day; left out: a
    /// week up to `to`.
    pub(crate) from: Option<String>,
    /// Ended at this local time or earlier, or on this local day, included.
    pub(crate) to: Option<String>,
    /// Only `sale`, `refund` or `other` documents.
    pub(crate) sort: Option<String>,
    /// With this number.
    pub(crate) number: Option<String>,
    /// Of this sum or more, in roubles: `99.90`.
    pub(crate) least: Option<String>,
    /// Of this sum or less, in roubles.
    pub(crate) most: Option<String>,
    /// With a line of this item: its code or barcode, or words of its name as the dictionary has
    /// it now, which at most 200 goods have.
    pub(crate) item: Option<String>,
    /// Rung up by this cashier: the code that the POS writes.
    pub(crate) cashier: Option<String>,
    /// Paid by this type of payment, at least in part: 1 cash and 4 card are usual.
    pub(crate) payment: Option<String>,
    /// With a card, of a customer or of a bank, whose number ends so.
    pub(crate) card: Option<String>,
    /// `oldest`: the oldest first; left out: the newest.
    pub(crate) order: Option<String>,
    /// Where to go on: `next` of the answer before.
    pub(crate) cursor: Option<String>,
    /// Most rows, 1000 at most.
    pub(crate) limit: Option<u32>,
}

/// What was asked for, read.
pub(crate) struct Read {
    pub(crate) from: Option<TypedTime>,
    pub(crate) to: Option<TypedTime>,
    /// Its range is set by whoever looks.
    filter: ReceiptFilter,
    pub(crate) page: ReceiptPage,
}

impl Asked {
    pub(crate) fn of(&self) -> SalesOf<'_> {
        SalesOf { till: self.till.as_deref(), shop: self.shop.as_deref(), group: self.group.as_deref() }
    }

    /// Reads it, or says which parameter does not read.
    pub(crate) fn read(&self) -> Result<Read, RequestFault> {
        let sort = self.sort.as_deref().map(|word| ReceiptSort::from_word(word).ok_or_else(|| fault("sort", word)));
        let oldest_first = match self.order.as_deref() {
            None => false,
            Some("oldest") => true,
            Some(other) => return Err(fault("order", other)),
        };
        let filter = ReceiptFilter {
            sort: sort.transpose()?,
            number: typed("number", self.number.as_ref())?.map(DocumentNumber),
            least: typed::<Kopecks>("least", self.least.as_ref())?,
            most: typed::<Kopecks>("most", self.most.as_ref())?,
            item: self.item.clone(),
            cashier: self.cashier.clone(),
            payment: typed("payment", self.payment.as_ref())?,
            card: self.card.clone(),
            ..ReceiptFilter::between(DateTime::MIN, DateTime::MAX)
        };
        let limit = self.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let page = ReceiptPage { after: typed::<ReceiptPlace>("cursor", self.cursor.as_ref())?, limit, oldest_first };
        Ok(Read { from: typed("from", self.from.as_ref())?, to: typed("to", self.to.as_ref())?, filter, page })
    }
}

impl Read {
    /// Its filter, over a range that begins there.
    pub(crate) fn filter(&self, from: TypedTime) -> ReceiptFilter {
        ReceiptFilter { from: from.begins(), until: self.to.map_or(DateTime::MAX, until_of), ..self.filter.clone() }
    }
}

fn fault(filter: &'static str, text: &str) -> RequestFault {
    RequestFault::NoSuchFilter { filter, text: text.to_owned() }
}

/// A comma is the decimal sign of some.
fn typed<T: FromStr>(filter: &'static str, text: Option<&String>) -> Result<Option<T>, RequestFault> {
    text.map(|text| text.trim().replace(',', ".").parse().map_err(|_| fault(filter, text))).transpose()
}

/// A receipt that was found.
#[derive(Debug, Serialize)]
struct NamedReceipt {
    #[serde(flatten)]
    found: FoundReceipt,
    /// What the till's dictionary calls its cashier now.
    cashier_name: Option<String>,
}

/// A part of the receipts that were looked for.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// Receipts, in order.
    receipts: Vec<NamedReceipt>,
    /// Where to go on, for `cursor`; null at the end of the range.
    next: Option<ReceiptPlace>,
    /// The search stopped at this time because it had looked at enough receipts: there may be more
    /// behind `next`.
    stopped_at: Option<DateTime>,
}

/// Receipts by till, shop, time, number, sum, item, cashier, payment and card, the newest first.
/// Money in kopecks. One answer looks at 20000 receipts at most; `next` says where to go on.
#[utoipa::path(get, path = "/api/v1/receipts", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Object), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting, Query(asked): Query<Asked>) -> Result<Json<Answer>, Problem> {
    let read = asked.read()?;
    let found = blocking(move || {
        let from = app.days_of_sales(read.from, read.to)?;
        let found = app.find_receipts(asked.of(), read.filter(from), read.page)?;
        let names = app.cashiers_of(&found.rows)?;
        Ok((found, names))
    });
    let (found, names) = found.await?;
    let named = |found: FoundReceipt| {
        let cashier_name = names.get(&(found.till.clone(), found.receipt.cashier.clone())).cloned();
        NamedReceipt { found, cashier_name }
    };
    Ok(Json(Answer {
        receipts: found.rows.into_iter().map(named).collect(),
        next: found.next,
        stopped_at: found.stopped_at,
    }))
}

/// One receipt with its lines, payments and cards. Money in kopecks, quantities in thousandths.
/// Names of items are those that the till's dictionary has now.
#[utoipa::path(get, path = "/api/v1/receipts/{id}", tag = "sales", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the receipt, as the list tells it")),
    responses((status = 200, body = Object), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(app: Acting, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let asked = id.clone();
    let receipt = blocking(move || app.receipt(&asked)).await?;
    Ok(Json(told(&id, &receipt)))
}

fn told(id: &str, receipt: &ShownReceipt) -> Value {
    let mut told = document(&receipt.kept.document, &receipt.items);
    told["id"] = id.into();
    told["shop"] = json!(receipt.kept.shop);
    told["cashier_name"] = receipt.cashier.clone().into();
    told["received_at"] = json!(receipt.kept.received_at);
    told
}

/// A document with the names of its items.
pub(super) fn document(document: &v1::Document, items: &BTreeMap<String, String>) -> Value {
    let key = document.key.as_ref();
    let payment = |paid: &v1::Payment| {
        json!({
            "opcode": paid.opcode, "type": paid.type_code, "sum": paid.sum, "time": paid.time,
            "card": paid.card_number, "slip": paid.slip,
        })
    };
    let voucher = |one: &v1::Voucher| json!({"number": one.number, "sum": one.sum});
    let line = |line: &v1::Line| {
        let discount = |one: &v1::Discount| json!({"number": one.number, "sum": one.sum, "card": one.card_number});
        json!({
            "position": line.position, "item": line.item_code, "name": items.get(&line.item_code),
            "barcode": line.barcode, "opcode": line.opcode, "quantity": line.quantity, "price": line.price,
            "sum_before": line.sum_before, "discount": line.discount, "sum": line.sum, "mark": line.mark,
            "discounts": line.discounts.iter().map(discount).collect::<Vec<_>>(),
            "taxes": line.taxes.iter().map(|tax| json!({"code": tax.code, "sum": tax.sum})).collect::<Vec<_>>(),
        })
    };
    json!({
        "till": key.map(|key| &key.till_id),
        "shift": key.map(|key| key.shift),
        "shift_opened": key.and_then(|key| key.shift_opened.as_ref()).filter(|time| !time.is_empty()),
        "number": key.map(|key| key.number),
        "doctype": document.doctype,
        "cash_code": document.cash_code,
        "cashier": document.cashier,
        "began": document.time_beg,
        "ended": document.time_end,
        "sum_before": document.sum_before,
        "discount": document.discount,
        "sum": document.sum,
        "vat": document.vat,
        "fiscal_number": document.fiscal_number,
        "fiscal_identifier": document.fiscal_identifier,
        "source": document.source_identifier,
        "back_reason": document.back_reason,
        "lines": document.lines.iter().map(line).collect::<Vec<_>>(),
        "voided_lines": document.voided_lines.iter().map(line).collect::<Vec<_>>(),
        "payments": document.payments.iter().map(payment).collect::<Vec<_>>(),
        "failed_payments": document.failed_payments.iter().map(payment).collect::<Vec<_>>(),
        "certificates": document.certificates.iter().map(voucher).collect::<Vec<_>>(),
        "coupons": document.coupons.iter().map(voucher).collect::<Vec<_>>(),
        "cards": document.cards,
    })
}
