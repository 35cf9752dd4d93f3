//! The cash server: see [`tillway_cash_server`] for what it does, `cash-server --help` for how it is asked.

use clap::Parser as _;
use std::process::ExitCode;
use tillway_cash_server::cli::{Arguments, run};

fn main() -> ExitCode {
    tillway_proto::process::arm_crash_points();
    run(Arguments::parse(), &mut std::io::stdout().lock(), &mut std::io::stderr())
}
