//! Tells the worker which folders to look at, and which files are being written, as the file
//! system reports it. Only a hint: what it misses, the scan on a period finds.

use super::formats::{FLAG, Formats, START};
use super::lock;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Folders that are remembered one by one; beyond them all are looked at.
const MAX_DIRTY_FOLDERS: usize = 1000;

/// Files that are remembered as being written; beyond them nothing is known of any.
const MAX_WRITTEN_FILES: usize = 10_000;

/// A file that somebody has open and has not written to for so long counts as whole: a program may
/// forget to close it.
pub(super) const WRITER_QUIET: Duration = Duration::from_secs(30);

/// Folders to look at.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) all: bool,
    /// Files that were written and not closed since, with the time of the last word of them.
    written: HashMap<PathBuf, Instant>,
}

impl Dirty {
    fn writes(&mut self, path: &Path) {
        if self.written.len() >= MAX_WRITTEN_FILES {
            self.written.retain(|_, last| last.elapsed() < WRITER_QUIET);
        }
        if self.written.len() >= MAX_WRITTEN_FILES {
            self.written.clear();
        }
        self.written.insert(path.to_owned(), Instant::now());
    }

    /// Notes who writes what. True where a file was closed.
    fn follow(&mut self, event: &notify::Event) -> bool {
        match (&event.kind, event.paths.as_slice()) {
            // A file that gets a second name is whole already; one that is made to be written is
            // empty.
            (EventKind::Create(CreateKind::File), [path]) => {
                if path.symlink_metadata().is_ok_and(|made| made.is_file() && made.len() == 0) {
                    self.writes(path);
                }
                false
            }
            (EventKind::Modify(ModifyKind::Data(_)), [path]) => {
                self.writes(path);
                false
            }
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), [path]) => self.written.remove(path).is_some(),
            (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) => {
                match self.written.remove(from) {
                    Some(at) => self.written.insert(to.clone(), at),
                    None => self.written.remove(to),
                };
                false
            }
            // What comes from a folder that is not watched takes the place of what was written
            // under its name.
            (EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To)), [path]) => {
                self.written.remove(path);
                false
            }
            _ => false,
        }
    }
}

/// Watches folders.
pub(super) struct Watcher {
    inner: Option<RecommendedWatcher>,
    dirty: Arc<Mutex<Dirty>>,
    watched: BTreeSet<PathBuf>,
    refused: bool,
}

impl Watcher {
    /// Starts it; `poke` is notified when there is something to look at.
    pub(super) fn start(poke: Arc<Notify>, formats: Formats) -> Self {
        let dirty: Arc<Mutex<Dirty>> = Arc::default();
        let seen = Arc::clone(&dirty);
        let inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if note(&mut lock(&seen), event, &formats) {
                poke.notify_one();
            }
        });
        let inner = inner
            .inspect_err(|error| tracing::warn!(%error, "folders cannot be watched; they are scanned on a period"))
            .ok();
        Self { inner, dirty, watched: BTreeSet::new(), refused: false }
    }

    /// Watches a folder from now on. True where it is new to it, so that it is to be looked at
    /// once more.
    pub(super) fn watch(&mut self, folder: &Path) -> bool {
        let Some(inner) = self.inner.as_mut().filter(|_| !self.refused) else { return false };
        if self.watched.contains(folder) {
            return false;
        }
        match inner.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => self.watched.insert(folder.to_owned()),
            Err(error) if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => {
                self.refused = true;
                tracing::warn!(
                    watched = self.watched.len(),
                    "the system lets no more folders be watched; the others are scanned on a period \
                     (on Linux see fs.inotify.max_user_watches)"
                );
                false
            }
            // A folder that cannot be read is told of by the scan.
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "a folder cannot be watched");
                false
            }
        }
    }

    /// Watches only these.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Path) -> bool) {
        let Some(inner) = self.inner.as_mut() else { return };
        self.watched.retain(|folder| {
            let keep = wanted(folder) && folder.is_dir();
            if !keep {
                lock(&self.dirty).written.retain(|path, _| path.parent() != Some(folder.as_path()));
                // A folder that is gone is not watched any more in any case.
                let _ = inner.unwatch(folder);
            }
            keep
        });
    }

    /// What is to be looked at.
    pub(super) fn take(&self) -> Dirty {
        let mut dirty = lock(&self.dirty);
        Dirty {
            folders: std::mem::take(&mut dirty.folders),
            all: std::mem::take(&mut dirty.all),
            written: HashMap::new(),
        }
    }

    /// Until when a file counts as being written, where nothing more is heard of it; none where it
    /// is not.
    pub(super) fn written_until(&self, path: &Path) -> Option<Instant> {
        let mut dirty = lock(&self.dirty);
        let until = *dirty.written.get(path)? + WRITER_QUIET;
        if until > Instant::now() {
            return Some(until);
        }
        dirty.written.remove(path);
        None
    }
}

