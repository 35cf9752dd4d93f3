//! Waits between tries: growing, capped, and with jitter, so that a fleet that lost its server
//! does not come back in step.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// Any time up to `most`, each as likely as another: for what a whole fleet would do in one
/// moment.
pub(crate) fn spread(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// A period, a tenth more or less, drawn anew each time: what once fell into one moment drifts
/// apart.
pub(crate) fn about(period: Duration) -> Duration {
    period.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// A growing wait without an end; [`Backoff::reset`] after a success. No wait is longer than the
/// cap, its jitter included.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    waits: ExponentialBackoff,
    cap: Duration,
}

impl Backoff {
    /// From `first`, doubling; jitter adds up to the same again, up to `cap`. In the end each wait
    /// lies between half of `cap` and `cap`, so that a fleet that waits stays spread. A `first`
    /// above half of `cap` is waited for as it is, with its jitter.
    pub fn new(first: Duration, cap: Duration) -> Self {
        // The client of the waits adds as much again for jitter.
        let longest = (cap / 2).max(first);
        let builder = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times();
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
    fn a_fleet_is_spread_over_all_of_the_time_and_no_more() {
        let most = Duration::from_secs(10);
        let waits: Vec<_> = (0..10_000).map(|_| spread(most)).collect();
        assert!(waits.iter().all(|wait| *wait <= most));
        for second in 0..10 {
            let in_it = waits.iter().filter(|wait| wait.as_secs() == second).count();
            assert!((700..1300).contains(&in_it), "{in_it} of 10,000 in second {second}");
        }
    }

    #[test]
    fn a_period_is_a_tenth_more_or_less() {
        let minute = Duration::from_mins(1);
        let periods: Vec<_> = (0..1_000).map(|_| about(minute)).collect();
        assert!(periods.iter().all(|period| (54.0..=66.1).contains(&period.as_secs_f64())));
        assert!(periods.iter().any(|period| *period < minute) && periods.iter().any(|period| *period > minute));
    }

    #[test]
    fn waits_grow_to_a_cap_and_start_over() {
        let cap = Duration::from_secs(8);
        let mut backoff = Backoff::new(Duration::from_secs(1), cap);
        let waits: Vec<_> = (0..20).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] < Duration::from_secs(2) && waits.iter().all(|wait| *wait <= cap), "{waits:?}");
        assert!(waits[10] >= cap / 2);
        backoff.reset();
        assert!(backoff.next_wait() < Duration::from_secs(2));
    }
}
