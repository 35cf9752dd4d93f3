//! Test kit of Tillway, POS simulator, demo.
//!
//! - [`journey`]: real receipts and the catalogue behind them;
//! - [`aif_maker`]: makes AIF of them, for the exchange folders of a server;
//! - [`pos`]: rings receipts up on a till, through its two databases;
//! - [`broker`], [`process`], [`binaries`], [`ports`], [`http`]: a private RabbitMQ node, the
//!   daemons as processes;
//! - [`mod@bench`]: all of it together: a chain on one machine;
//! - [`amqp`]: what goes with a message at the broker;
//! - [`faults`]: links, clocks, files and servers that go wrong on purpose;
//! - [`s3_store`]: a store that speaks S3, for backups;
//! - [`fleet`]: tills by the hundred in one process, with faults of their own;
//! - [`fuzz`]: what any bytes may do to whoever reads them;
//! - [`storm`]: all of it together at random, against a model of the truth;
//! - [`wait`]: waiting for conditions, with the last state seen in the error.
//!
//! **Architecture invariant:** nothing here is part of a product's binary, and no product crate
//! depends on it. The benchmarks stand in a crate of their own, `tests/measure`, so that a change
//! to one of them does not build the kit anew.

pub mod aif_maker;
pub mod amqp;
pub mod bench;
pub mod binaries;
pub mod broker;
pub mod demo;
pub mod faults;
pub mod fleet;
pub mod fuzz;
mod guard;
pub mod http;
pub mod journey;
pub mod ports;
pub mod pos;
pub mod process;
#[cfg(test)]
mod prose;
pub mod s3_store;
pub mod storm;
pub mod wait;
