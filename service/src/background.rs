//! Background work: what a service does by itself, on a period and when it is poked.
//!
//! One driver, [`Background`], runs all of it and knows how each task stands ([`TaskState`]). A
//! task is a name, a period, who pokes it, and a piece of work.
//!
//! - A task has one run at a time. A poke that comes during a run brings about the next run.
//! - A run that fails or panics is logged and shown, and is repeated: after the task's period, or
//!   sooner where the task asks for it ([`Task::retried_after`]). Other tasks do not notice.
//! - When the service stops, no run begins any more. Runs under way learn of it by a token, and
//!   the driver waits for them.
//! - Waits are measured by tokio's clock, so a test can hold it.
//!
//! What belongs elsewhere: a loop that serves one connection, or that keeps one link to another
//! program, lives as long as that connection or link and is no task.

mod task;
#[cfg(test)]
mod tests;

pub use task::{Failure, Kept, Next, Run, Task, Work, off_thread};

use crate::words::Reason;
use futures_util::FutureExt as _;
use futures_util::future::select_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Its name, in lower case with hyphens.
    pub name: &'static str,
    /// Without a poke it runs this long after its last run, unless that asked for another time.
    pub period: Duration,
    /// Since when it runs; none: it does not run now.
    pub running_since: Option<Timestamp>,
    /// When its last run ended; none: it has not run yet.
    pub last_run: Option<Timestamp>,
    /// How long its last run took.
    pub last_took: Duration,
    /// When it runs next, at the latest; none while it runs, and once the service stops.
    pub next_run: Option<Timestamp>,
    /// Runs that ended since the service started.
    pub runs: u64,
    /// How many of the last runs failed, one after the other; 0: the last one did not fail.
    pub failures: u32,
    /// The last failure since the service started, of whichever run.
    pub last_error: Option<TaskError>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub reason: Reason,
}

/// A run panicked.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename = "task-panicked")]
#[error("it panicked: {said}; that is a defect")]
struct TaskPanicked {
    said: String,
}

/// The driver of all background work of a service. Cheap to clone: clones show the same tasks.
#[derive(Debug, Clone, Default)]
pub struct Background {
    board: Arc<Mutex<Vec<Standing>>>,
}

/// What is known of a task, by tokio's clock.
#[derive(Debug)]
struct Standing {
    name: &'static str,
    period: Duration,
    running_since: Option<Instant>,
    last: Option<(Instant, Duration)>,
    next: Option<Instant>,
    runs: u64,
    failures: u32,
    error: Option<(Instant, Reason)>,
}

impl Background {
    /// How all tasks stand, in the order in which they were given.
    pub fn tasks(&self) -> Vec<TaskState> {
        // Times of day are computed when somebody asks: they are right also after the computer's
        // clock was set.
        let (now, time) = (Instant::now(), Timestamp::now());
        let past = |then: Instant| shifted(time, now.saturating_duration_since(then), false);
        let coming = |then: Instant| shifted(time, then.saturating_duration_since(now), true);
        let state = |one: &Standing| TaskState {
            name: one.name,
            period: one.period,
            running_since: one.running_since.map(past),
            last_run: one.last.map(|(ended, _)| past(ended)),
            last_took: one.last.map_or(Duration::ZERO, |(_, took)| took),
            next_run: one.next.map(coming),
            runs: one.runs,
            failures: one.failures,
            last_error: one.error.as_ref().map(|(at, reason)| TaskError { at: past(*at), reason: reason.clone() }),
        };
        self.lock().iter().map(state).collect()
    }

