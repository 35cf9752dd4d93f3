//! Whatever is loaded, moved, pruned and broken, and whenever a till asks: it ends where the
//! server is.

use super::{Till, files, path_of, service};
use crate::dictionary::tests::kit::{CLEAR, Chain, item};
use crate::dictionary::tests::model::{NODES, Order, Step, Twin, steps};
use crate::packages::{PackageError, PackageLimits, Repair};
use crate::store::dictionary::DictionaryStore;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::HashSet;
use tillway_proto::{NodeId, NodeLevel, Revision};

fn catalogue(items: u32) -> String {
    CLEAR.to_owned() + &(0..items).map(|n| item(&n.to_string(), "Tea", "10.50")).collect::<String>()
}

#[test]
fn a_new_till_gets_everything_and_one_that_is_there_nothing() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    assert_eq!(till.sync(&service, &id, &Repair::None), None, "there is nothing to get yet");
    chain.load("All", &catalogue(2_500));
    let facts = till.sync(&service, &id, &Repair::None).unwrap();
    assert!(facts.full);
    assert_eq!((facts.from, facts.to, facts.objects), (Revision(0), Revision(1), 2_500));
    assert_eq!(till.sync(&service, &id, &Repair::None), None);
}

#[test]
fn one_changed_price_among_many_is_a_package_with_one_object_below_two_kilobytes() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    chain.load("All", &catalogue(3_000));
    till.sync(&service, &id, &Repair::None).unwrap();
    chain.load("All", &catalogue(3_000).replacen("10.50", "9.99", 1));
    let facts = till.sync(&service, &id, &Repair::None).unwrap();
    assert_eq!((facts.from, facts.to, facts.objects, facts.full), (Revision(1), Revision(2), 1, false));
    assert!(facts.bytes < 2_000, "{} bytes", facts.bytes);
}

#[test]
fn ten_loads_are_one_package_for_a_till_that_was_off() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    chain.load("All", &catalogue(20));
    till.sync(&service, &id, &Repair::None).unwrap();
    for price in 0..10 {
        chain.load("All", &item("7", "Tea", &price.to_string()));
    }
    let facts = till.sync(&service, &id, &Repair::None).unwrap();
    assert_eq!((facts.from, facts.to, facts.objects), (Revision(1), Revision(11), 1));
}

#[test]
fn a_groups_price_overrides_the_chains_in_its_shops_alone_and_its_removal_brings_that_back() {
    let chain = Chain::new();
    let service = service(&chain);
    let ids = ["till-1-1", "till-2-1"].map(|name| chain.till(name));
    let mut tills = [Till::default(), Till::default()];
    let sync = |tills: &mut [Till; 2]| {
        [0, 1].map(|n| tills[n].sync(&service, &ids[n], &Repair::None).map(|facts| facts.objects))
    };
    chain.load("All", &catalogue(5));
    sync(&mut tills);
    let before = tills[0].rows.clone();
    chain.load("group-north", &item("3", "Tea", "7"));
    assert_eq!(sync(&mut tills), [Some(1), None]);
    assert_ne!(tills[0].rows, before);
    assert_eq!(tills[1].rows, before);
    // The chain's price changes below the group's: its shops see nothing of it but the revision.
    chain.load("All", &item("3", "Tea", "8"));
    assert_eq!(sync(&mut tills), [Some(0), Some(1)]);
    chain.load("group-north", CLEAR);
    assert_eq!(sync(&mut tills), [Some(1), None]);
    assert_eq!(tills[0].rows, tills[1].rows);
}

#[test]
fn the_tills_of_a_shop_that_moves_follow_by_difference() {
    let chain = Chain::new();
    let service = service(&chain);
    let ids = ["till-1-1", "till-2-1"].map(|name| chain.till(name));
    let mut tills = [Till::default(), Till::default()];
    chain.load("All", &catalogue(50));
    chain.load("group-north", &item("3", "Tea", "7"));
    chain.load("group-south", &(item("4", "Tea", "7") + &item("5", "Tea", "7")));
    for (till, id) in tills.iter_mut().zip(&ids) {
        till.sync(&service, id, &Repair::None).unwrap();
    }
    chain.network.move_node(&chain.node("shop-1"), &chain.node("group-south")).unwrap();
    let facts = tills[0].sync(&service, &ids[0], &Repair::None).unwrap();
    assert_eq!((facts.full, facts.objects, facts.to), (false, 3, Revision(4)));
    assert_eq!(tills[0].rows, tills[1].rows);
    assert_eq!(tills[1].sync(&service, &ids[1], &Repair::None), None);
}

