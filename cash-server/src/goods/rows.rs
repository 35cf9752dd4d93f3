//! What layers say of one item at a revision, and what a node sees of it.
//!
//! Promises: of each layer the states of that one revision are read, each by its key, however long
//! the log is.

use super::{GoodsError, kinds};
use crate::dictionary::entry::{KindId, ObjectKey, Version};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, Group, LayerState, Wanted};
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tillway_exchangers::goods::{self, BarcodeRow, ItemRow, PriceRow, PricedBy};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::KEY_SEPARATOR;
use tillway_proto::{Kopecks, Revision};

/// Barcodes of one item that are looked at.
pub const MAX_BARCODES: usize = 200;

/// Layers, the uppermost, whose former states of an item are asked for barcodes that it had.
const LOOKED_BACK: usize = 50;

/// Former states of each of these, the newest.
const FORMER_STATES: u32 = 20;

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
    /// What it says.
    pub said: Said,
}

/// By which keys the rows of an item are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKeys {
    /// Code of the item.
    pub code: String,
    /// The item, and its barcodes.
    ones: Vec<ObjectKey>,
    /// How the keys of its prices start.
    prices: BTreeSet<String>,
}

impl ItemKeys {
    /// As the store is asked for them.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let prices = self.prices.iter().map(|start| Wanted::Group(Group { kind: kinds().price.into(), start }));
        self.ones.iter().map(Wanted::One).chain(prices).collect()
    }

    /// The key of the item itself.
    pub fn item(&self) -> ObjectKey {
        item_key(&self.code)
    }
}

/// What some layers say of one item at a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemRows {
    by_layer: HashMap<LayerNo, Vec<Stated>>,
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

/// Finds the keys of an item's rows in these layers, upper ones first. `more` names barcodes that
/// it may have had.
pub fn keys_of(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    code: &str,
    more: &[String],
) -> Result<ItemKeys, GoodsError> {
    let item = item_key(code);
    let mut barcodes: BTreeSet<String> = more.iter().cloned().collect();
    for one in snapshot.states_at(layers, &[Wanted::One(&item)], snapshot.head())? {
        barcodes.extend(ItemRow::decode(&one.state.body)?.barcode);
    }
    // The item names its main barcode, also one that it has no more.
    for layer in layers.iter().take(LOOKED_BACK) {
        for former in snapshot.history(*layer, &item, FORMER_STATES)? {
            barcodes.extend(ItemRow::decode(&former.body)?.barcode);
        }
    }
    for layer in layers {
        for key in snapshot.belonging(*layer, kinds().barcode.into(), &item, MAX_BARCODES)? {
            barcodes.extend(key.key.split(KEY_SEPARATOR).next().map(str::to_owned));
        }
    }
    let barcodes: Vec<String> = barcodes.into_iter().take(MAX_BARCODES).collect();
    let joined = |parts: [&str; 2]| parts.join(&KEY_SEPARATOR.to_string());
    let of_barcode = |barcode: &String| ObjectKey { kind: kinds().barcode.into(), key: joined([barcode, code]) };
    Ok(ItemKeys {
        code: code.to_owned(),
        ones: std::iter::once(item).chain(barcodes.iter().map(of_barcode)).collect(),
        prices: barcodes.iter().map(String::as_str).chain([code]).map(|of| joined([of, ""])).collect(),
    })
}

/// Reads what these layers say of an item at a revision.
pub fn at(
    snapshot: &dyn DictionarySnapshot,
    layers: &[LayerNo],
    keys: &ItemKeys,
    revision: Revision,
) -> Result<ItemRows, GoodsError> {
    let mut by_layer: HashMap<LayerNo, Vec<Stated>> = HashMap::new();
    for one in snapshot.states_at(layers, &keys.wanted(), revision)? {
        by_layer.entry(one.layer).or_default().push(stated(&one)?);
    }
    Ok(ItemRows { by_layer })
}

/// What a state of an item calls it.
pub fn name_of(item: &Version) -> Result<Option<String>, GoodsError> {
    Ok(ItemRow::decode(&item.body)?.name)
}

fn item_key(code: &str) -> ObjectKey {
    ObjectKey { kind: kinds().item.into(), key: code.to_owned() }
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

fn stated(one: &LayerState) -> Result<Stated, GoodsError> {
    let (kind, body) = (one.kind, &one.state.body);
    let is = |other: Kind| kind == KindId::from(other);
    let said = if is(kinds().item) {
        Said::Item(ItemRow::decode(body)?)
    } else if is(kinds().barcode) {
        Said::Barcode(BarcodeRow::decode(body)?)
    } else {
        Said::Price(PriceRow::decode(body)?)
    };
    Ok(Stated { layer: one.layer, since: one.state.since, said })
}

impl ItemRows {
    /// What a layer says.
    pub fn of(&self, layer: LayerNo) -> &[Stated] {
        self.by_layer.get(&layer).map_or(&[], Vec::as_slice)
    }

    /// How many rows there are in all layers.
    pub fn len(&self) -> usize {
        self.by_layer.values().map(Vec::len).sum()
    }

    /// Whether no layer says anything.
    pub fn is_empty(&self) -> bool {
        self.by_layer.is_empty()
    }

    /// What a node with this path, root first, sees of it.
    pub fn seen(&self, path: &[LayerNo]) -> Seen<'_> {
        let mut item: Option<(usize, &Stated)> = None;
        let mut barcodes: BTreeMap<&str, (usize, &Stated)> = BTreeMap::new();
        let mut prices: BTreeMap<&str, (usize, Vec<&Stated>)> = BTreeMap::new();
        let stated =
            path.iter().enumerate().flat_map(|(depth, layer)| self.of(*layer).iter().map(move |one| (depth, one)));
        for (depth, stated) in stated {
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
