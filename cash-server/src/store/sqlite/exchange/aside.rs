//! Reports that were set aside, strangers, and what somebody has acknowledged.

use super::super::words::stored_reason;
use super::audit;
use super::rows::{millis, number, parsed, time, unsigned};
use super::unreadable::Unreadable;
use crate::store::exchange::{
    BrokenReport, KeptReport, KnownStranger, MAX_BROKEN_BYTES, MAX_BROKEN_REPORTS, MAX_STRANGERS, Stranger,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::json;
use std::collections::HashMap;
use tillway_proto::PeerId;
use tillway_service::audit::AuditLine;

pub(super) fn put_broken(transaction: &Transaction<'_>, reports: &[BrokenReport]) -> rusqlite::Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached("INSERT INTO broken_report (at, reason, body) VALUES (?, ?, ?)")?;
    for report in reports {
        let kept = &report.body[..report.body.len().min(MAX_BROKEN_BYTES)];
        insert.execute(params![millis(report.at), report.reason.to_string(), kept])?;
    }
    transaction
        .execute("DELETE FROM broken_report WHERE id <= (SELECT max(id) FROM broken_report) - ?", [MAX_BROKEN_REPORTS])
        .map(|_| ())
}

pub(super) fn broken_reports(
    reader: &Connection,
    unreadable: &Unreadable,
    limit: u32,
) -> rusqlite::Result<Vec<KeptReport>> {
    let read = |row: &Row<'_>| {
        Ok(KeptReport { id: row.get(0)?, at: time(row, 1)?, reason: stored_reason(row, 2)?, bytes: unsigned(row, 3)? })
    };
    reader
        .prepare_cached("SELECT id, at, reason, length(body) FROM broken_report ORDER BY id DESC LIMIT ?")?
        .query_map([limit], |row| unreadable.row("broken report", row, read))?
        .filter_map(Result::transpose)
        .collect()
}

pub(super) fn broken_report(reader: &Connection, id: i64) -> rusqlite::Result<Option<BrokenReport>> {
    reader
        .prepare_cached("SELECT id, at, reason, body FROM broken_report WHERE id = ?")?
        .query_row([id], broken)
        .optional()
}

pub(super) fn forget_broken(
    transaction: &Transaction<'_>,
    id: i64,
    line: Option<&AuditLine>,
) -> rusqlite::Result<bool> {
    let reason = transaction
        .prepare_cached("DELETE FROM broken_report WHERE id = ? RETURNING reason")?
        .query_row([id], |row| stored_reason(row, 0))
        .optional()?;
    if let (Some(reason), Some(line)) = (&reason, line) {
        audit::put(transaction, &line.clone().before(json!({"reason": reason})))?;
    }
    Ok(reason.is_some())
}

pub(super) fn put_strangers(transaction: &Transaction<'_>, strangers: &[Stranger]) -> rusqlite::Result<()> {
    if strangers.is_empty() {
        return Ok(());
    }
    let mut put = transaction.prepare_cached(
        "INSERT INTO stranger (till, first_at, last_at, reports, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (till) DO UPDATE SET last_at = ?3, reports = reports + ?4, body = ?5",
    )?;
    for one in strangers {
        let reports = number(one.reports);
        put.execute(params![one.peer.as_str(), millis(one.first_at), millis(one.last_at), reports, one.body])?;
    }
    transaction
        .execute(
            "DELETE FROM stranger WHERE till IN (SELECT till FROM stranger ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
            [MAX_STRANGERS],
        )
        .map(|_| ())
}

pub(super) fn strangers(reader: &Connection, unreadable: &Unreadable) -> rusqlite::Result<Vec<KnownStranger>> {
    let read = |row: &Row<'_>| {
        Ok(KnownStranger {
            peer: parsed(row, 0)?,
            first_at: time(row, 1)?,
            last_at: time(row, 2)?,
            reports: unsigned(row, 3)?,
            bytes: unsigned(row, 4)?,
        })
    };
    reader
        .prepare_cached("SELECT till, first_at, last_at, reports, length(body) FROM stranger ORDER BY last_at DESC")?
        .query_map([], |row| unreadable.row("stranger", row, read))?
        .filter_map(Result::transpose)
        .collect()
}

pub(super) fn stranger(reader: &Connection, peer: &PeerId) -> rusqlite::Result<Option<Stranger>> {
    reader
        .prepare_cached("SELECT till, first_at, last_at, reports, body FROM stranger WHERE till = ?")?
        .query_row([peer.as_str()], |row| {
            Ok(Stranger {
                peer: parsed(row, 0)?,
                first_at: time(row, 1)?,
                last_at: time(row, 2)?,
                reports: unsigned(row, 3)?,
                body: row.get(4)?,
            })
        })
        .optional()
}

pub(super) fn forget_stranger(transaction: &Transaction<'_>, peer: &PeerId) -> rusqlite::Result<bool> {
    let gone = transaction.prepare_cached("DELETE FROM stranger WHERE till = ?")?.execute([peer.as_str()])?;
    Ok(gone > 0)
}

pub(super) fn acknowledge(transaction: &Transaction<'_>, peer: &PeerId, until: Timestamp) -> rusqlite::Result<()> {
    transaction
        .execute(
            "INSERT INTO acknowledged (till, at) VALUES (?1, ?2) ON CONFLICT (till) DO UPDATE SET at = max(at, ?2)",
            params![peer.as_str(), millis(until)],
        )
        .map(|_| ())
}

pub(super) fn acknowledged(
    reader: &Connection,
    unreadable: &Unreadable,
) -> rusqlite::Result<HashMap<PeerId, Timestamp>> {
    let read = |row: &Row<'_>| Ok((parsed(row, 0)?, time(row, 1)?));
    reader
        .prepare_cached("SELECT till, at FROM acknowledged")?
        .query_map([], |row| unreadable.row("acknowledged finding", row, read))?
        .filter_map(Result::transpose)
        .collect()
}

fn broken(row: &Row<'_>) -> rusqlite::Result<BrokenReport> {
    Ok(BrokenReport { id: row.get(0)?, at: time(row, 1)?, reason: stored_reason(row, 2)?, body: row.get(3)? })
}
