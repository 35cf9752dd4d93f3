//! Single facts of the decisions.

use super::*;

#[test]
fn a_till_that_is_behind_is_announced_once() {
    let mut world = World::new(3, 5);
    world.contact();
    world.hear(0);
    let first = Action::Announce {
        from: Revision(3),
        repair: Needs::Nothing,
        tries: 0,
        bad_contents: 0,
        unanswered_since: None,
    };
    assert_eq!(world.decided(), first);
    world.reconcile(Broker::Confirms);
    for _ in 0..5 {
        world.reconcile(Broker::Confirms);
    }
    assert_eq!(world.deliveries.len(), 1);
    assert!(matches!(world.decided(), Action::Wait(Wait::OnItsWay { state: DeliveryState::Announced, .. })));
}

#[test]
fn a_newer_target_supersedes_what_is_on_its_way() {
    let mut world = World::new(0, 1);
    world.reconcile(Broker::Confirms);
    world.target = Revision(2);
    world.reconcile(Broker::Confirms);
    let states: Vec<_> = world.deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Superseded, DeliveryState::Announced]);
    assert_eq!(world.deliveries[1].from, Revision::ZERO);
}

#[test]
fn loads_while_a_till_is_off_make_no_package_each_and_it_gets_one_when_it_is_back() {
    let mut world = World::new(3, 5);
    world.contact();
    world.hear(0);
    world.reconcile(Broker::Confirms);
    // Switched off with a link under way; an hour of loads, three seconds apart.
    for _ in 0..1_200 {
        world.now += 3;
        world.target = world.target.next();
        world.reconcile(Broker::Confirms);
    }
    let made = world.deliveries.len();
    assert!(made <= 8, "{made} packages for a till that is off");
    let open = world.deliveries.iter().filter(|delivery| !delivery.state.is_final()).count();
    assert_eq!(open, 1, "one link waits for it");
    assert!(matches!(world.decided(), Action::Wait(Wait::NoAnswer { .. })), "{:?}", world.decided());
    // Its first word brings what is newest, though the old link has not come to its end.
    world.contact();
    world.hear(0);
    world.reconcile(Broker::Confirms);
    assert_eq!(world.deliveries.len(), made + 1);
    assert_eq!(world.deliveries[made].to, world.target);
    world.take();
    while !world.reports.is_empty() {
        world.hear(0);
    }
    assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
}

#[test]
fn a_till_that_answers_gets_every_load_at_once() {
    let mut world = World::new(0, 0);
    world.contact();
    world.hear(0);
    for load in 1..=100 {
        world.now += 3;
        world.target = world.target.next();
        world.reconcile(Broker::Confirms);
        assert_eq!(world.deliveries.len(), load);
        // Not yet applied when the next load comes, but heard of.
        world.contact();
        world.hear(0);
    }
}

#[test]
fn the_link_of_a_till_that_is_off_is_renewed_with_what_is_newest_then() {
    let mut world = World::new(0, 1);
    world.reconcile(Broker::Confirms);
    world.now = 60;
    world.target = Revision(9);
    world.reconcile(Broker::Confirms);
    assert_eq!((world.deliveries.len(), world.deliveries[0].to), (1, Revision(1)));
    world.now = 21_600;
    world.reconcile(Broker::Confirms);
    assert_eq!((world.deliveries.len(), world.deliveries[1].to), (2, Revision(9)));
}

#[test]
fn a_link_that_the_broker_did_not_confirm_is_no_reason_to_wait() {
    let mut world = World::new(0, 1);
    world.reconcile(Broker::Silent);
    world.now = 60;
    world.target = Revision(2);
    world.reconcile(Broker::Confirms);
    assert_eq!(world.deliveries.last().unwrap().to, Revision(2));
}

#[test]
fn a_parked_till_gets_nothing_and_its_newest_target_when_it_is_unparked() {
    let mut world = World::new(0, 1);
    world.reconcile(Broker::Confirms);
    world.parked = true;
    for _ in 0..10 {
        world.target = world.target.next();
        world.reconcile(Broker::Confirms);
    }
    assert_eq!(world.decided(), Action::Wait(Wait::Parked { behind: true }));
    assert_eq!(world.deliveries.len(), 1);
    assert_eq!(world.deliveries[0].state, DeliveryState::Superseded);
    world.parked = false;
    world.reconcile(Broker::Confirms);
    assert_eq!((world.deliveries.len(), world.deliveries[1].to), (2, Revision(11)));
}

#[test]
fn an_unconfirmed_link_is_published_again_as_the_same_delivery() {
    let mut world = World::new(0, 1);
    world.reconcile(Broker::Silent);
    let id = world.deliveries[0].id;
    assert_eq!(world.decided(), Action::Publish { delivery: id });
    world.reconcile(Broker::Confirms);
    assert_eq!(world.deliveries.len(), 1);
}

#[test]
fn a_silent_till_finds_its_link_for_hours_and_one_in_contact_gets_a_new_one_within_minutes() {
    let mut world = World::new(0, 1);
    world.contact();
    world.hear(0);
    world.reconcile(Broker::Confirms);
    let silent = deadline(&world.record(), &world.deliveries[0], &settings());
    assert_eq!(silent, at(21_600));
    world.now = 60;
    world.contact();
    world.hear(0);
    let present = deadline(&world.record(), &world.deliveries[0], &settings());
    assert_eq!(present, at(300));
    world.now = 300;
    world.reconcile(Broker::Confirms);
    let states: Vec<_> = world.deliveries.iter().map(|delivery| (delivery.state, delivery.tries)).collect();
    assert_eq!(states, [(DeliveryState::Expired, 0), (DeliveryState::Announced, 1)]);
}

