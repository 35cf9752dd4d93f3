//! Thirty days of work, one after another: what is kept stops growing, and what is needed is there
//! on the last day.
//!
//! Time passes by making everything older that has a time in the databases.

use super::Event;
use super::housekeeping::Housekeeping;
use super::model::{CommandState, Delivery};
use super::reconciler::{decide_all, delivery_of, sound_package};
use super::reports::Reports;
use super::test_kit::{Kit, remove_what_is_past};
use crate::dictionary::tests::kit::item;
use crate::exchange::ExchangeReason;
use crate::hints::Hints;
use crate::packages::PackageService;
use crate::settings::RetentionSettings;
use crate::store::exchange::{DeliveryFilter, EndedCommand, ExchangeStore as _};
use crate::store::sqlite::packages::PackageDb;
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use tillway_proto::report::{Report, Reported, TillState};
use tillway_proto::{DeliveryState, Revision, TillId};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Days of the month.
const DAYS: u32 = 30;

/// By then the longest retention has passed once, and everything that is kept is there.
const SETTLED: u32 = 8;

/// Loads of a day.
const LOADS: u32 = 4;

/// Items that each load changes, of all [`ITEMS`].
const CHANGED: u32 = 25;
const ITEMS: u32 = 200;

const RETENTION: RetentionSettings = RetentionSettings {
    history_days: 4,
    audit_days: 400,
    dictionary_days: 4,
    packages_days: 2,
    packages_limit_bytes: 1 << 30,
    sales_days: None,
};

