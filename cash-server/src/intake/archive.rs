//! Folders of what was handed over: `backup` for loaded files, packed with zstd, and `badDicts` for what was refused.
//! Names start with the time and the number of the load; what is too old or too much goes, oldest first.

use super::source;
use fs_err as fs;
use jiff::Timestamp;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tillway_file_queue::durable;
use tillway_proto::LoadId;

/// Fast, and a fifth of the size for AIF.
const ZSTD_LEVEL: i32 = 3;

/// Files that one cleaning removes at most, so that it never holds up loads for long.
const MAX_REMOVED_AT_ONCE: usize = 1000;

/// Ends the name of a file that is still being written.
const UNFINISHED: &str = "tmp";

/// Marks the name of a kept file: `<time>-load-<number>-<folder>-<file>`.
const MARK: &str = "-load-";

/// Where a file of this load is kept.
pub(super) fn place(archive: &Path, load: LoadId, at: Timestamp, origin: &str, ending: &str) -> PathBuf {
    archive.join(format!("{}{MARK}{}-{origin}{ending}", at.strftime("%Y%m%dT%H%M%S%3fZ"), load.0))
}

/// `<folder>-<file>`: where a file came from.
pub(super) fn origin(path: &Path) -> String {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    format!("{}-{}", name(path.parent()), name(Some(path)))
}

/// Keeps a file, packed.
pub(super) fn pack(path: &Path, target: PathBuf) -> io::Result<PathBuf> {
    keep(path, target, |input, output| {
        let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL)?;
        io::copy(input, &mut encoder)?;
        encoder.finish()?;
        Ok(())
    })
}

/// Keeps a file as it is.
pub(super) fn copy(path: &Path, target: PathBuf) -> io::Result<PathBuf> {
    keep(path, target, |input, output| io::copy(input, output).map(|_| ()))
}

fn keep(
    path: &Path,
    target: PathBuf,
    write: impl FnOnce(&mut fs::File, &mut fs::File) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let (mut input, _) = source::open(path)?;
    let mut unfinished = target.clone().into_os_string();
    unfinished.push(format!(".{UNFINISHED}"));
    let unfinished = PathBuf::from(unfinished);
    let mut output = fs::File::create(&unfinished)?;
    let written = write(&mut input, &mut output).and_then(|()| output.flush()).and_then(|()| output.sync_all());
    if let Err(error) = written {
        // The first error is the one to tell; cleaning removes what stays.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    durable::rename(&unfinished, &target)?;
    Ok(target)
}

/// Removes what is older than `keep_days` or beyond the newest `keep_files`. Files that are not of this program stay.
/// How many were removed.
pub(super) fn clean(archive: &Path, keep_days: u32, keep_files: usize) -> io::Result<usize> {
    let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(archive)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(MARK) {
            kept.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    kept.sort();
    let horizon = SystemTime::now().checked_sub(Duration::from_secs(u64::from(keep_days) * 24 * 60 * 60));
    let surplus = kept.len().saturating_sub(keep_files);
    let mut removed = 0;
    for (n, (modified, path)) in kept.into_iter().enumerate().take(MAX_REMOVED_AT_ONCE) {
        if n < surplus || horizon.is_some_and(|horizon| modified < horizon) {
            fs::remove_file(path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path, load: i64, age_days: u64) {
        let path = place(folder, LoadId(load), Timestamp::now(), "All-pos.aif", ".zst");
        let file = fs::File::create(path).unwrap();
        file.into_parts().0.set_modified(SystemTime::now() - Duration::from_secs(age_days * 86_400 + 60)).unwrap();
    }

    #[test]
    fn a_packed_file_unpacks_to_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pos.aif");
        fs::write(&path, "text").unwrap();
        let packed = pack(&path, folder.path().join("kept.zst")).unwrap();
        assert_eq!(zstd::decode_all(fs::File::open(packed).unwrap()).unwrap(), b"text");
    }

    #[test]
    fn kept_files_go_by_age_and_by_number_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        for (load, age_days) in [(1, 40), (2, 31), (3, 3), (4, 2), (5, 1)] {
            kept(folder.path(), load, age_days);
        }
        assert_eq!(clean(folder.path(), 30, 100).unwrap(), 2);
        assert_eq!(clean(folder.path(), 30, 2).unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(clean(folder.path(), 30, 0).unwrap(), 2);
        assert!(folder.path().join("notes.txt").exists());
    }
}
