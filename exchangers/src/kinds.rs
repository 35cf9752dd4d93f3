//! The table of kinds: what dictionary objects there are, by which verbs they come, and where they
//! stand on the till.
//!
//! [`KINDS`] is the only place that says it. The AIF reader and writer, the row format, the
//! difference, the package, the till's schema and `docs/formats/kinds.md` follow from it. SQL
//! identifiers come from here and from nowhere else.
//!
//! Names of verbs and fields compare without regard to (ASCII) case; the spelling in the table is
//! the canonical one.
//!
//! **Architecture invariant:** no other module names a kind or a field in code where the table
//! could say it.

mod describe;
mod names;
mod spec;
mod table;

#[cfg(test)]
mod tests;

pub use describe::describe;
pub use spec::{Expansion, Field, FieldType, Hanging, KindSpec, MAX_LONG_TEXT_BYTES, Storage};
pub use table::KINDS;

use crate::row::KEY_SEPARATOR;
use names::NameTable;
use std::fmt;
use std::sync::LazyLock;

/// One kind of the table: small, and compared by its place there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

/// What a verb says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbMeaning {
    /// Add or change an object of this kind.
    Add(Kind),
    /// Delete objects of this kind by key.
    Delete(Kind),
    /// Clear these kinds.
    Clear(&'static [Kind]),
}

/// A verb of AIF in its canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// The spelling of the table.
    pub name: &'static str,
    /// What it says.
    pub meaning: VerbMeaning,
}

/// Where a field of a payload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FieldTarget {
    /// Index of the declared field.
    pub(crate) column: Option<usize>,
    /// Index of the expansion.
    pub(crate) expansion: Option<usize>,
    /// Its place among the names of the kind: below 128, so that each is a bit of a number.
    pub(crate) place: u32,
}

/// An expansion with its names resolved to places.
#[derive(Debug)]
pub(crate) struct ResolvedExpansion {
    pub(crate) kind: Kind,
    pub(crate) scalar: Option<usize>,
    pub(crate) ordinal: Option<usize>,
    pub(crate) inherit: Vec<(usize, usize)>,
    pub(crate) replaces: bool,
    pub(crate) field: &'static str,
}

/// A kind whose objects hang on one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HangingKind {
    /// The kind.
    pub kind: Kind,
    /// Which part of its key, from 0, has what it hangs on.
    pub part: usize,
}

struct KindIndex {
    hanging: Vec<HangingKind>,
    key_columns: Vec<usize>,
    fields: NameTable<FieldTarget>,
    expansions: Vec<ResolvedExpansion>,
}

struct Index {
    kinds: Vec<KindIndex>,
    names: NameTable<Kind>,
    verbs: NameTable<Verb>,
    ordered_verbs: Vec<Verb>,
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::build);

/// Every kind, in the order of the table.
pub fn all() -> impl ExactSizeIterator<Item = Kind> {
    (0..COUNT).map(Kind)
}

/// The kind of goods: a receipt names what was sold by its key.
pub fn goods() -> Option<Kind> {
    Kind::by_name("item")
}

/// The kind of those who ring receipts up, and its field with a name for people: a receipt names
/// its cashier by the key.
pub fn cashiers() -> Option<(Kind, usize)> {
    let kind = Kind::by_name("cashier")?;
    Some((kind, kind.field("name")?))
}

/// Every verb, in the order of the table; clearing verbs that several kinds share come once.
pub fn verbs() -> &'static [Verb] {
    &INDEX.ordered_verbs
}

/// The verb with this name, whatever its case.
pub fn verb(name: &str) -> Option<Verb> {
    INDEX.verbs.find(name.as_bytes())
}

#[allow(clippy::cast_possible_truncation)] // checked by the assertion below
const COUNT: u8 = {
    assert!(KINDS.len() < u8::MAX as usize, "a kind is one byte");
    KINDS.len() as u8
};

impl Kind {
    /// The kind with this name, whatever its case.
    pub fn by_name(name: &str) -> Option<Self> {
        INDEX.names.find(name.as_bytes())
    }

    /// The kind with this stable number.
    pub fn by_id(id: u16) -> Option<Self> {
        all().find(|kind| kind.id() == id)
    }

    /// The kind that this verb adds.
    pub fn by_add_verb(name: &str) -> Option<Self> {
        match verb(name)?.meaning {
            VerbMeaning::Add(kind) => Some(kind),
            VerbMeaning::Delete(_) | VerbMeaning::Clear(_) => None,
        }
    }

