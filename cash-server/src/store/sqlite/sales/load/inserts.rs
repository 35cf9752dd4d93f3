//! Receipts with all their parts, into their tables.

use super::super::row;
use super::{KnownOpenings, none_if_empty};
use crate::sales::receipt::{Receipt, line_sum};
use crate::store::sales::Incoming;
use jiff::civil::DateTime;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use tillway_proto::receipt::{Opened, ShiftKey};
use tillway_proto::sales::v1;

pub(super) enum Arrived {
    New,
    Same,
    Conflicting,
}

/// The statements that receipts go in by, prepared once for a load.
pub(super) struct Inserts<'t> {
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
    pub(super) fn prepare(t: &'t Connection) -> rusqlite::Result<Self> {
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
    /// record settles it ([`adopt`](super::adopt)).
    pub(super) fn shift_of(
        &mut self,
        receipt: &Receipt,
        told: ShiftKey,
        known: &KnownOpenings,
    ) -> rusqlite::Result<ShiftKey> {
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
    pub(super) fn gather(
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

    pub(super) fn receipt(
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
