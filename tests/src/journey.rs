//! Real receipts of two shops over one year, and the whole catalogue behind them: the data set
//! "The Complete Journey 2.0" (CC0), of which `tests/data/complete-journey` holds a compact part.
//! What is derived here (barcodes, tills, shelf prices, payments) and by which rule is told in the
//! README there; the code follows it.
//!
//! Amounts are exact: the data set's dollars and cents are read as whole kopecks, digit by digit.

mod barcode;
mod prices;
mod read;
mod receipts;

pub use barcode::{barcode_of, check_digit};
pub use prices::{ShelfPrices, list_price, shelf_price, week_start};
pub use read::JourneyError;
pub use receipts::{CASHIERS, Change, Totals, cashier_of, receipt_uuid, till_of, totals};

use jiff::civil::DateTime;
use jiff::{Span, Zoned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tillway_proto::{Kopecks, Thousandths};

/// The two shops with the most receipt lines in the data set.
pub const SHOPS: [u32; 2] = [367, 406];

/// The tills that stand in them, by code; the code starts with the shop's number.
pub const TILLS: [&str; 3] = ["36701", "36702", "40601"];

/// Weeks in the data set, counted from 1.
pub const WEEKS: u32 = 53;

/// The product type whose quantities are volumes in thousandths.
pub const FUEL: &str = "GASOLINE-REG UNLEADED";

/// The department that products get which receipts name but the catalogue does not.
const COUPON_DEPARTMENT: &str = "COUPON";

/// Number of a product; also its item code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductId(pub u32);

impl std::fmt::Display for ProductId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: ProductId,
    /// Number of its maker.
    pub manufacturer: u32,
    /// `GROCERY`, `PRODUCE` …
    pub department: String,
    /// `National` or `Private`.
    pub brand: String,
    /// Category within the department; may be empty.
    pub category: String,
    /// What it is; may be empty.
    pub sort: String,
    /// `22 LB`; often empty.
    pub size: String,
}

impl Product {
    /// Whether it is sold by volume: its quantities have a fraction.
    pub fn is_fuel(&self) -> bool {
        self.sort == FUEL
    }
}

/// One receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The data set's number of it.
    pub basket: u64,
    /// Who bought.
    pub household: u32,
    /// Where.
    pub shop: u32,
    /// The data set's week, 1 to [`WEEKS`].
    pub week: u32,
    /// When.
    pub time: DateTime,
    /// What.
    pub lines: Vec<Line>,
}

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The product.
    pub product: ProductId,
    /// How much; nothing on some lines of the data set.
    pub quantity: Thousandths,
    /// What the shop receives for it (`sales_value`).
    pub sum: Kopecks,
    /// Discount of the shop's loyalty card (`retail_disc`).
    pub card_discount: Kopecks,
    /// What the shop adds to a maker's coupon (`coupon_match_disc`).
    pub coupon_match_discount: Kopecks,
    /// What the maker pays by coupon (`coupon_disc`): a payment, not a discount of the shop.
    pub coupon: Kopecks,
}

impl Line {
    /// The line's sum before the shop's discounts.
    pub fn sum_before(&self) -> Kopecks {
        self.sum + self.card_discount + self.coupon_match_discount
    }
}

impl Receipt {
    /// What the shop receives.
    pub fn sum(&self) -> Kopecks {
        self.lines.iter().map(|line| line.sum).sum()
    }

    /// The part of it that makers' coupons pay; what they are worth beyond the receipt is lost.
    pub fn paid_by_coupon(&self) -> Kopecks {
        let coupons: Kopecks = self.lines.iter().map(|line| line.coupon).sum();
        coupons.min(self.sum())
    }
}

/// The data set, read whole: a few MB.
#[derive(Debug)]
pub struct Journey {
    /// The catalogue by number, with the few products that only receipts name.
    pub products: BTreeMap<ProductId, Product>,
    /// All receipts of [`SHOPS`], by week, shop, time.
    pub receipts: Vec<Receipt>,
}

impl Journey {
    /// The part that stands in this crate.
    pub fn load() -> Result<Self, JourneyError> {
        Self::load_from(&data_folder())
    }

    /// Reads `products.csv.gz` and `transactions.csv.gz` of a folder.
    pub fn load_from(folder: &Path) -> Result<Self, JourneyError> {
        let mut products = read::products(&folder.join("products.csv.gz"))?;
        let receipts = read::receipts(&folder.join("transactions.csv.gz"), &products)?;
        for line in receipts.iter().flat_map(|receipt| &receipt.lines) {
            products.entry(line.product).or_insert_with(|| coupon_product(line.product));
        }
        Ok(Self { products, receipts })
    }

    /// Moves all receipts by whole days, so that the last one of the first so many weeks is of
    /// yesterday.
    pub fn end_yesterday(&mut self, weeks: u32) {
        let last =
            self.receipts.iter().filter(|receipt| receipt.week <= weeks).map(|receipt| receipt.time.date()).max();
        let yesterday = Zoned::now().date().saturating_sub(Span::new().days(1));
        let Some(days) = last.and_then(|last| last.until(yesterday).ok()) else { return };
        for receipt in &mut self.receipts {
            receipt.time = receipt.time.saturating_add(days);
        }
    }

    /// The receipts of one week that ring on one till, in order of time.
    pub fn receipts_of<'a>(&'a self, week: u32, till: &'a str) -> impl Iterator<Item = &'a Receipt> {
        self.receipts.iter().filter(move |receipt| receipt.week == week && till_of(receipt) == till)
    }
}

/// Where the compact part stands in the source tree.
pub fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/complete-journey")
}

fn coupon_product(id: ProductId) -> Product {
    Product {
        id,
        manufacturer: 0,
        department: COUPON_DEPARTMENT.to_owned(),
        brand: String::new(),
        category: String::new(),
        sort: "PAPER COUPON".to_owned(),
        size: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the files hold, counted once by other means: what everything is compared with must not
    /// drift.
    #[test]
    fn the_data_set_is_whole() {
        let journey = Journey::load().unwrap();
        assert_eq!(journey.products.len(), 92_331 + 2);
        assert_eq!(journey.receipts.len(), 2_268);
        let totals = totals(journey.receipts.iter());
        assert_eq!((totals.receipts, totals.lines), (2_268, 3_763));
        let of_shop = |shop: u32| journey.receipts.iter().filter(|receipt| receipt.shop == shop).count();
        assert_eq!((of_shop(367), of_shop(406)), (1_304, 964));
    }

    #[test]
    fn no_receipt_is_older_than_the_prices_of_its_week() {
        let journey = Journey::load().unwrap();
        for receipt in &journey.receipts {
            assert!(receipt.time.date() >= week_start(receipt.week), "{receipt:?}");
        }
    }

    #[test]
    fn only_fuel_is_sold_by_volume() {
        let journey = Journey::load().unwrap();
        for line in journey.receipts.iter().flat_map(|receipt| &receipt.lines) {
            let whole = line.quantity.0 % 1000 == 0;
            assert!(whole || journey.products[&line.product].is_fuel(), "{line:?}");
            assert!(line.quantity <= Thousandths(25_000), "{line:?}");
            assert!(line.quantity != Thousandths::ZERO || line.sum_before() == Kopecks::ZERO, "{line:?}");
        }
    }
}
