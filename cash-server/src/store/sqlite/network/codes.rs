//! Codes to attach tills, in `network.db`.

use crate::audit::Verb;
use crate::network::codes::Used;
use crate::network::{KeptCode, LayerNo, Network};
use crate::store::sqlite::audit;
use crate::store::sqlite::dictionary::time;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};
use std::net::IpAddr;
use tillway_proto::{CodeName, ProofKey};
use tillway_service::actor::Caller;
use tillway_service::audit::AuditLine;

const CODES: &str = "SELECT name, key, node, made_at, ends_at, used_at, used_by, attempt FROM attach_code";

/// Open codes of a node.
const OPEN: &str = "node = ?1 AND used_at IS NULL AND ends_at > ?2";

pub(super) fn all(reader: &Connection) -> rusqlite::Result<Vec<KeptCode>> {
    reader.prepare_cached(&format!("{CODES} ORDER BY made_at DESC, name"))?.query_map((), code)?.collect()
}

pub(super) fn one(reader: &Connection, name: CodeName) -> rusqlite::Result<Option<KeptCode>> {
    reader.prepare_cached(&format!("{CODES} WHERE name = ?1"))?.query_row([name.number()], code).optional()
}

pub(super) fn put(
    transaction: &Connection,
    caller: &Caller,
    network: &Network,
    codes: &[KeptCode],
    forget: Timestamp,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM attach_code WHERE ends_at < ?1", [forget.as_millisecond()])?;
    let mut close = transaction.prepare_cached(&format!("UPDATE attach_code SET ends_at = ?2 WHERE {OPEN}"))?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO attach_code(name, key, node, made_at, ends_at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for code in codes {
        let (made_at, ends_at) = (code.made_at.as_millisecond(), code.ends_at.as_millisecond());
        close.execute(params![code.node.0, made_at])?;
        insert.execute(params![code.name.number(), code.key.to_bytes(), code.node.0, made_at, ends_at])?;
        let after = json!({"code": code.name, "ends_at": code.ends_at});
        note(transaction, caller, network, code.node, Verb::CodeMake, after)?;
    }
    Ok(())
}

pub(super) fn end(
    transaction: &Connection,
    caller: &Caller,
    network: &Network,
    node: LayerNo,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let ended = close(transaction, node, now.as_millisecond())?;
    if ended {
        note(transaction, caller, network, node, Verb::CodeEnd, Value::Null)?;
    }
    Ok(ended)
}

/// Ends the open codes of a node, at a time in milliseconds. Whether there were any.
pub(super) fn close(transaction: &Connection, node: LayerNo, now: i64) -> rusqlite::Result<bool> {
    let close = format!("UPDATE attach_code SET ends_at = ?2 WHERE {OPEN}");
    Ok(transaction.execute(&close, params![node.0, now])? > 0)
}

/// Who has used a code of this node may not repeat it: what he got by it is void. No attempt has
/// this mark, which is a hash.
pub(super) fn forget_attempts(transaction: &Connection, node: LayerNo) -> rusqlite::Result<()> {
    let forget = "UPDATE attach_code SET attempt = zeroblob(32) WHERE node = ?1 AND used_at IS NOT NULL";
    transaction.execute(forget, [node.0]).map(drop)
}

/// Marks a code as used. False where somebody else was faster, or it was ended meanwhile.
pub(super) fn mark_used(transaction: &Connection, name: CodeName, used: &Used) -> rusqlite::Result<bool> {
    // A repeat keeps the time of the first use.
    let marked = transaction.execute(
        "UPDATE attach_code SET used_at = ifnull(used_at, ?2), used_by = ?3, attempt = ?4 \
         WHERE name = ?1 AND ((used_at IS NULL AND ends_at > ?2) OR attempt = ?4)",
        params![name.number(), used.at.as_millisecond(), used.by.map(|by| by.to_string()), used.attempt],
    )?;
    Ok(marked > 0)
}

fn note(
    transaction: &Connection,
    caller: &Caller,
    network: &Network,
    node: LayerNo,
    verb: Verb,
    after: Value,
) -> rusqlite::Result<()> {
    let object = network.by_no(node).map_or_else(|| node.0.to_string(), |node| node.id.to_string());
    audit::put(transaction, &AuditLine::new(caller, verb, object).after(after))
}

fn code(row: &Row<'_>) -> rusqlite::Result<KeptCode> {
    let number: u32 = row.get(0)?;
    let name = CodeName::of_number(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number.into()))?;
    let by = |text: String| {
        text.parse::<IpAddr>()
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(6, Type::Text, Box::new(error)))
    };
    let used = |at| {
        let by = row.get::<_, Option<String>>(6)?.map(by).transpose()?;
        Ok::<_, rusqlite::Error>(Used { at: time(at), by, attempt: row.get(7)? })
    };
    Ok(KeptCode {
        name,
        key: ProofKey::from_bytes(row.get(1)?),
        node: LayerNo(row.get(2)?),
        made_at: time(row.get(3)?),
        ends_at: time(row.get(4)?),
        used: row.get::<_, Option<i64>>(5)?.map(used).transpose()?,
    })
}
