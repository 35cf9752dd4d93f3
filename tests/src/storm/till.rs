//! A till of a storm: its agent, its POS, what was rung on it, and images of its disk.

use super::StormError;
use super::observer::{Observer, Seen};
use super::office;
use crate::bench::{Till, TillPart};
use crate::faults::files::Image;
use crate::faults::seed::Seed;
use crate::pos::{Basket, Entry, Pos, PosError, Purpose, Tender, price_times_quantity};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tillway_proto::Thousandths;
use uuid::Uuid;

/// The agent and the POS write and this reads: nobody waits for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// One receipt, as it was rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RungReceipt {
    /// Its sum in kopecks.
    pub sum: i64,
    /// The till's disk was put back to a time before it, and nobody had acknowledged it: it may be
    /// gone.
    pub may_be_gone: bool,
}

/// The till's disk at one moment.
#[derive(Debug)]
struct OldDisk {
    image: Image,
    /// Shifts that were closed then.
    closed: BTreeSet<u64>,
}

/// A till of a storm.
#[derive(Debug)]
pub struct StormTill {
    /// On the bench; its agent is started and ended through it.
    pub till: Till,
    /// Who looks at its dictionary.
    pub observer: Observer,
    /// Everything that was rung, by UUID.
    pub rung: BTreeMap<Uuid, RungReceipt>,
    /// Shifts that were closed.
    pub closed: BTreeSet<u64>,
    /// Shifts of which the till's disk may not tell any more.
    pub injured: BTreeSet<u64>,
    pos: Option<Pos>,
    open: Option<u64>,
    next_shift: u64,
    old: Option<OldDisk>,
    /// The documents were put back while the agent's state was not: ids may mean other documents
    /// than it sent.
    ids_reused: bool,
}

impl StormTill {
    /// Of a till whose agent is off.
    pub fn new(number: usize, till: Till, tell: SyncSender<Seen>) -> Self {
        Self {
            observer: Observer::start(number, &till.dictionaries(), tell),
            till,
            rung: BTreeMap::new(),
            closed: BTreeSet::new(),
            injured: BTreeSet::new(),
            pos: None,
            open: None,
            next_shift: 1,
            old: None,
            ids_reused: false,
        }
    }

    /// Rings a receipt up, in a shift that is opened where none is; false where the shelf does not
    /// have it, or its price changed in between.
    pub fn ring(&mut self, seed: &mut Seed) -> Result<bool, StormError> {
        let good = if seed.below(4) == 0 { office::steady_good(seed) } else { office::any_good(seed) };
        let (barcode, pieces) = (office::barcode(good), seed.within(1..=3));
        let refund = seed.below(8) == 0;
        let uuid = uuid_of(seed);
        self.equip()?;
        let Some(pos) = &mut self.pos else { return Ok(false) };
        let time = now();
        let Ok((_, price)) = pos.look_up(&barcode, time) else { return Ok(false) };
        let quantity = Thousandths(1_000 * pieces.cast_signed());
        let due = price_times_quantity(price, quantity);
        let mut basket = Basket::sale(time, vec![Entry::new(barcode, quantity)], vec![Tender::Cash(due)]);
        basket.uuid = uuid;
        if refund {
            basket.purpose = Purpose::Refund { of: None, reason: "storm".to_owned() };
        }
        match pos.ring(&basket) {
            Ok(rung) => {
                self.rung.insert(rung.uuid, RungReceipt { sum: rung.sum.0, may_be_gone: false });
                Ok(true)
            }
            Err(PosError::Unpaid { .. } | PosError::Unknown { .. } | PosError::NoPrice { .. }) => Ok(false),
            Err(other) => Err(StormError::Pos(other)),
        }
    }

    /// Closes the shift, if one is open. True where one was.
    pub fn close_shift(&mut self) -> Result<bool, StormError> {
        let (Some(pos), Some(number)) = (&mut self.pos, self.open.take()) else { return Ok(false) };
        pos.close_shift(now()).map_err(StormError::Pos)?;
        self.closed.insert(number);
        Ok(true)
    }

    /// Keeps a copy of the disk, as it is after a power cut. The agent is ended for it and stays
    /// off.
    pub fn take_image(&mut self) -> Result<(), StormError> {
        self.quiet()?;
        let _held = self.observer.hold();
        let image = self.till.image().map_err(StormError::Bench)?;
        self.old = Some(OldDisk { image, closed: self.closed.clone() });
        Ok(())
    }

