//! Sales as the server has them: shifts with their checks, totals, receipts, findings.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use super::scope::{Scope, merged, up_to};
use crate::audit::Verb;
use crate::store::sales::{
    Finding, FindingFilter, MAX_PAGE, Page, ReceiptView, ShiftFilter, ShiftView, TotalsBy, TotalsFilter, TotalsRow,
    TypedTime,
};
use jiff::civil::Date;
use jiff::{Span, Timestamp, Zoned};
use serde_json::json;
use std::collections::BTreeMap;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::{Kopecks, NodeId, ShopId, TillId};
use tillway_service::audit::AuditLine;

/// Characters of a note that are kept.
const MAX_NOTE_CHARS: usize = 300;

/// Whose sales, by id or folder name; none: everybody's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SalesOf<'a> {
    /// Of this till.
    pub till: Option<&'a str>,
    /// Of this shop.
    pub shop: Option<&'a str>,
    /// Of all shops at this node and below it.
    pub group: Option<&'a str>,
}

/// The same, found, within what the caller may see.
pub(super) struct Chosen {
    /// Of this till.
    pub(super) till: Option<TillId>,
    /// Of these shops; none: of all.
    pub(super) shops: Option<Vec<ShopId>>,
}

/// Days of a range that nobody named.
const DAYS: i64 = 7;

impl Acting {
    /// Shifts with their check, newest first. The filter's till and shop are those of `of`.
    pub fn shifts(&self, of: SalesOf<'_>, filter: &ShiftFilter, page: Page) -> Result<Vec<ShiftView>, AppError> {
        let Chosen { till, shops } = self.chosen(of)?;
        let filter = ShiftFilter { till, shop: None, ..filter.clone() };
        let ask = |filter: &ShiftFilter, page: Page| -> Result<Vec<ShiftView>, AppError> {
            Ok(self.parts.sales.shifts(filter, page)?)
        };
        let of_shop = |shop: &ShopId| ShiftFilter { shop: Some(shop.clone()), ..filter.clone() };
        match shops.as_deref() {
            None => ask(&filter, page),
            Some([shop]) => ask(&of_shop(shop), page),
            Some(shops) => {
                let lists = shops.iter().map(|shop| up_to(page, |part| ask(&of_shop(shop), part)));
                merged(lists, page, |shift| shift.began)
            }
        }
    }

    /// Totals of sales and refunds. The filter's till and shop are those of `of`.
    pub fn totals(&self, of: SalesOf<'_>, filter: &TotalsFilter, by: TotalsBy) -> Result<Vec<TotalsRow>, AppError> {
        let Chosen { till, shops } = self.chosen(of)?;
        let filter = TotalsFilter { till, shop: None, ..filter.clone() };
        let Some(shops) = shops else { return Ok(self.parts.sales.totals(&filter, by)?) };
        let mut rows = BTreeMap::<String, TotalsRow>::new();
        for shop in shops {
            let of_shop = TotalsFilter { shop: Some(shop), ..filter.clone() };
            for row in self.parts.sales.totals(&of_shop, by)? {
                let sum = rows
                    .entry(row.key.clone())
                    .or_insert_with(|| TotalsRow { key: row.key.clone(), ..TotalsRow::default() });
                add(sum, &row);
            }
        }
        Ok(rows.into_values().collect())
    }

    /// The days of a question about sales. Where nobody names the first: a week up to the last, or
    /// up to today, or to the newest receipt where that is older.
    pub fn days_of_sales(&self, from: Option<TypedTime>, to: Option<TypedTime>) -> Result<TypedTime, AppError> {
        if let Some(from) = from {
            return Ok(from);
        }
        let last = if let Some(to) = to {
            to.begins().date()
        } else {
            let today = Zoned::now().date();
            self.parts.sales.newest_day()?.map_or(today, |newest| newest.min(today))
        };
        Ok(TypedTime::Day(last.checked_sub(Span::new().days(DAYS - 1)).unwrap_or(Date::MIN)))
    }

    /// Receipts of one shift, by number.
    pub fn receipts(&self, till: &str, shift: ShiftKey, page: Page) -> Result<Vec<ReceiptView>, AppError> {
        let till = self.till_for(Act::Read, till)?;
        Ok(self.parts.sales.receipts(&till, shift, page)?)
    }

    /// What is wrong with sales, newest first: open findings, or closed ones too.
    pub fn findings(&self, till: Option<&str>, open_only: bool, page: Page) -> Result<Vec<Finding>, AppError> {
        let ask = |till: Option<TillId>, page: Page| -> Result<Vec<Finding>, AppError> {
            Ok(self.parts.sales.findings(&FindingFilter { till, open_only }, page)?)
        };
        match (self.till_or_all(till)?, self.reading()?.tills()) {
            (None, Some(own)) => {
                let lists = own.into_iter().map(|till| up_to(page, |part| ask(Some(till.clone()), part)));
                merged(lists, page, |finding| (finding.last_seen, finding.id))
            }
            (till, _) => ask(till, page),
        }
    }

    /// Closes a finding that somebody looked into. What they found, where they say so, stands in
    /// the audit log.
    pub fn close_finding(&self, finding: i64, note: &str) -> Result<(), AppError> {
        if !self.scope(Act::CloseFindings)?.is_whole() {
            let own = self.findings(None, true, Page { offset: 0, limit: MAX_PAGE })?;
            if !own.iter().any(|open| open.id == finding) {
                return Err(AppError::NoOpenFinding { finding });
            }
        }
        let note: String = note.chars().take(MAX_NOTE_CHARS).collect();
        let line = AuditLine::new(&self.caller, Verb::FindingClose, format_args!("finding:{finding}"));
        let line = if note.is_empty() { line } else { line.after(json!({"note": note})) };
        let closed = self.parts.sales.resolve_finding(finding, Timestamp::now(), &line)?;
        if closed { Ok(()) } else { Err(AppError::NoOpenFinding { finding }) }
    }

    /// Whose sales are asked for. A till keeps what it sold before it moved, so its shop does not
    /// narrow it.
    pub(super) fn chosen(&self, of: SalesOf<'_>) -> Result<Chosen, AppError> {
        let till = self.till_or_all(of.till)?;
        if till.is_some() {
            return Ok(Chosen { till, shops: None });
        }
        let Some(text) = of.shop.or(of.group) else { return Ok(Chosen { till, shops: self.reading()?.shops() }) };
        let node = self.nodes().find(text)?;
        self.allow(Act::Read, Place::Node(&node))?;
        let shops = match node {
            NodeId::Shop(shop) => vec![shop],
            node if of.shop.is_some() => return Err(AppError::NoShop { node }),
            top => Scope::below(top, &self.parts.network)?.shops().unwrap_or_default(),
        };
        Ok(Chosen { till, shops: Some(shops) })
    }
}

fn add(sum: &mut TotalsRow, row: &TotalsRow) {
    let plus = |one: &mut Kopecks, other: Kopecks| one.0 = one.0.saturating_add(other.0);
    sum.receipts = sum.receipts.saturating_add(row.receipts);
    sum.lines = sum.lines.saturating_add(row.lines);
    sum.counted.sales = sum.counted.sales.saturating_add(row.counted.sales);
    sum.counted.refunds = sum.counted.refunds.saturating_add(row.counted.refunds);
    plus(&mut sum.line_sum, row.line_sum);
    plus(&mut sum.counted.sale_sum, row.counted.sale_sum);
    plus(&mut sum.counted.refund_sum, row.counted.refund_sum);
}
