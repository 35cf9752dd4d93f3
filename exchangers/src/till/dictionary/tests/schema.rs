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
fn a_database_of_before_there_were_proofs_is_read_as_it_is_and_then_brought_along() {
    let mut till = Till::new();
    let overlay = Overlay::with_items(0..10, 100);
    till.load_full(4, &overlay);
    let path = till.path();
    let Till { folder, loader } = till;
    drop(loader);
    let older = Connection::open(&path).unwrap();
    older.execute_batch("ALTER TABLE tillway_cursor DROP COLUMN proof; PRAGMA user_version = 1;").unwrap();
    drop(older);
    let state = State::read(&path).unwrap();
    assert_eq!((state.cursor, state.proof, state.rows), (Revision(4), None, overlay.0.len() as u64));
    let mut till = Till { loader: Loader::open(&path).unwrap(), folder };
    till.assert_holds(4, &overlay);
    let next = till.package((4, &overlay), (5, &Overlay::with_items(0..11, 100)), &[]);
    till.apply(&next).unwrap();
    assert_eq!(till.loader.state().unwrap().proof, Some(proof_of(5)));
}

/// Has somebody change the database while no loader has it open.
fn changed(till: Till, change: &str) -> Till {
    let path = till.path();
    let Till { folder, loader } = till;
    drop(loader);
    Connection::open(&path).unwrap().execute_batch(change).unwrap();
    Till { loader: Loader::open(&path).unwrap(), folder }
}

#[test]
fn what_was_changed_by_hand_is_mended_in_the_same_file_and_an_open_pos_sees_it() {
    // What no package fits waits for a snapshot, with the rows that are there.
    let changes = [
        ("ALTER TABLE tmc ADD COLUMN mine TEXT DEFAULT 'x'", false),
        ("ALTER TABLE tmc ADD COLUMN mine TEXT NOT NULL DEFAULT ''", false),
        ("DROP INDEX tmc_articul; CREATE TABLE tmc_articul (mine)", false),
        ("DROP INDEX tmc_articul; CREATE UNIQUE INDEX tmc_articul ON tmc (name)", false),
        ("CREATE UNIQUE INDEX mine ON tmc (price, articul)", false),
        (
            "DROP TRIGGER tillway_tmc_update; CREATE TRIGGER tillway_tmc_update AFTER UPDATE ON tmc BEGIN SELECT 1; END",
            false,
        ),
        ("DROP VIEW goods; CREATE TABLE goods (barcode TEXT)", false),
        ("DROP VIEW goods; CREATE TABLE mine (a); CREATE INDEX goods ON mine (a)", false),
        ("DROP VIEW goods; ALTER TABLE tmc RENAME TO old; CREATE TABLE tmc AS SELECT * FROM old", true),
        ("DROP VIEW goods; ALTER TABLE tmc RENAME TO old; CREATE VIEW TMC AS SELECT * FROM old", true),
        ("DROP VIEW goods; ALTER TABLE tmc RENAME TO old; CREATE TABLE tmc (code INTEGER PRIMARY KEY) STRICT", true),
        (
            "DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code TEXT PRIMARY KEY, price INTEGER CHECK (price < 9)) STRICT",
            true,
        ),
        ("ALTER TABLE tmc ADD COLUMN mine TEXT CHECK (mine IS NULL)", true),
        ("ALTER TABLE tmc RENAME COLUMN code TO number", true),
    ];
    for (change, waits) in changes {
        let mut till = Till::new();
        let before = Overlay::with_items(0..10, 100);
        till.load_full(1, &before);
        let mut after = before.clone();
        after.item(3, 555);
        let mut till = changed(till, change);
        let pos = till.tool();
        let count = "SELECT count(*) FROM barcodes";
        assert_eq!(pos.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 10, "{change}");

        let difference = till.package((1, &before), (2, &after), &[]);
        let applied = till.apply(&difference);
        if waits {
            assert!(
                matches!(&applied, Err(ApplyError::Diverged { kinds }) if kinds == &["item"]),
                "{change}: {applied:?}"
            );
            assert_eq!(till.loader.verify().unwrap(), [kind("item")], "{change}");
            assert_eq!(till.loader.state().unwrap().cursor, Revision(1), "{change}");
            let repair = till.package((1, &before), (2, &after), &[kind("item")]);
            assert!(matches!(till.apply(&repair), Ok(Applied::Done(_))), "{change}");
        } else {
            assert!(matches!(applied, Ok(Applied::Done(_))), "{change}: {applied:?}");
        }
        till.assert_holds(2, &after);
        let sql = "SELECT price FROM goods WHERE code = '3'";
        assert_eq!(pos.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 555, "the open POS: {change}");
        let schema =
            |till: &Till| -> i64 { till.tool().pragma_query_value(None, "schema_version", |row| row.get(0)).unwrap() };
        let mended = schema(&till);
        till.loader.verify().unwrap();
        assert_eq!(schema(&till), mended, "nothing is left to mend: {change}");
    }
}

#[test]
fn the_loaders_own_tables_changed_by_hand_are_made_anew_and_the_rows_stay_until_all_comes() {
    let changes = [
        "DROP TABLE tillway_cursor",
        "DROP TABLE tillway_digest; CREATE TABLE tillway_digest (kind TEXT, rows INTEGER, digest BLOB)",
        "DROP TABLE tillway_touched; CREATE VIEW tillway_touched AS SELECT 'x' AS kind",
        "PRAGMA user_version = 0",
    ];
    for change in changes {
        let mut till = Till::new();
        let overlay = Overlay::with_items(0..10, 100);
        till.load_full(1, &overlay);
        let mut till = changed(till, change);
        assert_eq!(till.loader.state().unwrap().cursor, Revision(0), "{change}");
        assert_eq!(price_of(&till.shelf(), 3), Some(Kopecks(100)), "{change}");
        till.load_full(2, &overlay);
        till.assert_holds(2, &overlay);
    }
}

#[test]
fn a_row_that_a_table_refuses_is_blamed_on_the_table_once_and_then_on_the_package() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    till.load_full(1, &before);
    // Nothing that the schema tells of refuses a null, until it comes.
    let mut till = changed(
        till,
        "DROP VIEW goods; DROP TABLE tmc; CREATE TABLE tmc (code TEXT PRIMARY KEY, articul TEXT NOT NULL DEFAULT '') STRICT",
    );
    let after = Overlay::with_items(0..11, 100);
    let repair = till.package((1, &before), (2, &after), &[kind("item")]);
    assert!(matches!(till.apply(&repair), Err(ApplyError::Diverged { kinds }) if kinds == ["item"]));
    assert!(matches!(till.apply(&repair), Ok(Applied::Done(_))), "its table is made anew");
    till.assert_holds(2, &after);
}
