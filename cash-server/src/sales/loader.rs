//! From the spool into the database: what is durable becomes what is counted.
//!
//! A reconciler without input: it reads on from the position in the database, whether poked by an
//! arrival or by its period. Many records go in one transaction. A disk or lock that fails is
//! tried again for ever, with back-off, since the record is not at fault; a record that the
//! database refuses, or that makes the loader panic, is tried [`POISON_TRIES`] times by itself,
//! then set aside, and the rest goes on. One that ends the whole process is counted over starts,
//! up to [`ENDED_STARTS`], in a note that the spool keeps ([`Spool::note_loading`]).

use crate::words::Reason;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tillway_proto::sales::v1;
use tillway_proto::{ShopId, TillId};
use tillway_service::background::{Kept, Next, Run, Task, Work};
use tokio_util::sync::CancellationToken;

use super::aside::{subject, till_of};
use super::receipt::{Receipt, ShiftRecord, check_document};
use super::spool::{Arrival, Chunk, Item, Position, Spool, SpoolError};
use crate::store::StoreError;
use crate::store::sales::{FindingReason, Incoming, NewFinding, Refused, SalesStore};

/// Records of one transaction: a commit is paid once for all of them, and the writer is free again
/// soon.
pub const MAX_RECORDS: usize = 256;

/// Bytes of one transaction.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Tries of a record that the database refuses, or that makes the loader panic, before it is set
/// aside.
pub const POISON_TRIES: u32 = 3;

/// Starts that end while they load one record before it is set aside. Many more than tries: a
/// power that fails again and again while the server starts is no fault of the record.
pub const ENDED_STARTS: u32 = 10;

/// Without a poke the spool is looked at this often.
const PERIOD: Duration = Duration::from_secs(30);

/// Before a transaction the loader waits until nothing has arrived for so long: what it takes of
/// processor and disk it takes from tills that unload. A till that unloads alone is loaded right
/// after it.
const QUIET: Duration = Duration::from_millis(15);

/// But no longer than this: with tills that never pause people see their sales a moment later, in
/// larger transactions.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// With so much in the spool the loader waits for nobody: some seconds of its work, and a small
/// part of what a spool may hold.
const MUCH_WAITS_BYTES: u64 = 64 * 1024 * 1024;

/// First wait after a failure; the longest is the period.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Why a step failed; it is tried again.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LoaderError {
    /// A record made the loader panic.
    #[error("loading sales broke off: {said}; that is a defect")]
    #[serde(rename = "loading-panicked")]
    Panicked {
        /// What it said.
        said: String,
    },
    /// The spool.
    #[error("failed to read the spool")]
    #[serde(untagged)]
    Spool(#[source] SpoolError),
    /// The database.
    #[error("failed to load sales")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

/// Why a batch is set aside.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum BatchFault {
    /// It is no record of the spool.
    #[serde(rename = "batch-unreadable")]
    Unreadable {
        /// What the parser says.
        detail: String,
    },
    /// What it names are no till and shop.
    #[serde(rename = "batch-of-nobody")]
    OfNobody {
        /// The till.
        till: String,
        /// The shop.
        shop: String,
    },
    /// The process ended each time that it loaded this.
    #[serde(rename = "batch-ended-server")]
    EndedServer {
        /// How often.
        times: u32,
    },
    /// The database does not take it, or the loader panics.
    #[serde(rename = "batch-refused")]
    Refused {
        /// How often it was tried.
        times: u32,
        /// What went wrong.
        reason: Reason,
    },
}

/// Loads the spool.
#[derive(Debug)]
pub struct Loader {
    spool: Spool,
    store: Arc<dyn SalesStore>,
    /// Records before this position are loaded one by one, since a group with them was refused.
    one_by_one_until: Position,
    tries: u32,
    /// The load before may have ended the process, or failed: the next one is noted first.
    careful: bool,
    /// What this loader noted last, and how many starts have noted it.
    noted: Option<(Position, u32)>,
}

impl Loader {
    /// A loader of this spool into this store.
    pub fn new(spool: Spool, store: Arc<dyn SalesStore>) -> Self {
        Self { spool, store, one_by_one_until: Position::default(), tries: 0, careful: true, noted: None }
    }

    /// Its steps as a task of the server.
    pub(super) fn into_task(self) -> Task {
        let (spool, store, arrived) = (self.spool.clone(), Arc::clone(&self.store), self.spool.arrivals());
        Task::new("sales-loader", PERIOD, Loading { spool, store, loader: Kept::default() })
            .poked_by(arrived)
            .retried_after(FIRST_RETRY)
    }

