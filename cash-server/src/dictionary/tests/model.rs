//! Random trees, loads and moves, against a model that keeps every state whole.

use super::kit::{BARCODE, Backup, Chain, ITEM, PRICE, delete, entry, exact, parts, upsert};
use crate::dictionary::difference::{carry_forward, difference};
use crate::dictionary::entry::{Entry, KindId, ObjectKey, Upsert};
use crate::dictionary::{Digests, overlay};
use crate::network::LayerNo;
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tillway_exchangers::formats::aif;
use tillway_exchangers::records::{Position, RawRecord};
use tillway_proto::{NodeLevel, Revision, RowHash};

type Overlay = BTreeMap<(KindId, String), RowHash>;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Load { node: usize, commands: Vec<Order> },
    Move { node: usize, parent: usize },
}

#[derive(Debug, Clone)]
pub(crate) enum Order {
    Clear(Cleared),
    Delete {
        barcode: bool,
        key: u8,
    },
    DeletePrices {
        barcode: u8,
        document: Option<u8>,
    },
    Item {
        key: u8,
        value: u8,
        barcodes: Vec<(u8, u8)>,
        whole: bool,
    },
    Barcode {
        key: u8,
        value: u8,
    },
    Price {
        barcode: u8,
        document: u8,
        value: u8,
    },
    /// A record that cannot be read.
    Broken(Broken),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Cleared {
    Goods,
    Barcodes,
    Prices,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Broken {
    Item(u8),
    PricesOf(u8),
    SomeItem,
    /// A price whose key cannot be read.
    SomePrice,
    Anything,
}

impl Cleared {
    fn kinds(self) -> &'static [KindId] {
        match self {
            Self::Goods => &[ITEM, BARCODE, PRICE],
            Self::Barcodes => &[BARCODE],
            Self::Prices => &[PRICE],
        }
    }
}

pub(crate) const NODES: [&str; 9] =
    ["All", "group-north", "group-south", "group-inner", "shop-1", "shop-2", "till-1-1", "till-1-2", "till-2-1"];
const TILLS: [usize; 3] = [6, 7, 8];

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = prop_oneof![
        1 => prop_oneof![Just(Cleared::Goods), Just(Cleared::Barcodes), Just(Cleared::Prices)].prop_map(Order::Clear),
        1 => prop_oneof![
            (0..4_u8).prop_map(Broken::Item),
            (0..3_u8).prop_map(Broken::PricesOf),
            Just(Broken::SomeItem),
            Just(Broken::SomePrice),
            Just(Broken::Anything),
        ].prop_map(Order::Broken),
        2 => (any::<bool>(), 0..5_u8).prop_map(|(barcode, key)| Order::Delete { barcode, key }),
        5 => (0..4_u8, 0..3_u8, prop::collection::vec((0..5_u8, 0..3_u8), 0..3), any::<bool>())
            .prop_map(|(key, value, barcodes, whole)| Order::Item { key, value, barcodes, whole }),
        3 => (0..5_u8, 0..3_u8).prop_map(|(key, value)| Order::Barcode { key, value }),
        5 => (0..3_u8, 0..3_u8, 0..3_u8)
            .prop_map(|(barcode, document, value)| Order::Price { barcode, document, value }),
        2 => (0..3_u8, prop::option::of(0..3_u8))
            .prop_map(|(barcode, document)| Order::DeletePrices { barcode, document }),
    ];
    let step = prop_oneof![
        4 => (0..NODES.len(), prop::collection::vec(order, 0..6)).prop_map(|(node, commands)| Step::Load { node, commands }),
        1 => (1..NODES.len(), 0..6_usize).prop_map(|(node, parent)| Step::Move { node, parent }),
    ];
    prop::collection::vec(step, 1..14)
}

/// An object as a person would keep it.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    hash: RowHash,
    owner: Option<String>,
    /// A clearing took it, and nothing named it since.
    cleared: bool,
    /// The object whose deletion takes it, where nothing named it since.
    deleted: Option<(KindId, String)>,
}

