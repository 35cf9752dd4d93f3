//! The schema of `dictionaries.db`, made from the table of kinds.

use super::{OpenError, does_not_fit};
use crate::kinds::{self, Kind, Storage};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use rusqlite_migration::{M, Migrations};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The loader's own tables, version by version. Tables of kinds have no version: they are compared
/// column by column.
const OWN_TABLES: [&str; 2] = [FIRST_OWN_TABLES, "ALTER TABLE tillway_cursor ADD COLUMN proof TEXT"];

const FIRST_OWN_TABLES: &str = "
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
";

/// The select list of `goods`, with `{now}` for the time.
const GOODS: &str = include_str!("goods.sql");

/// The kinds whose tables no package fits, with what is wrong with them: somebody changed them by
/// hand. They stay as they are until a snapshot comes, so that a POS goes on with the rows it has.
pub(super) type Altered = BTreeMap<Kind, String>;

/// Brings the schema up to date; does not write where it is.
pub(super) fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let known = i64::try_from(OWN_TABLES.len()).unwrap_or(i64::MAX);
    let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_path_buf(), found, known });
    }
    let migrated = migrations().to_latest(connection);
    let fits = match &migrated {
        Ok(()) => own_tables(connection).map_err(failed)? == declared_own_tables(path)?,
        // Tables that were there before their time: a schema version that somebody changed.
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => !does_not_fit(err),
        Err(_) => true,
    };
    if !fits {
        tracing::error!(path = %path.display(), "the loader's own tables were changed by hand: made anew, and all is asked for");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        own_tables_anew(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    } else if let Err(source) = migrated {
        return Err(OpenError::Migrate { path: path.to_path_buf(), source });
    }
    if survey(connection).map_err(failed)?.missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Compared again: a reader of the schema may be older than what is there now.
    mend(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn migrations() -> Migrations<'static> {
    Migrations::new(OWN_TABLES.iter().map(|sql| M::up(sql)).collect())
}

/// Name and statement of each of the loader's own tables.
fn own_tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    names(
        connection,
        "SELECT name || char(10) || sql FROM sqlite_schema \
         WHERE type = 'table' AND name IN ('tillway_cursor', 'tillway_digest', 'tillway_touched')",
        [],
    )
}

/// The same of a database that nobody changed.
fn declared_own_tables(path: &Path) -> Result<BTreeSet<String>, OpenError> {
    let failed = |source| OpenError::Database { path: path.to_path_buf(), source };
    let mut sample = Connection::open_in_memory().map_err(failed)?;
    migrations().to_latest(&mut sample).map_err(|source| OpenError::Migrate { path: path.to_path_buf(), source })?;
    own_tables(&sample).map_err(failed)
}

/// Every kind counts as touched: nothing is known any more of the rows that are there.
fn own_tables_anew(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["tillway_cursor", "tillway_digest", "tillway_touched"] {
        drop_whatever_is(connection, table)?;
    }
    OWN_TABLES.iter().try_for_each(|sql| connection.execute_batch(sql))?;
    connection.pragma_update(None, "user_version", i64::try_from(OWN_TABLES.len()).unwrap_or(i64::MAX))?;
    for kind in kinds::all() {
        connection.execute("INSERT INTO tillway_touched (kind) VALUES (?1)", [kind.name()])?;
    }
    Ok(())
}

/// Adds what is missing, inside of the caller's transaction, and drops what stands in the way of
/// it and what would refuse rows of a package; gives the kinds whose tables have to be made anew.
pub(super) fn mend(connection: &Connection) -> rusqlite::Result<Altered> {
    let Survey { missing, altered } = survey(connection)?;
    if !missing.is_empty() {
        let statements = missing.matches(";\n").count();
        tracing::info!(statements, "the schema of the dictionary is brought up to date");
        tracing::debug!(statements = missing.trim_end(), "what brings it up to date");
        connection.execute_batch(&missing)?;
    }
    Ok(altered)
}

/// Makes the table of a kind anew, empty, whatever stands in its place.
pub(super) fn table_anew(connection: &Connection, kind: Kind) -> rusqlite::Result<()> {
    let table = kind.spec().table;
    drop_whatever_is(connection, table)?;
    connection.execute_batch(&create_table(kind))?;
    for (name, create) in secondary_indexes(kind).into_iter().chain(triggers(kind)) {
        drop_whatever_is(connection, &name)?;
        connection.execute_batch(&create)?;
    }
    Ok(())
}

fn drop_whatever_is(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    for entry in entries(connection)?.iter().filter(|entry| entry.is(name)) {
        connection.execute_batch(&entry.drop_statement())?;
    }
    Ok(())
}

/// What differs between what is there and what is declared.
struct Survey {
    /// The statements that mend it.
    missing: String,
    /// What takes a snapshot to mend.
    altered: Altered,
}

