//! From the wire to types: a document becomes a [`Receipt`], a shift's record a [`ShiftRecord`],
//! or the reason is told.
//!
//! What is refused here is set aside by itself; the rest of its batch goes on. Arithmetic is not
//! judged: a receipt is a tax record whatever it adds up to, and the check at shift close shows
//! what does not agree.

use jiff::civil::DateTime;
use prost::Message;
use serde::Serialize;
use tillway_proto::receipt::{DocumentNumber, Opened, ReceiptKey, ShiftKey, ShiftNumber};
use tillway_proto::sales::{KeyError, MAX_AMOUNT, MAX_DOCUMENT_PARTS, MAX_SLIP_BYTES, MAX_TEXT_BYTES, v1};
use tillway_proto::{Kopecks, TillId};

use super::check::Counted;

/// Largest shift and document number: what databases hold.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// Why a document is no receipt, or a shift no shift.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DocumentError {
    /// Of another till than the one whose stream it came on.
    #[error("it belongs to till {till}, and came from till {stream}")]
    #[serde(rename = "document-of-other-till")]
    OtherTill {
        /// Named in the key.
        till: String,
        /// Named in `Hello`.
        stream: TillId,
    },
    /// A number above what can be kept. Fields are named as `sales.proto` has them.
    #[error("{field} {value} is above {max}")]
    #[serde(rename = "document-number-too-large")]
    Number {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The largest one.
        max: u64,
    },
    /// A sum or quantity beyond belief.
    #[error("{field} {value} is beyond ±{max}")]
    #[serde(rename = "amount-beyond-belief")]
    Amount {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: i64,
        /// The largest one.
        max: i64,
    },
    /// Too many lines, payments or cards.
    #[error("{count} {parts}, at most {max} are taken")]
    #[serde(rename = "too-many-parts")]
    Parts {
        /// Of what.
        parts: &'static str,
        /// How many.
        count: usize,
        /// The most that are taken.
        max: usize,
    },
    /// A text that is too long.
    #[error("{field} has {bytes} bytes, at most {limit} are taken")]
    #[serde(rename = "text-too-long")]
    Text {
        /// Which one.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// No date-time.
    #[error("{field} `{value}` is not a date-time YYYY-MM-DDTHH:MM:SS")]
    #[serde(rename = "not-a-time")]
    Time {
        /// Which one.
        field: &'static str,
        /// Its value, cut.
        value: String,
    },
    /// The key is none.
    #[error(transparent)]
    #[serde(untagged)]
    Key(KeyError),
}

