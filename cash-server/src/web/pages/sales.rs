//! Sales: shifts with their checks, receipts, totals. Each list has its filter in the address,
//! page by page, and as CSV.

mod receipt;
mod receipts;
mod shifts;
mod totals;

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::tills::{MAX_CHOICES, nodes_of};
use super::{Kind, Made, Reader, WebState, show, table};
use crate::app::{AppError, SalesOf};
use crate::network::Network;
use crate::words::{FluentValue, Reason, Words};
use axum::Router;
use jiff::civil::Date;
use jiff::{Span, Zoned};
use serde::{Deserialize, Serialize};
use tillway_proto::sales::v1;
use tillway_proto::{NodeLevel, ShopId, TillId};
use tillway_service::page::Crumb;

pub(super) use receipt::{Printed, SlipView, slip};

#[cfg(test)]
pub(super) use {
    receipt::{LineView, PaymentView, ReceiptPage},
    receipts::{Asked as ReceiptsAsked, ReceiptRow, ReceiptsView},
    shifts::{SalesView, VerdictChip},
    totals::{ByChip, TotalRow, TotalsView},
};

pub(super) fn router() -> Router<WebState> {
    Router::new().merge(shifts::router()).merge(receipts::router()).merge(receipt::router()).merge(totals::router())
}

/// Whose sales and of which days, as the address says it: what all these lists have in common.
/// What is empty filters nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Of {
    /// A till, as people type it: `7-1`, `till-7-1`, its id.
    pub(super) till: String,
    /// Folder name or code of a shop.
    pub(super) shop: String,
    /// Folder name or code of a group.
    pub(super) group: String,
    /// A local day, or a time where a list has times.
    pub(super) from: String,
    /// The same, included.
    pub(super) to: String,
}

impl Of {
    fn parameters(&self) -> [(&'static str, &str); 5] {
        [("till", &self.till), ("shop", &self.shop), ("group", &self.group), ("from", &self.from), ("to", &self.to)]
    }

    /// The names as use cases know them.
    fn names(&self) -> Names {
        let named = |text: &str, level: &str| {
            let text = text.trim().replace('/', "-");
            let is_name = text.starts_with('_') || text.starts_with(&format!("{level}-")) || text == "All";
            (!text.is_empty()).then(|| if is_name { text.clone() } else { format!("{level}-{text}") })
        };
        Names { till: named(&self.till, "till"), shop: named(&self.shop, "shop"), group: named(&self.group, "group") }
    }
}

/// Names of nodes, whole.
struct Names {
    till: Option<String>,
    shop: Option<String>,
    group: Option<String>,
}

impl Names {
    fn of(&self) -> SalesOf<'_> {
        SalesOf { till: self.till.as_deref(), shop: self.shop.as_deref(), group: self.group.as_deref() }
    }
}

/// What stands above each of these lists.
#[derive(Debug, Serialize)]
pub(super) struct Above {
    pub(super) of: Of,
    pub(super) tabs: Vec<Tab>,
    pub(super) ranges: Vec<Tab>,
    /// Folder names with what they are called.
    pub(super) shops: Vec<(String, String)>,
    pub(super) groups: Vec<(String, String)>,
    pub(super) has_many_shops: bool,
    /// Why the list is empty, where it cannot be shown.
    pub(super) trouble: Option<String>,
}

/// A list that can be gone to, or a range that can be chosen.
#[derive(Debug, Serialize)]
pub(super) struct Tab {
    /// `sales-tab-<name>` or `range-<name>`.
    pub(super) name: &'static str,
    pub(super) address: String,
    pub(super) is_here: bool,
}

/// The lists, by their names, with their addresses.
const TABS: [(&str, &str); 3] = [("shifts", "/sales"), ("receipts", "/sales/receipts"), ("totals", "/sales/totals")];

/// Days of a range of one click.
const RANGES: [(&str, i64); 3] = [("today", 1), ("week", 7), ("month", 30)];

