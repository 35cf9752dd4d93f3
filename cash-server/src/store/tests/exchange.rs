//! The memory of the exchange: decided over what nobody changes meanwhile.

use super::{Home, at_once};
use crate::exchange::ExchangeReason;
use crate::exchange::model::{CommandState, Contact, Delivery, Needs, PeerRecord, SentCommand};
use crate::store::exchange::{
    BrokenReport, DeliveryFilter, Ended, EndedCommand, ExchangeChanges, ExchangeStore, NewDelivery, Stranger, Way,
    way_step_ms,
};
use crate::store::{Place, StoreError};
use crate::words::Reason;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use tillway_proto::report::TillState;
use tillway_proto::{DeliveryId, DeliveryState, PackageName, PeerId, Revision};
use tillway_service::audit::AuditLine;
use uuid::Uuid;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn peer(number: usize) -> PeerId {
    format!("_cash_{number}_00ab34ef").parse().unwrap()
}

fn contact(cursor: u64) -> Contact {
    Contact {
        first_at: at(0),
        last_at: at(1),
        present_since: at(0),
        sent_at: at(1),
        instance: Uuid::from_u128(7),
        previous_instance: None,
        state: TillState { cursor: Revision(cursor), ..TillState::default() },
        needs: Needs::Nothing,
        needs_since: None,
        needs_reason: String::new(),
        two_machines_at: None,
        went_back_at: None,
        claimed: None,
        claimed_at: None,
    }
}

fn delivery(number: usize, to: u64) -> Delivery {
    Delivery {
        id: DeliveryId::generate(),
        peer: peer(number),
        package: PackageName::from_hash([u8::try_from(to).unwrap(); 32]),
        bytes: 10,
        objects: 1,
        from: Revision(0),
        to: Revision(to),
        repair: Needs::Nothing,
        tries: 0,
        bad_contents: 0,
        state: DeliveryState::Announced,
        state_at: at(0),
        created_at: at(0),
        confirmed: false,
        reason: None,
        cause: None,
        unanswered_since: at(0),
        replaces: None,
    }
}

fn command(number: usize, id: u128, state: CommandState, since: i64) -> SentCommand {
    SentCommand {
        id: Uuid::from_u128(id),
        peer: peer(number),
        body: b"{}".to_vec(),
        what: "report".to_owned(),
        state,
        state_at: at(since),
        created_at: at(0),
        receipts: 0,
        reason: None,
    }
}

fn put(store: &dyn ExchangeStore, changes: &ExchangeChanges) {
    store.change(&mut |_| Ok(changes.clone())).unwrap();
}

/// Written over what the peer has, as a pass does that has just looked.
fn announce(store: &dyn ExchangeStore, delivery: &Delivery) {
    let seen = store.record(&delivery.peer).unwrap().newest.map(|newest| (newest.id, newest.state));
    assert_eq!(store.announce(vec![NewDelivery { delivery: delivery.clone(), seen }], at(5)).unwrap().len(), 1);
}

pub(super) fn a_decision_is_made_over_what_nobody_changes_meanwhile(home: &dyn Home) {
    const WRITERS: usize = 4;
    const TIMES: usize = 25;
    let stores = [home.open().exchange, home.open().exchange];
    put(stores[0].as_ref(), &ExchangeChanges { contacts: vec![(peer(1), contact(0))], ..ExchangeChanges::default() });
    at_once(WRITERS, |n| {
        for _ in 0..TIMES {
            let one_more = |moment: &dyn crate::store::exchange::ExchangeMoment| {
                let before = moment.record(&peer(1))?.contact.unwrap();
                let cursor = before.state.cursor.0 + 1;
                Ok(ExchangeChanges { contacts: vec![(peer(1), contact(cursor))], ..ExchangeChanges::default() })
            };
            stores[n % 2].change(&mut { one_more }).unwrap();
        }
    });
    for store in &stores {
        assert_eq!(store.record(&peer(1)).unwrap().cursor(), Revision((WRITERS * TIMES) as u64));
    }
    let lowest = stores[1].lowest_cursor(&HashSet::from([peer(1), peer(2)])).unwrap();
    assert_eq!(lowest, Some(Revision((WRITERS * TIMES) as u64)));
}

