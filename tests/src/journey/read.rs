//! Reading the two files.

use super::{FUEL, Line, Product, ProductId, Receipt};
use flate2::read::GzDecoder;
use fs_err as fs;
use jiff::civil::DateTime;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tillway_proto::money::parse_scaled;
use tillway_proto::{DecimalError, Kopecks, Thousandths};

/// Why the data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JourneyError {
    /// A file of it cannot be opened.
    #[error("failed to open the data set")]
    Open(#[source] std::io::Error),
    /// A record has the wrong shape.
    #[error("a broken record in {}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: csv::Error,
    },
    /// A number is none.
    #[error("a wrong number in {} at line {line}", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// Its line, counted from 1.
        line: u64,
        /// What is wrong.
        #[source]
        source: DecimalError,
    },
    /// A time is none.
    #[error("a wrong time in {} at line {line}", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// Its line, counted from 1.
        line: u64,
        /// What is wrong.
        #[source]
        source: jiff::Error,
    },
}

#[derive(Deserialize)]
struct ProductRecord {
    product_id: String,
    manufacturer_id: u32,
    department: String,
    brand: String,
    product_category: String,
    product_type: String,
    package_size: String,
}

#[derive(Deserialize)]
struct LineRecord {
    household_id: u32,
    store_id: u32,
    basket_id: u64,
    product_id: String,
    quantity: String,
    sales_value: String,
    retail_disc: String,
    coupon_disc: String,
    coupon_match_disc: String,
    week: u32,
    transaction_timestamp: String,
}

pub(super) fn products(path: &Path) -> Result<BTreeMap<ProductId, Product>, JourneyError> {
    let mut products = BTreeMap::new();
    for_each_record(path, |record: ProductRecord, line| {
        let id = product_id(&record.product_id).map_err(|source| number(path, line, source))?;
        let product = Product {
            id,
            manufacturer: record.manufacturer_id,
            department: record.department,
            brand: record.brand,
            category: record.product_category,
            sort: record.product_type,
            size: record.package_size,
        };
        products.insert(id, product);
        Ok(())
    })?;
    Ok(products)
}

pub(super) fn receipts(path: &Path, products: &BTreeMap<ProductId, Product>) -> Result<Vec<Receipt>, JourneyError> {
    let mut receipts: BTreeMap<u64, Receipt> = BTreeMap::new();
    for_each_record(path, |record: LineRecord, line| {
        let time: DateTime = record
            .transaction_timestamp
            .replacen(' ', "T", 1)
            .parse()
            .map_err(|source| JourneyError::Time { path: path.to_owned(), line, source })?;
        let parsed = parse_line(&record, products).map_err(|source| number(path, line, source))?;
        let receipt = receipts.entry(record.basket_id).or_insert_with(|| Receipt {
            basket: record.basket_id,
            household: record.household_id,
            shop: record.store_id,
            week: record.week,
            time,
            lines: Vec::new(),
        });
        receipt.lines.push(parsed);
        Ok(())
    })?;
    let mut receipts: Vec<Receipt> = receipts.into_values().collect();
    receipts.sort_by_key(|receipt| (receipt.week, receipt.shop, receipt.time, receipt.basket));
    Ok(receipts)
}

fn parse_line(record: &LineRecord, products: &BTreeMap<ProductId, Product>) -> Result<Line, DecimalError> {
    let product = product_id(&record.product_id)?;
    let fuel = products.get(&product).is_some_and(|product| product.sort == FUEL);
    let quantity = record.quantity.parse::<Thousandths>()?;
    // Fuel is counted in thousandths of a gallon already.
    let quantity = if fuel { Thousandths(quantity.0 / 1000) } else { quantity };
    Ok(Line {
        product,
        quantity,
        sum: record.sales_value.parse::<Kopecks>()?,
        card_discount: record.retail_disc.parse()?,
        coupon_match_discount: record.coupon_match_disc.parse()?,
        coupon: record.coupon_disc.parse()?,
    })
}

/// Product numbers went through a floating-point column on their way: 900000 is written `9e+05`.
fn product_id(text: &str) -> Result<ProductId, DecimalError> {
    let value = parse_scaled(text, 0)?;
    u32::try_from(value).map(ProductId).map_err(|_| DecimalError::TooLarge { text: text.to_owned() })
}

fn number(path: &Path, line: u64, source: DecimalError) -> JourneyError {
    JourneyError::Number { path: path.to_owned(), line, source }
}

fn for_each_record<R: for<'de> Deserialize<'de>>(
    path: &Path,
    mut each: impl FnMut(R, u64) -> Result<(), JourneyError>,
) -> Result<(), JourneyError> {
    let file = fs::File::open(path).map_err(JourneyError::Open)?;
    let mut reader = csv::Reader::from_reader(GzDecoder::new(file));
    let headers = reader.headers().map_err(|source| JourneyError::Record { path: path.to_owned(), source })?.clone();
    let mut record = csv::StringRecord::new();
    loop {
        let more =
            reader.read_record(&mut record).map_err(|source| JourneyError::Record { path: path.to_owned(), source })?;
        if !more {
            return Ok(());
        }
        let line = record.position().map_or(0, csv::Position::line);
        let parsed = record
            .deserialize(Some(&headers))
            .map_err(|source| JourneyError::Record { path: path.to_owned(), source })?;
        each(parsed, line)?;
    }
}
