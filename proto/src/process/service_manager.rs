//! What the service manager (systemd) is told of a daemon: that it serves, that it lives, that it
//! stops, and in a few words how it stands, which `systemctl status` shows.
//!
//! Where no manager asked for it, all of this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// How often a daemon says how it stands where nobody watches whether it lives.
const PERIOD: Duration = Duration::from_secs(30);

/// A daemon says that it lives so many times in the time after which it would be ended: a moment
/// in which this machine does nothing else must not be the end of a sound daemon.
const SIGNS_IN_TIME: u32 = 4;

/// The manager of this process, if it has one.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// What the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
    pub fn of_this_process() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// How often [`ServiceManager::lives`] has to be called.
    pub fn period(self) -> Duration {
        self.watchdog.map_or(PERIOD, |time| PERIOD.min(time / SIGNS_IN_TIME))
    }

    /// The daemon is on its way to serving; it does this now.
    pub fn starts(self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// The daemon serves from now on.
    pub fn serves(self) {
        tell(&[NotifyState::Ready]);
    }

    /// The daemon lives, and stands like this. May block for a moment, so it is called off the
    /// async threads: that shows as well that work is still taken there.
    pub fn lives(self, status: &str) {
        tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
    }

    /// The daemon was told to stop, and does.
    pub fn stops(self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_come_well_before_the_time_is_over() {
        let period = |watchdog| ServiceManager { watchdog }.period();
        assert_eq!(period(Some(Duration::from_secs(40))), Duration::from_secs(10));
        assert_eq!((period(None), period(Some(Duration::from_hours(1)))), (PERIOD, PERIOD));
    }
}
