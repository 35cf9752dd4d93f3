//! What a `documents.db` may have and need not: columns and tables of version 2, which a POS of
//! v0.1 does not write.

use super::DocumentsError;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Columns that are read where they are there.
const COLUMNS: [(&str, &str); 4] = [
    ("document", "frdoccopy cashtype"),
    ("goodsitem", "excisemark additionalbarcode bcode_main"),
    ("stornogoodsitem", "excisemark additionalbarcode bcode_main"),
    ("moneyitem", "cardnum slip"),
];

/// Tables that are read where they are there with all of these columns.
const TABLES: [(&str, &str); 6] = [
    ("taxitem", "goodsitemid taxcode taxsum"),
    ("bonusitem", "goodsitemid amount cardnumber"),
    ("failedmoneyitem", "documentid mtime opcode valcode sumb cardnum slip"),
    ("certificateitem", "documentid number sumb"),
    ("couponitem", "documentid number sumb"),
    ("kkm", "workshiftid serialnum sumcashend sumprotectedbeg sumprotectedend sumback"),
];

/// The optional columns and tables of one database.
#[derive(Debug, Clone, Default)]
pub(super) struct Optional {
    columns: BTreeMap<&'static str, BTreeSet<&'static str>>,
    tables: BTreeSet<&'static str>,
}

impl Optional {
    /// Looks what is there.
    pub(super) fn of(connection: &Connection, path: &Path) -> Result<Self, DocumentsError> {
        let mut optional = Self::default();
        for (table, columns) in COLUMNS {
            let present = columns_of(connection, path, table)?;
            let there = columns.split_whitespace().filter(|column| present.contains(*column));
            optional.columns.insert(table, there.collect());
        }
        for (table, columns) in TABLES {
            let present = columns_of(connection, path, table)?;
            if columns.split_whitespace().all(|column| present.contains(column)) {
                optional.tables.insert(table);
            }
        }
        Ok(optional)
    }

    /// The column in a statement: its name, or NULL where it is not there.
    pub(super) fn column(&self, table: &str, column: &'static str) -> &'static str {
        let there = self.columns.get(table).is_some_and(|columns| columns.contains(column));
        if there { column } else { "NULL" }
    }

    /// Whether the table is there.
    pub(super) fn table(&self, table: &str) -> bool {
        self.tables.contains(table)
    }
}

/// Names of a table's columns; none where it is not there.
pub(super) fn columns_of(
    connection: &Connection,
    path: &Path,
    table: &'static str,
) -> Result<BTreeSet<String>, DocumentsError> {
    let read = || {
        let mut statement = connection.prepare_cached("SELECT lower(name) FROM pragma_table_info(?1)")?;
        statement.query_map([table], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(DocumentsError::query(path, table))
}
