//! The parts of a running service: tasks with names that live as long as the service.
//!
//! A part that ends before it was told to takes the others with it: the service manager starts the
//! whole anew, and nothing goes on half alive.

use crate::background::{Background, Task};
use crate::serving::{self, Port};
use axum::Router;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

/// Parts that have not ended by then are cut off: every part can be, and a service manager waits
/// 90 s by default.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Why a service ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum PartEnded {
    /// A part met a defect of this program.
    #[error("the {part} broke down; the log says where")]
    Broken {
        /// Which one.
        part: &'static str,
    },
    /// A part ended though nobody told it to.
    #[error("the {part} ended by itself")]
    Early {
        /// Which one.
        part: &'static str,
    },
}

/// Running parts by name.
pub struct Parts<E> {
    tasks: JoinSet<Result<(), E>>,
    names: HashMap<task::Id, &'static str>,
    stop: CancellationToken,
}

impl<E: Error + From<PartEnded> + Send + 'static> Parts<E> {
    /// None yet. What is added has to stop with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), names: HashMap::new(), stop }
    }

    /// Adds a part.
    pub fn add(&mut self, part: &'static str, work: impl Future<Output = Result<(), E>> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.names.insert(task.id(), part);
    }

    /// Adds a part that ends only when it is told to.
    pub fn add_endless(&mut self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.add(part, async move {
            work.await;
            Ok(())
        });
    }

    /// Adds all background work.
    pub fn drive(&mut self, background: &Background, tasks: Vec<Task>) {
        self.add_endless("background work", background.run(tasks, self.stop.clone()));
    }

    /// Adds a port that serves HTTP. `files`: how many files it may have open.
    pub fn serve(&mut self, part: &'static str, listener: TcpListener, port: Port, router: Router, files: usize) {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "serving {part}");
        }
        self.add_endless(part, serving::serve(listener, port, router, self.stop.clone(), files));
    }

    /// Waits until `shutdown`, or until a part ends, and then until all have ended.
    pub async fn until_stopped(mut self, shutdown: CancellationToken) -> Result<(), E> {
        let first = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = self.tasks.join_next_with_id() => match ended {
                Some(Ok((_, Err(error)))) => Err(error),
                // A part that ends because all stop may be seen before the token is.
                Some(Ok(_)) if shutdown.is_cancelled() => Ok(()),
                Some(Ok((task, Ok(())))) => Err(PartEnded::Early { part: self.name(task) }.into()),
                // The panic itself is in the log.
                Some(Err(broken)) => Err(PartEnded::Broken { part: self.name(broken.id()) }.into()),
                None => Err(PartEnded::Early { part: "service" }.into()),
            },
        };
        self.stop.cancel();
        let rest = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                if let Ok((task, Err(error))) = ended {
                    let part = self.names.get(&task).copied().unwrap_or_default();
                    tracing::error!(error = &error as &dyn Error, "{part} ended with an error");
                }
            }
        };
        if tokio::time::timeout(STOP_DEADLINE, rest).await.is_err() {
            tracing::warn!("some parts did not end in time and were cut off");
            self.tasks.shutdown().await;
        }
        tracing::info!("stopped");
        first
    }

    fn name(&self, task: task::Id) -> &'static str {
        self.names.get(&task).copied().unwrap_or("nameless part")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Parts<PartEnded>, CancellationToken, CancellationToken) {
        let shutdown = CancellationToken::new();
        let stop = shutdown.child_token();
        (Parts::new(stop.clone()), stop, shutdown)
    }

    #[tokio::test]
    async fn a_part_that_ends_or_panics_takes_the_others_with_it_and_is_named() {
        for (what, told) in [("end", "the short one ended by itself"), ("panic", "the short one broke down")] {
            let (mut parts, stop, shutdown) = parts();
            parts.add_endless("long one", async move { stop.cancelled().await });
            parts.add_endless("short one", async move { assert_eq!(what, "end") });
            let ended = parts.until_stopped(shutdown).await.unwrap_err().to_string();
            assert!(ended.starts_with(told), "{ended}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_parts_but_not_for_ever() {
        let (mut parts, stop, shutdown) = parts();
        parts.add_endless("quick", async move { stop.cancelled().await });
        parts.add_endless("stuck", std::future::pending());
        shutdown.cancel();
        let began = tokio::time::Instant::now();
        parts.until_stopped(shutdown).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), STOP_DEADLINE.as_secs());
    }
}
