//! The file `sync.db`: how it is opened and brought up to date, and what becomes of a damaged one.

use super::{StateError, before_upgrade};
use fs_err as fs;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_file_queue::durable;

/// Damaged files that are kept.
const MAX_DAMAGED: usize = 3;

/// How long a command line waits for the daemon's write and the other way round.
const BUSY_TIME: Duration = Duration::from_secs(10);

fn migrations() -> Migrations<'static> {
    let first = M::up(
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
         CREATE TABLE sent (document INTEGER PRIMARY KEY) STRICT;
         CREATE TABLE refused (document INTEGER PRIMARY KEY, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;
         CREATE TABLE closed_shift (workshift INTEGER PRIMARY KEY) STRICT;
         CREATE TABLE delivery (
             number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, package TEXT NOT NULL, state TEXT NOT NULL,
             reason TEXT, at TEXT NOT NULL) STRICT;",
    );
    let what_is_open = M::up(
        "CREATE TABLE open_document (document INTEGER PRIMARY KEY) STRICT;
         CREATE TABLE open_shift (workshift INTEGER PRIMARY KEY) STRICT;
         CREATE TABLE refused_shift (workshift INTEGER PRIMARY KEY, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;",
    );
    // What a person dropped stays known, so that no look back takes it for lost.
    let what_is_dropped = M::up(
        "ALTER TABLE refused ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE refused_shift ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;",
    );
    Migrations::new(vec![first, what_is_open, what_is_dropped])
}

/// A newer file is refused, and a copy of an older one is kept, before anything in it changes.
pub(super) fn open_file(path: &Path) -> Result<Connection, StateError> {
    let failed = |source| StateError::Database { action: "open", path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIME).map_err(failed)?;
    before_upgrade::keep(path, &connection, &migrations())?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    migrations().to_latest(&mut connection).map_err(|source| match source {
        rusqlite_migration::Error::RusqliteError { err, .. } => failed(err),
        source => StateError::Schema { path: path.to_owned(), source },
    })?;
    Ok(connection)
}

/// Moves a damaged file out of the way and makes a new one.
pub(super) fn begin_anew(path: &Path, damage: &rusqlite::Error) -> Result<Connection, StateError> {
    let aside = set_aside(path).map_err(StateError::File)?;
    fail::fail_point!("state::set_aside");
    tracing::error!(error = %damage, aside = %aside.display(), "the agent's state is damaged: set aside and begun anew");
    open_file(path)
}

/// Under a number above those that are there, whatever the clock says; the lowest go where there
/// are too many.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let kept = damaged(folder)?;
    let next = kept.last().map_or(1, |(number, _)| number.saturating_add(1));
    let aside = folder.join(format!("sync.db.damaged-{next}"));
    durable::rename(path, &aside)?;
    for rest in ["sync.db-wal", "sync.db-shm"] {
        match fs::remove_file(folder.join(rest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let too_many = (kept.len() + 1).saturating_sub(MAX_DAMAGED);
    kept.iter().take(too_many).try_for_each(|(_, path)| fs::remove_file(path))?;
    Ok(aside)
}

/// Damaged files that were set aside, by number.
fn damaged(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut kept: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix("sync.db.damaged-")?.parse().ok());
        kept.extend(number.map(|number| (number, path)));
    }
    kept.sort();
    Ok(kept)
}

/// The damaged files that are kept for a person, the oldest first.
pub(crate) fn damaged_files(data: &Path) -> Vec<PathBuf> {
    damaged(data).unwrap_or_default().into_iter().map(|(_, path)| path).collect()
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}
