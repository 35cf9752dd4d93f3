//! Tills restored from an image, moved, copied, and edited by hand.

use crate::bench::{Till, each_once, noon, open_state};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tillway_exchangers::till::documents::writer::PosWriter;
use uuid::Uuid;

/// A part of a till that an image brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Dictionary,
    Documents,
    State,
}

impl Part {
    fn path(self, till: &Till) -> PathBuf {
        let data = till.folder.path().join("linuxcash/cash/data");
        match self {
            Self::Dictionary => data.join("dictionaries.db"),
            Self::Documents => data.join("documents.db"),
            Self::State => data.join("sync/sync.db"),
        }
    }

    fn files(self, till: &Till) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", self.path(till).display())))
    }

    fn remove(self, till: &Till) {
        for file in self.files(till) {
            let _ = fs::remove_file(file);
        }
    }

    /// An image of it, with nothing left in a log.
    fn image(self, till: &Till) -> Vec<u8> {
        let database = rusqlite::Connection::open(self.path(till)).unwrap();
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(database);
        fs::read(self.path(till)).unwrap()
    }

    fn restore(self, till: &Till, image: &[u8]) {
        self.remove(till);
        fs::write(self.path(till), image).unwrap();
    }
}

fn sell(till: &mut Till, shift: i64) -> i64 {
    till.sell_as(shift, true, &Uuid::new_v4().to_string())
}

async fn unloaded(till: &Till, documents: usize, newest: i64) {
    let agent = till.start();
    till.wait("all", |heard| heard.had.len() == documents).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(newest)).await;
    agent.stop().await;
}

/// Three receipts up to the image, two after it, all unloaded; then `parts` are those of the image
/// again, and two other receipts are sold, on top of whichever documents are there.
async fn restored(parts: &[Part]) -> Till {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let newest = [(); 3].map(|()| sell(&mut till, shift))[2];
    unloaded(&till, 3, newest).await;
    let images: Vec<_> = parts.iter().map(|part| (*part, part.image(&till))).collect();
    let newest = [(); 2].map(|()| sell(&mut till, shift))[1];
    unloaded(&till, 5, newest).await;
    for (part, image) in &images {
        part.restore(&till, image);
    }
    if parts.contains(&Part::Documents) {
        till.pos = PosWriter::open(&Part::Documents.path(&till)).unwrap();
        // Its numbers are given again.
        till.documents = 3;
    }
    for _ in 0..2 {
        sell(&mut till, shift);
    }
    till
}

#[tokio::test]
async fn a_till_restored_from_an_image_sends_its_new_receipts_and_no_old_one_again() {
    use Part::{Dictionary, Documents, State};
    for parts in [
        &[Dictionary, Documents, State][..],
        &[Documents, State],
        &[Documents],
        &[State],
        &[Dictionary, State],
        &[Dictionary, Documents],
    ] {
        let till = restored(parts).await;
        let agent = till.start();
        till.wait("the new ones", |heard| heard.had.len() == 7).await;
        agent.stop().await;
        let heard = till.stub.0.lock().unwrap();
        assert!(each_once(&heard), "{parts:?}: {heard:?}");
        let numbers = if parts.contains(&Documents) { 1..=5 } else { 1..=7 };
        assert_eq!(heard.numbers(), numbers.collect::<BTreeSet<u64>>(), "{parts:?}");
    }
}

#[tokio::test]
async fn a_till_whose_state_was_deleted_or_torn_sends_nothing_twice() {
    for torn in [None, Some(vec![0; 8192]), Some(Vec::new())] {
        let till = restored(&[]).await;
        Part::State.remove(&till);
        if let Some(bytes) = &torn {
            fs::write(Part::State.path(&till), bytes).unwrap();
        }
        let agent = till.start();
        till.wait("the new ones", |heard| heard.had.len() == 7).await;
        agent.stop().await;
        assert!(each_once(&till.stub.0.lock().unwrap()), "{torn:?}");
    }
}

