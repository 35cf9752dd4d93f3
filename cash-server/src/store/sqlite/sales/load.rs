//! What arrived goes into the tables, in the transaction that moves the position.

use jiff::Timestamp;
use jiff::civil::DateTime;
use prost::Message;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{shift_key, v1};

use super::prune::{self, Pruned};
use super::total::Totals;
use super::{check, finding, row, shift};
use crate::sales::receipt::{MAX_NUMBER, Receipt, ShiftRecord, line_sum};
use crate::sales::spool::Position;
use crate::store::ServerId;
use crate::store::sales::{FindingKind, FindingReason, Incoming, Loaded, NewFinding, Refused};

/// Most documents of one till that are kept without being receipts; the oldest go. A till that
/// sends more has a fault that somebody has been shown a thousand findings of.
const MAX_REFUSED_PER_TILL: u32 = 10_000;

/// Shifts of which something arrived.
type Touched = BTreeMap<(TillId, ShiftKey), Touch>;

/// Openings of the shifts of one number, and when each was closed.
type KnownOpenings = BTreeMap<Opened, Option<DateTime>>;

/// What arrived of a shift.
struct Touch {
    /// The shop to note where the shift is new.
    shop: String,
    /// Numbers of the receipts that were not there.
    numbers: Vec<DocumentNumber>,
}

pub(super) fn position(connection: &Connection, server: ServerId) -> rusqlite::Result<Position> {
    let found = connection
        .prepare_cached(r#"SELECT segment, "offset" FROM spool_position WHERE server = ?1"#)?
        .query_row([server.0.as_bytes()], |r| {
            Ok(Position { segment: row::unsigned(r, 0)?, offset: row::unsigned(r, 1)? })
        })
        .optional()?;
    Ok(found.unwrap_or(Position { segment: 0, offset: 0 }))
}

pub(super) fn load(t: &Connection, incoming: &[Incoming], now: Timestamp) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut touched = Touched::new();
    let mut totals = Totals::default();
    let mut inserts = Inserts::prepare(t)?;
    for arrival in incoming {
        let refused_before = finding::open_subjects(t, &arrival.till, FindingKind::DocumentRefused)?;
        for of_shift in arrival.receipts.chunk_by(|one, next| one.key.shift == next.key.shift) {
            let told = of_shift[0].key.shift;
            let others = openings(t, &arrival.till, told.number, &touched)?;
            let pruned = Pruned::of(t, &arrival.till, told.number)?;
            let (mut new, mut moved) = (Vec::new(), Vec::new());
            for receipt in of_shift {
                if pruned.has(t, receipt)? {
                    loaded.same += 1;
                    continue;
                }
                let shift = inserts.shift_of(receipt, told, &others)?;
                for left in inserts.gather(t, receipt, shift, &others)? {
                    touch(&mut touched, arrival, left);
                    moved.push((shift, receipt));
                }
                match inserts.receipt(t, arrival, receipt, shift)? {
                    Arrived::New => {
                        loaded.added += 1;
                        new.push((shift, receipt));
                    }
                    Arrived::Same => {
                        loaded.same += 1;
                        finding::close(
                            t,
                            Some(&arrival.till),
                            FindingKind::ReceiptConflict,
                            &receipt.key.to_string(),
                            now,
                        )?;
                    }
                    Arrived::Conflicting => {
                        loaded.conflicting += 1;
                        finding::add(t, &conflict(receipt, shift, now))?;
                    }
                }
                if !refused_before.is_empty() {
                    close_refused(t, receipt, &refused_before, now)?;
                }
            }
            totals.add(arrival.shop.as_str(), &arrival.till, new.iter().map(|(_, receipt)| *receipt));
            moved.append(&mut new);
            for of_shift in moved.chunk_by(|(one, _), (next, _)| one == next) {
                let numbers = of_shift.iter().map(|(_, receipt)| receipt.key.number);
                touch(&mut touched, arrival, of_shift[0].0).numbers.extend(numbers);
            }
        }
        for record in &arrival.shifts {
            if prune::is_pruned(t, record)? {
                continue;
            }
            if shift::upsert(t, record, arrival.received_at, now)? {
                touch(&mut touched, arrival, record.key());
            }
            if adopt(t, record)? > 0 {
                let left = ShiftKey::not_told(record.number);
                let numbers = std::mem::take(&mut touch(&mut touched, arrival, left).numbers);
                touch(&mut touched, arrival, record.key()).numbers.extend(numbers);
            }
        }
        for refused in &arrival.refused {
            loaded.refused += 1;
            keep_refused(t, arrival, refused, now)?;
        }
        note_till(t, arrival)?;
    }
    totals.write(t)?;
    for ((till, shift), touch) in &mut touched {
        let numbers = check::recheck(t, till, *shift, Some(&touch.shop), now)?;
        note_numbers_again(t, (till, *shift), &numbers, &mut touch.numbers, now)?;
    }
    Ok(loaded)
}

