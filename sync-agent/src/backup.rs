//! Archives of what was exchanged: each package that was applied, and the sales of each unloading.
//! Kept by count and by days (`maxcountbackupfiles`, `actualcountdaysforbackupfiles`), whichever
//! is less. Names and days are by the till's clock; wherever that is, there are never more than
//! the count, the one just written stays, and of packages and of sales the newest [`NEWEST`] do
//! not go by their age, or a clock that jumps ahead would leave nothing to look at.
//!
//! `<yyyy-mm-dd_HH-MM-SS.mmm>_dictionary_<first digits of the name>.twp` is the package as it came
//! (compressed by its own format); `…_sales_<number>.jsonl.zst` holds one document or shift a
//! line. An archive helps a person to see what went over the line; nothing reads it back, so a
//! full disk loses an archive and not an exchange.

use crate::settings::BackupSettings;
use fs_err as fs;
use jiff::Zoned;
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tillway_proto::PackageName;

/// zstd's usual level: sales shrink six times and cost no time.
const COMPRESSION: i32 = 3;

/// What follows the time in the name of an archive.
const SORTS: [&str; 2] = ["_dictionary_", "_sales_"];

/// Archives of each sort that do not go by their age.
const NEWEST: usize = 3;

/// Keeps a copy of a package. Only logs what goes wrong.
pub(crate) fn keep_package(settings: &BackupSettings, package: &PackageName, file: &Path) {
    keep(settings, &format!("dictionary_{}.twp", package.short()), |target| {
        // A link costs no second copy; over the border of a file system it is a copy.
        if std::fs::hard_link(file, target).is_err() {
            fs::copy(file, target)?;
        }
        Ok(())
    });
}

/// Keeps the sales of one unloading, one JSON a line. Only logs what goes wrong.
pub(crate) fn keep_sales(settings: &BackupSettings, lines: &[u8], documents: u64) {
    keep(settings, &format!("sales_{documents}.jsonl.zst"), |target| {
        let mut packed = zstd::Encoder::new(fs::File::create(target)?, COMPRESSION)?;
        packed.write_all(lines)?;
        packed.finish()?.sync_all()
    });
}

fn keep(settings: &BackupSettings, name: &str, write: impl FnOnce(&Path) -> io::Result<()>) {
    if settings.max_files == 0 {
        return;
    }
    let stamp = Zoned::now().strftime("%Y-%m-%d_%H-%M-%S%.3f").to_string();
    let target = settings.folder.join(format!("{stamp}_{name}"));
    let kept =
        fs::create_dir_all(&settings.folder).and_then(|()| write(&target)).and_then(|()| prune(settings, &target));
    if let Err(error) = kept {
        tracing::warn!(%error, "failed to keep a backup of what was exchanged");
    }
}

/// All archives but the newest, the oldest first: what may go where the disk is full.
pub(crate) fn older_archives(settings: &BackupSettings) -> Vec<PathBuf> {
    let mut archives = archives(&settings.folder).unwrap_or_default();
    archives.pop();
    archives
}

/// Removes archives that are too many or too old, but for the `newest`. Files whose names are not
/// ours stay.
fn prune(settings: &BackupSettings, newest: &Path) -> io::Result<()> {
    let mut archives = archives(&settings.folder)?;
    archives.retain(|path| path != newest);
    let too_many = (archives.len() + 1).saturating_sub(settings.max_files);
    let oldest_kept = SystemTime::now().checked_sub(Duration::from_secs(settings.max_days * 86_400));
    let newest_of = |sort: &'static str| {
        archives
            .iter()
            .enumerate()
            .rev()
            .filter(move |(_, path)| is_of(path, sort))
            .take(NEWEST)
            .map(|(index, _)| index)
    };
    let of_any_age: HashSet<usize> = SORTS.into_iter().flat_map(newest_of).collect();
    for (index, path) in archives.iter().enumerate() {
        let too_old = !of_any_age.contains(&index)
            && oldest_kept
                .is_some_and(|oldest| fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|at| at < oldest));
        if index < too_many || too_old {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The oldest first.
fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut archives: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_archive) {
            archives.push(path);
        }
    }
    // Names begin with the time.
    archives.sort();
    Ok(archives)
}

