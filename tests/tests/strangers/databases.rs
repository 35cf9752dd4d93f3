//! The till's two databases, as a POS with its own SQLite meets them, and an administrator with a
//! tool.

use crate::support::{RECOVERY, catalogue, converged, has_receipts, load, seen_by_server, until};
use crate::tools::{documented, of_project, python, said, said_to, shop_with_a_till, sqlite3};
use flate2::read::GzDecoder;
use fs_err as fs;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use tillway_exchangers::till::dictionary::Loader;
use tillway_tests::bench::Till;
use tillway_tests::wait::{Seen, wait_for};

const PAGE: &str = "docs/formats/till-databases.md";

/// What the parameters of documented statements are here.
const PARAMETERS: [(&str, &str); 3] = [("barcode", "b2"), ("code", "1"), ("prefix", "Item")];

/// Runs statements with Python's sqlite3; the rows of each.
fn by_python(database: &Path, statements: &[String]) -> Vec<Value> {
    let parameters = PARAMETERS.iter().map(|(name, value)| format!("{name}={value}"));
    let arguments = std::iter::once(database.display().to_string()).chain(parameters);
    let told = said_to(python("statements.py", arguments), &serde_json::to_string(statements).unwrap());
    serde_json::from_str(&told).unwrap()
}

/// Runs a statement with the distribution's sqlite3; what it prints.
fn by_tool(database: &Path, statement: &str) -> String {
    let mut command = sqlite3(database, statement);
    for (name, value) in PARAMETERS {
        command.args(["-cmd", &format!(".parameter set :{name} \"'{value}'\"")]);
    }
    said(command)
}

#[test]
fn every_statement_that_docs_give_for_the_dictionary_works_with_other_sqlites_and_finds_what_is_there() {
    let (bench, till) = shop_with_a_till();
    let statements = documented(PAGE, "## dictionaries.db");
    assert!(statements.len() >= 9, "{statements:?}");
    let rows = by_python(&till.dictionaries(), &statements);
    for (statement, rows) in statements.iter().zip(&rows) {
        let lines = by_tool(&till.dictionaries(), statement);
        assert_eq!(lines.lines().count(), rows.as_array().unwrap().len(), "{statement}: {lines}");
    }
    let of = |begin: &str| {
        let at = statements.iter().position(|statement| statement.contains(begin)).unwrap();
        (by_tool(&till.dictionaries(), &statements[at]), rows[at].clone())
    };
    // The price of a document goes before that of the item, 5.50.
    let (told, rows) = of("FROM goods WHERE barcode = :barcode");
    assert!(told.starts_with("2|Item 2|425|"), "{told}");
    assert_eq!(rows[0][2], 425);
    let (told, _) = of("FROM tmc WHERE name >=");
    assert_eq!(told, "1|Item 1\n2|Item 2\n");
    let (told, rows) = of("FROM tillway_cursor");
    assert!(told.starts_with(&format!("{}|", till.state().unwrap().cursor.0)), "{told}");
    assert_eq!(rows[0][0], till.state().unwrap().cursor.0);
    let kinds = of("FROM tillway_digest").1;
    let counted: Vec<&Value> = kinds.as_array().unwrap().iter().filter(|row| row[1] != 0).collect();
    assert_eq!(json!(counted), json!([["barcode", 2, 0], ["item", 2, 0], ["price", 1, 0]]));
    assert_eq!(of("WHERE price IS NULL").1, json!([]));
    assert_eq!(of("PRAGMA quick_check").0.trim(), "ok");
    drop(bench);
}

#[test]
fn the_view_in_a_database_of_version_0_1_is_made_anew_for_other_sqlites() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("dictionaries.db");
    let packed = of_project("tests/fixtures/v0.1/till/dictionaries.db.gz");
    std::io::copy(&mut GzDecoder::new(fs::File::open(packed).unwrap()), &mut fs::File::create(&database).unwrap())
        .unwrap();
    let question = "SELECT count(*) > 0 AND count(price) = count(*) FROM goods";
    // With the view as it is there, SQLite older than 3.53 answers "no such column".
    drop(Loader::open(&database).unwrap());
    assert_eq!(said(sqlite3(&database, question)).trim(), "1");
}

