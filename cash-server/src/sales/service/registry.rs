//! One stream a till: a newer one of the same agent takes over, one of another agent is refused while the first lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_proto::TillId;
use tokio_util::sync::CancellationToken;

/// Streams that are open; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    streams: Arc<Mutex<Streams>>,
}

#[derive(Debug, Default)]
struct Streams {
    last_id: u64,
    open: HashMap<TillId, Open>,
}

#[derive(Debug)]
struct Open {
    id: u64,
    instance: String,
    superseded: CancellationToken,
}

/// A stream's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Registry,
    till: TillId,
    id: u64,
    /// Cancelled when a newer stream of the same agent has taken over.
    pub(super) superseded: CancellationToken,
}

/// Another agent sends for this till at this moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TakenBy {
    pub(super) instance: String,
}

impl Registry {
    pub(super) fn enter(&self, till: &TillId, instance: &str) -> Result<Place, TakenBy> {
        let mut streams = self.lock();
        if let Some(open) = streams.open.get(till) {
            if open.instance != instance {
                return Err(TakenBy { instance: open.instance.clone() });
            }
            open.superseded.cancel();
        }
        streams.last_id += 1;
        let (id, superseded) = (streams.last_id, CancellationToken::new());
        let open = Open { id, instance: instance.to_owned(), superseded: superseded.clone() };
        streams.open.insert(till.clone(), open);
        Ok(Place { registry: self.clone(), till: till.clone(), id, superseded })
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        // The map is whole after every statement.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        if streams.open.get(&self.till).is_some_and(|open| open.id == self.id) {
            streams.open.remove(&self.till);
        }
    }
}
