//! Connections that are lent out, and come back when they are dropped.

use super::log::{WAL_LIMIT_BYTES, cut_later, cut_log, is_longer};
use super::{
    CACHE_KIB, CHECKPOINT_PAGES, LARGE_CACHE_KIB, MAX_IDLE_READERS, Shared, end_transaction, lock, open_writer,
};
use rusqlite::Connection;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::thread;

/// The one writer connection of a [`Database`](super::Database). Dropping it rolls back what was
/// not committed, and lets the next writer go on.
#[derive(Debug)]
pub struct Writer {
    connection: Option<Connection>,
    shared: Arc<Shared>,
    /// It writes so much that its log is moved into the file afterwards.
    large: bool,
}

/// A read connection of a [`Database`](super::Database); goes back to the pool when dropped.
#[derive(Debug)]
pub struct Reader {
    connection: Option<Connection>,
    shared: Arc<Shared>,
}

macro_rules! hands_out_its_connection {
    ($guard:ident) => {
        impl Deref for $guard {
            type Target = Connection;

            fn deref(&self) -> &Connection {
                match &self.connection {
                    Some(connection) => connection,
                    None => unreachable!("the connection is taken out by drop alone"),
                }
            }
        }

        impl DerefMut for $guard {
            fn deref_mut(&mut self) -> &mut Connection {
                match &mut self.connection {
                    Some(connection) => connection,
                    None => unreachable!("the connection is taken out by drop alone"),
                }
            }
        }
    };
}

hands_out_its_connection!(Writer);
hands_out_its_connection!(Reader);

impl Writer {
    pub(super) fn lend(connection: Connection, shared: Arc<Shared>) -> Self {
        Self { connection: Some(connection), shared, large: false }
    }

    /// Gives it back without looking at the log.
    pub(super) fn give_back_as_it_is(mut self) {
        if let Some(connection) = self.connection.take() {
            give_back(&self.shared, connection);
        }
    }

    /// What is written from here to the commit is a lot.
    pub fn writes_much(&mut self) {
        self.large = true;
        self.cache(LARGE_CACHE_KIB);
    }

    fn cache(&self, kib: i64) {
        if let Err(error) = self.pragma_update(None, "cache_size", -kib) {
            tracing::debug!(%error, "a page cache keeps its size");
        }
    }

    /// Commits. Where [much](Self::writes_much) was written the log is moved into the file once
    /// the writer is given back: what is committed is durable, and whoever waits for that need not
    /// wait for more.
    pub fn commit(&self) -> rusqlite::Result<()> {
        if !self.large {
            return self.execute_batch("COMMIT");
        }
        self.pragma_update(None, "wal_autocheckpoint", 0)?;
        let committed = self.execute_batch("COMMIT");
        self.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        committed
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.large {
            self.cache(CACHE_KIB);
        }
        let Some(mut connection) = self.connection.take() else { return };
        // One that cannot be rolled back would refuse every transaction after this.
        if !end_transaction(&connection)
            && let Ok(fresh) = open_writer(&self.shared)
        {
            connection = fresh;
        }
        let shared = Arc::clone(&self.shared);
        if !is_longer(&shared.log, WAL_LIMIT_BYTES) {
            give_back(&shared, connection);
            return;
        }
        // Whoever has committed so much need not wait for it; the next writer does.
        let slot = Arc::new(Mutex::new(Some(connection)));
        let theirs = Arc::clone(&slot);
        let cut = move || {
            if let Some(connection) = lock(&theirs).take() {
                cut_log(&connection, &shared, WAL_LIMIT_BYTES);
                give_back(&shared, connection);
                cut_later(shared);
            }
        };
        if thread::Builder::new().name("log-cutter".to_owned()).spawn(cut).is_err()
            && let Some(connection) = lock(&slot).take()
        {
            cut_log(&connection, &self.shared, WAL_LIMIT_BYTES);
            give_back(&self.shared, connection);
        }
    }
}

pub(super) fn give_back(shared: &Shared, connection: Connection) {
    *lock(&shared.writer) = Some(connection);
    shared.writer_back.notify_one();
}

impl Reader {
    pub(super) fn lend(connection: Connection, shared: Arc<Shared>) -> Self {
        Self { connection: Some(connection), shared }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if !end_transaction(&connection) {
                return;
            }
            let mut idle = lock(&self.shared.readers);
            if idle.len() < MAX_IDLE_READERS {
                idle.push(connection);
            }
        }
    }
}
