//! SQLite without us: a till's database with nothing in it, and the shell that fills it.

use super::tables::{Table, quoted};
use crate::MeasureError;
use fs_err as fs;
use rusqlite::Connection;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tillway_exchangers::till::dictionary::Loader;

/// Page cache, as our loader has it.
const CACHE_KIB: u32 = 64 << 10;

/// A database and what SQLite keeps beside it.
pub fn remove(database: &Path) -> Result<(), MeasureError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = PathBuf::from(format!("{}{suffix}", database.display()));
        if file.exists() {
            fs::remove_file(file).map_err(MeasureError::File)?;
        }
    }
    Ok(())
}

/// A till's database anew, without rows and without the triggers that tell our loader of other
/// hands.
pub fn empty(database: &Path) -> Result<(), MeasureError> {
    remove(database)?;
    let opened = Loader::open(database);
    drop(opened.map_err(|error| MeasureError::wrong("opening a till's dictionary", error))?);
    drop_triggers(database)
}

/// Takes the triggers that tell our loader of other hands out of a database.
pub fn drop_triggers(database: &Path) -> Result<(), MeasureError> {
    let drop = || {
        let connection = Connection::open(database)?;
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")?;
        let names: Vec<String> = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        for name in names {
            connection.execute_batch(&format!("DROP TRIGGER {}", quoted(&name)))?;
        }
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
    };
    drop().map_err(MeasureError::sql(database))
}

/// Settings of the shell: as durable as our loader, and with its cache.
pub fn settings() -> String {
    format!("PRAGMA journal_mode = WAL;\nPRAGMA synchronous = FULL;\nPRAGMA cache_size = -{CACHE_KIB};\n")
}

/// The shell, filling tables by `.import`. It reads every cell as text and has no nulls, and our
/// tables are strict and have columns that no row uses: so each file goes into a temporary table,
/// in memory, and from there into its own, all of them in one transaction. (Through a view with a
/// trigger it takes half as long again.)
pub fn import(database: &Path, tables: &[Table], folder: &Path) -> Result<Command, MeasureError> {
    let mut script = format!("{}PRAGMA temp_store = MEMORY;\n", settings());
    for table in tables {
        let (name, columns) = (table.kind.spec().table, table.column_list());
        let _ = writeln!(script, "CREATE TEMP TABLE \"{name}_in\" ({columns});");
        let _ = writeln!(script, ".import --csv --schema temp \"{}\" \"{name}_in\"", table.file.display());
    }
    script.push_str("BEGIN IMMEDIATE;\n");
    for table in tables {
        let (name, columns) = (table.kind.spec().table, table.column_list());
        let cells: Vec<String> = table.columns.iter().map(|column| format!("nullif({}, '')", quoted(column))).collect();
        let cells = cells.join(", ");
        let _ = writeln!(script, "INSERT INTO {} ({columns}) SELECT {cells} FROM \"{name}_in\";", table.name());
    }
    script.push_str("COMMIT;\nPRAGMA wal_checkpoint(TRUNCATE);\n");
    let file = folder.join("import.sql");
    fs::write(&file, script).map_err(MeasureError::File)?;
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-bail"]).arg(database).arg(format!(".read \"{}\"", file.display()));
    Ok(command)
}
