//! Receipts that are looked for: by what, and what is found.
//!
//! A search walks receipts in the order in which they ended, from one end of a range of time to
//! the other, and looks at [`MAX_LOOKED_AT`] of them at most. So it takes as long for a rare
//! receipt as for a frequent one; where the range is longer, it says how far it came, and goes on
//! from there when it is asked to.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use tillway_proto::receipt::{DocumentNumber, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, ShopId, TillId};
use uuid::Uuid;

use super::ReceiptView;

/// Most receipts that one search looks at: a tenth of a second, where lines and payments are
/// looked at as well.
pub const MAX_LOOKED_AT: u32 = 20_000;

/// Which receipts.
#[derive(Debug, Clone)]
pub struct ReceiptFilter {
    /// Of this till.
    pub till: Option<TillId>,
    /// Of these shops; none: of all.
    pub shops: Option<Vec<ShopId>>,
    /// Ended at this time of the till or later.
    pub from: DateTime,
    /// Ended before this time.
    pub until: DateTime,
    /// Sales, refunds or the others alone.
    pub sort: Option<ReceiptSort>,
    /// With this number.
    pub number: Option<DocumentNumber>,
    /// Of this sum or more.
    pub least: Option<Kopecks>,
    /// Of this sum or less.
    pub most: Option<Kopecks>,
    /// With a line of this item that was not voided: its code or barcode.
    pub item: Option<String>,
    /// Or of one of these items: their codes.
    pub items: Vec<String>,
    /// Rung up by this cashier, as the POS names them.
    pub cashier: Option<String>,
    /// Paid by this type, as the POS numbers them, at least in part.
    pub payment: Option<i32>,
    /// With a card, of a customer or of a bank, whose number ends so.
    pub card: Option<String>,
}

impl ReceiptFilter {
    /// All receipts of a range of time.
    pub fn between(from: DateTime, until: DateTime) -> Self {
        Self {
            till: None,
            shops: None,
            from,
            until,
            sort: None,
            number: None,
            least: None,
            most: None,
            item: None,
            items: Vec::new(),
            cashier: None,
            payment: None,
            card: None,
        }
    }
}

/// What a receipt is to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptSort {
    /// Goods were sold.
    Sale,
    /// Goods came back.
    Refund,
    /// Cash in and out, cancelled receipts, invoice goods.
    Other,
}

impl ReceiptSort {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sale, Self::Refund, Self::Other];

    /// Its word, in addresses and REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Refund => "refund",
            Self::Other => "other",
        }
    }

    /// The one of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word)
    }
}

/// A time that somebody typed as the end of a range: a day counts to its end, a time to the end of
/// its minute, one with seconds to the end of its second.
pub fn until_of(typed: TypedTime) -> DateTime {
    let next = match typed {
        TypedTime::Day(day) => day.tomorrow().map(|day| day.to_datetime(Time::midnight())),
        TypedTime::At(time) if time.second() == 0 => time.checked_add(jiff::Span::new().minutes(1)),
        TypedTime::At(time) => time.checked_add(jiff::Span::new().seconds(1)),
    };
    next.unwrap_or(DateTime::MAX)
}

/// A day or a time of a till, as somebody typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypedTime {
    /// `YYYY-MM-DD`.
    Day(Date),
    /// `YYYY-MM-DDTHH:MM`, with seconds or without.
    At(DateTime),
}

impl TypedTime {
    /// Where it begins.
    pub fn begins(self) -> DateTime {
        match self {
            Self::Day(day) => day.to_datetime(Time::midnight()),
            Self::At(time) => time,
        }
    }
}

impl FromStr for TypedTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        if text.contains(['T', ' ', ':']) { text.parse().map(Self::At) } else { text.parse().map(Self::Day) }
    }
}

impl fmt::Display for TypedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::At(time) => time.fmt(f),
        }
    }
}

/// Which part of the receipts that are looked for.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptPage {
    /// Behind this place.
    pub after: Option<ReceiptPlace>,
    /// Most rows, [`MAX_PAGE`](super::MAX_PAGE) at most.
    pub limit: u32,
    /// The oldest first, in place of the newest.
    pub oldest_first: bool,
}

