//! The slowest that a client may be.
//!
//! Only the time counts in which the server waits for the client: in so much of it so many bytes
//! must move, else the client is cut off. A line that is slow moves them; a client that means to
//! hold a place moves as few as it can.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// So many bytes in so much time of waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) bytes: u64,
    pub(super) within: Duration,
}

/// What a client sends: 1 KiB a second over half a minute, so a body of up to 30 KiB has half a
/// minute in all.
pub(super) const SENT: Rate = Rate { bytes: 30 * 1024, within: Duration::from_secs(30) };

/// What a client takes: about 1 KiB a second. The system gives room for more only when a third of
/// a socket's buffer ([`super::SEND_BUFFER_BYTES`]) is free again, which a slow line takes
/// longer than a minute for.
pub(super) const TAKEN: Rate = Rate { bytes: 128 * 1024, within: Duration::from_mins(2) };

/// One direction of one client.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    bytes: u64,
    waited: Duration,
    since: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, bytes: 0, waited: Duration::ZERO, since: None }
    }

    /// Passes on what `moved` says; an error where the client was too slow. `bytes`: how many
    /// moved.
    pub(super) fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        moved: Poll<T>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Poll<io::Result<T>> {
        match moved {
            Poll::Ready(moved) => {
                if let Some((since, _)) = self.since.take() {
                    self.waited += since.elapsed();
                }
                self.bytes += bytes(&moved);
                if self.bytes >= self.rate.bytes {
                    (self.bytes, self.waited) = (0, Duration::ZERO);
                }
                Poll::Ready(Ok(moved))
            }
            Poll::Pending => {
                let left = self.rate.within.saturating_sub(self.waited);
                let (_, end) = self.since.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
                if end.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                let text = format!("the client moved fewer than {} bytes in {:?}", self.rate.bytes, self.rate.within);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
        }
    }
}