/// A layer as a person would keep it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Layer(BTreeMap<(KindId, String), Kept>);

impl Layer {
    fn put(&mut self, entry: &Entry, owner: Option<&str>) {
        let kept = Kept { hash: entry.hash, owner: owner.map(str::to_owned), cleared: false, deleted: None };
        self.0.insert((entry.kind, entry.key.clone()), kept);
    }

    /// An item is gone with what it owns and with its prices.
    fn delete_item(&mut self, item: &str) {
        self.delete(ITEM, item);
        let root = (ITEM, item.to_owned());
        if self.0.get(&root).is_none_or(|kept| kept.deleted.as_ref() != Some(&root)) {
            return;
        }
        for ((kind, key), kept) in &mut self.0 {
            // A barcode of this model that nobody owns hangs on the item of the same name.
            let hangs = kept.owner.is_none() && *kind == BARCODE && key == item;
            let of_it = kept.owner.as_deref() == Some(item) || hangs || (*kind == PRICE && barcode_of(key) == item);
            if of_it && kept.deleted.is_none() {
                kept.deleted = Some(root.clone());
            }
        }
        let barcodes: Vec<String> = self
            .0
            .iter()
            .filter(|((kind, _), kept)| *kind == BARCODE && kept.deleted.as_ref() == Some(&root))
            .map(|((_, key), _)| key.clone())
            .collect();
        for ((kind, key), kept) in &mut self.0 {
            let of_barcode = *kind == PRICE && barcodes.iter().any(|barcode| barcode == barcode_of(key));
            if of_barcode && kept.deleted.is_none() {
                kept.deleted = Some(root.clone());
            }
        }
    }

    fn delete(&mut self, kind: KindId, key: &str) {
        let root = (kind, key.to_owned());
        if let Some(kept) = self.0.get_mut(&root) {
            kept.deleted = Some(root);
        }
    }

    /// A record that cannot be used may have been meant to add these: their deletion does not
    /// count.
    fn take_back(&mut self, meant: impl Fn(&(KindId, String)) -> bool) {
        for kept in self.0.values_mut() {
            kept.deleted.take_if(|root| meant(root));
        }
    }

    fn carry_out(&mut self, order: &Order) {
        match order {
            Order::Clear(cleared) => {
                let of_kind = |kind: KindId| cleared.kinds().contains(&kind);
                self.0.iter_mut().filter(|((kind, _), _)| of_kind(*kind)).for_each(|(_, kept)| kept.cleared = true);
            }
            Order::Delete { barcode: true, key } => self.delete(BARCODE, &name(*key)),
            Order::Delete { barcode: false, key } => self.delete_item(&name(*key)),
            Order::DeletePrices { barcode, document } => {
                let of_document = |key: &str| document.is_none_or(|document| key == price_key(*barcode, document));
                let meant =
                    |kind: KindId, key: &str| kind == PRICE && barcode_of(key) == name(*barcode) && of_document(key);
                for ((kind, key), kept) in &mut self.0 {
                    if meant(*kind, key) {
                        kept.deleted = Some((*kind, key.clone()));
                    }
                }
            }
            Order::Item { key, value, barcodes, whole } => {
                self.put(&entry(ITEM, &name(*key), *value), None);
                self.0.retain(|(_, barcode), kept| {
                    !whole
                        || kept.owner.as_ref() != Some(&name(*key))
                        || barcodes.iter().any(|(named, _)| name(*named) == *barcode)
                });
                for (barcode, value) in barcodes {
                    self.put(&entry(BARCODE, &name(*barcode), *value), Some(&name(*key)));
                }
            }
            Order::Barcode { key, value } => self.put(&entry(BARCODE, &name(*key), *value), None),
            Order::Price { barcode, document, value } => {
                self.put(&entry(PRICE, &price_key(*barcode, *document), *value), None);
            }
            Order::Broken(broken) => {
                self.take_back(|(kind, key)| match broken {
                    Broken::Item(item) => *kind == ITEM && *key == name(*item),
                    Broken::PricesOf(barcode) => *kind == PRICE && barcode_of(key) == name(*barcode),
                    Broken::SomeItem => [ITEM, BARCODE].contains(kind),
                    Broken::SomePrice => *kind == PRICE,
                    Broken::Anything => true,
                });
                for ((kind, key), kept) in &mut self.0 {
                    let spared = match broken {
                        Broken::Item(item) => {
                            (*kind == ITEM && *key == name(*item)) || kept.owner.as_ref() == Some(&name(*item))
                        }
                        Broken::PricesOf(barcode) => *kind == PRICE && barcode_of(key) == name(*barcode),
                        Broken::SomeItem => [ITEM, BARCODE].contains(kind),
                        Broken::SomePrice => *kind == PRICE,
                        Broken::Anything => true,
                    };
                    kept.cleared &= !spared;
                    // What is named stays, whatever took it.
                    if spared && !matches!(broken, Broken::Anything) {
                        kept.deleted = None;
                    }
                }
            }
        }
    }

