//! The network: decided over what is changed, seen by all at once, moves in the one sequence.

use super::{Home, at_once, begin, chain_and_shop, load};
use crate::dictionary::tests::kit::{ITEM, code, entry};
use crate::network::codes::{DEFAULT_LIFE, MAX_LIFE, REMEMBERED};
use crate::network::{NetworkChange, NetworkError, NetworkService};
use crate::store::audit::read_as_one;
use jiff::Timestamp;
use std::sync::Arc;
use tillway_proto::attach::Attempt;
use tillway_proto::{NodeId, NodeLevel, ProofKey, Revision};
use tillway_service::actor::Caller;
use tillway_service::audit::AuditFilter;

pub(super) fn a_change_is_seen_by_all_at_once_and_nothing_is_read_twice(home: &dyn Home) {
    let (one, other) = (home.open(), home.open());
    chain_and_shop(&one);
    let network = NetworkService::new(one.network.clone());
    let shop = network.current().unwrap().shop("7").unwrap().id.clone();
    let before = other.network.network().unwrap();
    assert!(before.node(&shop).is_some(), "as another server sees it");
    assert!(Arc::ptr_eq(&before, &other.network.network().unwrap()), "nothing changed");
    network.rename(&shop, "by the sea").unwrap();
    for stores in [&one, &other, &home.open()] {
        assert_eq!(stores.network.network().unwrap().node(&shop).unwrap().name, "by the sea");
        let moment = stores.dictionary.snapshot().unwrap().network().unwrap();
        assert_eq!(moment.version(), stores.network.network().unwrap().version());
    }
    assert_eq!(before.node(&shop).unwrap().name, "", "what was handed out stays as it was");
    assert!(before.version() < one.network.network().unwrap().version());
}

pub(super) fn a_change_that_is_decided_against_leaves_nothing(home: &dyn Home) {
    let stores = home.open();
    chain_and_shop(&stores);
    let before = stores.network.network().unwrap();
    let refuse = || -> Result<NetworkChange, NetworkError> { Err(NetworkError::Busy) };
    assert!(stores.network.change(&Caller::server(), &mut |_| refuse()).is_err());
    let nothing = stores.network.change(&Caller::server(), &mut |_| Ok(NetworkChange::None)).unwrap();
    assert_eq!((nothing.revision, nothing.network.version()), (None, before.version()));
    assert!(Arc::ptr_eq(&before, &stores.network.network().unwrap()));
}

pub(super) fn a_decision_is_made_over_what_it_changes(home: &dyn Home) {
    const SHOPS: usize = 8;
    let stores = [home.open(), home.open()];
    chain_and_shop(&stores[0]);
    let chain = stores[0].network.network().unwrap().chain().unwrap().id.clone();
    // All want the same code: one gets it, whoever decides when.
    let made = at_once(SHOPS, |n| {
        let network = NetworkService::new(stores[n % 2].network.clone());
        network.create(&chain, NodeLevel::Shop, &code("8"), &n.to_string()).is_ok()
    });
    assert_eq!(made.into_iter().filter(|made| *made).count(), 1);
    // Each has a number of its own, and the last change is that of all.
    at_once(SHOPS, |n| {
        let network = NetworkService::new(stores[n % 2].network.clone());
        network.create(&chain, NodeLevel::Shop, &code(&format!("1{n}")), "").unwrap();
    });
    for stores in &stores {
        let network = stores.network.network().unwrap();
        let mut numbers: Vec<_> = network.nodes().map(|node| node.no).collect();
        let before = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), before), (SHOPS + 3, SHOPS + 3));
    }
}

pub(super) fn a_move_takes_a_revision_of_the_one_sequence(home: &dyn Home) {
    let stores = home.open();
    let (chain, _) = chain_and_shop(&stores);
    let network = NetworkService::new(stores.network.clone());
    let root = network.current().unwrap().chain().unwrap().id.clone();
    let shop = network.current().unwrap().shop("7").unwrap().id.clone();
    let group = network.create(&root, NodeLevel::Group, &code("north"), "").unwrap().id;
    load(&stores, chain, 1, &[entry(ITEM, "a", 1)]);
    let before = stores.dictionary.snapshot().unwrap();
    assert_eq!(network.move_node(&shop, &group).unwrap(), Some(Revision(2)));
    assert_eq!(network.move_node(&shop, &group).unwrap(), None, "it hangs there");
    assert_eq!(load(&stores, chain, 2, &[entry(ITEM, "a", 2)]).revision, Some(Revision(3)));
    let parents = |network: &crate::network::Network| {
        network.node(&shop).unwrap().parents.iter().map(|parent| parent.since).collect::<Vec<_>>()
    };
    let after = home.open();
    assert_eq!(parents(&after.network.network().unwrap()), [Revision::ZERO, Revision(2)]);
    assert_eq!(after.dictionary.revision(Revision(2)).unwrap().unwrap().load, None);
    assert_eq!(before.head(), Revision(1));
    // A load that is under way and cannot give way holds a move up, and it says so.
    let held = begin(&stores, chain, 3);
    assert!(matches!(network.move_node(&shop, &root), Err(NetworkError::Busy)));
    held.rollback();
    assert_eq!(network.move_node(&shop, &root).unwrap(), Some(Revision(4)));
}

