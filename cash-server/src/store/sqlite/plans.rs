//! No statement reads a whole table that grows for ever.
//!
//! The statements are taken from the text of the stores themselves: each literal that begins like
//! one. So a new statement is looked at without anybody thinking of it, and one with a placeholder
//! that is not known here fails until it is told what may stand there.

use super::exchange::SqliteExchange;
use super::intake::IntakeDb;
use super::sales::SqliteSales;
use crate::store::ServerId;
use rusqlite::Connection;

/// The text of the stores of sales.
const SALES: [(&str, &str); 11] = [
    ("sales.rs", include_str!("sales.rs")),
    ("check.rs", include_str!("sales/check.rs")),
    ("find.rs", include_str!("sales/find.rs")),
    ("finding.rs", include_str!("sales/finding.rs")),
    ("load.rs", include_str!("sales/load.rs")),
    ("prune.rs", include_str!("sales/prune.rs")),
    ("query.rs", include_str!("sales/query.rs")),
    ("row.rs", include_str!("sales/row.rs")),
    ("shift.rs", include_str!("sales/shift.rs")),
    ("total.rs", include_str!("sales/total.rs")),
    ("total_part.rs", include_str!("sales/total_part.rs")),
];

/// The text of the store of the exchange.
const EXCHANGE: [(&str, &str); 7] = [
    ("exchange.rs", include_str!("exchange.rs")),
    ("aside.rs", include_str!("exchange/aside.rs")),
    ("heard.rs", include_str!("exchange/heard.rs")),
    ("cache.rs", include_str!("exchange/cache.rs")),
    ("moment.rs", include_str!("exchange/moment.rs")),
    ("rows.rs", include_str!("exchange/rows.rs")),
    ("ways.rs", include_str!("exchange/ways.rs")),
];

/// The text of the record of loads.
const INTAKE: [(&str, &str); 3] = [
    ("intake.rs", include_str!("intake.rs")),
    ("notices.rs", include_str!("intake/notices.rs")),
    ("rows.rs", include_str!("intake/rows.rs")),
];

/// The text of the audit log, which stands in each database.
const AUDIT: [(&str, &str); 1] = [("audit.rs", include_str!("audit.rs"))];

/// Tables that do not grow for ever: a row a till, and one row; of the exchange what is known of
/// each till, and what has a limit of its own; of the intake whom to tell within a day, and
/// `MAX_NOTICES`. `one` is the walk from till to till in `known.rs`.
const BOUNDED: [&str; 11] = [
    "till",
    "spool_position",
    "contact",
    "heard",
    "acknowledged",
    "stranger",
    "broken_report",
    "one",
    "watch",
    "w",
    "notice",
];

/// Tables whose newest or oldest rows are read along the key.
const READ_ALONG_THE_KEY: [&str; 4] = ["delivery", "command", "load", "reject"];

/// Partial indexes that hold only what still waits: to read one whole is to read what is asked
/// for.
const OF_WHAT_WAITS: [&str; 7] = [
    "shift_check_not_handed_over",
    "finding_open",
    "delivery_open",
    "command_open",
    "load_aside",
    "load_unfinished",
    "notice_open",
];

