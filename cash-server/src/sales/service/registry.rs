//! One stream a till: a newer one of the same agent takes over, one of another agent is refused
//! while the first lives and speaks. Before it has said which agent it is of, a stream gives way
//! to the next one of its till.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::TillId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Streams that are open in this process; cheap to clone. A hint: what it misses, as where two
/// agents of one till speak to two servers, the notes of streams in the store show
/// ([`SalesStore::note_streams`](crate::store::sales::SalesStore::note_streams)).
#[derive(Debug, Clone)]
pub(super) struct Registry {
    streams: Arc<Mutex<Streams>>,
    /// Who has said nothing for so long gives way to another agent.
    silent: Duration,
}

#[derive(Debug, Default)]
struct Streams {
    last_id: u64,
    open: HashMap<TillId, Open>,
    greeting: HashMap<TillId, (u64, CancellationToken)>,
}

#[derive(Debug)]
struct Open {
    id: u64,
    instance: String,
    heard: Instant,
    superseded: CancellationToken,
}

/// A stream that has the right token and has not said yet which agent it is of.
#[derive(Debug)]
pub(super) struct Greeting {
    registry: Registry,
    till: TillId,
    id: u64,
    /// Cancelled when the next stream of the till came before this one had said it.
    pub(super) superseded: CancellationToken,
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
    pub(super) fn new(silent: Duration) -> Self {
        Self { streams: Arc::default(), silent }
    }

    /// For a stream whose token is right.
    pub(super) fn greet(&self, till: &TillId) -> Greeting {
        let mut streams = self.lock();
        streams.last_id += 1;
        let (id, superseded) = (streams.last_id, CancellationToken::new());
        if let Some((_, former)) = streams.greeting.insert(till.clone(), (id, superseded.clone())) {
            former.cancel();
        }
        Greeting { registry: self.clone(), till: till.clone(), id, superseded }
    }

    /// For a stream that has said which agent it is of.
    pub(super) fn enter(&self, till: &TillId, instance: &str) -> Result<Place, TakenBy> {
        let mut streams = self.lock();
        // It is no greeting any more: what comes next meets an open stream.
        streams.greeting.remove(till);
        if let Some(open) = streams.open.get(till) {
            if open.instance != instance && open.heard.elapsed() < self.silent {
                return Err(TakenBy { instance: open.instance.clone() });
            }
            open.superseded.cancel();
        }
        streams.last_id += 1;
        let (id, superseded) = (streams.last_id, CancellationToken::new());
        let open = Open { id, instance: instance.to_owned(), heard: Instant::now(), superseded: superseded.clone() };
        streams.open.insert(till.clone(), open);
        Ok(Place { registry: self.clone(), till: till.clone(), id, superseded })
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        // The map is whole after every statement.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The till has said something, or has just been answered.
    pub(super) fn heard(&self) {
        let mut streams = self.registry.lock();
        if let Some(open) = streams.open.get_mut(&self.till).filter(|open| open.id == self.id) {
            open.heard = Instant::now();
        }
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        if streams.greeting.get(&self.till).is_some_and(|(id, _)| *id == self.id) {
            streams.greeting.remove(&self.till);
        }
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
