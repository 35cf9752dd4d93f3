//! What arrived goes into the tables, in the transaction that moves the position.

use jiff::Timestamp;
use jiff::civil::Date;
use prost::Message;
use rusqlite::{CachedStatement, Connection, params};
use std::collections::BTreeMap;
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, ShiftNumber};
use tillway_proto::sales::v1;

use super::{check, finding, row, shift};
use crate::sales::receipt::{MAX_NUMBER, Receipt};
use crate::sales::spool::Position;
use crate::store::sales::{FindingKind, Incoming, Loaded, NewFinding, Refused};

/// Most documents of one till that are kept without being receipts; the oldest go. A till that sends more has a fault that
/// somebody has been shown a thousand findings of.
const MAX_REFUSED_PER_TILL: u32 = 10_000;

/// Shifts of which something arrived.
type Touched = BTreeMap<(TillId, ShiftNumber), Touch>;

/// What arrived of a shift.
struct Touch {
    /// The shop to note where the shift is new.
    shop: String,
    /// Numbers of the receipts that were not there.
    numbers: Vec<DocumentNumber>,
}

pub(super) fn position(connection: &Connection) -> rusqlite::Result<Position> {
    connection
        .prepare_cached(r#"SELECT segment, "offset" FROM spool_position WHERE id = 1"#)?
        .query_row((), |r| Ok(Position { segment: row::unsigned(r, 0)?, offset: row::unsigned(r, 1)? }))
}

pub(super) fn load(t: &Connection, incoming: &[Incoming], now: Timestamp) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut touched = Touched::new();
    let mut inserts = Inserts::prepare(t)?;
    for arrival in incoming {
        for of_shift in arrival.receipts.chunk_by(|one, next| one.key.shift == next.key.shift) {
            let mut numbers = Vec::with_capacity(of_shift.len());
            for receipt in of_shift {
                match inserts.receipt(t, arrival, receipt)? {
                    Arrived::New => {
                        loaded.added += 1;
                        numbers.push(receipt.key.number);
                    }
                    Arrived::Same => loaded.same += 1,
                    Arrived::Conflicting => {
                        loaded.conflicting += 1;
                        finding::add(t, &conflict(receipt, now))?;
                    }
                }
            }
            if !numbers.is_empty() {
                touch(&mut touched, arrival, of_shift[0].key.shift).numbers.append(&mut numbers);
            }
        }
        for record in &arrival.shifts {
            if shift::upsert(t, record, arrival.received_at, now)? {
                touch(&mut touched, arrival, record.number);
            }
        }
        for refused in &arrival.refused {
            loaded.refused += 1;
            keep_refused(t, arrival, refused, now)?;
        }
        note_till(t, arrival)?;
    }
    for ((till, shift), touch) in &mut touched {
        let numbers = check::recheck(t, till, *shift, Some(&touch.shop), now)?;
        note_numbers_again(t, (till, *shift), &numbers, &mut touch.numbers, now)?;
    }
    Ok(loaded)
}

fn touch<'a>(touched: &'a mut Touched, arrival: &Incoming, shift: ShiftNumber) -> &'a mut Touch {
    touched
        .entry((arrival.till.clone(), shift))
        .or_insert_with(|| Touch { shop: arrival.shop.to_string(), numbers: Vec::new() })
}

/// The spool is loaded up to here, in the transaction of what was loaded.
pub(super) fn move_position(t: &Connection, through: Position) -> rusqlite::Result<()> {
    t.prepare_cached(r#"UPDATE spool_position SET segment = ?1, "offset" = ?2 WHERE id = 1"#)?
        .execute(params![row::number(through.segment), row::number(through.offset)])
        .map(drop)
}

enum Arrived {
    New,
    Same,
    Conflicting,
}

/// The statements that receipts go in by, prepared once for a load.
struct Inserts<'t> {
    receipt: CachedStatement<'t>,
    there: CachedStatement<'t>,
    line: CachedStatement<'t>,
    discount: CachedStatement<'t>,
    payment: CachedStatement<'t>,
    card: CachedStatement<'t>,
}

