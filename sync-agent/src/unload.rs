//! Sales go up: what starts an unloading, one worker that runs them one at a time, and what is told of them.
//!
//! Started by a closed shift ([`shift_close`]), a command of the server, the period, the command line, the agent's start. A
//! run that failed is tried again at once a few times, then after growing waits for as long as it takes; whatever was
//! acknowledged counts in any case.

mod archive;
mod run;
pub(crate) mod shift_close;
mod stream;

pub(crate) use run::Unloaded;

use crate::broker::chain;
use crate::retry::Backoff;
use crate::script;
use crate::till::Till;
use run::UnloadError;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::{ExchangeStatus, Report, UnloadSelection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
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

/// What started an unloading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Start,
    ShiftClosed,
    Command(Uuid),
    Period,
    CommandLine,
    Retry,
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
    fn missing(trigger: Trigger) -> Self {
        Self { selection: UnloadSelection::MISSING, trigger, reply: None }
    }
}

/// Runs unloadings one after another until the agent stops.
pub(crate) async fn work(till: Arc<Till>, requests: Arc<Mutex<mpsc::Receiver<UnloadRequest>>>) {
    let mut requests = requests.lock().await;
    let mut backoff = Backoff::new(FIRST_RETRY, MAX_RETRY);
    let mut settings = till.settings.subscribe();
    let mut next = Some(UnloadRequest::missing(Trigger::Start));
    let mut retry_at = None;
    let mut period_from = Instant::now();
    loop {
        let request = if let Some(request) = next.take() {
            request
        } else {
            let period_at = till.settings.current().sales.period.map(|period| period_from + period);
            tokio::select! {
                () = till.shutdown.cancelled() => return,
                request = requests.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                () = until(retry_at) => UnloadRequest::missing(Trigger::Retry),
                () = until(period_at) => UnloadRequest::missing(Trigger::Period),
                // The period may be another one now.
                _ = settings.changed() => continue,
            }
        };
        let outcome = tokio::select! {
            () = till.shutdown.cancelled() => return,
            outcome = serve(&till, &request) => outcome,
        };
        period_from = Instant::now();
        retry_at = match &outcome {
            Ok(_) => {
                backoff.reset();
                till.unloaded.send_modify(|count| *count += 1);
                None
            }
            Err(_) => Some(Instant::now() + backoff.next_wait()),
        };
        if let Some(reply) = request.reply {
            // Whoever asked may be gone.
            let _ = reply.send(outcome);
        }
        till.contact_poke.notify_one();
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn serve(till: &Arc<Till>, request: &UnloadRequest) -> Result<Unloaded, String> {
    tracing::debug!(trigger = ?request.trigger, selection = ?request.selection, "unloading");
    let command = match request.trigger {
        Trigger::Command(command) => Some(command),
        _ => None,
    };
    let tell = |status, receipts, reason| {
        if till.settings.current().report_unloads {
            till.reports.put(Report::Unload { command, status, receipts, reason });
        }
    };
    if command.is_some() {
        tell(ExchangeStatus::During, 0, None);
    }
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    let mut tries = 0;
    loop {
        tries += 1;
        let outcome = {
            let _exchange = till.exchange.take().await;
            let limited = tokio::time::timeout(TRY_TIME, attempt(till, request.selection.clone()));
            match limited.await {
                Ok(outcome) => outcome.map_err(|error| chain(&error)),
                Err(_) => Err(format!("not done within {TRY_TIME:?}")),
            }
        };
        match outcome {
            Ok(unloaded) => {
                let status =
                    if unloaded.set_aside > 0 { ExchangeStatus::ReadyWithError } else { ExchangeStatus::Ready };
                let reason =
                    (unloaded.set_aside > 0).then(|| format!("{} documents were set aside", unloaded.set_aside));
                if unloaded != Unloaded::default() || command.is_some() {
                    tracing::info!(receipts = unloaded.receipts, set_aside = unloaded.set_aside, trigger = ?request.trigger, "sales unloaded");
                    tell(status, unloaded.receipts, reason);
                }
                return Ok(unloaded);
            }
            Err(reason) if tries < MAX_TRIES => {
                tracing::warn!(reason, tries, "unloading failed and is tried again");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            Err(reason) => {
                tracing::error!(reason, "unloading failed");
                till.errors.add();
                tell(ExchangeStatus::Error, 0, Some(reason.clone()));
                return Err(reason);
            }
        }
    }
}

async fn attempt(till: &Arc<Till>, selection: UnloadSelection) -> Result<Unloaded, UnloadError> {
    let settings = till.settings.current();
    let Some(program) = &settings.sales.script else { return run::run(till, selection).await };
    let mut arguments = vec![settings.paths.documents.clone().into_os_string()];
    arguments.extend(match selection {
        UnloadSelection::Missing { .. } => vec![OsString::from("missing")],
        UnloadSelection::Since { time } => vec!["since".into(), time.to_string().into()],
        UnloadSelection::Days { from, to } => vec!["days".into(), from.to_string().into(), to.to_string().into()],
    });
    let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
    script::run(program, &arguments, script::SCRIPT_TIME, &till.shutdown).await.map_err(UnloadError::Script)?;
    Ok(Unloaded::default())
}
