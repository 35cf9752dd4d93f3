//! What a barcode costs on one till, now: what the till has, and what it will have.

use super::Acting;
use super::error::AppError;
use super::goods_tills::{Has, has};
use super::rights::Act;
use crate::goods::rows::{self, ItemRows, Said};
use crate::network::LayerNo;
use jiff::civil::DateTime;
use std::collections::BTreeSet;
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{Kopecks, NodeId, Revision, TillId};

/// What a barcode costs on a till.
#[derive(Debug)]
pub struct TillPrices {
    /// The till.
    pub till: TillId,
    /// What was asked for: a barcode, or an item's code.
    pub barcode: String,
    /// The local time that prices are told for.
    pub at: DateTime,
    /// The revision that the till proved to have; none: nobody knows what it has.
    pub revision: Option<Revision>,
    /// The revision that it shall have.
    pub target: Revision,
    /// The goods with this barcode: one, unless items share it.
    pub goods: Vec<TillPrice>,
}

/// What a good costs on a till.
#[derive(Debug)]
pub struct TillPrice {
    /// Code of the item.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// On the till; none: the till does not sell it, or nobody knows.
    pub has: Option<PriceHere>,
    /// Once the till has what it shall have; none: it will not sell it.
    pub will_have: Option<PriceHere>,
}

/// A price, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceHere {
    /// The price; none: it is sold without one.
    pub price: Option<Kopecks>,
    /// Node of the layer that gives it, and by which sort of row.
    pub by: Option<(NodeId, PricedBy)>,
    /// Up to this local time, where it is a dated one.
    pub until: Option<DateTime>,
}

impl Acting {
    /// What a barcode, or an item by its code, costs on a till now.
    pub fn till_prices(&self, till: &str, barcode: &str) -> Result<TillPrices, AppError> {
        let till = self.till_for(Act::Read, till)?;
        let cursor = self.parts.exchange.till(&till)?.record.cursor();
        let moment = self.goods_moment()?;
        let node = moment.network().require(&NodeId::Till(till.clone()))?;
        let (head, barcode) = (moment.view.head, barcode.trim());
        let will = moment.path(node.no);
        let had = match has(&moment, node.no, cursor) {
            Has::State(revision) => Some((moment.view.effective_path(node.no, revision), revision)),
            Has::Unknown => None,
        };
        let before = had.iter().flat_map(|(path, _)| path);
        let layers: Vec<LayerNo> = will.iter().chain(before).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let snapshot = moment.snapshot.as_ref();
        let mut codes = rows::codes_of(snapshot, &layers, barcode, Revision::ZERO)?;
        codes.insert(barcode.to_owned());
        let mut goods = Vec::new();
        for code in codes {
            let keys = rows::keys_of(snapshot, &layers, &code, &[barcode.to_owned()])?;
            let now = rows::at(snapshot, &will, &keys, head)?;
            let then = match &had {
                Some((path, revision)) => Some((path, rows::at(snapshot, path, &keys, *revision)?)),
                None => None,
            };
            let told = |rows: &ItemRows, path: &[LayerNo]| {
                let seen = rows.seen(path);
                let by_code = code == barcode;
                let of_it = seen.barcodes.iter().find_map(|stated| match &stated.said {
                    Said::Barcode(row) if row.barcode == barcode => Some(row.barcode.as_str()),
                    _ => None,
                });
                seen.item.filter(|_| by_code || of_it.is_some())?;
                let priced = seen.offer(of_it, moment.now).priced;
                let until = priced.and_then(|(.., stated)| match &stated.said {
                    Said::Price(row) => row.until,
                    _ => None,
                });
                let by = priced.and_then(|(_, by, stated)| Some((moment.id_of(stated.layer)?, by)));
                Some(PriceHere { price: priced.map(|(price, ..)| price), by, until })
            };
            let has = then.as_ref().and_then(|(path, rows)| told(rows, path));
            let will_have = told(&now, &will);
            if has.is_some() || will_have.is_some() {
                let name = |rows: &ItemRows, path: &[LayerNo]| rows.seen(path).name().map(str::to_owned);
                let name = name(&now, &will).or_else(|| then.as_ref().and_then(|(path, rows)| name(rows, path)));
                goods.push(TillPrice { code: code.clone(), name, has, will_have });
            }
        }
        Ok(TillPrices {
            till,
            barcode: barcode.to_owned(),
            at: moment.now,
            revision: had.map(|_| cursor),
            target: moment.view.target(node.no),
            goods,
        })
    }
}
