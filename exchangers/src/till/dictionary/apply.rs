//! Applying a package: all of it in one transaction, or nothing.

use super::loader::Loader;
use super::schema::{self, quoted, secondary_indexes};
use super::state::{cursor, store_cursor};
use super::statements::{Statements, WriteError};
use super::tally::{self, Tallies, Tally};
use crate::kinds::{self, Kind};
use crate::package::{Header, KindEntry, Mode, PackageError, PackageSource, Record};
use crate::row::RowError;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tillway_proto::{Digest, Revision};

/// From this many rows on, a snapshot is loaded without the secondary indexes, which are made anew
/// afterwards: sorting once is cheaper than a million insertions all over an index.
const REINDEX_ROWS: u64 = 2_000;

/// What came of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was applied.
    Done(Loaded),
    /// The till has what it would bring.
    Skipped {
        /// Where the till is.
        cursor: Revision,
    },
}

/// What a package changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The cursor before.
    pub from: Revision,
    /// The cursor now.
    pub to: Revision,
    /// Rows written.
    pub upserts: u64,
    /// Deletions.
    pub deletes: u64,
    /// Rows the till has now.
    pub rows: u64,
    /// Kinds of a newer server that this program does not know, and left out. After its upgrade
    /// they differ, and come.
    pub unknown_kinds: Vec<String>,
}

/// Why a package was not applied. The database is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It starts after where the till is.
    #[error("the package starts at revision {from}, the till is at {cursor}")]
    Gap {
        /// Where the till is.
        cursor: Revision,
        /// Where the package starts.
        from: Revision,
    },
    /// After the last row, counts or digests were not those of the package.
    #[error("the till would not hold what the package says of: {}", kinds.join(", "))]
    Diverged {
        /// Names of the kinds; a snapshot of them repairs it.
        kinds: Vec<String>,
    },
    /// The package does not read.
    #[error("failed to read the package")]
    Package(#[source] PackageError),
    /// A record does not read, or there are not as many as the header says.
    #[error("the package is broken: kind {kind}: {what}")]
    Record {
        /// The kind.
        kind: String,
        /// What is wrong.
        what: String,
    },
    /// A row does not read, perhaps because it has more columns than this program knows.
    #[error("the package has a row that does not read")]
    Row(#[source] RowError),
    /// The database failed.
    #[error("failed to {what}: {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

impl ApplyError {
    /// Whether the same package may well be applied later: the disk is full, somebody holds a
    /// lock.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Database { source, .. } => !super::corrupt(source),
            Self::Package(PackageError::Io { .. }) => true,
            _ => false,
        }
    }

    /// Whether it takes nothing but time or room: somebody holds a lock, the disk is full.
    pub fn waits_for_room_or_lock(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        match self {
            Self::Database { source, .. } => {
                matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull))
            }
            _ => false,
        }
    }

    /// Whether the database is no sound one; see [`set_aside`](super::set_aside).
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Database { source, .. } if super::corrupt(source))
    }
}

/// What to do with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageStep {
    /// Apply it.
    Apply,
    /// The till has what it would bring.
    Skip,
    /// It starts at a revision that the till does not have.
    Gap,
}

/// What to do with a package on a till at revision `cursor`: it applies where
/// `from ≤ cursor < to`, and one that repairs also at `to`. `has_it`: it is the very package that
/// brought the till there, and nothing speaks for a difference since. `replaces`: a cursor that
/// the server does not believe, so that a package that stands alone also applies at it.
pub fn on_package(cursor: Revision, header: &Header, has_it: bool, replaces: Option<Revision>) -> PackageStep {
    if header.is_full() && cursor > header.to && replaces == Some(cursor) {
        PackageStep::Apply
    } else if cursor < header.from {
        PackageStep::Gap
    } else if cursor < header.to || (cursor == header.to && header.repairs() && !has_it) {
        PackageStep::Apply
    } else {
        PackageStep::Skip
    }
}

impl Loader {
    /// Applies a package where `from ≤ cursor < to` (one that repairs also at `to`, unless it is
    /// the one that was applied last and nobody wrote since); an older one is skipped.
    pub fn apply(&mut self, source: &mut (impl PackageSource + ?Sized)) -> Result<Applied, ApplyError> {
        self.apply_replacing(source, None)
    }

