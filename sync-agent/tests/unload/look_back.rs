//! The server lost what it acknowledged, or is another one.

use crate::bench::{Heard, Till, each_once, noon};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Shifts of one step of a look back.
const STEP: u64 = 20;

/// Closed shifts with a receipt each, unloaded by an agent that has stopped.
async fn unloaded(shifts: u64) -> Till {
    let mut till = Till::new().await;
    till.install().await;
    for number in 1..=shifts {
        let shift = till.open_shift(number);
        till.sell(shift, true);
        till.pos.close_shift(shift, noon()).unwrap();
    }
    let agent = till.start();
    till.wait("all", |heard| is_whole(heard, shifts)).await;
    let newest = i64::try_from(shifts).unwrap();
    till.wait_state("the progress", |state| {
        state.progress().unwrap().through == newest && state.closed_shifts().unwrap().through == newest
    })
    .await;
    agent.stop().await;
    till.stub.0.lock().unwrap().hellos.clear();
    till
}

fn is_whole(heard: &Heard, shifts: u64) -> bool {
    let count = usize::try_from(shifts).unwrap();
    heard.had.len() == count && heard.closed.len() == count
}

#[tokio::test]
async fn a_server_that_lost_everything_gets_it_again_at_the_next_start() {
    let till = unloaded(2 * STEP + 5).await;
    till.stub.0.lock().unwrap().lose();
    let agent = till.start();
    till.wait("all again", |heard| is_whole(heard, 2 * STEP + 5)).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert!(heard.documents.values().all(|times| *times == 2), "{heard:?}");
}

#[tokio::test]
async fn a_server_restored_from_a_backup_gets_what_came_since() {
    let till = unloaded(STEP + 5).await;
    {
        let mut heard = till.stub.0.lock().unwrap();
        heard.had.retain(|(shift, ..)| *shift < STEP);
        heard.closed.retain(|shift| *shift < STEP);
    }
    let agent = till.start();
    till.wait("the rest again", |heard| is_whole(heard, STEP + 5)).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert!(heard.documents.iter().all(|((shift, ..), times)| *times == if *shift < STEP { 1 } else { 2 }));
}

#[tokio::test]
async fn a_look_back_that_broke_off_is_gone_on_with() {
    let till = unloaded(3 * STEP).await;
    {
        let mut heard = till.stub.0.lock().unwrap();
        heard.lose();
        // Enough for all tries of the first request: after what was lost of the first step was
        // taken back.
        heard.break_streams = 4;
    }
    let agent = till.start();
    till.wait("all again", |heard| is_whole(heard, 3 * STEP)).await;
    agent.stop().await;
}

#[tokio::test]
async fn looking_back_at_a_server_that_has_all_is_one_stream_of_the_newest_shifts() {
    let mut till = unloaded(STEP + 5).await;
    let agent = till.start();
    till.wait("the look back", |heard| !heard.hellos.is_empty()).await;
    let shift = till.open_shift(100);
    till.sell(shift, true);
    till.wait("one more", |heard| heard.documents.len() == 26).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    let newest: Vec<u64> = (6..=STEP + 5).collect();
    assert_eq!(heard.hellos[..2], [newest, vec![100]]);
    assert!(each_once(&heard));
}

#[tokio::test]
async fn a_server_that_cannot_tell_what_it_has_is_sent_nothing_twice() {
    let mut till = unloaded(3).await;
    {
        let mut heard = till.stub.0.lock().unwrap();
        heard.had.clear();
        heard.partial = true;
    }
    let agent = till.start();
    let shift = till.open_shift(4);
    till.sell(shift, true);
    till.wait("the new one", |heard| heard.documents.len() == 4).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn what_the_stream_of_a_closing_brought_is_not_taken_for_lost() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    // Set aside, so the server never has as many as the till.
    let aside = till.sell(shift, true);
    till.stub.0.lock().unwrap().refuse.insert(aside);
    let agent = till.start();
    till.wait_state("the first", |state| state.progress().unwrap().through == 1).await;
    agent.stop().await;
    till.stub.0.lock().unwrap().hellos.clear();
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    let agent = till.start();
    till.wait("the closing and the look back", |heard| heard.hellos.len() >= 2).await;
    let next = till.open_shift(2);
    till.sell(next, true);
    till.wait("one more", |heard| heard.documents.len() == 3).await;
    agent.stop().await;
    assert_eq!(till.stub.0.lock().unwrap().hellos[..3], [vec![1], vec![1], vec![2]]);
}

#[tokio::test]
async fn of_two_receipts_with_one_uuid_the_one_that_the_server_lacks_is_sent() {
    let mut till = Till::new().await;
    till.install().await;
    let uuid = Uuid::new_v4();
    let shift = till.open_shift(1);
    for _ in 0..2 {
        till.sell_as(shift, true, &uuid.to_string());
    }
    till.stub.0.lock().unwrap().had.insert((1, 1, uuid.as_bytes().to_vec()));
    let agent = till.start();
    till.wait("the second", |heard| heard.numbers() == BTreeSet::from([2])).await;
    till.wait_state("the progress", |state| state.progress().unwrap().through == 2).await;
    agent.stop().await;
}
