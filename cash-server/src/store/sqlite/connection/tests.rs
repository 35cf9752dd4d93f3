use super::*;
use rusqlite_migration::M;

fn first() -> Migrations<'static> {
    Migrations::new(vec![M::up("CREATE TABLE t(x INTEGER)")])
}

#[test]
fn a_newer_database_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let newer = Migrations::new(vec![M::up("CREATE TABLE t(x INTEGER)"), M::up("CREATE TABLE u(x INTEGER)")]);
    drop(Database::open(&path, &newer, Durability::Full).unwrap());
    let error = Database::open(&path, &first(), Durability::Full).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("upgrade"), "{error}");
}

#[test]
fn a_dropped_writer_leaves_nothing_and_a_reader_is_not_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Full).unwrap();
    let count = |database: &Database| {
        database.read("count", |reader| reader.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0)))
    };
    let writer = database.writer();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(count(&database).unwrap(), 0);
    drop(writer);
    assert_eq!(count(&database).unwrap(), 0);
    database.write("insert", |t| t.execute("INSERT INTO t VALUES (2)", ())).unwrap();
    assert_eq!(count(&database).unwrap(), 1);
    assert!(database.write("fail", |t| t.execute("INSERT INTO nowhere VALUES (2)", ())).is_err());
    database.check().unwrap();
}

/// A database with a few pages, and its bytes.
fn filled(path: &Path, durability: Durability) -> Vec<u8> {
    let database = Database::open(path, &first(), durability).unwrap();
    let rows =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n";
    database.write("insert", |t| t.execute(rows, ())).unwrap();
    drop(database);
    fs_err::read(path).unwrap()
}

#[test]
fn a_damaged_file_is_named_with_what_to_do_whatever_happened_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    for (durability, remedy) in [(Durability::Full, "from a backup"), (Durability::Normal, "made anew")] {
        let whole = filled(&path, durability);
        assert!(whole.len() > 5 * 4096);
        let mut header = whole.clone();
        header[..100].fill(0);
        let mut page = whole.clone();
        page[2 * 4096..3 * 4096].fill(0);
        let cut = whole[..whole.len() - 2 * 4096].to_vec();
        let rubbish = b"rubbish ".repeat(4096);
        for (what, bytes) in [("header", header), ("page", page), ("cut", cut), ("rubbish", rubbish)] {
            fs_err::write(&path, bytes).unwrap();
            let error = Database::open(&path, &first(), durability).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error:?}");
            let told = error.to_string();
            assert!(told.contains("a.db") && told.contains(remedy), "{told}");
        }
        fs_err::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_of_another_user_is_refused_with_whose_it_is_and_a_new_one_is_of_whoever_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    // Only root may give things away; for anybody else all is their own.
    let is_root = std::os::unix::fs::chown(folder.path(), Some(54_321), Some(54_321)).is_ok();
    let database = Database::open(&path, &first(), Durability::Full).unwrap();
    let uid = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs_err::metadata(path).unwrap());
    assert_eq!(is_root, uid(&path) == 54_321);
    assert_eq!((uid(&path), uid(&log_of(&path))), (uid(folder.path()), uid(folder.path())));
    drop(database);
    let refused = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY), None);
    let told = opening(&path, Durability::Full, refused).to_string();
    assert_eq!(is_root, told.contains("run this as the user with the number 54321"), "{told}");
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path, Durability::Full);
    let failing = Migrations::new(vec![
        M::up("CREATE TABLE t(x INTEGER)"),
        M::up("DELETE FROM t; CREATE TABLE u(x INTEGER); INSERT INTO nowhere VALUES (1)"),
    ]);
    Database::open(&path, &failing, Durability::Full).unwrap_err();
    let database = Database::open(&path, &first(), Durability::Full).unwrap();
    let count = "SELECT count(*) FROM t";
    assert_eq!(database.read("count", |c| c.query_row(count, (), |row| row.get::<_, i64>(0))).unwrap(), 5000);
}

#[test]
fn a_full_disk_is_said_to_be_one_and_the_next_write_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Full).unwrap();
    database.writer().pragma_update(None, "max_page_count", 4).unwrap();
    let rows =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n";
    let error = database.write("insert", |t| t.execute(rows, ())).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(!error.is_about_a_value(), "it is not the data's fault");
    database.writer().pragma_update(None, "max_page_count", 1_000_000).unwrap();
    assert_eq!(database.write("insert", |t| t.execute(rows, ())).unwrap(), 5000);
}

#[test]
fn a_value_that_is_not_taken_or_does_not_read_is_told_from_what_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let strict = Migrations::new(vec![M::up("CREATE TABLE t(x INTEGER CHECK (x < 5)) STRICT")]);
    let database = Database::open(&path, &strict, Durability::Full).unwrap();
    let insert = |value: &dyn rusqlite::ToSql| {
        database.write("insert", |t| t.execute("INSERT INTO t VALUES (?1)", [value])).unwrap_err()
    };
    for error in [insert(&5), insert(&"text")] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        assert!(error.is_about_the_data() && error.is_about_a_value());
    }
    let read = |sql: &str| database.read("read", |c| c.query_row(sql, (), |row| row.get::<_, i64>(0))).unwrap_err();
    let unreadable = read("SELECT 'text'");
    assert!(matches!(unreadable, StoreError::Unreadable { .. }), "{unreadable:?}");
    assert!(!unreadable.is_about_the_data() && unreadable.is_about_a_value());
    let defect = read("SELECT no_such_column FROM t");
    assert!(matches!(defect, StoreError::Query { .. }), "{defect:?}");
    assert!(!defect.is_about_a_value());
}

