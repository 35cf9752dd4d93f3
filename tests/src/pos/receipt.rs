//! From a basket to a document: prices looked up, discounts taken off, payments checked.

use super::basket::{Basket, Discount, DiscountSort, Entry, Purpose, Tender};
use super::{PosError, doctype, price_times_quantity};
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, Thousandths};
use uuid::Uuid;

/// Line opcodes.
const LINE_SALE: i32 = 50;
const LINE_REFUND: i32 = 58;

/// The code of a value-added tax of 20 %.
const VAT_20: i32 = 1;

/// The payment type of a card, as the catalogue of `aif_maker` names it.
const CARD: i32 = 4;

/// Money opcodes.
const MONEY_PAYMENT: i32 = 70;
const MONEY_CHANGE: i32 = 72;
const MONEY_REFUND: i32 = 74;

/// A receipt as it was rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Its number on the till.
    pub number: u64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its sum.
    pub sum: Kopecks,
    /// Its lines.
    pub lines: Vec<RungLine>,
}

/// A line as it was rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungLine {
    /// What was scanned.
    pub barcode: String,
    /// The item found.
    pub code: String,
    /// The shelf price found.
    pub price: Kopecks,
    /// How much.
    pub quantity: Thousandths,
    /// Price × quantity.
    pub before: Kopecks,
    /// What goes off.
    pub discounts: Vec<Discount>,
    /// What is left.
    pub sum: Kopecks,
}

/// A basket with its prices.
pub(super) struct Calculated {
    lines: Vec<RungLine>,
    voided: Vec<RungLine>,
    change: Kopecks,
}

impl Calculated {
    pub(super) fn of(
        basket: &Basket,
        look_up: impl Fn(&str) -> Result<(String, Kopecks), PosError>,
    ) -> Result<Self, PosError> {
        let ring = |entries: &[Entry]| -> Result<Vec<RungLine>, PosError> {
            entries.iter().map(|entry| ring_line(entry, &look_up)).collect()
        };
        let mut calculated =
            Self { lines: ring(&basket.entries)?, voided: ring(&basket.voided)?, change: Kopecks::ZERO };
        calculated.change = change(basket, calculated.sum())?;
        Ok(calculated)
    }

    pub(super) fn sum(&self) -> Kopecks {
        self.lines.iter().map(|line| line.sum).sum()
    }

    pub(super) fn into_lines(self) -> Vec<RungLine> {
        self.lines
    }

    /// The document, on top of what all documents of the shift have.
    pub(super) fn document(&self, basket: &Basket, heading: v1::Document) -> v1::Document {
        let (doctype, opcode, source, reason) = match &basket.purpose {
            Purpose::Sale => (doctype::SALE, LINE_SALE, None, ""),
            Purpose::Refund { of, reason } => (doctype::REFUND, LINE_REFUND, *of, reason.as_str()),
        };
        let time = basket.time.to_string();
        let cashier = heading.cashier.clone();
        let before: Kopecks = self.lines.iter().map(|line| line.before).sum();
        let lines = |rung: &[RungLine]| -> Vec<v1::Line> {
            (1..).zip(rung).map(|(position, line)| line.to_document(position, opcode, &time)).collect()
        };
        let confirmed = |line| v1::Line { confirmed_by: cashier.clone(), ..line };
        v1::Document {
            doctype,
            time_beg: time.clone(),
            time_end: time.clone(),
            sum_before: before.0,
            discount: (before - self.sum()).0,
            sum: self.sum().0,
            identifier: basket.uuid.to_string(),
            source_identifier: source.map(|uuid| uuid.to_string()).unwrap_or_default(),
            back_reason: reason.to_owned(),
            lines: lines(&self.lines),
            voided_lines: lines(&self.voided).into_iter().map(confirmed).collect(),
            payments: self.payments(basket, &time),
            cards: basket.card.iter().cloned().collect(),
            ..heading
        }
    }

