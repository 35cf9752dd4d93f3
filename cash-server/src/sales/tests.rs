//! What tests of sales share, and the tests that go through several rooms.

mod aside;
mod intake;
mod power;
mod recovery;
mod shift_identity;
mod store;
mod verdicts;

use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_proto::receipt::{ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{ShopId, TillId};
use uuid::Uuid;

use super::receipt::{Receipt, ShiftRecord};
use super::spool::{Arrival, Position, Spool, SpoolError, SpoolLimits};
use crate::store::ServerId;
use crate::store::sales::Incoming;
use crate::store::sqlite::sales::SqliteSales;
use tillway_file_queue::disk::Disk;

/// What has not happened by then does not happen.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn till() -> TillId {
    "_cash_7_0000000a".parse().unwrap()
}

pub(crate) fn other_till() -> TillId {
    "_cash_8_0000000b".parse().unwrap()
}

pub(crate) fn shop() -> ShopId {
    "_shop_3_0000000c".parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    "2017-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn open_store(folder: &Path) -> Arc<SqliteSales> {
    Arc::new(SqliteSales::open(&folder.join("sales.db"), ServerId::ALONE).unwrap())
}

/// Opens the spool of a folder whose former one may still be ending its writer.
pub(super) fn open_when_free(
    folder: &Path,
    loaded: Position,
    limits: SpoolLimits,
    disk: &Arc<dyn Disk>,
) -> Result<Spool, SpoolError> {
    let began = Instant::now();
    loop {
        match Spool::open(folder, loaded, limits, Arc::clone(disk)) {
            Err(SpoolError::InUse { .. }) => {
                assert!(began.elapsed() < DEADLINE, "the former spool never lets go of {}", folder.display());
                std::thread::yield_now();
            }
            opened => return opened,
        }
    }
}

/// A shift of this number, as an agent of v0.1 names it.
pub(crate) fn any_shift(number: u64) -> ShiftKey {
    ShiftKey::not_told(ShiftNumber(number))
}

/// A sale as [`sale`], in the shift of that number that was opened at this time.
pub(super) fn sale_in(opened: &str, shift: u64, number: u64) -> v1::Document {
    let mut sale = sale(&till(), shift, number);
    sale.key.as_mut().unwrap().shift_opened = Some(opened.to_owned());
    sale
}

/// A sale of an agent of v0.1, which does not tell when the shift was opened: of one line for
/// `number` roubles and 50 kopecks.
pub(crate) fn sale(till: &TillId, shift: u64, number: u64) -> v1::Document {
    let sum = i64::try_from(number).unwrap() * 100 + 50;
    v1::Document {
        key: Some(v1::ReceiptKey {
            till_id: till.to_string(),
            shift,
            number,
            uuid: Uuid::from_u128((u128::from(shift) << 64) | u128::from(number)).as_bytes().to_vec(),
            shift_opened: None,
        }),
        document_id: i64::try_from(number).unwrap(),
        doctype: 1,
        cash_code: "7".to_owned(),
        time_beg: format!("2017-02-28T10:{:02}:00", number % 60),
        time_end: format!("2017-02-28T10:{:02}:30", number % 60),
        sum_before: sum + 10,
        discount: 10,
        sum,
        lines: vec![v1::Line {
            position: 1,
            item_code: "1001".to_owned(),
            barcode: "4600000000017".to_owned(),
            opcode: 50,
            quantity: 1000,
            price: sum + 10,
            sum_before: sum + 10,
            discount: 10,
            sum,
            discounts: vec![v1::Discount { number: 1, sum: 10, base_sum: sum + 10, ..v1::Discount::default() }],
            ..v1::Line::default()
        }],
        voided_lines: vec![v1::Line { position: 2, sum: 5, confirmed_by: "1".to_owned(), ..v1::Line::default() }],
        payments: vec![v1::Payment { opcode: 70, type_code: 1, sum, ..v1::Payment::default() }],
        cards: vec!["777".to_owned()],
        ..v1::Document::default()
    }
}

/// The closing record of a shift with sales of these numbers.
pub(crate) fn closed_shift(till: &TillId, shift: u64, numbers: std::ops::RangeInclusive<u64>) -> v1::Shift {
    let sales = i64::try_from(numbers.clone().count()).unwrap();
    let sum: i64 = numbers.clone().map(|number| sale(till, shift, number).sum).sum();
    v1::Shift {
        till_id: till.to_string(),
        number: shift,
        cash_code: "7".to_owned(),
        time_beg: "2017-02-28T09:00:00".to_owned(),
        time_end: "2017-02-28T21:00:00".to_owned(),
        first_number: *numbers.start(),
        last_number: *numbers.end(),
        recorded_sales: sales,
        recorded_sale_sum: sum,
        counted_sales: sales,
        counted_sale_sum: sum,
        counted_documents: sales,
        users: vec![v1::User { code: "1".to_owned(), name: "Анна".to_owned() }],
        ..v1::Shift::default()
    }
}

pub(super) fn batch(documents: Vec<v1::Document>, shifts: Vec<v1::Shift>) -> v1::Batch {
    v1::Batch { sequence: 0, documents, shifts }
}

pub(super) fn arrival(batch: v1::Batch) -> Arrival {
    Arrival {
        till_id: till().to_string(),
        shop_id: shop().to_string(),
        instance: "one".to_owned(),
        received_at_ms: now().as_millisecond(),
        batch: Some(batch),
        refused: Vec::new(),
    }
}

pub(crate) fn incoming(documents: Vec<v1::Document>, shifts: Vec<v1::Shift>) -> Incoming {
    Incoming {
        till: till(),
        shop: shop(),
        received_at: now(),
        receipts: documents.into_iter().map(|document| Receipt::parse(&till(), document).unwrap()).collect(),
        shifts: shifts.into_iter().map(|shift| ShiftRecord::parse(&till(), shift).unwrap()).collect(),
        refused: Vec::new(),
    }
}
