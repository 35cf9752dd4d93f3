//! Reports, passes and orders at the same time: nobody writes over what another has decided since.

use super::model::{CommandState, Delivery, SentCommand};
use super::reconciler::{decide_all, delivery_of, sound_package};
use super::test_kit::Talk;
use crate::dictionary::tests::kit::item;
use crate::exchange::ExchangeReason;
use crate::store::exchange::{DeliveryFilter, Ended, ExchangeStore as _, NewDelivery};
use crate::store::sqlite::exchange::SqliteExchange;
use jiff::Timestamp;
use proptest::prelude::*;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tillway_proto::report::Report;
use tillway_proto::{DeliveryState, ExchangeStatus};

struct Race {
    talk: Talk,
}

impl Deref for Race {
    type Target = Talk;

    fn deref(&self) -> &Talk {
        &self.talk
    }
}

impl Race {
    fn new() -> Self {
        let talk = Talk::new();
        // Sees what a row was before it is replaced.
        talk.store().tamper(
            "CREATE TABLE reopened (what TEXT);
             CREATE TRIGGER reopened_delivery BEFORE INSERT ON delivery
             WHEN new.ended = 0 AND EXISTS (SELECT 1 FROM delivery WHERE id = new.id AND ended = 1)
             BEGIN INSERT INTO reopened VALUES ('delivery'); END;
             CREATE TRIGGER reopened_command BEFORE INSERT ON command
             WHEN new.ended = 0 AND EXISTS (SELECT 1 FROM command WHERE id = new.id AND ended = 1)
             BEGIN INSERT INTO reopened VALUES ('command'); END;",
        );
        Self { talk }
    }

    fn reopened(&self) -> Vec<String> {
        reopened(&self.talk)
    }

    /// At each point where reports were decided and are not written yet, another thread does this.
    /// It has time to come through where nothing keeps it out.
    fn meanwhile(&self, work: impl Fn(&SqliteExchange) + Send + Sync + 'static) -> Meanwhile {
        let (store, here) = (self.kit.store.clone(), thread::current().id());
        let (work, begun) = (Arc::new(work), Arc::new(Mutex::new(Vec::new())));
        let others = Arc::clone(&begun);
        let interfere = move || {
            if thread::current().id() != here {
                return;
            }
            let (store, work) = (store.clone(), Arc::clone(&work));
            let (done, is_done) = std::sync::mpsc::channel();
            let other = thread::spawn(move || {
                work(&store);
                let _ = done.send(());
            });
            let _ = is_done.recv_timeout(Duration::from_millis(300));
            others.lock().unwrap().push(other);
        };
        fail::cfg_callback("reports::batch_decided", interfere).unwrap();
        Meanwhile { begun }
    }
}

fn reopened(talk: &Talk) -> Vec<String> {
    let file = rusqlite::Connection::open(talk.kit.chain.folder.path().join("exchange.db")).unwrap();
    let mut read = file.prepare("SELECT what FROM reopened").unwrap();
    read.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

struct Meanwhile {
    begun: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Meanwhile {
    /// How many threads came in between; each has ended.
    fn end(self) -> usize {
        fail::remove("reports::batch_decided");
        let begun = std::mem::take(&mut *self.begun.lock().unwrap());
        begun.into_iter().map(|other| other.join().unwrap()).count()
    }
}

/// One test at a time makes use of the fail point, whose registry is that of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn a_delivery_that_is_superseded_while_its_report_is_taken_stays_superseded() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let race = Race::new();
    race.kit.chain.load("All", &item("1", "Milk", "100"));
    race.pass();
    let till = race.tills[0].clone();
    let old = race.deliveries(&till).remove(0);
    let newer = Delivery { id: tillway_proto::DeliveryId::generate(), ..old.clone() };
    let (seen, new) = (old.id, newer.clone());
    let meanwhile = race.meanwhile(move |store| {
        let state = store.delivery(seen).unwrap().unwrap().state;
        let new = NewDelivery { delivery: new.clone(), seen: Some((seen, state)) };
        store.announce(vec![new], Timestamp::now()).unwrap();
    });
    race.step(&old, DeliveryState::Queued);
    assert_eq!(meanwhile.end(), 1);
    assert_eq!(race.store().delivery(old.id).unwrap().unwrap().state, DeliveryState::Superseded);
    let open: Vec<_> =
        race.deliveries(&till).into_iter().filter(|one| !one.state.is_final()).map(|one| one.id).collect();
    assert_eq!(open, [newer.id]);
    assert_eq!(race.store().packages_in_use().unwrap().len(), 1, "the package of the old one is not kept for it");
    assert_eq!(race.reopened(), Vec::<String>::new());
}

#[test]
fn an_order_that_expires_while_its_answer_is_taken_ends_once() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let race = Race::new();
    let till = race.tills[0].clone();
    let id = race.kit.service.request_state(&till, true).unwrap().unwrap();
    race.store().set_sent(&[id], Timestamp::now()).unwrap();
    let sent = race.store().command(id).unwrap().unwrap();
    let meanwhile = race.meanwhile(move |store| {
        let seen = (sent.state, sent.state_at);
        let ended = crate::store::exchange::EndedCommand {
            id,
            seen,
            state: CommandState::Expired,
            reason: ExchangeReason::NothingHeard,
        };
        store.end_commands(&[ended], Timestamp::now()).unwrap();
    });
    let status = ExchangeStatus::During;
    race.say(&till, Report::Unload { command: Some(id), status, receipts: 3, reason: None });
    assert_eq!(meanwhile.end(), 1);
    let now = race.store().command(id).unwrap().unwrap();
    assert_eq!((now.state, now.receipts), (CommandState::Running, 3), "it was answered, so what was seen is past");
    assert_eq!(race.reopened(), Vec::<String>::new());
}

