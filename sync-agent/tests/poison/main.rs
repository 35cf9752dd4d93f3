//! What panics each time delays only itself. Fail points are of a whole process, so these tests
//! have one of their own, and take turns in it.
#![cfg(feature = "crash-points")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail like tests")]

use fail::FailScenario;
use fs_err as fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tillway_exchangers::package::{Facts, PackageBuilder, PackageReader, messages};
use tillway_exchangers::till::dictionary;
use tillway_file_queue::{Limits, NewMessage, Queue, State};
use tillway_proto::{DeliveryId, PackageLink, Revision};
use tillway_sync_agent::settings::{Layout, LiveSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

/// Far above what any step takes.
const DEADLINE: Duration = Duration::from_mins(2);

/// A till folder with a file queue, and no broker.
struct Till {
    folder: tempfile::TempDir,
    queue: Queue,
}

impl Till {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=127.0.0.1\ndept.broker.port=1\n";
        fs::write(folder.path().join("cash.ini"), settings).unwrap();
        let root = folder.path().join("linuxcash/cash/data/queues");
        let queue = Queue::open(&root, &"dictionary".parse().unwrap(), Limits::default()).unwrap();
        Self { folder, queue }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("linuxcash/cash/data").join(name)
    }

    /// Puts a package without rows into the file queue.
    fn put(&self, from: u64, to: u64) {
        let (from, to) = (Revision(from), Revision(to));
        let facts = Facts { from, to, layers: vec!["_chain_main_00000001".to_owned()], kinds: Vec::new() };
        let built = PackageBuilder::new(self.folder.path()).unwrap().finish(facts).unwrap();
        let link = PackageLink {
            delivery: DeliveryId::generate(),
            package: built.name.clone(),
            link: "/packages/x.twp".to_owned(),
            bytes: 1000,
            from,
            to,
            objects: 0,
            until: None,
            replaces: None,
        };
        let mut batch = self.queue.begin_batch().unwrap();
        batch.set_attribute("link", serde_json::to_string(&link).unwrap());
        for body in messages(PackageReader::open(&built.path, &built.name).unwrap(), 1000).unwrap() {
            batch.put(NewMessage::new("test"), &body.unwrap()).unwrap();
        }
        batch.commit().unwrap();
    }

    fn start(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let layout = Layout::under(self.folder.path());
        let settings = LiveSettings::read(&self.folder.path().join("cash.ini"), layout).unwrap();
        let shutdown = CancellationToken::new();
        let running = tillway_sync_agent::run(settings, shutdown.clone());
        (shutdown, tokio::spawn(async move { running.await.unwrap() }))
    }

    /// Asks the agent as the command line does; the answer is awaited where it is wanted.
    async fn ask(&self, request: &str, wanted: bool) -> String {
        let mut stream = tokio::net::UnixStream::connect(self.data("sync/agent.sock")).await.unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        if wanted {
            tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        }
        answer
    }

    /// Batches: which state, how many tries.
    fn batches(&self) -> Vec<(State, u32)> {
        self.queue.entries().unwrap().iter().map(|entry| (entry.state, entry.tries)).collect()
    }
}

async fn wait(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_batch_on_which_the_loader_panics_is_set_aside_after_its_tries_and_the_rest_goes_on() {
    let scenario = FailScenario::setup();
    let till = Till::new();
    let tries = till.queue.limits().max_tries;
    fail::cfg("load::works", &format!("{tries}*panic(on purpose)->off")).unwrap();
    till.put(0, 1);
    till.put(0, 2);
    let (shutdown, agent) = till.start();
    wait("the agent", || till.data("sync/agent.sock").exists()).await;
    for done in 1..tries {
        wait("a try", || till.batches().first().is_some_and(|(_, tries)| *tries >= done)).await;
        // The next try need not wait for its time.
        if done > 2 {
            till.ask(r#"{"schema":1,"ask":"load"}"#, false).await;
        }
    }
    wait("the rest", || dictionary::State::read(&till.data("dictionaries.db")).is_ok_and(|state| state.cursor.0 == 2))
        .await;
    wait("the end of the second", || till.batches().len() == 1).await;
    assert_eq!(till.batches(), [(State::Aside, tries)]);
    let entry = till.queue.entries().unwrap().pop().unwrap();
    assert!(entry.reason.as_ref().unwrap().contains("the loader panicked: on purpose"), "{entry:?}");
    // Tried again by hand it is older than what the till has, and done with.
    let unit = format!(r#"{{"sort":"package","name":"{}"}}"#, entry.id);
    let answer = till.ask(&format!(r#"{{"schema":1,"ask":"aside","action":"retry","units":[{unit}]}}"#), true).await;
    assert!(answer.contains("1 tried again"), "{answer}");
    wait("it is done with", || till.batches().is_empty()).await;
    let answer = till.ask(&format!(r#"{{"schema":1,"ask":"aside","action":"drop","units":[{unit}]}}"#), true).await;
    assert!(answer.contains("0 dropped") && answer.contains("1 not there"), "{answer}");
    shutdown.cancel();
    agent.await.unwrap();
    scenario.teardown();
}

#[tokio::test]
async fn a_message_on_which_the_work_panics_is_set_aside_and_can_be_tried_again() {
    let scenario = FailScenario::setup();
    let till = Till::new();
    let aside = till.data("sync/aside");
    fs::create_dir_all(&aside).unwrap();
    let message = r#"{"schema":1,"id":"00000000-0000-0000-0000-000000000007","type":"report-state"}"#;
    fs::write(aside.join("message-1.json"), message).unwrap();
    fail::cfg("commands::works", "1*panic(on purpose)->off").unwrap();
    let (shutdown, agent) = till.start();
    wait("the agent", || till.data("sync/agent.sock").exists()).await;
    let retry = r#"{"schema":1,"ask":"aside","action":"retry","units":[{"sort":"message","name":"message-1.json"}]}"#;
    let answer = till.ask(retry, true).await;
    assert!(answer.contains("1 tried again"), "{answer}");
    let left: Vec<_> = fs::read_dir(&aside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1);
    assert_ne!(left[0], "message-1.json", "it panicked, and lies aside again");
    till.ask(r#"{"schema":1,"ask":"aside","action":"retry","units":[]}"#, true).await;
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 0, "worked on to its end");
    shutdown.cancel();
    agent.await.unwrap();
    scenario.teardown();
}
