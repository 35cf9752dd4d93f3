//! All that layers say, and said, of one item; and what a node sees of it at a revision.

use super::{GoodsError, kinds};
use crate::dictionary::entry::{ObjectKey, Version};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, Group};
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use std::collections::{BTreeMap, BTreeSet};
use tillway_exchangers::goods::{self, BarcodeRow, ItemRow, PriceRow, PricedBy};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::KEY_SEPARATOR;
use tillway_proto::{Kopecks, Revision};

/// Barcodes of one item that are looked at.
pub const MAX_BARCODES: usize = 200;

/// Former and present states of one row that are looked at, the newest.
const MAX_STATES: u32 = 1_000;

/// Coming changes of an item's prices that are told of.
const MAX_COMING: usize = 50;

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What the item is.
    Item(ItemRow),
    /// That it has this barcode.
    Barcode(BarcodeRow),
    /// What it, or a barcode of it, costs by a document.
    Price(PriceRow),
}

/// A state of a row in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The layer.
    pub layer: LayerNo,
    /// The first revision of this state.
    pub since: Revision,
    /// The first revision after it; none for the present state.
    pub until: Option<Revision>,
    /// What it says.
    pub said: Said,
}

impl Stated {
    /// Whether it was so at a revision.
    pub fn holds_at(&self, revision: Revision) -> bool {
        self.since <= revision && self.until.is_none_or(|until| until > revision)
    }
}

/// Everything that some layers say and said of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRows {
    /// Code of the item.
    pub code: String,
    /// The states of its rows.
    pub stated: Vec<Stated>,
}

/// What a node sees of an item at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The item itself; none: it is not sold there.
    pub item: Option<&'a Stated>,
    /// Its barcodes, in their order.
    pub barcodes: Vec<&'a Stated>,
    /// Prices of documents.
    pub prices: Vec<&'a Stated>,
}

/// What an item, or one barcode of it, costs somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The barcode; none for an item that has none.
    pub barcode: Option<&'a str>,
    /// The price, and by which row; none: it has none.
    pub priced: Option<(Kopecks, PricedBy, &'a Stated)>,
}

impl Offer<'_> {
    /// The price alone.
    pub fn price(&self) -> Option<Kopecks> {
        self.priced.map(|(price, ..)| price)
    }
}

/// Reads what these layers say and said of an item. `more` names barcodes that it may have had.
pub fn of_item(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    code: &str,
    more: &[String],
) -> Result<ItemRows, GoodsError> {
    let mut stated = states(snapshot, layers, kinds().item, [code.to_owned()])?;
    // The item names its main barcode, also one that it has no more.
    let main = stated.iter().filter_map(|stated| match &stated.said {
        Said::Item(row) => row.barcode.clone(),
        _ => None,
    });
    let named: Vec<String> = main.chain(more.iter().cloned()).collect();
    let barcodes = barcodes_of(snapshot, layers, code, named)?;
    let joined = |parts: [&str; 2]| parts.join(&KEY_SEPARATOR.to_string());
    let keys = barcodes.iter().map(|barcode| joined([barcode, code]));
    stated.extend(states(snapshot, layers, kinds().barcode, keys)?);
    let starts: BTreeSet<String> =
        barcodes.iter().map(String::as_str).chain([code]).map(|of| joined([of, ""])).collect();
    let prices: Vec<Group<'_>> = starts.iter().map(|start| Group { kind: kinds().price.into(), start }).collect();
    for layer in layers {
        // Prices that are gone as well: the log has them.
        let keys = snapshot.groups_held_since(*layer, &prices, Revision::ZERO)?;
        let keys: BTreeSet<String> = keys.into_iter().map(|key| key.key).collect();
        stated.extend(states(snapshot, &[*layer], kinds().price, keys)?);
    }
    Ok(ItemRows { code: code.to_owned(), stated })
}

/// Codes of the items that have this barcode in these layers, or had it since a revision.
pub fn codes_of(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    barcode: &str,
    since: Revision,
) -> Result<BTreeSet<String>, StoreError> {
    let start = format!("{barcode}{KEY_SEPARATOR}");
    let group = Group { kind: kinds().barcode.into(), start: &start };
    let mut codes = BTreeSet::new();
    for layer in layers {
        let keys = snapshot.groups_held_since(*layer, &[group], since)?;
        codes.extend(keys.into_iter().map(|key| key.key[start.len()..].to_owned()));
    }
    Ok(codes)
}

/// The states of these objects of a kind in some layers.
fn states(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    kind: Kind,
    keys: impl IntoIterator<Item = String>,
) -> Result<Vec<Stated>, GoodsError> {
    let mut stated = Vec::new();
    for key in keys {
        let key = ObjectKey { kind: kind.into(), key };
        for layer in layers {
            for version in snapshot.history(*layer, &key, MAX_STATES)? {
                stated.push(state(*layer, kind, &version)?);
            }
        }
    }
    Ok(stated)
}

