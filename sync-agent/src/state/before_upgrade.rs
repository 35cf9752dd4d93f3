//! Copies of `sync.db` as an older agent left it, made before its schema is brought up to date:
//! the way back, with that agent's program.
//!
//! They stand in `before-upgrade` in the data folder, `sync.db.schema-<n>` for each schema that
//! was left behind: a later upgrade from the same one takes its place, so that the newest state
//! counts and a start that fails again and again fills no disk. A copy has its name only once it
//! is whole and durable. The newest few stay.
//!
//! A newer schema is refused here, before anything in the file changes.

use super::StateError;
use fs_err as fs;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use rusqlite_migration::Migrations;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_file_queue::durable;

/// The folder, within the data folder.
const FOLDER: &str = "before-upgrade";

/// What the name of a copy begins with; its schema follows.
const COPY: &str = "sync.db.schema-";

/// The copy that is being made.
const UNFINISHED: &str = "sync.db.part";

/// So many upgrades can be looked back on.
const KEPT: usize = 3;

/// Pages copied in one step.
const STEP_PAGES: i32 = 4096;

/// How an agent goes on that refuses a newer state. Either way no receipt is lost: the server
/// states what it has, and the till sends the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// By a copy that this agent can read.
    Copy(PathBuf),
    /// There is none: by a new state.
    Anew,
}

impl fmt::Display for WayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("go back: move sync.db away with the files beside it that end in -wal and -shm, ")?;
        match self {
            Self::Copy(copy) => write!(f, "copy {} to its place, and start this agent", copy.display()),
            Self::Anew => f.write_str("and start this agent: it asks the server what it has"),
        }
    }
}

/// Refuses a newer database; keeps a copy of an older one. A new one has nothing to keep.
pub(super) fn keep(path: &Path, database: &Connection, steps: &Migrations<'_>) -> Result<(), StateError> {
    let failed = |source| StateError::Database { action: "open", path: path.to_owned(), source };
    let schema: i64 = database.query_row("PRAGMA user_version", (), |row| row.get(0)).map_err(failed)?;
    let pending = steps.pending_migrations(database).map_err(|source| match source {
        rusqlite_migration::Error::RusqliteError { err, .. } => failed(err),
        source => StateError::Schema { path: path.to_owned(), source },
    })?;
    let folder = path.parent().unwrap_or(Path::new(".")).join(FOLDER);
    if pending < 0 {
        let known = schema + i64::from(pending);
        let readable = copies(&folder).into_iter().rfind(|(schema, _)| *schema <= known);
        let way_back = readable.map_or(WayBack::Anew, |(_, copy)| WayBack::Copy(copy));
        return Err(StateError::Newer { path: path.to_owned(), found: schema, known, way_back });
    }
    if schema == 0 || pending == 0 {
        return Ok(());
    }
    let kept = folder.join(format!("{COPY}{schema}"));
    match copy(database, &folder, &kept) {
        Err(Failed::Read(source)) => return Err(failed(source)),
        Err(Failed::Write(source)) => return Err(StateError::Copy { path: kept, source }),
        Ok(()) => {}
    }
    tracing::warn!(
        copy = %kept.display(),
        schema,
        "an older agent made the agent's state: a copy of it is kept, and it is brought up to date"
    );
    let copies = copies(&folder);
    for (_, old) in copies.iter().take(copies.len().saturating_sub(KEPT)) {
        if let Err(error) = fs::remove_file(old) {
            tracing::warn!(%error, "failed to remove an old copy of the agent's state");
        }
    }
    Ok(())
}

/// Which side failed: a damaged state is begun anew, a full disk is not.
enum Failed {
    Read(rusqlite::Error),
    Write(Box<dyn Error + Send + Sync>),
}

fn copy(database: &Connection, folder: &Path, kept: &Path) -> Result<(), Failed> {
    let of_file = |source: io::Error| Failed::Write(source.into());
    let of_copy = |source: rusqlite::Error| {
        if super::file::is_damage(&source) { Failed::Read(source) } else { Failed::Write(source.into()) }
    };
    durable::create_dir_all(folder).map_err(of_file)?;
    let unfinished = folder.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_file(error)),
        _ => {}
    }
    let mut into = Connection::open(&unfinished).map_err(of_copy)?;
    // It is synced once, when it is whole.
    into.pragma_update(None, "synchronous", "OFF").map_err(of_copy)?;
    into.pragma_update(None, "journal_mode", "OFF").map_err(of_copy)?;
    Backup::new(database, &mut into)
        .and_then(|copying| copying.run_to_completion(STEP_PAGES, Duration::ZERO, None))
        .map_err(of_copy)?;
    into.close().map_err(|(_, error)| of_copy(error))?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(of_file)?;
    fail::fail_point!("before_upgrade::copied");
    durable::rename(&unfinished, kept).map_err(of_file)
}

