//! The statements that write one kind's table.

use super::schema::{key_names, quoted};
use super::tally::{Tally, column_list, hash_columns};
use crate::kinds::{Kind, Storage};
use crate::row::{KEY_SEPARATOR, RowError, RowRef, ValueRef, hash};
use rusqlite::types::{ToSqlOutput, ValueRef as SqlValue};
use rusqlite::{CachedStatement, Connection, Statement, ToSql};
use tillway_proto::RowHash;

/// Why a record was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    Database(rusqlite::Error),
    Row(RowError),
    Key,
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Prepared once for a chunk, out of the connection's cache.
pub(super) struct Statements<'c> {
    kind: Kind,
    find: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    update: CachedStatement<'c>,
    delete: CachedStatement<'c>,
    buffer: Vec<u8>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection, kind: Kind) -> rusqlite::Result<Self> {
        let table = quoted(kind.spec().table);
        let columns = column_list(kind);
        let values = kind.fields().len() + 1;
        let numbered: Vec<_> = (1..=values).map(|at| format!("?{at}")).collect();
        let key: Vec<_> =
            key_names(kind).enumerate().map(|(at, name)| format!("{} = ?{}", quoted(name), at + 1)).collect();
        let assigned: Vec<_> = columns.split(", ").zip(&numbered).map(|(name, at)| format!("{name} = {at}")).collect();
        let prepare = |sql: String| connection.prepare_cached(&sql);
        Ok(Self {
            kind,
            find: prepare(format!("SELECT rowid, {columns} FROM {table} WHERE {}", key.join(" AND ")))?,
            insert: prepare(format!("INSERT INTO {table} ({columns}) VALUES ({})", numbered.join(", ")))?,
            update: prepare(format!("UPDATE {table} SET {} WHERE rowid = ?{}", assigned.join(", "), values + 1))?,
            delete: prepare(format!("DELETE FROM {table} WHERE rowid = ?1"))?,
            buffer: Vec::new(),
        })
    }

    /// Inserts a row that is known not to be there.
    pub(super) fn insert(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), WriteError> {
        let row = self.decode(bytes)?;
        bind(&mut self.insert, &row)?;
        self.insert.raw_execute()?;
        tally.add(hash(self.kind, bytes));
        Ok(())
    }

    /// Inserts a row, or puts it in place of the one with its key.
    pub(super) fn upsert(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), WriteError> {
        let row = self.decode(bytes)?;
        for (at, column) in self.kind.key_columns().iter().enumerate() {
            self.find.raw_bind_parameter(at + 1, Sql(row.values[*column]))?;
        }
        if let Some((rowid, old)) = self.found()? {
            bind(&mut self.update, &row)?;
            self.update.raw_bind_parameter(row.values.len() + 2, rowid)?;
            self.update.raw_execute()?;
            tally.remove(old);
        } else {
            bind(&mut self.insert, &row)?;
            self.insert.raw_execute()?;
        }
        tally.add(hash(self.kind, bytes));
        Ok(())
    }

    /// Deletes the row with this key, if it is there.
    pub(super) fn delete(&mut self, key: &str, tally: &mut Tally) -> Result<(), WriteError> {
        let columns = self.kind.key_columns();
        let mut parts = key.split(KEY_SEPARATOR);
        for (at, column) in columns.iter().enumerate() {
            let part = parts.next().ok_or(WriteError::Key)?;
            let value = match self.kind.fields()[*column].field_type.storage() {
                Storage::Text => ValueRef::Text(part),
                Storage::Integer => ValueRef::Integer(part.parse().map_err(|_| WriteError::Key)?),
            };
            self.find.raw_bind_parameter(at + 1, Sql(value))?;
        }
        if parts.next().is_some() {
            return Err(WriteError::Key);
        }
        if let Some((rowid, old)) = self.found()? {
            self.delete.execute([rowid])?;
            tally.remove(old);
        }
        Ok(())
    }

    /// A row that has its key: SQLite would make up a number for a null one.
    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<RowRef<'a>, WriteError> {
        let row = RowRef::decode(self.kind, bytes).map_err(WriteError::Row)?;
        let without_key = self.kind.key_columns().iter().any(|column| row.values[*column] == ValueRef::Null);
        if without_key { Err(WriteError::Key) } else { Ok(row) }
    }

    /// The row that `find` is bound to, with the hash of what its columns hold.
    fn found(&mut self) -> rusqlite::Result<Option<(i64, RowHash)>> {
        let mut rows = self.find.raw_query();
        match rows.next()? {
            Some(row) => Ok(Some((row.get(0)?, hash_columns(row, 1, self.kind, &mut self.buffer)?))),
            None => Ok(None),
        }
    }
}

fn bind(statement: &mut Statement<'_>, row: &RowRef<'_>) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, Sql(row.extra.into()))?;
    for (at, value) in row.values.iter().enumerate() {
        statement.raw_bind_parameter(at + 2, Sql(*value))?;
    }
    Ok(())
}

/// A value on its way into a statement, borrowed.
struct Sql<'a>(ValueRef<'a>);

impl ToSql for Sql<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            ValueRef::Null => SqlValue::Null,
            ValueRef::Integer(number) => SqlValue::Integer(number),
            ValueRef::Text(text) => SqlValue::Text(text.as_bytes()),
        }))
    }
}
