//! What rings where, who sits at the till, and what it all comes to.

use super::Receipt;
use tillway_proto::Kopecks;
use uuid::Uuid;

/// Cashiers of the chain, by number from 1.
pub const CASHIERS: u32 = 6;

/// Names the receipts of this data set among all UUIDs of version 5.
const RECEIPT_NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_9a52_7c1e_5f0b_9d35_21a4_0c7e_8b11);

/// The till that rings a receipt: shop 367 has two and shares its receipts by odd and even basket
/// number; shop 406 has one.
pub fn till_of(receipt: &Receipt) -> &'static str {
    match (receipt.shop, receipt.basket % 2) {
        (367, 0) => "36701",
        (367, _) => "36702",
        _ => "40601",
    }
}

/// The cashier of a shift, 1 to [`CASHIERS`]: they take turns, week by week.
pub fn cashier_of(till: &str, week: u32) -> u32 {
    let place = till.bytes().map(u32::from).sum::<u32>();
    (place + week) % CASHIERS + 1
}

/// The UUID of a receipt: always the same, so that a second run rings the same receipts.
pub fn receipt_uuid(receipt: &Receipt) -> Uuid {
    Uuid::new_v5(&RECEIPT_NAMESPACE, receipt.basket.to_string().as_bytes())
}

/// How a receipt is paid beyond makers' coupons: even households by card, odd ones in cash, with
/// the next whole unit of currency given and the rest returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// By card: exact.
    Card(Kopecks),
    /// In cash.
    Cash {
        /// What the buyer gives.
        given: Kopecks,
        /// What the buyer gets back.
        returned: Kopecks,
    },
}

impl Receipt {
    /// See [`Change`]; none where coupons paid everything.
    pub fn paid_by_household(&self) -> Option<Change> {
        let rest = self.sum() - self.paid_by_coupon();
        if rest == Kopecks::ZERO {
            return None;
        }
        if self.household.is_multiple_of(2) {
            return Some(Change::Card(rest));
        }
        let given = Kopecks((rest.0 + 99) / 100 * 100);
        Some(Change::Cash { given, returned: given - rest })
    }
}

/// What a set of receipts comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many.
    pub receipts: u64,
    /// Their lines.
    pub lines: u64,
    /// What the shop received.
    pub sum: Kopecks,
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { receipts: self.receipts + other.receipts, lines: self.lines + other.lines, sum: self.sum + other.sum }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} receipts, {} lines, {}", self.receipts, self.lines, self.sum)
    }
}

/// Counts and sums receipts.
pub fn totals<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Totals {
    receipts.fold(Totals::default(), |total, receipt| Totals {
        receipts: total.receipts + 1,
        lines: total.lines + receipt.lines.len() as u64,
        sum: total.sum + receipt.sum(),
    })
}
