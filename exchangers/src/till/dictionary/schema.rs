//! The schema of `dictionaries.db`, made from the table of kinds.

use super::{OpenError, does_not_fit};
use crate::kinds::{self, Kind, Storage};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The loader's own tables, version by version. Tables of kinds have no version: they are compared column by column.
const OWN_TABLES: [&str; 1] = ["
CREATE TABLE tillway_cursor (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    revision   INTEGER NOT NULL,
    package    TEXT NOT NULL,
    applied_at TEXT NOT NULL,
    layers     TEXT NOT NULL
) STRICT;
CREATE TABLE tillway_digest (
    kind   TEXT PRIMARY KEY,
    rows   INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
-- Kinds that somebody else than the loader wrote to since the last load.
CREATE TABLE tillway_touched (kind TEXT PRIMARY KEY) STRICT;
"];

/// What is read and written of the loader's own tables.
const OWN_COLUMNS: [(&str, &str); 3] = [
    ("tillway_cursor", "id, revision, package, applied_at, layers"),
    ("tillway_digest", "kind, rows, digest"),
    ("tillway_touched", "kind"),
];

/// The select list of `goods`, with `{now}` for the time.
const GOODS: &str = include_str!("goods.sql");

/// Brings the schema up to date; does not write where it is.
pub(super) fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let known = i64::try_from(OWN_TABLES.len()).unwrap_or(i64::MAX);
    let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_path_buf(), found, known });
    }
    Migrations::new(OWN_TABLES.iter().map(|sql| M::up(sql)).collect())
        .to_latest(connection)
        .map_err(|source| OpenError::Migrate { path: path.to_path_buf(), source })?;
    let changes = missing(connection).map_err(failed)?;
    if changes.is_empty() {
        return check(connection, path);
    }
    let apply = |transaction: Transaction<'_>| {
        // Compared again: a reader of the schema may be older than what is there now.
        transaction.execute_batch(&missing(&transaction)?)?;
        transaction.commit()
    };
    match connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(apply) {
        // What cannot be added clashes with what somebody made by hand: the check names it, where it finds it.
        Err(error) if does_not_fit(&error) => {
            check(connection, path)?;
            Err(failed(error))
        }
        done => {
            done.map_err(failed)?;
            check(connection, path)
        }
    }
}

/// Whether every table of a kind can be loaded: a strict table with the declared columns and the declared key. More columns
/// are fine, as long as they may stay empty.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
    for (table, columns) in OWN_COLUMNS {
        match connection.prepare(&format!("SELECT {columns} FROM {table}")) {
            Err(error) if does_not_fit(&error) => {
                let what = error.to_string();
                return Err(OpenError::Altered { path: path.to_path_buf(), table, what });
            }
            read => drop(read.map_err(failed)?),
        }
    }
    for kind in kinds::all() {
        let table = kind.spec().table;
        let altered = |what: String| OpenError::Altered { path: path.to_path_buf(), table, what };
        let what: Option<(String, bool)> = connection
            .query_row(
                "SELECT type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
                [table],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(failed)?;
        match what {
            Some((of_type, true)) if of_type == "table" => {}
            Some((of_type, _)) => return Err(altered(format!("it is a {of_type} that is not strict"))),
            None => return Err(altered("it is not there".to_owned())),
        }
        let mut present = columns_there(connection, table).map_err(failed)?;
        let key: Vec<_> = key_names(kind).collect();
        for (name, declared) in columns_of(kind) {
            let declared = declared.split(' ').next().unwrap_or_default();
            let place = key.iter().position(|key| *key == name).map_or(0, |at| at + 1);
            match present.remove(name) {
                Some(there) if there.sort.eq_ignore_ascii_case(declared) && there.key_place == place => {}
                _ => return Err(altered(format!("column {name} is not {declared}, or not in its place of the key"))),
            }
        }
        if let Some((name, _)) = present.iter().find(|(_, there)| there.needed || there.key_place > 0) {
            return Err(altered(format!("column {name} cannot stay empty")));
        }
    }
    Ok(())
}

/// A column as the database has it.
struct ColumnThere {
    sort: String,
    /// Its place in the key, from 1; 0 for none.
    key_place: usize,
    /// Not null, and without a default.
    needed: bool,
}

fn columns_there(connection: &Connection, table: &str) -> rusqlite::Result<BTreeMap<String, ColumnThere>> {
    let mut statement =
        connection.prepare("SELECT name, type, pk, \"notnull\" AND dflt_value IS NULL FROM pragma_table_info(?1)")?;
    let column = |row: &rusqlite::Row<'_>| {
        let (name, sort, needed) = (row.get(0)?, row.get(1)?, row.get(3)?);
        Ok((name, ColumnThere { sort, key_place: row.get::<_, u32>(2)? as usize, needed }))
    };
    statement.query_map([table], column)?.collect()
}

