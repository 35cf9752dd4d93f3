//! What a till sells an item at: the rule of its view `goods` (docs/formats/till-databases.md),
//! over rows instead of SQL, for whoever has the rows and no till.
//!
//! A test holds it to the view.

use crate::kinds::{self, Kind};
use crate::row::{RowError, RowRef, ValueRef};
use jiff::civil::DateTime;
use std::sync::LazyLock;
use tillway_proto::Kopecks;

/// The kinds that say what an item is and what it costs.
#[derive(Debug, Clone, Copy)]
pub struct GoodsKinds {
    /// Items; the key is the code.
    pub item: Kind,
    /// Barcodes; the key is the barcode and the item's code.
    pub barcode: Kind,
    /// Prices by document; the key begins with a barcode or an item's code.
    pub price: Kind,
}

/// The kinds of the table that the rule is about.
///
/// # Panics
///
/// Where the table of kinds has lost one of them: a defect that every test shows.
pub fn goods_kinds() -> GoodsKinds {
    static KINDS: LazyLock<GoodsKinds> =
        LazyLock::new(|| GoodsKinds { item: of_table("tmc"), barcode: of_table("barcodes"), price: of_table("price") });
    *KINDS
}

/// The kind whose rows stand in a table that the view reads.
fn of_table(table: &str) -> Kind {
    let found = kinds::all().find(|kind| kind.spec().table == table);
    found.unwrap_or_else(|| panic!("no kind has the table {table}"))
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Its code.
    pub code: String,
    /// Its main barcode. What counts is that there is a row for it.
    pub barcode: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its price, where no document and no barcode has another.
    pub price: Option<Kopecks>,
}

/// A barcode of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarcodeRow {
    /// The barcode.
    pub barcode: String,
    /// Code of the item.
    pub code: String,
    /// A name of its own.
    pub name: Option<String>,
    /// A price of its own.
    pub price: Option<Kopecks>,
}

/// A price by document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// A barcode, or an item's code.
    pub of: String,
    /// Type of the document: the higher goes before.
    pub document_type: Option<i64>,
    /// Number of the document.
    pub document: Option<String>,
    /// The price.
    pub price: Option<Kopecks>,
    /// From this local time on.
    pub from: Option<DateTime>,
    /// Up to this local time, included.
    pub until: Option<DateTime>,
}

/// Values of a row by the columns of its table.
struct Columns<'a> {
    kind: Kind,
    row: RowRef<'a>,
}

impl<'a> Columns<'a> {
    fn decode(kind: Kind, body: &'a [u8]) -> Result<Self, RowError> {
        Ok(Self { kind, row: RowRef::decode(kind, body)? })
    }

    fn value(&self, column: &str) -> ValueRef<'a> {
        let at = self.kind.fields().iter().position(|field| field.column == column);
        at.and_then(|at| self.row.values.get(at).copied()).unwrap_or_default()
    }

    fn text(&self, column: &str) -> Option<String> {
        match self.value(column) {
            ValueRef::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }

    fn integer(&self, column: &str) -> Option<i64> {
        match self.value(column) {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn money(&self, column: &str) -> Option<Kopecks> {
        self.integer(column).map(Kopecks)
    }

    /// What reads records lets no other text through.
    fn time(&self, column: &'static str) -> Result<Option<DateTime>, RowError> {
        let text = self.text(column);
        let wrong = |_| RowError::WrongType { kind: self.kind, field: column };
        text.map(|text| text.parse().map_err(wrong)).transpose()
    }
}

impl ItemRow {
    /// From the body of an object.
    pub fn decode(body: &[u8]) -> Result<Self, RowError> {
        let row = Columns::decode(goods_kinds().item, body)?;
        Ok(Self {
            code: row.text("code").unwrap_or_default(),
            barcode: row.text("bcode"),
            name: row.text("name"),
            price: row.money("price"),
        })
    }
}

impl BarcodeRow {
    /// From the body of an object.
    pub fn decode(body: &[u8]) -> Result<Self, RowError> {
        let row = Columns::decode(goods_kinds().barcode, body)?;
        Ok(Self {
            barcode: row.text("barcode").unwrap_or_default(),
            code: row.text("code").unwrap_or_default(),
            name: row.text("name"),
            price: row.money("price"),
        })
    }
}

impl PriceRow {
    /// From the body of an object.
    pub fn decode(body: &[u8]) -> Result<Self, RowError> {
        let row = Columns::decode(goods_kinds().price, body)?;
        Ok(Self {
            of: row.text("barcode").unwrap_or_default(),
            document_type: row.integer("doctype"),
            document: row.text("documentid"),
            price: row.money("price"),
            from: row.time("effectivedate")?,
            until: row.time("effectivedateend")?,
        })
    }

    /// Whether it is effective at this local time.
    pub fn holds_at(&self, at: DateTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| until >= at)
    }
}

/// Which row gives a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PricedBy {
    /// A price by document.
    Document,
    /// The barcode's own.
    Barcode,
    /// The item's own.
    Item,
}

impl PricedBy {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Barcode => "barcode",
            Self::Item => "item",
        }
    }
}

/// A price, and the row that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced<T> {
    /// The price.
    pub price: Kopecks,
    /// Which sort of row gives it.
    pub by: PricedBy,
    /// By what whoever asked knows that row.
    pub row: T,
}

/// The price of an item, or of a barcode of it, at a local time. Each row comes with whatever the
/// caller knows it by. Of the documents those of this barcode and of this item are looked at.
pub fn price_at<T: Copy>(
    item: (&ItemRow, T),
    barcode: Option<(&BarcodeRow, T)>,
    documents: &[(&PriceRow, T)],
    at: DateTime,
) -> Option<Priced<T>> {
    let best = |of: &str| {
        let holding = documents.iter().filter(|(row, _)| row.of == of && row.price.is_some() && row.holds_at(at));
        holding.max_by_key(|(row, _)| (row.document_type, row.from, row.document.as_deref())).copied()
    };
    let document = barcode.and_then(|(row, _)| best(&row.barcode)).or_else(|| best(&item.0.code));
    if let Some((row, known_by)) = document {
        return row.price.map(|price| Priced { price, by: PricedBy::Document, row: known_by });
    }
    if let Some((row, known_by)) = barcode
        && let Some(price) = row.price.filter(|price| *price != Kopecks::ZERO)
    {
        return Some(Priced { price, by: PricedBy::Barcode, row: known_by });
    }
    item.0.price.map(|price| Priced { price, by: PricedBy::Item, row: item.1 })
}
