//! What a storm does to processes beyond ending them, and what it reads of them.

use std::process::Command;

/// Holds a process where it is: it neither works nor closes its connections.
pub fn freeze(pid: u32) {
    signal(pid, "STOP");
}

/// Lets it go on.
pub fn thaw(pid: u32) {
    signal(pid, "CONT");
}

/// Resident memory of a process, in KiB; 0 where it is gone.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn signal(pid: u32, name: &str) {
    // Where it is gone in the meantime there is nothing to hold.
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
}
