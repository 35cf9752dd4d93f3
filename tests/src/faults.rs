//! The fault kit: what goes wrong between and around processes, made on purpose and taken back.
//!
//! - [`proxy`]: a link that is cut, half open, slow, late, or cut at a certain byte;
//! - [`weather`]: the same at random, from a seed;
//! - [`package_server`]: a package server that answers wrongly;
//! - [`clock`]: daemons whose clock is another one, or jumps;
//! - [`elsewhere`]: another machine, in a network namespace;
//! - [`files`]: copies of folders and databases, restored later;
//! - [`seed`]: the one source of chance.
//!
//! Faults of the broker are in [`crate::broker`], those of processes in [`crate::bench`].

pub mod clock;
pub mod elsewhere;
pub mod files;
pub mod package_server;
pub mod proxy;
pub mod seed;
pub mod weather;

use std::io;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};

/// One is enough for a few hundred links: they only copy bytes.
const WORKERS: usize = 2;

/// The runtime of all that the kit itself serves, usable from tests without one.
fn runtime() -> io::Result<&'static Handle> {
    static SHARED: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let start = || Builder::new_multi_thread().worker_threads(WORKERS).thread_name("faults").enable_all().build();
    match SHARED.get_or_init(start) {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}
