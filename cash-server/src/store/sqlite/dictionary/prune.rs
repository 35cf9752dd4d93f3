//! Forgetting what no till asks for any more, in steps that hold the write lock for a moment only.

use super::{counter, signed};
use crate::store::dictionary::Pruned;
use rusqlite::{Connection, Transaction, params};
use tillway_proto::Revision;

/// A node that was removed, and the newest revision of that time.
pub(super) struct Removed {
    layer: i64,
    after: i64,
}

/// From `network.db`.
pub(super) fn removed(network: &Connection) -> rusqlite::Result<Vec<Removed>> {
    network
        .prepare_cached("SELECT no, removed_after FROM node WHERE removed_after IS NOT NULL")?
        .query_map((), |row| Ok(Removed { layer: row.get(0)?, after: row.get(1)? }))?
        .collect()
}

pub(super) fn step(
    transaction: &Transaction<'_>,
    removed: &[Removed],
    horizon: Revision,
    step: u32,
) -> rusqlite::Result<Pruned> {
    let head = counter(transaction, "revision")?;
    let start = counter(transaction, "log-start")?;
    let horizon = signed(Revision(horizon.0.min(head)));
    if horizon.cast_unsigned() > start {
        // Said before the first row goes: from now on nobody builds on what is about to be
        // forgotten.
        transaction.execute("UPDATE counter SET value = ?1 WHERE name = 'log-start'", [horizon])?;
    }
    let mut left = i64::from(step);
    left -= take_past(transaction, horizon, left)?;
    left -= take_removed_layers(transaction, removed, horizon, left)?;
    left -= rows(transaction.execute(
        // A layer's newest revision stays, so that the answer to "when was this layer loaded last"
        // does.
        "DELETE FROM revision WHERE revision IN (SELECT r.revision FROM revision r WHERE r.revision <= ?1 AND NOT \
         EXISTS (SELECT 1 FROM layer l WHERE l.last = r.revision) LIMIT ?2)",
        params![horizon, left],
    )?);
    fail::fail_point!("dictionary::prune_step_done");
    let removed = i64::from(step) - left;
    Ok(Pruned { removed: removed.cast_unsigned(), done: left > 0 })
}

fn take_past(transaction: &Transaction<'_>, horizon: i64, limit: i64) -> rusqlite::Result<i64> {
    let mut taken = 0;
    let layers = transaction
        .prepare_cached("SELECT layer FROM layer")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut delete = transaction.prepare_cached(
        "DELETE FROM past WHERE id IN (SELECT id FROM past WHERE layer = ?1 AND until <= ?2 LIMIT ?3)",
    )?;
    for layer in layers {
        if taken >= limit {
            break;
        }
        taken += rows(delete.execute(params![layer, horizon, limit - taken])?);
    }
    Ok(taken)
}

/// Layers of nodes that were removed so long ago that no known state of a till has them on its
/// path.
fn take_removed_layers(
    transaction: &Transaction<'_>,
    removed: &[Removed],
    horizon: i64,
    limit: i64,
) -> rusqlite::Result<i64> {
    let mut taken = 0;
    let mut delete = transaction
        .prepare_cached("DELETE FROM object WHERE id IN (SELECT id FROM object WHERE layer = ?1 LIMIT ?2)")?;
    for gone in removed.iter().filter(|gone| gone.after < horizon) {
        if taken >= limit {
            break;
        }
        taken += rows(delete.execute(params![gone.layer, limit - taken])?);
    }
    Ok(taken)
}

fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
