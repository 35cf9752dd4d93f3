//! What a good costs on each till: what the till has, by the revision that it proved, and what it
//! shall have. Tills that see the same layers at the same revision are computed once.

use super::Till;
use super::error::AppError;
use super::goods::{Moment, PriceComing, PriceNow, StaleTill};
use crate::goods::rows::{self, ItemKeys, ItemRows, Offer, Stated};
use crate::network::LayerNo;
use jiff::civil::DateTime;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{Kopecks, NodeId, NodeLevel, Revision};

/// What a till has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    /// The state of this revision.
    State(Revision),
    /// Nobody knows: it was never heard of, or nothing speaks for what it has, or that is
    /// forgotten here.
    Unknown,
}

/// What a till has, as the server knows it.
pub(super) fn has(moment: &Moment, no: LayerNo, cursor: Revision) -> Has {
    let view = &moment.view;
    if cursor == Revision::ZERO || cursor > view.head || view.is_lost(cursor) {
        return Has::Unknown;
    }
    // What it has is what it shall have, whenever that was.
    if cursor >= view.target(no) {
        return Has::State(view.head);
    }
    if cursor < view.log_start { Has::Unknown } else { Has::State(cursor) }
}

/// Nodes that see the same.
struct Alike<'a> {
    offers: Vec<Offer<'a>>,
    coming: Vec<(DateTime, Vec<Offer<'a>>)>,
    shops: BTreeSet<LayerNo>,
    tills: u64,
}

/// A good on all tills that the caller sees.
pub(super) struct Tills<'a> {
    moment: &'a Moment,
    alike: BTreeMap<Vec<LayerNo>, Alike<'a>>,
    /// Tills that a row gives a price, by the place of the row.
    priced: HashMap<*const Stated, u64>,
    stale: Vec<StaleTill>,
    unknown: u64,
}

/// A till that does not have the newest state.
struct Behind<'t> {
    till: &'t Till,
    /// What it saw at its revision.
    saw: Vec<LayerNo>,
    /// What it shall see.
    shall_see: Vec<LayerNo>,
}

impl<'a> Tills<'a> {
    /// `now`: what the layers that the caller sees say of the good now.
    pub(super) fn of(moment: &'a Moment, keys: &ItemKeys, now: &'a ItemRows, tills: &[Till]) -> Result<Self, AppError> {
        let mut this =
            Self { moment, alike: alike(moment, now), priced: HashMap::new(), stale: Vec::new(), unknown: 0 };
        for alike in this.alike.values() {
            let by: BTreeSet<*const Stated> =
                alike.offers.iter().filter_map(|offer| offer.priced.map(|(.., by)| std::ptr::from_ref(by))).collect();
            for row in by {
                *this.priced.entry(row).or_default() += alike.tills;
            }
        }
        let mut behind: BTreeMap<Revision, Vec<Behind<'_>>> = BTreeMap::new();
        for till in tills {
            let Some(node) = moment.network().till(&till.status.till) else { continue };
            let shall_see = moment.path(node.no);
            if !this.alike.contains_key(&shall_see) {
                continue;
            }
            let Has::State(revision) = has(moment, node.no, till.status.record.cursor()) else {
                this.unknown += 1;
                continue;
            };
            if revision != moment.view.head {
                let saw = moment.view.effective_path(node.no, revision);
                behind.entry(revision).or_default().push(Behind { till, saw, shall_see });
            }
        }
        for (revision, tills) in behind {
            this.compare(keys, revision, &tills)?;
        }
        Ok(this)
    }

    /// Finds those of the tills at a revision that have another price than they shall have. Each
    /// layer is read once.
    fn compare(&mut self, keys: &ItemKeys, revision: Revision, tills: &[Behind<'_>]) -> Result<(), AppError> {
        let layers: BTreeSet<LayerNo> = tills.iter().flat_map(|till| till.saw.iter().copied()).collect();
        let layers: Vec<LayerNo> = layers.into_iter().collect();
        let then = rows::at(self.moment.snapshot.as_ref(), &layers, keys, revision)?;
        let mut told: HashMap<(&[LayerNo], &[LayerNo]), Option<Difference>> = HashMap::new();
        for Behind { till, saw, shall_see } in tills {
            let found = told.entry((saw.as_slice(), shall_see.as_slice())).or_insert_with(|| {
                let has = then.seen(saw).offers(self.moment.now);
                difference(&has, self.alike.get(shall_see).map_or(&[], |alike| &alike.offers))
            });
            self.stale.extend(found.as_ref().map(|found| StaleTill {
                till: till.status.till.clone(),
                barcode: found.barcode.clone(),
                has: found.has,
                should_have: found.should_have,
                revision: till.status.record.cursor(),
            }));
        }
        Ok(())
    }

    /// Tills that a row gives a price now.
    pub(super) fn priced_by(&self, stated: &Stated) -> u64 {
        self.priced.get(&std::ptr::from_ref(stated)).copied().unwrap_or_default()
    }

    /// Tills that shall sell it, and their shops.
    pub(super) fn selling(&self) -> (u64, u64) {
        let selling = self.alike.values().filter(|alike| !alike.offers.is_empty());
        let shops: BTreeSet<LayerNo> = selling.clone().flat_map(|alike| alike.shops.iter().copied()).collect();
        (selling.map(|alike| alike.tills).sum(), shops.len() as u64)
    }

    /// Tills of which nobody knows what they have.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Tills that have another price than they shall have.
    pub(super) fn into_stale(self) -> Vec<StaleTill> {
        self.stale
    }

    /// What it costs now, what is sold on the most tills first.
    pub(super) fn now(&self) -> Vec<PriceNow> {
        type Key = (Option<Kopecks>, Option<(LayerNo, PricedBy)>, Vec<String>);
        let mut found: BTreeMap<Key, (BTreeSet<LayerNo>, u64)> = BTreeMap::new();
        for alike in self.alike.values() {
            let by = |offer: &Offer<'_>| {
                let by = offer.priced.map(|(_, by, stated)| (stated.layer, by));
                (offer.price(), by)
            };
            for ((price, by), barcodes) in grouped(&alike.offers, by) {
                let places = found.entry((price, by, barcodes)).or_default();
                places.0.extend(&alike.shops);
                places.1 += alike.tills;
            }
        }
        let told = found.into_iter().map(|((price, by, barcodes), (shops, tills))| PriceNow {
            price,
            barcodes,
            by: by.and_then(|(layer, by)| Some((self.moment.id_of(layer)?, by))),
            shops: self.ids(shops),
            tills,
        });
        let mut told: Vec<PriceNow> = told.collect();
        told.sort_by_key(|one| std::cmp::Reverse(one.tills));
        told
    }

