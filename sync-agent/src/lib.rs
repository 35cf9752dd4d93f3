//! The sync agent: on each till it brings dictionaries down and sales up.
//!
//! ```text
//!             broker ── commands ─┬─ intake ── download ──▶ file queue ──▶ load ──▶ dictionaries.db
//!   server ◀─ reports ─ outbox ◀──┤                                          │
//!             sales-loader ◀──────┴─ unload ◀── shift close, period, … ◀─ documents.db
//! ```
//!
//! - [`settings`]: `cash.ini` and `logging.conf`, checked whole; what the server pushes is taken
//!   over while all runs.
//! - `broker`: the supervised link; `commands`: what a message asks for; `outbox`: reports that
//!   wait.
//! - `aside`: what was set aside, for people and the server to see and settle.
//! - `intake`, `download`, `load`: from a link to an applied package. `unload`: from a document to
//!   its acknowledgement.
//! - `progress`: how far long work is, for people.
//! - `recount`: whether the dictionary is what the last load left.
//! - [`decide`]: decisions as pure functions. [`state`]: what must be remembered, and all SQL of
//!   this crate.
//! - `lock`, `hand_over`: one agent a till folder, and how the command line reaches it.
//!
//! [`run()`] starts all of it and ends with its `shutdown`; each task recovers by itself.
//!
//! **Architecture invariant:** the agent writes no row of either till database itself:
//! `tillway_exchangers` does, and of `documents.db` it only reads. Nothing behind [`settings`]
//! knows a key of `cash.ini`.

mod aside;
mod backup;
mod broker;
pub mod cli;
mod commands;
pub mod decide;
mod dictionary;
mod download;
mod error;
mod errors_file;
mod hand_over;
mod installation;
mod intake;
mod load;
mod lock;
mod outbox;
mod progress;
mod recount;
mod retry;
mod room;
mod run;
mod script;
pub mod settings;
pub mod state;
mod status;
mod till;
mod unload;

pub use error::chain as error_chain;
pub use lock::LockError;
pub use retry::Backoff;
pub use run::{RunError, run};
pub use status::{DeliveryLine, Status};

/// Chooses the cryptography of TLS, once a process; who chose before us wins.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
