//! A daemon as a child process, with its output in a file.

use crate::guard;
use crate::wait::{Seen, TimedOut, wait_for};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A daemon stops cleanly well within this; later it is killed and the stop has failed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Enough of the end of a log to see why something failed.
const LOG_END_LINES: usize = 60;

/// Why a process did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("failed to start {name}")]
    Start {
        /// What it is.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended by itself.
    #[error("{name} ended by itself: {status}; the end of its output:\n{log}")]
    Ended {
        /// What it is.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        log: String,
    },
    /// It runs on.
    #[error("it did not end by itself; the end of its output:\n{log}")]
    NotEnded {
        /// The end of its output.
        log: String,
        /// How long it had.
        #[source]
        source: TimedOut,
    },
    /// It did not stop when asked to.
    #[error("{name} did not stop; the end of its output:\n{log}")]
    NotStopped {
        /// What it is.
        name: String,
        /// The end of its output.
        log: String,
        /// How long it had.
        #[source]
        source: TimedOut,
    },
}

/// How a daemon ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its status.
    pub status: ExitStatus,
    /// The crash point it ended at, where it says so.
    pub crash_point: Option<String>,
    /// What it wrote since it was started, the end of it.
    pub log: String,
}

/// What a process that ends at a crash point says last, before the point's name.
const CRASHED_AT: &str = "ended at the crash point ";

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    output: PathBuf,
    /// How long the output was when it was started.
    output_before: u64,
}

impl Daemon {
    /// Starts a command with its output appended to `output`.
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name: name.to_owned(), source };
        let file = fs::OpenOptions::new().create(true).append(true).open(output).map_err(failed)?;
        let errors = file.try_clone().map_err(failed)?;
        let output_before = file.metadata().map_err(failed)?.len();
        let child =
            command.stdin(Stdio::null()).stdout(file.into_file()).stderr(errors.into_file()).spawn().map_err(failed)?;
        guard::started(child.id());
        Ok(Self { name: name.to_owned(), child, output: output.to_owned(), output_before })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it ended, with the end of its output.
    pub fn check(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                guard::ending(self.child.id());
                Err(ProcessError::Ended { name: self.name.clone(), status, log: log_end(&self.output) })
            }
            _ => Ok(()),
        }
    }

    /// Waits until it ends by itself, at a crash point for instance.
    pub fn wait_for_end(mut self, timeout: Duration) -> Result<End, ProcessError> {
        let status = wait_for(format!("{} to end", self.name), timeout, || match self.child.try_wait() {
            Ok(Some(status)) => Seen::Ready(status),
            Ok(None) => Seen::NotYet("running".to_owned()),
            Err(error) => Seen::NotYet(error.to_string()),
        });
        match status {
            Ok(status) => Ok(self.ended(status)),
            Err(source) => Err(ProcessError::NotEnded { log: log_end(&self.output), source }),
        }
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<End> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(self.ended(status))
    }

    fn ended(&self, status: ExitStatus) -> End {
        guard::ending(self.child.id());
        let written = fs::read(&self.output).unwrap_or_default();
        let before = usize::try_from(self.output_before).unwrap_or(0).min(written.len());
        let text = String::from_utf8_lossy(&written[before..]).into_owned();
        let point = text.lines().rev().find_map(|line| line.split_once(CRASHED_AT));
        End { status, crash_point: point.map(|(_, name)| name.trim().to_owned()), log: last_lines(&text) }
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub fn stop(mut self) -> Result<ExitStatus, ProcessError> {
        signal(self.child.id(), "TERM");
        wait_for(format!("{} to stop", self.name), STOP_TIMEOUT, || match self.child.try_wait() {
            Ok(Some(status)) => Seen::Ready(status),
            Ok(None) => Seen::NotYet("running".to_owned()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
        .map_err(|source| ProcessError::NotStopped {
            name: self.name.clone(),
            log: log_end(&self.output),
            source,
        })
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(mut self) {
        self.end();
    }

    /// The end of its output.
    pub fn log_end(&self) -> String {
        log_end(&self.output)
    }

    fn end(&mut self) {
        guard::ending(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
}

/// The last lines of a file.
pub fn log_end(path: &Path) -> String {
    let log = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    };
    last_lines(&log)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_END_LINES)..].join("\n")
}

/// What the line `field` of `/proc/<pid>/status` tells of a process's memory, in bytes: `VmRSS` is
/// what it holds now, `VmHWM` the most that it held.
pub fn memory_bytes(pid: u32, field: &str) -> io::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("no {field} in {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_ends_by_itself_shows_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo farewell; exit 3"]);
        let mut daemon = Daemon::start("sh", &mut command, &folder.path().join("sh.log")).unwrap();
        let error = wait_for("its end", Duration::from_secs(10), || match daemon.check() {
            Err(error) => Seen::Ready(error),
            Ok(()) => Seen::NotYet("running".to_owned()),
        })
        .unwrap();
        assert!(error.to_string().contains("farewell"), "{error}");
    }

    #[test]
    fn the_end_at_a_crash_point_is_told_of_this_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let end = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let daemon = Daemon::start("sh", &mut command, &folder.path().join("sh.log")).unwrap();
            daemon.wait_for_end(Duration::from_secs(10)).unwrap()
        };
        let first = end("echo ended at the crash point spool::synced >&2; kill -ABRT $$");
        assert_eq!(first.crash_point.as_deref(), Some("spool::synced"));
        assert!(!first.status.success());
        assert_eq!(end("exit 0").crash_point, None);
    }

    #[test]
    fn a_daemon_stops_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start("sleep", Command::new("sleep").arg("600"), &folder.path().join("log")).unwrap();
        assert!(!daemon.stop().unwrap().success());
    }
}
