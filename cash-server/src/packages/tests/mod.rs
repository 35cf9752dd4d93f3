//! Packages, and a till that keeps the rules of applying them.

mod convergence;
mod sharing;

use super::{PackageFacts, PackageService, Repair};
use crate::dictionary::tests::kit::Chain;
use crate::store::sqlite::PackageDb;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::{Mode, PackageReader, PackageSource as _, Record, verify_file};
use tillway_exchangers::row;
use tillway_proto::{Digest, Revision, RowHash, TillId};

fn service(chain: &Chain) -> PackageService {
    let folder = chain.folder.path();
    let memo = PackageDb::open(&folder.join("packages.db")).unwrap();
    PackageService::new(chain.db.clone(), Arc::new(memo), folder.join("packages")).unwrap()
}

fn files(service: &PackageService) -> usize {
    fs_err::read_dir(service.folder()).unwrap().count()
}

/// A till in memory.
#[derive(Debug, Default)]
struct Till {
    cursor: Revision,
    rows: BTreeMap<(String, String), RowHash>,
}

impl Till {
    /// Asks, loads, and checks what the package promises. The package, where there was one.
    fn sync(&mut self, service: &PackageService, id: &TillId, repair: &Repair) -> Option<PackageFacts> {
        let facts = service.package_for(id, self.cursor, repair).unwrap()?;
        let applies = facts.from <= self.cursor && (self.cursor < facts.to || *repair != Repair::None);
        assert!(applies, "{facts:?} is for another state than {}", self.cursor);
        self.apply(&service.path_of(&facts.name), &facts);
        Some(facts)
    }

    fn apply(&mut self, path: &Path, facts: &PackageFacts) {
        let header = verify_file(path, &facts.name).unwrap();
        assert_eq!((header.from, header.to, header.objects()), (facts.from, facts.to, facts.objects));
        assert_eq!(header.is_full(), facts.full);
        assert_eq!(fs_err::metadata(path).unwrap().len(), facts.bytes);
        for entry in &header.kinds {
            if entry.mode == Mode::Snapshot {
                self.rows.retain(|(kind, _), _| *kind != entry.kind);
            }
        }
        if header.is_full() {
            self.rows.clear();
        }
        let mut reader = PackageReader::open(path, &facts.name).unwrap();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let kind = Kind::by_name(chunk.kind()).unwrap();
            for record in chunk.records() {
                match record.unwrap() {
                    Record::Upsert { key, row } => {
                        self.rows.insert((kind.name().to_owned(), key.to_owned()), row::hash(kind, row));
                    }
                    Record::Delete { key } => {
                        let had = self.rows.remove(&(kind.name().to_owned(), key.to_owned()));
                        assert!(had.is_some(), "deletes what was not there: {key}");
                    }
                }
            }
        }
        self.cursor = facts.to;
        for entry in &header.kinds {
            assert_eq!((entry.rows, entry.digest), self.kind(&entry.kind), "{} after {facts:?}", entry.kind);
        }
        assert_eq!(header.rows(), self.rows.len() as u64, "a kind is not told of");
    }

    fn kind(&self, name: &str) -> (u64, Digest) {
        let mut digest = Digest::EMPTY;
        let of_kind = self.rows.iter().filter(|((kind, _), _)| kind == name);
        (of_kind.map(|(_, hash)| digest.add(*hash)).count() as u64, digest)
    }
}
