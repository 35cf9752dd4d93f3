//! `sync-agent`: see [`tillway_sync_agent`].

use clap::Parser as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use tillway_file_queue::plain_text::lines;
use tillway_sync_agent::cli::{Cli, execute};

/// Gives freed memory back to the system: docs/adr/0025. Builds for tests go without it: the
/// library `faketime`, by which a test gives a daemon another clock, and this allocator wait for
/// each other at the start of the process.
#[cfg(not(feature = "crash-points"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    tillway_proto::process::arm_crash_points();
    match execute(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "sync-agent: {}", lines(&tillway_sync_agent::error_chain(&error)));
            error.exit_code()
        }
    }
}
