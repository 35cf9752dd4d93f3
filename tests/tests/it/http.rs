//! A package server that answers wrongly: a dead link is asked for anew, a busy server again, and
//! nothing is downloaded without end (R6).

use crate::sales::equip;
use crate::support::{assert_digests_agree, deliveries, load, price, recovered, shelf_price, until};
use serde_json::Value;
use std::time::{Duration, Instant};
use tillway_proto::Kopecks;
use tillway_tests::bench::{BenchOptions, Server, TestBench, Till, TillOptions};
use tillway_tests::faults::package_server::{Answer, PackageServer};

fn behind_a_stand_in() -> (TestBench, Till, PackageServer) {
    let settings = [("exchange.reconcile_period_s", "1")];
    let bench = TestBench::start_as(BenchOptions::with(&settings).linked()).unwrap();
    let packages = PackageServer::in_front_of(bench.server.ports.rest).unwrap();
    bench.links().unwrap().packages.lead_to(packages.port);
    let (till, _pos) = equip(&bench, TillOptions { contact_period_s: 1, ..TillOptions::default() });
    (bench, till, packages)
}

/// The delivery of a load that has just been made, when it was rejected.
fn rejected(server: &Server, till: &Till, revision: &Value) -> Value {
    let mut found = Value::Null;
    until("the till to reject the delivery", || {
        found = deliveries(server, till).into_iter().find(|one| &one["to"] == revision).unwrap_or_default();
        (found["state"] == "rejected", found.to_string())
    });
    found
}

#[test]
fn a_dead_link_and_a_wrong_file_are_rejected_with_the_reason_and_asked_for_anew() {
    let (bench, mut till, packages) = behind_a_stand_in();
    let wrong = [
        (Answer::Status(404), "HTTP 404"),
        (Answer::Status(403), "HTTP 403"),
        (Answer::OtherContent, "does not have the hash"),
        (Answer::TooLong { by: 10_000 }, "longer than"),
        (Answer::Endless, "longer than"),
    ];
    for (round, (answer, reason)) in wrong.into_iter().enumerate() {
        let (asked_before, sent_before) = (packages.requests(), packages.bytes_sent());
        packages.answer(answer);
        let load = load(&bench.server, "shop-7", &[price(1, &format!("{}.00", round + 3))]);
        let delivery = rejected(&bench.server, &till, &load["revision"]);
        assert!(delivery["reason"].as_str().unwrap().contains(reason), "{answer:?}: {delivery}");
        let (asked, sent) = (packages.requests() - asked_before, packages.bytes_sent() - sent_before);
        assert!((1..=3).contains(&asked), "{answer:?} was asked for {asked} times");
        // What lies in buffers of sockets on both sides.
        assert!(sent < 32 * 1024 * 1024, "{answer:?} sent {sent} bytes");
    }
    packages.answer(Answer::Truly);
    load(&bench.server, "shop-7", &[price(1, "9.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(900)));
    assert_digests_agree(&bench, &till);
}

#[test]
fn a_till_that_was_told_of_a_dead_link_is_announced_the_package_again_by_itself() {
    let (bench, mut till, packages) = behind_a_stand_in();
    packages.answer(Answer::Status(404));
    let load = load(&bench.server, "shop-7", &[price(1, "3.00")]);
    rejected(&bench.server, &till, &load["revision"]);
    packages.answer(Answer::Truly);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn a_busy_package_server_is_asked_again_after_a_wait_and_the_same_delivery_goes_through() {
    let (bench, mut till, packages) = behind_a_stand_in();
    let retry_after = Duration::from_secs(3);
    let busy = [Answer::Status(500), Answer::Status(503), Answer::CutShort { by: 60 }, Answer::Busy { retry_after }];
    for (round, answer) in busy.into_iter().enumerate() {
        let before = deliveries(&bench.server, &till).len();
        let asked = packages.requests();
        packages.answer(answer);
        load(&bench.server, "shop-7", &[price(1, &format!("{}.00", round + 3))]);
        until("the first request", || (packages.requests() > asked, packages.requests().to_string()));
        let first = Instant::now();
        packages.answer(Answer::Truly);
        recovered(&bench.server, &mut till);
        if matches!(answer, Answer::Busy { .. }) {
            assert!(first.elapsed() + Duration::from_millis(500) >= retry_after, "{:?}", first.elapsed());
        }
        let after = deliveries(&bench.server, &till);
        assert_eq!(after.len(), before + 1, "{answer:?}: {after:#?}");
        assert!(packages.requests() - asked <= 5, "{answer:?}: {} requests", packages.requests() - asked);
    }
    assert_digests_agree(&bench, &till);
}
