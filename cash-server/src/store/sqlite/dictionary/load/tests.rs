//! What an index of the schema says about kinds, and how the work for one record grows.

use super::brought::Brought;
use crate::dictionary::entry::Upsert;
use crate::dictionary::tests::kit::{BARCODE, Chain, ITEM, entry, upsert};
use crate::network::LayerNo;
use crate::store::dictionary::DictionaryStore as _;
use std::time::{Duration, Instant};
use tillway_exchangers::kinds;
use tillway_proto::LoadId;

#[test]
fn the_index_of_what_hangs_on_an_item_has_the_kinds_of_the_table() {
    let mut named: Vec<u16> = kinds::all()
        .flat_map(kinds::Kind::hanging)
        .filter(|hanging| hanging.part > 0)
        .map(|hanging| hanging.kind.id())
        .collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named, [2, 31], "schema 3 of dictionary.db and `hanging_on` name these kinds");
    assert!(include_str!("../../dictionary_3.sql").contains("kind IN (2, 31)"));
}

#[test]
fn the_deletion_of_an_item_looks_at_no_more_than_hangs_on_it() {
    let chain = Chain::new();
    let database = chain.db.database();
    let sql = "EXPLAIN QUERY PLAN SELECT id, kind, key, owner FROM object WHERE layer = ?1 AND kind = ?2 AND \
               substr(key, instr(key, char(31)) + 1) = ?3 AND owner IS NULL AND kind IN (2, 31)";
    let plan: String = database
        .read("explain", |reader| reader.query_row(sql, rusqlite::params![1, 2, "x"], |row| row.get(3)))
        .unwrap();
    assert!(plan.contains("object_hanging") && plan.contains("<expr>=?"), "{plan}");
}

fn of_rows(rows: usize, value: u8) -> Upsert {
    let owned = (0..rows).map(|n| entry(BARCODE, &format!("{n}"), value)).collect();
    upsert(entry(ITEM, "i", value), Some(owned))
}

/// The time of a load that changes all rows of an object.
fn load_of(chain: &Chain, layer: LayerNo, rows: usize, value: u8) -> Duration {
    let began = Instant::now();
    let mut load = chain.db.begin_load(layer, LoadId(1)).unwrap();
    load.upsert(&of_rows(rows, value)).unwrap();
    load.commit().unwrap();
    began.elapsed()
}

#[test]
fn the_work_for_one_record_grows_with_its_rows_and_not_with_their_square() {
    let chain = Chain::new();
    let layer = chain.no("All");
    let few = load_of(&chain, layer, 2_000, 1).max(Duration::from_millis(5));
    // A hundred times more with the square, and here it is a new object and then a changed one.
    let many = load_of(&chain, layer, 20_000, 2) + load_of(&chain, layer, 20_000, 3);
    assert!(many < few * 80, "{few:?} for 2,000 rows, {many:?} for 20,000 twice");
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
