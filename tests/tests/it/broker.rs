//! The kit's own broker; whose servers work at a virtual host.

use fs_err as fs;
use std::time::Duration;
use tillway_proto::TillId;
use tillway_proto::queue::{DictionaryQueue, OWNER_QUEUE, REPORTS_QUEUE};
use tillway_tests::bench::{Api, Server, TestBench};
use tillway_tests::broker::Broker;
use tillway_tests::wait::{Seen, wait_for};

/// Connections are tried again after at most 20 s, and the mark is looked at each half minute;
/// tests share two cores.
const SOON: Duration = Duration::from_mins(2);

#[test]
fn every_bench_has_a_virtual_host_of_its_own() {
    let broker = Broker::shared().unwrap();
    let first = broker.virtual_host().unwrap();
    let second = broker.virtual_host().unwrap();
    assert_ne!(first.name, second.name);
    wait_for("an empty virtual host", Duration::from_secs(10), || match first.queues() {
        Ok(queues) => Seen::when(queues.is_empty(), (), format!("{queues:?}")),
        Err(error) => Seen::NotYet(error.to_string()),
    })
    .unwrap();
}

/// What a server says of the till that it has.
fn waits_for(server: &Server) -> String {
    let tills = server.api().unwrap().read("/api/v1/tills").unwrap();
    tills[0]["waits_for"].as_str().unwrap().to_owned()
}

fn page(server: &Server) -> String {
    let credentials = fs::read_to_string(server.data().join("credentials/admin")).unwrap();
    let page = Api::new(server.page().trim_end_matches('/'), &credentials).unwrap();
    page.text("/?lang=en").unwrap()
}

fn has(bench: &TestBench, queue: &str) -> bool {
    bench.vhost().queues().unwrap().iter().any(|name| name == queue)
}

fn till_of(server: &Server) -> TillId {
    let shop = server.create_node(&server.chain_id().unwrap(), "shop", "7").unwrap();
    server.create_node(&shop.id, "till", "1").unwrap().id.parse().unwrap()
}

#[test]
fn a_server_of_another_database_names_the_first_and_leaves_its_virtual_host_alone() {
    let mut first = TestBench::start_with(&[("server.name", "\"First\"")]).unwrap();
    let queue_of = |till: &TillId| DictionaryQueue::of(&till.clone().into()).to_string();
    let own = till_of(&first.server);
    wait_for("the first server to work", SOON, || Seen::when(has(&first, &queue_of(&own)), (), "no queue of its till"))
        .unwrap();
    assert!(has(&first, OWNER_QUEUE));

    let mut another = first.another_server("Second").unwrap();
    let theirs = till_of(&another);
    crate::support::load(&another, "shop-7", &[crate::support::price(1, "1.00")]);
    let named = wait_for("the second server to name the first", SOON, || {
        let told = waits_for(&another);
        Seen::when(told.contains("First on "), told.clone(), &told)
    })
    .unwrap();
    assert!(named.contains("rabbitmqctl delete_queue") && named.contains(&first.vhost().name), "{named}");
    assert!(page(&another).contains("First on "), "the page says so too");
    assert!(!has(&first, &queue_of(&theirs)), "nothing was made there");
    let reports = first.vhost().queue(REPORTS_QUEUE).unwrap().unwrap();
    assert_eq!(reports["arguments"]["x-max-length"], 1_000_000, "{reports}");

    // Servers of one database may have different names: the first, started again, is no stranger.
    let settings = fs::read_to_string(first.server.settings_file()).unwrap();
    first.server.switch_off().unwrap();
    fs::write(first.server.settings_file(), settings.replace("\"First\"", "\"Renamed\"")).unwrap();
    first.server.switch_on().unwrap();
    let more = first.server.create_node(&first.server.chain_id().unwrap(), "shop", "8").unwrap();
    let more: TillId = first.server.create_node(&more.id, "till", "2").unwrap().id.parse().unwrap();
    wait_for("the first server to go on", SOON, || Seen::when(has(&first, &queue_of(&more)), (), "no queue")).unwrap();

    // Gone for good: its mark is deleted, and of two that wait for that one goes on by itself.
    let mut third = first.another_server("Third").unwrap();
    let of_third = till_of(&third);
    crate::support::load(&third, "shop-7", &[crate::support::price(1, "1.00")]);
    wait_for("the third server to name the first", SOON, || {
        let told = waits_for(&third);
        Seen::when(told.contains("First on "), (), told)
    })
    .unwrap();
    first.server.switch_off().unwrap();
    first.vhost().delete_queue(OWNER_QUEUE).unwrap();
    let goes_on = || (has(&first, &queue_of(&theirs)), has(&first, &queue_of(&of_third)));
    let went_on = wait_for("one of the others to go on", SOON, || {
        let seen = goes_on();
        Seen::when(seen.0 || seen.1, seen, format!("{}; {}", waits_for(&another), waits_for(&third)))
    })
    .unwrap();
    let (name, waiting) = if went_on.0 { ("Second on ", &third) } else { ("Third on ", &another) };
    wait_for("the other one to name it", SOON, || {
        let told = waits_for(waiting);
        Seen::when(told.contains(name), (), told)
    })
    .unwrap();
    assert_eq!(goes_on(), went_on, "nobody else has made anything");
    // What comes back now is the stranger.
    first.server.switch_on().unwrap();
    wait_for("the first to name the one that went on", SOON, || {
        let shown = page(&first.server);
        Seen::when(shown.contains(name), (), shown)
    })
    .unwrap();
    another.switch_off().unwrap();
    third.switch_off().unwrap();
}
