//! How the price of an item became what it is: each change with its load.

use super::GoodsError;
use super::rows::{ItemRows, Said};
use crate::dictionary::View;
use crate::network::LayerNo;
use crate::store::dictionary::DictionaryStore;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use tillway_proto::{Kopecks, LoadId, Revision};

/// Revisions that are looked at for each change that is asked for: most may change something else
/// of the item than its price.
const LOOKED_AT_PER_CHANGE: usize = 20;

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
}

/// Which layer a revision changed, and when.
type Touched = BTreeMap<Revision, BTreeSet<LayerNo>>;

/// The changes of an item's price in these layers, the newest first, at most `limit`. `zone`:
/// where it is the local time of tills.
pub fn history(
    rows: &ItemRows,
    view: &View,
    layers: &[LayerNo],
    store: &dyn DictionaryStore,
    zone: &TimeZone,
    limit: usize,
) -> Result<History, GoodsError> {
    let mut touched = Touched::new();
    for stated in rows.stated.iter().filter(|stated| layers.contains(&stated.layer)) {
        for revision in [Some(stated.since), stated.until].into_iter().flatten() {
            touched.entry(revision).or_default().insert(stated.layer);
        }
    }
    let mut history = History::default();
    for (looked_at, (revision, layers)) in touched.into_iter().rev().enumerate() {
        if looked_at >= limit.saturating_mul(LOOKED_AT_PER_CHANGE) {
            history.is_cut = true;
            break;
        }
        // What was before the log began is not known, so neither is what that revision changed.
        let record = if revision > view.log_start { store.revision(revision)? } else { None };
        let Some(record) = record else {
            history.is_cut = true;
            continue;
        };
        if history.changes.len() >= limit {
            break;
        }
        let at = record.at.to_zoned(zone.clone()).datetime();
        for layer in layers {
            let of_layer = changes(rows, view, revision, layer, at);
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
            history.changes.extend(of_layer.into_iter().map(change));
        }
    }
    history.changes.truncate(limit);
    Ok(history)
}

type PriceChange = (Option<DateTime>, Option<Kopecks>, Option<Kopecks>, Vec<String>);

/// What a revision changed in the prices of a layer's node: now, and from each later time that a
/// new price names.
fn changes(rows: &ItemRows, view: &View, revision: Revision, layer: LayerNo, at: DateTime) -> Vec<PriceChange> {
    let before = Revision(revision.0.saturating_sub(1));
    let [old, new] = [before, revision].map(|at| rows.seen(&view.effective_path(layer, at), at));
    let later = rows.stated.iter().filter(|stated| stated.layer == layer && stated.since == revision);
    let later = later.filter_map(|stated| match &stated.said {
        Said::Price(row) => row.from.filter(|from| *from > at),
        _ => None,
    });
    let moments: BTreeSet<DateTime> = later.chain([at]).collect();
    let mut found = Vec::new();
    for moment in moments {
        let mut by_prices: BTreeMap<(Option<Kopecks>, Option<Kopecks>), Vec<String>> = BTreeMap::new();
        let offers = [&old, &new].map(|seen| seen.offers(moment));
        let mut barcodes: BTreeSet<Option<&str>> = offers.iter().flatten().map(|offer| offer.barcode).collect();
        // One that got its first barcode, or lost its last, costs what that barcode does.
        if barcodes.len() > 1 {
            barcodes.remove(&None);
        }
        for barcode in barcodes {
            let [was, is] = [&old, &new].map(|seen| seen.offer(barcode, moment).price());
            if was != is {
                by_prices.entry((was, is)).or_default().extend(barcode.map(str::to_owned));
            }
        }
        let from = (moment > at).then_some(moment);
        found.extend(by_prices.into_iter().map(|((was, is), barcodes)| (from, was, is, barcodes)));
    }
    found
}
