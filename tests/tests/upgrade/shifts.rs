//! Shifts that an older version knew by till and number are known by their opening time as well.

use crate::VERSIONS;
use crate::place::Place;
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tillway_cash_server::sales::loader::Loader;
use tillway_cash_server::sales::receipt::Receipt;
use tillway_cash_server::sales::spool::{Position, Spool, SpoolLimits};
use tillway_cash_server::store::ServerId;
use tillway_cash_server::store::sales::{Incoming, SalesStore as _};
use tillway_cash_server::store::sqlite::sales::SqliteSales;
use tillway_exchangers::till::documents::Documents;
use tillway_file_queue::disk::RealDisk;
use tillway_proto::{ShopId, TillId};
use uuid::Uuid;

/// Shift, opening time, number and UUID of a receipt.
type Told = (u64, String, u64, Uuid);

fn told(receipt: &Receipt) -> Told {
    let key = &receipt.key;
    (key.shift.number.0, key.shift.opened.to_wire().unwrap(), key.number.0, key.uuid)
}

/// What the database has of a till's receipts, as often as it has it.
fn stored(database: &Path, till: &TillId) -> Vec<Told> {
    let connection = Connection::open(database).unwrap();
    let sql = "SELECT shift, opened, number, uuid FROM receipt WHERE till = ?1 ORDER BY shift, number, uuid";
    let number = |row: &rusqlite::Row<'_>, column| u64::try_from(row.get::<_, i64>(column).unwrap()).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([till.as_str()], |row| {
        let uuid = Uuid::from_slice(&row.get::<_, Vec<u8>>(3)?).unwrap();
        Ok((number(row, 0), row.get(1)?, number(row, 2), uuid))
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn count(database: &Path) -> i64 {
    Connection::open(database).unwrap().query_row("SELECT count(*) FROM receipt", [], |row| row.get(0)).unwrap()
}

#[test]
fn receipts_in_database_and_spool_get_the_opening_time_and_count_once_when_they_come_again() {
    for version in VERSIONS {
        let place = Place::of(version, None);
        let till: TillId = place.till_id.parse().unwrap();
        let mut documents = Documents::open(&place.till().join("documents.db"), till.clone()).unwrap();
        let page = documents.finished_after(0, &BTreeSet::new(), 1_000).unwrap();
        let rung: Vec<Receipt> =
            page.documents.into_iter().filter_map(|document| Receipt::parse(&till, document).ok()).collect();
        let expected: BTreeSet<Told> = rung.iter().map(told).collect();

        let database = place.data().join("sales.db");
        let in_database = count(&database);
        let store = Arc::new(SqliteSales::open(&database, ServerId::ALONE).unwrap());
        let migrated = stored(&database, &till);
        assert_eq!(migrated.len(), usize::try_from(in_database).unwrap(), "{version}: none is lost on the way");
        assert!(migrated.iter().all(|receipt| expected.contains(receipt)), "{version}: {migrated:?}");

        let from = store.position().unwrap();
        let spool = Spool::open(&place.data().join("spool"), from, SpoolLimits::default(), Arc::new(RealDisk)).unwrap();
        let mut loader = Loader::new(spool, store.clone());
        while loader.step().unwrap() {}
        let loaded = stored(&database, &till);
        assert!(loaded.len() > migrated.len(), "{version}: the spool had {} more", loaded.len() - migrated.len());
        assert!(loaded.iter().all(|receipt| expected.contains(receipt)), "{version}: {loaded:?}");

        // An agent of today sends all that the till has, with opening times.
        let shop: String = Connection::open(&database)
            .unwrap()
            .query_row("SELECT shop FROM till WHERE till = ?1", [till.as_str()], |row| row.get(0))
            .unwrap();
        let again = Incoming {
            till: till.clone(),
            shop: shop.parse::<ShopId>().unwrap(),
            received_at: Timestamp::now(),
            receipts: rung,
            shifts: Vec::new(),
            refused: Vec::new(),
        };
        let from = store.position().unwrap();
        let through = Position { offset: from.offset + 1, ..from };
        let counts = store.load(from, through, &[again], Timestamp::now()).unwrap();
        assert_eq!((counts.same, counts.conflicting), (loaded.len() as u64, 0), "{version}");
        let all = stored(&database, &till);
        assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>()), (expected.len(), expected), "{version}");
    }
}
