//! Packages: found or built for a till's cursor, each once, whoever asks.
//!
//! [`plan`] decides which package a till needs: where it starts (the newest revision at or before
//! the cursor that changed anything for the till, so that many cursors share one file), where it
//! leads (the till's target), and what it holds whole. [`build`] writes it from one snapshot of
//! the dictionary. [`PackageService`] remembers what was built, lets one build where ten thousand
//! ask, and removes files that nobody needs any more.

pub mod build;
mod cleaning;
mod files;
mod flight;
pub mod links;
pub mod plan;
pub mod proof;
#[cfg(test)]
mod tests;

pub use cleaning::{Cleaned, PackageLimits};
pub use files::{PackageFiles, PackageFolder};
pub use plan::Repair;

use crate::audit::Verb;
use crate::dictionary::difference::{carry_forward, difference};
use crate::dictionary::{DictionaryError, DictionaryService, Digests, View, overlay};
use crate::network::{LayerNo, Network};
use crate::reserve::{DiskReserve, NoRoom};
use crate::settings::proof_key::ProofKey;
use crate::store::StoreError;
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore};
use crate::store::packages::{PackageKey, PackageRecord, PackageStore};
use crate::words::as_said;
use flight::Flights;
use links::Links;
use plan::Plan;
use proof::Prover;
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use tillway_exchangers::package::BuildError;
use tillway_proto::report::TillState;
use tillway_proto::{Digest, NodeId, PackageName, Revision, TillId};
use tillway_service::actor::Caller;
use tillway_service::audit::AuditLine;

/// How often a plan is made anew because loads were faster than it: each time at least one load
/// has ended.
const MAX_PLANS: u32 = 8;

/// Why there is no package.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PackageError {
    /// The till is not in the network.
    #[error("there is no till {till} in the network: it was removed, or its agent has the id of another server's till")]
    #[serde(rename = "package-for-nobody")]
    UnknownTill {
        /// The till.
        till: TillId,
    },
    /// The file could not be built.
    #[error("failed to build the package for {till} to revision {to}")]
    #[serde(rename = "package-not-built")]
    Build {
        /// Who needs it first.
        till: TillId,
        /// The revision that it leads to.
        to: Revision,
        /// Why.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: BuildError,
    },
    /// An object vanished between two reads of one snapshot.
    #[error("failed to build the package for {till}: {reason}; check dictionary.db with `cash-server check`")]
    #[serde(rename = "package-inconsistent")]
    Inconsistent {
        /// Who needs it first.
        till: TillId,
        /// What did not fit.
        reason: String,
    },
    /// Loads follow each other too fast.
    #[error("the dictionary changed {MAX_PLANS} times while a package for {till} was planned; it is tried again")]
    #[serde(rename = "dictionary-restless")]
    Restless {
        /// Who needs it.
        till: TillId,
    },
    /// The disk is too full for it.
    #[error("the package for {till} is not built now")]
    #[serde(rename = "no-room-for-package")]
    NoRoom {
        /// Who needs it.
        till: TillId,
        /// What is missing.
        #[source]
        #[serde(rename = "reason")]
        source: NoRoom,
    },
    /// The files of packages.
    #[error("failed to look after the files of packages")]
    #[serde(rename = "package-files")]
    Files {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The dictionary could not be read.
    #[error("failed to read the dictionary for a package")]
    #[serde(untagged)]
    Dictionary(#[source] DictionaryError),
    /// The store failed.
    #[error("failed to read or keep what a package needs")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

impl From<StoreError> for PackageError {
    // The scan of an overlay hands both on through one type.
    fn from(source: StoreError) -> Self {
        Self::Store(source)
    }
}

/// A package, ready to be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its name.
    pub name: PackageName,
    /// Size of its file.
    pub bytes: u64,
    /// It applies where `from ≤ cursor < to`.
    pub from: Revision,
    /// The cursor afterwards.
    pub to: Revision,
    /// Objects inside.
    pub objects: u64,
    /// Path on the package host.
    pub link: String,
    /// Whether it stands alone: it applies whatever the till has, and at cursor `to` as well.
    pub full: bool,
}

/// What a till that stands at its target must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetState {
    /// The target.
    pub revision: Revision,
    /// One digest over all kinds.
    pub digest: Digest,
}

