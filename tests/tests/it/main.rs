//! End to end: real processes, a private broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attach;
mod backups;
mod broker;
mod broker_faults;
mod clock;
mod commands;
mod daemons;
mod dictionaries;
mod first_hour;
mod fleet;
mod http;
mod limits;
mod logins;
mod moves;
mod network;
mod people;
mod sales;
mod storm;
mod support;
mod sweep;
