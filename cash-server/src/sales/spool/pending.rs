//! What is durable in the spool and not in the database yet, in memory: a till that opens a stream
//! is told of it.
//!
//! Bounded by the spool's limit: about 50 bytes a receipt that is not loaded.

use super::format::Position;
use super::record::Arrival;
use crate::sales::scan::ScannedBatch;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{shift_key, v1};
use uuid::Uuid;

/// A receipt within its till and shift. One uuid may stand under two numbers: a POS that repeats
/// an identifier still rang up two receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldReceipt {
    /// Its number.
    pub number: DocumentNumber,
    /// Its UUID.
    pub uuid: Uuid,
}

/// What is durable of one shift.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Its receipts.
    pub receipts: Vec<HeldReceipt>,
    /// Whether its closing record is here.
    pub closed: bool,
}

/// What one record adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingEntry {
    till: Option<TillId>,
    receipts: Vec<(ShiftKey, HeldReceipt)>,
    closed: Vec<ShiftKey>,
    last_time: Option<String>,
}

impl PendingEntry {
    pub(super) fn of(arrival: &Arrival) -> Self {
        let key = |document: &v1::Document| {
            let key = document.key.as_ref()?;
            let uuid = Uuid::from_slice(&key.uuid).ok()?;
            let opened = Opened::from_wire(key.shift_opened.as_deref()).ok()?;
            let shift = ShiftKey { number: ShiftNumber(key.shift), opened };
            Some((shift, HeldReceipt { number: DocumentNumber(key.number), uuid }))
        };
        Self {
            till: arrival.till_id.parse().ok(),
            receipts: arrival.documents().iter().filter_map(key).collect(),
            closed: arrival.shifts().iter().filter(|shift| !shift.time_end.is_empty()).map(shift_key).collect(),
            last_time: arrival.documents().iter().map(|document| &document.time_end).max().cloned(),
        }
    }

    pub(super) fn of_scanned(till: &TillId, batch: ScannedBatch<'_>) -> Self {
        let ScannedBatch { receipts, closed, last_time, .. } = batch;
        Self { till: Some(till.clone()), receipts, closed, last_time: last_time.map(str::to_owned) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    tills: HashMap<TillId, TillPending>,
    /// In order of position: what to take away when the database has passed it.
    order: VecDeque<(Position, TillId)>,
}

#[derive(Debug, Default)]
struct TillPending {
    receipts: BTreeMap<ShiftKey, VecDeque<(Position, HeldReceipt)>>,
    closed: VecDeque<(Position, ShiftKey)>,
    times: VecDeque<(Position, String)>,
}

impl Pending {
    /// Adds a record that ends at `end`; ends come in growing order.
    pub(super) fn add(&mut self, end: Position, entry: PendingEntry) {
        let Some(till) = entry.till else { return };
        let pending = self.tills.entry(till.clone()).or_default();
        for (shift, receipt) in entry.receipts {
            pending.receipts.entry(shift).or_default().push_back((end, receipt));
        }
        pending.closed.extend(entry.closed.into_iter().map(|shift| (end, shift)));
        pending.times.extend(entry.last_time.map(|time| (end, time)));
        self.order.push_back((end, till));
    }

    /// Takes away every record that ends at or before `loaded`.
    pub(super) fn forget_through(&mut self, loaded: Position) {
        while let Some((_, till)) = self.order.pop_front_if(|(end, _)| *end <= loaded) {
            let Some(pending) = self.tills.get_mut(&till) else { continue };
            pending.receipts.retain(|_, receipts| {
                pop_through(receipts, loaded);
                !receipts.is_empty()
            });
            pop_through(&mut pending.closed, loaded);
            pop_through(&mut pending.times, loaded);
            if pending.receipts.is_empty() && pending.closed.is_empty() && pending.times.is_empty() {
                self.tills.remove(&till);
            }
        }
    }

    /// Of one whose opening time is not told: what is here of all shifts of its number.
    pub(super) fn held(&self, till: &TillId, shift: ShiftKey) -> Held {
        let Some(pending) = self.tills.get(till) else { return Held::default() };
        let meant = |key: ShiftKey| key == shift || (shift.opened == Opened::NotTold && key.number == shift.number);
        let of_number = ShiftKey::not_told(shift.number)..;
        Held {
            receipts: pending
                .receipts
                .range(of_number)
                .take_while(|(key, _)| key.number == shift.number)
                .filter(|(key, _)| meant(**key))
                .flat_map(|(_, receipts)| receipts.iter().map(|(_, receipt)| *receipt))
                .collect(),
            closed: pending.closed.iter().any(|(_, closed)| meant(*closed)),
        }
    }

    pub(super) fn last_time(&self, till: &TillId) -> Option<String> {
        self.tills.get(till)?.times.iter().map(|(_, time)| time.clone()).max()
    }
}

fn pop_through<T>(queue: &mut VecDeque<(Position, T)>, loaded: Position) {
    while queue.pop_front_if(|(end, _)| *end <= loaded).is_some() {}
}