    /// What it will cost, in the order of time.
    pub(super) fn coming(&self) -> Vec<PriceComing> {
        type Key = (DateTime, Option<Kopecks>, Vec<String>);
        let mut found: BTreeMap<Key, (BTreeSet<LayerNo>, u64)> = BTreeMap::new();
        for alike in self.alike.values() {
            for (from, offers) in &alike.coming {
                for (price, barcodes) in grouped(offers, price_of) {
                    let places = found.entry((*from, price, barcodes)).or_default();
                    places.0.extend(&alike.shops);
                    places.1 += alike.tills;
                }
            }
        }
        let told = found.into_iter().map(|((from, price, barcodes), (shops, tills))| PriceComing {
            from,
            price,
            barcodes,
            shops: self.ids(shops),
            tills,
        });
        told.collect()
    }

    fn ids(&self, nodes: BTreeSet<LayerNo>) -> Vec<NodeId> {
        nodes.into_iter().filter_map(|no| self.moment.id_of(no)).collect()
    }
}

fn price_of(offer: &Offer<'_>) -> Option<Kopecks> {
    offer.price()
}

/// Barcodes by what is said of them.
fn grouped<K: Ord>(offers: &[Offer<'_>], said: impl Fn(&Offer<'_>) -> K) -> BTreeMap<K, Vec<String>> {
    let mut groups: BTreeMap<K, Vec<String>> = BTreeMap::new();
    for offer in offers {
        groups.entry(said(offer)).or_default().extend(offer.barcode.map(str::to_owned));
    }
    groups
}

/// What nodes see now, alike together.
fn alike<'a>(moment: &'a Moment, rows: &'a ItemRows) -> BTreeMap<Vec<LayerNo>, Alike<'a>> {
    let (network, now) = (moment.network(), moment.now);
    let mut alike: BTreeMap<Vec<LayerNo>, Alike<'a>> = BTreeMap::new();
    for node in network.nodes().filter(|node| moment.scope.covers(&node.id)) {
        let shop = match node.level() {
            NodeLevel::Till => node.parent(),
            NodeLevel::Shop if network.children(&node.id).is_empty() => Some(node.no),
            _ => continue,
        };
        let entry = alike.entry(moment.path(node.no)).or_insert_with_key(|path| {
            let seen = rows.seen(path);
            Alike { offers: seen.offers(now), coming: seen.coming(now), shops: BTreeSet::new(), tills: 0 }
        });
        entry.shops.extend(shop);
        entry.tills += u64::from(node.level() == NodeLevel::Till);
    }
    alike
}

/// A price that is another than it shall be.
struct Difference {
    /// Of which barcode.
    barcode: Option<String>,
    has: Option<Kopecks>,
    should_have: Option<Kopecks>,
}

/// The first price that is another.
fn difference(has: &[Offer<'_>], shall: &[Offer<'_>]) -> Option<Difference> {
    let of =
        |offers: &[Offer<'_>], barcode| offers.iter().find(|offer| offer.barcode == barcode).and_then(Offer::price);
    let barcodes: BTreeSet<Option<&str>> = shall.iter().chain(has).map(|offer| offer.barcode).collect();
    let pairs = barcodes.into_iter().map(|barcode| Difference {
        barcode: barcode.map(str::to_owned),
        has: of(has, barcode),
        should_have: of(shall, barcode),
    });
    // One whose price is old before one that is gone or new.
    pairs.filter(|one| one.has != one.should_have).min_by_key(|one| (one.has.is_none(), one.should_have.is_none()))
}
