//! What others would fill the same tables with.

use crate::MeasureError;
use crate::figure::Outcome;
use crate::part::{self, Part};
use crate::peers::mariadb::{self, MariaDb};
use crate::peers::tables::{self, Table};
use crate::peers::{is_there, sqlite};
use crate::report::Row;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program and times it, as the only child of a process.
pub(super) const RUN_PROGRAM: Part = ("run-program", run_program);

/// The script, which needs nothing but Python.
const SCRIPT: &str = include_str!("../../peers/load_aif.py");

/// One run of something.
pub(super) type Run<'a> = Box<dyn FnMut() -> Result<Outcome, MeasureError> + 'a>;

/// The rows in the forms that peers read.
pub(super) struct Peers {
    pub(super) folder: PathBuf,
    pub(super) aif: PathBuf,
    pub(super) tables: Vec<Table>,
    pub(super) rows: usize,
}

#[derive(Serialize, Deserialize)]
struct Program {
    program: String,
    arguments: Vec<String>,
}

fn run_program(arguments: &str) -> Result<Outcome, MeasureError> {
    let Program { program, arguments } = part::arguments(arguments)?;
    part::timed_program(Command::new(program).args(arguments))
}

fn run_apart(command: &Command) -> Result<Outcome, MeasureError> {
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let arguments = command.get_args().map(text).collect();
    part::run(RUN_PROGRAM.0, &Program { program: text(command.get_program()), arguments })
}

impl Peers {
    fn database(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.db"))
    }

    /// The shell of SQLite.
    pub(super) fn import(&self, row: &mut Row) -> Option<Run<'_>> {
        if !is_there("sqlite3") {
            row.skipped.push("sqlite3 .import: sqlite3 is not installed".to_owned());
            return None;
        }
        let database = self.database("import");
        row.notes.push(
            "`.import` begins with CSV files of the very rows; it goes through a temporary table in memory, since it knows no \
             nulls and our tables are strict"
                .to_owned(),
        );
        Some(Box::new(move || {
            sqlite::empty(&database)?;
            run_apart(&sqlite::import(&database, &self.tables, &self.folder)?)
        }))
    }

    /// The script.
    pub(super) fn python(&self, row: &mut Row) -> Result<Option<Run<'_>>, MeasureError> {
        if !is_there("python3") {
            row.skipped.push("Python: python3 is not installed".to_owned());
            return Ok(None);
        }
        let script = self.folder.join("load_aif.py");
        fs::write(&script, SCRIPT).map_err(MeasureError::File)?;
        let database = self.database("python");
        Ok(Some(Box::new(move || {
            sqlite::empty(&database)?;
            run_apart(Command::new("python3").arg(&script).arg(&self.aif).arg(&database))
        })))
    }

    /// MariaDB.
    pub(super) fn mariadb(&self, row: &mut Row) -> Result<Option<Run<'_>>, MeasureError> {
        if let Some(program) = mariadb::missing() {
            row.skipped.push(format!("MariaDB LOAD DATA: {program} is not installed"));
            return Ok(None);
        }
        let folder = self.folder.join("mariadb");
        fs::create_dir_all(&folder).map_err(MeasureError::File)?;
        let mut server = MariaDb::start(&folder)?;
        Ok(Some(Box::new(move || {
            server.make_tables(&self.tables)?;
            let outcome = server.load(&self.tables)?;
            server.check(&self.tables, self.rows)?;
            Ok(outcome)
        })))
    }

    /// Whether what runs on SQLite left the same rows as ours. A time for other rows would say
    /// nothing.
    pub(super) fn compare(&self, ours: &Path, raw: &Path) -> Result<(), MeasureError> {
        let theirs = [raw.to_owned(), self.database("import"), self.database("python")];
        theirs.iter().filter(|database| database.exists()).try_for_each(|database| tables::compare(ours, database))
    }
}