/// The statements that turn what is there into what is declared.
fn missing(connection: &Connection) -> rusqlite::Result<String> {
    let present = names(connection, "SELECT name || char(10) || coalesce(sql, '') FROM sqlite_schema", [])?;
    let has = |name: &str| present.iter().any(|entry| entry.split('\n').next() == Some(name));
    let mut sql = String::new();
    for kind in kinds::all() {
        let spec = kind.spec();
        if has(spec.table) {
            let columns = names(connection, "SELECT name FROM pragma_table_info(?1)", [spec.table])?;
            for (name, declared) in columns_of(kind).filter(|(name, _)| !columns.contains(*name)) {
                let _ = writeln!(sql, "ALTER TABLE {} ADD COLUMN {} {declared};", quoted(spec.table), quoted(name));
            }
        } else {
            sql.push_str(&create_table(kind));
        }
        for (name, create) in secondary_indexes(kind).into_iter().chain(triggers(kind)) {
            if !has(&name) {
                sql.push_str(&create);
            }
        }
    }
    let goods = goods_view();
    if !present.contains(&format!("goods\n{goods}")) {
        let _ = writeln!(sql, "DROP VIEW IF EXISTS goods;\n{goods};");
    }
    Ok(sql)
}

fn names<P: rusqlite::Params>(connection: &Connection, sql: &str, params: P) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare(sql)?;
    statement.query_map(params, |row| row.get(0))?.collect()
}

/// A name of the table of kinds as an SQL identifier; no such name holds a quote.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Column names and declarations of a kind's table, `extra` last; keys are never null.
fn columns_of(kind: Kind) -> impl Iterator<Item = (&'static str, &'static str)> {
    let declared = kind.fields().iter().enumerate().map(move |(at, field)| {
        let declared = match (field.field_type.storage(), kind.key_columns().contains(&at)) {
            (Storage::Integer, true) => "INTEGER NOT NULL",
            (Storage::Text, true) => "TEXT NOT NULL",
            (Storage::Integer, false) => "INTEGER",
            (Storage::Text, false) => "TEXT",
        };
        (field.column, declared)
    });
    declared.chain([("extra", "TEXT")])
}

/// A rowid table with its key as an index of its own: loads with sorted keys are several times faster than with
/// `WITHOUT ROWID`.
fn create_table(kind: Kind) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", quoted(kind.spec().table));
    for (name, declared) in columns_of(kind) {
        let _ = writeln!(sql, "    {} {declared},", quoted(name));
    }
    let key: Vec<_> = key_names(kind).map(quoted).collect();
    let _ = writeln!(sql, "    PRIMARY KEY ({})\n) STRICT;", key.join(", "));
    sql
}

/// Columns of the key, in its order.
pub(super) fn key_names(kind: Kind) -> impl Iterator<Item = &'static str> {
    kind.key_columns().iter().map(move |at| kind.fields()[*at].column)
}

/// Name and statement of each index beside the key.
pub(super) fn secondary_indexes(kind: Kind) -> Vec<(String, String)> {
    let table = kind.spec().table;
    let index = |columns: &&[&str]| {
        let name = format!("{table}_{}", columns.join("_"));
        let columns: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
        let sql = format!("CREATE INDEX {} ON {} ({});\n", quoted(&name), quoted(table), columns.join(", "));
        (name, sql)
    };
    kind.spec().indexes.iter().map(index).collect()
}

fn triggers(kind: Kind) -> Vec<(String, String)> {
    let table = kind.spec().table;
    let trigger = |event: &str| {
        let name = format!("tillway_{table}_{}", event.to_lowercase());
        let sql = format!(
            "CREATE TRIGGER {} AFTER {event} ON {} BEGIN INSERT OR IGNORE INTO tillway_touched (kind) VALUES ('{}'); END;\n",
            quoted(&name),
            quoted(table),
            kind.name()
        );
        (name, sql)
    };
    ["INSERT", "UPDATE", "DELETE"].map(trigger).into()
}

fn goods_view() -> String {
    let list = goods_list("strftime('%Y-%m-%dT%H:%M:%S', 'now', 'localtime')");
    format!("CREATE VIEW goods AS SELECT\n{list}FROM barcodes b JOIN tmc i ON i.code = b.code")
}

/// The select list of `goods` with prices at `now`, an SQL expression; `b` is barcodes, `i` is tmc.
pub(super) fn goods_list(now: &str) -> String {
    GOODS.replace("{now}", now)
}
