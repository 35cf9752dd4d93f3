//! What sales and refunds add up to within a day: by hour, by cashier, by type of payment. A row
//! each for the till, for its shop, and for all shops.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::{Connection, params};

use super::total::{Counts, Of, Sums};
use crate::store::sales::TotalsBy;

/// What is to be added to the totals of one day.
#[derive(Debug, Default)]
pub(super) struct Parts {
    hours: BTreeMap<i8, Sums>,
    cashiers: BTreeMap<String, Sums>,
    payments: BTreeMap<i32, Sums>,
}

impl Parts {
    pub(super) fn count(&mut self, counts: &Counts<'_>) {
        let whole = counts.whole();
        self.hours.entry(counts.ended.hour()).or_default().add(&whole);
        // Nearly always the cashier is there, and a name is not copied to find that out.
        match self.cashiers.get_mut(&*counts.cashier) {
            Some(sums) => sums.add(&whole),
            None => drop(self.cashiers.insert(counts.cashier.clone().into_owned(), whole)),
        }
        for (type_code, sum) in &counts.payments {
            self.payments.entry(*type_code).or_default().add(&counts.paid(*sum));
        }
    }

    fn add(&mut self, other: &Self) {
        for (hour, sums) in &other.hours {
            self.hours.entry(*hour).or_default().add(sums);
        }
        for (cashier, sums) in &other.cashiers {
            self.cashiers.entry(cashier.clone()).or_default().add(sums);
        }
        for (type_code, sums) in &other.payments {
            self.payments.entry(*type_code).or_default().add(sums);
        }
    }

    /// Each with its sort and key.
    fn rows(self) -> impl Iterator<Item = (TotalsBy, String, Sums)> {
        let hours = self.hours.into_iter().map(|(hour, sums)| (TotalsBy::Hour, format!("{hour:02}"), sums));
        let cashiers = self.cashiers.into_iter().map(|(cashier, sums)| (TotalsBy::Cashier, cashier, sums));
        let payments = self.payments.into_iter();
        let payments = payments.map(|(type_code, sums)| (TotalsBy::Payment, type_code.to_string(), sums));
        hours.chain(cashiers).chain(payments)
    }
}

/// Adds those of tills to what is there, and what they add up to for shops, and for all shops.
pub(super) fn write(t: &Connection, of_tills: BTreeMap<(Of, Date), Parts>) -> rusqlite::Result<()> {
    let mut statement = t.prepare_cached(
        "INSERT INTO total_part(sort, shop, till, day, key, sales, refunds, sale_sum, refund_sum, lines, line_sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT(sort, shop, till, day, key) DO UPDATE SET sales = sales + ?6, refunds = refunds + ?7,
             sale_sum = CAST(sale_sum + ?8 AS INTEGER), refund_sum = CAST(refund_sum + ?9 AS INTEGER),
             lines = lines + ?10, line_sum = CAST(line_sum + ?11 AS INTEGER)",
    )?;
    let mut empty = t.prepare_cached(
        "DELETE FROM total_part
         WHERE sort = ?1 AND shop = ?2 AND till = ?3 AND day = ?4 AND key = ?5 AND sales = 0 AND refunds = 0",
    )?;
    let mut all = BTreeMap::<(Of, Date), Parts>::new();
    for (((shop, till), day), parts) in of_tills {
        for of in [(shop.clone(), String::new()), Of::default()] {
            all.entry((of, day)).or_default().add(&parts);
        }
        all.insert(((shop, till), day), parts);
    }
    for (((shop, till), day), parts) in all {
        let day = day.to_string();
        for (by, key, sums) in parts.rows() {
            let (sort, Sums { sales, refunds, sale_sum, refund_sum, lines, line_sum }) = (by.as_str(), sums);
            statement
                .execute(params![sort, shop, till, day, key, sales, refunds, sale_sum, refund_sum, lines, line_sum])?;
            if sales < 0 || refunds < 0 {
                empty.execute(params![sort, shop, till, day, key])?;
            }
        }
    }
    Ok(())
}