    /// The load is at its end: what a clearing took and nothing named is gone, and with an item
    /// what it owns.
    fn sweep(&mut self) {
        let deleted: Vec<(KindId, String)> =
            self.0.iter().filter(|(_, kept)| kept.deleted.is_some()).map(|(key, _)| key.clone()).collect();
        for gone in deleted {
            self.0.remove(&gone);
            for kept in self.0.values_mut() {
                kept.owner.take_if(|owner| gone.0 == ITEM && *owner == gone.1);
            }
        }
        let gone = self.0.iter().filter(|((kind, _), kept)| *kind == ITEM && kept.cleared);
        for item in gone.map(|((_, item), _)| item.clone()).collect::<Vec<_>>() {
            self.0.remove(&(ITEM, item.clone()));
            self.0.retain(|_, kept| kept.owner.as_deref() != Some(item.as_str()));
        }
        self.0.retain(|_, kept| !kept.cleared);
    }

    fn rows(&self) -> Overlay {
        self.0.iter().map(|(key, kept)| (key.clone(), kept.hash)).collect()
    }
}

fn price_key(barcode: u8, document: u8) -> String {
    format!("{}\u{1f}1\u{1f}D{document}", name(barcode))
}

fn barcode_of(price: &str) -> &str {
    price.split('\u{1f}').next().unwrap()
}

fn name(key: u8) -> String {
    char::from(b'a' + key).to_string()
}

/// A twin as it was.
pub(crate) struct TwinBackup {
    real: Backup,
    layers: Vec<Layer>,
    parents: HashMap<usize, usize>,
    states: usize,
}

/// The real one beside its model, with every till's overlay at every revision.
pub(crate) struct Twin {
    pub(crate) chain: Chain,
    pub(crate) nodes: Vec<tillway_proto::NodeId>,
    layers: Vec<Layer>,
    parents: HashMap<usize, usize>,
    pub(crate) states: Vec<[Overlay; 3]>,
}

impl Twin {
    pub(crate) fn new() -> Self {
        let chain = Chain::new();
        chain.make(&chain.node("group-north"), NodeLevel::Group, "inner");
        let nodes = NODES.iter().map(|node| chain.node(node)).collect();
        let parents = HashMap::from([(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 4), (7, 4), (8, 5)]);
        let mut twin = Self { chain, nodes, layers: vec![Layer::default(); NODES.len()], parents, states: Vec::new() };
        twin.states.push(twin.overlays());
        twin
    }

    pub(crate) fn no(&self, node: usize) -> LayerNo {
        self.chain.network.current().unwrap().node(&self.nodes[node]).unwrap().no
    }

