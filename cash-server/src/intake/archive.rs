//! Folders of what was handed over: `backup` for loaded files, packed with zstd, and `badDicts` for what was refused.
//! Names start with the time and the number of the load; what is too old or too much goes, oldest first.

use super::source;
use fs_err as fs;
use jiff::Timestamp;
use std::io::{self, Read as _, Write as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use tillway_file_queue::durable;
use tillway_proto::LoadId;

/// The fastest, and a fifth of the size for AIF.
const ZSTD_LEVEL: i32 = 1;

/// Read at once to be packed.
const PIECE_BYTES: usize = 256 * 1024;

/// Files that one cleaning removes at most, so that it never holds up loads for long.
pub(super) const MAX_REMOVED_AT_ONCE: usize = 1000;

/// Ends the name of the file that says why the one beside it was given up.
const REASON: &str = ".reason.txt";

/// Ends the name of a file that is still being written.
const UNFINISHED: &str = "tmp";

/// Marks the name of a kept file: `<time>-load-<number>-<folder>-<file>`.
const MARK: &str = "-load-";

/// Where a file of this load is kept. The same name each time, so that a load that a crash made come twice is kept once.
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

/// Packs a file, on a thread of its own where one is to be had: it is read from the cache while it is loaded. Dropped before
/// [`Packing::finish`], nothing is kept.
#[derive(Debug)]
pub(super) struct Packing {
    target: PathBuf,
    unfinished: PathBuf,
    work: Option<JoinHandle<io::Result<()>>>,
    given_up: Arc<AtomicBool>,
}

impl Packing {
    /// Begins to pack; the error if no thread is to be had.
    pub(super) fn begin(path: &Path, target: PathBuf) -> io::Result<Self> {
        let (unfinished, given_up) = (unfinished(&target), Arc::new(AtomicBool::new(false)));
        let (from, to, stop) = (path.to_owned(), unfinished.clone(), Arc::clone(&given_up));
        let pack = move || write(&from, &to, |input, output| pack_into(input, output, &stop));
        let work = thread::Builder::new().name("intake-packer".to_owned()).spawn(pack)?;
        Ok(Self { target, unfinished, work: Some(work), given_up })
    }

    /// Keeps what is packed, durable, under its name.
    pub(super) fn finish(mut self) -> io::Result<PathBuf> {
        let Some(work) = self.work.take() else { return Err(io::ErrorKind::NotFound.into()) };
        work.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        give_name(&self.unfinished, &self.target)?;
        Ok(self.target.clone())
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.given_up.store(true, Ordering::Relaxed);
            // It is not needed any more, however it went; cleaning removes what stays.
            let _ = work.join();
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Keeps a file, packed.
pub(super) fn pack(path: &Path, target: PathBuf) -> io::Result<PathBuf> {
    keep(path, target, |input, output| pack_into(input, output, &AtomicBool::new(false)))
}

fn pack_into(input: &mut fs::File, output: &mut fs::File, given_up: &AtomicBool) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if given_up.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match input.read(&mut piece)? {
            0 => break,
            read => encoder.write_all(&piece[..read])?,
        }
    }
    encoder.finish()?;
    Ok(())
}

/// Keeps a file as it is.
pub(super) fn copy(path: &Path, target: PathBuf) -> io::Result<PathBuf> {
    keep(path, target, |input, output| io::copy(input, output).map(|_| ()))
}

fn keep(
    path: &Path,
    target: PathBuf,
    fill: impl FnOnce(&mut fs::File, &mut fs::File) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let unfinished = unfinished(&target);
    write(path, &unfinished, fill)?;
    give_name(&unfinished, &target)?;
    Ok(target)
}

/// What was written to the end gets its name.
fn give_name(unfinished: &Path, target: &Path) -> io::Result<()> {
    fail::fail_point!("intake::copy_written");
    durable::rename(unfinished, target)
}

/// The name of a file that is still being written.
fn unfinished(target: &Path) -> PathBuf {
    let mut unfinished = target.to_owned().into_os_string();
    unfinished.push(format!(".{UNFINISHED}"));
    unfinished.into()
}

/// Writes a file from another one, and syncs it.
fn write(
    path: &Path,
    unfinished: &Path,
    fill: impl FnOnce(&mut fs::File, &mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let (mut input, _) = source::open(path)?;
    let mut output = fs::File::create(unfinished)?;
    let written = fill(&mut input, &mut output).and_then(|()| output.flush()).and_then(|()| output.sync_all());
    if written.is_err() {
        // The first error is the one to tell; cleaning removes what stays.
        let _ = fs::remove_file(unfinished);
    }
    written
}

/// Says beside a kept file why it was given up.
pub(super) fn note_reason(kept: &Path, reason: &str) -> io::Result<()> {
    durable::write_atomic(&reason_of(kept), format!("{reason}\n").as_bytes())
}

/// Removes a kept file, and its reason.
pub(super) fn remove_kept(kept: &Path) -> io::Result<()> {
    match fs::remove_file(reason_of(kept)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::remove_file(kept)
}

fn reason_of(kept: &Path) -> PathBuf {
    let mut name = kept.to_owned().into_os_string();
    name.push(REASON);
    name.into()
}

/// What of an archive may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) days: u32,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// Removes what is older than it may be, or beyond the newest that may stay. Files that are not of this program stay. How
/// many were removed; so many as may go at once, and there may be more.
pub(super) fn clean(archive: &Path, keep: Keep, now: SystemTime) -> io::Result<usize> {
    let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(archive)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(MARK) {
            let file = entry.metadata()?;
            kept.push((file.modified()?, entry.path(), file.len()));
        }
    }
    kept.sort();
    let horizon = now.checked_sub(Duration::from_secs(u64::from(keep.days) * 24 * 60 * 60));
    let (mut files, mut bytes) = (kept.len(), kept.iter().map(|(_, _, bytes)| bytes).sum::<u64>());
    let mut removed = 0;
    for (modified, path, size) in kept.into_iter().take(MAX_REMOVED_AT_ONCE) {
        if files > keep.files || bytes > keep.bytes || horizon.is_some_and(|horizon| modified < horizon) {
            fs::remove_file(path)?;
            removed += 1;
            files -= 1;
            bytes -= size;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path, load: i64, age_days: u64) {
        let path = place(folder, LoadId(load), Timestamp::now(), "All-pos.aif", ".zst");
        fs::write(&path, [0; 10]).unwrap();
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
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
    fn what_is_packed_meanwhile_is_kept_when_it_is_finished_and_never_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pos.aif");
        let text = "text".repeat(1_000_000);
        fs::write(&path, &text).unwrap();
        let target = folder.path().join("kept.zst");
        drop(Packing::begin(&path, target.clone()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let packing = Packing::begin(&path, target.clone()).unwrap();
        assert!(!target.exists());
        assert_eq!(packing.finish().unwrap(), target);
        assert_eq!(zstd::decode_all(fs::File::open(target).unwrap()).unwrap(), text.as_bytes());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(Packing::begin(&folder.path().join("gone"), folder.path().join("x")).unwrap().finish().is_err());
    }

    #[test]
    fn kept_files_go_by_age_and_by_number_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        for (load, age_days) in [(1, 40), (2, 31), (3, 3), (4, 2), (5, 1)] {
            kept(folder.path(), load, age_days);
        }
        let clean = |files, bytes| clean(folder.path(), Keep { days: 30, files, bytes }, SystemTime::now()).unwrap();
        assert_eq!(clean(100, 100), 2);
        assert_eq!(clean(2, 100), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(clean(0, 100), 2);
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn kept_files_go_by_their_bytes_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        for (load, age_days) in [(1, 3), (2, 2), (3, 1)] {
            kept(folder.path(), load, age_days);
        }
        let keep = Keep { days: 30, files: 9, bytes: 25 };
        assert_eq!(clean(folder.path(), keep, SystemTime::now()).unwrap(), 1);
        assert_eq!(clean(folder.path(), keep, SystemTime::now()).unwrap(), 0);
    }
}
