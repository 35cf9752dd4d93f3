//! Folders of what was handed over: `backup` for loaded files, packed with zstd, and `badDicts`
//! for what was refused. Names start with the time and the number of the load; what is too old or
//! too much goes, oldest first.

use super::source;
use crate::words::as_said;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use std::error::Error;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tillway_file_queue::durable;
use tillway_proto::LoadId;
use tillway_service::background::{Next, Run, Task, Work};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// Ends the name of a packed file.
pub(super) const PACKED_ENDING: &str = ".zst";

/// Endings of files in `backup`: packed, and as they came until they are.
const PACKED: &str = "zst";
const UNPACKED: &str = "unpacked";

/// Of a thread, as `nice` counts.
const LEAST_PRIORITY: i32 = 19;

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

/// Where a file of this load is kept. The same name each time, so that a load that a crash made
/// come twice is kept once.
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

/// Without a wake, it is looked this often for files that could not be packed.
const PACKING_PERIOD: Duration = Duration::from_hours(1);

/// Whom the intake tells that something was [kept as it came](keep_unpacked).
#[derive(Debug, Default)]
pub(super) struct Packer {
    works: AtomicBool,
    wake: Arc<Notify>,
}

impl Packer {
    /// Whether there is anybody to pack what is kept unpacked.
    pub(super) fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// Something was kept unpacked.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// Packs what was kept as it came, as a task of the server, on a thread that steps back behind all
/// others. When the server stops it ends with the piece under way; what it left is packed after
/// the next start.
pub(super) fn task(packer: Arc<Packer>, archive: PathBuf) -> Task {
    packer.works.store(true, Ordering::Relaxed);
    let wake = Arc::clone(&packer.wake);
    Task::new("intake-packing", PACKING_PERIOD, Packing { packer, archive }).poked_by(wake)
}

/// Why kept files are not packed.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum PackingError {
    /// There is no thread for it.
    #[error("failed to start the thread that packs")]
    #[serde(rename = "no-thread-to-pack")]
    Thread {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A file or the folder.
    #[error("failed to pack a kept file")]
    #[serde(rename = "not-packed")]
    Io {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A defect.
    #[error("packing panicked; the log says where")]
    #[serde(rename = "packing-panicked")]
    Panicked,
}

struct Packing {
    packer: Arc<Packer>,
    archive: PathBuf,
}

impl Work for Packing {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            let (archive, stop) = (self.archive.clone(), stop.clone());
            let (done, ended) = oneshot::channel();
            let work = move || {
                step_back();
                // Whoever waited for it is gone where the server was cut off.
                let _ = done.send(pack_all(&archive, &stop));
            };
            let started = thread::Builder::new().name("intake-packer".to_owned()).spawn(work);
            // Without a thread each file is packed before its load ends.
            self.packer.works.store(started.is_ok(), Ordering::Relaxed);
            started.map_err(|source| PackingError::Thread { source })?;
            let packed = ended.await.map_err(|_| PackingError::Panicked)?;
            packed.map_err(|source| PackingError::Io { source })?;
            Ok(Next::AtPeriod)
        })
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.packer.works.store(false, Ordering::Relaxed);
    }
}

/// Whatever else this machine does goes before this thread.
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(None, LEAST_PRIORITY) {
        tracing::debug!(error = &error as &dyn Error, "packing has the priority of everything else");
    }
}

/// One file that cannot be packed stays as it came and holds up no other; the error is of the
/// first.
fn pack_all(archive: &Path, stop: &CancellationToken) -> io::Result<()> {
    let mut packed = Ok(());
    for entry in fs::read_dir(archive)? {
        let unpacked = entry?.path();
        if !is_unpacked(&unpacked) {
            continue;
        }
        let target = unpacked.with_extension(PACKED);
        match keep(&unpacked, target, |input, output| pack_into(input, output, stop)) {
            Ok(_) => remove_if_there(&unpacked)?,
            Err(_) if stop.is_cancelled() => return Ok(()),
            // Removed by a cleaning in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %unpacked.display(), error = &error as &dyn Error, "failed to pack a kept file; it stays as it came");
                packed = packed.and(Err(error));
            }
        }
    }
    packed
}

fn is_unpacked(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == UNPACKED)
        && path.file_name().is_some_and(|name| name.to_string_lossy().contains(MARK))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Keeps a file as it came, durable, to be packed by [`task`]: under a second name where both
