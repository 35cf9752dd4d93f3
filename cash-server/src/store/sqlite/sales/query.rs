//! What page, REST, command line and back office read.

use rusqlite::{Connection, Row, params};
use tillway_proto::receipt::{DocumentNumber, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{ShopId, TillId};

use super::{check, row};
use crate::store::sales::{Page, ReceiptView, TillSales, TotalsBy, TotalsFilter, TotalsRow};

pub(super) fn totals(c: &Connection, filter: &TotalsFilter, by: TotalsBy) -> rusqlite::Result<Vec<TotalsRow>> {
    let (key, group) = match by {
        TotalsBy::All => ("''", ""),
        TotalsBy::Till => ("till", "GROUP BY till ORDER BY till"),
        TotalsBy::Shop => ("shop", "GROUP BY shop ORDER BY shop"),
        TotalsBy::Day => ("day", "GROUP BY day ORDER BY day"),
    };
    let sql = format!(
        "SELECT {key}, count(*), count(*) FILTER (WHERE doctype = 1), count(*) FILTER (WHERE doctype <> 1),
             coalesce(sum(sum) FILTER (WHERE doctype = 1), 0), coalesce(sum(sum) FILTER (WHERE doctype <> 1), 0),
             coalesce(sum(lines), 0), coalesce(sum(line_sum) FILTER (WHERE doctype = 1), 0)
         FROM receipt
         WHERE doctype IN (1, 2, 25) AND (?1 IS NULL OR till = ?1) AND (?2 IS NULL OR shop = ?2)
             AND (?3 IS NULL OR day >= ?3) AND (?4 IS NULL OR day <= ?4)
         {group}"
    );
    c.prepare_cached(&sql)?
        .query_map(
            params![
                filter.till.as_ref().map(TillId::as_str),
                filter.shop.as_ref().map(ShopId::as_str),
                filter.from.map(|day| day.to_string()),
                filter.to.map(|day| day.to_string()),
            ],
            |r| {
                Ok(TotalsRow {
                    key: r.get(0)?,
                    receipts: r.get(1)?,
                    counted: check::counted(r, 2)?,
                    lines: r.get(6)?,
                    line_sum: row::kopecks(r, 7)?,
                })
            },
        )?
        .collect()
}

pub(super) fn receipts(
    c: &Connection,
    till: &TillId,
    shift: ShiftNumber,
    page: Page,
) -> rusqlite::Result<Vec<ReceiptView>> {
    let (limit, offset) = row::window(page);
    c.prepare_cached(
        "SELECT number, uuid, doctype, time_end, sum, discount, cashier, lines, fiscal_number, received_at
         FROM receipt WHERE till = ?1 AND shift = ?2 ORDER BY number, id LIMIT ?3 OFFSET ?4",
    )?
    .query_map(params![till.as_str(), row::number(shift.0), limit, offset], |r| {
        Ok(ReceiptView {
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
    })?
    .collect()
}

pub(super) fn documents(
    c: &Connection,
    till: &TillId,
    shift: ShiftNumber,
    page: Page,
) -> rusqlite::Result<Vec<v1::Document>> {
    let (limit, offset) = row::window(page);
    let found = c
        .prepare_cached(
            "SELECT id, number, uuid, document_id, doctype, cash_code, cashier, department, coalesce(time_beg, ''), time_end,
                 sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number, fiscal_identifier, back_reason
             FROM receipt WHERE till = ?1 AND shift = ?2 ORDER BY number, id LIMIT ?3 OFFSET ?4",
        )?
        .query_map(params![till.as_str(), row::number(shift.0), limit, offset], |r| {
            Ok((r.get::<_, i64>(0)?, document(r, till, shift)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found
        .into_iter()
        .map(|(id, mut document)| {
            document.lines = lines(c, id, false)?;
            document.voided_lines = lines(c, id, true)?;
            document.payments = payments(c, id)?;
            document.cards = c
                .prepare_cached("SELECT number FROM card WHERE receipt = ?1 ORDER BY ordinal")?
                .query_map([id], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(document)
        })
        .collect()
}

fn document(r: &Row<'_>, till: &TillId, shift: ShiftNumber) -> rusqlite::Result<v1::Document> {
    Ok(v1::Document {
        key: Some(v1::ReceiptKey {
            till_id: till.to_string(),
            shift: shift.0,
            number: row::unsigned(r, 1)?,
            uuid: r.get(2)?,
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
        ..v1::Document::default()
    })
}

fn lines(c: &Connection, receipt: i64, voided: bool) -> rusqlite::Result<Vec<v1::Line>> {
    let mut lines = c
        .prepare_cached(
            "SELECT position, item_code, barcode, opcode, quantity, price, sum_before, discount, sum, time, confirmed_by
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
                discounts: Vec::new(),
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
        let line = usize::try_from(row::unsigned(r, 0)?).unwrap_or(usize::MAX);
        if let Some(line) = lines.get_mut(line) {
            line.discounts.push(discount);
        }
    }
    Ok(lines)
}

fn payments(c: &Connection, receipt: i64) -> rusqlite::Result<Vec<v1::Payment>> {
    c.prepare_cached(
        "SELECT opcode, type_code, sum, time, card_number FROM payment WHERE receipt = ?1 ORDER BY ordinal",
    )?
    .query_map([receipt], |r| {
        Ok(v1::Payment {
            opcode: r.get(0)?,
            type_code: r.get(1)?,
            sum: r.get(2)?,
            time: r.get(3)?,
            card_number: r.get(4)?,
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
