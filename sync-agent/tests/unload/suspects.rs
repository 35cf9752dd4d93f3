//! What breaks streams delays only itself, and is never given up.

use crate::bench::{DEADLINE, Till, each_once, noon, open_state};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Far below the minute that a server which was told of a closed shift has to ask, far above what
/// anything else takes.
const SOON: Duration = Duration::from_secs(40);

/// A till with a shift of three documents, closed.
async fn with_a_closed_shift() -> (Till, [i64; 3]) {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let documents = [(); 3].map(|()| till.sell(shift, true));
    till.pos.close_shift(shift, noon()).unwrap();
    (till, documents)
}

/// Has it unload until the answer is as it should be.
async fn asked_until(till: &Till, holds: impl Fn(&str) -> bool) {
    till.wait_for_file("agent.sock").await;
    let asked = async { while !holds(&till.ask(unload()).await) {} };
    tokio::time::timeout(DEADLINE, asked).await.unwrap();
}

fn unload() -> &'static str {
    r#"{"schema":1,"ask":"unload","selection":{"what":"missing"}}"#
}

#[tokio::test]
async fn a_document_on_which_every_stream_breaks_delays_only_itself_and_is_never_given_up() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let documents = [(); 3].map(|()| till.sell(shift, true));
    till.pos.close_shift(shift, noon()).unwrap();
    till.stub.0.lock().unwrap().poison.insert(documents[1]);
    let agent = till.start();
    till.wait("the others", |heard| heard.had.len() == 2 && heard.closed.contains(&1)).await;
    let shift = till.open_shift(2);
    till.sell(shift, true);
    till.wait("what is sold later", |heard| heard.had.len() == 3).await;
    assert!(!open_state(&till.data()).progress().unwrap().has(documents[1]), "it is not sent, and not set aside");
    till.stub.0.lock().unwrap().poison.clear();
    till.wait("it, when it can", |heard| heard.had.len() == 4).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_record_of_a_shift_on_which_every_stream_breaks_delays_only_itself_and_is_never_given_up() {
    let (mut till, _) = with_a_closed_shift().await;
    till.stub.0.lock().unwrap().poison_shifts.insert(1);
    let agent = till.start();
    till.wait("its documents", |heard| heard.had.len() == 3).await;
    let shift = till.open_shift(2);
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the next shift", |heard| heard.had.len() == 4 && heard.closed.contains(&2)).await;
    let closed = open_state(&till.data()).closed_shifts().unwrap();
    assert!(!closed.has(1), "it is not sent, and not set aside: {closed:?}");
    till.stub.0.lock().unwrap().poison_shifts.clear();
    till.wait("it, when it can", |heard| heard.closed.contains(&1)).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn the_record_of_an_open_shift_that_breaks_streams_does_not_hold_up_its_sales() {
    let mut till = Till::new().await;
    till.install().await;
    till.stub.0.lock().unwrap().poison_shifts.insert(1);
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the first", |heard| heard.had.len() == 1).await;
    till.sell(shift, true);
    till.wait("the second", |heard| heard.had.len() == 2).await;
    till.stub.0.lock().unwrap().poison_shifts.clear();
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.closed.contains(&1)).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_record_of_a_shift_that_no_frame_can_hold_is_set_aside() {
    let (till, _) = with_a_closed_shift().await;
    let garbage = "x".repeat(5 * 1024 * 1024);
    till.tool().execute("UPDATE workshift SET scode = ?1", [garbage]).unwrap();
    let agent = till.start();
    till.wait("the documents", |heard| heard.had.len() == 3).await;
    till.wait_state("the record aside", |state| state.sent().unwrap().aside.shifts.contains(&1)).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_lost_everything_gets_it_again_while_a_document_breaks_streams() {
    let (mut till, _) = with_a_closed_shift().await;
    let agent = till.start();
    till.wait("all", |heard| heard.had.len() == 3 && heard.closed.contains(&1)).await;
    let shift = till.open_shift(2);
    let poison = till.documents + 1;
    till.stub.0.lock().unwrap().poison.insert(poison);
    assert_eq!(till.sell(shift, true), poison);
    till.sell(shift, true);
    till.wait("the one beside it", |heard| heard.had.len() == 4).await;
    till.stub.0.lock().unwrap().lose();
    let answer = till.ask(unload()).await;
    assert!(answer.contains(r#""ok":false"#) && answer.contains("receipts unloaded, but"), "{answer}");
    assert!(answer.contains(&format!("breaks on document {poison}")), "{answer}");
    till.wait("what it lost", |heard| heard.had.len() == 4 && heard.closed.contains(&1)).await;
    agent.stop().await;
}

#[tokio::test]
async fn many_suspects_hold_up_neither_what_is_sold_later_nor_closings() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let poison: Vec<_> = (0..2_100).map(|_| till.sell(shift, true)).collect();
    till.stub.0.lock().unwrap().poison = poison.iter().copied().collect();
    let agent = till.start();
    // Until no stream but those of suspects breaks.
    asked_until(&till, |answer| answer.contains("0 receipts unloaded, but")).await;
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the later one and the closing", |heard| heard.had.len() == 1 && heard.closed.contains(&1)).await;
    assert!(!open_state(&till.data()).progress().unwrap().has(poison[0]));
    till.stub.0.lock().unwrap().poison.clear();
    till.wait("all", |heard| heard.had.len() == 2_101).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_closed_shift_is_told_at_once_though_a_document_of_an_earlier_one_breaks_streams() {
    let (mut till, documents) = with_a_closed_shift().await;
    till.stub.0.lock().unwrap().poison.insert(documents[0]);
    let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = rest.local_addr().unwrap().port();
    till.set(&format!("unloadsalesrequestthroughcs=True\ncashserverrestport={port}\nunloadperiod=0\n"));
    let told = tokio::sync::Notify::new();
    let serve = async {
        loop {
            let (mut stream, _) = rest.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            told.notify_one();
        }
    };
    let play = async {
        let agent = till.start();
        asked_until(&till, |_| till.stub.0.lock().unwrap().had.len() == 2).await;
        till.wait("the closing", |heard| heard.closed.contains(&1)).await;
        for number in 2..=4 {
            let shift = till.open_shift(number);
            till.sell(shift, true);
            till.pos.close_shift(shift, noon()).unwrap();
            tokio::time::timeout(SOON, told.notified()).await.unwrap();
            // The server asks.
            let answer = till.ask(unload()).await;
            assert!(answer.contains("breaks on document"), "{answer}");
            till.wait("the closing", |heard| heard.closed.contains(&number)).await;
        }
        agent.stop().await;
    };
    tokio::select! {
        () = serve => {}
        () = play => {}
    }
}
