//! Sales on their way up: tills stream them in, and they are durable before they are acknowledged.
//!
//! ```text
//! till ──gRPC──▶ service ──▶ spool (durable, acknowledged) ──▶ loader ──▶ store::sales (sales.db) ──▶ check ──▶ findings
//!                   ▲             │ what is not loaded yet       │ handover ──▶ back office
//!                   └── Holding ◀─┴──────────────────────────────┘
//! ```
//!
//! [`service`] speaks the protocol, [`spool`] keeps what arrives, [`loader`] brings it into the
//! database with the position in one transaction, [`check`] compares a shift, [`requests`] decides
//! what a till is asked for, [`handover`] writes files for the back office. A new check at shift
//! close goes into [`check`].
//!
//! **Architecture invariant:** the service never waits for the loader: a database that is slow or
//! full delays what people see, not what tills may send, until the spool's limit.

pub mod aside;
pub mod check;
mod database;
pub mod handover;
mod intruders;
pub mod loader;
pub mod receipt;
pub mod requests;
mod run;
mod scan;
pub mod service;
pub mod spool;
#[cfg(test)]
pub(crate) mod tests;

pub use aside::{AsideError, AsideSales, BatchContent, SalesAside, batch_of};
pub use intruders::Intruders;
pub use run::{MIN_KEEP_DAYS, SalesConfig, SalesError, SalesListeners, SalesLoader};
pub use service::TlsPaths;
