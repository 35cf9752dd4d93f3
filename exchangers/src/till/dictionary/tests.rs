mod goods;
mod schema;
mod shelf;
mod speed;

use super::*;
use crate::kinds::{self, Kind};
use crate::package::{
    BuiltPackage, Chunk, Facts, Header, KindEntry, KindFacts, MessageSource, Mode, PackageBuilder, PackageError,
    PackageReader, PackageSource, Record, messages,
};
use crate::row::{self, Row, RowRef, Value};
use fs_err as fs;
use jiff::civil::{DateTime, datetime};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tempfile::TempDir;
use tillway_proto::{CursorProof, Digest, Kopecks, PackageName, Revision};

const NOON: DateTime = datetime(2017, 1, 2, 12, 0, 0, 0);

fn kind(name: &str) -> Kind {
    Kind::by_name(name).unwrap()
}

/// What a till must hold: encoded rows by number of the kind and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Overlay(BTreeMap<(u16, String), Vec<u8>>);

impl Overlay {
    fn put(&mut self, kind: Kind, fields: &[(&str, Value)], extra: Option<&str>) {
        let mut values = vec![Value::Null; kind.fields().len()];
        for (name, value) in fields {
            values[kind.field(name).unwrap()] = value.clone();
        }
        let bytes = Row { extra: extra.map(str::to_owned), values }.encode();
        let key = row::key(kind, &RowRef::decode(kind, &bytes).unwrap()).into_text();
        self.0.insert((kind.id(), key), bytes);
    }

