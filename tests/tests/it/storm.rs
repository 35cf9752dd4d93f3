//! A short storm with one seed; `./dev soak` blows longer ones.

use std::time::Duration;
use tillway_tests::storm::{Storm, StormOptions};

/// Found nothing when it was chosen; any other must find nothing either.
const SEED: u64 = 3;

/// Enough for every sort of fault of processes, links and files.
const DURATION: Duration = Duration::from_secs(40);

#[test]
fn a_storm_loses_nothing_doubles_nothing_and_leaves_nothing_under_way() {
    let mut told = Vec::new();
    let mut storm = Storm::start(StormOptions::new(SEED, DURATION)).unwrap();
    storm.run(|line| told.push(line.to_owned())).unwrap();
    let outcome = storm.end();
    assert!(
        outcome.findings.is_empty(),
        "seed {SEED}, kept in {}: {:#?}\n{}\n{}",
        outcome.folder.display(),
        outcome.findings,
        told.join("\n"),
        outcome.counts
    );
    assert!(outcome.counts.rung > 0 && outcome.counts.compared > 0, "{}", outcome.counts);
}
