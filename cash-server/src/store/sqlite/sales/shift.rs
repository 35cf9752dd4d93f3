//! Shifts: their records, and the list with their checks.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::io;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1;
use tillway_proto::{ShopId, TillId};

use super::load::none_if_empty;
use super::{check, finding, row};
use crate::sales::check::{Counted, Outcome, Verdict};
use crate::sales::receipt::ShiftRecord;
use crate::store::sales::{FindingKind, NewFinding, Page, ShiftFilter, ShiftView};

/// Takes a shift's record; a closed one is never replaced by an open one. Whether anything changed.
pub(super) fn upsert(
    t: &Connection,
    record: &ShiftRecord,
    received_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let shift = &record.shift;
    finding::close(t, Some(&record.till), FindingKind::ShiftRefused, &refused_subject(record.number), now)?;
    let key = params![record.till.as_str(), row::number(record.number.0)];
    let before = t
        .prepare_cached(
            "SELECT time_end, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum
             FROM shift WHERE till = ?1 AND number = ?2",
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
            "INSERT INTO shift(till, number, cash_code, shop_code, cashier, time_beg, time_end, first_number, last_number,
                 recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum, recorded_sale_cash,
                 recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum, counted_refund_sum,
                 counted_documents, unfinished_documents, received_at, closed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23, CASE WHEN ?7 IS NULL THEN NULL ELSE ?23 END)
             ON CONFLICT(till, number) DO UPDATE SET (cash_code, shop_code, cashier, time_beg, time_end, first_number,
                 last_number, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum,
                 recorded_sale_cash, recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum,
                 counted_refund_sum, counted_documents, unfinished_documents, received_at, closed_at) =
                 (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23, coalesce(closed_at, excluded.closed_at))
             WHERE (cash_code, shop_code, cashier, time_beg, time_end, first_number,
                 last_number, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum,
                 recorded_sale_cash, recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum,
                 counted_refund_sum, counted_documents, unfinished_documents) IS NOT
                 (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
        )?
        .execute(params![
            record.till.as_str(),
            row::number(record.number.0),
            shift.cash_code,
            shift.shop_code,
            shift.cashier,
            none_if_empty(&shift.time_beg),
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
            "INSERT INTO shift_user(till, shift, code, name) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT(till, shift, code) DO UPDATE SET name = excluded.name",
        )?
        .execute(params![record.till.as_str(), row::number(record.number.0), user.code, user.name])?;
    }
    Ok(changed)
}

/// What the finding is about that a shift's record was refused.
pub(super) fn refused_subject(shift: ShiftNumber) -> String {
    format!("record of shift {shift}")
}

pub(super) fn users(c: &Connection, till: &TillId, shift: ShiftNumber) -> rusqlite::Result<Vec<v1::User>> {
    c.prepare_cached("SELECT code, name FROM shift_user WHERE till = ?1 AND shift = ?2 ORDER BY code")?
        .query_map(params![till.as_str(), row::number(shift.0)], |r| Ok(v1::User { code: r.get(0)?, name: r.get(1)? }))?
        .collect()
}

fn changed(record: &ShiftRecord, closed: &str, before: Counted, now: Timestamp) -> NewFinding {
    let after = record.recorded;
    NewFinding {
        kind: FindingKind::ShiftChanged,
        till: Some(record.till.clone()),
        shift: Some(record.number),
        subject: format!("shift {}", record.number),
        text: format!(
            "the record of shift {}, closed {closed}, came again with other figures: sales {} for {} before, {} for {} now; \
             refunds {} for {} before, {} for {} now; the newer one was taken",
            record.number,
            before.sales,
            before.sale_sum,
            after.sales,
            after.sale_sum,
            before.refunds,
            before.refund_sum,
            after.refunds,
            after.refund_sum,
        ),
        at: now,
    }
}

const VIEW: &str =
    "SELECT c.till, c.shop, c.shift, coalesce(s.time_beg, c.first_time), s.time_end, s.cashier, s.cash_code,
        s.recorded_sales, s.recorded_refunds, s.recorded_sale_sum, s.recorded_refund_sum,
        s.counted_sales, s.counted_refunds, s.counted_sale_sum, s.counted_refund_sum, s.counted_documents,
        c.server_sales, c.server_refunds, c.server_sale_sum, c.server_refund_sum, c.server_documents,
        c.outcome, c.checked_at, c.changes, c.handed_over, s.till IS NOT NULL
    FROM shift_check c LEFT JOIN shift s ON s.till = c.till AND s.number = c.shift";

pub(super) fn shifts(c: &Connection, filter: &ShiftFilter, page: Page) -> rusqlite::Result<Vec<ShiftView>> {
    let (limit, offset) = row::window(page);
    let sql = format!(
        "{VIEW} WHERE (?1 IS NULL OR c.till = ?1) AND (?2 IS NULL OR c.shop = ?2) AND (?3 IS NULL OR c.verdict = ?3)
             AND (?4 IS NULL OR c.day >= ?4) AND (?5 IS NULL OR c.day <= ?5)
         ORDER BY c.day DESC, c.till, c.shift DESC LIMIT ?6 OFFSET ?7"
    );
    c.prepare_cached(&sql)?
        .query_map(
            params![
                filter.till.as_ref().map(TillId::as_str),
                filter.shop.as_ref().map(ShopId::as_str),
                filter.verdict.map(Verdict::as_str),
                filter.from_day.map(|day| day.to_string()),
                filter.to_day.map(|day| day.to_string()),
                limit,
                offset
            ],
            view,
        )?
        .collect()
}

pub(super) fn not_handed_over(c: &Connection, page: Page) -> rusqlite::Result<Vec<ShiftView>> {
    let (limit, offset) = row::window(page);
    let sql = format!(
        "{VIEW} WHERE s.time_end IS NOT NULL AND c.handed_over < c.changes ORDER BY c.day, c.till, c.shift LIMIT ?1 OFFSET ?2"
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
