//! Scans a batch where it lies: whether each document in it is a receipt, and which ones they are,
//! without a copy of any text. The batch is then kept as it came, and parsed when it is loaded.
//!
//! The scan takes only what it is certain of. Whatever is unusual, broken or unknown here is left
//! to [`check_document`](super::receipt::check_document) and its like, which say what is wrong. So
//! a batch that passes here passes there. A test compares the scan with `sales.proto`: a field
//! that is added there and not here would send every batch the slow way.

use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{MAX_BATCH_DOCUMENTS, MAX_DOCUMENT_PARTS, v1};
use uuid::Uuid;

use super::receipt::{DocumentError, MAX_NUMBER, ShiftRecord, amount, optional_time, slip, text};
use super::spool::HeldReceipt;

/// What a batch holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ScannedBatch<'a> {
    pub(super) sequence: u64,
    /// The key of each document.
    pub(super) receipts: Vec<(ShiftKey, HeldReceipt)>,
    /// Shifts whose closing records are in it.
    pub(super) closed: Vec<ShiftKey>,
    /// End of the newest document, as it stands there.
    pub(super) last_time: Option<&'a str>,
}

/// The batch must be parsed in full.
#[derive(Debug, PartialEq, Eq)]
struct NeedsParsing;

impl From<DocumentError> for NeedsParsing {
    fn from(_: DocumentError) -> Self {
        Self
    }
}

type Scan<T> = Result<T, NeedsParsing>;

/// What a batch of this till holds; none where it must be parsed in full.
pub(super) fn scan<'a>(till: &TillId, batch: &'a [u8]) -> Option<ScannedBatch<'a>> {
    of_batch(till, batch).ok()
}

fn of_batch<'a>(till: &TillId, batch: &'a [u8]) -> Scan<ScannedBatch<'a>> {
    let mut seen = ScannedBatch::default();
    let mut shifts = 0;
    let mut fields = Fields(batch);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => seen.sequence = value.number()?,
            2 => document(till, value.bytes()?, &mut seen)?,
            3 => {
                shifts += 1;
                let shift = <v1::Shift as prost::Message>::decode(value.bytes()?).map_err(|_| NeedsParsing)?;
                let record = ShiftRecord::parse(till, shift)?;
                if !record.shift.time_end.is_empty() {
                    seen.closed.push(record.key());
                }
            }
            _ => return Err(NeedsParsing),
        }
    }
    if seen.receipts.len().max(shifts) <= MAX_BATCH_DOCUMENTS { Ok(seen) } else { Err(NeedsParsing) }
}

fn document<'a>(till: &TillId, document: &'a [u8], seen: &mut ScannedBatch<'a>) -> Scan<()> {
    let mut key = None;
    let mut ended = "";
    let mut parts = [0; 7];
    let mut line_sum = 0_i64;
    let mut fields = Fields(document);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            // A message that comes in parts.
            1 if key.is_some() => return Err(NeedsParsing),
            1 => key = Some(receipt_key(till, value.bytes()?)?),
            2 | 3 | 6 | 25 | 26 => drop(value.number()?),
            4 | 5 | 13..=17 | 21 => value.short_text()?,
            7 => drop(optional_time("time_beg", value.text()?)?),
            8 => {
                ended = value.text()?;
                optional_time("time_end", ended)?.ok_or(NeedsParsing)?;
            }
            9..=12 => value.amount()?,
            18 => line_sum = line_sum.saturating_add(line(value.bytes()?)?),
            19 => drop(line(value.bytes()?)?),
            20 | 22 => payment(value.bytes()?)?,
            23 | 24 => voucher(value.bytes()?)?,
            _ => return Err(NeedsParsing),
        }
        if let Some(count) = tag.checked_sub(18).and_then(|part| parts.get_mut(usize::try_from(part).ok()?)) {
            *count += 1;
        }
    }
    amount("", line_sum)?;
    if ended.is_empty() || parts.iter().any(|count| *count > MAX_DOCUMENT_PARTS) {
        return Err(NeedsParsing);
    }
    seen.receipts.push(key.ok_or(NeedsParsing)?);
    seen.last_time = seen.last_time.max(Some(ended));
    Ok(())
}