/// A place in the order in which receipts ended. It counts until a backup is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptPlace {
    /// When the receipt at this place ended.
    pub ended: DateTime,
    /// Its number in the database: of several that ended together, each has a place.
    pub row: i64,
}

impl fmt::Display for ReceiptPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.ended, self.row)
    }
}

impl FromStr for ReceiptPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ended, row) = text.split_once('~').ok_or(())?;
        Ok(Self { ended: ended.parse().map_err(drop)?, row: row.parse().map_err(drop)? })
    }
}

impl Serialize for ReceiptPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundReceipts {
    /// Receipts, in order.
    pub rows: Vec<FoundReceipt>,
    /// Where to go on; none where the range ends.
    pub next: Option<ReceiptPlace>,
    /// The search stopped here because it had looked at [`MAX_LOOKED_AT`] receipts, and not
    /// because it had found enough.
    pub stopped_at: Option<DateTime>,
}

/// A receipt that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundReceipt {
    /// By which it is asked for.
    pub id: ReceiptId,
    /// Its till.
    pub till: TillId,
    /// The shop of the till when it arrived.
    pub shop: ShopId,
    /// The number of its shift.
    pub shift: ShiftNumber,
    /// The rest.
    #[serde(flatten)]
    pub receipt: ReceiptView,
}

/// By which a receipt is asked for: `<till>:<shift>:<number>:<uuid>`. It is made of the key that
/// the till gave the receipt, so it stays when a backup is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptId {
    /// The till that made it.
    pub till: TillId,
    /// The number of its shift.
    pub shift: ShiftNumber,
    /// Its number.
    pub number: DocumentNumber,
    /// Made once, on the till.
    pub uuid: Uuid,
}

/// A text is no id of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no id of a receipt")]
pub struct NoReceiptId;

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.till, self.shift, self.number, self.uuid.simple())
    }
}

impl FromStr for ReceiptId {
    type Err = NoReceiptId;

    fn from_str(text: &str) -> Result<Self, NoReceiptId> {
        let mut parts = text.rsplitn(4, ':');
        let mut next = || parts.next().ok_or(NoReceiptId);
        let uuid = next()?.parse().map_err(|_| NoReceiptId)?;
        let number = DocumentNumber(next()?.parse().map_err(|_| NoReceiptId)?);
        let shift = ShiftNumber(next()?.parse().map_err(|_| NoReceiptId)?);
        Ok(Self { till: next()?.parse().map_err(|_| NoReceiptId)?, shift, number, uuid })
    }
}

impl Serialize for ReceiptId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A whole receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptReceipt {
    /// The shop of its till when it arrived.
    pub shop: ShopId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// As it came.
    pub document: v1::Document,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_a_place_read_as_they_are_written() {
        let id = "_cash_1_00ab34ef:12:345:0000000000000000000000000000000a";
        assert_eq!(id.parse::<ReceiptId>().unwrap().to_string(), id);
        for wrong in ["", "999", "_cash_1_00ab34ef:12:345", "x:12:345:0000000000000000000000000000000a"] {
            assert_eq!(wrong.parse::<ReceiptId>(), Err(NoReceiptId), "{wrong}");
        }
        let place = "2026-01-02T09:00:00~17";
        assert_eq!(place.parse::<ReceiptPlace>().unwrap().to_string(), place);
        assert!("2026-01-02T09:00:00".parse::<ReceiptPlace>().is_err());
    }

    #[test]
    fn a_day_counts_to_its_end_and_a_time_to_that_of_its_minute_or_second() {
        let until = |text: &str| until_of(text.parse().unwrap()).to_string();
        assert_eq!(until("2026-01-31"), "2026-02-01T00:00:00");
        assert_eq!(until("2026-01-31T09:30"), "2026-01-31T09:31:00");
        assert_eq!(until("2026-01-31T09:30:07"), "2026-01-31T09:30:08");
        assert!("yesterday".parse::<TypedTime>().is_err());
    }
}
