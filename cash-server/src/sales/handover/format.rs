//! The sales file of the back office: sections `### <name> begin ###` … `### <name> end ###` with
//! JSON objects between lines `---`. Sums and quantities are decimal numbers, written digit by
//! digit.
//!
//! Every array is there, even when it is empty: readers demand it. Readers also look for the marks
//! of the file in its text, strings included, and join its lines, so what could be taken for a
//! mark or for the end of a line stands escaped in a string ([`Escaping`]).

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, Thousandths};

use crate::store::sales::{ShiftDetails, ShiftView};

/// Something that goes into the file.
pub(super) struct Content {
    pub(super) shifts: Vec<(ShiftView, ShiftDetails)>,
    pub(super) documents: Vec<v1::Document>,
}

/// The file's bytes.
pub(super) fn write(content: &Content) -> Result<Vec<u8>, serde_json::Error> {
    let mut file = Vec::new();
    let shifts = content.shifts.iter().map(|(shift, details)| shift_info(shift, details));
    section(&mut file, "shift info", shifts)?;
    section(&mut file, "sales data", content.documents.iter().map(sale))?;
    Ok(file)
}

fn section<T: Serialize>(
    file: &mut Vec<u8>,
    name: &str,
    objects: impl Iterator<Item = Result<T, serde_json::Error>>,
) -> Result<(), serde_json::Error> {
    file.extend_from_slice(format!("### {name} begin ###\n").as_bytes());
    for (index, object) in objects.enumerate() {
        if index > 0 {
            file.extend_from_slice(b"---\n");
        }
        object?.serialize(&mut serde_json::Serializer::with_formatter(&mut *file, Escaping))?;
        file.push(b'\n');
    }
    file.extend_from_slice(format!("### {name} end ###\n").as_bytes());
    Ok(())
}

/// Compact JSON in which no string holds a line separator (U+0085, U+2028, U+2029: the ones that
/// JSON leaves as they are, and that end a line for Java and Python), nor what reads like the end
/// of an object and a separator (`}---`) or like the mark of a section (`###`).
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, character) in fragment.char_indices() {
            let rest = &fragment[at..];
            let escaped = match character {
                '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => true,
                '}' => rest.starts_with("}---"),
                '#' => rest.starts_with("###"),
                _ => false,
            };
            if escaped {
                CompactFormatter.write_string_fragment(writer, &fragment[plain..at])?;
                write!(writer, "\\u{:04x}", u32::from(character))?;
                plain = at + character.len_utf8();
            }
        }
        CompactFormatter.write_string_fragment(writer, &fragment[plain..])
    }
}

type Decimal = Box<RawValue>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShiftInfo<'a> {
    cash_code: &'a str,
    shift: u64,
    time_beg: Option<String>,
    time_end: Option<String>,
    sum_gain: Decimal,
    users: Vec<UserInfo<'a>>,
    kkms: Vec<RegisterInfo<'a>>,
}

#[derive(Serialize)]
struct UserInfo<'a> {
    usercode: &'a str,
    username: &'a str,
}

/// A fiscal register of the till.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegisterInfo<'a> {
    serial_num: &'a str,
    sum_cash_end: Decimal,
    sum_protected_beg: Decimal,
    sum_protected_end: Decimal,
    sum_back: Decimal,
}

fn register(register: &v1::Register) -> Result<RegisterInfo<'_>, serde_json::Error> {
    Ok(RegisterInfo {
        serial_num: &register.serial_number,
        sum_cash_end: money(register.cash_at_end)?,
        sum_protected_beg: money(register.protected_at_begin)?,
        sum_protected_end: money(register.protected_at_end)?,
        sum_back: money(register.returned)?,
    })
}

