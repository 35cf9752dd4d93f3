//! Reads records on a thread of its own, while those before them are looked up and written: a load
//! takes as long as the longer of the two, not both together. A record that is known by its text
//! is not read at all: [`UnchangedRecords`].
//!
//! Records and the first read error come in the order of the input. What is read ahead is bounded
//! by the constants here; where nobody takes records any more, reading ends with the batch under
//! way.

use crate::dictionary::entry::KindId;
use crate::store::StoreError;
use crate::store::dictionary::{Unchanged, UnchangedRecords};
use jiff::tz::TimeZone;
use std::error::Error;
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use tillway_exchangers::records::{Command, Format, Position, Raw, RawRecord, RawRecords, Record, RecordHash};

/// Records handed over at once: enough that handing over does not count.
const BATCH_RECORDS: usize = 256;

/// Bytes of input after which a batch is handed over, however few its records are: of records of
/// [`MAX_RECORD_BYTES`] it has two at the most.
///
/// [`MAX_RECORD_BYTES`]: tillway_exchangers::records::MAX_RECORD_BYTES
const BATCH_BYTES: u64 = 128 * 1024;

/// Batches that wait, beside the one that is read and the one that is worked on.
const WAITING_BATCHES: usize = 2;

/// Records in the order of the input.
#[derive(Debug, Default)]
pub(super) struct Batch {
    items: Vec<Item>,
    /// Texts of those that are known.
    texts: Vec<u8>,
}

#[derive(Debug)]
enum Item {
    Unchanged { known: Unchanged, start: Position, format: &'static dyn Format, text: Range<usize> },
    Read(Box<Record>, Option<RecordHash>),
    Failed(io::Error),
}

/// A record as it comes out.
#[derive(Debug)]
pub(super) enum ReadAhead<'a> {
    /// What it orders is so already, by its text, if this load has not changed that: then it is to
    /// be read.
    Unchanged(Unchanged, RawRecord<'a>),
    /// By what it is known again, where it has a text of its own.
    Read(Box<Record>, Option<RecordHash>),
}

impl Batch {
    /// Its records; with the error behind the last one, where reading failed.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = io::Result<ReadAhead<'_>>> {
        let texts = &self.texts;
        self.items.drain(..).map(|item| match item {
            Item::Unchanged { known, start, format, text } => {
                Ok(ReadAhead::Unchanged(known, RawRecord::new(&texts[text], start, format)))
            }
            Item::Read(record, hash) => Ok(ReadAhead::Read(record, hash)),
            Item::Failed(error) => Err(error),
        })
    }
}

/// Runs `work` over all `records`, which a thread of its own reads, beside those that are `known`.
/// Where no thread is to be had they are read in turns.
pub(super) fn read_ahead<R, T>(
    records: R,
    known: Box<dyn UnchangedRecords>,
    zone: &TimeZone,
    work: impl FnOnce(&mut Batches<R>) -> T,
) -> T
where
    R: RawRecords + Send,
{
    let mut reading = Reading { records, known: Some(known), zone: zone.clone(), ended: false };
    thread::scope(|scope| {
        let (give, given) = mpsc::sync_channel::<Reading<R>>(1);
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES);
        let (used, empty) = mpsc::channel();
        let send = move || {
            if let Ok(reading) = given.recv() {
                reading.send_all(&sender, &empty);
            }
        };
        let reader = match thread::Builder::new().name("intake-reader".to_owned()).spawn_scoped(scope, send) {
            Ok(reader) => reader,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "no thread to read a load ahead: it takes longer");
                return work(&mut Batches(From::Here(&mut reading)));
            }
        };
        // The thread has just been started and waits for this.
        let _ = give.send(reading);
        let mut batches = Batches(From::There { receiver, used });
        let done = work(&mut batches);
        drop(batches);
        // A defect of the reader is one of the load.
        reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        done
    })
}

/// Batch after batch.
pub(super) struct Batches<'a, R>(From<'a, R>);

enum From<'a, R> {
    There { receiver: Receiver<Batch>, used: Sender<Batch> },
    Here(&'a mut Reading<R>),
}

impl<R: RawRecords> Batches<'_, R> {
    /// Puts the next records into `batch`, which has none left. False at the end.
    pub(super) fn next_into(&mut self, batch: &mut Batch) -> bool {
        match &mut self.0 {
            From::There { receiver, used } => {
                let Ok(next) = receiver.recv() else { return false };
                // Its memory is used again; where nobody reads any more it is not needed.
                let _ = used.send(std::mem::replace(batch, next));
                true
            }
            From::Here(reading) => reading.fill(batch),
        }
    }
}

struct Reading<R> {
    records: R,
    /// None after it failed: then each record is read.
    known: Option<Box<dyn UnchangedRecords>>,
    /// Times with a zone are read as times of this one.
    zone: TimeZone,
    ended: bool,
}

impl<R: RawRecords> Reading<R> {
    fn send_all(mut self, sender: &SyncSender<Batch>, empty: &Receiver<Batch>) {
        loop {
            let mut batch = empty.try_recv().unwrap_or_default();
            if !self.fill(&mut batch) || sender.send(batch).is_err() {
                return;
            }
        }
    }

