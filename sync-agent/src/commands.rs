//! Messages of the server, one at a time: read, worked on, answered. Whatever is in a message, it
//! ends here: the broker gets its acknowledgement afterwards. One on which the work panics is set
//! aside like one that is not understood, so that it does not come again and again.

use crate::aside;
use crate::intake;
use crate::till::Till;
use crate::unload::{Trigger, UnloadRequest};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tillway_proto::command::AsideAction;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::{Command, ExchangeStatus, Order, RejectCause, Report};
use tokio::sync::mpsc::error::TrySendError;
use uuid::Uuid;

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Dictionary,
    Control,
    /// It lay aside, and a person wants it tried again.
    Aside,
}

/// Works on one message to its end.
pub(crate) async fn take(till: &Arc<Till>, from: From, message: &[u8]) {
    let _working = Working::begin(till);
    if AssertUnwindSafe(work(till, from, message)).catch_unwind().await.is_ok() {
        return;
    }
    tracing::error!(?from, "the work on a message of the server panicked: it is set aside");
    till.errors.add();
    if let Ok(Command { order: Order::LoadPackage(link), .. }) = Command::parse(message) {
        let rejected = till.blocking(move |till| {
            till.note_rejected(&link, RejectCause::Transport, "the work on the link panicked".to_owned());
        });
        let _ = rejected.await;
    }
    set_aside(till, message);
}

/// A message is being worked on as long as this lives, however the work ends.
struct Working<'a>(&'a Till);

impl<'a> Working<'a> {
    fn begin(till: &'a Till) -> Self {
        till.working.send_replace(true);
        Self(till)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.send_replace(false);
    }
}

async fn work(till: &Arc<Till>, from: From, message: &[u8]) {
    let parsed = if message.len() > MAX_MESSAGE_BYTES {
        tracing::error!(?from, bytes = message.len(), "a message of the server is too long");
        set_aside(till, message);
        return;
    } else {
        Command::parse(message)
    };
    let command = match parsed {
        Ok(command) => command,
        Err(error) => {
            till.failed("a message of the server is not understood", &error);
            match error.id() {
                Some(command) => till.reports.put(Report::Refused { command, reason: crate::error::chain(&error) }),
                None => set_aside(till, message),
            }
            return;
        }
    };
    fail::fail_point!("commands::works");
    tracing::debug!(?from, id = %command.id, order = ?command.order, "command");
    follow_settings(till, &command).await;
    match command.order {
        // A download may take a day, and the server announces anew what was rejected.
        Order::LoadPackage(link) if from == From::Aside => {
            let reason = "the link lay aside: it has to be announced anew".to_owned();
            let rejected = till.blocking(move |till| till.note_rejected(&link, RejectCause::Transport, reason));
            let _ = rejected.await;
        }
        Order::LoadPackage(link) => intake::take(till, link).await,
        Order::UnloadSales { selection } => {
            let id = command.id;
            let request = UnloadRequest { selection, trigger: Trigger::Command(id), reply: None };
            if let Err(TrySendError::Full(_)) = till.unloads.try_send(request) {
                till.reports
                    .put(Report::Refused { command: id, reason: "too many unloadings wait already".to_owned() });
            }
        }
        Order::SettleAside { .. } if from == From::Aside => {
            let reason = "an order about what lies aside that lay aside itself is not carried out".to_owned();
            till.reports.put(Report::Refused { command: command.id, reason });
        }
        Order::SettleAside { action: AsideAction::Drop, units } if units.is_empty() => {
            let reason = aside::DROP_NAMES_NOTHING.to_owned();
            till.reports.put(Report::Refused { command: command.id, reason });
        }
        Order::SettleAside { action, units } => {
            let settled = aside::settle(till, action, units).await;
            let outcome = match settled.failed {
                0 => Ok(()),
                _ => Err("not all could be settled; see the till's log".to_owned()),
            };
            answer(till, command.id, outcome).await;
        }
        Order::ReportState { verify: false } => answer(till, command.id, Ok(())).await,
        Order::ReportState { verify: true } => {
            // It may have to wait for a load: other commands go on meanwhile, and this one is
            // answered when it is done.
            if !till.recounts.ask_for(command.id) {
                let reason = "too many recounts wait already".to_owned();
                till.reports.put(Report::Refused { command: command.id, reason });
            }
        }
    }
}

/// Tells what the till has now, and then that an order was carried out, or why not.
pub(crate) async fn answer(till: &Arc<Till>, command: Uuid, outcome: Result<(), String>) {
    let state = till.look_now().await;
    till.reports.put(Report::Contact { state });
    let (status, reason) = match outcome {
        Ok(()) => (ExchangeStatus::Ready, None),
        Err(reason) => (ExchangeStatus::Error, Some(reason)),
    };
    till.reports.put(Report::Unload { command: Some(command), status, receipts: 0, reason });
}

