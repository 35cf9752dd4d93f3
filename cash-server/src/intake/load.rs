//! One load: records of a file or a body, one by one, into a transaction on the layer.

use super::encoding::{self, WrongEncoding};
use super::hold;
use super::read_ahead::{Batch, Batches, ReadAhead, read_ahead};
use super::source::{self, Identity};
use crate::dictionary::entry::{self, Effect, KindId, LoadCounts, LoadOutcome};
use crate::dictionary::load::{Orders, spare};
use crate::network::LayerNo;
use crate::settings::HoldLimits;
use crate::store::StoreError;
use crate::store::dictionary::{Crowded, DictionaryStore, LoadTxn, ObjectToken, TakenBack};
use crate::store::intake::{Consent, LoadReason, NoticeRecord};
use crate::words::Reason;
use encoding_rs::Encoding;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::records::{
    Cause, Command, Format, RawRecords, Record, RecordHash, Reject, Spares, Warning, WarningKind,
};
use tillway_exchangers::row::{KeyMatch, ObjectKey};
use tillway_proto::{LoadId, Revision};
use tokio_util::sync::CancellationToken;

/// Rejects that are kept with a load; more are counted. A file that is broken throughout says the
/// same a million times.
pub const MAX_KEPT_REJECTS: usize = 1000;

/// Warnings that are kept with a load; more are counted.
pub const MAX_KEPT_WARNINGS: usize = 1000;

/// Longest verb and key that are kept of a reject, in characters: a broken record may have one of
/// megabytes.
const MAX_NAME_CHARS: usize = 200;

/// Lines that a remark names.
const MAX_TOLD_LINES: usize = 20;

/// What is to be loaded, and how.
pub(super) struct Task<'a> {
    pub(super) load: LoadId,
    pub(super) layer: LayerNo,
    pub(super) path: &'a Path,
    pub(super) format: &'static dyn Format,
    pub(super) encoding: &'static Encoding,
    pub(super) stop_on_error: bool,
    /// Whether it gives way to the move of a node that waits: then it is begun again.
    pub(super) gives_way: bool,
    /// Times with a zone are read as times of this one.
    pub(super) zone: &'a TimeZone,
    /// Objects of the layer, by number of kind and key, that a reject or a warning of an earlier
    /// load is about.
    pub(super) noticed: Vec<(u16, String)>,
    pub(super) hold: HoldLimits,
    pub(super) consent: Consent,
    pub(super) progress: Arc<Counters>,
    pub(super) shutdown: &'a CancellationToken,
}

/// How far a load is.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Report {
    /// What was committed; none where the whole load was refused.
    pub(super) outcome: Option<LoadOutcome>,
    /// Why it was refused.
    pub(super) refused: Option<LoadReason>,
    /// Where it is held: what it would do, and why that is too much.
    pub(super) held: Option<HeldBack>,
    /// The `clear…` verb that it begins with.
    pub(super) clears: Option<&'static str>,
    /// Records that could not be used, all of them.
    pub(super) rejected: u64,
    /// The first of them.
    pub(super) rejects: Vec<Rejected>,
    /// Warnings about records that were taken, all of them.
    pub(super) warned: u64,
    /// The first of them.
    pub(super) warnings: Vec<NoticeRecord>,
    /// Objects that were brought without a fault, of those that a notice is about.
    pub(super) mended: Vec<(u16, String)>,
    /// Kinds that a record which could not be read kept from being cleared: nobody knows which
    /// object it named.
    pub(super) not_cleared: Vec<Kind>,
    /// Lines of records that delete objects, and did not: records that may have been meant to add
    /// them again were rejected.
    pub(super) not_deleted: Vec<u64>,
    /// Where objects may share what should be theirs alone.
    pub(super) crowded: Crowded,
    /// The file that was read.
    pub(super) identity: Identity,
}

impl Report {
    /// Whether nothing of it is in the layer: it was refused, or is held.
    pub(super) fn is_not_taken(&self) -> bool {
        self.refused.is_some() || self.held.is_some()
    }