    fn overlays(&self) -> [Overlay; 3] {
        TILLS.map(|till| {
            let mut path = vec![till];
            while let Some(parent) = self.parents.get(&path[path.len() - 1]) {
                path.push(*parent);
            }
            path.iter().rev().fold(Overlay::new(), |mut overlay, node| {
                let rows = self.layers[*node].rows();
                // Prices of one barcode stand for each other.
                let priced: Vec<&str> =
                    rows.keys().filter(|key| key.0 == PRICE).map(|key| barcode_of(&key.1)).collect();
                overlay.retain(|(kind, key), _| *kind != PRICE || !priced.contains(&barcode_of(key)));
                overlay.extend(rows);
                overlay
            })
        })
    }

    /// A backup of the real one, and what the model knew then.
    pub(crate) fn backup(&self) -> TwinBackup {
        TwinBackup {
            real: self.chain.backup(),
            layers: self.layers.clone(),
            parents: self.parents.clone(),
            states: self.states.len(),
        }
    }

    /// The server is restored: what came since is lost.
    pub(crate) fn restore(&mut self, backup: &TwinBackup) {
        self.chain.restore(&backup.real);
        self.layers.clone_from(&backup.layers);
        self.parents.clone_from(&backup.parents);
        self.states.truncate(backup.states);
    }

    /// Takes in revisions that the server skipped.
    pub(crate) fn catch_up(&mut self) {
        let head = self.chain.dictionary.head().unwrap();
        while self.states.len() as u64 <= head.0 {
            self.states.push(self.overlays());
        }
    }

    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Load { node, commands } => self.load(*node, commands),
            Step::Move { node, parent } => {
                let moved = self.chain.network.move_node(&self.nodes[*node], &self.nodes[*parent]);
                if let Ok(Some(revision)) = moved {
                    self.parents.insert(*node, *parent);
                    self.states.push(self.overlays());
                    assert_eq!(revision.0, self.states.len() as u64 - 1);
                }
            }
        }
    }

    fn load(&mut self, node: usize, orders: &[Order]) {
        let no = self.no(node);
        let mut load = self.chain.db.begin_load(no, tillway_proto::LoadId(1)).unwrap();
        let before = self.layers[node].rows();
        let mut known = load.unchanged_records();
        for _ in 0..2 {
            known.missed(ITEM, &name(0)).unwrap();
        }
        for order in orders {
            self.layers[node].carry_out(order);
            // Orders of the same words are records of the same text.
            let record = RawRecord::new(format!("{order:?}").as_bytes(), Position::default(), aif::FILE).hash();
            if let Some(known) = known.find(record).unwrap()
                && load.unchanged(known)
            {
                continue;
            }
            let mut put = |upsert| load.upsert_all(&[Upsert { record: Some(record), ..upsert }]).unwrap();
            match order {
                Order::Clear(cleared) => cleared.kinds().iter().for_each(|kind| load.clear(*kind).unwrap()),
                Order::Delete { barcode, key } => {
                    load.delete_all(&[delete(if *barcode { BARCODE } else { ITEM }, exact(&name(*key)))]).unwrap();
                }
                Order::DeletePrices { barcode, document } => {
                    let document = document.map_or("*".to_owned(), |document| format!("D{document}"));
                    load.delete_all(&[delete(PRICE, parts(&[&name(*barcode), "*", &document]))]).unwrap();
                }
                Order::Price { barcode, document, value } => {
                    put(upsert(entry(PRICE, &price_key(*barcode, *document), *value), None));
                }
                Order::Broken(Broken::Item(item)) => drop(load.keep(ITEM, &exact(&name(*item))).unwrap()),
                Order::Broken(Broken::PricesOf(barcode)) => {
                    load.keep(PRICE, &parts(&[&name(*barcode), "*", "*"])).unwrap();
                }
                Order::Broken(Broken::SomeItem) => drop(load.take_back(Some(&[ITEM, BARCODE]))),
                Order::Broken(Broken::SomePrice) => drop(load.take_back(Some(&[PRICE]))),
                Order::Broken(Broken::Anything) => drop(load.take_back(None)),
                Order::Item { key, value, barcodes, whole } => {
                    let owned = barcodes.iter().map(|(key, value)| entry(BARCODE, &name(*key), *value)).collect();
                    let mut item = upsert(entry(ITEM, &name(*key), *value), Some(owned));
                    item.replaces.retain(|_| *whole);
                    put(item);
                }
                Order::Barcode { key, value } => {
                    put(upsert(entry(BARCODE, &name(*key), *value), None));
                }
            }
        }
        drop(known);
        let outcome = load.commit().unwrap();
        self.layers[node].sweep();
        let after = self.layers[node].rows();
        assert_eq!(self.chain.head(no), after);
        let added = after.keys().filter(|key| !before.contains_key(*key)).count();
        let deleted = before.keys().filter(|key| !after.contains_key(*key)).count();
        let changed = after.iter().filter(|(key, hash)| before.get(*key).is_some_and(|old| old != *hash)).count();
        let counts = outcome.counts;
        assert_eq!((counts.added, counts.changed, counts.deleted), (added as u64, changed as u64, deleted as u64));
        assert_eq!(outcome.revision.is_some(), before != after);
        if let Some(revision) = outcome.revision {
            self.states.push(self.overlays());
            assert_eq!(revision.0, self.states.len() as u64 - 1);
        }
    }
}

