//! Daemons never outlive the kit, however it ends: a small shell (`guard.sh`) watches over them.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The pipe to the guard of this process; none where it could not be started: then only clean ends
/// are clean.
static GUARD: LazyLock<Mutex<Option<ChildStdin>>> = LazyLock::new(|| Mutex::new(start()));

fn start() -> Option<ChildStdin> {
    let guard = Command::new("bash")
        .args(["-c", include_str!("guard.sh"), "tillway-daemon-guard"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    guard.ok().and_then(|mut child| child.stdin.take())
}

/// A daemon was started.
pub(crate) fn started(pid: u32) {
    tell(format_args!("+ {pid}\n"));
}

/// A daemon is about to be reaped; call it before waiting for its end.
pub(crate) fn ending(pid: u32) {
    tell(format_args!("- {pid}\n"));
}

fn tell(line: std::fmt::Arguments<'_>) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = guard.as_mut() {
        // A guard that is gone guards nothing; that is no reason to fail.
        let _ = pipe.write_fmt(line);
    }
}