    /// Runs these tasks until `shutdown`, then waits for the runs that are under way. They are
    /// shown from the call on, before what it gives is awaited.
    pub fn run(&self, tasks: Vec<Task>, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let entered: Vec<(usize, Task)> = tasks.into_iter().map(|task| (self.enter(&task), task)).collect();
        let this = self.clone();
        async move {
            let mut driven = JoinSet::new();
            for (place, task) in entered {
                driven.spawn(this.clone().drive(place, task, shutdown.clone()));
            }
            while let Some(ended) = driven.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "the driver of a background task broke off; that is a defect");
                }
            }
        }
    }

    fn enter(&self, task: &Task) -> usize {
        let mut board = self.lock();
        board.push(Standing {
            name: task.name,
            period: task.period,
            running_since: None,
            last: None,
            next: None,
            runs: 0,
            failures: 0,
            error: None,
        });
        board.len() - 1
    }

    async fn drive(self, place: usize, mut task: Task, stop: CancellationToken) {
        let mut due = Instant::now() + task.first_after;
        let mut heeds_pokes_from = Instant::now();
        loop {
            self.update(place, |one| one.next = Some(due));
            if due > Instant::now() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = poked(&task.urgent_pokes) => {}
                    () = async { sleep_until(heeds_pokes_from).await; poked(&task.pokes).await } => {}
                    () = sleep_until(due) => {}
                }
            } else {
                // Whoever always has more to do leaves room for others.
                tokio::task::yield_now().await;
            }
            if stop.is_cancelled() {
                break;
            }
            let began = Instant::now();
            self.update(place, |one| {
                one.next = None;
                one.running_since = Some(began);
            });
            let ended = AssertUnwindSafe(task.work.run(&stop)).catch_unwind().await;
            let ended = ended.unwrap_or_else(|panic| Err(TaskPanicked { said: said(panic) }.into()));
            let (now, took) = (Instant::now(), began.elapsed());
            heeds_pokes_from = now + (task.spacing)(took);
            let at_period = heeds_pokes_from.max(now + task.period);
            let mut failures = 0;
            let mut failure = None;
            due = match ended {
                Ok(Next::AtOnce) => now,
                Ok(Next::In(wait)) => now + wait,
                Ok(Next::AtPeriod) => at_period,
                Err(Failure { reason, log }) => {
                    failures = self.lock()[place].failures.saturating_add(1);
                    let again = match task.retry {
                        None => at_period,
                        Some(first) => {
                            // Pokes that keep coming must not make it a busy loop.
                            heeds_pokes_from = now + grown(first, failures, task.period);
                            heeds_pokes_from
                        }
                    };
                    let again_in = again.saturating_duration_since(now);
                    tracing::error!(
                        task = task.name,
                        reason = log,
                        ?again_in,
                        "background work failed; it is repeated"
                    );
                    failure = Some((now, reason));
                    again
                }
            };
            self.update(place, |one| {
                one.running_since = None;
                one.last = Some((now, took));
                one.runs += 1;
                one.failures = failures;
                one.error = failure.or_else(|| one.error.take());
            });
        }
        self.update(place, |one| one.next = None);
    }

    fn update(&self, place: usize, change: impl FnOnce(&mut Standing)) {
        change(&mut self.lock()[place]);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        // Each row is whole after every change.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one of them; for ever where there is none.
async fn poked(pokes: &[Arc<Notify>]) {
    if pokes.is_empty() {
        return std::future::pending().await;
    }
    select_all(pokes.iter().map(|poke| Box::pin(poke.notified()))).await;
}

/// The wait after so many failures: it doubles up to `longest`, less up to a half, so that several
/// servers do not try in step.
fn grown(first: Duration, failures: u32, longest: Duration) -> Duration {
    let whole = first.saturating_mul(1 << (failures - 1).min(16)).min(longest);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// What a panic says; empty where it has no words.
fn said(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    }
}

fn shifted(time: Timestamp, by: Duration, later: bool) -> Timestamp {
    // Finer than that, what is computed anew each time would never be the same twice.
    let time = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
    let by = SignedDuration::from_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    if later {
        time.saturating_add(by).unwrap_or(Timestamp::MAX)
    } else {
        time.saturating_sub(by).unwrap_or(Timestamp::MIN)
    }
}