fn shift_info<'a>(shift: &'a ShiftView, details: &'a ShiftDetails) -> Result<ShiftInfo<'a>, serde_json::Error> {
    let counted = shift.recorded.unwrap_or(shift.server);
    Ok(ShiftInfo {
        cash_code: shift.cash_code.as_deref().unwrap_or_else(|| shift.till.code()),
        shift: shift.number.0,
        time_beg: shift.began.map(|time| time.to_string()),
        time_end: shift.ended.map(|time| time.to_string()),
        sum_gain: money(counted.sale_sum.0.saturating_sub(counted.refund_sum.0))?,
        users: details.users.iter().map(|user| UserInfo { usercode: &user.code, username: &user.name }).collect(),
        kkms: details.registers.iter().map(register).collect::<Result<_, _>>()?,
    })
}

#[derive(Serialize)]
struct Sale<'a> {
    #[serde(rename = "cashCode")]
    cash_code: &'a str,
    shift: u64,
    #[serde(rename = "docNum")]
    number: u64,
    #[serde(rename = "docType")]
    doctype: i32,
    #[serde(rename = "docSum")]
    sum: Decimal,
    #[serde(rename = "userCode")]
    cashier: &'a str,
    #[serde(rename = "timeEnd")]
    time_end: Option<&'a str>,
    identifier: &'a str,
    sourceidentifier: &'a str,
    frdocnum: &'a str,
    #[serde(rename = "frDocCopy")]
    fiscal_copy: Option<i64>,
    #[serde(rename = "cashType")]
    cash_type: Option<i64>,
    #[serde(rename = "backReason")]
    back_reason: &'a str,
    #[serde(rename = "inventPositions")]
    lines: Vec<Position<'a>>,
    #[serde(rename = "stornoPositions")]
    voided_lines: Vec<Position<'a>>,
    #[serde(rename = "moneyPositions")]
    payments: Vec<Payment<'a>>,
    #[serde(rename = "failedMoneyPositions")]
    failed_payments: Vec<Payment<'a>>,
    #[serde(rename = "cardPositions")]
    cards: Vec<Card<'a>>,
    #[serde(rename = "certificatePositions")]
    certificates: Vec<Voucher<'a>>,
    #[serde(rename = "couponPositions")]
    coupons: Vec<Voucher<'a>>,
}

fn sale(document: &v1::Document) -> Result<Sale<'_>, serde_json::Error> {
    let key = document.key.as_ref();
    Ok(Sale {
        cash_code: &document.cash_code,
        shift: key.map_or(0, |key| key.shift),
        number: key.map_or(0, |key| key.number),
        doctype: document.doctype,
        sum: money(document.sum)?,
        cashier: &document.cashier,
        time_end: Some(document.time_end.as_str()).filter(|time| !time.is_empty()),
        identifier: &document.identifier,
        sourceidentifier: &document.source_identifier,
        frdocnum: &document.fiscal_number,
        fiscal_copy: document.fiscal_copy,
        cash_type: document.cash_type,
        back_reason: &document.back_reason,
        lines: document.lines.iter().map(position).collect::<Result<_, _>>()?,
        voided_lines: document.voided_lines.iter().map(position).collect::<Result<_, _>>()?,
        payments: document.payments.iter().map(payment).collect::<Result<_, _>>()?,
        failed_payments: document.failed_payments.iter().map(payment).collect::<Result<_, _>>()?,
        cards: document.cards.iter().map(|number| Card { number }).collect(),
        certificates: document.certificates.iter().map(voucher).collect::<Result<_, _>>()?,
        coupons: document.coupons.iter().map(voucher).collect::<Result<_, _>>()?,
    })
}

#[derive(Serialize)]
struct Position<'a> {
    #[serde(rename = "posNum")]
    number: i64,
    #[serde(rename = "inventCode")]
    item_code: &'a str,
    #[serde(rename = "barCode")]
    barcode: &'a str,
    #[serde(rename = "opCode")]
    opcode: i32,
    quant: Decimal,
    price: Decimal,
    #[serde(rename = "baseSum")]
    sum_before: Decimal,
    #[serde(rename = "posSum")]
    sum: Decimal,
    disc_abs: Decimal,
    excisemark: &'a str,
    additionalbarcode: &'a str,
    /// Readers look for the main barcode of gift certificates, and of nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    bcode_main: Option<&'a str>,
    taxes: Vec<Tax>,
    #[serde(rename = "bonusPositions")]
    bonuses: Vec<Bonus<'a>>,
    #[serde(rename = "discountPositions")]
    discounts: Vec<DiscountPosition<'a>>,
}

