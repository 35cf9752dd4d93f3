//! Waiting for a condition, never for a time.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Looking is cheap (a query, a request to loopback), and a
/// test ends soon after its condition holds.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a look at a condition found.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds.
    Ready(T),
    /// Not yet; the text tells the state, for the error of a time-out.
    NotYet(String),
}

impl<T> Seen<T> {
    /// Ready with `value` where `holds`, else not yet, with `state`.
    pub fn when(holds: bool, value: T, state: impl fmt::Display) -> Self {
        if holds { Self::Ready(value) } else { Self::NotYet(state.to_string()) }
    }
}

/// A condition that did not come to hold in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:?} for {what} in vain; last seen: {last}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// The state at the last look.
    pub last: String,
}

/// Looks until the condition holds, at most for `timeout`, and at least once.
pub fn wait_for<T>(
    what: impl Into<String>,
    timeout: Duration,
    mut look: impl FnMut() -> Seen<T>,
) -> Result<T, TimedOut> {
    let started = Instant::now();
    loop {
        let last = match look() {
            Seen::Ready(value) => return Ok(value),
            Seen::NotYet(state) => state,
        };
        let waited = started.elapsed();
        if waited >= timeout {
            return Err(TimedOut { what: what.into(), waited, last });
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_tells_the_last_state_seen() {
        let mut looks = 0;
        let error = wait_for("the third look", Duration::ZERO, || {
            looks += 1;
            Seen::when(looks == 3, (), format!("look {looks}"))
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("for the third look in vain; last seen: look 1"), "{error}");
    }

    #[test]
    fn what_holds_is_given_back() {
        let mut looks = 0;
        let seen = wait_for("the third look", Duration::from_mins(1), || {
            looks += 1;
            Seen::when(looks == 3, looks, "early")
        });
        assert_eq!(seen.unwrap(), 3);
    }
}
