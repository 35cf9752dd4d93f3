//! The SQLite implementation: `dictionary.db` (network, layers, log, loads), `exchange.db` (deliveries, contacts), `sales.db`.
//!
//! Separate files, so that a long load never blocks sales or deliveries.

pub mod dictionary;
pub mod exchange;
pub mod network;
pub mod sales;