pub(super) fn a_decision_that_fails_leaves_nothing(home: &dyn Home) {
    let store = home.open().exchange;
    let source = std::io::Error::other("decided otherwise").into();
    let mut failing = Some(StoreError::Query { what: "decide", place: Place::new("nowhere"), source });
    assert!(store.change(&mut |_| Err(failing.take().unwrap())).is_err());
    assert_eq!(store.records().unwrap().len(), 0);
    put(store.as_ref(), &ExchangeChanges::default());
    assert_eq!(store.record(&peer(1)).unwrap().contact, None, "a batch of none");
}

pub(super) fn a_delivery_is_written_only_where_its_till_has_what_was_seen(home: &dyn Home) {
    let store = home.open().exchange;
    let (first, second, late) = (delivery(1, 5), delivery(1, 6), delivery(1, 7));
    announce(store.as_ref(), &first);
    announce(store.as_ref(), &second);
    let of_before = NewDelivery { delivery: late.clone(), seen: Some((first.id, DeliveryState::Announced)) };
    let (never, other) = (NewDelivery { delivery: late, seen: None }, delivery(2, 7));
    let new = NewDelivery { delivery: other.clone(), seen: None };
    let written = store.announce(vec![of_before, never, new], at(9)).unwrap();
    assert_eq!(written, std::slice::from_ref(&other), "each by itself");
    let state = |id| home.open().exchange.delivery(id).unwrap().unwrap().state;
    assert_eq!((state(first.id), state(second.id)), (DeliveryState::Superseded, DeliveryState::Announced));
    assert_eq!(store.packages_in_use().unwrap(), HashSet::from([second.package, other.package]));
    assert_eq!(store.announce(Vec::new(), at(9)).unwrap(), []);
    // Of many that decide over the same, one is written.
    let stores = [store, home.open().exchange];
    let written = at_once(6, |n| {
        let one = NewDelivery { delivery: delivery(3, 1), seen: None };
        stores[n % 2].announce(vec![one], at(9)).unwrap().len()
    });
    assert_eq!(written.iter().sum::<usize>(), 1);
}

pub(super) fn an_end_is_written_only_in_the_state_that_was_seen(home: &dyn Home) {
    let store = home.open().exchange;
    let delivery = delivery(1, 5);
    announce(store.as_ref(), &delivery);
    let end = |seen, state| {
        let ended = Ended { id: delivery.id, seen, state, reason: ExchangeReason::NothingHeard };
        store.end(&[ended], at(7)).unwrap();
        let now = store.delivery(delivery.id).unwrap().unwrap();
        (now.state, now.reason)
    };
    assert_eq!(end(DeliveryState::Queued, DeliveryState::Expired), (DeliveryState::Announced, None));
    let expired = (DeliveryState::Expired, Some(ExchangeReason::NothingHeard.into()));
    assert_eq!(end(DeliveryState::Announced, DeliveryState::Expired), expired);
    assert_eq!(end(DeliveryState::Expired, DeliveryState::Rejected), expired, "an end stays");
    store.confirm(&[delivery.id], at(50)).unwrap();
    let confirmed = store.delivery(delivery.id).unwrap().unwrap();
    assert_eq!((confirmed.state_at, confirmed.confirmed), (at(7), true));
    store.end(&[], at(8)).unwrap();
}

