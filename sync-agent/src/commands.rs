//! Messages of the server, one at a time: read, worked on, answered. Whatever is in a message, it ends here: the broker
//! gets its acknowledgement afterwards. One on which the work panics is set aside like one that is not understood, so
//! that it does not come again and again.

use crate::aside;
use crate::intake;
use crate::till::Till;
use crate::unload::{Trigger, UnloadRequest};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::{Command, Order, RejectCause, Report};
use tokio::sync::mpsc::error::TrySendError;

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
                Some(command) => till.reports.put(Report::Refused { command, reason: crate::broker::chain(&error) }),
                None => set_aside(till, message),
            }
            return;
        }
    };
    fail::fail_point!("commands::works");
    tracing::debug!(?from, id = %command.id, order = ?command.order, "command");
    follow_settings(till, &command).await;
    match command.order {
        Order::LoadPackage(link) => intake::take(till, link).await,
        Order::UnloadSales { selection } => {
            let id = command.id;
            let request = UnloadRequest { selection, trigger: Trigger::Command(id), reply: None };
            if let Err(TrySendError::Full(_)) = till.unloads.try_send(request) {
                till.reports
                    .put(Report::Refused { command: id, reason: "too many unloadings wait already".to_owned() });
            }
        }
        Order::SettleAside { action, units } => {
            aside::settle(till, action, units).await;
        }
        Order::ReportState { verify } => {
            if verify {
                till.verify_poke.notify_one();
            }
            till.contact_poke.notify_one();
        }
    }
}

/// Takes over the settings that the server owns. A wrong one does not stop the command that brought it.
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
