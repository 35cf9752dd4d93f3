//! Writing a package from one snapshot of the dictionary.

use super::plan::Plan;
use super::proof::Prover;
use super::{PackageError, PackageFiles};
use crate::dictionary::difference::{Change, carry_forward, difference};
use crate::dictionary::entry::{KindId, ObjectKey};
use crate::dictionary::{Digests, KindDigest, overlay};
use crate::network::{LayerNo, Network};
use crate::store::dictionary::DictionarySnapshot;
use crate::store::packages::{PackageRecord, PackageStore};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::{BuildError, Facts, KindFacts, Mode, PackageBuilder, Record};
use tillway_proto::TillId;

/// Changed objects whose bodies are read at once: some megabytes at the most, since a row that is
/// longer than a few KiB is rare.
const BATCH: usize = 256;

/// With what a package is built.
pub struct Place<'a> {
    /// The memory of digests.
    pub memo: &'a dyn PackageStore,
    /// Where the files are kept.
    pub files: &'a dyn PackageFiles,
    /// Makes what a till has to show for its cursor.
    pub prover: &'a Prover,
}

/// Builds what is planned. The record's name is that of a file which is kept, durable.
///
/// None where the difference would touch too many objects: a full package leads to the same state.
pub fn build(
    snapshot: &dyn DictionarySnapshot,
    network: &Network,
    place: &Place<'_>,
    till: &TillId,
    plan: &Plan,
) -> Result<Option<PackageRecord>, PackageError> {
    let building = Building { snapshot, memo: place.memo, till, plan };
    let build_error = |source| PackageError::Build { till: till.clone(), to: plan.key.to, source };
    let mut builder = place.files.begin().map_err(build_error)?;
    let changes = if plan.is_full() {
        None
    } else {
        let found = difference(snapshot, &plan.from_path, plan.key.from, &plan.to_path)?;
        if found.is_none() {
            return Ok(None);
        }
        found
    };
    let (kinds, whole) = match &changes {
        None => building.write_all(&mut builder)?,
        Some(changes) => building.write_changes(&mut builder, changes)?,
    };
    let digests = building.digests(changes.as_deref(), &whole)?;
    builder.prove(place.prover.prove(plan.key.to, &plan.key.to_path, digests.state()));
    let kinds = Building::facts(kinds, &digests);
    let layers = plan.to_path.iter().filter_map(|layer| network.by_no(*layer)).map(|node| node.id.to_string());
    let facts = Facts { from: plan.key.from, to: plan.key.to, layers: layers.collect(), kinds };
    let built = builder.finish(facts).map_err(build_error)?;
    place.files.keep(&built).map_err(|source| PackageError::Files { source })?;
    Ok(Some(PackageRecord {
        name: built.name,
        bytes: built.bytes,
        objects: built.header.objects(),
        used_at: Timestamp::now(),
    }))
}

struct Building<'a> {
    snapshot: &'a dyn DictionarySnapshot,
    memo: &'a dyn PackageStore,
    till: &'a TillId,
    plan: &'a Plan,
}

/// The kinds that a package speaks of, and how.
type Kinds = Vec<(KindId, Mode)>;

/// Of the kinds written whole, what was written.
type Whole = BTreeMap<KindId, KindDigest>;

