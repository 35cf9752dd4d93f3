//! When a person is told of something that grows: once, again when it has grown much, and when it
//! is over. Never each time it is seen.

use std::sync::atomic::{AtomicU64, Ordering};

/// So many times what was told last is much.
const MUCH: u64 = 2;

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// It has reached its limit, or has doubled since that was told.
    Grown,
    /// It is below its limit again, which was reached before.
    Over,
}

/// Something that should stay below a limit.
#[derive(Debug)]
pub struct GrowthWatch {
    limit: u64,
    /// What was told last; 0: nothing.
    told: AtomicU64,
}

impl GrowthWatch {
    /// Nothing was told yet.
    pub const fn new(limit: u64) -> Self {
        Self { limit, told: AtomicU64::new(0) }
    }

    /// It is this large now. Gives what is to be told, each thing once, however many look at the
    /// same time.
    pub fn look(&self, now: u64) -> Option<Growth> {
        let news = |told: u64| match (told, now >= self.limit) {
            (0, true) => Some((now.max(1), Growth::Grown)),
            (1.., true) => (now >= told.saturating_mul(MUCH)).then_some((now, Growth::Grown)),
            (0, false) => None,
            (1.., false) => Some((0, Growth::Over)),
        };
        let mut told = self.told.load(Ordering::SeqCst);
        loop {
            let (next, growth) = news(told)?;
            match self.told.compare_exchange(told, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(growth),
                Err(other) => told = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_at_the_limit_each_time_it_has_doubled_and_when_it_is_over() {
        let watch = GrowthWatch::new(100);
        let seen: Vec<_> =
            [99, 100, 150, 199, 200, 399, 100, 450, 99, 0, 101].into_iter().map(|now| watch.look(now)).collect();
        let (grown, over) = (Some(Growth::Grown), Some(Growth::Over));
        assert_eq!(seen, [None, grown, None, None, grown, None, None, grown, over, None, grown]);
    }
}
