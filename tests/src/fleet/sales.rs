//! What a simulated till sells, and how it brings it up.
//!
//! Its documents are a list; what it keeps of them is what the agent keeps ([`Sent`]), and what is
//! lost, held or of another database is decided by the agent's functions. The truth is the
//! [`Ledger`]: every receipt that was ever rung up, also those that a restored image made the till
//! forget, and what the server acknowledged.

use super::faults::Chance;
use super::stream::{Stream, StreamError};
use super::till::SimulatedTill;
use super::{Fleet, FleetError, Shared};
use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tillway_exchangers::till::documents::{DocumentKey, DocumentRow};
use tillway_proto::TillId;
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_sync_agent::Backoff;
use tillway_sync_agent::decide::{Holdings, Lost, Mark, Sent, TillShift, is_another_database, lost};
use uuid::Uuid;

/// Documents in a batch: few, so that a stream that breaks breaks between batches.
const BATCH_DOCUMENTS: usize = 7;

/// A till brings up what it sold after so many receipts.
const UNLOAD_EVERY: usize = 20;

/// Waits between tries of an unloading. A test is short, and the server comes back within seconds.
const FIRST_WAIT: Duration = Duration::from_millis(300);
const MAX_WAIT: Duration = Duration::from_secs(4);

/// Most tries of one unloading: minutes of a server that is away.
const MAX_TRIES: u32 = 60;

/// A restored image is at most so many receipts old.
const IMAGE_RECEIPTS: u64 = 15;

/// A receipt, as far as a till and a server must agree about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sold {
    /// Its shift.
    pub shift: u64,
    /// Its number.
    pub number: u64,
    /// Made once.
    pub uuid: Uuid,
    /// In kopecks.
    pub sum: i64,
}

/// What was sold.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every receipt that was rung up, by till.
    pub rung_up: BTreeMap<TillId, BTreeSet<Sold>>,
    /// Receipts that the server acknowledged or said to have.
    pub acknowledged: BTreeMap<TillId, BTreeSet<Sold>>,
    /// Receipts that a restored image took from their till before the server had them: nobody can
    /// bring them up.
    pub gone: BTreeMap<TillId, BTreeSet<Sold>>,
    /// Streams that broke by luck.
    pub broken_streams: u64,
    /// Streams that broke because of the server.
    pub failed_streams: u64,
    /// Images restored.
    pub restored: u64,
    /// Times a till forgot how far the server has its sales.
    pub forgotten: u64,
}

impl Ledger {
    /// How many receipts were rung up.
    pub fn receipts(&self) -> usize {
        self.rung_up.values().map(BTreeSet::len).sum()
    }

    /// How many of them the server acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.values().map(BTreeSet::len).sum()
    }

    /// Compares with a server's `sales.db`: everything acknowledged is there, everything that its
    /// till still has is there, nothing is there that was never rung up, and nothing twice. Gives
    /// what is wrong, one line each.
    pub fn compare(&self, sales_db: &Path) -> Result<Vec<String>, FleetError> {
        let stored = stored(sales_db).map_err(|source| FleetError::SalesDb { path: sales_db.to_owned(), source })?;
        let mut wrong = Vec::new();
        let mut uuids = HashSet::new();
        let mut of_server: BTreeMap<TillId, BTreeSet<Sold>> = BTreeMap::new();
        for (till, sold) in stored {
            if !uuids.insert(sold.uuid) {
                wrong.push(format!("{till}: {sold:?} is there twice"));
            }
            if !self.rung_up.get(&till).is_some_and(|made| made.contains(&sold)) {
                wrong.push(format!("{till}: {sold:?} was never rung up"));
            }
            of_server.entry(till).or_default().insert(sold);
        }
        let nothing = BTreeSet::new();
        for (till, made) in &self.rung_up {
            let there = of_server.get(till).unwrap_or(&nothing);
            let acknowledged = self.acknowledged.get(till).unwrap_or(&nothing);
            let gone = self.gone.get(till).unwrap_or(&nothing);
            wrong.extend(
                acknowledged.difference(there).map(|sold| format!("{till}: {sold:?} was acknowledged and is lost")),
            );
            let missing = made.iter().filter(|sold| !there.contains(*sold) && !gone.contains(*sold));
            wrong.extend(missing.map(|sold| format!("{till}: {sold:?} is missing")));
        }
        Ok(wrong)
    }
}

