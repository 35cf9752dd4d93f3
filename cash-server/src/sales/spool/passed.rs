//! How far segments were deleted, in a file beside them (`passed`): it tells a database that was
//! lost, or put back from a backup, from one that has everything.
//!
//! Written before the first of those segments goes. Where it cannot be written the segments go all
//! the same, since a full disk needs the room: then an older database may go unnoticed, and
//! nothing else is wrong.

use std::io;
use std::path::Path;

use fs_err as fs;
use tillway_file_queue::disk::Disk;
use tillway_file_queue::durable;

use super::format::Position;

/// Name of the file within the spool.
const FILE: &str = "passed";

/// What the file starts with; the number is the version of its format.
const TAG: &str = "tillway-spool-passed 1";

/// Everything before this place was in the database when it was deleted here; the start where
/// nothing was deleted.
pub(super) fn read(spool: &Path) -> Position {
    let path = spool.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).unwrap_or_else(|| {
            tracing::warn!(file = %path.display(), "not a note of how far the spool was deleted; going on without");
            Position::default()
        }),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "the note of how far the spool was deleted cannot be read; going on without");
            }
            Position::default()
        }
    }
}

/// Notes that segments up to here are about to be deleted.
pub(super) fn note(disk: &dyn Disk, spool: &Path, passed: Position) {
    let text = format!("{TAG} {} {}\n", passed.segment, passed.offset);
    if let Err(error) = durable::write_atomic_on(disk, &spool.join(FILE), text.as_bytes()) {
        tracing::warn!(%error, %passed, "failed to note how far the spool was deleted");
    }
    fail::fail_point!("passed::noted");
}

fn parse(text: &str) -> Option<Position> {
    let (segment, offset) = text.strip_prefix(TAG)?.trim().split_once(' ')?;
    Some(Position { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}
