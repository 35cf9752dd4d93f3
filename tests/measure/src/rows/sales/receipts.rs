//! Receipts of any number of tills: the real ones of the data set, rung by the kit's POS, over and
//! over with keys of their own.

use crate::MeasureError;
use crate::data::Good;
use jiff::civil::Date;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tillway_proto::sales::{BATCH_BYTES, MAX_BATCH_DOCUMENTS, MAX_HELLO_SHIFTS, SALES_SCHEMA, v1};
use tillway_proto::{ShopId, TillId};
use tillway_tests::journey::{Journey, ProductId, SHOPS, ShelfPrices, WEEKS, cashier_of, till_of};
use tillway_tests::pos::{Basket, document_of};
use uuid::Builder;
use xxhash_rust::xxh3::xxh3_128;

/// When each shift was opened.
const OPENED: &str = "2017-01-01T08:00:00";

/// The day of the first shift.
const FIRST_DAY: jiff::civil::Date = jiff::civil::date(2017, 1, 1);

/// Receipts of a shift: a day of a busy till.
const PER_SHIFT: usize = 300;

/// Most receipts of one stream: the agent unloads in rounds of so many.
pub(super) const PER_STREAM: usize = 2_000;

/// A till that the server knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Till {
    pub(super) id: TillId,
    pub(super) shop: ShopId,
    pub(super) token: String,
}

/// The receipts of the data set as documents, without keys.
pub(in super::super) struct Templates(Vec<v1::Document>);

/// What one stream brings.
pub(super) struct Round {
    pub(super) hello: v1::Hello,
    pub(super) batches: Vec<v1::Batch>,
}

impl Templates {
    /// All of them, rung up with the shelf prices of their week.
    pub(in super::super) fn ring() -> Result<Self, MeasureError> {
        let failed = |error: &dyn std::error::Error| MeasureError::wrong("ringing the receipts of the data set", error);
        let journey = Journey::load().map_err(|error| failed(&error))?;
        let mut documents = Vec::with_capacity(journey.receipts.len());
        for shop in SHOPS {
            let mut shelf = ShelfPrices::default();
            for week in 1..=WEEKS {
                shelf.advance(&journey, shop, week);
                let by_barcode: BTreeMap<String, ProductId> = journey
                    .receipts
                    .iter()
                    .filter(|receipt| receipt.shop == shop && receipt.week == week)
                    .flat_map(|receipt| &receipt.lines)
                    .map(|line| (tillway_tests::journey::barcode_of(line.product), line.product))
                    .collect();
                let look_up = |barcode: &str| match by_barcode.get(barcode) {
                    Some(product) => Ok((product.to_string(), shelf.price(*product))),
                    None => Err(tillway_tests::pos::PosError::Unknown { barcode: barcode.to_owned() }),
                };
                for receipt in journey.receipts.iter().filter(|of| of.shop == shop && of.week == week) {
                    let till = till_of(receipt);
                    let heading = v1::Document {
                        cash_code: till.to_owned(),
                        cashier: cashier_of(till, week).to_string(),
                        department: 1,
                        ..v1::Document::default()
                    };
                    let document = document_of(&Basket::from(receipt), look_up, heading);
                    documents.push(document.map_err(|error| failed(&error))?);
                }
            }
        }
        Ok(Self(documents))
    }

    /// So many receipts of a till, and the closed records of their shifts, in the streams and
    /// batches that its agent makes.
    pub(super) fn rounds(&self, till: &TillId, shop: &ShopId, receipts: usize) -> Vec<Round> {
        let documents: Vec<v1::Document> = (0..receipts).map(|place| self.receipt(till, place)).collect();
        let mut shifts: Vec<v1::Shift> =
            documents.chunks(PER_SHIFT).enumerate().map(|(place, of)| closed(till, place, of)).collect();
        let streams = receipts.div_ceil(PER_STREAM);
        let mut rounds = Vec::with_capacity(streams);
        for (place, documents) in documents.chunks(PER_STREAM).enumerate() {
            // The last round brings the records of shifts.
            let records = if place + 1 == streams { std::mem::take(&mut shifts) } else { Vec::new() };
            let first = place * PER_STREAM / PER_SHIFT + 1;
            let last = (place * PER_STREAM + documents.len() - 1) / PER_SHIFT + 1;
            let mut named: Vec<u64> = (first..=last).map(|shift| shift as u64).collect();
            // In order, and no more than fit, as the agent names them.
            named.extend(records.iter().map(|record| record.number).filter(|number| *number < first as u64));
            named.sort_unstable();
            named.truncate(MAX_HELLO_SHIFTS);
            let hello = v1::Hello {
                schema: SALES_SCHEMA,
                peer_id: till.to_string(),
                shop_id: shop.to_string(),
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                instance: till.to_string(),
                openings: vec![OPENED.to_owned(); named.len()],
                shifts: named,
            };
            rounds.push(Round { hello, batches: batches(documents, records) });
        }
        rounds
    }

