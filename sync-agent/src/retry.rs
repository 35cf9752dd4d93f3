//! Waits between tries: growing, capped, and with jitter, so that a fleet that lost its server does not come back in
//! step.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// A growing wait without an end; [`Backoff::reset`] after a success.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    waits: ExponentialBackoff,
    cap: Duration,
}

impl Backoff {
    /// From `first`, doubling up to `cap`; jitter adds up to the same again.
    pub fn new(first: Duration, cap: Duration) -> Self {
        let builder =
            ExponentialBuilder::default().with_min_delay(first).with_max_delay(cap).with_jitter().without_max_times();
        Self { builder, waits: builder.build(), cap }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.cap)
    }

    /// After a success: short waits again.
    pub fn reset(&mut self) {
        self.waits = self.builder.build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_cap_and_start_over() {
        let cap = Duration::from_secs(8);
        let mut backoff = Backoff::new(Duration::from_secs(1), cap);
        let waits: Vec<_> = (0..20).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] < Duration::from_secs(2) && waits.iter().all(|wait| *wait <= cap * 2), "{waits:?}");
        assert!(waits[10] >= cap);
        backoff.reset();
        assert!(backoff.next_wait() < Duration::from_secs(2));
    }
}
