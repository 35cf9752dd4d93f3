//! The overlay of layers, the deepest one winning: a merge of sorted scans, one object of each
//! key.
//!
//! Where a kind says so ([`Kind::override_group`]), what wins is a group of keys: of a barcode's
//! prices a till sees those of the deepest layer that has any, all of them and no others.
//!
//! [`Kind::override_group`]: tillway_exchangers::kinds::Kind::override_group

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
    // Of one layer all win, and nothing is to be compared.
    if let [only] = scans.as_mut_slice() {
        while let Some(entry) = only.take()? {
            visit(entry)?;
        }
        return Ok(());
    }
    while let Some((group, winner)) = next_group(&mut scans)? {
        for (at, scan) in scans.iter_mut().enumerate() {
            while let Some(entry) = scan.take_of(&group)? {
                if at == winner {
                    visit(entry)?;
                }
            }
        }
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

/// The first group of keys of all scans, and the deepest scan that has it.
fn next_group(scans: &mut [Scan<'_>]) -> Result<Option<(String, usize)>, StoreError> {
    let mut first: Option<(String, usize)> = None;
    for (at, scan) in scans.iter_mut().enumerate() {
        let Some(group) = scan.group()? else { continue };
        match &mut first {
            Some((found, _)) if group > found.as_str() => {}
            Some((found, deepest)) if group == found.as_str() => *deepest = at,
            _ => first = Some((group.to_owned(), at)),
        }
    }
    Ok(first)
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

    /// The next object.
    fn take(&mut self) -> Result<Option<Entry>, StoreError> {
        self.peek()?;
        Ok(self.page.pop_front())
    }

    /// The group of the next object.
    fn group(&mut self) -> Result<Option<&str>, StoreError> {
        let kind = self.kind;
        Ok(self.peek()?.map(|entry| kind.override_group(&entry.key)))
    }

    /// The next object, if it is of this group.
    fn take_of(&mut self, group: &str) -> Result<Option<Entry>, StoreError> {
        if self.group()? == Some(group) { Ok(self.page.pop_front()) } else { Ok(None) }
    }
}