#[test]
fn a_till_that_followed_a_move_goes_on_from_there() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    chain.load("All", &catalogue(50));
    chain.load("group-north", &item("3", "Tea", "7"));
    chain.load("group-south", &item("900", "Tea", "7"));
    till.sync(&service, &id, &Repair::None).unwrap();
    chain.network.move_node(&chain.node("shop-1"), &chain.node("group-south")).unwrap();
    till.sync(&service, &id, &Repair::None).unwrap();
    chain.load("group-south", &item("901", "Tea", "7"));
    let facts = till.sync(&service, &id, &Repair::None).unwrap();
    assert_eq!((facts.from, facts.to, facts.objects), (Revision(4), Revision(5), 1));
}

#[test]
fn two_groups_that_change_places_change_who_wins() {
    let chain = Chain::new();
    let service = service(&chain);
    let inner = chain.make(&chain.node("group-north"), NodeLevel::Group, "inner");
    let (north, shop) = (chain.node("group-north"), chain.node("shop-1"));
    chain.network.move_node(&shop, &inner).unwrap();
    chain.load("group-north", &item("1", "Tea", "7"));
    chain.load("group-inner", &item("1", "Tea", "8"));
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    till.sync(&service, &id, &Repair::None).unwrap();
    for (node, parent) in [(&inner, &chain.root), (&north, &inner), (&shop, &north)] {
        chain.network.move_node(node, parent).unwrap();
    }
    assert_eq!(till.sync(&service, &id, &Repair::None).unwrap().objects, 1);
}

#[test]
fn a_diverged_kind_comes_whole_at_the_same_revision() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    let unit = r#"{"command":"addUnit","unit":{"unitCode":1,"name":"piece","fractional":false}}"#;
    chain.load("All", &(catalogue(20) + unit + "\n---\n"));
    till.sync(&service, &id, &Repair::None).unwrap();
    let right = till.rows.clone();
    till.rows.remove(&("item".to_owned(), "7".to_owned()));
    let kinds = Repair::of_report(&["item".to_owned(), "price".to_owned(), "unheard-of".to_owned()]);
    let facts = till.sync(&service, &id, &kinds).unwrap();
    assert_eq!((facts.from, facts.to, facts.objects, facts.full), (Revision(1), Revision(1), 20, false));
    assert_eq!(till.rows, right);
    till.rows.clear();
    assert!(till.sync(&service, &id, &Repair::of_report(&[])).unwrap().full);
    assert_eq!(till.rows, right);
}

#[test]
fn a_till_behind_the_log_gets_everything() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut till = Till::default();
    chain.load("All", &catalogue(5));
    till.sync(&service, &id, &Repair::None).unwrap();
    chain.load("All", &item("1", "Tea", "1"));
    chain.load("All", &item("1", "Tea", "2"));
    chain.db.prune(Revision(2), 1_000).unwrap();
    assert!(till.sync(&service, &id, &Repair::None).unwrap().full);
}

#[test]
fn a_server_restored_from_a_backup_goes_on_after_what_its_tills_have() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    chain.load("All", &catalogue(5));
    let mut ahead = Till { cursor: Revision(40), ..Till::default() };
    let facts = ahead.sync(&service, &id, &Repair::None).unwrap();
    assert!(facts.full && facts.to > Revision(40));
    // Another till of the lost time is not taken for one of today; one from before it is.
    let mut between = Till { cursor: Revision(30), ..Till::default() };
    assert!(between.sync(&service, &id, &Repair::None).unwrap().full);
    let facts = service.package_for(&id, Revision(1), &Repair::None).unwrap().unwrap();
    assert_eq!((facts.full, facts.from, facts.objects), (false, Revision(1), 0));
    chain.load("All", &item("1", "Tea", "1"));
    assert_eq!(ahead.sync(&service, &id, &Repair::None).unwrap().objects, 1);
}

#[test]
fn a_till_that_is_not_in_the_network_is_named() {
    let chain = Chain::new();
    let id = chain.till("till-1-1");
    chain.network.remove(&NodeId::Till(id.clone())).unwrap();
    let error = service(&chain).package_for(&id, Revision::ZERO, &Repair::None).unwrap_err();
    assert!(matches!(error, PackageError::UnknownTill { .. }));
    assert!(error.to_string().contains(id.as_str()));
}

