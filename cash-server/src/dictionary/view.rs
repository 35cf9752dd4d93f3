//! Which layers a node sees, which revision it must have, and which revisions are the same state
//! for it: pure questions to one moment's network and list of layers.

use super::entry::LayerSpan;
use crate::network::{LayerNo, Network};
use std::collections::HashMap;
use std::sync::Arc;
use tillway_proto::{Revision, TillId};

/// One moment, as far as it fits in memory.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The newest revision.
    pub head: Revision,
    /// The oldest revision whose state is known.
    pub log_start: Revision,
    /// Cursors between these two, both excluded, are of states that a restored server does not
    /// know.
    pub lost: (Revision, Revision),
    /// The network.
    pub network: Arc<Network>,
    /// Layers that hold or ever held anything.
    pub layers: HashMap<LayerNo, LayerSpan>,
}

/// What every till must have.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The newest revision.
    pub head: Revision,
    /// The network of that moment.
    pub network: Arc<Network>,
    /// The target of each live till; zero where it has nothing to get.
    pub of: HashMap<TillId, Revision>,
}

impl View {
    /// The layers that make up what a node saw at `revision`, root first: those on its path that
    /// held, or ever before held, anything. Tills with the same effective path are in the same
    /// state.
    pub fn effective_path(&self, no: LayerNo, revision: Revision) -> Vec<LayerNo> {
        let mut path = self.network.path_at(no, revision);
        path.retain(|layer| self.layers.get(layer).is_some_and(|span| span.first <= revision));
        path
    }

    /// The newest revision that changed anything for a node.
    pub fn target(&self, no: LayerNo) -> Revision {
        let path = self.effective_path(no, self.head);
        let touched = path.iter().filter_map(|layer| self.layers.get(layer)).map(|span| span.last).max();
        let touched = touched.unwrap_or_default().min(self.head);
        touched.max(self.newest_path_change(no, self.head, touched))
    }

    /// The target of each live till.
    pub fn targets(&self) -> Targets {
        let of = self.network.tills().map(|(id, node)| (id.clone(), self.target(node.no))).collect();
        Targets { head: self.head, network: Arc::clone(&self.network), of }
    }

    /// The newest revision, at or before `at` and after `floor`, at which a move changed the
    /// effective path of a node; zero where there is none.
    pub fn newest_path_change(&self, no: LayerNo, at: Revision, floor: Revision) -> Revision {
        let mut at = at;
        loop {
            let path = self.network.path_at(no, at);
            let nodes = path.iter().filter_map(|layer| self.network.by_no(*layer));
            let moves = nodes.flat_map(|node| node.parents.iter().map(|entry| entry.since));
            let newest = moves.filter(|since| *since <= at).max().unwrap_or_default();
            if newest <= floor {
                return Revision::ZERO;
            }
            let before = Revision(newest.0 - 1);
            if self.effective_path(no, before) != self.effective_path(no, newest) {
                return newest;
            }
            at = before;
        }
    }

    /// Whether a till may have got that cursor from a server whose later states were lost.
    pub fn is_lost(&self, cursor: Revision) -> bool {
        self.lost.0 < cursor && cursor < self.lost.1
    }
}
