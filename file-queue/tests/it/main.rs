//! What the file queue promises, fact by fact.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod commands;
mod crash;
mod damage;
mod golden;
mod kit;
mod limits;
mod model;
#[cfg(feature = "crash-points")]
mod power;
mod processes;
mod story;