    /// Applies a package; one that stands alone also where the cursor is exactly `replaces`: see
    /// [`on_package`].
    pub fn apply_replacing(
        &mut self,
        source: &mut (impl PackageSource + ?Sized),
        replaces: Option<Revision>,
    ) -> Result<Applied, ApplyError> {
        let path = self.path.clone();
        let failed = |source| ApplyError::Database { path: path.clone(), what: "load into", source };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let (from, package) = cursor(&transaction).map_err(failed)?;
        let altered = schema::mend(&transaction).map_err(failed)?;
        let mut touched = tally::touched(&transaction).map_err(failed)?;
        let unfit: BTreeSet<Kind> = altered.keys().chain(&self.unfit).copied().collect();
        touched.extend(unfit.iter().map(|kind| kind.name().to_owned()));
        let has_it = touched.is_empty() && package.as_ref() == Some(source.name());
        match on_package(from, source.header(), has_it, replaces) {
            PackageStep::Apply => {}
            PackageStep::Skip => return Ok(Applied::Skipped { cursor: from }),
            PackageStep::Gap => return Err(ApplyError::Gap { cursor: from, from: source.header().from }),
        }
        // Without the table of chunks, which may be long.
        let Header { to, layers, kinds, proof, .. } = source.header();
        let plan = Plan { full: source.header().is_full(), kinds: kinds.clone() };
        let (to, layers, proof) = (*to, layers.clone(), *proof);

        let waiting: Vec<_> =
            unfit.iter().filter(|kind| !plan.replaces(**kind)).map(|kind| kind.name().to_owned()).collect();
        if !waiting.is_empty() {
            tracing::error!(?altered, "tables were changed by hand and wait for a snapshot");
            return Err(ApplyError::Diverged { kinds: waiting });
        }
        let mut load = Load::begin(&transaction, &plan, &touched, unfit).map_err(failed)?;
        if let Err(error) = load.records(source, &failed) {
            self.unfit.extend(load.refused);
            return Err(error);
        }
        load.reindex().map_err(failed)?;
        fail::fail_point!("dictionary_load::rows_written");
        let loaded = load.check(&plan, from, to)?;
        let tallies = load.tallies;
        drop(load);
        let transaction = if cursor_follows_later() {
            transaction.commit().map_err(failed)?;
            fail::fail_point!("dictionary_load::data_without_cursor");
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?
        } else {
            transaction
        };
        tally::store(&transaction, &tallies).map_err(failed)?;
        store_cursor(&transaction, to, source.name(), &layers, proof).map_err(failed)?;
        tally::store_touched(&transaction, &[]).map_err(failed)?;
        fail::fail_point!("dictionary_load::cursor_stored");
        transaction.commit().map_err(failed)?;
        fail::fail_point!("dictionary_load::committed");
        self.unfit.clear();
        self.checkpoint();
        fail::fail_point!("dictionary_load::checkpointed");
        Ok(Applied::Done(loaded))
    }
}

/// Whether the cursor is to follow the data in a transaction of its own, which a test must notice.
/// Never in a release.
fn cursor_follows_later() -> bool {
    fail::fail_point!("without::cursor_transaction", |_| true);
    false
}

/// What a package says of kinds.
struct Plan {
    full: bool,
    kinds: Vec<KindEntry>,
}

impl Plan {
    fn of(&self, kind: Kind) -> Option<&KindEntry> {
        self.kinds.iter().find(|entry| entry.kind == kind.name())
    }

    /// Names of the kinds that this program does not know.
    fn unknown(&self) -> Vec<String> {
        let unknown = self.kinds.iter().filter(|entry| Kind::by_name(&entry.kind).is_none());
        unknown.map(|entry| entry.kind.clone()).collect()
    }

    /// Whether all rows that the till has of the kind go away first.
    fn replaces(&self, kind: Kind) -> bool {
        self.of(kind).map_or(self.full, |entry| entry.mode == Mode::Snapshot)
    }
}

/// A load on its way, inside of its transaction.
struct Load<'c> {
    connection: &'c Connection,
    tallies: Tallies,
    replaced: BTreeSet<Kind>,
    /// Kinds whose tables this load made anew.
    made: BTreeSet<Kind>,
    /// The kind whose table refused a row although it was not made anew.
    refused: Option<Kind>,
    reindex: Vec<Kind>,
    counted: Vec<(String, u64, u64)>,
}

impl<'c> Load<'c> {
    fn begin(
        connection: &'c Connection,
        plan: &Plan,
        touched: &BTreeSet<String>,
        unfit: BTreeSet<Kind>,
    ) -> rusqlite::Result<Self> {
        let mut load = Self {
            connection,
            tallies: tally::stored(connection)?,
            replaced: BTreeSet::new(),
            made: unfit,
            refused: None,
            reindex: Vec::new(),
            counted: Vec::new(),
        };
        for kind in kinds::all() {
            let table = quoted(kind.spec().table);
            if plan.replaces(kind) {
                if load.made.contains(&kind) {
                    schema::table_anew(connection, kind)?;
                }
                if plan.of(kind).is_some_and(|entry| entry.rows >= REINDEX_ROWS) {
                    for (index, _) in secondary_indexes(kind) {
                        connection.execute_batch(&format!("DROP INDEX IF EXISTS {}", quoted(&index)))?;
                    }
                    load.reindex.push(kind);
                }
                connection.execute(&format!("DELETE FROM {table}"), [])?;
                load.tallies[kind.index()] = Tally::default();
                load.replaced.insert(kind);
            } else if touched.contains(kind.name()) {
                load.tallies[kind.index()] = tally::recount(connection, kind)?;
            }
        }
        Ok(load)
    }