impl Building<'_> {
    /// What the till must have afterwards. Of kinds written whole that is what was written,
    /// whatever is remembered: a snapshot heals. Of others it is known already, or carried forward
    /// from the state before, or counted.
    fn digests(&self, changes: Option<&[Change]>, whole: &Whole) -> Result<Digests, PackageError> {
        let key = &self.plan.key;
        let known = self.memo.digests(&key.to_path, key.to)?;
        let mut digests = match (&known, changes) {
            (_, None) => Digests::default(),
            (Some(known), Some(_)) => known.clone(),
            (None, Some(changes)) => match self.memo.digests(&key.from_path, key.from)? {
                Some(mut before) => {
                    carry_forward(&mut before, changes);
                    before
                }
                None => overlay::digests(self.snapshot, &self.plan.to_path)?,
            },
        };
        for (kind, written) in whole {
            *digests.entry(*kind) = *written;
        }
        if let Some(known) = &known
            && *known != digests
        {
            tracing::warn!(
                till = %self.till, to = %key.to,
                "the remembered counts and digests of a state were wrong: they are replaced by those of its rows"
            );
        }
        if known.as_ref() != Some(&digests) {
            self.memo.keep_digests(&key.to_path, key.to, &digests)?;
            fail::fail_point!("package::digests_kept");
        }
        Ok(digests)
    }

    fn write_all(&self, builder: &mut PackageBuilder) -> Result<(Kinds, Whole), PackageError> {
        let (mut kinds, mut whole) = (Kinds::new(), Whole::new());
        for kind in overlay::kinds(self.snapshot, &self.plan.to_path)? {
            whole.insert(kind, self.write_whole(builder, kind)?);
            kinds.push((kind, Mode::Snapshot));
        }
        Ok((kinds, whole))
    }

    fn write_changes(&self, builder: &mut PackageBuilder, changes: &[Change]) -> Result<(Kinds, Whole), PackageError> {
        let (mut kinds, mut whole) = (Kinds::new(), Whole::new());
        let touched: BTreeSet<KindId> =
            changes.iter().map(|change| change.key.kind).chain(self.plan.whole.iter().copied()).collect();
        for kind in &touched {
            if self.plan.whole.contains(kind) {
                whole.insert(*kind, self.write_whole(builder, *kind)?);
                kinds.push((*kind, Mode::Snapshot));
                continue;
            }
            let Some(of_kind) = Kind::by_id(kind.0) else { continue };
            let first = changes.partition_point(|change| change.key.kind < *kind);
            let after = changes.partition_point(|change| change.key.kind <= *kind);
            for batch in changes[first..after].chunks(BATCH) {
                self.write_batch(builder, of_kind, batch)?;
            }
            kinds.push((*kind, Mode::Difference));
        }
        // Kinds that do not change are told too: the till compares them all.
        for kind in overlay::kinds(self.snapshot, &self.plan.to_path)? {
            if !touched.contains(&kind) {
                kinds.push((kind, Mode::Difference));
            }
        }
        Ok((kinds, whole))
    }

    /// Writes changes of one kind, whose bodies are read at once.
    fn write_batch(&self, builder: &mut PackageBuilder, kind: Kind, batch: &[Change]) -> Result<(), PackageError> {
        let mut by_layer: BTreeMap<LayerNo, Vec<&ObjectKey>> = BTreeMap::new();
        for change in batch {
            if let Some(winner) = change.after {
                by_layer.entry(winner.layer).or_default().push(&change.key);
            }
        }
        let mut bodies = BTreeMap::new();
        for (layer, keys) in by_layer {
            bodies.insert(layer, self.snapshot.bodies(layer, &keys)?.into_iter());
        }
        for change in batch {
            let key = change.key.key.as_str();
            let Some(winner) = change.after else {
                self.add(builder, kind, &Record::Delete { key })?;
                continue;
            };
            let body = bodies.get_mut(&winner.layer).and_then(Iterator::next).flatten();
            let body = body.ok_or_else(|| PackageError::Inconsistent {
                till: self.till.clone(),
                reason: format!("{} `{key}` is in the log but not in its layer", kind.name()),
            })?;
            self.add(builder, kind, &Record::Upsert { key, row: &body })?;
        }
        Ok(())
    }

    fn write_whole(&self, builder: &mut PackageBuilder, kind: KindId) -> Result<KindDigest, PackageError> {
        let mut written = KindDigest::default();
        // Of a kind that this program does not know any more tills hear nothing; it is counted.
        let of_kind = Kind::by_id(kind.0);
        overlay::scan(self.snapshot, &self.plan.to_path, kind, of_kind.is_some(), |entry| {
            written.add(entry.hash);
            match of_kind {
                Some(of_kind) => self.add(builder, of_kind, &Record::Upsert { key: &entry.key, row: &entry.body }),
                None => Ok(()),
            }
        })?;
        Ok(written)
    }

    fn add(&self, builder: &mut PackageBuilder, kind: Kind, record: &Record<'_>) -> Result<(), PackageError> {
        builder.add(kind, record).map_err(|source: BuildError| PackageError::Build {
            till: self.till.clone(),
            to: self.plan.key.to,
            source,
        })
    }

    fn facts(kinds: Kinds, digests: &Digests) -> Vec<KindFacts> {
        kinds
            .into_iter()
            .filter_map(|(kind, mode)| {
                let entry = digests.of(kind);
                Some(KindFacts { kind: Kind::by_id(kind.0)?, mode, rows: entry.rows, digest: entry.digest })
            })
            .collect()
    }
}
