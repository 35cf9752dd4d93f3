//! Loads that were refused or given up, and the files that are kept of them in `badDicts`: somebody looks at them, has one
//! tried again, or drops it. What nobody settles, time does: kept files go by age and number.

use super::{Intake, archive};
use crate::reserve::NoRoom;
use crate::store::StoreError;
use crate::store::intake::{LoadRecord, LoadSource, NewLoad};
use fs_err as fs;
use jiff::Timestamp;
use std::io;
use std::path::PathBuf;
use tillway_proto::{LoadId, NodeId};
use uuid::Uuid;

/// Ends the name of a body that is written as a file is: records with `---` between them.
pub(super) const FILE_ENDING: &str = ".aif";

/// Ends the name of a body that is one JSON array.
pub(super) const ARRAY_ENDING: &str = ".json";

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
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    /// There is no such load, or it was not refused, or it is settled.
    #[error("load {} is none that was refused and is kept", load.0)]
    Unknown {
        /// The load.
        load: LoadId,
    },
    /// Its file went by age, or somebody took it away.
    #[error("the file of load {} is gone: {}", load.0, file.display())]
    Gone {
        /// The load.
        load: LoadId,
        /// The file.
        file: PathBuf,
    },
    /// Its node was removed.
    #[error("{node}, for which load {} was meant, is no longer in the network", load.0)]
    NoNode {
        /// The load.
        load: LoadId,
        /// The node.
        node: NodeId,
    },
    /// The disk has no room for it.
    #[error("load {} waits for room", load.0)]
    NoRoom {
        /// The load.
        load: LoadId,
        /// What is missing.
        #[source]
        source: NoRoom,
    },
    /// Its file cannot be copied or removed.
    #[error("failed to settle load {}", load.0)]
    File {
        /// The load.
        load: LoadId,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The record of loads.
    #[error("failed to read or note which loads were refused")]
    Journal(#[source] StoreError),
}

impl Intake {
    /// Refused loads whose file is still kept, newest first; at most `limit`. Blocking.
    pub fn refused(&self, limit: u32) -> Result<Vec<RefusedLoad>, AsideError> {
        let loads = self.journal.refused(MAX_LOOKED_AT).map_err(AsideError::Journal)?;
        let kept = |load: LoadRecord| {
            let file = self.settings.bad.join(load.aside.as_ref()?);
            let bytes = fs::metadata(&file).ok()?.len();
            Some(RefusedLoad { load, file, bytes })
        };
        Ok(loads.into_iter().filter_map(kept).take(limit as usize).collect())
    }

    /// Has a refused load tried again: a new load of the same bytes into the same node, whose number this is. The refused
    /// one is settled with it. Blocking.
    pub fn retry_refused(&self, load: LoadId) -> Result<LoadId, AsideError> {
        let (record, file) = self.refused_load(load)?;
        let network = self.network().map_err(AsideError::Journal)?;
        if network.node(&record.node).is_none() {
            return Err(AsideError::NoNode { load, node: record.node });
        }
        let failed = |source| AsideError::File { load, source };
        let bytes = fs::metadata(&file).map_err(failed)?.len();
        self.room(bytes).map_err(|source| AsideError::NoRoom { load, source })?;
        let (ending, dictionary_id) = match record.source {
            LoadSource::Folder(_) => (FILE_ENDING, None),
            LoadSource::Rest { body, dictionary_id, .. } if body.ends_with(FILE_ENDING) => (FILE_ENDING, dictionary_id),
            LoadSource::Rest { dictionary_id, .. } => (ARRAY_ENDING, dictionary_id),
        };
        let body = format!("{}{ending}", Uuid::now_v7().simple());
        let target = archive::copy(&file, self.settings.bodies.join(&body)).map_err(failed)?;
        let new = NewLoad {
            node: record.node,
            source: LoadSource::Rest { body, dictionary_id, retry_of: Some(load) },
            bytes,
            at: Timestamp::now(),
            watch: None,
            delivery: None,
        };
        let accepted = self.journal.accept_again(load, &new).map_err(AsideError::Journal);
        if !matches!(accepted, Ok(Some(_))) {
            // What cannot be removed now, the next start removes.
            let _ = fs::remove_file(target);
        }
        let id = accepted?.ok_or(AsideError::Unknown { load })?;
        tracing::info!(load = load.0, again = id.0, "a refused load is tried again");
        self.arrived.notify_one();
        archive::remove_kept(&file).map_err(failed)?;
        Ok(id)
    }

    /// Drops what is kept of a refused load; its record stays. Blocking.
    pub fn drop_refused(&self, load: LoadId) -> Result<(), AsideError> {
        let (_, file) = self.refused_load(load)?;
        self.journal.forget_aside(load).map_err(AsideError::Journal)?;
        tracing::info!(load = load.0, file = %file.display(), "what was kept of a refused load is dropped");
        archive::remove_kept(&file).map_err(|source| AsideError::File { load, source })
    }

    /// Forgets at most `step` files of refused loads that went by age: a listing looks at each file that is not forgotten.
    /// How many it were. Blocking.
    pub(super) fn forget_gone(&self, step: usize) -> Result<usize, StoreError> {
        // A folder that is away as a whole may come back.
        if !self.settings.bad.is_dir() {
            return Ok(0);
        }
        let is_gone = |name: &String| {
            let looked_at = fs::symlink_metadata(self.settings.bad.join(name));
            looked_at.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let loads = self.journal.refused(MAX_LOOKED_AT)?;
        let mut forgotten = 0;
        for load in loads.iter().filter(|load| load.aside.as_ref().is_some_and(is_gone)).take(step) {
            self.journal.forget_aside(load.id)?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    fn refused_load(&self, load: LoadId) -> Result<(LoadRecord, PathBuf), AsideError> {
        let record = self.journal.load(load).map_err(AsideError::Journal)?.ok_or(AsideError::Unknown { load })?;
        let name = record.aside.as_ref().ok_or(AsideError::Unknown { load })?;
        let file = self.settings.bad.join(name);
        if file.is_file() {
            return Ok((record, file));
        }
        self.journal.forget_aside(load).map_err(AsideError::Journal)?;
        Err(AsideError::Gone { load, file })
    }
}
