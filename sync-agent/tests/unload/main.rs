//! Sales from `documents.db` to a sales-loader that is a stub, through a whole agent without a
//! broker.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail like tests")]

mod bench;
mod history;
mod look_back;
mod restored;
mod suspects;

use bench::{DEADLINE, Till, each_once, noon, open_state};
use std::collections::HashSet;
use tillway_exchangers::till::documents::writer::PosWriter;
use tillway_proto::report::SalesWaitKind;
use tillway_sync_agent::state::State;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn what_is_sold_arrives_once_and_a_closed_shift_is_noticed() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let unfinished = till.sell(shift, false);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the finished ones", |heard| heard.documents.len() == 4).await;
    till.pos.finish_document(unfinished, noon()).unwrap();
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.documents.len() == 5 && heard.closed.contains(&1)).await;
    till.wait_state("the low water", |state| state.progress().unwrap().through == 5).await;
    agent.stop().await;
    let agent = till.start();
    let shift = till.open_shift(2);
    till.sell(shift, true);
    till.wait("one more", |heard| heard.documents.len() == 6).await;
    agent.stop().await;
    let heard = till.stub.0.lock().unwrap();
    assert!(each_once(&heard), "{heard:?}");
    assert_eq!(heard.tokens, HashSet::from(["Bearer secret".to_owned()]));
}

#[tokio::test]
async fn an_agent_that_lost_its_state_sends_nothing_that_is_there_and_skips_nothing_that_is_not() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait("all", |heard| heard.documents.len() == 3).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(3)).await;
    agent.stop().await;
    fs_err::remove_dir_all(till.data()).unwrap();
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the new one", |heard| heard.documents.len() == 4).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(4)).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn why_sales_wait_is_kept_until_they_are_taken() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().denies = true;
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    let refused = |state: &State| state.sales_wait().unwrap().is_some_and(|wait| wait.kind == SalesWaitKind::Refused);
    till.wait_state("the reason", refused).await;
    till.stub.0.lock().unwrap().denies = false;
    till.wait("the sale", |heard| heard.documents.len() == 1).await;
    till.wait_state("no reason", |state| state.sales_wait().unwrap().is_none()).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_loses_nothing() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().break_streams = 5;
    let shift = till.open_shift(1);
    for _ in 0..1_200 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait("all", |heard| heard.documents.len() == 1_200).await;
    till.wait_state("the progress", |state| state.progress().unwrap().has(1_200)).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_only_a_newer_server_says_is_passed_over() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().newer = true;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait_state("the progress", |state| state.progress().unwrap().has(3)).await;
    agent.stop().await;
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_document_that_the_server_sets_aside_holds_up_nothing_and_is_remembered() {
    let mut till = Till::new().await;
    till.stub.0.lock().unwrap().refuse.insert(2);
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait_state("the progress", |state| state.progress().unwrap().through == 3).await;
    agent.stop().await;
    let state = open_state(&till.data());
    assert_eq!(state.refused().unwrap(), [(2, "refused on purpose".to_owned())]);
    assert!(each_once(&till.stub.0.lock().unwrap()));
}

#[tokio::test]
async fn a_new_documents_database_is_noticed() {
    let mut till = Till::new().await;
    let shift = till.open_shift(1);
    for _ in 0..3 {
        till.sell(shift, true);
    }
    let agent = till.start();
    till.wait_state("the low water", |state| state.progress().unwrap().through == 3).await;
    agent.stop().await;
    let documents = till.folder.path().join("linuxcash/cash/data/documents.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs_err::remove_file(format!("{}{suffix}", documents.display()));
    }
    till.pos = PosWriter::open(&documents).unwrap();
    till.documents = 100;
    let shift = till.open_shift(50);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("the one of the new database", |heard| heard.documents.len() == 4).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_second_agent_of_a_till_folder_does_not_start() {
    let till = Till::new().await;
    let first = till.start();
    till.wait_state("it runs", |_| true).await;
    till.wait_for_file("agent.sock").await;
    let error = till.start().task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("another sync-agent"), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn mode_server_says_that_it_is_not_there_yet() {
    let till = Till::new().await;
    till.set("mode=server\n");
    let error = till.start().task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("not there yet"), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_be_told_of_a_closed_shift_gets_its_sales_all_the_same() {
    let mut till = Till::new().await;
    till.set("unloadsalesrequestthroughcs=True\ncashserverrestport=1\nunloadperiod=0\n");
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("what was there", |heard| heard.documents.len() == 1).await;
    till.sell(shift, true);
    till.pos.close_shift(shift, noon()).unwrap();
    till.wait("the closing", |heard| heard.documents.len() == 2 && heard.closed.contains(&1)).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_server_is_told_of_a_closed_shift_with_the_tills_token() {
    let mut till = Till::new().await;
    let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = rest.local_addr().unwrap().port();
    till.set(&format!("unloadsalesrequestthroughcs=True\ncashserverrestport={port}\nunloadperiod=0\n"));
    let shift = till.open_shift(1);
    till.sell(shift, true);
    let agent = till.start();
    till.wait("what was there", |heard| heard.documents.len() == 1).await;
    till.pos.close_shift(shift, noon()).unwrap();
    let told = async {
        let (mut stream, _) = rest.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let request = tokio::time::timeout(DEADLINE, told).await.unwrap();
    assert!(request.starts_with("POST /api/v1/tills/_cash_1_00ab34ef/shift-closed "), "{request}");
    assert!(request.to_ascii_lowercase().contains("authorization: bearer secret"), "{request}");
    agent.stop().await;
}

#[tokio::test]
async fn a_broken_row_holds_up_neither_other_receipts_nor_their_shift() {
    let mut till = Till::new().await;
    till.install().await;
    let shift = till.open_shift(1);
    let broken = till.sell(shift, true);
    till.sell(shift, true);
    till.tool().execute("UPDATE document SET checknum = -5 WHERE documentid = ?1", [broken]).unwrap();
    till.pos.close_shift(shift, noon()).unwrap();
    let unreadable = till.open_shift(2);
    till.pos.close_shift(unreadable, noon()).unwrap();
    till.tool().execute("UPDATE workshift SET time_end = 'late' WHERE workshiftid = ?1", [unreadable]).unwrap();
    let agent = till.start();
    till.wait("the rest", |heard| heard.documents.len() == 1 && heard.closed.contains(&1)).await;
    till.wait_state("both set aside", |state| state.refused_count().unwrap() == 2).await;
    agent.stop().await;
    let aside = open_state(&till.data()).sent().unwrap().aside;
    assert_eq!((aside.documents, aside.shifts), (HashSet::from([broken]), HashSet::from([unreadable])));
}

#[tokio::test]
async fn a_closing_that_the_server_sets_aside_is_remembered_as_such() {
    let mut till = Till::new().await;
    till.install().await;
    till.stub.0.lock().unwrap().refuse_shifts.insert(1);
    let shifts = [1, 2].map(|number| till.open_shift(number));
    for shift in shifts {
        till.sell(shift, true);
        till.pos.close_shift(shift, noon()).unwrap();
    }
    let agent = till.start();
    till.wait("the other one", |heard| heard.documents.len() == 2 && heard.closed.contains(&2)).await;
    till.wait_state("set aside", |state| state.sent().unwrap().aside.shifts.contains(&shifts[0])).await;
    agent.stop().await;
    let state = open_state(&till.data());
    assert_eq!((state.refused().unwrap(), state.refused_count().unwrap()), (Vec::new(), 1), "no document of it");
}
