//! A POS: looks items up by barcode in the till's `dictionaries.db` and writes what it sells into
//! `documents.db`.
//!
//! The arithmetic is a till's: price × quantity, less discounts, is the line's sum; lines make the
//! receipt's; what is paid less the change makes the same. A basket that does not come out is an
//! error, nothing is written then.

mod arithmetic;
mod basket;
mod numbering;
mod receipt;
#[cfg(test)]
mod tests;

pub use arithmetic::price_times_quantity;
pub use basket::{Basket, Discount, DiscountSort, Entry, Purpose, Tender};
pub use receipt::{Rung, RungLine, document_of};

use jiff::civil::DateTime;
use receipt::{Calculated, with_details};
use std::path::{Path, PathBuf};
use tillway_exchangers::till::dictionary::{OpenError, Shelf};
use tillway_exchangers::till::documents::DocumentsError;
use tillway_exchangers::till::documents::writer::{NewShift, PosWriter};
use tillway_proto::Kopecks;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1;
use uuid::Uuid;

/// Types of documents, as `documents.db` numbers them.
mod doctype {
    pub(super) const SALE: i32 = 1;
    pub(super) const REFUND: i32 = 2;
    pub(super) const CASH_IN: i32 = 3;
    pub(super) const CASH_OUT: i32 = 4;
}