/// The openings under which the database has, or is about to have, shifts of a number, and when
/// each was closed: mostly one.
fn openings(t: &Connection, till: &TillId, number: ShiftNumber, touched: &Touched) -> rusqlite::Result<KnownOpenings> {
    let mut found = t
        .prepare_cached(
            "SELECT opened, max(time_end) FROM (
                 SELECT opened, NULL AS time_end FROM shift_check WHERE till = ?1 AND shift = ?2
                 UNION ALL SELECT opened, time_end FROM shift WHERE till = ?1 AND number = ?2)
             GROUP BY opened",
        )?
        .query_map(params![till.as_str(), row::number(number.0)], |r| Ok((row::opened(r, 0)?, row::optional(r, 1)?)))?
        .collect::<rusqlite::Result<KnownOpenings>>()?;
    for (_, shift) in touched
        .range((till.clone(), ShiftKey::not_told(number))..)
        .map(|(key, _)| key)
        .take_while(|(of, shift)| of == till && shift.number == number)
    {
        found.entry(shift.opened).or_default();
    }
    Ok(found)
}

/// Receipts whose shift was not told go to the shift of this record, where they ended in it or no
/// other of its number is known. Gives how many.
fn adopt(t: &Connection, record: &ShiftRecord) -> rusqlite::Result<usize> {
    t.prepare_cached(
        "UPDATE OR IGNORE receipt SET opened = ?4 WHERE till = ?1 AND shift = ?2 AND opened = ?3
             AND (time_end >= ?4 OR NOT EXISTS (SELECT 1 FROM shift WHERE till = ?1 AND number = ?2 AND opened <> ?4))",
    )?
    .execute(params![
        record.till.as_str(),
        row::number(record.number.0),
        row::NOT_TOLD,
        row::opened_text(record.key().opened)
    ])
}

/// Receipts whose shift was not told, and that ended in none of the shifts of their number that
/// are known: they go to the one that was opened last before they ended, else to the first, since
/// no other has been told of for long enough. Gives the openings of the shifts they went to.
pub(super) fn adopt_late(t: &Connection, till: &TillId, number: ShiftNumber) -> rusqlite::Result<BTreeSet<Opened>> {
    t.prepare_cached(
        "UPDATE OR IGNORE receipt SET opened = (SELECT coalesce(max(opened) FILTER (WHERE opened <= receipt.time_end), min(opened))
                 FROM shift WHERE till = ?1 AND number = ?2)
             WHERE till = ?1 AND shift = ?2 AND opened = ?3 AND EXISTS (SELECT 1 FROM shift WHERE till = ?1 AND number = ?2)
             RETURNING opened",
    )?
    .query_map(params![till.as_str(), row::number(number.0), row::NOT_TOLD], |r| row::opened(r, 0))?
    .collect()
}

/// Closes the finding of a document that was set aside and has now come as a receipt.
fn close_refused(t: &Connection, receipt: &Receipt, open: &BTreeSet<String>, now: Timestamp) -> rusqlite::Result<()> {
    let subject = refused_subject(receipt.document.document_id, receipt.key.number.0);
    let of_v0_1 = open.iter().filter(|subject| is_hash(subject));
    let mut mended: Vec<&String> = open.get(&subject).into_iter().collect();
    for hash in of_v0_1 {
        if refused_document(t, &receipt.key.till, hash)?.is_some_and(|document| {
            let number = document.key.as_ref().map_or(0, |key| key.number);
            refused_subject(document.document_id, number) == subject
        }) {
            mended.push(hash);
        }
    }
    mended
        .into_iter()
        .try_for_each(|subject| finding::close(t, Some(&receipt.key.till), FindingKind::DocumentRefused, subject, now))
}

