//! Goods as people ask for them: found by barcode, code or words of the name ([`search`]), with
//! what each layer says of one and what that comes to for a node ([`rows`]), and how its price
//! became what it is ([`changes`]).
//!
//! All of it is read from the layers and their log, which keep what was for as long as
//! `retention.dictionary_days` says. Only words of names need more: [`index`] reads them by and
//! by, apart from loads.
//!
//! **Architecture invariant:** what an item costs is the rule of the till's view `goods`
//! ([`tillway_exchangers::goods`]), and which layer is heard is that of
//! [`crate::dictionary::overlay`]: deeper layers stand for the whole of what upper ones say.

pub mod changes;
pub mod index;
pub mod rows;
pub mod search;
#[cfg(test)]
mod tests;

use crate::store::StoreError;
use tillway_exchangers::goods::{GoodsKinds, goods_kinds};
use tillway_exchangers::row::RowError;

/// Why a question about goods has no answer.
#[derive(Debug, thiserror::Error)]
pub enum GoodsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row of the dictionary does not read.
    #[error(transparent)]
    Row(#[from] RowError),
}

fn kinds() -> GoodsKinds {
    goods_kinds()
}
