//! One build of a package at a time, and only so many builds at once.

use crate::store::packages::PackageKey;
use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

/// Builds under way in this process. A hint: two servers that build one package build the same
/// file.
pub(super) struct Flights {
    under_way: Mutex<HashSet<PackageKey>>,
    ended: Condvar,
    limit: usize,
}

/// The right to build one package; given back when dropped.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: PackageKey,
}

impl Flights {
    /// At most `limit` at once.
    pub(super) fn new(limit: usize) -> Self {
        Self { under_way: Mutex::default(), ended: Condvar::new(), limit: limit.max(1) }
    }

    /// Waits until nobody builds this package and there is room for one more.
    pub(super) fn take(&self, key: &PackageKey) -> Flight<'_> {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut under_way = self
            .ended
            .wait_while(under_way, |under_way| under_way.contains(key) || under_way.len() >= self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(key.clone());
        Flight { flights: self, key: key.clone() }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.flights.ended.notify_all();
    }
}