    /// Loads one group of records. False where nothing is left to load. Blocks.
    pub fn step(&mut self) -> Result<bool, LoaderError> {
        let stepped = self.try_step();
        if stepped.is_err() {
            // Whatever it was, it did not end the process.
            if self.noted.take().is_some() {
                self.spool.forget_loading();
            }
            self.careful = true;
        }
        stepped
    }

    fn try_step(&mut self) -> Result<bool, LoaderError> {
        let from = self.store.position().map_err(LoaderError::Store)?;
        self.note_cuts()?;
        let alone = from < self.one_by_one_until;
        let records = if alone { 1 } else { MAX_RECORDS };
        fail::fail_point!("loader::reading");
        let chunk = self.spool.read(from, records, MAX_BYTES).map_err(LoaderError::Spool)?;
        if chunk.items.is_empty() {
            self.spool.loaded(from).map_err(LoaderError::Spool)?;
            return Ok(false);
        }
        let now = Timestamp::now();
        let starts = if self.careful || alone { self.note(from) } else { 1 };
        if starts > 1 && chunk.items.len() > 1 {
            self.one_by_one_until = chunk.next;
            tracing::warn!(starts, from = %from, "the server ended while it loaded these records; loading them one by one");
            return Ok(true);
        }
        if starts > ENDED_STARTS {
            let reason = Reason::of(&BatchFault::EndedServer { times: starts - 1 });
            return self.give_up(from, &chunk, &reason, now).map(|()| true);
        }
        let mut incoming = Vec::with_capacity(chunk.items.len());
        for item in &chunk.items {
            match item {
                Item::Record { at, payload, .. } => {
                    let read = unless_it_panics(|| read_record(payload));
                    let fault = match read {
                        Ok(Ok(record)) => {
                            incoming.push(record);
                            continue;
                        }
                        Ok(Err(fault)) => Reason::of(&fault),
                        Err(said) => Reason::of(&LoaderError::Panicked { said }),
                    };
                    self.set_aside(*at, payload, &fault, now)?;
                }
                Item::Damaged { at, end } => self.note_damage(*at, *end, now)?,
                Item::Missing { at, end } => self.note_missing(*at, *end, now)?,
            }
        }
        let refused = match unless_it_panics(|| self.store.load(from, chunk.next, &incoming, now)) {
            Ok(Ok(loaded)) => {
                fail::fail_point!("loader::committed");
                tracing::debug!(?loaded, position = %chunk.next, "loaded sales");
                None
            }
            Ok(Err(error)) if !error.is_about_a_value() => return Err(LoaderError::Store(error)),
            Ok(Err(error)) => Some(LoaderError::Store(error)),
            Err(said) => Some(LoaderError::Panicked { said }),
        };
        if let Some(error) = refused {
            if chunk.items.len() > 1 {
                self.one_by_one_until = chunk.next;
                tracing::warn!(error = crate::error_chain(&error), from = %from, "a group of records was refused; loading them one by one");
                return Ok(true);
            }
            self.tries += 1;
            if self.tries < POISON_TRIES {
                self.one_by_one_until = self.one_by_one_until.max(chunk.next);
                return Err(error);
            }
            let reason = Reason::of(&BatchFault::Refused { times: POISON_TRIES, reason: Reason::of(&error) });
            return self.give_up(from, &chunk, &reason, now).map(|()| true);
        }
        self.passed(chunk.next)?;
        Ok(true)
    }

    /// Sets what cannot be loaded aside and goes on behind it.
    fn give_up(&mut self, from: Position, chunk: &Chunk, reason: &Reason, now: Timestamp) -> Result<(), LoaderError> {
        for item in &chunk.items {
            match item {
                Item::Record { at, payload, .. } => self.set_aside(*at, payload, reason, now)?,
                Item::Damaged { at, end } => self.note_damage(*at, *end, now)?,
                Item::Missing { at, end } => self.note_missing(*at, *end, now)?,
            }
            fail::fail_point!("loader::set_aside");
        }
        self.store.load(from, chunk.next, &[], now).map_err(LoaderError::Store)?;
        self.passed(chunk.next)
    }

    /// Everything before `next` is in the database, or aside.
    fn passed(&mut self, next: Position) -> Result<(), LoaderError> {
        self.tries = 0;
        self.careful = false;
        self.spool.loaded(next).map_err(LoaderError::Spool)
    }

    /// How many starts were about to load what stands at `from`, this one included.
    fn note(&mut self, from: Position) -> u32 {
        match self.noted {
            Some((noted, starts)) if noted == from => starts,
            _ => {
                let starts = self.spool.note_loading(from);
                self.noted = Some((from, starts));
                starts
            }
        }
    }

