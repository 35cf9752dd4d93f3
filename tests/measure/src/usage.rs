//! Memory and processor time of processes.

use super::MeasureError;
use super::figure::Usage;
use fs_err as fs;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::path::PathBuf;
use tillway_tests::process::memory_bytes;

/// Ticks of `/proc/<pid>/stat` in a second; what Linux tells user space is always this.
const TICKS_PER_SECOND: f64 = 100.0;

/// Of this process, since it started.
pub fn own() -> Result<Usage, MeasureError> {
    // The peak that getrusage tells of a process goes on from the one that started it.
    Ok(Usage { peak_bytes: status(std::process::id(), "VmHWM")?, ..of(UsageWho::RUSAGE_SELF)? })
}

/// Of the child processes of this one that have ended: the largest, and the time of all.
pub fn of_children() -> Result<Usage, MeasureError> {
    of(UsageWho::RUSAGE_CHILDREN)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a run")]
fn of(who: UsageWho) -> Result<Usage, MeasureError> {
    let usage = getrusage(who).map_err(|error| MeasureError::Usage(error.into()))?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let peak_bytes = u64::try_from(usage.max_rss()).unwrap_or(0) * 1024;
    Ok(Usage { peak_bytes, processor_s: microseconds as f64 / 1e6 })
}

/// Of a running process: its peak since it started or since [`reset_peak`], and all its processor
/// time.
pub fn of_process(pid: u32) -> Result<Usage, MeasureError> {
    let stat = fs::read_to_string(proc(pid, "stat")).map_err(MeasureError::Usage)?;
    // The name in parentheses may hold anything; the fields behind it are numbers. 14 and 15 of
    // proc(5) are the times.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    Ok(Usage { peak_bytes: status(pid, "VmHWM")?, processor_s: (ticks(11) + ticks(12)) / TICKS_PER_SECOND })
}

/// Resident memory of a process now.
pub fn resident(pid: u32) -> Result<u64, MeasureError> {
    status(pid, "VmRSS")
}

/// From now on the peak of a process is counted anew.
pub fn reset_peak(pid: u32) -> Result<(), MeasureError> {
    fs::write(proc(pid, "clear_refs"), "5").map_err(MeasureError::Usage)
}

fn status(pid: u32, field: &str) -> Result<u64, MeasureError> {
    memory_bytes(pid, field).map_err(MeasureError::Usage)
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_see_the_same_process() {
        let kept = vec![1_u8; 64 << 20];
        let (own, by_id) = (own().unwrap(), of_process(std::process::id()).unwrap());
        assert!(kept.iter().all(|byte| *byte == 1));
        for usage in [own, by_id] {
            assert!(usage.peak_bytes >= 64 << 20, "{usage:?}");
        }
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }
}
