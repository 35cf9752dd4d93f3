//! What a POS is given to ring up.

use crate::journey::{Change, Line, Receipt, barcode_of, receipt_uuid};
use jiff::civil::DateTime;
use tillway_proto::{Kopecks, Thousandths};
use uuid::Uuid;

/// One receipt to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// Made once, here; the receipt keeps it for ever.
    pub uuid: Uuid,
    /// A sale or a refund.
    pub purpose: Purpose,
    /// When it is begun and finished.
    pub time: DateTime,
    /// What is bought or brought back.
    pub entries: Vec<Entry>,
    /// What was scanned and voided again.
    pub voided: Vec<Entry>,
    /// How it is paid, or paid back.
    pub tenders: Vec<Tender>,
    /// The buyer's card, where one was shown.
    pub card: Option<String>,
}

/// What a receipt is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Goods for money.
    Sale,
    /// Money for goods brought back.
    Refund {
        /// The sale they come from, where it is known.
        of: Option<Uuid>,
        /// What the buyer says.
        reason: String,
    },
}

/// One line to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is scanned.
    pub barcode: String,
    /// How much.
    pub quantity: Thousandths,
    /// What goes off the price.
    pub discounts: Vec<Discount>,
    /// The sum that the line must come to: the rest is marked down. None: whatever price and
    /// discounts make.
    pub sum: Option<Kopecks>,
}

/// A discount on a line, by sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discount {
    /// What for.
    pub sort: DiscountSort,
    /// How much.
    pub amount: Kopecks,
}

/// What a discount is given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscountSort {
    /// The loyalty card.
    Card,
    /// What the shop adds to a maker's coupon.
    CouponMatch,
    /// Sold for less than the shelf says.
    Markdown,
}

/// One means of payment. Only cash is given in excess: the POS returns the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tender {
    /// Banknotes and coins.
    Cash(Kopecks),
    /// A bank card.
    Card(Kopecks),
    /// A maker's coupon.
    Coupon(Kopecks),
}

impl Tender {
    /// How much is given.
    pub fn amount(self) -> Kopecks {
        match self {
            Self::Cash(amount) | Self::Card(amount) | Self::Coupon(amount) => amount,
        }
    }
}

impl Entry {
    /// A line without discounts.
    pub fn new(barcode: impl Into<String>, quantity: Thousandths) -> Self {
        Self { barcode: barcode.into(), quantity, discounts: Vec::new(), sum: None }
    }
}

impl Basket {
    /// A plain sale.
    pub fn sale(time: DateTime, entries: Vec<Entry>, tenders: Vec<Tender>) -> Self {
        let uuid = Uuid::new_v4();
        Self { uuid, purpose: Purpose::Sale, time, entries, voided: Vec::new(), tenders, card: None }
    }
}

impl From<&Receipt> for Basket {
    fn from(receipt: &Receipt) -> Self {
        let coupon = receipt.paid_by_coupon();
        let household = receipt.paid_by_household().map(|paid| match paid {
            Change::Card(amount) => Tender::Card(amount),
            Change::Cash { given, .. } => Tender::Cash(given),
        });
        Self {
            uuid: receipt_uuid(receipt),
            purpose: Purpose::Sale,
            time: receipt.time,
            entries: receipt.lines.iter().map(Entry::from).collect(),
            voided: Vec::new(),
            tenders: (coupon > Kopecks::ZERO).then_some(Tender::Coupon(coupon)).into_iter().chain(household).collect(),
            card: Some(receipt.household.to_string()),
        }
    }
}

impl From<&Line> for Entry {
    fn from(line: &Line) -> Self {
        let discounts = [
            Discount { sort: DiscountSort::Card, amount: line.card_discount },
            Discount { sort: DiscountSort::CouponMatch, amount: line.coupon_match_discount },
        ];
        Self {
            barcode: barcode_of(line.product),
            quantity: line.quantity,
            discounts: discounts.into_iter().filter(|discount| discount.amount > Kopecks::ZERO).collect(),
            sum: Some(line.sum),
        }
    }
}
