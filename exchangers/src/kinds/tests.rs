//! Consistency of the table, and the document made of it.

use super::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Whether a text can stand as an SQL identifier without any quoting trouble.
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn numbers_names_tables_and_verbs_are_unique() {
    let mut numbers = HashSet::new();
    let mut names = HashSet::new();
    let mut tables = HashSet::new();
    let mut verbs = HashSet::new();
    for spec in &KINDS {
        assert!(spec.id > 0 && numbers.insert(spec.id), "{}: number {}", spec.name, spec.id);
        assert!(is_identifier(spec.name) && names.insert(spec.name), "{}", spec.name);
        assert!(is_identifier(spec.table) && tables.insert(spec.table), "{}: table {}", spec.name, spec.table);
        for verb in spec.add.iter().chain(&spec.delete) {
            assert!(verbs.insert(verb.to_lowercase()), "{}: verb {verb}", spec.name);
        }
    }
    for verb in KINDS.iter().flat_map(|spec| spec.clear) {
        assert!(!verbs.contains(&verb.to_lowercase()), "{verb} clears and does something else");
    }
}

#[test]
fn fields_keys_and_indexes_fit_together() {
    for spec in &KINDS {
        let mut names: HashSet<String> = HashSet::new();
        let mut columns = HashSet::from(["extra"]);
        assert!(!spec.title.is_empty() && !spec.payload.is_empty() && !spec.clear.is_empty(), "{}", spec.name);
        for field in spec.fields {
            for name in std::iter::once(&field.name).chain(field.aliases) {
                assert!(names.insert(name.to_lowercase()), "{}: field {name} twice", spec.name);
                assert_ne!(name.to_lowercase(), "command", "{}", spec.name);
            }
            let place = format!("{}: column {}", spec.name, field.column);
            assert!(is_identifier(field.column) && columns.insert(field.column), "{place}");
            assert!(!field.may_be_absent || spec.key.contains(&field.name), "{place} is no key");
            if let Some((digits, scale)) = field.field_type.decimal() {
                assert!(scale <= digits && digits <= 18, "{place}: digits");
            }
        }
        assert!(!spec.key.is_empty(), "{}", spec.name);
        assert!(names.len() + spec.expansions.len() <= 128, "{}", spec.name);
        assert!(spec.inside.is_none_or(|name| spec.fields.iter().any(|field| field.name == name)), "{}", spec.name);
        assert!(spec.named_by.is_none_or(|name| spec.fields.iter().any(|field| field.name == name)), "{}", spec.name);
        for field in spec.fields.iter().filter(|field| !field.entries.is_empty()) {
            assert_eq!(field.field_type, FieldType::Json, "{}: only a nested list has entries", spec.name);
        }
        for (at, name) in spec.key.iter().enumerate() {
            let field = spec.fields.iter().find(|field| field.name == *name).expect(name);
            assert!(!matches!(field.field_type, FieldType::Json | FieldType::LongText), "{}: key {name}", spec.name);
            assert!(at > 0 || !field.may_be_absent, "{}: the first part of a key is always there", spec.name);
        }
        for column in spec.indexes.iter().copied().flatten() {
            assert!(columns.contains(column), "{}: index on {column}", spec.name);
        }
        let own: Vec<_> = spec.add.iter().chain(&spec.delete).chain(spec.clear).collect();
        assert!(spec.ours.iter().all(|verb| own.contains(&verb)), "{}", spec.name);
    }
}

#[test]
fn expansions_lead_to_fields_of_the_same_type_and_to_an_end() {
    fn depth(kind: Kind, seen: usize) -> usize {
        assert!(seen < 5, "expansions of {kind} go in a circle");
        kind.expansions().iter().map(|next| 1 + depth(next.kind, seen + 1)).max().unwrap_or(0)
    }
    for kind in all() {
        let spec = kind.spec();
        assert!(depth(kind, 0) <= 2, "{kind}");
        assert_eq!(kind.expansions().len(), spec.expansions.len(), "{kind}: an expansion leads nowhere");
        assert_eq!(kind.key_columns().len(), spec.key.len(), "{kind}");
        for (declared, resolved) in spec.expansions.iter().zip(kind.expansions()) {
            let theirs = resolved.kind.fields();
            assert_eq!(declared.scalar.is_some(), resolved.scalar.is_some(), "{kind}: {}", declared.field);
            assert_eq!(declared.ordinal.is_some(), resolved.ordinal.is_some(), "{kind}: {}", declared.field);
            assert_eq!(declared.inherit.len(), resolved.inherit.len(), "{kind}: {}", declared.field);
            for (to, from) in &resolved.inherit {
                assert_eq!(theirs[*to].field_type.storage(), kind.fields()[*from].field_type.storage(), "{kind}");
            }
            // A kind that only comes inside others goes when they go.
            for clear in spec.clear.iter().filter(|_| resolved.kind.spec().add.is_none()) {
                assert!(resolved.kind.spec().clear.contains(clear), "{clear} leaves rows of {}", resolved.kind);
            }
        }
    }
}

