//! Archives of what was exchanged: each package that was applied, and the sales of each unloading. Kept by count and
//! by days (`maxcountbackupfiles`, `actualcountdaysforbackupfiles`), whichever is less. Names and days are by the till's
//! clock; wherever that is, there are never more than the count, and the one just written stays.
//!
//! `<yyyy-mm-dd_HH-MM-SS.mmm>_dictionary_<first digits of the name>.twp` is the package as it came (compressed by its
//! own format); `…_sales_<number>.jsonl.zst` holds one document or shift a line. An archive helps a person to see
//! what went over the line; nothing reads it back, so a full disk loses an archive and not an exchange.

use crate::settings::BackupSettings;
use fs_err as fs;
use jiff::Zoned;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tillway_proto::PackageName;

/// zstd's usual level: sales shrink six times and cost no time.
const COMPRESSION: i32 = 3;

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

/// Removes archives that are too many or too old, but for the `newest`. Files whose names are not ours stay.
fn prune(settings: &BackupSettings, newest: &Path) -> io::Result<()> {
    let mut archives = archives(&settings.folder)?;
    archives.retain(|path| path != newest);
    let too_many = (archives.len() + 1).saturating_sub(settings.max_files);
    let oldest_kept = SystemTime::now().checked_sub(Duration::from_secs(settings.max_days * 86_400));
    for (index, path) in archives.iter().enumerate() {
        let written = fs::metadata(path)?.modified()?;
        if index < too_many || oldest_kept.is_some_and(|oldest| written < oldest) {
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
    known && name.get(23..).is_some_and(|rest| rest.starts_with("_dictionary_") || rest.starts_with("_sales_"))
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

    #[test]
    fn archives_are_kept_by_days() {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackupSettings { folder: folder.path().to_owned(), max_files: 10, max_days: 3 };
        let old = folder.path().join("2026-01-01_10-00-00.000_sales_1.jsonl.zst");
        let file = std::fs::File::create_new(&old).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(96)).unwrap();
        keep_sales(&settings, b"", 0);
        assert!(!old.exists());
    }
}
