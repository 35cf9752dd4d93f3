//! Goods: found by what somebody types, and one with what every layer says of it, what it costs
//! where, and which tills have it at an old price.

use super::error::AppError;
use super::goods_tills::Tills;
use super::scope::Scope;
use super::{Acting, Till};
use crate::dictionary::View;
use crate::goods::changes::{Change, Log};
use crate::goods::rows::{self, ItemKeys, ItemRows, MAX_BARCODES, Offer, Said};
use crate::goods::search::{Hit, Shelves, Sought};
use crate::network::{LayerNo, Network};
use crate::store::dictionary::DictionarySnapshot;
use crate::store::intake::LoadSource;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{Kopecks, LoadId, NodeId, Revision, TillId};

/// Later than any revision.
const AFTER_ALL: Revision = Revision(u64::MAX);

/// Goods that were found.
#[derive(Debug)]
pub struct FoundGoods {
    /// In their order.
    pub goods: Vec<GoodsLine>,
    /// Where the list goes on; none: that is all.
    pub next: Option<String>,
    /// Whether words may not find all yet, since names of new goods are being read.
    pub is_behind: bool,
}

/// A good of a list.
#[derive(Debug)]
pub struct GoodsLine {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Its barcodes.
    pub barcodes: Vec<String>,
    /// What it costs: of its barcodes the least and the most.
    pub prices: Option<(Kopecks, Kopecks)>,
    /// Where it costs that.
    pub place: NodeId,
}

/// A good with all that is known of it.
#[derive(Debug)]
pub struct Good {
    /// Its code.
    pub code: String,
    /// Its name, at the caller's place.
    pub name: Option<String>,
    /// Its barcodes, in any layer.
    pub barcodes: Vec<String>,
    /// What layers say of it, upper ones first: as many rows as were asked for.
    pub said: Vec<SaidHere>,
    /// Rows of layers beyond these.
    pub said_more: u64,
    /// What it costs now.
    pub now: Vec<PriceNow>,
    /// What it will cost, by what is known now, in the order of time.
    pub coming: Vec<PriceComing>,
    /// Tills that shall sell it, and their shops.
    pub tills: u64,
    /// Shops of these.
    pub shops: u64,
    /// Tills that have another price than they shall have.
    pub stale: Vec<StaleTill>,
    /// Tills of which nobody knows what they have: never heard of, or too far behind.
    pub unknown: u64,
}

/// What a layer says of a good.
#[derive(Debug)]
pub struct SaidHere {
    /// Node of the layer.
    pub layer: NodeId,
    /// Since this revision.
    pub since: Revision,
    /// When that was; none where that is forgotten.
    pub at: Option<Timestamp>,
    /// Which load it was.
    pub load: Option<LoadId>,
    /// What it says.
    pub said: Said,
    /// Tills whose price it gives now.
    pub tills: u64,
}

/// What a good costs now in some shops.
#[derive(Debug)]
pub struct PriceNow {
    /// The price; none: it is sold without one.
    pub price: Option<Kopecks>,
    /// Of these barcodes; none: of the good, which has none.
    pub barcodes: Vec<String>,
    /// Node of the layer that gives it, and by which sort of row.
    pub by: Option<(NodeId, PricedBy)>,
    /// Shops.
    pub shops: Vec<NodeId>,
    /// Tills there.
    pub tills: u64,
}

/// What a good will cost in some shops.
#[derive(Debug)]
pub struct PriceComing {
    /// From this local time on.
    pub from: DateTime,
    /// The price; none: it has none then.
    pub price: Option<Kopecks>,
    /// Of these barcodes; none: of the good, which has none.
    pub barcodes: Vec<String>,
    /// Shops.
    pub shops: Vec<NodeId>,
    /// Tills there.
    pub tills: u64,
}

/// A till that has another price than it shall have.
#[derive(Debug)]
pub struct StaleTill {
    /// The till.
    pub till: TillId,
    /// Of this barcode; none: of the good, which has none.
    pub barcode: Option<String>,
    /// The price that it has; none: it does not sell it, or has no price.
    pub has: Option<Kopecks>,
    /// The price that it shall have.
    pub should_have: Option<Kopecks>,
    /// The revision that it has.
    pub revision: Revision,
}

