//! Reads records on a thread of its own, while those before them are looked up and written: a load takes as long as the
//! longer of the two, not both together.
//!
//! Records and the first read error come in the order of the input. What is read ahead is bounded by the constants here;
//! where nobody takes records any more, reading ends with the batch under way.

use std::error::Error;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use tillway_exchangers::aif::Record;

/// Records handed over at once: enough that handing over does not count.
const BATCH_RECORDS: usize = 256;

/// Bytes of input after which a batch is handed over, however few its records are: of records of [`MAX_RECORD_BYTES`] it has
/// two at the most.
///
/// [`MAX_RECORD_BYTES`]: tillway_exchangers::aif::MAX_RECORD_BYTES
const BATCH_BYTES: u64 = 128 * 1024;

/// Batches that wait, beside the one that is read and the one that is worked on.
const WAITING_BATCHES: usize = 2;

type Batch = Vec<io::Result<Record>>;

/// Runs `work` over all `records`, which a thread of its own reads. Where no thread is to be had they are read in turns.
pub(super) fn read_ahead<I, T>(
    mut records: I,
    work: impl FnOnce(&mut dyn Iterator<Item = io::Result<Record>>) -> T,
) -> T
where
    I: Iterator<Item = io::Result<Record>> + Send,
{
    thread::scope(|scope| {
        let (give, given) = mpsc::sync_channel::<I>(1);
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES);
        let reading = move || {
            if let Ok(records) = given.recv() {
                send_all(records, &sender);
            }
        };
        let reader = match thread::Builder::new().name("intake-reader".to_owned()).spawn_scoped(scope, reading) {
            Ok(reader) => reader,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "no thread to read a load ahead: it takes longer");
                return work(&mut records);
            }
        };
        // The thread has just been started and waits for this.
        let _ = give.send(records);
        let mut batches = Batches { receiver, batch: Vec::new().into_iter() };
        let done = work(&mut batches);
        drop(batches);
        // A defect of the reader is one of the load.
        reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        done
    })
}

fn send_all(records: impl Iterator<Item = io::Result<Record>>, sender: &SyncSender<Batch>) {
    let (mut batch, mut from) = (Batch::with_capacity(BATCH_RECORDS), 0);
    for record in records {
        let at = record.as_ref().map_or(from, |record| record.byte);
        batch.push(record);
        if batch.len() >= BATCH_RECORDS || at.saturating_sub(from) >= BATCH_BYTES {
            from = at;
            if sender.send(std::mem::replace(&mut batch, Batch::with_capacity(BATCH_RECORDS))).is_err() {
                return;
            }
        }
    }
    // Nobody waits for them where that fails.
    let _ = sender.send(batch);
}

struct Batches {
    receiver: Receiver<Batch>,
    batch: std::vec::IntoIter<io::Result<Record>>,
}

impl Iterator for Batches {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.batch.next() {
                return Some(record);
            }
            self.batch = self.receiver.recv().ok()?.into_iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tillway_exchangers::aif::RecordReader;

    fn units(count: usize) -> String {
        let unit = |code| format!("{{\"command\":\"addUnit\",\"unit\":{{\"code\":{code}}}}}\n---\n");
        (0..count).map(unit).collect::<Vec<_>>().concat()
    }

    #[test]
    fn all_records_come_in_their_order() {
        for count in [0, 1, BATCH_RECORDS - 1, BATCH_RECORDS, 10 * BATCH_RECORDS + 1] {
            let text = units(count);
            let alone: Vec<Record> = RecordReader::new(text.as_bytes()).map(Result::unwrap).collect();
            let ahead: Vec<Record> =
                read_ahead(RecordReader::new(text.as_bytes()), |records| records.map(Result::unwrap).collect());
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
        let seen: Vec<io::Result<Record>> =
            read_ahead(RecordReader::new(BufReader::new(Breaks(text.as_bytes()))), |records| records.collect());
        let errors = seen.iter().filter(|record| record.is_err()).count();
        assert_eq!((seen.len(), errors), (1_001, 1));
        assert!(seen[1_000].is_err());
    }

    #[test]
    fn reading_ends_soon_after_nobody_takes_records_any_more() {
        let read = AtomicU64::new(0);
        let text = units(100 * BATCH_RECORDS);
        let records = RecordReader::new(text.as_bytes()).inspect(|_| {
            read.fetch_add(1, Ordering::Relaxed);
        });
        let first = read_ahead(records, |records| records.next());
        assert!(first.is_some());
        let limit = (WAITING_BATCHES + 4) * BATCH_RECORDS;
        assert!(read.load(Ordering::Relaxed) <= limit as u64, "{read:?}");
    }

    #[test]
    #[should_panic(expected = "a defect of the reader")]
    fn a_defect_of_the_reader_is_one_of_the_load() {
        let records = std::iter::from_fn(|| -> Option<io::Result<Record>> { panic!("a defect of the reader") });
        read_ahead(records, |records| records.count());
    }
}