fn stored(sales_db: &Path) -> rusqlite::Result<Vec<(TillId, Sold)>> {
    let database = Connection::open_with_flags(sales_db, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = database.prepare("SELECT till, shift, number, uuid, sum FROM receipt")?;
    let rows = statement.query_map([], |row| {
        let till: String = row.get(0)?;
        let uuid: Vec<u8> = row.get(3)?;
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let sold = Sold {
            shift: number(1)?,
            number: number(2)?,
            uuid: Uuid::from_slice(&uuid).unwrap_or_default(),
            sum: row.get(4)?,
        };
        let till = till.parse::<TillId>().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
        })?;
        Ok((till, sold))
    })?;
    rows.collect()
}

#[derive(Debug, Clone)]
struct Shift {
    number: u64,
    closed: bool,
}

/// A till's documents and what it keeps of them. Row ids are places in the list, from 1.
#[derive(Debug)]
pub(super) struct Sales {
    documents: Vec<Sold>,
    shifts: Vec<Shift>,
    sent: Sent,
    mark: Option<Mark>,
    luck: Chance,
}

/// What a shift is known by: this till opens one an hour.
fn key(number: u64) -> ShiftKey {
    let first = DateTime::constant(2026, 1, 1, 8, 0, 0, 0);
    let hours = i64::try_from(number).unwrap_or_default();
    let opened = first.checked_add(hours.hours()).map_or(Opened::Unknown, Opened::At);
    ShiftKey { number: ShiftNumber(number), opened }
}

fn row_id(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX).saturating_add(1)
}

impl Sales {
    pub(super) fn new(luck: Chance) -> Self {
        Self { documents: Vec::new(), shifts: Vec::new(), sent: Sent::default(), mark: None, luck }
    }

    fn open_shift(&mut self) -> u64 {
        let number = self.shifts.last().map_or(1, |shift| shift.number + 1);
        self.shifts.push(Shift { number, closed: false });
        number
    }

    fn ring_up(&mut self, shift: u64) -> Sold {
        let number = self.documents.iter().rev().find(|sold| sold.shift == shift).map_or(1, |last| last.number + 1);
        let sum = i64::try_from(self.luck.below(900_000)).unwrap_or_default() + 100;
        let sold = Sold { shift, number, uuid: self.luck.uuid(), sum };
        self.documents.push(sold.clone());
        sold
    }

    /// `documents.db` is as it was some receipts of the open shift ago; gives what is not there
    /// any more.
    fn restore_image(&mut self, shift: u64) -> Vec<Sold> {
        let of_shift = self.documents.iter().rev().take_while(|sold| sold.shift == shift).count() as u64;
        let back = self.luck.below(IMAGE_RECEIPTS.min(of_shift) + 1);
        let keep = self.documents.len() - usize::try_from(back).unwrap_or_default();
        self.documents.split_off(keep)
    }

    fn row(&self, document: i64) -> DocumentRow {
        let place = usize::try_from(document - 1).unwrap_or(usize::MAX);
        match self.documents.get(place) {
            Some(sold) => DocumentRow::Finished { uuid: sold.uuid },
            None => DocumentRow::Gone { later: false },
        }
    }

    /// As the agent: another database than the one the mark is of makes what is remembered void.
    fn notice_another_database(&mut self) {
        if self.mark.is_some_and(|mark| is_another_database(mark, &self.row(mark.document))) {
            (self.sent, self.mark) = (Sent::default(), None);
        }
    }

    fn till_shifts(&self) -> Vec<TillShift> {
        let of = |number: u64| {
            let documents = self.documents.iter().enumerate().filter(move |(_, sold)| sold.shift == number);
            documents.map(|(place, sold)| DocumentKey {
                document_id: row_id(place),
                shift: key(sold.shift),
                number: sold.number,
                uuid: sold.uuid,
            })
        };
        let shifts = self.shifts.iter().enumerate().map(|(place, shift)| TillShift {
            workshift: row_id(place),
            key: key(shift.number),
            closed: shift.closed,
            documents: of(shift.number).collect(),
        });
        shifts.collect()
    }

    /// What counts as sent and is not there counts as sent no more.
    fn take_back(&mut self, lost: &Lost) {
        for (progress, ids) in [(&mut self.sent.documents, &lost.documents), (&mut self.sent.closings, &lost.closings)]
        {
            for id in ids {
                progress.sent.remove(id);
            }
        }
    }

    /// Row ids of documents to send, and of those that the server has.
    fn unsent(&self, held: &Holdings) -> (Vec<i64>, Vec<i64>) {
        let (mut send, mut had) = (Vec::new(), Vec::new());
        for (place, sold) in self.documents.iter().enumerate() {
            let id = row_id(place);
            if self.sent.documents.has(id) {
                continue;
            }
            let there = held.has(key(sold.shift), sold.number, *sold.uuid.as_bytes());
            if there { had.push(id) } else { send.push(id) }
        }
        (send, had)
    }