pub(super) fn lists_come_newest_first_and_are_paged(home: &dyn Home) {
    let store = home.open().exchange;
    let made: Vec<_> = (0..6).map(|n| delivery(n % 2, 1)).collect();
    for delivery in &made {
        announce(store.as_ref(), delivery);
    }
    let ids = |filter: &DeliveryFilter| {
        store.deliveries(filter).unwrap().into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    let expected: Vec<_> = made.iter().rev().map(|delivery| delivery.id).collect();
    assert_eq!(ids(&DeliveryFilter { limit: 99, ..DeliveryFilter::default() }), expected);
    let (mut walked, mut before) = (Vec::new(), None);
    while let [.., last] = ids(&DeliveryFilter { before, limit: 4, ..DeliveryFilter::default() }).as_slice() {
        walked.extend(ids(&DeliveryFilter { before, limit: 4, ..DeliveryFilter::default() }));
        before = Some(*last);
    }
    assert_eq!(walked, expected);
    let open = DeliveryFilter { open_only: true, limit: 99, ..DeliveryFilter::default() };
    assert_eq!(ids(&open), [made[5].id, made[4].id]);
    let of_one = DeliveryFilter { peer: Some(peer(1)), limit: 99, ..DeliveryFilter::default() };
    assert_eq!(ids(&of_one), [made[5].id, made[3].id, made[1].id]);
    for n in 0..3 {
        let broken = BrokenReport { id: 0, at: at(n), reason: Reason::worded(n.to_string()), body: vec![1; 9] };
        put(store.as_ref(), &ExchangeChanges { broken: vec![broken], ..ExchangeChanges::default() });
    }
    let told: Vec<_> = store.broken_reports(2).unwrap().into_iter().map(|kept| (kept.reason, kept.bytes)).collect();
    assert_eq!(told, [(Reason::worded("2"), 9), (Reason::worded("1"), 9)]);
}

pub(super) fn many_contacts_at_once_are_all_there_after_a_restart(home: &dyn Home) {
    const TILLS: usize = 3_000;
    let store = home.open().exchange;
    let mut contacts: Vec<_> = (0..TILLS).map(|n| (peer(n), contact(n as u64 + 1))).collect();
    contacts.push((peer(0), contact(9_999)));
    put(store.as_ref(), &ExchangeChanges { contacts, ..ExchangeChanges::default() });
    let handed_out = store.records().unwrap();
    assert_eq!(handed_out.len(), TILLS);
    assert_eq!(handed_out[&peer(0)].cursor(), Revision(9_999), "of the same till twice, the last");
    put(store.as_ref(), &ExchangeChanges { contacts: vec![(peer(1), contact(7))], ..ExchangeChanges::default() });
    assert_eq!(
        (handed_out[&peer(1)].cursor(), store.records().unwrap()[&peer(1)].cursor()),
        (Revision(2), Revision(7))
    );
    store.forget(&[peer(2), peer(3)]).unwrap();
    drop(store);
    let records = home.open().exchange.records().unwrap();
    assert_eq!((records.len(), records[&peer(1)].cursor()), (TILLS - 2, Revision(7)));
    assert!(!records.contains_key(&peer(2)));
}

pub(super) fn commands_are_due_before_and_after_a_time_and_end_once(home: &dyn Home) {
    let store = home.open().exchange;
    let [waiting, early, between, late] = [
        command(1, 1, CommandState::Waiting, 50),
        command(1, 2, CommandState::Sent, 10),
        command(2, 3, CommandState::Sent, 50),
        command(2, 4, CommandState::Sent, 90),
    ];
    let all = vec![late.clone(), waiting.clone(), between.clone(), early.clone()];
    put(store.as_ref(), &ExchangeChanges { commands: all, ..ExchangeChanges::default() });
    let ids = |commands: Vec<SentCommand>| commands.into_iter().map(|command| command.id.as_u128()).collect::<Vec<_>>();
    assert_eq!(ids(store.open_commands().unwrap()), [1, 2, 3, 4], "oldest first");
    assert_eq!(ids(store.due_commands(at(20), at(80)).unwrap()), [1, 2, 4]);
    assert_eq!(ids(store.commands(None, 3).unwrap()), [4, 3, 2], "newest first");
    assert_eq!(ids(store.open_commands_of(&peer(2)).unwrap()), [3, 4]);
    store.set_sent(&[waiting.id, between.id], at(60)).unwrap();
    let now = |id: Uuid| store.command(id).unwrap().map(|command| (command.state, command.state_at)).unwrap();
    assert_eq!((now(waiting.id), now(between.id)), ((CommandState::Sent, at(60)), (CommandState::Sent, at(50))));
    let end =
        |seen| EndedCommand { id: early.id, seen, state: CommandState::Expired, reason: ExchangeReason::NothingHeard };
    store.end_commands(&[end((CommandState::Sent, at(11))), end((CommandState::Running, at(10)))], at(99)).unwrap();
    assert_eq!(now(early.id), (CommandState::Sent, at(10)), "it has moved on since");
    store.end_commands(&[end((CommandState::Sent, at(10)))], at(99)).unwrap();
    assert_eq!(now(early.id), (CommandState::Expired, at(99)));
}

pub(super) fn the_newest_delivery_of_a_till_is_never_pruned(home: &dyn Home) {
    let store = home.open().exchange;
    let made: Vec<_> = (1..=4).map(|to| delivery(1, to)).collect();
    for delivery in &made {
        announce(store.as_ref(), delivery);
    }
    let last = &made[3];
    let ended =
        Ended { id: last.id, seen: last.state, state: DeliveryState::Expired, reason: ExchangeReason::NothingHeard };
    store.end(&[ended], at(9)).unwrap();
    let year = at(0) + SignedDuration::from_hours(24 * 365);
    assert_eq!(store.prune(at(0), 99).unwrap(), 0, "none is so old");
    assert_eq!([2, 2, 2].map(|limit| store.prune(year, limit).unwrap()), [2, 1, 0]);
    assert_eq!(store.record(&peer(1)).unwrap().newest.map(|newest| newest.id), Some(last.id));
}

pub(super) fn an_order_of_a_person_has_its_line(home: &dyn Home) {
    let stores = home.open();
    let lines = || {
        let filter = tillway_service::audit::AuditFilter::newest(99);
        stores.exchange.audit(&filter).unwrap().len()
    };
    let ordered = ExchangeChanges {
        commands: vec![command(1, 1, CommandState::Waiting, 0)],
        audit: Some(AuditLine::any()),
        ..ExchangeChanges::default()
    };
    put(stores.exchange.as_ref(), &ordered);
    assert_eq!(lines(), 1);
    stores.exchange.acknowledge(&peer(1), at(5), &AuditLine::any()).unwrap();
    stores.exchange.acknowledge(&peer(1), at(3), &AuditLine::any()).unwrap();
    assert_eq!((stores.exchange.acknowledged().unwrap()[&peer(1)], lines()), (at(5), 3), "what was seen stays seen");
    assert!(!stores.exchange.forget_stranger(&peer(1), &AuditLine::any()).unwrap());
    assert_eq!(lines(), 3, "nothing changed");
}

/// A till and the server of a shop with the same code are two peers.
pub(super) fn the_server_of_a_shop_is_a_peer_of_its_own(home: &dyn Home) {
    let shop: PeerId = "_shop_1_00ab34ef".parse().unwrap();
    let stranger: PeerId = "_shop_2_00ab34ef".parse().unwrap();
    let of_shop = Delivery { peer: shop.clone(), ..delivery(1, 7) };
    let order = SentCommand { peer: shop.clone(), ..command(1, 2, CommandState::Waiting, 0) };
    let one = Stranger { peer: stranger.clone(), first_at: at(0), last_at: at(1), reports: 2, body: b"?".to_vec() };
    let store = home.open().exchange;
    announce(store.as_ref(), &delivery(1, 5));
    announce(store.as_ref(), &of_shop);
    let changes = ExchangeChanges {
        contacts: vec![(peer(1), contact(5)), (shop.clone(), contact(3))],
        commands: vec![command(1, 1, CommandState::Waiting, 0), order.clone()],
        strangers: vec![one.clone()],
        ..ExchangeChanges::default()
    };
    put(store.as_ref(), &changes);
    store.acknowledge(&shop, at(5), &AuditLine::any()).unwrap();
    let store = home.open().exchange;
    let record = store.record(&shop).unwrap();
    assert_eq!((record.cursor(), record.newest.as_ref()), (Revision(3), Some(&of_shop)));
    assert_eq!(store.records().unwrap().len(), 2);
    assert_eq!(store.open_commands_of(&shop).unwrap(), [order]);
    assert_eq!(store.stranger(&stranger).unwrap(), Some(one));
    let filter = DeliveryFilter { peer: Some(shop.clone()), limit: 9, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&filter).unwrap(), [of_shop]);
    assert_eq!(store.lowest_cursor(&HashSet::from([peer(1), shop.clone()])).unwrap(), Some(Revision(3)));
    assert!(store.acknowledged().unwrap().contains_key(&shop));
    store.forget(std::slice::from_ref(&shop)).unwrap();
    assert_eq!(
        (store.record(&shop).unwrap(), store.record(&peer(1)).unwrap().cursor()),
        (PeerRecord::default(), Revision(5))
    );
}

