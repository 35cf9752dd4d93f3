//! Tells the service manager that the server lives, and how it stands.
//!
//! A sign of life is a task of background work, and is given off the async threads: whoever sees
//! it knows that the driver goes round, and that work that blocks is still taken.

use crate::exchange::Broker;
use tillway_proto::process::ServiceManager;
use tillway_service::background::{Next, Run, Task, Work, off_thread};
use tokio_util::sync::CancellationToken;

/// The task; `broker` where this process has a link to it.
pub(super) fn task(manager: ServiceManager, broker: Option<Broker>) -> Task {
    Task::new("watchdog", manager.period(), Watchdog { manager, broker })
}

struct Watchdog {
    manager: ServiceManager,
    broker: Option<Broker>,
}

impl Work for Watchdog {
    fn run<'a>(&'a mut self, _stop: &'a CancellationToken) -> Run<'a> {
        let status = match self.broker.as_ref().map(Broker::state) {
            None => "serving",
            Some(broker) if broker.consuming => "serving; the link to the broker is up",
            Some(_) => "serving; no link to the broker, trying again: see the log",
        };
        let manager = self.manager;
        Box::pin(async move {
            off_thread(move || manager.lives(status)).await;
            Ok(Next::AtPeriod)
        })
    }
}
