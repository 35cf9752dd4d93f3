//! Copies of several databases of one moment, while they are in use.
//!
//! For that moment all writers are held: the dictionary's first, since a load keeps it for as long
//! as it takes, the others only once that one is there. Nobody waits for two of them while holding
//! one, but whoever comes to do so finds this giving way: what is not to be had soon lets all go,
//! and it is tried again. Within the moment nothing is copied; readers begin, and hold what they
//! see. Then writers go on, and the copies are made from what the readers see.

use super::{Database, Reader, Writer};
use crate::store::StoreError;
use crate::store::copies::{Copied, Copying};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What is to be had within this is not held by a load; whoever is in the way writes a batch.
const SOON: Duration = Duration::from_secs(5);

/// Between two tries to hold all.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// So often it is tried to hold all.
const TRIES: u32 = 60;

/// Pages copied in one step: 4 MiB with pages of 4 KiB.
const STEP_PAGES: i32 = 1024;

/// Files of a copy are for this server's user alone.
const COPY_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE).union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

const WHAT: &str = "copy the database";

/// Copies these databases into a folder that is there and has none of them, under their names.
pub(in crate::store) fn copy(
    databases: &[Database],
    into: &Path,
    copying: &mut dyn Copying,
) -> Result<Vec<Copied>, StoreError> {
    let readers = of_one_moment(databases, copying)?;
    let sizes: Vec<u64> = readers.iter().map(|(database, reader)| size(database, reader)).collect::<Result<_, _>>()?;
    let (total, mut done) = (sizes.iter().sum(), 0);
    let mut copies = Vec::new();
    for ((database, reader), size) in readers.into_iter().zip(sizes) {
        let mut steps = |of_this: u64| copying.goes_on(done + of_this.min(size), total);
        copies.push(copy_one(database, &reader, into, &mut steps)?);
        done += size;
    }
    Ok(copies)
}

/// A reader of each, and all of them see the same moment.
fn of_one_moment<'a>(
    databases: &'a [Database],
    copying: &mut dyn Copying,
) -> Result<Vec<(&'a Database, Reader)>, StoreError> {
    for _ in 0..TRIES {
        let Some(held) = hold_all(databases)? else {
            thread::sleep(TRY_AGAIN);
            continue;
        };
        let begin = |database: &'a Database| {
            let reader = database.reader()?;
            reader
                .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
                .map_err(|error| database.failed(WHAT, error))?;
            Ok((database, reader))
        };
        let readers = databases.iter().map(begin).collect::<Result<Vec<_>, StoreError>>()?;
        copying.at_the_moment().map_err(|error| io_failed(&databases[0], error))?;
        drop(held);
        return Ok(readers);
    }
    let busy = io::Error::new(io::ErrorKind::TimedOut, "somebody writes to them without a pause");
    Err(io_failed(&databases[0], busy))
}

/// The writers of all, each with the lock that keeps other processes out; none where one of them
/// is not to be had soon.
fn hold_all(databases: &[Database]) -> Result<Option<Vec<Writer>>, StoreError> {
    let mut held = Vec::new();
    for database in databases {
        let writer = if held.is_empty() { Some(database.writer()) } else { database.writer_within(SOON) };
        let Some(writer) = writer else { return Ok(None) };
        writer.execute_batch("BEGIN IMMEDIATE").map_err(|error| database.failed(WHAT, error))?;
        held.push(writer);
    }
    Ok(Some(held))
}

fn size(database: &Database, reader: &Connection) -> Result<u64, StoreError> {
    let number = |name| reader.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count").map_err(|error| database.failed(WHAT, error))?;
    let bytes = number("page_size").map_err(|error| database.failed(WHAT, error))?;
    Ok(pages.saturating_mul(bytes).unsigned_abs())
}