/// A finished document of a till, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// What makes it this one.
    pub key: ReceiptKey,
    /// When it ended, local time of the till.
    pub ended: DateTime,
    /// Hash of its content, without the till's row id and the opening time of its shift: two
    /// arrivals of one receipt have the same.
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

    /// Whether this is a hash of its content: as it came, or without what v0.1 did not know of. A
    /// receipt that came up from an agent of v0.1 has the latter, and is the same one when its
    /// agent, upgraded since, tells more of it.
    pub fn is_content(&self, hash: &[u8]) -> bool {
        self.content == hash || content_hash(&mut without_what_is_new(&self.document)) == hash
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
    /// What the shift is known by.
    pub fn key(&self) -> ShiftKey {
        ShiftKey { number: self.number, opened: Opened::from(self.began) }
    }

    /// Checks a shift's record that came on the stream of `stream`. A user or register that cannot
    /// be kept is left out: the check at shift close needs neither.
    pub fn parse(stream: &TillId, mut shift: v1::Shift) -> Result<Self, DocumentError> {
        same_till(stream, &shift.till_id)?;
        for (field, value) in
            [("number", shift.number), ("first_number", shift.first_number), ("last_number", shift.last_number)]
        {
            number(field, value)?;
        }
        for (field, value) in [
            ("recorded_sales", shift.recorded_sales),
            ("recorded_refunds", shift.recorded_refunds),
            ("recorded_sale_sum", shift.recorded_sale_sum),
            ("recorded_refund_sum", shift.recorded_refund_sum),
            ("drawer_sum", shift.drawer_sum),
            ("counted_sales", shift.counted_sales),
            ("counted_refunds", shift.counted_refunds),
            ("counted_sale_sum", shift.counted_sale_sum),
            ("counted_refund_sum", shift.counted_refund_sum),
            ("counted_documents", shift.counted_documents),
            ("unfinished_documents", shift.unfinished_documents),
            ("recorded_sale_cash", shift.recorded_sale_cash),
            ("recorded_sale_noncash", shift.recorded_sale_noncash),
        ] {
            amount(field, value)?;
        }
        for (field, value) in
            [("cash_code", &shift.cash_code), ("shop_code", &shift.shop_code), ("cashier", &shift.cashier)]
        {
            text(field, value)?;
        }
        let till_and_shift = (stream, shift.number);
        keep_sound(till_and_shift, &mut shift.users, "users", check_user);
        keep_sound(till_and_shift, &mut shift.registers, "registers", check_register);
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

/// Leaves out what cannot be kept, and what is too many.
fn keep_sound<T>(
    (till, shift): (&TillId, u64),
    all: &mut Vec<T>,
    what: &'static str,
    check: fn(&T) -> Result<(), DocumentError>,
) {
    let before = all.len();
    let mut first = parts(what, before).err();
    all.truncate(MAX_DOCUMENT_PARTS);
    all.retain(|one| match check(one) {
        Ok(()) => true,
        Err(error) => {
            first.get_or_insert(error);
            false
        }
    });
    // One line, however many a till sends.
    if let Some(error) = first {
        let left_out = before - all.len();
        tracing::warn!(%till, shift, left_out, %error, "some {what} that the record of a shift names are left out");
    }
}

fn check_user(user: &v1::User) -> Result<(), DocumentError> {
    text("users.code", &user.code)?;
    text("users.name", &user.name)
}

fn check_register(register: &v1::Register) -> Result<(), DocumentError> {
    text("registers.serial_number", &register.serial_number)?;
    amount("registers.cash_at_end", register.cash_at_end)?;
    amount("registers.protected_at_begin", register.protected_at_begin)?;
    amount("registers.protected_at_end", register.protected_at_end)?;
    amount("registers.returned", register.returned)
}

/// The key and end of a document that is a receipt.
pub fn check_document(stream: &TillId, document: &v1::Document) -> Result<(ReceiptKey, DateTime), DocumentError> {
    let key = document.key.as_ref().ok_or(DocumentError::Key(KeyError::Missing))?;
    same_till(stream, &key.till_id)?;
    number("key.shift", key.shift)?;
    number("key.number", key.number)?;
    let key = ReceiptKey::try_from(key).map_err(DocumentError::Key)?;
    debug_assert!(key.shift.number <= ShiftNumber(MAX_NUMBER) && key.number <= DocumentNumber(MAX_NUMBER));
    for (field, value) in [
        ("sum_before", document.sum_before),
        ("discount", document.discount),
        ("sum", document.sum),
        ("vat", document.vat),
    ] {
        amount(field, value)?;
    }
    for (field, value) in [
        ("cash_code", &document.cash_code),
        ("cashier", &document.cashier),
        ("identifier", &document.identifier),
        ("source_identifier", &document.source_identifier),
        ("fiscal_number", &document.fiscal_number),
        ("fiscal_identifier", &document.fiscal_identifier),
        ("back_reason", &document.back_reason),
    ] {
        text(field, value)?;
    }
    optional_time("time_beg", &document.time_beg)?;
    let ended = optional_time("time_end", &document.time_end)?
        .ok_or(DocumentError::Time { field: "time_end", value: String::new() })?;
    parts("lines", document.lines.len())?;
    parts("voided_lines", document.voided_lines.len())?;
    parts("payments", document.payments.len())?;
    parts("cards", document.cards.len())?;
    for line in document.lines.iter().chain(&document.voided_lines) {
        check_line(line)?;
    }
    amount("lines.sum", line_sum(document))?;
    parts("failed_payments", document.failed_payments.len())?;
    parts("certificates", document.certificates.len())?;
    parts("coupons", document.coupons.len())?;
    for payment in document.payments.iter().chain(&document.failed_payments) {
        amount("payments.sum", payment.sum)?;
        text("payments.time", &payment.time)?;
        text("payments.card_number", &payment.card_number)?;
        slip(&payment.slip)?;
    }
    for voucher in document.certificates.iter().chain(&document.coupons) {
        text("certificates.number", &voucher.number)?;
        amount("certificates.sum", voucher.sum)?;
    }
    for card in &document.cards {
        text("cards", card)?;
    }
    Ok((key, ended))
}

/// Operations of a payment that give money back as change (`sales.proto`).
pub const CHANGE: [i32; 3] = [72, 76, 101];

/// What the lines add up to.
pub fn line_sum(document: &v1::Document) -> i64 {
    document.lines.iter().fold(0, |sum, line| sum.saturating_add(line.sum))
}

fn check_line(line: &v1::Line) -> Result<(), DocumentError> {
    for (field, value) in [
        ("lines.quantity", line.quantity),
        ("lines.price", line.price),
        ("lines.sum_before", line.sum_before),
        ("lines.discount", line.discount),
        ("lines.sum", line.sum),
    ] {
        amount(field, value)?;
    }
    for (field, value) in [
        ("lines.item_code", &line.item_code),
        ("lines.barcode", &line.barcode),
        ("lines.time", &line.time),
        ("lines.confirmed_by", &line.confirmed_by),
        ("lines.mark", &line.mark),
        ("lines.additional_barcode", &line.additional_barcode),
        ("lines.main_barcode", &line.main_barcode),
    ] {
        text(field, value)?;
    }
    parts("lines.discounts", line.discounts.len())?;
    parts("lines.taxes", line.taxes.len())?;
    parts("lines.bonuses", line.bonuses.len())?;
    for tax in &line.taxes {
        amount("lines.taxes.sum", tax.sum)?;
    }
    for bonus in &line.bonuses {
        amount("lines.bonuses.amount", bonus.amount)?;
        text("lines.bonuses.card_number", &bonus.card_number)?;
    }
    for discount in &line.discounts {
        amount("lines.discounts.size_thousandths", discount.size_thousandths)?;
        amount("lines.discounts.sum", discount.sum)?;
        amount("lines.discounts.base_sum", discount.base_sum)?;
        text("lines.discounts.card_number", &discount.card_number)?;
    }
    Ok(())
}

/// Without the till's row id and the opening time of the shift, and without a copy of the rest.
/// The document is as before afterwards.
fn content_hash(document: &mut v1::Document) -> [u8; 16] {
    let document_id = std::mem::take(&mut document.document_id);
    let opened = document.key.as_mut().and_then(|key| key.shift_opened.take());
    let encoded = document.encode_to_vec();
    document.document_id = document_id;
    if let Some(key) = &mut document.key {
        key.shift_opened = opened;
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(&encoded).as_bytes()[..16]);
    hash
}

/// A document as an agent of v0.1 would have sent it.
fn without_what_is_new(document: &v1::Document) -> v1::Document {
    let line = |line: &v1::Line| v1::Line {
        mark: String::new(),
        additional_barcode: String::new(),
        main_barcode: String::new(),
        taxes: Vec::new(),
        bonuses: Vec::new(),
        ..line.clone()
    };
    v1::Document {
        lines: document.lines.iter().map(line).collect(),
        voided_lines: document.voided_lines.iter().map(line).collect(),
        payments: document.payments.iter().cloned().map(|paid| v1::Payment { slip: String::new(), ..paid }).collect(),
        failed_payments: Vec::new(),
        certificates: Vec::new(),
        coupons: Vec::new(),
        fiscal_copy: None,
        cash_type: None,
        ..document.clone()
    }
}

fn same_till(stream: &TillId, till: &str) -> Result<(), DocumentError> {
    if till == stream.as_str() {
        Ok(())
    } else {
        Err(DocumentError::OtherTill { till: cut(till), stream: stream.clone() })
    }
}

fn number(field: &'static str, value: u64) -> Result<(), DocumentError> {
    if value <= MAX_NUMBER { Ok(()) } else { Err(DocumentError::Number { field, value, max: MAX_NUMBER }) }
}

pub(super) fn amount(field: &'static str, value: i64) -> Result<(), DocumentError> {
    if (-MAX_AMOUNT..=MAX_AMOUNT).contains(&value) {
        Ok(())
    } else {
        Err(DocumentError::Amount { field, value, max: MAX_AMOUNT })
    }
}

pub(super) fn text(field: &'static str, value: &str) -> Result<(), DocumentError> {
    limited(field, value, MAX_TEXT_BYTES)
}

pub(super) fn slip(value: &str) -> Result<(), DocumentError> {
    limited("payments.slip", value, MAX_SLIP_BYTES)
}

fn limited(field: &'static str, value: &str, limit: usize) -> Result<(), DocumentError> {
    if value.len() <= limit { Ok(()) } else { Err(DocumentError::Text { field, bytes: value.len(), limit }) }
}

fn parts(parts: &'static str, count: usize) -> Result<(), DocumentError> {
    if count <= MAX_DOCUMENT_PARTS {
        Ok(())
    } else {
        Err(DocumentError::Parts { parts, count, max: MAX_DOCUMENT_PARTS })
    }
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