    /// Reads some records. False at the end.
    fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.items.clear();
        batch.texts.clear();
        let mut from = None;
        while !self.ended && batch.items.len() < BATCH_RECORDS {
            let item = match self.records.next_raw() {
                Ok(Some(Raw::Text(raw))) => {
                    let hash = raw.hash();
                    if let Some(known) = find(&mut self.known, hash) {
                        let text = batch.texts.len()..batch.texts.len() + raw.text().len();
                        batch.texts.extend_from_slice(raw.text());
                        Item::Unchanged { known, start: raw.start(), format: raw.format(), text }
                    } else {
                        let record = raw.read(&self.zone);
                        missed(&mut self.known, &record);
                        Item::Read(Box::new(record), Some(hash))
                    }
                }
                Ok(Some(Raw::Read(record))) => Item::Read(record, None),
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(error) => {
                    self.ended = true;
                    Item::Failed(error)
                }
            };
            let at = match &item {
                Item::Unchanged { start, .. } => start.byte,
                Item::Read(record, _) => record.byte,
                Item::Failed(_) => 0,
            };
            batch.items.push(item);
            if at.saturating_sub(*from.get_or_insert(at)) >= BATCH_BYTES {
                break;
            }
        }
        !batch.items.is_empty()
    }
}

fn find(known: &mut Option<Box<dyn UnchangedRecords>>, hash: RecordHash) -> Option<Unchanged> {
    let found = known.as_mut()?.find(hash);
    found.unwrap_or_else(|error| {
        give_up(known, &error);
        None
    })
}

fn missed(known: &mut Option<Box<dyn UnchangedRecords>>, record: &Record) {
    let (Some(asked), Ok(Command::Upsert(expansion))) = (known.as_mut(), &record.command) else { return };
    if let Err(error) = asked.missed(KindId::from(expansion.main.kind), expansion.main.key.as_str()) {
        give_up(known, &error);
    }
}

/// The load looks each object up by itself: what is wrong with the database shows there too.
fn give_up(known: &mut Option<Box<dyn UnchangedRecords>>, error: &StoreError) {
    tracing::warn!(error = error as &dyn Error, "failed to look for known records: the load takes longer");
    *known = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tillway_exchangers::formats::aif::RecordReader;

    /// Knows each second record.
    #[derive(Default)]
    struct EachSecond(i64);

    impl UnchangedRecords for EachSecond {
        fn find(&mut self, _record: RecordHash) -> Result<Option<Unchanged>, StoreError> {
            self.0 += 1;
            Ok((self.0 % 2 == 0).then(Unchanged::any))
        }

        fn missed(&mut self, _kind: KindId, _key: &str) -> Result<(), StoreError> {
            Ok(())
        }
    }

    /// Counts the records that are asked for.
    struct Counted<R>(R, Arc<AtomicU64>);

    impl<R: RawRecords> RawRecords for Counted<R> {
        fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.next_raw()
        }
    }

    struct Defect;

    impl RawRecords for Defect {
        fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
            panic!("a defect of the reader")
        }
    }

    fn all<R: RawRecords + Send>(records: R) -> Vec<io::Result<Record>> {
        read_ahead(records, Box::new(EachSecond::default()), &TimeZone::UTC, |batches| {
            let (mut batch, mut seen) = (Batch::default(), Vec::new());
            while batches.next_into(&mut batch) {
                seen.extend(batch.drain().map(|ahead| {
                    ahead.map(|ahead| match ahead {
                        ReadAhead::Unchanged(_, raw) => raw.read(&TimeZone::UTC),
                        ReadAhead::Read(record, _) => *record,
                    })
                }));
            }
            seen
        })
    }

    fn units(count: usize) -> String {
        let unit = |code| format!("{{\"command\":\"addUnit\",\"unit\":{{\"code\":{code}}}}}\n---\n");
        (0..count).map(unit).collect::<Vec<_>>().concat()
    }

    #[test]
    fn all_records_come_in_their_order() {
        for count in [0, 1, BATCH_RECORDS - 1, BATCH_RECORDS, 10 * BATCH_RECORDS + 1] {
            let text = units(count);
            let alone: Vec<Record> = RecordReader::new(text.as_bytes()).map(Result::unwrap).collect();
            let ahead: Vec<Record> = all(RecordReader::new(text.as_bytes())).into_iter().map(Result::unwrap).collect();
            assert_eq!(alone.len(), count);
            assert_eq!(alone, ahead);
        }
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        struct Breaks<'a>(&'a [u8]);
        impl io::Read for Breaks<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other("the share is gone")),
                    read => Ok(read),
                }
            }
        }
        let text = units(1_000);
        let seen = all(RecordReader::new(BufReader::new(Breaks(text.as_bytes()))));
        let errors = seen.iter().filter(|record| record.is_err()).count();
        assert_eq!((seen.len(), errors), (1_001, 1));
        assert!(seen[1_000].is_err());
    }

    #[test]
    fn reading_ends_soon_after_nobody_takes_records_any_more() {
        let read = Arc::new(AtomicU64::new(0));
        let text = units(100 * BATCH_RECORDS);
        let records = Counted(RecordReader::new(text.as_bytes()), Arc::clone(&read));
        let known = Box::new(EachSecond::default());
        assert!(read_ahead(records, known, &TimeZone::UTC, |batches| batches.next_into(&mut Batch::default())));
        let limit = (WAITING_BATCHES + 4) * BATCH_RECORDS;
        assert!(read.load(Ordering::Relaxed) <= limit as u64, "{read:?}");
    }

    #[test]
    #[should_panic(expected = "a defect of the reader")]
    fn a_defect_of_the_reader_is_one_of_the_load() {
        all(Defect);
    }
}
