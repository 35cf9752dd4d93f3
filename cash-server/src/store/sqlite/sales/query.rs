//! What page, REST, command line and back office read.

use prost::Message as _;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey};
use tillway_proto::sales::v1;

use super::row;
use crate::store::sales::{KeptReceipt, KeptRefused, Page, ReceiptId, ReceiptView, Refused, TillSales};
use crate::store::sqlite::dictionary::time;
use crate::words::Reason;

pub(super) fn receipts(
    c: &Connection,
    till: &TillId,
    shift: ShiftKey,
    page: Page,
) -> rusqlite::Result<Vec<ReceiptView>> {
    let (limit, offset) = row::window(page);
    let (till, number, opened) = (till.as_str(), row::number(shift.number.0), row::opened_text(shift.opened));
    let mut values: Vec<&dyn ToSql> = vec![&till, &number, &limit, &offset];
    // Nobody told when it was opened: all shifts of that number, one after the other.
    let only = if shift.opened == Opened::NotTold { "" } else { "AND opened = ?5" };
    if shift.opened != Opened::NotTold {
        values.push(&opened);
    }
    c.prepare_cached(&format!(
        "SELECT number, uuid, doctype, time_end, sum, discount, cashier, lines, fiscal_number, received_at, opened
         FROM receipt WHERE till = ?1 AND shift = ?2 {only} ORDER BY opened, number, id LIMIT ?3 OFFSET ?4",
    ))?
    .query_map(&values[..], view)?
    .collect()
}

/// A receipt in a list: number, uuid, type, end, sum, discount, cashier, lines, fiscal number,
/// arrival, opening of its shift.
pub(super) fn view(r: &Row<'_>) -> rusqlite::Result<ReceiptView> {
    Ok(ReceiptView {
        shift_opened: row::opened(r, 10)?.time(),
        number: DocumentNumber(row::unsigned(r, 0)?),
        uuid: row::uuid(r, 1)?,
        doctype: r.get(2)?,
        ended: row::parsed(r, 3)?,
        sum: row::kopecks(r, 4)?,
        discount: row::kopecks(r, 5)?,
        cashier: r.get(6)?,
        lines: r.get(7)?,
        fiscal_number: r.get(8)?,
        received_at: row::instant(r, 9)?,
    })
}

