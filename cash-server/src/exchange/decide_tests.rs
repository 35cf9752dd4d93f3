//! One till and the server's decisions, with every message lost, doubled, late or out of order, a
//! broker that refuses or does not answer, clocks that jump by days, tills and servers restored
//! from old images.

#[path = "decide_facts.rs"]
mod facts;

use super::*;
use crate::exchange::ExchangeReason;
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
    /// Of a server that was restored since: nobody has its file any more.
    lost: bool,
}

/// What the broker does with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broker {
    /// Takes it and says so.
    Confirms,
    /// Takes it, and its confirm is lost.
    Silent,
    /// Refuses it.
    Refuses,
}

/// What a backup of the server's database holds.
#[derive(Debug, Clone)]
struct Backup {
    target: Revision,
    contact: Option<Contact>,
    deliveries: Vec<Delivery>,
}

/// The server's memory, the broker's queue and the till.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that may come and go")]
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
    /// The till has the rows of another till, or of a timeline that was lost: its own tallies
    /// agree with them.
    foreign: bool,
    /// It sums up its state otherwise than this server does.
    stubborn: bool,
    broken: Option<RejectCause>,
    /// The till's clock is off by so much.
    till_clock: i64,
    backup: Option<Backup>,
}

/// The digest of a state, by the server's reckoning.
fn digest_at(revision: Revision) -> Digest {
    Digest(u128::from(revision.0) << 1)
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
            foreign: false,
            stubborn: false,
            broken: None,
            till_clock: 0,
            backup: None,
        }
    }

    fn record(&self) -> PeerRecord {
        PeerRecord { contact: self.contact.clone(), newest: self.deliveries.last().cloned() }
    }

    fn decided(&self) -> Action {
        let aim = Aim { target: self.target, digest: Some(digest_at(self.target)), parked: self.parked };
        decide(&self.record(), &aim, &settings(), at(self.now))
    }

    /// One pass of the reconciler.
    fn reconcile(&mut self, broker: Broker) {
        for _ in 0..4 {
            match self.decided() {
                Action::Wait(_) => return,
                Action::End { delivery, state, reason } => self.end(delivery, state, reason),
                Action::Publish { delivery } => return self.publish(delivery, broker),
                Action::Announce { from, repair, tries, bad_contents, unanswered_since } => {
                    if let Some(open) = self.record().open() {
                        self.end(open.id, DeliveryState::Superseded, ExchangeReason::NewerDelivery);
                    }
                    // The server goes on after the cursor of a till that is ahead of it.
                    if from > self.target {
                        self.target = from.next();
                    }
                    let id = DeliveryId::generate();
                    self.deliveries.push(Delivery {
                        id,
                        peer: till().into(),
                        package: PackageName::from_hash([1; 32]),
                        bytes: 1,
                        objects: 1,
                        from,
                        to: self.target,
                        repair,
                        tries,
                        bad_contents,
                        state: DeliveryState::Announced,
                        state_at: at(self.now),
                        created_at: at(self.now),
                        confirmed: false,
                        reason: None,
                        cause: None,
                        unanswered_since: unanswered_since.unwrap_or(at(self.now)),
                        replaces: None,
                    });
                    return self.publish(id, broker);
                }
            }
        }
        panic!("the decision does not come to rest");
    }

    fn publish(&mut self, id: DeliveryId, broker: Broker) {
        if broker == Broker::Refuses {
            return;
        }
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.id == id).unwrap();
        let (from, to, repair) = (delivery.from, delivery.to, delivery.repair.clone());
        self.queue = Some(Link { delivery: id, from, to, repair, lost: false });
        if broker == Broker::Confirms && !delivery.confirmed {
            delivery.confirmed = true;
            if delivery.state == DeliveryState::Announced {
                delivery.state_at = at(self.now);
            }
        }
    }

    fn back_up(&mut self) {
        let (target, contact, deliveries) = (self.target, self.contact.clone(), self.deliveries.clone());
        self.backup = Some(Backup { target, contact, deliveries });
    }

    /// The server's databases are those of its backup. What it made since is no more; a till that
    /// has it holds rows of a timeline that was lost.
    fn restore_server(&mut self) {
        let Some(backup) = self.backup.clone() else { return };
        self.foreign |= self.cursor > backup.target;
        if let Some(link) = &mut self.queue {
            link.lost |= !backup.deliveries.iter().any(|delivery| delivery.id == link.delivery);
        }
        (self.target, self.contact, self.deliveries) = (backup.target, backup.contact, backup.deliveries);
    }

    fn end(&mut self, id: DeliveryId, state: DeliveryState, reason: ExchangeReason) {
        let now = at(self.now);
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.id == id).unwrap();
        assert!(delivery.state.may_become(state));
        delivery.state = state;
        delivery.state_at = now;
        delivery.reason = Some(reason.into());
    }

    fn state(&self) -> TillState {
        let mut digest = digest_at(self.cursor);
        if self.foreign || self.stubborn {
            digest.0 += 1;
        }
        TillState { cursor: self.cursor, digest: Some(digest), ..TillState::default() }
    }

    fn say(&mut self, report: Report) {
        let said = Reported {
            schema: 1,
            peer: till().into(),
            instance: Uuid::nil(),
            sent_at: at(self.now + self.till_clock),
            report,
        };
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
        let step = |state, cause, till_state| Report::Delivery {
            delivery: link.delivery,
            package: PackageName::from_hash([1; 32]),
            state,
            reason: None,
            cause,
            till_state,
        };
        let rejected = |cause, till_state| step(DeliveryState::Rejected, Some(cause), till_state);
        if link.lost {
            return self.say(rejected(RejectCause::Transport, self.state()));
        }
        let whole = !link.repair.is_nothing();
        if link.from > self.cursor {
            return self.say(rejected(RejectCause::Gap, self.state()));
        }
        let applies = self.cursor < link.to || (whole && self.cursor == link.to);
        if !applies {
            return self.contact();
        }
        self.say(step(DeliveryState::Queued, None, self.state()));
        if let Some(cause) = self.broken.take() {
            return self.say(rejected(cause, self.state()));
        }
        if self.foreign && link.repair != Needs::All {
            // The rows that a package promises are not there afterwards.
            self.say(rejected(RejectCause::Content, self.state()));
            let till_state = self.state();
            return self.say(Report::NeedSnapshot { kinds: Vec::new(), reason: "differs".to_owned(), till_state });
        }
        if self.diverged && !link.repair.covers(&items()) {
            self.say(rejected(RejectCause::Content, self.state()));
            return self.verify();
        }
        (self.diverged, self.foreign) = (false, false);
        self.cursor = link.to;
        self.say(step(DeliveryState::Applied, None, self.state()));
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
        let heard = hear(self.contact.as_ref(), named.as_ref(), reported, true, settings().silent_after, at(self.now));
        self.contact = Some(heard.contact);
        if let Some(moved) = heard.delivery {
            let place = self.deliveries.iter().position(|known| known.id == moved.id).unwrap();
            self.deliveries[place] = moved;
        }
    }

    /// Everything works from now on. Gives the deliveries that it took.
    fn settle(&mut self) -> usize {
        self.parked = false;
        if self.target == Revision::ZERO {
            // A server without a dictionary has nothing to bring: somebody loads one.
            self.target = self.target.next();
        }
        let before = self.deliveries.len();
        // Past the day after which a till whose disk was replaced again is sent everything again.
        for round in 0..25 * 60 {
            self.now += 60;
            if round % 10 == 0 {
                self.verify();
            }
            self.contact();
            while !self.reports.is_empty() {
                self.hear(0);
            }
            self.reconcile(Broker::Confirms);
            self.take();
        }
        while !self.reports.is_empty() {
            self.hear(0);
        }
        self.reconcile(Broker::Confirms);
        self.deliveries.len() - before
    }
}