#[test]
fn a_pass_ends_and_supersedes_only_what_it_has_seen() {
    let race = Race::new();
    race.kit.chain.load("All", &item("1", "Milk", "100"));
    race.pass();
    let till = race.tills[0].clone();
    let delivery = race.deliveries(&till).remove(0);
    let late = Ended {
        id: delivery.id,
        seen: delivery.state,
        state: DeliveryState::Expired,
        reason: ExchangeReason::NothingHeard,
    };
    race.step(&delivery, DeliveryState::Queued);
    race.store().end(&[late], Timestamp::now()).unwrap();
    assert_eq!(race.deliveries(&till)[0].state, DeliveryState::Queued, "it has moved on since it was seen");

    race.kit.chain.load("All", &item("1", "Milk", "110"));
    let wanted = decide_all(&race.kit.service, &race.packages).unwrap().plan.announce;
    let wanted = wanted.into_iter().find(|wanted| wanted.till == till).expect("a newer price");
    // While the package is built the till rejects what it has: how it goes on is another matter
    // now.
    race.step(&delivery, DeliveryState::Rejected);
    let facts = sound_package(&race.packages, &wanted, &Arc::default()).unwrap().unwrap();
    let written = race.store().announce(vec![delivery_of(wanted, facts)], Timestamp::now()).unwrap();
    assert!(written.is_empty(), "{written:?}");
    race.pass();
    let newest = race.deliveries(&till).remove(0);
    assert_eq!((newest.state, newest.tries), (DeliveryState::Announced, 1), "the next pass knows of the rejection");
}

#[test]
fn the_same_request_by_two_at_once_is_one_order() {
    let race = Race::new();
    let till = &race.tills[0];
    let ordered = thread::scope(|scope| {
        let ask = || race.kit.service.request_state(till, true).unwrap();
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().filter_map(|asked| asked.join().unwrap()).count()
    });
    assert_eq!(ordered, 1);
    let open: Vec<SentCommand> = race.store().open_commands_of(&till.clone().into()).unwrap();
    assert_eq!(open.len(), 1);
}

/// What a till says in the race of the property test: of the delivery so many before its newest.
#[derive(Debug, Clone)]
struct Saying {
    till: usize,
    before: usize,
    state: DeliveryState,
}

fn saying() -> impl Strategy<Value = Saying> {
    let states = [
        DeliveryState::Downloaded,
        DeliveryState::Queued,
        DeliveryState::Applied,
        DeliveryState::Rejected,
        DeliveryState::Queued,
    ];
    (0..4_usize, 0..3_usize, prop::sample::select(states.to_vec())).prop_map(|(till, before, state)| Saying {
        till,
        before,
        state,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn reports_and_passes_at_once_never_open_again_what_has_ended(
        sayings in prop::collection::vec(prop::collection::vec(saying(), 20..40), 3),
        loads in 3..6_u32,
    ) {
        let race = Race::new();
        let race = &race.talk;
        race.kit.chain.load("All", &item("1", "Milk", "1"));
        race.pass();
        thread::scope(|scope| {
            for of_thread in &sayings {
                scope.spawn(move || {
                    for Saying { till, before, state } in of_thread {
                        let till = &race.tills[till % race.tills.len()];
                        let filter = DeliveryFilter { peer: Some(till.clone().into()), limit: 3, ..DeliveryFilter::default() };
                        let known = race.store().deliveries(&filter).unwrap();
                        if let Some(delivery) = known.get(before % known.len().max(1)) {
                            race.step(delivery, *state);
                        }
                        if let Some(command) = race.store().open_commands_of(&till.clone().into()).unwrap().first() {
                            let (command, status) = (Some(command.id), ExchangeStatus::During);
                            race.say(till, Report::Unload { command, status, receipts: 1, reason: None });
                        }
                    }
                });
            }
            scope.spawn(move || {
                for load in 0..loads {
                    race.kit.chain.load("All", &item("1", "Milk", &(load + 2).to_string()));
                    race.pass();
                    for till in &race.tills {
                        let ask = crate::sales::requests::Ask::WhatIsMissing;
                        let Some(id) = race.kit.service.request_unload(till, ask).unwrap() else { continue };
                        let Some(seen) = race.store().command(id).unwrap() else { continue };
                        let seen = (seen.state, seen.state_at);
                        let state = CommandState::Expired;
                        let ended = crate::store::exchange::EndedCommand { id, seen, state, reason: ExchangeReason::NothingHeard };
                        race.store().end_commands(&[ended], Timestamp::now()).unwrap();
                    }
                }
            });
        });
        prop_assert_eq!(reopened(race), Vec::<String>::new());
        for till in &race.tills {
            let open = race.deliveries(till).into_iter().filter(|delivery| !delivery.state.is_final()).count();
            prop_assert!(open <= 1, "{till} has {open} open deliveries");
        }
        // What memory says is what the file says.
        let records = race.store().records().unwrap();
        for till in &race.tills {
            let peer = till.clone().into();
            prop_assert_eq!(records[&peer].as_ref(), &race.store().record(&peer).unwrap());
        }
    }
}
