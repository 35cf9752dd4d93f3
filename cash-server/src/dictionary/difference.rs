//! What has to change in a till that leaves one state for another.

use super::digest::Digests;
use super::entry::ObjectKey;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, Group};
use tillway_proto::{Revision, RowHash};

/// Objects that a difference may touch. Beyond that a snapshot is smaller, or not much larger, and
/// costs less memory: a key takes about a hundred bytes while the difference is found.
pub const MAX_TOUCHED: usize = 1_000_000;

/// Objects that are looked up at once.
const BATCH: usize = 1_000;

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
    let (mut changes, mut keys) = (Vec::new(), keys.into_iter());
    loop {
        let batch: Vec<ObjectKey> = keys.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(Some(changes));
        }
        let before = winners(snapshot, from, &batch, Some(revision))?;
        let after = winners(snapshot, to, &batch, None)?;
        let pairs = before.into_iter().zip(after);
        let changed = batch.into_iter().zip(pairs);
        changes.extend(changed.filter_map(|(key, (before, after))| change(key, before.map(|one| one.hash), after)));
    }
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
    let mut groups: Vec<Group<'_>> = keys.iter().filter_map(group).collect();
    // The keys are sorted, so those of one group are neighbours.
    groups.dedup();
    let mut found = Vec::new();
    for groups in groups.chunks(BATCH) {
        for layer in &layers {
            found.extend(snapshot.groups_held_since(*layer, groups, revision)?);
        }
        if found.len() > MAX_TOUCHED {
            found.sort_unstable();
            found.dedup();
            if found.len() > MAX_TOUCHED {
                return Ok(None);
            }
        }
    }
    keys.extend(found);
    keys.sort_unstable();
    keys.dedup();
    Ok((keys.len() <= MAX_TOUCHED).then_some(keys))
}

/// The group in which a key is overridden together with others; none where it is alone.
fn group(key: &ObjectKey) -> Option<Group<'_>> {
    let start = key.kind.override_group(&key.key);
    (start.len() < key.key.len()).then_some(Group { kind: key.kind, start })
}

/// What a till with this path sees of each object, at `revision` or (none) in the snapshot's head:
/// in the order of the keys. A layer that holds any object of a key's group hides the key from the
/// layers above, whether it holds the key itself or not.
fn winners(
    snapshot: &dyn DictionarySnapshot,
    path: &[LayerNo],
    keys: &[ObjectKey],
    revision: Option<Revision>,
) -> Result<Vec<Option<Winner>>, StoreError> {
    let mut winners = vec![None; keys.len()];
    let mut open: Vec<usize> = (0..keys.len()).collect();
    for layer in path.iter().rev() {
        if open.is_empty() {
            break;
        }
        let asked: Vec<&ObjectKey> = open.iter().map(|at| &keys[*at]).collect();
        let mut hashes = snapshot.hash_of_many(*layer, &asked, revision)?.into_iter();
        open.retain(|at| {
            winners[*at] = hashes.next().flatten().map(|hash| Winner { layer: *layer, hash });
            winners[*at].is_none()
        });
        let groups: Vec<Group<'_>> = open.iter().filter_map(|at| group(&keys[*at])).collect();
        if !groups.is_empty() {
            let mut hidden = snapshot.holds_groups(*layer, &groups, revision)?.into_iter();
            open.retain(|at| group(&keys[*at]).is_none() || hidden.next() != Some(true));
        }
    }
    Ok(winners)
}