    fn set_aside(&self, at: Position, payload: &[u8], reason: &Reason, now: Timestamp) -> Result<(), LoaderError> {
        self.spool.set_aside(at, payload, reason).map_err(LoaderError::Spool)?;
        let till = till_of(payload);
        let finding = NewFinding {
            reason: FindingReason::BatchAside { detail: reason.clone() },
            till,
            shift: None,
            subject: subject(at),
            at: now,
        };
        self.store.add_finding(&finding).map_err(LoaderError::Store)
    }

    /// Tails that the start of the spool cut off.
    fn note_cuts(&self) -> Result<(), LoaderError> {
        for cut in self.spool.cuts() {
            let finding = NewFinding {
                reason: FindingReason::SpoolCut { bytes: cut.bytes },
                till: None,
                shift: None,
                subject: subject(cut.at),
                at: Timestamp::now(),
            };
            self.store.add_finding(&finding).map_err(LoaderError::Store)?;
        }
        self.spool.forget_cuts();
        Ok(())
    }

    fn note_missing(&self, at: Position, end: Position, now: Timestamp) -> Result<(), LoaderError> {
        let finding = NewFinding {
            reason: FindingReason::SpoolMissing { loaded: at.to_string(), begins: end.to_string() },
            till: None,
            shift: None,
            subject: subject(at),
            at: now,
        };
        self.store.add_finding(&finding).map_err(LoaderError::Store)
    }

    fn note_damage(&self, at: Position, end: Position, now: Timestamp) -> Result<(), LoaderError> {
        let finding = NewFinding {
            reason: FindingReason::SpoolDamaged { bytes: end.offset.saturating_sub(at.offset) },
            till: None,
            shift: None,
            subject: subject(at),
            at: now,
        };
        self.store.add_finding(&finding).map_err(LoaderError::Store)
    }
}

struct Loading {
    spool: Spool,
    store: Arc<dyn SalesStore>,
    loader: Kept<Loader>,
}

impl Work for Loading {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            if !arrivals_pause(&self.spool, stop).await {
                return Ok(Next::AtPeriod);
            }
            let fresh = || Loader::new(self.spool.clone(), Arc::clone(&self.store));
            let more = self.loader.off_thread(fresh, Loader::step).await?;
            Ok(if more { Next::AtOnce } else { Next::AtPeriod })
        })
    }
}

/// Lets arrivals go first: tills wait for the spool, and nobody for the database. Until nothing
/// has arrived for [`QUIET`], at most [`LONGEST_PAUSE`], and not at all where the spool has grown
/// large. False where the loader is to end.
async fn arrivals_pause(spool: &Spool, shutdown: &CancellationToken) -> bool {
    let longest = tokio::time::sleep(LONGEST_PAUSE);
    tokio::pin!(longest);
    while spool.bytes() < MUCH_WAITS_BYTES {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return false,
            () = &mut longest => return true,
            () = spool.arrived() => {}
            () = tokio::time::sleep(QUIET) => return true,
        }
    }
    !shutdown.is_cancelled()
}

/// What a record brought about, or what it said when it panicked: it delays itself only.
fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Whatever it left half done is rolled back by the database, and thrown away here.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// A record of the spool as types, or why it is none.
fn read_record(payload: &[u8]) -> Result<Incoming, BatchFault> {
    let arrival = Arrival::parse(payload).map_err(|error| BatchFault::Unreadable { detail: error.to_string() })?;
    let of_nobody = || BatchFault::OfNobody { till: arrival.till_id.clone(), shop: arrival.shop_id.clone() };
    let till: TillId = arrival.till_id.parse().map_err(|_| of_nobody())?;
    let shop: ShopId = arrival.shop_id.parse().map_err(|_| of_nobody())?;
    let received_at = Timestamp::from_millisecond(arrival.received_at_ms)
        .map_err(|error| BatchFault::Unreadable { detail: error.to_string() })?;
    let mut refused: Vec<Refused> = arrival
        .refused
        .into_iter()
        .map(|one| Refused { document: one.document, shift: one.shift, reason: Reason::stored(&one.reason) })
        .collect();
    let v1::Batch { documents, shifts, .. } = arrival.batch.unwrap_or_default();
    let mut receipts = Vec::with_capacity(documents.len());
    for document in documents {
        match check_document(&till, &document) {
            Ok((key, ended)) => receipts.push(Receipt::checked(key, ended, document)),
            Err(error) => refused.push(Refused { document: Some(document), shift: None, reason: Reason::of(&error) }),
        }
    }
    let mut records = Vec::with_capacity(shifts.len());
    for shift in shifts {
        match ShiftRecord::parse(&till, shift.clone()) {
            Ok(record) => records.push(record),
            Err(error) => refused.push(Refused { document: None, shift: Some(shift), reason: Reason::of(&error) }),
        }
    }
    Ok(Incoming { till, shop, received_at, receipts, shifts: records, refused })
}
