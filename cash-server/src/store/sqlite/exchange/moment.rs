//! What a decision sees: rows as they stand in the write transaction that carries it out.

use super::cache::read_one;
use super::heard::Heard;
use super::rows::{command, delivery, number};
use super::unreadable::Unreadable;
use super::{COMMAND_COLUMNS, DELIVERY_COLUMNS};
use crate::exchange::model::{Delivery, PeerRecord, SentCommand};
use crate::store::StoreError;
use crate::store::exchange::ExchangeMoment;
use crate::store::sqlite::connection::Database;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tillway_proto::{DeliveryId, PeerId, Revision};
use uuid::Uuid;

/// The rows within a transaction that holds the write lock.
pub(super) struct Moment<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) database: &'a Database,
    pub(super) unreadable: &'a Unreadable,
    pub(super) heard: &'a Heard,
}

impl Moment<'_> {
    fn read<T>(&self, what: &'static str, read: rusqlite::Result<T>) -> Result<T, StoreError> {
        read.map_err(|source| self.database.failed(what, source))
    }
}

impl ExchangeMoment for Moment<'_> {
    fn record(&self, peer: &PeerId) -> Result<PeerRecord, StoreError> {
        self.read("read a till", read_one(self.transaction, self.unreadable, self.heard, peer))
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.read("read a delivery", delivery_of(self.transaction, self.unreadable, id))
    }

    fn announced(&self, peer: &PeerId, to: Revision) -> Result<bool, StoreError> {
        let announced = || {
            self.transaction
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE till = ? AND to_revision = ?)")?
                .query_row(params![peer.as_str(), number(to.0)], |row| row.get(0))
        };
        self.read("look a delivery up", announced())
    }

    fn command(&self, id: Uuid) -> Result<Option<SentCommand>, StoreError> {
        self.read("read a command", command_of(self.transaction, self.unreadable, id))
    }

    fn open_commands_of(&self, peer: &PeerId) -> Result<Vec<SentCommand>, StoreError> {
        self.read("read commands", open_commands_of(self.transaction, self.unreadable, peer))
    }
}

/// One delivery.
pub(super) fn delivery_of(
    reader: &Connection,
    unreadable: &Unreadable,
    id: DeliveryId,
) -> rusqlite::Result<Option<Delivery>> {
    reader
        .prepare_cached(&format!("SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id = ?"))?
        .query_row([id.0.as_bytes()], |row| unreadable.row("delivery", row, delivery))
        .optional()
        .map(Option::flatten)
}

/// One command.
pub(super) fn command_of(
    reader: &Connection,
    unreadable: &Unreadable,
    id: Uuid,
) -> rusqlite::Result<Option<SentCommand>> {
    reader
        .prepare_cached(&format!("SELECT {COMMAND_COLUMNS} FROM command WHERE id = ?"))?
        .query_row([id.as_bytes()], |row| unreadable.row("command", row, command))
        .optional()
        .map(Option::flatten)
}

/// Commands of one peer that have not ended, oldest first. Not by the index of all that are open
/// (`+`), of which there may be thousands.
pub(super) fn open_commands_of(
    reader: &Connection,
    unreadable: &Unreadable,
    peer: &PeerId,
) -> rusqlite::Result<Vec<SentCommand>> {
    commands(reader, unreadable, "till = ? AND +ended = 0 ORDER BY id", [peer.as_str()])
}

/// Commands under a condition.
pub(super) fn commands(
    reader: &Connection,
    unreadable: &Unreadable,
    condition: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<SentCommand>> {
    reader
        .prepare_cached(&format!("SELECT {COMMAND_COLUMNS} FROM command WHERE {condition}"))?
        .query_map(values, |row| unreadable.row("command", row, command))?
        .filter_map(Result::transpose)
        .collect()
}
