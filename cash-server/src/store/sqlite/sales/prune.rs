//! Old receipts go, shift by shift, in small steps.
//!
//! **Architecture invariant** (I2): of each receipt that goes its key stays. A till may have it
//! still and send it again, by itself or because its agent looks back; it is the same receipt
//! then, and not a new one.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, params};
use tillway_proto::TillId;
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};

use super::total::{Counts, Totals};
use super::{check, row};
use crate::sales::receipt::{Receipt, ShiftRecord};

/// The shifts of one number of which receipts were deleted: mostly none.
pub(super) struct Pruned(Vec<(i64, Opened)>);

impl Pruned {
    /// Looks which of these there are.
    pub(super) fn of(t: &Connection, till: &TillId, number: ShiftNumber) -> rusqlite::Result<Self> {
        t.prepare_cached("SELECT id, opened FROM pruned_shift WHERE till = ?1 AND number = ?2")?
            .query_map(params![till.as_str(), row::number(number.0)], |r| Ok((r.get(0)?, row::opened(r, 1)?)))?
            .collect::<rusqlite::Result<_>>()
            .map(Self)
    }

    /// Whether this receipt was here and was deleted: it has the key of one, or the number, UUID
    /// and end of one in a shift that was opened at another time.
    pub(super) fn has(&self, t: &Connection, receipt: &Receipt) -> rusqlite::Result<bool> {
        for (shift, opened) in &self.0 {
            let sql = "SELECT EXISTS(SELECT 1 FROM pruned_receipt
                           WHERE shift = ?1 AND number = ?2 AND uuid = ?3 AND (?4 OR time_end = ?5))";
            let values = params![
                shift,
                row::number(receipt.key.number.0),
                receipt.key.uuid.as_bytes(),
                *opened == receipt.key.shift.opened,
                receipt.ended.to_string()
            ];
            if t.prepare_cached(sql)?.query_row(values, |r| r.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether this shift was deleted, and no receipt has come since that its record could be of.
pub(super) fn is_pruned(t: &Connection, record: &ShiftRecord) -> rusqlite::Result<bool> {
    t.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM pruned_shift WHERE till = ?1 AND number = ?2 AND opened = ?3)
             AND NOT EXISTS(SELECT 1 FROM receipt WHERE till = ?1 AND shift = ?2 AND opened IN (?3, ?4))",
    )?
    .query_row(
        params![
            record.till.as_str(),
            row::number(record.number.0),
            row::opened_text(record.key().opened),
            row::NOT_TOLD
        ],
        |r| r.get(0),
    )
}

/// The oldest shift that may go as a whole: opened before the day, none of its receipts younger
/// than the day by their own time or by arrival (a till with a wrong clock must not lose what it
/// has just sent), and handed over where that is asked for.
fn oldest(
    t: &Connection,
    day: &str,
    arrived: i64,
    only_handed_over: bool,
) -> rusqlite::Result<Option<(TillId, ShiftKey)>> {
    let handed_over = if only_handed_over { "AND c.handed_over >= c.changes" } else { "" };
    let sql = format!(
        "SELECT c.till, c.shift, c.opened FROM shift_check c WHERE c.day < ?1 {handed_over}
             AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.till = c.till AND r.shift = c.shift AND r.opened = c.opened
                 AND (r.day >= ?1 OR r.received_at >= ?2))
         ORDER BY c.day LIMIT 1"
    );
    let mut statement = t.prepare_cached(&sql)?;
    let mut rows = statement.query_map(params![day, arrived], |r| {
        let key = ShiftKey { number: ShiftNumber(row::unsigned(r, 1)?), opened: row::opened(r, 2)? };
        Ok((row::parsed(r, 0)?, key))
    })?;
    rows.next().transpose()
}

/// Deletes at most `limit` receipts of the oldest shift, and the shift with the last of them.
/// Gives how many rows went; 0 when nothing is left to go.
pub(super) fn prune(
    t: &Connection,
    before: Date,
    only_handed_over: bool,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<u64> {
    let day = before.to_string();
    let arrived = before.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |start| start.timestamp().as_millisecond());
    let Some((till, key)) = oldest(t, &day, arrived, only_handed_over)? else {
        let findings = t.prepare_cached("DELETE FROM finding WHERE resolved_at < ?1")?.execute([arrived])?;
        let refused = t.prepare_cached("DELETE FROM refused WHERE received_at < ?1")?.execute([arrived])?;
        tracing::trace!(findings, refused, "nothing old is left but this");
        return Ok(0);
    };
    let (shift, opened) = (row::number(key.number.0), row::opened_text(key.opened));
    t.prepare_cached("INSERT INTO pruned_shift(till, number, opened) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![till.as_str(), shift, opened])?;
    let mut totals = Totals::default();
    let found = t
        .prepare_cached(
            "SELECT id, time_end, shop, till, doctype, sum, lines, line_sum, cashier FROM receipt
             WHERE till = ?1 AND shift = ?2 AND opened = ?3 LIMIT ?4",
        )?
        .query_map(params![till.as_str(), shift, opened, limit], |r| {
            let (id, of) = (r.get::<_, i64>(0)?, (r.get(2)?, r.get(3)?));
            let (sums, who) = ((r.get(5)?, r.get(6)?, r.get(7)?), (row::parsed(r, 1)?, Cow::Owned(r.get(8)?)));
            Ok((id, of, Counts::of(r.get(4)?, sums, who, payments(t, id)?)))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut keep_key = t.prepare_cached(
        "INSERT INTO pruned_receipt(shift, number, uuid, time_end)
             SELECT p.id, r.number, r.uuid, r.time_end FROM receipt r
                 JOIN pruned_shift p ON p.till = r.till AND p.number = r.shift AND p.opened = r.opened
             WHERE r.id = ?1
         ON CONFLICT DO NOTHING",
    )?;
    let mut delete = t.prepare_cached("DELETE FROM receipt WHERE id = ?1")?;
    let gone = found.len();
    for (id, of, counts) in found {
        if let Some(counts) = counts {
            totals.take_off(of, counts);
        }
        keep_key.execute([id])?;
        delete.execute([id])?;
    }
    totals.write(t)?;
    if gone == limit as usize {
        return Ok(gone as u64);
    }
    check::forget(t, &till, key, now)?;
    Ok(gone as u64 + 1)
}

/// Operation, type and sum of each payment of a receipt.
fn payments(t: &Connection, receipt: i64) -> rusqlite::Result<Vec<(i32, i32, i64)>> {
    t.prepare_cached("SELECT opcode, type_code, sum FROM payment WHERE receipt = ?1")?
        .query_map([receipt], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
        .collect()
}