/// folders are on one file system, which costs no copy. `target` has the ending of packed files.
pub(super) fn keep_unpacked(path: &Path, target: &Path) -> io::Result<PathBuf> {
    let unpacked = unpacked(target);
    let (input, _) = source::open(path)?;
    input.sync_all()?;
    // Of a load that a crash cut off behind this.
    remove_if_there(&unpacked)?;
    if fs::hard_link(path, &unpacked).is_err() {
        return copy(path, unpacked);
    }
    if let Some(folder) = unpacked.parent() {
        durable::sync_dir(folder)?;
    }
    Ok(unpacked)
}

/// Where a file that is kept as it came lies until it is packed.
pub(super) fn unpacked(packed: &Path) -> PathBuf {
    packed.with_extension(UNPACKED)
}

/// Since when a file is kept.
pub(super) fn kept_since(path: &Path, file: &std::fs::Metadata) -> SystemTime {
    // A second name has the time at which the producer wrote.
    if is_unpacked(path) { changed(file) } else { file.modified().unwrap_or(SystemTime::UNIX_EPOCH) }
}

/// Keeps a file, packed.
pub(super) fn pack(path: &Path, target: PathBuf) -> io::Result<PathBuf> {
    keep(path, target, |input, output| pack_into(input, output, &CancellationToken::new()))
}