fn receipt_key(till: &TillId, key: &[u8]) -> Scan<(ShiftKey, HeldReceipt)> {
    let (mut of_till, mut shift, mut number, mut uuid) = ("", 0, 0, &[][..]);
    let mut opened = None;
    let mut fields = Fields(key);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => of_till = value.text()?,
            2 => shift = value.number()?,
            3 => number = value.number()?,
            4 => uuid = value.bytes()?,
            5 => opened = Some(value.text()?),
            _ => return Err(NeedsParsing),
        }
    }
    if of_till != till.as_str() || shift > MAX_NUMBER || number > MAX_NUMBER {
        return Err(NeedsParsing);
    }
    let uuid = Uuid::from_slice(uuid).map_err(|_| NeedsParsing)?;
    let opened = Opened::from_wire(opened).map_err(|_| NeedsParsing)?;
    Ok((ShiftKey { number: ShiftNumber(shift), opened }, HeldReceipt { number: DocumentNumber(number), uuid }))
}

/// Its sum.
fn line(line: &[u8]) -> Scan<i64> {
    let mut sum = 0;
    let mut parts = [0; 6];
    let mut fields = Fields(line);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 | 4 => drop(value.number()?),
            2 | 3 | 10 | 11 | 13..=15 => value.short_text()?,
            5..=8 => value.amount()?,
            9 => {
                sum = value.number()?.cast_signed();
                amount("", sum)?;
            }
            12 => discount(value.bytes()?)?,
            16 => tax(value.bytes()?)?,
            17 => bonus(value.bytes()?)?,
            _ => return Err(NeedsParsing),
        }
        if let Some(count) = tag.checked_sub(12).and_then(|part| parts.get_mut(usize::try_from(part).ok()?)) {
            *count += 1;
        }
    }
    if parts.iter().all(|count| *count <= MAX_DOCUMENT_PARTS) { Ok(sum) } else { Err(NeedsParsing) }
}

fn tax(tax: &[u8]) -> Scan<()> {
    let mut fields = Fields(tax);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => drop(value.number()?),
            2 => value.amount()?,
            _ => return Err(NeedsParsing),
        }
    }
    Ok(())
}

fn bonus(bonus: &[u8]) -> Scan<()> {
    let mut fields = Fields(bonus);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => value.amount()?,
            2 => value.short_text()?,
            _ => return Err(NeedsParsing),
        }
    }
    Ok(())
}

fn voucher(voucher: &[u8]) -> Scan<()> {
    let mut fields = Fields(voucher);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => value.short_text()?,
            2 => value.amount()?,
            _ => return Err(NeedsParsing),
        }
    }
    Ok(())
}

fn discount(discount: &[u8]) -> Scan<()> {
    let mut fields = Fields(discount);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1..=3 => drop(value.number()?),
            4..=6 => value.amount()?,
            7 => value.short_text()?,
            _ => return Err(NeedsParsing),
        }
    }
    Ok(())
}

fn payment(payment: &[u8]) -> Scan<()> {
    let mut fields = Fields(payment);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 | 2 => drop(value.number()?),
            3 => value.amount()?,
            4 | 5 => value.short_text()?,
            6 => slip(value.text()?)?,
            _ => return Err(NeedsParsing),
        }
    }
    Ok(())
}

/// The fields of a message of protobuf, as they stand there.
struct Fields<'a>(&'a [u8]);

/// Of the two forms that our messages have.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Scan<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| NeedsParsing)?;
                let (value, rest) = self.0.split_at_checked(length).ok_or(NeedsParsing)?;
                self.0 = rest;
                Value::Bytes(value)
            }
            _ => return Err(NeedsParsing),
        };
        Ok(Some((key >> 3, value)))
    }

    fn number(&mut self) -> Scan<u64> {
        let mut number = 0;
        for (at, byte) in self.0.iter().enumerate().take(9) {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        // Ten bytes, as a negative number has.
        let (bytes, rest) = self.0.split_at_checked(10).ok_or(NeedsParsing)?;
        self.0 = rest;
        if bytes[9] == 1 { Ok(number | 1 << 63) } else { Err(NeedsParsing) }
    }
}

impl<'a> Value<'a> {
    fn number(self) -> Scan<u64> {
        if let Self::Number(number) = self { Ok(number) } else { Err(NeedsParsing) }
    }