/// What the finding is about that a document was set aside: the document at its place on the till,
/// however its content changes.
fn refused_subject(document_id: i64, number: u64) -> String {
    format!("document {number} in row {document_id}")
}

/// Whether a subject is one of v0.1: the beginning of the hash of what was refused.
fn is_hash(subject: &str) -> bool {
    subject.len() == 16 && subject.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A document that was refused, by the beginning of its hash.
fn refused_document(t: &Connection, till: &TillId, hash: &str) -> rusqlite::Result<Option<v1::Document>> {
    let Ok(first) = u64::from_str_radix(hash, 16) else { return Ok(None) };
    let from = first.to_be_bytes();
    let to = first.saturating_add(1).to_be_bytes();
    let document: Option<Option<Vec<u8>>> = t
        .prepare_cached("SELECT document FROM refused WHERE till = ?1 AND content >= ?2 AND content < ?3 LIMIT 1")?
        .query_row(params![till.as_str(), from, to], |r| r.get(0))
        .optional()?;
    Ok(document.flatten().and_then(|bytes| v1::Document::decode(&bytes[..]).ok()))
}

fn touch<'a>(touched: &'a mut Touched, arrival: &Incoming, shift: ShiftKey) -> &'a mut Touch {
    touched
        .entry((arrival.till.clone(), shift))
        .or_insert_with(|| Touch { shop: arrival.shop.to_string(), numbers: Vec::new() })
}

/// The spool is loaded up to here, in the transaction of what was loaded.
pub(super) fn move_position(t: &Connection, server: ServerId, through: Position) -> rusqlite::Result<()> {
    t.prepare_cached(
        r#"INSERT INTO spool_position(server, segment, "offset") VALUES (?1, ?2, ?3)
           ON CONFLICT(server) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset""#,
    )?
    .execute(params![server.0.as_bytes(), row::number(through.segment), row::number(through.offset)])
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
    failed_payment: CachedStatement<'t>,
    card: CachedStatement<'t>,
    voucher: CachedStatement<'t>,
    tax: CachedStatement<'t>,
    bonus: CachedStatement<'t>,
}

