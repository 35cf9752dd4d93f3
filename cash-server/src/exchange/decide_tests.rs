//! One till and the server's decisions, with every message lost, doubled, late or out of order.

use super::*;
use crate::exchange::hear::hear;
use crate::exchange::model::Contact;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tillway_proto::report::{Reported, TillState};
use tillway_proto::{PackageName, Report, TillId};
use uuid::Uuid;

fn settings() -> ExchangeSettings {
    ExchangeSettings {
        reconcile_period: Duration::from_secs(10),
        announced_deadline: Duration::from_mins(5),
        downloaded_deadline: Duration::from_mins(10),
        queued_deadline: Duration::from_mins(30),
        silent_deadline: Duration::from_hours(6),
        silent_after: Duration::from_mins(3),
        command_deadline: Duration::from_hours(24),
        parallel_builds: 1,
    }
}

fn till() -> TillId {
    "_cash_1_00ab34ef".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn items() -> Needs {
    Needs::Kinds(BTreeSet::from(["item".to_owned()]))
}

#[derive(Debug, Clone)]
struct Link {
    delivery: DeliveryId,
    from: Revision,
    to: Revision,
    repair: Needs,
}

/// The server's memory, the broker's queue and the till.
struct World {
    now: i64,
    target: Revision,
    parked: bool,
    contact: Option<Contact>,
    deliveries: Vec<Delivery>,
    queue: Option<Link>,
    reports: Vec<Reported>,
    cursor: Revision,
    diverged: bool,
    broken: bool,
}

impl World {
    fn new(cursor: u64, target: u64) -> Self {
        Self {
            now: 0,
            target: Revision(target.max(cursor)),
            parked: false,
            contact: None,
            deliveries: Vec::new(),
            queue: None,
            reports: Vec::new(),
            cursor: Revision(cursor),
            diverged: false,
            broken: false,
        }
    }

    fn record(&self) -> TillRecord {
        TillRecord { contact: self.contact.clone(), newest: self.deliveries.last().cloned() }
    }

    fn decided(&self) -> Action {
        decide(&self.record(), self.target, self.parked, &settings(), at(self.now))
    }

    /// One pass of the reconciler; `confirms` says whether the broker's confirm arrives.
    fn reconcile(&mut self, confirms: bool) {
        for _ in 0..4 {
            match self.decided() {
                Action::Wait(_) => return,
                Action::End { delivery, state, reason } => self.end(delivery, state, reason),
                Action::Publish { delivery } => return self.publish(delivery, confirms),
                Action::Announce { from, repair, tries } => {
                    if let Some(open) = self.record().open() {
                        self.end(open.id, DeliveryState::Superseded, "superseded");
                    }
                    let id = DeliveryId::generate();
                    self.deliveries.push(Delivery {
                        id,
                        till: till(),
                        package: PackageName::from_hash([1; 32]),
                        bytes: 1,
                        objects: 1,
                        from,
                        to: self.target,
                        repair,
                        tries,
                        state: DeliveryState::Announced,
                        state_at: at(self.now),
                        created_at: at(self.now),
                        confirmed: false,
                        reason: None,
                    });
                    return self.publish(id, confirms);
                }
            }
        }
        panic!("the decision does not come to rest");
    }

    fn publish(&mut self, id: DeliveryId, confirms: bool) {
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.id == id).unwrap();
        self.queue = Some(Link { delivery: id, from: delivery.from, to: delivery.to, repair: delivery.repair.clone() });
        delivery.confirmed |= confirms;
    }

    fn end(&mut self, id: DeliveryId, state: DeliveryState, reason: &str) {
        let now = at(self.now);
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.id == id).unwrap();
        assert!(delivery.state.may_become(state));
        delivery.state = state;
        delivery.state_at = now;
        delivery.reason = Some(reason.to_owned());
    }

    fn state(&self) -> TillState {
        TillState { cursor: self.cursor, ..TillState::default() }
    }

    fn say(&mut self, report: Report) {
        let said = Reported { schema: 1, till: till(), instance: Uuid::nil(), sent_at: at(self.now), report };
        self.reports.push(said);
    }

    fn contact(&mut self) {
        self.say(Report::Contact { state: self.state() });
    }

    fn verify(&mut self) {
        if self.diverged {
            let till_state = self.state();
            self.say(Report::NeedSnapshot { kinds: vec!["item".to_owned()], reason: "differs".to_owned(), till_state });
        }
    }

    /// The till takes its link and does what the agent does.
    fn take(&mut self) {
        let Some(link) = self.queue.take() else { return };
        let step = |state, till_state| Report::Delivery {
            delivery: link.delivery,
            package: PackageName::from_hash([1; 32]),
            state,
            reason: None,
            till_state,
        };
        let whole = !link.repair.is_nothing();
        let applies = link.from <= self.cursor && (self.cursor < link.to || (whole && self.cursor == link.to));
        if !applies {
            return self.contact();
        }
        self.say(step(DeliveryState::Queued, self.state()));
        if self.broken {
            self.broken = false;
            return self.say(step(DeliveryState::Rejected, self.state()));
        }
        if self.diverged && !link.repair.covers(&items()) {
            self.say(step(DeliveryState::Rejected, self.state()));
            return self.verify();
        }
        self.diverged = false;
        self.cursor = link.to;
        self.say(step(DeliveryState::Applied, self.state()));
    }

    fn hear(&mut self, at_place: usize) {
        if self.reports.is_empty() {
            return;
        }
        let reported = self.reports.remove(at_place % self.reports.len());
        self.hear_one(&reported);
    }

    fn hear_one(&mut self, reported: &Reported) {
        let named = match &reported.report {
            Report::Delivery { delivery, .. } => self.deliveries.iter().find(|known| known.id == *delivery).cloned(),
            _ => None,
        };
        let heard = hear(self.contact.as_ref(), named.as_ref(), reported, settings().silent_after, at(self.now));
        self.contact = Some(heard.contact);
        if let Some(moved) = heard.delivery {
            let place = self.deliveries.iter().position(|known| known.id == moved.id).unwrap();
            self.deliveries[place] = moved;
        }
    }

    /// Everything works from now on.
    fn settle(&mut self) {
        self.parked = false;
        for round in 0..400 {
            self.now += 60;
            if round % 10 == 0 {
                self.verify();
            }
            self.contact();
            while !self.reports.is_empty() {
                self.hear(0);
            }
            self.reconcile(true);
            self.take();
        }
        while !self.reports.is_empty() {
            self.hear(0);
        }
        self.reconcile(true);
    }
}

