use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::task::JoinHandle;

const PERIOD: Duration = Duration::from_mins(1);

#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename = "broken")]
#[error("{what} is broken")]
struct Broken {
    what: &'static str,
}

/// Counts its runs; ends each as `outcome` says of its number, from 1.
struct Counted<F>(Arc<AtomicU32>, F);

impl<F: FnMut(u32) -> Result<Next, Failure> + Send + 'static> Work for Counted<F> {
    fn run<'a>(&'a mut self, _: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            let run = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            (self.1)(run)
        })
    }
}

fn counted(
    name: &'static str,
    outcome: impl FnMut(u32) -> Result<Next, Failure> + Send + 'static,
) -> (Task, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    (Task::new(name, PERIOD, Counted(Arc::clone(&runs), outcome)), runs)
}

fn panicked(said: &str) -> Reason {
    Reason::of(&TaskPanicked { said: said.to_owned() })
}

fn quiet(name: &'static str) -> (Task, Arc<AtomicU32>) {
    counted(name, |_| Ok(Next::AtPeriod))
}

struct Driven {
    background: Background,
    stop: CancellationToken,
    driver: JoinHandle<()>,
}

impl Driven {
    async fn start(tasks: Vec<Task>) -> Self {
        let (background, stop) = (Background::default(), CancellationToken::new());
        let (running, token) = (background.clone(), stop.clone());
        let driver = tokio::spawn(async move { running.run(tasks, token).await });
        settle().await;
        Self { background, stop, driver }
    }

    fn state(&self, name: &str) -> TaskState {
        self.background.tasks().into_iter().find(|task| task.name == name).unwrap()
    }
}