    fn bytes(self) -> Scan<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(NeedsParsing) }
    }

    fn text(self) -> Scan<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| NeedsParsing)
    }

    fn short_text(self) -> Scan<()> {
        Ok(text("", self.text()?)?)
    }

    fn amount(self) -> Scan<()> {
        Ok(amount("", self.number()?.cast_signed())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sales::receipt::check_document;
    use proptest::prelude::*;
    use prost::Message as _;
    use std::collections::{BTreeMap, BTreeSet};

    const OPENED: &str = "2026-01-01T08:00:00";

    fn till() -> TillId {
        "_cash_1_00ab34ef".parse().unwrap()
    }

    fn batch() -> v1::Batch {
        let discount =
            v1::Discount { number: 1, mode: -2, sum: -5, card_number: "c".to_owned(), ..v1::Discount::default() };
        let line = v1::Line {
            position: 1,
            barcode: "4600000000017".to_owned(),
            quantity: 1_000,
            price: -9_900,
            discounts: vec![discount],
            mark: "010460000000001721".to_owned(),
            taxes: vec![v1::Tax { code: 1, sum: 1_650 }],
            bonuses: vec![v1::Bonus { amount: 99, card_number: "77".to_owned() }],
            ..v1::Line::default()
        };
        let key = v1::ReceiptKey {
            till_id: till().to_string(),
            shift: 7,
            number: 300,
            uuid: vec![9; 16],
            shift_opened: Some(OPENED.to_owned()),
        };
        let payment = v1::Payment { opcode: 70, sum: 9_900, slip: "APPROVED".to_owned(), ..v1::Payment::default() };
        let voucher = v1::Voucher { number: "55".to_owned(), sum: 100 };
        let document = v1::Document {
            key: Some(key),
            document_id: 12,
            doctype: 1,
            cashier: "Иванова".to_owned(),
            time_beg: "2026-01-01T09:59:00".to_owned(),
            time_end: "2026-01-01T10:00:00".to_owned(),
            sum: 9_900,
            lines: vec![line.clone()],
            voided_lines: vec![line],
            payments: vec![payment.clone()],
            cards: vec!["77".to_owned()],
            failed_payments: vec![payment],
            certificates: vec![voucher.clone()],
            coupons: vec![voucher],
            fiscal_copy: Some(1),
            cash_type: Some(-1),
            ..v1::Document::default()
        };
        let later = v1::Document { time_end: "2026-01-01T11:00:00".to_owned(), ..document.clone() };
        let shift = v1::Shift {
            till_id: till().to_string(),
            number: 7,
            time_beg: OPENED.to_owned(),
            time_end: "2026-01-01T20:00:00".to_owned(),
            ..v1::Shift::default()
        };
        let open = v1::Shift { number: 8, time_end: String::new(), ..shift.clone() };
        v1::Batch { sequence: 3, documents: vec![later, document], shifts: vec![shift, open] }
    }

    /// [`batch`] with a value in every field that the scan reads.
    fn full_batch() -> v1::Batch {
        let mut batch = batch();
        for document in &mut batch.documents {
            let v1::Document { department, cash_code, sum_before, discount, vat, .. } = document;
            (*department, *cash_code) = (1, "1".to_owned());
            (*sum_before, *discount, *vat) = (9_900, 1, 1_650);
            let v1::Document { identifier, source_identifier, fiscal_number, fiscal_identifier, back_reason, .. } =
                document;
            for text in [identifier, source_identifier, fiscal_number, fiscal_identifier, back_reason] {
                *text = "x".to_owned();
            }
            for line in document.lines.iter_mut().chain(&mut document.voided_lines) {
                let v1::Line { opcode, sum_before, discount, sum, .. } = line;
                (*opcode, *sum_before, *discount, *sum) = (50, 9_900, 1, 9_899);
                let v1::Line { item_code, time, confirmed_by, additional_barcode, main_barcode, .. } = line;
                for text in [item_code, time, confirmed_by, additional_barcode, main_barcode] {
                    *text = "x".to_owned();
                }
                for one in &mut line.discounts {
                    (one.r#type, one.size_thousandths, one.base_sum) = (1, 5, 100);
                }
            }
            for payment in document.payments.iter_mut().chain(&mut document.failed_payments) {
                (payment.type_code, payment.time, payment.card_number) = (4, "x".to_owned(), "x".to_owned());
            }
        }
        batch
    }

    #[test]
    fn a_sound_batch_passes_the_scan() {
        let bytes = batch().encode_to_vec();
        let seen = scan(&till(), &bytes).unwrap();
        let receipt = HeldReceipt { number: DocumentNumber(300), uuid: Uuid::from_bytes([9; 16]) };
        let shift = ShiftKey { number: ShiftNumber(7), opened: Opened::At(OPENED.parse().unwrap()) };
        let expected = ScannedBatch {
            sequence: 3,
            receipts: vec![(shift, receipt); 2],
            closed: vec![shift],
            last_time: Some("2026-01-01T11:00:00"),
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_parsing_refuses_does_not_pass() {
        let break_one: [fn(&mut v1::Batch); 13] = [
            |batch| batch.documents[0].key = None,
            |batch| batch.documents[0].time_end.clear(),
            |batch| batch.documents[0].time_beg = "yesterday".to_owned(),
            |batch| batch.documents[1].sum = i64::MAX,
            |batch| batch.documents[0].lines[0].discounts[0].sum = i64::MIN,
            |batch| batch.documents[0].cards[0] = "x".repeat(2_000),
            |batch| batch.documents[0].key.as_mut().unwrap().till_id = "_cash_2_00ab34ef".to_owned(),
            |batch| batch.shifts[0].number = u64::MAX,
            |batch| batch.documents[0].key.as_mut().unwrap().shift_opened = Some("this morning".to_owned()),
            |batch| batch.documents[0].payments[0].slip = "x".repeat(65 * 1_024),
            |batch| {
                let most = v1::Line { sum: 10_000_000_000_000, ..v1::Line::default() };
                batch.documents[0].lines = vec![most; 2];
            },
            |batch| batch.documents[0].lines[0].taxes[0].sum = i64::MAX,
            |batch| batch.documents[0].coupons[0].number = "x".repeat(2_000),
        ];
        for (number, break_one) in break_one.into_iter().enumerate() {
            let mut batch = batch();
            break_one(&mut batch);
            assert_eq!(scan(&till(), &batch.encode_to_vec()), None, "{number}");
        }
    }

    /// The fields of each message of `sales.proto`, by number, with the type of each.
    fn schema() -> BTreeMap<String, BTreeMap<u64, String>> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto/sales.proto");
        let (mut messages, mut message) = (BTreeMap::<String, BTreeMap<u64, String>>::new(), String::new());
        for line in fs_err::read_to_string(path).unwrap().lines() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix("message ") {
                message = name.trim_end_matches('{').trim().to_owned();
            }
            let Some((left, number)) = line.strip_suffix(';').and_then(|field| field.split_once(" = ")) else {
                continue;
            };
            let mut words = left.split(' ').rev();
            if let (Some(name), Some(of_type)) = (words.next(), words.next())
                && let Ok(number) = number.parse()
            {
                messages.entry(message.clone()).or_default().insert(number, format!("{of_type} {name}"));
            }
        }
        messages
    }

    /// Takes each field that stands in these bytes out of what is still to be seen.
    fn see(
        schema: &BTreeMap<String, BTreeMap<u64, String>>,
        unseen: &mut BTreeSet<String>,
        message: &str,
        bytes: &[u8],
    ) {
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next().unwrap() {
            let field = &schema[message][&number];
            unseen.remove(&format!("{message}: {field}"));
            let of_type = field.split(' ').next().unwrap();
            if schema.contains_key(of_type) {
                see(schema, unseen, of_type, value.bytes().unwrap());
            }
        }
    }

    #[test]
    fn a_batch_with_every_field_of_the_protocol_passes_the_scan() {
        // Shifts are parsed in full.
        let scanned = ["Batch", "Document", "ReceiptKey", "Line", "Tax", "Bonus", "Discount", "Payment", "Voucher"];
        let schema = schema();
        let of = |message: &str| schema[message].values().map(move |field| format!("{message}: {field}")).collect();
        let mut unseen: BTreeSet<String> = scanned.iter().flat_map(|message| -> Vec<String> { of(message) }).collect();
        assert!(unseen.len() >= 70, "fields of `sales.proto` were not found: {unseen:?}");
        let bytes = full_batch().encode_to_vec();
        see(&schema, &mut unseen, "Batch", &bytes);
        assert!(unseen.is_empty(), "set them in `full_batch`, and read them in the scan: {unseen:?}");
        assert!(scan(&till(), &bytes).is_some(), "the scan does not know a field of the protocol");
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_what_passes_here_is_parsed(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            end in any::<proptest::sample::Index>(),
            whole in any::<bool>(),
        ) {
            let mut bytes = batch().encode_to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(end.index(bytes.len()));
            }
            if let Some(seen) = scan(&till(), &bytes) {
                let batch = v1::Batch::decode(&bytes[..]).unwrap();
                let keys: Vec<_> = batch.documents.iter().map(|document| check_document(&till(), document).unwrap().0).collect();
                let keys: Vec<_> = keys
                    .into_iter()
                    .map(|key| (key.shift, HeldReceipt { number: key.number, uuid: key.uuid }))
                    .collect();
                prop_assert_eq!(&seen.receipts, &keys);
                prop_assert_eq!(seen.sequence, batch.sequence);
                prop_assert!(batch.shifts.into_iter().all(|shift| ShiftRecord::parse(&till(), shift).is_ok()));
                let last = batch.documents.iter().map(|document| document.time_end.as_str()).max();
                prop_assert_eq!(seen.last_time, last);
            }
        }
    }
}
