//! What sales and refunds add up to by till and day, and within a day by hour, cashier and
//! payment, kept beside the receipts in the same transaction.
//!
//! However large what a till sends, no sum fails: one that leaves 64 bits stays at their end.
//! `total` never overflows and is exact to 9·10^15 kopecks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use rusqlite::{Connection, ToSql, params};
use tillway_proto::{ShopId, TillId};

use super::total_part::{self, Parts};
use super::{check, row};
use crate::sales::check::{REFUNDS, SALE};
use crate::sales::receipt::{CHANGE, Receipt, line_sum};
use crate::store::sales::{MAX_PAGE, TotalsBy, TotalsFilter, TotalsRow};

/// Days of totals by hour, cashier or payment, where nobody says which.
const NEWEST_DAYS: u32 = 31;

/// What is to be added to the totals.
#[derive(Debug, Default)]
pub(super) struct Totals {
    by_day: BTreeMap<Of, ByDay>,
}

/// Shop and till.
pub(super) type Of = (String, String);

type ByDay = BTreeMap<Date, Day>;

#[derive(Debug, Default)]
struct Day {
    sums: Sums,
    parts: Parts,
}

/// What of a receipt is added up, or taken off.
#[derive(Debug)]
pub(super) struct Counts<'a> {
    pub(super) ended: DateTime,
    pub(super) cashier: Cow<'a, str>,
    /// Each type once, less the change.
    pub(super) payments: Vec<(i32, i64)>,
    /// Of one receipt; less than nothing where it is taken off.
    sums: Sums,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sums {
    pub(super) sales: i64,
    pub(super) refunds: i64,
    pub(super) sale_sum: i64,
    pub(super) refund_sum: i64,
    pub(super) lines: i64,
    pub(super) line_sum: i64,
}

impl<'a> Counts<'a> {
    /// None of a document that is neither a sale nor a refund.
    pub(super) fn of(
        doctype: i32,
        (sum, lines, line_sum): (i64, i64, i64),
        (ended, cashier): (DateTime, Cow<'a, str>),
        payments: impl IntoIterator<Item = (i32, i32, i64)>,
    ) -> Option<Self> {
        let is_sale = doctype == SALE;
        if !is_sale && !REFUNDS.contains(&doctype) {
            return None;
        }
        let sums = if is_sale {
            Sums { sales: 1, sale_sum: sum, lines, line_sum, ..Sums::default() }
        } else {
            Sums { refunds: 1, refund_sum: sum, lines, ..Sums::default() }
        };
        // One or two of them: looking through is quicker than any map.
        let mut by_type = Vec::<(i32, i64)>::new();
        for (opcode, type_code, sum) in payments {
            let at = by_type.iter().position(|(of, _)| *of == type_code).unwrap_or_else(|| {
                by_type.push((type_code, 0));
                by_type.len() - 1
            });
            let paid = &mut by_type[at].1;
            *paid = if CHANGE.contains(&opcode) { paid.saturating_sub(sum) } else { paid.saturating_add(sum) };
        }
        Some(Self { ended, cashier, payments: by_type, sums })
    }

    /// What is added up for the whole receipt.
    pub(super) fn whole(&self) -> Sums {
        self.sums
    }

    /// What is added up for one of its payments.
    pub(super) fn paid(&self, sum: i64) -> Sums {
        let Sums { sales, refunds, .. } = self.sums;
        // A receipt that is taken off has counts below zero, and what was paid goes with them.
        let sum = if sales + refunds < 0 { sum.saturating_neg() } else { sum };
        let (sale_sum, refund_sum) = if sales == 0 { (0, sum) } else { (sum, 0) };
        Sums { sales, refunds, sale_sum, refund_sum, ..Sums::default() }
    }
}

impl Totals {
    /// Receipts of one till that were not there, none of another till among them.
    pub(super) fn add<'a>(&mut self, shop: &str, till: &TillId, receipts: impl Iterator<Item = &'a Receipt>) {
        let counts = |receipt: &'a Receipt| {
            let document = &receipt.document;
            Counts::of(
                document.doctype,
                (document.sum, row::index(document.lines.len()), line_sum(document)),
                (receipt.ended, Cow::Borrowed(document.cashier.as_str())),
                document.payments.iter().map(|paid| (paid.opcode, paid.type_code, paid.sum)),
            )
        };
        let days = self.by_day.entry((shop.to_owned(), till.to_string())).or_default();
        for counts in receipts.filter_map(counts) {
            count(days, &counts);
        }
    }

    /// A receipt that is deleted, as it stands in the tables.
    pub(super) fn take_off(&mut self, of: Of, counts: Counts<'_>) {
        count(self.by_day.entry(of).or_default(), &Counts { sums: counts.sums.negative(), ..counts });
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
        let mut parts = BTreeMap::new();
        for (of, days) in self.by_day {
            let mut of_all = Sums::default();
            let mut rows = Vec::with_capacity(days.len() + 1);
            for (date, day) in days {
                of_all.add(&day.sums);
                rows.push((date.to_string(), day.sums));
                parts.insert((of.clone(), date), day.parts);
            }
            rows.push((String::new(), of_all));
            let (shop, till) = of;
            for (day, sums) in rows {
                let Sums { sales, refunds, sale_sum, refund_sum, lines, line_sum } = sums;
                statement.execute(params![day, shop, till, sales, refunds, sale_sum, refund_sum, lines, line_sum])?;
                if sales < 0 || refunds < 0 {
                    empty.execute(params![day, shop, till])?;
                }
            }
        }
        total_part::write(t, parts)
    }
}