const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// A table and those of its columns that hold a time.
type Times = (&'static str, &'static [&'static str]);

/// Everything with a time, database by database.
const TIMES: [(&str, &[Times]); 3] = [
    ("dictionary.db", &[("revision", &["at"])]),
    (
        "exchange.db",
        &[
            ("delivery", &["state_at", "created_at", "unanswered_since"]),
            ("command", &["state_at", "created_at"]),
            ("contact", &["first_at", "last_at", "present_since", "sent_at"]),
        ],
    ),
    ("packages.db", &[("package", &["used_at"]), ("digest", &["used_at"])]),
];

/// What must not grow: rows of these tables.
const GROWING: [(&str, &[&str]); 3] = [
    ("dictionary.db", &["object", "past", "revision"]),
    ("exchange.db", &["audit", "delivery", "command", "contact"]),
    ("packages.db", &["package", "digest"]),
];

struct Month {
    kit: Kit,
    packages: PackageService,
    reports: Reports,
    _events: mpsc::Receiver<Event>,
}

impl Month {
    fn new() -> Self {
        let kit = Kit::new();
        let memo = Arc::new(PackageDb::open(&kit.chain.folder.path().join("packages.db")).unwrap());
        let packages = kit.packages(memo);
        let (events, heard) = mpsc::channel(1024);
        let reports = Reports {
            store: kit.store.clone(),
            network: kit.chain.network.clone(),
            packages: packages.clone(),
            silent_after: kit.settings.exchange.silent_after,
            clocks: Arc::default(),
            codes: Arc::clone(&kit.service.parts.codes),
            hints: Hints::default(),
            events,
        };
        Self { kit, packages, reports, _events: heard }
    }

    fn say(&self, till: &TillId, report: Report) {
        let instance = Uuid::from_u128(7);
        let reported = Reported { schema: 1, peer: till.clone().into(), instance, sent_at: Timestamp::now(), report };
        self.reports.take_now(&[reported.to_bytes().unwrap()], None).unwrap();
    }

    /// What the reconciler does, with a broker that takes everything and tills that apply what
    /// they are sent. Tills in `silent` do not answer.
    fn pass(&self, silent: &[TillId]) -> usize {
        let plan = decide_all(&self.kit.service, &self.packages).unwrap().plan;
        let mut applied = 0;
        for wanted in plan.announce {
            let Some(facts) = sound_package(&self.packages, &wanted, &Arc::default()).unwrap() else { continue };
            let written = self.kit.store.announce(vec![delivery_of(wanted, facts)], Timestamp::now()).unwrap();
            let delivery = written.into_iter().next().expect("nobody else writes");
            self.kit.store.confirm(&[delivery.id], Timestamp::now()).unwrap();
            if delivery.peer.till().is_some_and(|till| silent.contains(till)) {
                continue;
            }
            let till_state = TillState { cursor: delivery.to, ..TillState::default() };
            let report = Report::Delivery {
                delivery: delivery.id,
                package: delivery.package,
                state: DeliveryState::Applied,
                reason: None,
                cause: None,
                till_state,
            };
            self.say(delivery.peer.till().unwrap(), report);
            applied += 1;
        }
        applied
    }

    fn order(&self, till: &TillId) {
        let sent = self.kit.service.request_state(till, true).unwrap().expect("nothing of the sort is under way");
        let seen = self.kit.store.command(sent).unwrap().unwrap();
        let seen = (seen.state, seen.state_at);
        let ended = EndedCommand { id: sent, seen, state: CommandState::Done, reason: ExchangeReason::NothingHeard };
        self.kit.store.end_commands(&[ended], Timestamp::now()).unwrap();
    }

    fn at(&self, name: &str) -> Connection {
        Connection::open(self.kit.chain.folder.path().join(name)).unwrap()
    }

    fn passes(&self, ms: i64) {
        for (database, tables) in TIMES {
            let connection = self.at(database);
            for (table, columns) in tables {
                for column in *columns {
                    connection.execute(&format!("UPDATE {table} SET {column} = {column} - {ms}"), ()).unwrap();
                }
            }
        }
        // The id of a line begins with its time.
        let connection = self.at("exchange.db");
        let ids = connection
            .prepare("SELECT id FROM audit ORDER BY id")
            .unwrap()
            .query_map((), |row| row.get(0))
            .unwrap()
            .collect::<Result<Vec<[u8; 16]>, _>>()
            .unwrap();
        for id in ids {
            let earlier = u128::from_be_bytes(id) - (u128::from(ms.unsigned_abs()) << 80);
            let sql = "UPDATE audit SET id = ?2 WHERE id = ?1";
            connection.execute(sql, [id, earlier.to_be_bytes()]).unwrap();
        }
    }

    /// Rows of each table, pages of each database, files of packages.
    fn kept(&self) -> BTreeMap<String, u64> {
        let mut kept = BTreeMap::new();
        for (database, tables) in GROWING {
            let connection = self.at(database);
            for table in tables {
                let sql = format!("SELECT count(*) FROM {table}");
                let rows: i64 = connection.query_row(&sql, (), |row| row.get(0)).unwrap();
                kept.insert(format!("rows of {table}"), rows.cast_unsigned());
            }
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            kept.insert(format!("pages of {database}"), pages.cast_unsigned());
        }
        let files = fs_err::read_dir(self.packages.files().folder()).unwrap().count();
        kept.insert("files of packages".to_owned(), files as u64);
        kept
    }
}

#[tokio::test]
async fn thirty_days_of_loads_deliveries_and_orders_leave_no_more_than_the_days_that_are_kept() {
    let month = Month::new();
    let tills: Vec<TillId> = month.kit.chain.network.current().unwrap().tills().map(|(till, _)| till.clone()).collect();
    // Heard of on the first day, and never again: the log is not kept for it for ever.
    let silent = vec![month.kit.chain.till("till-2-2")];
    let all: String = (0..ITEMS).map(|number| item(&number.to_string(), "Milk", "1")).collect();
    month.kit.chain.load("All", &all);
    assert_eq!(month.pass(&[]), tills.len(), "everybody has the catalogue");
    let mut largest = BTreeMap::new();
    for day in 1..=DAYS {
        for load in 0..LOADS {
            let changed = (0..CHANGED).map(|number| {
                let code = (day * 31 + load * 7 + number * 3) % ITEMS;
                item(&code.to_string(), &format!("Milk of day {day}"), &format!("{}", day * 10 + load))
            });
            month.kit.chain.load("All", &changed.collect::<String>());
            assert_eq!(month.pass(&silent), tills.len() - 1, "day {day}: each till in contact gets one package");
        }
        for till in tills.iter().filter(|till| !silent.contains(till)) {
            month.order(till);
        }
        month.passes(DAY_MS);
        let keeper = Housekeeping::new(month.kit.service.clone(), month.packages.clone(), RETENTION)
            .with_audit(vec![month.kit.store.clone()]);
        assert_eq!(remove_what_is_past(&keeper).await, []);
        for (what, count) in month.kept() {
            if day <= SETTLED {
                let before = largest.entry(what).or_insert(0);
                *before = count.max(*before);
            } else {
                let before = largest[&what];
                assert!(
                    count <= before + before / 10 + 2,
                    "day {day}: {count} {what}, at most {before} in the first days"
                );
            }
        }
    }
    assert!(largest["rows of past"] > 0 && largest["rows of delivery"] > 0 && largest["files of packages"] > 0);
    // Back after a month: what was announced to it is over, and the log does not reach back so
    // far. It says so every two minutes: one in contact gets a new link within a quarter of an
    // hour.
    let mut announced = Vec::new();
    for _ in 0..10 {
        month.say(&silent[0], Report::Contact { state: TillState { cursor: Revision(1), ..TillState::default() } });
        announced = decide_all(&month.kit.service, &month.packages).unwrap().plan.announce;
        if announced.iter().any(|wanted| wanted.till == silent[0]) {
            break;
        }
        month.passes(2 * MINUTE_MS);
    }
    let of_it = |delivery: &Delivery| format!("{:?} {:?}", delivery.state, delivery.reason);
    let filter = DeliveryFilter { peer: Some(silent[0].clone().into()), limit: 3, ..DeliveryFilter::default() };
    let deliveries: Vec<String> = month.kit.store.deliveries(&filter).unwrap().iter().map(of_it).collect();
    let wanted = announced.into_iter().find(|wanted| wanted.till == silent[0]);
    let wanted = wanted.unwrap_or_else(|| panic!("nothing is announced after {deliveries:?}"));
    let facts = sound_package(&month.packages, &wanted, &Arc::default()).unwrap().unwrap();
    assert!(facts.full, "{facts:?}");
}

#[test]
fn loads_while_a_till_is_off_build_nothing_for_it_and_its_first_word_builds_one_package() {
    let month = Month::new();
    let all: String = (0..ITEMS).map(|number| item(&number.to_string(), "Milk", "1")).collect();
    month.kit.chain.load("All", &all);
    month.pass(&[]);
    let off = vec![month.kit.chain.till("till-2-2")];
    let load = |price: u32| month.kit.chain.load("All", &item("1", "Milk", &price.to_string()));
    let files = || fs_err::read_dir(month.packages.files().folder()).unwrap().count();
    load(10);
    month.pass(&off);
    for price in 11..31 {
        month.passes(MINUTE_MS);
        // What is kept in memory was read before.
        month.kit.store.tamper("SELECT 1");
        load(price);
        let before = files();
        month.pass(&off);
        assert_eq!(files() - before, 1, "load {price}: the package of those that are there, and no other");
    }
    let cursor = month.kit.store.record(&off[0].clone().into()).unwrap().cursor();
    month.say(&off[0], Report::Contact { state: TillState { cursor, ..TillState::default() } });
    let before = files();
    assert_eq!(month.pass(&[]), 1, "its first word brings it what is newest");
    assert_eq!(files() - before, 1);
    let target = month.kit.chain.dictionary.target(&off[0]).unwrap();
    assert_eq!(month.kit.store.record(&off[0].clone().into()).unwrap().cursor(), target);
}