/// How the price of a good became what it is.
#[derive(Debug)]
pub struct GoodHistory {
    /// Its name.
    pub name: Option<String>,
    /// The newest change first.
    pub changes: Vec<GoodChange>,
    /// Whether there were changes before, which are forgotten.
    pub is_cut: bool,
    /// Where the list goes on: with changes before this revision.
    pub next: Option<Revision>,
}

/// A change of a price.
#[derive(Debug)]
pub struct GoodChange {
    /// The change.
    pub change: Change,
    /// Node of the layer.
    pub layer: NodeId,
    /// Where the load came from; none where that is forgotten.
    pub source: Option<LoadSource>,
    /// Tills below the layer that have it.
    pub have: u64,
    /// All tills below it.
    pub tills: u64,
}

/// A till that a change of a price is for.
#[derive(Debug)]
pub struct TillOfChange {
    /// The till.
    pub till: TillId,
    /// Whether it has the change.
    pub has: bool,
    /// Since when, as far as that is known.
    pub since: Option<Timestamp>,
}

/// One moment of everything that is asked about goods.
pub(super) struct Moment {
    pub(super) scope: Scope,
    pub(super) snapshot: Box<dyn DictionarySnapshot>,
    pub(super) view: Arc<View>,
    /// Local time, which dated prices are told in.
    pub(super) now: DateTime,
}

impl Moment {
    pub(super) fn network(&self) -> &Network {
        &self.view.network
    }

    pub(super) fn id_of(&self, layer: LayerNo) -> Option<NodeId> {
        self.network().by_no(layer).map(|node| node.id.clone())
    }

    /// The layers that the caller sees anything of, and that hold something.
    fn layers(&self) -> Vec<LayerNo> {
        let mut layers = self.scope.layers(self.network());
        layers.retain(|layer| self.view.layers.contains_key(layer));
        layers
    }

    /// The layers that a node sees now, root first.
    pub(super) fn path(&self, no: LayerNo) -> Vec<LayerNo> {
        self.view.effective_path(no, self.view.head)
    }
}

impl Acting {
    pub(super) fn goods_moment(&self) -> Result<Moment, AppError> {
        let scope = self.reading()?;
        let (snapshot, view) = self.parts.dictionary.moment()?;
        Ok(Moment { scope, snapshot, view, now: Zoned::now().datetime() })
    }

    /// Finds goods: see [`Shelves::find`].
    pub fn find_goods(&self, sought: &Sought<'_>) -> Result<FoundGoods, AppError> {
        let moment = self.goods_moment()?;
        let shelves = Shelves {
            snapshot: moment.snapshot.as_ref(),
            view: &moment.view,
            layers: &moment.layers(),
            index: self.parts.goods.as_ref(),
            dictionary: self.parts.dictionary.store().identity()?,
        };
        let found = shelves.find(sought)?;
        let top = moment.scope.top(moment.network()).map(|node| node.no);
        let goods = found.hits.iter().map(|hit| line(&moment, top, hit)).collect::<Result<_, _>>()?;
        Ok(FoundGoods { goods, next: found.next.map(|next| next.to_string()), is_behind: found.is_behind })
    }

