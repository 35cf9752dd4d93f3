//! Rows of `exchange.db` as the exchange's own types, and back.

use super::super::words::reason_or_none;
use super::{COMMAND_COLUMNS, DELIVERY_COLUMNS};
use crate::exchange::model::{CommandState, Contact, Delivery, Needs, SentCommand};
use crate::words::Reason;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};
use tillway_proto::report::RejectCause;
use tillway_proto::{DeliveryId, PeerId, Revision};
use uuid::Uuid;

pub(super) fn put_contact(transaction: &Transaction<'_>, peer: &PeerId, contact: &Contact) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO contact (till, first_at, last_at, present_since, sent_at, instance,
             previous_instance, cursor, state, needs, needs_since, needs_reason, two_machines_at, went_back_at, claimed,
             claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            peer.as_str(),
            millis(contact.first_at),
            millis(contact.last_at),
            millis(contact.present_since),
            millis(contact.sent_at),
            contact.instance.as_bytes(),
            contact.previous_instance.as_ref().map(Uuid::as_bytes),
            number(contact.state.cursor.0),
            json(&contact.state)?,
            json(&contact.needs)?,
            contact.needs_since.map(millis),
            contact.needs_reason,
            contact.two_machines_at.map(millis),
            contact.went_back_at.map(millis),
            contact.claimed.map(|claimed| number(claimed.0)),
            contact.claimed_at.map(millis),
        ])
        .map(|_| ())
}

pub(super) fn put_delivery(transaction: &Transaction<'_>, delivery: &Delivery) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO delivery ({DELIVERY_COLUMNS}, ended)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)"
        ))?
        .execute(params![
            delivery.id.0.as_bytes(),
            delivery.peer.as_str(),
            delivery.package.as_str(),
            number(delivery.bytes),
            number(delivery.objects),
            number(delivery.from.0),
            number(delivery.to.0),
            json(&delivery.repair)?,
            delivery.tries,
            delivery.state.as_str(),
            millis(delivery.state_at),
            millis(delivery.created_at),
            delivery.confirmed,
            delivery.bad_contents,
            delivery.cause.map(RejectCause::as_str),
            millis(delivery.unanswered_since),
            delivery.replaces.map(|replaces| number(replaces.0)),
            delivery.reason.as_ref().map(Reason::to_string),
            delivery.state.is_final(),
        ])
        .map(|_| ())
}

pub(super) fn put_command(transaction: &Transaction<'_>, command: &SentCommand) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO command ({COMMAND_COLUMNS}, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
        ))?
        .execute(params![
            command.id.as_bytes(),
            command.peer.as_str(),
            command.body,
            command.what,
            command.state.as_str(),
            millis(command.state_at),
            millis(command.created_at),
            number(command.receipts),
            command.reason.as_ref().map(Reason::to_string),
            command.state.is_final(),
        ])
        .map(|_| ())
}

pub(super) fn contact(row: &Row<'_>) -> rusqlite::Result<(PeerId, Contact)> {
    let contact = Contact {
        first_at: time(row, 1)?,
        last_at: time(row, 2)?,
        present_since: time(row, 3)?,
        sent_at: time(row, 4)?,
        instance: uuid(row, 5)?,
        previous_instance: row.get::<_, Option<[u8; 16]>>(6)?.map(Uuid::from_bytes),
        state: from_json(row, 7)?,
        needs: from_json::<Needs>(row, 8)?,
        needs_since: some_time(row, 9)?,
        needs_reason: row.get(10)?,
        two_machines_at: some_time(row, 11)?,
        went_back_at: some_time(row, 12)?,
        claimed: some_revision(row, 13)?,
        claimed_at: some_time(row, 14)?,
    };
    Ok((parsed(row, 0)?, contact))
}

pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId(uuid(row, 0)?),
        peer: parsed(row, 1)?,
        package: parsed(row, 2)?,
        bytes: unsigned(row, 3)?,
        objects: unsigned(row, 4)?,
        from: revision(row, 5)?,
        to: revision(row, 6)?,
        repair: from_json(row, 7)?,
        tries: row.get(8)?,
        state: parsed(row, 9)?,
        state_at: time(row, 10)?,
        created_at: time(row, 11)?,
        confirmed: row.get(12)?,
        reason: reason_or_none(row, 18, 13)?,
        bad_contents: row.get(14)?,
        cause: row.get::<_, Option<String>>(15)?.and_then(|word| RejectCause::of_word(&word)),
        unanswered_since: some_time(row, 16)?.unwrap_or(time(row, 11)?),
        replaces: some_revision(row, 17)?,
    })
}

pub(super) fn command(row: &Row<'_>) -> rusqlite::Result<SentCommand> {
    let word: String = row.get(4)?;
    let state = CommandState::of_word(&word)
        .ok_or_else(|| failed(4, Type::Text, format!("`{word}` is not a state of a command")))?;
    Ok(SentCommand {
        id: uuid(row, 0)?,
        peer: parsed(row, 1)?,
        body: row.get(2)?,
        what: row.get(3)?,
        state,
        state_at: time(row, 5)?,
        created_at: time(row, 6)?,
        receipts: unsigned(row, 7)?,
        reason: reason_or_none(row, 9, 8)?,
    })
}

pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn failed(
    column: usize,
    kind: Type,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| failed(column, Type::Integer, error))
}

pub(super) fn some_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let found: Option<i64> = row.get(column)?;
    found.map(|_| time(row, column)).transpose()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| failed(column, Type::Integer, error))
}

pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    unsigned(row, column).map(Revision)
}

pub(super) fn some_revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Revision>> {
    let found: Option<i64> = row.get(column)?;
    found.map(|_| revision(row, column)).transpose()
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error: T::Err| failed(column, Type::Text, error))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| failed(column, Type::Text, error))
}
