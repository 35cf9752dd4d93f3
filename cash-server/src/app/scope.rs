//! Lists as somebody sees them whose place is a part of the tree: what belongs to another part is
//! not in them.

use super::Acting;
use super::error::AppError;
use super::rights::{self, Act, Denied, Place, Within};
use crate::network::{LayerNo, Network, NetworkService, Node};
use crate::store::sales::{MAX_PAGE, Page};
use std::sync::Arc;
use tillway_proto::{NodeId, Revision, ShopId, TillId};
use tillway_service::actor::Caller;

/// Rows of a list of everything that are looked at, at most, for those of one part of the tree.
const MAX_LOOKED_AT: u32 = 20_000;

/// Where a caller may look.
pub(super) struct Scope(Option<(NodeId, Arc<Network>)>);

impl Scope {
    /// Of this caller, where they may do this anywhere at all.
    pub(super) fn of(network: &NetworkService, caller: &Caller, act: Act) -> Result<Self, AppError> {
        match rights::within(caller, act) {
            Some(Within::WholeTree) => Ok(Self(None)),
            Some(Within::Below(top)) => Ok(Self(Some((top, network.current()?)))),
            Some(Within::Own(_)) | None => Err(AppError::Denied(Denied::MayNot { actor: caller.actor.clone() })),
        }
    }

    /// A node and what is below it.
    pub(super) fn below(top: NodeId, network: &NetworkService) -> Result<Self, AppError> {
        Ok(Self(Some((top, network.current()?))))
    }

    /// Whether it is the whole tree.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the node stands in it. One that was removed stands in the whole tree alone.
    pub(super) fn covers(&self, node: &NodeId) -> bool {
        self.0.as_ref().is_none_or(|(top, network)| network.is_below(node, top))
    }

    pub(super) fn covers_till(&self, till: &TillId) -> bool {
        self.is_whole() || self.covers(&NodeId::Till(till.clone()))
    }

    /// What is seen of the network.
    pub(super) fn seen(&self, network: Arc<Network>) -> Arc<Network> {
        match &self.0 {
            None => network,
            Some((top, _)) => Arc::new(network.seen_from(top)),
        }
    }

    /// The node whose part of the tree it is.
    pub(super) fn top<'a>(&self, network: &'a Network) -> Option<&'a Node> {
        match &self.0 {
            Some((top, _)) => network.node(top),
            None => network.chain(),
        }
    }

    /// The layers that tills in it may see anything of, upper ones before those below them.
    pub(super) fn layers(&self, network: &Network) -> Vec<LayerNo> {
        let Some(top) = self.top(network) else { return Vec::new() };
        let above = network.path_at(top.no, Revision(u64::MAX)).into_iter().filter(|no| *no != top.no);
        above.chain(network.nodes().filter(|node| self.covers(&node.id)).map(|node| node.no)).collect()
    }

    /// The shops in it; none where it is the whole tree.
    pub(super) fn shops(&self) -> Option<Vec<ShopId>> {
        let (top, network) = self.0.as_ref()?;
        let shops = network.nodes().filter(|node| network.is_below(&node.id, top)).filter_map(|node| match &node.id {
            NodeId::Shop(shop) => Some(shop.clone()),
            _ => None,
        });
        Some(shops.collect())
    }

    /// The tills in it; none where it is the whole tree.
    pub(super) fn tills(&self) -> Option<Vec<TillId>> {
        let (top, network) = self.0.as_ref()?;
        let tills = network.tills_below(top).into_iter().filter_map(|node| match &node.id {
            NodeId::Till(till) => Some(till.clone()),
            _ => None,
        });
        Some(tills.collect())
    }

    /// The first rows of a list of everything that stand in it. `ask` gives the first so many.
    pub(super) fn first<T>(
        &self,
        limit: u32,
        mut ask: impl FnMut(u32) -> Result<Vec<T>, AppError>,
        node: impl Fn(&T) -> NodeId,
    ) -> Result<Vec<T>, AppError> {
        let mut asked = limit;
        loop {
            let rows = ask(asked)?;
            let is_all = self.is_whole() || rows.len() < asked as usize || asked >= MAX_LOOKED_AT;
            let mut seen: Vec<T> = rows.into_iter().filter(|row| self.is_whole() || self.covers(&node(row))).collect();
            if is_all || seen.len() >= limit as usize {
                seen.truncate(limit as usize);
                return Ok(seen);
            }
            asked = asked.saturating_mul(8).clamp(1, MAX_LOOKED_AT);
        }
    }
}

impl Acting {
    /// The node at which, and below which, the caller looks; none where it was removed.
    pub fn looks_at(&self) -> Result<Option<NodeId>, AppError> {
        let network = self.parts.network.current()?;
        Ok(self.reading()?.top(&network).map(|node| node.id.clone()))
    }

    /// Tells of a node whether the caller may look at it.
    pub fn may_see(&self) -> Result<impl Fn(&NodeId) -> bool, AppError> {
        let scope = self.reading()?;
        Ok(move |node: &NodeId| scope.covers(node))
    }
}

/// A part of the lists of several as one list. `before`: the order in which each of them is.
pub(super) fn merged<T, K: Ord>(
    lists: impl IntoIterator<Item = Result<Vec<T>, AppError>>,
    page: Page,
    newest_first: impl Fn(&T) -> K,
) -> Result<Vec<T>, AppError> {
    let mut rows = Vec::new();
    for list in lists {
        rows.extend(list?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(newest_first(row)));
    let skipped = usize::try_from(page.offset).unwrap_or(usize::MAX);
    Ok(rows.into_iter().skip(skipped).take(page.limit as usize).collect())
}

/// The first rows of one list, as many as a page of the merged one may need of it.
pub(super) fn up_to<T>(page: Page, mut ask: impl FnMut(Page) -> Result<Vec<T>, AppError>) -> Result<Vec<T>, AppError> {
    let needed = page.offset.saturating_add(page.limit.into());
    let mut rows: Vec<T> = Vec::new();
    while (rows.len() as u64) < needed {
        let left = needed - rows.len() as u64;
        let part = Page { offset: rows.len() as u64, limit: u32::try_from(left).unwrap_or(u32::MAX).min(MAX_PAGE) };
        let found = ask(part)?;
        let is_last = found.len() < part.limit as usize;
        rows.extend(found);
        if is_last {
            break;
        }
    }
    Ok(rows)
}

/// Whether the caller may do this there.
pub(super) fn judge(network: &NetworkService, caller: &Caller, act: Act, place: Place<'_>) -> Result<(), AppError> {
    let current = match rights::within(caller, act) {
        Some(Within::Below(_)) => Some(network.current()?),
        _ => None,
    };
    let is_below = |node: &NodeId, top: &NodeId| current.is_some_and(|network| network.is_below(node, top));
    rights::check(caller, act, place, is_below).map_err(AppError::Denied)
}
