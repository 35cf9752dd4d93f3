//! What a newer version left is refused with words that tell what to do, and is not touched. What
//! an upgrade could not finish is as it was before.

use crate::place::{Place, change};
use crate::{VERSIONS, place};
use fs_err as fs;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::{Path, PathBuf};
use tillway_exchangers::package::{PackageError, verify_file};
use tillway_proto::PackageName;
use tillway_tests::binaries::{CASH_SERVER, SYNC_AGENT};

/// Those that every version has.
const OF_SERVER: [&str; 5] = ["dictionary.db", "exchange.db", "intake.db", "packages.db", "sales.db"];

fn newest() -> &'static str {
    VERSIONS[VERSIONS.len() - 1]
}

fn hash(path: &Path) -> blake3::Hash {
    blake3::hash(&fs::read(path).unwrap())
}

fn schema_version(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// Starts the program on a file that is too new; it must say so, name the file, and leave it
/// alone.
fn refuses(place: &Place, program: &str, file: &Path) {
    let before = hash(file);
    let told = place.refused(program);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(told.contains(name), "{name} is not named: {told}");
    assert!(["upgrade", "newer"].iter().any(|word| told.contains(word)), "no advice: {told}");
    assert_eq!(hash(file), before, "{name} was changed");
}

#[test]
fn a_server_refuses_every_database_of_a_newer_version_and_leaves_it_alone() {
    for name in OF_SERVER.into_iter().chain(["network.db"]) {
        let place = Place::of(newest(), None);
        let path = place.data().join(name);
        change(&path, |database| database.pragma_update(None, "user_version", 1_000).unwrap());
        refuses(&place, CASH_SERVER, &path);
    }
}

/// Makes a segment's header one of a newer version that holds.
fn make_newer(header: &mut [u8], sequence: u64) {
    header[8..12].copy_from_slice(&1_000_u32.to_le_bytes());
    header[12..20].copy_from_slice(&sequence.to_le_bytes());
    let check = blake3::hash(&header[..20]);
    header[20..24].copy_from_slice(&check.as_bytes()[..4]);
}

/// The newest segment of a spool and its sequence.
fn newest_segment(spool: &Path) -> (PathBuf, u64) {
    let mut segments: Vec<PathBuf> = fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "spool"));
    let newest = segments.into_iter().max().unwrap();
    let sequence = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    (newest, sequence)
}

#[test]
fn a_server_refuses_a_spool_of_a_newer_version_and_leaves_it_alone() {
    let place = Place::of(newest(), None);
    let spool = place.data().join("spool");
    let (newest, sequence) = newest_segment(&spool);
    let mut header = fs::read(&newest).unwrap()[..24].to_vec();
    make_newer(&mut header, sequence + 1);
    let path = spool.join(format!("{:020}.spool", sequence + 1));
    fs::write(&path, header).unwrap();
    refuses(&place, CASH_SERVER, &path);
}

#[test]
fn a_server_refuses_a_segment_of_a_newer_version_that_it_has_loaded_the_beginning_of() {
    let place = Place::of(newest(), None);
    let (path, sequence) = newest_segment(&place.data().join("spool"));
    let sales = Connection::open(place.data().join("sales.db")).unwrap();
    let at =
        sales.query_row("SELECT segment, \"offset\" FROM spool_position", [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (segment, offset): (i64, i64) = at.unwrap();
    drop(sales);
    assert_eq!(segment, i64::try_from(sequence).unwrap(), "the newest segment is the one that is being loaded");
    assert!(offset >= 24, "its header is not behind the position: {offset}");
    let mut bytes = fs::read(&path).unwrap();
    make_newer(&mut bytes, sequence);
    fs::write(&path, bytes).unwrap();
    refuses(&place, CASH_SERVER, &path);
}

#[test]
fn an_agent_refuses_the_state_of_a_newer_version_and_leaves_it_alone() {
    let place = Place::of(newest(), None);
    let path = place.till().join("data/sync.db");
    change(&path, |database| database.pragma_update(None, "user_version", 1_000).unwrap());
    refuses(&place, SYNC_AGENT, &path);
    assert!(place.refused(SYNC_AGENT).contains("go back"), "no way back is told");
}

#[test]
fn an_agent_refuses_a_queue_of_a_newer_version_and_leaves_it_alone() {
    let place = Place::of(newest(), None);
    let path = place.till().join("queues/dictionary/format");
    let text = "tillway file-queue 1000";
    let check = &blake3::hash(text.as_bytes()).to_hex()[..16];
    fs::write(&path, format!("{text} {check}\n")).unwrap();
    let before = hash(&path);
    let told = place.refused(SYNC_AGENT);
    assert!(told.contains("1000") && told.contains("queues"), "{told}");
    assert_eq!(hash(&path), before);
}

#[test]
fn a_loader_refuses_the_dictionary_of_a_newer_version_and_leaves_it_alone() {
    let place = Place::of(newest(), None);
    let path = place.till().join("dictionaries.db");
    change(&path, |database| database.pragma_update(None, "user_version", 1_000).unwrap());
    let before = hash(&path);
    let error = tillway_exchangers::till::dictionary::Loader::open(&path).unwrap_err().to_string();
    assert!(error.contains("newer") && error.contains("upgrade"), "{error}");
    assert_eq!(hash(&path), before);
}

#[test]
fn a_package_of_a_newer_version_is_refused() {
    let folder = place::fixtures(newest()).join("server/data/packages");
    let package = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "twp"));
    let mut bytes = fs::read(package.unwrap()).unwrap();
    // Behind the mark of eight bytes.
    bytes[8..12].copy_from_slice(&1_000_u32.to_le_bytes());
    let name = PackageName::from_hash(blake3::hash(&bytes).into());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name.file_name());
    fs::write(&path, &bytes).unwrap();
    let error = verify_file(&path, &name).unwrap_err();
    assert!(matches!(error, PackageError::NewerVersion { .. }), "{error}");
}

