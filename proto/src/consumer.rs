//! Whether a consumer of a queue is still one: it can die without a word, and the connection lives on.
//!
//! Both daemons ask the broker on a period what it says of the queues they consume, and begin anew where it does not count them
//! or holds messages back from them. What a broker says once proves nothing: one that is busy with thousands of queues was seen
//! to count no consumer where there was one, and a message may have come to the queue a moment ago.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often the broker is asked.
pub const LIVENESS_PERIOD: Duration = Duration::from_secs(30);

/// After so long it is asked once more where it counts no consumer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How far a consumer is.
#[derive(Debug, Default)]
pub struct ConsumerProgress {
    taken: AtomicU64,
    working: AtomicBool,
}

impl ConsumerProgress {
    /// A message came and is worked on: no wonder that others wait.
    pub fn takes(&self) {
        self.working.store(true, Ordering::SeqCst);
        self.taken.fetch_add(1, Ordering::SeqCst);
    }

    /// It waits for the next one.
    pub fn waits(&self) {
        self.working.store(false, Ordering::SeqCst);
    }
}

/// What the broker says of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLook {
    /// How many consume it.
    pub consumers: u32,
    /// Messages that no consumer has been given.
    pub messages: u32,
}

/// Why a consumer is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerDefect {
    /// Twice in a row.
    #[error("the broker counts no consumer of the queue")]
    NotCounted,
    /// From one look to the next, a period later.
    #[error("messages wait in the queue, and none came for {} s", LIVENESS_PERIOD.as_secs())]
    HeldBack,
}

/// What the looks at one queue came to so far.
#[derive(Debug, Default)]
pub struct ConsumerWatch {
    /// What was taken when no consumer was counted.
    not_counted_at: Option<u64>,
    /// What was taken when messages waited for one that waited for them.
    held_back_at: Option<u64>,
}

impl ConsumerWatch {
    /// Takes a look; says after how long to look again.
    pub fn look(&mut self, queue: QueueLook, progress: &ConsumerProgress) -> Result<Duration, ConsumerDefect> {
        let taken = progress.taken.load(Ordering::SeqCst);
        let waits = !progress.working.load(Ordering::SeqCst);
        if queue.consumers == 0 && waits {
            if self.not_counted_at.replace(taken) == Some(taken) {
                return Err(ConsumerDefect::NotCounted);
            }
            return Ok(ASK_AGAIN_AFTER);
        }
        self.not_counted_at = None;
        let held_back = queue.messages > 0 && waits;
        if held_back && self.held_back_at == Some(taken) {
            return Err(ConsumerDefect::HeldBack);
        }
        self.held_back_at = held_back.then_some(taken);
        Ok(LIVENESS_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: QueueLook = QueueLook { consumers: 0, messages: 3 };
    const WAITING: QueueLook = QueueLook { consumers: 1, messages: 3 };
    const EMPTY: QueueLook = QueueLook { consumers: 1, messages: 0 };

    #[test]
    fn a_broker_that_counts_nobody_is_asked_once_more() {
        let (mut watch, progress) = (ConsumerWatch::default(), ConsumerProgress::default());
        assert_eq!(watch.look(NOBODY, &progress), Ok(ASK_AGAIN_AFTER));
        assert_eq!(watch.look(EMPTY, &progress), Ok(LIVENESS_PERIOD), "it was busy");
        assert_eq!(watch.look(NOBODY, &progress), Ok(ASK_AGAIN_AFTER), "the first in a row again");
        assert_eq!(watch.look(NOBODY, &progress), Err(ConsumerDefect::NotCounted));
    }

    #[test]
    fn who_gets_messages_is_a_consumer_whatever_is_counted() {
        let (mut watch, progress) = (ConsumerWatch::default(), ConsumerProgress::default());
        assert_eq!(watch.look(NOBODY, &progress), Ok(ASK_AGAIN_AFTER));
        progress.takes();
        assert_eq!(watch.look(NOBODY, &progress), Ok(LIVENESS_PERIOD), "at work");
        progress.waits();
        assert_eq!(watch.look(NOBODY, &progress), Ok(ASK_AGAIN_AFTER));
        progress.takes();
        progress.waits();
        assert_eq!(watch.look(NOBODY, &progress), Ok(ASK_AGAIN_AFTER), "one came in between");
        assert_eq!(watch.look(NOBODY, &progress), Err(ConsumerDefect::NotCounted));
    }

    #[test]
    fn messages_that_wait_for_one_who_waits_are_held_back() {
        let (mut watch, progress) = (ConsumerWatch::default(), ConsumerProgress::default());
        assert_eq!(watch.look(WAITING, &progress), Ok(LIVENESS_PERIOD), "they may have come just now");
        progress.takes();
        progress.waits();
        assert_eq!(watch.look(WAITING, &progress), Ok(LIVENESS_PERIOD), "one was taken, so others will be");
        assert_eq!(watch.look(WAITING, &progress), Err(ConsumerDefect::HeldBack));
    }

    #[test]
    fn a_long_work_holds_nothing_back() {
        let (mut watch, progress) = (ConsumerWatch::default(), ConsumerProgress::default());
        progress.takes();
        for _ in 0..5 {
            assert_eq!(watch.look(WAITING, &progress), Ok(LIVENESS_PERIOD));
        }
        progress.waits();
        assert_eq!(watch.look(EMPTY, &progress), Ok(LIVENESS_PERIOD));
        assert_eq!(watch.look(WAITING, &progress), Ok(LIVENESS_PERIOD));
        assert_eq!(watch.look(WAITING, &progress), Err(ConsumerDefect::HeldBack));
    }
}