#[tokio::test]
async fn documents_swapped_for_an_older_image_while_the_agent_runs_are_noticed() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    sell(&mut till, shift);
    let image = Part::Documents.image(&till);
    sell(&mut till, shift);
    let agent = till.start();
    till.wait_state("both", |state| state.progress().unwrap().through == 2).await;
    Part::Documents.restore(&till, &image);
    till.pos = PosWriter::open(&Part::Documents.path(&till)).unwrap();
    sell(&mut till, shift);
    till.wait("the other one", |heard| heard.had.len() == 3).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn receipts_are_sent_whatever_their_times_and_the_tills_clock_say() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let times = [
        "2017-01-01T00:00:00",
        "2026-10-25T02:30:00",
        "2026-10-25T02:30:00",
        "2036-06-01T12:00:00",
        "1999-12-31T23:59:59",
    ];
    for time in times {
        let document = sell(&mut till, shift);
        till.tool()
            .execute("UPDATE document SET time_beg = ?1, time_end = ?1 WHERE documentid = ?2", (time, document))
            .unwrap();
    }
    let agent = till.start();
    till.wait("all of them", |heard| heard.had.len() == times.len()).await;
    // What follows the one of the future is sent as well, and the closing of a shift that ended
    // before it began.
    sell(&mut till, shift);
    till.pos.close_shift(shift, "2001-01-01T00:00:00".parse().unwrap()).unwrap();
    till.wait("the closing", |heard| heard.had.len() == times.len() + 1 && heard.closed.contains(&1)).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn documents_edited_by_hand_hold_up_nothing_and_are_not_sent_twice() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let documents = [(); 4].map(|()| sell(&mut till, shift));
    let agent = till.start();
    till.wait("all", |heard| heard.had.len() == 4).await;
    // Rows deleted, the newest that was sent among them, and one changed after it was sent.
    let tool = till.tool();
    tool.execute("DELETE FROM document WHERE documentid IN (?1, ?2)", [documents[1], documents[3]]).unwrap();
    tool.execute("UPDATE document SET sumb = 1 WHERE documentid = ?1", [documents[0]]).unwrap();
    sell(&mut till, shift);
    till.wait("the next one", |heard| heard.had.len() == 5).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn documents_that_cannot_be_read_for_a_while_are_sent_when_they_can() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    sell(&mut till, shift);
    let agent = till.start();
    till.wait("the first", |heard| heard.had.len() == 1).await;
    sell(&mut till, shift);
    // A table is gone for a while.
    let tool = till.tool();
    tool.execute_batch("ALTER TABLE document RENAME TO hidden").unwrap();
    till.wait_for_log_of_errors().await;
    tool.execute_batch("ALTER TABLE hidden RENAME TO document").unwrap();
    till.wait("the second", |heard| heard.had.len() == 2).await;
    // Taken away, and put back.
    let image = Part::Documents.image(&till);
    Part::Documents.remove(&till);
    till.wait_for_log_of_errors().await;
    Part::Documents.restore(&till, &image);
    till.pos = PosWriter::open(&Part::Documents.path(&till)).unwrap();
    sell(&mut till, shift);
    till.wait("the third", |heard| heard.had.len() == 3).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn rubbish_in_the_place_of_documents_is_left_to_the_pos() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    sell(&mut till, shift);
    unloaded(&till, 1, 1).await;
    let image = Part::Documents.image(&till);
    let rubbish = vec![7; 8192];
    Part::Documents.restore(&till, &rubbish);
    let agent = till.start();
    till.wait_for_log_of_errors().await;
    assert_eq!(fs::read(Part::Documents.path(&till)).unwrap(), rubbish, "the POS's file is never touched");
    Part::Documents.restore(&till, &image);
    till.pos = PosWriter::open(&Part::Documents.path(&till)).unwrap();
    sell(&mut till, shift);
    till.wait("the next one", |heard| heard.had.len() == 2).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_second_agent_is_refused_through_a_link_to_the_folder_too() {
    let till = Till::new().await;
    let first = till.start();
    till.wait_for_file("agent.sock").await;
    let link = till.folder.path().join("link");
    std::os::unix::fs::symlink(till.data(), &link).unwrap();
    till.set(&format!("datafolder={}\n", link.display()));
    let error = till.start().task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("another sync-agent (process") && error.contains("stop that one first"), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn settings_copied_to_another_machine_make_another_instance() {
    let (one, other) = (Till::new().await, Till::new().await);
    one.install().await;
    other.install().await;
    let instance = |till: &Till| fs::read_to_string(till.data().join("instance")).unwrap();
    assert_ne!(instance(&one), instance(&other), "the server tells them apart by it");
    let before = instance(&one);
    one.install().await;
    assert_eq!(instance(&one), before);
}

#[tokio::test]
async fn what_was_set_aside_is_sent_when_it_is_tried_again_and_never_when_it_was_dropped() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let documents = [(); 3].map(|()| sell(&mut till, shift));
    till.stub.0.lock().unwrap().refuse = documents[..2].iter().copied().collect();
    unloaded(&till, 1, documents[2]).await;
    till.wait_state("both aside", |state| state.refused_count().unwrap() == 2).await;
    till.stub.0.lock().unwrap().refuse.clear();
    let agent = till.start();
    till.wait_for_file("agent.sock").await;
    let answer =
        till.ask(r#"{"schema":1,"ask":"aside","action":"drop","units":[{"sort":"document","name":"1"}]}"#).await;
    assert!(answer.contains("1 dropped") && answer.contains("--since"), "{answer}");
    let answer = till.ask(r#"{"schema":1,"ask":"aside","action":"retry","units":[]}"#).await;
    assert!(answer.contains("1 tried again"), "{answer}");
    till.wait("the one that was tried again", |heard| heard.had.len() == 2).await;
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.closed.contains(&1)).await;
    agent.stop().await;
    // Nor does the look back of a start take up what was dropped.
    let agent = till.start();
    sell(&mut till, shift);
    till.wait("one more", |heard| heard.had.len() == 3).await;
    agent.stop().await;
    assert_eq!(
        till.stub.0.lock().unwrap().numbers(),
        BTreeSet::from([1, 2, 3, 4]),
        "the first one when it was refused"
    );
    let state = open_state(&till.data());
    assert_eq!((state.refused_count().unwrap(), state.progress().unwrap().has(1)), (0, true));
    let heard = till.stub.0.lock().unwrap();
    assert_eq!(heard.had.len(), 3);
}