impl Above {
    /// `address`: of the same list over other days.
    fn of(
        gathered: &Gathered<'_>,
        of: &Of,
        here: &str,
        address: impl Fn(&[(&'static str, &str)]) -> String,
    ) -> Result<Self, AppError> {
        let (shops, groups) = (nodes_of(gathered, NodeLevel::Shop)?, nodes_of(gathered, NodeLevel::Group)?);
        let has_many_shops = shops.len() > MAX_CHOICES;
        let tab = |(name, path)| Tab { name, address: with(path, of.parameters()), is_here: name == here };
        let today = Zoned::now().date();
        let range = |(name, days): (&'static str, i64)| {
            let (from, to) = (first_of(today, days).to_string(), today.to_string());
            let is_here = of.from == from && of.to == to;
            Tab { name, address: address(&[("from", &from), ("to", &to)]), is_here }
        };
        Ok(Self {
            of: of.clone(),
            tabs: TABS.map(tab).into(),
            ranges: RANGES.map(range).into(),
            shops: if has_many_shops { Vec::new() } else { shops },
            groups,
            has_many_shops,
            trouble: None,
        })
    }
}

/// The day of what was typed. One that does not read filters nothing.
fn day(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// The first of so many days.
fn first_of(last: Date, days: i64) -> Date {
    last.checked_sub(Span::new().days(days - 1)).unwrap_or(Date::MIN)
}

/// An address with other values of some parameters; the pages begin anew.
fn changed<'a>(
    path: &str,
    all: impl IntoIterator<Item = (&'static str, &'a str)>,
    other: &[(&'static str, &'a str)],
) -> String {
    let all: Vec<_> = all.into_iter().collect();
    let is_new = |name: &str| !all.iter().any(|(known, _)| *known == name);
    let new = other.iter().filter(|(name, _)| is_new(name)).copied().collect::<Vec<_>>();
    let value = |(name, value)| {
        let other = other.iter().find(|(changed, _)| *changed == name);
        (name, other.map_or(value, |(_, value)| *value))
    };
    with(path, all.iter().copied().map(value).chain(new))
}

/// Why a list cannot be shown, in words: the rest of the page is.
fn trouble(error: &AppError, words: &Words) -> String {
    let why = words.reason(&Reason::of(error));
    match error {
        AppError::Store(_) => format!("{}: {why}", words.text("attention-sales-database", [])),
        _ => why,
    }
}

/// The way to a list of sales.
fn crumbs(words: &Words, here: Option<String>) -> Vec<Crumb> {
    let sales = words.text("nav-sales", []);
    match here {
        None => vec![Crumb::here(sales)],
        Some(here) => vec![Crumb::to(sales, "/sales"), Crumb::here(here)],
    }
}

/// A time of a till as people read it.
fn time(text: &str) -> String {
    text.replace('T', " ")
}

/// What a type of payment is called.
fn payment(type_code: i32, words: &Words) -> String {
    match type_code {
        1 => words.text("payment-cash", []),
        4 => words.text("payment-card", []),
        other => words.text("payment-other", [("n", FluentValue::from(other.to_string()))]),
    }
}

/// What a document of this type is called.
fn doctype(doctype: i32, words: &Words) -> String {
    match doctype {
        1 => words.text("doctype-sale", []),
        2 | 25 => words.text("doctype-refund", []),
        3 => words.text("doctype-cash-in", []),
        4 => words.text("doctype-cash-out", []),
        7 => words.text("doctype-cancelled-refund", []),
        8 => words.text("doctype-cancelled-sale", []),
        other => words.text("doctype-other", [("n", FluentValue::from(other.to_string()))]),
    }
}

/// What a till is called, also one that is gone.
fn till_named(network: &Network, till: &TillId) -> String {
    source::till_place(network, till)
}

/// What a shop is called, also one that is gone.
fn shop_named(network: &Network, shop: &ShopId) -> String {
    let node = network.node(&tillway_proto::NodeId::Shop(shop.clone()));
    node.map_or_else(|| shop.code().to_owned(), |node| format!("{} {}", node.code, node.name).trim_end().to_owned())
}
