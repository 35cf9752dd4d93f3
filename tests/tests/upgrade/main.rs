//! What an older version left behind is read by this one, and finished: files, databases, messages
//! (`tests/fixtures/README.md`). And what a newer version left is refused, with clear words and
//! untouched.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod neighbours;
mod newer;
mod place;
mod readable;
mod shifts;
mod whole;

/// Every version whose fixtures are kept, oldest first.
const VERSIONS: [&str; 1] = ["v0.1"];
