//! What a good costs on each till: what the till has, by the revision that it proved, and what it
//! shall have. Tills that see the same layers at the same revision are computed once.

use super::Till;
use super::goods::{Moment, PriceComing, PriceNow, StaleTill};
use crate::goods::rows::{ItemRows, Offer, Stated};
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
    alike: Vec<Alike<'a>>,
    stale: Vec<StaleTill>,
    unknown: u64,
}

impl<'a> Tills<'a> {
    pub(super) fn of(moment: &'a Moment, rows: &'a ItemRows, tills: &[Till]) -> Self {
        let (network, head, now) = (moment.network(), moment.view.head, moment.now);
        let mut alike: BTreeMap<Vec<LayerNo>, Alike<'a>> = BTreeMap::new();
        for node in network.nodes().filter(|node| moment.scope.covers(&node.id)) {
            let shop = match node.level() {
                NodeLevel::Till => node.parent(),
                NodeLevel::Shop if network.children(&node.id).is_empty() => Some(node.no),
                _ => continue,
            };
            let path = moment.path(node.no);
            let entry = alike.entry(path).or_insert_with_key(|path| {
                let seen = rows.seen(path, head);
                Alike { offers: seen.offers(now), coming: seen.coming(now), shops: BTreeSet::new(), tills: 0 }
            });
            entry.shops.extend(shop);
            entry.tills += u64::from(node.level() == NodeLevel::Till);
        }
        let mut this = Self { moment, alike: Vec::new(), stale: Vec::new(), unknown: 0 };
        let mut told: HashMap<(Vec<LayerNo>, Revision), Vec<Offer<'a>>> = HashMap::new();
        for till in tills {
            let Some(node) = network.till(&till.status.till) else { continue };
            let Some(shall) = alike.get(&moment.path(node.no)).map(|alike| alike.offers.as_slice()) else { continue };
            let cursor = till.status.record.cursor();
            let Has::State(revision) = has(moment, node.no, cursor) else {
                this.unknown += 1;
                continue;
            };
            if revision == head {
                continue;
            }
            let path = moment.view.effective_path(node.no, revision);
            let has = told
                .entry((path, revision))
                .or_insert_with_key(|(path, revision)| rows.seen(path, *revision).offers(now));
            this.stale.extend(difference(has, shall).map(|(barcode, has, should_have)| StaleTill {
                till: till.status.till.clone(),
                barcode: barcode.map(str::to_owned),
                has,
                should_have,
                revision: cursor,
            }));
        }
        this.alike = alike.into_values().collect();
        this
    }

    /// Tills that a row gives a price now.
    pub(super) fn priced_by(&self, stated: &Stated) -> u64 {
        let gives = |offer: &Offer<'_>| offer.priced.is_some_and(|(.., by)| std::ptr::eq(by, stated));
        self.alike.iter().filter(|alike| alike.offers.iter().any(gives)).map(|alike| alike.tills).sum()
    }

    /// Tills that shall sell it, and their shops.
    pub(super) fn selling(&self) -> (u64, u64) {
        let selling = self.alike.iter().filter(|alike| !alike.offers.is_empty());
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
        for alike in &self.alike {
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
        for alike in &self.alike {
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

/// The first price that is another: of which barcode, what it is, what it shall be.
fn difference<'o>(
    has: &[Offer<'o>],
    shall: &[Offer<'o>],
) -> Option<(Option<&'o str>, Option<Kopecks>, Option<Kopecks>)> {
    let of =
        |offers: &[Offer<'_>], barcode| offers.iter().find(|offer| offer.barcode == barcode).and_then(Offer::price);
    let barcodes: BTreeSet<Option<&'o str>> = shall.iter().chain(has).map(|offer| offer.barcode).collect();
    let pairs = barcodes.into_iter().map(|barcode| (barcode, of(has, barcode), of(shall, barcode)));
    // One whose price is old before one that is gone or new.
    pairs.filter(|(_, has, shall)| has != shall).min_by_key(|(_, has, shall)| (has.is_none(), shall.is_none()))
}
