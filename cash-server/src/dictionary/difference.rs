//! What has to change in a till that leaves one state for another.

use super::digest::Digests;
use super::entry::{KindId, ObjectKey};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::DictionarySnapshot;
use tillway_proto::{Revision, RowHash};

/// Objects that a difference may touch. Beyond that a snapshot is smaller, or not much larger, and
/// costs less memory: a key takes about a hundred bytes while the difference is found.
pub const MAX_TOUCHED: usize = 1_000_000;

/// The object that a till sees: the one of the deepest layer that has it, or any of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winner {
    /// The layer.
    pub layer: LayerNo,
    /// The hash of its row.
    pub hash: RowHash,
}

/// One object that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: ObjectKey,
    /// What the till has.
    pub before: Option<RowHash>,
    /// What it must have; none: it is gone.
    pub after: Option<Winner>,
}

/// The change from one winner to another; none where the row stays as it is, whichever layer it
/// comes from.
pub fn change(key: ObjectKey, before: Option<RowHash>, after: Option<Winner>) -> Option<Change> {
    if before == after.map(|winner| winner.hash) { None } else { Some(Change { key, before, after }) }
}

/// The difference from a path's state at `revision` to another path's state at the snapshot's
/// head, sorted. None where it touches more than [`MAX_TOUCHED`] objects.
///
/// Paths are effective ones, root first.
pub fn difference(
    snapshot: &dyn DictionarySnapshot,
    from: &[LayerNo],
    revision: Revision,
    to: &[LayerNo],
) -> Result<Option<Vec<Change>>, StoreError> {
    let Some(keys) = touched(snapshot, from, revision, to)? else { return Ok(None) };
    let Some(keys) = with_their_groups(snapshot, from, revision, to, keys)? else { return Ok(None) };
    let mut changes = Vec::new();
    for key in keys {
        let before = winner_at(snapshot, from, revision, &key)?;
        let after = head_winner(snapshot, to, &key)?;
        changes.extend(change(key, before, after));
    }
    Ok(Some(changes))
}

/// Takes changes into counts and digests of the state before, which makes them those of the state
/// after.
pub fn carry_forward(digests: &mut Digests, changes: &[Change]) {
    for change in changes {
        let entry = digests.entry(change.key.kind);
        if let Some(before) = change.before {
            entry.remove(before);
        }
        if let Some(after) = change.after {
            entry.add(after.hash);
        }
    }
}

fn touched(
    snapshot: &dyn DictionarySnapshot,
    from: &[LayerNo],
    revision: Revision,
    to: &[LayerNo],
) -> Result<Option<Vec<ObjectKey>>, StoreError> {
    // A layer that stays where it was, seen from the other common ones, brings what changed in it.
    // One that comes, goes, or changes places brings all it holds or held.
    let stays: Vec<LayerNo> = from.iter().filter(|layer| to.contains(layer)).copied().collect();
    let in_place = stays.iter().eq(to.iter().filter(|layer| from.contains(layer)));
    let mut keys = Vec::new();
    let mut layers: Vec<LayerNo> = from.iter().chain(to).copied().collect();
    layers.sort_unstable();
    layers.dedup();
    for layer in layers {
        let limit = (MAX_TOUCHED + 1).saturating_sub(keys.len());
        let found = if in_place && stays.contains(&layer) {
            snapshot.changed_since(layer, revision, limit)?
        } else {
            snapshot.held_since(layer, revision, limit)?
        };
        keys.extend(found);
        if keys.len() > MAX_TOUCHED {
            return Ok(None);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

/// With a key that was touched the others of its group may begin or cease to be hidden.
fn with_their_groups(
    snapshot: &dyn DictionarySnapshot,
    from: &[LayerNo],
    revision: Revision,
    to: &[LayerNo],
    mut keys: Vec<ObjectKey>,
) -> Result<Option<Vec<ObjectKey>>, StoreError> {
    let mut layers: Vec<LayerNo> = from.iter().chain(to).copied().collect();
    layers.sort_unstable();
    layers.dedup();
    if layers.len() < 2 {
        return Ok(Some(keys));
    }
    let mut groups: Vec<(KindId, String)> =
        keys.iter().filter_map(|key| Some((key.kind, group(key)?.to_owned()))).collect();
    // The keys are sorted, so those of one group are neighbours.
    groups.dedup();
    for (kind, group) in groups {
        for layer in &layers {
            keys.extend(snapshot.group_held_since(*layer, kind, &group, revision)?);
        }
        if keys.len() > 2 * MAX_TOUCHED {
            keys.sort_unstable();
            keys.dedup();
            if keys.len() > MAX_TOUCHED {
                return Ok(None);
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok((keys.len() <= MAX_TOUCHED).then_some(keys))
}

/// The group in which a key is overridden together with others; none where it is alone.
fn group(key: &ObjectKey) -> Option<&str> {
    let group = key.kind.override_group(&key.key);
    (group.len() < key.key.len()).then_some(group)
}

/// Whether a layer hides a key that it does not hold itself from the layers above.
fn hides(
    snapshot: &dyn DictionarySnapshot,
    layer: LayerNo,
    key: &ObjectKey,
    revision: Option<Revision>,
) -> Result<bool, StoreError> {
    let Some(group) = group(key) else { return Ok(false) };
    snapshot.holds_group(layer, key.kind, group, revision)
}

fn winner_at(
    snapshot: &dyn DictionarySnapshot,
    path: &[LayerNo],
    revision: Revision,
    key: &ObjectKey,
) -> Result<Option<RowHash>, StoreError> {
    for layer in path.iter().rev() {
        if let Some(hash) = snapshot.hash_at(*layer, key, revision)? {
            return Ok(Some(hash));
        }
        if hides(snapshot, *layer, key, Some(revision))? {
            return Ok(None);
        }
    }
    Ok(None)
}

fn head_winner(
    snapshot: &dyn DictionarySnapshot,
    path: &[LayerNo],
    key: &ObjectKey,
) -> Result<Option<Winner>, StoreError> {
    for layer in path.iter().rev() {
        if let Some(hash) = snapshot.head_hash(*layer, key)? {
            return Ok(Some(Winner { layer: *layer, hash }));
        }
        if hides(snapshot, *layer, key, None)? {
            return Ok(None);
        }
    }
    Ok(None)
}