#[test]
fn a_till_that_comes_back_has_time_to_take_the_link_that_waited_for_it() {
    let mut world = World::new(0, 1);
    world.contact();
    world.hear(0);
    world.reconcile(Broker::Confirms);
    world.now = 20_000;
    world.contact();
    world.hear(0);
    assert_eq!(deadline(&world.record(), &world.deliveries[0], &settings()), at(20_300));
}

/// What is announced after each of four rejections.
fn repairs_after(cause: RejectCause) -> Vec<Needs> {
    let mut world = World::new(1, 2);
    world.contact();
    world.hear(0);
    let mut repairs = Vec::new();
    for _ in 0..4 {
        world.reconcile(Broker::Confirms);
        repairs.push(world.deliveries.last().unwrap().repair.clone());
        world.broken = Some(cause);
        world.take();
        while !world.reports.is_empty() {
            world.hear(0);
        }
        world.now += 3600;
    }
    repairs
}

#[test]
fn only_what_was_wrong_inside_ends_in_a_snapshot() {
    let (differences, snapshot) = (vec![Needs::Nothing; 4], [vec![Needs::Nothing; 3], vec![Needs::All]].concat());
    assert_eq!(repairs_after(RejectCause::Content), snapshot);
    assert_eq!(repairs_after(RejectCause::Transport), differences);
    assert_eq!(repairs_after(RejectCause::Gap), differences);
}

#[test]
fn rejections_are_held_back_and_the_first_gap_is_not() {
    for (cause, at_once) in [(RejectCause::Content, false), (RejectCause::Transport, false), (RejectCause::Gap, true)] {
        let mut world = World::new(1, 2);
        world.contact();
        world.hear(0);
        for first in [true, false] {
            world.reconcile(Broker::Confirms);
            world.broken = Some(cause);
            world.take();
            while !world.reports.is_empty() {
                world.hear(0);
            }
            let held = matches!(world.decided(), Action::Wait(Wait::HeldBack { why: Held::Rejected(_), .. }));
            assert_eq!(held, !(at_once && first), "{cause:?}");
            world.now += i64::from(held) * 3600;
        }
    }
}

#[test]
fn a_cause_that_an_older_agent_does_not_tell_counts_as_content() {
    let mut world = World::new(1, 2);
    world.reconcile(Broker::Confirms);
    world.deliveries[0].state = DeliveryState::Rejected;
    world.now += 3600;
    assert!(matches!(world.decided(), Action::Announce { tries: 1, bad_contents: 1, .. }));
}

#[test]
fn an_equal_cursor_is_not_an_equal_state() {
    let mut world = World::new(5, 5);
    world.foreign = true;
    world.contact();
    world.hear(0);
    assert!(matches!(world.decided(), Action::Announce { from: Revision(5), repair: Needs::All, .. }));
    world.reconcile(Broker::Confirms);
    world.contact();
    world.hear(0);
    assert!(matches!(world.decided(), Action::Wait(Wait::OnItsWay { .. })), "an equal cursor does not end it either");
    world.take();
    while !world.reports.is_empty() {
        world.hear(0);
    }
    assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
    assert_eq!(world.deliveries.len(), 1);
}

#[test]
fn a_digest_that_is_not_known_on_both_sides_is_not_compared() {
    let mut world = World::new(5, 5);
    world.foreign = true;
    world.contact();
    world.hear(0);
    let record = world.record();
    let up_to_date = Action::Wait(Wait::UpToDate);
    let decided = |record: &PeerRecord, digest| {
        decide(record, &Aim { target: Revision(5), digest, parked: false }, &settings(), at(0))
    };
    assert_eq!(decided(&record, None), up_to_date);
    let mut older = record.clone();
    older.contact.as_mut().unwrap().state.digest = None;
    assert_eq!(decided(&older, Some(digest_at(Revision(5)))), up_to_date);
    assert_ne!(decided(&record, Some(digest_at(Revision(5)))), up_to_date);
}

#[test]
fn a_till_that_still_differs_after_a_snapshot_is_not_sent_one_after_the_other() {
    let mut world = World::new(5, 5);
    world.stubborn = true;
    let run = |world: &mut World, minutes: i64| {
        for _ in 0..minutes {
            world.now += 60;
            world.contact();
            while !world.reports.is_empty() {
                world.hear(0);
            }
            world.reconcile(Broker::Confirms);
            world.take();
        }
        world.deliveries.len()
    };
    assert_eq!(run(&mut world, 600), 1);
    let waits = world.decided();
    assert!(matches!(&waits, Action::Wait(Wait::HeldBack { why: Held::StillDiffers, .. })), "{waits:?}");
    // A load brings its difference, and one snapshot more.
    world.target = world.target.next();
    assert_eq!(run(&mut world, 600), 3);
    assert_eq!(run(&mut world, 24 * 60), 4, "once a day");
    world.stubborn = false;
    run(&mut world, 2);
    assert_eq!(world.decided(), Action::Wait(Wait::UpToDate));
}

#[test]
fn what_a_till_asks_for_whole_is_sent_at_once_and_only_once() {
    let mut world = World::new(2, 2);
    world.diverged = true;
    world.verify();
    world.hear(0);
    world.reconcile(Broker::Confirms);
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
