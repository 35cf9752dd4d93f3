//! The cash server: see [`tillway_cash_server`] for what it does, `cash-server --help` for how it
//! is asked.

use clap::Parser as _;
use std::process::ExitCode;
use tillway_cash_server::cli::{Arguments, run};
use tillway_file_queue::plain_text::PlainWriter;

/// Gives freed memory back to the system: docs/adr/0025. Builds for tests go without it: the
/// library `faketime`, by which a test gives a daemon another clock, and this allocator wait for
/// each other at the start of the process.
#[cfg(not(feature = "crash-points"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tillway_proto::process::arm_crash_points();
    let (output, errors) = (std::io::stdout().lock(), std::io::stderr());
    run(Arguments::parse(), &mut PlainWriter::new(output), &mut PlainWriter::new(errors))
}
