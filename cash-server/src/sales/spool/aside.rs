//! `aside/`: copies of bytes that could not be read or loaded, `<segment>-<offset>.bad`, each with
//! its reason beside it (`.reason`: JSON, or a sentence of v0.1). Setting the same place aside
//! again changes nothing.
//!
//! Bounded: of damaged bytes the oldest go first. A whole batch was acknowledged, so its receipts
//! may be nowhere else: it stays until a person puts it back or drops it, and when such batches
//! fill the folder the loader waits. The spool then fills, and the tills keep what they have.

use super::format::Position;
use super::record::Arrival;
use super::{SpoolError, io_error, is_record_start};
use crate::words::{Reason, in_english};
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tillway_file_queue::disk::Disk;
use tillway_file_queue::durable;
use tillway_proto::TillId;

/// Name of the folder within the spool.
pub const FOLDER: &str = "aside";

/// Most bytes kept aside: many damaged segments, yet no second spool.
pub const MAX_ASIDE_BYTES: u64 = 256 * 1024 * 1024;

/// Most things kept aside, so that listing them stays quick.
pub const MAX_ASIDE_FILES: usize = 1_000;

/// Why bytes lie aside that the spool itself put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum SpoolReason {
    /// A checksum does not hold: the disk gave back other bytes than were written.
    WrongChecksum,
    /// It was being written when the server stopped.
    TornTail,
}

/// Keeps `bytes` that stood at `at`.
pub(super) fn keep(
    disk: &dyn Disk,
    spool: &Path,
    at: Position,
    bytes: &[u8],
    reason: &Reason,
) -> Result<(), SpoolError> {
    let folder = spool.join(FOLDER);
    let path = path_of(spool, at);
    let failed = |source| io_error("set something aside in", &folder, source);
    durable::create_dir_all_on(disk, &folder).map_err(failed)?;
    if path.exists() {
        return Ok(());
    }
    make_room(disk, &folder, bytes.len() as u64)?;
    durable::write_atomic_on(disk, &path.with_extension("reason"), reason.to_string().as_bytes()).map_err(failed)?;
    fail::fail_point!("aside::reason_written");
    durable::write_atomic_on(disk, &path, bytes).map_err(failed)?;
    fail::fail_point!("aside::kept");
    tracing::error!(file = %path.display(), bytes = bytes.len(), reason = in_english(reason), "set aside a part of the spool");
    Ok(())
}

/// One thing that lies aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name, without ending.
    pub unit: String,
    /// Where it stood.
    pub at: Position,
    /// Since when it lies here.
    pub since: Timestamp,
    /// Why; an empty text where the reason was lost.
    pub reason: Reason,
}

/// The place of a unit, by its name.
pub fn parse_unit(unit: &str) -> Option<Position> {
    let (segment, offset) = unit.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(segment) || !digits(offset) {
        return None;
    }
    let at = Position { segment: segment.parse().ok()?, offset: offset.parse().ok()? };
    // Exactly the name that is written: no two names of one thing.
    (unit_of(at) == unit).then_some(at)
}

fn unit_of(at: Position) -> String {
    format!("{:020}-{:010}", at.segment, at.offset)
}

fn path_of(spool: &Path, at: Position) -> PathBuf {
    spool.join(FOLDER).join(format!("{}.bad", unit_of(at)))
}

/// What lies aside, in no order. At most [`MAX_ASIDE_FILES`].
pub(super) fn list(spool: &Path) -> Result<Vec<Kept>, SpoolError> {
    let folder = spool.join(FOLDER);
    let failed = |source| io_error("list", &folder, source);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let unit = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".bad"));
        let Some((unit, at)) = unit.and_then(|unit| Some((unit.to_owned(), parse_unit(unit)?))) else { continue };
        let since = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let since = since.and_then(|since| Timestamp::try_from(since).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let reason = fs::read(path.with_extension("reason")).unwrap_or_default();
        kept.push(Kept { unit, at, since, reason: Reason::stored(&String::from_utf8_lossy(&reason)) });
    }
    Ok(kept)
}

/// The bytes of a unit; `None` where it is not there.
pub(super) fn read(spool: &Path, at: Position) -> Result<Option<Vec<u8>>, SpoolError> {
    let path = path_of(spool, at);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error("read", &path, source)),
    }
}

/// Removes a unit, durably.
pub(super) fn remove(disk: &dyn Disk, spool: &Path, at: Position) -> Result<(), SpoolError> {
    let path = path_of(spool, at);
    durable::remove_file_on(disk, &path)
        .and_then(|()| durable::remove_file_on(disk, &path.with_extension("reason")))
        .and_then(|()| disk.sync_dir(&spool.join(FOLDER)))
        .map_err(|source| io_error("remove", &path, source))
}

/// The batch that these bytes are, unless they are torn or damaged ones.
pub(in crate::sales) fn whole_batch(bytes: &[u8]) -> Option<Arrival> {
    if is_record_start(bytes) {
        return None;
    }
    Arrival::parse(bytes).ok().filter(|arrival| arrival.till_id.parse::<TillId>().is_ok())
}

/// Removes what a process left behind that ended while it kept or removed a unit: reasons of
/// nothing, and temporary files. Only for the one that has the lock of the spool, and before it
/// keeps anything.
pub(super) fn remove_leftovers(disk: &dyn Disk, spool: &Path) -> Result<(), SpoolError> {
    let folder = spool.join(FOLDER);
    let failed = |source| io_error("list", &folder, source);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_reason = path.extension().is_some_and(|extension| extension == "reason");
        // What a person put here stays.
        if durable::is_leftover(&path) || (is_reason && !path.with_extension("bad").exists()) {
            durable::remove_file_on(disk, &path).map_err(|source| io_error("remove a leftover of", &path, source))?;
        }
    }
    Ok(())
}

fn make_room(disk: &dyn Disk, folder: &Path, bytes: u64) -> Result<(), SpoolError> {
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
    let mut units = kept.len() + 1;
    let is_full = |total, units| total > MAX_ASIDE_BYTES || units > MAX_ASIDE_FILES;
    for (_, path, length) in kept {
        if !is_full(total, units) {
            break;
        }
        // Read only here, at the limit.
        let content = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
        if whole_batch(&content).is_some() {
            continue;
        }
        tracing::warn!(file = %path.display(), "dropped the oldest damaged bytes set aside: the limit is reached");
        durable::remove_file_on(disk, &path).map_err(|source| io_error("remove", &path, source))?;
        durable::remove_file_on(disk, &path.with_extension("reason"))
            .map_err(|source| io_error("remove", &path, source))?;
        total -= length;
        units -= 1;
    }
    if is_full(total, units) {
        return Err(SpoolError::AsideFull { path: folder.to_owned(), units, bytes: total });
    }
    Ok(())
}
