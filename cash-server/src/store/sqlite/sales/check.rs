//! Gathers the facts of a shift, has them checked, stores what came out.

use jiff::{Timestamp, ToSpan};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::{Kopecks, TillId};

use super::{finding, load, row};
use crate::sales::check::{Counted, Facts, LEFT_HOURS, RecordFacts, Verdict, WAIT_HOURS, check};
use crate::store::sales::{FindingKind, FindingReason, NewFinding};

/// Most waiting shifts that are checked anew in one step.
const RECHECK_STEP: i64 = 200;

/// Checks a shift anew. `shop` is given where something of it has just arrived: that counts as a
/// change. Where it is not given, nothing of it has arrived for [`WAIT_HOURS`], of an open one for
/// [`LEFT_HOURS`]. Gives the numbers
/// of its documents, in order.
pub(super) fn recheck(
    t: &Connection,
    till: &TillId,
    shift: ShiftKey,
    shop: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<Vec<u64>> {
    let (number, opened) = (row::number(shift.number.0), row::opened_text(shift.opened));
    let key = params![till.as_str(), number, opened];
    let OfShift { numbers, server, first } = of_shift(t, key)?;
    let record = t
        .prepare_cached(
            "SELECT nullif(opened, ''), closed_at, time_end IS NOT NULL, counted_documents, unfinished_documents, first_number,
                 last_number, recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, counted_sales,
                 counted_refunds, counted_sale_sum, counted_refund_sum
             FROM shift WHERE till = ?1 AND number = ?2 AND opened = ?3",
        )?
        .query_row(key, |r| Ok((r.get::<_, Option<String>>(0)?, record_facts(r, now)?)))
        .optional()?;
    if numbers.is_empty()
        && record.as_ref().is_none_or(|(_, record)| record.till_documents > 0)
        && shift_is_left(t, till, shift)?
    {
        forget(t, till, shift, now)?;
        return Ok(numbers);
    }
    let (began, record) = record.map_or((None, None), |(began, record)| (began, Some(record)));
    let facts = Facts { record, server, numbers, quiet: shop.is_none() };
    let outcome = check(&facts);
    // The day it belongs to: when it was opened, else when its first document ended, else when its
    // record came.
    let first = began.or(first);
    let day = first.as_deref().and_then(|time| time.get(..10)).map_or_else(|| today(now), str::to_owned);
    let json =
        serde_json::to_string(&outcome).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    t.prepare_cached(
        "INSERT INTO shift_check(till, shift, opened, shop, day, first_time, verdict, outcome, server_sales, server_refunds,
             server_sale_sum, server_refund_sum, server_documents, checked_at, changes)
         VALUES (?1, ?2, ?14, coalesce(?3, ''), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1)
         ON CONFLICT(till, shift, opened) DO UPDATE SET shop = coalesce(?3, shop), day = excluded.day,
             first_time = excluded.first_time, verdict = excluded.verdict, outcome = excluded.outcome,
             server_sales = excluded.server_sales, server_refunds = excluded.server_refunds,
             server_sale_sum = excluded.server_sale_sum, server_refund_sum = excluded.server_refund_sum,
             server_documents = excluded.server_documents, checked_at = excluded.checked_at,
             changes = changes + (?3 IS NOT NULL)",
    )?
    .execute(params![
        till.as_str(),
        number,
        shop,
        day,
        first,
        outcome.verdict.as_str(),
        json,
        server.sales,
        server.refunds,
        server.sale_sum.0,
        server.refund_sum.0,
        row::index(facts.numbers.len()),
        now.as_millisecond(),
        opened
    ])?;
    let subject = subject(shift);
    if outcome.verdict == Verdict::Differs {
        let (reasons, advice) = (outcome.reasons(), outcome.advice());
        let reason = FindingReason::ShiftDiffers { shift: shift.to_string(), reasons, advice };
        let finding = NewFinding { reason, till: Some(till.clone()), shift: Some(shift), subject, at: now };
        finding::add(t, &finding)?;
    } else {
        finding::close(t, Some(till), FindingKind::ShiftDiffers, &subject, now)?;
    }
    if outcome.verdict == Verdict::Ok {
        // The server loses no receipt: where all agree, the other figures were those of a record
        // that was corrected.
        finding::close(t, Some(till), FindingKind::ShiftChanged, &self::subject(shift), now)?;
    }
    if outcome.doubled.is_empty() {
        finding::close(t, Some(till), FindingKind::NumbersAgain, &numbers_subject(shift), now)?;
    }
    Ok(facts.numbers)
}

/// What a finding is about that a shift does not agree, or has changed.
pub(super) fn subject(shift: ShiftKey) -> String {
    format!("shift {shift}")
}

/// Whether receipts of a shift went to another one of its number: its opening time is told now, or
/// the POS changed it.
fn shift_is_left(t: &Connection, till: &TillId, shift: ShiftKey) -> rusqlite::Result<bool> {
    // Nothing of it ever arrived but what is gone now. A closed shift whose receipts are all still
    // to come has no row yet, or one that never counted any.
    t.prepare_cached(
        "SELECT coalesce((SELECT server_documents > 0 FROM shift_check WHERE till = ?1 AND shift = ?2 AND opened = ?3), ?4)",
    )?
    .query_row(
        params![
            till.as_str(),
            row::number(shift.number.0),
            row::opened_text(shift.opened),
            shift.opened == Opened::NotTold
        ],
        |r| r.get(0),
    )
}

