//! Receipts: looked for, and one of them whole, with the names of what was sold.

use super::Acting;
use super::error::AppError;
use super::sales::{Chosen, SalesOf};
use crate::dictionary::entry::{KindId, ObjectKey};
use crate::goods::search::Sought;
use crate::store::sales::{FoundReceipt, FoundReceipts, KeptReceipt, ReceiptFilter, ReceiptId, ReceiptPage};
use std::collections::{BTreeMap, BTreeSet};
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::row::{self, RowRef, ValueRef};
use tillway_proto::receipt::{Opened, ShiftKey};
use tillway_proto::{NodeId, TillId};

/// Most goods whose receipts are looked for by the words of their names: more are no answer to
/// anybody's question.
const MAX_ITEMS: usize = 200;

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
        let items = filter.item.as_deref().map(|text| self.items_called(text)).transpose()?.unwrap_or_default();
        Ok(self.parts.sales.find_receipts(&ReceiptFilter { till, shops, items, ..filter }, page)?)
    }

    /// Codes of the goods whose names have these words; none where the text has no letters, and is
    /// a code or a barcode.
    fn items_called(&self, text: &str) -> Result<Vec<String>, AppError> {
        if !text.chars().any(char::is_alphabetic) {
            return Ok(Vec::new());
        }
        let found = self.find_goods(&Sought { text, after: None, limit: MAX_ITEMS })?;
        // Whoever types a code or a barcode that has letters means that one.
        if found.goods.iter().any(|good| good.code == text || good.barcodes.iter().any(|barcode| barcode == text)) {
            return Ok(Vec::new());
        }
        if found.next.is_some() {
            return Err(AppError::TooManyItems { text: text.to_owned(), max: MAX_ITEMS });
        }
        Ok(found.goods.into_iter().map(|good| good.code).collect())
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
        let told = shift.users.into_iter().find(|user| user.code == kept.document.cashier).map(|user| user.name);
        let cashier = match told.filter(|name| !name.is_empty()) {
            Some(name) => Some(name),
            None => self.names_of_cashiers(&id.till, vec![&kept.document.cashier])?.pop_first().map(|(_, name)| name),
        };
        let lines = kept.document.lines.iter().chain(&kept.document.voided_lines);
        let items = self.names_of_items(&id.till, lines.map(|line| line.item_code.as_str()).collect())?;
        Ok(ShownReceipt { kept, cashier, items })
    }

    /// Names of cashiers of receipts, by till and code, as the tills' dictionaries have them now.
    pub fn cashiers_of(&self, receipts: &[FoundReceipt]) -> Result<BTreeMap<(TillId, String), String>, AppError> {
        let mut of_tills: BTreeMap<&TillId, BTreeSet<&str>> = BTreeMap::new();
        for one in receipts.iter().filter(|one| !one.receipt.cashier.is_empty()) {
            of_tills.entry(&one.till).or_default().insert(&one.receipt.cashier);
        }
        let mut names = BTreeMap::new();
        for (till, codes) in of_tills {
            let found = self.names_of_cashiers(till, codes.into_iter().collect())?;
            names.extend(found.into_iter().map(|(code, name)| ((till.clone(), code), name)));
        }
        Ok(names)
    }

    /// What the dictionary of a till calls items now; of those that it does not have, nothing.
    pub(super) fn names_of_items(&self, till: &TillId, codes: Vec<&str>) -> Result<BTreeMap<String, String>, AppError> {
        let named = kinds::goods().and_then(|kind| Some((kind, kind.field(kind.spec().named_by?)?)));
        self.names_on(till, named, codes)
    }

    /// The same of cashiers.
    pub(super) fn names_of_cashiers(
        &self,
        till: &TillId,
        codes: Vec<&str>,
    ) -> Result<BTreeMap<String, String>, AppError> {
        let mut names = self.names_on(till, kinds::cashiers(), codes)?;
        names.retain(|_, name| !name.is_empty());
        Ok(names)
    }

    fn names_on(
        &self,
        till: &TillId,
        named: Option<(Kind, usize)>,
        mut codes: Vec<&str>,
    ) -> Result<BTreeMap<String, String>, AppError> {
        codes.sort_unstable();
        codes.dedup();
        let mut names = BTreeMap::new();
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
