//! `demo`: real shops' prices go down to their tills, and their real receipts come back.
//! `./dev demo` runs it.

use clap::Parser;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use tillway_tests::demo::{Demo, DemoOptions};
use tillway_tests::journey::WEEKS;

/// Watch real shops' prices go down to their tills, and their real receipts come back.
#[derive(Parser)]
struct Arguments {
    /// End by itself: 0 when everything agreed, 1 when something did not.
    #[arg(long)]
    once: bool,
    /// How many weeks of the year 2017 to play, 1 to 53.
    #[arg(long, default_value_t = WEEKS, value_parser = clap::value_parser!(u32).range(1..=i64::from(WEEKS)))]
    weeks: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = DemoOptions { weeks: arguments.weeks, once: arguments.once, until_now: false };
    let mut out = io::stdout().lock();
    let ended = Demo::start(options, &mut out).and_then(|demo| demo.run(&mut out));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(out, "demo: failed: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