fn is_archive(name: &str) -> bool {
    let known = [".twp", ".jsonl.zst"].iter().any(|ending| name.ends_with(ending));
    known && SORTS.iter().any(|sort| name.get(23..).is_some_and(|rest| rest.starts_with(sort)))
}

fn is_of(path: &Path, sort: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()?.get(23..)).is_some_and(|rest| rest.starts_with(sort))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_kept_by_count_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackupSettings { folder: folder.path().join("backup"), max_files: 2, max_days: 30 };
        fs::create_dir_all(&settings.folder).unwrap();
        fs::write(settings.folder.join("notes.txt"), "mine").unwrap();
        for day in 1..5 {
            fs::write(settings.folder.join(format!("2026-01-0{day}_10-00-00.000_sales_1.jsonl.zst")), "").unwrap();
        }
        keep_sales(&settings, b"{}\n", 7);
        let mut names: Vec<_> =
            fs::read_dir(&settings.folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(
            names.iter().any(|name| name == "notes.txt") && names.iter().any(|n| n.ends_with("_sales_7.jsonl.zst"))
        );
        let packed = names.iter().find(|name| name.ends_with("_sales_7.jsonl.zst")).unwrap();
        let unpacked = zstd::decode_all(fs::File::open(settings.folder.join(packed)).unwrap()).unwrap();
        assert_eq!(unpacked, b"{}\n");
    }

    #[test]
    fn a_clock_that_fell_back_does_not_cost_the_newest_archive() {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackupSettings { folder: folder.path().to_owned(), max_files: 3, max_days: 30 };
        for day in 1..9 {
            let path = settings.folder.join(format!("2999-01-0{day}_10-00-00.000_sales_1.jsonl.zst"));
            fs::write(&path, "").unwrap();
            let future = SystemTime::now() + Duration::from_hours(24 * 365 * 900);
            let _ = std::fs::File::options().write(true).open(&path).unwrap().set_modified(future);
        }
        keep_sales(&settings, b"{}\n", 7);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names.iter().any(|name| name.to_string_lossy().ends_with("_sales_7.jsonl.zst")), "{names:?}");
    }

    fn of_age(folder: &Path, name: &str, hours: u64) -> PathBuf {
        let path = folder.join(name);
        let file = std::fs::File::create_new(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(hours)).unwrap();
        path
    }

    #[test]
    fn archives_are_kept_by_days() {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackupSettings { folder: folder.path().to_owned(), max_files: 10, max_days: 3 };
        let old = of_age(folder.path(), "2026-01-01_10-00-00.000_sales_1.jsonl.zst", 96);
        for day in 2..5 {
            of_age(folder.path(), &format!("2026-01-0{day}_10-00-00.000_sales_1.jsonl.zst"), 1);
        }
        keep_sales(&settings, b"", 0);
        assert!(!old.exists());
    }

    #[test]
    fn a_clock_that_jumps_a_year_ahead_leaves_the_newest_of_each_sort() {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackupSettings { folder: folder.path().to_owned(), max_files: 100, max_days: 3 };
        for day in 1..9 {
            of_age(folder.path(), &format!("2025-01-0{day}_10-00-00.000_sales_1.jsonl.zst"), 24 * 365);
            of_age(folder.path(), &format!("2025-01-0{day}_10-00-00.000_dictionary_1a.twp"), 24 * 365);
        }
        keep_sales(&settings, b"", 7);
        let names = archives(folder.path()).unwrap();
        let count = |sort| names.iter().filter(|path| is_of(path, sort)).count();
        assert_eq!((count("_dictionary_"), count("_sales_")), (3, 4), "{names:?}");
        assert!(folder.path().join("2025-01-08_10-00-00.000_dictionary_1a.twp").exists());
    }
}
