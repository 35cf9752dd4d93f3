//! What sales and refunds add up to within a day: by hour, by cashier, by type of payment. A row
//! each for the till, for its shop, and for all shops.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::{Connection, params};

use super::total::{Counts, Of, Sums};
use crate::store::sales::TotalsBy;

/// What is to be added to these totals.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<Of, BTreeMap<Part, Sums>>);

/// The sort, the day, and the hour, cashier or payment.
type Part = (&'static str, Date, String);

impl Parts {
    pub(super) fn count(&mut self, of: &Of, counts: &Counts) {
        if !self.0.contains_key(of) {
            self.0.insert(of.clone(), BTreeMap::new());
        }
        let Some(parts) = self.0.get_mut(of) else { return };
        let day = counts.ended.date();
        let mut add = |by: TotalsBy, key: String, sums: Sums| {
            parts.entry((by.as_str(), day, key)).or_default().add(&sums);
        };
        add(TotalsBy::Hour, format!("{:02}", counts.ended.hour()), counts.whole());
        add(TotalsBy::Cashier, counts.cashier.clone(), counts.whole());
        for (type_code, sum) in &counts.payments {
            add(TotalsBy::Payment, type_code.to_string(), counts.paid(*sum));
        }
    }

    /// Those of tills, with what they add up to for shops, and for all shops.
    fn with_sums(self) -> BTreeMap<Of, BTreeMap<Part, Sums>> {
        let mut all = BTreeMap::<Of, BTreeMap<Part, Sums>>::new();
        for ((shop, till), parts) in self.0 {
            for of in [(shop.clone(), String::new()), Of::default()] {
                let sums = all.entry(of).or_default();
                for (part, one) in &parts {
                    sums.entry(part.clone()).or_default().add(one);
                }
            }
            all.insert((shop, till), parts);
        }
        all
    }

    /// Adds them to what is there.
    pub(super) fn write(self, t: &Connection) -> rusqlite::Result<()> {
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
        for ((shop, till), parts) in self.with_sums() {
            for ((sort, day, key), sums) in parts {
                let (day, Sums { sales, refunds, sale_sum, refund_sum, lines, line_sum }) = (day.to_string(), sums);
                statement.execute(params![
                    sort, shop, till, day, key, sales, refunds, sale_sum, refund_sum, lines, line_sum
                ])?;
                if sales < 0 || refunds < 0 {
                    empty.execute(params![sort, shop, till, day, key])?;
                }
            }
        }
        Ok(())
    }
}