pub(super) fn a_change_has_its_line_and_what_changes_nothing_has_none(home: &dyn Home) {
    let stores = home.open();
    chain_and_shop(&stores);
    let network = NetworkService::new(stores.network.clone());
    let root = network.current().unwrap().chain().unwrap().id.clone();
    let group = network.create(&root, NodeLevel::Group, &code("north"), "").unwrap().id;
    let shop = network.current().unwrap().shop("7").unwrap().id.clone();
    let lines = || {
        let filter = AuditFilter { object: Some(shop.to_string()), ..AuditFilter::newest(99) };
        let lines = read_as_one(stores.audit.iter().map(AsRef::as_ref), &filter).unwrap();
        lines.into_iter().map(|line| line.verb).collect::<Vec<_>>()
    };
    let of_making = lines().len();
    network.move_node(&shop, &group).unwrap();
    network.move_node(&shop, &group).unwrap();
    network.rename(&shop, "new").unwrap();
    network.rename(&shop, "new").unwrap();
    assert!(network.create(&shop, NodeLevel::Shop, &code("9"), "").is_err());
    let mut since = lines();
    since.truncate(since.len() - of_making);
    assert_eq!(since, ["node.rename", "node.move"]);
}

pub(super) fn a_code_is_used_once_whoever_comes_first_and_seen_by_all(home: &dyn Home) {
    let (one, other) = (home.open(), home.open());
    chain_and_shop(&one);
    let [network, seen] = [&one, &other].map(|stores| NetworkService::new(stores.network.clone()));
    let shop = network.current().unwrap().shop("7").unwrap().id.clone();
    let NodeId::Till(till) = network.create(&shop, NodeLevel::Till, &code("1"), "").unwrap().id else { panic!() };
    let now = Timestamp::now();
    let make = |life| network.make_codes(std::slice::from_ref(&till), life, now).unwrap().remove(0);
    let (first, second) = (make(DEFAULT_LIFE), make(DEFAULT_LIFE));
    let kept = seen.code(second.code.name).unwrap().unwrap();
    assert!(kept.is_open(now) && !seen.code(first.code.name).unwrap().unwrap().is_open(now), "a till has one");
    assert_eq!(kept.key.to_bytes(), ProofKey::of(&second.code.secret).to_bytes());
    assert!(matches!(network.make_codes(&[], MAX_LIFE * 2, now), Err(NetworkError::CodeLife { .. })));

    let attempts: Vec<Attempt> = (0..8).map(|_| Attempt::generate()).collect();
    let used = at_once(attempts.len(), |n| {
        let network = if n % 2 == 0 { &network } else { &seen };
        network.attach(&till, second.code.name, &attempts[n], None, now).is_ok()
    });
    let by: Vec<&Attempt> = attempts.iter().zip(used).filter_map(|(attempt, used)| used.then_some(attempt)).collect();
    let [winner] = by[..] else { panic!("{} used it", by.len()) };
    let again = seen.attach(&till, second.code.name, winner, None, now).unwrap();
    assert!(network.current().unwrap().verify_token(&till, &again.token()));
    assert_eq!(network.code(second.code.name).unwrap().unwrap().judge(winner, now), Ok(()));

    // A new secret ends what the user of a code may repeat; a till that is shut out has no good
    // code left either, and is back in service once its replacement is attached.
    let judged = |network: &NetworkService| network.code(second.code.name).unwrap().unwrap().judge(winner, now);
    network.renew_secret(&till).unwrap();
    assert!(judged(&seen).is_err() && seen.attach(&till, second.code.name, winner, None, now).is_err());
    let open = make(DEFAULT_LIFE);
    let secret = network.shut_out(&till).unwrap();
    assert!(!seen.code(open.code.name).unwrap().unwrap().is_open(Timestamp::now()));
    assert!(seen.attach(&till, open.code.name, &Attempt::generate(), None, Timestamp::now()).is_err());
    let stands = |network: &NetworkService| network.current().unwrap().till(&till).unwrap().clone();
    assert!(stands(&seen).parked && seen.current().unwrap().verify_token(&till, &secret.token()));
    let code = make(DEFAULT_LIFE).code.name;
    seen.attach(&till, code, &Attempt::generate(), None, now).unwrap();
    assert!(!stands(&network).parked);

    // What ended long ago is forgotten by whoever makes the next one.
    let later = now + DEFAULT_LIFE + REMEMBERED + REMEMBERED;
    let third = seen.make_codes(std::slice::from_ref(&till), DEFAULT_LIFE, later).unwrap().remove(0);
    let names: Vec<_> = network.codes().unwrap().into_iter().map(|code| code.name).collect();
    assert_eq!(names, [third.code.name]);
    assert!(network.end_code(&till, later).unwrap() && !network.end_code(&till, later).unwrap());
}