fn note(dirty: &mut Dirty, event: notify::Result<notify::Event>, formats: &Formats) -> bool {
    let event = match event {
        Ok(event) if event.need_rescan() => {
            // Who closed a file may be among what was lost.
            dirty.written.clear();
            dirty.all = true;
            return true;
        }
        Ok(event) => event,
        Err(error) => {
            tracing::debug!(%error, "the file system's report failed");
            dirty.all = true;
            return true;
        }
    };
    let closed = dirty.follow(&event);
    let matters = closed
        || matches!(
            event.kind,
            EventKind::Create(_)
                | EventKind::Modify(ModifyKind::Name(_) | ModifyKind::Metadata(_) | ModifyKind::Any)
                | EventKind::Any
        );
    if !matters {
        return false;
    }
    let mut poke = false;
    for path in &event.paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_delivery = name.starts_with(START) && (name.ends_with(FLAG) || formats.has_ending(&name));
        if is_delivery && let Some(folder) = path.parent() {
            dirty.folders.insert(folder.to_owned());
            poke = true;
        } else if matches!(event.kind, EventKind::Create(CreateKind::Folder)) {
            dirty.all = true;
            poke = true;
        }
    }
    if dirty.folders.len() > MAX_DIRTY_FOLDERS {
        dirty.folders.clear();
        dirty.all = true;
    }
    poke
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::DataChange;

    #[test]
    fn a_file_is_being_written_from_its_first_byte_until_it_is_closed_under_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let (tmp, data) = (folder.path().join("x.tmp"), folder.path().join("pos1.aif"));
        let mut dirty = Dirty::default();
        let mut tell = |kind: EventKind, paths: &[&PathBuf]| {
            let event = paths.iter().fold(notify::Event::new(kind), |event, path| event.add_path((*path).clone()));
            let poked = note(&mut dirty, Ok(event), &Formats::default());
            (dirty.written.keys().cloned().collect::<Vec<_>>(), poked)
        };
        let create = EventKind::Create(CreateKind::File);
        let modify = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        fs_err::write(&tmp, "").unwrap();
        assert_eq!(tell(create, &[&tmp]).0, std::slice::from_ref(&tmp));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        assert_eq!(tell(renamed, &[&tmp, &data]).0, std::slice::from_ref(&data));
        assert_eq!(tell(modify, &[&data]).0, std::slice::from_ref(&data));
        assert_eq!(tell(close, &[&data]), (vec![], true), "what waits for it is looked at");
        assert_eq!(tell(close, &[&data]), (vec![], false));
        // A second name of a file that is whole.
        fs_err::write(&data, "whole").unwrap();
        assert_eq!(tell(create, &[&data]).0, Vec::<PathBuf>::new());
        tell(modify, &[&data]);
        let removed = EventKind::Remove(notify::event::RemoveKind::File);
        assert_eq!(tell(removed, &[&data]).0, Vec::<PathBuf>::new());
    }
}
