//! The log is cut behind what anybody needs, and what is left still serves.

use super::kit::{Chain, item};
use crate::dictionary::LogRetention;
use crate::store::dictionary::DictionaryStore;
use jiff::SignedDuration;
use tillway_exchangers::kinds::Kind;
use tillway_proto::Revision;

const NOW: LogRetention =
    LogRetention { at_least: SignedDuration::ZERO, at_most: SignedDuration::from_hours(1), newest: 0 };

fn priced(chain: &Chain, loads: u32) {
    for price in 0..loads {
        chain.load("All", &item("1", "Tea", &(price + 1).to_string()));
    }
}

#[test]
fn only_what_ended_before_the_oldest_cursor_is_forgotten() {
    let chain = Chain::new();
    priced(&chain, 10);
    let pruned = chain.dictionary.prune_step(Revision(4), &NOW).unwrap();
    assert!(pruned.done && pruned.removed > 0);
    let history = chain.dictionary.history(&chain.root, Kind::by_name("item").unwrap(), "1").unwrap();
    assert_eq!(history.first().unwrap().since, Revision(4));
    assert_eq!(chain.db.snapshot().unwrap().log_start(), Revision(4));
    assert!(chain.dictionary.prune_step(Revision(4), &NOW).unwrap().removed == 0);
}

#[test]
fn history_younger_than_the_retention_stays_though_no_till_needs_it() {
    let chain = Chain::new();
    priced(&chain, 5);
    assert_eq!(chain.dictionary.prune_step(Revision(5), &LogRetention::default()).unwrap().removed, 0);
    assert_eq!(chain.db.snapshot().unwrap().log_start(), Revision::ZERO);
}

#[test]
fn a_clock_that_jumps_ahead_leaves_the_newest_revisions() {
    let chain = Chain::new();
    priced(&chain, 10);
    // As the clock sees it all are older than anything may be.
    let ahead = LogRetention { at_least: SignedDuration::ZERO, at_most: SignedDuration::ZERO, newest: 3 };
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(chain.dictionary.prune_step(Revision::ZERO, &ahead).unwrap().done);
    assert_eq!(chain.db.snapshot().unwrap().log_start(), Revision(8));
    let history = chain.dictionary.history(&chain.root, Kind::by_name("item").unwrap(), "1").unwrap();
    assert_eq!(history.len(), 3);
}

#[test]
fn pruning_goes_in_small_steps() {
    let chain = Chain::new();
    priced(&chain, 9);
    let mut steps = 0;
    while !chain.db.prune(Revision(9), 3).unwrap().done {
        steps += 1;
    }
    assert!(steps >= 3, "{steps}");
    assert_eq!(chain.dictionary.history(&chain.root, Kind::by_name("item").unwrap(), "1").unwrap().len(), 1);
}

#[test]
fn the_layer_of_a_removed_node_goes_with_the_log() {
    let chain = Chain::new();
    chain.load("till-1-1", &item("1", "Tea", "1"));
    let no = chain.no("till-1-1");
    chain.network.remove(&chain.node("till-1-1")).unwrap();
    chain.db.prune(Revision(1), 100).unwrap();
    assert_eq!(chain.head(no).len(), 1, "a till at revision 1 may still come with it on its path");
    chain.load("All", &item("2", "Tea", "1"));
    chain.db.prune(Revision(2), 100).unwrap();
    assert!(chain.head(no).is_empty());
}

#[test]
fn thirty_days_of_price_changes_leave_a_bounded_log_that_goes_in_small_steps() {
    const LOADS_A_DAY: u32 = 10;
    const STEP: u32 = 7;
    let chain = Chain::new();
    let rows = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        chain.db.database().read("count", |c| c.query_row(&sql, (), |row| row.get::<_, i64>(0))).unwrap()
    };
    let (mut head, mut yesterday) = (Revision::ZERO, Revision::ZERO);
    for day in 0..30 {
        for n in 0..LOADS_A_DAY {
            let load = chain.load("All", &item(&n.to_string(), "Tea", &(day + 1).to_string()));
            head = load.revision.unwrap_or(head);
        }
        loop {
            let pruned = chain.db.prune(yesterday, STEP).unwrap();
            assert!(pruned.removed <= u64::from(STEP), "{pruned:?}");
            if pruned.done {
                break;
            }
        }
        yesterday = head;
        // What a day replaces: of each load an item and its price.
        assert!(rows("past") <= i64::from(LOADS_A_DAY) * 4, "day {day}: {}", rows("past"));
        assert!(rows("revision") <= i64::from(LOADS_A_DAY) * 2 + 1, "day {day}: {}", rows("revision"));
    }
    assert_eq!(head, Revision(u64::from(LOADS_A_DAY) * 30));
}
