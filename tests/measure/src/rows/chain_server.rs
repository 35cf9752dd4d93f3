//! A cash server with a chain's goods, and what it takes it to take a file in.

use crate::data::{self, Good};
use crate::figure::{Outcome, Usage, of_u64};
use crate::{MeasureError, usage};
use fs_err as fs;
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tillway_tests::bench::{ApiError, BenchError, BenchOptions, TestBench};
use tillway_tests::wait::{Seen, wait_for};

/// A whole chain takes seconds; a debug build on a busy machine takes its time.
const LOAD_TIMEOUT: Duration = Duration::from_mins(5);

/// The name of the server among processes.
pub(super) const SERVER: &str = "cash-server";

/// Rows that a record of the benchmark's goods becomes: an item and its barcode.
pub(super) const ROWS_OF_A_GOOD: usize = 2;

/// A cash server of its own, with nothing in it at first.
pub(super) struct ChainServer {
    pub(super) bench: TestBench,
    files: u32,
}

/// What a load did and what it took.
#[derive(Debug)]
pub(super) struct Taken {
    /// From the flag to the end that the server notes: read, compared, committed with a sync, the
    /// file kept.
    pub(super) outcome: Outcome,
    /// Rows added, changed and deleted.
    pub(super) differences: u64,
    /// When the flag was made.
    pub(super) flagged: Timestamp,
}

/// Resident memory of the server before a load, in bytes.
pub(super) const RESIDENT_BEFORE: &str = "resident before";

/// Seconds until the database's log is in its file and the file that was kept is packed, which the
/// server sees to after it has told of the end.
pub(super) const UNTIL_DONE: &str = "until done";

/// A log up to this size is moved by some later commit: the server's own limit.
const LOG_BYTES: u64 = 64 * 1024 * 1024;

impl ChainServer {
    pub(super) fn start() -> Result<Self, MeasureError> {
        Self::start_with(&[])
    }

    /// With settings in the form `("section.key", "value")`.
    pub(super) fn start_with(settings: &[(&str, &str)]) -> Result<Self, MeasureError> {
        let settings: Vec<(&str, &str)> = settings.iter().copied().chain([("log.level", "\"info\"")]).collect();
        let options = BenchOptions::with(&settings);
        let bench = TestBench::start_as(options).map_err(MeasureError::Bench)?;
        Ok(Self { bench, files: 0 })
    }

    /// Starts it anew, so that its memory is that of a server that has loaded nothing.
    pub(super) fn restart(&mut self) -> Result<(), MeasureError> {
        self.bench.server.switch_off().and_then(|()| self.bench.server.switch_on()).map_err(MeasureError::Bench)
    }

    /// Its process.
    pub(super) fn pid(&self) -> Result<u32, MeasureError> {
        self.bench.server.pid().ok_or_else(|| MeasureError::wrong("the cash server", "it does not run"))
    }

    /// Hands a file over to the chain as a back office does, and waits until its load has ended.
    /// `rows`: how many it names.
    pub(super) fn take(&mut self, file: &Path, rows: usize) -> Result<Taken, MeasureError> {
        let server = &self.bench.server;
        let folder = server.wait_for_folder("All").map_err(MeasureError::Bench)?;
        self.files += 1;
        let name = format!("pos{}", self.files);
        let data = folder.join(format!("{name}.aif"));
        fs::copy(file, folder.join("unfinished.tmp")).map_err(MeasureError::File)?;
        // What the file itself leaves to be written must not be written while its load is timed.
        fs::File::open(folder.join("unfinished.tmp")).and_then(|file| file.sync_all()).map_err(MeasureError::File)?;
        fs::rename(folder.join("unfinished.tmp"), &data).map_err(MeasureError::File)?;
        // Nor what the load before this one has left.
        self.wait_until_done()?;
        let pid = self.pid()?;
        usage::reset_peak(pid)?;
        let (before, resident) = (usage::of_process(pid)?, usage::resident(pid)?);
        let flagged = Timestamp::now();
        fs::write(folder.join(format!("{name}.flz")), "").map_err(MeasureError::File)?;
        let load = self.wait_until_ended(&data)?;
        self.wait_until_done()?;
        let done = Timestamp::now();
        let after = usage::of_process(pid)?;
        let count = |field: &str| load[field].as_u64().unwrap_or(0);
        let named = count("added") + count("changed") + count("unchanged");
        if load["state"] != "ready" || named != rows as u64 {
            return Err(MeasureError::wrong("a load", format!("it should name {rows} rows: {load}")));
        }
        let ended = load["ended_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let ended = ended.ok_or_else(|| MeasureError::wrong("a load", format!("it has no end: {load}")))?;
        let used = Usage { peak_bytes: after.peak_bytes, processor_s: after.processor_s - before.processor_s };
        let outcome = Outcome::of_seconds(ended.duration_since(flagged).as_secs_f64())
            .by(SERVER, used)
            .with(RESIDENT_BEFORE, of_u64(resident))
            .with(UNTIL_DONE, done.duration_since(flagged).as_secs_f64());
        Ok(Taken { outcome, differences: count("added") + count("changed") + count("deleted"), flagged })
    }

    /// Waits until the log of a large load is moved into the database, and the file that was
    /// loaded is packed.
    fn wait_until_done(&self) -> Result<(), MeasureError> {
        let log = self.bench.server.data().join("dictionary.db-wal");
        let backup = self.bench.server.data().join("backup");
        wait_for("the log to be moved into the database, and the file to be packed", LOAD_TIMEOUT, || {
            let bytes = fs::metadata(&log).map_or(0, |log| log.len());
            let unpacked = unpacked(&backup);
            Seen::when(
                bytes <= LOG_BYTES && unpacked == 0,
                (),
                format!("{bytes} bytes of log, {unpacked} files to pack"),
            )
        })
        .map_err(MeasureError::TimedOut)
    }

    fn wait_until_ended(&self, data: &Path) -> Result<Value, MeasureError> {
        let api = self.bench.server.api().map_err(MeasureError::Bench)?;
        let path = "/api/v1/loads?limit=1";
        let source = data.display().to_string();
        let found = wait_for(format!("the load of {source}"), LOAD_TIMEOUT, || {
            let loads = match api.read(path) {
                Ok(loads) => loads,
                Err(error) => return Seen::Ready(Err(error)),
            };
            let load = &loads[0];
            let is_it = load["source"].as_str().is_some_and(|found| found.ends_with(&source));
            let ended = is_it && !load["ended_at"].is_null() && load["state"] != "running";
            Seen::when(ended, Ok::<_, ApiError>(load.clone()), load)
        });
        found.map_err(MeasureError::TimedOut)?.map_err(|error| MeasureError::Bench(BenchError::Api(error)))
    }
}

/// Files that are kept as they came until somebody packs them.
fn unpacked(backup: &Path) -> usize {
    let files = fs::read_dir(backup).into_iter().flatten().filter_map(Result::ok);
    files.filter(|file| file.path().extension().is_some_and(|ending| ending == "unpacked")).count()
}

/// A file with all of these goods; gives its size in bytes.
pub(super) fn whole_file(path: &Path, goods: &[Good]) -> Result<u64, MeasureError> {
    data::aif_file(path, goods, true)?;
    Ok(fs::metadata(path).map_err(MeasureError::File)?.len())
}
