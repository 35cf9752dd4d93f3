//! The truth about dictionaries: what a back office delivered, and what each till must hold at
//! each revision.
//!
//! Written naively and apart from the server: layers are maps, a load changes a map command by
//! command, a till's state is the overlay of whole maps. Only the reader of AIF and the hash of a
//! row are the product's own, as they are formats.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tillway_exchangers::formats::aif::RecordReader;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::records::{Command, Expansion, ObjectRow, Spares};
use tillway_proto::{Digest, RowHash};

/// Separates the parts of a key: the format of the rows.
const KEY_SEPARATOR: char = '\u{1f}';

/// States of a layer that are kept, to explain loads that say they changed nothing: many more than
/// loads that wait at one time.
const KEPT_STATES: usize = 64;

/// Rows and digest of every kind that has rows.
pub type State = BTreeMap<u16, (u64, Digest)>;

type Key = (u16, String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    hash: RowHash,
    owner: Option<Key>,
}

type Layer = BTreeMap<Key, Object>;

/// How a load came to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is there: a file with its flag, or a body that was accepted.
    Certain,
    /// The connection broke before an answer: it may be there.
    Perhaps,
}

/// What must become of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out, records that cannot be read left out.
    CarriedOut,
    /// It is refused as a whole: it ends in the middle.
    Refused,
}

#[derive(Debug)]
struct Load {
    layer: usize,
    commands: Vec<Command>,
    arrival: Arrival,
    fate: Fate,
    rejects: u64,
    revision: Option<u64>,
    ended: bool,
}

/// A load as the server's REST tells of it.
#[derive(Debug, Clone)]
pub struct LoadSeen {
    /// The name the back office gave it.
    pub name: String,
    /// `ready`, `ready-with-errors`, `error` and so on.
    pub state: String,
    /// The revision it took.
    pub revision: Option<u64>,
    /// Records set aside.
    pub rejected: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// What the model says of an observed state.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Exactly the state of that revision.
    Right,
    /// The revision is not known yet: ask again when more loads were learned of.
    Unknown,
    /// Another state.
    Wrong(String),
}

/// The model.
#[derive(Debug)]
pub struct Model {
    layers: Vec<Arc<Layer>>,
    /// Layers on the path of each till, the chain first.
    paths: Vec<Vec<usize>>,
    loads: HashMap<String, Load>,
    /// Which load took a revision.
    revisions: BTreeMap<u64, String>,
    /// The newest revision that all before are known of.
    head: u64,
    /// What each till holds at each revision up to the head.
    states: Vec<Vec<Arc<State>>>,
    /// Past states of each layer, the present one last.
    past: Vec<VecDeque<Arc<Layer>>>,
    /// Loads that ended without a revision, and no state explains why yet.
    unexplained: HashSet<String>,
}

impl Model {
    /// Of a network with so many layers; `paths` names the layers of each till, the chain first.
    pub fn new(layers: usize, paths: Vec<Vec<usize>>) -> Self {
        let empty = Arc::new(Layer::new());
        let nothing = Arc::new(State::new());
        Self {
            layers: vec![Arc::clone(&empty); layers],
            states: vec![vec![nothing]; paths.len()],
            paths,
            loads: HashMap::new(),
            revisions: BTreeMap::new(),
            head: 0,
            past: vec![VecDeque::from([empty]); layers],
            unexplained: HashSet::new(),
        }
    }

    /// A load is on its way. Call it before it is delivered.
    pub fn deliver(&mut self, name: &str, layer: usize, records: &[String], fate: Fate) {
        let text = format!("{}\n---\n", records.join("\n---\n"));
        let (mut commands, mut rejects) = (Vec::new(), 0);
        for record in RecordReader::new(text.as_bytes()).filter_map(Result::ok) {
            match record.command {
                Ok(command) => commands.push(command),
                Err(reject) => {
                    rejects += 1;
                    commands.retain(|command| !may_be_undone(command, &reject.spares));
                }
            }
        }
        if fate == Fate::Refused {
            commands.clear();
        }
        let load = Load { layer, commands, arrival: Arrival::Perhaps, fate, rejects, revision: None, ended: false };
        self.loads.insert(name.to_owned(), load);
    }

    /// The load is there for certain.
    pub fn arrived(&mut self, name: &str) {
        if let Some(load) = self.loads.get_mut(name) {
            load.arrival = Arrival::Certain;
        }
    }

    /// Learns what became of loads. What cannot be is told.
    pub fn learn(&mut self, seen: &[LoadSeen]) -> Vec<String> {
        let mut wrong = Vec::new();
        for seen in seen.iter().filter(|seen| seen.ended) {
            self.learn_one(seen, &mut wrong);
        }
        while let Some(name) = self.revisions.get(&(self.head + 1)).cloned() {
            self.advance(&name, &mut wrong);
        }
        self.explain();
        wrong
    }