#[test]
fn the_second_writer_waits_for_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let database = database.clone();
            std::thread::spawn(move || database.write("insert", |t| t.execute("INSERT INTO t VALUES (?)", [n])))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    let sum: i64 =
        database.read("sum", |reader| reader.query_row("SELECT sum(x) FROM t", (), |row| row.get(0))).unwrap();
    assert_eq!(sum, 28);
}

/// A row of so many bytes, all of them new pages.
const LARGE_ROW: &str = "INSERT INTO t SELECT zeroblob(80000000)";

fn log_bytes(database: &Database) -> u64 {
    fs_err::metadata(log_of(database.path())).map_or(0, |log| log.len())
}

#[test]
fn a_log_that_a_large_load_blew_up_is_cut_when_it_ends_and_when_it_is_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    let writer = database.writer();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.execute(LARGE_ROW, ()).unwrap();
    assert!(log_bytes(&database) > WAL_LIMIT_BYTES, "{}", log_bytes(&database));
    drop(writer);
    // The next writer waits for that.
    drop(database.writer());
    assert_eq!(log_bytes(&database), 0);
    let count = || database.read("count", |c| c.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0)));
    assert_eq!(count().unwrap(), 0);
    database.write("insert", |t| t.execute(LARGE_ROW, ())).unwrap();
    drop(database.writer());
    assert_eq!((log_bytes(&database), count().unwrap()), (0, 1));
    database.check().unwrap();
}

#[test]
fn a_log_that_a_reader_held_is_cut_when_it_is_asked_for_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    database.write("insert", |t| t.execute("INSERT INTO t VALUES (1)", ())).unwrap();
    let reader = database.reader().unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
    let begun = std::time::Instant::now();
    database.write("insert", |t| t.execute(LARGE_ROW, ())).unwrap();
    database.cut_log();
    assert!(begun.elapsed() < BUSY_TIMEOUT, "the reader is not waited for");
    assert!(log_bytes(&database) > WAL_LIMIT_BYTES);
    let writer = database.writer();
    drop(reader);
    database.cut_log();
    assert!(log_bytes(&database) > WAL_LIMIT_BYTES, "whoever writes is not waited for");
    drop(writer);
    // Whoever cuts the log later may have the writer at this moment.
    let begun = Instant::now();
    while log_bytes(&database) > 0 && begun.elapsed() < Duration::from_secs(10) {
        drop(database.writer());
        database.cut_log();
    }
    assert_eq!(log_bytes(&database), 0);
}

#[test]
fn a_log_that_a_reader_held_is_cut_once_the_reader_ends_though_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    let reader = begin_to_read(&database);
    database.write("insert", |t| t.execute(LARGE_ROW, ())).unwrap();
    drop(database.writer());
    assert!(log_bytes(&database) > WAL_LIMIT_BYTES);
    drop(reader);
    let begun = Instant::now();
    while log_bytes(&database) > WAL_LIMIT_BYTES {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} bytes", log_bytes(&database));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn processes_that_open_a_new_file_at_one_moment_make_its_schema_together() {
    let steps: Vec<String> = (0..8).map(|step| format!("CREATE TABLE t{step}(x INTEGER)")).collect();
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                let migrations = Migrations::new(steps.iter().map(|step| M::up(step)).collect());
                Database::open(&path, &migrations, Durability::Full).map(drop)
            };
            let openers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    }
}

/// About 40 MB of log.
fn large_write(database: &Database) {
    let mut writer = database.writer_of_much();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.writes_much();
    writer.execute_batch("DELETE FROM t; INSERT INTO t SELECT zeroblob(40000000)").unwrap();
    writer.commit().unwrap();
}

fn begin_to_read(database: &Database) -> Reader {
    let reader = database.reader().unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
    reader
}

#[test]
fn back_to_back_loads_keep_the_log_within_its_limit_while_there_is_always_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    large_write(&database);
    let stop = AtomicBool::new(false);
    let largest = thread::scope(|scope| {
        // Two that take turns, each beginning while the other one reads.
        for offset in [0, 150] {
            let (database, stop) = (&database, &stop);
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(offset));
                while !stop.load(Ordering::Relaxed) {
                    let _reader = begin_to_read(database);
                    thread::sleep(Duration::from_millis(300));
                }
            });
        }
        let mut largest = 0;
        for _ in 0..10 {
            large_write(&database);
            largest = largest.max(log_bytes(&database));
        }
        stop.store(true, Ordering::Relaxed);
        largest
    });
    assert!(largest > 0 && largest < 2 * WAL_LIMIT_BYTES, "{largest}");
}

#[test]
fn a_reader_that_does_not_end_stops_no_load_for_good_and_no_small_write_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("a.db"), &first(), Durability::Normal).unwrap();
    let _reader = begin_to_read(&database);
    database.write("insert", |t| t.execute(LARGE_ROW, ())).unwrap();
    let waits = Duration::from_secs(2);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let begun = Instant::now();
            drop(database.writer_of_much_within(waits));
            begun.elapsed()
        });
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        database.write("insert", |t| t.execute("INSERT INTO t VALUES (2)", ())).unwrap();
        assert!(begun.elapsed() < waits, "{:?}", begun.elapsed());
        assert!(waiting.join().unwrap() >= waits);
    });
}
