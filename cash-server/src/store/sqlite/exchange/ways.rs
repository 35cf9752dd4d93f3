//! How long deliveries took, counted by hour and by steps of time as they are applied.

use super::super::dictionary::time;
use super::rows::millis;
use crate::exchange::model::Delivery;
use crate::store::exchange::{Way, way_step_ms};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::collections::BTreeMap;
use tillway_proto::{DeliveryId, DeliveryState, PeerId};
use uuid::Uuid;

const HOUR_MS: i64 = 3_600_000;

/// Counts a delivery that is applied from now on. To be called before it is written.
pub(super) fn count(transaction: &Transaction<'_>, delivery: &Delivery) -> rusqlite::Result<()> {
    if delivery.state != DeliveryState::Applied || is_applied(transaction, delivery.id)? {
        return Ok(());
    }
    let (hour, took) = of(millis(delivery.state_at), millis(delivery.created_at));
    put(transaction, (hour, took), 1)
}

/// Counts those that were applied before there was a count, as far back as a chart goes.
pub(super) fn count_known(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    const SHOWN_HOURS: i64 = 8 * 24;
    let mut known = BTreeMap::<(i64, i64), i64>::new();
    {
        let from = millis(Timestamp::now()) - SHOWN_HOURS * HOUR_MS;
        let mut select = transaction
            .prepare("SELECT state_at, created_at FROM delivery WHERE ended = 1 AND state_at >= ?1 AND state = ?2")?;
        let mut rows = select.query(params![from, DeliveryState::Applied.as_str()])?;
        while let Some(row) = rows.next()? {
            *known.entry(of(row.get(0)?, row.get(1)?)).or_default() += 1;
        }
    }
    known.into_iter().try_for_each(|(way, deliveries)| put(transaction, way, deliveries))
}

/// All that were applied in an hour that ends after `from`.
pub(super) fn since(reader: &Connection, from: Timestamp) -> rusqlite::Result<Vec<Way>> {
    reader
        .prepare_cached("SELECT hour, took_up_to, deliveries FROM way WHERE hour >= ?1")?
        .query_map([millis(from).div_euclid(HOUR_MS)], |row| {
            Ok(Way {
                hour: time(row.get::<_, i64>(0)?.saturating_mul(HOUR_MS)),
                took_up_to_ms: row.get(1)?,
                deliveries: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?
        .collect()
}

/// The same of some peers, counted from their newest deliveries, at most so many of each.
pub(super) fn of_peers(
    reader: &Connection,
    peers: &[PeerId],
    from: Timestamp,
    of_each: u32,
) -> rusqlite::Result<Vec<Way>> {
    let mut newest = reader.prepare_cached(
        "SELECT state, state_at, created_at FROM delivery WHERE till = ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let first = first_of(from);
    let mut found = BTreeMap::<(i64, i64), u64>::new();
    for peer in peers {
        let applied = |row: &Row<'_>| {
            let is_applied = row.get_ref(0)?.as_str()? == DeliveryState::Applied.as_str();
            Ok((is_applied, of(row.get(1)?, row.get(2)?)))
        };
        for row in newest.query_map(params![peer.as_str(), first.as_bytes(), of_each], applied)? {
            if let (true, way) = row? {
                *found.entry(way).or_default() += 1;
            }
        }
    }
    let told = |((hour, took_up_to_ms), deliveries): ((i64, i64), u64)| Way {
        hour: time(hour.saturating_mul(HOUR_MS)),
        took_up_to_ms,
        deliveries,
    };
    Ok(found.into_iter().map(told).collect())
}

/// Forgets what is older.
pub(super) fn prune(transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<()> {
    let hour = millis(before).div_euclid(HOUR_MS);
    transaction.prepare_cached("DELETE FROM way WHERE hour < ?1")?.execute([hour]).map(|_| ())
}

fn is_applied(transaction: &Transaction<'_>, delivery: DeliveryId) -> rusqlite::Result<bool> {
    let state: Option<String> = transaction
        .prepare_cached("SELECT state FROM delivery WHERE id = ?1")?
        .query_row([delivery.0.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(state.as_deref() == Some(DeliveryState::Applied.as_str()))
}

fn of(state_at_ms: i64, created_at_ms: i64) -> (i64, i64) {
    (state_at_ms.div_euclid(HOUR_MS), way_step_ms(state_at_ms.saturating_sub(created_at_ms)))
}

fn put(transaction: &Transaction<'_>, (hour, took): (i64, i64), deliveries: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO way(hour, took_up_to, deliveries) VALUES (?1, ?2, ?3)
             ON CONFLICT(hour, took_up_to) DO UPDATE SET deliveries = deliveries + ?3",
        )?
        .execute(params![hour, took, deliveries])
        .map(|_| ())
}

/// The smallest id of a delivery that is made at that time.
fn first_of(time: Timestamp) -> Uuid {
    let millis = u64::try_from(millis(time)).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}
