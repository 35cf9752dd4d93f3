//! Makes AIF (formats/aif) of the data set: a full catalogue for the chain, shelf prices week by
//! week for each shop.
//!
//! Streaming: records go out as they are made. Files for an exchange folder appear under their
//! name when they are whole, the flag last ([`deliver`]).

use crate::journey::{CASHIERS, Journey, Product, ProductId, SHOPS, barcode_of, list_price, week_start};
use fs_err as fs;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tillway_exchangers::formats::aif::AifWriter;
use tillway_proto::Kopecks;

/// Unit of measure of goods sold by the piece.
pub const PIECE: i64 = 796;
/// Unit of measure of fuel.
pub const GALLON: i64 = 3;

/// The document that all shelf prices of a shop stand in: a new price of a product takes the place
/// of the last one.
pub const PRICE_DOCUMENT: &str = "SHELF";

/// Repricing, as AIF numbers the sorts of price documents.
const REPRICING: i64 = 1;

/// Payment types: codes as they are usual, and ours for makers' coupons.
const PAYMENT_TYPES: [(i64, &str, i64); 3] = [(1, "Cash", 1), (4, "Card", 2), (5, "Maker's coupon", 5)];

/// Departments that sell food; the rest has the full tax rate.
const FOOD: [&str; 10] = [
    "GROCERY",
    "PRODUCE",
    "MEAT",
    "MEAT-PCKGD",
    "DELI",
    "PASTRY",
    "SEAFOOD",
    "SEAFOOD-PCKGD",
    "SALAD BAR",
    "FROZEN GROCERY",
];
const FOOD_TAX: i64 = 1;
const FULL_TAX: i64 = 2;

/// Writes the whole catalogue: cleared and added, so what is not in it any more goes. Returns the
/// number of commands.
pub fn write_catalogue(journey: &Journey, out: impl Write) -> io::Result<u64> {
    let mut aif = Commands::new(out);
    for verb in [
        "clearInventory",
        "clearInventGroup",
        "clearUnit",
        "clearTaxGroup",
        "clearDepartment",
        "clearValut",
        "clearRole",
        "clearMCashUser",
    ] {
        aif.clear(verb)?;
    }
    write_settings(&mut aif)?;
    let groups = Groups::of(journey);
    for (code, department) in (1_i64..).zip(groups.departments.keys()) {
        aif.add("addDepartment", &Department { code, name: department })?;
    }
    for (department, group) in &groups.departments {
        aif.add("addInventGroup", &Group { code: group, groupname: department, parent: None })?;
    }
    for ((department, category), group) in &groups.categories {
        let parent = groups.departments.get(department).map(String::as_str);
        aif.add("addInventGroup", &Group { code: group, groupname: category, parent })?;
    }
    for product in journey.products.values() {
        aif.add("addInventItem", &Item::of(product, &groups)?)?;
    }
    aif.finish()
}

/// Writes price changes of one shop, in force from the first day of `week`. Returns the number of
/// commands.
pub fn write_prices(prices: &BTreeMap<ProductId, Kopecks>, week: u32, out: impl Write) -> io::Result<u64> {
    let mut aif = Commands::new(out);
    for (product, price) in prices {
        let price = Price {
            barcode: barcode_of(*product),
            amount: number(*price)?,
            doctype: REPRICING,
            documentid: PRICE_DOCUMENT,
            effectivedate: week_start(week),
        };
        aif.add("addPrice", &price)?;
    }
    aif.finish()
}

/// The word in a flag that says yes to whatever a load takes away.
pub const APPROVE: &str = "approve";

/// Puts a file into an exchange folder: whole under a temporary name, renamed to `<base>.aif`,
/// then the flag `<base>.flz`. Returns what `write` returned.
pub fn deliver(folder: &Path, base: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<u64>) -> io::Result<u64> {
    deliver_with(folder, base, "", write)
}

/// The same with a text in the flag.
pub fn deliver_with(
    folder: &Path,
    base: &str,
    flag: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<u64>,
) -> io::Result<u64> {
    let temporary = folder.join(format!("{base}.tmp"));
    let mut file = fs::File::create(&temporary)?;
    let written = write(&mut file)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(format!("{base}.aif")))?;
    // The server takes the flag as it finds it.
    fs::write(&temporary, flag)?;
    fs::rename(&temporary, folder.join(format!("{base}.flz")))?;
    Ok(written)
}

