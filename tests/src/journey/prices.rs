//! Prices: the data set tells what was paid, not what the shelf said.

use super::{Journey, Line, ProductId, Receipt};
use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use std::collections::BTreeMap;
use tillway_proto::Kopecks;

/// The first Monday of the data set: week 2 starts here, week 1 is the Sunday before.
const FIRST_MONDAY: Date = jiff::civil::date(2017, 1, 2);

/// The first day of a week of the data set.
pub fn week_start(week: u32) -> Date {
    if week <= 1 {
        return jiff::civil::date(2017, 1, 1);
    }
    let weeks: Span = i64::from(week - 2).weeks();
    FIRST_MONDAY.saturating_add(weeks)
}

/// The price in the chain's catalogue, for products whether ever sold in these shops or not. The
/// data set has none; any fixed rule will do, so that the same catalogue comes out each time: 0.99
/// to 19.98 by the product's number.
pub fn list_price(product: ProductId) -> Kopecks {
    Kopecks(99 + i64::from(product.0) % 1900)
}

/// The price for one unit that makes a line's sum before discounts, rounded up to the kopeck where
/// it does not divide evenly; none where the line has no quantity.
pub fn shelf_price(line: &Line) -> Option<Kopecks> {
    (line.quantity.0 > 0).then(|| {
        let thousandths = line.sum_before().0 * 1000;
        Kopecks((thousandths + line.quantity.0 - 1) / line.quantity.0)
    })
}

/// What the shelves of one shop say, week by week.
#[derive(Debug, Default)]
pub struct ShelfPrices {
    current: BTreeMap<ProductId, Kopecks>,
}

impl ShelfPrices {
    /// Goes on to a week, and gives the prices that differ from what the shelf said before, by
    /// product.
    ///
    /// A product has one price a week: the highest of its lines of that week. A line that was sold
    /// for less has a markdown, so price × quantity − discounts is always exactly what was paid.
    pub fn advance(&mut self, journey: &Journey, shop: u32, week: u32) -> BTreeMap<ProductId, Kopecks> {
        let mut changed = BTreeMap::new();
        for (product, price) in week_prices(journey.receipts.iter().filter(|r| r.shop == shop && r.week == week)) {
            if self.current.insert(product, price) != Some(price) {
                changed.insert(product, price);
            }
        }
        changed
    }

    /// What the shelf says of a product; where the shop never set a price, the chain's list price.
    pub fn price(&self, product: ProductId) -> Kopecks {
        self.current.get(&product).copied().unwrap_or_else(|| list_price(product))
    }
}

fn week_prices<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> BTreeMap<ProductId, Kopecks> {
    let mut prices = BTreeMap::new();
    for line in receipts.flat_map(|receipt| &receipt.lines) {
        if let Some(price) = shelf_price(line) {
            let highest = prices.entry(line.product).or_insert(price);
            *highest = price.max(*highest);
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::{SHOPS, WEEKS};
    use crate::pos::price_times_quantity;

    #[test]
    fn every_real_line_is_its_shelf_price_less_discounts() {
        let journey = Journey::load().unwrap();
        for shop in SHOPS {
            let mut shelf = ShelfPrices::default();
            for week in 1..=WEEKS {
                shelf.advance(&journey, shop, week);
                for line in journey.receipts.iter().filter(|r| r.shop == shop && r.week == week).flat_map(|r| &r.lines)
                {
                    let before = price_times_quantity(shelf.price(line.product), line.quantity);
                    assert!(before >= line.sum_before(), "shop {shop}, week {week}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn weeks_start_on_monday() {
        assert_eq!(week_start(1).to_string(), "2017-01-01");
        assert_eq!(week_start(2).to_string(), "2017-01-02");
        assert_eq!(week_start(53).to_string(), "2017-12-25");
    }

    #[test]
    fn a_week_without_new_prices_changes_nothing() {
        let journey = Journey::load().unwrap();
        let mut shelf = ShelfPrices::default();
        assert!(!shelf.advance(&journey, 367, 2).is_empty());
        assert!(shelf.advance(&journey, 367, 2).is_empty());
    }
}