/// Takes a shift away that nothing is left of, with its findings: nobody can mend it any more, or
/// what was wrong with it is told of the one it became.
pub(super) fn forget(t: &Connection, till: &TillId, shift: ShiftKey, now: Timestamp) -> rusqlite::Result<()> {
    let (number, opened) = (row::number(shift.number.0), row::opened_text(shift.opened));
    for sql in [
        "DELETE FROM shift_user WHERE till = ?1 AND shift = ?2 AND opened = ?3",
        "DELETE FROM shift_register WHERE till = ?1 AND shift = ?2 AND opened = ?3",
        "DELETE FROM shift WHERE till = ?1 AND number = ?2 AND opened = ?3",
        "DELETE FROM shift_check WHERE till = ?1 AND shift = ?2 AND opened = ?3",
    ] {
        t.prepare_cached(sql)?.execute(params![till.as_str(), number, opened])?;
    }
    for kind in [FindingKind::ShiftDiffers, FindingKind::ShiftChanged] {
        finding::close(t, Some(till), kind, &subject(shift), now)?;
    }
    finding::close(t, Some(till), FindingKind::NumbersAgain, &numbers_subject(shift), now)
}

/// What the finding is about that numbers stand for two receipts of a shift.
pub(super) fn numbers_subject(shift: ShiftKey) -> String {
    format!("numbers of shift {shift}")
}

/// What the database has of a shift's documents.
struct OfShift {
    /// Their numbers, in order.
    numbers: Vec<u64>,
    server: Counted,
    /// When the first of them ended.
    first: Option<String>,
}

fn of_shift(t: &Connection, key: &[&dyn ToSql]) -> rusqlite::Result<OfShift> {
    let mut of_shift = OfShift { numbers: Vec::new(), server: Counted::default(), first: None };
    let sql = "SELECT number, doctype, sum, time_end FROM receipt
               WHERE till = ?1 AND shift = ?2 AND opened = ?3 ORDER BY number";
    let mut statement = t.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    while let Some(r) = rows.next()? {
        of_shift.numbers.push(row::unsigned(r, 0)?);
        let ended = r.get_ref(3)?.as_str()?;
        if of_shift.first.as_deref().is_none_or(|first| ended < first) {
            of_shift.first = Some(ended.to_owned());
        }
        let (doctype, sum): (i64, i64) = (r.get(1)?, r.get(2)?);
        let (count, total) = match doctype {
            1 => (&mut of_shift.server.sales, &mut of_shift.server.sale_sum),
            2 | 25 => (&mut of_shift.server.refunds, &mut of_shift.server.refund_sum),
            _ => continue,
        };
        *count += 1;
        total.0 = total.0.saturating_add(sum);
    }
    Ok(of_shift)
}

/// Checks the shifts anew that have waited for long enough: for documents, for the till's record
/// of them, or, open, for anything at all.
pub(super) fn recheck_waiting(t: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let due = t
        .prepare_cached(
            "SELECT c.till, c.shift, c.opened, c.shop FROM shift_check c
                 LEFT JOIN shift s ON s.till = c.till AND s.number = c.shift AND s.opened = c.opened
             WHERE c.verdict IN ('waiting', 'open')
                 AND CASE WHEN s.till IS NULL THEN c.checked_at <= ?1
                          WHEN s.closed_at IS NULL THEN c.checked_at <= ?3
                          ELSE s.closed_at <= ?1 END LIMIT ?2",
        )?
        .query_map(params![before(now, WAIT_HOURS), RECHECK_STEP, before(now, LEFT_HOURS)], |r| {
            let shift = ShiftKey { number: ShiftNumber(row::unsigned(r, 1)?), opened: row::opened(r, 2)? };
            Ok((row::parsed(r, 0)?, shift, r.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<(TillId, ShiftKey, String)>>>()?;
    for (till, shift, shop) in &due {
        if shift.opened == Opened::NotTold {
            for opened in load::adopt_late(t, till, shift.number)? {
                recheck(t, till, ShiftKey { opened, ..*shift }, Some(shop), now)?;
            }
        }
        recheck(t, till, *shift, None, now)?;
    }
    Ok(due.len() as u64)
}

fn record_facts(r: &Row<'_>, now: Timestamp) -> rusqlite::Result<RecordFacts> {
    let closed_at: Option<i64> = r.get(1)?;
    Ok(RecordFacts {
        closed: r.get(2)?,
        till_documents: r.get(3)?,
        unfinished: r.get(4)?,
        first: row::unsigned(r, 5)?,
        last: row::unsigned(r, 6)?,
        recorded: counted(r, 7)?,
        till: counted(r, 11)?,
        waited: closed_at.is_some_and(|at| at <= before(now, WAIT_HOURS)),
    })
}

/// What arrived at or before this has waited for so long.
fn before(now: Timestamp, hours: i64) -> i64 {
    now.checked_sub(hours.hours()).map_or(i64::MIN, Timestamp::as_millisecond)
}

fn today(now: Timestamp) -> String {
    now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Sales, refunds and their sums in four columns from `at` on.
pub(super) fn counted(r: &Row<'_>, at: usize) -> rusqlite::Result<Counted> {
    Ok(Counted {
        sales: r.get(at)?,
        refunds: r.get(at + 1)?,
        sale_sum: Kopecks(r.get(at + 2)?),
        refund_sum: Kopecks(r.get(at + 3)?),
    })
}
