//! Receipts: looked for, and one of them whole, with the names of what was sold.

use super::Acting;
use super::error::AppError;
use super::sales::{Chosen, SalesOf};
use crate::dictionary::entry::{KindId, ObjectKey};
use crate::store::sales::{FoundReceipts, KeptReceipt, ReceiptFilter, ReceiptId, ReceiptPage};
use std::collections::BTreeMap;
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::row::{self, RowRef, ValueRef};
use tillway_proto::receipt::{Opened, ShiftKey};
use tillway_proto::{NodeId, TillId};

/// A receipt with what it names by code alone.
#[derive(Debug)]
pub struct ShownReceipt {
    /// The receipt.
    pub kept: KeptReceipt,
    /// The name of its cashier, where the record of its shift tells it.
    pub cashier: Option<String>,
    /// Names of items by their codes, as the till's dictionary has them now: a receipt names what
    /// was sold by code alone.
    pub items: BTreeMap<String, String>,
}

impl Acting {
    /// Receipts that a filter leaves. The filter's till and shops are those of `of`.
    pub fn find_receipts(
        &self,
        of: SalesOf<'_>,
        filter: ReceiptFilter,
        page: ReceiptPage,
    ) -> Result<FoundReceipts, AppError> {
        let Chosen { till, shops } = self.chosen(of)?;
        Ok(self.parts.sales.find_receipts(&ReceiptFilter { till, shops, ..filter }, page)?)
    }

    /// One receipt. Who may see the till may see it, and who may see the shop where it was sold.
    pub fn receipt(&self, text: &str) -> Result<ShownReceipt, AppError> {
        let scope = self.reading()?;
        let missing = || AppError::NoReceipt { receipt: text.to_owned() };
        let id: ReceiptId = text.parse().map_err(|_| missing())?;
        let kept = self.parts.sales.receipt(&id)?.ok_or_else(missing)?;
        if !scope.covers_till(&id.till) && !scope.covers(&NodeId::Shop(kept.shop.clone())) {
            return Err(missing());
        }
        let key = kept.document.key.as_ref();
        let opened = key.and_then(|key| Opened::from_wire(key.shift_opened.as_deref()).ok()).unwrap_or_default();
        let shift = self.parts.sales.shift_details(&id.till, ShiftKey { number: id.shift, opened })?;
        let cashier = shift.users.into_iter().find(|user| user.code == kept.document.cashier).map(|user| user.name);
        let lines = kept.document.lines.iter().chain(&kept.document.voided_lines);
        let items = self.names_of_items(&id.till, lines.map(|line| line.item_code.as_str()).collect())?;
        Ok(ShownReceipt { cashier: cashier.filter(|name| !name.is_empty()), items, kept })
    }

    /// What the dictionary of a till calls items now; of those that it does not have, nothing.
    fn names_of_items(&self, till: &TillId, mut codes: Vec<&str>) -> Result<BTreeMap<String, String>, AppError> {
        codes.sort_unstable();
        codes.dedup();
        let mut names = BTreeMap::new();
        let named = kinds::goods().and_then(|kind| Some((kind, kind.field(kind.spec().named_by?)?)));
        let (snapshot, view) = self.parts.dictionary.moment()?;
        let (Some((kind, field)), Some(node)) = (named, view.network.till(till)) else { return Ok(names) };
        // The deepest layer wins.
        for layer in view.effective_path(node.no, view.head).into_iter().rev() {
            let keys: Vec<ObjectKey> = codes.iter().map(|code| key_of(kind, code)).collect();
            let bodies = snapshot.bodies(layer, &keys.iter().collect::<Vec<_>>())?;
            let mut missing = Vec::new();
            for (code, body) in codes.iter().zip(bodies) {
                let Some(body) = body else {
                    missing.push(*code);
                    continue;
                };
                if let Some(ValueRef::Text(name)) = RowRef::decode(kind, &body)?.values.get(field) {
                    names.insert((*code).to_owned(), (*name).to_owned());
                }
            }
            codes = missing;
        }
        Ok(names)
    }
}

fn key_of(kind: Kind, code: &str) -> ObjectKey {
    ObjectKey { kind: KindId(kind.id()), key: row::ObjectKey::from_parts([code]).as_str().to_owned() }
}
