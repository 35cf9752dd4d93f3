//! What was sold before the till was attached.

use crate::bench::{Till, noon};
use std::collections::BTreeSet;

/// A till with two receipts in a shift that was closed long ago, and one in a shift that never
/// was, longer ago.
async fn old_till() -> Till {
    let mut till = Till::new().await;
    till.open_shift(1);
    let shift = till.open_shift(2);
    for _ in 0..2 {
        till.sell(shift, true);
    }
    till.sell(shift, false);
    till.pos.close_shift(shift, noon()).unwrap();
    till
}

#[tokio::test]
async fn a_new_till_leaves_its_history_and_begins_with_a_whole_shift() {
    let mut till = old_till().await;
    let shift = till.open_shift(3);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("what is there of the open shift", |heard| heard.documents.len() == 1).await;
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the rest of it", |heard| heard.documents.len() == 2 && heard.closed.contains(&3)).await;
    agent.stop().await;
    // Nor does a look back of a later start take it up, nor one after the state was lost.
    for name in ["sync.db", "sync.db-wal", "sync.db-shm"] {
        let _ = fs_err::remove_file(till.data().join(name));
    }
    let agent = till.start();
    let shift = till.open_shift(4);
    till.sell(shift, true);
    till.wait("one more", |heard| heard.documents.len() == 3).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert_eq!(heard.numbers(), BTreeSet::from([4, 5, 6]));
    assert_eq!(heard.closed, [3].into());
}

#[tokio::test]
async fn what_is_sold_after_the_installation_goes_up_whatever_the_clock_says() {
    let mut till = old_till().await;
    till.stub.0.lock().unwrap().down = true;
    let agent = till.start();
    till.wait_for_file("instance").await;
    // By its times it ended months before the installation.
    let shift = till.open_shift(3);
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.stub.0.lock().unwrap().down = false;
    till.wait("it", |heard| heard.closed.contains(&3)).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert_eq!((heard.numbers(), heard.closed.clone()), (BTreeSet::from([4]), [3].into()));
}

#[tokio::test]
async fn a_till_that_the_server_knows_has_no_history() {
    let till = old_till().await;
    till.stub.0.lock().unwrap().had.insert((1, 1, vec![7; 16]));
    let agent = till.start();
    till.wait("all", |heard| heard.documents.len() == 2 && heard.closed.contains(&2)).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_restored_till_is_noticed_by_an_unfinished_document_and_its_history_stays() {
    let mut till = old_till().await;
    let shift = till.open_shift(3);
    let newest = till.sell(shift, true);
    let agent = till.start();
    till.wait("the newest", |heard| heard.documents.len() == 1).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(newest)).await;
    agent.stop().await;
    let restore = format!(
        "DELETE FROM document WHERE documentid = {newest};
         UPDATE sqlite_sequence SET seq = {newest} - 1 WHERE name = 'document'"
    );
    till.tool().execute_batch(&restore).unwrap();
    assert_eq!(till.sell(shift, false), newest, "another receipt under its id");
    let agent = till.start();
    till.wait_state("it is noticed", |state| !state.progress().unwrap().has(newest)).await;
    till.pos.finish_document(newest, noon()).unwrap();
    till.wait("the other one", |heard| heard.documents.len() == 2).await;
    agent.stop().await;
    assert_eq!(till.stub.0.lock().unwrap().numbers(), BTreeSet::from([4, 5]));
}
