//! `soak`: a storm over a whole chain on this machine, for minutes or hours; see
//! `tillway_tests::storm`.

use clap::Parser;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tillway_tests::storm::{Storm, StormError, StormOptions};

/// Blows faults at a cash server, a broker and tills, and checks that nothing is lost and nothing
/// is there twice
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// How long the storm lasts; calm and the last checks come on top
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Makes all choices; left out: one by the clock
    #[arg(long)]
    seed: Option<u64>,
    /// How many tills
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    tills: u16,
    /// Switch a protection off in all daemons: the storm must notice, and ends when it does
    #[arg(long, value_name = "PROTECTION")]
    without: Option<String>,
    /// Go on after the first finding
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = arguments.seed.unwrap_or_else(by_clock);
    say(&format!("soak: seed {seed}"));
    match soak(&arguments, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut told = format!("soak: seed {seed}: {error}");
            let mut cause = std::error::Error::source(&*error);
            while let Some(error) = cause {
                let _ = write!(told, ": {error}");
                cause = error.source();
            }
            say(&told);
            ExitCode::from(2)
        }
    }
}

/// Whether all invariants held.
fn soak(arguments: &Arguments, seed: u64) -> Result<bool, Box<StormError>> {
    let started = Instant::now();
    let mut storm = Storm::start(StormOptions {
        tills: usize::from(arguments.tills),
        without: arguments.without.clone(),
        until_found: !arguments.keep_going,
        own_broker: true,
        ..StormOptions::new(seed, Duration::from_secs(60 * arguments.minutes))
    })?;
    say(&format!("soak: everything lies in {}", storm.folder().display()));
    let ran = storm.run(say);
    let outcome = storm.end();
    say(&format!("soak: seed {seed}, {} s in all\n{}", started.elapsed().as_secs(), outcome.counts));
    for finding in &outcome.findings {
        say(&format!(
            "{} does not hold, {} s into the storm: {}",
            finding.invariant,
            finding.after.as_secs(),
            finding.text
        ));
    }
    ran?;
    if outcome.findings.is_empty() {
        say("soak: every invariant held");
        return Ok(true);
    }
    say(&format!("soak: seed {seed}: kept in {}", outcome.folder.display()));
    Ok(false)
}

/// What a person or a log is told, at once.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Where nobody listens any more the exit code still tells.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