    /// Its entry in the table.
    pub fn spec(self) -> &'static KindSpec {
        &KINDS[usize::from(self.0)]
    }

    /// Its place in the table, below `KINDS.len()`: for arrays by kind. Not stable, never stored.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its stable number.
    pub fn id(self) -> u16 {
        self.spec().id
    }

    /// Its stable name.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Its declared fields, in the order of the row.
    pub fn fields(self) -> &'static [Field] {
        self.spec().fields
    }

    /// Indexes into [`Kind::fields`] of the key fields, in the order of the object key.
    pub fn key_columns(self) -> &'static [usize] {
        &self.resolved().key_columns
    }

    /// Index of the declared field with this name or alias, whatever its case.
    pub fn field(self, name: &str) -> Option<usize> {
        self.target(name.as_bytes()).and_then(|target| target.column)
    }

    /// The part of a key that says what a node overrides as a whole, with its last separator; the
    /// key itself where each object is overridden alone. Keys of one such group are neighbours in
    /// the order of keys.
    pub fn override_group(self, key: &str) -> &str {
        let Some(last) = self.spec().overrides_by.checked_sub(1) else { return key };
        key.match_indices(KEY_SEPARATOR).nth(last).map_or(key, |(at, separator)| &key[..at + separator.len()])
    }

    /// The kinds of the rows that an object of this kind may bring: itself first, then those that
    /// come inside.
    pub fn brings(self) -> Vec<Self> {
        let mut kinds = vec![self];
        let mut at = 0;
        while let Some(kind) = kinds.get(at) {
            for expansion in kind.expansions() {
                if !kinds.contains(&expansion.kind) {
                    kinds.push(expansion.kind);
                }
            }
            at += 1;
        }
        kinds
    }

    /// The kinds whose objects hang on one of this kind, in the order of the table.
    pub fn hanging(self) -> &'static [HangingKind] {
        &self.resolved().hanging
    }

    pub(crate) fn target(self, name: &[u8]) -> Option<FieldTarget> {
        self.resolved().fields.find(name)
    }

    pub(crate) fn expansions(self) -> &'static [ResolvedExpansion] {
        &self.resolved().expansions
    }

    fn resolved(self) -> &'static KindIndex {
        &INDEX.kinds[usize::from(self.0)]
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.name())
    }
}

impl Index {
    /// Resolves names to places. Names that lead nowhere are left out here and found by the tests
    /// of the table.
    fn build() -> Self {
        let place = |name: &str| all().find(|kind| kind.spec().name == name);
        let kinds = KINDS.iter().map(|spec| KindIndex::build(spec, &place)).collect();
        let names = NameTable::new(all().map(|kind| (kind.spec().name, kind)));
        let mut ordered_verbs: Vec<Verb> = Vec::new();
        for kind in all() {
            let spec = kind.spec();
            let own = [spec.add.map(|name| (name, VerbMeaning::Add(kind)))];
            let deleting = [spec.delete.map(|name| (name, VerbMeaning::Delete(kind)))];
            for (name, meaning) in own.into_iter().chain(deleting).flatten() {
                ordered_verbs.push(Verb { name, meaning });
            }
            for name in spec.clear.iter().copied() {
                if ordered_verbs.iter().any(|verb| verb.name == name) {
                    continue;
                }
                let cleared: Vec<Kind> = all().filter(|other| other.spec().clear.contains(&name)).collect();
                // Made once for the life of the process: a verb hands out its kinds without a
                // lifetime.
                ordered_verbs.push(Verb { name, meaning: VerbMeaning::Clear(cleared.leak()) });
            }
        }
        let verbs = NameTable::new(ordered_verbs.iter().map(|verb| (verb.name, *verb)));
        Self { kinds, names, verbs, ordered_verbs }
    }
}

impl KindIndex {
    fn build(spec: &'static KindSpec, place: &dyn Fn(&str) -> Option<Kind>) -> Self {
        let column = |fields: &[Field], name: &str| fields.iter().position(|field| field.name == name);
        let mut targets: Vec<(&'static str, FieldTarget)> = Vec::new();
        for (at, field) in spec.fields.iter().enumerate() {
            for name in std::iter::once(field.name).chain(field.aliases.iter().copied()) {
                targets.push((name, FieldTarget { column: Some(at), expansion: None, place: 0 }));
            }
        }
        let mut expansions = Vec::new();
        for expansion in spec.expansions {
            let Some(kind) = place(expansion.kind) else { continue };
            let theirs = kind.spec().fields;
            let known = targets.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(expansion.field));
            if let Some((_, target)) = known {
                target.expansion = Some(expansions.len());
            } else {
                let target = FieldTarget { column: None, expansion: Some(expansions.len()), place: 0 };
                targets.push((expansion.field, target));
            }
            let inherit = expansion
                .inherit
                .iter()
                .filter_map(|(to, from)| Some((column(theirs, to)?, column(spec.fields, from)?)))
                .collect();
            expansions.push(ResolvedExpansion {
                kind,
                scalar: expansion.scalar.and_then(|name| column(theirs, name)),
                ordinal: expansion.ordinal.and_then(|name| column(theirs, name)),
                inherit,
                replaces: expansion.replaces,
                field: expansion.field,
            });
        }
        let part = |other: &Hanging, of: Kind| of.spec().key.iter().position(|name| *name == other.field);
        let hanging = all().flat_map(|kind| {
            let on = kind.spec().hangs_on.iter().filter(|on| on.kind == spec.name);
            on.filter_map(move |on| Some(HangingKind { kind, part: part(on, kind)? }))
        });
        Self {
            hanging: hanging.collect(),
            key_columns: spec.key.iter().filter_map(|name| column(spec.fields, name)).collect(),
            fields: NameTable::new(
                targets.into_iter().zip(0..).map(|((name, target), place)| (name, FieldTarget { place, ..target })),
            ),
            expansions,
        }
    }
}
