//! The link to the broker: a supervisor that rebuilds all of it whenever any of it breaks (R13).
//!
//! A *session* is one connection with three channels: one for the dictionary queue, one for the control queue, one that
//! publishes reports with confirms and looks, on a period, whether the broker still counts us among the consumers. When
//! one of these ends, for whatever reason, the session ends and another one is built after a wait that grows and is capped. The
//! queues belong to the server; a session only checks that they are there.
//!
//! Messages are acknowledged when they were worked on, whatever came of it: what can be answered is answered, what
//! cannot is set aside ([`crate::commands`]). A link is held while its package is downloaded; where that takes very long,
//! the link is acknowledged before, and of the links that come meanwhile the newest is worked on next.

mod hold;
mod session;

use crate::retry::Backoff;
use crate::till::Till;
use jiff::Timestamp;
use session::SessionError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The first wait after a session broke.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait: a shop whose link comes back should not wait much longer.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A session that lived this long was a good one: the next wait is short again. Shorter ones are a broker that flaps.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// How the link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// A session is being built.
    Connecting,
    /// Both queues are being consumed.
    Consuming {
        /// Since when.
        since: Timestamp,
    },
    /// It broke; another try follows.
    Waiting {
        /// Why it broke.
        reason: String,
    },
}

/// Keeps a session up until the agent stops.
pub(crate) async fn supervise(till: Arc<Till>) {
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    let mut settings = till.settings.subscribe();
    loop {
        let broker = settings.borrow_and_update().broker.clone();
        till.link.send_replace(Link::Connecting);
        let begun = Instant::now();
        let ended = tokio::select! {
            () = till.shutdown.cancelled() => break,
            changed = session::broker_changed(&mut settings, &broker) => {
                tracing::info!(?changed, "settings of the broker changed: connecting anew");
                backoff.reset();
                continue;
            }
            Err(ended) = session::run(&till, &broker) => ended,
        };
        if begun.elapsed() >= GOOD_SESSION {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        let reason = chain(&ended);
        if matches!(ended, SessionError::QueueMissing { .. }) {
            tracing::error!(till = %till.id, %reason, ?wait, "the server does not know this till, or has not started yet");
        } else {
            tracing::warn!(%reason, ?wait, "no link to the broker");
        }
        till.link.send_replace(Link::Waiting { reason });
        tokio::select! {
            () = till.shutdown.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    till.link.send_replace(Link::Waiting { reason: "the agent stops".to_owned() });
}

/// An error with its sources in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