    fn item(&mut self, number: u32, price: i64) {
        let code = number.to_string();
        let barcode = format!("46{number:011}");
        let item = [
            ("inventcode", text(&code)),
            ("barcode", text(&barcode)),
            ("name", text(&format!("Товар {number}"))),
            ("price", Value::Integer(price)),
        ];
        self.put(kind("item"), &item, Some(r#"{"colour":"red"}"#));
        self.put(kind("barcode"), &[("barcode", text(&barcode)), ("code", text(&code))], None);
    }

    fn remove_item(&mut self, number: u32) {
        self.0.remove(&(kind("item").id(), number.to_string()));
        self.0.remove(&(kind("barcode").id(), format!("46{number:011}\u{1f}{number}")));
    }

    fn with_items(numbers: std::ops::Range<u32>, price: i64) -> Self {
        let mut overlay = Self::default();
        numbers.for_each(|number| overlay.item(number, price));
        overlay
    }

    fn tally(&self, kind: Kind) -> (u64, Digest) {
        let mut digest = Digest::EMPTY;
        let rows = self.0.iter().filter(|((id, _), _)| *id == kind.id());
        let count = rows.map(|(_, bytes)| digest.add(row::hash(kind, bytes))).count();
        (count as u64, digest)
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A till on disk with the packages made for it.
struct Till {
    folder: TempDir,
    loader: Loader,
}

impl Till {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let loader = Loader::open(&folder.path().join("dictionaries.db")).unwrap();
        Self { folder, loader }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dictionaries.db")
    }

    fn shelf(&self) -> Shelf {
        Shelf::open(&self.path()).unwrap()
    }

    fn tool(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn package(
        &self,
        (from, before): (u64, &Overlay),
        (to, after): (u64, &Overlay),
        snapshots: &[Kind],
    ) -> BuiltPackage {
        build(self.folder.path(), (from, before), (to, after), snapshots)
    }

    fn apply(&mut self, package: &BuiltPackage) -> Result<Applied, ApplyError> {
        self.loader.apply(&mut PackageReader::open(&package.path, &package.name).unwrap())
    }

    fn load_full(&mut self, to: u64, overlay: &Overlay) {
        let package = self.package((0, &Overlay::default()), (to, overlay), &all_kinds());
        assert!(matches!(self.apply(&package), Ok(Applied::Done(_))));
    }

    fn assert_holds(&mut self, revision: u64, overlay: &Overlay) {
        let state = self.loader.state().unwrap();
        assert_eq!(state.cursor, Revision(revision));
        assert_eq!(state.rows, overlay.0.len() as u64);
        for kind in kinds::all() {
            let found = state.kinds.iter().find(|entry| entry.kind == kind);
            let found = found.map_or((0, Digest::EMPTY), |entry| (entry.rows, entry.digest));
            assert_eq!(found, overlay.tally(kind), "{}", kind.name());
        }
        assert_eq!(self.loader.verify().unwrap(), [], "the columns hold what the digests say");
    }
}

fn all_kinds() -> Vec<Kind> {
    kinds::all().collect()
}

fn build(
    folder: &Path,
    (from, before): (u64, &Overlay),
    (to, after): (u64, &Overlay),
    snapshots: &[Kind],
) -> BuiltPackage {
    let mut builder = PackageBuilder::new(folder).unwrap();
    let mut kinds = all_kinds();
    kinds.sort_by_key(|kind| kind.id());
    let mut facts = Vec::new();
    for kind in kinds {
        let (rows, digest) = after.tally(kind);
        let mode = if snapshots.contains(&kind) { Mode::Snapshot } else { Mode::Difference };
        facts.push(KindFacts { kind, mode, rows, digest });
        let keys: BTreeSet<_> = before.0.keys().chain(after.0.keys()).filter(|(id, _)| *id == kind.id()).collect();
        for entry in keys {
            let (old, new) = (before.0.get(entry), after.0.get(entry));
            let record = match new {
                Some(row) if mode == Mode::Snapshot || old != new => Record::Upsert { key: &entry.1, row },
                None if mode == Mode::Difference => Record::Delete { key: &entry.1 },
                _ => continue,
            };
            builder.add(kind, &record).unwrap();
        }
    }
    let layers = vec!["_chain_main_00000001".to_owned()];
    builder.prove(proof_of(to));
    builder.finish(Facts { from: Revision(from), to: Revision(to), layers, kinds: facts }).unwrap()
}

/// What a package of these tests carries that leads to this revision.
fn proof_of(to: u64) -> CursorProof {
    CursorProof { digest: Digest(to.into()), code: [7; 32] }
}

fn price_of(shelf: &Shelf, number: u32) -> Option<Kopecks> {
    let mut found = shelf.by_barcode(&format!("46{number:011}"), NOON).unwrap();
    found.pop().and_then(|good| good.price)
}

#[test]
fn a_full_package_fills_an_empty_till_and_a_difference_carries_it_on() {
    let mut till = Till::new();
    till.assert_holds(0, &Overlay::default());
    let mut overlay = Overlay::with_items(0..2500, 5990);
    till.load_full(5, &overlay);
    till.assert_holds(5, &overlay);
    assert_eq!(State::read(&till.path()).unwrap().layers, ["_chain_main_00000001"]);

    let before = overlay.clone();
    overlay.item(7, 100);
    overlay.item(9000, 200);
    overlay.remove_item(8);
    let package = till.package((5, &before), (6, &overlay), &[]);
    let Applied::Done(loaded) = till.apply(&package).unwrap() else { panic!("skipped") };
    assert_eq!((loaded.from, loaded.to), (Revision(5), Revision(6)));
    assert_eq!((loaded.upserts, loaded.deletes, loaded.rows), (3, 2, 5000));
    till.assert_holds(6, &overlay);
    assert_eq!(till.loader.state().unwrap().package, Some(package.name));
    let shelf = till.shelf();
    assert_eq!((price_of(&shelf, 7), price_of(&shelf, 8)), (Some(Kopecks(100)), None));
}

#[test]
fn rows_that_change_in_many_different_columns_become_exactly_what_they_are_to_be() {
    let mut till = Till::new();
    // Sixteen rows, each with another choice of four columns filled, and each of them to another
    // choice.
    let row_with = |overlay: &mut Overlay, number: u32, choice: u32| {
        let mut fields = vec![("inventcode", text(&number.to_string()))];
        for (at, name) in ["barcode", "name", "inventgroup", "articul"].into_iter().enumerate() {
            if choice >> at & 1 == 1 {
                fields.push((name, text(&format!("{name} {choice}"))));
            }
        }
        overlay.put(kind("item"), &fields, choice.is_multiple_of(3).then_some(r#"{"colour":"red"}"#));
    };
    let states: Vec<Overlay> = (0..3)
        .map(|step| {
            let mut overlay = Overlay::default();
            (0..16).for_each(|number| row_with(&mut overlay, number, number * (2 * step + 1) % 16));
            overlay
        })
        .collect();
    till.load_full(1, &states[0]);
    for (from, pair) in (1..).zip(states.windows(2)) {
        let package = till.package((from, &pair[0]), (from + 1, &pair[1]), &[]);
        assert!(matches!(till.apply(&package), Ok(Applied::Done(_))));
        till.assert_holds(from + 1, &pair[1]);
        let check: String = till.tool().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "indexes agree with rows");
    }
}

#[test]
fn queue_messages_load_like_the_file() {
    let mut till = Till::new();
    let overlay = Overlay::with_items(0..1500, 1);
    let package = till.package((0, &Overlay::default()), (1, &overlay), &all_kinds());
    let reader = PackageReader::open(&package.path, &package.name).unwrap();
    let bodies: Vec<_> = messages(reader, 400).unwrap().map(Result::unwrap).collect();
    let mut source = MessageSource::open(bodies.into_iter().map(Ok)).unwrap();
    assert!(matches!(till.loader.apply(&mut source), Ok(Applied::Done(_))));
    till.assert_holds(1, &overlay);
}

#[test]
fn a_full_package_replaces_whatever_was_there() {
    let mut till = Till::new();
    let mut old = Overlay::with_items(0..2500, 1);
    old.put(kind("unit"), &[("unitCode", Value::Integer(796)), ("name", text("шт"))], None);
    till.load_full(3, &old);
    let new = Overlay::with_items(2000..5000, 2);
    till.load_full(9, &new);
    till.assert_holds(9, &new);
    let indexes: i64 =
        till.tool().query_row("SELECT count(*) FROM pragma_index_list('tmc')", [], |row| row.get(0)).unwrap();
    assert_eq!(indexes, 5, "the indexes are there again");
}

#[test]
fn a_cursor_stands_with_what_its_package_gave_to_show_for_it() {
    let mut till = Till::new();
    assert_eq!(till.loader.state().unwrap().proof, None);
    let (one, two) = (Overlay::with_items(0..3, 100), Overlay::with_items(0..4, 100));
    till.load_full(1, &one);
    assert_eq!(till.loader.state().unwrap().proof, Some(proof_of(1)));
    let next = till.package((1, &one), (2, &two), &[]);
    till.apply(&next).unwrap();
    assert_eq!(State::read(&till.path()).unwrap().proof, Some(proof_of(2)));
    // It takes for granted what this till does not have, so the counts differ in the end.
    let (others, more) = (Overlay::with_items(0..5, 100), Overlay::with_items(0..6, 100));
    let broken = till.package((2, &others), (3, &more), &[]);
    till.apply(&broken).unwrap_err();
    assert_eq!(till.loader.state().unwrap().proof, Some(proof_of(2)), "it goes back with the cursor");
}

#[test]
fn a_cursor_that_the_server_does_not_believe_is_replaced_by_a_package_that_stands_alone() {
    let mut till = Till::new();
    let (theirs, ours) = (Overlay::with_items(0..3, 100), Overlay::with_items(5..9, 200));
    till.load_full(50, &theirs);
    let full = till.package((0, &Overlay::default()), (7, &ours), &all_kinds());
    let mut apply = |replaces: Option<u64>| {
        let mut source = PackageReader::open(&full.path, &full.name).unwrap();
        till.loader.apply_replacing(&mut source, replaces.map(Revision)).unwrap()
    };
    for other in [None, Some(49), Some(51)] {
        assert_eq!(apply(other), Applied::Skipped { cursor: Revision(50) }, "{other:?}");
    }
    assert!(matches!(apply(Some(50)), Applied::Done(_)));
    assert_eq!(apply(Some(50)), Applied::Skipped { cursor: Revision(7) }, "the same link once more");
    till.assert_holds(7, &ours);
    let difference = till.package((3, &theirs), (6, &ours), &[]);
    let mut source = PackageReader::open(&difference.path, &difference.name).unwrap();
    let skipped = till.loader.apply_replacing(&mut source, Some(Revision(7))).unwrap();
    assert_eq!(skipped, Applied::Skipped { cursor: Revision(7) }, "a difference builds on what nobody knows");
}

#[test]
fn what_was_applied_is_skipped_and_what_comes_too_early_is_a_gap() {
    let mut till = Till::new();
    let states: Vec<_> = (0..4).map(|price| Overlay::with_items(0..3, price)).collect();
    let steps: Vec<_> = (0..3)
        .map(|at| {
            till.package(
                (at, &states[usize::try_from(at).unwrap()]),
                (at + 1, &states[usize::try_from(at).unwrap() + 1]),
                &[],
            )
        })
        .collect();
    till.load_full(1, &states[1]);
    assert_eq!(till.apply(&steps[0]).unwrap(), Applied::Skipped { cursor: Revision(1) });
    let error = till.apply(&steps[2]).unwrap_err();
    assert!(matches!(error, ApplyError::Gap { cursor: Revision(1), from: Revision(2) }));
    let wide = till.package((0, &Overlay::default()), (2, &states[2]), &[]);
    assert!(matches!(till.apply(&wide), Ok(Applied::Done(_))), "a wider range covers the cursor");
    assert!(matches!(till.apply(&steps[2]), Ok(Applied::Done(_))));
    till.assert_holds(3, &states[3]);
}

#[test]
fn a_full_package_that_comes_again_is_loaded_only_where_something_speaks_for_it() {
    let mut till = Till::new();
    let overlay = Overlay::with_items(0..10, 100);
    let full = till.package((0, &Overlay::default()), (1, &overlay), &all_kinds());
    assert!(matches!(till.apply(&full), Ok(Applied::Done(_))));
    assert_eq!(till.apply(&full).unwrap(), Applied::Skipped { cursor: Revision(1) });
    till.tool().execute("UPDATE tmc SET price = 1 WHERE code = '3'", []).unwrap();
    assert!(matches!(till.apply(&full), Ok(Applied::Done(_))));
    till.assert_holds(1, &overlay);
}

#[test]
fn the_loaders_own_tables_changed_by_hand_are_repaired_like_rows() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    let after = Overlay::with_items(0..11, 100);
    till.load_full(1, &before);
    till.tool().execute("UPDATE tillway_digest SET digest = x'00' WHERE kind = 'item'", []).unwrap();
    let difference = till.package((1, &before), (2, &after), &[]);
    assert!(matches!(till.apply(&difference), Err(ApplyError::Diverged { kinds }) if kinds == ["item"]));
    let repair = till.package((1, &before), (2, &after), &[kind("item")]);
    assert!(matches!(till.apply(&repair), Ok(Applied::Done(_))));
    till.assert_holds(2, &after);
}

#[test]
fn a_row_changed_by_hand_is_noticed_at_the_next_load_and_a_snapshot_repairs_it() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    let after = Overlay::with_items(0..11, 100);
    till.load_full(1, &before);
    till.tool().execute("UPDATE tmc SET price = 1 WHERE code = '3'", []).unwrap();
    let difference = till.package((1, &before), (2, &after), &[]);
    let error = till.apply(&difference).unwrap_err();
    assert!(matches!(&error, ApplyError::Diverged { kinds } if kinds == &["item"]), "{error:?}");
    assert_eq!(till.loader.state().unwrap().cursor, Revision(1), "nothing was applied");
    assert_eq!(price_of(&till.shelf(), 10), None);

    let repair = till.package((1, &before), (2, &after), &[kind("item")]);
    assert!(matches!(till.apply(&repair), Ok(Applied::Done(_))));
    till.assert_holds(2, &after);
    assert_eq!(till.apply(&difference).unwrap(), Applied::Skipped { cursor: Revision(2) });
}

#[test]
fn the_marks_change_with_a_write_of_somebody_else_and_with_nothing_else() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    let mut after = before.clone();
    after.item(3, 555);
    till.load_full(1, &before);
    let untouched = till.loader.marks().unwrap();
    assert!(untouched.touched.is_empty());
    let tool = till.tool();
    let count: i64 = tool.query_row("SELECT count(*) FROM tmc", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 10);
    let difference = till.package((1, &before), (2, &after), &[]);
    assert!(matches!(till.apply(&difference), Ok(Applied::Done(_))));
    assert_eq!(till.loader.verify().unwrap(), []);
    assert_eq!(till.loader.marks().unwrap(), untouched, "reads of others, and loads and recounts of our own");

    tool.execute_batch("CREATE TABLE notes (text)").unwrap();
    let elsewhere = till.loader.marks().unwrap();
    assert!(elsewhere.touched.is_empty() && elsewhere.version != untouched.version, "{elsewhere:?}");
    tool.execute("UPDATE tmc SET price = 1 WHERE code = '3'", []).unwrap();
    let rows = till.loader.marks().unwrap();
    assert!(rows.touched == ["item".to_owned()].into() && rows.version != elsewhere.version, "{rows:?}");
}

#[test]
fn a_change_behind_the_triggers_is_found_by_a_recount_and_stays_marked_until_repaired() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    let after = Overlay::with_items(0..11, 100);
    till.load_full(1, &before);
    let tool = till.tool();
    tool.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    tool.execute("DELETE FROM barcodes WHERE code = '3'", []).unwrap();
    assert_eq!(till.loader.verify().unwrap(), [kind("barcode")]);
    let difference = till.package((1, &before), (2, &after), &[]);
    assert!(matches!(till.apply(&difference), Err(ApplyError::Diverged { kinds }) if kinds == ["barcode"]));
    let repair_in_place = till.package((1, &before), (1, &before), &[kind("barcode")]);
    assert!(matches!(till.apply(&repair_in_place), Ok(Applied::Done(_))));
    assert!(matches!(till.apply(&difference), Ok(Applied::Done(_))));
    till.assert_holds(2, &after);
}

#[test]
fn a_change_by_hand_that_the_package_overwrites_needs_no_repair() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    let mut after = before.clone();
    after.item(3, 555);
    till.load_full(1, &before);
    till.tool().execute("UPDATE tmc SET price = 1 WHERE code = '3'", []).unwrap();
    let difference = till.package((1, &before), (2, &after), &[]);
    assert!(matches!(till.apply(&difference), Ok(Applied::Done(_))));
    till.assert_holds(2, &after);
}

