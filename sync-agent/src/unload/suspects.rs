//! Documents on which streams broke: one of them may be why, and must not hold up the others for ever.
//!
//! A document that was under way when a stream broke, time after time, is a suspect: it goes after all others, in ever
//! smaller groups with its like, and alone in the end, so that the others of its batch get through. It is never given up
//! by itself, since a line or a server that fails looks the same from here: it stays unsent, is counted as such, and each
//! unloading that ends with it tells its id. What was learnt is forgotten with the process, and of a document with its
//! acknowledgement.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So often a stream broke with it under way. A line that was cut in between does not make suspects of a day's receipts.
const SUSPECTED_AFTER: u32 = 3;

/// So many of the same suspicion go in one stream.
pub(super) fn group_size(times: u32) -> usize {
    match times {
        ..=SUSPECTED_AFTER => 100,
        4 => 10,
        5.. => 1,
    }
}

/// Documents remembered: a window of batches under way, some times over.
const MAX_REMEMBERED: usize = 50_000;

/// How often streams broke with a document under way, by row id. Lives as long as the agent.
#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<HashMap<i64, u32>>);

impl Suspects {
    /// A stream broke while these were under way.
    pub(super) fn note_broken(&self, documents: impl IntoIterator<Item = i64>) {
        let mut times = self.times();
        for document in documents {
            if times.len() < MAX_REMEMBERED || times.contains_key(&document) {
                *times.entry(document).or_default() += 1;
            }
        }
    }

    /// These were acknowledged.
    pub(super) fn clear(&self, documents: &[i64]) {
        let mut times = self.times();
        for document in documents {
            times.remove(document);
        }
    }

    /// How often streams broke with this one, where that is so often that it goes last, and alone.
    pub(super) fn suspicion(&self, document: i64) -> Option<u32> {
        self.times().get(&document).copied().filter(|times| *times >= SUSPECTED_AFTER)
    }

    fn times(&self) -> MutexGuard<'_, HashMap<i64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_suspected_when_streams_broke_with_it_time_after_time() {
        let suspects = Suspects::default();
        for _ in 1..SUSPECTED_AFTER {
            suspects.note_broken([1, 2]);
        }
        assert!(suspects.suspicion(1).is_none());
        suspects.clear(&[2]);
        suspects.note_broken([1, 2]);
        assert_eq!((suspects.suspicion(1), suspects.suspicion(2)), (Some(SUSPECTED_AFTER), None));
    }
}
