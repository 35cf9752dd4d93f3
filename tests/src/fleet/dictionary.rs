//! A till's dictionary in little room: the hash of each row by its key, as its loader would count
//! it.
//!
//! Whether a package applies is the loader's own decision ([`on_package`]). What it does is told
//! in `tillway_exchangers::till::dictionary`; here is the same for maps: snapshot and difference,
//! counts and digests compared, all or nothing.

use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::{Header, Mode, PackageError, PackageSource, Record, state_digest};
use tillway_exchangers::row;
use tillway_proto::{CursorProof, Digest, PackageName, Revision, RowHash};
use tillway_sync_agent::decide::{PackageStep, on_package};

/// What tills do with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// Each till applies it to its own rows and compares.
    Own,
    /// Done once for each state that a till may be in; tills in the same state share the outcome.
    /// It is the outcome that each of them would have come to.
    Shared,
    /// The counts and digests of the header are believed. Proves that the right packages reach
    /// tills in the right order, and nothing about what is inside.
    Headers,
}

#[derive(Debug, Clone, Default)]
struct Rows {
    count: u64,
    digest: Digest,
    /// Empty where headers are believed.
    hashes: HashMap<Box<str>, RowHash>,
}

impl Rows {
    fn put(&mut self, key: &str, hash: RowHash) {
        self.take(key);
        self.digest.add(hash);
        self.count += 1;
        self.hashes.insert(key.into(), hash);
    }

    fn take(&mut self, key: &str) {
        if let Some(old) = self.hashes.remove(key) {
            self.digest.remove(old);
            self.count -= 1;
        }
    }
}

/// What a till has. Cheap to clone: rows are shared until they change.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionary {
    pub(super) cursor: Revision,
    pub(super) package: Option<PackageName>,
    pub(super) proof: Option<CursorProof>,
    pub(super) applied_at: Option<Timestamp>,
    kinds: BTreeMap<u16, (Kind, Arc<Rows>)>,
}

/// What became of a package.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Box<Dictionary>),
    Skipped,
    Gap,
    Diverged(Vec<String>),
    Broken(String),
}

impl Dictionary {
    pub(super) fn rows(&self) -> u64 {
        self.kinds.values().map(|(_, rows)| rows.count).sum()
    }

    pub(super) fn digest(&self) -> Digest {
        state_digest(self.kinds.values().map(|(kind, rows)| (*kind, rows.count, rows.digest)))
    }

    /// Applies a package, or does not.
    pub(super) fn apply(&self, source: &mut impl PackageSource, mode: Apply, replaces: Option<Revision>) -> Outcome {
        let header = source.header().clone();
        let has_it = self.package.as_ref() == Some(source.name());
        match on_package(self.cursor, &header, has_it, replaces) {
            PackageStep::Apply => {}
            PackageStep::Skip => return Outcome::Skipped,
            PackageStep::Gap => return Outcome::Gap,
        }
        let mut after = if mode == Apply::Headers {
            Self::believed(&header)
        } else {
            match self.with_records(source, &header) {
                Ok(after) => after,
                Err(reason) => return Outcome::Broken(reason),
            }
        };
        let diverged = after.differing(&header);
        if !diverged.is_empty() {
            return Outcome::Diverged(diverged);
        }
        after.cursor = header.to;
        after.package = Some(source.name().clone());
        after.proof = header.proof;
        Outcome::Done(Box::new(after))
    }

    fn believed(header: &Header) -> Self {
        let mut after = Self::default();
        for entry in &header.kinds {
            if let Some(kind) = Kind::by_name(&entry.kind) {
                let rows = Rows { count: entry.rows, digest: entry.digest, hashes: HashMap::new() };
                after.kinds.insert(kind.id(), (kind, Arc::new(rows)));
            }
        }
        after
    }

    fn with_records(&self, source: &mut impl PackageSource, header: &Header) -> Result<Self, String> {
        let mut after = self.clone();
        after.kinds.retain(|_, (kind, _)| {
            header.kind(kind.name()).map_or(!header.is_full(), |entry| entry.mode == Mode::Difference)
        });
        while let Some(chunk) = source.next_chunk().map_err(|error: PackageError| error.to_string())? {
            let Some(kind) = Kind::by_name(chunk.kind()) else { continue };
            let (_, rows) = after.kinds.entry(kind.id()).or_insert_with(|| (kind, Arc::default()));
            let rows = Arc::make_mut(rows);
            for record in chunk.records() {
                match record? {
                    Record::Upsert { key, row } => rows.put(key, row::hash(kind, row)),
                    Record::Delete { key } => rows.take(key),
                }
            }
        }
        Ok(after)
    }

