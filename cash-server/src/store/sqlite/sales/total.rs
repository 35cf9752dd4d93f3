//! What sales and refunds add up to by till and day, kept beside the receipts in the same
//! transaction.
//!
//! However large what a till sends, no sum fails: one that leaves 64 bits stays at their end.
//! `total` never overflows and is exact to 9·10^15 kopecks.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::{Connection, ToSql, params};
use tillway_proto::{ShopId, TillId};

use super::{check, row};
use crate::sales::check::{REFUNDS, SALE};
use crate::sales::receipt::{Receipt, line_sum};
use crate::store::sales::{MAX_PAGE, TotalsBy, TotalsFilter, TotalsRow};

/// What is to be added to the totals.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<Of, ByDay>);

/// Shop and till.
type Of = (String, String);

type ByDay = BTreeMap<Date, Sums>;

/// What is taken off with a receipt.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) day: Date,
    pub(super) shop: String,
    pub(super) till: String,
    pub(super) doctype: i32,
    pub(super) sum: i64,
    pub(super) lines: i64,
    pub(super) line_sum: i64,
}

#[derive(Debug, Default)]
struct Sums {
    sales: i64,
    refunds: i64,
    sale_sum: i64,
    refund_sum: i64,
    lines: i64,
    line_sum: i64,
}

impl Totals {
    /// Receipts of one till that were not there, none of another till among them.
    pub(super) fn add<'a>(&mut self, shop: &str, till: &TillId, receipts: impl Iterator<Item = &'a Receipt>) {
        let counts =
            |receipt: &&Receipt| receipt.document.doctype == SALE || REFUNDS.contains(&receipt.document.doctype);
        let mut receipts = receipts.filter(counts).peekable();
        if receipts.peek().is_none() {
            return;
        }
        let days = self.0.entry((shop.to_owned(), till.to_string())).or_default();
        for receipt in receipts {
            let document = &receipt.document;
            let sums = days.entry(receipt.ended.date()).or_default();
            sums.lines += row::index(document.lines.len());
            if document.doctype == SALE {
                sums.sales += 1;
                sums.sale_sum = sums.sale_sum.saturating_add(document.sum);
                sums.line_sum = sums.line_sum.saturating_add(line_sum(document));
            } else {
                sums.refunds += 1;
                sums.refund_sum = sums.refund_sum.saturating_add(document.sum);
            }
        }
    }

    /// A receipt that is deleted, as it stands in the table.
    pub(super) fn take_off(&mut self, removed: &Removed) {
        let (is_sale, is_refund) = (removed.doctype == SALE, REFUNDS.contains(&removed.doctype));
        if !is_sale && !is_refund {
            return;
        }
        let days = self.0.entry((removed.shop.clone(), removed.till.clone())).or_default();
        let sums = days.entry(removed.day).or_default();
        sums.lines -= removed.lines;
        if is_sale {
            sums.sales -= 1;
            sums.sale_sum = sums.sale_sum.saturating_sub(removed.sum);
            sums.line_sum = sums.line_sum.saturating_sub(removed.line_sum);
        } else {
            sums.refunds -= 1;
            sums.refund_sum = sums.refund_sum.saturating_sub(removed.sum);
        }
    }

    /// Adds them to what is there, of each day and of all days.
    pub(super) fn write(self, t: &Connection) -> rusqlite::Result<()> {
        let mut statement = t.prepare_cached(
            "INSERT INTO total(day, shop, till, sales, refunds, sale_sum, refund_sum, lines, line_sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT(day, shop, till) DO UPDATE SET sales = sales + ?4, refunds = refunds + ?5,
                 sale_sum = CAST(sale_sum + ?6 AS INTEGER), refund_sum = CAST(refund_sum + ?7 AS INTEGER),
                 lines = lines + ?8, line_sum = CAST(line_sum + ?9 AS INTEGER)",
        )?;
        let mut empty = t.prepare_cached(
            "DELETE FROM total WHERE day = ?1 AND shop = ?2 AND till = ?3 AND sales = 0 AND refunds = 0",
        )?;
        for ((shop, till), days) in self.0 {
            let mut of_all = Sums::default();
            for sums in days.values() {
                of_all.add(sums);
            }
            let days = days.into_iter().map(|(day, sums)| (day.to_string(), sums));
            for (day, sums) in days.chain([(String::new(), of_all)]) {
                let Sums { sales, refunds, sale_sum, refund_sum, lines, line_sum } = sums;
                statement.execute(params![day, shop, till, sales, refunds, sale_sum, refund_sum, lines, line_sum])?;
                if sales < 0 || refunds < 0 {
                    empty.execute(params![day, shop, till])?;
                }
            }
        }
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.sales += other.sales;
        self.refunds += other.refunds;
        self.sale_sum = self.sale_sum.saturating_add(other.sale_sum);
        self.refund_sum = self.refund_sum.saturating_add(other.refund_sum);
        self.lines += other.lines;
        self.line_sum = self.line_sum.saturating_add(other.line_sum);
    }
}