    /// What people have to know of it beside the counts.
    pub(super) fn remark(&self) -> Option<LoadReason> {
        if let Some(held) = &self.held {
            return Some(held.reason.clone());
        }
        if self.refused.is_some() {
            return self.refused.clone();
        }
        let mut remarks = Vec::new();
        if !self.not_cleared.is_empty() {
            let kinds: Vec<&str> = self.not_cleared.iter().map(|kind| kind.name()).collect();
            remarks.push(LoadReason::NothingCleared { kinds: kinds.join(", ") });
        }
        if !self.not_deleted.is_empty() {
            let lines: Vec<String> = self.not_deleted.iter().take(MAX_TOLD_LINES).map(u64::to_string).collect();
            let more = if self.not_deleted.len() > MAX_TOLD_LINES { ", …" } else { "" };
            let (count, lines) = (self.not_deleted.len(), format!("{}{more}", lines.join(", ")));
            remarks.push(LoadReason::DeletionsLeftOut { count, lines });
        }
        LoadReason::all(remarks)
    }
}

/// A load that is not carried out until somebody says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldBack {
    pub(super) reason: LoadReason,
    /// What it would do.
    pub(super) counts: LoadCounts,
    /// The newest revision.
    pub(super) at: Revision,
}

/// A record that could not be used, and where its text ends at the latest.
#[derive(Debug, Clone)]
pub(super) struct Rejected {
    pub(super) record: NoticeRecord,
    pub(super) until: Option<u64>,
}

/// Why a load did not come to its end. Nothing of it is in the layer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(io::Error),
    /// The file is not the one that it was at the start.
    #[error("the file was changed or replaced while it was read")]
    Rewritten,
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// Somebody waited who must not wait long.
    #[error("the load gave way to the move of a node")]
    GaveWay,
    /// The server stops.
    #[error("the server was stopped")]
    Stopped,
}

/// Loads it: all, or nothing.
pub(super) fn load(dictionary: &dyn DictionaryStore, task: &Task<'_>) -> Result<Report, Failure> {
    let (file, identity) = source::open(task.path).map_err(Failure::Unreadable)?;
    let counted = Counted { inner: file, counters: Arc::clone(&task.progress) };
    let text = encoding::reader(counted, task.path, task.encoding);
    let records = task.format.records(Box::new(text), task.zone);
    let mut txn = dictionary.begin_load(task.layer, task.load).map_err(Failure::Store)?;
    if let Consent::Late(held) = task.consent {
        txn.keep_newer_than(held);
    }
    let mut noticed = Noticed::default();
    // What brings them again is to be seen, however well its text is known.
    let exact = |(kind, key): &(u16, String)| (KindId(*kind), KeyMatch::Exact(ObjectKey::from_text(key.as_str())));
    txn.read_again(&task.noticed.iter().map(exact).collect::<Vec<_>>()).map_err(Failure::Store)?;
    for (kind, key) in &task.noticed {
        noticed.add(*kind, key);
    }
    let known = txn.unchanged_records();
    let mut run = Run {
        txn,
        orders: Orders::default(),
        task,
        identity,
        read: 0,
        rejected: 0,
        rejects: Vec::new(),
        warned: 0,
        warnings: Vec::new(),
        noticed,
        mended: Vec::new(),
        not_cleared: BTreeSet::new(),
        not_deleted: BTreeMap::new(),
        clears: None,
    };
    let read = read_ahead(records, known, task.zone, |batches| run.all(batches));
    run.finish(read)
}

struct Run<'a> {
    txn: Box<dyn LoadTxn>,
    /// Of the batch under way, what is not carried out yet.
    orders: Orders,
    task: &'a Task<'a>,
    identity: Identity,
    /// Records so far.
    read: u64,
    rejected: u64,
    rejects: Vec<Rejected>,
    warned: u64,
    warnings: Vec<NoticeRecord>,
    noticed: Noticed,
    mended: Vec<(u16, String)>,
    not_cleared: BTreeSet<KindId>,
    /// By line: one of the objects that the record there deletes.
    not_deleted: BTreeMap<u64, ObjectToken>,
    clears: Option<&'static str>,
}