fn barcodes_of(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    code: &str,
    named: Vec<String>,
) -> Result<BTreeSet<String>, StoreError> {
    let item = ObjectKey { kind: kinds().item.into(), key: code.to_owned() };
    let mut barcodes: BTreeSet<String> = named.into_iter().collect();
    for layer in layers {
        for key in snapshot.belonging(*layer, kinds().barcode.into(), &item, MAX_BARCODES)? {
            barcodes.extend(key.key.split(KEY_SEPARATOR).next().map(str::to_owned));
        }
    }
    Ok(barcodes.into_iter().take(MAX_BARCODES).collect())
}

fn state(layer: LayerNo, kind: Kind, version: &Version) -> Result<Stated, GoodsError> {
    let said = if kind == kinds().item {
        Said::Item(ItemRow::decode(&version.body)?)
    } else if kind == kinds().barcode {
        Said::Barcode(BarcodeRow::decode(&version.body)?)
    } else {
        Said::Price(PriceRow::decode(&version.body)?)
    };
    Ok(Stated { layer, since: version.since, until: version.until, said })
}

impl ItemRows {
    /// What a node with this path, root first, sees of it at a revision.
    pub fn seen(&self, path: &[LayerNo], revision: Revision) -> Seen<'_> {
        let mut item: Option<(usize, &Stated)> = None;
        let mut barcodes: BTreeMap<&str, (usize, &Stated)> = BTreeMap::new();
        let mut prices: BTreeMap<&str, (usize, Vec<&Stated>)> = BTreeMap::new();
        for stated in self.stated.iter().filter(|stated| stated.holds_at(revision)) {
            let Some(depth) = path.iter().position(|layer| *layer == stated.layer) else { continue };
            match &stated.said {
                Said::Item(_) => {
                    if item.is_none_or(|(other, _)| depth > other) {
                        item = Some((depth, stated));
                    }
                }
                Said::Barcode(row) => {
                    let deepest = barcodes.entry(&row.barcode).or_insert((depth, stated));
                    if depth > deepest.0 {
                        *deepest = (depth, stated);
                    }
                }
                // Any price of a deeper layer hides all of the layers above.
                Said::Price(row) => {
                    let deepest = prices.entry(&row.of).or_insert((depth, Vec::new()));
                    if depth > deepest.0 {
                        *deepest = (depth, Vec::new());
                    }
                    if depth == deepest.0 {
                        deepest.1.push(stated);
                    }
                }
            }
        }
        Seen {
            item: item.map(|(_, stated)| stated),
            barcodes: barcodes.into_values().map(|(_, stated)| stated).collect(),
            prices: prices.into_values().flat_map(|(_, stated)| stated).collect(),
        }
    }
}

impl<'a> Seen<'a> {
    /// Its name.
    pub fn name(&self) -> Option<&'a str> {
        match &self.item?.said {
            Said::Item(row) => row.name.as_deref(),
            _ => None,
        }
    }

    /// What it costs at a local time: of each barcode, or of the item where it has none. Empty
    /// where it is not sold.
    pub fn offers(&self, at: DateTime) -> Vec<Offer<'a>> {
        if self.item.is_none() {
            return Vec::new();
        }
        let named = self.barcodes.iter().filter_map(|stated| match &stated.said {
            Said::Barcode(row) => Some(row.barcode.as_str()),
            _ => None,
        });
        let offers: Vec<_> = named.map(|barcode| self.offer(Some(barcode), at)).collect();
        if offers.is_empty() { vec![self.offer(None, at)] } else { offers }
    }

    /// What one barcode of it costs at a local time; one that it has not, or none: the item.
    pub fn offer(&self, barcode: Option<&'a str>, at: DateTime) -> Offer<'a> {
        let Some((Said::Item(row), item)) = self.item.map(|item| (&item.said, item)) else {
            return Offer { barcode, priced: None };
        };
        let documents = self.prices.iter().filter_map(|stated| match &stated.said {
            Said::Price(row) => Some((row, *stated)),
            _ => None,
        });
        let documents: Vec<(&PriceRow, &Stated)> = documents.collect();
        let own = self.barcodes.iter().find_map(|stated| match &stated.said {
            Said::Barcode(row) if Some(row.barcode.as_str()) == barcode => Some((row, *stated)),
            _ => None,
        });
        let priced = goods::price_at((row, item), own, &documents, at);
        Offer { barcode, priced: priced.map(|priced| (priced.price, priced.by, priced.row)) }
    }

    /// When, after a local time, prices change by what is known now, and the prices that are new
    /// then.
    pub fn coming(&self, after: DateTime) -> Vec<(DateTime, Vec<Offer<'a>>)> {
        let mut moments = BTreeSet::new();
        for stated in &self.prices {
            let Said::Price(row) = &stated.said else { continue };
            let ended = row.until.and_then(|until| until.checked_add(1.second()).ok());
            moments.extend(row.from.into_iter().chain(ended).filter(|at| *at > after));
        }
        let mut before = self.offers(after);
        let mut coming = Vec::new();
        for at in moments {
            let then = self.offers(at);
            let pairs = then.iter().zip(&before);
            let new: Vec<_> =
                pairs.filter(|(then, before)| then.price() != before.price()).map(|(new, _)| new).collect();
            if !new.is_empty() {
                coming.push((at, new.into_iter().cloned().collect()));
            }
            before = then;
        }
        coming.truncate(MAX_COMING);
        coming
    }
}
