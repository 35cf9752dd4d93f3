//! From the wire to types: a document becomes a [`Receipt`], a shift's record a [`ShiftRecord`], or the reason is told.
//!
//! What is refused here is set aside by itself; the rest of its batch goes on. Arithmetic is not judged: a receipt is a tax
//! record whatever it adds up to, and the check at shift close shows what does not agree.

use jiff::civil::DateTime;
use prost::Message;
use tillway_proto::receipt::{DocumentNumber, ReceiptKey, ShiftNumber};
use tillway_proto::sales::{KeyError, MAX_DOCUMENT_PARTS, v1};
use tillway_proto::{Kopecks, TillId};

use super::check::Counted;

/// Longest text of a document, in bytes: names, codes, fiscal numbers are below a hundred; card slips are not taken.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// Largest sum or quantity, in kopecks or thousandths: a hundred billion roubles, so that the totals of a chain fit.
pub const MAX_AMOUNT: i64 = 10_000_000_000_000;

/// Largest shift and document number: what databases hold.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// Why a document is no receipt, or a shift no shift.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The key is none.
    #[error(transparent)]
    Key(KeyError),
    /// Of another till than the one whose stream it came on.
    #[error("it belongs to till {till}, and came from till {stream}")]
    OtherTill {
        /// Named in the key.
        till: String,
        /// Named in `Hello`.
        stream: TillId,
    },
    /// A number above what can be kept.
    #[error("{field} {value} is above {MAX_NUMBER}")]
    Number {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A sum or quantity beyond belief.
    #[error("{field} {value} is beyond ±{MAX_AMOUNT}")]
    Amount {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// Too many lines, payments or cards.
    #[error("{count} {parts}, at most {MAX_DOCUMENT_PARTS} are taken")]
    Parts {
        /// Of what.
        parts: &'static str,
        /// How many.
        count: usize,
    },
    /// A text that is too long.
    #[error("{field} has {bytes} bytes, at most {MAX_TEXT_BYTES} are taken")]
    Text {
        /// Which one.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// No date-time.
    #[error("{field} `{value}` is not a date-time YYYY-MM-DDTHH:MM:SS")]
    Time {
        /// Which one.
        field: &'static str,
        /// Its value, cut.
        value: String,
    },
}

/// A finished document of a till, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// What makes it this one.
    pub key: ReceiptKey,
    /// When it ended, local time of the till.
    pub ended: DateTime,
    /// Hash of its content, without the till's row id: two arrivals of one receipt have the same.
    pub content: [u8; 16],
    /// As it came.
    pub document: v1::Document,
}

impl Receipt {
    /// Checks a document that came on the stream of `stream`.
    pub fn parse(stream: &TillId, document: v1::Document) -> Result<Self, DocumentError> {
        let (key, ended) = check_document(stream, &document)?;
        Ok(Self::checked(key, ended, document))
    }

    /// A document with what [`check_document`] said of it.
    pub fn checked(key: ReceiptKey, ended: DateTime, mut document: v1::Document) -> Self {
        let content = content_hash(&mut document);
        Self { key, ended, content, document }
    }
}

/// A till's record of a shift, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ShiftRecord {
    /// The till.
    pub till: TillId,
    /// Its number on the till.
    pub number: ShiftNumber,
    /// Opened at; absent where the till does not tell.
    pub began: Option<DateTime>,
    /// Closed at; absent while it is open.
    pub ended: Option<DateTime>,
    /// What the POS wrote into it.
    pub recorded: Counted,
    /// What the agent counted on the till.
    pub till_counted: Counted,
    /// As it came.
    pub shift: v1::Shift,
}

impl ShiftRecord {
    /// Checks a shift's record that came on the stream of `stream`.
    pub fn parse(stream: &TillId, shift: v1::Shift) -> Result<Self, DocumentError> {
        same_till(stream, &shift.till_id)?;
        for (field, value) in
            [("shift", shift.number), ("first number", shift.first_number), ("last number", shift.last_number)]
        {
            number(field, value)?;
        }
        for (field, value) in [
            ("recorded sales", shift.recorded_sales),
            ("recorded refunds", shift.recorded_refunds),
            ("recorded sum of sales", shift.recorded_sale_sum),
            ("recorded sum of refunds", shift.recorded_refund_sum),
            ("sum in the drawer", shift.drawer_sum),
            ("counted sales", shift.counted_sales),
            ("counted refunds", shift.counted_refunds),
            ("counted sum of sales", shift.counted_sale_sum),
            ("counted sum of refunds", shift.counted_refund_sum),
            ("counted documents", shift.counted_documents),
            ("unfinished documents", shift.unfinished_documents),
            ("recorded cash", shift.recorded_sale_cash),
            ("recorded non-cash", shift.recorded_sale_noncash),
        ] {
            amount(field, value)?;
        }
        for (field, value) in
            [("cash code", &shift.cash_code), ("shop code", &shift.shop_code), ("cashier", &shift.cashier)]
        {
            text(field, value)?;
        }
        parts("users", shift.users.len())?;
        for user in &shift.users {
            text("user code", &user.code)?;
            text("user name", &user.name)?;
        }
        Ok(Self {
            till: stream.clone(),
            number: ShiftNumber(shift.number),
            began: optional_time("time_beg", &shift.time_beg)?,
            ended: optional_time("time_end", &shift.time_end)?,
            recorded: Counted {
                sales: shift.recorded_sales,
                refunds: shift.recorded_refunds,
                sale_sum: Kopecks(shift.recorded_sale_sum),
                refund_sum: Kopecks(shift.recorded_refund_sum),
            },
            till_counted: Counted {
                sales: shift.counted_sales,
                refunds: shift.counted_refunds,
                sale_sum: Kopecks(shift.counted_sale_sum),
                refund_sum: Kopecks(shift.counted_refund_sum),
            },
            shift,
        })
    }
}

