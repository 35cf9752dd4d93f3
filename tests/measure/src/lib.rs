//! Benchmarks: how fast, beside what others would use, on the same data in the same run.
//! `./dev bench` runs them.
//!
//! **Fair.** What is compared runs in turns, round by round ([`Context::alternate`]), so that what
//! slows the machine down for a while counts on both sides; a ratio is the median of the ratios of
//! the rounds ([`report::ratio`]). Each run is a process of its own ([`part`]), so its peak of
//! memory and its processor time are its own. Peers get the same rows, indexes and durability, and
//! the settings that their own manuals advise; one that is not installed is named as skipped.
//!
//! **What it is not.** No test asserts a time: machines differ and are shared. Tests only look
//! that every row runs through.

pub mod amqp;
#[cfg(test)]
mod codes;
pub mod data;
pub mod figure;
pub mod machine;
pub mod overlay;
pub mod page;
pub mod part;
pub mod peers;
pub mod report;
pub mod rows;
pub mod shop;
pub mod terminal;
pub mod usage;

use data::Data;
use figure::Outcome;
use report::{Report, Row};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tillway_tests::bench::BenchError;
use tillway_tests::fleet::FleetError;
use tillway_tests::wait::TimedOut;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The chain on this machine.
    #[error("the chain of the benchmark failed")]
    Bench(#[source] BenchError),
    /// The simulated tills.
    #[error("the tills of the benchmark failed")]
    Fleet(#[source] FleetError),
    /// Something did not come to hold.
    #[error("waited in vain")]
    TimedOut(#[source] TimedOut),
    /// A file.
    #[error("failed with a file of the benchmark")]
    File(#[source] io::Error),
    /// Memory and processor time.
    #[error("failed to read what a process uses")]
    Usage(#[source] io::Error),
    /// A database.
    #[error("failed with the database {}", path.display())]
    Sql {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A run in a process of its own.
    #[error("the part {name} failed: {output}")]
    Part {
        /// Which.
        name: String,
        /// What it said.
        output: String,
    },
    /// A program that ours is compared with.
    #[error("{program} failed: {output}")]
    Peer {
        /// Which.
        program: String,
        /// What it said.
        output: String,
    },
    /// What came out is not what it must be, so its time says nothing.
    #[error("{what} is wrong: {why}")]
    Wrong {
        /// What was done.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl MeasureError {
    /// Of anything else, with what was being done.
    pub fn wrong(what: &str, why: impl Display) -> Self {
        Self::Wrong { what: what.to_owned(), why: why.to_string() }
    }

    /// A failure with a database.
    pub fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Sql { path: path.clone(), source }
    }

    /// With its causes, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

/// A row of the table that can be run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// `B1`
    pub id: &'static str,
    /// A name for the command line.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Runs it, adding to the row as it goes, so that what was found before a failure is kept.
    pub run: fn(&Context, &mut Row) -> Result<(), MeasureError>,
}

/// The largest scale of a quick run.
const QUICK_SCALE: f64 = 0.002;

/// How much is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Small sizes, few runs: whether it works, not how fast it is.
    pub quick: bool,
    /// Rounds of what is compared; none: as each row thinks best.
    pub rounds: Option<usize>,
    /// Sizes of rows that can be made smaller: a part of the full ones.
    pub scale: f64,
    /// Folder with `uhtt`; where it is not there, data of the same size is made up.
    pub data: PathBuf,
    /// Scratch.
    pub folder: PathBuf,
}

/// What rows run with.
#[derive(Debug)]
pub struct Context {
    /// How much.
    pub options: Options,
    /// On what.
    pub data: Data,
}

/// Something that is compared: its name and one run of it.
pub type Contender<'a> = (&'a str, Box<dyn FnMut() -> Result<Outcome, MeasureError> + 'a>);

impl Context {
    /// With data as the options say.
    pub fn new(options: Options) -> Result<Self, MeasureError> {
        let data = Data::open(&options.data, options.quick);
        fs_err::create_dir_all(&options.folder).map_err(MeasureError::File)?;
        Ok(Self { options, data })
    }

    /// A size, which is smaller in a quick run.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.options.quick { quick } else { full }
    }

    /// A size by the scale of this run, at least `least`.
    pub fn scaled(&self, full: usize, least: usize) -> usize {
        let part = (figure::as_f64(full) * self.scale()).round();
        // No larger than `full`, which fits.
        full.min(format!("{part:.0}").parse().unwrap_or(full)).max(least)
    }

    /// The scale of this run.
    fn scale(&self) -> f64 {
        if self.options.quick { self.options.scale.min(QUICK_SCALE) } else { self.options.scale }
    }

    /// Rounds, one in a quick run.
    pub fn rounds(&self, usual: usize) -> usize {
        self.options.rounds.unwrap_or_else(|| self.size(usual, 1))
    }

    /// A folder of its own for some files, empty.
    pub fn folder(&self, name: &str) -> Result<PathBuf, MeasureError> {
        let folder = self.options.folder.join(name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder).map_err(MeasureError::File)?;
        }
        fs_err::create_dir_all(&folder).map_err(MeasureError::File)?;
        Ok(folder)
    }

    /// Runs everything once a round, beginning with another one each time; the outcomes of each,
    /// round by round.
    pub fn alternate(
        &self,
        rounds: usize,
        contenders: &mut [Contender<'_>],
    ) -> Result<Vec<Vec<Outcome>>, MeasureError> {
        let mut outcomes = vec![Vec::with_capacity(rounds); contenders.len()];
        for round in 0..rounds {
            for place in 0..contenders.len() {
                let at = (place + round) % contenders.len();
                let (name, run) = &mut contenders[at];
                progress(&format!("round {} of {rounds}: {name}", round + 1));
                outcomes[at].push(run()?);
            }
        }
        Ok(outcomes)
    }
}

/// Says on the terminal what goes on; in place of what it said before where it is a real one.
pub fn progress(what: &str) {
    use std::io::IsTerminal as _;
    let mut terminal = io::stderr().lock();
    let _ = if terminal.is_terminal() {
        write!(terminal, "\r\x1b[K{what}").and_then(|()| terminal.flush())
    } else {
        writeln!(terminal, "bench: {what}")
    };
}

/// Runs these rows. A row that fails says why, and the others go on.
pub fn run(context: &Context, plans: &[Plan]) -> Report {
    let mut machine = machine::Machine::describe(&context.options.folder);
    machine.versions = peers::versions();
    let mut rows = Vec::new();
    let at = jiff::Timestamp::now().to_string();
    for plan in plans {
        progress(&format!("{} {}", plan.id, plan.title));
        let started = Instant::now();
        let mut row = Row { id: plan.id.to_owned(), title: plan.title.to_owned(), ..Row::default() };
        row.failed = (plan.run)(context, &mut row).err().map(|error| error.chain());
        row.took_s = started.elapsed().as_secs_f64();
        rows.push(row);
    }
    progress("");
    let data = context.data.describe();
    Report { version: report::VERSION, at, quick: context.options.quick, machine, data, rows }
}
