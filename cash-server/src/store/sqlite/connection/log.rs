//! The write-ahead log of a database, and how it stays small.
//!
//! Each commit appends to the log, and SQLite moves it into the file. It can be emptied only while
//! nobody reads from it: a reader that began before the last commit holds it. Packages are built
//! from one moment of the dictionary, for seconds; when loads come back to back there is always
//! one under way. A log that was tried to be cut once after each load therefore grew by each load.
//!
//! **Decision: the next large write waits.** Before it begins, the log must be within
//! [`WAL_LIMIT_BYTES`]; until it is, the log is moved and cut again every [`TRY_EVERY`]. What is
//! moved whole is not read by whoever begins to read then, so readers that follow one another do
//! not hold it up: it waits only for those that had begun before. Readers are left alone, since a
//! build that is broken off begins anew and reads as long again. So the log holds what one large
//! write makes, beside the limit. Small writes (a new till, a token) wait for nobody.
//!
//! A reader that does not end at all (an operator's shell) is waited for [`LONGEST_WAIT`]; then
//! the write goes on, and says so. What the log takes then, the reserve of free space bounds
//! ([`crate::reserve`]).

use super::guards::give_back;
use super::{BUSY_TIMEOUT, Database, Shared, Writer, lock};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::process::Growth;

/// The write-ahead log is cut back after a long load has blown it up to more than this: it is part
/// of what the reserve of free space is for ([`crate::reserve`]), and must not eat it up for good.
pub(super) const WAL_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Between two tries to cut it.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// The same where nobody waits for it.
const TRY_SELDOM: Duration = Duration::from_secs(1);

/// The longest that a large write waits for readers. Whole snapshots of a chain are built in less.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

impl Database {
    /// The writer connection, for one who is going to write much: once the log is within its
    /// limit, or nobody can be waited for any longer. The caller must not read from this database
    /// itself at that moment, or it waits for itself.
    pub fn writer_of_much(&self) -> Writer {
        self.writer_of_much_within(LONGEST_WAIT)
    }

    pub(super) fn writer_of_much_within(&self, longest: Duration) -> Writer {
        let begun = Instant::now();
        loop {
            let writer = self.writer();
            cut_log(&writer, &self.shared, WAL_LIMIT_BYTES);
            let bytes = fs_err::metadata(&self.shared.log).map_or(0, |log| log.len());
            if bytes <= WAL_LIMIT_BYTES {
                if self.shared.uncut.look(bytes) == Some(Growth::Over) {
                    tracing::info!(log = %self.shared.log.display(), "a write-ahead log is cut again");
                }
                return writer;
            }
            if begun.elapsed() >= longest {
                if self.shared.uncut.look(bytes) == Some(Growth::Grown) {
                    tracing::warn!(
                        log = %self.shared.log.display(),
                        "a write-ahead log takes {} MiB and cannot be cut: somebody has been reading the database for long, a \
                         shell or a backup; end that, or the log takes the disk's room",
                        bytes >> 20
                    );
                }
                return writer;
            }
            // Small writes have their turn meanwhile. It was tried just now, so it need not be
            // when the writer is given back.
            writer.give_back_as_it_is();
            thread::sleep(TRY_EVERY);
        }
    }
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push("-wal");
    name.into()
}

/// Cuts a log of more than `beyond` bytes to nothing. SQLite's own limit holds only once a later
/// write begins the log anew, and there may be none while room is missing. Best effort: whoever
/// reads holds the log, and the next writer tries again.
pub(super) fn cut_log(connection: &Connection, shared: &Shared, beyond: u64) {
    if !is_longer(&shared.log, beyond) {
        return;
    }
    let cut = || {
        connection.busy_timeout(Duration::ZERO)?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, bool>(0));
        connection.busy_timeout(BUSY_TIMEOUT)?;
        busy
    };
    match cut() {
        Ok(false) => {}
        Ok(true) => tracing::debug!(log = %shared.log.display(), "a write-ahead log is held by a reader"),
        Err(error) => tracing::warn!(log = %shared.log.display(), %error, "failed to cut a write-ahead log"),
    }
}

/// Cuts a log that readers hold once they have ended, where no writer comes before: whoever looks
/// at a load right after its commit holds the log, and the next load may be a day away. One thread
/// a database does so; it gives up after [`LONGEST_WAIT`], as the next large write does, and where
/// nobody has the database open any more.
pub(super) fn cut_later(shared: Arc<Shared>) {
    if !is_longer(&shared.log, WAL_LIMIT_BYTES) || shared.cutting_later.swap(true, Ordering::SeqCst) {
        return;
    }
    let (open, begun, mut wait) = (Arc::downgrade(&shared), Instant::now(), TRY_EVERY);
    drop(shared);
    loop {
        thread::sleep(wait);
        wait = (wait * 2).min(TRY_SELDOM);
        let Some(shared) = open.upgrade() else { return };
        let free = lock(&shared.writer).take();
        if let Some(connection) = free {
            cut_log(&connection, &shared, WAL_LIMIT_BYTES);
            give_back(&shared, connection);
        }
        if !is_longer(&shared.log, WAL_LIMIT_BYTES) || begun.elapsed() >= LONGEST_WAIT {
            shared.cutting_later.store(false, Ordering::SeqCst);
            return;
        }
    }
}

/// Where that cannot be seen, it may be.
pub(super) fn is_longer(log: &Path, bytes: u64) -> bool {
    fs_err::metadata(log).map_or(true, |log| log.len() > bytes)
}