#[derive(Debug, Clone)]
enum Event {
    Load,
    Pass { confirms: bool },
    Wait { seconds: i64 },
    Take,
    LoseLink,
    Contact,
    Hear { place: usize },
    HearTwice { place: usize },
    LoseReport { place: usize },
    Park { parked: bool },
    Restore { back: u64 },
    Diverge,
    Verify,
    Break,
    ClockBack { seconds: i64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Load),
        6 => any::<bool>().prop_map(|confirms| Event::Pass { confirms }),
        4 => (1..20_000_i64).prop_map(|seconds| Event::Wait { seconds }),
        6 => Just(Event::Take),
        1 => Just(Event::LoseLink),
        3 => Just(Event::Contact),
        6 => (0..9_usize).prop_map(|place| Event::Hear { place }),
        2 => (0..9_usize).prop_map(|place| Event::HearTwice { place }),
        2 => (0..9_usize).prop_map(|place| Event::LoseReport { place }),
        1 => any::<bool>().prop_map(|parked| Event::Park { parked }),
        1 => (1..5_u64).prop_map(|back| Event::Restore { back }),
        1 => Just(Event::Diverge),
        1 => Just(Event::Verify),
        1 => Just(Event::Break),
        1 => (1..100_000_i64).prop_map(|seconds| Event::ClockBack { seconds }),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Load => world.target = world.target.next(),
        Event::Pass { confirms } => world.reconcile(confirms),
        Event::Wait { seconds } => world.now += seconds,
        Event::Take => world.take(),
        Event::LoseLink => world.queue = None,
        Event::Contact => world.contact(),
        Event::Hear { place } => world.hear(place),
        Event::HearTwice { place } => {
            if let Some(report) = world.reports.get(place).cloned() {
                world.hear_one(&report);
            }
        }
        Event::LoseReport { place } => {
            if place < world.reports.len() {
                world.reports.remove(place);
            }
        }
        Event::Park { parked } => world.parked = parked,
        Event::Restore { back } => world.cursor = Revision(world.cursor.0.saturating_sub(back)),
        Event::Diverge => world.diverged = true,
        Event::Verify => world.verify(),
        Event::Break => world.broken = true,
        Event::ClockBack { seconds } => world.now -= seconds,
    }
}

proptest! {
    #[test]
    fn a_till_ends_at_its_target_whatever_was_lost_doubled_or_reordered(
        cursor in 0..20_u64,
        target in 0..20_u64,
        events in proptest::collection::vec(event(), 0..120),
    ) {
        let mut world = World::new(cursor, target);
        for event in events {
            happen(&mut world, &event);
        }
        world.settle();
        prop_assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
        prop_assert_eq!(world.cursor, world.target);
        prop_assert!(!world.diverged);
        prop_assert!(world.deliveries.iter().all(|delivery| delivery.state.is_final()));
    }
}

#[test]
fn a_till_that_is_behind_is_announced_once() {
    let mut world = World::new(3, 5);
    world.contact();
    world.hear(0);
    assert_eq!(world.decided(), Action::Announce { from: Revision(3), repair: Needs::Nothing, tries: 0 });
    world.reconcile(true);
    for _ in 0..5 {
        world.reconcile(true);
    }
    assert_eq!(world.deliveries.len(), 1);
    assert!(matches!(world.decided(), Action::Wait(Wait::OnItsWay { state: DeliveryState::Announced, .. })));
}

