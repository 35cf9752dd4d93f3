//! What is about to be loaded, in a file beside the segments (`loading`): it tells a record that
//! ends the whole process from one that nobody has tried yet.
//!
//! Written before a load where the one before may have ended the process: with the first group of
//! each start, and with every record that is loaded by itself. A load that moves the position
//! makes the note stale; one that fails and leaves the process alive takes it away. So where a
//! start finds its own position in it, the process ended in that very load. Without a file that
//! can be written nothing is counted, and loading goes on.

use std::io;
use std::path::Path;

use fs_err as fs;
use tillway_file_queue::disk::Disk;
use tillway_file_queue::durable;

use super::format::Position;

/// Name of the file within the spool.
const FILE: &str = "loading";

/// What the file starts with; the number is the version of its format.
const TAG: &str = "tillway-spool-loading 1";

/// Notes that what stands at `from` is about to be loaded. Gives how often that was noted, this
/// time included.
pub(super) fn note(disk: &dyn Disk, spool: &Path, from: Position) -> u32 {
    let times = match read(spool) {
        Some((noted, times)) if noted == from => times.saturating_add(1),
        _ => 1,
    };
    let text = format!("{TAG} {} {} {times}\n", from.segment, from.offset);
    if let Err(error) = durable::write_atomic_on(disk, &spool.join(FILE), text.as_bytes()) {
        tracing::warn!(%error, %from, "failed to note what of the spool is about to be loaded");
    }
    fail::fail_point!("loading::noted");
    times
}

/// The load has ended, and has not ended the process.
pub(super) fn forget(disk: &dyn Disk, spool: &Path) {
    let path = spool.join(FILE);
    if let Err(error) = durable::remove_file_on(disk, &path) {
        tracing::warn!(%error, "failed to take away the note of what of the spool is being loaded");
    }
}

fn read(spool: &Path) -> Option<(Position, u32)> {
    let path = spool.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "the note of what of the spool was being loaded cannot be read");
            }
            None
        }
    }
}

fn parse(text: &str) -> Option<(Position, u32)> {
    let mut numbers = text.strip_prefix(TAG)?.split_ascii_whitespace();
    let position = Position { segment: numbers.next()?.parse().ok()?, offset: numbers.next()?.parse().ok()? };
    Some((position, numbers.next()?.parse().ok()?))
}
