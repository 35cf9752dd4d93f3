//! The links between the daemons break, and nobody mends anything but the line.

use crate::sales::{checked, equip, sale};
use crate::support::{
    assert_digests_agree, catalogue, converged, deliveries, has_receipts, load, now, price, recovered, shelf_price,
    until,
};
use fs_err as fs;
use std::time::Duration;
use tillway_proto::Kopecks;
use tillway_tests::bench::{BenchOptions, TestBench, Till, TillOptions};
use tillway_tests::faults::files::Image;
use tillway_tests::faults::proxy::{Direction, Ending};
use tillway_tests::faults::seed::Seed;
use tillway_tests::pos::Pos;

/// Heartbeats of 1 s: a broker that is silent for twice that is lost.
const QUICK_HEARTBEAT: (&str, &str) = ("broker.heartbeat_s", "1");

/// A delivery that was lost with a link is announced anew after seconds, not minutes.
const QUICK_DEADLINES: [(&str, &str); 4] = [
    ("exchange.reconcile_period_s", "1"),
    ("exchange.announced_deadline_s", "5"),
    ("exchange.downloaded_deadline_s", "20"),
    ("exchange.queued_deadline_s", "20"),
];

fn linked(more: &[(&str, &str)]) -> (TestBench, Till, Pos) {
    let settings: Vec<_> = QUICK_DEADLINES.into_iter().chain(more.iter().copied()).collect();
    let bench = TestBench::start_as(BenchOptions::with(&settings).linked()).unwrap();
    let options = TillOptions { unload_period_s: 1, contact_period_s: 1, heartbeat_s: 1, ..TillOptions::default() };
    let (till, pos) = equip(&bench, options);
    (bench, till, pos)
}

fn ring(pos: &mut Pos, rung: &mut Vec<String>) {
    rung.push(pos.ring(&sale(now())).unwrap().uuid.to_string());
}

#[test]
fn links_to_the_broker_that_are_cut_on_both_sides_come_back_and_prices_go_through() {
    let (bench, mut till, _pos) = linked(&[]);
    for (round, ending) in [Ending::Close, Ending::Reset].into_iter().enumerate() {
        for link in [till.to_broker().unwrap(), &bench.links().unwrap().server_to_broker] {
            link.ending(ending);
            link.cut();
        }
        let amount = format!("{}.00", round + 3);
        load(&bench.server, "shop-7", &[price(1, &amount)]);
        till.to_broker().unwrap().heal();
        bench.links().unwrap().server_to_broker.heal();
        recovered(&bench.server, &mut till);
        assert_eq!(shelf_price(&till, 1), Some(Kopecks(100 * (i64::try_from(round).unwrap() + 3))));
    }
    assert_digests_agree(&bench, &till);
}

#[test]
fn a_half_open_link_to_the_broker_is_noticed_by_the_heartbeats_of_both_daemons() {
    let (bench, mut till, _pos) = linked(&[QUICK_HEARTBEAT]);
    let of_till = till.to_broker().unwrap().clone();
    let of_server = bench.links().unwrap().server_to_broker.clone();
    let before = [of_till.counts().connections, of_server.counts().connections];
    for link in [&of_till, &of_server] {
        link.half_open();
        // What is there stays half open for good; only who connects anew is carried.
        link.heal();
    }
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    for (link, before) in [&of_till, &of_server].into_iter().zip(before) {
        until("a new connection", || (link.counts().connections > before, format!("{:?}", link.counts())));
    }
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn half_open_links_to_packages_and_sales_are_noticed_by_the_till() {
    let (bench, mut till, mut pos) = linked(&[]);
    let links = bench.links().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    ring(&mut pos, &mut rung);
    has_receipts(&bench.server, &till, 1, &rung);
    links.packages.half_open();
    links.sales.half_open();
    let swallowed = |link: &tillway_tests::faults::proxy::Proxy| link.counts().swallowed;
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    ring(&mut pos, &mut rung);
    for link in [&links.packages, &links.sales] {
        until("the till to speak into the dead link", || (swallowed(link) > 0, format!("{:?}", link.counts())));
    }
    links.heal();
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
    has_receipts(&bench.server, &till, 1, &rung);
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_package_that_is_cut_again_and_again_is_resumed_and_comes_whole() {
    let (bench, mut till, _pos) = linked(&[("exchange.announced_deadline_s", "60")]);
    let link = bench.links().unwrap().packages.clone();
    let before = link.counts();
    link.cut_after(6_000, Direction::ToClient);
    load(&bench.server, "All", &catalogue(0..3_000, "10"));
    recovered(&bench.server, &mut till);
    assert_digests_agree(&bench, &till);
    let newest = &deliveries(&bench.server, &till)[0];
    let bytes = newest["bytes"].as_u64().unwrap();
    let (connections, carried) =
        (link.counts().connections - before.connections, link.counts().to_client - before.to_client);
    assert!(bytes > 12_000 && connections > 2, "{connections} connections for {newest}");
    // Resumed, not begun anew: what was carried is the package, once, and the heads of answers.
    assert!(carried < bytes + connections * 1_000, "{carried} bytes over {connections} connections for {newest}");

    link.heal();
    link.slow(20_000);
    load(&bench.server, "All", &catalogue(0..3_000, "11"));
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 2_999), Some(Kopecks(1_100)));
}

