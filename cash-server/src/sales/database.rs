//! The sales database as a stream asks it: it may be slow or down, and then the stream goes on
//! without it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::StoreError;
use crate::store::sales::SalesStore;

/// So long a stream waits for the database. Longer, it goes on without: the spool takes what
/// comes, and what comes twice is there once.
const WITHIN: Duration = Duration::from_secs(2);

/// Reads under way, those included that no stream waits for any more: on a disk that hangs they
/// must not use up the threads that check tokens.
const MAX_READS: usize = 32;

/// The same for writes. They stand behind each other anyway, and behind whoever has locked the
/// database.
const MAX_WRITES: usize = 4;

/// The database does not answer; why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DatabaseDown;

/// Asks the store with a deadline; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Database {
    store: Arc<dyn SalesStore>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Database {
    pub(super) fn new(store: Arc<dyn SalesStore>) -> Self {
        Self { store, reads: Arc::new(Semaphore::new(MAX_READS)), writes: Arc::new(Semaphore::new(MAX_WRITES)) }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn SalesStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, DatabaseDown> {
        self.ask(&self.reads, work).await
    }

    /// What has been begun is still written where it only takes longer.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn SalesStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, DatabaseDown> {
        self.ask(&self.writes, work).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        work: impl FnOnce(&dyn SalesStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, DatabaseDown> {
        let asked = timeout(WITHIN, async {
            // Never closed.
            let place = Arc::clone(places).acquire_owned().await.ok();
            let store = Arc::clone(&self.store);
            tokio::task::spawn_blocking(move || {
                let _place = place;
                work(store.as_ref())
            })
            .await
        });
        match asked.await {
            Ok(Ok(Ok(done))) => return Ok(done),
            Ok(Ok(Err(error))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the sales database failed while a till unloads"
                );
            }
            Ok(Err(error)) => tracing::error!(%error, "a question to the sales database broke off; that is a defect"),
            Err(_) => tracing::error!(
                within = ?WITHIN,
                "the sales database does not answer while a till unloads; going on without it"
            ),
        }
        Err(DatabaseDown)
    }
}

#[cfg(test)]
mod tests {
    use crate::words::Reason;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::sales::tests::{now, open_store, till};
    use crate::store::sales::{FindingReason, NewFinding};

    #[tokio::test]
    async fn while_the_database_is_locked_few_writes_wait_for_it_and_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(open_store(folder.path()));
        let locking = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
        locking.execute_batch("BEGIN IMMEDIATE").unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let writes = (0..MAX_WRITES * 5).map(|_| {
            let begun = Arc::clone(&begun);
            database.write(move |store| {
                begun.fetch_add(1, Ordering::SeqCst);
                store.add_finding(&NewFinding {
                    reason: FindingReason::BatchAside { detail: Reason::worded("") },
                    till: Some(till()),
                    shift: None,
                    subject: "two".to_owned(),
                    at: now(),
                })
            })
        });
        assert!(join_all(writes).await.iter().all(|written| *written == Err(DatabaseDown)));
        assert!(begun.load(Ordering::SeqCst) <= MAX_WRITES);
        assert!(database.read(SalesStore::position).await.is_ok());
        locking.execute_batch("COMMIT").unwrap();
    }
}