fn write_settings<W: Write>(aif: &mut Commands<W>) -> io::Result<()> {
    aif.add("addUnit", &Unit { code: PIECE, name: "pc", fractional: false })?;
    aif.add("addUnit", &Unit { code: GALLON, name: "gal", fractional: true })?;
    for (code, name, rate) in [(FOOD_TAX, "10%", 10), (FULL_TAX, "20%", 20)] {
        let taxes = [Tax { name, rate, changebase: false }];
        aif.add("addTaxGroup", &TaxGroup { code, taxes })?;
    }
    for (code, name, sort) in PAYMENT_TYPES {
        aif.add("addValut", &PaymentType { code, name, sort })?;
    }
    aif.add("addRole", &Role { rolecode: "1", name: "Cashier" })?;
    for number in 1..=CASHIERS {
        let cashier = Cashier {
            code: number.to_string(),
            name: format!("Cashier {number}"),
            login: format!("cashier{number}"),
            rank: "Cashier",
            keyposition: 1,
            roleusers: [RoleUser { rolecode: "1", rule: 1 }],
        };
        aif.add("addMCashUser", &cashier)?;
    }
    Ok(())
}

/// AIF on its way out, counted.
struct Commands<W: Write> {
    writer: AifWriter<BufWriter<W>>,
    written: u64,
}

impl<W: Write> Commands<W> {
    fn new(out: W) -> Self {
        Self { writer: AifWriter::new(BufWriter::new(out)), written: 0 }
    }

    fn clear(&mut self, verb: &str) -> io::Result<()> {
        self.written += 1;
        self.writer.clear_verb(verb).map_err(io::Error::other)
    }

    fn add(&mut self, verb: &str, payload: &impl Serialize) -> io::Result<()> {
        self.written += 1;
        self.writer.command(verb, payload).map_err(io::Error::other)
    }

    fn finish(self) -> io::Result<u64> {
        self.writer.finish().map_err(io::Error::other)?;
        Ok(self.written)
    }
}

/// Codes of groups: `D07` is the seventh department by name, `D07-012` its twelfth category.
struct Groups<'a> {
    departments: BTreeMap<&'a str, String>,
    categories: BTreeMap<(&'a str, &'a str), String>,
}

impl<'a> Groups<'a> {
    fn of(journey: &'a Journey) -> Self {
        let names: BTreeSet<(&str, &str)> =
            journey.products.values().map(|product| (product.department.as_str(), product.category.as_str())).collect();
        let mut departments = BTreeMap::new();
        let mut categories = BTreeMap::new();
        let mut of_department = 0;
        for (department, category) in names {
            let next = departments.len() + 1;
            let code = departments.entry(department).or_insert_with(|| {
                of_department = 0;
                format!("D{next:02}")
            });
            if !category.is_empty() {
                of_department += 1;
                categories.insert((department, category), format!("{code}-{of_department:03}"));
            }
        }
        Self { departments, categories }
    }

    fn code(&self, product: &'a Product) -> Option<&str> {
        let (department, category) = (product.department.as_str(), product.category.as_str());
        self.categories.get(&(department, category)).or_else(|| self.departments.get(department)).map(String::as_str)
    }

    fn department_number(&self, product: &Product) -> usize {
        self.departments.keys().take_while(|department| **department < product.department.as_str()).count() + 1
    }
}

#[derive(Serialize)]
struct Unit<'a> {
    #[serde(rename = "unitCode")]
    code: i64,
    name: &'a str,
    fractional: bool,
}

#[derive(Serialize)]
struct Tax<'a> {
    name: &'a str,
    rate: u32,
    changebase: bool,
}

#[derive(Serialize)]
struct TaxGroup<'a> {
    #[serde(rename = "idTaxGroup")]
    code: i64,
    taxes: [Tax<'a>; 1],
}

#[derive(Serialize)]
struct PaymentType<'a> {
    code: i64,
    name: &'a str,
    #[serde(rename = "type")]
    sort: i64,
}

#[derive(Serialize)]
struct Role<'a> {
    rolecode: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct RoleUser<'a> {
    rolecode: &'a str,
    rule: u32,
}

#[derive(Serialize)]
struct Cashier<'a> {
    code: String,
    name: String,
    login: String,
    rank: &'a str,
    keyposition: u32,
    roleusers: [RoleUser<'a>; 1],
}