fn survey(connection: &Connection) -> rusqlite::Result<Survey> {
    let present = entries(connection)?;
    let mut survey = Survey { missing: String::new(), altered: Altered::new() };
    let sql = &mut survey.missing;
    for kind in kinds::all() {
        let table = kind.spec().table;
        match present.iter().find(|entry| entry.is(table) && entry.of_type != "trigger") {
            None => sql.push_str(&create_table(kind)),
            Some(entry) => {
                if let Some(what) = altered(connection, entry, kind)? {
                    survey.altered.insert(kind, what);
                    continue;
                }
                let columns = names(connection, "SELECT name FROM pragma_table_info(?1)", [table])?;
                for (name, declared) in columns_of(kind).filter(|(name, _)| !columns.contains(*name)) {
                    let _ = writeln!(sql, "ALTER TABLE {} ADD COLUMN {} {declared};", quoted(table), quoted(name));
                }
                let unique = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND origin = 'c'";
                for index in names(connection, unique, [table])? {
                    let _ = writeln!(sql, "DROP INDEX IF EXISTS {};", quoted(&index));
                }
            }
        }
        for (name, create) in secondary_indexes(kind).into_iter().chain(triggers(kind)) {
            put(sql, &present, &name, &create);
        }
    }
    put(sql, &present, "goods", &format!("{};\n", goods_view()));
    Ok(survey)
}

/// What is wrong with the table of a kind: it has to be a strict table with the declared columns
/// and the declared key, and without conditions of its own. More columns are fine, as long as they
/// may stay empty; missing ones are added.
fn altered(connection: &Connection, entry: &Entry, kind: Kind) -> rusqlite::Result<Option<String>> {
    let table = kind.spec().table;
    let strict = connection
        .query_row(
            "SELECT type = 'table' AND strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
            [&entry.name],
            |row| row.get(0),
        )
        .optional()?;
    if strict != Some(true) || entry.name != table {
        return Ok(Some(format!("{} is a {} that is not strict, or of another name", entry.name, entry.of_type)));
    }
    if let Some(word) = condition(&entry.sql) {
        return Ok(Some(format!("it is declared with {word}")));
    }
    let mut present = columns_there(connection, table)?;
    let key: Vec<_> = key_names(kind).collect();
    for (name, declared) in columns_of(kind) {
        let declared = declared.split(' ').next().unwrap_or_default();
        let place = key.iter().position(|key| *key == name).map_or(0, |at| at + 1);
        match present.remove(name) {
            Some(there) if there.sort.eq_ignore_ascii_case(declared) && there.key_place == place => {
                if place == 0 && there.needed {
                    return Ok(Some(format!("column {name} cannot stay empty")));
                }
            }
            None if place == 0 => {}
            _ => return Ok(Some(format!("column {name} is not {declared}, or not in its place of the key"))),
        }
    }
    let needed = present.iter().find(|(_, there)| there.needed || there.key_place > 0);
    Ok(needed.map(|(name, _)| format!("column {name} cannot stay empty")))
}

/// A word in a table's statement, outside of names, texts and comments, that makes it refuse rows.
fn condition(sql: &str) -> Option<&'static str> {
    let mut words = String::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' | '`' => Some(first.to_string()),
            '[' => Some("]".to_owned()),
            '-' if rest.starts_with("--") => Some("\n".to_owned()),
            '/' if rest.starts_with("/*") => Some("*/".to_owned()),
            _ => None,
        };
        let after = &rest[first.len_utf8()..];
        if let Some(end) = end {
            words.push(' ');
            rest = after.find(&end).map_or("", |at| &after[at + end.len()..]);
        } else {
            words.push(first.to_ascii_uppercase());
            rest = after;
        }
    }
    let mut words = words.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
    words.find_map(|word| ["CHECK", "UNIQUE", "REFERENCES", "COLLATE"].into_iter().find(|refusing| *refusing == word))
}

/// Something in the schema.
struct Entry {
    of_type: String,
    name: String,
    sql: String,
}

impl Entry {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn drop_statement(&self) -> String {
        format!("DROP {} IF EXISTS {};\n", self.of_type.to_uppercase(), quoted(&self.name))
    }
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")?;
    let entry = |row: &rusqlite::Row<'_>| Ok(Entry { of_type: row.get(0)?, name: row.get(1)?, sql: row.get(2)? });
    statement.query_map([], entry)?.collect()
}

/// Adds the statement that makes an index, a trigger or a view, where another one or something
/// else has its name.
fn put(sql: &mut String, present: &[Entry], name: &str, create: &str) {
    let there: Vec<_> = present.iter().filter(|entry| entry.is(name)).collect();
    if let [entry] = there.as_slice()
        && entry.sql == create.trim_end_matches([';', '\n'])
    {
        return;
    }
    sql.extend(there.iter().map(|entry| entry.drop_statement()));
    sql.push_str(create);
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

fn names<P: rusqlite::Params>(connection: &Connection, sql: &str, params: P) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare(sql)?;
    statement.query_map(params, |row| row.get(0))?.collect()
}

/// A name as an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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

/// A rowid table with its key as an index of its own: loads with sorted keys are several times
/// faster than with `WITHOUT ROWID`.
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

/// The select list of `goods` with prices at `now`, an SQL expression; `b` is barcodes, `i` is
/// tmc.
pub(super) fn goods_list(now: &str) -> String {
    // What is said to readers of the source stays out of the till's database.
    let list = GOODS.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n"));
    list.collect::<String>().replace("{now}", now)
}
