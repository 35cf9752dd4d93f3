//! Requests to a store, for whoever waits for them without being a task.

use super::super::GoesOn;
use std::future::Future;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How often whoever waits is asked whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The thread on which requests run.
pub(super) struct Requests {
    runtime: Option<Runtime>,
}

impl Requests {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("backup-store")
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Begins a request.
    pub(super) fn ask<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> Asked<T> {
        let (tell, answer) = sync_channel(1);
        let task = self.runtime.as_ref().map(|runtime| {
            runtime.spawn(async move {
                // Nobody waits any more where it was broken off.
                let _ = tell.send(request.await);
            })
        });
        Asked { answer, task }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        // Whoever drops it may be a task of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A request that is under way. One that is dropped is broken off.
pub(super) struct Asked<T> {
    answer: Receiver<T>,
    task: Option<JoinHandle<()>>,
}

impl<T> Asked<T> {
    /// Waits for its answer, as long as `goes_on` says so.
    pub(super) fn wait(self, goes_on: GoesOn<'_>) -> io::Result<T> {
        loop {
            match self.answer.recv_timeout(ASK_EVERY) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if goes_on() => {}
                Err(RecvTimeoutError::Timeout) => return Err(io::Error::other("the server stops")),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the request broke off, which is a defect"));
                }
            }
        }
    }

    /// Waits for its end, and not for long.
    pub(super) fn wait_at_most(self, time: Duration) {
        let _ = self.answer.recv_timeout(time);
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