/// Gift certificates sold and returned.
const CERTIFICATE_OPCODES: [i32; 2] = [63, 64];

fn position(line: &v1::Line) -> Result<Position<'_>, serde_json::Error> {
    let main_barcode = if line.main_barcode.is_empty() { &line.barcode } else { &line.main_barcode };
    Ok(Position {
        number: line.position,
        item_code: &line.item_code,
        barcode: &line.barcode,
        opcode: line.opcode,
        quant: decimal(Thousandths(line.quantity).to_string())?,
        price: money(line.price)?,
        sum_before: money(line.sum_before)?,
        sum: money(line.sum)?,
        disc_abs: money(line.discount)?,
        excisemark: &line.mark,
        additionalbarcode: &line.additional_barcode,
        bcode_main: CERTIFICATE_OPCODES.contains(&line.opcode).then_some(main_barcode),
        taxes: line.taxes.iter().map(tax).collect::<Result<_, _>>()?,
        bonuses: line.bonuses.iter().map(bonus).collect::<Result<_, _>>()?,
        discounts: line.discounts.iter().map(discount).collect::<Result<_, _>>()?,
    })
}

#[derive(Serialize)]
struct Tax {
    #[serde(rename = "taxSum")]
    sum: Decimal,
}

fn tax(tax: &v1::Tax) -> Result<Tax, serde_json::Error> {
    Ok(Tax { sum: money(tax.sum)? })
}

#[derive(Serialize)]
struct Bonus<'a> {
    amount: Decimal,
    #[serde(rename = "cardnum", skip_serializing_if = "str::is_empty")]
    card_number: &'a str,
}

fn bonus(bonus: &v1::Bonus) -> Result<Bonus<'_>, serde_json::Error> {
    Ok(Bonus { amount: money(bonus.amount)?, card_number: &bonus.card_number })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiscountPosition<'a> {
    /// Always the amount: what the POS's numbers for types mean is not public, the amount is
    /// exact.
    disc_type: &'static str,
    disc_mode: i32,
    disc_size: Decimal,
    disc_sum: Decimal,
    check_sum: Decimal,
    #[serde(rename = "cardnum", skip_serializing_if = "str::is_empty")]
    card_number: &'a str,
}

fn discount(discount: &v1::Discount) -> Result<DiscountPosition<'_>, serde_json::Error> {
    Ok(DiscountPosition {
        disc_type: "summ",
        disc_mode: discount.mode,
        disc_size: money(discount.sum)?,
        disc_sum: money(discount.sum)?,
        check_sum: money(discount.base_sum)?,
        card_number: &discount.card_number,
    })
}

#[derive(Serialize)]
struct Payment<'a> {
    #[serde(rename = "valCode")]
    type_code: i32,
    #[serde(rename = "opCode")]
    opcode: i32,
    #[serde(rename = "sumB")]
    sum: Decimal,
    cardnum: &'a str,
    slip: &'a str,
}

fn payment(payment: &v1::Payment) -> Result<Payment<'_>, serde_json::Error> {
    Ok(Payment {
        type_code: payment.type_code,
        opcode: payment.opcode,
        sum: money(payment.sum)?,
        cardnum: &payment.card_number,
        slip: &payment.slip,
    })
}

/// A gift certificate or a coupon.
#[derive(Serialize)]
struct Voucher<'a> {
    number: &'a str,
    sum: Decimal,
}

fn voucher(voucher: &v1::Voucher) -> Result<Voucher<'_>, serde_json::Error> {
    Ok(Voucher { number: &voucher.number, sum: money(voucher.sum)? })
}

#[derive(Serialize)]
struct Card<'a> {
    number: &'a str,
}

fn money(kopecks: i64) -> Result<Decimal, serde_json::Error> {
    decimal(Kopecks(kopecks).to_string())
}

fn decimal(text: String) -> Result<Decimal, serde_json::Error> {
    RawValue::from_string(text)
}
