//! A till's documents as another vendor's POS may have written them: the right tables, any rows.

use super::{assert_told, folder};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tillway_exchangers::till::documents::writer::PosWriter;
use tillway_exchangers::till::documents::{Documents, DocumentsError, Progress};
use tillway_proto::TillId;

/// Tables of the POS that are read.
const TABLES: [&str; 8] =
    ["workshift", "document", "goodsitem", "stornogoodsitem", "discitem", "moneyitem", "carditem", "users"];

/// Values that make trouble somewhere.
const INTEGERS: [i64; 12] = [0, 1, 2, 3, 25, 50, -1, i64::MAX, i64::MIN, 1 << 53, u32::MAX as i64, i32::MIN as i64];
const TEXTS: [&str; 12] = [
    "",
    "2026-01-31T08:00:00",
    "2026-02-30T08:00:00",
    "2026-01-31 08:00:00",
    "9999-12-31T23:59:59",
    "-9999-01-01T00:00:00",
    "6e2c2b3e-0d8a-4f6b-8a51-7c8f2d9e4b10",
    "00000000-0000-0000-0000-000000000000",
    "17",
    "1e308",
    "\u{0}\u{fffd}\u{202e}",
    "long long long long long long long long long long long long long long long long long long long long long",
];

/// Takes bytes as choices; zeros when they are at their end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn value(&mut self, row: i64) -> Value {
        let choice = self.next();
        match choice % 8 {
            0 => Value::Null,
            1 => Value::Integer(INTEGERS[usize::from(self.next()) % INTEGERS.len()]),
            2 => Value::Integer(i64::from(self.next()) - 64),
            3 => Value::Integer(row),
            4 => Value::Text(TEXTS[usize::from(self.next()) % TEXTS.len()].to_owned()),
            5 => Value::Real(f64::from(self.next()) * 1e300),
            6 => Value::Blob(vec![self.next(); usize::from(choice)]),
            _ => Value::Text(String::from_utf8_lossy(&[self.next(), self.next()]).into_owned()),
        }
    }
}

/// The schema of the POS, without its promises about types: `strict` keeps them.
#[expect(clippy::expect_used, reason = "only in tests, and without a database there is none")]
fn fill(path: &Path, choices: &mut Choices<'_>) {
    drop(PosWriter::open(path).expect("the POS's tables"));
    let connection = Connection::open(path).expect("the database");
    connection.pragma_update(None, "foreign_keys", false).expect("a pragma");
    if choices.next().is_multiple_of(2) {
        loosen(&connection);
    }
    for row in 1..=i64::from(choices.next() % 24) {
        let table = TABLES[usize::from(choices.next()) % TABLES.len()];
        let columns = columns(&connection, table);
        let values: Vec<Value> = columns.iter().map(|_| choices.value(row)).collect();
        let places = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({places})", columns.join(","));
        // What the schema itself refuses is not there.
        let _ = connection.execute(&sql, rusqlite::params_from_iter(values));
    }
}

/// The same tables, as a POS makes them that SQLite lets write anything anywhere.
#[expect(clippy::expect_used, reason = "only in tests, and without a database there is none")]
fn loosen(connection: &Connection) {
    for table in TABLES {
        let columns = columns(connection, table).join(",");
        connection
            .execute_batch(&format!("DROP TABLE {table}; CREATE TABLE {table} ({columns});"))
            .expect("a table without types");
    }
}

#[expect(clippy::expect_used, reason = "only in tests, and without a database there is none")]
fn columns(connection: &Connection, table: &str) -> Vec<String> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").expect("a query");
    let names = statement.query_map([table], |row| row.get(0)).expect("a query");
    names.collect::<rusqlite::Result<_>>().expect("names")
}

/// A `documents.db` that the input fills; or, where it starts as SQLite's files do, that the input
/// is.
#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
pub fn documents_db(bytes: &[u8]) {
    let folder = folder();
    let path = folder.path().join("documents.db");
    if bytes.starts_with(b"SQLite format 3\0") {
        fs_err::write(&path, bytes).expect("a database");
    } else {
        fill(&path, &mut Choices(bytes));
    }
    if let Err(error) = read(&path) {
        assert_told(&error);
    }
}

fn read(path: &Path) -> Result<(), DocumentsError> {
    let till: TillId = match "_cash_51_00000000".parse() {
        Ok(till) => till,
        Err(error) => panic!("{error}"),
    };
    let mut documents = Documents::open(path, till)?;
    let (mut after, mut seen) = (i64::MIN, BTreeSet::new());
    for _ in 0..100 {
        let page = documents.finished_after(after, &BTreeSet::new(), 3)?;
        assert!(page.documents.len() + page.broken.len() <= 3);
        let ids = page.documents.iter().map(|document| document.document_id);
        for id in ids.chain(page.broken.iter().map(|broken| broken.document_id)) {
            assert!(seen.insert(id), "document {id} comes twice");
            documents.row(id)?;
        }
        for broken in &page.broken {
            assert!(!broken.reason.is_empty());
        }
        match page.last_id {
            Some(last) if last > after => after = last,
            _ => break,
        }
    }
    let progress = Progress::default();
    documents.settle(&progress)?;
    documents.settle_shifts(&progress)?;
    documents.unsent(&progress)?;
    documents.highest()?;
    documents.newest(i64::MAX)?;
    documents.last_closed()?;
    documents.closed_besides(&progress, 5)?;
    for head in documents.shifts_before(i64::MAX, 20)? {
        documents.first_document_since(head.workshift_id)?;
        documents.number_holes(head.workshift_id)?;
        documents.keys_of_shift(head.workshift_id)?;
    }
    documents.shifts_of(&(1..=20).collect())?;
    documents.finished_on_days(jiff::civil::date(2026, 1, 1), jiff::civil::date(2026, 12, 31), 0, 5)?;
    documents.finished_since(jiff::civil::DateTime::MIN, 0, 5)?;
    Ok(())
}
