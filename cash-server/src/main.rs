//! The cash server: see [`tillway_cash_server`] for what it does, `cash-server --help` for how it is asked.

use clap::Parser as _;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;
use tillway_cash_server::cli::{Arguments, run};
use tillway_file_queue::plain_text::PlainWriter;

/// Gives freed memory back to the system: docs/adr/0025.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    tillway_proto::process::arm_crash_points();
    let (output, errors) = (std::io::stdout().lock(), std::io::stderr());
    run(Arguments::parse(), &mut PlainWriter::new(output), &mut PlainWriter::new(errors))
}
