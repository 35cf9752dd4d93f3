//! The generation of the settings that go along with commands: the larger of the last one and one
//! more, and the time in seconds. Each start takes a new one, so that a till that was told once
//! where this server is now does not follow an older command that somebody says again, with the
//! address where it was; and a server that was restored from a backup, or moved, still comes later
//! than what it said before.
//!
//! `<data_dir>/settings-generation` keeps the last one, for a clock that went back.

use fs_err as fs;
use jiff::Timestamp;
use std::io;
use std::path::Path;
use tillway_file_queue::durable;

/// Takes the next one. A file that does not read is written anew: the time goes on without it.
pub fn next(data_dir: &Path, now: Timestamp) -> io::Result<u64> {
    let path = data_dir.join("settings-generation");
    let last: u64 = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().unwrap_or(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let next = last.saturating_add(1).max(u64::try_from(now.as_second()).unwrap_or(0));
    durable::write_atomic(&path, format!("{next}\n").as_bytes())?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_each_start_whatever_the_clock_does() {
        let data = tempfile::tempdir().unwrap();
        let at = |second| next(data.path(), Timestamp::from_second(second).unwrap()).unwrap();
        assert_eq!([at(1_000), at(1_000), at(10), at(5_000)], [1_000, 1_001, 1_002, 5_000]);
        fs::write(data.path().join("settings-generation"), "?").unwrap();
        assert_eq!(at(6_000), 6_000);
    }
}
