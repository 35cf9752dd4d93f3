//! Clocks that are wrong, and clocks that somebody sets: prices and sales go on.
//!
//! They need the library `faketime`; where it is not installed they say so and end.

use crate::sales::{checked, equip, sale};
use crate::support::{has_receipts, load, now, price, recovered, shelf_price};
use tillway_proto::Kopecks;
use tillway_tests::bench::{TestBench, TillOptions};
use tillway_tests::faults::clock::Clock;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

const QUICK: [(&str, &str); 2] = [("exchange.reconcile_period_s", "1"), ("exchange.announced_deadline_s", "5")];

fn options() -> TillOptions {
    TillOptions { contact_period_s: 1, unload_period_s: 1, ..TillOptions::default() }
}

#[allow(clippy::print_stderr)] // shown beside the result of the test
fn clock(bench: &TestBench) -> Option<Clock> {
    let clock = Clock::right(bench.folder()).unwrap();
    if clock.is_none() {
        eprintln!("skipped: the package `faketime` is not installed");
    }
    clock
}

#[test]
fn a_till_whose_clock_is_a_day_off_either_way_or_jumps_gets_prices_and_brings_sales() {
    let bench = TestBench::start_with(&QUICK).unwrap();
    let Some(clock) = clock(&bench) else { return };
    let (mut till, mut pos) = equip(&bench, options());
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for (round, off_by) in [DAY, -DAY, 0].into_iter().enumerate() {
        clock.set_off_by(off_by).unwrap();
        if round != 2 {
            // The third time it jumps while the agent runs.
            till.stop_agent().unwrap();
            till.start_agent_with_env(clock.environment()).unwrap();
        }
        load(&bench.server, "shop-7", &[price(1, &format!("{}.00", round + 3))]);
        recovered(&bench.server, &mut till);
        assert_eq!(shelf_price(&till, 1), Some(Kopecks(100 * (i64::try_from(round).unwrap() + 3))));
        let time = now().checked_add(jiff::Span::new().seconds(off_by)).unwrap();
        let mut basket = sale(time);
        basket.tenders = vec![tillway_tests::pos::Tender::Cash(Kopecks(200 * (i64::try_from(round).unwrap() + 3)))];
        rung.push(pos.ring(&basket).unwrap().uuid.to_string());
        has_receipts(&bench.server, &till, 1, &rung);
    }
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_server_whose_clock_jumps_an_hour_back_or_a_day_ahead_goes_on() {
    let mut bench = TestBench::start_with(&QUICK).unwrap();
    let Some(clock) = clock(&bench) else { return };
    bench.server.switch_off().unwrap();
    bench.server.switch_on_with_env(clock.environment()).unwrap();
    let (mut till, mut pos) = equip(&bench, options());
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for (round, off_by) in [-HOUR, DAY, -HOUR].into_iter().enumerate() {
        clock.set_off_by(off_by).unwrap();
        rung.push(pos.ring(&sale(now())).unwrap().uuid.to_string());
        has_receipts(&bench.server, &till, 1, &rung);
        load(&bench.server, "All", &[crate::support::item(2, &format!("{}.00", round + 3))]);
        recovered(&bench.server, &mut till);
        assert_eq!(shelf_price(&till, 2), Some(Kopecks(100 * (i64::try_from(round).unwrap() + 3))));
    }
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}
