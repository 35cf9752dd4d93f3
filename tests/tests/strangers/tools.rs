//! Programs that are not ours.

use fs_err as fs;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tillway_tests::bench::{TestBench, Till, TillOptions};

use crate::support::{converged, item, load, price};

/// The distribution's Python: the packages that the scripts import are made for it, and not for
/// another one on the path.
const PYTHON: &str = "/usr/bin/python3";

/// What a program prints; it must end well.
pub(crate) fn said(command: Command) -> String {
    said_to(command, "")
}

/// The same of one that reads a text from its standard input.
pub(crate) fn said_to(mut command: Command, text: &str) -> String {
    let told = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{told}: {error}; `./dev test` installs it"));
    // A program that does not read what it is told says by its end why.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{told}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// A script that stands beside the tests, with these arguments.
pub(crate) fn python<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(PYTHON);
    // As the distribution has it: no packages of the user, no folder of byte code in the source.
    command.args(["-I", "-B"]).arg(beside(script)).args(arguments);
    command
}

/// The distribution's `sqlite3` on a database, which may only be read; it carries out a text.
pub(crate) fn sqlite3(database: &Path, text: &str) -> Command {
    let mut command = Command::new("/usr/bin/sqlite3");
    command.args(["-bail", "-batch", "-readonly"]).arg(database).arg(text);
    command
}

/// A file beside the tests.
pub(crate) fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers").join(name)
}

/// A file of the project.
pub(crate) fn of_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The statements between "```sql" and "```" under a heading of a page, in order.
pub(crate) fn documented(page: &str, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(of_project(page)).unwrap();
    let begin = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{page} has no {heading}"));
    let part = &text[begin + 1 + heading.len()..];
    let part = part.find("\n## ").map_or(part, |end| &part[..end]);
    let blocks = part.split("```sql\n").skip(1);
    let found: Vec<_> = blocks.map(|block| block.split("```").next().unwrap_or_default().trim().to_owned()).collect();
    assert!(!found.is_empty(), "{page}: no statement under {heading}");
    found
}

/// A shop with one till that sells item 1 (barcode `b1`) for 10.00, item 2 for 5.50, and `b2` for
/// 4.25 by a price of its own.
pub(crate) fn shop_with_a_till() -> (TestBench, Till) {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "10"), item(2, "5.5"), price(2, "4.25")]);
    let mut till = bench.add_till_with(&shop, "7", "71", TillOptions::default()).unwrap();
    converged(&bench.server, &mut till);
    (bench, till)
}