    /// Puts parts of the copy back where one was taken, else false. The agent is ended for it and
    /// stays off.
    pub fn put_image_back(&mut self, parts: &[TillPart]) -> Result<bool, StormError> {
        if self.old.is_none() {
            return Ok(false);
        }
        self.quiet()?;
        let documents = parts.contains(&TillPart::Documents);
        let acknowledged = if documents { self.acknowledged()? } else { HashSet::new() };
        let Some(old) = &self.old else { return Ok(false) };
        let mut gate = self.observer.hold();
        self.till.restore(&old.image, parts).map_err(StormError::Bench)?;
        gate.put_back = true;
        drop(gate);
        if documents {
            let after: Vec<u64> = self.closed.difference(&old.closed).copied().collect();
            self.injured.extend(after);
            self.note_lost(&acknowledged)?;
            self.ids_reused = !parts.contains(&TillPart::State);
        }
        Ok(true)
    }

    /// What was rung and is neither on the disk any more nor was acknowledged may be gone for
    /// good.
    fn note_lost(&mut self, acknowledged: &HashSet<Uuid>) -> Result<(), StormError> {
        let there: HashSet<Uuid> = self.documents()?.into_values().collect();
        for (uuid, receipt) in &mut self.rung {
            if !there.contains(uuid) && !acknowledged.contains(uuid) {
                receipt.may_be_gone = true;
            }
        }
        Ok(())
    }

    /// Closes the shift and the POS: the till's files are about to be others.
    pub fn let_pos_go(&mut self) {
        // A shift that cannot be closed stays open; the next one is another.
        let _ = self.close_shift();
        self.pos = None;
        self.open = None;
    }

    /// Closes the shift and the POS, and ends the agent.
    fn quiet(&mut self) -> Result<(), StormError> {
        self.close_shift()?;
        self.pos = None;
        self.till.kill_agent();
        Ok(())
    }

    /// UUIDs of documents that count as sent on the till.
    pub(super) fn acknowledged(&self) -> Result<HashSet<Uuid>, StormError> {
        let path = self.till.folder().join("data/sync.db");
        if !path.exists() || self.ids_reused {
            return Ok(HashSet::new());
        }
        let failed = |source| StormError::Sql { path: path.clone(), source };
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let made: bool = db
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'fact')", [], |row| row.get(0))
            .map_err(failed)?;
        if !made {
            // The agent ended before it had made its tables.
            return Ok(HashSet::new());
        }
        let ids = |sql: &str| -> rusqlite::Result<HashSet<i64>> {
            db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let through: Option<String> = db
            .query_row("SELECT max(value) FROM fact WHERE name = 'low water'", [], |row| row.get(0))
            .map_err(failed)?;
        let through: i64 = through.and_then(|text| text.parse().ok()).unwrap_or(0);
        let sent = ids("SELECT document FROM sent").map_err(failed)?;
        let open = ids("SELECT document FROM open_document").map_err(failed)?;
        let is_sent = |id: &i64| (*id <= through && !open.contains(id)) || sent.contains(id);
        Ok(self.documents()?.into_iter().filter(|(id, _)| is_sent(id)).map(|(_, uuid)| uuid).collect())
    }

    /// Documents on the disk.
    fn documents(&self) -> Result<BTreeMap<i64, Uuid>, StormError> {
        let path = self.till.documents();
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let failed = |source| StormError::Sql { path: path.clone(), source };
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let mut read = db.prepare("SELECT documentid, identifier FROM document").map_err(failed)?;
        let rows = read.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).map_err(failed)?;
        let mut found = BTreeMap::new();
        for row in rows {
            let (id, text) = row.map_err(failed)?;
            if let Ok(uuid) = text.parse() {
                found.insert(id, uuid);
            }
        }
        Ok(found)
    }

    /// A POS with an open shift. The POS stays off while the till has no dictionary.
    fn equip(&mut self) -> Result<(), StormError> {
        if self.pos.is_none() && self.till.dictionaries().exists() {
            self.pos = self.till.pos().ok();
        }
        let (Some(pos), None) = (&mut self.pos, self.open) else { return Ok(()) };
        pos.open_shift(self.next_shift, 1, now()).map_err(StormError::Pos)?;
        self.open = Some(self.next_shift);
        self.next_shift += 1;
        Ok(())
    }
}

fn now() -> jiff::civil::DateTime {
    jiff::Zoned::now().datetime()
}

/// From the storm's own chance, so that a seed makes the same receipts.
fn uuid_of(seed: &mut Seed) -> Uuid {
    Uuid::from_u64_pair(seed.next(), seed.next())
}