/// Where a shift of one number was opened twice, the receipt that came last.
pub(super) fn receipt(c: &Connection, id: &ReceiptId) -> rusqlite::Result<Option<KeptReceipt>> {
    let kept = c
        .prepare_cached(
            "SELECT opened, shop, received_at FROM receipt WHERE till = ?1 AND shift = ?2 AND number = ?3 AND uuid = ?4
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row(
            params![id.till.as_str(), row::number(id.shift.0), row::number(id.number.0), id.uuid.as_bytes()],
            |r| Ok((row::opened(r, 0)?, row::parsed(r, 1)?, row::instant(r, 2)?)),
        )
        .optional()?;
    let Some((opened, shop, received_at)) = kept else { return Ok(None) };
    let shift = ShiftKey { number: id.shift, opened };
    let documents = documents(c, &id.till, shift, Page { offset: 0, limit: 1 }, Some(id))?;
    Ok(documents.into_iter().next().map(|document| KeptReceipt { shop, received_at, document }))
}

pub(super) fn documents(
    c: &Connection,
    till: &TillId,
    shift: ShiftKey,
    page: Page,
    one: Option<&ReceiptId>,
) -> rusqlite::Result<Vec<v1::Document>> {
    let (limit, offset) = row::window(page);
    let (of, shift_number, opened) = (till.as_str(), row::number(shift.number.0), row::opened_text(shift.opened));
    let key = one.map(|id| (row::number(id.number.0), id.uuid.as_bytes()));
    let mut values: Vec<&dyn ToSql> = vec![&of, &shift_number, &limit, &offset, &opened];
    let only = if key.is_some() { "AND number = ?6 AND uuid = ?7" } else { "" };
    if let Some((number, uuid)) = &key {
        values.extend([number as &dyn ToSql, uuid]);
    }
    let found = c
        .prepare_cached(&format!(
            "SELECT id, number, uuid, document_id, doctype, cash_code, cashier, department, coalesce(time_beg, ''), time_end,
                 sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number, fiscal_identifier, back_reason,
                 fiscal_copy, cash_type
             FROM receipt WHERE till = ?1 AND shift = ?2 AND opened = ?5 {only} ORDER BY number, id LIMIT ?3 OFFSET ?4",
        ))?
        .query_map(&values[..], |r| {
            Ok((r.get::<_, i64>(0)?, document(r, till, shift)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found
        .into_iter()
        .map(|(id, mut document)| {
            document.lines = lines(c, id, false)?;
            document.voided_lines = lines(c, id, true)?;
            document.payments = payments(c, "payment", id)?;
            document.failed_payments = payments(c, "failed_payment", id)?;
            document.certificates = vouchers(c, id, false)?;
            document.coupons = vouchers(c, id, true)?;
            document.cards = c
                .prepare_cached("SELECT number FROM card WHERE receipt = ?1 ORDER BY ordinal")?
                .query_map([id], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(document)
        })
        .collect()
}

fn document(r: &Row<'_>, till: &TillId, shift: ShiftKey) -> rusqlite::Result<v1::Document> {
    Ok(v1::Document {
        key: Some(v1::ReceiptKey {
            till_id: till.to_string(),
            shift: shift.number.0,
            number: row::unsigned(r, 1)?,
            uuid: r.get(2)?,
            shift_opened: shift.opened.to_wire(),
        }),
        document_id: r.get(3)?,
        doctype: r.get(4)?,
        cash_code: r.get(5)?,
        cashier: r.get(6)?,
        department: r.get(7)?,
        time_beg: r.get(8)?,
        time_end: r.get(9)?,
        sum_before: r.get(10)?,
        discount: r.get(11)?,
        sum: r.get(12)?,
        vat: r.get(13)?,
        identifier: r.get(14)?,
        source_identifier: r.get(15)?,
        fiscal_number: r.get(16)?,
        fiscal_identifier: r.get(17)?,
        back_reason: r.get(18)?,
        fiscal_copy: r.get(19)?,
        cash_type: r.get(20)?,
        ..v1::Document::default()
    })
}

fn lines(c: &Connection, receipt: i64, voided: bool) -> rusqlite::Result<Vec<v1::Line>> {
    let mut lines = c
        .prepare_cached(
            "SELECT position, item_code, barcode, opcode, quantity, price, sum_before, discount, sum, time, confirmed_by,
                 mark, additional_barcode, main_barcode
             FROM line WHERE receipt = ?1 AND voided = ?2 ORDER BY ordinal",
        )?
        .query_map(params![receipt, voided], |r| {
            Ok(v1::Line {
                position: r.get(0)?,
                item_code: r.get(1)?,
                barcode: r.get(2)?,
                opcode: r.get(3)?,
                quantity: r.get(4)?,
                price: r.get(5)?,
                sum_before: r.get(6)?,
                discount: r.get(7)?,
                sum: r.get(8)?,
                time: r.get(9)?,
                confirmed_by: r.get(10)?,
                mark: r.get(11)?,
                additional_barcode: r.get(12)?,
                main_barcode: r.get(13)?,
                ..v1::Line::default()
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut statement = c.prepare_cached(
        "SELECT line, number, mode, type, size_thousandths, sum, base_sum, card_number
         FROM discount WHERE receipt = ?1 AND voided = ?2 ORDER BY line, ordinal",
    )?;
    let mut rows = statement.query(params![receipt, voided])?;
    while let Some(r) = rows.next()? {
        let discount = v1::Discount {
            number: r.get(1)?,
            mode: r.get(2)?,
            r#type: r.get(3)?,
            size_thousandths: r.get(4)?,
            sum: r.get(5)?,
            base_sum: r.get(6)?,
            card_number: r.get(7)?,
        };
        if let Some(line) = lines.get_mut(place(r)?) {
            line.discounts.push(discount);
        }
    }
    let mut statement =
        c.prepare_cached("SELECT line, code, sum FROM tax WHERE receipt = ?1 AND voided = ?2 ORDER BY line, ordinal")?;
    let mut rows = statement.query(params![receipt, voided])?;
    while let Some(r) = rows.next()? {
        let tax = v1::Tax { code: r.get(1)?, sum: r.get(2)? };
        if let Some(line) = lines.get_mut(place(r)?) {
            line.taxes.push(tax);
        }
    }
    let mut statement = c.prepare_cached(
        "SELECT line, amount, card_number FROM bonus WHERE receipt = ?1 AND voided = ?2 ORDER BY line, ordinal",
    )?;
    let mut rows = statement.query(params![receipt, voided])?;
    while let Some(r) = rows.next()? {
        let bonus = v1::Bonus { amount: r.get(1)?, card_number: r.get(2)? };
        if let Some(line) = lines.get_mut(place(r)?) {
            line.bonuses.push(bonus);
        }
    }
    Ok(lines)
}

/// The place of a line, in the first column.
fn place(r: &Row<'_>) -> rusqlite::Result<usize> {
    Ok(usize::try_from(row::unsigned(r, 0)?).unwrap_or(usize::MAX))
}

fn vouchers(c: &Connection, receipt: i64, coupon: bool) -> rusqlite::Result<Vec<v1::Voucher>> {
    c.prepare_cached("SELECT number, sum FROM voucher WHERE receipt = ?1 AND coupon = ?2 ORDER BY ordinal")?
        .query_map(params![receipt, coupon], |r| Ok(v1::Voucher { number: r.get(0)?, sum: r.get(1)? }))?
        .collect()
}

fn payments(c: &Connection, table: &str, receipt: i64) -> rusqlite::Result<Vec<v1::Payment>> {
    c.prepare_cached(&format!(
        "SELECT opcode, type_code, sum, time, card_number, slip FROM {table} WHERE receipt = ?1 ORDER BY ordinal",
    ))?
    .query_map([receipt], |r| {
        Ok(v1::Payment {
            opcode: r.get(0)?,
            type_code: r.get(1)?,
            sum: r.get(2)?,
            time: r.get(3)?,
            card_number: r.get(4)?,
            slip: r.get(5)?,
        })
    })?
    .collect()
}

pub(super) fn till_states(c: &Connection) -> rusqlite::Result<Vec<TillSales>> {
    c.prepare_cached(
        "SELECT t.till, t.shop, t.instance, t.agent_version, t.last_stream_at, t.last_received_at, t.last_receipt_time,
             (SELECT count(*) FROM finding f WHERE f.till = t.till AND f.resolved_at IS NULL)
         FROM till t ORDER BY t.shop, t.till",
    )?
    .query_map((), |r| {
        Ok(TillSales {
            till: row::parsed(r, 0)?,
            shop: row::parsed(r, 1)?,
            instance: r.get(2)?,
            agent_version: r.get(3)?,
            last_stream_at: row::optional_instant(r, 4)?,
            last_received_at: row::optional_instant(r, 5)?,
            last_receipt_time: row::optional(r, 6)?,
            open_findings: r.get(7)?,
        })
    })?
    .collect()
}

/// What was refused of a till: documents of one row of its database, or records of shifts. Of each
/// till so few are kept that they are looked through.
pub(super) fn refused(
    c: &Connection,
    till: &TillId,
    document: Option<i64>,
    limit: u32,
) -> rusqlite::Result<Vec<KeptRefused>> {
    let sql = "SELECT reason, document, shift_record, received_at FROM refused WHERE till = ?1 ORDER BY id DESC";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([till.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // What does not read is in the list of what lies aside all the same, without its content.
        let read = |column| row.get::<_, Option<Vec<u8>>>(column);
        let of_document = read(1)?.and_then(|bytes| v1::Document::decode(&bytes[..]).ok());
        let shift = read(2)?.and_then(|bytes| v1::Shift::decode(&bytes[..]).ok());
        let is_meant = match document {
            Some(row) => of_document.as_ref().is_some_and(|document| document.document_id == row),
            None => shift.is_some(),
        };
        if is_meant {
            let reason = Reason::stored(&row.get::<_, String>(0)?);
            let refused = Refused { document: of_document, shift, reason };
            found.push(KeptRefused { refused, received_at: time(row.get(3)?) });
        }
        if found.len() >= limit as usize {
            break;
        }
    }
    Ok(found)
}