/// The key and end of a document that is a receipt.
pub fn check_document(stream: &TillId, document: &v1::Document) -> Result<(ReceiptKey, DateTime), DocumentError> {
    let key = document.key.as_ref().ok_or(DocumentError::Key(KeyError::Missing))?;
    same_till(stream, &key.till_id)?;
    number("shift", key.shift)?;
    number("document number", key.number)?;
    let key = ReceiptKey::try_from(key).map_err(DocumentError::Key)?;
    debug_assert!(key.shift <= ShiftNumber(MAX_NUMBER) && key.number <= DocumentNumber(MAX_NUMBER));
    for (field, value) in [
        ("sum before discounts", document.sum_before),
        ("discount", document.discount),
        ("sum", document.sum),
        ("VAT", document.vat),
    ] {
        amount(field, value)?;
    }
    for (field, value) in [
        ("cash code", &document.cash_code),
        ("cashier", &document.cashier),
        ("identifier", &document.identifier),
        ("source identifier", &document.source_identifier),
        ("fiscal number", &document.fiscal_number),
        ("fiscal identifier", &document.fiscal_identifier),
        ("back reason", &document.back_reason),
    ] {
        text(field, value)?;
    }
    optional_time("time_beg", &document.time_beg)?;
    let ended = optional_time("time_end", &document.time_end)?
        .ok_or(DocumentError::Time { field: "time_end", value: String::new() })?;
    parts("lines", document.lines.len())?;
    parts("voided lines", document.voided_lines.len())?;
    parts("payments", document.payments.len())?;
    parts("cards", document.cards.len())?;
    for line in document.lines.iter().chain(&document.voided_lines) {
        check_line(line)?;
    }
    for payment in &document.payments {
        amount("sum of a payment", payment.sum)?;
        text("time of a payment", &payment.time)?;
        text("card of a payment", &payment.card_number)?;
    }
    for card in &document.cards {
        text("card", card)?;
    }
    Ok((key, ended))
}

fn check_line(line: &v1::Line) -> Result<(), DocumentError> {
    for (field, value) in [
        ("quantity", line.quantity),
        ("price", line.price),
        ("sum of a line before discounts", line.sum_before),
        ("discount of a line", line.discount),
        ("sum of a line", line.sum),
    ] {
        amount(field, value)?;
    }
    for (field, value) in [
        ("item code", &line.item_code),
        ("barcode", &line.barcode),
        ("time of a line", &line.time),
        ("who confirmed", &line.confirmed_by),
    ] {
        text(field, value)?;
    }
    parts("discounts of a line", line.discounts.len())?;
    for discount in &line.discounts {
        amount("size of a discount", discount.size_thousandths)?;
        amount("sum of a discount", discount.sum)?;
        amount("base of a discount", discount.base_sum)?;
        text("card of a discount", &discount.card_number)?;
    }
    Ok(())
}

/// Without the till's row id, and without a copy of the rest. The document is as before afterwards.
fn content_hash(document: &mut v1::Document) -> [u8; 16] {
    let document_id = std::mem::take(&mut document.document_id);
    let encoded = document.encode_to_vec();
    document.document_id = document_id;
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(&encoded).as_bytes()[..16]);
    hash
}

fn same_till(stream: &TillId, till: &str) -> Result<(), DocumentError> {
    if till == stream.as_str() {
        Ok(())
    } else {
        Err(DocumentError::OtherTill { till: cut(till), stream: stream.clone() })
    }
}

fn number(field: &'static str, value: u64) -> Result<(), DocumentError> {
    if value <= MAX_NUMBER { Ok(()) } else { Err(DocumentError::Number { field, value }) }
}

pub(super) fn amount(field: &'static str, value: i64) -> Result<(), DocumentError> {
    if (-MAX_AMOUNT..=MAX_AMOUNT).contains(&value) { Ok(()) } else { Err(DocumentError::Amount { field, value }) }
}

pub(super) fn text(field: &'static str, value: &str) -> Result<(), DocumentError> {
    if value.len() <= MAX_TEXT_BYTES { Ok(()) } else { Err(DocumentError::Text { field, bytes: value.len() }) }
}

fn parts(parts: &'static str, count: usize) -> Result<(), DocumentError> {
    if count <= MAX_DOCUMENT_PARTS { Ok(()) } else { Err(DocumentError::Parts { parts, count }) }
}

pub(super) fn optional_time(field: &'static str, value: &str) -> Result<Option<DateTime>, DocumentError> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| DocumentError::Time { field, value: cut(value) })
}

/// At most 64 characters, for messages.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