#[test]
fn a_newer_target_supersedes_what_is_on_its_way() {
    let mut world = World::new(0, 1);
    world.reconcile(true);
    world.target = Revision(2);
    world.reconcile(true);
    let states: Vec<_> = world.deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Superseded, DeliveryState::Announced]);
    assert_eq!(world.deliveries[1].from, Revision::ZERO);
}

#[test]
fn a_parked_till_gets_nothing_and_its_newest_target_when_it_is_unparked() {
    let mut world = World::new(0, 1);
    world.reconcile(true);
    world.parked = true;
    for _ in 0..10 {
        world.target = world.target.next();
        world.reconcile(true);
    }
    assert_eq!(world.decided(), Action::Wait(Wait::Parked { behind: true }));
    assert_eq!(world.deliveries.len(), 1);
    assert_eq!(world.deliveries[0].state, DeliveryState::Superseded);
    world.parked = false;
    world.reconcile(true);
    assert_eq!((world.deliveries.len(), world.deliveries[1].to), (2, Revision(11)));
}

#[test]
fn an_unconfirmed_link_is_published_again_as_the_same_delivery() {
    let mut world = World::new(0, 1);
    world.reconcile(false);
    let id = world.deliveries[0].id;
    assert_eq!(world.decided(), Action::Publish { delivery: id });
    world.reconcile(true);
    assert_eq!(world.deliveries.len(), 1);
}

#[test]
fn a_silent_till_finds_its_link_for_hours_and_one_in_contact_gets_a_new_one_within_minutes() {
    let mut world = World::new(0, 1);
    world.contact();
    world.hear(0);
    world.reconcile(true);
    let silent = deadline(&world.record(), &world.deliveries[0], &settings());
    assert_eq!(silent, at(21_600));
    world.now = 60;
    world.contact();
    world.hear(0);
    let present = deadline(&world.record(), &world.deliveries[0], &settings());
    assert_eq!(present, at(300));
    world.now = 300;
    world.reconcile(true);
    let states: Vec<_> = world.deliveries.iter().map(|delivery| (delivery.state, delivery.tries)).collect();
    assert_eq!(states, [(DeliveryState::Expired, 0), (DeliveryState::Announced, 1)]);
}

#[test]
fn a_till_that_comes_back_has_time_to_take_the_link_that_waited_for_it() {
    let mut world = World::new(0, 1);
    world.contact();
    world.hear(0);
    world.reconcile(true);
    world.now = 20_000;
    world.contact();
    world.hear(0);
    assert_eq!(deadline(&world.record(), &world.deliveries[0], &settings()), at(20_300));
}

#[test]
fn rejections_are_held_back_and_end_in_a_snapshot() {
    let mut world = World::new(1, 2);
    world.contact();
    world.hear(0);
    let mut repairs = Vec::new();
    for _ in 0..4 {
        world.reconcile(true);
        repairs.push(world.deliveries.last().unwrap().repair.clone());
        world.broken = true;
        world.take();
        while !world.reports.is_empty() {
            world.hear(0);
        }
        assert!(matches!(world.decided(), Action::Wait(Wait::HeldBack { .. })));
        world.now += 3600;
    }
    assert_eq!(repairs, [Needs::Nothing, Needs::Nothing, Needs::Nothing, Needs::All]);
}

#[test]
fn what_a_till_asks_for_whole_is_sent_at_once_and_only_once() {
    let mut world = World::new(2, 2);
    world.diverged = true;
    world.verify();
    world.hear(0);
    world.reconcile(true);
    assert_eq!(world.deliveries[0].repair, items());
    world.now += 1;
    world.take();
    while !world.reports.is_empty() {
        world.hear(0);
    }
    assert_eq!(world.deliveries[0].state, DeliveryState::Applied);
    assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
}

#[test]
fn a_cursor_that_goes_back_is_noticed_and_brought_up_again() {
    let mut world = World::new(5, 5);
    world.contact();
    world.hear(0);
    assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
    world.now += 100;
    world.cursor = Revision(2);
    world.contact();
    world.hear(0);
    assert_eq!(world.contact.as_ref().unwrap().went_back_at, Some(at(100)));
    assert!(matches!(world.decided(), Action::Announce { from: Revision(2), .. }));
}

#[test]
fn two_machines_with_one_id_are_told_from_a_till_set_up_anew() {
    let mut world = World::new(0, 0);
    let mut say = |instance: u128| {
        world.now += 10;
        world.contact();
        world.reports[0].instance = Uuid::from_u128(instance);
        world.hear(0);
        world.contact.as_ref().unwrap().two_machines_at.is_some()
    };
    assert!(!say(1));
    assert!(!say(2));
    assert!(!say(2));
    assert!(say(1));
}
