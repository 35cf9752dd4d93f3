//! Messages one at a time, each acknowledged when it was worked on, or after a while where the
//! work takes very long.

use std::pin::pin;
use std::time::Duration;

/// Where messages come from.
pub(super) trait Messages {
    /// One of them.
    type Message;
    /// Why no more come.
    type Error;

    /// Waits for the next one.
    async fn next(&mut self) -> Result<Self::Message, Self::Error>;

    /// Acknowledges a message; one that was acknowledged before is left as it is.
    async fn acknowledge(&self, message: &Self::Message) -> Result<(), Self::Error>;
}

/// Works on messages until none come any more. One that is worked on for longer than `hold` is
/// acknowledged before the end of the work, and of those that come meanwhile only the newest is
/// worked on next.
pub(super) async fn consume<S, W>(
    source: &mut S,
    hold: Duration,
    work: impl Fn(&S::Message) -> W,
) -> Result<std::convert::Infallible, S::Error>
where
    S: Messages,
    W: Future<Output = ()>,
{
    let mut superseding = None;
    loop {
        let message = match superseding.take() {
            Some(acknowledged) => acknowledged,
            None => source.next().await?,
        };
        let mut work = pin!(work(&message));
        let in_time = tokio::time::timeout(hold, work.as_mut()).await.is_ok();
        source.acknowledge(&message).await?;
        if in_time {
            continue;
        }
        loop {
            let newer = tokio::select! {
                // What is done is looked at first: a message that comes with it is taken in its
                // turn.
                biased;
                () = work.as_mut() => break,
                newer = source.next() => newer?,
            };
            source.acknowledge(&newer).await?;
            superseding = Some(newer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::sync::{Semaphore, mpsc};

    /// Far above what any step takes.
    const DEADLINE: Duration = Duration::from_mins(1);

    struct Line {
        messages: mpsc::UnboundedReceiver<u32>,
        acknowledged: mpsc::UnboundedSender<u32>,
        done: Arc<Mutex<Vec<u32>>>,
    }

    impl Messages for Line {
        type Message = (u32, Mutex<bool>);
        type Error = &'static str;

        async fn next(&mut self) -> Result<Self::Message, Self::Error> {
            let number = self.messages.recv().await.ok_or("the line broke")?;
            Ok((number, Mutex::new(false)))
        }

        async fn acknowledge(&self, (number, before): &Self::Message) -> Result<(), Self::Error> {
            let before = std::mem::replace(&mut *before.lock().unwrap(), true);
            if !before {
                let _ = self.acknowledged.send(*number);
            }
            Ok(())
        }
    }

    struct Bench {
        send: Option<mpsc::UnboundedSender<u32>>,
        acknowledged: mpsc::UnboundedReceiver<u32>,
        /// A permit lets one work come to its end.
        permits: Arc<Semaphore>,
        done: Arc<Mutex<Vec<u32>>>,
        task: tokio::task::JoinHandle<&'static str>,
    }

    impl Bench {
        fn start(hold: Duration) -> Self {
            let (send, messages) = mpsc::unbounded_channel();
            let (acknowledge, acknowledged) = mpsc::unbounded_channel();
            let (permits, done) = (Arc::new(Semaphore::new(0)), Arc::<Mutex<Vec<u32>>>::default());
            let mut line = Line { messages, acknowledged: acknowledge, done: Arc::clone(&done) };
            let let_go = Arc::clone(&permits);
            let task = tokio::spawn(async move {
                let worked_on = Arc::clone(&line.done);
                let work = |(number, _): &(u32, Mutex<bool>)| {
                    let (number, let_go, done) = (*number, Arc::clone(&let_go), Arc::clone(&worked_on));
                    async move {
                        let_go.acquire().await.unwrap().forget();
                        done.lock().unwrap().push(number);
                    }
                };
                let Err(error) = consume(&mut line, hold, work).await;
                error
            });
            Self { send: Some(send), acknowledged, permits, done, task }
        }

        fn comes(&self, number: u32) {
            self.send.as_ref().unwrap().send(number).unwrap();
        }

        async fn acknowledged(&mut self) -> u32 {
            tokio::time::timeout(DEADLINE, self.acknowledged.recv()).await.unwrap().unwrap()
        }

        /// The line breaks, and what was worked on is told.
        async fn end(mut self) -> Vec<u32> {
            self.send = None;
            tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
            self.done.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_message_is_acknowledged_after_the_work_on_it() {
        let mut bench = Bench::start(DEADLINE * 60);
        bench.comes(1);
        bench.comes(2);
        bench.permits.add_permits(1);
        assert_eq!(bench.acknowledged().await, 1);
        assert_eq!(*bench.done.lock().unwrap(), [1]);
        assert!(bench.acknowledged.try_recv().is_err(), "the second is held while it is worked on");
        bench.permits.add_permits(1);
        assert_eq!(bench.acknowledged().await, 2);
        assert_eq!(bench.end().await, [1, 2]);
    }

    #[tokio::test]
    async fn a_message_held_too_long_is_acknowledged_early_and_of_later_ones_the_newest_follows() {
        let mut bench = Bench::start(Duration::from_millis(5));
        bench.comes(1);
        assert_eq!(bench.acknowledged().await, 1, "before its work is done");
        assert!(bench.done.lock().unwrap().is_empty());
        for number in [2, 3, 4] {
            bench.comes(number);
            assert_eq!(bench.acknowledged().await, number);
        }
        bench.permits.add_permits(1);
        // Its work goes on to its end, then the newest of those that came; 2 and 3 were
        // superseded.
        bench.permits.add_permits(1);
        bench.comes(5);
        bench.permits.add_permits(1);
        assert_eq!(bench.acknowledged().await, 5);
        let done = bench.end().await;
        assert_eq!((done[0], done.last()), (1, Some(&5)), "{done:?}");
        assert!(!done.contains(&2) && !done.contains(&3), "{done:?}");
    }

    #[tokio::test]
    async fn a_line_that_breaks_ends_the_work_that_was_held() {
        let bench = Bench::start(Duration::from_millis(5));
        bench.comes(1);
        assert_eq!(bench.end().await, Vec::<u32>::new());
    }
}