impl<'t> Inserts<'t> {
    fn prepare(t: &'t Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            receipt: t.prepare_cached(
                "INSERT INTO receipt(till, shift, number, uuid, shop, document_id, doctype, cash_code, cashier, department,
                     time_beg, time_end, day, sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number,
                     fiscal_identifier, back_reason, lines, line_sum, content, received_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                     ?23, ?24, ?25, ?26)
                 ON CONFLICT(till, shift, number, uuid) DO NOTHING",
            )?,
            there: t.prepare_cached(
                "SELECT content FROM receipt WHERE till = ?1 AND shift = ?2 AND number = ?3 AND uuid = ?4",
            )?,
            line: t.prepare_cached(
                "INSERT INTO line(receipt, voided, ordinal, position, item_code, barcode, opcode, quantity, price, sum_before,
                     discount, sum, time, confirmed_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?,
            discount: t.prepare_cached(
                "INSERT INTO discount(receipt, voided, line, ordinal, number, mode, type, size_thousandths, sum, base_sum,
                     card_number)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            payment: t.prepare_cached(
                "INSERT INTO payment(receipt, ordinal, opcode, type_code, sum, time, card_number)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            card: t.prepare_cached("INSERT INTO card(receipt, ordinal, number) VALUES (?1, ?2, ?3)")?,
        })
    }

    fn receipt(&mut self, t: &Connection, arrival: &Incoming, receipt: &Receipt) -> rusqlite::Result<Arrived> {
        let (key, document) = (&receipt.key, &receipt.document);
        let line_sum: i64 = document.lines.iter().fold(0, |sum, line| sum.saturating_add(line.sum));
        let ended = receipt.ended.to_string();
        let inserted = self.receipt.execute(params![
            key.till.as_str(),
            row::number(key.shift.0),
            row::number(key.number.0),
            key.uuid.as_bytes(),
            arrival.shop.as_str(),
            document.document_id,
            document.doctype,
            document.cash_code,
            document.cashier,
            document.department,
            none_if_empty(&document.time_beg),
            ended,
            receipt.ended.date().to_string(),
            document.sum_before,
            document.discount,
            document.sum,
            document.vat,
            document.identifier,
            document.source_identifier,
            document.fiscal_number,
            document.fiscal_identifier,
            document.back_reason,
            row::index(document.lines.len()),
            line_sum,
            receipt.content,
            arrival.received_at.as_millisecond(),
        ])?;
        if inserted > 0 {
            self.parts(t.last_insert_rowid(), document)?;
            return Ok(Arrived::New);
        }
        // What is there already goes in once more, as another receipt: then no key holds it off.
        fail::fail_point!("without::unique_key", |_| {
            let mut other = receipt.clone();
            other.key.uuid = uuid::Uuid::new_v4();
            self.receipt(t, arrival, &other)
        });
        let key = params![key.till.as_str(), row::number(key.shift.0), row::number(key.number.0), key.uuid.as_bytes()];
        let there: Vec<u8> = self.there.query_row(key, |r| r.get(0))?;
        Ok(if there == receipt.content { Arrived::Same } else { Arrived::Conflicting })
    }

    fn parts(&mut self, id: i64, document: &v1::Document) -> rusqlite::Result<()> {
        for (voided, lines) in [(false, &document.lines), (true, &document.voided_lines)] {
            for (ordinal, line) in lines.iter().enumerate() {
                self.line(id, voided, row::index(ordinal), line)?;
            }
        }
        for (ordinal, payment) in document.payments.iter().enumerate() {
            self.payment.execute(params![
                id,
                row::index(ordinal),
                payment.opcode,
                payment.type_code,
                payment.sum,
                payment.time,
                payment.card_number
            ])?;
        }
        for (ordinal, card) in document.cards.iter().enumerate() {
            self.card.execute(params![id, row::index(ordinal), card])?;
        }
        Ok(())
    }

    fn line(&mut self, id: i64, voided: bool, ordinal: i64, line: &v1::Line) -> rusqlite::Result<()> {
        self.line.execute(params![
            id,
            voided,
            ordinal,
            line.position,
            line.item_code,
            line.barcode,
            line.opcode,
            line.quantity,
            line.price,
            line.sum_before,
            line.discount,
            line.sum,
            line.time,
            line.confirmed_by
        ])?;
        for (number, discount) in line.discounts.iter().enumerate() {
            self.discount.execute(params![
                id,
                voided,
                ordinal,
                row::index(number),
                discount.number,
                discount.mode,
                discount.r#type,
                discount.size_thousandths,
                discount.sum,
                discount.base_sum,
                discount.card_number
            ])?;
        }
        Ok(())
    }
}

/// Numbers that stand for two receipts of a shift: all count, since each has a UUID of its own, and somebody should know why.
/// One finding a shift, and once more for each receipt that came to another one of its number. `numbers`: all of the shift,
/// in order; `new`: those that have just come.
fn note_numbers_again(
    t: &Connection,
    (till, shift): (&TillId, ShiftNumber),
    numbers: &[u64],
    new: &mut [DocumentNumber],
    now: Timestamp,
) -> rusqlite::Result<()> {
    if numbers.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(());
    }
    new.sort_unstable();
    for of_number in new.chunk_by(|one, next| one == next) {
        let number = of_number[0];
        let first = numbers.partition_point(|there| *there < number.0);
        let there = numbers[first..].iter().take_while(|there| **there == number.0).count();
        let again = of_number.len().min(there.saturating_sub(1));
        for _ in 0..again {
            let finding = NewFinding {
                kind: FindingKind::NumbersAgain,
                till: Some(till.clone()),
                shift: Some(shift),
                subject: format!("numbers of shift {shift}"),
                text: format!(
                    "document number {number} of shift {shift} came again with another identity: the till was restored from \
                     an old image, or its POS counted anew; all of these receipts are kept and counted"
                ),
                at: now,
            };
            finding::add(t, &finding)?;
        }
    }
    Ok(())
}

