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

/// Statements that update other sets of columns than all: a price, a name, a price with its unit.
/// Rows that change in another way than so many before are updated whole.
const MAX_PARTIAL_UPDATES: usize = 8;

/// Prepared once for a chunk, out of the connection's cache.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    kind: Kind,
    find: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    /// Which parameters of `insert` are bound to something: most columns of most rows are empty,
    /// and stay so.
    bound: Vec<bool>,
    update: CachedStatement<'c>,
    /// By the columns that they set, `extra` first. What is not named is neither written nor
    /// looked for in an index, and a change of price is in none.
    partial: Vec<(Vec<bool>, CachedStatement<'c>)>,
    delete: CachedStatement<'c>,
    buffer: Vec<u8>,
    /// Which columns of the row that was found are to change.
    changes: Vec<bool>,
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
            connection,
            kind,
            find: prepare(format!("SELECT rowid, {columns} FROM {table} WHERE {}", key.join(" AND ")))?,
            insert: prepare(format!("INSERT INTO {table} ({columns}) VALUES ({})", numbered.join(", ")))?,
            // A statement comes out of the cache with nothing bound.
            bound: vec![false; values],
            update: prepare(format!("UPDATE {table} SET {} WHERE rowid = ?{}", assigned.join(", "), values + 1))?,
            partial: Vec::new(),
            delete: prepare(format!("DELETE FROM {table} WHERE rowid = ?1"))?,
            buffer: Vec::new(),
            changes: vec![false; values],
        })
    }

    /// Inserts a row that is known not to be there.
    pub(super) fn insert(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), WriteError> {
        let row = self.decode(bytes)?;
        self.insert_row(&row)?;
        tally.add(hash(self.kind, bytes));
        Ok(())
    }

    fn insert_row(&mut self, row: &RowRef<'_>) -> rusqlite::Result<()> {
        for (at, (value, bound)) in values(row).zip(&mut self.bound).enumerate() {
            if *bound || value != ValueRef::Null {
                self.insert.raw_bind_parameter(at + 1, Sql(value))?;
                *bound = value != ValueRef::Null;
            }
        }
        self.insert.raw_execute().map(drop)
    }

    /// Inserts a row, or puts it in place of the one with its key.
    pub(super) fn upsert(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), WriteError> {
        let row = self.decode(bytes)?;
        for (at, column) in self.kind.key_columns().iter().enumerate() {
            self.find.raw_bind_parameter(at + 1, Sql(row.values[*column]))?;
        }
        if let Some((rowid, old)) = self.found(Some(&row))? {
            self.update_row(rowid, &row)?;
            tally.remove(old);
        } else {
            self.insert_row(&row)?;
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
        if let Some((rowid, old)) = self.found(None)? {
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

    /// The row that `find` is bound to, with the hash of what its columns hold; where a row is to
    /// be put in its place, notes which columns change.
    fn found(&mut self, new: Option<&RowRef<'_>>) -> rusqlite::Result<Option<(i64, RowHash)>> {
        let mut rows = self.find.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        if let Some(new) = new {
            for (at, (value, changes)) in values(new).zip(&mut self.changes).enumerate() {
                *changes = row.get_ref(at + 1)? != sql_value(value);
            }
        }
        Ok(Some((row.get(0)?, hash_columns(row, 1, self.kind, &mut self.buffer)?)))
    }

    /// Sets the columns that change.
    fn update_row(&mut self, rowid: i64, row: &RowRef<'_>) -> rusqlite::Result<()> {
        if !self.changes.contains(&true) {
            return Ok(());
        }
        let known = self.partial.iter().position(|(columns, _)| *columns == self.changes);
        let at = match known {
            Some(at) => at,
            None if self.partial.len() < MAX_PARTIAL_UPDATES => {
                let statement = self.prepare_partial()?;
                self.partial.push((self.changes.clone(), statement));
                self.partial.len() - 1
            }
            None => {
                let last = bind_all(&mut self.update, values(row))?;
                self.update.raw_bind_parameter(last + 1, rowid)?;
                return self.update.raw_execute().map(drop);
            }
        };
        let (columns, statement) = &mut self.partial[at];
        let changed = values(row).zip(columns).filter_map(|(value, changes)| changes.then_some(value));
        let last = bind_all(statement, changed)?;
        statement.raw_bind_parameter(last + 1, rowid)?;
        statement.raw_execute().map(drop)
    }

    fn prepare_partial(&self) -> rusqlite::Result<CachedStatement<'c>> {
        let columns = column_list(self.kind);
        let changed = columns.split(", ").zip(&self.changes).filter_map(|(name, changes)| changes.then_some(name));
        let assigned: Vec<_> = changed.enumerate().map(|(at, name)| format!("{name} = ?{}", at + 1)).collect();
        let (table, list, rowid) = (quoted(self.kind.spec().table), assigned.join(", "), assigned.len() + 1);
        self.connection.prepare_cached(&format!("UPDATE {table} SET {list} WHERE rowid = ?{rowid}"))
    }
}

/// `extra` and the values of the fields, in the order of [`column_list`].
fn values<'a>(row: &RowRef<'a>) -> impl Iterator<Item = ValueRef<'a>> {
    [row.extra.into()].into_iter().chain(row.values.iter().copied())
}

/// Binds the first parameters; gives how many.
fn bind_all<'a>(statement: &mut Statement<'_>, values: impl Iterator<Item = ValueRef<'a>>) -> rusqlite::Result<usize> {
    let mut bound = 0;
    for value in values {
        bound += 1;
        statement.raw_bind_parameter(bound, Sql(value))?;
    }
    Ok(bound)
}

/// A value on its way into a statement, borrowed.
struct Sql<'a>(ValueRef<'a>);

impl ToSql for Sql<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(sql_value(self.0)))
    }
}

fn sql_value(value: ValueRef<'_>) -> SqlValue<'_> {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Text(text) => SqlValue::Text(text.as_bytes()),
    }
}