fn counted(overlay: &Overlay) -> Digests {
    let mut digests = Digests::default();
    for ((kind, _), hash) in overlay {
        digests.entry(*kind).add(*hash);
    }
    digests
}

fn differences_lead_from_every_state_to_the_present_one(twin: &Twin) {
    let (snapshot, view) = twin.chain.dictionary.moment().unwrap();
    let head = twin.states.last().unwrap();
    for (till, node) in TILLS.iter().enumerate() {
        let no = twin.no(*node);
        let to = view.effective_path(no, view.head);
        assert_eq!(overlay::digests(snapshot.as_ref(), &to).unwrap(), counted(&head[till]));
        let target = view.target(no);
        let at_target = &twin.states[usize::try_from(target.0).unwrap()];
        assert_eq!(at_target[till], head[till]);
        for (revision, state) in twin.states.iter().enumerate() {
            let revision = Revision(revision as u64);
            let from = view.effective_path(no, revision);
            let changes = difference(snapshot.as_ref(), &from, revision, &to).unwrap().unwrap();
            let mut overlay = state[till].clone();
            let mut digests = counted(&overlay);
            carry_forward(&mut digests, &changes);
            for change in &changes {
                let key = (change.key.kind, change.key.key.clone());
                let before = match change.after {
                    Some(after) => overlay.insert(key, after.hash),
                    None => overlay.remove(&key),
                };
                assert_eq!(before, change.before, "what is said to be before was not");
                assert_ne!(before, change.after.map(|after| after.hash), "nothing changes here");
            }
            assert_eq!(overlay, head[till], "till {till} from {revision}");
            assert_eq!(digests, counted(&overlay));
        }
    }
    assert_eq!(view.targets().of.len(), 4);
}

fn old_states_are_known_by_key(twin: &Twin, snapshot: &dyn DictionarySnapshot) {
    let key = ObjectKey { kind: BARCODE, key: name(0) };
    for (revision, state) in twin.states.iter().enumerate() {
        let revision = Revision(revision as u64);
        let (_, view) = twin.chain.dictionary.moment().unwrap();
        let path = view.effective_path(twin.no(TILLS[0]), revision);
        let hash_in = |layer: &LayerNo| snapshot.hash_of_many(*layer, &[&key], Some(revision)).unwrap()[0];
        let found = path.iter().rev().find_map(hash_in);
        assert_eq!(found, state[0].get(&(key.kind, key.key.clone())).copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_loads_and_moves_agree_with_the_model(steps in steps()) {
        let mut twin = Twin::new();
        for step in &steps {
            twin.take(step);
        }
        differences_lead_from_every_state_to_the_present_one(&twin);
        old_states_are_known_by_key(&twin, twin.chain.db.snapshot().unwrap().as_ref());
    }
}
