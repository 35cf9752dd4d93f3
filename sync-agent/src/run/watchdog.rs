//! Tells the service manager that the agent lives, and how it stands.
//!
//! A sign of life comes from a task like all others, and is given off the async threads: whoever
//! sees it knows that tasks go on, and that work that blocks is still taken.

use crate::broker::Link;
use crate::error::blocking;
use tillway_proto::process::ServiceManager;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The task's parts.
#[derive(Debug, Clone)]
pub(crate) struct Watchdog {
    pub(super) link: watch::Sender<Link>,
    pub(super) shutdown: CancellationToken,
}

impl Watchdog {
    pub(super) async fn run(self) {
        let manager = ServiceManager::of_this_process();
        let mut link = self.link.subscribe();
        loop {
            let status = words(&link.borrow_and_update());
            // It ends early only where the agent does.
            let _ = blocking(move || manager.lives(&status)).await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                changed = link.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(manager.period()) => {}
            }
        }
    }
}

fn words(link: &Link) -> String {
    match link {
        Link::Connecting => "connecting to the broker".to_owned(),
        Link::Consuming { since } => format!("in contact with the broker since {since:.0}"),
        // The first line: the log has the rest.
        Link::Waiting { reason } => {
            let first = reason.lines().next().unwrap_or_default();
            format!("no link to the broker, trying again: {first}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_told_in_one_line() {
        let told = words(&Link::Waiting { reason: "refused\n  because: no".to_owned() });
        assert_eq!(told, "no link to the broker, trying again: refused");
    }
}