/// What may stand in place of a name in braces.
fn expansions(name: &str) -> &'static [&'static str] {
    match name {
        "VIEW" => &[
            "SELECT c.till, s.time_end FROM shift_check c LEFT JOIN shift s ON s.till = c.till AND s.number = c.shift \
                     AND s.opened = c.opened",
        ],
        "DELIVERY_COLUMNS" | "CONTACT_COLUMNS" | "COMMAND_COLUMNS" | "key" => &["till"],
        "condition" => &["till = ? ORDER BY id DESC LIMIT ?", "1 ORDER BY id DESC LIMIT ?", "ended = 0 ORDER BY id"],
        "whose" => &["", "actor = ?5 AND ", "object = ?4 AND ", "object = ?4 AND +actor = ?5 AND "],
        "LOADS" => &["SELECT id, node FROM load"],
        "held" => &["state = 'held' AND node = ?1 AND clears = ?2 AND id < ?3"],
        "which" => &["warning IS NULL", "warning IS NOT NULL"],
        "of_till" => &["", " AND till = ?3"],
        "open" => &["", " AND resolved_at IS NULL"],
        "only" => &["", "AND opened = ?5"],
        "handed_over" => &["", "AND c.handed_over >= c.changes"],
        "table" => &["payment", "failed_payment"],
        "group" => &["", "GROUP BY +till ORDER BY +till", "GROUP BY day ORDER BY day"],
        "from" => &["total WHERE", "total_part WHERE sort = ?1 AND"],
        "walk" => &[
            "receipt_by_till WHERE r.till = ?1 AND r.time_end >= ?2 AND r.time_end < ?3",
            "receipt_by_shop WHERE r.shop = ?1 AND r.time_end >= ?2 AND r.time_end < ?3",
            "receipt_by_time WHERE r.time_end >= ?1 AND r.time_end < ?2",
        ],
        "also" => &[
            "",
            " AND (r.time_end <> ?4 OR r.id >= ?5) AND +r.shop IN (SELECT value FROM json_each(?6)) \
             AND EXISTS (SELECT 1 FROM line l WHERE l.receipt = r.id AND l.voided = 0 AND ?6 IN (l.item_code, l.barcode)) \
             AND EXISTS (SELECT 1 FROM payment p WHERE p.receipt = r.id AND p.type_code = ?6) \
             AND EXISTS (SELECT 1 FROM (SELECT number FROM card WHERE receipt = r.id \
                 UNION ALL SELECT card_number FROM payment WHERE receipt = r.id) WHERE substr(number, -length(?6)) = ?6)",
        ],
        "order" => &["ASC", "DESC"],
        "skipped" | "rows" => &["?9"],
        "conditions" => {
            &["c.day > ''", "c.day > '' AND c.till = ?1", "c.day > '' AND c.shop = ?1", "c.day > '' AND c.verdict = ?1"]
        }
        other => panic!("what may stand for {{{other}}} in a statement? tell `expansions`"),
    }
}

/// The same where a table of totals is meant.
fn of_totals(condition: &str) -> String {
    condition.replace("c.verdict = ?1", "day <= ?1").replace("c.", "")
}

/// String literals of Rust, without their escapes at the ends of lines.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '/' if characters.peek() == Some(&'/') => while characters.next().is_some_and(|next| next != '\n') {},
            // A character, or a lifetime: only a quotation mark could be mistaken.
            '\'' if characters.peek() == Some(&'"') => drop(characters.next()),
            'r' if characters.peek() == Some(&'#') => {
                let raw: String = std::iter::from_fn(|| characters.next()).take(2).collect();
                let mut text = String::new();
                while raw == "#\"" && !text.ends_with("\"#") {
                    text.extend(characters.next());
                }
                found.push(text.trim_end_matches("\"#").to_owned());
            }
            '"' => {
                let mut text = String::new();
                while let Some(next) = characters.next() {
                    match next {
                        '"' => break,
                        '\\' => {
                            if characters.next() == Some('\n') {
                                while characters.peek().is_some_and(|next| next.is_whitespace()) {
                                    characters.next();
                                }
                            }
                        }
                        next => text.push(next),
                    }
                }
                found.push(text);
            }
            _ => {}
        }
    }
    found
}

/// All that a literal with names in braces may become.
fn expanded(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (name, after) = rest.split_once('}').unwrap();
    let is_total = text.contains("FROM {from} ") || text.contains("FROM total");
    let one = |with: &&str| {
        let with = if is_total { of_totals(with) } else { (*with).to_owned() };
        expanded(&format!("{before}{with}{after}"))
    };
    expansions(name).iter().flat_map(one).collect()
}

fn is_statement(text: &str) -> bool {
    // Beginnings of others. What is put in writes rows, and reads none.
    !["s.opened = c.opened", "FROM load", "FROM delivery WHERE 1", ", ended)"].iter().any(|end| text.ends_with(end))
        && !text.contains("_COLUMNS}, ended)")
        && ["SELECT ", "{LOADS}", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "{VIEW}"]
            .iter()
            .any(|verb| text.trim_start().starts_with(verb))
}

