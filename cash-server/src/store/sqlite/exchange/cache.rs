//! What is known of all peers, kept in memory: each pass of the reconciler reads it, and between
//! two passes most of it stays what it was. Only rows of peers that were written since are read
//! again.
//!
//! Promises: what is handed out is at least as new as every write that had returned before. The
//! file is written by this process alone; should a row ever change by another way, it is seen
//! within [`ALL_ANEW_AFTER`].

use super::heard::Heard;
use super::rows::{contact, delivery};
use super::unreadable::Unreadable;
use super::{CONTACT_COLUMNS, DELIVERY_COLUMNS};
use crate::exchange::model::{Contact, Delivery, PeerRecord};
use crate::store::StoreError;
use crate::store::exchange::Records;
use crate::store::sqlite::connection::Database;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::PeerId;

/// After so long everything is read again.
const ALL_ANEW_AFTER: Duration = Duration::from_mins(10);

/// The records of all peers, and what of them has to be read again.
#[derive(Debug, Default)]
pub(super) struct RecordCache {
    kept: Mutex<Option<Kept>>,
    written: Mutex<HashSet<PeerId>>,
}

#[derive(Debug)]
struct Kept {
    records: Arc<Records>,
    read_at: Instant,
}

impl RecordCache {
    /// The records as they are now.
    pub(super) fn records(
        &self,
        database: &Database,
        unreadable: &Unreadable,
        heard: &Heard,
    ) -> Result<Arc<Records>, StoreError> {
        let mut held = lock(&self.kept);
        // Out of the way while it is worked on: an error leaves nothing behind that is half new.
        let before = held.take().filter(|kept| kept.read_at.elapsed() < ALL_ANEW_AFTER);
        // Before the rows: what is written meanwhile is read again the next time.
        let written = std::mem::take(&mut *lock(&self.written));
        let kept = database.read("read the tills", |reader| match before {
            Some(kept) if written.is_empty() => Ok(kept),
            Some(Kept { mut records, read_at }) => {
                let changed = Arc::make_mut(&mut records);
                for peer in written {
                    match read_one(reader, unreadable, heard, &peer)? {
                        PeerRecord { contact: None, newest: None } => changed.remove(&peer),
                        record => changed.insert(peer, Arc::new(record)),
                    };
                }
                Ok(Kept { records, read_at })
            }
            None => Ok(Kept { records: Arc::new(read_all(reader, unreadable, heard)?), read_at: Instant::now() }),
        })?;
        let records = Arc::clone(&kept.records);
        *held = Some(kept);
        Ok(records)
    }

    /// To be held over a write: the rows of the peers that are named to it are read again once it
    /// is dropped.
    pub(super) fn writing(&self) -> Writing<'_> {
        Writing { known: self, peers: HashSet::new() }
    }

    /// Everything is read again.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *lock(&self.kept) = None;
    }
}

/// A write under way. Tills are noted when it ends, however it ends: before the commit a reader
/// could read the old rows and take them for the new.
#[must_use]
pub(super) struct Writing<'a> {
    known: &'a RecordCache,
    peers: HashSet<PeerId>,
}

impl Writing<'_> {
    /// Rows of this peer are written.
    pub(super) fn of(&mut self, peer: PeerId) {
        self.peers.insert(peer);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        lock(&self.known.written).extend(self.peers.drain());
    }
}

/// One peer.
pub(super) fn read_one(
    reader: &Connection,
    unreadable: &Unreadable,
    heard: &Heard,
    peer: &PeerId,
) -> rusqlite::Result<PeerRecord> {
    let contact = contact_of(reader, unreadable, heard, peer)?;
    Ok(PeerRecord { contact, newest: newest_delivery(reader, unreadable, peer)? })
}

/// What one peer said last, and when.
pub(super) fn contact_of(
    reader: &Connection,
    unreadable: &Unreadable,
    heard: &Heard,
    peer: &PeerId,
) -> rusqlite::Result<Option<Contact>> {
    let found = reader
        .prepare_cached(&format!("SELECT {CONTACT_COLUMNS} FROM contact WHERE till = ?"))?
        .query_row([peer.as_str()], |row| unreadable.row("contact", row, contact))
        .optional()?
        .flatten();
    Ok(found.map(|(_, mut contact)| {
        heard.put_into(peer, &mut contact);
        contact
    }))
}

/// The newest delivery of one peer, ended or not.
pub(super) fn newest_delivery(
    reader: &Connection,
    unreadable: &Unreadable,
    peer: &PeerId,
) -> rusqlite::Result<Option<Delivery>> {
    reader
        .prepare_cached(&format!("SELECT {DELIVERY_COLUMNS} FROM delivery WHERE till = ? ORDER BY id DESC LIMIT 1"))?
        .query_row([peer.as_str()], |row| unreadable.row("delivery", row, delivery))
        .optional()
        .map(Option::flatten)
}

fn read_all(reader: &Connection, unreadable: &Unreadable, heard: &Heard) -> rusqlite::Result<Records> {
    let mut records = Records::new();
    let mut contacts = reader.prepare_cached(&format!("SELECT {CONTACT_COLUMNS} FROM contact"))?;
    for row in contacts.query_map([], |row| unreadable.row("contact", row, contact))? {
        let Some((peer, mut contact)) = row? else { continue };
        heard.put_into(&peer, &mut contact);
        records.insert(peer, Arc::new(PeerRecord { contact: Some(contact), newest: None }));
    }
    // From peer to peer along the index: the time grows with the peers, not with all their
    // deliveries.
    let newest = format!(
        "WITH RECURSIVE one(till) AS (SELECT min(till) FROM delivery UNION ALL \
         SELECT (SELECT min(till) FROM delivery WHERE till > one.till) FROM one WHERE one.till IS NOT NULL) \
         SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id IN \
         (SELECT (SELECT max(id) FROM delivery WHERE till = one.till) FROM one)"
    );
    let mut deliveries = reader.prepare_cached(&newest)?;
    for row in deliveries.query_map([], |row| unreadable.row("delivery", row, delivery))? {
        let Some(newest) = row? else { continue };
        let record = records.entry(newest.peer.clone()).or_default();
        Arc::make_mut(record).newest = Some(newest);
    }
    Ok(records)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
