//! `file-queue`: looks into the queues of a till or server, and puts them right.

use std::process::ExitCode;

use clap::Parser;
use tillway_file_queue::cli::{self, Arguments};
use tillway_file_queue::plain_text::PlainWriter;

fn main() -> ExitCode {
    let (output, errors) = (std::io::stdout().lock(), std::io::stderr().lock());
    cli::run(&Arguments::parse(), &mut PlainWriter::new(output), &mut PlainWriter::new(errors))
}