/// What makes up a database, but for what SQLite keeps for itself.
fn schema(path: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// The table that a schema is made with last.
fn last_table(path: &Path) -> String {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid DESC LIMIT 1";
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_migration_that_breaks_off_in_its_middle_leaves_the_database_as_it_was() {
    let of_server = OF_SERVER.map(|name| (CASH_SERVER, format!("server/data/{name}")));
    for (program, file) in of_server.into_iter().chain([(SYNC_AGENT, "till/data/sync.db".to_owned())]) {
        let place = Place::of(newest(), None);
        let path = place.server().parent().unwrap().join(&file);
        // An empty database, but that the last table of the schema is in the way: the ones before
        // are made, and this one cannot be.
        let in_the_way = last_table(&path);
        for rest in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{rest}", path.display()));
        }
        change(&path, |database| {
            database.pragma_update(None, "journal_mode", "WAL").unwrap();
            database.execute_batch(&format!("CREATE TABLE {in_the_way}(in_the_way)")).unwrap();
        });
        let before = schema(&path);
        let told = place.refused(program);
        assert!(told.contains(path.file_name().unwrap().to_str().unwrap()), "{told}");
        assert_eq!(schema(&path), before, "{file}");
        assert_eq!(schema_version(&path), 0, "{file}");
    }
}

/// All that is in a database: of each table its name, and each row as text.
fn content(path: &Path) -> Vec<(String, Vec<String>)> {
    let connection = Connection::open(path).unwrap();
    let tables = schema(path).into_iter().filter(|(_, sql)| sql.starts_with("CREATE TABLE"));
    let rows_of = |(table, _): (String, String)| {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let as_text = |row: &rusqlite::Row<'_>| {
            let values: rusqlite::Result<Vec<Value>> = (0..columns).map(|column| row.get(column)).collect();
            Ok(format!("{:?}", values?))
        };
        let rows = statement.query_map([], as_text).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        (table, rows)
    };
    tables.map(rows_of).collect()
}

#[test]
fn an_upgrade_that_breaks_off_in_its_middle_leaves_schema_and_content_as_they_were() {
    for version in VERSIONS {
        let upgraded = Place::of(version, None);
        drop(upgraded.start_server());
        let place = Place::of(version, None);
        for name in OF_SERVER {
            let path = place.data().join(name);
            let had: Vec<String> = schema(&path).into_iter().map(|(name, _)| name).collect();
            // What an upgrade makes last is in the way.
            let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid DESC";
            let connection = Connection::open(upgraded.data().join(name)).unwrap();
            let mut statement = connection.prepare(sql).unwrap();
            let made = statement.query_map([], |row| row.get(0)).unwrap();
            let made: rusqlite::Result<Vec<String>> = made.collect();
            let Some(last) = made.unwrap().into_iter().find(|made| !had.contains(made)) else { continue };
            change(&path, |database| database.execute_batch(&format!("CREATE TABLE {last}(in_the_way)")).unwrap());
            let before = (schema_version(&path), schema(&path), content(&path));
            assert!(before.2.iter().any(|(_, rows)| !rows.is_empty()), "{name} of {version} is empty");
            let told = place.refused(CASH_SERVER);
            assert!(told.contains(name), "{told}");
            assert!(
                before == (schema_version(&path), schema(&path), content(&path)),
                "{name} of {version} was changed"
            );
            change(&path, |database| database.execute_batch(&format!("DROP TABLE {last}")).unwrap());
        }
        // Nothing is in the way any more: the next start brings it to its end.
        place.start_server();
    }
}
