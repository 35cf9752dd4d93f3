//! Goods as rows of the till, and packages of them, made by the code that the server and the till
//! use.

use super::MeasureError;
use super::data::{self, Good};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tillway_exchangers::formats::aif::RecordReader;
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::package::{BuiltPackage, Facts, KindFacts, Mode, PackageBuilder, Record};
use tillway_exchangers::records::Command;
use tillway_exchangers::row::{ObjectKey, hash};
use tillway_proto::{Digest, Revision};

/// Encoded rows by the number of their kind and their key.
#[derive(Debug, Clone, Default)]
pub struct Overlay(pub BTreeMap<(u16, ObjectKey), Vec<u8>>);

impl Overlay {
    /// The rows that these goods become.
    pub fn of(goods: &[Good]) -> Result<Self, MeasureError> {
        let mut aif = Vec::new();
        data::write_aif(goods, false, &mut aif).map_err(MeasureError::File)?;
        let mut rows = BTreeMap::new();
        for record in RecordReader::new(&aif[..]) {
            let record = record.map_err(MeasureError::File)?;
            let command = record.command.map_err(|reject| MeasureError::wrong("a record of goods", reject))?;
            let Command::Upsert(expansion) = command else { continue };
            for row in [expansion.main].into_iter().chain(expansion.owned) {
                rows.insert((row.kind.id(), row.key), row.body);
            }
        }
        Ok(Self(rows))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    fn facts(&self, kind: Kind, mode: Mode) -> KindFacts {
        let (mut rows, mut digest) = (0, Digest::EMPTY);
        for (_, body) in self.0.iter().filter(|((id, _), _)| *id == kind.id()) {
            rows += 1;
            digest.add(hash(kind, body));
        }
        KindFacts { kind, mode, rows, digest }
    }

    /// A package with all of it.
    pub fn snapshot(&self, folder: &Path, to: u64) -> Result<BuiltPackage, MeasureError> {
        package(folder, None, (to, self))
    }

    /// A package with what differs from before.
    pub fn difference(&self, folder: &Path, before: (u64, &Self), to: u64) -> Result<BuiltPackage, MeasureError> {
        package(folder, Some(before), (to, self))
    }
}

fn package(
    folder: &Path,
    before: Option<(u64, &Overlay)>,
    (to, after): (u64, &Overlay),
) -> Result<BuiltPackage, MeasureError> {
    let failed = |error| MeasureError::wrong("building a package", error);
    let mut builder = PackageBuilder::new(folder).map_err(failed)?;
    let nothing = Overlay::default();
    let (from, old) = before.unwrap_or((0, &nothing));
    let keys: BTreeSet<_> = old.0.keys().chain(after.0.keys()).collect();
    for entry in keys {
        let Some(kind) = Kind::by_id(entry.0) else { continue };
        let record = match (old.0.get(entry), after.0.get(entry)) {
            (had, Some(row)) if had != Some(row) => Record::Upsert { key: entry.1.as_str(), row },
            (Some(_), None) => Record::Delete { key: entry.1.as_str() },
            _ => continue,
        };
        builder.add(kind, &record).map_err(failed)?;
    }
    let mode = if before.is_some() { Mode::Difference } else { Mode::Snapshot };
    let kinds = kinds::all().map(|kind| after.facts(kind, mode)).collect();
    let layers = vec!["_chain_main_00000001".to_owned()];
    builder.finish(Facts { from: Revision(from), to: Revision(to), layers, kinds }).map_err(failed)
}
