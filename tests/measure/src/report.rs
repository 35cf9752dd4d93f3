//! What a benchmark found: lines, targets, plots. Serialised as it is into `bench.json`.

use super::figure::{Outcome, Usage, median};
use super::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of `bench.json`.
pub const VERSION: u32 = 1;

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// When it began, UTC.
    pub at: String,
    /// Small sizes and few runs: nothing to quote.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// What data it ran on.
    pub data: String,
    /// The rows, in order.
    pub rows: Vec<Row>,
}

/// One row of the table: what was measured beside what.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Row {
    /// `B1`
    pub id: String,
    /// What it is about.
    pub title: String,
    /// Everything that was timed.
    pub lines: Vec<Line>,
    /// What was to be reached.
    pub targets: Vec<Target>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// Peers that are not there, with the reason.
    pub skipped: Vec<String>,
    /// What a reader has to know to read the figures right.
    pub notes: Vec<String>,
    /// Why the row broke off; its figures are those of before.
    pub failed: Option<String>,
    /// How long the row took.
    pub took_s: f64,
}

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Tillway's.
    Ours,
    /// What it is compared with.
    Beside,
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// So many a second.
    PerSecond,
    /// A plain number.
    Count,
}

/// One thing that was measured, with all its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Whose.
    pub side: Side,
    /// Of what the figures are.
    pub unit: Unit,
    /// One figure a run, in the order of the runs.
    pub runs: Vec<f64>,
    /// What the processes used: the largest memory and the median of the processor time of the
    /// runs.
    pub usage: BTreeMap<String, Usage>,
    /// How many rows, receipts or messages a run moves; none: that says nothing here.
    pub amount: Option<(f64, String)>,
}

impl Line {
    /// The seconds of some runs.
    pub fn seconds(name: &str, side: Side, outcomes: &[Outcome]) -> Self {
        let runs = outcomes.iter().map(|outcome| outcome.seconds).collect();
        Self { usage: usage(outcomes), ..Self::of(name, side, Unit::Seconds, runs) }
    }

    /// A figure of some runs.
    pub fn figure(name: &str, side: Side, unit: Unit, figure: &str, outcomes: &[Outcome]) -> Self {
        Self::of(name, side, unit, outcomes.iter().map(|outcome| outcome.figure(figure)).collect())
    }

    /// Of plain values.
    pub fn of(name: &str, side: Side, unit: Unit, runs: Vec<f64>) -> Self {
        Self { name: name.to_owned(), side, unit, runs, usage: BTreeMap::new(), amount: None }
    }

    /// The same, moving so many things in a run.
    #[must_use]
    pub fn moving(mut self, amount: f64, of: &str) -> Self {
        self.amount = Some((amount, of.to_owned()));
        self
    }

    /// The middle of its runs.
    pub fn median(&self) -> f64 {
        median(&self.runs)
    }

    /// Smallest and largest run.
    pub fn range(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.runs.iter().copied().fold(f64::NAN, pick);
        (fold(f64::min), fold(f64::max))
    }
}

fn usage(outcomes: &[Outcome]) -> BTreeMap<String, Usage> {
    let mut all: BTreeMap<String, (u64, Vec<f64>)> = BTreeMap::new();
    for (process, usage) in outcomes.iter().flat_map(|outcome| &outcome.usage) {
        let (peak, processor) = all.entry(process.clone()).or_default();
        *peak = (*peak).max(usage.peak_bytes);
        processor.push(usage.processor_s);
    }
    all.into_iter()
        .map(|(process, (peak_bytes, processor))| (process, Usage { peak_bytes, processor_s: median(&processor) }))
        .collect()
}

/// Something to be reached, as a ratio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// What is compared with what.
    pub what: String,
    /// What came out.
    pub found: f64,
    /// What is wanted.
    pub wanted: f64,
    /// More is better; else less.
    pub at_least: bool,
}

impl Target {
    /// The ratio is to be this or more.
    pub fn at_least(what: &str, found: f64, wanted: f64) -> Self {
        Self { what: what.to_owned(), found, wanted, at_least: true }
    }

    /// The ratio is to be this or less.
    pub fn at_most(what: &str, found: f64, wanted: f64) -> Self {
        Self { what: what.to_owned(), found, wanted, at_least: false }
    }

    /// Whether it is. What is not a number is not.
    pub fn is_met(&self) -> bool {
        if self.at_least { self.found >= self.wanted } else { self.found <= self.wanted }
    }
}

/// How many times faster the first is than the second: the median over rounds of one's seconds
/// over the other's, so that what slows the whole machine down for a while counts on both sides.
pub fn speed_beside(ours: &[Outcome], theirs: &[Outcome]) -> f64 {
    ratio(theirs, ours, |outcome| outcome.seconds)
}

/// The median over rounds of a figure of the first over that of the second.
pub fn ratio(first: &[Outcome], second: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> f64 {
    let ratios: Vec<f64> = first.iter().zip(second).map(|(one, other)| figure(one) / figure(other)).collect();
    median(&ratios)
}

/// A picture of lines over something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What lies below.
    pub x: String,
    /// What stands at the side.
    pub y: String,
    /// Both axes by powers of ten.
    pub logarithmic: bool,
    /// Names and points.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_figure_is_not_met() {
        assert!(!Target::at_least("", f64::NAN, 0.0).is_met());
        assert!(!Target::at_most("", f64::NAN, 1.0).is_met());
        assert!(Target::at_most("", 0.5, 0.5).is_met());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let outcomes = |seconds: [f64; 3]| seconds.map(Outcome::of_seconds);
        // In the second round the whole machine was ten times slower.
        let speed = speed_beside(&outcomes([1.0, 10.0, 1.0]), &outcomes([2.0, 20.0, 2.0]));
        assert!((speed - 2.0).abs() < 1e-9, "{speed}");
    }
}
