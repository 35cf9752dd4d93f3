//! The table `audit`, the same in each database that somebody's changes go to.

use super::connection::Database;
use crate::store::StoreError;
use crate::store::audit::AuditLog;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql, params};
use serde_json::Value;
use std::net::IpAddr;
use tillway_service::audit::AuditFilter;
use tillway_service::audit::{AuditLine, AuditRecord};
use uuid::Uuid;

/// The schema of the table, a step of each database's migrations.
pub(super) const SCHEMA: &str = include_str!("audit_1.sql");

/// Writes a line, within the transaction of its change.
pub(super) fn put(transaction: &Connection, line: &AuditLine) -> rusqlite::Result<()> {
    let json = |value: &Value| (!value.is_null()).then(|| value.to_string());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO audit(id, person, actor, face, address, verb, object, before, after) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        line.id.as_bytes(),
        line.caller.actor.is_person(),
        line.caller.actor.to_string(),
        line.caller.face.as_str(),
        line.caller.address.as_ref().map(IpAddr::to_string),
        line.verb,
        line.object,
        json(&line.before),
        json(&line.after),
    ])?;
    Ok(())
}

/// A store all of whose lines stand in one database.
pub(super) trait InOneDatabase: Send + Sync {
    /// That database.
    fn audited(&self) -> &Database;
}

impl<T: InOneDatabase> AuditLog for T {
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        self.audited().audit(filter)
    }

    fn note(&self, line: &AuditLine) -> Result<(), StoreError> {
        self.audited().note(line)
    }

    fn prune_audit(&self, persons: bool, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.audited().prune_audit(persons, before, limit)
    }
}

impl AuditLog for Database {
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let from = first_of(filter.from);
        let before = filter.before.map_or(Uuid::max(), |id| id).min(first_of(filter.to));
        let (from, before) = (from.as_bytes(), before.as_bytes());
        let mut values: Vec<&dyn ToSql> = vec![from, before, &filter.limit];
        let mut whose = String::from(if filter.persons_only { "person = 1 AND " } else { "" });
        // An object has few lines, an actor may have nearly all: only the first is looked up.
        let actor_is = if filter.object.is_some() { "+actor = ?# AND " } else { "actor = ?# AND " };
        let narrowing = [
            (&filter.object, "object = ?# AND "),
            (&filter.actor, actor_is),
            (&filter.verb, "verb = ?# AND "),
            (&filter.text, "instr(object || coalesce(before, '') || coalesce(after, ''), ?#) > 0 AND "),
        ];
        for (value, condition) in narrowing {
            if let Some(value) = value {
                values.push(value);
                whose += &condition.replace('#', &values.len().to_string());
            }
        }
        let sql = format!(
            "SELECT id, actor, face, address, verb, object, before, after FROM audit \
             WHERE {whose}id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        self.read("read the audit log", |reader| reader.prepare_cached(&sql)?.query_map(&values[..], record)?.collect())
    }

    fn note(&self, line: &AuditLine) -> Result<(), StoreError> {
        self.write("write the audit log", |transaction| put(transaction, line))
    }

    fn prune_audit(&self, persons: bool, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write("remove old lines of the audit log", |transaction| {
            let gone = transaction.execute(
                "DELETE FROM audit WHERE id IN \
                 (SELECT id FROM audit WHERE person = ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
                params![persons, first_of(before).as_bytes(), limit],
            )?;
            Ok(gone as u64)
        })
    }
}

/// The smallest id of this millisecond: ids begin with their time, in 48 bits.
fn first_of(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}

fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let id = Uuid::from_bytes(row.get(0)?);
    let json = |column: usize| {
        let text: Option<String> = row.get(column)?;
        let read = |text: String| {
            serde_json::from_str(&text)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
        };
        text.map_or(Ok(Value::Null), read)
    };
    Ok(AuditRecord {
        id,
        at: super::dictionary::time(i64::try_from(id.as_u128() >> 80).unwrap_or_default()),
        actor: row.get(1)?,
        face: row.get(2)?,
        address: row.get(3)?,
        verb: row.get(4)?,
        object: row.get(5)?,
        before: json(6)?,
        after: json(7)?,
    })
}
