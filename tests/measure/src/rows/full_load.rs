//! B1: a store's whole dictionary onto an empty till.

mod peers;
mod whole_path;

use crate::data::{self, Assortment};
use crate::figure::{Outcome, as_f64, of_u64};
use crate::overlay::Overlay;
use crate::part::{self, Part};
use crate::peers::{sqlite, tables};
use crate::report::{Line, Row, Side, Target, Unit, speed_beside};
use crate::{Contender, Context, MeasureError, Plan};
use fs_err as fs;
use peers::Peers;
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
pub(super) const PARTS: &[Part] = &[("load-package", load_package), ("insert-rows", insert_rows), peers::RUN_PROGRAM];

/// Rounds of what is compared.
const ROUNDS: usize = 5;

/// A package, and the till that it goes to.
#[derive(Serialize, Deserialize)]
struct Load {
    package: PathBuf,
    name: PackageName,
    database: PathBuf,
}

/// Rows of the table of one run: everything that is compared gets the same.
const OF: &str = "rows";

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("full-load")?;
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let aif = folder.join("goods.aif");
    data::aif_file(&aif, goods.iter(), true)?;
    let overlay = Overlay::of(&goods)?;
    let package = overlay.snapshot(&folder, 1)?;
    let tables = tables::write(&overlay, &folder)?;
    let rows = overlay.rows();
    drop(overlay);
    row.notes.push(format!(
        "{rows} rows: {} goods, each an `addInventItem` (prices and options are made up by a fixed rule), and their barcodes; \
         AIF {:.1} MB, package {:.2} MB",
        goods.len(),
        of_u64(fs::metadata(&aif).map_err(MeasureError::File)?.len()) / 1e6,
        of_u64(package.bytes) / 1e6,
    ));
    let ours = folder.join("dictionaries.db");
    let load = |name: &'static str, database: &Path| {
        let load = Load { package: package.path.clone(), name: package.name.clone(), database: database.to_owned() };
        move || {
            sqlite::remove(&load.database)?;
            part::run(name, &load)
        }
    };
    let peers = Peers { folder: folder.clone(), aif: aif.clone(), tables, rows };
    let mut contenders: Vec<Contender<'_>> = vec![
        ("loader", Box::new(load("load-package", &ours))),
        ("raw rusqlite", Box::new(load("insert-rows", &folder.join("raw.db")))),
        ("the whole path", Box::new(|| whole_path::run(&aif, rows))),
    ];
    let mut lines: Vec<(&str, Side)> = vec![
        ("loader: package → verified in the database", Side::Ours),
        ("raw rusqlite inserts, the limit", Side::Beside),
        ("whole path: AIF in the exchange folder → verified in the till's database", Side::Ours),
    ];
    let import = peers.import(row);
    let python = peers.python(row)?;
    let mariadb = peers.mariadb(row)?;
    for (name, line, contender) in [
        ("sqlite3 .import", "sqlite3 .import of the rows as CSV", import),
        ("Python", "Python: json and sqlite3, from the AIF", python),
        ("MariaDB", "MariaDB LOAD DATA of the rows as CSV", mariadb),
    ] {
        if let Some(contender) = contender {
            contenders.push((name, contender));
            lines.push((line, Side::Beside));
        }
    }
    let outcomes = context.alternate(context.rounds(ROUNDS), &mut contenders)?;
    let names: Vec<String> = contenders.iter().map(|(name, _)| (*name).to_owned()).collect();
    drop(contenders);
    peers.compare(&ours, &folder.join("raw.db"))?;
    for ((name, side), outcomes) in lines.iter().zip(&outcomes) {
        row.lines.push(Line::seconds(name, *side, outcomes).moving(as_f64(rows), OF));
    }
    let of = |name: &str| names.iter().position(|known| known == name).map(|at| &outcomes[at]);
    for step in whole_path::STEPS {
        row.lines.push(Line::figure(
            &format!("  of the whole path: {step}"),
            Side::Ours,
            Unit::Seconds,
            step,
            &outcomes[2],
        ));
    }
    let (loader, raw, whole) = (&outcomes[0], &outcomes[1], &outcomes[2]);
    row.targets.push(Target::at_least("loader's speed over the limit's", speed_beside(loader, raw), 0.8));
    if let Some(import) = of("sqlite3 .import") {
        row.targets.push(Target::at_least("whole path's speed over .import's", speed_beside(whole, import), 1.0));
    }
    if let Some(python) = of("Python") {
        row.targets.push(Target::at_least("loader's speed over Python's", speed_beside(loader, python), 3.0));
        row.targets.push(Target::at_least("whole path's speed over Python's", speed_beside(whole, python), 3.0));
    }
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

/// The same rows into the same schema with the same durability, by prepared insertions in one
/// transaction: rows lie decoded in memory, nothing is hashed or checked, no trigger fires, the
/// indexes beside the keys are made in the end, which is faster than keeping them up, and the log
/// is emptied.
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
            let indexes = indexes(&connection)?;
            for (name, _) in &indexes {
                connection.execute_batch(&format!("DROP INDEX {}", tables::quoted(name)))?;
            }
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
            for (_, sql) in &indexes {
                connection.execute_batch(sql)?;
            }
            connection.execute_batch("COMMIT")?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        };
        insert().map_err(&sql)
    })?;
    Ok(outcome)
}

/// Name and statement of each index of goods and barcodes beside the keys.
fn indexes(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('tmc', 'barcodes')";
    let mut statement = connection.prepare(sql)?;
    statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
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