#[test]
fn files_that_no_delivery_needs_go_and_come_back_when_asked_for() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    chain.load("All", &catalogue(5));
    let ask = || service.package_for(&id, Revision::ZERO, &Repair::None).unwrap().unwrap();
    let facts = ask();
    let nothing = PackageLimits { unused_for: SignedDuration::from_hours(1), bytes: 0 };
    let later = Timestamp::now() + SignedDuration::from_mins(45);
    let in_use = HashSet::from([facts.name.clone()]);
    let cleaned = |at, in_use: &HashSet<_>, limits: &_| service.cleanup_at(at, in_use, limits).unwrap().files;
    assert_eq!(cleaned(later, &in_use, &nothing), 0);
    assert_eq!(cleaned(later, &HashSet::new(), &PackageLimits::default()), 0);
    assert_eq!(service.cleanup(&HashSet::new(), &nothing).unwrap().files, 0, "somebody may be about to use it");
    assert_eq!(cleaned(later, &HashSet::new(), &nothing), 1);
    assert_eq!(files(&service), 0);
    assert_eq!(ask(), facts, "the same state is the same file");
    fs_err::remove_file(path_of(&service, &facts)).unwrap();
    assert_eq!(ask(), facts);
    assert!(path_of(&service, &facts).exists());
}

#[test]
fn a_clock_that_jumps_a_year_ahead_leaves_the_newest_packages() {
    let chain = Chain::new();
    let service = service(&chain);
    let id = chain.till("till-1-1");
    let mut names = Vec::new();
    for price in 1..=13 {
        chain.load("All", &item("1", "Tea", &price.to_string()));
        names.push(service.package_for(&id, Revision::ZERO, &Repair::None).unwrap().unwrap().name);
    }
    let year_ahead = Timestamp::now() + SignedDuration::from_hours(24 * 366);
    service.cleanup_at(year_ahead, &HashSet::new(), &PackageLimits::default()).unwrap();
    assert_eq!(files(&service), 10);
    assert!(service.files().bytes(names.last().unwrap()).unwrap().is_some());
}

/// What happens beside loads and moves.
#[derive(Debug, Clone)]
enum Event {
    Step(Step),
    Sync { till: usize },
    Break { till: usize, kind: bool },
    Prune,
    Backup,
    Restore,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let beside = prop_oneof![
        6 => (0..3_usize).prop_map(|till| Event::Sync { till }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(till, kind)| Event::Break { till, kind }),
        1 => Just(Event::Prune),
        1 => Just(Event::Backup),
        1 => Just(Event::Restore),
    ];
    (steps(), prop::collection::vec((beside, 0..14_usize), 0..12)).prop_map(|(steps, beside)| {
        let mut events: Vec<Event> = steps.into_iter().map(Event::Step).collect();
        for (event, at) in beside {
            events.insert(at.min(events.len()), event);
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn tills_converge_whatever_happens(events in events()) {
        let mut twin = Twin::new();
        let mut backup = twin.backup();
        let mut service = service(&twin.chain);
        let ids: Vec<_> = NODES[6..].iter().map(|name| twin.chain.till(name)).collect();
        let mut tills = [Till::default(), Till::default(), Till::default()];
        for event in &events {
            match event {
                Event::Step(step) => twin.take(step),
                Event::Sync { till } => {
                    tills[*till].follow(&service, &ids[*till]);
                    twin.catch_up();
                }
                Event::Break { till, kind } => {
                    let broken = if *kind { "item" } else { "barcode" };
                    tills[*till].rows.retain(|(name, _), _| name != broken);
                }
                Event::Backup => backup = twin.backup(),
                Event::Restore => {
                    twin.restore(&backup);
                    service = super::service(&twin.chain);
                }
                Event::Prune => {
                    let oldest = tills.iter().map(|till| till.cursor).max().unwrap_or_default();
                    while !twin.chain.db.prune(oldest, 2).unwrap().done {}
                }
            }
        }
        // A server that has nothing at all takes nothing away from anybody.
        let last = Order::Item { key: 3, value: 2, barcodes: Vec::new(), whole: false };
        twin.take(&Step::Load { node: 0, commands: vec![last] });
        for (n, till) in tills.iter_mut().enumerate() {
            till.follow(&service, &ids[n]);
            prop_assert_eq!(till.sync(&service, &ids[n], &Repair::None), None);
            let rows: Vec<_> = till.rows.values().collect();
            let mut want: Vec<_> = twin.states.last().unwrap()[n].values().collect();
            want.sort_unstable();
            let mut rows = rows;
            rows.sort_unstable();
            prop_assert_eq!(rows, want);
        }
    }
}
