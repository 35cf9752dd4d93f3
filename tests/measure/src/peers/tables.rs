//! The rows of an overlay as files that other loaders read, and whether two databases hold the
//! same rows.

use crate::MeasureError;
use crate::overlay::Overlay;
use fs_err as fs;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::row::{RowRef, ValueRef};

/// The rows of one kind as a CSV file, in the order of their keys.
#[derive(Debug, Clone)]
pub struct Table {
    /// The kind.
    pub kind: Kind,
    /// The columns that hold a value in any row, in the order of the file; all others are null in
    /// every row.
    pub columns: Vec<&'static str>,
    /// The file: UTF-8, quoted where needed, `\n` at the end of a line.
    pub file: PathBuf,
}

impl Table {
    /// Its name, quoted for SQLite.
    pub fn name(&self) -> String {
        quoted(self.kind.spec().table)
    }

    /// Its columns, quoted for SQLite.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    }
}

/// Writes each kind that has rows into a file of its own.
pub fn write(overlay: &Overlay, folder: &Path) -> Result<Vec<Table>, MeasureError> {
    let mut tables = Vec::new();
    for kind in kinds::all() {
        let rows = || overlay.0.iter().filter(|((id, _), _)| *id == kind.id()).map(|(_, row)| decoded(kind, row));
        let names: Vec<&str> = ["extra"].into_iter().chain(kind.fields().iter().map(|field| field.column)).collect();
        let mut used = vec![false; names.len()];
        for row in rows() {
            for (used, value) in used.iter_mut().zip(row?) {
                *used |= value != ValueRef::Null;
            }
        }
        if !used.contains(&true) {
            continue;
        }
        let file = folder.join(format!("{}.csv", kind.spec().table));
        let out = fs::File::create(&file).map_err(MeasureError::File)?;
        let mut out = csv::Writer::from_writer(out);
        for row in rows() {
            for (_, value) in used.iter().zip(row?).filter(|(used, _)| **used) {
                let written = match value {
                    // A text that is empty would read like nothing; the comparison of the rows
                    // would show it.
                    ValueRef::Null => out.write_field(""),
                    ValueRef::Integer(number) => out.write_field(number.to_string()),
                    ValueRef::Text(text) => out.write_field(text),
                };
                written.map_err(|error| MeasureError::wrong("writing CSV", error))?;
            }
            out.write_record(None::<&[u8]>).map_err(|error| MeasureError::wrong("writing CSV", error))?;
        }
        out.flush().map_err(MeasureError::File)?;
        let columns = names.iter().zip(&used).filter(|(_, used)| **used).map(|(name, _)| *name).collect();
        tables.push(Table { kind, columns, file });
    }
    Ok(tables)
}

fn decoded(kind: Kind, row: &[u8]) -> Result<Vec<ValueRef<'_>>, MeasureError> {
    let row = RowRef::decode(kind, row).map_err(|error| MeasureError::wrong("a row", error))?;
    Ok([row.extra.into()].into_iter().chain(row.values).collect())
}

/// An error where two databases differ in the rows of any kind.
pub fn compare(ours: &Path, theirs: &Path) -> Result<(), MeasureError> {
    let sql = MeasureError::sql(theirs);
    let connection = Connection::open(theirs).map_err(&sql)?;
    connection.execute("ATTACH ?1 AS ours", [ours.to_string_lossy()]).map_err(&sql)?;
    for kind in kinds::all() {
        let table = quoted(kind.spec().table);
        let columns: Vec<String> =
            kind.fields().iter().map(|field| quoted(field.column)).chain(["extra".to_owned()]).collect();
        let columns = columns.join(", ");
        for (one, other) in [("main", "ours"), ("ours", "main")] {
            let statement = format!(
                "SELECT count(*) FROM (SELECT {columns} FROM {one}.{table} EXCEPT SELECT {columns} FROM {other}.{table})"
            );
            let differing: i64 = connection.query_row(&statement, (), |row| row.get(0)).map_err(&sql)?;
            if differing > 0 {
                let why = format!("{differing} rows of {} are in {one} alone", kind.name());
                return Err(MeasureError::wrong(&theirs.display().to_string(), why));
            }
        }
    }
    Ok(())
}

/// A name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