#[derive(Debug, Clone)]
enum Event {
    Load,
    Pass { broker: Broker },
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
    Break { cause: RejectCause },
    CopyOfAnother { cursor: u64 },
    ClockJump { seconds: i64 },
    TillClock { seconds: i64 },
    BackUp,
    RestoreServer,
}

/// Days, either way.
const JUMP_S: i64 = 10 * 86_400;

fn broker() -> impl Strategy<Value = Broker> {
    prop_oneof![2 => Just(Broker::Confirms), 1 => Just(Broker::Silent), 1 => Just(Broker::Refuses)]
}

fn cause() -> impl Strategy<Value = RejectCause> {
    prop_oneof![Just(RejectCause::Transport), Just(RejectCause::Gap), Just(RejectCause::Content)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Load),
        6 => broker().prop_map(|broker| Event::Pass { broker }),
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
        1 => cause().prop_map(|cause| Event::Break { cause }),
        1 => (0..25_u64).prop_map(|cursor| Event::CopyOfAnother { cursor }),
        1 => (-JUMP_S..JUMP_S).prop_map(|seconds| Event::ClockJump { seconds }),
        1 => (-JUMP_S..JUMP_S).prop_map(|seconds| Event::TillClock { seconds }),
        1 => Just(Event::BackUp),
        1 => Just(Event::RestoreServer),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Load => world.target = world.target.next(),
        Event::Pass { broker } => world.reconcile(broker),
        Event::Wait { seconds } | Event::ClockJump { seconds } => world.now += seconds,
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
        Event::Break { cause } => world.broken = Some(cause),
        Event::CopyOfAnother { cursor } => {
            world.foreign = true;
            world.cursor = Revision(cursor.min(world.target.0));
        }
        Event::TillClock { seconds } => world.till_clock = seconds,
        Event::BackUp => world.back_up(),
        Event::RestoreServer => world.restore_server(),
    }
}

/// Most deliveries that one till needs after the last fault: each sort of fault costs one or two,
/// and waits between tries double. More would be a server and a till that talk in a circle.
const MOST_DELIVERIES_TO_SETTLE: usize = 12;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

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
        let deliveries = world.settle();
        prop_assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
        prop_assert_eq!(world.cursor, world.target);
        prop_assert!(!world.diverged);
        prop_assert!(!world.foreign);
        prop_assert!(world.deliveries.iter().all(|delivery| delivery.state.is_final()));
        prop_assert!(deliveries <= MOST_DELIVERIES_TO_SETTLE, "{deliveries} deliveries");
    }

    /// Without a word from the till: what is on its way ends, again and again, and each time
    /// later.
    #[test]
    fn a_till_that_is_never_heard_of_again_costs_a_few_deliveries_a_day(
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let mut world = World::new(0, 5);
        for event in events {
            happen(&mut world, &event);
        }
        world.parked = false;
        let before = world.deliveries.len();
        for _ in 0..24 * 60 {
            world.now += 60;
            world.reconcile(Broker::Confirms);
        }
        let a_day = world.deliveries.len() - before;
        prop_assert!(a_day <= 6, "{a_day} deliveries within a day");
        let open = world.deliveries.iter().filter(|delivery| !delivery.state.is_final()).count();
        prop_assert!(open <= 1, "{open} open deliveries");
    }
}