/// Lets everything run that can run now. The clock is held, so nothing else happens.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    settle().await;
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    // The computer's clock goes on by milliseconds while tokio's is held.
    (to.as_millisecond() - from.as_millisecond() + 500).div_euclid(1_000)
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_at_the_start_then_on_its_period_and_says_when() {
    let (task, runs) = quiet("one");
    let driven = Driven::start(vec![task]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    pass(Duration::from_secs(59)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let state = driven.state("one");
    assert_eq!((state.period, state.runs, state.failures, state.last_error), (PERIOD, 1, 0, None));
    assert_eq!(state.running_since, None);
    assert_eq!(seconds(state.last_run.unwrap(), Timestamp::now()), 59);
    assert_eq!(seconds(Timestamp::now(), state.next_run.unwrap()), 1);
    pass(Duration::from_secs(2)).await;
    assert_eq!((runs.load(Ordering::SeqCst), driven.state("one").runs), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_sooner_or_later_where_it_says_so() {
    let (task, runs) = counted("one", |run| match run {
        1..=3 => Ok(Next::AtOnce),
        4 => Ok(Next::In(Duration::from_secs(5))),
        _ => Ok(Next::In(Duration::from_mins(5))),
    });
    let _driven = Driven::start(vec![task.first_after(Duration::from_secs(10))]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    pass(Duration::from_secs(10)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    pass(Duration::from_secs(6)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    pass(Duration::from_secs(299)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    pass(Duration::from_secs(2)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 6);
}

#[tokio::test(start_paused = true)]
async fn pokes_come_together_until_the_spacing_is_over_and_urgent_ones_do_not_wait() {
    let (task, runs) = quiet("one");
    let (poke, urgent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let task = task.poked_by(Arc::clone(&poke)).poked_at_once_by(Arc::clone(&urgent));
    let driven = Driven::start(vec![task.spaced(|_| Duration::from_secs(5))]).await;
    for _ in 0..3 {
        poke.notify_one();
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    pass(Duration::from_secs(3)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    urgent.notify_one();
    settle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(seconds(Timestamp::now(), driven.state("one").next_run.unwrap()), 60);
}

#[tokio::test(start_paused = true)]
async fn a_poke_during_a_run_brings_about_the_next_run() {
    struct Long(Arc<AtomicU32>, Arc<Notify>);
    impl Work for Long {
        fn run<'a>(&'a mut self, _: &'a CancellationToken) -> Run<'a> {
            Box::pin(async move {
                self.0.fetch_add(1, Ordering::SeqCst);
                self.1.notified().await;
                Ok(Next::AtPeriod)
            })
        }
    }
    let (runs, end, poke) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let task = Task::new("one", PERIOD, Long(Arc::clone(&runs), Arc::clone(&end)));
    let driven = Driven::start(vec![task.poked_by(Arc::clone(&poke))]).await;
    poke.notify_one();
    pass(Duration::from_secs(7)).await;
    let state = driven.state("one");
    assert_eq!(seconds(state.running_since.unwrap(), Timestamp::now()), 7);
    assert_eq!((state.next_run, state.last_run), (None, None));
    end.notify_one();
    settle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2, "the second run is under way");
    assert_eq!(driven.state("one").last_took, Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_a_panic_are_told_and_repeated_and_stop_no_other_task() {
    let (bad, bad_runs) = counted("bad", |run| match run {
        1 => Err(Broken { what: "a" }.into()),
        2 => panic!("{run} of these"),
        _ => Ok(Next::AtPeriod),
    });
    let blocking = Task::blocking::<Failure>("blocking", PERIOD, |_| panic!("of a thread"));
    let (good, good_runs) = quiet("good");
    let driven = Driven::start(vec![bad, good, blocking]).await;
    let state = driven.state("bad");
    assert_eq!((state.failures, state.last_error.unwrap().reason), (1, Reason::of(&Broken { what: "a" })));
    pass(PERIOD).await;
    let state = driven.state("bad");
    assert_eq!(state.failures, 2);
    assert_eq!(state.last_error.unwrap().reason, panicked("2 of these"));
    pass(Duration::from_secs(61)).await;
    let state = driven.state("bad");
    assert_eq!((state.runs, state.failures), (3, 0), "the third run went well");
    assert_eq!(seconds(state.last_error.unwrap().at, Timestamp::now()), 61, "what failed last is still told");
    assert_eq!(bad_runs.load(Ordering::SeqCst), good_runs.load(Ordering::SeqCst));
    // A thread of its own ends when it ends, whatever the clock says.
    let mut state = driven.state("blocking");
    while state.last_error.is_none() {
        tokio::task::yield_now().await;
        state = driven.state("blocking");
    }
    assert_eq!(state.last_error.unwrap().reason, panicked("of a thread"));
}

#[tokio::test(start_paused = true)]
async fn repeats_come_after_growing_waits_up_to_the_period_where_the_task_asks_for_it() {
    let (task, runs) = counted("one", |_| Err(Broken { what: "b" }.into()));
    let poke = Arc::new(Notify::new());
    let _driven = Driven::start(vec![task.retried_after(Duration::from_secs(2)).poked_by(Arc::clone(&poke))]).await;
    poke.notify_one();
    settle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 1, "whoever pokes does not make it a busy loop");
    // 1 to 2 s, then 2 to 4 s, … at last 30 to 60 s.
    let mut waits = Vec::new();
    for run in 2..12 {
        let mut waited = 0;
        while runs.load(Ordering::SeqCst) < run {
            pass(Duration::from_millis(250)).await;
            waited += 1;
        }
        waits.push(waited / 4);
    }
    assert!(waits[0] <= 2 && (2..=4).contains(&waits[1]) && (4..=8).contains(&waits[2]), "{waits:?}");
    assert!(waits[5..].iter().all(|wait| (29..=60).contains(wait)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_begins_no_run_and_waits_for_the_one_under_way() {
    struct UntilStopped(Arc<AtomicU32>, Arc<Notify>);
    impl Work for UntilStopped {
        fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
            Box::pin(async move {
                stop.cancelled().await;
                self.1.notified().await;
                self.0.fetch_add(1, Ordering::SeqCst);
                Ok(Next::AtOnce)
            })
        }
    }
    let (runs, last_step) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let long = Task::new("long", PERIOD, UntilStopped(Arc::clone(&runs), Arc::clone(&last_step)));
    let (idle, idle_runs) = quiet("idle");
    let driven = Driven::start(vec![long, idle]).await;
    driven.stop.cancel();
    pass(Duration::from_secs(3)).await;
    assert!(!driven.driver.is_finished(), "the long run is waited for");
    assert!(driven.state("long").running_since.is_some());
    last_step.notify_one();
    settle().await;
    assert!(driven.driver.is_finished());
    assert_eq!((runs.load(Ordering::SeqCst), idle_runs.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(driven.state("idle").next_run, None);
}

#[tokio::test]
async fn the_state_of_blocking_work_is_kept_and_made_anew_after_a_panic() {
    let mut kept = Kept::default();
    let add = |state: &mut u32| {
        *state += 1;
        *state
    };
    assert_eq!(kept.off_thread(|| 0, add).await, 1);
    assert_eq!(kept.off_thread(|| 0, add).await, 2);
    let broken = AssertUnwindSafe(kept.off_thread(|| 0, |_| panic!("broken"))).catch_unwind().await;
    assert_eq!(said(broken.unwrap_err()), "broken");
    assert_eq!(kept.off_thread(|| 10, add).await, 11);
}
