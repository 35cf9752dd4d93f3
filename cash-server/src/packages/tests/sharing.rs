//! The same state is the same file, built once.

use super::{files, service};
use crate::dictionary::tests::kit::{Chain, item};
use crate::packages::Repair;
use std::collections::HashSet;
use tillway_proto::{NodeLevel, Revision};

#[test]
fn two_tills_in_one_state_share_one_file() {
    let chain = Chain::new();
    let service = service(&chain);
    chain.load("All", &item("1", "Tea", "10"));
    chain.load("shop-1", &item("1", "Tea", "9"));
    let ask =
        |till: &str, cursor| service.package_for(&chain.till(till), Revision(cursor), &Repair::None).unwrap().unwrap();
    assert_eq!(ask("till-1-1", 0), ask("till-1-2", 0));
    assert_eq!(ask("till-2-1", 0), ask("till-2-2", 0));
    assert_ne!(ask("till-1-1", 0), ask("till-2-1", 0));
    assert_eq!(files(&service), 2);
}

#[test]
fn cursors_between_which_nothing_happened_to_a_till_share_one_file() {
    let chain = Chain::new();
    let service = service(&chain);
    chain.load("All", &item("1", "Tea", "10"));
    chain.load("shop-2", &item("1", "Tea", "9"));
    chain.load("shop-2", &item("1", "Tea", "8"));
    chain.load("All", &item("1", "Tea", "11"));
    let asked: HashSet<_> = (1..4)
        .map(|cursor| service.package_for(&chain.till("till-1-1"), Revision(cursor), &Repair::None).unwrap().unwrap())
        .map(|facts| (facts.name, facts.from))
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked.iter().next().unwrap().1, Revision(1));
}

#[test]
fn what_many_ask_for_at_once_is_built_once() {
    let chain = Chain::new();
    let service = service(&chain);
    let shop = chain.node("shop-1");
    for n in 10..26 {
        chain.make(&shop, NodeLevel::Till, &n.to_string());
    }
    chain.load("All", &(0..500).map(|n| item(&n.to_string(), "Tea", "10")).collect::<String>());
    let names: HashSet<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (10..26)
            .map(|n| {
                let (service, till) = (&service, chain.till(&format!("till-1-{n}")));
                scope.spawn(move || service.package_for(&till, Revision::ZERO, &Repair::None).unwrap().unwrap().name)
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(names.len(), 1);
    assert_eq!(files(&service), 1);
}

#[test]
fn targets_of_all_tills_are_known_and_a_load_for_one_shop_moves_its_own_alone() {
    let chain = Chain::new();
    chain.load("All", &item("1", "Tea", "10"));
    chain.load("shop-1", &item("1", "Tea", "9"));
    chain.load("till-2-2", &item("1", "Tea", "9"));
    let targets = chain.dictionary.targets().unwrap();
    assert_eq!(targets.head, Revision(3));
    let of = |till: &str| targets.of[&chain.till(till)].0;
    assert_eq!(["till-1-1", "till-1-2", "till-2-1", "till-2-2"].map(of), [2, 2, 1, 3]);
}

#[test]
fn a_move_between_places_that_define_nothing_changes_no_target() {
    let chain = Chain::new();
    chain.load("All", &item("1", "Tea", "10"));
    chain.network.move_node(&chain.node("shop-1"), &chain.node("group-south")).unwrap();
    assert_eq!(chain.dictionary.target(&chain.till("till-1-1")).unwrap(), Revision(1));
    chain.load("group-north", &item("1", "Tea", "9"));
    chain.network.move_node(&chain.node("shop-1"), &chain.node("group-north")).unwrap();
    assert_eq!(chain.dictionary.target(&chain.till("till-1-1")).unwrap(), Revision(4));
    chain.network.move_node(&chain.node("shop-1"), &chain.node("group-south")).unwrap();
    assert_eq!(chain.dictionary.target(&chain.till("till-1-1")).unwrap(), Revision(5));
}