#[test]
fn what_hangs_on_something_names_it_in_one_of_its_first_two_key_fields() {
    for kind in all() {
        for on in kind.spec().hangs_on {
            let target = Kind::by_name(on.kind).unwrap();
            let found = target.hanging().iter().find(|hanging| hanging.kind == kind);
            assert!(found.is_some_and(|hanging| hanging.part < 2), "{kind}: {}", on.field);
        }
    }
    let of_item: Vec<_> = kind_named("item").hanging().iter().map(|hanging| hanging.kind.name()).collect();
    assert_eq!(of_item, ["barcode", "price", "additionalprice", "inventcatalog", "tmcscale"]);
}

fn kind_named(name: &str) -> Kind {
    Kind::by_name(name).unwrap()
}

#[test]
fn every_name_of_the_table_is_found_whatever_its_case() {
    let mut meanings = HashMap::new();
    for kind in all() {
        let spec = kind.spec();
        assert_eq!(Kind::by_name(&spec.name.to_uppercase()), Some(kind));
        assert_eq!(Kind::by_id(spec.id), Some(kind));
        assert_eq!(spec.add.and_then(|add| Kind::by_add_verb(&add.to_lowercase())), spec.add.map(|_| kind));
        assert_eq!(spec.delete.and_then(verb).map(|v| v.meaning), spec.delete.map(|_| VerbMeaning::Delete(kind)));
        for name in spec.clear {
            let Some(Verb { meaning: VerbMeaning::Clear(kinds), .. }) = verb(&name.to_uppercase()) else {
                panic!("{name} does not clear");
            };
            assert!(kinds.contains(&kind), "{name}");
            meanings.insert(*name, kinds);
        }
        for (at, field) in spec.fields.iter().enumerate() {
            for name in std::iter::once(&field.name).chain(field.aliases) {
                assert_eq!(kind.field(&name.to_uppercase()), Some(at), "{kind}: {name}");
            }
        }
        assert_eq!(kind.field("nosuchfield"), None);
    }
    let names = |verb: &str| meanings[verb].iter().map(|kind| kind.name()).collect::<Vec<_>>();
    assert_eq!(names("clearInventory"), ["item", "barcode", "price", "additionalprice"]);
    assert_eq!(names("clearBarcode"), ["barcode"]);
    assert_eq!(verb("addFoo"), None);
    assert_eq!(Kind::by_name("foo"), None);
    assert_eq!(Kind::by_id(0), None);
}

#[test]
fn every_verb_of_the_format_is_known() {
    let format = "clearInventory clearInventGroup clearUnit clearBarcode clearPrice clearAdditionalPrice clearTmcScale \
        clearTmcScaleGroup clearMedicine clearPicklist clearInventCatalog clearMCashUser clearHotKey \
        clearExciseMarkWhite clearAspectValueSet deleteInventItem deleteBarcode deletePrice deleteAdditionalPrice \
        deleteTmcScale deletePicklist deleteExciseMarkWhite deleteCard addInventItem addInventGroup addUnit addBarcode \
        addPrice addAdditionalPrice addTaxGroup addCountry addMCashUser addCardGroup addCard addClient \
        addChangeCardAccount addHotKey addKbKey addPicklist addCatalog addInventCatalog addTmcScale addTmcScaleGroup \
        addTmcScaleImage addMedicine addExciseMarksWhite addDepartment addValut addRole addDiscountSystem";
    for name in format.split_whitespace() {
        assert_eq!(verb(name).map(|verb| verb.name), Some(name));
    }
    assert!(verbs().iter().all(|known| verb(known.name) == Some(*known)));
}

#[test]
fn the_document_of_kinds_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats/kinds.md");
    let described = describe();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, &described).unwrap();
    }
    let written = fs_err::read_to_string(&path).unwrap();
    assert!(written == described, "docs/formats/kinds.md is old: UPDATE_DOCS=1 cargo test -p tillway-exchangers kinds");
}
