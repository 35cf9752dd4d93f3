//! Sales go up: what starts an unloading, one worker that runs them one at a time, and what is
//! told of them.
//!
//! Started by a closed shift ([`shift_close`]), a command of the server, the period, the command
//! line, the agent's start. A run that failed is tried again at once a few times, then after
//! growing waits for as long as it takes; whatever was acknowledged counts in any case. A run that
//! left unsent only what [breaks streams](suspects) has not failed: it looks back, tells what it
//! left, and is not tried again at once.
//!
//! After an unloading that the agent's start or the server asked for, and once a day, the agent
//! [looks back](look_back): what the server does not have any more is sent again.

mod archive;
mod batches;
mod history;
mod look_back;
mod note;
mod read;
mod run;
mod shift_close;
mod stream;
mod suspects;
mod timetable;
mod wait;

pub(crate) use history::Past;
pub(crate) use note::Notes;
pub(crate) use read::Reading;
pub(crate) use run::{Steps, Unloaded};
pub(crate) use shift_close::ShiftClose;
pub(crate) use stream::{SalesLoader, StreamError, reaches};
pub(crate) use suspects::Suspects;

use crate::error::{blocking, chain};
use crate::lock::ExchangeLock;
use crate::retry::Backoff;
use crate::script;
use crate::settings::LiveSettings;
use crate::state::State;
use crate::tell::Teller;
use crate::unsent::shortened;
use run::{Ended, UnloadError};
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::report::SalesWaitKind;
use tillway_proto::{ExchangeStatus, Report, UnloadSelection};
use timetable::{Done, Timetable};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Most unloadings that wait: each unloads whatever is missing, so more would do nothing.
pub(crate) const MAX_WAITING_UNLOADS: usize = 16;

/// Tries of one request before it is reported as failed.
const MAX_TRIES: u32 = 3;

/// One try. A year of a till's receipts goes over a slow line in that time.
const TRY_TIME: Duration = Duration::from_mins(30);

/// Waits within the tries of a request.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Waits after a request failed, before what is missing is tried again.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const MAX_RETRY: Duration = Duration::from_mins(5);

/// Between two looks back that nothing asked for.
const LOOK_BACK_PERIOD: Duration = Duration::from_hours(24);

/// Until the next look back where the server could not tell what it has.
const LOOK_BACK_RETRY: Duration = Duration::from_mins(5);

/// What started an unloading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Start,
    ShiftClosed,
    Command(Uuid),
    Period,
    CommandLine,
    Retry,
    LookBack,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start of the agent",
            Self::ShiftClosed => "closed shift",
            Self::Command(_) => "order of the server",
            Self::Period => "period",
            Self::CommandLine => "command line",
            Self::Retry => "another try",
            Self::LookBack => "look back",
        })
    }
}

impl Trigger {
    /// Whether the agent also looks back at what the server has.
    fn looks_back(self) -> bool {
        match self {
            Self::Start | Self::Command(_) | Self::CommandLine | Self::LookBack => true,
            Self::ShiftClosed | Self::Period | Self::Retry => false,
        }
    }
}

/// A request to unload.
#[derive(Debug)]
pub(crate) struct UnloadRequest {
    pub(crate) selection: UnloadSelection,
    pub(crate) trigger: Trigger,
    /// Who waits for the outcome.
    pub(crate) reply: Option<oneshot::Sender<Result<Unloaded, String>>>,
}

impl UnloadRequest {
    pub(crate) fn missing(trigger: Trigger) -> Self {
        Self { selection: UnloadSelection::MISSING, trigger, reply: None }
    }

    fn is_for_what_is_missing(&self) -> bool {
        matches!(self.selection, UnloadSelection::Missing { .. })
    }
}

/// Runs unloadings, one after another.
#[derive(Debug, Clone)]
pub(crate) struct Unloader {
    pub(crate) requests: Arc<Mutex<mpsc::Receiver<UnloadRequest>>>,
    pub(crate) steps: Steps,
    /// Where it is kept why sales wait.
    pub(crate) state: State,
    pub(crate) settings: LiveSettings,
    pub(crate) teller: Teller,
    /// How many unloadings came to their end.
    pub(crate) unloaded: watch::Sender<u64>,
    pub(crate) exchange: ExchangeLock,
    pub(crate) shutdown: CancellationToken,
}

