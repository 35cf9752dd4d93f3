//! Receipts that somebody looks for, along one of the indexes by the time when they ended.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde_json::json;
use tillway_proto::receipt::ShiftNumber;

use super::{query, row};
use crate::sales::check::{REFUNDS, SALE};
use crate::store::sales::{
    FoundReceipt, FoundReceipts, MAX_LOOKED_AT, MAX_PAGE, ReceiptFilter, ReceiptId, ReceiptPage, ReceiptPlace,
    ReceiptSort,
};

/// Conditions with their values.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// In the text, `?` stands for the value.
    fn add(&mut self, text: &str, value: impl Into<Value>) {
        let name = self.bind(value);
        self.texts.push(text.replace('?', &name));
    }

    /// The name of a value in the statement.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }
}

pub(super) fn receipts(c: &Connection, filter: &ReceiptFilter, page: ReceiptPage) -> rusqlite::Result<FoundReceipts> {
    if filter.till.is_none() && filter.shops.as_ref().is_some_and(Vec::is_empty) {
        return Ok(FoundReceipts::default());
    }
    let order = if page.oldest_first { "ASC" } else { "DESC" };
    let (index, along) = stretch(filter, page, None);
    // Where all that is walked past is wanted, the page itself is the limit.
    let stop = if is_narrowed(filter) { last_to_look_at(c, index, order, along)? } else { None };
    let (_, along) = stretch(filter, page, stop);
    let walk = format!("{index} WHERE {}", along.texts.join(" AND "));
    let mut wanted = Conditions { texts: Vec::new(), values: along.values };
    only(filter, &mut wanted);
    let limit = page.limit.clamp(1, MAX_PAGE);
    let rows = wanted.bind(i64::from(limit + 1));
    let also = if wanted.texts.is_empty() { String::new() } else { format!(" AND {}", wanted.texts.join(" AND ")) };
    let mut statement = c.prepare_cached(&format!(
        "SELECT r.number, r.uuid, r.doctype, r.time_end, r.sum, r.discount, r.cashier, r.lines, r.fiscal_number, r.received_at,
             r.opened, r.id, r.till, r.shop, r.shift
         FROM receipt r INDEXED BY {walk}{also} ORDER BY r.time_end {order}, r.id {order} LIMIT {rows}"
    ))?;
    let found = statement.query_map(params_from_iter(wanted.values), |r| {
        let receipt = query::view(r)?;
        let place = ReceiptPlace { ended: receipt.ended, row: r.get(11)? };
        let (till, shift) = (row::parsed(r, 12)?, ShiftNumber(row::unsigned(r, 14)?));
        let id = ReceiptId { till, shift, number: receipt.number, uuid: receipt.uuid };
        Ok((place, FoundReceipt { till: id.till.clone(), id, shop: row::parsed(r, 13)?, shift, receipt }))
    })?;
    let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let is_full = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = if is_full { found.last().map(|(place, _)| *place) } else { stop };
    Ok(FoundReceipts {
        rows: found.into_iter().map(|(_, receipt)| receipt).collect(),
        next,
        stopped_at: stop.filter(|_| !is_full).map(|place| place.ended),
    })
}

/// The index that a filter is walked along, and its conditions on it: behind the place where the
/// page before ended, and no further than `stop`. There is one lower and one upper limit: of two,
/// SQLite would walk to the wider one.
fn stretch(filter: &ReceiptFilter, page: ReceiptPage, stop: Option<ReceiptPlace>) -> (&'static str, Conditions) {
    let mut along = Conditions::default();
    let one_shop = filter.shops.as_ref().and_then(|shops| if let [shop] = &shops[..] { Some(shop) } else { None });
    let index = match (&filter.till, one_shop) {
        (Some(till), _) => {
            along.add("r.till = ?", till.to_string());
            "receipt_by_till"
        }
        (None, Some(shop)) => {
            along.add("r.shop = ?", shop.to_string());
            "receipt_by_shop"
        }
        (None, None) => "receipt_by_time",
    };
    // A place elsewhere is none of this list.
    let after = page.after.filter(|place| (filter.from..filter.until).contains(&place.ended));
    let (lower, upper, further, before) =
        if page.oldest_first { (after, stop, ">", "<=") } else { (stop, after, "<", ">=") };
    along.add("r.time_end >= ?", lower.map_or(filter.from, |place| place.ended).to_string());
    match upper {
        Some(place) => along.add("r.time_end <= ?", place.ended.to_string()),
        None => along.add("r.time_end < ?", filter.until.to_string()),
    }
    for (place, side) in [(after, further), (stop, before)] {
        let Some(place) = place else { continue };
        let (ended, row) = (along.bind(place.ended.to_string()), along.bind(place.row));
        along.texts.push(format!("(r.time_end <> {ended} OR r.id {side} {row})"));
    }
    (index, along)
}

