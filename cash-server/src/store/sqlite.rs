//! The SQLite implementation: `dictionary.db` (layers, log, moves of nodes), `network.db` (nodes),
//! `intake.db` (loads, status callbacks), `packages.db` (what was built), `exchange.db`
//! (deliveries, contacts), `sales.db`, `people.db` (users, their sessions, keys of programs, what
//! is sent to them), `goods_search.db` (names of goods, to be found by their words).
//!
//! Separate files, so that a long load never blocks sales, deliveries, the network or the next
//! load's acceptance. [`connection`] is how each of them is opened.

mod audit;
pub(super) mod before_upgrade;
pub mod connection;
pub(super) mod copy;
pub mod dictionary;
pub mod exchange;
pub mod goods;
pub mod intake;
pub mod network;
mod outbox;
pub mod packages;
pub mod people;
#[cfg(test)]
mod plans;
mod remade;
pub mod sales;
mod words;

pub use connection::{Database, Durability, Reader, Writer};
pub use dictionary::DictionaryDb;
pub use goods::GoodsDb;
pub use packages::PackageDb;
pub use people::PeopleDb;
