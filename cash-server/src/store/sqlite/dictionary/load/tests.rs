//! What an index of the schema says about kinds, and how the work for one record grows.

use super::SqliteLoad;
use super::brought::Brought;
use super::deletions::{HANGING_BEHIND, kinds_behind};
use crate::dictionary::entry::Upsert;
use crate::dictionary::tests::kit::{BARCODE, Chain, ITEM, entry, upsert};
use crate::network::LayerNo;
use crate::store::dictionary::LoadTxn as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tillway_proto::LoadId;

#[test]
fn the_index_of_what_hangs_on_an_item_has_the_kinds_of_the_table() {
    let condition = format!("kind IN ({})", kinds_behind());
    let schema = include_str!("../../dictionary_3.sql");
    assert!(
        schema.contains(&condition),
        "a new kind hangs on another by a later part of its key: a step of the schema must \
        make the index anew with {condition}"
    );
}

#[test]
fn the_deletion_of_an_item_looks_at_no_more_than_hangs_on_it() {
    let chain = Chain::new();
    let database = chain.db.database();
    let sql = format!("EXPLAIN QUERY PLAN {}", *HANGING_BEHIND);
    let plan: String = database
        .read("explain", |reader| reader.query_row(&sql, rusqlite::params![1, 2, "x"], |row| row.get(3)))
        .unwrap();
    assert!(plan.contains("object_hanging") && plan.contains("<expr>=?"), "{plan}");
}

fn of_rows(rows: usize, value: u8) -> Upsert {
    let owned = (0..rows).map(|n| entry(BARCODE, &format!("{n}"), value)).collect();
    upsert(entry(ITEM, "i", value), Some(owned))
}

/// What a load costs, whatever else this machine does: steps of the database's virtual machine,
/// and time of this thread on a core.
struct Work {
    steps: u64,
    time: Duration,
}

/// The work of a load that changes all rows of an object.
fn work_of(chain: &Chain, layer: LayerNo, rows: usize, value: u8) -> Work {
    let upsert = of_rows(rows, value);
    let mut load = Box::new(SqliteLoad::begin(chain.db.database(), layer, LoadId(1)).unwrap());
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    };
    load.writer.progress_handler(1, Some(count)).unwrap();
    let before = on_a_core();
    load.upsert_all(&[upsert]).unwrap();
    load.commit().unwrap();
    Work { steps: steps.load(Ordering::Relaxed), time: on_a_core().saturating_sub(before) }
}

/// How long this thread has been on a core.
fn on_a_core() -> Duration {
    let stat = fs_err::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn the_work_for_one_record_grows_with_its_rows_and_not_with_their_square() {
    let chain = Chain::new();
    let layer = chain.no("All");
    // Into an empty layer a row costs less than ever after.
    work_of(&chain, layer, 2_000, 1);
    let few = work_of(&chain, layer, 2_000, 2);
    // Ten times as many rows: first most of them are new, then all are changed.
    let (new, changed) = (work_of(&chain, layer, 20_000, 3), work_of(&chain, layer, 20_000, 4));
    assert!(few.steps > 2_000, "{}", few.steps);
    for many in [new, changed] {
        assert!(many.steps < few.steps * 15, "{} steps for 2,000 rows, {} for 20,000", few.steps, many.steps);
        // What happens outside the database; with the square it would be a hundred times as much.
        let most = few.time.max(Duration::from_millis(5)) * 50;
        assert!(many.time < most, "{:?} for 2,000 rows, {:?} for 20,000", few.time, many.time);
    }
}

#[test]
fn of_rows_with_one_key_the_last_counts_however_many_there_are() {
    for rows in [3, 40] {
        let mut upsert = of_rows(rows, 1);
        upsert.owned.push(entry(BARCODE, "1", 9));
        let brought = Brought::of(&upsert);
        let last: Vec<usize> = (0..=rows).filter(|at| brought.is_last(*at, &upsert.owned[*at])).collect();
        assert!(!last.contains(&1) && last.contains(&rows) && last.len() == rows);
        assert!(brought.contains(BARCODE, "2") && !brought.contains(ITEM, "2"));
    }
}