fn is_narrowed(filter: &ReceiptFilter) -> bool {
    let mut wanted = Conditions::default();
    only(filter, &mut wanted);
    !wanted.texts.is_empty()
}

/// What is looked at in each receipt that is walked past.
fn only(filter: &ReceiptFilter, wanted: &mut Conditions) {
    // A till that moved keeps what it sold elsewhere.
    if filter.till.is_none()
        && let Some(shops) = filter.shops.as_ref().filter(|shops| shops.len() != 1)
    {
        let shops: Vec<&str> = shops.iter().map(tillway_proto::ShopId::as_str).collect();
        wanted.add("+r.shop IN (SELECT value FROM json_each(?))", json!(shops).to_string());
    }
    if let Some(sort) = filter.sort {
        let (refunds, one) = (json!(REFUNDS), json!([SALE]));
        let (text, types) = match sort {
            ReceiptSort::Sale => ("IN", one.to_string()),
            ReceiptSort::Refund => ("IN", refunds.to_string()),
            ReceiptSort::Other => ("NOT IN", json!([&[SALE][..], &REFUNDS[..]].concat()).to_string()),
        };
        wanted.add(&format!("r.doctype {text} (SELECT value FROM json_each(?))"), types);
    }
    if let Some(number) = filter.number {
        wanted.add("+r.number = ?", row::number(number.0));
    }
    if let Some(least) = filter.least {
        wanted.add("r.sum >= ?", least.0);
    }
    if let Some(most) = filter.most {
        wanted.add("r.sum <= ?", most.0);
    }
    if let Some(cashier) = &filter.cashier {
        wanted.add("r.cashier = ?", cashier.clone());
    }
    if let Some(item) = &filter.item {
        let (item, codes) = (wanted.bind(item.clone()), wanted.bind(json!(filter.items).to_string()));
        wanted.texts.push(format!(
            "EXISTS (SELECT 1 FROM line l WHERE l.receipt = r.id AND l.voided = 0 AND ({item} IN (l.item_code, l.barcode)
                 OR l.item_code IN (SELECT value FROM json_each({codes}))))"
        ));
    }
    if let Some(payment) = filter.payment {
        wanted.add("EXISTS (SELECT 1 FROM payment p WHERE p.receipt = r.id AND p.type_code = ?)", i64::from(payment));
    }
    if let Some(card) = &filter.card {
        wanted.add(
            "EXISTS (SELECT 1 FROM (SELECT number FROM card WHERE receipt = r.id
                 UNION ALL SELECT card_number FROM payment WHERE receipt = r.id)
             WHERE substr(number, -length(?)) = ?)",
            card.clone(),
        );
    }
}

/// The last receipt that is looked at; none where the range ends before.
fn last_to_look_at(
    c: &Connection,
    index: &str,
    order: &str,
    mut along: Conditions,
) -> rusqlite::Result<Option<ReceiptPlace>> {
    let walk = format!("{index} WHERE {}", along.texts.join(" AND "));
    let skipped = along.bind(i64::from(MAX_LOOKED_AT - 1));
    c.prepare_cached(&format!(
        "SELECT r.time_end, r.id FROM receipt r INDEXED BY {walk}
         ORDER BY r.time_end {order}, r.id {order} LIMIT 1 OFFSET {skipped}"
    ))?
    .query_row(params_from_iter(along.values), |r| Ok(ReceiptPlace { ended: row::parsed(r, 0)?, row: r.get(1)? }))
    .optional()
}