    fn learn_one(&mut self, seen: &LoadSeen, wrong: &mut Vec<String>) {
        let Some(load) = self.loads.get_mut(&seen.name) else {
            wrong.push(format!("the server tells of a load {} that nobody delivered", seen.name));
            return;
        };
        if let Some(revision) = seen.revision {
            match load.revision {
                None => {
                    load.revision = Some(revision);
                    if let Some(other) = self.revisions.insert(revision, seen.name.clone()) {
                        wrong.push(format!("revision {revision} is of {other} and of {}", seen.name));
                    }
                    self.unexplained.remove(&seen.name);
                }
                Some(known) if known != revision => {
                    wrong.push(format!("load {} took revision {known} and again {revision}", seen.name));
                }
                Some(_) => {}
            }
        }
        if load.ended {
            return;
        }
        load.ended = true;
        let refused = seen.state == "error";
        if refused != (load.fate == Fate::Refused) {
            wrong.push(format!("load {} ended as `{}`", seen.name, seen.state));
        } else if !refused && seen.rejected != load.rejects {
            wrong
                .push(format!("load {}: {} records set aside, {} were poison", seen.name, seen.rejected, load.rejects));
        }
        if !refused && load.revision.is_none() {
            self.unexplained.insert(seen.name.clone());
        }
    }

    fn advance(&mut self, name: &str, wrong: &mut Vec<String>) {
        self.head += 1;
        let Some(load) = self.loads.get(name) else { return };
        let layer = load.layer;
        let mut after = Layer::clone(&self.layers[layer]);
        load.commands.iter().for_each(|command| carry_out(&mut after, command));
        if after == *self.layers[layer] {
            wrong.push(format!("load {name} took revision {} and changes nothing", self.head));
        }
        let after = Arc::new(after);
        self.layers[layer] = Arc::clone(&after);
        let past = &mut self.past[layer];
        past.push_back(after);
        if past.len() > KEPT_STATES {
            past.pop_front();
        }
        for (path, states) in self.paths.iter().zip(&mut self.states) {
            let state = match states.last() {
                Some(last) if !path.contains(&layer) => Arc::clone(last),
                _ => Arc::new(overlay(path.iter().map(|layer| &*self.layers[*layer]))),
            };
            states.push(state);
        }
    }

    /// A load without a revision changed nothing: its layer was, at some time, as the load leaves
    /// it.
    fn explain(&mut self) {
        let (loads, past) = (&self.loads, &self.past);
        self.unexplained.retain(|name| {
            let Some(load) = loads.get(name) else { return false };
            !past[load.layer].iter().rev().any(|state| {
                let mut after = Layer::clone(state);
                load.commands.iter().for_each(|command| carry_out(&mut after, command));
                after == **state
            })
        });
    }

    /// What a till showed at a revision.
    pub fn judge(&self, till: usize, revision: u64, state: &State) -> Judgement {
        let Some(right) = usize::try_from(revision).ok().and_then(|at| self.states[till].get(at)) else {
            return Judgement::Unknown;
        };
        if **right == *state {
            return Judgement::Right;
        }
        let name = |kind: u16| Kind::by_id(kind).map_or("?", Kind::name);
        let all = right.keys().chain(state.keys()).copied().collect::<std::collections::BTreeSet<u16>>();
        let differing = all.into_iter().filter(|kind| right.get(kind) != state.get(kind));
        let rows = |state: &State, kind| state.get(&kind).map_or(0, |(rows, _)| *rows);
        let told: Vec<String> = differing
            .map(|kind| format!("{}: {} rows, right are {}", name(kind), rows(state, kind), rows(right, kind)))
            .collect();
        let same_as = self.states[till].iter().position(|other| **other == *state);
        let same_as = same_as.map_or(String::new(), |other| format!("; it is the state of revision {other}"));
        Judgement::Wrong(format!("{}{same_as}", told.join(", ")))
    }

    /// The newest revision known.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Loads delivered, and those among them of which the end is known.
    pub fn loads(&self) -> (usize, usize) {
        (self.loads.len(), self.loads.values().filter(|load| load.ended).count())
    }

