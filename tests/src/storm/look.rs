//! What a till's `dictionaries.db` holds, read as a POS reads it: one read transaction beside the
//! loader. Counts and digests are made from the rows themselves; what the till remembers of them
//! is not asked.

use super::model::State;
use rusqlite::types::ValueRef as SqlValue;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior};
use std::path::Path;
use std::time::Duration;
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::row::{Encoder, ValueRef, hash};
use tillway_proto::{Digest, RowHash};

/// A reader may meet the recovery after a power cut, never more.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What one look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The revision applied.
    pub cursor: u64,
    /// Prices of the goods that always change together, in kopecks.
    pub sentinels: Vec<Option<i64>>,
    /// All rows, where they were counted.
    pub state: Option<State>,
}

/// Opens the till's dictionary to read.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Looks at everything in one state. None where the agent has not made its tables yet.
pub fn look(
    connection: &mut Connection,
    sentinels: &[String],
    count: impl FnOnce(u64) -> bool,
) -> rusqlite::Result<Option<Look>> {
    let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let made: i64 = snapshot.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('tillway_cursor', 'goods')",
        [],
        |row| row.get(0),
    )?;
    if made < 2 {
        return Ok(None);
    }
    let cursor: Option<i64> =
        snapshot.query_row("SELECT revision FROM tillway_cursor", [], |row| row.get(0)).optional()?;
    let cursor = cursor.unwrap_or(0).cast_unsigned();
    let mut prices = Vec::new();
    {
        let mut find = snapshot.prepare("SELECT price FROM goods WHERE barcode = ?1")?;
        for barcode in sentinels {
            if let Some(price) = find.query_row([barcode], |row| row.get(0)).optional()? {
                prices.push(price);
            }
        }
    }
    let state = if count(cursor) { Some(recount(&snapshot)?) } else { None };
    Ok(Some(Look { cursor, sentinels: prices, state }))
}

fn recount(connection: &Connection) -> rusqlite::Result<State> {
    let mut state = State::new();
    for kind in kinds::all() {
        let columns: Vec<String> = kind.fields().iter().map(|field| format!("\"{}\"", field.column)).collect();
        let sql = format!("SELECT extra, {} FROM \"{}\"", columns.join(", "), kind.spec().table);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let (mut count, mut digest) = (0_u64, Digest::EMPTY);
        let mut buffer = Vec::new();
        while let Some(row) = rows.next()? {
            count += 1;
            digest.add(hash_of(row, kind, &mut buffer)?);
        }
        if count > 0 {
            state.insert(kind.id(), (count, digest));
        }
    }
    Ok(state)
}

fn hash_of(row: &Row<'_>, kind: Kind, buffer: &mut Vec<u8>) -> rusqlite::Result<RowHash> {
    buffer.clear();
    let mut encoder = Encoder::new(buffer);
    for column in 0..=kind.fields().len() {
        encoder.push(match row.get_ref(column)? {
            SqlValue::Integer(number) => ValueRef::Integer(number),
            SqlValue::Text(text) => ValueRef::Text(str::from_utf8(text)?),
            SqlValue::Null | SqlValue::Real(_) | SqlValue::Blob(_) => ValueRef::Null,
        });
    }
    Ok(hash(kind, buffer))
}