fn pack_into(input: &mut fs::File, output: &mut fs::File, stop: &CancellationToken) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if stop.is_cancelled() {
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

/// Keeps what an open file holds, whatever became of its name.
pub(super) fn copy_open(file: &fs::File, target: PathBuf) -> io::Result<PathBuf> {
    let unfinished = unfinished(&target);
    let mut input = file.try_clone()?;
    input.rewind()?;
    write_from(&mut input, &unfinished, |input, output| io::copy(input, output).map(|_| ()))?;
    give_name(&unfinished, &target)?;
    Ok(target)
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
    write_from(&mut input, unfinished, fill)
}

fn write_from(
    input: &mut fs::File,
    unfinished: &Path,
    fill: impl FnOnce(&mut fs::File, &mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let mut output = fs::File::create(unfinished)?;
    let written = fill(input, &mut output).and_then(|()| output.flush()).and_then(|()| output.sync_all());
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
    remove_if_there(&reason_of(kept))?;
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
    /// Files of so many loads, the newest, do not go by their age: a clock that jumps ahead makes
    /// everything old at once.
    pub(super) newest_loads: usize,
}

/// Removes what is older than it may be, or beyond the newest that may stay. Which is newer, the
/// number of the load says: it only grows, whatever the clock does. Files that are not of this
/// program stay. How many were removed; so many as may go at once, and there may be more.
pub(super) fn clean(archive: &Path, keep: Keep, now: SystemTime) -> io::Result<usize> {
    let mut kept: Vec<(i64, SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(archive)? {
        let entry = entry?;
        if let Some(load) = load_of(&entry.file_name().to_string_lossy()) {
            let file = entry.metadata()?;
            kept.push((load, kept_since(&entry.path(), &file), entry.path(), file.len()));
        }
    }
    kept.sort();
    let horizon = now.checked_sub(Duration::from_secs(u64::from(keep.days) * 24 * 60 * 60));
    let (mut files, mut bytes) = (kept.len(), kept.iter().map(|(.., bytes)| bytes).sum::<u64>());
    let mut loads: Vec<i64> = kept.iter().map(|(load, ..)| *load).collect();
    loads.dedup();
    // The first of those that do not go by their age.
    let newest_from = loads.len().saturating_sub(keep.newest_loads);
    let newest_from = loads.get(newest_from).copied().unwrap_or(i64::MAX);
    let mut removed = 0;
    for (load, modified, path, size) in kept.into_iter().take(MAX_REMOVED_AT_ONCE) {
        let too_old = load < newest_from && horizon.is_some_and(|horizon| modified < horizon);
        if files > keep.files || bytes > keep.bytes || too_old {
            fs::remove_file(path)?;
            removed += 1;
            files -= 1;
            bytes -= size;
        }
    }
    Ok(removed)
}

/// The load that a file was kept of, by its name; none: the file is not of this program.
fn load_of(name: &str) -> Option<i64> {
    let (_, rest) = name.split_once(MARK)?;
    let number = rest.split_once('-').map_or(rest, |(number, _)| number);
    // One whose number cannot be read is the oldest.
    Some(number.parse().unwrap_or(i64::MIN))
}

/// When names or content of a file changed last.
fn changed(file: &std::fs::Metadata) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(file.ctime()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_service::background::Background;

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

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_kept_as_it_came_is_packed_by_and_by_also_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("backup");
        fs::create_dir(&archive).unwrap();
        let keep = |load: i64, text: &str| {
            let path = folder.path().join(format!("pos{load}.aif"));
            fs::write(&path, text).unwrap();
            let old = fs::OpenOptions::new().write(true).open(&path).unwrap();
            old.into_parts().0.set_modified(SystemTime::now() - Duration::from_hours(24 * 400)).unwrap();
            let target = place(&archive, LoadId(load), Timestamp::UNIX_EPOCH, "All-pos.aif", ".zst");
            // Twice: the load that a crash cut off comes again.
            for _ in 0..2 {
                assert!(keep_unpacked(&path, &target).unwrap().exists());
            }
            // It is not as old as its content.
            let days = Keep { days: 30, files: 9, bytes: 1 << 30, newest_loads: 0 };
            assert_eq!(clean(&archive, days, SystemTime::now()).unwrap(), 0);
            fs::remove_file(path).unwrap();
            target
        };
        let packed = |target: &Path, text: &str| {
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            while !(target.exists() && fs::read_dir(&archive).unwrap().all(|file| !is_unpacked(&file.unwrap().path())))
            {
                assert!(std::time::Instant::now() < deadline, "not packed");
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(zstd::decode_all(fs::File::open(target).unwrap()).unwrap(), text.as_bytes());
        };
        fs::write(archive.join("notes.unpacked"), "mine").unwrap();
        let left = keep(1, "left by an earlier process");
        let packer = Arc::<Packer>::default();
        assert!(!packer.works());
        let (tasks, stop) = (vec![task(Arc::clone(&packer), archive.clone())], CancellationToken::new());
        assert!(packer.works());
        let token = stop.clone();
        let driver = tokio::spawn(async move { Background::default().run(tasks, token).await });
        packed(&left, "left by an earlier process");
        let next = keep(2, "the next one");
        packer.wake();
        packed(&next, "the next one");
        stop.cancel();
        driver.await.unwrap();
        assert!(!packer.works(), "whoever keeps a file now packs it at once");
        assert!(archive.join("notes.unpacked").exists());
    }

    #[test]
    fn kept_files_go_by_age_and_by_number_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        for (load, age_days) in [(1, 40), (2, 31), (3, 3), (4, 2), (5, 1)] {
            kept(folder.path(), load, age_days);
        }
        let clean = |files, bytes| {
            let keep = Keep { days: 30, files, bytes, newest_loads: 0 };
            clean(folder.path(), keep, SystemTime::now()).unwrap()
        };
        assert_eq!(clean(100, 100), 2);
        assert_eq!(clean(2, 100), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(clean(0, 100), 2);
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn a_clock_that_jumps_a_year_ahead_leaves_the_files_of_the_newest_loads() {
        let folder = tempfile::tempdir().unwrap();
        for load in 1..=12 {
            kept(folder.path(), load, 1);
        }
        // Its reason stays with it.
        fs::write(reason_of(&place(folder.path(), LoadId(12), Timestamp::now(), "All-pos.aif", ".zst")), "why")
            .unwrap();
        let year_ahead = SystemTime::now() + Duration::from_hours(24 * 366);
        let keep = Keep { days: 30, files: 100, bytes: 1 << 30, newest_loads: 3 };
        assert_eq!(clean(folder.path(), keep, year_ahead).unwrap(), 9);
        let names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for load in ["-load-10-", "-load-11-", "-load-12-"] {
            assert!(names.iter().any(|name| name.contains(load)), "{load}: {names:?}");
        }
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn files_from_a_clock_that_was_ahead_do_not_outlive_newer_loads() {
        let folder = tempfile::tempdir().unwrap();
        kept(folder.path(), 2, 0);
        let ahead = place(folder.path(), LoadId(1), Timestamp::now(), "All-pos.aif", ".zst");
        let file = fs::File::create(ahead).unwrap();
        file.into_parts().0.set_modified(SystemTime::now() + Duration::from_hours(24 * 366)).unwrap();
        let keep = Keep { days: 30, files: 1, bytes: 1 << 30, newest_loads: 1 };
        assert_eq!(clean(folder.path(), keep, SystemTime::now()).unwrap(), 1);
        let left = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().file_name();
        assert!(left.to_string_lossy().contains("-load-2-"), "{left:?}");
    }

    #[test]
    fn kept_files_go_by_their_bytes_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        for (load, age_days) in [(1, 3), (2, 2), (3, 1)] {
            kept(folder.path(), load, age_days);
        }
        let keep = Keep { days: 30, files: 9, bytes: 25, newest_loads: 0 };
        assert_eq!(clean(folder.path(), keep, SystemTime::now()).unwrap(), 1);
        assert_eq!(clean(folder.path(), keep, SystemTime::now()).unwrap(), 0);
    }
}
