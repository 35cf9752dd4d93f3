//! Messages of the server, one at a time: read, worked on, answered. Whatever is in a message, it
//! ends here: the broker gets its acknowledgement afterwards. One on which the work panics is set
//! aside like one that is not understood, so that it does not come again and again.

mod settle;

pub(crate) use settle::Settled;

use crate::aside;
use crate::error::{blocking, chain};
use crate::intake::Intake;
use crate::moves::{Addresses, Moves};
use crate::package_queue::PackageQueue;
use crate::recount::Recount;
use crate::settings::{LiveSettings, SettingsError, is_address, is_setting};
use crate::state::State;
use crate::tell::Teller;
use crate::unload::{Trigger, UnloadRequest};
use futures_util::FutureExt as _;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tillway_proto::command::AsideAction;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::{Command, Order, PackageLink, RejectCause};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

/// How long a command waits for the addresses that it brought to prove themselves: where they do,
/// it takes milliseconds.
const MOVE_TIME: Duration = Duration::from_secs(10);

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Dictionary,
    Control,
    /// It lay aside, and a person wants it tried again.
    Aside,
}

/// Works on messages of the server.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) intake: Intake,
    pub(crate) unloads: mpsc::Sender<UnloadRequest>,
    pub(crate) recount: Recount,
    /// What lies aside: packages, sales, messages.
    pub(crate) queue: PackageQueue,
    pub(crate) state: State,
    pub(crate) settings: LiveSettings,
    pub(crate) moves: Moves,
    pub(crate) teller: Teller,
    /// A message is being worked on.
    pub(crate) working: watch::Sender<bool>,
}

/// A message is being worked on as long as this lives, however the work ends.
struct Working<'a>(&'a watch::Sender<bool>);

