//! The sync agent: on each till it brings dictionaries down and sales up.
//!
//! ```text
//!   broker ─▶ commands ─▶ intake: decide, fetch, verify, enqueue ─▶ package queue ─▶ load ─▶ sink
//!     ▲                                                                              │
//!   outbox ◀──────────────────────────────── tell ◀──────────────────────────────────┤
//!                                                                                    │
//!   sales-loader ◀── unload: stream, note ◀── read ◀── shift close, period, … ◀── source
//! ```
//!
//! Each way is a chain of steps, each a small type with what it needs. Only `run` knows all of
//! them.
//!
//! - Down: `broker` (the supervised link), `commands` (what a message asks for), `intake` and
//!   `download` (from a link to the file queue), `package_queue`, `load`. Rows go into a `sink`: a
//!   till's `dictionary`.
//! - Up: `unload` (from a closed shift to its acknowledgement). Documents come from a `source`: a
//!   till's `documents.db`; `unsent` counts what waits.
//! - `tell`: the last step of each way, with an `overview` of what the till has; reports wait in
//!   the `outbox`.
//! - `recount`: whether the sink holds what the last load left. `aside`: what was set aside.
//!   `progress`: how far long work is. `room`, `backup`: the disk.
//! - [`decide`]: decisions as pure functions. [`state`]: what must be remembered, and all SQL of
//!   this crate. [`settings`]: `cash.ini` and `logging.conf`, checked whole.
//! - `attach`: how a till gets its settings and its secret, by a code. `words`: what people read.
//! - `lock`, `hand_over`: one agent a till folder, and how the command line reaches it.
//!
//! [`run()`] starts all of it and ends with its `shutdown`; each task recovers by itself.
//!
//! **Architecture invariant:** a module imports only from floors below its own (`.ci/floors`,
//! checked by `./dev lint`). The agent writes no row of either till database itself:
//! `tillway_exchangers` does, and of `documents.db` it only reads. Nothing behind [`settings`]
//! knows a key of `cash.ini`.

mod aside;
mod attach;
mod backup;
mod broker;
pub mod cli;
mod codes;
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
mod mover;
mod moves;
mod outbox;
mod overview;
mod package_queue;
mod progress;
mod recount;
mod retry;
mod room;
mod run;
mod script;
pub mod settings;
mod sink;
mod source;
pub mod state;
mod status;
mod tell;
#[cfg(test)]
mod tests;
mod unload;
mod unsent;
mod words;

pub use error::chain as error_chain;
pub use lock::LockError;
pub use retry::Backoff;
pub use run::{RunError, run};
pub use status::{DeliveryLine, Status};

/// Chooses the cryptography of TLS, once a process; who chose before us wins.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
