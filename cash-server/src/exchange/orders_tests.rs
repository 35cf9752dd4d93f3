//! Which orders a pass sends.

use super::model::{CommandState, SentCommand};
use super::reconciler::decide_all;
use super::service::ExchangeService;
use super::test_kit::Kit;
use crate::packages::PackageService;
use crate::sales::requests::Ask;
use crate::store::exchange::ExchangeStore as _;
use crate::store::sqlite::packages::PackageDb;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tillway_proto::command::AsideAction;
use tillway_proto::{Command, Order, TillId};
use tillway_service::actor::{Actor, Caller};
use uuid::Uuid;

/// An order that was given so long ago.
fn waiting(kit: &Kit, till: &TillId, order: Order, ago: SignedDuration) -> Uuid {
    let command = Command::new(order);
    let at = Timestamp::now() - ago;
    let body = command.to_bytes().unwrap();
    let (till, what, state) = (till.clone(), "x".to_owned(), CommandState::Waiting);
    let sent = SentCommand {
        id: command.id,
        peer: till.into(),
        body,
        what,
        state,
        state_at: at,
        created_at: at,
        receipts: 0,
        reason: None,
    };
    kit.store.put_command(&sent);
    command.id
}

fn packages(kit: &Kit) -> PackageService {
    kit.packages(Arc::new(PackageDb::open(&kit.chain.folder.path().join("packages.db")).unwrap()))
}

/// What a pass would send now.
fn to_send(kit: &Kit) -> Vec<Uuid> {
    decide_all(&kit.service, &packages(kit)).unwrap().commands.into_iter().map(|command| command.id).collect()
}

fn state(kit: &Kit, id: Uuid) -> CommandState {
    kit.store.command(id).unwrap().unwrap().state
}

#[test]
fn an_order_of_before_that_would_drop_what_nobody_named_is_never_sent() {
    let kit = Kit::new();
    let till = kit.chain.network.current().unwrap().tills().next().unwrap().0.clone();
    let settle = |action| Order::SettleAside { action, units: Vec::new() };
    let drop = waiting(&kit, &till, settle(AsideAction::Drop), SignedDuration::ZERO);
    let retry = waiting(&kit, &till, settle(AsideAction::Retry), SignedDuration::ZERO);
    kit.service.settle_aside(&till, AsideAction::Drop, Vec::new()).expect_err("nothing is named");
    assert_eq!(to_send(&kit), [retry]);
    assert_eq!((state(&kit, drop), state(&kit, retry)), (CommandState::Failed, CommandState::Waiting));
}

#[test]
fn what_waits_is_sent_once_and_ends_without_an_answer() {
    let kit = Kit::new();
    let till = kit.chain.network.current().unwrap().tills().next().unwrap().0.clone();
    let deadline = SignedDuration::try_from(kit.settings.exchange.command_deadline).unwrap();
    let ask = || Order::ReportState { verify: false };
    let fresh = waiting(&kit, &till, ask(), SignedDuration::ZERO);
    let overdue = waiting(&kit, &till, ask(), deadline + SignedDuration::from_secs(5));
    assert_eq!(to_send(&kit), [fresh]);
    assert_eq!(state(&kit, overdue), CommandState::Expired);
    kit.store.set_sent(&[fresh], Timestamp::now()).unwrap();
    assert!(to_send(&kit).is_empty());
    assert_eq!(state(&kit, fresh), CommandState::Sent);
}

#[test]
fn a_till_that_asks_itself_gets_one_more_order_than_the_one_that_it_may_have_begun() {
    let kit = Kit::new();
    let till = kit.chain.network.current().unwrap().tills().next().unwrap().0.clone();
    let peer = Actor::Peer { sort: "till", id: till.to_string() };
    let itself = kit.service.acting_for(&Caller { actor: peer, ..Caller::server() });
    let ask = |who: &ExchangeService| who.request_unload(&till, Ask::WhatIsMissing).unwrap();
    let first = ask(&kit.service).unwrap();
    kit.store.set_sent(&[first], Timestamp::now()).unwrap();
    assert_eq!(ask(&kit.service), None, "a person who asks twice means the same");
    let second = ask(&itself).expect("the first may have been begun before the shift closed");
    assert_eq!(ask(&itself), None, "however often it asks");
    kit.store.set_sent(&[second], Timestamp::now()).unwrap();
    assert_eq!(ask(&itself), None);
    assert_eq!(ask(&kit.service), None);
}

#[test]
fn to_a_till_that_was_removed_nothing_is_sent() {
    let kit = Kit::new();
    let till = kit.chain.network.current().unwrap().tills().next().unwrap().0.clone();
    let order = waiting(&kit, &till, Order::ReportState { verify: false }, SignedDuration::ZERO);
    assert_eq!(to_send(&kit), [order]);
    kit.chain.network.remove(&till.into()).unwrap();
    assert!(to_send(&kit).is_empty(), "its queues would be made anew");
}
