//! How fast a load is beside bare insertions. Run by hand, in release.

use super::*;
use rusqlite::params_from_iter;
use std::time::Instant;

const ITEMS: u32 = 200_000;

fn overlay() -> Overlay {
    let mut overlay = Overlay::default();
    for number in 0..ITEMS {
        let code = format!("{number:07}");
        let barcode = format!("46{number:011}");
        let item = [
            ("inventcode", text(&code)),
            ("barcode", text(&barcode)),
            ("name", text(&format!("{} Товар с длинным именем {number}", number * 7919 % 1009))),
            ("inventgroup", text(&(number % 300).to_string())),
            ("price", Value::Integer(i64::from(number) * 7)),
            ("deptcode", Value::Integer(1)),
            ("taxgroupcode", Value::Integer(2)),
            ("measurecode", Value::Integer(796)),
            (
                "options",
                text(r#"{"inventitemoptions":{"disablebackinsale":1},"priceoptions":{"enablepricemanual":0}}"#),
            ),
        ];
        overlay.put(kind("item"), &item, None);
        overlay.put(kind("barcode"), &[("barcode", text(&barcode)), ("code", text(&code))], None);
    }
    overlay
}

/// The same rows by bare prepared insertions into the same tables, in the same order: with the
/// indexes there all the time, or made at the end as a load does.
fn bare(overlay: &Overlay, reindex: bool) -> f64 {
    let till = Till::new();
    let connection = till.tool();
    connection.pragma_update(None, "cache_size", -65536).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    let indexes: Vec<(String, String)> = ["item", "barcode"]
        .into_iter()
        .flat_map(|name| crate::till::dictionary::schema::secondary_indexes(kind(name)))
        .collect();
    let rows: Vec<(Kind, Vec<rusqlite::types::Value>)> = overlay
        .0
        .iter()
        .map(|((id, _), bytes)| {
            let kind = Kind::by_id(*id).unwrap();
            let row = RowRef::decode(kind, bytes).unwrap();
            let values = row.values.iter().map(|value| match value.to_value() {
                Value::Null => rusqlite::types::Value::Null,
                Value::Integer(number) => number.into(),
                Value::Text(text) => text.into(),
            });
            (kind, values.collect())
        })
        .collect();
    let statement = |kind: Kind| {
        let columns: Vec<_> = kind.fields().iter().map(|field| format!("\"{}\"", field.column)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({marks})", kind.spec().table, columns.join(", "));
        connection.prepare(&sql).unwrap()
    };
    let mut statements = [statement(kind("item")), statement(kind("barcode"))];
    let started = Instant::now();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (name, _) in indexes.iter().filter(|_| reindex) {
        connection.execute_batch(&format!("DROP INDEX \"{name}\"")).unwrap();
    }
    for (kind, values) in &rows {
        let statement = &mut statements[usize::from(kind.name() == "barcode")];
        statement.execute(params_from_iter(values)).unwrap();
    }
    for (_, create) in indexes.iter().filter(|_| reindex) {
        connection.execute_batch(create).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    started.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement"]
fn a_load_is_about_as_fast_as_bare_insertions() {
    let overlay = overlay();
    let empty = Overlay::default();
    let folder = TempDir::new().unwrap();
    let started = Instant::now();
    let package = build(folder.path(), (0, &empty), (1, &overlay), &all_kinds());
    println!("build {:.2} s, {} bytes", started.elapsed().as_secs_f64(), package.bytes);
    let mut changed = overlay.clone();
    for (at, (key, bytes)) in overlay.0.iter().enumerate().filter(|(at, _)| at % 20 == 0) {
        let kind = Kind::by_id(key.0).unwrap();
        let mut row = RowRef::decode(kind, bytes).unwrap().to_row();
        row.values.resize(kind.fields().len(), Value::Null);
        row.values[kind.field("price").unwrap()] = Value::Integer(i64::try_from(at).unwrap());
        changed.0.insert(key.clone(), row.encode());
    }
    let difference = build(folder.path(), (1, &overlay), (2, &changed), &[]);
    let mut from_nothing = Till::new();
    let as_difference = build(folder.path(), (0, &empty), (1, &overlay), &[]);
    for _ in 0..3 {
        let (indexed, reindexed) = (bare(&overlay, false), bare(&overlay, true));
        let mut till = Till::new();
        let started = Instant::now();
        till.apply(&package).unwrap();
        let load = started.elapsed().as_secs_f64();
        let started = Instant::now();
        till.apply(&difference).unwrap();
        let change = started.elapsed().as_secs_f64();
        let started = Instant::now();
        assert!(till.loader.verify().unwrap().is_empty());
        let verify = started.elapsed().as_secs_f64();
        println!(
            "bare {indexed:.2} s, reindexed {reindexed:.2} s, load {load:.2} s, 20,000 changes {change:.2} s, verify {verify:.2} s"
        );
    }
    let started = Instant::now();
    from_nothing.apply(&as_difference).unwrap();
    println!("all as a difference {:.2} s", started.elapsed().as_secs_f64());
}

/// Bytes of the database and its log.
fn bytes_on_disk(till: &Till) -> (u64, u64) {
    let bytes = |suffix: &str| fs::metadata(format!("{}{suffix}", till.path().display())).map_or(0, |file| file.len());
    (bytes(""), bytes("-wal"))
}

#[test]
fn a_load_takes_no_more_room_than_it_is_said_to_and_gives_its_log_back() {
    let mut till = Till::new();
    for revision in 1..3 {
        let overlay = Overlay::with_items(0..10_000, i64::try_from(revision).unwrap());
        let package = till.package((0, &Overlay::default()), (revision, &overlay), &all_kinds());
        let (before, _) = bytes_on_disk(&till);
        // A reader that stays keeps the log at its full length.
        let reader = till.tool();
        reader.execute_batch("BEGIN; SELECT count(*) FROM tmc").unwrap();
        till.apply(&package).unwrap();
        let (_, log) = bytes_on_disk(&till);
        drop(reader);
        till.loader.checkpoint();
        let (after, cut) = bytes_on_disk(&till);
        let taken = log + after.saturating_sub(before);
        let package = fs::metadata(&package.path).unwrap().len();
        let allowed = load_bytes(package, 20_000);
        assert!(taken <= allowed, "{taken} bytes for a package of {package}, allowed are {allowed}");
        // The log holds each page about once: old rows, new rows and indexes.
        assert!(log <= 3 * after, "a log of {log} bytes for a database of {after}");
        assert_eq!(cut, 0);
    }
}