/// The table that a plan means by a name, which may be another name for it in the statement.
fn table_of(statement: &str, name: &str) -> String {
    let words: Vec<&str> = statement
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let place = words
        .windows(3)
        .find(|words| ["FROM", "JOIN", "INTO", "UPDATE"].contains(&words[0]) && words[2] == name && words[1] != name);
    place.map_or(name, |words| words[1]).to_owned()
}

/// What of a statement's plan reads a whole table that grows.
fn scans(connection: &Connection, statement: &str) -> Vec<String> {
    let mut explain = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    let mut rows = explain.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let detail: String = row.get(3).unwrap();
        let Some(rest) = detail.strip_prefix("SCAN ") else { continue };
        let name = rest.split(' ').next().unwrap_or_default();
        let table = table_of(statement, name);
        let waits = OF_WHAT_WAITS.iter().any(|index| detail.contains(index));
        // Until there are enough.
        let ends_early =
            READ_ALONG_THE_KEY.contains(&table.as_str()) && statement.contains("LIMIT") && !detail.contains("COVERING");
        // A list in JSON, a part of a statement that was read already, a constant.
        let is_none = ["json_each", "CONSTANT", "(subquery"].iter().any(|word| rest.starts_with(word));
        if !waits && !ends_early && !is_none && !BOUNDED.contains(&table.as_str()) {
            found.push(detail);
        }
    }
    found
}

/// As the store itself makes it, with each step of its schema.
fn sales() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sales.db");
    SqliteSales::open(&path, ServerId::ALONE).unwrap();
    let connection = Connection::open(path).unwrap();
    (folder, connection)
}

/// The statements of a store that read all of a table that grows; of so many that were looked at.
fn wrong_in(connection: &Connection, sources: &[(&str, &str)]) -> (Vec<String>, usize) {
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for (file, source) in sources {
        for literal in literals(source).iter().filter(|literal| is_statement(literal)) {
            for statement in expanded(literal) {
                looked_at += 1;
                wrong.extend(
                    scans(connection, &statement).into_iter().map(|scan| format!("{file}: {scan}: {statement}")),
                );
            }
        }
    }
    (wrong, looked_at)
}

#[test]
fn no_statement_over_sales_reads_a_whole_table_that_grows() {
    let (_folder, connection) = sales();
    let (wrong, looked_at) = wrong_in(&connection, &SALES);
    assert!(looked_at > 60, "statements are not found any more: {looked_at}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_statement_over_deliveries_and_loads_reads_a_whole_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (exchange, intake) = (folder.path().join("exchange.db"), folder.path().join("intake.db"));
    SqliteExchange::open(&exchange).unwrap();
    IntakeDb::open(&intake, ServerId::ALONE).unwrap();
    let of_each = [(exchange.clone(), &EXCHANGE[..], 25), (intake, &INTAKE[..], 25), (exchange, &AUDIT[..], 5)];
    for (path, sources, least) in of_each {
        let connection = Connection::open(path).unwrap();
        if sources.len() == EXCHANGE.len() {
            let all = "SELECT state FROM delivery WHERE id IN (SELECT max(id) FROM delivery GROUP BY till)";
            assert_eq!(scans(&connection, all).len(), 1, "what was mended is noticed");
        }
        let (wrong, looked_at) = wrong_in(&connection, sources);
        assert!(looked_at > least, "statements are not found any more: {looked_at}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn a_statement_that_reads_all_receipts_is_noticed_though_a_condition_may_be_absent() {
    let (_folder, reader) = sales();
    let hidden = "SELECT count(*) FROM receipt WHERE (?1 IS NULL OR time_end >= ?1)";
    assert_eq!(scans(&reader, hidden).len(), 1);
    assert!(scans(&reader, "SELECT count(*) FROM receipt WHERE time_end >= ?1").is_empty());
    let literal = "let sql = \"SELECT r.id \\\n    FROM receipt r\"; // \"SELECT nothing\"";
    assert_eq!(literals(literal), ["SELECT r.id FROM receipt r"]);
    assert_eq!(scans(&reader, "SELECT r.id FROM receipt r").len(), 1);
}
