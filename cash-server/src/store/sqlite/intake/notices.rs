//! Rejects and warnings that nobody has seen yet, and which objects they are about.

use super::super::dictionary::{time, unsigned};
use super::super::words::{optional_reason, reason};
use super::rows::parsed;
use crate::store::intake::{LoadEnd, MAX_NOTICES, NoticeRecord, OpenNotice};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tillway_proto::{LoadId, NodeId};

/// Notes what a committed load brought and what it mended.
pub(super) fn put(transaction: &Connection, load: LoadId, end: &LoadEnd) -> rusqlite::Result<()> {
    let node: String = transaction.query_row("SELECT node FROM load WHERE id = ?1", [load.0], |row| row.get(0))?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO notice(identity, node, kind, object, load, line, byte, verb, key, field, value, reason, warning, at, why) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, '', ?12, ?14, ?13) ON CONFLICT(identity) DO UPDATE SET \
         load = ?5, line = ?6, byte = ?7, at = ?14, seen_at = CASE WHEN warning IS NULL THEN NULL ELSE seen_at END",
    )?;
    for notice in end.notices.iter().filter(|notice| !notice.mended) {
        let (kind, object) = notice.object.clone().unzip();
        let (warning, why) = reason_columns(notice);
        insert.execute(params![
            identity(&node, notice).as_slice(),
            node,
            kind,
            object,
            load.0,
            notice.line.cast_signed(),
            notice.byte.cast_signed(),
            notice.verb,
            notice.key,
            notice.field,
            notice.value,
            warning,
            why,
            end.at.as_millisecond(),
        ])?;
    }
    // Whatever this load did not bring again of an object that it brought is mended.
    let mut mend = transaction
        .prepare_cached("DELETE FROM notice WHERE node = ?1 AND kind = ?2 AND object = ?3 AND load <> ?4")?;
    for (kind, object) in &end.mended {
        mend.execute(params![node, kind, object, load.0])?;
    }
    transaction
        .prepare_cached("DELETE FROM notice WHERE id <= (SELECT id FROM notice ORDER BY id DESC LIMIT 1 OFFSET ?1)")?
        .execute([MAX_NOTICES])?;
    Ok(())
}

/// Where the fault is the same its line and the load do not count.
fn identity(node: &str, notice: &NoticeRecord) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: Option<&str>| {
        hasher.update(&(text.map_or(u64::MAX, |text| text.len() as u64)).to_be_bytes());
        hasher.update(text.unwrap_or_default().as_bytes());
    };
    part(Some(node));
    match &notice.object {
        Some((kind, object)) => {
            part(Some(&kind.to_string()));
            part(Some(object));
        }
        None => part(notice.verb.as_deref()),
    }
    part(notice.field.as_deref());
    part(notice.value.as_deref());
    part(Some(&notice.reason.to_string()));
    *hasher.finalize().as_bytes()
}

/// What a notice says, for the columns `warning` and `why`: one of them.
pub(super) fn reason_columns(notice: &NoticeRecord) -> (Option<String>, Option<String>) {
    let reason = Some(notice.reason.to_string());
    if notice.is_warning { (reason, None) } else { (None, reason) }
}

/// Those that nobody has seen, newest first.
pub(super) fn open(reader: &Connection, limit: u32) -> rusqlite::Result<Vec<OpenNotice>> {
    reader
        .prepare_cached(
            "SELECT id, node, load, at, line, byte, verb, key, field, value, reason, warning, why, kind, object FROM notice \
             WHERE seen_at IS NULL ORDER BY id DESC LIMIT ?1",
        )?
        .query_map([limit], |row| {
            let object = row.get::<_, Option<u16>>(13)?.zip(row.get(14)?);
            Ok(OpenNotice {
                id: row.get(0)?,
                node: parsed(row, 1)?,
                load: LoadId(row.get(2)?),
                at: time(row.get(3)?),
                notice: NoticeRecord { object, mended: false, ..record(row, 4)? },
            })
        })?
        .collect()
}

/// A notice whose columns, from line to why, begin here.
pub(super) fn record(row: &Row<'_>, from: usize) -> rusqlite::Result<NoticeRecord> {
    let warning = optional_reason(row, from + 7)?;
    let is_warning = warning.is_some();
    let reason = match warning {
        Some(warning) => warning,
        None => reason(row, from + 8, from + 6)?,
    };
    Ok(NoticeRecord {
        line: unsigned(row, from)?,
        byte: unsigned(row, from + 1)?,
        verb: row.get(from + 2)?,
        key: row.get(from + 3)?,
        field: row.get(from + 4)?,
        value: row.get(from + 5)?,
        reason,
        is_warning,
        object: None,
        mended: false,
    })
}

/// Rejects and warnings that nobody has seen.
pub(super) fn count(reader: &Connection) -> rusqlite::Result<(u64, u64)> {
    reader.query_row(
        "SELECT count(*) FILTER (WHERE warning IS NULL), count(*) FILTER (WHERE warning IS NOT NULL) FROM notice \
         WHERE seen_at IS NULL",
        (),
        |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)),
    )
}

/// The objects of a node that a notice is about, seen or not.
pub(super) fn objects(reader: &Connection, node: &NodeId) -> rusqlite::Result<Vec<(u16, String)>> {
    reader
        .prepare_cached("SELECT DISTINCT kind, object FROM notice WHERE node = ?1 AND kind IS NOT NULL")?
        .query_map([node.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// A person has seen these, or all up to a number.
pub(super) fn see(transaction: &Connection, ids: &[i64], up_to: Option<i64>, at: Timestamp) -> rusqlite::Result<u64> {
    let mut seen = 0;
    let mut one = transaction.prepare_cached("UPDATE notice SET seen_at = ?2 WHERE id = ?1 AND seen_at IS NULL")?;
    for id in ids {
        seen += one.execute(params![id, at.as_millisecond()])?;
    }
    if let Some(up_to) = up_to {
        let mut all =
            transaction.prepare_cached("UPDATE notice SET seen_at = ?2 WHERE id <= ?1 AND seen_at IS NULL")?;
        seen += all.execute(params![up_to, at.as_millisecond()])?;
    }
    Ok(seen as u64)
}
