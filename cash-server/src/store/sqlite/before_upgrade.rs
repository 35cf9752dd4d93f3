//! Copies of the databases as an older version left them, made before the first of them is brought
//! up to date: the way back, with that version's program.
//!
//! They stand in `before-upgrade/<time>` in the data folder, all of one moment, since they belong
//! together. Until all databases are up to date the folder's name ends with `.open`: a start that
//! failed in the middle is followed by another, and what that one finds is of two versions. Copies
//! that were not finished count for nothing. The newest few stay.

use super::connection::OPEN_FLAGS;
use super::{dictionary, exchange, intake, network, people, sales};
use crate::store::StoreError;
use crate::store::error::Place;
use fs_err as fs;
use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::Migrations;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use tillway_file_queue::durable;

/// The folder, within the data folder.
const FOLDER: &str = "before-upgrade";

/// So many upgrades can be looked back on.
const KEPT: usize = 3;

/// Ends the name of copies that are being made.
const UNFINISHED: &str = "part";

/// Ends the name of copies while their databases are brought up to date.
const OPEN: &str = "open";

/// Longest wait for whoever writes: the sales-loader may run beside.
const BUSY: Duration = Duration::from_secs(30);

/// Pages copied in one step.
const STEP_PAGES: i32 = 4096;

type Steps = &'static LazyLock<Migrations<'static>>;

/// What cannot be made again from the rest, with the steps that bring it up to date.
const DATABASES: [(&str, Steps); 6] = [
    ("dictionary.db", &dictionary::MIGRATIONS),
    (network::NETWORK_DB, &network::MIGRATIONS),
    ("exchange.db", &exchange::MIGRATIONS),
    ("intake.db", &intake::MIGRATIONS),
    ("sales.db", &sales::MIGRATIONS),
    (people::PEOPLE_DB, &people::MIGRATIONS),
];

/// Keeps copies where an older version made one of the databases. What cannot be opened is left to
/// whoever opens it next, who says why.
pub(in crate::store) fn keep(data: &Path) -> Result<(), StoreError> {
    let found: Vec<(PathBuf, Connection, bool)> = DATABASES
        .iter()
        .filter_map(|(name, steps)| {
            let path = data.join(name);
            let connection = Connection::open_with_flags(&path, OPEN_FLAGS & !OpenFlags::SQLITE_OPEN_CREATE).ok()?;
            connection.busy_timeout(BUSY).ok()?;
            let version: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0)).ok()?;
            let is_older = version > 0 && steps.pending_migrations(&connection).is_ok_and(|pending| pending > 0);
            Some((path, connection, is_older))
        })
        .collect();
    if !found.iter().any(|(_, _, is_older)| *is_older) || !with_ending(&data.join(FOLDER), Some(OPEN)).is_empty() {
        return Ok(());
    }
    let kept = copy(data, &found)?;
    tracing::warn!(
        folder = %kept.display(),
        "an older version made these databases: copies of them are kept, and they are brought up to date"
    );
    Ok(())
}

/// All databases are up to date. Best effort: the next upgrade looks again.
pub(in crate::store) fn done(data: &Path) {
    let folder = data.join(FOLDER);
    let finish = || -> io::Result<()> {
        for open in with_ending(&folder, Some(OPEN)) {
            fs::rename(&open, open.with_extension(""))?;
        }
        let kept = with_ending(&folder, None);
        kept.iter().take(kept.len().saturating_sub(KEPT)).try_for_each(fs::remove_dir_all)
    };
    if let Err(error) = finish() {
        tracing::warn!(%error, "failed to put copies of before an upgrade in order");
    }
}

/// The copies whose names end so, or have no ending; the oldest first. What cannot be read has
/// none.
fn with_ending(folder: &Path, ending: Option<&str>) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let mut found = entries.unwrap_or_default();
    found.retain(|path| path.extension().and_then(|found| found.to_str()) == ending);
    found.sort();
    found
}

