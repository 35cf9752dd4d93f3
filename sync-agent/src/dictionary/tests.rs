use super::*;
use fs_err as fs;
use rusqlite::Connection;

fn dictionary() -> (tempfile::TempDir, Dictionary) {
    let folder = tempfile::tempdir().unwrap();
    let dictionary = Dictionary::at(folder.path().join("dictionaries.db"));
    assert!(dictionary.verify().unwrap().is_empty());
    (folder, dictionary)
}

fn tool(dictionary: &Dictionary) -> Connection {
    Connection::open(dictionary.path()).unwrap()
}

fn broken(dictionary: &Dictionary) -> PathBuf {
    dictionary.path().with_file_name("dictionaries.db.broken")
}

#[test]
fn a_file_that_was_removed_or_replaced_is_not_written_any_more() {
    let (folder, dictionary) = dictionary();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", dictionary.path().display()));
    }
    assert!(dictionary.verify().unwrap().is_empty());
    assert!(dictionary.path().exists(), "made anew, since the old one is nobody's");
    // An image of last week is put in its place.
    let image = folder.path().join("image.db");
    drop(Loader::open(&image).unwrap());
    fs::rename(&image, dictionary.path()).unwrap();
    tool(&dictionary).execute("INSERT INTO tmc (code) VALUES ('1')", []).unwrap();
    assert_eq!(dictionary.verify().unwrap(), ["item"], "the one that is there is looked at");
}

#[test]
fn rubbish_is_set_aside_and_the_dictionary_begun_anew() {
    let (folder, dictionary) = dictionary();
    let rubbish = folder.path().join("rubbish");
    fs::write(&rubbish, vec![7; 8192]).unwrap();
    fs::rename(&rubbish, dictionary.path()).unwrap();
    assert_eq!(dictionary.look().unwrap(), Held::default());
    assert!(dictionary.verify().unwrap().is_empty());
    assert_eq!(fs::read(broken(&dictionary)).unwrap(), vec![7; 8192]);
    assert_eq!(dictionary.look().unwrap(), Held::default());
}

#[test]
fn a_reader_of_a_damaged_dictionary_is_not_blocked_by_the_new_one() {
    let (_folder, dictionary) = dictionary();
    let pos = tool(&dictionary);
    let count = |pos: &Connection| pos.query_row("SELECT count(*) FROM tmc", [], |row| row.get::<_, i64>(0));
    assert_eq!(count(&pos).unwrap(), 0);
    dictionary.begin_anew().unwrap();
    assert_eq!(count(&pos).unwrap(), 0, "it goes on with the file it has open");
    assert!(dictionary.verify().unwrap().is_empty());
}

#[test]
fn tables_changed_by_hand_are_mended_in_the_file_that_is_there() {
    let (_folder, dictionary) = dictionary();
    let pos = tool(&dictionary);
    let mended = |change: &str| {
        tool(&dictionary).execute_batch(change).unwrap();
        if let Err(error) = dictionary.verify() {
            assert!(matches!(error, DictionaryError::Apply(ApplyError::Database { .. })), "{change}: {error:?}");
            return dictionary.verify().unwrap();
        }
        dictionary.verify().unwrap()
    };
    assert!(mended("DROP VIEW goods; DROP TABLE barcodes").is_empty());
    assert!(mended("DROP TABLE tillway_digest").is_empty());
    assert_eq!(mended("DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code)"), ["item"], "a snapshot mends it");
    assert!(!broken(&dictionary).exists() && !dictionary.take_restart_due());
    assert_eq!(pos.query_row("SELECT count(*) FROM barcodes", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn a_loader_that_panicked_is_opened_anew() {
    let (_folder, dictionary) = dictionary();
    let load = || -> Result<(), DictionaryError> { dictionary.with_loader(|_| panic!("on purpose")) };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)).is_err());
    assert!(dictionary.verify().unwrap().is_empty());
}

#[test]
fn a_reader_that_never_ends_is_told_once_again_when_its_log_has_doubled_and_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let dictionary = Dictionary::with_log_limit(folder.path().join("dictionaries.db"), 100_000);
    dictionary.verify().unwrap();
    assert_eq!(dictionary.look_at_log(), None);
    let reader = tool(&dictionary);
    reader.execute_batch("BEGIN; SELECT count(*) FROM tmc").unwrap();
    let writer = tool(&dictionary);
    let load = || writer.execute("INSERT INTO shift_of_test VALUES (zeroblob(20000))", []).map(|_| ()).unwrap();
    writer.execute_batch("CREATE TABLE shift_of_test (x)").unwrap();
    let mut told = Vec::new();
    while dictionary::log_bytes(dictionary.path()) < 500_000 {
        load();
        told.extend(
            dictionary.look_at_log().map(|growth| (growth, dictionary::log_bytes(dictionary.path()) / 100_000)),
        );
    }
    assert_eq!(told, [(Growth::Grown, 1), (Growth::Grown, 2), (Growth::Grown, 4)]);
    drop(reader);
    writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!((dictionary.look_at_log(), dictionary.look_at_log()), (Some(Growth::Over), None));
}
