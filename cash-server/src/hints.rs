//! Hints: something changed, and whoever acts on it should look soon.
//!
//! A hint says what kind of thing changed and nothing more. Whoever is woken looks at the truth,
//! which is in the stores; one that gets lost costs a period, nothing else. Hints reach the
//! listeners in this process. Where several servers share a database it carries them from one to
//! the others, and each gives on here what it hears.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// A load took a revision.
    Revision,
    /// Nodes of the network were made, changed, moved or removed.
    Network,
    /// Something waits to be sent by mail or webhook.
    Outbox,
    /// The exchange has something to do: a till reported, somebody ordered something, the broker
    /// takes messages again.
    Exchange,
}

/// Gives hints and wakes who listens. Cheap to clone: clones have the same listeners.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    listeners: Arc<Mutex<Vec<Listener>>>,
}

#[derive(Debug)]
struct Listener {
    to: Vec<Hint>,
    wakes: Arc<Notify>,
}

impl Hints {
    /// Something changed: every listener to this hint is woken, or finds that it was when it looks
    /// next. Several hints in a row may wake it once.
    pub fn give(&self, hint: Hint) {
        for listener in self.listeners().iter().filter(|listener| listener.to.contains(&hint)) {
            listener.wakes.notify_one();
        }
    }

    /// A listener to these hints, for as long as the process lives: for one who waits.
    pub fn listen(&self, to: &[Hint]) -> Arc<Notify> {
        let wakes = Arc::new(Notify::new());
        self.listeners().push(Listener { to: to.to_vec(), wakes: Arc::clone(&wakes) });
        wakes
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn each_listener_learns_of_what_it_listens_to_and_of_nothing_else() {
        let hints = Hints::default();
        hints.give(Hint::Revision);
        let loads = hints.listen(&[Hint::Revision]);
        let [one, other] = [0, 1].map(|_| hints.listen(&[Hint::Network, Hint::Exchange]));
        let woken = |listener: &Notify| listener.notified().now_or_never().is_some();
        assert!(!woken(&loads), "what was given before nobody can hear");
        hints.clone().give(Hint::Network);
        hints.give(Hint::Exchange);
        assert!(woken(&one) && woken(&other), "each by itself");
        assert!(!woken(&one) && !woken(&loads), "once for both, and nobody else");
        hints.give(Hint::Revision);
        assert!(woken(&loads) && !woken(&other));
    }
}
