//! The overlay of layers, the deepest one winning: a merge of sorted scans, one object of each key.

use super::digest::Digests;
use super::entry::{Entry, KindId};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::DictionarySnapshot;
use std::collections::{BTreeSet, VecDeque};

/// Objects read from one layer at a time; with eight layers some megabytes.
const PAGE: u32 = 1_000;

/// The kinds that any of the layers holds.
pub fn kinds(snapshot: &dyn DictionarySnapshot, path: &[LayerNo]) -> Result<BTreeSet<KindId>, StoreError> {
    let mut kinds = BTreeSet::new();
    for layer in path {
        kinds.extend(snapshot.kinds(*layer)?);
    }
    Ok(kinds)
}

/// Shows every object of a kind in the overlay at the snapshot's head, by key.
pub fn scan<E: From<StoreError>>(
    snapshot: &dyn DictionarySnapshot,
    path: &[LayerNo],
    kind: KindId,
    bodies: bool,
    mut visit: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let mut scans: Vec<Scan<'_>> = path.iter().map(|layer| Scan::new(snapshot, *layer, kind, bodies)).collect();
    while let Some(entry) = next(&mut scans)? {
        visit(entry)?;
    }
    Ok(())
}

/// Counts and digests of the overlay at the snapshot's head, from the rows themselves.
pub fn digests(snapshot: &dyn DictionarySnapshot, path: &[LayerNo]) -> Result<Digests, StoreError> {
    let mut digests = Digests::default();
    for kind in kinds(snapshot, path)? {
        let of_kind = digests.entry(kind);
        scan(snapshot, path, kind, false, |entry| -> Result<(), StoreError> {
            of_kind.add(entry.hash);
            Ok(())
        })?;
    }
    Ok(digests)
}

/// The smallest key of all scans, from the deepest layer that has it; every scan moves past it.
fn next(scans: &mut [Scan<'_>]) -> Result<Option<Entry>, StoreError> {
    let mut smallest: Option<String> = None;
    for scan in scans.iter_mut() {
        if let Some(entry) = scan.peek()?
            && smallest.as_ref().is_none_or(|key| entry.key < *key)
        {
            smallest = Some(entry.key.clone());
        }
    }
    let Some(smallest) = smallest else { return Ok(None) };
    let mut winner = None;
    for scan in scans.iter_mut() {
        if scan.peek()?.is_some_and(|entry| entry.key == smallest) {
            winner = scan.page.pop_front();
        }
    }
    Ok(winner)
}

struct Scan<'a> {
    snapshot: &'a dyn DictionarySnapshot,
    layer: LayerNo,
    kind: KindId,
    bodies: bool,
    page: VecDeque<Entry>,
    last: Option<String>,
    ended: bool,
}

impl<'a> Scan<'a> {
    fn new(snapshot: &'a dyn DictionarySnapshot, layer: LayerNo, kind: KindId, bodies: bool) -> Self {
        Self { snapshot, layer, kind, bodies, page: VecDeque::new(), last: None, ended: false }
    }

    fn peek(&mut self) -> Result<Option<&Entry>, StoreError> {
        if self.page.is_empty() && !self.ended {
            let page = self.snapshot.page(self.layer, self.kind, self.last.as_deref(), PAGE, self.bodies)?;
            self.ended = page.len() < PAGE as usize;
            self.last = page.last().map(|entry| entry.key.clone());
            self.page = page.into();
        }
        Ok(self.page.front())
    }
}