    /// A good, with what each layer says of it, at most `rows` rows, and what it costs where.
    pub fn good(&self, code: &str, rows: usize) -> Result<Good, AppError> {
        let moment = self.goods_moment()?;
        let tills = self.tills()?;
        let (layers, keys) = found(&moment, code)?;
        let now = rows::at(moment.snapshot.as_ref(), &layers, &keys, moment.view.head)?;
        let of_tills = Tills::of(&moment, &keys, &now, &tills)?;
        let here = layers.iter().flat_map(|layer| now.of(*layer));
        let barcodes: BTreeSet<String> = here
            .clone()
            .filter_map(|stated| match &stated.said {
                Said::Barcode(row) => Some(row.barcode.clone()),
                _ => None,
            })
            .collect();
        let mut said = Vec::new();
        for stated in here.take(rows) {
            let Some(layer) = moment.id_of(stated.layer) else { continue };
            let record = self.parts.dictionary.store().revision(stated.since)?;
            said.push(SaidHere {
                layer,
                since: stated.since,
                at: record.as_ref().map(|record| record.at),
                load: record.and_then(|record| record.load),
                said: stated.said.clone(),
                tills: of_tills.priced_by(stated),
            });
        }
        Ok(Good {
            code: code.to_owned(),
            name: name_of(&moment, &layers, &keys, &now)?,
            barcodes: barcodes.into_iter().collect(),
            said,
            said_more: now.len().saturating_sub(rows) as u64,
            now: of_tills.now(),
            coming: of_tills.coming(),
            tills: of_tills.selling().0,
            shops: of_tills.selling().1,
            unknown: of_tills.unknown(),
            stale: of_tills.into_stale(),
        })
    }

    /// How the price of a good became what it is: the changes before a revision, or (none) the
    /// newest, about `limit` of them.
    pub fn good_history(&self, code: &str, before: Option<Revision>, limit: usize) -> Result<GoodHistory, AppError> {
        let moment = self.goods_moment()?;
        let tills = self.tills()?;
        let (layers, keys) = found(&moment, code)?;
        let log = Log {
            snapshot: moment.snapshot.as_ref(),
            view: &moment.view,
            store: self.parts.dictionary.store().as_ref(),
            layers: &layers,
            zone: &TimeZone::system(),
        };
        let history = log.changes(&keys, before, limit)?;
        let mut sources: HashMap<LoadId, Option<LoadSource>> = HashMap::new();
        let mut told = Vec::new();
        let cursors = Cursors::below(&moment, &tills, history.changes.iter().map(|change| change.layer));
        for mut change in history.changes {
            let Some(layer) = moment.id_of(change.layer) else { continue };
            // A price of above is seen by whoever has it; the load that brought it is not.
            if !moment.scope.covers(&layer) {
                change.load = None;
            }
            let source = match change.load.map(|load| (load, sources.entry(load))) {
                Some((_, Entry::Occupied(known))) => known.get().clone(),
                Some((load, Entry::Vacant(unknown))) => {
                    unknown.insert(self.parts.journal.load(load)?.map(|record| record.source)).clone()
                }
                None => None,
            };
            let (have, tills) = cursors.with(change.layer, change.revision);
            told.push(GoodChange { change, layer, source, have, tills });
        }
        let now = rows::at(moment.snapshot.as_ref(), &layers, &keys, moment.view.head)?;
        let name = name_of(&moment, &layers, &keys, &now)?;
        Ok(GoodHistory { name, changes: told, is_cut: history.is_cut, next: history.next })
    }

    /// The tills that a change of a good's price is for, and since when each has it. `revision`:
    /// as [`Acting::good_history`] tells it.
    pub fn tills_of_change(&self, code: &str, revision: Revision) -> Result<Vec<TillOfChange>, AppError> {
        let moment = self.goods_moment()?;
        let tills = self.tills()?;
        let (layers, _) = found(&moment, code)?;
        let record = self.parts.dictionary.store().revision(revision)?;
        let record = record.filter(|record| layers.contains(&record.layer));
        let record = record.ok_or_else(|| AppError::UnknownChange { code: code.to_owned(), revision })?;
        let applied = self.parts.exchange.first_applied(revision, record.at)?;
        let since: HashMap<TillId, Timestamp> = applied.into_iter().collect();
        let of = |till: &&Till| {
            let has = till.status.record.cursor() >= revision;
            let since = since.get(&till.status.till).copied().filter(|_| has);
            TillOfChange { till: till.status.till.clone(), has, since }
        };
        Ok(below(&moment, &tills, record.layer).iter().map(of).collect())
    }
}

/// The tills that stand below a layer.
fn below<'a>(moment: &Moment, tills: &'a [Till], layer: LayerNo) -> Vec<&'a Till> {
    let network = moment.network();
    let no = |till: &Till| network.till(&till.status.till).map(|node| node.no);
    tills.iter().filter(|till| no(till).is_some_and(|no| network.is_within(no, layer))).collect()
}