/// Checks what tills have to show for their cursors.
pub struct Claims {
    view: Arc<View>,
    prover: Arc<Prover>,
}

impl Claims {
    /// Whether this server gave out a package that leads this till to its cursor. One beyond the
    /// newest revision is looked at with the path of today: the moves since are lost with the
    /// revisions.
    pub fn hold(&self, till: &TillId, state: &TillState) -> bool {
        let Some(proof) = &state.proof else { return false };
        let Some(node) = self.view.network.node(&NodeId::Till(till.clone())) else { return false };
        let path = self.view.effective_path(node.no, state.cursor.min(self.view.head));
        self.prover.proves(proof, state.cursor, &plan::path_key(&path))
    }
}

/// Finds and builds packages. Cheap to clone; calls block.
#[derive(Clone)]
pub struct PackageService {
    dictionary: DictionaryService,
    memo: Arc<dyn PackageStore>,
    files: Arc<dyn PackageFiles>,
    flights: Arc<Flights>,
    reserve: DiskReserve,
    prover: Arc<Prover>,
    links: Links,
}

impl PackageService {
    /// Over the dictionary, the memory of what was built, the files, and the key of the proofs
    /// that packages carry and of the links to them.
    pub fn new(
        dictionary: Arc<dyn DictionaryStore>,
        memo: Arc<dyn PackageStore>,
        files: Arc<dyn PackageFiles>,
        key: ProofKey,
    ) -> Result<Self, PackageError> {
        let links = Links::new(&key);
        let prover = Arc::new(Prover::new(key, dictionary.identity()?));
        let others = memo.make_under(&prover.mark())?;
        if others > 0 {
            tracing::info!(
                packages = others,
                "packages of before, without proofs of this key, are built anew when asked for"
            );
        }
        let dictionary = DictionaryService::new(dictionary);
        // What is remembered of later revisions is of a dictionary that was restored from a backup
        // since: the next load takes their numbers again.
        let head = dictionary.head().map_err(PackageError::Dictionary)?;
        forget_after(memo.as_ref(), head)?;
        let flights = Arc::new(Flights::new(std::thread::available_parallelism().map_or(1, usize::from)));
        Ok(Self { dictionary, memo, files, flights, reserve: DiskReserve::default(), prover, links })
    }

    /// What makes links to packages, and knows them again.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// With this much room kept free on the disk on which packages are built.
    #[must_use]
    pub fn with_disk_reserve(self, reserve: DiskReserve) -> Self {
        Self { reserve, ..self }
    }

    /// The package that takes a till from `cursor` to its target; none where it is there and
    /// nothing is to be repaired.
    pub fn package_for(
        &self,
        till: &TillId,
        cursor: Revision,
        repair: &Repair,
    ) -> Result<Option<PackageFacts>, PackageError> {
        let mut as_full = false;
        for _ in 0..MAX_PLANS {
            let Some(plan) = self.plan(till, cursor, repair)? else { return Ok(None) };
            let plan = if as_full { plan::full(plan.to_path, plan.key.to) } else { plan };
            if let Some(facts) = self.built(&plan.key)? {
                return Ok(Some(facts));
            }
            let _flight = self.flights.take(&plan.key);
            // Before the moment to build from: whoever reads one holds what could be given back.
            let room = self.room();
            // While this thread waited, another may have built it, or a load may have made it
            // obsolete.
            let (snapshot, view) = self.moment()?;
            let Some(now) = plan_at(snapshot.as_ref(), &view, till, cursor, repair)? else { return Ok(None) };
            if (&now.to_path, now.key.to) != (&plan.to_path, plan.key.to) || (!as_full && now.key != plan.key) {
                continue;
            }
            if let Some(facts) = self.built(&plan.key)? {
                return Ok(Some(facts));
            }
            room.map_err(|source| PackageError::NoRoom { till: till.clone(), source })?;
            let built = {
                let (memo, files) = (self.memo.as_ref(), self.files.as_ref());
                let place = build::Place { memo, files, prover: &self.prover };
                build::build(snapshot.as_ref(), &view.network, &place, till, &plan)?
            };
            let Some(record) = built else {
                as_full = true;
                continue;
            };
            self.memo.keep_package(&plan.key, &record)?;
            fail::fail_point!("package::remembered");
            tracing::info!(
                package = record.name.short(), from = %plan.key.from, to = %plan.key.to, objects = record.objects,
                bytes = record.bytes, full = plan.is_full(), "built a package"
            );
            return Ok(Some(facts(&plan.key, &record)));
        }
        Err(PackageError::Restless { till: till.clone() })
    }

