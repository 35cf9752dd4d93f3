//! States of a few objects in many layers, and when they changed: each looked up by its key, so
//! that it takes as long where the log is long as where it is short.

use super::snapshot::hash;
use super::{signed, starts_with, unsigned};
use crate::dictionary::entry::{KindId, Version};
use crate::network::LayerNo;
use crate::store::dictionary::{Group, LayerState, Wanted};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeSet;
use tillway_proto::Revision;

const PRESENT: &str = "SELECT revision, hash, body FROM object WHERE layer = ?1 AND kind = ?2 AND key = ?3";

/// The first state that ended after a revision is the one of that time, if it had begun.
const PAST: &str = "SELECT since, hash, body, until FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 \
                    AND until > ?4 ORDER BY until LIMIT 1";

/// The states of these objects in some layers, at a revision or (none) in their heads.
pub(super) fn at(
    reader: &Connection,
    layers: &[LayerNo],
    wanted: &[Wanted<'_>],
    revision: Option<Revision>,
) -> rusqlite::Result<Vec<LayerState>> {
    let mut lookup = Lookup::over(reader)?;
    let mut found = Vec::new();
    for layer in layers {
        for wanted in wanted {
            match wanted {
                Wanted::One(key) => found.extend(lookup.state(*layer, key.kind, &key.key, revision)?),
                Wanted::Group(group) if revision.is_none() => lookup.present(*layer, *group, &mut found)?,
                Wanted::Group(group) => {
                    for key in lookup.keys(*layer, *group)? {
                        found.extend(lookup.state(*layer, group.kind, &key, revision)?);
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The newest revision before `before` at which any of these objects changed in a layer.
pub(super) fn newest_change(
    reader: &Connection,
    layer: LayerNo,
    wanted: &[Wanted<'_>],
    before: Revision,
) -> rusqlite::Result<Option<Revision>> {
    let mut lookup = Lookup::over(reader)?;
    let mut newest = None;
    for wanted in wanted {
        match wanted {
            Wanted::One(key) => newest = newest.max(lookup.changed(layer, key.kind, &key.key, before)?),
            Wanted::Group(group) => {
                for key in lookup.keys(layer, *group)? {
                    newest = newest.max(lookup.changed(layer, group.kind, &key, before)?);
                }
            }
        }
    }
    Ok(newest)
}

/// The statements, prepared once for all layers.
struct Lookup<'c> {
    present: CachedStatement<'c>,
    past: CachedStatement<'c>,
    present_of_group: CachedStatement<'c>,
    keys_of_group: CachedStatement<'c>,
    /// Jumps from key to key: each may have a long past.
    first_past_key: CachedStatement<'c>,
    next_past_key: CachedStatement<'c>,
    ended: CachedStatement<'c>,
}

impl<'c> Lookup<'c> {
    fn over(reader: &'c Connection) -> rusqlite::Result<Self> {
        let range = starts_with("key", 3);
        let of_group = |columns: &str| {
            format!("SELECT {columns} FROM object WHERE layer = ?1 AND kind = ?2 AND {range} ORDER BY key")
        };
        let past_key = |from: &str| {
            format!(
                "SELECT key FROM past WHERE layer = ?1 AND kind = ?2 AND key {from} ?4 \
                 AND key < ?3 || char(1114111) || char(1114111) ORDER BY key LIMIT 1"
            )
        };
        Ok(Self {
            present: reader.prepare_cached(PRESENT)?,
            past: reader.prepare_cached(PAST)?,
            present_of_group: reader.prepare_cached(&of_group("revision, hash, body"))?,
            keys_of_group: reader.prepare_cached(&of_group("key"))?,
            first_past_key: reader.prepare_cached(&past_key(">="))?,
            next_past_key: reader.prepare_cached(&past_key(">"))?,
            ended: reader.prepare_cached(
                "SELECT max(until) FROM past WHERE layer = ?1 AND kind = ?2 AND key = ?3 AND until < ?4",
            )?,
        })
    }

    /// The state of an object, at a revision or in the head.
    fn state(
        &mut self,
        layer: LayerNo,
        kind: KindId,
        key: &str,
        revision: Option<Revision>,
    ) -> rusqlite::Result<Option<LayerState>> {
        let has_begun = |one: &LayerState| revision.is_none_or(|revision| one.state.since <= revision);
        let present = self
            .present
            .query_row(params![layer.0, kind.0, key], |row| state_of(layer, kind, row))
            .optional()?
            .filter(has_begun);
        let (None, Some(revision)) = (&present, revision) else { return Ok(present) };
        let past = self.past.query_row(params![layer.0, kind.0, key, signed(revision)], |row| {
            let until = Some(Revision(unsigned(row, 3)?));
            let one = state_of(layer, kind, row)?;
            Ok(LayerState { state: Version { until, ..one.state }, ..one })
        });
        Ok(past.optional()?.filter(has_begun))
    }

    /// What a layer's head has of a group.
    fn present(&mut self, layer: LayerNo, group: Group<'_>, found: &mut Vec<LayerState>) -> rusqlite::Result<()> {
        let values = params![layer.0, group.kind.0, group.start];
        for one in self.present_of_group.query_map(values, |row| state_of(layer, group.kind, row))? {
            found.push(one?);
        }
        Ok(())
    }

    /// The keys that a layer has or had of a group.
    fn keys(&mut self, layer: LayerNo, group: Group<'_>) -> rusqlite::Result<BTreeSet<String>> {
        let key = |row: &Row<'_>| row.get::<_, String>(0);
        let values = params![layer.0, group.kind.0, group.start];
        let mut keys: BTreeSet<String> = self.keys_of_group.query_map(values, key)?.collect::<rusqlite::Result<_>>()?;
        let values = params![layer.0, group.kind.0, group.start, group.start];
        let mut past = self.first_past_key.query_row(values, key).optional()?;
        while let Some(found) = past {
            let values = params![layer.0, group.kind.0, group.start, found];
            past = self.next_past_key.query_row(values, key).optional()?;
            keys.insert(found);
        }
        Ok(keys)
    }

    /// The newest revision before `before` at which an object began to be as it was, or ended.
    fn changed(
        &mut self,
        layer: LayerNo,
        kind: KindId,
        key: &str,
        before: Revision,
    ) -> rusqlite::Result<Option<Revision>> {
        let values = params![layer.0, kind.0, key];
        let began: Option<i64> = self.present.query_row(values, |row| row.get(0)).optional()?;
        let values = params![layer.0, kind.0, key, signed(before)];
        let ended: Option<i64> = self.ended.query_row(values, |row| row.get(0))?;
        // The state that ended at `before` or later may have begun earlier.
        let values = params![layer.0, kind.0, key, signed(before).saturating_sub(1)];
        let held: Option<i64> = self.past.query_row(values, |row| row.get(0)).optional()?;
        let newest = [began, ended, held].into_iter().flatten().filter(|at| *at < signed(before)).max();
        Ok(newest.map(|at| Revision(at.cast_unsigned())))
    }
}

fn state_of(layer: LayerNo, kind: KindId, row: &Row<'_>) -> rusqlite::Result<LayerState> {
    let state = Version { since: Revision(unsigned(row, 0)?), until: None, hash: hash(row, 1)?, body: row.get(2)? };
    Ok(LayerState { layer, kind, state })
}
