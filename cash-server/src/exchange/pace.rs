//! How often a till may call for another package by its own words alone.
//!
//! What the server has that is newer goes out without a limit. But a till that says something else
//! each time (another cursor, other kinds that it needs whole, another digest) would get a
//! delivery with each pass, and may have a package built for each. An honest one says such a thing
//! once and then what it has; one that comes back from an old image, and whose rows then differ,
//! needs three.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::TillId;

/// Packages that one till may call for at once.
pub(super) const AT_ONCE: u32 = 10;

/// After these, another each time so much has passed.
const ANOTHER_AFTER: Duration = Duration::from_secs(30);

/// What tills have called for.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When each till may call for all that it may at once again.
    free_at: Mutex<HashMap<TillId, Instant>>,
}

impl Pace {
    /// Whether a till may have another package; then it counts.
    pub(super) fn allows(&self, till: &TillId, now: Instant) -> bool {
        let mut free_at = self.free_at();
        let free = free_at.get(till).map_or(now, |free_at| now.max(*free_at)) + ANOTHER_AFTER;
        let is_allowed = free <= now + ANOTHER_AFTER * AT_ONCE;
        if is_allowed {
            free_at.insert(till.clone(), free);
        }
        is_allowed
    }

    /// Forgets those that called for nothing lately.
    pub(super) fn forget_past(&self, now: Instant) {
        self.free_at().retain(|_, free_at| *free_at > now);
    }

    fn free_at(&self) -> MutexGuard<'_, HashMap<TillId, Instant>> {
        self.free_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_till_may_call_for_some_at_once_and_then_for_one_each_half_minute() {
        let (pace, start) = (Pace::default(), Instant::now());
        let till: TillId = "_cash_1_00ab34ef".parse().unwrap();
        let other: TillId = "_cash_2_00ab34ef".parse().unwrap();
        let allowed = |after: u64, asked: u32| {
            (0..asked).filter(|_| pace.allows(&till, start + Duration::from_secs(after))).count()
        };
        assert_eq!(allowed(0, 1_000), 10);
        assert_eq!(allowed(29, 1_000), 0);
        assert!(pace.allows(&other, start), "the others are not delayed");
        assert_eq!(allowed(30, 1_000), 1);
        assert_eq!((60..3_600).map(|second| allowed(second, 3)).sum::<usize>(), 118);
        pace.forget_past(start + Duration::from_hours(1));
        assert_eq!(allowed(3_600, 1_000), 1);
        pace.forget_past(start + Duration::from_secs(4_000));
        assert!(pace.free_at().is_empty());
        assert_eq!(allowed(4_000, 1_000), 10);
    }
}
