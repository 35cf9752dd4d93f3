//! Sales in memory: finished documents and the shifts that they are of.

use super::{Read, Sales, Source};
use jiff::civil::{Date, DateTime};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tillway_exchangers::till::documents::{
    DocumentKey, DocumentRow, Page, Progress, ShiftHead, ShiftPage, ShiftRecord,
};
use tillway_proto::receipt::{ShiftKey, ShiftNumber};
use tillway_proto::sales::{shift_key, v1};
use uuid::Uuid;

/// What a POS has written, as a test says.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemorySource(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    documents: Vec<v1::Document>,
    shifts: Vec<ShiftRecord>,
    /// Counts what was written.
    version: u64,
}

impl MemorySource {
    /// A receipt of this shift; its row id, which is its number too.
    pub(crate) fn sell(&self, shift: u64) -> i64 {
        let mut written = self.0.lock().unwrap();
        let number = written.documents.len() as u64 + 1;
        let document_id = number.cast_signed();
        let uuid = Uuid::from_u128(number.into()).as_bytes().to_vec();
        let key = Some(v1::ReceiptKey { shift, number, uuid, ..v1::ReceiptKey::default() });
        written.documents.push(v1::Document { key, document_id, ..v1::Document::default() });
        written.version += 1;
        document_id
    }

    /// The shift of this number ends; its row id is its number.
    pub(crate) fn close(&self, number: u64) {
        let mut written = self.0.lock().unwrap();
        let of = written.documents.iter().filter(|document| shift_of(document).number == ShiftNumber(number)).count();
        let time_end = "2026-11-29T22:00:00".to_owned();
        let counted_documents = i64::try_from(of).unwrap();
        let shift = v1::Shift { number, time_end, counted_documents, ..v1::Shift::default() };
        written.shifts.push(ShiftRecord { workshift_id: number.cast_signed(), shift });
        written.version += 1;
    }
}

fn shift_of(document: &v1::Document) -> ShiftKey {
    key_of(document).shift
}

fn key_of(document: &v1::Document) -> DocumentKey {
    let key = document.key.as_ref().unwrap();
    DocumentKey {
        document_id: document.document_id,
        shift: shift_key(&v1::Shift { number: key.shift, ..v1::Shift::default() }),
        number: key.number,
        uuid: Uuid::from_slice(&key.uuid).unwrap(),
    }
}

impl Source for MemorySource {
    fn open(&self) -> Read<Option<Box<dyn Sales>>> {
        Ok(Some(Box::new(self.clone())))
    }

    fn watch(&self) -> Box<dyn FnMut() -> Read<bool> + Send> {
        let (this, mut seen) = (self.clone(), None);
        Box::new(move || {
            let version = Some(this.0.lock().unwrap().version);
            Ok(std::mem::replace(&mut seen, version) != version)
        })
    }

    fn file(&self) -> Option<&Path> {
        None
    }
}

impl MemorySource {
    fn page(&self, limit: usize, is_asked_for: impl Fn(&v1::Document) -> bool) -> Page {
        let written = self.0.lock().unwrap();
        let found = written.documents.iter().filter(|document| is_asked_for(document)).take(limit);
        Page { documents: found.cloned().collect(), ..Page::default() }
    }

    fn records(&self, is_asked_for: impl Fn(&ShiftRecord) -> bool) -> ShiftPage {
        let written = self.0.lock().unwrap();
        ShiftPage {
            records: written.shifts.iter().filter(|record| is_asked_for(record)).cloned().collect(),
            broken: Vec::new(),
        }
    }
}

impl Sales for MemorySource {
    fn finished_besides(&mut self, progress: &Progress, limit: usize) -> Read<Page> {
        Ok(self.page(limit, |document| !progress.has(document.document_id)))
    }

    fn finished_since(&mut self, _: DateTime, after: i64, limit: usize) -> Read<Page> {
        Ok(self.page(limit, |document| document.document_id > after))
    }

    fn finished_on_days(&mut self, _: Date, _: Date, after: i64, limit: usize) -> Read<Page> {
        Ok(self.page(limit, |document| document.document_id > after))
    }

    fn unsent(&mut self, progress: &Progress) -> Read<u64> {
        Ok(self.page(usize::MAX, |document| !progress.has(document.document_id)).documents.len() as u64)
    }

    fn settle(&mut self, progress: &Progress) -> Read<Progress> {
        Ok(progress.clone())
    }

    fn row(&mut self, document: i64) -> Read<DocumentRow> {
        let found = self.page(1, |other| other.document_id == document).documents;
        Ok(found.first().map_or(DocumentRow::Gone { later: self.highest()? > document }, |found| {
            DocumentRow::Finished { uuid: key_of(found).uuid }
        }))
    }

    fn highest(&mut self) -> Read<i64> {
        Ok(self.newest(i64::MAX)?.map_or(0, |key| key.document_id))
    }

    fn newest(&mut self, through: i64) -> Read<Option<DocumentKey>> {
        Ok(self.page(usize::MAX, |document| document.document_id <= through).documents.last().map(key_of))
    }

    fn keys_of_shift(&mut self, workshift: i64) -> Read<Vec<DocumentKey>> {
        let number = ShiftNumber(workshift.cast_unsigned());
        Ok(self.page(usize::MAX, |document| shift_of(document).number == number).documents.iter().map(key_of).collect())
    }

    fn first_document_since(&mut self, workshift: i64) -> Read<Option<i64>> {
        let first = ShiftNumber(workshift.cast_unsigned());
        let of = self.page(1, |document| shift_of(document).number >= first);
        Ok(of.documents.first().map(|document| document.document_id))
    }

    fn closed_besides(&mut self, progress: &Progress, _: usize) -> Read<ShiftPage> {
        Ok(self.records(|record| !progress.has(record.workshift_id)))
    }

    fn shifts_of(&mut self, documents: &BTreeSet<i64>) -> Read<ShiftPage> {
        let of = self.page(usize::MAX, |document| documents.contains(&document.document_id)).documents;
        Ok(self.records(|record| of.iter().any(|document| shift_of(document) == shift_key(&record.shift))))
    }

    fn shifts_before(&mut self, before: i64, limit: u32) -> Read<Vec<ShiftHead>> {
        let mut records = self.records(|record| record.workshift_id < before).records;
        records.reverse();
        records.truncate(limit as usize);
        let head = |record: ShiftRecord| ShiftHead {
            workshift_id: record.workshift_id,
            key: Some(shift_key(&record.shift)),
            began: None,
            closed: true,
            ended: None,
        };
        Ok(records.into_iter().map(head).collect())
    }

    fn last_closed(&mut self) -> Read<i64> {
        Ok(self.records(|_| true).records.last().map_or(0, |record| record.workshift_id))
    }

    fn settle_shifts(&mut self, progress: &Progress) -> Read<Progress> {
        Ok(progress.clone())
    }
}