impl<'a> Working<'a> {
    fn begin(working: &'a watch::Sender<bool>) -> Self {
        working.send_replace(true);
        Self(working)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl Commands {
    /// Works on one message to its end.
    pub(crate) async fn take(&self, from: From, message: &[u8]) {
        let _working = Working::begin(&self.working);
        if AssertUnwindSafe(self.work(from, message)).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!(?from, "the work on a message of the server panicked: it is set aside");
        self.teller.errors.add();
        if let Ok(Command { order: Order::LoadPackage(link), .. }) = Command::parse(message) {
            self.reject(link, "the work on the link panicked").await;
        }
        self.set_aside(message);
    }

    async fn work(&self, from: From, message: &[u8]) {
        if message.len() > MAX_MESSAGE_BYTES {
            tracing::error!(?from, bytes = message.len(), "a message of the server is too long");
            return self.set_aside(message);
        }
        let command = match Command::parse(message) {
            Ok(command) => command,
            Err(error) => {
                self.teller.failed("a message of the server is not understood", &error);
                return match error.id() {
                    Some(command) => self.teller.refuse(command, chain(&error)),
                    None => self.set_aside(message),
                };
            }
        };
        fail::fail_point!("commands::works");
        tracing::debug!(?from, id = %command.id, order = ?command.order, "command");
        // What lay aside has no code any more, and may be old.
        if from != From::Aside {
            // First: by these a new address proves itself.
            self.trust(&command).await;
        }
        self.follow_settings(from, &command).await;
        let refuse = |reason| self.teller.refuse(command.id, reason);
        match command.order {
            // A download may take a day, and the server announces anew what was rejected.
            Order::LoadPackage(link) if from == From::Aside => {
                self.reject(link, "the link lay aside: it has to be announced anew").await;
            }
            Order::LoadPackage(link) => self.intake.take(link).await,
            Order::UnloadSales { selection } => {
                let request = UnloadRequest { selection, trigger: Trigger::Command(command.id), reply: None };
                if let Err(TrySendError::Full(_)) = self.unloads.try_send(request) {
                    refuse("too many unloadings wait already");
                }
            }
            Order::SettleAside { .. } if from == From::Aside => {
                refuse("an order about what lies aside that lay aside itself is not carried out");
            }
            Order::SettleAside { action: AsideAction::Drop, units } if units.is_empty() => {
                refuse(aside::DROP_NAMES_NOTHING);
            }
            Order::SettleAside { action, units } => {
                let outcome = match self.settle(action, units).await.failed {
                    0 => Ok(()),
                    _ => Err("not all could be settled; see the till's log".to_owned()),
                };
                self.teller.answer(command.id, outcome).await;
            }
            Order::ReportState { verify: false } => self.teller.answer(command.id, Ok(())).await,
            // It may have to wait for a load: other commands go on meanwhile, and this one is
            // answered when it is done.
            Order::ReportState { verify: true } => {
                if !self.recount.ask_for(command.id) {
                    refuse("too many recounts wait already");
                }
            }
        }
    }

    async fn reject(&self, link: PackageLink, reason: &'static str) {
        let told = move |teller: &Teller| teller.rejected(&link, RejectCause::Transport, reason.to_owned());
        self.teller.blocking(told).await;
    }

    /// Takes over the settings that the server owns, unless they are older than those that were
    /// taken last. Addresses are offers to a till that has a secret. A wrong one does not stop the
    /// command that brought it.
    async fn follow_settings(&self, from: From, command: &Command) {
        let (settings, mut pushed) = (self.settings.clone(), command.settings.clone());
        let (state, generation) = (self.state.clone(), command.settings_generation);
        // One that says nothing at all, as an older server may, takes nothing away.
        let nothing = pushed.is_empty();
        if settings.current().secret.is_some() {
            let (told, rest) = pushed.into_iter().partition(|(key, _)| is_address(key));
            pushed = rest;
            if from != From::Aside {
                self.hear(told, command).await;
            }
        }
        let what = "settings pushed by the server were not taken over";
        let take = move || -> Result<Vec<String>, SettingsError> {
            // A state that does not read is told of elsewhere; to follow is better than to be
            // lost.
            let last = state.settings_generation().unwrap_or_default();
            if nothing || generation < last {
                return Ok(Vec::new());
            }
            let before = state.set_by_server().unwrap_or_default();
            let keys = pushed.keys().map(|key| key.to_ascii_lowercase());
            let now: BTreeSet<String> = keys.filter(|key| is_setting(key)).collect();
            // Whatever it is cut off at, what the server has set is known to be of the server.
            note_set(&state, &before, &(&before | &now));
            let changed = settings.take(&pushed, &before)?;
            note_set(&state, &(&before | &now), &now);
            if generation > last
                && let Err(error) = state.note_settings_generation(generation)
            {
                tracing::warn!(error = chain(&error), "failed to note the generation of the server's settings");
            }
            Ok(changed)
        };
        match blocking(take).await {
            Ok(Ok(changed)) if changed.is_empty() => {}
            Ok(Ok(changed)) => tracing::info!(?changed, "settings taken over from the server"),
            Ok(Err(error)) => self.teller.failed(what, &error),
            Err(error) => self.teller.failed(what, &error),
        }
    }

    /// Hears where the server is, or will be. Where it says another address than the till has, and
    /// is new, the rest of the command waits a little: it may speak of what is there.
    async fn hear(&self, told: Addresses, command: &Command) {
        let (moves, state, command) = (self.moves.clone(), self.state.clone(), command.clone());
        let what = "the server's addresses were not understood";
        let heard = blocking(move || {
            let is_old = command.settings_generation < state.settings_generation().unwrap_or_default();
            if is_old || (told.is_empty() && command.coming.is_none()) { Ok(None) } else { moves.hear(&told, &command) }
        });
        match heard.await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(tries))) => tries.ended(MOVE_TIME).await,
            Ok(Err(error)) => self.teller.failed(what, &error),
            Err(error) => self.teller.failed(what, &error),
        }
    }

    /// Takes over the authorities of the server, so that the next connections to it are over TLS.
    /// A till without a secret does not: nothing says whose message it is.
    async fn trust(&self, command: &Command) {
        let settings = self.settings.clone();
        if command.authorities.is_empty() || settings.current().secret.is_none() {
            return;
        }
        let authorities = command.authorities.clone();
        match blocking(move || settings.trust(authorities)).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                tracing::info!("authorities for TLS taken over from the server");
                // So that it hands them out no more.
                self.teller.contact_soon();
            }
            Ok(Err(error)) => self.teller.failed("authorities handed out by the server were not taken over", &error),
            Err(error) => self.teller.failed("authorities handed out by the server were not taken over", &error),
        }
    }

    /// Keeps a message that nobody can answer.
    fn set_aside(&self, message: &[u8]) {
        if let Err(error) = aside::keep_message(&self.settings.current().paths.data, message) {
            self.teller.failed("a message could not be set aside", &error);
        }
    }
}

