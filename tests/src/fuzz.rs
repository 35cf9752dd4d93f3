//! What any bytes may do to whoever reads them: one function for each format that comes from a
//! disk, a wire or a person.
//!
//! Each holds to the same promises, by assertion: it never panics; what it makes of its input is
//! bounded by the input or by a named limit; what it takes, it writes again and reads as the same;
//! what it refuses, it refuses with a reason that names the place where the format has places. The
//! same functions run in `tests/tests/fuzz` on every change and, for as long as one likes, under
//! cargo-fuzz (`fuzz/README.md`).

#![allow(clippy::missing_panics_doc)] // a body panics to tell what broke, and for nothing else

mod commands;
mod disk;
mod documents;
pub mod mutate;
mod rows;
mod settings;
mod wire;

pub use commands::{aif, aif_json, amqp_command, amqp_report};
pub use disk::{package, package_messages, queue_file, spool_segment};
pub use documents::documents_db;
pub use rows::row_decode;
pub use settings::{logging_conf, settings_ini, settings_toml};
pub use wire::grpc_frames;

use tempfile::TempDir;

/// Longest message about what is wrong: it goes into logs, reports and queues.
pub const MAX_TOLD_BYTES: usize = 16 * 1024;

/// One body: it panics where a promise does not hold.
pub type Body = fn(&[u8]);

/// All bodies with their names.
pub const BODIES: [(&str, Body); 14] = [
    ("aif", aif),
    ("aif_json", aif_json),
    ("amqp_command", amqp_command),
    ("amqp_report", amqp_report),
    ("documents_db", documents_db),
    ("grpc_frames", grpc_frames),
    ("logging_conf", logging_conf),
    ("package", package),
    ("package_messages", package_messages),
    ("queue_file", queue_file),
    ("row_decode", row_decode),
    ("settings_ini", settings_ini),
    ("settings_toml", settings_toml),
    ("spool_segment", spool_segment),
];

/// An error says something, and not a book; with all its causes.
fn assert_told(error: &(dyn std::error::Error + 'static)) {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!told.trim().is_empty(), "an error without words");
    assert!(
        told.len() <= MAX_TOLD_BYTES,
        "an error of {} bytes: {}…",
        told.len(),
        told.chars().take(200).collect::<String>()
    );
}

/// A folder in memory where there is one: thousands of small files a second are written.
#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}
