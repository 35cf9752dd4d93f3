//! The units of both services.

use crate::{is_there, of_project, skipped};
use fs_err as fs;
use std::process::{Command, Output};

const UNITS: [&str; 2] =
    ["packaging/cash-server/tillway-cash-server.service", "packaging/sync-agent/tillway-sync-agent.service"];

/// The worst exposure that is let through, in tenths: 2.0 of 10.
const THRESHOLD: &str = "--threshold=20";

fn analyzed(arguments: &[&str]) -> Output {
    Command::new("systemd-analyze").args(arguments).output().unwrap()
}

#[test]
fn units_have_no_misspelt_key_and_leave_little_open() {
    let test = "units_have_no_misspelt_key_and_leave_little_open";
    if !is_there("systemd-analyze") {
        return skipped(test, "there is no systemd-analyze");
    }
    let folder = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let path = of_project(unit);
        let text = fs::read_to_string(&path).unwrap();
        // Where the packages are not installed, their programs are not there.
        let name = path.file_name().unwrap();
        let copy = folder.path().join(name);
        fs::write(&copy, text.replace("/usr/bin/cash-server", "/bin/true").replace("/usr/bin/sync-agent", "/bin/true"))
            .unwrap();
        let copy = copy.to_str().unwrap();
        // It ends well on a misspelt key, and says so.
        let verified = analyzed(&["verify", "--man=no", copy]);
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{unit}: {said}");
        let security = analyzed(&["security", "--offline=true", "--no-pager", THRESHOLD, copy]);
        assert!(security.status.success(), "{unit}:\n{}", String::from_utf8_lossy(&security.stdout));
    }
}

#[test]
fn a_misspelt_key_or_a_unit_that_leaves_much_open_is_noticed() {
    let test = "a_misspelt_key_or_a_unit_that_leaves_much_open_is_noticed";
    if !is_there("systemd-analyze") {
        return skipped(test, "there is no systemd-analyze");
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("open.service");
    fs::write(&unit, "[Service]\nExecStart=/bin/true\nProtectSystems=strict\n").unwrap();
    let unit = unit.to_str().unwrap();
    let said = analyzed(&["verify", "--man=no", unit]).stderr;
    assert!(String::from_utf8_lossy(&said).contains("ProtectSystems"));
    assert!(!analyzed(&["security", "--offline=true", "--no-pager", THRESHOLD, unit]).status.success());
}
