//! All SQL of the server stands below this module, behind one interface a noun.
//!
//! **Architecture invariant:** nothing outside `store` knows SQL or SQLite. PostgreSQL will be a
//! second implementation of the traits here. All stores are blocking; async callers use
//! `tokio::task::spawn_blocking`.

pub mod audit;
pub mod copies;
pub mod dictionary;
mod error;
pub mod exchange;
pub mod goods;
pub mod intake;
pub mod network;
pub mod outbox;
pub mod packages;
pub mod sales;
mod server_id;
pub mod sizes;
pub mod sqlite;
mod stores;
#[cfg(test)]
mod tests;

pub use error::{Place, StoreError};
pub use server_id::ServerId;
pub use stores::{SalesStores, Stores};