/// Rows of totals. Only the conditions that are asked for stand in the statement: one that may be
/// absent keeps every index from being used. By day and without a range: the newest days, a page
/// of them.
pub(super) fn totals(c: &Connection, filter: &TotalsFilter, by: TotalsBy) -> rusqlite::Result<Vec<TotalsRow>> {
    // The sign keeps an index in the order of the groups from being read whole.
    let (key, group) = match by {
        TotalsBy::All => ("''", ""),
        TotalsBy::Till => ("till", "GROUP BY +till ORDER BY +till"),
        TotalsBy::Shop => ("shop", "GROUP BY +shop ORDER BY +shop"),
        TotalsBy::Day => ("day", "GROUP BY day ORDER BY day"),
    };
    let newest = || -> rusqlite::Result<Option<Date>> {
        let day: Option<Date> =
            c.prepare_cached("SELECT max(day) FROM total WHERE day > ''")?.query_row((), |r| row::optional(r, 0))?;
        Ok(day.map(|day| page_of_days_before(filter.to.unwrap_or(day))))
    };
    let from = match filter.from {
        None if by == TotalsBy::Day => newest()?,
        from => from,
    };
    let (from, to) = (from.map(|day| day.to_string()), filter.to.map(|day| day.to_string()));
    let till = filter.till.as_ref().map(TillId::as_str);
    let shop = filter.shop.as_ref().map(ShopId::as_str);
    let mut conditions = Vec::new();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    for (condition, value) in [
        ("till =", till.as_ref().map(|value| value as &dyn ToSql)),
        ("shop =", shop.as_ref().map(|value| value as &dyn ToSql)),
        ("day >=", from.as_ref().map(|value| value as &dyn ToSql)),
        ("day <=", to.as_ref().map(|value| value as &dyn ToSql)),
    ] {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ?{}", values.len()));
        }
    }
    conditions
        .push(if from.is_none() && to.is_none() && by != TotalsBy::Day { "day = ''" } else { "day > ''" }.to_owned());
    let conditions = conditions.join(" AND ");
    let sql = format!(
        "SELECT {key}, coalesce(sum(sales + refunds), 0), coalesce(sum(sales), 0), coalesce(sum(refunds), 0),
             CAST(total(sale_sum) AS INTEGER), CAST(total(refund_sum) AS INTEGER), coalesce(sum(lines), 0),
             CAST(total(line_sum) AS INTEGER)
         FROM total WHERE {conditions} {group}"
    );
    c.prepare_cached(&sql)?
        .query_map(&values[..], |r| {
            Ok(TotalsRow {
                key: r.get(0)?,
                receipts: r.get(1)?,
                counted: check::counted(r, 2)?,
                lines: r.get(6)?,
                line_sum: row::kopecks(r, 7)?,
            })
        })?
        .collect()
}

/// The first of so many days that a page holds.
fn page_of_days_before(last: Date) -> Date {
    last.checked_sub(jiff::Span::new().days(i64::from(MAX_PAGE) - 1)).unwrap_or(Date::MIN)
}
