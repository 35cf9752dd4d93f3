//! How the price of an item became what it is: each change with its load, the newest first.
//!
//! Changes of all layers are walked one by one from the newest on, each found in the log when it
//! is come to, so that a page of them takes as long for a good that thousands of layers reload
//! every night as for any other.

use super::GoodsError;
use super::rows::{self, ItemKeys, Said, Seen};
use crate::dictionary::View;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore, Wanted};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use tillway_proto::{Kopecks, LoadId, Revision};

/// Revisions that are looked at for each change that is asked for: some may change something else
/// of the item than its price.
const LOOKED_AT_PER_CHANGE: usize = 4;

/// A change of what an item costs in a layer and, as far as no deeper layer says otherwise, below
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision that brought it.
    pub revision: Revision,
    /// When it was loaded.
    pub at: Timestamp,
    /// The layer that was loaded.
    pub layer: LayerNo,
    /// By which load.
    pub load: Option<LoadId>,
    /// From which local time on the new price holds, where that is later than the load.
    pub from: Option<DateTime>,
    /// The price before; none: it had none.
    pub old: Option<Kopecks>,
    /// The price after; none: it has none.
    pub new: Option<Kopecks>,
    /// Of which barcodes; none: of the item, which has none.
    pub barcodes: Vec<String>,
}

/// What is known of how an item's price changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The newest first.
    pub changes: Vec<Change>,
    /// Whether there were changes before, which are forgotten.
    pub is_cut: bool,
    /// Where the list goes on: with changes before this revision. None: that is all.
    pub next: Option<Revision>,
}

/// Where changes are read.
pub struct Log<'a> {
    /// One moment of the dictionary.
    pub snapshot: &'a dyn DictionarySnapshot,
    /// What of it fits in memory.
    pub view: &'a View,
    /// When revisions were taken.
    pub store: &'a dyn DictionaryStore,
    /// The layers that are looked into.
    pub layers: &'a [LayerNo],
    /// Where it is the local time of tills.
    pub zone: &'a TimeZone,
}

impl Log<'_> {
    /// The changes of an item's price before a revision, or (none) all, the newest first. About
    /// `limit`; fewer, or none, after many revisions that changed something else: `next` goes on
    /// there. The changes of one revision come together.
    pub fn changes(&self, keys: &ItemKeys, before: Option<Revision>, limit: usize) -> Result<History, GoodsError> {
        let wanted = keys.wanted();
        let mut walk = Walk::before(self, before.unwrap_or(Revision(u64::MAX)));
        let mut history = History::default();
        let mut looked_at = 0;
        while let Some((revision, layer)) = walk.next(self, &wanted)? {
            // What was before the log began is not known, so neither is what that revision
            // changed.
            if revision <= self.view.log_start {
                history.is_cut = true;
                break;
            }
            if history.changes.len() >= limit || looked_at >= limit.saturating_mul(LOOKED_AT_PER_CHANGE) {
                history.next = Some(Revision(revision.0.saturating_add(1)));
                break;
            }
            looked_at += 1;
            let Some(record) = self.store.revision(revision)? else {
                history.is_cut = true;
                continue;
            };
            let at = record.at.to_zoned(self.zone.clone()).datetime();
            let change = |(from, old, new, barcodes)| Change {
                revision,
                at: record.at,
                layer,
                load: record.load,
                from,
                old,
                new,
                barcodes,
            };
            history.changes.extend(self.of_revision(keys, revision, layer, at)?.into_iter().map(change));
        }
        Ok(history)
    }

    /// What a revision changed in the prices of a layer's node: now, and from each later time that
    /// a new price names.
    fn of_revision(
        &self,
        keys: &ItemKeys,
        revision: Revision,
        layer: LayerNo,
        at: DateTime,
    ) -> Result<Vec<PriceChange>, GoodsError> {
        let read = |at: Revision| {
            let path = self.view.effective_path(layer, at);
            Ok::<_, GoodsError>((rows::at(self.snapshot, &path, keys, at)?, path))
        };
        let (before, after) = (read(Revision(revision.0.saturating_sub(1)))?, read(revision)?);
        let [old, new] = [&before, &after].map(|(rows, path)| rows.seen(path));
        let later = after.0.of(layer).iter().filter(|stated| stated.since == revision);
        let later = later.filter_map(|stated| match &stated.said {
            Said::Price(row) => row.from.filter(|from| *from > at),
            _ => None,
        });
        let moments: BTreeSet<DateTime> = later.chain([at]).collect();
        let found = moments.into_iter().flat_map(|moment| {
            let from = (moment > at).then_some(moment);
            different(&old, &new, moment).into_iter().map(move |((was, is), barcodes)| (from, was, is, barcodes))
        });
        Ok(found.collect())
    }
}

/// Layers by the revision at which each changed last, as far as it was come to.
struct Walk(BinaryHeap<(Revision, Found, LayerNo)>);

/// What a revision of [`Walk`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// The item changed then.
    Change,
    /// It did not change after it.
    NotAfter,
}

impl Walk {
    fn before(log: &Log<'_>, before: Revision) -> Self {
        let newest = Revision(before.0.saturating_sub(1));
        let span = |layer: &LayerNo| log.view.layers.get(layer).map(|span| (span.last.min(newest), *layer));
        Self(log.layers.iter().filter_map(span).map(|(last, layer)| (last, Found::NotAfter, layer)).collect())
    }

    /// The next older change, and its layer.
    fn next(&mut self, log: &Log<'_>, wanted: &[Wanted<'_>]) -> Result<Option<(Revision, LayerNo)>, StoreError> {
        while let Some((revision, found, layer)) = self.0.pop() {
            match found {
                Found::Change => {
                    if let Some(before) = revision.0.checked_sub(1) {
                        self.0.push((Revision(before), Found::NotAfter, layer));
                    }
                    return Ok(Some((revision, layer)));
                }
                Found::NotAfter => {
                    let behind = Revision(revision.0.saturating_add(1));
                    let changed = log.snapshot.newest_change(layer, wanted, behind)?;
                    self.0.extend(changed.map(|at| (at, Found::Change, layer)));
                }
            }
        }
        Ok(None)
    }
}

type PriceChange = (Option<DateTime>, Option<Kopecks>, Option<Kopecks>, Vec<String>);

/// Barcodes whose price is another at a local time, by the prices before and after.
fn different<'a>(
    old: &Seen<'a>,
    new: &Seen<'a>,
    moment: DateTime,
) -> BTreeMap<(Option<Kopecks>, Option<Kopecks>), Vec<String>> {
    let mut by_prices: BTreeMap<(Option<Kopecks>, Option<Kopecks>), Vec<String>> = BTreeMap::new();
    let offers = [old, new].map(|seen| seen.offers(moment));
    let mut barcodes: BTreeSet<Option<&str>> = offers.iter().flatten().map(|offer| offer.barcode).collect();
    // One that got its first barcode, or lost its last, costs what that barcode does.
    if barcodes.len() > 1 {
        barcodes.remove(&None);
    }
    for barcode in barcodes {
        let [was, is] = [old, new].map(|seen| seen.offer(barcode, moment).price());
        if was != is {
            by_prices.entry((was, is)).or_default().extend(barcode.map(str::to_owned));
        }
    }
    by_prices
}
