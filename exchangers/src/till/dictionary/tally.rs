//! Rows and digest of each kind: kept beside the data, carried on by what changes, recounted where
//! in doubt.

use super::schema::quoted;
use crate::kinds::{self, KINDS, Kind};
use crate::row::{Encoder, ValueRef, hash};
use rusqlite::types::ValueRef as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeSet;
use tillway_proto::{Digest, RowHash};

/// Rows of one kind and their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) digest: Digest,
}

impl Tally {
    pub(super) fn add(&mut self, hash: RowHash) {
        self.rows += 1;
        self.digest.add(hash);
    }

    pub(super) fn remove(&mut self, hash: RowHash) {
        // A count that goes below zero is a difference like any other; it shows when it is
        // compared.
        self.rows = self.rows.wrapping_sub(1);
        self.digest.remove(hash);
    }
}

/// One tally for each kind, by [`Kind::index`].
pub(super) type Tallies = [Tally; KINDS.len()];

/// The tallies as they are stored; a kind without one has no rows.
pub(super) fn stored(connection: &Connection) -> rusqlite::Result<Tallies> {
    let mut tallies = [Tally::default(); KINDS.len()];
    let mut statement = connection.prepare_cached("SELECT rows, digest FROM tillway_digest WHERE kind = ?1")?;
    for kind in kinds::all() {
        let read = |row: &Row<'_>| {
            let rows = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX);
            // One of another length was written by hand; it equals none, and the next snapshot
            // replaces it.
            let digest = row.get::<_, Vec<u8>>(1)?.try_into().map(Digest::from_bytes).unwrap_or_default();
            Ok(Tally { rows, digest })
        };
        tallies[kind.index()] = statement.query_row([kind.name()], read).optional()?.unwrap_or_default();
    }
    Ok(tallies)
}

/// Stores the tallies.
pub(super) fn store(connection: &Connection, tallies: &Tallies) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO tillway_digest (kind, rows, digest) VALUES (?1, ?2, ?3) \
         ON CONFLICT (kind) DO UPDATE SET rows = excluded.rows, digest = excluded.digest",
    )?;
    for kind in kinds::all() {
        let Tally { rows, digest } = tallies[kind.index()];
        statement.execute(params![kind.name(), i64::try_from(rows).unwrap_or(i64::MAX), digest.to_bytes()])?;
    }
    Ok(())
}

/// Kinds that somebody else wrote to, or that were found to differ.
pub(super) fn touched(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare_cached("SELECT kind FROM tillway_touched")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Puts these kinds in the place of those that were marked.
pub(super) fn store_touched(connection: &Connection, kinds: &[Kind]) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM tillway_touched", [])?;
    for kind in kinds {
        connection.execute("INSERT INTO tillway_touched (kind) VALUES (?1)", [kind.name()])?;
    }
    Ok(())
}

/// Counts a kind from its columns.
pub(super) fn recount(connection: &Connection, kind: Kind) -> rusqlite::Result<Tally> {
    let sql = format!("SELECT {} FROM {}", column_list(kind), quoted(kind.spec().table));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    let mut buffer = Vec::new();
    while let Some(row) = rows.next()? {
        tally.add(hash_columns(row, 0, kind, &mut buffer)?);
    }
    Ok(tally)
}

/// `extra` and the columns of the kind's fields, in the order of the encoded row.
pub(super) fn column_list(kind: Kind) -> String {
    let columns = kind.fields().iter().map(|field| quoted(field.column));
    [quoted("extra")].into_iter().chain(columns).collect::<Vec<_>>().join(", ")
}

/// The hash of a row that was selected with [`column_list`], which starts at column `first`.
pub(super) fn hash_columns(row: &Row<'_>, first: usize, kind: Kind, buffer: &mut Vec<u8>) -> rusqlite::Result<RowHash> {
    buffer.clear();
    let mut encoder = Encoder::new(buffer);
    for column in first..=first + kind.fields().len() {
        encoder.push(match row.get_ref(column)? {
            SqlValue::Integer(number) => ValueRef::Integer(number),
            SqlValue::Text(text) => ValueRef::Text(str::from_utf8(text)?),
            // The tables are strict: there is neither real nor blob in them.
            SqlValue::Null | SqlValue::Real(_) | SqlValue::Blob(_) => ValueRef::Null,
        });
    }
    Ok(hash(kind, buffer))
}