impl Unloader {
    /// Works until the agent stops.
    pub(crate) async fn run(self) {
        let mut requests = self.requests.lock().await;
        let mut timetable = Timetable::new(Backoff::new(FIRST_RETRY, MAX_RETRY));
        let mut settings = self.settings.subscribe();
        let mut next = Some(UnloadRequest::missing(Trigger::Start));
        let mut period_from = Instant::now();
        loop {
            let request = if let Some(request) = next.take() {
                request
            } else {
                let period_at = self.settings.current().sales.period.map(|period| period_from + period);
                tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    request = requests.recv() => match request {
                        Some(request) => request,
                        None => return,
                    },
                    () = until(timetable.retry_at) => UnloadRequest::missing(Trigger::Retry),
                    () = until(period_at) => UnloadRequest::missing(Trigger::Period),
                    () = until(timetable.look_back_at) => UnloadRequest::missing(Trigger::LookBack),
                    // The period may be another one now.
                    _ = settings.changed() => continue,
                }
            };
            let missing = request.is_for_what_is_missing();
            timetable.owed |= missing && request.trigger.looks_back();
            let look_back = missing && timetable.owed;
            let outcome = tokio::select! {
                () = self.shutdown.cancelled() => return,
                outcome = self.serve(&request, look_back) => outcome,
            };
            period_from = Instant::now();
            let looked_back = outcome.as_ref().ok().map(|(_, ended)| ended.looked_back);
            let left = outcome.as_ref().is_ok_and(|(_, ended)| !ended.left.is_empty());
            timetable.note(Done { missing, look_back, looked_back, left }, period_from);
            if outcome.is_ok() {
                self.unloaded.send_modify(|count| *count += 1);
            }
            if let Some(reply) = request.reply {
                // Whoever asked may be gone.
                let _ = reply.send(outcome.and_then(|(unloaded, ended)| answer(unloaded, &ended)));
            }
            self.teller.contact_soon();
        }
    }

    async fn serve(&self, request: &UnloadRequest, look_back: bool) -> Result<(Unloaded, Ended), String> {
        tracing::debug!(trigger = ?request.trigger, selection = ?request.selection, "unloading");
        let command = match request.trigger {
            Trigger::Command(command) => Some(command),
            _ => None,
        };
        let tell = |status, receipts, reason| {
            if is_told(command, self.settings.current().report_unloads) {
                self.teller.reports.put(Report::Unload { command, status, receipts, reason });
            }
        };
        if command.is_some() {
            tell(ExchangeStatus::During, 0, None);
        }
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        let mut tries = 0;
        let mut unloaded = Unloaded::default();
        loop {
            tries += 1;
            if !request.is_for_what_is_missing() {
                // What an earlier try unloaded is met again, and counted then.
                unloaded = Unloaded::default();
            }
            let outcome = {
                let _exchange = self.exchange.take().await;
                let attempt = self.attempt(request.selection.clone(), look_back, &mut unloaded);
                match tokio::time::timeout(TRY_TIME, attempt).await {
                    Ok(outcome) => outcome.map_err(|error| wait::of_unload(&error)),
                    Err(_) => Err((SalesWaitKind::Interrupted, format!("not done within {TRY_TIME:?}"))),
                }
            };
            match outcome {
                Ok(ended) => {
                    if !ended.left.is_empty() {
                        self.teller.errors.add();
                    }
                    self.note_wait(
                        (!ended.left.is_empty()).then(|| (SalesWaitKind::Interrupted, ended.left.join("; "))),
                    )
                    .await;
                    let reason = what_is_wrong(unloaded, &ended);
                    if unloaded != Unloaded::default() || reason.is_some() || command.is_some() {
                        let status =
                            if reason.is_some() { ExchangeStatus::ReadyWithError } else { ExchangeStatus::Ready };
                        tracing::info!(receipts = unloaded.receipts, set_aside = unloaded.set_aside, trigger = %request.trigger, "sales unloaded");
                        tell(status, unloaded.receipts, reason);
                    }
                    return Ok((unloaded, ended));
                }
                Err((_, reason)) if tries < MAX_TRIES => {
                    tracing::warn!(reason, tries, "unloading failed and is tried again");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                Err((kind, reason)) => {
                    tracing::error!(reason, "unloading failed");
                    self.teller.errors.add();
                    self.note_wait(Some((kind, reason.clone()))).await;
                    tell(ExchangeStatus::Error, unloaded.receipts, Some(reason.clone()));
                    return Err(reason);
                }
            }
        }
    }

    /// Keeps why sales wait, or that they do not.
    async fn note_wait(&self, why: Option<(SalesWaitKind, String)>) {
        let state = self.state.clone();
        let noted = blocking(move || match why {
            Some((kind, text)) => state.note_sales_wait(kind, &shortened(text)),
            None => state.end_sales_wait(),
        });
        if let Ok(Err(error)) = noted.await {
            tracing::warn!(error = chain(&error), "failed to keep why sales wait");
        }
    }

    async fn attempt(
        &self,
        selection: UnloadSelection,
        look_back: bool,
        unloaded: &mut Unloaded,
    ) -> Result<Ended, UnloadError> {
        let settings = self.settings.current();
        let Some(program) = &settings.sales.script else {
            return run::run(&self.steps, selection, look_back, unloaded).await;
        };
        let mut arguments = vec![settings.paths.documents.clone().into_os_string()];
        arguments.extend(match selection {
            UnloadSelection::Missing { .. } => vec![OsString::from("missing")],
            UnloadSelection::Since { time } => vec!["since".into(), time.to_string().into()],
            UnloadSelection::Days { from, to } => vec!["days".into(), from.to_string().into(), to.to_string().into()],
        });
        let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
        script::run(program, &arguments, script::SCRIPT_TIME, &self.shutdown).await.map_err(UnloadError::Script)?;
        // What the server has is the script's business.
        Ok(Ended { looked_back: true, left: Vec::new() })
    }
}

/// What whoever asked is told; what is left unsent is no success to a person.
fn answer(unloaded: Unloaded, ended: &Ended) -> Result<Unloaded, String> {
    if ended.left.is_empty() {
        return Ok(unloaded);
    }
    Err(format!("{} receipts unloaded, but {}", unloaded.receipts, ended.left.join("; ")))
}

/// What was set aside and what is left unsent, where anything was.
fn what_is_wrong(unloaded: Unloaded, ended: &Ended) -> Option<String> {
    let aside = (unloaded.set_aside > 0).then(|| format!("{} documents or shifts were set aside", unloaded.set_aside));
    let wrong: Vec<_> = aside.into_iter().chain(ended.left.iter().cloned()).collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// A command is always answered: the server waits for it. What nobody asked for is told where the
/// settings want it.
fn is_told(command: Option<Uuid>, wanted: bool) -> bool {
    command.is_some() || wanted
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_answered_whatever_the_settings_want_to_hear() {
        assert!(is_told(Some(Uuid::nil()), false) && is_told(None, true) && !is_told(None, false));
    }
}
