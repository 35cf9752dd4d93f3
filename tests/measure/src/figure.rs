//! What a run gives, and what several runs say together.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one run of something took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Wall clock of the work itself, without preparing it.
    pub seconds: f64,
    /// Of the processes that did it, by name.
    pub usage: BTreeMap<String, Usage>,
    /// Anything else that was seen, by name: bytes on the wire, rows, a percentile in seconds.
    pub figures: BTreeMap<String, f64>,
}

/// What a process used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Its largest resident memory.
    pub peak_bytes: u64,
    /// Processor time, user and system.
    pub processor_s: f64,
}

impl Outcome {
    /// Of a time alone.
    pub fn of_seconds(seconds: f64) -> Self {
        Self { seconds, ..Self::default() }
    }

    /// The same with what a process used.
    #[must_use]
    pub fn by(mut self, process: &str, usage: Usage) -> Self {
        self.usage.insert(process.to_owned(), usage);
        self
    }

    /// The same with another figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }

    /// A figure; not a number where there is none of this name, which no target can reach.
    pub fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).copied().unwrap_or(f64::NAN)
    }
}

/// The middle one; of an even number the mean of the two in the middle. Not a number where there
/// is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(sorted[middle - 1], *value),
    }
}

/// The value below which this share of all lies, by the nearest rank. Not a number where there is
/// none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return f64::NAN;
    }
    let count = sorted.len();
    let rank = (1..count).find(|rank| as_f64(*rank) >= share * as_f64(count)).unwrap_or(count);
    sorted[rank - 1]
}

/// A count as a figure: far below 2^52 here.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn as_f64(count: usize) -> f64 {
    count as f64
}

/// The same of bytes, rows and receipts.
#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
pub fn of_u64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ranks_are_the_usual_ones() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        for (share, value) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)] {
            assert_eq!(percentile(&hundred, share).to_bits(), f64::to_bits(value), "{share}");
        }
    }
}
