//! Which package a till needs.

use crate::dictionary::View;
use crate::dictionary::entry::KindId;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::DictionarySnapshot;
use crate::store::packages::PackageKey;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use tillway_exchangers::kinds::Kind;
use tillway_proto::Revision;

/// Marks a full package in its key.
pub const ALL: &str = "all";

/// What a till cannot go on from by a difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Repair {
    /// Nothing is wrong.
    #[default]
    None,
    /// These kinds, by name, must come whole. Names that are not known are overlooked.
    Kinds(BTreeSet<String>),
    /// Everything must come whole.
    All,
}

impl Repair {
    /// From the kinds that a till names in its report: none named means all of them.
    pub fn of_report(kinds: &[String]) -> Self {
        if kinds.is_empty() { Self::All } else { Self::Kinds(kinds.iter().cloned().collect()) }
    }

    fn kinds(&self) -> BTreeSet<KindId> {
        match self {
            Self::Kinds(names) => names.iter().filter_map(|name| Kind::by_name(name)).map(|k| KindId(k.id())).collect(),
            Self::None | Self::All => BTreeSet::new(),
        }
    }
}

/// When layers were changed last, looked up once each: many tills ask the same.
pub struct Touches<'a> {
    snapshot: &'a dyn DictionarySnapshot,
    known: RefCell<HashMap<(LayerNo, Revision), Option<Revision>>>,
}

impl<'a> Touches<'a> {
    /// At one moment.
    pub fn over(snapshot: &'a dyn DictionarySnapshot) -> Self {
        Self { snapshot, known: RefCell::default() }
    }

    /// The newest revision of a layer at or before this one.
    fn newest(&self, layer: LayerNo, revision: Revision) -> Result<Option<Revision>, StoreError> {
        if let Some(known) = self.known.borrow().get(&(layer, revision)) {
            return Ok(*known);
        }
        let newest = self.snapshot.newest_touch(layer, revision)?;
        self.known.borrow_mut().insert((layer, revision), newest);
        Ok(newest)
    }
}

/// A package to be found or built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it takes to what.
    pub key: PackageKey,
    /// The effective path that it starts at; empty for a full one.
    pub from_path: Vec<LayerNo>,
    /// The effective path that it leads to.
    pub to_path: Vec<LayerNo>,
    /// Kinds that it holds whole, where it is not full.
    pub whole: BTreeSet<KindId>,
}

impl Plan {
    /// Whether it stands alone.
    pub fn is_full(&self) -> bool {
        self.key.whole == ALL
    }
}

/// The package that takes a node from `cursor` to its target; none where there is nothing to do.
pub fn plan(
    touches: &Touches<'_>,
    view: &View,
    no: LayerNo,
    cursor: Revision,
    repair: &Repair,
) -> Result<Option<Plan>, StoreError> {
    let to = view.target(no);
    let whole = repair.kinds();
    if to == Revision::ZERO || (cursor >= to && whole.is_empty() && *repair != Repair::All) {
        return Ok(None);
    }
    let to_path = view.effective_path(no, view.head);
    let known = cursor >= view.log_start && !view.is_lost(cursor) && *repair != Repair::All;
    let from = if known { same_state_since(touches, view, no, cursor)? } else { Revision::ZERO };
    if from == Revision::ZERO {
        return Ok(Some(full(to_path, to)));
    }
    let from_path = view.effective_path(no, from);
    let key = PackageKey {
        from_path: path_key(&from_path),
        from,
        to_path: path_key(&to_path),
        to,
        whole: whole.iter().map(|kind| kind.0.to_string()).collect::<Vec<_>>().join(","),
    };
    Ok(Some(Plan { key, from_path, to_path, whole }))
}

/// The full package that leads to a state.
pub fn full(to_path: Vec<LayerNo>, to: Revision) -> Plan {
    let key = PackageKey {
        from_path: String::new(),
        from: Revision::ZERO,
        to_path: path_key(&to_path),
        to,
        whole: ALL.to_owned(),
    };
    Plan { key, from_path: Vec::new(), to_path, whole: BTreeSet::new() }
}

/// The layers as text, for keys.
pub fn path_key(path: &[LayerNo]) -> String {
    path.iter().fold(String::new(), |mut text, layer| {
        let _ = write!(text, "/{}", layer.0);
        text
    })
}

/// The newest revision at or before `cursor` that changed anything for the node: tills with
/// cursors from there on are in one state. Zero where the node saw nothing yet.
fn same_state_since(touches: &Touches<'_>, view: &View, no: LayerNo, cursor: Revision) -> Result<Revision, StoreError> {
    let path = view.effective_path(no, cursor);
    if path.is_empty() {
        return Ok(Revision::ZERO);
    }
    let mut since = Revision::ZERO;
    for layer in path {
        since = since.max(touches.newest(layer, cursor)?.unwrap_or_default());
    }
    since = since.max(view.newest_path_change(no, cursor, since));
    // Where the log was cut between that revision and the cursor, the cut is the oldest that can
    // be built on.
    Ok(since.max(view.log_start).min(cursor))
}
