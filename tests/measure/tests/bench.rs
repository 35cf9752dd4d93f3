//! Every row of the benchmark runs through on made-up data, in small, and finds figures. No figure
//! is judged here.
#![allow(clippy::unwrap_used)]

use fs_err as fs;
use std::process::Command;
use tillway_measure::report::Report;
use tillway_measure::rows::ROWS;
use tillway_tests::binaries::binary;

/// Runs one row and looks at its report.
fn runs(id: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("bench").unwrap());
    command.args(["--quick", "--data"]).arg(folder.path().join("no-data")).arg("--out").arg(folder.path()).arg(id);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let report: Report = serde_json::from_slice(&fs::read(folder.path().join("bench.json")).unwrap()).unwrap();
    let [row] = report.rows.as_slice() else { panic!("{said}") };
    assert_eq!((row.id.as_str(), row.failed.as_deref()), (id, None), "{said}");
    assert!(!row.targets.is_empty() && !row.lines.is_empty(), "{said}");
    for line in &row.lines {
        assert!(line.median().is_finite(), "{} has no figure\n{said}", line.name);
    }
    for target in &row.targets {
        assert!(target.found.is_finite() || !row.skipped.is_empty(), "{} is not known\n{said}", target.what);
    }
    let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert!(page.contains(&format!("id=\"{id}\"")), "the page lacks the row");
}

macro_rules! rows {
    ($($name:ident $id:literal)*) => {
        const TESTED: &[&str] = &[$($id),*];
        $(#[test]
        fn $name() {
            runs($id);
        })*
    };
}

rows! {
    full_load_runs "B1"
    difference_runs "B2"
    one_price_runs "B3"
    intake_of_a_chain_runs "B4"
    thousands_of_tills_run "B5"
    sales_run "B6"
    look_ups_run "B7"
    memory_runs "B8"
    growth_runs "B9"
    pages_are_asked_for "B10"
}

#[test]
fn every_row_is_tried_here() {
    let mut known: Vec<&str> = ROWS.iter().map(|plan| plan.id).collect();
    // A row may have several plans, which are run one after the other.
    known.dedup();
    assert_eq!(known, TESTED);
}
