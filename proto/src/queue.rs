//! Names and limits of the broker's exchange and queues.
//!
//! The server declares them; the agent checks passively that they are there. All queues are
//! durable quorum queues and all messages persistent, so that what the broker confirmed survives
//! its restart.

use crate::id::PeerId;
use std::fmt;

/// The direct exchange that all queues are bound to, each by its own name.
pub const EXCHANGE: &str = "tillway";

/// The exchange for reports alone, bound to [`REPORTS_QUEUE`] under its name: what a peer with a
/// login of its own may write to. Through [`EXCHANGE`] it could write to other peers' queues.
pub const REPORTS_EXCHANGE: &str = "tillway.incoming";

/// The queue that all peers report to and the server consumes.
pub const REPORTS_QUEUE: &str = "tillway.reports";

/// The queue whose arguments say whose servers work at a virtual host. Nothing is published to it.
pub const OWNER_QUEUE: &str = "tillway.owner";

/// Most reports that wait for a server that is down. Reports are hints about a state that is
/// reported again, so the oldest may go: at ten thousand tills this is a hundred contacts of each.
pub const REPORTS_MAX_LENGTH: i32 = 1_000_000;

/// A dictionary queue holds one link, the newest: each supersedes the one before.
pub const DICTIONARY_MAX_LENGTH: i32 = 1;

/// Most control commands that wait for a till that is off. Each is a request that can be made
/// again.
pub const CONTROL_MAX_LENGTH: i32 = 1_000;

/// Largest message in bytes that either side reads: commands and reports are a few hundred bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The queue of links to packages for one peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DictionaryQueue(String);

/// The queue of all other commands for one peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControlQueue(String);

impl DictionaryQueue {
    /// `tillway.dictionary.<peer id>`
    pub fn of(peer: &PeerId) -> Self {
        Self(format!("tillway.dictionary.{peer}"))
    }

    /// The name, also the routing key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ControlQueue {
    /// `tillway.control.<peer id>`
    pub fn of(peer: &PeerId) -> Self {
        Self(format!("tillway.control.{peer}"))
    }

    /// The name, also the routing key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DictionaryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ControlQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