    fn note_sent(&mut self, ids: &[i64]) -> Vec<Sold> {
        let mut sold = Vec::with_capacity(ids.len());
        for id in ids {
            self.sent.documents.sent.insert(*id);
            let place = usize::try_from(id - 1).unwrap_or(usize::MAX);
            if let Some(document) = self.documents.get(place) {
                if self.mark.is_none_or(|mark| mark.document < *id) {
                    self.mark = Some(Mark { document: *id, uuid: document.uuid });
                }
                sold.push(document.clone());
            }
        }
        sold
    }

    fn closings(&self) -> Vec<usize> {
        let unsent = |(place, shift): &(usize, &Shift)| shift.closed && !self.sent.closings.has(row_id(*place));
        self.shifts.iter().enumerate().filter(unsent).map(|(place, _)| place).collect()
    }

    fn document(&self, till: &TillId, id: i64, time: DateTime) -> Option<v1::Document> {
        let sold = self.documents.get(usize::try_from(id - 1).ok()?)?;
        let receipt = v1::ReceiptKey {
            till_id: till.to_string(),
            shift: sold.shift,
            number: sold.number,
            uuid: sold.uuid.as_bytes().to_vec(),
            shift_opened: key(sold.shift).opened.to_wire(),
        };
        let line = v1::Line {
            position: 1,
            item_code: "1".to_owned(),
            barcode: "b1".to_owned(),
            opcode: 50,
            quantity: 1_000,
            price: sold.sum,
            sum_before: sold.sum,
            sum: sold.sum,
            time: time.to_string(),
            ..v1::Line::default()
        };
        let payment =
            v1::Payment { opcode: 70, type_code: 1, sum: sold.sum, time: time.to_string(), ..v1::Payment::default() };
        Some(v1::Document {
            key: Some(receipt),
            document_id: id,
            doctype: 1,
            cash_code: "1".to_owned(),
            cashier: "1".to_owned(),
            time_beg: time.to_string(),
            time_end: time.to_string(),
            sum_before: sold.sum,
            sum: sold.sum,
            lines: vec![line],
            payments: vec![payment],
            ..v1::Document::default()
        })
    }

    fn closing(&self, till: &TillId, place: usize, time: DateTime) -> Option<v1::Shift> {
        let number = self.shifts.get(place)?.number;
        let documents: Vec<&Sold> = self.documents.iter().filter(|sold| sold.shift == number).collect();
        let (count, sum) = (documents.len() as u64, documents.iter().map(|sold| sold.sum).sum());
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Some(v1::Shift {
            till_id: till.to_string(),
            number,
            cash_code: "1".to_owned(),
            shop_code: "1".to_owned(),
            cashier: "1".to_owned(),
            time_beg: key(number).opened.to_wire().unwrap_or_default(),
            time_end: time.to_string(),
            first_number: documents.first().map_or(0, |first| first.number),
            last_number: documents.last().map_or(0, |last| last.number),
            recorded_sales: count,
            recorded_sale_sum: sum,
            recorded_sale_cash: sum,
            drawer_sum: sum,
            counted_sales: count,
            counted_sale_sum: sum,
            counted_documents: count,
            ..v1::Shift::default()
        })
    }
}

fn ledger(shared: &Shared, note: impl FnOnce(&mut Ledger)) {
    note(&mut shared.ledger.lock().unwrap_or_else(PoisonError::into_inner));
}

fn acknowledged(shared: &Shared, till: &TillId, sold: Vec<Sold>) {
    ledger(shared, |ledger| {
        if let Some(gone) = ledger.gone.get_mut(till) {
            for sold in &sold {
                gone.remove(sold);
            }
        }
        ledger.acknowledged.entry(till.clone()).or_default().extend(sold);
    });
}

