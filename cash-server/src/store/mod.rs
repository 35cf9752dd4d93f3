//! All SQL of the server stands below this module, behind one interface a noun.
//!
//! **Architecture invariant:** nothing outside `store` knows SQL or SQLite. PostgreSQL will be a second implementation of
//! the traits here. All stores are blocking; async callers use `tokio::task::spawn_blocking`.

pub mod dictionary;
pub mod exchange;
pub mod network;
pub mod sales;
pub mod sqlite;