    fn payments(&self, basket: &Basket, time: &str) -> Vec<v1::Payment> {
        let opcode = if basket.purpose == Purpose::Sale { MONEY_PAYMENT } else { MONEY_REFUND };
        let payment = |opcode, type_code, sum: Kopecks| v1::Payment {
            opcode,
            type_code,
            sum: sum.0,
            time: time.to_owned(),
            ..v1::Payment::default()
        };
        let mut payments: Vec<v1::Payment> =
            basket.tenders.iter().map(|tender| payment(opcode, type_code(*tender), tender.amount())).collect();
        if self.change > Kopecks::ZERO {
            payments.push(payment(MONEY_CHANGE, type_code(Tender::Cash(self.change)), self.change));
        }
        payments
    }
}

/// The finished document that a basket becomes with the prices that `look_up` finds, on top of
/// what all documents of its shift have: what a POS writes, without a till to write it on.
pub fn document_of(
    basket: &Basket,
    look_up: impl Fn(&str) -> Result<(String, Kopecks), PosError>,
    heading: v1::Document,
) -> Result<v1::Document, PosError> {
    Ok(Calculated::of(basket, look_up)?.document(basket, heading))
}

/// What a till writes beside the sums: the tax in each line, a bonus for whoever has a card, and
/// what the terminal printed.
pub(super) fn with_details(document: v1::Document) -> v1::Document {
    let bonus_card = document.cards.first().cloned();
    let detailed = |line: v1::Line| v1::Line {
        taxes: vec![v1::Tax { code: VAT_20, sum: line.sum * 20 / 120 }],
        bonuses: bonus_card
            .iter()
            .map(|card| v1::Bonus { amount: line.sum / 100, card_number: card.clone() })
            .collect(),
        main_barcode: line.barcode.clone(),
        ..line
    };
    let printed = |payment: v1::Payment| v1::Payment {
        slip: if payment.type_code == CARD { format!("APPROVED {}", document.identifier) } else { String::new() },
        ..payment
    };
    v1::Document {
        lines: document.lines.into_iter().map(detailed).collect(),
        payments: document.payments.into_iter().map(printed).collect(),
        fiscal_copy: Some(0),
        ..document
    }
}

impl RungLine {
    fn to_document(&self, position: i64, opcode: i32, time: &str) -> v1::Line {
        let discounts = (1..).zip(&self.discounts).map(|(number, discount)| v1::Discount {
            number,
            mode: 0,
            r#type: discount_type(discount.sort),
            size_thousandths: 0,
            sum: discount.amount.0,
            base_sum: self.before.0,
            card_number: String::new(),
        });
        v1::Line {
            position,
            item_code: self.code.clone(),
            barcode: self.barcode.clone(),
            opcode,
            quantity: self.quantity.0,
            price: self.price.0,
            sum_before: self.before.0,
            discount: (self.before - self.sum).0,
            sum: self.sum.0,
            time: time.to_owned(),
            discounts: discounts.collect(),
            ..v1::Line::default()
        }
    }
}

fn ring_line(
    entry: &Entry,
    look_up: impl Fn(&str) -> Result<(String, Kopecks), PosError>,
) -> Result<RungLine, PosError> {
    let (code, price) = look_up(&entry.barcode)?;
    let before = price_times_quantity(price, entry.quantity);
    let mut discounts = entry.discounts.clone();
    let off: Kopecks = discounts.iter().map(|discount| discount.amount).sum();
    let due = entry.sum.unwrap_or(before - off);
    let markdown = before - off - due;
    if markdown < Kopecks::ZERO || due < Kopecks::ZERO {
        return Err(PosError::TooCheap { barcode: entry.barcode.clone(), price, before, due: due + off });
    }
    if markdown > Kopecks::ZERO {
        discounts.push(Discount { sort: DiscountSort::Markdown, amount: markdown });
    }
    let (barcode, quantity) = (entry.barcode.clone(), entry.quantity);
    Ok(RungLine { barcode, code, price, quantity, before, discounts, sum: due })
}

