//! Packages, and a till that keeps the rules of applying them.

mod convergence;
mod full_disk;
mod sharing;
mod trust;

use super::{PackageFacts, PackageFolder, PackageService, Repair};
use crate::dictionary::tests::kit::Chain;
use crate::settings::proof_key::ProofKey;
use crate::store::packages::PackageStore;
use crate::store::sqlite::PackageDb;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_exchangers::kinds::{self, Kind};
use tillway_exchangers::package::{Mode, PackageReader, PackageSource as _, Record, state_digest, verify_file};
use tillway_exchangers::row;
use tillway_proto::{Digest, Revision, RowHash, TillId};

fn service(chain: &Chain) -> PackageService {
    service_over(chain, Arc::new(memo(chain)))
}

fn service_over(chain: &Chain, memo: Arc<dyn PackageStore>) -> PackageService {
    let files = PackageFolder::open(chain.folder.path().join("packages")).unwrap();
    PackageService::new(chain.db.clone(), memo, Arc::new(files), ProofKey::of([7; 32])).unwrap()
}

/// The file of a package, whether it is there or not.
fn path_of(service: &PackageService, facts: &PackageFacts) -> PathBuf {
    service.files().path(&facts.name).unwrap()
}

fn memo(chain: &Chain) -> PackageDb {
    PackageDb::open(&chain.folder.path().join("packages.db")).unwrap()
}

fn files(service: &PackageService) -> usize {
    fs_err::read_dir(service.files().folder()).unwrap().count()
}

/// A till in memory.
#[derive(Debug, Clone, Default)]
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
        self.apply(&path_of(service, &facts), &facts);
        Some(facts)
    }

    /// As exchange and agent do it where anything may be wrong: a digest that is not the target's
    /// asks for everything, kinds that differ after a package are asked for whole, the package
    /// that left them so is not applied.
    fn follow(&mut self, service: &PackageService, id: &TillId) {
        let state = service.target_states().unwrap().get(id).copied();
        let differs = state.is_some_and(|state| state.revision == self.cursor && state.digest != self.state());
        let mut repair = if differs { Repair::All } else { Repair::None };
        while let Some(facts) = service.package_for(id, self.cursor, &repair).unwrap() {
            let mut tried = self.clone();
            let wrong = tried.load(&path_of(service, &facts), &facts);
            if wrong.is_empty() {
                *self = tried;
                return;
            }
            assert_eq!(repair, Repair::None, "{wrong:?} came whole, and differ");
            repair = Repair::Kinds(wrong);
        }
    }

    fn apply(&mut self, path: &Path, facts: &PackageFacts) {
        let wrong = self.load(path, facts);
        assert!(wrong.is_empty(), "{wrong:?} differ after {facts:?}");
    }

    /// The kinds that are not as the package says.
    fn load(&mut self, path: &Path, facts: &PackageFacts) -> BTreeSet<String> {
        let mut wrong = BTreeSet::new();
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
                        // It deletes what was not there.
                        wrong.extend(had.is_none().then(|| kind.name().to_owned()));
                    }
                }
            }
        }
        self.cursor = facts.to;
        let told = |name: &str| header.kinds.iter().find(|entry| entry.kind == name);
        for kind in kinds::all() {
            let must = told(kind.name()).map_or((0, Digest::EMPTY), |entry| (entry.rows, entry.digest));
            wrong.extend((must != self.kind(kind.name())).then(|| kind.name().to_owned()));
        }
        wrong
    }

    /// The digest of all that it has, as its agent reports it.
    fn state(&self) -> Digest {
        let of = |kind: Kind| {
            let (rows, digest) = self.kind(kind.name());
            (kind, rows, digest)
        };
        state_digest(kinds::all().map(of))
    }

    fn kind(&self, name: &str) -> (u64, Digest) {
        let mut digest = Digest::EMPTY;
        let of_kind = self.rows.iter().filter(|((kind, _), _)| kind == name);
        (of_kind.map(|(_, hash)| digest.add(*hash)).count() as u64, digest)
    }
}