/// Revisions of the tills below some layers.
struct Cursors(HashMap<LayerNo, Vec<Revision>>);

impl Cursors {
    fn below(moment: &Moment, tills: &[Till], layers: impl Iterator<Item = LayerNo>) -> Self {
        let network = moment.network();
        let mut of: HashMap<LayerNo, Vec<Revision>> = layers.map(|layer| (layer, Vec::new())).collect();
        for till in tills {
            let Some(node) = network.till(&till.status.till) else { continue };
            for layer in network.path_at(node.no, AFTER_ALL) {
                if let Some(cursors) = of.get_mut(&layer) {
                    cursors.push(till.status.record.cursor());
                }
            }
        }
        Self(of)
    }

    /// How many have a revision, and how many there are.
    fn with(&self, layer: LayerNo, revision: Revision) -> (u64, u64) {
        let below = self.0.get(&layer).map_or(&[][..], Vec::as_slice);
        (below.iter().filter(|cursor| **cursor >= revision).count() as u64, below.len() as u64)
    }
}

/// The layers that the caller sees, and how the rows of a good are found in them. Where none of
/// them ever had it, there is no such good.
fn found(moment: &Moment, code: &str) -> Result<(Vec<LayerNo>, ItemKeys), AppError> {
    let (layers, snapshot) = (moment.layers(), moment.snapshot.as_ref());
    let keys = rows::keys_of(snapshot, &layers, code, &[])?;
    let wanted = keys.wanted();
    let is_there = |layer: &LayerNo| Ok::<_, AppError>(snapshot.newest_change(*layer, &wanted, AFTER_ALL)?.is_some());
    for layer in &layers {
        if is_there(layer)? {
            return Ok((layers, keys));
        }
    }
    Err(AppError::UnknownGood { code: code.to_owned() })
}

/// What it is called at the caller's place, or in the uppermost layer that has or had it.
fn name_of(moment: &Moment, layers: &[LayerNo], keys: &ItemKeys, now: &ItemRows) -> Result<Option<String>, AppError> {
    let top = moment.scope.top(moment.network()).map(|node| moment.path(node.no)).unwrap_or_default();
    let name = |said: &Said| match said {
        Said::Item(row) => row.name.clone(),
        _ => None,
    };
    let mut here = layers.iter().flat_map(|layer| now.of(*layer));
    let named = now.seen(&top).name().map(str::to_owned).or_else(|| here.find_map(|one| name(&one.said)));
    if named.is_some() {
        return Ok(named);
    }
    for layer in layers {
        if let Some(last) = moment.snapshot.history(*layer, &keys.item(), 1)?.first() {
            return Ok(rows::name_of(last)?);
        }
    }
    Ok(None)
}

/// A line of a list: as the caller's place has it, else the place where it was found.
fn line(moment: &Moment, top: Option<LayerNo>, hit: &Hit) -> Result<GoodsLine, AppError> {
    let at_top = top.map(|top| (top, moment.path(top))).filter(|(_, path)| path.contains(&hit.layer));
    let (place, path) = at_top.unwrap_or_else(|| (hit.layer, moment.path(hit.layer)));
    let snapshot = moment.snapshot.as_ref();
    let rows = rows::at(snapshot, &path, &rows::keys_of(snapshot, &path, &hit.code, &[])?, moment.view.head)?;
    let seen = rows.seen(&path);
    let offers = seen.offers(moment.now);
    let prices = offers.iter().filter_map(Offer::price);
    Ok(GoodsLine {
        code: hit.code.clone(),
        name: seen.name().map(str::to_owned),
        barcodes: offers.iter().filter_map(|offer| offer.barcode).map(str::to_owned).take(MAX_BARCODES).collect(),
        prices: prices.clone().min().zip(prices.max()),
        place: moment
            .id_of(place)
            .or_else(|| moment.id_of(hit.layer))
            .ok_or(AppError::UnknownGood { code: hit.code.clone() })?,
    })
}