#[test]
fn a_sales_stream_that_is_cut_at_any_byte_loses_nothing_and_doubles_nothing() {
    let (bench, mut till, mut pos) = linked(&[]);
    let link = bench.links().unwrap().sales.clone();
    let mut seed = Seed::new(14);
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for round in 0..12 {
        let direction = if round % 2 == 0 { Direction::ToTarget } else { Direction::ToClient };
        let ending = if seed.happens(50) { Ending::Close } else { Ending::Reset };
        let before = link.counts().connections;
        link.ending(ending);
        link.cut_after(seed.below(1_500), direction);
        ring(&mut pos, &mut rung);
        until("an unloading over the link", || (link.counts().connections > before, format!("{:?}", link.counts())));
        link.heal();
    }
    has_receipts(&bench.server, &till, 1, &rung);
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn over_a_slow_and_late_link_everything_still_arrives() {
    let (bench, mut till, mut pos) = linked(&[("broker.heartbeat_s", "10")]);
    let links = bench.links().unwrap();
    for link in links.all().into_iter().chain([till.to_broker().unwrap()]) {
        link.delay(Duration::from_millis(50));
    }
    links.sales.slow(5_000);
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for _ in 0..5 {
        ring(&mut pos, &mut rung);
    }
    pos.close_shift(now()).unwrap();
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    converged(&bench.server, &mut till);
    has_receipts(&bench.server, &till, 1, &rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

/// Places between a batch that arrived and the acknowledgement that the till hears.
const BEFORE_THE_ACKNOWLEDGEMENT: [&str; 3] = ["spool::written", "spool::synced", "spool::answering"];

#[test]
fn a_server_that_ends_before_it_acknowledges_has_each_receipt_exactly_once() {
    let (mut bench, mut till, mut pos) = linked(&[]);
    let mut seed = Seed::new(1);
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    for round in 0..9 {
        let point = BEFORE_THE_ACKNOWLEDGEMENT[round % BEFORE_THE_ACKNOWLEDGEMENT.len()];
        let armed = format!("{point}={}", seed.within(1..=3));
        bench.server.kill();
        bench.server.switch_on_with_env([("TILLWAY_CRASH", armed.as_str())]).unwrap();
        let end = loop {
            ring(&mut pos, &mut rung);
            let so_far = rung.len();
            let server = &mut bench.server;
            let mut ended = None;
            until("the receipt to arrive, or the server to end", || {
                ended = server.has_ended();
                let path = format!("/api/v1/tills/{}/shifts/1/receipts", till.id);
                let there = server.api().unwrap().read(&path).map(|found| found.as_array().map_or(0, Vec::len));
                (ended.is_some() || there.as_ref().is_ok_and(|there| *there == so_far), format!("{there:?}"))
            });
            if let Some(ended) = ended {
                break ended;
            }
        };
        assert_eq!(end.crash_point.as_deref(), Some(point), "{end:?}");
    }
    bench.server.switch_on().unwrap();
    has_receipts(&bench.server, &till, 1, &rung);
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_spool_that_lost_what_it_had_acknowledged_gets_it_from_the_till_again() {
    const SALES: [&str; 3] = ["sales.db", "sales.db-wal", "sales.db-shm"];
    /// Into the last record, not through it: a tail that is torn.
    const TORN_BYTES: u64 = 50;
    let (mut bench, mut till, mut pos) = linked(&[]);
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = Vec::new();
    ring(&mut pos, &mut rung);
    has_receipts(&bench.server, &till, 1, &rung);
    bench.server.switch_off().unwrap();
    let before = Image::take(&bench.server.data(), &SALES).unwrap();
    bench.server.switch_on().unwrap();
    for _ in 0..2 {
        ring(&mut pos, &mut rung);
        has_receipts(&bench.server, &till, 1, &rung);
    }
    bench.server.kill();
    // A disk that lied: what the database had loaded is not there, nor is the end of the spool.
    before.restore(&bench.server.data(), &SALES).unwrap();
    let spool = fs::read_dir(bench.server.data().join("spool")).unwrap();
    let segments = spool.map(|entry| entry.unwrap().path());
    let newest = segments.filter(|path| path.extension().is_some_and(|found| found == "spool")).max().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&newest).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.set_len(bytes - TORN_BYTES).unwrap();
    drop(file);
    bench.server.switch_on().unwrap();
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &till, 1, &rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}
