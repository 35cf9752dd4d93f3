//! Tells the worker which folders to look at, as the file system reports it. Only a hint: what it misses, the scan on
//! a period finds.

use super::lock;
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Folders that are remembered one by one; beyond them all are looked at.
const MAX_DIRTY_FOLDERS: usize = 1000;

/// Folders to look at.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) all: bool,
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
    pub(super) fn start(poke: Arc<Notify>) -> Self {
        let dirty: Arc<Mutex<Dirty>> = Arc::default();
        let seen = Arc::clone(&dirty);
        let inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if note(&mut lock(&seen), event) {
                poke.notify_one();
            }
        });
        let inner = inner
            .inspect_err(|error| tracing::warn!(%error, "folders cannot be watched; they are scanned on a period"))
            .ok();
        Self { inner, dirty, watched: BTreeSet::new(), refused: false }
    }

    /// Watches a folder from now on. True where it is new to it, so that it is to be looked at once more.
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
                // A folder that is gone is not watched any more in any case.
                let _ = inner.unwatch(folder);
            }
            keep
        });
    }

    /// What is to be looked at.
    pub(super) fn take(&self) -> Dirty {
        std::mem::take(&mut *lock(&self.dirty))
    }
}

fn note(dirty: &mut Dirty, event: notify::Result<notify::Event>) -> bool {
    let event = match event {
        Ok(event) if event.need_rescan() => {
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
    let matters = matches!(
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
        let ends = |ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
        let is_delivery = name.starts_with("pos") && (ends("flz") || ends("aif"));
        if is_delivery && let Some(folder) = path.parent() {
            dirty.folders.insert(folder.to_owned());
            poke = true;
        } else if matches!(event.kind, EventKind::Create(notify::event::CreateKind::Folder)) {
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
