//! What the packages lay out, as far as it can be tried without installing them: their units, and
//! the folder that agent and POS share. `packaging/try` does the rest on a booted Debian.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod changelog;
mod two_users;
mod units;

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file of the project.
fn of_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().unwrap()
}

/// Says that a test tries nothing here, where a person sees it: the harness would keep it to
/// itself.
fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{test}: not tried: {why}");
}

/// Whether a program of the system is there.
fn is_there(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
}