    /// What the tills that stand at their target must have: a target and one digest
    /// ([`state_digest`]) for each till whose state is known. Builds nothing. One look-up for all
    /// tills that see the same layers; of those that are not remembered (nobody was led there by a
    /// package: a server restored from a backup, whose tills have all its revisions already) a few
    /// are counted at each call, so that some calls later all are known.
    ///
    /// [`state_digest`]: tillway_exchangers::package::state_digest
    pub fn target_states(&self) -> Result<HashMap<TillId, TargetState>, PackageError> {
        let (snapshot, view) = self.moment()?;
        let mut known: HashMap<(Vec<LayerNo>, Revision), Option<TargetState>> = HashMap::new();
        let mut states = HashMap::new();
        let mut counted = 0;
        for (till, node) in view.network.tills() {
            let revision = view.target(node.no);
            if revision == Revision::ZERO {
                continue;
            }
            let key = (view.effective_path(node.no, view.head), revision);
            if !known.contains_key(&key) {
                let mut digests = self.memo.digests(&plan::path_key(&key.0), revision)?;
                if digests.is_none() && counted < COUNTED_AT_ONCE {
                    counted += 1;
                    digests = Some(self.count(snapshot.as_ref(), &view, &key.0, revision)?);
                }
                known.insert(key.clone(), digests.map(|digests| TargetState { revision, digest: digests.state() }));
            }
            let state = known.get(&key).copied().flatten();
            states.extend(state.map(|state| (till.clone(), state)));
        }
        Ok(states)
    }

    /// Counts the present state of a path, from the newest one that is remembered where that is
    /// possible, and remembers it.
    fn count(
        &self,
        snapshot: &dyn DictionarySnapshot,
        view: &View,
        path: &[LayerNo],
        revision: Revision,
    ) -> Result<Digests, PackageError> {
        let key = plan::path_key(path);
        let before = self.memo.newest_digests(&key, revision)?;
        let before = before.filter(|(since, _)| *since >= view.log_start && !view.is_lost(*since));
        let changed = match before {
            Some((since, digests)) => difference(snapshot, path, since, path)?.map(|changes| (digests, changes)),
            None => None,
        };
        let digests = match changed {
            Some((mut digests, changes)) => {
                carry_forward(&mut digests, &changes);
                digests
            }
            None => overlay::digests(snapshot, path)?,
        };
        if let Err(error) = self.memo.keep_digests(&key, revision, &digests) {
            // They are counted again; what tills must have is known all the same.
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to remember the digests of a state");
        }
        Ok(digests)
    }

    /// Looks whether the file of a package is what its name says. One that is not is forgotten and
    /// removed, so that [`Self::package_for`] builds it anew. Reads the whole file.
    pub fn recheck(&self, name: &PackageName) -> Result<bool, PackageError> {
        let Err(error) = self.files.verify(name) else { return Ok(true) };
        tracing::warn!(
            package = name.short(),
            error = &error as &dyn std::error::Error,
            "the file of a package is not what it was: it is built anew when it is asked for"
        );
        self.memo.forget_packages(std::slice::from_ref(name))?;
        self.files.remove(name).map_err(|source| PackageError::Files { source })?;
        Ok(false)
    }

    /// Looks at what tills have to show for their cursors, at one moment.
    pub fn claims(&self) -> Result<Claims, PackageError> {
        let (snapshot, view) = self.moment()?;
        drop(snapshot);
        Ok(Claims { view, prover: Arc::clone(&self.prover) })
    }

    /// The files of packages.
    pub fn files(&self) -> &dyn PackageFiles {
        self.files.as_ref()
    }

