//! B1: a store's whole dictionary onto an empty till.

use crate::measure::data::Assortment;
use crate::measure::figure::{Outcome, as_f64};
use crate::measure::overlay::Overlay;
use crate::measure::part::{self, Part};
use crate::measure::report::{Line, Row, Side, Target, speed_beside};
use crate::measure::{Context, MeasureError, Plan};
use fs_err as fs;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef as SqlValue};
use rusqlite::{Connection, ToSql};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::{PackageReader, PackageSource as _, Record};
use tillway_exchangers::row::{RowRef, ValueRef};
use tillway_exchangers::till::dictionary::{Applied, Loader};
use tillway_proto::PackageName;

/// The row.
pub(super) const PLAN: Plan = Plan { id: "B1", name: "full-load", title: "full load of a store's dictionary", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[("load-package", load_package), ("insert-rows", insert_rows)];

/// Rounds of what is compared.
const ROUNDS: usize = 5;

/// A package, and the till that it goes to.
#[derive(Serialize, Deserialize)]
struct Load {
    package: PathBuf,
    name: PackageName,
    database: PathBuf,
}

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("full-load")?;
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let overlay = Overlay::of(&goods)?;
    let package = overlay.snapshot(&folder, 1)?;
    let rows = as_f64(overlay.rows());
    drop(overlay);
    let load = |name: &'static str| {
        let load = Load {
            package: package.path.clone(),
            name: package.name.clone(),
            database: folder.join("dictionaries.db"),
        };
        move || {
            for suffix in ["", "-wal", "-shm"] {
                let file = PathBuf::from(format!("{}{suffix}", load.database.display()));
                if file.exists() {
                    fs::remove_file(file).map_err(MeasureError::File)?;
                }
            }
            part::run(name, &load)
        }
    };
    let mut outcomes = context.alternate(
        context.rounds(ROUNDS),
        &mut [("loader", Box::new(load("load-package"))), ("raw rusqlite", Box::new(load("insert-rows")))],
    )?;
    let (raw, loader) = (outcomes.pop().unwrap_or_default(), outcomes.pop().unwrap_or_default());
    row.lines
        .push(Line::seconds("loader: package → verified in the database", Side::Ours, &loader).moving(rows, "rows"));
    row.lines.push(Line::seconds("raw rusqlite inserts, the limit", Side::Beside, &raw).moving(rows, "rows"));
    row.targets.push(Target::at_least("loader's speed over the limit's", speed_beside(&loader, &raw), 0.8));
    Ok(())
}

/// The till's loader: opened, the package applied and verified, the log emptied.
fn load_package(arguments: &str) -> Result<Outcome, MeasureError> {
    let load: Load = part::arguments(arguments)?;
    let mut loader = open(&load.database)?;
    let ((), outcome) = part::timed(|| {
        let mut reader = PackageReader::open(&load.package, &load.name).map_err(|error| wrong(&error))?;
        match loader.apply(&mut reader).map_err(|error| wrong(&error))? {
            Applied::Done(_) => Ok(()),
            Applied::Skipped { cursor } => Err(wrong(&format!("skipped at {cursor}"))),
        }
    })?;
    Ok(outcome)
}

fn open(database: &Path) -> Result<Loader, MeasureError> {
    Loader::open(database).map_err(|error| MeasureError::wrong("opening a till's dictionary", error))
}

fn wrong(error: &impl ToString) -> MeasureError {
    MeasureError::wrong("loading a package", error.to_string())
}

/// The same rows into the same schema with the same durability, by prepared insertions in one transaction: rows lie decoded
/// in memory, nothing is hashed or checked, no trigger fires, the log is emptied in the end.
fn insert_rows(arguments: &str) -> Result<Outcome, MeasureError> {
    let load: Load = part::arguments(arguments)?;
    // Makes the schema.
    drop(open(&load.database)?);
    let sql = MeasureError::sql(&load.database);
    let mut reader = PackageReader::open(&load.package, &load.name).map_err(|error| wrong(&error))?;
    let mut chunks: Vec<(Kind, Vec<Vec<Value>>)> = Vec::new();
    while let Some(chunk) = reader.next_chunk().map_err(|error| wrong(&error))? {
        let kind = Kind::by_name(chunk.kind()).ok_or_else(|| wrong(&chunk.kind()))?;
        let mut rows = Vec::new();
        for record in chunk.records() {
            let Ok(Record::Upsert { row, .. }) = record else { return Err(wrong(&"no upsert")) };
            let row = RowRef::decode(kind, row).map_err(|error| wrong(&error))?;
            rows.push([row.extra.into()].into_iter().chain(row.values).map(Value::of).collect());
        }
        chunks.push((kind, rows));
    }
    let connection = Connection::open(&load.database).map_err(&sql)?;
    let configure = || {
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
    };
    configure().map_err(&sql)?;
    let ((), outcome) = part::timed(|| {
        let insert = || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for (kind, rows) in &chunks {
                let columns: Vec<String> = ["extra"]
                    .into_iter()
                    .chain(kind.fields().iter().map(|field| field.column))
                    .map(|column| format!("\"{column}\""))
                    .collect();
                let marks = vec!["?"; columns.len()].join(", ");
                let table = kind.spec().table;
                let mut statement = connection
                    .prepare_cached(&format!("INSERT INTO \"{table}\" ({}) VALUES ({marks})", columns.join(", ")))?;
                for row in rows {
                    for (at, value) in row.iter().enumerate() {
                        statement.raw_bind_parameter(at + 1, value)?;
                    }
                    statement.raw_execute()?;
                }
            }
            connection.execute_batch("COMMIT")?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        };
        insert().map_err(&sql)
    })?;
    Ok(outcome)
}

/// A value that lies in memory as it is bound.
enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl Value {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => SqlValue::Null,
            Self::Integer(number) => SqlValue::Integer(*number),
            Self::Text(text) => SqlValue::Text(text.as_bytes()),
        }))
    }
}
