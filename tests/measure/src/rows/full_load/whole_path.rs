//! The whole path on one machine: cash server, broker, sync agent, with the settings that a
//! customer has.

use crate::MeasureError;
use crate::figure::{Outcome, Usage};
use crate::usage;
use fs_err as fs;
use jiff::Timestamp;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::Revision;
use tillway_tests::bench::{TestBench, Till, TillOptions};
use tillway_tests::wait::{Seen, wait_for};

/// Where the time goes, in the order of the way: figures of each run.
pub(super) const STEPS: [&str; 4] = [
    "read, compared and committed by the server",
    "package built, verified and announced",
    "downloaded, verified and put into the file queue",
    "loaded and verified by the till",
];

/// Longest wait for anything; a load takes seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often the till's cursor is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A new server, a new till, the file: from the rename of the flag to the cursor of the till,
/// which moves in the transaction that verified every row.
pub(super) fn run(aif: &Path, rows: usize) -> Result<Outcome, MeasureError> {
    let bench = TestBench::start_with(&[("log.level", "\"info\"")]).map_err(MeasureError::Bench)?;
    let shop = bench.add_shop("1").map_err(MeasureError::Bench)?;
    let mut till = bench.prepare_till(&shop, "1", "1", TillOptions::default()).map_err(MeasureError::Bench)?;
    log_as_a_customer(&till)?;
    till.start_agent().map_err(MeasureError::Bench)?;
    wait_for_contact(&bench, &till)?;

    let folder = bench.server.wait_for_folder("shop-1").map_err(MeasureError::Bench)?;
    fs::copy(aif, folder.join("pos1.tmp")).map_err(MeasureError::File)?;
    fs::File::open(folder.join("pos1.tmp")).and_then(|file| file.sync_all()).map_err(MeasureError::File)?;
    fs::rename(folder.join("pos1.tmp"), folder.join("pos1.aif")).map_err(MeasureError::File)?;
    fs::write(folder.join("flag.tmp"), "").map_err(MeasureError::File)?;
    let daemons = [("cash-server", bench.server.pid()), ("sync-agent", till.pid())];
    let daemons: Vec<(&str, u32)> = daemons.into_iter().filter_map(|(name, pid)| Some((name, pid?))).collect();
    let mut before = Vec::new();
    for (_, pid) in &daemons {
        usage::reset_peak(*pid)?;
        before.push(usage::of_process(*pid)?);
    }

    let at = Timestamp::now();
    let started = Instant::now();
    fs::rename(folder.join("flag.tmp"), folder.join("pos1.flz")).map_err(MeasureError::File)?;
    let queue = till.folder().join("queues/dictionary/ready");
    let mut queued = f64::NAN;
    let mut outcome = loop {
        if queued.is_nan() && fs::read_dir(&queue).is_ok_and(|mut entries| entries.next().is_some()) {
            queued = started.elapsed().as_secs_f64();
        }
        let state = till.state().unwrap_or_default();
        if state.cursor > Revision::ZERO {
            let seconds = started.elapsed().as_secs_f64();
            if state.rows != rows as u64 {
                return Err(MeasureError::wrong(
                    "the whole path",
                    format!("the till has {} rows of {rows}", state.rows),
                ));
            }
            break Outcome::of_seconds(seconds);
        }
        if started.elapsed() > PATIENCE {
            till.check_agent().map_err(MeasureError::Bench)?;
            return Err(MeasureError::wrong("the whole path", format!("nothing at the till within {PATIENCE:?}")));
        }
        thread::sleep(LOOK);
    };
    for ((name, pid), before) in daemons.iter().zip(before) {
        let after = usage::of_process(*pid)?;
        let processor_s = after.processor_s - before.processor_s;
        outcome = outcome.by(name, Usage { peak_bytes: after.peak_bytes, processor_s });
    }
    let ends = [
        said_at(&bench.folder().join("server/cash-server.log"), "load ended", at),
        said_at(&till.folder().join("sync.log"), "the server announced a package", at),
        queued,
        outcome.seconds,
    ];
    let mut begin = 0.0;
    for (step, end) in STEPS.into_iter().zip(ends) {
        outcome = outcome.with(step, end - begin);
        begin = end;
    }
    till.stop_agent().map_err(MeasureError::Bench)?;
    Ok(outcome)
}

/// Tests let agents say everything.
fn log_as_a_customer(till: &Till) -> Result<(), MeasureError> {
    let file = till.folder().join("logging.conf");
    let text = fs::read_to_string(&file).map_err(MeasureError::File)?;
    fs::write(&file, text.replace("level=DEBUG", "level=INFO")).map_err(MeasureError::File)
}

/// Until the server heard of the till, so that its queue is there and it listens.
fn wait_for_contact(bench: &TestBench, till: &Till) -> Result<(), MeasureError> {
    let path = format!("/api/v1/tills/{}", till.id);
    let api = bench.server.api().map_err(MeasureError::Bench)?;
    let heard = wait_for("the till's first contact", PATIENCE, || match api.read(&path) {
        Ok(seen) => Seen::when(seen["last_contact"].is_string(), (), &seen),
        Err(error) => Seen::NotYet(error.to_string()),
    });
    heard.map_err(MeasureError::TimedOut)
}

/// Seconds after `since` until a log's first line with these words that is no older; not a number
/// where there is none.
fn said_at(log: &Path, words: &str, since: Timestamp) -> f64 {
    let text = fs::read_to_string(log).unwrap_or_default();
    let time_of = |line: &str| line.split_whitespace().next()?.parse::<Timestamp>().ok();
    let mut times = text.lines().filter(|line| line.contains(words)).filter_map(time_of);
    let found = times.find(|time| *time >= since);
    found.map_or(f64::NAN, |time| time.duration_since(since).as_secs_f64())
}
