//! The loader over a store that refuses, and a model of the whole intake: whatever is sent again
//! or cut off, each receipt is there exactly once, and none that was acknowledged is missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tillway_proto::receipt::DocumentNumber;
use uuid::Uuid;

use super::{any_shift, arrival, batch, open_store, open_when_free, sale, till};
use crate::sales::loader::Loader;
use crate::sales::spool::{HeldReceipt, Position, Spool, SpoolLimits};
use crate::store::sales::{FindingFilter, Page, SalesStore};
use crate::store::sqlite::sales::SqliteSales;
use tillway_file_queue::disk::{Disk, RealDisk};

fn open_spool(folder: &Path, loaded: Position, limits: SpoolLimits) -> Spool {
    open_when_free(&folder.join("spool"), loaded, limits, &(Arc::new(RealDisk) as Arc<dyn Disk>)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn in_database(store: &SqliteSales) -> Vec<u64> {
    let receipts = store.receipts(&till(), any_shift(1), Page::default()).unwrap();
    receipts.into_iter().map(|receipt| receipt.number.0).collect()
}

#[test]
fn a_record_that_the_database_refuses_is_set_aside_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), Position::default(), SpoolLimits::default());
    runtime().block_on(async {
        for number in 1..=5 {
            let mut arrived = arrival(batch(vec![sale(&till(), 1, number)], vec![]));
            if number == 3 {
                arrived.till_id = "no till".to_owned();
            }
            spool.append(&arrived).await.await.unwrap().unwrap();
        }
    });
    // Poison of another sort: a constraint that only the fourth record breaks.
    let breaks = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    breaks
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON receipt WHEN new.number = 4
             BEGIN SELECT raise(ABORT, 'the fourth'); END",
        )
        .unwrap();
    let mut loader = Loader::new(spool.clone(), store.clone());
    let mut failures = 0;
    loop {
        match loader.step() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                failures += 1;
                assert!(failures < 10, "it is tried for ever: {error}");
            }
        }
    }
    assert_eq!(failures, 2, "tried three times in all");
    assert_eq!(in_database(&store), [1, 2, 5]);
    let findings = store.findings(&FindingFilter::default(), Page::default()).unwrap();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(store.position().unwrap(), spool.durable_end());
}

#[test]
fn a_database_that_is_locked_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let spool = open_spool(folder.path(), Position::default(), SpoolLimits::default());
    let append = |number| {
        let arrived = arrival(batch(vec![sale(&till(), 1, number)], vec![]));
        runtime().block_on(async { spool.append(&arrived).await.await }).unwrap().unwrap()
    };
    append(1);
    let locking = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    locking.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut loader = Loader::new(spool.clone(), store.clone());
    let loading = std::thread::spawn(move || loader.step());
    append(2);
    assert!(in_database(&store).is_empty() && !loading.is_finished());
    assert_eq!(spool.held(&till(), any_shift(1)).receipts, [receipt(1), receipt(2)], "what waits is told of");
    locking.execute_batch("COMMIT").unwrap();
    // It waited for the lock and went on, or gave up in time and is tried again.
    let _ = loading.join().unwrap();
    let mut loader = Loader::new(spool, store.clone());
    while loader.step().unwrap() {}
    assert_eq!(in_database(&store), [1, 2]);
    assert!(store.findings(&FindingFilter::default(), Page::default()).unwrap().is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    /// The till sends these documents; the answer is lost or not.
    Send { numbers: Vec<u64>, answer_lost: bool },
    /// The loader does one step.
    Load,
    /// The loader commits, and the server dies before the segments are deleted.
    LoadAndDie,
    /// The server stops and starts.
    Restart,
    /// The agent lost its state: it asks what is there and sends the rest.
    Recover,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (prop::collection::vec(1_u64..30, 1..6), any::<bool>())
            .prop_map(|(numbers, answer_lost)| Step::Send { numbers, answer_lost }),
        2 => Just(Step::Load),
        1 => Just(Step::LoadAndDie),
        1 => Just(Step::Restart),
        1 => Just(Step::Recover),
    ];
    prop::collection::vec(step, 1..25)
}

fn held(spool: &Spool, store: &SqliteSales) -> BTreeSet<HeldReceipt> {
    let mut held: BTreeSet<HeldReceipt> = spool.held(&till(), any_shift(1)).receipts.into_iter().collect();
    held.extend(store.held(&till(), any_shift(1)).unwrap().receipts);
    held
}

fn receipt(number: u64) -> HeldReceipt {
    let uuid = Uuid::from_slice(&sale(&till(), 1, number).key.unwrap().uuid).unwrap();
    HeldReceipt { number: DocumentNumber(number), uuid }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn each_receipt_is_there_exactly_once_whatever_is_cut_or_sent_again(steps in steps()) {
        let runtime = runtime();
        let folder = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { segment_bytes: 1_000, ..SpoolLimits::default() };
        let store = open_store(folder.path());
        let mut spool = open_spool(folder.path(), Position::default(), limits);
        let (mut acknowledged, mut sent) = (BTreeSet::new(), BTreeSet::new());
        let send = |spool: &Spool, numbers: &[u64]| {
            let documents = numbers.iter().map(|number| sale(&till(), 1, *number)).collect();
            runtime.block_on(async { spool.append(&arrival(batch(documents, vec![]))).await.await }).unwrap().unwrap();
        };
        for step in steps {
            match step {
                Step::Send { numbers, answer_lost } => {
                    send(&spool, &numbers);
                    sent.extend(numbers.iter().copied());
                    if !answer_lost {
                        acknowledged.extend(numbers);
                    }
                }
                Step::Load => {
                    Loader::new(spool.clone(), store.clone()).step().unwrap();
                }
                Step::LoadAndDie => {
                    let copy = folder.path().join("copy");
                    fs_err::create_dir_all(&copy).unwrap();
                    let segments = || fs_err::read_dir(folder.path().join("spool")).unwrap().map(Result::unwrap)
                        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "spool"));
                    for entry in segments() {
                        fs_err::copy(entry.path(), copy.join(entry.file_name())).unwrap();
                    }
                    Loader::new(spool.clone(), store.clone()).step().unwrap();
                    drop(spool);
                    for entry in fs_err::read_dir(&copy).unwrap().map(Result::unwrap) {
                        fs_err::rename(entry.path(), folder.path().join("spool").join(entry.file_name())).unwrap();
                    }
                    spool = open_spool(folder.path(), store.position().unwrap(), limits);
                }
                Step::Restart => {
                    drop(spool);
                    spool = open_spool(folder.path(), store.position().unwrap(), limits);
                }
                Step::Recover => {
                    let held = held(&spool, &store);
                    let missing: Vec<u64> = (1..10).filter(|number| !held.contains(&receipt(*number))).collect();
                    send(&spool, &missing);
                    sent.extend(missing.iter().copied());
                    acknowledged.extend(1..10);
                }
            }
            let held = held(&spool, &store);
            prop_assert!(acknowledged.iter().all(|number| held.contains(&receipt(*number))), "acknowledged, and not there");
        }
        let mut loader = Loader::new(spool, store.clone());
        while loader.step().unwrap() {}
        prop_assert_eq!(in_database(&store), sent.into_iter().collect::<Vec<_>>());
        prop_assert!(store.findings(&FindingFilter::default(), Page::default()).unwrap().is_empty());
    }
}