fn count(days: &mut ByDay, counts: &Counts<'_>) {
    let day = days.entry(counts.ended.date()).or_default();
    day.sums.add(&counts.sums);
    day.parts.count(counts);
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.sales += other.sales;
        self.refunds += other.refunds;
        self.sale_sum = self.sale_sum.saturating_add(other.sale_sum);
        self.refund_sum = self.refund_sum.saturating_add(other.refund_sum);
        self.lines += other.lines;
        self.line_sum = self.line_sum.saturating_add(other.line_sum);
    }

    fn negative(self) -> Self {
        Self {
            sales: -self.sales,
            refunds: -self.refunds,
            sale_sum: self.sale_sum.saturating_neg(),
            refund_sum: self.refund_sum.saturating_neg(),
            lines: -self.lines,
            line_sum: self.line_sum.saturating_neg(),
        }
    }
}

/// Rows of totals. Only the conditions that are asked for stand in the statement: one that may be
/// absent keeps every index from being used. Without a range, by day: the newest days, a page of
/// them; by what stands within a day: the newest [`NEWEST_DAYS`].
pub(super) fn totals(c: &Connection, filter: &TotalsFilter, by: TotalsBy) -> rusqlite::Result<Vec<TotalsRow>> {
    // The sign keeps an index in the order of the groups from being read whole.
    let is_bounded = filter.from.is_some() || filter.to.is_some();
    // What stands within a day, and what of it: the hours of a day add up to the day, without
    // reading a row for each till.
    let sort = match by {
        TotalsBy::Hour | TotalsBy::Cashier | TotalsBy::Payment => Some(by.as_str()),
        TotalsBy::Day => Some(TotalsBy::Hour.as_str()),
        TotalsBy::All if is_bounded => Some(TotalsBy::Hour.as_str()),
        TotalsBy::All | TotalsBy::Till | TotalsBy::Shop => None,
    };
    let (key, group) = match by {
        TotalsBy::All => ("''", ""),
        TotalsBy::Till => ("till", "GROUP BY +till ORDER BY +till"),
        TotalsBy::Shop => ("shop", "GROUP BY +shop ORDER BY +shop"),
        TotalsBy::Day => ("day", "GROUP BY day ORDER BY day"),
        TotalsBy::Hour | TotalsBy::Cashier | TotalsBy::Payment => ("key", "GROUP BY +key ORDER BY +key"),
    };
    let is_part = sort.is_some();
    let days = match by {
        TotalsBy::Day => Some(MAX_PAGE),
        TotalsBy::Hour | TotalsBy::Cashier | TotalsBy::Payment => Some(NEWEST_DAYS),
        TotalsBy::All | TotalsBy::Till | TotalsBy::Shop => None,
    };
    let newest = |days: u32| -> rusqlite::Result<Option<Date>> {
        let day: Option<Date> =
            c.prepare_cached("SELECT max(day) FROM total WHERE day > ''")?.query_row((), |r| row::optional(r, 0))?;
        Ok(day.map(|day| first_of_days(filter.to.unwrap_or(day), days)))
    };
    let from = match (filter.from, days) {
        (None, Some(days)) => newest(days)?,
        (from, _) => from,
    };
    let (from, to) = (from.map(|day| day.to_string()), filter.to.map(|day| day.to_string()));
    // What stands within a day has rows of its own for a till, a shop, and all.
    let all_if_part = is_part.then_some("");
    let till = filter.till.as_ref().map(TillId::as_str).or(all_if_part);
    let shop = filter.shop.as_ref().map(ShopId::as_str).or(all_if_part.filter(|_| filter.till.is_none()));
    let mut conditions = Vec::new();
    let mut values: Vec<&dyn ToSql> = sort.iter().map(|value| value as &dyn ToSql).collect();
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
    conditions.push(if from.is_none() && to.is_none() && days.is_none() { "day = ''" } else { "day > ''" }.to_owned());
    if is_part && filter.till.is_some() {
        // Lets its index be used, which holds rows of tills alone.
        conditions.push("till > ''".to_owned());
    }
    let (conditions, from) =
        (conditions.join(" AND "), if is_part { "total_part WHERE sort = ?1 AND" } else { "total WHERE" });
    let sql = format!(
        "SELECT {key}, coalesce(sum(sales + refunds), 0), coalesce(sum(sales), 0), coalesce(sum(refunds), 0),
             CAST(total(sale_sum) AS INTEGER), CAST(total(refund_sum) AS INTEGER), coalesce(sum(lines), 0),
             CAST(total(line_sum) AS INTEGER)
         FROM {from} {conditions} {group}"
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

/// The first of so many days.
fn first_of_days(last: Date, days: u32) -> Date {
    last.checked_sub(jiff::Span::new().days(i64::from(days) - 1)).unwrap_or(Date::MIN)
}
