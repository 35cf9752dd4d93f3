//! A small chain to load dictionaries into: chain → groups north and south → shops 1 (north) and 2
//! (south) → tills.

use crate::dictionary::DictionaryService;
use crate::dictionary::entry::{Delete, Entry, KindId, LoadOutcome, Upsert};
use crate::dictionary::load::{Orders, spare};
use crate::network::{LayerNo, NetworkService};
use crate::store::dictionary::{DictionaryStore, LoadTxn};
use crate::store::sqlite::DictionaryDb;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tillway_exchangers::formats::aif::RecordReader;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::records::{Command, Raw, RawRecords, Record};
use tillway_exchangers::row::{self, KeyMatch};
use tillway_proto::{LoadId, NodeCode, NodeId, NodeLevel, RowHash, TillId};

pub(crate) const ITEM: KindId = KindId(1);
pub(crate) const BARCODE: KindId = KindId(2);
pub(crate) const PRICE: KindId = KindId(3);

pub(crate) struct Chain {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) db: Arc<DictionaryDb>,
    pub(crate) network: NetworkService,
    pub(crate) dictionary: DictionaryService,
    pub(crate) root: NodeId,
    loads: AtomicI64,
}

/// A copy of the dictionary.
pub(crate) struct Backup(Vec<(&'static str, Vec<u8>)>);

const DATABASE_FILES: [&str; 4] = ["dictionary.db", "dictionary.db-wal", "network.db", "network.db-wal"];

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
        self.load_knowing(node, aif).0
    }

    /// Loads AIF into the layer of a node; of how many records the text alone said that nothing
    /// changes.
    pub(crate) fn load_knowing(&self, node: &str, aif: &str) -> (LoadOutcome, usize) {
        load_aif(self.begin(node), aif)
    }

    /// Copies the dictionary, as a backup does while nobody writes.
    pub(crate) fn backup(&self) -> Backup {
        let of = |name: &str| fs_err::read(self.folder.path().join(name)).unwrap_or_default();
        Backup(DATABASE_FILES.map(|name| (name, of(name))).into())
    }

    /// Puts a backup in the place of the dictionary.
    pub(crate) fn restore(&mut self, backup: &Backup) {
        let path = |name: &str| self.folder.path().join(name);
        // Whoever still has the old files open has files without a name.
        for name in DATABASE_FILES.into_iter().chain(["dictionary.db-shm", "network.db-shm"]) {
            let _ = fs_err::remove_file(path(name));
        }
        for (name, bytes) in &backup.0 {
            fs_err::write(path(name), bytes).unwrap();
        }
        self.db = Arc::new(DictionaryDb::open(&path("dictionary.db")).unwrap());
        self.network = NetworkService::new(self.db.clone());
        self.dictionary = DictionaryService::new(self.db.clone());
    }

    /// The keys of a kind in the head of a node's layer.
    pub(crate) fn keys(&self, node: &str, kind: KindId) -> Vec<String> {
        let head = self.head(self.no(node)).into_keys();
        head.filter(|(of, _)| *of == kind).map(|(_, key)| key.replace('\u{1f}', "/")).collect()
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

/// Carries out a load of AIF; of how many records the text alone said that nothing changes.
pub(crate) fn load_aif(mut load: Box<dyn LoadTxn>, aif: &str) -> (LoadOutcome, usize) {
    let mut records = RecordReader::new(aif.as_bytes());
    let (mut known, mut unread, mut orders) = (load.unchanged_records(), 0, Orders::default());
    while let Some(raw) = records.next_raw().unwrap() {
        let hash = if let Raw::Text(raw) = &raw { Some(raw.hash()) } else { None };
        if let Some(found) = hash.and_then(|hash| known.find(hash).unwrap()) {
            orders.carry_out(load.as_mut()).unwrap();
            if load.unchanged(found) {
                unread += 1;
                continue;
            }
        }
        let Record { line, command, .. } = raw.read(&jiff::tz::TimeZone::UTC);
        match command {
            Ok(command) => {
                if let Command::Upsert(expansion) = &command {
                    known.missed(expansion.main.kind.into(), expansion.main.key.as_str()).unwrap();
                }
                orders.add(load.as_mut(), command, line, hash).unwrap();
            }
            Err(reject) => {
                orders.carry_out(load.as_mut()).unwrap();
                drop(spare(load.as_mut(), &reject.spares).unwrap());
            }
        }
    }
    orders.carry_out(load.as_mut()).unwrap();
    drop(known);
    (load.commit().unwrap(), unread)
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

/// The object with this key.
pub(crate) fn exact(key: &str) -> KeyMatch {
    KeyMatch::Exact(row::ObjectKey::from_text(key))
}

/// Objects by parts of their keys; `*` is any.
pub(crate) fn parts(parts: &[&str]) -> KeyMatch {
    KeyMatch::of_parts(parts.iter().map(|part| (*part != "*").then(|| (*part).to_owned())).collect())
}

/// The deletion of these objects by the first line.
pub(crate) fn delete(kind: KindId, keys: KeyMatch) -> Delete {
    Delete { kind, keys, line: 1 }
}

pub(crate) fn upsert(main: Entry, owned: Option<Vec<Entry>>) -> Upsert {
    let replaces = if owned.is_some() { vec![BARCODE] } else { Vec::new() };
    Upsert { main, owned: owned.unwrap_or_default(), replaces, spared: Vec::new(), record: None }
}