    /// What is still open at the end of all: loads without an end, loads that should have changed
    /// something, gaps.
    pub fn leftovers(&self) -> Vec<String> {
        let lost = self.loads.iter().filter(|(_, load)| load.arrival == Arrival::Certain && !load.ended);
        let lost = lost.map(|(name, _)| format!("load {name} was delivered and never ended"));
        let unexplained = self.unexplained.iter();
        let unexplained =
            unexplained.map(|name| format!("load {name} should have changed something and took no revision"));
        let beyond = self.revisions.range(self.head + 1..);
        let beyond =
            beyond.map(|(revision, _)| format!("revision {revision} is there, {} is of no load", self.head + 1));
        lost.chain(unexplained).chain(beyond.take(1)).collect()
    }
}

/// Whether a record that was set aside may have been meant to add again what this one deletes:
/// then it is not deleted. The office lets no clearing stand before such a record.
fn may_be_undone(command: &Command, spares: &Spares) -> bool {
    let Command::Delete { kind, .. } = command else { return false };
    match spares {
        Spares::Nothing | Spares::Objects(..) => false,
        Spares::Kind(added) => added.brings().contains(kind),
        Spares::Anything => true,
    }
}

fn carry_out(layer: &mut Layer, command: &Command) {
    match command {
        Command::Clear { kinds, .. } => {
            remove(layer, |(kind, _)| kinds.iter().any(|cleared| cleared.id() == *kind));
        }
        Command::Delete { kind, keys, .. } => {
            let meant = layer.keys().filter(|(of, key)| *of == kind.id() && keys.matches(key)).cloned().collect();
            let gone = with_what_hangs_on(layer, *kind, meant);
            layer.retain(|key, _| !gone.contains(key));
        }
        Command::Upsert(expansion) => upsert(layer, expansion),
    }
}

/// Objects that are deleted, with what they own and what hangs on them.
fn with_what_hangs_on(layer: &Layer, deleted: Kind, mut reached: Vec<Key>) -> HashSet<Key> {
    let mut gone = HashSet::new();
    while let Some(key) = reached.pop() {
        if !gone.insert(key.clone()) {
            continue;
        }
        reached
            .extend(layer.iter().filter(|(_, object)| object.owner.as_ref() == Some(&key)).map(|(of, _)| of.clone()));
        let Some(kind) = Kind::by_id(key.0) else { continue };
        let first = first_part(&key.1);
        // A barcode that is deleted alone leaves its prices, and so does one that another item has
        // as well.
        let alone = kind == deleted && !kind.spec().hangs_on.is_empty();
        let shared = kind != deleted
            && layer.keys().any(|other| other.0 == key.0 && first_part(&other.1) == first && !gone.contains(other));
        if alone || shared {
            continue;
        }
        for hanging in kind.hanging() {
            let on = |text: &str| match hanging.part {
                0 => first_part(text) == first,
                _ => text.split_once(KEY_SEPARATOR).is_some_and(|(_, rest)| rest == first),
            };
            reached.extend(layer.keys().filter(|(of, text)| *of == hanging.kind.id() && on(text)).cloned());
        }
    }
    gone
}

fn first_part(key: &str) -> &str {
    key.split(KEY_SEPARATOR).next().unwrap_or(key)
}

/// Removes objects, and what they own.
fn remove(layer: &mut Layer, meant: impl Fn(&Key) -> bool) {
    let gone: HashSet<Key> = layer.keys().filter(|key| meant(key)).cloned().collect();
    layer.retain(|key, object| {
        let owner_gone = object.owner.as_ref().is_some_and(|owner| gone.contains(owner));
        !gone.contains(key) && !owner_gone
    });
}

fn upsert(layer: &mut Layer, expansion: &Expansion) {
    let key_of = |row: &ObjectRow| (row.kind.id(), row.key.as_str().to_owned());
    let main = key_of(&expansion.main);
    let brought: HashSet<Key> = expansion.owned.iter().map(key_of).collect();
    layer.retain(|key, object| {
        let replaced = expansion.replaces.iter().any(|kind| kind.id() == key.0);
        !(replaced && object.owner.as_ref() == Some(&main) && !brought.contains(key))
    });
    layer.insert(main.clone(), Object { hash: expansion.main.hash, owner: None });
    for row in &expansion.owned {
        layer.insert(key_of(row), Object { hash: row.hash, owner: Some(main.clone()) });
    }
}

