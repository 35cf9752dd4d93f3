//! The till's dictionary, a [`Sink`]: one loader, opened when it is first
//! needed, and anew where another file stands in the place of the one that is open.
//!
//! Tables that were changed by hand are mended in the file that is there, at once or by the
//! snapshot that is asked for: a POS that has it open sees the new rows. No reader is ever
//! blocked.
//!
//! A file that is physically damaged is given up: the till counts as empty, so the server sends
//! everything. As long as a POS can still read the damaged one it stays in its place, and the new
//! one is made beside it and put there when it is whole; where not, it is moved to
//! `dictionaries.db.broken` at once. A POS that has the old file open goes on reading that, so it
//! has to be restarted: the report of the load says so ([`Sink::take_restart_due`]).

use crate::error::chain;
use crate::sink::{Applied, Fault, Held, OtherHands, Sink, SinkError};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use tillway_exchangers::package::PackageSource;
use tillway_exchangers::till::dictionary::{self, ApplyError, Loader, Marks, OpenError};
use tillway_proto::Revision;
use tillway_proto::process::{Growth, GrowthWatch};
use tillway_proto::report::MAX_DICTIONARY_LOG_BYTES;

/// Why the dictionary could not be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DictionaryError {
    #[error("failed to open the dictionary")]
    Open(#[source] OpenError),
    #[error("failed to set the damaged dictionary aside")]
    SetAside(#[source] io::Error),
    #[error("failed to load")]
    Apply(#[source] ApplyError),
    #[error("the dictionary is damaged, and waits for the package that brings all of it")]
    Damaged,
    #[error("failed to put a new dictionary in the place of the damaged one")]
    Replace(#[source] io::Error),
}

/// `dictionaries.db`. Calls block.
#[derive(Debug)]
pub(crate) struct Dictionary {
    path: PathBuf,
    open: Mutex<Option<Opened>>,
    /// The file is damaged; it is left to the POS until a new one is whole.
    damaged: AtomicBool,
    /// Another file stands in the place of the one that a POS may have open, which nobody was told
    /// yet.
    restart_due: AtomicBool,
    /// The log beside it.
    log: GrowthWatch,
}

/// A loader and the file it has open.
#[derive(Debug)]
struct Opened {
    loader: Loader,
    file: Option<(u64, u64)>,
    /// As the last load or recount left them.
    known: Marks,
}

impl Opened {
    fn know(&mut self, touched: BTreeSet<String>) {
        // Marks that cannot be read now look foreign the next time, which costs a recount.
        let version = self.loader.marks().map_or(self.known.version, |marks| marks.version);
        self.known = Marks { touched, version };
    }
}

impl DictionaryError {
    fn fault(&self) -> Fault {
        match self {
            Self::Apply(ApplyError::Gap { .. }) => Fault::Gap,
            Self::Apply(ApplyError::Diverged { kinds }) => Fault::Diverged(kinds.clone()),
            Self::Apply(error) if error.is_corrupt() => Fault::Damaged,
            Self::Apply(error) if error.waits_for_room_or_lock() => Fault::Waits,
            Self::Apply(error) if !error.is_temporary() => Fault::Package,
            Self::Damaged => Fault::Damaged,
            Self::Apply(_) | Self::Open(_) | Self::SetAside(_) | Self::Replace(_) => Fault::Passes,
        }
    }
}

impl From<DictionaryError> for SinkError {
    fn from(error: DictionaryError) -> Self {
        Self::new(error.fault(), error)
    }
}

impl Sink for Dictionary {
    fn look(&self) -> Result<Held, SinkError> {
        Dictionary::look(self).map_err(|error| SinkError::new(Fault::Passes, error))
    }

    fn apply(&self, package: &mut dyn PackageSource, replaces: Option<Revision>) -> Result<Applied, SinkError> {
        Ok(Dictionary::apply(self, package, replaces)?)
    }

    fn verify(&self) -> Result<Vec<String>, SinkError> {
        Ok(Dictionary::verify(self)?)
    }

    fn other_hands(&self) -> OtherHands {
        Dictionary::other_hands(self)
    }

    fn take_restart_due(&self) -> bool {
        self.restart_due.swap(false, Ordering::SeqCst)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        vec![dictionary::broken(&self.path)]
    }

    fn log_bytes(&self) -> u64 {
        dictionary::log_bytes(&self.path)
    }

    fn look_at_log(&self) {
        Dictionary::look_at_log(self);
    }
}

impl Dictionary {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self::with_log_limit(path, MAX_DICTIONARY_LOG_BYTES)
    }

    /// The log beside it is told of from so many bytes on.
    fn with_log_limit(path: PathBuf, log_limit_bytes: u64) -> Self {
        Self {
            path,
            open: Mutex::default(),
            damaged: AtomicBool::new(false),
            restart_due: AtomicBool::new(false),
            log: GrowthWatch::new(log_limit_bytes),
        }
    }

    /// Tells of a reader that never ends, by the log that it keeps from being cut back; not again
    /// with each load.
    pub(crate) fn look_at_log(&self) -> Option<Growth> {
        let bytes = dictionary::log_bytes(&self.path);
        let growth = self.log.look(bytes)?;
        match growth {
            Growth::Grown => tracing::warn!(path = %self.path.display(), "the dictionary: {}", log_told(bytes)),
            Growth::Over => tracing::info!(path = %self.path.display(), "the dictionary's log is cut back again"),
        }
        Some(growth)
    }

    /// What the till has; does not wait for a load. Of a damaged file it has nothing.
    pub(crate) fn look(&self) -> Result<Held, OpenError> {
        if self.damaged.load(Ordering::SeqCst) {
            return Ok(Held::default());
        }
        // Without opening the file once more, where nobody loads and it is the one that is open.
        if let Ok(held) = self.open.try_lock()
            && let Some(opened) = &*held
            && opened.file == file_at(&self.path)
            && let Ok(state) = opened.loader.state()
        {
            return Ok(state);
        }
        match Held::read(&self.path) {
            Err(error) if error.is_corrupt() => {
                tracing::warn!(error = chain(&error), "the dictionary is damaged");
                Ok(Held::default())
            }
            read => read,
        }
    }

    /// Applies a package; one that stands alone also at the cursor that it replaces.
    pub(crate) fn apply(
        &self,
        source: &mut (impl PackageSource + ?Sized),
        replaces: Option<Revision>,
    ) -> Result<Applied, DictionaryError> {
        if self.damaged.load(Ordering::SeqCst) {
            return self.apply_beside(source);
        }
        self.with_loader(|opened| {
            let applied = opened.loader.apply_replacing(source, replaces)?;
            if matches!(applied, Applied::Done(_)) {
                opened.know(BTreeSet::new());
            }
            Ok(applied)
        })
    }

    /// Recounts everything; gives the names of the kinds that differ.
    pub(crate) fn verify(&self) -> Result<Vec<String>, DictionaryError> {
        self.with_loader(|opened| {
            let kinds: Vec<_> = opened.loader.verify()?.iter().map(|kind| kind.name().to_owned()).collect();
            opened.know(kinds.iter().cloned().collect());
            Ok(kinds)
        })
    }

    /// Where somebody else wrote. Cheap, and does not wait for a load.
    pub(crate) fn other_hands(&self) -> OtherHands {
        let Ok(held) = self.open.try_lock() else { return OtherHands::None };
        let Some(opened) = &*held else { return OtherHands::Somewhere };
        if opened.file != file_at(&self.path) {
            return OtherHands::Rows;
        }
        match opened.loader.marks() {
            Ok(marks) if marks.touched != opened.known.touched => OtherHands::Rows,
            Ok(marks) if marks == opened.known => OtherHands::None,
            _ => OtherHands::Somewhere,
        }
    }

    fn with_loader<T>(&self, work: impl FnOnce(&mut Opened) -> Result<T, ApplyError>) -> Result<T, DictionaryError> {
        let mut held = self.held();
        if self.damaged.load(Ordering::SeqCst) && dictionary::still_reads(&self.path) {
            return Err(DictionaryError::Damaged);
        }
        if held.as_ref().is_some_and(|opened| opened.file != file_at(&self.path)) {
            tracing::warn!(path = %self.path.display(), "another file stands in the place of the dictionary: it is opened anew");
            *held = None;
        }
        let opened = match &mut *held {
            Some(opened) => opened,
            none => none.insert(self.open()?),
        };
        let done = work(opened);
        match &done {
            Err(error) if error.is_corrupt() => {
                *held = None;
                self.give_up()?;
            }
            // The loader's own tables may have been changed by hand: opening makes them anew.
            Err(ApplyError::Database { .. }) => *held = None,
            _ => {}
        }
        done.map_err(DictionaryError::Apply)
    }

    /// A loader that panicked is not used again.
    fn held(&self) -> MutexGuard<'_, Option<Opened>> {
        self.open.lock().unwrap_or_else(|poisoned| {
            self.open.clear_poison();
            let mut held = poisoned.into_inner();
            *held = None;
            held
        })
    }

    fn open(&self) -> Result<Opened, DictionaryError> {
        if let Some(folder) = self.path.parent() {
            fs_err::create_dir_all(folder).map_err(DictionaryError::SetAside)?;
        }
        let loader = match Loader::open(&self.path) {
            Err(error) if error.is_corrupt() => {
                tracing::error!(error = chain(&error), "the dictionary cannot be worked with");
                self.give_up()?;
                if self.damaged.load(Ordering::SeqCst) {
                    return Err(DictionaryError::Damaged);
                }
                Loader::open(&self.path).map_err(DictionaryError::Open)?
            }
            opened => opened.map_err(DictionaryError::Open)?,
        };
        // Nothing counts as known: marks that are found show at the next look.
        let version = loader.marks().map_or(0, |marks| marks.version);
        Ok(Opened { loader, file: file_at(&self.path), known: Marks { touched: BTreeSet::new(), version } })
    }

    /// Makes a new database beside the damaged one, and puts it there when it is whole.
    fn apply_beside(&self, source: &mut (impl PackageSource + ?Sized)) -> Result<Applied, DictionaryError> {
        let mut held = self.held();
        *held = None;
        let header = source.header();
        if !header.is_full() {
            let gap = ApplyError::Gap { cursor: Revision::ZERO, from: header.from };
            return Err(DictionaryError::Apply(gap));
        }
        let beside = dictionary::beside(&self.path).map_err(DictionaryError::Replace)?;
        let loaded = Loader::open(&beside)
            .map_err(DictionaryError::Open)
            .and_then(|mut loader| loader.apply(source).map_err(DictionaryError::Apply));
        // What was begun takes room that the next try needs.
        let applied = loaded.inspect_err(|_| drop(dictionary::beside(&self.path)))?;
        dictionary::replace(&self.path).map_err(DictionaryError::Replace)?;
        fail::fail_point!("dictionary::replaced");
        tracing::error!(path = %self.path.display(), "a new dictionary stands in the place of the damaged one: the POS must be restarted");
        self.damaged.store(false, Ordering::SeqCst);
        self.restart_due.store(true, Ordering::SeqCst);
        Ok(applied)
    }

    /// The file is no sound database.
    fn give_up(&self) -> Result<(), DictionaryError> {
        if !dictionary::still_reads(&self.path) {
            return self.begin_anew();
        }
        tracing::error!(path = %self.path.display(), "the dictionary is damaged: left to the POS as far as it reads, and asked for whole");
        self.damaged.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn begin_anew(&self) -> Result<(), DictionaryError> {
        let aside = dictionary::set_aside(&self.path).map_err(DictionaryError::SetAside)?;
        fail::fail_point!("dictionary::set_aside");
        tracing::error!(aside = %aside.display(), "the dictionary is damaged: set aside, and asked for whole; the POS must be restarted");
        self.damaged.store(false, Ordering::SeqCst);
        self.restart_due.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// What a log of the dictionary that is not cut back is told as.
pub(crate) fn log_told(bytes: u64) -> String {
    let what = "a program holds a read transaction open and never ends it; end that program or restart the POS";
    format!("its log takes {} MiB and grows with each load: {what}", bytes >> 20)
}

/// What stands under this path now: device and number of the file.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    fs_err::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests;
