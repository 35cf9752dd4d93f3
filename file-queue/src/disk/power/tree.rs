//! Names as nodes: the same file or folder stays the same node whatever it is called, so that a
//! change can be left out of a history and the later ones still mean what they meant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::content::Content;
use super::ledger::{Before, Entry};

pub(super) type NodeId = usize;

/// The root of the file system.
const ROOT: NodeId = 0;

/// Where a node hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder.
    Named { folder: NodeId, name: OsString },
    /// Removed; in the ledger's `kept/` under this number.
    Kept(u64),
}

/// One change of names.
#[derive(Debug)]
pub(super) struct Change {
    /// Folders whose sync makes it durable.
    pub(super) folders: Vec<NodeId>,
    pub(super) durable: bool,
    /// Number under which something it took away is kept.
    kept: Option<u64>,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Put { node: NodeId, folder: NodeId, name: OsString },
    Take { node: NodeId },
}

/// Which node hangs where.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) places: HashMap<NodeId, Place>,
    by_name: BTreeMap<(NodeId, OsString), NodeId>,
}

impl Names {
    fn put(&mut self, node: NodeId, folder: NodeId, name: &OsString, kept: Option<u64>) {
        self.take(node);
        if let Some(replaced) = self.by_name.insert((folder, name.clone()), node) {
            match kept {
                Some(kept) => self.places.insert(replaced, Place::Kept(kept)),
                None => self.places.remove(&replaced),
            };
        }
        self.places.insert(node, Place::Named { folder, name: name.clone() });
    }

    fn take(&mut self, node: NodeId) {
        if let Some(Place::Named { folder, name }) = self.places.remove(&node) {
            self.by_name.remove(&(folder, name));
        }
    }

    /// The path of a node by its folders' names; `None` where it hangs nowhere, or in something
    /// removed.
    pub(super) fn path(&self, node: NodeId) -> Option<PathBuf> {
        if node == ROOT {
            return Some(PathBuf::from("/"));
        }
        match self.places.get(&node)? {
            Place::Named { folder, name } => self.path(*folder).map(|folder| folder.join(name)),
            Place::Kept(_) => None,
        }
    }

    /// How many folders are above a node.
    pub(super) fn depth(&self, node: NodeId) -> usize {
        match self.places.get(&node) {
            Some(Place::Named { folder, .. }) => self.depth(*folder) + 1,
            Some(Place::Kept(_)) | None => 0,
        }
    }
}

/// The ledger, understood.
#[derive(Debug)]
pub(super) struct History {
    nodes: usize,
    /// What was there before anything in the ledger.
    first: Names,
    /// What is there on the real disk.
    pub(super) present: Names,
    pub(super) changes: Vec<Change>,
    /// Content of files that were written to.
    pub(super) contents: HashMap<NodeId, Content>,
}

impl History {
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut history = Self {
            nodes: 1,
            first: Names::default(),
            present: Names::default(),
            changes: Vec::new(),
            contents: HashMap::new(),
        };
        for entry in entries {
            history.tell(entry);
        }
        history
    }

    fn tell(&mut self, entry: Entry) {
        match entry {
            Entry::CreateDir { path } | Entry::CreateFile { path } => {
                let Some((folder, name)) = self.split(&path) else { return };
                let node = self.new_node();
                self.change(vec![folder], None, Action::Put { node, folder, name });
            }
            Entry::Rename { from, to, kept } => {
                let Some(node) = self.find(&from) else { return };
                let (Some((old, _)), Some((folder, name))) = (self.split(&from), self.split(&to)) else { return };
                if kept.is_some() {
                    // It was there, whether or not the ledger has seen it come.
                    self.find(&to);
                }
                self.change(vec![old, folder], kept, Action::Put { node, folder, name });
            }
            Entry::Remove { path, kept } => {
                let Some((folder, _)) = self.split(&path) else { return };
                let Some(node) = self.find(&path) else { return };
                self.change(vec![folder], Some(kept), Action::Take { node });
            }
            Entry::Settled { kept } => {
                for change in &mut self.changes {
                    change.durable |= change.kept == Some(kept);
                }
            }
            Entry::SyncDir { path } => {
                let Some(folder) = self.find(&path) else { return };
                for change in &mut self.changes {
                    change.durable |= change.folders.contains(&folder);
                }
            }
            Entry::Write { path, offset, bytes, before } => {
                if let Some(content) = self.content(&path) {
                    content.write(offset, bytes, before);
                }
            }
            Entry::Cut { path, length, before } => self.cut(&path, length, before),
            Entry::SyncFile { path } => {
                if let Some(content) = self.content(&path) {
                    content.sync();
                }
            }
            Entry::SyncFailed { path } => {
                if let Some(content) = self.content(&path) {
                    content.sync_failed();
                }
            }
        }
    }

    fn cut(&mut self, path: &Path, length: u64, before: Before) {
        if let Some(content) = self.content(path) {
            content.cut(length, before);
        }
    }

    fn content(&mut self, path: &Path) -> Option<&mut Content> {
        let node = self.find(path)?;
        Some(self.contents.entry(node).or_default())
    }

    fn new_node(&mut self) -> NodeId {
        self.nodes += 1;
        self.nodes - 1
    }

    fn change(&mut self, folders: Vec<NodeId>, kept: Option<u64>, action: Action) {
        let change = Change { folders, durable: false, kept, action };
        apply(&mut self.present, &change);
        self.changes.push(change);
    }

    /// The node of a path as it is now; one the ledger has not seen was there before.
    fn find(&mut self, path: &Path) -> Option<NodeId> {
        let mut node = ROOT;
        for component in path.components() {
            match component {
                Component::RootDir => node = ROOT,
                Component::Normal(name) => {
                    let key = (node, name.to_os_string());
                    node = if let Some(known) = self.present.by_name.get(&key) {
                        *known
                    } else {
                        let old = self.new_node();
                        self.present.put(old, key.0, &key.1, None);
                        // Under the same name in the first state, unless another node has it
                        // there.
                        if !self.first.by_name.contains_key(&key) {
                            self.first.put(old, key.0, &key.1, None);
                        }
                        old
                    };
                }
                Component::CurDir | Component::ParentDir | Component::Prefix(_) => return None,
            }
        }
        Some(node)
    }

    fn split(&mut self, path: &Path) -> Option<(NodeId, OsString)> {
        Some((self.find(path.parent()?)?, path.file_name()?.to_os_string()))
    }

    /// The names as they are when only these changes were made, by their numbers.
    pub(super) fn with(&self, kept: &BTreeSet<usize>) -> Names {
        let mut names = self.first.clone();
        for (number, change) in self.changes.iter().enumerate() {
            if kept.contains(&number) {
                apply(&mut names, change);
            }
        }
        names
    }
}

fn apply(names: &mut Names, change: &Change) {
    match &change.action {
        Action::Put { node, folder, name } => names.put(*node, *folder, name, change.kept),
        Action::Take { node } => {
            names.take(*node);
            if let Some(kept) = change.kept {
                names.places.insert(*node, Place::Kept(kept));
            }
        }
    }
}
