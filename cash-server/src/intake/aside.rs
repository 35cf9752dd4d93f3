//! Loads that were refused or given up, and their files: somebody looks at them, has one tried
//! again, or drops it.
//!
//! A file that came through a folder stays there under its name: its producer waits for it to
//! disappear, and sees so that it was not taken. The next delivery under that name settles it. Of
//! a body a file is kept in `badDicts`; what nobody settles there, time does: kept files go by age
//! and number.

use super::report::{self, Left};
use super::source::{self, Identity};
use super::{Intake, archive};
use crate::reserve::NoRoom;
use crate::store::StoreError;
use crate::store::intake::{Consent, LoadRecord, LoadSource, LoadState, NewLoad};
use crate::words::as_said;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use tillway_proto::{LoadId, NodeId};
use tillway_service::audit::AuditLine;
use uuid::Uuid;

/// Refused loads that one listing looks at, since a file of one may be gone: more than are kept.
const MAX_LOOKED_AT: u32 = 10_000;

/// A refused load of which the file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLoad {
    /// The load; its `reason` says why.
    pub load: LoadRecord,
    /// What was handed over.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why a refused load is not settled.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AsideError {
    /// There is no such load, or it was not refused, or it is settled.
    #[error("load {} is none that was refused and is kept", load.0)]
    #[serde(rename = "load-not-aside")]
    Unknown {
        /// The load.
        load: LoadId,
    },
    /// Its file went by age, or somebody took it away.
    #[error("the file of load {} is gone: {}", load.0, file.display())]
    #[serde(rename = "load-file-gone")]
    Gone {
        /// The load.
        load: LoadId,
        /// The file.
        file: PathBuf,
    },
    /// Its node was removed.
    #[error("{node}, for which load {} was meant, is no longer in the network", load.0)]
    #[serde(rename = "load-without-node")]
    NoNode {
        /// The load.
        load: LoadId,
        /// The node.
        node: NodeId,
    },
    /// It is held: only a word for it carries it out.
    #[error("load {0} is held: carry it out with `cash-server loads approve {0}`, or refuse it", load.0)]
    #[serde(rename = "load-is-held")]
    Held {
        /// The load.
        load: LoadId,
    },
    /// It is not held.
    #[error("load {} is not held (any more)", load.0)]
    #[serde(rename = "load-not-held")]
    NotHeld {
        /// The load.
        load: LoadId,
    },
    /// What has changed since it was held is not known any more.
    #[error("load {} was held so long ago that nobody knows what is newer than it: hand a new file over", load.0)]
    #[serde(rename = "load-held-too-long")]
    TooOld {
        /// The load.
        load: LoadId,
    },
    /// The disk has no room for it.
    #[error("load {} waits for room", load.0)]
    #[serde(rename = "no-room-for-load")]
    NoRoom {
        /// The load.
        load: LoadId,
        /// What is missing.
        #[source]
        #[serde(rename = "reason")]
        source: NoRoom,
    },
    /// Its file cannot be copied or removed.
    #[error("failed to settle load {}", load.0)]
    #[serde(rename = "load-not-settled")]
    File {
        /// The load.
        load: LoadId,
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The record of loads.
    #[error("failed to read or note which loads were refused")]
    #[serde(untagged)]
    Journal(#[source] StoreError),
}

impl Intake {
    /// Refused loads whose file is still kept, newest first; at most `limit`. Blocking.
    pub fn refused(&self, limit: u32) -> Result<Vec<RefusedLoad>, AsideError> {
        let loads = self.journal.refused(MAX_LOOKED_AT).map_err(AsideError::Journal)?;
        let kept = |load: LoadRecord| {
            let file = self.kept_file(&load)?;
            let bytes = fs::metadata(&file).ok()?.len();
            Some(RefusedLoad { load, file, bytes })
        };
        Ok(loads.into_iter().filter_map(kept).take(limit as usize).collect())
    }

    /// Has a refused load tried again: a new load of the same bytes into the same node, whose
    /// number this is. The refused one is settled with it. Blocking.
    pub fn retry_refused(&self, load: LoadId, line: &AuditLine) -> Result<LoadId, AsideError> {
        let (record, file) = self.refused_load(load)?;
        if record.state == LoadState::Held {
            return Err(AsideError::Held { load });
        }
        // A file that somebody wanted to see first is shown first, however often it is tried.
        let consent = if record.consent == Consent::AskFirst { Consent::AskFirst } else { Consent::No };
        self.repeat(&record, &file, consent, line)
    }

    /// Somebody says yes to a held load: it is carried out as a new one, whose number this is.
    /// What was changed since it was held stays as it is. Blocking.
    pub fn approve_held(&self, load: LoadId, line: &AuditLine) -> Result<LoadId, AsideError> {
        let (record, file) = self.held_load(load)?;
        let held = record.held.as_ref().ok_or(AsideError::NotHeld { load })?;
        let snapshot = self.dictionary.snapshot().map_err(AsideError::Journal)?;
        if snapshot.log_start() > held.at {
            return Err(AsideError::TooOld { load });
        }
        drop(snapshot);
        self.repeat(&record, &file, Consent::Late(held.at), line)
    }

    /// Somebody decides that a held load is not carried out. A file in the folder of its producer
    /// stays there. Blocking.
    pub fn refuse_held(&self, load: LoadId, line: &AuditLine) -> Result<(), AsideError> {
        let record = self.journal.load(load).map_err(AsideError::Journal)?.ok_or(AsideError::Unknown { load })?;
        if !self.journal.refuse_held(load, line).map_err(AsideError::Journal)? {
            return Err(AsideError::NotHeld { load });
        }
        tracing::info!(load = load.0, "a held load is refused");
        self.callbacks.notify_one();
        self.remove_body_of(&record);
        Ok(())
    }

    /// Removes what is kept of a held load that will not be carried out; a file in the folder of
    /// its producer stays there.
    pub(super) fn remove_body_of(&self, record: &LoadRecord) {
        let Some(file) = self.kept_file(record).filter(|_| !lies_in_its_folder(record)) else { return };
        if let Err(error) = archive::remove_kept(&file) {
            tracing::warn!(error = &error as &dyn Error, "failed to remove a file that nobody needs; its age does");
        }
    }

    fn held_load(&self, load: LoadId) -> Result<(LoadRecord, PathBuf), AsideError> {
        let record = self.journal.load(load).map_err(AsideError::Journal)?.ok_or(AsideError::Unknown { load })?;
        if record.state != LoadState::Held {
            return Err(AsideError::NotHeld { load });
        }
        self.refused_load(load)
    }

    /// A new load of the same bytes into the same node; the first one is settled with it.
    fn repeat(
        &self,
        record: &LoadRecord,
        file: &Path,
        consent: Consent,
        line: &AuditLine,
    ) -> Result<LoadId, AsideError> {
        let load = record.id;
        let network = self.network().map_err(AsideError::Journal)?;
        if network.node(&record.node).is_none() {
            return Err(AsideError::NoNode { load, node: record.node.clone() });
        }
        let failed = |source| AsideError::File { load, source };
        let bytes = fs::metadata(file).map_err(failed)?.len();
        self.room(bytes).map_err(|source| AsideError::NoRoom { load, source })?;
        let (name, dictionary_id) = match record.source.clone() {
            LoadSource::Folder(path) => (path.to_string_lossy().into_owned(), None),
            LoadSource::Rest { body, dictionary_id, .. } => (body, dictionary_id),
        };
        let ending = self.settings.formats.of_kept(&name).ending();
        let body = format!("{}{ending}", Uuid::now_v7().simple());
        let target = archive::copy(file, self.settings.bodies.join(&body)).map_err(failed)?;
        let new = NewLoad {
            node: record.node.clone(),
            source: LoadSource::Rest { body, dictionary_id, retry_of: Some(load) },
            bytes,
            at: Timestamp::now(),
            watch: None,
            delivery: None,
            consent,
        };
        let accepted = self.journal.accept_again(load, &new, line).map_err(AsideError::Journal);
        if !matches!(accepted, Ok(Some(_))) {
            // What cannot be removed now, the next start removes.
            let _ = fs::remove_file(target);
        }
        let id = accepted?.ok_or(AsideError::Unknown { load })?;
        tracing::info!(load = load.0, again = id.0, "a refused load is tried again");
        self.arrived.notify_one();
        self.callbacks.notify_one();
        self.remove_refused(record, file).map_err(failed)?;
        Ok(id)
    }

    /// Drops what is kept of a refused load; its record stays. Blocking.
    pub fn drop_refused(&self, load: LoadId, line: &AuditLine) -> Result<(), AsideError> {
        let (record, file) = self.refused_load(load)?;
        if record.state == LoadState::Held {
            return Err(AsideError::Held { load });
        }
        self.journal.forget_aside(load, Some(line)).map_err(AsideError::Journal)?;
        tracing::info!(load = load.0, file = %file.display(), "what was kept of a refused load is dropped");
        self.remove_refused(&record, &file).map_err(|source| AsideError::File { load, source })
    }

    /// Forgets at most `step` files of refused loads that went by age: a listing looks at each
    /// file that is not forgotten. How many it were. Blocking.
    pub(super) fn forget_gone(&self, step: usize) -> Result<usize, StoreError> {
        // A folder that is away as a whole may come back.
        let is_gone = |load: &&LoadRecord| {
            let Some(name) = &load.aside else { return false };
            let file = self.settings.bad.join(name);
            let folder_is_there = file.parent().is_some_and(Path::is_dir);
            let there = fs::symlink_metadata(&file);
            let gone = there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            // Another file under that name is another delivery.
            folder_is_there && (gone || (lies_in_its_folder(load) && self.kept_file(load).is_none()))
        };
        let loads = self.journal.refused(MAX_LOOKED_AT)?;
        let mut forgotten = 0;
        for load in loads.iter().filter(is_gone).take(step) {
            self.journal.forget_aside(load.id, None)?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    fn refused_load(&self, load: LoadId) -> Result<(LoadRecord, PathBuf), AsideError> {
        let record = self.journal.load(load).map_err(AsideError::Journal)?.ok_or(AsideError::Unknown { load })?;
        let name = record.aside.as_ref().ok_or(AsideError::Unknown { load })?;
        let file = self.settings.bad.join(name);
        if self.kept_file(&record).is_some() {
            return Ok((record, file));
        }
        self.journal.forget_aside(load, None).map_err(AsideError::Journal)?;
        Err(AsideError::Gone { load, file })
    }

    /// The file of a refused load, where it is still there, and still the one that was refused.
    pub(super) fn kept_file(&self, record: &LoadRecord) -> Option<PathBuf> {
        let file = self.settings.bad.join(record.aside.as_ref()?);
        if !lies_in_its_folder(record) {
            return file.is_file().then_some(file);
        }
        let same = source::identify(&file).is_ok_and(|now| is_data_of(record, &now));
        same.then_some(file)
    }

    /// Removes what was kept. A file in a folder of its producer goes only if it is still the one
    /// that was refused.
    fn remove_refused(&self, record: &LoadRecord, file: &Path) -> io::Result<()> {
        if !lies_in_its_folder(record) {
            return archive::remove_kept(file);
        }
        let now = source::identify(file)?;
        if is_data_of(record, &now) {
            let _leaving = super::lock(&self.leaving);
            source::remove_if_same(file, &now)?;
        }
        let folder = file.parent().unwrap_or(file);
        if let Err(error) = report::write_left(folder, &self.left_in(folder, file), self.words()) {
            tracing::debug!(error = &error as &dyn Error, "failed to take a settled file out of error.txt");
        }
        Ok(())
    }

    /// Files of this folder that were not taken and still lie there, oldest first, but for this
    /// one.
    pub(super) fn left_in(&self, folder: &Path, but: &Path) -> Vec<Left> {
        let loads = self.journal.refused(MAX_LOOKED_AT).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn Error, "failed to look up which files were not taken");
            Vec::new()
        });
        let of_folder = loads.into_iter().rev().filter(lies_in_its_folder);
        let left = of_folder.filter_map(|load| {
            let LoadSource::Folder(path) = &load.source else { return None };
            let file = (path.parent() == Some(folder) && path != but).then(|| self.kept_file(&load))??;
            Some(Left { file, why: load.reason })
        });
        left.collect()
    }
}

/// Whether the file of a refused load stays where its producer put it.
pub(super) fn lies_in_its_folder(record: &LoadRecord) -> bool {
    let LoadSource::Folder(path) = &record.source else { return false };
    record.aside.as_deref().is_some_and(|aside| Path::new(aside) == path)
}

/// Whether this is the data file that was refused, in the same state.
pub(super) fn is_data_of(record: &LoadRecord, now: &Identity) -> bool {
    let data = record.delivery.as_deref().and_then(|delivery| delivery.split(' ').next());
    data.is_some_and(|data| data == now.text())
}
