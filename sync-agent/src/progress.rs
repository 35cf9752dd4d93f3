//! How far long work is, for a person who waits for it: bytes of a download, rows of a load,
//! receipts of an unloading.
//!
//! Kept in numbers that anybody may read at any time; work that does not tell is simply not seen.
//! Nothing depends on it.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use tillway_exchangers::package::{Chunk, Header, PackageError, PackageSource};
use tillway_proto::PackageName;

/// Work that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// A package comes over the network; bytes.
    Download,
    /// A package goes into the dictionary; objects.
    Load,
    /// Sales go to the server; receipts.
    Unload,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Download, Self::Load, Self::Unload];
}

/// How far one of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Far {
    pub(crate) stage: Stage,
    pub(crate) done: u64,
    /// 0: nobody knows how much there is.
    pub(crate) total: u64,
}

#[derive(Debug, Default)]
struct Place {
    on: AtomicU64,
    done: AtomicU64,
    total: AtomicU64,
}

/// How far everything is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    places: [Place; Stage::ALL.len()],
}

impl Progress {
    /// Work of this sort begins; it is over when what is given goes.
    pub(crate) fn begin(&self, stage: Stage, total: u64) -> Begun<'_> {
        let place = self.place(stage);
        place.done.store(0, Ordering::Relaxed);
        place.total.store(total, Ordering::Relaxed);
        place.on.fetch_add(1, Ordering::Relaxed);
        Begun { place }
    }

    /// Some more is done.
    pub(crate) fn add(&self, stage: Stage, more: u64) {
        self.place(stage).done.fetch_add(more, Ordering::Relaxed);
    }

    /// What goes on just now.
    pub(crate) fn look(&self) -> Vec<Far> {
        let far = |stage: &Stage| {
            let Place { on, done, total } = self.place(*stage);
            let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
            (on.load(Ordering::Relaxed) > 0).then_some(Far { stage: *stage, done, total })
        };
        Stage::ALL.iter().filter_map(far).collect()
    }

    fn place(&self, stage: Stage) -> &Place {
        &self.places[stage as usize]
    }
}

/// Work that has begun.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    place: &'a Place,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.place.on.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A package whose records are counted as they are taken.
pub(crate) struct Watched<'a, S> {
    source: S,
    progress: &'a Progress,
    _begun: Begun<'a>,
}

impl<'a, S: PackageSource> Watched<'a, S> {
    pub(crate) fn new(source: S, progress: &'a Progress) -> Self {
        let begun = progress.begin(Stage::Load, source.header().objects());
        Self { source, progress, _begun: begun }
    }
}

impl<S: PackageSource> PackageSource for Watched<'_, S> {
    fn name(&self) -> &PackageName {
        self.source.name()
    }

    fn header(&self) -> &Header {
        self.source.header()
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError> {
        let chunk = self.source.next_chunk()?;
        if let Some(chunk) = &chunk {
            self.progress.add(Stage::Load, u64::from(chunk.record_count()));
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_on_is_told() {
        let progress = Progress::default();
        let begun = progress.begin(Stage::Load, 10);
        progress.add(Stage::Load, 4);
        assert_eq!(progress.look(), [Far { stage: Stage::Load, done: 4, total: 10 }]);
        drop(begun);
        assert_eq!(progress.look(), []);
        let _again = progress.begin(Stage::Load, 3);
        assert_eq!(progress.look(), [Far { stage: Stage::Load, done: 0, total: 3 }]);
    }
}
