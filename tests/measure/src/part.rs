//! Runs in a process of their own: `bench part <name> <arguments as JSON>` does one of them and
//! prints its outcome.
//!
//! A process of its own has a peak of memory and a processor time of its own, and a heap that
//! nobody used before.

use super::MeasureError;
use super::figure::{Outcome, Usage};
use super::rows;
use super::usage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tillway_tests::process::{Daemon, ProcessError};

/// One sort of run: its name, and what does it with its arguments.
pub type Part = (&'static str, fn(&str) -> Result<Outcome, MeasureError>);

/// The name of a process that a part's own work is done by.
pub const OURS: &str = "process";

/// Runs a part in a new process of this program.
pub fn run(name: &str, arguments: &impl Serialize) -> Result<Outcome, MeasureError> {
    let failed = |output: String| MeasureError::Part { name: name.to_owned(), output };
    let output = command(name, arguments)?.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("its outcome does not read: {error}")))
}

/// Starts a part that serves others until it is ended; what it says goes to `output`.
pub fn start(name: &str, arguments: &impl Serialize, output: &Path) -> Result<Daemon, MeasureError> {
    let failed = |error: ProcessError| MeasureError::Part { name: name.to_owned(), output: error.to_string() };
    Daemon::start(name, &mut command(name, arguments)?, output).map_err(failed)
}

fn command(name: &str, arguments: &impl Serialize) -> Result<Command, MeasureError> {
    let failed = |output: String| MeasureError::Part { name: name.to_owned(), output };
    let arguments = serde_json::to_string(arguments).map_err(|error| failed(error.to_string()))?;
    let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
    // Of a test binary the program beside it.
    let program = if program.parent().is_some_and(|folder| folder.ends_with("deps")) {
        tillway_tests::binaries::binary("bench").map_err(|error| failed(error.to_string()))?
    } else {
        program
    };
    let mut command = Command::new(program);
    command.args(["part", name, &arguments]);
    Ok(command)
}

/// What the process of a part does.
pub fn carry_out(name: &str, arguments: &str) -> Result<Outcome, MeasureError> {
    let part = rows::parts().into_iter().find(|(known, _)| *known == name);
    let (_, part) = part.ok_or_else(|| MeasureError::wrong(name, "no part has this name"))?;
    part(arguments)
}

/// The arguments of a part.
pub fn arguments<T: DeserializeOwned>(text: &str) -> Result<T, MeasureError> {
    serde_json::from_str(text).map_err(|error| MeasureError::wrong("the arguments of a part", error))
}

/// Times work in this process, with the memory and the processor time that this process used for
/// it.
pub fn timed<T>(work: impl FnOnce() -> Result<T, MeasureError>) -> Result<(T, Outcome), MeasureError> {
    let before = usage::own()?;
    let started = Instant::now();
    let done = work()?;
    let seconds = started.elapsed().as_secs_f64();
    let after = usage::own()?;
    let used = Usage { peak_bytes: after.peak_bytes, processor_s: after.processor_s - before.processor_s };
    Ok((done, Outcome::of_seconds(seconds).by(OURS, used)))
}

/// Times a program that ends by itself, as the only child of the process of a part.
pub fn timed_program(command: &mut Command) -> Result<Outcome, MeasureError> {
    timed_output(command).map(|(outcome, _)| outcome)
}

/// The same, with what the program prints.
pub fn timed_output(command: &mut Command) -> Result<(Outcome, String), MeasureError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |output: String| MeasureError::Peer { program: program.clone(), output };
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    let seconds = started.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((Outcome::of_seconds(seconds).by(&program, usage::of_children()?), printed))
}
