//! `aside/`: copies of bytes that could not be read or loaded, `<segment>-<offset>.bad`, each with its reason beside it
//! (`.reason`). Setting the same place aside again changes nothing. Bounded: the oldest go first.

use super::disk::SpoolDisk;
use super::format::Position;
use super::{SpoolError, io_error};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tillway_file_queue::durable;

/// Name of the folder within the spool.
pub const FOLDER: &str = "aside";

/// Most bytes kept aside: many damaged segments, yet no second spool.
pub const MAX_ASIDE_BYTES: u64 = 256 * 1024 * 1024;

/// Most things kept aside, so that listing them stays quick.
pub const MAX_ASIDE_FILES: usize = 1_000;

/// Keeps `bytes` that stood at `at`.
pub(super) fn keep(
    disk: &dyn SpoolDisk,
    spool: &Path,
    at: Position,
    bytes: &[u8],
    reason: &str,
) -> Result<(), SpoolError> {
    let folder = spool.join(FOLDER);
    let path = folder.join(format!("{:020}-{:010}.bad", at.segment, at.offset));
    let failed = |source| io_error("set something aside in", &folder, source);
    fs::create_dir_all(&folder).map_err(failed)?;
    if path.exists() {
        return Ok(());
    }
    make_room(disk, &folder, bytes.len() as u64)?;
    durable::write_atomic(&path.with_extension("reason"), reason.as_bytes()).map_err(failed)?;
    durable::write_atomic(&path, bytes).map_err(failed)?;
    tracing::error!(file = %path.display(), bytes = bytes.len(), reason, "set aside a part of the spool");
    Ok(())
}

fn make_room(disk: &dyn SpoolDisk, folder: &Path, bytes: u64) -> Result<(), SpoolError> {
    let failed = |source| io_error("list", folder, source);
    let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "bad") {
            let metadata = fs::metadata(&path).map_err(failed)?;
            kept.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path, metadata.len()));
        }
    }
    kept.sort();
    let mut total = bytes + kept.iter().map(|(_, _, length)| length).sum::<u64>();
    let mut count = kept.len() + 1;
    for (_, path, length) in kept {
        if total <= MAX_ASIDE_BYTES && count <= MAX_ASIDE_FILES {
            break;
        }
        tracing::warn!(file = %path.display(), "dropped the oldest thing set aside: the limit is reached");
        disk.remove(&path).map_err(|source| io_error("remove", &path, source))?;
        disk.remove(&path.with_extension("reason")).map_err(|source| io_error("remove", &path, source))?;
        total -= length;
        count -= 1;
    }
    Ok(())
}