/// Sells a shift, unloading as it goes, and closes it.
pub(super) async fn shift(till: Arc<SimulatedTill>, shared: Arc<Shared>, receipts: usize) {
    let id = till.identity.till.clone();
    let shift = till.sales.lock().await.open_shift();
    for count in 1..=receipts {
        {
            let mut sales = till.sales.lock().await;
            let faults = shared.faults();
            if sales.luck.happens(faults.restores_image) {
                let taken = sales.restore_image(shift);
                ledger(&shared, |ledger| {
                    ledger.restored += 1;
                    // Of those under way the acknowledgement may have been lost with a stream.
                    let known = ledger.acknowledged.entry(id.clone()).or_default();
                    let gone: Vec<_> = taken.into_iter().filter(|sold| !known.contains(sold)).collect();
                    ledger.gone.entry(id.clone()).or_default().extend(gone);
                });
            }
            if sales.luck.happens(faults.forgets_progress) {
                (sales.sent, sales.mark) = (Sent::default(), None);
                ledger(&shared, |ledger| ledger.forgotten += 1);
            }
            let sold = sales.ring_up(shift);
            ledger(&shared, |ledger| {
                ledger.rung_up.entry(id.clone()).or_default().insert(sold);
            });
        }
        if count.is_multiple_of(UNLOAD_EVERY) {
            let _ = unload(&till, &shared).await;
        }
    }
    if let Some(shift) = till.sales.lock().await.shifts.iter_mut().find(|known| known.number == shift) {
        shift.closed = true;
    }
    while !shared.shutdown.is_cancelled() && unload(&till, &shared).await.is_err() {}
    till.selling.send_modify(|under_way| *under_way -= 1);
}

/// Brings up what the server does not have; gives how many receipts it acknowledged.
pub(super) async fn unload(till: &Arc<SimulatedTill>, shared: &Arc<Shared>) -> Result<u64, StreamError> {
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    let mut tries = 0;
    loop {
        tries += 1;
        let error = {
            let mut sales = till.sales.lock().await;
            let _room = shared.at_a_time.acquire().await;
            match attempt(till, shared, &mut sales).await {
                Ok(receipts) => return Ok(receipts),
                Err(error) => error,
            }
        };
        let by_luck = matches!(error, StreamError::Luck);
        ledger(shared, |ledger| if by_luck { ledger.broken_streams += 1 } else { ledger.failed_streams += 1 });
        if !by_luck {
            shared.broke("unloading", &error);
        }
        if tries >= MAX_TRIES || shared.shutdown.is_cancelled() {
            return Err(error);
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

async fn attempt(till: &SimulatedTill, shared: &Shared, sales: &mut Sales) -> Result<u64, StreamError> {
    let id = &till.identity.till;
    sales.notice_another_database();
    let shifts = sales.till_shifts();
    let named = shifts.iter().map(|shift| shift.key).collect();
    let (mut stream, held) = Stream::open(shared.sales.clone(), &till.identity, till.instance, named).await?;
    let gone = lost(&sales.sent, &shifts, &held);
    sales.take_back(&gone);
    let (unsent, had) = sales.unsent(&held);
    let mut receipts = had.len() as u64;
    acknowledged(shared, id, sales.note_sent(&had));
    let now = till.clock(Timestamp::now()).to_zoned(TimeZone::UTC).datetime();
    let time = now.checked_sub(1.second()).unwrap_or(now).round(jiff::Unit::Second).unwrap_or(now);
    let mut batches: VecDeque<Vec<i64>> = unsent.chunks(BATCH_DOCUMENTS).map(<[i64]>::to_vec).collect();
    let mut under_way: VecDeque<Vec<i64>> = VecDeque::new();
    loop {
        if stream.has_room()
            && let Some(batch) = batches.pop_front()
        {
            let documents = batch.iter().filter_map(|document| sales.document(id, *document, time)).collect();
            stream.send(documents, Vec::new()).await?;
            under_way.push_back(batch);
            let faults = shared.faults();
            if sales.luck.happens(faults.breaks_streams) {
                return Err(StreamError::Luck);
            }
        } else if stream.is_settled() {
            break;
        } else {
            let durable = stream.acknowledgement().await?;
            for batch in under_way.drain(..durable.min(under_way.len())) {
                receipts += batch.len() as u64;
                acknowledged(shared, id, sales.note_sent(&batch));
            }
        }
    }
    let closings = sales.closings();
    let records: Vec<_> = closings.iter().filter_map(|place| sales.closing(id, *place, time)).collect();
    if !records.is_empty() {
        stream.send(Vec::new(), records).await?;
        while !stream.is_settled() {
            stream.acknowledgement().await?;
        }
        sales.sent.closings.sent.extend(closings.into_iter().map(row_id));
    }
    stream.close().await;
    Ok(receipts)
}

impl Fleet {
    /// What is wrong in a server's `sales.db`; see [`Ledger::compare`].
    pub fn compare_sales(&self, sales_db: &Path) -> Result<Vec<String>, FleetError> {
        self.ledger().compare(sales_db)
    }
}