pub(super) fn it_is_told_since_when_each_till_has_a_revision(home: &dyn Home) {
    let store = home.open().exchange;
    let applied =
        |number, to, seconds| Delivery { state: DeliveryState::Applied, state_at: at(seconds), ..delivery(number, to) };
    let rejected = Delivery { state: DeliveryState::Rejected, ..applied(3, 9, 4) };
    // Each till has a newest one that is open, besides.
    for one in [applied(1, 5, 1), applied(1, 7, 2), applied(2, 9, 3), rejected, delivery(1, 9)] {
        announce(store.as_ref(), &one);
        put(store.as_ref(), &ExchangeChanges { deliveries: vec![one], ..ExchangeChanges::default() });
    }
    let told = |revision, taken_at| {
        let mut found = store.first_applied(Revision(revision), at(taken_at)).unwrap();
        found.sort();
        found
    };
    assert_eq!(told(5, 0), [(peer(1), at(1)), (peer(2), at(3))]);
    assert_eq!(told(6, 0), [(peer(1), at(2)), (peer(2), at(3))]);
    assert_eq!(told(9, 0), [(peer(2), at(3))]);
    assert_eq!(told(10, 0), []);
}

pub(super) fn how_long_deliveries_took_is_counted_once_by_hour_for_all_and_for_some(home: &dyn Home) {
    let store = home.open().exchange;
    let apply = |number: usize, to: u64, took_ms: i64, ended: i64| {
        let made = Delivery { created_at: at(ended) - SignedDuration::from_millis(took_ms), ..delivery(number, to) };
        announce(store.as_ref(), &made);
        let applied = Delivery { state: DeliveryState::Applied, state_at: at(ended), ..made };
        let changes = ExchangeChanges { deliveries: vec![applied], ..ExchangeChanges::default() };
        put(store.as_ref(), &changes);
        // Reported once more.
        put(store.as_ref(), &changes);
    };
    apply(1, 5, 140, 100);
    apply(2, 5, 190, 101);
    apply(2, 6, 4_000, 102);
    apply(1, 6, 140, 7_300);
    let rejected = Delivery { state: DeliveryState::Rejected, state_at: at(7_300), ..delivery(3, 5) };
    put(store.as_ref(), &ExchangeChanges { deliveries: vec![rejected], ..ExchangeChanges::default() });
    let told = |ways: Vec<Way>| {
        let mut told: Vec<_> = ways.iter().map(|way| (way.hour, way.took_up_to_ms, way.deliveries)).collect();
        told.sort_unstable();
        told
    };
    let hour = |seconds: i64| Timestamp::from_second((1_700_000_000 + seconds) / 3600 * 3600).unwrap();
    let all = told(store.ways(at(0)).unwrap());
    let slow = way_step_ms(4_000);
    assert!((4_000..4_400).contains(&slow), "a tenth too long at most: {slow}");
    assert_eq!(all, [(hour(100), 200, 2), (hour(100), slow, 1), (hour(7_300), 200, 1)]);
    assert_eq!(told(store.ways(at(7_200)).unwrap()), [(hour(7_300), 200, 1)]);
    let long_ago = Timestamp::UNIX_EPOCH;
    let of = |numbers: &[usize], of_each| {
        told(store.ways_of(&numbers.iter().copied().map(peer).collect::<Vec<_>>(), long_ago, of_each).unwrap())
    };
    assert_eq!(of(&[1, 2, 3], 9), all);
    assert_eq!(of(&[1], 9), [(hour(100), 200, 1), (hour(7_300), 200, 1)]);
    assert_eq!(of(&[1, 2], 1), [(hour(100), slow, 1), (hour(7_300), 200, 1)], "the newest of each");
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    assert_eq!(store.ways_of(&[peer(1)], tomorrow, 9).unwrap(), [], "made before");
    store.prune(at(7_200), 9).unwrap();
    assert_eq!(told(home.open().exchange.ways(long_ago).unwrap()), [(hour(7_300), 200, 1)]);
}
