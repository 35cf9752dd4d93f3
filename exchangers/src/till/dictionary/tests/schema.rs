//! Older, newer and damaged databases.

use super::*;

#[test]
fn what_a_newer_version_declares_is_added_and_what_is_not_known_stays() {
    let mut till = Till::new();
    let overlay = Overlay::with_items(0..10, 100);
    till.load_full(1, &overlay);
    let path = till.path();
    let Till { folder, loader } = till;
    drop(loader);
    let older = Connection::open(&path).unwrap();
    older
        .execute_batch(
            "DROP VIEW goods; DROP TABLE kbkey; DROP INDEX tmc_articul; DROP TRIGGER tillway_tmc_update; \
             ALTER TABLE tmc DROP COLUMN extendedoptions; ALTER TABLE tmc ADD COLUMN from_the_future TEXT; \
             CREATE VIEW goods AS SELECT 1 AS price",
        )
        .unwrap();
    drop(older);
    let mut till = Till { loader: Loader::open(&path).unwrap(), folder };
    till.assert_holds(1, &overlay);
    let columns: i64 = till
        .tool()
        .query_row(
            "SELECT count(*) FROM pragma_table_info('tmc') WHERE name IN ('extendedoptions', 'from_the_future')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(columns, 2);
    assert_eq!(price_of(&till.shelf(), 3), Some(Kopecks(100)));
    till.tool().execute("UPDATE tmc SET price = 1 WHERE code = '3'", []).unwrap();
    let next = till.package((1, &overlay), (2, &Overlay::with_items(0..11, 100)), &[]);
    assert!(matches!(till.apply(&next), Err(ApplyError::Diverged { .. })), "the trigger is there again");
}

#[test]
fn a_database_of_a_newer_version_and_a_damaged_one_are_told_apart() {
    let till = Till::new();
    till.tool().pragma_update(None, "user_version", 99).unwrap();
    let path = till.path();
    let Till { folder, loader } = till;
    drop(loader);
    let error = Loader::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("upgrade"), "{error}");
    fs::write(&path, vec![7; 8192]).unwrap();
    let error = Loader::open(&path).unwrap_err();
    assert!(error.is_corrupt(), "{error:?}");
    let broken = set_aside(&path).unwrap();
    assert!(broken.ends_with("dictionaries.db.broken") && broken.exists());
    Till { loader: Loader::open(&path).unwrap(), folder }.assert_holds(0, &Overlay::default());
}

#[test]
fn tables_that_no_package_fits_are_told_from_what_can_be_mended() {
    let changes = [
        ("ALTER TABLE tmc ADD COLUMN mine TEXT DEFAULT 'x'", false),
        ("DROP INDEX tmc_articul", false),
        ("ALTER TABLE tmc ADD COLUMN mine TEXT NOT NULL DEFAULT ''", false),
        ("DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code TEXT PRIMARY KEY) STRICT", false),
        ("DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code INTEGER PRIMARY KEY) STRICT", true),
        ("DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code TEXT PRIMARY KEY)", true),
        ("DROP VIEW goods; DROP TABLE tmc; CREATE VIEW tmc AS SELECT 1 AS code", true),
        ("ALTER TABLE tmc RENAME COLUMN code TO number", true),
        ("DROP TABLE tillway_cursor", true),
        ("PRAGMA user_version = 0", true),
    ];
    for (change, is_corrupt) in changes {
        let till = Till::new();
        let path = till.path();
        let Till { folder: _folder, loader } = till;
        drop(loader);
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        match Loader::open(&path) {
            Ok(_) => assert!(!is_corrupt, "{change}"),
            Err(error) => assert!(is_corrupt && error.is_corrupt(), "{change}: {error:?}"),
        }
    }
}