/// Notes which settings are the server's, where they are others than before.
fn note_set(state: &State, before: &BTreeSet<String>, now: &BTreeSet<String>) {
    if before != now
        && let Err(error) = state.note_set_by_server(now)
    {
        tracing::warn!(error = chain(&error), "failed to note which settings the server has set");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::TestTill;
    use tillway_proto::{ExchangeStatus, Report};
    use uuid::Uuid;

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
        till.commands().take(From::Control, &order(r#""report-state""#)).await;
        let reports = till.reported().await;
        assert!(matches!(&reports[0], Report::Contact { .. }) && is_answer(&reports[1]), "{reports:?}");
        assert_eq!(reports.len(), 2);
    }

    #[tokio::test]
    async fn settings_of_an_older_generation_than_the_last_put_nothing_back() {
        let till = TestTill::new();
        let host = || till.loader.teller.settings.current().sales.host.clone();
        for (generation, address, expected) in [
            (r#""settings_generation":5,"#, "10.0.0.5", "10.0.0.5"),
            (r#""settings_generation":4,"#, "10.0.0.4", "10.0.0.5"),
            ("", "10.0.0.3", "10.0.0.5"),
            (r#""settings_generation":5,"#, "10.0.0.6", "10.0.0.6"),
        ] {
            let rest = format!(r#""report-state",{generation}"settings":{{"grpchostcs":"{address}"}}"#);
            till.commands().take(From::Control, &order(&rest)).await;
            assert_eq!(host(), expected, "{rest}");
        }
    }

    #[tokio::test]
    async fn a_setting_that_the_server_sets_no_more_goes_and_the_report_says_what_there_is() {
        let till = TestTill::new();
        for (settings, told) in [
            (r#""settings_generation":5,"settings":{"queuechunksize":"7","x":"y"}"#, Some("7")),
            // It was said before: nothing changes.
            (r#""settings_generation":4,"settings":{"x":"y"}"#, Some("7")),
            (r#""settings_generation":6,"settings":{"x":"y"}"#, None),
        ] {
            till.commands().take(From::Control, &order(&format!(r#""report-state",{settings}"#))).await;
            let state = till.look();
            let chunk = state.settings.unwrap().get("queuechunksize").cloned();
            assert_eq!(chunk.as_deref(), told, "{settings}");
        }
        assert_eq!(till.look().settings_generation, 6);
    }

    #[tokio::test]
    async fn an_order_to_recount_is_answered_when_the_recount_is_done() {
        let till = TestTill::new();
        let loads = till.loader.exchange.take().await;
        let recounts = tokio::spawn(till.recount.clone().run());
        till.commands().take(From::Control, &order(r#""report-state","verify":true"#)).await;
        till.commands().take(From::Control, &order(r#""report-state","verify":true"#)).await;
        assert_eq!(till.reported().await, [], "a load is under way");
        drop(loads);
        let answered = async {
            loop {
                let waiting = till.loader.teller.reports.next().await;
                till.loader.teller.reports.done(&waiting);
                if is_answer(&waiting.reported.report) {
                    break;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), answered).await.unwrap();
        till.loader.shutdown.cancel();
        recounts.await.unwrap();
    }

    #[tokio::test]
    async fn an_order_to_settle_what_lies_aside_is_answered_after_what_is_left() {
        let till = TestTill::new();
        till.commands().set_aside(b"{");
        assert_eq!(till.look().set_aside, 1);
        let unit = till.look().aside[0].unit.name.clone();
        let named = format!(r#""settle-aside","action":"drop","units":[{{"sort":"message","name":"{unit}"}}]"#);
        till.commands().take(From::Control, &order(&named)).await;
        let reports = till.reported().await;
        assert!(matches!(&reports[0], Report::Contact { state } if state.set_aside == 0), "{reports:?}");
        assert!(is_answer(&reports[1]), "{reports:?}");
    }

    #[tokio::test]
    async fn what_a_newer_server_adds_to_an_order_changes_nothing_of_it() {
        let till = TestTill::new();
        let newer = r#""report-state","urgency":{"level":3},"settings":{"moonphase":"full","grpchostcs":"10.0.0.5"}"#;
        till.commands().take(From::Control, &order(newer)).await;
        let reports = till.reported().await;
        assert!(matches!(&reports[0], Report::Contact { .. }) && is_answer(&reports[1]), "{reports:?}");
        assert_eq!(till.loader.teller.settings.current().sales.host, "10.0.0.5", "the keys that it knows");
    }

    #[tokio::test]
    async fn orders_that_only_a_newer_server_gives_are_refused_by_name_and_the_next_one_is_carried_out() {
        let till = TestTill::new();
        let newer = [
            order(r#""play-music","song":7"#),
            order(r#""unload-sales","selection":{"what":"by-customer","customer":3}"#),
            order(r#""settle-aside","action":"donate","units":[{"sort":"package","name":"7"}]"#),
            order(r#""settle-aside","action":"drop","units":[{"sort":"weather","name":"7"}]"#),
            format!(r#"{{"schema":2,"id":"{COMMAND}","order":{{"tune":"x"}},"type":"report-state"}}"#).into_bytes(),
        ];
        for (number, message) in newer.iter().enumerate() {
            till.commands().take(From::Control, message).await;
            let reports = till.reported().await;
            let refused = |report: &Report| matches!(report, Report::Refused { command: COMMAND, .. });
            assert!(reports.iter().any(refused), "{number}: {reports:?}");
        }
        assert_eq!(till.look().set_aside, 0, "the server knows, nothing waits here");
        till.commands().take(From::Control, &order(r#""report-state""#)).await;
        assert!(till.reported().await.iter().any(is_answer));
    }

    #[tokio::test]
    async fn an_order_to_drop_what_nobody_has_named_is_refused() {
        let till = TestTill::new();
        till.commands().set_aside(b"{");
        till.commands().take(From::Control, &order(r#""settle-aside","action":"drop""#)).await;
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
            till.commands().set_aside(&message);
        }
        till.commands().take(From::Control, &order(r#""settle-aside","action":"retry""#)).await;
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
