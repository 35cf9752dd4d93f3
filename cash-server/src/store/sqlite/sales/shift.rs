//! Shifts: their records, and the list with their checks.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::io;
use tillway_proto::receipt::{ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{ShopId, TillId};

use super::{check, finding, row};
use crate::sales::check::{Counted, Outcome, Verdict};
use crate::sales::receipt::ShiftRecord;
use crate::store::sales::{FindingKind, FindingReason, NewFinding, Page, ShiftDetails, ShiftFilter, ShiftView};

/// Takes a shift's record; a closed one is never replaced by an open one. Whether anything
/// changed.
pub(super) fn upsert(
    t: &Connection,
    record: &ShiftRecord,
    received_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let shift = &record.shift;
    // One whose opening time did not read is found by its number alone.
    for mended in [record.key(), ShiftKey::not_told(record.number)] {
        finding::close(t, Some(&record.till), FindingKind::ShiftRefused, &refused_subject(mended), now)?;
    }
    let opened = row::opened_text(record.key().opened);
    let key = params![record.till.as_str(), row::number(record.number.0), opened];
    let before = t
        .prepare_cached(
            "SELECT time_end, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum
             FROM shift WHERE till = ?1 AND number = ?2 AND opened = ?3",
        )?
        .query_row(key, |r| Ok((r.get::<_, Option<String>>(0)?, check::counted(r, 1)?)))
        .optional()?;
    let ended = record.ended.map(|time| time.to_string());
    if let Some((Some(closed), recorded)) = &before {
        if ended.is_none() {
            return Ok(false);
        }
        if ended.as_deref() != Some(closed) || *recorded != record.recorded {
            finding::add(t, &changed(record, closed, *recorded, now))?;
        }
    }
    let changed = t
        .prepare_cached(
            "INSERT INTO shift(till, number, cash_code, shop_code, cashier, opened, time_end, first_number, last_number,
                 recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum, recorded_sale_cash,
                 recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum, counted_refund_sum,
                 counted_documents, unfinished_documents, received_at, closed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23, CASE WHEN ?7 IS NULL THEN NULL ELSE ?23 END)
             ON CONFLICT(till, number, opened) DO UPDATE SET (cash_code, shop_code, cashier, time_end, first_number,
                 last_number, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum,
                 recorded_sale_cash, recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum,
                 counted_refund_sum, counted_documents, unfinished_documents, received_at, closed_at) =
                 (?3, ?4, ?5, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23, coalesce(closed_at, excluded.closed_at))
             WHERE (cash_code, shop_code, cashier, time_end, first_number,
                 last_number, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum,
                 recorded_sale_cash, recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum,
                 counted_refund_sum, counted_documents, unfinished_documents) IS NOT
                 (?3, ?4, ?5, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
        )?
        .execute(params![
            record.till.as_str(),
            row::number(record.number.0),
            shift.cash_code,
            shift.shop_code,
            shift.cashier,
            opened,
            ended,
            row::number(shift.first_number),
            row::number(shift.last_number),
            shift.recorded_sales,
            shift.recorded_refunds,
            shift.recorded_sale_sum,
            shift.recorded_refund_sum,
            shift.drawer_sum,
            shift.recorded_sale_cash,
            shift.recorded_sale_noncash,
            shift.counted_sales,
            shift.counted_refunds,
            shift.counted_sale_sum,
            shift.counted_refund_sum,
            shift.counted_documents,
            shift.unfinished_documents,
            received_at.as_millisecond(),
        ])?
        > 0;
    for user in &shift.users {
        t.prepare_cached(
            "INSERT INTO shift_user(till, shift, opened, code, name) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(till, shift, opened, code) DO UPDATE SET name = excluded.name",
        )?
        .execute(params![record.till.as_str(), row::number(record.number.0), opened, user.code, user.name])?;
    }
    for register in &shift.registers {
        t.prepare_cached(
            "INSERT INTO shift_register(till, shift, opened, serial_number, cash_at_end, protected_at_begin, protected_at_end,
                 returned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT(till, shift, opened, serial_number) DO UPDATE SET
                 (cash_at_end, protected_at_begin, protected_at_end, returned) = (?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            record.till.as_str(),
            row::number(record.number.0),
            opened,
            register.serial_number,
            register.cash_at_end,
            register.protected_at_begin,
            register.protected_at_end,
            register.returned
        ])?;
    }
    Ok(changed)
}

/// What the finding is about that a shift's record was refused.
pub(super) fn refused_subject(shift: ShiftKey) -> String {
    format!("record of shift {shift}")
}

pub(super) fn people_and_registers(c: &Connection, till: &TillId, shift: ShiftKey) -> rusqlite::Result<ShiftDetails> {
    let key = params![till.as_str(), row::number(shift.number.0), row::opened_text(shift.opened)];
    let users = c
        .prepare_cached(
            "SELECT code, name FROM shift_user WHERE till = ?1 AND shift = ?2 AND opened = ?3 ORDER BY code",
        )?
        .query_map(key, |r| Ok(v1::User { code: r.get(0)?, name: r.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let registers = c
        .prepare_cached(
            "SELECT serial_number, cash_at_end, protected_at_begin, protected_at_end, returned FROM shift_register
             WHERE till = ?1 AND shift = ?2 AND opened = ?3 ORDER BY serial_number",
        )?
        .query_map(key, |r| {
            Ok(v1::Register {
                serial_number: r.get(0)?,
                cash_at_end: r.get(1)?,
                protected_at_begin: r.get(2)?,
                protected_at_end: r.get(3)?,
                returned: r.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ShiftDetails { users, registers })
}

fn changed(record: &ShiftRecord, closed: &str, before: Counted, now: Timestamp) -> NewFinding {
    let after = record.recorded;
    NewFinding {
        reason: FindingReason::ShiftChanged {
            shift: record.key().to_string(),
            closed: closed.to_owned(),
            sales_before: before.sales,
            sale_sum_before: before.sale_sum.to_string(),
            sales: after.sales,
            sale_sum: after.sale_sum.to_string(),
            refunds_before: before.refunds,
            refund_sum_before: before.refund_sum.to_string(),
            refunds: after.refunds,
            refund_sum: after.refund_sum.to_string(),
        },
        till: Some(record.till.clone()),
        shift: Some(record.key()),
        subject: check::subject(record.key()),
        at: now,
    }
}

const VIEW: &str =
    "SELECT c.till, c.shop, c.shift, coalesce(nullif(s.opened, ''), c.first_time), s.time_end, s.cashier, s.cash_code,
        s.recorded_sales, s.recorded_refunds, s.recorded_sale_sum, s.recorded_refund_sum,
        s.counted_sales, s.counted_refunds, s.counted_sale_sum, s.counted_refund_sum, s.counted_documents,
        c.server_sales, c.server_refunds, c.server_sale_sum, c.server_refund_sum, c.server_documents,
        c.outcome, c.checked_at, c.changes, c.handed_over, s.till IS NOT NULL, c.opened
    FROM shift_check c LEFT JOIN shift s ON s.till = c.till AND s.number = c.shift AND s.opened = c.opened";

pub(super) fn shifts(c: &Connection, filter: &ShiftFilter, page: Page) -> rusqlite::Result<Vec<ShiftView>> {
    let (limit, offset) = row::window(page);
    let text = |value: Option<&str>| value.map(str::to_owned);
    let asked = [
        ("c.till =", text(filter.till.as_ref().map(TillId::as_str))),
        ("c.shop =", text(filter.shop.as_ref().map(ShopId::as_str))),
        ("c.verdict =", text(filter.verdict.map(Verdict::as_str))),
        ("c.day >=", filter.from_day.map(|day| day.to_string())),
        ("c.day <=", filter.to_day.map(|day| day.to_string())),
    ];
    // Only the conditions that are asked for: one that may be absent keeps every index from being
    // used.
    let mut conditions = vec!["c.day > ''".to_owned()];
    let mut values: Vec<&dyn ToSql> = vec![&limit, &offset];
    for (condition, value) in &asked {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ?{}", values.len()));
        }
    }
    let conditions = conditions.join(" AND ");
    let sql = format!(
        "{VIEW} WHERE {conditions} ORDER BY c.day DESC, c.till DESC, c.shift DESC, c.opened DESC LIMIT ?1 OFFSET ?2"
    );
    c.prepare_cached(&sql)?.query_map(&values[..], view)?.collect()
}

pub(super) fn not_handed_over(c: &Connection, page: Page) -> rusqlite::Result<Vec<ShiftView>> {
    let (limit, offset) = row::window(page);
    // One whose record has not come, or that was left open, is handed over all the same once it
    // has waited: its receipts were sold.
    let sql = format!(
        "{VIEW} WHERE (s.time_end IS NOT NULL OR c.verdict = 'differs')
             AND c.handed_over < c.changes ORDER BY c.day, c.till, c.shift, c.opened LIMIT ?1 OFFSET ?2"
    );
    c.prepare_cached(&sql)?.query_map(params![limit, offset], view)?.collect()
}

fn view(r: &Row<'_>) -> rusqlite::Result<ShiftView> {
    let recorded: bool = r.get(25)?;
    let outcome: String = r.get(21)?;
    let outcome: Outcome = serde_json::from_str(&outcome).map_err(|error| row::wrong(21, io::Error::other(error)))?;
    Ok(ShiftView {
        till: row::parsed(r, 0)?,
        shop: row::parsed(r, 1)?,
        number: ShiftNumber(row::unsigned(r, 2)?),
        opened: row::opened(r, 26)?,
        began: row::optional(r, 3)?,
        ended: row::optional(r, 4)?,
        cashier: r.get(5)?,
        cash_code: r.get(6)?,
        recorded: recorded.then(|| check::counted(r, 7)).transpose()?,
        till_counted: recorded.then(|| check::counted(r, 11)).transpose()?,
        till_documents: r.get(15)?,
        server: check::counted(r, 16)?,
        server_documents: r.get(20)?,
        outcome,
        checked_at: row::instant(r, 22)?,
        changes: r.get(23)?,
        handed_over: r.get(24)?,
    })
}