/// Takes over the settings that the server owns. A wrong one does not stop the command that
/// brought it.
async fn follow_settings(till: &Arc<Till>, command: &Command) {
    let settings = till.settings.clone();
    let pushed = command.settings.clone();
    match tokio::task::spawn_blocking(move || settings.take(&pushed)).await {
        Ok(Ok(changed)) if changed.is_empty() => {}
        Ok(Ok(changed)) => tracing::info!(?changed, "settings taken over from the server"),
        Ok(Err(error)) => till.failed("settings pushed by the server were not taken over", &error),
        Err(error) => till.failed("settings pushed by the server were not taken over", &error),
    }
}

/// Keeps a message that nobody can answer.
fn set_aside(till: &Till, message: &[u8]) {
    if let Err(error) = aside::keep_message(&till.settings.current().paths.data, message) {
        till.failed("a message could not be set aside", &error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recount;
    use crate::till::bench::TestTill;

    const COMMAND: Uuid = Uuid::from_u128(7);

    fn order(rest: &str) -> Vec<u8> {
        format!(r#"{{"schema":1,"id":"{COMMAND}","type":{rest}}}"#).into_bytes()
    }

    fn is_answer(report: &Report) -> bool {
        let answer =
            Report::Unload { command: Some(COMMAND), status: ExchangeStatus::Ready, receipts: 0, reason: None };
        *report == answer
    }

    #[tokio::test]
    async fn an_order_to_tell_the_state_is_answered_after_the_state() {
        let till = TestTill::new();
        take(&till, From::Control, &order(r#""report-state""#)).await;
        let reports = till.reported().await;
        assert!(matches!(&reports[0], Report::Contact { .. }) && is_answer(&reports[1]), "{reports:?}");
        assert_eq!(reports.len(), 2);
    }

    #[tokio::test]
    async fn an_order_to_recount_is_answered_when_the_recount_is_done() {
        let till = TestTill::new();
        let loads = till.exchange.take().await;
        let recounts = tokio::spawn(recount::run(Arc::clone(&till)));
        take(&till, From::Control, &order(r#""report-state","verify":true"#)).await;
        take(&till, From::Control, &order(r#""report-state","verify":true"#)).await;
        assert_eq!(till.reported().await, [], "a load is under way");
        drop(loads);
        let answered = async {
            loop {
                let waiting = till.reports.next().await;
                till.reports.done(&waiting);
                if is_answer(&waiting.reported.report) {
                    break;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), answered).await.unwrap();
        till.shutdown.cancel();
        recounts.await.unwrap();
    }

    #[tokio::test]
    async fn an_order_to_settle_what_lies_aside_is_answered_after_what_is_left() {
        let till = TestTill::new();
        set_aside(&till, b"{");
        assert_eq!(till.look().set_aside, 1);
        let unit = till.look().aside[0].unit.name.clone();
        let named = format!(r#""settle-aside","action":"drop","units":[{{"sort":"message","name":"{unit}"}}]"#);
        take(&till, From::Control, &order(&named)).await;
        let reports = till.reported().await;
        assert!(matches!(&reports[0], Report::Contact { state } if state.set_aside == 0), "{reports:?}");
        assert!(is_answer(&reports[1]), "{reports:?}");
    }

    #[tokio::test]
    async fn an_order_to_drop_what_nobody_has_named_is_refused() {
        let till = TestTill::new();
        set_aside(&till, b"{");
        take(&till, From::Control, &order(r#""settle-aside","action":"drop""#)).await;
        let reports = till.reported().await;
        let refused =
            |report: &Report| matches!(report, Report::Refused { command: COMMAND, reason } if reason.contains("name"));
        assert!(reports.len() == 1 && refused(&reports[0]), "{reports:?}");
        assert_eq!(till.look().set_aside, 1);
    }

    #[tokio::test]
    async fn messages_aside_are_taken_again_without_a_download_and_without_an_order_about_themselves() {
        let till = TestTill::new();
        let delivery = tillway_proto::DeliveryId::generate();
        let link = format!(
            r#""load-package","delivery":"{delivery}","package":"{}","link":"/x.twp","bytes":5,"from":0,"to":1,"objects":1"#,
            "a".repeat(64)
        );
        for message in [order(&link), order(r#""settle-aside","action":"retry""#), b"{".to_vec()] {
            set_aside(&till, &message);
        }
        take(&till, From::Control, &order(r#""settle-aside","action":"retry""#)).await;
        let reports = till.reported().await;
        let rejected = reports.iter().filter(|report| {
            matches!(report, Report::Delivery { delivery: of, cause: Some(RejectCause::Transport), .. } if *of == delivery)
        });
        assert_eq!(rejected.count(), 1, "{reports:?}");
        let refused = reports.iter().filter(|report| matches!(report, Report::Refused { .. }));
        assert_eq!(refused.count(), 1, "{reports:?}");
        assert_eq!(till.look().set_aside, 1, "what is not understood lies aside again");
    }
}
