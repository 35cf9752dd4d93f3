//! `fixture-maker`: writes what a version of Tillway leaves on disks and on wires, for the tests
//! that later versions read it.
//!
//! It runs beside the daemons of the version that is to be kept (`tests/fixtures/README.md`): a
//! server with two tills, a private broker, a POS, a back office that wants to know. The lights go
//! out in the middle of everything.

mod pack;
mod story;
mod wire;

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;

/// Anything may go wrong, and then there are no fixtures.
type Made<T> = Result<T, Box<dyn Error>>;

/// Makes the fixtures of the version whose daemons lie beside this program.
#[derive(Parser)]
struct Arguments {
    /// The folder to make, such as `tests/fixtures/v0.1`; must not be there.
    into: PathBuf,
}

fn main() -> Made<()> {
    story::tell(&Arguments::parse().into)
}