/// The copies by schema, the oldest first. A folder that cannot be read has none.
fn copies(folder: &Path) -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let schema = |path: &Path| path.file_name()?.to_str()?.strip_prefix(COPY)?.parse().ok();
    let mut found: Vec<_> = entries.filter_map(|path| Some((schema(&path)?, path))).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    /// A state as an agent of the first schema left it.
    fn of_first_schema(folder: &Path) -> PathBuf {
        let path = folder.join("sync.db");
        let database = Connection::open(&path).unwrap();
        database
            .execute_batch(
                "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
                 CREATE TABLE sent (document INTEGER PRIMARY KEY) STRICT;
                 CREATE TABLE refused (document INTEGER PRIMARY KEY, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;
                 CREATE TABLE closed_shift (workshift INTEGER PRIMARY KEY) STRICT;
                 CREATE TABLE delivery (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, package TEXT NOT NULL,
                     state TEXT NOT NULL, reason TEXT, at TEXT NOT NULL) STRICT;
                 INSERT INTO sent VALUES (7);
                 PRAGMA user_version = 1;",
            )
            .unwrap();
        path
    }

    fn schema(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        copies(&folder.join(FOLDER))
            .into_iter()
            .map(|(_, path)| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_state_of_an_older_agent_is_copied_once_before_it_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_first_schema(folder.path());
        drop(State::open(folder.path()).unwrap());
        assert!(schema(&path) > 1);
        assert_eq!(names(folder.path()), ["sync.db.schema-1"]);
        let copy = folder.path().join(FOLDER).join("sync.db.schema-1");
        let sent: i64 =
            Connection::open(&copy).unwrap().query_row("SELECT document FROM sent", (), |row| row.get(0)).unwrap();
        assert_eq!((schema(&copy), sent), (1, 7));
        let before = fs::read(&copy).unwrap();
        drop(State::open(folder.path()).unwrap());
        assert_eq!(names(folder.path()), ["sync.db.schema-1"], "it is up to date");
        assert_eq!(fs::read(&copy).unwrap(), before);
    }

    #[test]
    fn a_new_state_has_no_copy_and_copies_of_the_newest_upgrades_stay() {
        let folder = tempfile::tempdir().unwrap();
        drop(State::open(folder.path()).unwrap());
        assert_eq!(names(folder.path()), Vec::<String>::new());
        fs::remove_file(folder.path().join("sync.db")).unwrap();
        of_first_schema(folder.path());
        let copies = folder.path().join(FOLDER);
        fs::create_dir_all(&copies).unwrap();
        for schema in [-2, -1, 0, 10] {
            fs::write(copies.join(format!("{COPY}{schema}")), "").unwrap();
        }
        // What a try left that was cut off.
        fs::write(copies.join(UNFINISHED), "half").unwrap();
        drop(State::open(folder.path()).unwrap());
        assert_eq!(names(folder.path()), ["sync.db.schema-0", "sync.db.schema-1", "sync.db.schema-10"]);
        assert!(!copies.join(UNFINISHED).exists());
    }

    #[test]
    fn a_state_of_a_newer_agent_is_refused_untouched_with_the_way_back_that_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sync.db");
        drop(State::open(folder.path()).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let before = fs::read(&path).unwrap();
        let told = State::open(folder.path()).unwrap_err().to_string();
        assert!(told.contains("schema 99") && told.contains("it asks the server what it has"), "{told}");
        let copies = folder.path().join(FOLDER);
        fs::create_dir_all(&copies).unwrap();
        for schema in [1, 2, 50] {
            fs::write(copies.join(format!("{COPY}{schema}")), "").unwrap();
        }
        let told = State::open(folder.path()).unwrap_err().to_string();
        assert!(told.contains("sync.db.schema-2 to its place"), "the newest that it can read: {told}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_copy_that_cannot_be_kept_leaves_the_state_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_first_schema(folder.path());
        fs::write(folder.path().join(FOLDER), "a file is in the way").unwrap();
        let told = State::open(folder.path()).unwrap_err();
        assert!(matches!(&told, StateError::Copy { .. }), "{told}");
        assert_eq!(schema(&path), 1);
        fs::remove_file(folder.path().join(FOLDER)).unwrap();
        drop(State::open(folder.path()).unwrap());
        assert_eq!(names(folder.path()), ["sync.db.schema-1"]);
    }
}
