//! Random histories of batches, loads, restarts, power cuts and failing disks: what was
//! acknowledged is loaded exactly once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use tempfile::TempDir;
use tillway_file_queue::disk::Disk;
use tillway_file_queue::disk::power::ForgetfulDisk;

use super::{DEADLINE, any_shift, arrival, batch, open_store, open_when_free, sale, till};
use crate::sales::loader::Loader;
use crate::sales::spool::{Spool, SpoolLimits};
use crate::store::sales::{FindingFilter, Page, SalesStore};
use crate::store::sqlite::sales::SqliteSales;

/// A segment holds one or two batches, so that many begin and go.
const LIMITS: SpoolLimits = SpoolLimits { total_bytes: 1_000_000, segment_bytes: 700, reserve_bytes: 0 };

#[derive(Debug, Clone)]
enum Step {
    /// A batch of new receipts.
    Send(u8),
    /// The last batch again, as after a lost acknowledgement.
    Again,
    Load,
    /// The process is killed and starts anew.
    Restart,
    /// The power goes at once.
    Cut(u64),
    /// The disk is dead from this step of it on, then the power is cut.
    Die {
        after: u64,
        seed: u64,
    },
    /// A sync fails, after some good ones.
    FailSync(u64),
    /// The disk is full after so many bytes, until the next restart.
    Full(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u8).prop_map(Step::Send),
        1 => Just(Step::Again),
        3 => Just(Step::Load),
        1 => Just(Step::Restart),
        2 => any::<u64>().prop_map(Step::Cut),
        3 => (0..12_u64, any::<u64>()).prop_map(|(after, seed)| Step::Die { after, seed }),
        1 => (0..4_u64).prop_map(Step::FailSync),
        1 => (0..2_000_u64).prop_map(Step::Full),
    ]
}

struct World {
    folder: TempDir,
    _ledger: TempDir,
    disk: Arc<ForgetfulDisk>,
    running: Option<(Spool, Arc<SqliteSales>)>,
    runtime: tokio::runtime::Runtime,
    sent: u64,
    last: Vec<u64>,
    acknowledged: BTreeSet<u64>,
    /// A cut that is still to come, once the disk is dead.
    doom: Option<u64>,
}

impl World {
    fn new() -> Self {
        let (folder, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Arc::new(ForgetfulDisk::new(ledger.path()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut world = Self {
            folder,
            _ledger: ledger,
            disk,
            running: None,
            runtime,
            sent: 0,
            last: Vec::new(),
            acknowledged: BTreeSet::new(),
            doom: None,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let store = open_store(self.folder.path());
        let disk = self.disk.clone() as Arc<dyn Disk>;
        let spool =
            open_when_free(&self.folder.path().join("spool"), store.position().unwrap(), LIMITS, &disk).unwrap();
        // I1: a till that asks now is told of everything that was acknowledged.
        let mut held: BTreeSet<u64> =
            spool.held(&till(), any_shift(1)).receipts.iter().map(|receipt| receipt.number.0).collect();
        held.extend(loaded(&store));
        assert!(held.is_superset(&self.acknowledged), "lost: {:?}", self.acknowledged.difference(&held));
        assert!(held.iter().all(|number| *number <= self.sent), "came from nowhere: {held:?}");
        self.running = Some((spool, store));
    }

    fn stop(&mut self) {
        self.running = None;
        wait_for_the_writer(&self.folder.path().join("spool"));
    }

    fn send(&mut self, numbers: Vec<u64>) {
        let Some((spool, _)) = &self.running else { return };
        let documents = numbers.iter().map(|number| sale(&till(), 1, *number)).collect();
        let arrived = arrival(batch(documents, vec![]));
        let answered = self.runtime.block_on(async { spool.append(&arrived).await.await });
        if answered.is_ok_and(|answer| answer.is_ok()) {
            self.acknowledged.extend(&numbers);
        }
        self.last = numbers;
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Send(count) => {
                let first = self.sent + 1;
                self.sent += u64::from(*count);
                self.send((first..=self.sent).collect());
            }
            Step::Again if !self.last.is_empty() => self.send(self.last.clone()),
            Step::Again => {}
            Step::Load => self.load(),
            Step::Restart => {
                // A start that fails is tried again by whoever supervises it; this one does not.
                self.disk.set_room(u64::MAX);
                self.disk.fail_syncs(u64::MAX, 0);
                self.disk.revive();
                self.doom = None;
                self.stop();
                self.start();
            }
            Step::Cut(seed) => self.cut(*seed),
            Step::Die { after, seed } => {
                self.disk.die_after(*after);
                self.doom = Some(*seed);
            }
            Step::FailSync(good) => self.disk.fail_syncs(*good, 1),
            Step::Full(bytes) => self.disk.set_room(*bytes),
        }
        if let Some(seed) = self.doom
            && self.disk.is_dead()
        {
            self.cut(seed);
        }
    }

    fn cut(&mut self, seed: u64) {
        self.doom = None;
        self.stop();
        self.disk.cut_power(seed).unwrap();
        self.start();
    }

    fn load(&mut self) {
        let Some((spool, store)) = &self.running else { return };
        let mut loader = Loader::new(spool.clone(), store.clone());
        // A dead or full disk may refuse to delete what is loaded.
        while loader.step().unwrap_or(false) {}
        assert!(store.position().unwrap() <= spool.durable_end(), "loaded what was not durable");
    }

    fn end(mut self) {
        self.cut(self.sent);
        // Whatever happened, it goes on.
        self.take(&Step::Send(1));
        assert!(self.acknowledged.contains(&self.sent));
        self.load();
        let Some((spool, store)) = &self.running else { return };
        let numbers = loaded(store);
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), once.len(), "twice: {numbers:?}");
        assert!(once.is_superset(&self.acknowledged), "lost: {:?}", self.acknowledged.difference(&once));
        assert!(once.iter().all(|number| (1..=self.sent).contains(number)), "came from nowhere: {once:?}");
        assert_eq!(store.position().unwrap(), spool.durable_end());
        let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
        assert!(findings.iter().all(|finding| finding.kind == "spool-damaged"), "{findings:?}");
    }
}

/// Numbers of what is in the database, doubles included.
fn loaded(store: &SqliteSales) -> Vec<u64> {
    let receipts = store.receipts(&till(), any_shift(1), Page::default()).unwrap();
    receipts.iter().map(|receipt| receipt.number.0).collect()
}

/// The writer ends with the last handle; until then it may still use the files.
fn wait_for_the_writer(spool: &Path) {
    let began = Instant::now();
    let lock = fs_err::File::open(spool.join("spool.lock")).unwrap();
    while lock.file().try_lock().is_err() {
        assert!(began.elapsed() < DEADLINE, "the spool is never let go of");
        std::thread::yield_now();
    }
    lock.file().unlock().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn everything_acknowledged_is_loaded_exactly_once_through_power_cuts(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.end();
    }
}