    /// Kinds that are not what the package says.
    fn differing(&self, header: &Header) -> Vec<String> {
        let promised = |kind: Kind| header.kind(kind.name()).map_or((0, Digest::EMPTY), |of| (of.rows, of.digest));
        let missing = header.kinds.iter().filter_map(|entry| {
            let kind = Kind::by_name(&entry.kind)?;
            (!self.kinds.contains_key(&kind.id()) && entry.rows > 0).then(|| entry.kind.clone())
        });
        let other = self.kinds.values().filter(|(kind, rows)| promised(*kind) != (rows.count, rows.digest));
        missing.chain(other.map(|(kind, _)| kind.name().to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_exchangers::package::{Facts, KindFacts, PackageBuilder, PackageReader};
    use tillway_exchangers::row::{Row, Value};

    fn unit_row(code: &str, name: &str) -> (String, Vec<u8>, RowHash) {
        let kind = Kind::by_name("unit").unwrap();
        let mut values = vec![Value::Null; kind.fields().len()];
        for (place, text) in [("code", code), ("name", name)] {
            let column = kind.field(place).or_else(|| kind.key_columns().first().copied()).unwrap();
            values[column] = match kind.fields()[column].field_type.storage() {
                tillway_exchangers::kinds::Storage::Integer => Value::Integer(code.parse().unwrap()),
                tillway_exchangers::kinds::Storage::Text => Value::Text(text.to_owned()),
            };
        }
        let row = Row { extra: None, values };
        let bytes = row.encode();
        let hash = row::hash(kind, &bytes);
        let key = row::key(kind, &row.to_ref(kind)).as_str().to_owned();
        (key, bytes, hash)
    }

    struct Built {
        folder: tempfile::TempDir,
    }

    impl Built {
        fn package(
            &self,
            range: (u64, u64),
            mode: Mode,
            rows: &[&(String, Vec<u8>, RowHash)],
            after: (u64, Digest),
        ) -> PackageReader {
            let kind = Kind::by_name("unit").unwrap();
            let mut builder = PackageBuilder::new(self.folder.path()).unwrap();
            for (key, row, _) in rows {
                builder.add(kind, &Record::Upsert { key, row }).unwrap();
            }
            let facts = Facts {
                from: Revision(range.0),
                to: Revision(range.1),
                layers: Vec::new(),
                kinds: vec![KindFacts { kind, mode, rows: after.0, digest: after.1 }],
            };
            let built = builder.finish(facts).unwrap();
            PackageReader::open(&built.path, &built.name).unwrap()
        }
    }

    fn digest_of(rows: &[&(String, Vec<u8>, RowHash)]) -> Digest {
        let mut digest = Digest::EMPTY;
        for (_, _, hash) in rows {
            digest.add(*hash);
        }
        digest
    }

    fn done(outcome: Outcome) -> Dictionary {
        match outcome {
            Outcome::Done(dictionary) => *dictionary,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn packages_apply_in_their_range_and_only_to_the_rows_that_they_are_for() {
        let built = Built { folder: tempfile::tempdir().unwrap() };
        let (one, other) = (unit_row("1", "piece"), unit_row("2", "kilo"));
        let mut whole = built.package((0, 3), Mode::Snapshot, &[&one], (1, digest_of(&[&one])));
        let at_3 = done(Dictionary::default().apply(&mut whole, Apply::Own, None));
        assert_eq!((at_3.cursor, at_3.rows()), (Revision(3), 1));
        let both = (2, digest_of(&[&one, &other]));
        let difference = || built.package((3, 4), Mode::Difference, &[&other], both);
        let at_4 = done(at_3.apply(&mut difference(), Apply::Own, None));
        assert_eq!((at_4.cursor, at_4.rows()), (Revision(4), 2));
        assert!(matches!(at_4.apply(&mut difference(), Apply::Own, None), Outcome::Skipped));
        assert!(matches!(Dictionary::default().apply(&mut difference(), Apply::Own, None), Outcome::Gap));
        let believed = done(at_3.apply(&mut difference(), Apply::Headers, None));
        assert_eq!(believed.digest(), at_4.digest());
    }

    #[test]
    fn a_till_with_other_rows_notices_it_and_keeps_them() {
        let built = Built { folder: tempfile::tempdir().unwrap() };
        let (one, other) = (unit_row("1", "piece"), unit_row("2", "kilo"));
        let mut wrong = built.package((0, 1), Mode::Difference, &[&other], (2, digest_of(&[&one, &other])));
        let outcome = Dictionary::default().apply(&mut wrong, Apply::Own, None);
        assert!(matches!(&outcome, Outcome::Diverged(kinds) if kinds == &["unit"]), "{outcome:?}");
    }
}