fn copy(data: &Path, found: &[(PathBuf, Connection, bool)]) -> Result<PathBuf, StoreError> {
    let folder = data.join(FOLDER);
    let kept = folder.join(Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string()).with_extension(OPEN);
    let unfinished = kept.with_extension(UNFINISHED);
    let of_files = |source: io::Error| failed(&unfinished, rusqlite::Error::ToSqlConversionFailure(Box::new(source)));
    fs::create_dir_all(&folder).map_err(of_files)?;
    // A try that was cut off.
    let _ = fs::remove_dir_all(&unfinished);
    std::fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(of_files)?;
    for (path, connection, _) in found {
        let into = unfinished.join(path.file_name().unwrap_or_default());
        copy_one(connection, &into).map_err(|error| failed(&into, error))?;
        fs::File::open(&into).and_then(|file| file.sync_all()).map_err(of_files)?;
    }
    durable::sync_dir(&unfinished).map_err(of_files)?;
    fs::rename(&unfinished, &kept).map_err(of_files)?;
    durable::sync_dir(&folder).map_err(of_files)?;
    Ok(kept)
}

fn copy_one(from: &Connection, into: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open_with_flags(into, OPEN_FLAGS)?;
    // It is synced once, when it is whole.
    copy.pragma_update(None, "synchronous", "OFF")?;
    copy.pragma_update(None, "journal_mode", "OFF")?;
    Backup::new(from, &mut copy)?.run_to_completion(STEP_PAGES, Duration::ZERO, None)?;
    copy.close().map_err(|(_, error)| error)
}

fn failed(place: &Path, source: rusqlite::Error) -> StoreError {
    let place = Place::new(place.display());
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full {
            what: "keep copies of the databases before they are brought up to date",
            place,
            source: Box::new(source),
        },
        _ => StoreError::Open { place, source: Box::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stores;

    fn copies(data: &Path) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(data.join(FOLDER)) else { return Vec::new() };
        let mut copies: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        copies.sort();
        copies
    }

    fn set_version(file: &Path, version: i64) {
        Connection::open(file).unwrap().pragma_update(None, "user_version", version).unwrap();
    }

    fn version(file: &Path) -> i64 {
        Connection::open(file).unwrap().query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn databases_of_an_older_version_are_copied_together_and_those_of_this_one_are_not() {
        let data = tempfile::tempdir().unwrap();
        drop(Stores::open(data.path()).unwrap());
        drop(Stores::open(data.path()).unwrap());
        assert_eq!(copies(data.path()), Vec::<PathBuf>::new(), "new ones, and the same version");
        let newest = version(&data.path().join("sales.db"));
        set_version(&data.path().join("sales.db"), newest - 1);
        keep(data.path()).unwrap();
        let kept = copies(data.path());
        assert_eq!(kept.len(), 1);
        let names: Vec<_> = DATABASES.iter().map(|(name, _)| kept[0].join(name)).collect();
        assert!(names.iter().all(|copy| copy.exists()));
        assert_eq!(version(&kept[0].join("sales.db")), newest - 1);
        let rows: i64 =
            Connection::open(&names[1]).unwrap().query_row("SELECT count(*) FROM node", (), |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
        // A start that failed in the middle, and the one that got through.
        keep(data.path()).unwrap();
        assert_eq!(copies(data.path()), kept);
        set_version(&data.path().join("sales.db"), newest);
        drop(Stores::open(data.path()).unwrap());
        assert_eq!(copies(data.path()), [kept[0].with_extension("")]);
    }

    #[test]
    fn copies_of_the_newest_upgrades_stay() {
        let data = tempfile::tempdir().unwrap();
        drop(Stores::open(data.path()).unwrap());
        for n in 0..5 {
            fs::create_dir_all(data.path().join(FOLDER).join(format!("2020-01-0{n}T00-00-00Z"))).unwrap();
        }
        set_version(&data.path().join("intake.db"), 1);
        keep(data.path()).unwrap();
        done(data.path());
        let kept = copies(data.path());
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].ends_with("2020-01-03T00-00-00Z") && kept[2].join("intake.db").exists(), "{kept:?}");
    }

    #[test]
    fn what_cannot_be_opened_is_left_to_whoever_opens_it() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("sales.db"), "no database at all, but long enough to be looked at as one").unwrap();
        keep(data.path()).unwrap();
        assert!(copies(data.path()).is_empty());
    }
}