/// What goes back in cash; an error where the payments do not make the sum.
fn change(basket: &Basket, due: Kopecks) -> Result<Kopecks, PosError> {
    let paid: Kopecks = basket.tenders.iter().map(|tender| tender.amount()).sum();
    let cash: Kopecks =
        basket.tenders.iter().filter(|tender| matches!(tender, Tender::Cash(_))).map(|tender| tender.amount()).sum();
    let change = paid - due;
    let possible = if basket.purpose == Purpose::Sale { cash } else { Kopecks::ZERO };
    if change < Kopecks::ZERO || change > possible {
        return Err(PosError::Unpaid { uuid: basket.uuid, due, paid });
    }
    Ok(change)
}

/// Codes of payment types, as the catalogue of `aif_maker` names them.
fn type_code(tender: Tender) -> i32 {
    match tender {
        Tender::Cash(_) => 1,
        Tender::Card(_) => CARD,
        Tender::Coupon(_) => 5,
    }
}

fn discount_type(sort: DiscountSort) -> i32 {
    match sort {
        DiscountSort::Card => 1,
        DiscountSort::CouponMatch => 2,
        DiscountSort::Markdown => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::{Journey, ProductId, SHOPS, ShelfPrices, WEEKS, totals};

    fn fixed(barcode: &str) -> Result<(String, Kopecks), PosError> {
        match barcode {
            "milk" => Ok(("1".to_owned(), Kopecks(8_990))),
            _ => Err(PosError::Unknown { barcode: barcode.to_owned() }),
        }
    }

    fn basket(entries: Vec<Entry>, tenders: Vec<Tender>) -> Basket {
        Basket::sale("2026-01-02T10:00:00".parse().unwrap(), entries, tenders)
    }

    #[test]
    fn change_comes_from_cash_only() {
        let two = || vec![Entry::new("milk", Thousandths(2_000))];
        let paid = basket(two(), vec![Tender::Card(Kopecks(10_000)), Tender::Cash(Kopecks(10_000))]);
        let calculated = Calculated::of(&paid, fixed).unwrap();
        assert_eq!((calculated.sum(), calculated.change), (Kopecks(17_980), Kopecks(2_020)));
        let document = calculated.document(&paid, v1::Document::default());
        let payments: Vec<_> = document.payments.iter().map(|p| (p.opcode, p.type_code, p.sum)).collect();
        assert_eq!(payments, [(70, 4, 10_000), (70, 1, 10_000), (72, 1, 2_020)]);

        let overpaid = basket(two(), vec![Tender::Card(Kopecks(20_000))]);
        assert!(matches!(Calculated::of(&overpaid, fixed), Err(PosError::Unpaid { .. })));
        let unpaid = basket(two(), vec![Tender::Cash(Kopecks(17_979))]);
        assert!(matches!(Calculated::of(&unpaid, fixed), Err(PosError::Unpaid { .. })));
    }

    #[test]
    fn a_line_sold_for_more_than_the_shelf_says_is_refused() {
        let mut entry = Entry::new("milk", Thousandths(1_000));
        entry.sum = Some(Kopecks(8_991));
        let refused = Calculated::of(&basket(vec![entry], vec![]), fixed);
        assert!(matches!(refused, Err(PosError::TooCheap { price: Kopecks(8_990), .. })));
    }

    #[test]
    fn every_real_receipt_comes_out_to_the_kopeck() {
        let journey = Journey::load().unwrap();
        let mut sum = Kopecks::ZERO;
        for shop in SHOPS {
            let mut shelf = ShelfPrices::default();
            for week in 1..=WEEKS {
                shelf.advance(&journey, shop, week);
                let look_up = |barcode: &str| {
                    let product = ProductId(barcode[2..12].parse().unwrap());
                    Ok((product.to_string(), shelf.price(product)))
                };
                for receipt in journey.receipts.iter().filter(|r| r.shop == shop && r.week == week) {
                    let rung = Calculated::of(&Basket::from(receipt), look_up).unwrap();
                    assert_eq!(rung.sum(), receipt.sum());
                    sum += rung.sum();
                }
            }
        }
        assert_eq!(sum, totals(journey.receipts.iter()).sum);
    }
}