#[test]
fn a_package_that_is_broken_in_its_last_chunk_changes_nothing() {
    let mut till = Till::new();
    let before = Overlay::with_items(0..10, 100);
    till.load_full(1, &before);
    let package = till.package((1, &before), (2, &Overlay::with_items(0..3000, 200)), &[]);
    let mut bytes = fs::read(&package.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&package.path, bytes).unwrap();
    let error = till.apply(&package).unwrap_err();
    assert!(matches!(&error, ApplyError::Package(_)), "{error:?}");
    assert!(!error.is_temporary());
    till.assert_holds(1, &before);
}

#[test]
fn rows_that_do_not_belong_are_refused_whole() {
    let mut till = Till::new();
    let unit = kind("unit");
    let fields = kind("unit").fields().len();
    let newer = Row { extra: None, values: vec![Value::Integer(1); fields + 1] }.encode();
    let no_key = Row { extra: Some("{}".into()), values: Vec::new() }.encode();
    let mut packages = Vec::new();
    for (key, row) in [("1", &newer), ("2", &no_key)] {
        let mut builder = PackageBuilder::new(till.folder.path()).unwrap();
        builder.add(unit, &Record::Upsert { key, row }).unwrap();
        let facts = KindFacts { kind: unit, mode: Mode::Difference, rows: 1, digest: Digest::EMPTY };
        let facts = Facts { from: Revision(0), to: Revision(1), layers: Vec::new(), kinds: vec![facts] };
        packages.push(builder.finish(facts).unwrap());
    }
    let mut builder = PackageBuilder::new(till.folder.path()).unwrap();
    builder.add(unit, &Record::Delete { key: "not a number" }).unwrap();
    let facts = KindFacts { kind: unit, mode: Mode::Difference, rows: 0, digest: Digest::EMPTY };
    let facts = Facts { from: Revision(0), to: Revision(1), layers: Vec::new(), kinds: vec![facts] };
    packages.push(builder.finish(facts).unwrap());
    assert!(matches!(till.apply(&packages[0]), Err(ApplyError::Row(_))));
    assert!(matches!(till.apply(&packages[1]), Err(ApplyError::Record { .. })));
    assert!(matches!(till.apply(&packages[2]), Err(ApplyError::Record { .. })));
    till.assert_holds(0, &Overlay::default());
}

