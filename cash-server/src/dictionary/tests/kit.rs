//! A small chain to load dictionaries into: chain → groups north and south → shops 1 (north) and 2 (south) → tills.

use crate::dictionary::DictionaryService;
use crate::dictionary::entry::{Entry, KindId, LoadOutcome, Upsert, carry_out};
use crate::network::{LayerNo, NetworkService};
use crate::store::dictionary::{DictionaryStore, LoadTxn};
use crate::store::sqlite::DictionaryDb;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tillway_exchangers::aif::RecordReader;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row;
use tillway_proto::{LoadId, NodeCode, NodeId, NodeLevel, RowHash, TillId};

pub(crate) const ITEM: KindId = KindId(1);
pub(crate) const BARCODE: KindId = KindId(2);

pub(crate) struct Chain {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) db: Arc<DictionaryDb>,
    pub(crate) network: NetworkService,
    pub(crate) dictionary: DictionaryService,
    pub(crate) root: NodeId,
    loads: AtomicI64,
}

pub(crate) fn code(text: &str) -> NodeCode {
    text.parse().unwrap()
}

impl Chain {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Arc::new(DictionaryDb::open(&folder.path().join("dictionary.db")).unwrap());
        let network = NetworkService::new(db.clone());
        let root = network.ensure_chain(&code("main"), "").unwrap();
        let made = Self {
            folder,
            dictionary: DictionaryService::new(db.clone()),
            db,
            network,
            root,
            loads: AtomicI64::new(0),
        };
        for (group, shop) in [("north", "1"), ("south", "2")] {
            let group = made.make(&made.root, NodeLevel::Group, group);
            let shop = made.make(&group, NodeLevel::Shop, shop);
            made.make(&shop, NodeLevel::Till, "1");
            made.make(&shop, NodeLevel::Till, "2");
        }
        made
    }

    pub(crate) fn make(&self, parent: &NodeId, level: NodeLevel, text: &str) -> NodeId {
        self.network.create(parent, level, &code(text), "").unwrap().id
    }

    /// By folder name.
    pub(crate) fn node(&self, text: &str) -> NodeId {
        self.network.current().unwrap().find(text).unwrap().id.clone()
    }

    pub(crate) fn till(&self, text: &str) -> TillId {
        let NodeId::Till(id) = self.node(text) else { panic!("{text} is not a till") };
        id
    }

    pub(crate) fn no(&self, text: &str) -> LayerNo {
        self.network.current().unwrap().find(text).unwrap().no
    }

    pub(crate) fn begin(&self, node: &str) -> Box<dyn LoadTxn> {
        let load = LoadId(self.loads.fetch_add(1, Ordering::Relaxed) + 1);
        self.db.begin_load(self.no(node), load).unwrap()
    }

    /// Loads AIF into the layer of a node.
    pub(crate) fn load(&self, node: &str, aif: &str) -> LoadOutcome {
        let mut load = self.begin(node);
        for record in RecordReader::new(aif.as_bytes()) {
            carry_out(load.as_mut(), record.unwrap().command.unwrap()).unwrap();
        }
        load.commit().unwrap()
    }

    /// The head of a layer.
    pub(crate) fn head(&self, layer: LayerNo) -> BTreeMap<(KindId, String), RowHash> {
        let snapshot = self.db.snapshot().unwrap();
        let mut head = BTreeMap::new();
        for kind in snapshot.kinds(layer).unwrap() {
            for entry in snapshot.page(layer, kind, None, u32::MAX, false).unwrap() {
                head.insert((kind, entry.key), entry.hash);
            }
        }
        head
    }
}

/// `addInventItem` records; the price in kopecks as AIF writes it.
pub(crate) fn item(code: &str, name: &str, price: &str) -> String {
    format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"{code}","name":"{name}","price":{price}}}}}"#)
        + "\n---\n"
}

pub(crate) const CLEAR: &str = "{\"command\":\"clearInventory\"}\n---\n";

/// A row that is made up.
pub(crate) fn entry(kind: KindId, key: &str, value: u8) -> Entry {
    let body = [key.as_bytes(), &[0, value]].concat();
    let hash = row::hash(Kind::by_id(kind.0).unwrap(), &body);
    Entry { kind, key: key.to_owned(), hash, body }
}

pub(crate) fn upsert(main: Entry, owned: Option<Vec<Entry>>) -> Upsert {
    let replaces = if owned.is_some() { vec![BARCODE] } else { Vec::new() };
    Upsert { main, owned: owned.unwrap_or_default(), replaces }
}
