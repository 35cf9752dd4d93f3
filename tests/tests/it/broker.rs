//! The kit's own broker.

use std::time::Duration;
use tillway_tests::broker::Broker;
use tillway_tests::wait::{Seen, wait_for};

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