    fn records(
        &mut self,
        source: &mut (impl PackageSource + ?Sized),
        failed: &impl Fn(rusqlite::Error) -> ApplyError,
    ) -> Result<(), ApplyError> {
        while let Some(chunk) = source.next_chunk().map_err(ApplyError::Package)? {
            let name = chunk.kind();
            let Some(kind) = Kind::by_name(name) else { continue };
            let broken = |what: &str| ApplyError::Record { kind: name.to_owned(), what: what.to_owned() };
            let tally = &mut self.tallies[kind.index()];
            let replaced = self.replaced.contains(&kind);
            let mut statements = Statements::prepare(self.connection, kind).map_err(failed)?;
            let (mut upserts, mut deletes) = (0, 0);
            for record in chunk.records() {
                let record = record.map_err(broken)?;
                let written = match record {
                    Record::Upsert { row, .. } => {
                        upserts += 1;
                        if replaced { statements.insert(row, tally) } else { statements.upsert(row, tally) }
                    }
                    Record::Delete { key } => {
                        deletes += 1;
                        statements.delete(key, tally)
                    }
                };
                written.map_err(|error| match error {
                    // The package has the hash that is its name: rather the table is to blame,
                    // until it was made anew.
                    WriteError::Database(error) if is_constraint(&error) && !self.made.contains(&kind) => {
                        tracing::error!(kind = name, %error, "a row was refused: the table is to be made anew by a snapshot");
                        self.refused = Some(kind);
                        ApplyError::Diverged { kinds: vec![name.to_owned()] }
                    }
                    WriteError::Database(error) if is_constraint(&error) => {
                        broken(&format!("the row of key `{}` cannot be stored: {error}", record.key()))
                    }
                    WriteError::Database(error) => failed(error),
                    WriteError::Row(error) => ApplyError::Row(error),
                    WriteError::Key => broken(&format!("`{}` is not the key of a row", record.key())),
                })?;
            }
            match self.counted.iter_mut().find(|(counted, ..)| counted == name) {
                Some((_, all_upserts, all_deletes)) => {
                    *all_upserts += upserts;
                    *all_deletes += deletes;
                }
                None => self.counted.push((name.to_owned(), upserts, deletes)),
            }
        }
        Ok(())
    }

    fn reindex(&self) -> rusqlite::Result<()> {
        for kind in &self.reindex {
            for (_, create) in secondary_indexes(*kind) {
                self.connection.execute_batch(&create)?;
            }
        }
        Ok(())
    }

    /// Compares what is there now with what the package says.
    fn check(&self, plan: &Plan, from: Revision, to: Revision) -> Result<Loaded, ApplyError> {
        for entry in plan.kinds.iter().filter(|entry| Kind::by_name(&entry.kind).is_some()) {
            let counted = self.counted.iter().find(|(name, ..)| *name == entry.kind);
            let (upserts, deletes) = counted.map_or((0, 0), |(_, upserts, deletes)| (*upserts, *deletes));
            if (upserts, deletes) != (entry.upserts, entry.deletes) {
                let (promised_upserts, promised_deletes) = (entry.upserts, entry.deletes);
                let what = format!(
                    "it has {upserts} upserts and {deletes} deletes, its header says {promised_upserts} and {promised_deletes}"
                );
                return Err(ApplyError::Record { kind: entry.kind.clone(), what });
            }
        }
        let differs = |kind: &Kind| {
            let (rows, digest) = plan.of(*kind).map_or((0, Digest::EMPTY), |entry| (entry.rows, entry.digest));
            self.tallies[kind.index()] != Tally { rows, digest }
        };
        let diverged: Vec<String> = kinds::all().filter(differs).map(|kind| kind.name().to_owned()).collect();
        if !diverged.is_empty() {
            return Err(ApplyError::Diverged { kinds: diverged });
        }
        Ok(Loaded {
            from,
            to,
            upserts: self.counted.iter().map(|(_, upserts, _)| upserts).sum(),
            deletes: self.counted.iter().map(|(_, _, deletes)| deletes).sum(),
            rows: self.tallies.iter().map(|tally| tally.rows).sum(),
            unknown_kinds: plan.unknown(),
        })
    }
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
