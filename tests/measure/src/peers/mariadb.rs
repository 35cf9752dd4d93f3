//! A private MariaDB: on a socket in the scratch folder, without network, with what its manual
//! advises for loading InnoDB tables in bulk and nothing taken from durability
//! (`innodb_flush_log_at_trx_commit=1`, the doublewrite buffer as it is).

use super::tables::Table;
use crate::MeasureError;
use crate::figure::{Outcome, Usage};
use crate::usage;
use fs_err as fs;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tillway_exchangers::kinds::{Kind, Storage};
use tillway_tests::process::Daemon;
use tillway_tests::wait::{Seen, wait_for};

/// The server.
pub const SERVER: &str = "mariadbd";

/// All that it takes.
const PROGRAMS: [&str; 3] = [SERVER, "mariadb", "mariadb-install-db"];

/// A start makes its log files.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Buffer pool: larger than all the rows of a store with their indexes. Log: larger than all they
/// write.
const SIZES: [&str; 2] = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"];

/// A server that runs.
#[derive(Debug)]
pub struct MariaDb {
    daemon: Daemon,
    socket: PathBuf,
}

/// What is missing of it, where anything is.
pub fn missing() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| !super::is_there(program))
}

impl MariaDb {
    /// Makes a new one in `folder` and starts it.
    pub fn start(folder: &Path) -> Result<Self, MeasureError> {
        // The path of a socket is at most 107 bytes, and the scratch folder may lie deep.
        let folder = fs::canonicalize(folder).map_err(MeasureError::File)?;
        let data = folder.join("data");
        let socket = folder.join("s");
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut install = Command::new("mariadb-install-db");
        install.arg("--no-defaults").arg(option("datadir", &data));
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        let mut server = Command::new(SERVER);
        server.arg("--no-defaults").arg(option("datadir", &data)).arg(option("socket", &socket));
        server.arg(option("pid-file", &folder.join("pid"))).arg(option("tmpdir", &folder));
        server.args(["--skip-networking", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=1"]).args(SIZES);
        server.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin"]);
        server.arg("--secure-file-priv=");
        // As root it does not start without being told so.
        if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            install.arg("--user=root");
            server.arg("--user=root");
        }
        finished("mariadb-install-db", install.stdin(Stdio::null()).output())?;
        let failed = |error: tillway_tests::process::ProcessError| MeasureError::wrong("starting MariaDB", error);
        let daemon = Daemon::start(SERVER, &mut server, &folder.join("mariadb.log")).map_err(failed)?;
        let mut started = Self { daemon, socket };
        let answers = wait_for("MariaDB to answer", START_TIMEOUT, || {
            if let Err(error) = started.daemon.check() {
                return Seen::Ready(Err(MeasureError::wrong("starting MariaDB", error)));
            }
            match started.run("SELECT 1") {
                Ok(_) => Seen::Ready(Ok(())),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        });
        answers.map_err(MeasureError::TimedOut)??;
        started.run("CREATE DATABASE till")?;
        Ok(started)
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> Result<Output, MeasureError> {
        let mut client = Command::new("mariadb");
        client.arg("--no-defaults").arg("--user=root").arg(format!("--socket={}", self.socket.display()));
        finished(
            "mariadb",
            client.args(["--batch", "--skip-column-names", "--execute", sql]).stdin(Stdio::null()).output(),
        )
    }

    /// The tables anew, with the columns, keys and indexes of the till's.
    pub fn make_tables(&self, tables: &[Table]) -> Result<(), MeasureError> {
        let mut sql = String::from("USE till;\n");
        for Table { kind, .. } in tables {
            let _ = writeln!(sql, "DROP TABLE IF EXISTS `{}`;\n{};", kind.spec().table, create(*kind));
        }
        self.run(&sql).map(drop)
    }

    /// Fills them with `LOAD DATA` in one transaction; the checks that its manual says to leave
    /// out are left out.
    pub fn load(&mut self, tables: &[Table]) -> Result<Outcome, MeasureError> {
        let mut sql = String::from("USE till;\nSET autocommit=0, unique_checks=0, foreign_key_checks=0;\n");
        for table in tables {
            let variables: Vec<String> = table.columns.iter().map(|column| format!("@`{column}`")).collect();
            let set: Vec<String> =
                table.columns.iter().map(|column| format!("`{column}` = NULLIF(@`{column}`, '')")).collect();
            let _ = writeln!(
                sql,
                "LOAD DATA INFILE '{}' INTO TABLE `{}` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' \
                 OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' ({}) SET {};",
                fs::canonicalize(&table.file).map_err(MeasureError::File)?.display(),
                table.kind.spec().table,
                variables.join(", "),
                set.join(", ")
            );
        }
        sql.push_str("COMMIT;\n");
        usage::reset_peak(self.daemon.pid())?;
        let before = usage::of_process(self.daemon.pid())?;
        let started = Instant::now();
        self.run(&sql)?;
        let seconds = started.elapsed().as_secs_f64();
        let after = usage::of_process(self.daemon.pid())?;
        let used = Usage { peak_bytes: after.peak_bytes, processor_s: after.processor_s - before.processor_s };
        Ok(Outcome::of_seconds(seconds).by(SERVER, used))
    }

    /// An error where a table has not as many rows as were put into its file.
    pub fn check(&self, tables: &[Table], rows: usize) -> Result<(), MeasureError> {
        let counts: Vec<String> =
            tables.iter().map(|table| format!("(SELECT count(*) FROM till.`{}`)", table.kind.spec().table)).collect();
        let output = self.run(&format!("SELECT {}", counts.join(" + ")))?;
        let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if found == rows.to_string() {
            return Ok(());
        }
        Err(MeasureError::wrong("MariaDB", format!("it has {found} rows in place of {rows}")))
    }
}

/// The table of a kind. Texts with an index have a length, as long as InnoDB can have them in an
/// index; others have none.
fn create(kind: Kind) -> String {
    let spec = kind.spec();
    let key: Vec<&str> = kind.key_columns().iter().map(|at| kind.fields()[*at].column).collect();
    let mut sql = format!("CREATE TABLE `{}` (", spec.table);
    for field in kind.fields() {
        let in_key = key.contains(&field.column);
        let indexed = in_key || spec.indexes.iter().any(|index| index.contains(&field.column));
        let sort = match field.field_type.storage() {
            Storage::Integer => "BIGINT",
            Storage::Text if indexed => "VARCHAR(255)",
            Storage::Text => "TEXT",
        };
        let _ = write!(sql, "`{}` {sort}{}, ", field.column, if in_key { " NOT NULL" } else { "" });
    }
    let names = |columns: &[&str]| columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    let _ = write!(sql, "`extra` TEXT, PRIMARY KEY ({})", names(&key));
    for index in spec.indexes {
        let _ = write!(sql, ", INDEX ({})", names(index));
    }
    sql.push_str(") ENGINE=InnoDB");
    sql
}

fn finished(program: &str, output: std::io::Result<Output>) -> Result<Output, MeasureError> {
    let failed = |output: String| MeasureError::Peer { program: program.to_owned(), output };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(failed(String::from_utf8_lossy(&said).trim().to_owned()))
}