impl Run<'_> {
    /// The reason where the whole is to be refused.
    fn all<R: RawRecords>(&mut self, batches: &mut Batches<'_, R>) -> Result<Option<LoadReason>, Failure> {
        let mut batch = Batch::default();
        while batches.next_into(&mut batch) {
            if self.task.shutdown.is_cancelled() {
                return Err(Failure::Stopped);
            }
            if self.task.gives_way && self.txn.is_wanted() {
                return Err(Failure::GaveWay);
            }
            for ahead in batch.drain() {
                let (record, hash) = match ahead.map_err(Failure::Unreadable)? {
                    ReadAhead::Unchanged(known, raw) => {
                        self.carry_out_orders()?;
                        if self.txn.unchanged(known) {
                            self.begin_record(raw.start().byte);
                            continue;
                        }
                        (raw.read(self.task.zone), Some(raw.hash()))
                    }
                    ReadAhead::Read(record, hash) => (*record, hash),
                };
                if let Some(refused) = self.carry_out(record, hash)? {
                    return Ok(Some(refused));
                }
            }
            self.carry_out_orders()?;
            self.task.progress.records.store(self.read, Ordering::Relaxed);
        }
        Ok(None)
    }

    fn carry_out_orders(&mut self) -> Result<(), Failure> {
        self.orders.carry_out(self.txn.as_mut()).map_err(Failure::Store)
    }

    /// A record starts at this byte: the one before it has ended.
    fn begin_record(&mut self, byte: u64) {
        self.read += 1;
        if let Some(last) = self.rejects.last_mut().filter(|last| last.until.is_none()) {
            last.until = Some(byte);
        }
    }

    /// The reason where the whole is to be refused for this record.
    fn carry_out(&mut self, record: Record, hash: Option<RecordHash>) -> Result<Option<LoadReason>, Failure> {
        self.begin_record(record.byte);
        fail::fail_point!("intake::poison", poisonous(&record), |_| Ok(None));
        let reject = match record.command {
            Ok(mut command) => {
                if let (1, Command::Clear { verb, .. }) = (self.read, &command) {
                    self.clears = Some(verb);
                }
                self.look_at(&mut command, record.line, record.byte);
                self.orders.add(self.txn.as_mut(), command, record.line, hash).map_err(Failure::Store)?;
                return Ok(None);
            }
            Err(reject) => reject,
        };
        let refused = self.refuses(&reject);
        self.carry_out_orders()?;
        let TakenBack { clears, deletions } = spare(self.txn.as_mut(), &reject.spares).map_err(Failure::Store)?;
        self.not_cleared.extend(clears);
        self.not_deleted.extend(deletions.into_iter().map(|one| (one.line, one.object)));
        self.keep(reject)?;
        Ok(refused)
    }

    fn refuses(&self, reject: &Reject) -> Option<LoadReason> {
        if reject.refuses_load() {
            return Some(LoadReason::Refused { reason: (*reject.reason).clone() });
        }
        // An unknown verb says nothing against the records we do know (formats/aif): it never
        // stops a load.
        (self.task.stop_on_error && reject.cause != Cause::UnknownVerb).then_some(LoadReason::RefusedAtFirstReject)
    }

    /// What a person should know of a record that is taken, and what it mends.
    fn look_at(&mut self, command: &mut Command, line: u64, byte: u64) {
        match command {
            Command::Upsert(expansion) => {
                let (kind, key) = (expansion.main.kind.id(), expansion.main.key.as_str());
                self.mend(kind, key);
                for Warning { field, value, what } in expansion.warnings.drain(..) {
                    self.warned += 1;
                    if self.warnings.len() < MAX_KEPT_WARNINGS {
                        let (field, value) = (Some(field), Some(value).filter(|value| !value.is_empty()));
                        self.noticed.add(kind, key);
                        self.warnings.push(NoticeRecord {
                            line,
                            byte,
                            verb: Some(expansion.verb.to_owned()),
                            key: Some(cut(expansion.main.key.to_string(), MAX_NAME_CHARS)),
                            field: field.filter(|field| !field.is_empty()),
                            value,
                            reason: Reason::of(&what),
                            is_warning: true,
                            object: Some((kind, key.to_owned())),
                            mended: false,
                        });
                    }
                }
            }
            Command::Delete { kind, keys: KeyMatch::Exact(key), .. } => self.mend(kind.id(), key.as_str()),
            Command::Delete { .. } | Command::Clear { .. } => {}
        }
    }

    /// An object comes without the fault that a notice is about, of an earlier load or of this
    /// one.
    fn mend(&mut self, kind: u16, key: &str) {
        if !self.noticed.take(kind, key) {
            return;
        }
        let is_it =
            |record: &NoticeRecord| record.object.as_ref().is_some_and(|(of, object)| *of == kind && object == key);
        let records = self.rejects.iter_mut().map(|rejected| &mut rejected.record).chain(&mut self.warnings);
        records.filter(|record| is_it(record)).for_each(|record| record.mended = true);
        self.mended.push((kind, key.to_owned()));
    }

    fn keep(&mut self, reject: Reject) -> Result<(), Failure> {
        self.rejected += 1;
        if self.rejects.len() >= MAX_KEPT_REJECTS {
            return Ok(());
        }
        let Reject { line, byte, verb, key, about, reason, spares, .. } = reject;
        let (field, value) = about.map(|about| (about.field, about.value)).unzip();
        let object = match spares {
            Spares::Objects(kind, keys) => {
                // A later record that brings it is to be seen, however well its text is known.
                let objects = [(KindId::from(kind), *keys)];
                self.txn.read_again(&objects).map_err(Failure::Store)?;
                let [(_, keys)] = objects;
                if let KeyMatch::Exact(key) = keys { Some((kind.id(), key.into_text())) } else { None }
            }
            _ => None,
        };
        if let Some((kind, key)) = &object {
            self.noticed.add(*kind, key);
        }
        let (verb, key) = (verb.map(|verb| cut(verb, MAX_NAME_CHARS)), key.map(|key| cut(key, MAX_NAME_CHARS)));
        let (reason, is_warning) = (Reason::of(&reason), false);
        let record = NoticeRecord { line, byte, verb, key, field, value, reason, is_warning, object, mended: false };
        self.rejects.push(Rejected { record, until: None });
        Ok(())
    }

    fn finish(self, read: Result<Option<LoadReason>, Failure>) -> Result<Report, Failure> {
        let Self { mut txn, task, identity, rejected, rejects, mut warned, mut warnings, .. } = self;
        let Self { mended, not_cleared, not_deleted, read: records, clears, .. } = self;
        warned += not_deleted.len() as u64;
        let room = MAX_KEPT_WARNINGS.saturating_sub(warnings.len());
        let (lines, tokens): (Vec<u64>, Vec<ObjectToken>) = not_deleted.iter().take(room).unzip();
        match txn.objects(&tokens) {
            Ok(objects) => {
                warnings.extend(lines.into_iter().zip(objects).map(|(line, object)| about_deletion(line, object)));
            }
            Err(error) => return fail(txn, Failure::Store(error)),
        }
        // A file that looks cut off may be one that is just being written anew.
        let same = source::identify(task.path).map(|now| now == identity);
        let refused = match (read, same) {
            (Err(failure @ (Failure::Store(_) | Failure::Stopped | Failure::GaveWay)), _) => return fail(txn, failure),
            (_, Ok(false)) => return fail(txn, Failure::Rewritten),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => return fail(txn, Failure::Rewritten),
            (Err(Failure::Unreadable(error)), Ok(true)) => match WrongEncoding::of(&error) {
                Some(wrong) => Some(LoadReason::RefusedForEncoding { reason: wrong.reason() }),
                None => return fail(txn, Failure::Unreadable(error)),
            },
            (Err(failure), _) => return fail(txn, failure),
            (_, Err(error)) => return fail(txn, Failure::Unreadable(error)),
            (Ok(refused), Ok(true)) => refused,
        };
        let held = match &refused {
            None => hold_back(txn.as_mut(), task, records, rejected).map_err(Failure::Store)?,
            Some(_) => None,
        };
        let crowded = txn.crowded();
        let outcome = if refused.is_some() || held.is_some() {
            txn.rollback();
            None
        } else {
            let mut outcome = txn.commit().map_err(Failure::Store)?;
            outcome.counts.rejected = rejected;
            outcome.counts.warnings = warned;
            Some(outcome)
        };
        let not_cleared = not_cleared.into_iter().filter_map(|kind| Kind::by_id(kind.0)).collect();
        let not_deleted = not_deleted.into_keys().collect();
        Ok(Report {
            outcome,
            refused,
            held,
            clears,
            rejected,
            rejects,
            warned,
            warnings,
            mended,
            not_cleared,
            not_deleted,
            crowded,
            identity,
        })
    }
}

