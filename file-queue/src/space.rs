//! How much room a disk has left: whoever accepts work looks here first, and refuses while there
//! is still room to finish what was accepted before.
//!
//! In a build with the feature `crash-points` the environment can say otherwise, so that a test
//! need not fill a disk: `TILLWAY_FREE_BYTES=<path prefix>:<bytes>,…` where `<bytes>` is a number,
//! or `@<file>` with a number in it, read anew each time, so that the room comes and goes while a
//! program runs. The first prefix that fits a path counts; a file that is not there says nothing,
//! and the real disk is asked.

use std::io;
use std::path::{Path, PathBuf};

/// The variable that tells of another free space than the disk has; only in builds with crash
/// points.
pub const FREE_BYTES_VARIABLE: &str = "TILLWAY_FREE_BYTES";

/// Bytes that a program without special rights can still write to the file system that `path` is
/// on, or will be on once it is made: the nearest folder above that exists is asked. Errors name
/// the path.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    if let Some(said) = said_by_the_environment(path) {
        return Ok(said);
    }
    let there = nearest_existing(path);
    let room = rustix::fs::statvfs(&there).map_err(|errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), format!("failed to ask for the free space of `{}`: {error}", there.display()))
    })?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

fn nearest_existing(path: &Path) -> PathBuf {
    let existing = path.ancestors().find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    existing.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(not(feature = "crash-points"))]
fn said_by_the_environment(_path: &Path) -> Option<u64> {
    None
}

#[cfg(feature = "crash-points")]
fn said_by_the_environment(path: &Path) -> Option<u64> {
    said_by(&std::env::var(FREE_BYTES_VARIABLE).ok()?, path)
}

/// What the text of the variable says of this path.
#[cfg(any(test, feature = "crash-points"))]
fn said_by(text: &str, path: &Path) -> Option<u64> {
    let said = |entry: &str| {
        let (prefix, bytes) = entry.rsplit_once(':')?;
        if !path.starts_with(prefix) {
            return None;
        }
        match bytes.strip_prefix('@') {
            None => bytes.parse().ok(),
            Some(file) => fs_err::read_to_string(file).ok()?.trim().parse().ok(),
        }
    };
    text.split(',').find_map(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_made_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("not/made/yet")).unwrap() > 0);
        assert!(free_bytes(Path::new("not-made-yet")).unwrap() > 0);
    }

    #[test]
    fn a_test_can_say_how_much_room_there_is_and_change_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("room");
        let text = format!("/data/spool:5,/data:7,/other:@{}", file.display());
        assert_eq!(said_by(&text, Path::new("/data/spool/aside")), Some(5));
        assert_eq!(said_by(&text, Path::new("/data/sales.db")), Some(7));
        assert_eq!(said_by(&text, Path::new("/database")), None);
        assert_eq!(said_by(&text, Path::new("/other")), None, "a file that is not there says nothing");
        for bytes in [3, 9] {
            fs_err::write(&file, format!("{bytes}\n")).unwrap();
            assert_eq!(said_by(&text, Path::new("/other/x")), Some(bytes));
        }
    }
}
