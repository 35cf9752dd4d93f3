//! The packages' changelog.

use crate::of_project;
use fs_err as fs;

#[test]
fn the_changelog_of_the_packages_begins_with_their_version() {
    let text = fs::read_to_string(of_project("packaging/changelog")).unwrap();
    assert!(text.starts_with(&format!("tillway ({}-", env!("CARGO_PKG_VERSION"))), "{text}");
}