/// What a till sees: of each object the deepest layer's; of a barcode's prices all those of the
/// deepest layer that has any.
fn overlay<'a>(path: impl Iterator<Item = &'a Layer>) -> State {
    let price = Kind::by_name("price").map(Kind::id);
    let group =
        |(kind, key): &'a Key| -> (u16, &'a str) { (*kind, if Some(*kind) == price { first_part(key) } else { key }) };
    let mut groups: BTreeMap<(u16, &str), (usize, Vec<RowHash>)> = BTreeMap::new();
    for (depth, layer) in path.enumerate() {
        for (key, object) in layer {
            let of_group = groups.entry(group(key)).or_default();
            if of_group.0 != depth {
                *of_group = (depth, Vec::new());
            }
            of_group.1.push(object.hash);
        }
    }
    let mut state = State::new();
    for ((kind, _), (_, hashes)) in groups {
        let (rows, digest) = state.entry(kind).or_default();
        for hash in hashes {
            *rows += 1;
            digest.add(hash);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: u32) -> String {
        format!(
            r#"{{"command":"addInventItem","invent":{{"inventcode":"{number}","name":"n","barcode":"b{number}","price":1}}}}"#
        )
    }

    fn price(number: u32, document: &str) -> String {
        format!(
            r#"{{"command":"addPrice","price":{{"barcode":"b{number}","price":1,"doctype":1,"documentid":"{document}"}}}}"#
        )
    }

    fn seen(name: &str, revision: Option<u64>) -> LoadSeen {
        LoadSeen { name: name.to_owned(), state: "ready".to_owned(), revision, rejected: 0, ended: true }
    }

    fn rows(model: &Model, revision: usize, kind: &str) -> u64 {
        let id = Kind::by_name(kind).unwrap().id();
        model.states[0][revision].get(&id).map_or(0, |(rows, _)| *rows)
    }

    #[test]
    fn the_deepest_layer_wins_and_prices_go_by_barcode() {
        let mut model = Model::new(2, vec![vec![0, 1]]);
        model.deliver("a", 0, &[item(1), item(2), price(1, "A"), price(1, "B"), price(2, "A")], Fate::CarriedOut);
        model.deliver("b", 1, &[price(1, "C")], Fate::CarriedOut);
        assert_eq!(model.learn(&[seen("b", Some(2))]), Vec::<String>::new());
        assert_eq!(model.head(), 0, "revision 1 is not known yet");
        assert_eq!(model.judge(0, 2, &State::new()), Judgement::Unknown);
        assert_eq!(model.learn(&[seen("a", Some(1))]), Vec::<String>::new());
        assert_eq!((rows(&model, 1, "price"), rows(&model, 2, "price")), (3, 2));
        assert_eq!((rows(&model, 2, "item"), rows(&model, 2, "barcode")), (2, 2));
    }

    #[test]
    fn a_clear_takes_what_is_not_named_again() {
        let mut model = Model::new(1, vec![vec![0]]);
        model.deliver("a", 0, &[item(1), item(2), price(1, "A")], Fate::CarriedOut);
        model.deliver("b", 0, &[r#"{"command":"clearInventory"}"#.to_owned(), item(2)], Fate::CarriedOut);
        model.learn(&[seen("a", Some(1)), seen("b", Some(2))]);
        assert_eq!((rows(&model, 2, "item"), rows(&model, 2, "barcode"), rows(&model, 2, "price")), (1, 1, 0));
    }

    #[test]
    fn a_broken_record_spares_what_was_deleted_before_it() {
        let mut model = Model::new(1, vec![vec![0]]);
        let delete = |number: u32| format!(r#"{{"command":"deleteInventItem","invent":{{"inventcode":"{number}"}}}}"#);
        let broken = |text: &str| text.to_owned();
        model.deliver("a", 0, &[item(1), item(2), item(3)], Fate::CarriedOut);
        let no_code = broken(r#"{"command":"addInventItem","invent":{"name":"no code"}}"#);
        model.deliver("b", 0, &[delete(1), no_code, delete(2)], Fate::CarriedOut);
        model.deliver("c", 0, &[delete(1), broken(r#"{"command":17}"#)], Fate::CarriedOut);
        model.deliver("d", 0, &[delete(1), broken(r#"{"command":"dance"}"#)], Fate::CarriedOut);
        let ended = [seen("a", Some(1)), seen("b", Some(2)), seen("c", None), seen("d", Some(3))];
        model.learn(&ended.map(|seen| LoadSeen { rejected: u64::from(seen.name != "a"), ..seen }));
        assert_eq!((rows(&model, 1, "item"), rows(&model, 2, "item"), rows(&model, 3, "item")), (3, 2, 1));
    }

    #[test]
    fn a_load_that_should_have_changed_something_is_noticed() {
        let mut model = Model::new(1, vec![vec![0]]);
        model.deliver("a", 0, &[item(1)], Fate::CarriedOut);
        model.deliver("again", 0, &[item(1)], Fate::CarriedOut);
        model.deliver("other", 0, &[item(2)], Fate::CarriedOut);
        model.learn(&[seen("a", Some(1)), seen("again", None), seen("other", None)]);
        assert_eq!(model.leftovers().len(), 1, "{:?}", model.leftovers());
        assert!(model.leftovers()[0].contains("other"));
    }
}
