//! Whether a consumer of a queue is still one: it can die without a word, and the connection lives
//! on.
//!
//! Both daemons ask the broker on a period what it says of the queues they consume, and begin anew
//! where it does not count them or holds messages back from them. What a broker says once proves
//! nothing: one that is busy with thousands of queues was seen to count no consumer where there
//! was one, and a message may have come to the queue a moment ago.

use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often the broker is asked.
pub const LIVENESS_PERIOD: Duration = Duration::from_secs(30);

/// After so long it is asked once more where it counts no consumer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Looks in a row at which messages wait for one who waits for them, until they count as held
/// back: a busy broker takes its time.
const HELD_BACK_LOOKS: u32 = 3;

/// How far a consumer is.
#[derive(Debug, Default)]
pub struct ConsumerProgress {
    taken: AtomicU64,
    working: AtomicBool,
}

impl ConsumerProgress {
    /// Waits for the next message. Whoever does not wait is at work: no wonder that messages wait
    /// then.
    pub async fn wait<T>(&self, next: impl Future<Output = T>) -> T {
        // Also where the wait is given up.
        let _waits = Waits::begin(&self.working);
        let message = next.await;
        self.taken.fetch_add(1, Ordering::SeqCst);
        message
    }
}

struct Waits<'a> {
    working: &'a AtomicBool,
}

impl<'a> Waits<'a> {
    fn begin(working: &'a AtomicBool) -> Self {
        working.store(false, Ordering::SeqCst);
        Self { working }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.working.store(true, Ordering::SeqCst);
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

/// Why the broker no longer counts us as a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ConsumerDefect {
    /// Twice in a row.
    #[error("the broker counts no consumer of the queue")]
    #[serde(rename = "consumer-not-counted")]
    NotCounted,
    /// At some looks in a row, a period apart.
    #[error("messages wait in the queue, and none came for {} s", (LIVENESS_PERIOD * (HELD_BACK_LOOKS - 1)).as_secs())]
    #[serde(rename = "reports-held-back")]
    HeldBack,
}

/// What the looks at one queue came to so far.
#[derive(Debug, Default)]
pub struct ConsumerWatch {
    /// Messages that had been taken at the last look.
    taken: u64,
    /// Looks in a row that found no consumer, and that found messages held back, with nothing
    /// taken in between.
    not_counted: u32,
    held_back: u32,
}

impl ConsumerWatch {
    /// Takes a look; says after how long to look again.
    pub fn look(&mut self, queue: QueueLook, progress: &ConsumerProgress) -> Result<Duration, ConsumerDefect> {
        let taken = progress.taken.load(Ordering::SeqCst);
        let working = progress.working.load(Ordering::SeqCst);
        if working || taken != self.taken {
            *self = Self { taken, ..Self::default() };
        }
        if working {
            return Ok(LIVENESS_PERIOD);
        }
        if queue.consumers == 0 {
            self.not_counted += 1;
            return if self.not_counted > 1 { Err(ConsumerDefect::NotCounted) } else { Ok(ASK_AGAIN_AFTER) };
        }
        self.not_counted = 0;
        self.held_back = if queue.messages > 0 { self.held_back + 1 } else { 0 };
        if self.held_back >= HELD_BACK_LOOKS { Err(ConsumerDefect::HeldBack) } else { Ok(LIVENESS_PERIOD) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const NOBODY: QueueLook = QueueLook { consumers: 0, messages: 3 };
    const WAITING: QueueLook = QueueLook { consumers: 1, messages: 3 };
    const EMPTY: QueueLook = QueueLook { consumers: 1, messages: 0 };

    /// A consumer, and what the watch says at its looks: seconds until the next.
    #[derive(Default)]
    struct Bench {
        watch: ConsumerWatch,
        progress: ConsumerProgress,
    }

    impl Bench {
        /// While it waits for a message.
        async fn waiting(&mut self, look: QueueLook) -> Result<u64, ConsumerDefect> {
            let Self { watch, progress } = self;
            tokio::select! {
                biased;
                () = progress.wait(pending()) => unreachable!("it never comes"),
                seen = async { watch.look(look, progress) } => seen.map(|wait| wait.as_secs()),
            }
        }

        /// While it works on the message it took last.
        fn working(&mut self, look: QueueLook) -> Result<u64, ConsumerDefect> {
            self.watch.look(look, &self.progress).map(|wait| wait.as_secs())
        }

        async fn take(&self) {
            self.progress.wait(ready(())).await;
        }
    }

    #[tokio::test]
    async fn a_broker_that_counts_nobody_is_asked_once_more() {
        let mut bench = Bench::default();
        assert_eq!(bench.waiting(NOBODY).await, Ok(5));
        assert_eq!(bench.waiting(EMPTY).await, Ok(30), "it was busy");
        assert_eq!(bench.waiting(NOBODY).await, Ok(5), "the first in a row again");
        assert_eq!(bench.waiting(NOBODY).await, Err(ConsumerDefect::NotCounted));
    }

    #[tokio::test]
    async fn who_gets_messages_is_a_consumer_whatever_is_counted() {
        let mut bench = Bench::default();
        assert_eq!(bench.waiting(NOBODY).await, Ok(5));
        bench.take().await;
        assert_eq!(bench.working(NOBODY), Ok(30), "at work");
        assert_eq!(bench.waiting(NOBODY).await, Ok(5));
        bench.take().await;
        assert_eq!(bench.waiting(NOBODY).await, Ok(5), "one came in between");
        assert_eq!(bench.waiting(NOBODY).await, Err(ConsumerDefect::NotCounted));
    }

    #[tokio::test]
    async fn messages_that_wait_for_one_who_waits_are_held_back() {
        let mut bench = Bench::default();
        assert_eq!(bench.waiting(WAITING).await, Ok(30), "they may have come just now");
        assert_eq!(bench.waiting(WAITING).await, Ok(30));
        bench.take().await;
        assert_eq!(bench.waiting(WAITING).await, Ok(30), "one was taken, so others will be");
        assert_eq!(bench.waiting(NOBODY).await, Ok(5), "a short look in between is none of them");
        assert_eq!(bench.waiting(WAITING).await, Ok(30));
        assert_eq!(bench.waiting(WAITING).await, Err(ConsumerDefect::HeldBack));
    }

    #[tokio::test]
    async fn a_long_work_holds_nothing_back_though_a_wait_was_given_up_for_it() {
        let mut bench = Bench::default();
        bench.take().await;
        // A newer message is waited for beside the work, and what came of that is worked on.
        assert_eq!(bench.waiting(EMPTY).await, Ok(30));
        for _ in 0..5 {
            assert_eq!(bench.working(WAITING), Ok(30));
        }
        assert_eq!(bench.waiting(EMPTY).await, Ok(30));
        assert_eq!(bench.waiting(WAITING).await, Ok(30));
        assert_eq!(bench.waiting(WAITING).await, Ok(30));
        assert_eq!(bench.waiting(WAITING).await, Err(ConsumerDefect::HeldBack));
    }
}