fn copy_one(
    database: &Database,
    reader: &Connection,
    into: &Path,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Copied, StoreError> {
    let name = name(database);
    let path = into.join(&name);
    let failed = |error| database.failed(WHAT, error);
    let mut copy = Connection::open_with_flags(&path, COPY_FLAGS).map_err(failed)?;
    // Nobody relies on it before it has been read again.
    copy.pragma_update(None, "synchronous", "OFF").map_err(failed)?;
    copy.pragma_update(None, "journal_mode", "OFF").map_err(failed)?;
    {
        let backup = Backup::new(reader, &mut copy).map_err(failed)?;
        while backup.step(STEP_PAGES).map_err(failed)? == StepResult::More {
            let progress = backup.progress();
            let pages = progress.pagecount.saturating_sub(progress.remaining);
            if !goes_on(u64::from(pages.unsigned_abs()) * 4096) {
                return Err(io_failed(database, io::Error::new(io::ErrorKind::Interrupted, "the server stops")));
            }
        }
    }
    // A damaged database is told now, while the last good copy is still there.
    let found: String = copy.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(failed)?;
    if found != "ok" {
        return Err(database.corrupt(WHAT, found));
    }
    let rows = rows(&copy).map_err(failed)?;
    copy.close().map_err(|(_, error)| database.failed(WHAT, error))?;
    Ok(Copied { name, rows })
}

/// Looks at a copy that was opened: whether it is sound, and how many rows it has.
pub(in crate::store) fn look(database: &Database) -> Result<Copied, StoreError> {
    database.check()?;
    let rows = database.read(WHAT, rows)?;
    Ok(Copied { name: name(database), rows })
}

fn name(database: &Database) -> String {
    database.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Rows of each table.
fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        let rows: i64 = connection.query_row(&sql, (), |row| row.get(0))?;
        Ok((name, rows.unsigned_abs()))
    };
    names.into_iter().map(count).collect()
}

fn io_failed(database: &Database, error: io::Error) -> StoreError {
    let source = rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    match database.failed(WHAT, source) {
        // It says nothing about any data.
        StoreError::Refused { what, place, source } => StoreError::Query { what, place, source },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use rusqlite_migration::{M, Migrations};
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Calm;

    impl Copying for Calm {
        fn at_the_moment(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn goes_on(&mut self, _: u64, _: u64) -> bool {
            true
        }
    }

    fn number_in(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("SELECT n FROM t", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn copies_of_two_databases_show_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = Migrations::new(vec![M::up("CREATE TABLE t(n INTEGER) STRICT; INSERT INTO t VALUES (0)")]);
        let open = |name: &str| Database::open(&folder.path().join(name), &migrations, Durability::Normal).unwrap();
        let both = [open("one.db"), open("other.db")];
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // The first is always as far as the second, or one step further.
                while !stop.load(Ordering::SeqCst) {
                    for database in &both {
                        database.write("count", |t| t.execute("UPDATE t SET n = n + 1", ())).unwrap();
                    }
                }
            });
            for copy_no in 0..20 {
                let into = folder.path().join(copy_no.to_string());
                fs_err::create_dir(&into).unwrap();
                let copies = copy(&both, &into, &mut Calm).unwrap();
                assert_eq!(copies[0].rows, BTreeMap::from([("t".to_owned(), 1)]));
                let (one, other) = (number_in(&into.join("one.db")), number_in(&into.join("other.db")));
                assert!(one == other || one == other + 1, "{one} and {other}");
            }
            stop.store(true, Ordering::SeqCst);
        });
        assert!(number_in(both[0].path()) > 0, "somebody wrote meanwhile");
    }

    #[test]
    fn a_database_that_does_not_come_free_is_not_waited_for_while_others_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = Migrations::new(vec![M::up("CREATE TABLE t(n INTEGER) STRICT")]);
        let open = |name: &str| Database::open(&folder.path().join(name), &migrations, Durability::Normal).unwrap();
        let both = [open("one.db"), open("other.db")];
        let held = both[1].writer();
        assert!(hold_all(&both).unwrap().is_none());
        drop(both[0].writer());
        drop(held);
        assert!(hold_all(&both).unwrap().is_some());
    }
}