    /// Whether the disk is too full to build packages: then [`Self::cleanup`] is due.
    pub fn lacks_room(&self) -> bool {
        self.room().is_err()
    }

    fn room(&self) -> Result<(), NoRoom> {
        self.reserve.check(self.files.folder(), 0)
    }

    fn moment(&self) -> Result<(Box<dyn DictionarySnapshot>, Arc<View>), PackageError> {
        self.dictionary.moment().map_err(PackageError::Dictionary)
    }

    fn plan(&self, till: &TillId, cursor: Revision, repair: &Repair) -> Result<Option<Plan>, PackageError> {
        let (snapshot, view) = self.moment()?;
        let target = view.target(till_no(&view.network, till)?);
        if target == Revision::ZERO {
            return Ok(None);
        }
        if cursor <= target {
            return plan_at(snapshot.as_ref(), &view, till, cursor, repair);
        }
        // This database never gave out that cursor: it was restored from a backup.
        drop(snapshot);
        forget_after(self.memo.as_ref(), view.head)?;
        let line = AuditLine::new(&Caller::server(), Verb::TillGoPast, till);
        let revision = self.dictionary.store().skip_past(cursor.max(view.head), &line)?;
        tracing::warn!(%till, %cursor, head = %view.head, %revision,
            "a till has a newer state than this server, which must have been restored from a backup: went on after it");
        let (snapshot, view) = self.moment()?;
        plan_at(snapshot.as_ref(), &view, till, cursor, repair)
    }

    /// Which packages take these tills from their cursors to their targets: tills with the same
    /// key share one. None where there is nothing to send, or where only [`Self::package_for`]
    /// finds out. One moment for all of them; builds nothing.
    pub fn keys_for<'a>(
        &self,
        asked: impl Iterator<Item = (&'a TillId, Revision, Repair)>,
    ) -> Result<Vec<Option<PackageKey>>, PackageError> {
        let (snapshot, view) = self.moment()?;
        let touches = plan::Touches::over(snapshot.as_ref());
        let key = |(till, cursor, repair): (&TillId, Revision, Repair)| {
            let Some(node) = view.network.node(&NodeId::Till(till.clone())) else { return Ok(None) };
            if cursor > view.target(node.no) {
                return Ok(None);
            }
            Ok(plan::plan(&touches, &view, node.no, cursor, &repair)?.map(|plan| plan.key))
        };
        asked.map(key).collect()
    }

    /// A package that is there.
    pub(crate) fn built(&self, key: &PackageKey) -> Result<Option<PackageFacts>, PackageError> {
        let Some(record) = self.memo.package(key)? else { return Ok(None) };
        let there = self.files.bytes(&record.name).is_ok_and(|bytes| bytes == Some(record.bytes));
        Ok(there.then(|| facts(key, &record)))
    }
}

/// States that one look at all tills counts: at most a second, since the rows of each may have to
/// be read.
const COUNTED_AT_ONCE: u32 = 4;

fn forget_after(memo: &dyn PackageStore, head: Revision) -> Result<(), PackageError> {
    let forgotten = memo.forget_after(head)?;
    if forgotten > 0 {
        tracing::warn!(packages = forgotten, %head, "forgot packages of later revisions than the dictionary has");
    }
    Ok(())
}

fn plan_at(
    snapshot: &dyn DictionarySnapshot,
    view: &View,
    till: &TillId,
    cursor: Revision,
    repair: &Repair,
) -> Result<Option<Plan>, PackageError> {
    Ok(plan::plan(&plan::Touches::over(snapshot), view, till_no(&view.network, till)?, cursor, repair)?)
}

fn facts(key: &PackageKey, record: &PackageRecord) -> PackageFacts {
    PackageFacts {
        name: record.name.clone(),
        bytes: record.bytes,
        from: key.from,
        to: key.to,
        objects: record.objects,
        link: format!("/packages/{}", record.name.file_name()),
        full: key.whole == plan::ALL,
    }
}

fn till_no(network: &Network, till: &TillId) -> Result<LayerNo, PackageError> {
    let node = network.node(&NodeId::Till(till.clone()));
    node.map(|node| node.no).ok_or_else(|| PackageError::UnknownTill { till: till.clone() })
}
