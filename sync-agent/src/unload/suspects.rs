//! Documents and records of shifts on which streams broke: one of them may be why, and must not
//! hold up all others.
//!
//! What was under way when a stream broke, time after time, is a suspect. What always holds:
//!
//! - Nothing is given up by suspicion, since a line or a server that fails looks the same from
//!   here. A suspect stays unsent, unloadings try it in turn with its like, and whoever asked for
//!   one is told what it left unsent.
//! - Everything else goes: suspects are left out of the ordinary rounds and follow in streams of
//!   their own, the least suspect first, in ever smaller groups and alone in the end, so that what
//!   was only under way beside the one to blame gets through. Documents and records of shifts
//!   never share such a stream.
//! - The work is bounded: streams may break on [`MAX_BROKEN_GROUPS`] groups in one unloading. A
//!   stream that does not open makes nothing suspect and ends the unloading.
//! - Suspicion ends with what ends a unit: an acknowledgement, the server's word at a hello that
//!   it has it, its setting aside. All of it ends with another `documents.db` and with the agent,
//!   and where it would take more than [`MAX_REMEMBERED`] units: it is learnt again within a few
//!   streams.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So often a stream broke with it under way. A line that was cut in between does not make
/// suspects of a day's receipts.
const SUSPECTED_AFTER: u32 = 3;

/// Groups of suspects on which streams may break in one unloading: where more do, it is the line.
pub(super) const MAX_BROKEN_GROUPS: usize = 3;

/// Units remembered: a window of batches under way, some times over.
const MAX_REMEMBERED: usize = 50_000;

/// So many of the same suspicion go in one stream.
fn group_size(times: u32) -> usize {
    match times {
        ..=SUSPECTED_AFTER => 100,
        4 => 10,
        5.. => 1,
    }
}

/// What is sent as one, by its row id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Unit {
    /// A document.
    Document(i64),
    /// The record of a shift, by `workshiftid`.
    Shift(i64),
}

impl fmt::Display for Unit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(id) => write!(to, "document {id}"),
            Self::Shift(id) => write!(to, "the record of shift {id} (workshiftid)"),
        }
    }
}

/// Suspects by what they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Suspected {
    /// Row ids of documents.
    pub(super) documents: BTreeSet<i64>,
    /// Row ids of shifts.
    pub(super) shifts: BTreeSet<i64>,
}

impl Suspected {
    pub(super) fn add(&mut self, unit: Unit) {
        match unit {
            Unit::Document(id) => self.documents.insert(id),
            Unit::Shift(id) => self.shifts.insert(id),
        };
    }

    pub(super) fn join(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.shifts.extend(other.shifts);
    }

    fn units(&self) -> impl Iterator<Item = Unit> {
        let shifts = self.shifts.iter().copied().map(Unit::Shift);
        self.documents.iter().copied().map(Unit::Document).chain(shifts)
    }
}

/// How often streams broke with a unit under way. Lives as long as the agent.
#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<HashMap<Unit, u32>>);

impl Suspects {
    /// A stream broke while these were under way.
    pub(super) fn note_broken(&self, units: impl IntoIterator<Item = Unit>) {
        let mut times = self.times();
        for unit in units {
            if times.len() >= MAX_REMEMBERED && !times.contains_key(&unit) {
                times.clear();
            }
            let times = times.entry(unit).or_default();
            *times = times.saturating_add(1);
        }
    }

    /// These are done with.
    pub(super) fn clear(&self, units: impl IntoIterator<Item = Unit>) {
        let mut times = self.times();
        for unit in units {
            times.remove(&unit);
        }
    }

    /// Row ids mean something else from now on.
    pub(super) fn forget(&self) {
        self.times().clear();
    }

    /// Whether streams broke with it so often that it goes last.
    pub(super) fn has(&self, unit: Unit) -> bool {
        self.times().get(&unit).is_some_and(|times| *times >= SUSPECTED_AFTER)
    }

    /// All of them.
    pub(super) fn look(&self) -> Suspected {
        let mut suspected = Suspected::default();
        let times = self.times();
        times.iter().filter(|(_, times)| **times >= SUSPECTED_AFTER).for_each(|(unit, _)| suspected.add(*unit));
        suspected
    }

    /// These in groups, a stream each, in the order in which they are to be tried.
    pub(super) fn groups(&self, suspected: &Suspected) -> Vec<Vec<Unit>> {
        let times = self.times();
        let mut alike: BTreeMap<(u32, bool), Vec<Unit>> = BTreeMap::new();
        for unit in suspected.units() {
            let key = (times.get(&unit).copied().unwrap_or_default(), matches!(unit, Unit::Shift(_)));
            alike.entry(key).or_default().push(unit);
        }
        let cut = alike.iter().flat_map(|((times, _), units)| units.chunks(group_size(*times)));
        cut.map(<[Unit]>::to_vec).collect()
    }

    fn times(&self) -> MutexGuard<'_, HashMap<Unit, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Unit::{Document, Shift};
    use super::*;

    fn broken(suspects: &Suspects, units: &[Unit], times: u32) {
        for _ in 0..times {
            suspects.note_broken(units.iter().copied());
        }
    }

    #[test]
    fn a_unit_is_suspected_when_streams_broke_with_it_time_after_time() {
        let suspects = Suspects::default();
        broken(&suspects, &[Document(1), Document(2), Shift(2)], SUSPECTED_AFTER - 1);
        assert_eq!(suspects.look(), Suspected::default());
        suspects.clear([Document(2)]);
        broken(&suspects, &[Document(1), Document(2), Shift(2)], 1);
        assert_eq!(suspects.look(), Suspected { documents: [1].into(), shifts: [2].into() });
        assert!(suspects.has(Shift(2)) && !suspects.has(Document(2)));
        suspects.forget();
        assert_eq!(suspects.look(), Suspected::default());
    }

    #[test]
    fn the_least_suspect_go_first_and_the_most_suspect_alone() {
        let suspects = Suspects::default();
        let all: Vec<_> = (1..=130).map(Document).chain([Shift(7), Shift(8)]).collect();
        broken(&suspects, &all, SUSPECTED_AFTER);
        broken(&suspects, &all[..12], 1);
        broken(&suspects, &[Document(3), Shift(8), Shift(7)], 2);
        let groups = suspects.groups(&suspects.look());
        let sizes: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 18, 10, 1, 1, 1, 1]);
        assert_eq!((groups[0][0], groups[2][0]), (Document(13), Document(1)));
        assert_eq!(groups[4..], [[Shift(7)], [Shift(8)], [Document(3)]]);
    }

    #[test]
    fn a_poison_is_still_found_when_too_many_were_remembered() {
        let suspects = Suspects::default();
        suspects.note_broken((0..).map(Document).take(MAX_REMEMBERED));
        broken(&suspects, &[Shift(1)], SUSPECTED_AFTER);
        assert!(suspects.has(Shift(1)) && suspects.times().len() == 1);
    }
}
