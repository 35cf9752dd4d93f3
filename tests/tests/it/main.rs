//! End to end: real processes, a private broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod commands;
mod daemons;
mod dictionaries;
mod sales;
mod support;
