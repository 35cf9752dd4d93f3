//! Crash points: places between two steps that must survive a power cut, where a test ends the
//! process or breaks a step.
//!
//! A place is marked with `fail::fail_point!("<module>::<step that was just done>")`, which is
//! nothing at all unless the crates are built with their feature `crash-points`. Then the
//! environment says what happens:
//!
//! - `TILLWAY_CRASH=<point>[=<n>],…`: at the n-th time (the first where it is not said) that a
//!   named point is passed, the process ends at once, as by `kill -9`: nothing is flushed, no
//!   destructor runs.
//! - `FAILPOINTS=<point>=<action>;…`: what the crate `fail` can do, `sleep(100)` or `return` for
//!   instance. Points named `without::<protection>` switch a protection off, to show that a test
//!   would notice.

/// The variable that names the points to end at.
pub const CRASH_VARIABLE: &str = "TILLWAY_CRASH";

/// Whether this program was built with crash points.
pub const HAS_CRASH_POINTS: bool = cfg!(feature = "crash-points");

/// Reads the environment; first thing in `main`. Without the feature it does nothing.
#[cfg(not(feature = "crash-points"))]
pub fn arm_crash_points() {}

/// Reads the environment; first thing in `main`. Ends the process where the environment is wrong:
/// a test that crashes nowhere would prove nothing.
#[cfg(feature = "crash-points")]
pub fn arm_crash_points() {
    // Kept for the whole process: dropping it would disarm all points.
    std::mem::forget(fail::FailScenario::setup());
    let Ok(points) = std::env::var(CRASH_VARIABLE) else { return };
    for point in points.split(',').filter(|point| !point.is_empty()) {
        let (name, count) = point.split_once('=').unwrap_or((point, "1"));
        let armed = count.parse::<u64>().map_err(|error| error.to_string()).and_then(|count| arm(name, count));
        if let Err(reason) = armed {
            say(&format!("{CRASH_VARIABLE}: `{point}`: {reason}"));
            std::process::exit(2);
        }
    }
}

#[cfg(feature = "crash-points")]
fn arm(name: &str, count: u64) -> Result<(), String> {
    let passed = std::sync::atomic::AtomicU64::new(0);
    let named = name.to_owned();
    fail::cfg_callback(name, move || {
        if passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == count {
            say(&format!("ended at the crash point {named}"));
            std::process::abort();
        }
    })
}

/// Straight to standard error: the log may be the very thing that is not flushed.
#[cfg(feature = "crash-points")]
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