#[test]
fn a_kind_of_a_newer_server_is_left_out_and_named() {
    let mut till = Till::new();
    let overlay = Overlay::with_items(0..3, 100);
    let package = till.package((0, &Overlay::default()), (1, &overlay), &[]);
    let reader = PackageReader::open(&package.path, &package.name).unwrap();
    let mut newer = WithNewKind { header: reader.header().clone(), reader };
    newer.header.kinds.push(KindEntry {
        kind: "hologram".into(),
        upserts: 0,
        rows: 9,
        ..newer.header.kinds[0].clone()
    });
    let applied = till.loader.apply(&mut newer).unwrap();
    assert!(matches!(applied, Applied::Done(loaded) if loaded.unknown_kinds == ["hologram"]));
    till.assert_holds(1, &overlay);
}

/// A package with an entry of a kind that this program does not know.
struct WithNewKind {
    header: Header,
    reader: PackageReader,
}

impl PackageSource for WithNewKind {
    fn name(&self) -> &PackageName {
        self.reader.name()
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError> {
        self.reader.next_chunk()
    }
}

#[test]
fn a_second_loader_is_refused_until_the_first_ends() {
    let till = Till::new();
    let error = Loader::open(&till.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    let path = till.path();
    let Till { folder, loader } = till;
    drop(loader);
    assert!(Loader::open(&path).is_ok());
    drop(folder);
}

#[test]
fn the_log_does_not_keep_the_size_of_a_full_load() {
    let mut till = Till::new();
    till.load_full(1, &Overlay::with_items(0..5000, 1));
    let log = till.folder.path().join("dictionaries.db-wal");
    assert_eq!(fs::metadata(log).unwrap().len(), 0);
}

/// One step of a random history: items put and removed.
fn step() -> impl Strategy<Value = Vec<(u32, Option<i64>)>> {
    prop::collection::vec((0..40_u32, prop::option::of(0..5_i64)), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_of_differences_and_snapshots_ends_as_the_model(
        steps in prop::collection::vec((step(), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let mut till = Till::new();
        let mut history = vec![Overlay::default()];
        let mut cursor = 0;
        for (changes, snapshot, late) in steps {
            let mut next = history.last().unwrap().clone();
            for (number, price) in changes {
                match price {
                    Some(price) => next.item(number, price),
                    None => next.remove_item(number),
                }
            }
            history.push(next);
            // A late one is not applied at once: the next package covers more.
            if late {
                continue;
            }
            let to = history.len() - 1;
            let snapshots = if snapshot { vec![kind("item")] } else { Vec::new() };
            let at = |revision: usize| (revision as u64, &history[revision]);
            let package = till.package(at(cursor), at(to), &snapshots);
            let applied = till.apply(&package);
            prop_assert!(matches!(applied, Ok(Applied::Done(_))), "{applied:?}");
            cursor = to;
            till.assert_holds(cursor as u64, &history[cursor]);
        }
    }
}
