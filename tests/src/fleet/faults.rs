//! What befalls simulated tills: chances, drawn from a seed.

use crate::faults::seed::Seed;
use uuid::{Builder, Uuid};

/// Chances in a thousand, each time the occasion comes. None by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Power goes while it works on a message, before or after any step: the message was not
    /// acknowledged and comes again.
    pub dies: u32,
    /// Its disk comes back as it was some packages ago: an older cursor, and no memory of
    /// deliveries since.
    pub loses_state: u32,
    /// A report is published twice.
    pub doubles_reports: u32,
    /// A report is held back, and published after the next one.
    pub holds_reports: u32,
    /// A link is rejected as if the line or the disk had failed.
    pub rejects: u32,
    /// A stream of sales breaks with batches under way.
    pub breaks_streams: u32,
    /// It forgets how far the server has its sales.
    pub forgets_progress: u32,
    /// Its `documents.db` comes back as it was some receipts ago: numbers are given out again,
    /// with other UUIDs.
    pub restores_image: u32,
    /// Its clock is wrong by days, for good; drawn once.
    pub wrong_clock: u32,
}

/// A till's luck.
#[derive(Debug)]
pub(super) struct Chance(Seed);

impl Chance {
    /// Tills of one seed draw independently of each other.
    pub(super) fn of(seed: u64, till: u64) -> Self {
        Self(Seed::new(Seed::new(seed).next() ^ Seed::new(till).next()))
    }

    pub(super) fn happens(&mut self, in_a_thousand: u32) -> bool {
        self.0.below(1_000) < u64::from(in_a_thousand)
    }

    /// From 0 up to, without, `end`; 0 where there is nothing to choose from.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let random = (u128::from(self.0.next()) << 64) | u128::from(self.0.next());
        Builder::from_random_bytes(random.to_be_bytes()).into_uuid()
    }

    /// A luck of its own for another task of the same till.
    pub(super) fn split(&mut self) -> Self {
        Self(self.0.split())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_each_till_the_same_luck_again_and_another_one_than_its_neighbour() {
        let draw = |seed, till| -> Vec<u64> {
            let mut chance = Chance::of(seed, till);
            (0..8).map(|_| chance.below(1_000_000)).collect()
        };
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }

    #[test]
    fn what_cannot_happen_never_does() {
        let mut chance = Chance::of(1, 1);
        assert!((0..10_000).all(|_| !chance.happens(0)));
        assert!((0..10_000).all(|_| chance.happens(1_000)));
    }
}
