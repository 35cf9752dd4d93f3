//! Removes what is past: kept files, loads and rejects that nobody asks for any more, flags that
//! were set aside. In small steps, so that no delivery waits for long.

use super::{Intake, archive, folders, lock};
use crate::error_chain;
use crate::store::StoreError;
use crate::words::as_said;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tillway_service::background::{Failure, Next, Task};

/// How often is looked for what is past, and how soon the next step follows where there is more.
const PERIOD: Duration = Duration::from_hours(1);
const NEXT_STEP: Duration = Duration::from_secs(1);

/// Refused files that are kept, even where loaded ones are not: somebody has to see what was
/// wrong.
const MIN_BAD_FILES: usize = 100;

/// Loads whose files do not go by their age: after a jump of the clock somebody can still see what
/// came last. Their number and bytes are limited all the same.
const NEWEST_LOADS_WITH_FILES: usize = 10;

/// Loads that are remembered, and for how long: a year of one in five minutes.
const MAX_LOADS_KEPT: u32 = 100_000;
const MAX_LOADS_AGE: Duration = Duration::from_hours(366 * 24);

/// Loads whose rejects are remembered. With a thousand rejects each they are half a million rows
/// at the worst.
const LOADS_WITH_REJECTS: u32 = 500;

/// Rows that one step forgets at most: a moment for whoever writes next.
const FORGET_STEP: u32 = 1000;

/// Refused files that one step forgets at most: each is a write of its own.
const FORGET_FILES_STEP: usize = 100;

/// What could not be removed.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum CleaningError {
    /// Old files.
    #[error("failed to remove old files")]
    #[serde(rename = "old-files-stay")]
    Files {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// Several things.
    #[error("{}", faults.iter().map(|fault| error_chain(fault)).collect::<Vec<_>>().join("; "))]
    #[serde(rename = "cleaning-fails")]
    Several {
        /// Which ones.
        faults: Vec<CleaningError>,
    },
    /// What is remembered of old loads.
    #[error("failed to forget old loads")]
    #[serde(untagged)]
    Journal(#[source] StoreError),
}

/// The cleaning as a task of the server.
pub(super) fn task(intake: &Arc<Intake>) -> Task {
    let intake = Arc::clone(intake);
    Task::blocking("intake-cleaning", PERIOD, move |_| {
        let network = intake.network()?;
        let extra = intake.settings.extra_folders.keys().cloned();
        let of_nodes = network.nodes().map(|node| intake.settings.inbox.join(network.folder_name(node)));
        let watched: Vec<PathBuf> = of_nodes.chain(extra).collect();
        let _turn = lock(&intake.turn);
        let more = clean(&intake, watched.iter().map(PathBuf::as_path), SystemTime::now())?;
        Ok::<_, Failure>(if more { Next::In(NEXT_STEP) } else { Next::AtPeriod })
    })
}

/// Removes a part of what is past at `now`. Whether there may be more. What fails does not stop
/// the rest; the error names all of it.
pub(super) fn clean<'a>(
    intake: &Intake,
    watched: impl Iterator<Item = &'a Path>,
    now: SystemTime,
) -> Result<bool, CleaningError> {
    let settings = &intake.settings;
    let bad_files = settings.backup_keep_files.max(MIN_BAD_FILES);
    let (mut more, mut faults) = (false, Vec::new());
    for (folder, files) in [(&settings.backup, settings.backup_keep_files), (&settings.bad, bad_files)] {
        let keep = archive::Keep {
            days: settings.backup_keep_days,
            files,
            bytes: settings.backup_keep_bytes,
            newest_loads: NEWEST_LOADS_WITH_FILES,
        };
        match archive::clean(folder, keep, now) {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(folder = %folder.display(), removed, "removed old files");
                more |= removed >= archive::MAX_REMOVED_AT_ONCE;
            }
            Err(source) => faults.push(CleaningError::Files { source }),
        }
    }
    match intake.forget_gone(FORGET_FILES_STEP) {
        Ok(forgotten) => more |= forgotten >= FORGET_FILES_STEP,
        Err(error) => faults.push(CleaningError::Journal(error)),
    }
    for folder in watched {
        match folders::clean_bad_flags(folder, settings.backup_keep_days, now) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(folder = %folder.display(), removed, "removed flags that were set aside"),
            // A folder that cannot be read or written is told of by the scan.
            Err(error) => {
                tracing::debug!(error = error_chain(&error), "failed to remove flags that were set aside");
            }
        }
    }
    let before = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let before = before.checked_sub(MAX_LOADS_AGE).unwrap_or(Timestamp::UNIX_EPOCH);
    let forgotten = [
        intake.journal.prune(before, MAX_LOADS_KEPT, FORGET_STEP),
        intake.journal.prune_rejects(LOADS_WITH_REJECTS, FORGET_STEP),
    ];
    for forgotten in forgotten {
        match forgotten {
            Ok(rows) => more |= rows >= u64::from(FORGET_STEP),
            Err(error) => faults.push(CleaningError::Journal(error)),
        }
    }
    if faults.is_empty() { Ok(more) } else { Err(CleaningError::Several { faults }) }
}
