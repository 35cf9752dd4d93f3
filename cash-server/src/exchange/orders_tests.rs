//! Which orders a pass sends.

use super::model::{CommandState, SentCommand};
use super::reconciler::decide_all;
use super::test_kit::Kit;
use crate::packages::PackageService;
use crate::store::exchange::ExchangeStore as _;
use crate::store::sqlite::packages::PackageDb;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tillway_proto::command::AsideAction;
use tillway_proto::{Command, Order, TillId};
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
fn to_a_till_that_was_removed_nothing_is_sent() {
    let kit = Kit::new();
    let till = kit.chain.network.current().unwrap().tills().next().unwrap().0.clone();
    let order = waiting(&kit, &till, Order::ReportState { verify: false }, SignedDuration::ZERO);
    assert_eq!(to_send(&kit), [order]);
    kit.chain.network.remove(&till.into()).unwrap();
    assert!(to_send(&kit).is_empty(), "its queues would be made anew");
}