impl<'t> Inserts<'t> {
    fn prepare(t: &'t Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            receipt: t.prepare_cached(
                "INSERT INTO receipt(till, shift, number, uuid, shop, document_id, doctype, cash_code, cashier, department,
                     time_beg, time_end, day, sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number,
                     fiscal_identifier, back_reason, lines, line_sum, content, received_at, opened, fiscal_copy, cash_type)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                     ?23, ?24, ?25, ?26, ?27, ?28, ?29)
                 ON CONFLICT(till, shift, opened, number, uuid) DO NOTHING",
            )?,
            there: t.prepare_cached(
                "SELECT id, content, time_end FROM receipt
                 WHERE till = ?1 AND shift = ?2 AND opened = ?3 AND number = ?4 AND uuid = ?5",
            )?,
            line: t.prepare_cached(
                "INSERT INTO line(receipt, voided, ordinal, position, item_code, barcode, opcode, quantity, price, sum_before,
                     discount, sum, time, confirmed_by, mark, additional_barcode, main_barcode)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            )?,
            discount: t.prepare_cached(
                "INSERT INTO discount(receipt, voided, line, ordinal, number, mode, type, size_thousandths, sum, base_sum,
                     card_number)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            payment: t.prepare_cached(
                "INSERT INTO payment(receipt, ordinal, opcode, type_code, sum, time, card_number, slip)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            failed_payment: t.prepare_cached(
                "INSERT INTO failed_payment(receipt, ordinal, opcode, type_code, sum, time, card_number, slip)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            card: t.prepare_cached("INSERT INTO card(receipt, ordinal, number) VALUES (?1, ?2, ?3)")?,
            voucher: t.prepare_cached(
                "INSERT INTO voucher(receipt, coupon, ordinal, number, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            tax: t.prepare_cached(
                "INSERT INTO tax(receipt, voided, line, ordinal, code, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            bonus: t.prepare_cached(
                "INSERT INTO bonus(receipt, voided, line, ordinal, amount, card_number) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
        })
    }

    /// The shift of a receipt. An agent of v0.1 tells only its number: it is where the receipt is
    /// already, else the one that was open when the receipt ended. Where none is known yet its
    /// record settles it ([`adopt`]).
    fn shift_of(&mut self, receipt: &Receipt, told: ShiftKey, known: &KnownOpenings) -> rusqlite::Result<ShiftKey> {
        if told.opened != Opened::NotTold {
            return Ok(told);
        }
        for opened in known.keys() {
            let there = ShiftKey { opened: *opened, ..told };
            if self.find(receipt, there)?.is_some_and(|(_, _, ended)| ended == receipt.ended.to_string()) {
                return Ok(there);
            }
        }
        let was_open = |(opened, closed): &(&Opened, &Option<DateTime>)| match opened {
            Opened::NotTold => false,
            Opened::Unknown => closed.is_none_or(|closed| receipt.ended <= closed),
            Opened::At(time) => *time <= receipt.ended && closed.is_none_or(|closed| receipt.ended <= closed),
        };
        let opened = known.iter().rev().find(was_open).map(|(opened, _)| *opened);
        Ok(ShiftKey { opened: opened.unwrap_or_default(), ..told })
    }

    /// The same receipt that stands under another opening of its shift's number goes to the one it
    /// is told to be of now: the POS changed the opening time, or nobody told it before. Gives the
    /// shifts that it left.
    ///
    /// It is the same where it ended at the same time, or where the shift was not told and the
    /// receipt may be of this one. Whatever else of it is different is told as of one that comes
    /// again under the same key.
    fn gather(
        &mut self,
        t: &Connection,
        receipt: &Receipt,
        shift: ShiftKey,
        known: &KnownOpenings,
    ) -> rusqlite::Result<Vec<ShiftKey>> {
        let mut left = Vec::new();
        if shift.opened == Opened::NotTold {
            return Ok(left);
        }
        for other in known.keys().filter(|other| **other != shift.opened) {
            let from = ShiftKey { opened: *other, ..shift };
            let Some((id, _, ended)) = self.find(receipt, from)? else { continue };
            let may_be = *other == Opened::NotTold
                && shift.opened.time().is_none_or(|time| ended.parse().is_ok_and(|ended: DateTime| ended >= time));
            if (ended == receipt.ended.to_string() || may_be) && self.find(receipt, shift)?.is_none() {
                t.prepare_cached("UPDATE receipt SET opened = ?2 WHERE id = ?1")?
                    .execute(params![id, row::opened_text(shift.opened)])?;
                left.push(from);
            }
        }
        Ok(left)
    }

    /// Id, content and end of this receipt in a shift, where it is there.
    fn find(&mut self, receipt: &Receipt, shift: ShiftKey) -> rusqlite::Result<Option<(i64, Vec<u8>, String)>> {
        let key = &receipt.key;
        let of = params![
            key.till.as_str(),
            row::number(shift.number.0),
            row::opened_text(shift.opened),
            row::number(key.number.0),
            key.uuid.as_bytes()
        ];
        self.there.query_row(of, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()
    }

    fn receipt(
        &mut self,
        t: &Connection,
        arrival: &Incoming,
        receipt: &Receipt,
        shift: ShiftKey,
    ) -> rusqlite::Result<Arrived> {
        let (key, document) = (&receipt.key, &receipt.document);
        let ended = receipt.ended.to_string();
        let inserted = self.receipt.execute(params![
            key.till.as_str(),
            row::number(shift.number.0),
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
            line_sum(document),
            receipt.content,
            arrival.received_at.as_millisecond(),
            row::opened_text(shift.opened),
            document.fiscal_copy,
            document.cash_type,
        ])?;
        if inserted > 0 {
            self.parts(t.last_insert_rowid(), document)?;
            return Ok(Arrived::New);
        }
        // What is there already goes in once more, as another receipt: then no key holds it off.
        fail::fail_point!("without::unique_key", |_| {
            let mut other = receipt.clone();
            other.key.uuid = uuid::Uuid::new_v4();
            self.receipt(t, arrival, &other, shift)
        });
        let there = self.find(receipt, shift)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        Ok(if receipt.is_content(&there.1) { Arrived::Same } else { Arrived::Conflicting })
    }

    fn parts(&mut self, id: i64, document: &v1::Document) -> rusqlite::Result<()> {
        for (voided, lines) in [(false, &document.lines), (true, &document.voided_lines)] {
            for (ordinal, line) in lines.iter().enumerate() {
                self.line(id, voided, row::index(ordinal), line)?;
            }
        }
        for (statement, payments) in
            [(&mut self.payment, &document.payments), (&mut self.failed_payment, &document.failed_payments)]
        {
            for (ordinal, payment) in payments.iter().enumerate() {
                statement.execute(params![
                    id,
                    row::index(ordinal),
                    payment.opcode,
                    payment.type_code,
                    payment.sum,
                    payment.time,
                    payment.card_number,
                    payment.slip
                ])?;
            }
        }
        for (coupon, vouchers) in [(false, &document.certificates), (true, &document.coupons)] {
            for (ordinal, voucher) in vouchers.iter().enumerate() {
                self.voucher.execute(params![id, coupon, row::index(ordinal), voucher.number, voucher.sum])?;
            }
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
            line.confirmed_by,
            line.mark,
            line.additional_barcode,
            line.main_barcode
        ])?;
        for (number, tax) in line.taxes.iter().enumerate() {
            self.tax.execute(params![id, voided, ordinal, row::index(number), tax.code, tax.sum])?;
        }
        for (number, bonus) in line.bonuses.iter().enumerate() {
            self.bonus.execute(params![id, voided, ordinal, row::index(number), bonus.amount, bonus.card_number])?;
        }
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

/// Numbers that stand for two receipts of a shift: all count, since each has a UUID of its own,
/// and somebody should know why. One finding a shift, and once more for each receipt that came to
/// another one of its number. `numbers`: all of the shift, in order; `new`: those that have just
/// come.
fn note_numbers_again(
    t: &Connection,
    (till, shift): (&TillId, ShiftKey),
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
                reason: FindingReason::NumbersAgain { number: number.0, shift: shift.to_string() },
                till: Some(till.clone()),
                shift: Some(shift),
                subject: check::numbers_subject(shift),
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
    let detail = refused.reason.clone();
    let found = if let Some(record) = &refused.shift {
        NewFinding {
            reason: FindingReason::ShiftRefused { shift: shift_key(record).to_string(), detail },
            till,
            shift: (record.number <= MAX_NUMBER).then(|| shift_key(record)),
            // One of a shift, however its record changes: a good one closes it.
            subject: shift::refused_subject(shift_key(record)),
            at: now,
        }
    } else {
        let key = refused.document.as_ref().and_then(|document| document.key.as_ref());
        let shift = key.map(|key| ShiftKey {
            number: ShiftNumber(key.shift),
            opened: Opened::from_wire(key.shift_opened.as_deref()).unwrap_or_default(),
        });
        let reason = match key.zip(shift) {
            Some((key, shift)) => {
                FindingReason::DocumentRefused { number: key.number, shift: shift.to_string(), detail }
            }
            None => FindingReason::RecordRefused { detail },
        };
        let row = refused.document.as_ref().map(|document| document.document_id).filter(|row| *row != 0);
        NewFinding {
            reason,
            till,
            shift: shift.filter(|shift| shift.number.0 <= MAX_NUMBER),
            subject: row.map_or_else(
                || hash.to_hex()[..16].to_owned(),
                |row| refused_subject(row, key.map_or(0, |key| key.number)),
            ),
            at: now,
        }
    };
    finding::add(t, &found)
}

fn conflict(receipt: &Receipt, shift: ShiftKey, now: Timestamp) -> NewFinding {
    NewFinding {
        reason: FindingReason::ReceiptConflict { number: receipt.key.number.0, shift: shift.to_string() },
        till: Some(receipt.key.till.clone()),
        shift: Some(shift),
        subject: receipt.key.to_string(),
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

pub(super) fn none_if_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
