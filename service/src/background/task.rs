//! A piece of background work, as it is handed to the driver.

use crate::error_chain;
use crate::words::Reason;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::error::Error;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub(super) reason: Reason,
    /// For the log, with its causes.
    pub(super) log: String,
}

/// Of an error that people can be told in their language: see [`Reason::of`].
impl<E: Error + Serialize> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { reason: Reason::of(&error), log: error_chain(&error) }
    }
}

/// One run.
pub type Run<'a> = BoxFuture<'a, Result<Next, Failure>>;

/// When a task wants to run next, where nobody pokes it sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: there is more to do.
    AtOnce,
    /// After this time.
    In(Duration),
    /// After its period.
    AtPeriod,
}

/// What a task does. It keeps its state from run to run, also after a panic.
pub trait Work: Send + 'static {
    /// One run. `stop` is cancelled when the service stops: a long run then ends at the next point
    /// where nothing is left half done.
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a>;
}

/// A task for the driver.
pub struct Task {
    pub(super) name: &'static str,
    pub(super) period: Duration,
    pub(super) first_after: Duration,
    pub(super) retry: Option<Duration>,
    pub(super) pokes: Vec<Arc<Notify>>,
    pub(super) urgent_pokes: Vec<Arc<Notify>>,
    pub(super) spacing: fn(Duration) -> Duration,
    pub(super) work: Box<dyn Work>,
}

impl Task {
    /// Work that runs when the service starts, then on its period. `name` in lower case with
    /// hyphens.
    pub fn new(name: &'static str, period: Duration, work: impl Work) -> Self {
        Self {
            name,
            period,
            first_after: Duration::ZERO,
            retry: None,
            pokes: Vec::new(),
            urgent_pokes: Vec::new(),
            spacing: |_| Duration::ZERO,
            work: Box::new(work),
        }
    }

    /// Work that blocks and keeps nothing from run to run; it runs off the async threads.
    pub fn blocking<E: Into<Failure>>(
        name: &'static str,
        period: Duration,
        work: impl Fn(&CancellationToken) -> Result<Next, E> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, period, Blocking(Arc::new(move |stop: &CancellationToken| work(stop).map_err(Into::into))))
    }

    /// The first run begins only after this time.
    #[must_use]
    pub fn first_after(self, first_after: Duration) -> Self {
        Self { first_after, ..self }
    }

    /// A run that failed is repeated after this time; each further failure doubles the wait, up to
    /// the period. Pokes wait as long.
    #[must_use]
    pub fn retried_after(self, wait: Duration) -> Self {
        Self { retry: Some(wait), ..self }
    }

    /// Runs when `poke` is notified. This task is the only one that may wait for it.
    #[must_use]
    pub fn poked_by(mut self, poke: Arc<Notify>) -> Self {
        self.pokes.push(poke);
        self
    }

    /// As [`Task::poked_by`], without regard to [`Task::spaced`].
    #[must_use]
    pub fn poked_at_once_by(mut self, poke: Arc<Notify>) -> Self {
        self.urgent_pokes.push(poke);
        self
    }

    /// After a run, pokes are heeded only once this time has passed. It is told how long the run
    /// took.
    #[must_use]
    pub fn spaced(self, spacing: fn(Duration) -> Duration) -> Self {
        Self { spacing, ..self }
    }
}

type BlockingWork = dyn Fn(&CancellationToken) -> Result<Next, Failure> + Send + Sync;

struct Blocking(Arc<BlockingWork>);

impl Work for Blocking {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        let (work, stop) = (Arc::clone(&self.0), stop.clone());
        Box::pin(off_thread(move || work(&stop)))
    }
}

/// Does work that blocks off the async threads. A panic goes on in whoever waits.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}

/// The state of work that blocks. It is made anew after a panic: what the panic left is not to be
/// trusted.
#[derive(Debug)]
pub struct Kept<S>(Option<S>);

impl<S> Default for Kept<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S: Send + 'static> Kept<S> {
    /// Works with the state off the async threads.
    pub async fn off_thread<T: Send + 'static>(
        &mut self,
        make: impl FnOnce() -> S,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> T {
        let mut state = self.0.take().unwrap_or_else(make);
        let (state, done) = off_thread(move || {
            let done = work(&mut state);
            (state, done)
        })
        .await;
        self.0 = Some(state);
        done
    }
}
