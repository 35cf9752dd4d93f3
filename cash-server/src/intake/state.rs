//! What a person should know of a layer after a load changed it, and no record shows alone: a
//! barcode of two items, a group that is inside itself. Looked for after the commit, so that tills
//! do not wait for it.

use super::load::{MAX_KEPT_WARNINGS, Report};
use crate::dictionary::entry::KindId;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{Crowded, DictionarySnapshot, DictionaryStore};
use crate::store::intake::NoticeRecord;
use crate::words::Reason;
use std::collections::{BTreeSet, HashMap, HashSet};
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::records::WarningKind;
use tillway_exchangers::row::{KEY_SEPARATOR, RowRef, ValueRef};
use tillway_proto::Revision;

/// Changed objects that are looked at one by one; of more the whole kind is walked through.
const FEW_CHANGES: usize = 5_000;

/// Objects that are read at once.
const PAGE: u32 = 5_000;

/// Puts the warnings about the state after this revision into the report.
pub(super) fn look(
    dictionary: &dyn DictionaryStore,
    layer: LayerNo,
    revision: Revision,
    report: &mut Report,
) -> Result<(), StoreError> {
    let snapshot = dictionary.snapshot()?;
    let before = Revision(revision.0.saturating_sub(1));
    let changed = snapshot.changed_since(layer, before, FEW_CHANGES + 1)?;
    let few = changed.len() <= FEW_CHANGES;
    let mut found = Vec::new();
    for kind in kinds::all() {
        let id = KindId::from(kind);
        if kind.spec().first_key_is_unique {
            let shared = match &report.crowded {
                Crowded::Anywhere => shared(snapshot.as_ref(), layer, id)?,
                Crowded::At(firsts) => shared_among(snapshot.as_ref(), layer, id, firsts)?,
            };
            found.extend(shared.into_iter().map(|(key, other)| of_shared(kind, &key, other)));
        }
        if few && !changed.iter().any(|key| key.kind == id) {
            continue;
        }
        if let Some(inside) = kind.spec().inside.and_then(|name| kind.field(name)) {
            let groups = in_themselves(&parents(snapshot.as_ref(), layer, kind, inside)?);
            found.extend(groups.into_iter().map(|group| of_group(kind, inside, &group)));
        }
    }
    report.warned += found.len() as u64;
    if let Some(outcome) = &mut report.outcome {
        outcome.counts.warnings = report.warned;
    }
    let room = MAX_KEPT_WARNINGS.saturating_sub(report.warnings.len());
    report.warnings.extend(found.into_iter().take(room));
    Ok(())
}

fn notice(kind: Kind, key: &str, field: &str, value: &str, what: &WarningKind) -> NoticeRecord {
    NoticeRecord {
        verb: kind.spec().add.map(str::to_owned),
        key: Some(key.replace(KEY_SEPARATOR, "/")),
        field: Some(field.to_owned()),
        value: Some(value.to_owned()),
        object: Some((kind.id(), key.to_owned())),
        // It is of the layer, not of a line.
        ..NoticeRecord::of(Reason::of(what), true)
    }
}

fn of_shared(kind: Kind, key: &str, other: String) -> NoticeRecord {
    notice(kind, key, kind.spec().key[0], first_part(key), &WarningKind::SharedBarcode { other })
}

fn of_group(kind: Kind, inside: usize, (group, parent): &(String, String)) -> NoticeRecord {
    notice(kind, group, kind.fields()[inside].name, parent, &WarningKind::GroupInItself)
}

fn first_part(key: &str) -> &str {
    key.split(KEY_SEPARATOR).next().unwrap_or(key)
}

fn rest(key: &str) -> &str {
    key.split_once(KEY_SEPARATOR).map_or("", |(_, rest)| rest)
}

/// Keys with one of these first parts that are not alone, each with the rest of another one.
fn shared_among(
    snapshot: &dyn DictionarySnapshot,
    layer: LayerNo,
    kind: KindId,
    firsts: &BTreeSet<(KindId, String)>,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut found = Vec::new();
    for (_, first) in firsts.iter().filter(|(of, _)| *of == kind) {
        // The separator is smaller than any character of a key.
        let keys: Vec<String> = snapshot
            .page(layer, kind, Some(first), 8, false)?
            .into_iter()
            .map(|entry| entry.key)
            .filter(|key| first_part(key) == first)
            .collect();
        pair(&keys, &mut found);
    }
    Ok(found)
}

/// All keys of a kind whose first part is not theirs alone, each with the rest of another one.
fn shared(
    snapshot: &dyn DictionarySnapshot,
    layer: LayerNo,
    kind: KindId,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut found = Vec::new();
    let keys = snapshot.keys_that_share_a_first_part(layer, kind)?;
    for same in keys.chunk_by(|one, next| first_part(one) == first_part(next)) {
        pair(same, &mut found);
    }
    Ok(found)
}

fn pair(keys: &[String], found: &mut Vec<(String, String)>) {
    if let [first, second, ..] = keys {
        let others = keys.iter().map(|key| if key == first { second } else { first });
        found.extend(keys.iter().zip(others).map(|(key, other)| (key.clone(), rest(other).to_owned())));
    }
}

/// Of each object of a kind, in which it is.
fn parents(
    snapshot: &dyn DictionarySnapshot,
    layer: LayerNo,
    kind: Kind,
    inside: usize,
) -> Result<HashMap<String, String>, StoreError> {
    let (mut parents, mut after): (_, Option<String>) = (HashMap::new(), None);
    loop {
        let page = snapshot.page(layer, kind.into(), after.as_deref(), PAGE, true)?;
        let Some(last) = page.last() else { return Ok(parents) };
        after = Some(last.key.clone());
        for entry in page {
            if let Ok(row) = RowRef::decode(kind, &entry.body)
                && let ValueRef::Text(parent) = row.values[inside]
            {
                parents.insert(entry.key, parent.to_owned());
            }
        }
    }
}

/// Those that come back to themselves on the way up, sorted, each with what it is in. The work
/// grows with their number: nobody is passed twice.
fn in_themselves(parents: &HashMap<String, String>) -> Vec<(String, String)> {
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = Vec::new();
    for start in parents.keys() {
        let (mut way, mut on_way): (Vec<&str>, HashSet<&str>) = (Vec::new(), HashSet::new());
        let mut at = start.as_str();
        while !done.contains(at) && on_way.insert(at) {
            way.push(at);
            let Some(parent) = parents.get(at) else { break };
            at = parent;
        }
        if !done.contains(at)
            && parents.contains_key(at)
            && let Some(from) = way.iter().position(|passed| *passed == at)
        {
            let of = |group: &&str| Some(((*group).to_owned(), parents.get(*group)?.clone()));
            found.extend(way[from..].iter().filter_map(of));
        }
        done.extend(way);
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_come_back_to_themselves_are_found_and_those_below_them_are_not() {
        let of = |pairs: &[(&str, &str)]| {
            let parents = pairs.iter().map(|(group, parent)| ((*group).to_owned(), (*parent).to_owned())).collect();
            let found = in_themselves(&parents).into_iter().map(|(group, _)| group);
            found.collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a", "b"), ("b", "root"), ("c", "b")]), [""; 0]);
        assert_eq!(of(&[("a", "a"), ("b", "a")]), ["a"]);
        assert_eq!(of(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a"), ("x", "y"), ("y", "x")]), ["b", "c", "x", "y"]);
    }
}
