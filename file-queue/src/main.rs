//! `file-queue`: looks into the queues of a till or server, and puts them right.

use std::process::ExitCode;

use clap::Parser;
use tillway_file_queue::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::run(&Arguments::parse(), &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}