fn keep_refused(t: &Connection, arrival: &Incoming, refused: &Refused, now: Timestamp) -> rusqlite::Result<()> {
    let body = refused.document.as_ref().map(Message::encode_to_vec);
    let record = refused.shift.as_ref().map(Message::encode_to_vec);
    let told = body.as_deref().or(record.as_deref()).unwrap_or(refused.reason.as_bytes());
    let hash = blake3::hash(told);
    t.prepare_cached(
        "INSERT INTO refused(till, content, reason, document, shift_record, received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(till, content) DO NOTHING",
    )?
    .execute(params![
        arrival.till.as_str(),
        hash.as_bytes(),
        refused.reason,
        body,
        record,
        arrival.received_at.as_millisecond()
    ])?;
    t.prepare_cached(
        "DELETE FROM refused WHERE till = ?1
             AND id <= (SELECT id FROM refused WHERE till = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![arrival.till.as_str(), MAX_REFUSED_PER_TILL])?;
    let till = Some(arrival.till.clone());
    let reason = &refused.reason;
    let found = if let Some(record) = &refused.shift {
        NewFinding {
            kind: FindingKind::ShiftRefused,
            till,
            shift: (record.number <= MAX_NUMBER).then_some(ShiftNumber(record.number)),
            // One of a shift, however its record changes: a good one closes it.
            subject: shift::refused_subject(ShiftNumber(record.number)),
            text: format!("the record of shift {} was set aside: {reason}", record.number),
            at: now,
        }
    } else {
        let key = refused.document.as_ref().and_then(|document| document.key.as_ref());
        let what =
            key.map_or_else(|| "a record".to_owned(), |key| format!("document {} of shift {}", key.number, key.shift));
        NewFinding {
            kind: FindingKind::DocumentRefused,
            till,
            shift: key.map(|key| ShiftNumber(key.shift)),
            subject: hash.to_hex()[..16].to_owned(),
            text: format!("{what} was set aside: {reason}"),
            at: now,
        }
    };
    finding::add(t, &found)
}

fn conflict(receipt: &Receipt, now: Timestamp) -> NewFinding {
    NewFinding {
        kind: FindingKind::ReceiptConflict,
        till: Some(receipt.key.till.clone()),
        shift: Some(receipt.key.shift),
        subject: receipt.key.to_string(),
        text: format!(
            "receipt {} of shift {} came again with other content; the first one was kept",
            receipt.key.number, receipt.key.shift
        ),
        at: now,
    }
}

fn note_till(t: &Connection, arrival: &Incoming) -> rusqlite::Result<()> {
    let last = arrival.receipts.iter().map(|receipt| receipt.ended).max().map(|time| time.to_string());
    t.prepare_cached(
        "INSERT INTO till(till, shop, instance, agent_version, last_received_at, last_receipt_time)
         VALUES (?1, ?2, '', '', ?3, ?4)
         ON CONFLICT(till) DO UPDATE SET
             last_received_at = max(coalesce(last_received_at, 0), excluded.last_received_at),
             last_receipt_time = max(coalesce(last_receipt_time, excluded.last_receipt_time),
                                     coalesce(excluded.last_receipt_time, last_receipt_time))",
    )?
    .execute(params![arrival.till.as_str(), arrival.shop.as_str(), arrival.received_at.as_millisecond(), last])
    .map(drop)
}

pub(super) fn prune(t: &Connection, before: Date, limit: u32) -> rusqlite::Result<u64> {
    let day = before.to_string();
    // Both by its own day and by arrival: a till with a wrong clock must not lose what it has just sent.
    let arrived = before.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |start| start.timestamp().as_millisecond());
    let deleted = t
        .prepare_cached(
            "DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE day < ?1 AND received_at < ?2 LIMIT ?3)",
        )?
        .execute(params![day, arrived, limit])?;
    if deleted == 0 {
        for sql in [
            "DELETE FROM shift_user WHERE (till, shift) IN (SELECT c.till, c.shift FROM shift_check c WHERE c.day < ?1
                 AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.till = c.till AND r.shift = c.shift))",
            "DELETE FROM shift WHERE (till, number) IN (SELECT c.till, c.shift FROM shift_check c WHERE c.day < ?1
                 AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.till = c.till AND r.shift = c.shift))",
            "DELETE FROM shift_check AS c WHERE c.day < ?1
                 AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.till = c.till AND r.shift = c.shift)",
        ] {
            t.prepare_cached(sql)?.execute([&day])?;
        }
        t.prepare_cached("DELETE FROM finding WHERE resolved_at < ?1")?.execute([arrived])?;
        t.prepare_cached("DELETE FROM refused WHERE received_at < ?1")?.execute([arrived])?;
    }
    Ok(deleted as u64)
}

pub(super) fn none_if_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