    /// So many receipts of a till on each of these days, a shift a day with its closed record;
    /// sold are the goods that `good` has for a line.
    pub(in super::super) fn days<'a>(
        &self,
        till: &TillId,
        days: impl Iterator<Item = Date>,
        receipts: usize,
        good: impl Fn(usize) -> &'a Good,
    ) -> Vec<v1::Batch> {
        let mut batches = Vec::new();
        for (shift, day) in (1_u64..).zip(days) {
            let opened = format!("{day}T08:00:00");
            let first = (usize::try_from(shift).unwrap_or(1) - 1) * receipts;
            let documents: Vec<v1::Document> = (first..first + receipts)
                .map(|place| {
                    let mut document = self.receipt(till, place);
                    if let Some(key) = &mut document.key {
                        (key.shift, key.shift_opened) = (shift, Some(opened.clone()));
                    }
                    for time in [&mut document.time_beg, &mut document.time_end] {
                        *time = time.split_once('T').map_or_else(String::new, |(_, time)| format!("{day}T{time}"));
                    }
                    for (number, line) in document.lines.iter_mut().enumerate() {
                        let Good { code, barcode, .. } = good(place + number);
                        (line.item_code, line.barcode) = (code.clone(), barcode.clone());
                    }
                    document
                })
                .collect();
            let closed = closed(till, 0, &documents);
            let closed = v1::Shift { number: shift, time_beg: opened, ..closed };
            batches.push(v1::Batch { documents, shifts: vec![closed], ..v1::Batch::default() });
        }
        for (sequence, batch) in (1..).zip(&mut batches) {
            batch.sequence = sequence;
        }
        batches
    }

    fn receipt(&self, till: &TillId, place: usize) -> v1::Document {
        let number = place as u64 + 1;
        let made = xxh3_128(format!("{till} {number}").as_bytes());
        let uuid = Builder::from_random_bytes(made.to_le_bytes()).into_uuid();
        // Each till begins elsewhere in the data set.
        let start = usize::try_from(xxh3_128(till.as_str().as_bytes()) % 65_536).unwrap_or(0);
        let template = &self.0[(start + place) % self.0.len()];
        let key = v1::ReceiptKey {
            till_id: till.to_string(),
            shift: (place / PER_SHIFT) as u64 + 1,
            number,
            uuid: uuid.as_bytes().to_vec(),
            shift_opened: Some(OPENED.to_owned()),
        };
        // The data set has some receipts a week; a shift here is a day.
        let day = FIRST_DAY.saturating_add(jiff::Span::new().days(i64::try_from(place / PER_SHIFT).unwrap_or(0)));
        let on_that_day =
            |time: &str| time.split_once('T').map_or_else(String::new, |(_, time)| format!("{day}T{time}"));
        v1::Document {
            key: Some(key),
            time_beg: on_that_day(&template.time_beg),
            time_end: on_that_day(&template.time_end),
            document_id: i64::try_from(number).unwrap_or(i64::MAX),
            identifier: uuid.to_string(),
            ..template.clone()
        }
    }
}

fn closed(till: &TillId, place: usize, documents: &[v1::Document]) -> v1::Shift {
    let count = i64::try_from(documents.len()).unwrap_or(i64::MAX);
    let sum = documents.iter().map(|document| document.sum).sum();
    let number_of = |document: Option<&v1::Document>| {
        document.and_then(|document| document.key.as_ref()).map_or(0, |key| key.number)
    };
    let text = |time: fn(&v1::Document) -> &String, document: Option<&v1::Document>| {
        document.map(time).cloned().unwrap_or_default()
    };
    v1::Shift {
        till_id: till.to_string(),
        number: place as u64 + 1,
        cash_code: "1".to_owned(),
        shop_code: "1".to_owned(),
        cashier: "1".to_owned(),
        time_beg: OPENED.to_owned(),
        time_end: text(|document| &document.time_end, documents.last()),
        first_number: number_of(documents.first()),
        last_number: number_of(documents.last()),
        recorded_sales: count,
        recorded_sale_sum: sum,
        recorded_sale_cash: sum,
        drawer_sum: sum,
        counted_sales: count,
        counted_sale_sum: sum,
        counted_documents: count,
        ..v1::Shift::default()
    }
}

fn batches(documents: &[v1::Document], records: Vec<v1::Shift>) -> Vec<v1::Batch> {
    let mut batches = vec![v1::Batch::default()];
    let mut bytes = 0;
    for document in documents {
        if bytes >= BATCH_BYTES || batches.last().is_some_and(|batch| batch.documents.len() >= MAX_BATCH_DOCUMENTS) {
            batches.push(v1::Batch::default());
            bytes = 0;
        }
        bytes += document.encoded_len();
        if let Some(batch) = batches.last_mut() {
            batch.documents.push(document.clone());
        }
    }
    if !records.is_empty() {
        batches.push(v1::Batch { shifts: records, ..v1::Batch::default() });
    }
    for (sequence, batch) in (1..).zip(&mut batches) {
        batch.sequence = sequence;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn receipts_of_two_tills_have_keys_of_their_own_and_all_go_out() {
        let templates = Templates::ring().unwrap();
        let mut keys = BTreeSet::new();
        for code in ["1", "2"] {
            let till = TillId::new(&code.parse().unwrap());
            let shop = ShopId::new(&"1".parse().unwrap());
            let rounds = templates.rounds(&till, &shop, 4_100);
            assert_eq!(rounds.len(), 3);
            assert_eq!(rounds[2].hello.shifts, (1..=14).collect::<Vec<u64>>());
            let batches = rounds.iter().flat_map(|round| &round.batches);
            for document in batches.flat_map(|batch| &batch.documents) {
                let key = document.key.as_ref().unwrap();
                keys.insert((key.till_id.clone(), key.shift, key.number, key.uuid.clone()));
            }
        }
        assert_eq!(keys.len(), 8_200);
    }
}
