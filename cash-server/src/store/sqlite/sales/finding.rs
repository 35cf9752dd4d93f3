//! Findings: added once a subject, closed by a later check or by hand.

use jiff::{Timestamp, ToSpan as _};
use rusqlite::{Connection, ToSql, params};
use std::collections::BTreeSet;
use tillway_proto::TillId;
use tillway_proto::receipt::ShiftNumber;

use super::super::words::reason;
use super::row;
use crate::store::sales::{Finding, FindingFilter, FindingKind, MAX_FINDINGS_PER_TILL, NewFinding, Page};
use crate::words::Reason;

/// So long one machine alone must have sent for a till until what was found about two is closed: a
/// second machine that is switched off over night has come back by then. One that comes back later
/// opens it again.
const ONE_MACHINE_HOURS: i64 = 24;

pub(super) fn add(connection: &Connection, finding: &NewFinding) -> rusqlite::Result<()> {
    let till = finding.till.as_ref().map_or("", TillId::as_str);
    let (at, kind, why) = (finding.at.as_millisecond(), finding.reason.kind().as_str(), Reason::from(&finding.reason));
    let seen = connection
        .prepare_cached(
            "UPDATE finding SET why = ?4, last_seen = ?5, times = times + 1, resolved_at = NULL
             WHERE till = ?1 AND kind = ?2 AND subject = ?3",
        )?
        .execute(params![till, kind, finding.subject, why.to_string(), at])?;
    if seen > 0 {
        return Ok(());
    }
    let kept: u32 = connection
        .prepare_cached("SELECT count(*) FROM finding WHERE till = ?1")?
        .query_row([till], |row| row.get(0))?;
    if kept >= MAX_FINDINGS_PER_TILL {
        // The oldest closed one makes room; open ones stay, and then the new one is logged only.
        let sql = "DELETE FROM finding WHERE id = (SELECT id FROM finding WHERE till = ?1 AND resolved_at IS NOT NULL
                   ORDER BY last_seen LIMIT 1)";
        if connection.prepare_cached(sql)?.execute([till])? == 0 {
            tracing::warn!(till, kind, text = crate::words::in_english(&why), "too many findings to keep this one");
            return Ok(());
        }
    }
    tracing::warn!(till, kind, text = crate::words::in_english(&why), "finding");
    connection
        .prepare_cached(
            "INSERT INTO finding(kind, till, shift, opened, subject, text, why, first_seen, last_seen, times)
             VALUES (?1, ?2, ?3, ?7, ?4, '', ?5, ?6, ?6, 1)",
        )?
        .execute(params![
            kind,
            till,
            finding.shift.map(|shift| row::number(shift.number.0)),
            finding.subject,
            why.to_string(),
            at,
            row::opened_text(finding.shift.unwrap_or_default().opened)
        ])?;
    Ok(())
}

/// Closes the finding of a subject, where there is an open one.
pub(super) fn close(
    connection: &Connection,
    till: Option<&TillId>,
    kind: FindingKind,
    subject: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let till = till.map_or("", TillId::as_str);
    connection
        .prepare_cached(
            "UPDATE finding SET resolved_at = ?4
             WHERE till = ?1 AND kind = ?2 AND subject = ?3 AND resolved_at IS NULL",
        )?
        .execute(params![till, kind.as_str(), subject, now.as_millisecond()])
        .map(drop)
}

/// Closes what was found about a till's machines, when one of them alone has sent for
/// [`ONE_MACHINE_HOURS`]. Called when a stream opens that is of the same agent as the one before.
pub(super) fn close_of_machines(connection: &Connection, till: &TillId, now: Timestamp) -> rusqlite::Result<()> {
    let since = now.checked_sub(ONE_MACHINE_HOURS.hours()).map_or(i64::MIN, Timestamp::as_millisecond);
    let [two, changed] = [FindingKind::TwoMachines, FindingKind::InstanceChanged].map(FindingKind::as_str);
    let last_seen: Option<i64> = connection
        .prepare_cached(
            "SELECT max(last_seen) FROM finding WHERE till = ?1 AND kind IN (?2, ?3) AND resolved_at IS NULL",
        )?
        .query_row([till.as_str(), two, changed], |r| r.get(0))?;
    if last_seen.is_some_and(|seen| seen <= since) {
        connection
            .prepare_cached(
                "UPDATE finding SET resolved_at = ?4 WHERE till = ?1 AND kind IN (?2, ?3) AND resolved_at IS NULL",
            )?
            .execute(params![till.as_str(), two, changed, now.as_millisecond()])?;
    }
    Ok(())
}

/// Subjects of the open findings of a kind: few, and mostly none.
pub(super) fn open_subjects(
    connection: &Connection,
    till: &TillId,
    kind: FindingKind,
) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare_cached("SELECT subject FROM finding WHERE till = ?1 AND kind = ?2 AND resolved_at IS NULL")?
        .query_map(params![till.as_str(), kind.as_str()], |r| r.get(0))?
        .collect()
}

pub(super) fn list(connection: &Connection, filter: &FindingFilter, page: Page) -> rusqlite::Result<Vec<Finding>> {
    let (limit, offset) = row::window(page);
    // Only the conditions that are asked for: one that may be absent keeps every index from being
    // used.
    let till = filter.till.as_ref().map(TillId::as_str);
    let of_till = if till.is_some() { " AND till = ?3" } else { "" };
    let open = if filter.open_only { " AND resolved_at IS NULL" } else { "" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, kind, nullif(till, ''), shift, subject, text, first_seen, last_seen, times, resolved_at, opened, why
         FROM finding WHERE last_seen > 0{of_till}{open} ORDER BY last_seen DESC, id DESC LIMIT ?1 OFFSET ?2"
    ))?;
    let mut values: Vec<&dyn ToSql> = vec![&limit, &offset];
    values.extend(till.as_ref().map(|till| till as &dyn ToSql));
    statement
        .query_map(&values[..], |r| {
            let shift: Option<i64> = r.get(3)?;
            Ok(Finding {
                id: r.get(0)?,
                kind: r.get(1)?,
                till: row::optional(r, 2)?,
                shift: shift.and_then(|shift| u64::try_from(shift).ok()).map(ShiftNumber),
                subject: r.get(4)?,
                reason: reason(r, 11, 5)?,
                first_seen: row::instant(r, 6)?,
                last_seen: row::instant(r, 7)?,
                times: r.get(8)?,
                resolved_at: row::optional_instant(r, 9)?,
                shift_opened: row::opened(r, 10)?.time(),
            })
        })?
        .collect()
}