#[test]
fn a_look_up_through_the_view_uses_indexes_with_other_sqlites_too() {
    let (bench, till) = shop_with_a_till();
    let questions = ["SELECT price FROM goods WHERE barcode = 'b1'", "SELECT price FROM goods WHERE code = '1'"];
    let plans = questions.map(|question| format!("EXPLAIN QUERY PLAN {question}"));
    let by_python = by_python(&till.dictionaries(), &plans);
    for (plan, rows) in plans.iter().zip(by_python) {
        let told = by_tool(&till.dictionaries(), plan);
        for told in [told, rows.to_string()] {
            assert!(told.contains("SEARCH") && !told.contains("SCAN b") && !told.contains("SCAN i"), "{told}");
            // One for the barcode, one for the item; never the whole table of prices.
            assert_eq!(told.matches("SEARCH p USING INDEX").count(), 2, "{told}");
        }
    }
    drop(bench);
}

#[test]
fn a_reader_that_never_ends_is_seen_by_the_log_it_keeps_on_the_till_and_on_the_server() {
    let (bench, mut till) = shop_with_a_till();
    let mut command = python("endless_reader.py", [till.dictionaries()]);
    let mut reader = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(reader.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "reading\n");
    load(&bench.server, "All", &catalogue(0..2_000, "7"));
    converged(&bench.server, &mut till);
    let log = |till: &Till| seen_by_server(&bench.server, till)["dictionary_log_bytes"].as_u64().unwrap_or(0);
    until("the server to see the log", || (log(&till) > 100_000, seen_by_server(&bench.server, &till).to_string()));
    let status: Value = serde_json::from_str(&till.command(&["status", "--json"]).unwrap()).unwrap();
    assert!(status["dictionary_log_bytes"].as_u64().unwrap() > 100_000, "{status}");
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    load(&bench.server, "All", &catalogue(0..2_000, "8"));
    converged(&bench.server, &mut till);
    until("the log to be cut back", || (log(&till) == 0, seen_by_server(&bench.server, &till).to_string()));
}

#[test]
fn a_pos_in_python_that_follows_the_docs_alone_sells_and_its_shift_comes_out_even() {
    let (bench, mut till) = shop_with_a_till();
    let files = [
        till.dictionaries(),
        till.documents(),
        of_project(PAGE),
        of_project("exchangers/src/till/documents/schema.sql"),
        of_project("exchangers/src/till/documents/close_shift.sql"),
    ];
    let told: Value = serde_json::from_str(&said(python("pos.py", files))).unwrap();
    assert_eq!((&told[0]["sum"], &told[1]["sum"]), (&json!(2_000), &json!(925)));
    let rung: Vec<String> =
        told.as_array().unwrap().iter().map(|receipt| receipt["uuid"].as_str().unwrap().to_owned()).collect();
    has_receipts(&bench.server, &till, 1, &rung);
    let path = format!("/api/v1/shifts?till={}", till.id);
    let shift = wait_for("the shift to be checked", RECOVERY, || {
        till.check_agent().unwrap();
        let shifts = bench.server.api().unwrap().read(&path).unwrap();
        let verdict = shifts[0]["outcome"]["verdict"].as_str().unwrap_or_default().to_owned();
        Seen::when(["ok", "differs"].contains(&verdict.as_str()), shifts[0].clone(), &shifts)
    })
    .unwrap();
    assert_eq!(shift["outcome"]["verdict"], "ok", "{shift}");
    assert_eq!((&shift["server"]["sales"], &shift["server"]["sale_sum"]), (&json!(2), &json!(2_925)), "{shift}");
}