/// Why the POS cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum PosError {
    /// The till's dictionary cannot be read.
    #[error("failed to look an item up")]
    Dictionary(#[source] OpenError),
    /// What was sold cannot be written or read.
    #[error("failed with the till's documents")]
    Documents(#[source] DocumentsError),
    /// Numbers of documents cannot be read.
    #[error("failed to read the last number of {}", path.display())]
    Numbering {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The dictionary has no such item.
    #[error("no item has the barcode {barcode}")]
    Unknown {
        /// What was scanned.
        barcode: String,
    },
    /// The item has no price.
    #[error("the item with barcode {barcode} has no price")]
    NoPrice {
        /// What was scanned.
        barcode: String,
    },
    /// Discounts and the sum that is due do not fit the shelf price.
    #[error("barcode {barcode}: {before} by the shelf price {price} is less than the {due} due with its discounts")]
    TooCheap {
        /// What was scanned.
        barcode: String,
        /// The shelf price found.
        price: Kopecks,
        /// Price × quantity.
        before: Kopecks,
        /// The sum due and the discounts.
        due: Kopecks,
    },
    /// What was paid is not what is due.
    #[error("receipt {uuid}: {due} is due, {paid} was paid")]
    Unpaid {
        /// The receipt.
        uuid: Uuid,
        /// Its sum.
        due: Kopecks,
        /// What was paid, change off.
        paid: Kopecks,
    },
    /// A sale without an open shift, or a second one opened.
    #[error("the shift is {}", if *.open { "open" } else { "not open" })]
    Shift {
        /// How it is.
        open: bool,
    },
}

/// A POS on one till.
#[derive(Debug)]
pub struct Pos {
    shelf: Shelf,
    documents: PosWriter,
    cash_code: String,
    shop_code: String,
    next_number: u64,
    shift: Option<OpenShift>,
}

#[derive(Debug)]
struct OpenShift {
    row: i64,
    cashier: String,
}

impl Pos {
    /// On a till's databases; `documents.db` is made where it is not there.
    pub fn open(dictionaries: &Path, documents: &Path, cash_code: &str, shop_code: &str) -> Result<Self, PosError> {
        let writer = PosWriter::open(documents).map_err(PosError::Documents)?;
        Ok(Self {
            shelf: Shelf::open(dictionaries).map_err(PosError::Dictionary)?,
            documents: writer,
            cash_code: cash_code.to_owned(),
            shop_code: shop_code.to_owned(),
            next_number: numbering::next_number(documents)?,
            shift: None,
        })
    }

    /// Opens a shift.
    pub fn open_shift(&mut self, number: u64, cashier: u32, time: DateTime) -> Result<(), PosError> {
        if self.shift.is_some() {
            return Err(PosError::Shift { open: true });
        }
        let shift = NewShift {
            number: ShiftNumber(number),
            cash_code: self.cash_code.clone(),
            shop_code: self.shop_code.clone(),
            cashier: cashier.to_string(),
            cashier_name: format!("Cashier {cashier}"),
            time_beg: time,
        };
        let row = self.documents.open_shift(&shift).map_err(PosError::Documents)?;
        let register = v1::Register { serial_number: format!("KKM-{}", self.cash_code), ..v1::Register::default() };
        self.documents.add_register(row, &register).map_err(PosError::Documents)?;
        self.shift = Some(OpenShift { row, cashier: shift.cashier });
        Ok(())
    }

    /// Closes the shift.
    pub fn close_shift(&mut self, time: DateTime) -> Result<(), PosError> {
        let shift = self.shift.take().ok_or(PosError::Shift { open: false })?;
        self.documents.close_shift(shift.row, time).map_err(PosError::Documents)
    }

    /// Rings a basket up: one finished document.
    pub fn ring(&mut self, basket: &Basket) -> Result<Rung, PosError> {
        let calculated = Calculated::of(basket, |barcode| self.look_up(barcode, basket.time))?;
        let number = self.next_number;
        let document = with_details(calculated.document(basket, self.heading(number)?));
        self.write(&document)?;
        Ok(Rung { number, uuid: basket.uuid, sum: calculated.sum(), lines: calculated.into_lines() })
    }

    /// Puts money into the drawer, not from a sale.
    pub fn cash_in(&mut self, amount: Kopecks, time: DateTime) -> Result<(), PosError> {
        self.move_cash(doctype::CASH_IN, amount, time)
    }

    /// Takes money out of the drawer, not for a refund.
    pub fn cash_out(&mut self, amount: Kopecks, time: DateTime) -> Result<(), PosError> {
        self.move_cash(doctype::CASH_OUT, amount, time)
    }

    /// What the shelf says at a time: the item's code and its price. Of several items with one
    /// barcode the first.
    pub fn look_up(&self, barcode: &str, at: DateTime) -> Result<(String, Kopecks), PosError> {
        let found = self.shelf.by_barcode(barcode, at).map_err(PosError::Dictionary)?;
        let goods = found.into_iter().next().ok_or_else(|| PosError::Unknown { barcode: barcode.to_owned() })?;
        let price = goods.price.ok_or_else(|| PosError::NoPrice { barcode: barcode.to_owned() })?;
        Ok((goods.code, price))
    }

    fn move_cash(&mut self, doctype: i32, amount: Kopecks, time: DateTime) -> Result<(), PosError> {
        let document = v1::Document {
            doctype,
            time_beg: time.to_string(),
            time_end: time.to_string(),
            sum_before: amount.0,
            sum: amount.0,
            identifier: Uuid::new_v4().to_string(),
            ..self.heading(self.next_number)?
        };
        self.write(&document)
    }

    /// What every document of this till and shift has.
    fn heading(&self, number: u64) -> Result<v1::Document, PosError> {
        let shift = self.shift.as_ref().ok_or(PosError::Shift { open: false })?;
        Ok(v1::Document {
            key: Some(v1::ReceiptKey { number, ..v1::ReceiptKey::default() }),
            cash_code: self.cash_code.clone(),
            cashier: shift.cashier.clone(),
            department: 1,
            ..v1::Document::default()
        })
    }

    fn write(&mut self, document: &v1::Document) -> Result<(), PosError> {
        let shift = self.shift.as_ref().ok_or(PosError::Shift { open: false })?;
        self.documents.add_document(shift.row, document, true).map_err(PosError::Documents)?;
        self.next_number += 1;
        Ok(())
    }
}