/// What the load would do, where that is too much and nobody has said yes.
fn hold_back(
    txn: &mut dyn LoadTxn,
    task: &Task<'_>,
    records: u64,
    rejected: u64,
) -> Result<Option<HeldBack>, StoreError> {
    let asks_first = task.consent == Consent::AskFirst;
    if !(asks_first || task.consent == Consent::No) {
        return Ok(None);
    }
    let Effect { head, first, mut counts, losses } = txn.effect(task.hold.deleted_percent)?;
    counts.rejected = rejected;
    let mut reasons = hold::reasons(&task.hold, first, &losses, records, rejected);
    if asks_first && counts.differences() > 0 {
        reasons.insert(0, LoadReason::AskedFirst);
        reasons.extend(hold::samples(&txn.samples(hold::SAMPLES)?));
    }
    let held = |reasons| HeldBack { reason: LoadReason::Held { load: task.load.0, reasons }, counts, at: head };
    Ok((!reasons.is_empty()).then(|| held(reasons)))
}

/// The warning about a deletion that did not take effect; `object`: what stays.
fn about_deletion(line: u64, object: Option<entry::ObjectKey>) -> NoticeRecord {
    let warning = NoticeRecord { line, ..NoticeRecord::of(Reason::of(&WarningKind::NotDeleted), true) };
    let Some(entry::ObjectKey { kind, key }) = object else { return warning };
    NoticeRecord {
        verb: Kind::by_id(kind.0).and_then(|kind| kind.spec().delete).map(str::to_owned),
        key: Some(cut(ObjectKey::from_text(key.as_str()).to_string(), MAX_NAME_CHARS)),
        object: Some((kind.0, key)),
        ..warning
    }
}

/// The record that the crash point `intake::poison` is about: an item with this key.
#[cfg(feature = "crash-points")]
fn poisonous(record: &Record) -> bool {
    matches!(&record.command, Ok(Command::Upsert(expansion)) if expansion.main.key.as_str() == "poison")
}

fn cut(text: String, chars: usize) -> String {
    if text.len() <= chars { text } else { text.chars().take(chars).collect() }
}

/// Objects that notices are about, by number of kind and key.
#[derive(Default)]
struct Noticed(HashMap<u16, HashSet<String>>);

impl Noticed {
    fn add(&mut self, kind: u16, key: &str) {
        self.0.entry(kind).or_default().insert(key.to_owned());
    }

    /// Takes an object out; whether it was there.
    fn take(&mut self, kind: u16, key: &str) -> bool {
        self.0.get_mut(&kind).is_some_and(|keys| keys.remove(key))
    }
}

fn fail(txn: Box<dyn LoadTxn>, failure: Failure) -> Result<Report, Failure> {
    txn.rollback();
    Err(failure)
}

/// Counts the bytes that were read.
struct Counted<R> {
    inner: R,
    counters: Arc<Counters>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.counters.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