#[derive(Serialize)]
struct Department<'a> {
    code: i64,
    name: &'a str,
}

#[derive(Serialize)]
struct Group<'a> {
    #[serde(rename = "groupCode")]
    code: &'a str,
    groupname: &'a str,
    #[serde(rename = "parentGroupCode")]
    parent: Option<&'a str>,
}

#[derive(Serialize)]
struct Item<'a> {
    inventcode: String,
    #[serde(rename = "isInventItem")]
    sold: bool,
    inventgroup: Option<&'a str>,
    name: String,
    articul: String,
    barcode: String,
    price: Box<RawValue>,
    deptcode: usize,
    taxgroupcode: i64,
    measurecode: i64,
}

impl<'a> Item<'a> {
    fn of<'j: 'a>(product: &'j Product, groups: &'a Groups<'j>) -> io::Result<Self> {
        let food = FOOD.contains(&product.department.as_str());
        Ok(Self {
            inventcode: product.id.to_string(),
            sold: true,
            inventgroup: groups.code(product),
            name: name_of(product),
            articul: format!("{}-{}", product.manufacturer, product.id),
            barcode: barcode_of(product.id),
            price: number(list_price(product.id))?,
            deptcode: groups.department_number(product),
            taxgroupcode: if food { FOOD_TAX } else { FULL_TAX },
            measurecode: if product.is_fuel() { GALLON } else { PIECE },
        })
    }
}

#[derive(Serialize)]
struct Price<'a> {
    barcode: String,
    #[serde(rename = "price")]
    amount: Box<RawValue>,
    doctype: i64,
    documentid: &'a str,
    effectivedate: Date,
}

/// What a product is called: what it is and how much of it; the data set has no names.
fn name_of(product: &Product) -> String {
    let what = [&product.sort, &product.category, &product.department].into_iter().find(|text| !text.is_empty());
    let what = what.map_or("", String::as_str);
    if product.size.is_empty() { what.to_owned() } else { format!("{what} {}", product.size) }
}

/// An amount as a JSON number with exactly two digits after the point.
fn number(amount: Kopecks) -> io::Result<Box<RawValue>> {
    RawValue::from_string(amount.to_string()).map_err(io::Error::other)
}

/// File names for a run of the maker: the catalogue, then each week's prices of each shop.
pub fn price_file_name(shop: u32, week: u32) -> String {
    debug_assert!(SHOPS.contains(&shop));
    format!("pos-prices-{shop}-{week:02}")
}

/// Name of the catalogue's file, without extension.
pub const CATALOGUE_FILE_NAME: &str = "pos-catalogue";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<u64>) -> (u64, String) {
        let mut out = Vec::new();
        let written = write(&mut out).unwrap();
        (written, String::from_utf8(out).unwrap())
    }

    #[test]
    fn prices_are_written_to_the_kopeck() {
        let prices = BTreeMap::from([(ProductId(1_082_185), Kopecks(105))]);
        let (written, aif) = text(|out| write_prices(&prices, 4, out));
        assert_eq!(written, 1);
        assert_eq!(
            aif,
            "{\"command\":\"addPrice\",\"price\":{\"barcode\":\"2900010821856\",\"price\":1.05,\"doctype\":1,\
             \"documentid\":\"SHELF\",\"effectivedate\":\"2017-01-16\"}}\n---\n"
        );
    }

    #[test]
    fn the_catalogue_clears_and_holds_every_product_once() {
        let journey = Journey::load().unwrap();
        let (written, aif) = text(|out| write_catalogue(&journey, out));
        assert!(aif.starts_with("{\"command\":\"clearInventory\"}\n---\n"));
        let items = aif.matches("{\"command\":\"addInventItem\"").count();
        assert_eq!(items, journey.products.len());
        assert_eq!(written, aif.matches("\n---\n").count() as u64);
        assert_eq!(aif, text(|out| write_catalogue(&journey, out)).1, "the same data makes the same file");
    }

    #[test]
    fn the_flag_comes_last_and_nothing_temporary_stays() {
        let folder = tempfile::tempdir().unwrap();
        deliver(folder.path(), "pos1", |out| write_prices(&BTreeMap::new(), 1, out)).unwrap();
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["pos1.aif", "pos1.flz"]);
    }
}
