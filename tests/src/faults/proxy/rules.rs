//! What is wrong with a link now.

use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From who connected to the target.
    ToTarget,
    /// From the target back.
    ToClient,
}

/// How a connection is ended by a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ending {
    /// As by a program that ends: the other side reads an end.
    #[default]
    Close,
    /// As by a machine that restarted: the other side reads an error.
    Reset,
}

/// Connections have numbers in the order of their arrival; the bounds below are such numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// The number of the next connection.
    pub(super) next: u64,
    /// No new connections.
    pub(super) refuse: bool,
    /// Connections before this one are ended.
    pub(super) cut_before: u64,
    /// Connections before this one are half open for good.
    pub(super) dead_before: u64,
    /// All connections are half open.
    pub(super) half_open: bool,
    /// Nothing is carried, nothing is lost.
    pub(super) frozen: bool,
    /// None: as fast as it goes.
    pub(super) bytes_per_second: Option<u64>,
    pub(super) delay: Duration,
    pub(super) cut_after: Option<(u64, Direction)>,
    pub(super) ending: Ending,
}

impl Rules {
    pub(super) fn is_dead(&self, number: u64) -> bool {
        self.half_open || number < self.dead_before
    }

    /// How many more bytes a connection may carry in a direction.
    pub(super) fn left(&self, direction: Direction, carried: u64) -> Option<u64> {
        match self.cut_after {
            Some((bytes, limited)) if limited == direction => Some(bytes.saturating_sub(carried)),
            _ => None,
        }
    }
}
