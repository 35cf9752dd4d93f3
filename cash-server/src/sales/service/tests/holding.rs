//! What a till is told that is here, also while the database is down; and what is refused.

use super::*;

/// Breaks every question to `table` from now on, or mends it.
fn broken(folder: &Path, table: &str, broken: bool) {
    let (from, to) =
        if broken { (table.to_owned(), format!("{table}_away")) } else { (format!("{table}_away"), table.to_owned()) };
    let database = rusqlite::Connection::open(folder.join("sales.db")).unwrap();
    database.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
}

#[tokio::test]
async fn two_receipts_of_one_uuid_are_both_stated_and_both_kept() {
    let (_folder, server) = Server::plain().await;
    let first = sale(&till(), 1, 1);
    let mut second = sale(&till(), 1, 2);
    second.key.as_mut().unwrap().uuid = first.key.as_ref().unwrap().uuid.clone();
    let (mut stream, _) = server.open(hello(&[1])).await.unwrap();
    stream.send(batch(vec![first, second], vec![])).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    for loaded in [false, true] {
        if loaded {
            server.load();
        }
        let (_stream, holdings) = server.open(hello(&[1])).await.unwrap();
        assert_eq!((&holdings[0].numbers[..], holdings[0].receipts.len()), (&[1, 2][..], 32), "loaded: {loaded}");
    }
    assert_eq!(server.receipts(), 2);
}

#[tokio::test]
async fn with_its_database_down_the_server_states_what_the_spool_has_and_takes_the_rest() {
    let (folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[1])).await.unwrap();
    stream.send(one(1)).await;
    stream.ack().await.unwrap();
    server.load();
    stream.send(one(2)).await;
    stream.ack().await.unwrap();
    broken(folder.path(), "till", true);
    broken(folder.path(), "receipt", true);
    let (mut stream, holdings) = server.open(hello(&[1])).await.unwrap();
    assert_eq!((&holdings[0].numbers[..], holdings[0].partial), (&[2][..], true));
    for number in 1..=3 {
        stream.send(one(number)).await;
        assert_eq!(stream.ack().await.unwrap().through, number);
    }
    // A stream that only asks what is here cannot be answered, and is not answered wrongly.
    assert_eq!(server.open(hello(&[])).await.err().unwrap().code(), Code::Unavailable);
    broken(folder.path(), "till", false);
    broken(folder.path(), "receipt", false);
    server.load();
    assert_eq!(server.receipts(), 3);
    let (_stream, holdings) = server.open(hello(&[1])).await.unwrap();
    assert_eq!((&holdings[0].numbers[..], holdings[0].partial), (&[1, 2, 3][..], false));
}

#[tokio::test]
async fn a_database_that_is_locked_for_writing_keeps_no_till_waiting_long() {
    let (folder, server) = Server::plain().await;
    let locking = rusqlite::Connection::open(folder.path().join("sales.db")).unwrap();
    locking.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut stream, holdings) = server.open(hello(&[1])).await.unwrap();
    assert!(!holdings[0].partial, "reading is not held up by a writer");
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    locking.execute_batch("COMMIT").unwrap();
    server.load();
    assert_eq!(server.receipts(), 1);
}

#[tokio::test]
async fn a_refused_record_of_a_shift_is_named_and_its_finding_closes_when_a_good_one_comes() {
    let (_folder, server) = Server::plain().await;
    let (mut stream, _) = server.open(hello(&[5])).await.unwrap();
    let good = closed_shift(&till(), 5, 1..=1);
    let broken = v1::Shift { time_end: "in the evening".to_owned(), ..good.clone() };
    stream.send(batch(vec![sale(&till(), 5, 1)], vec![broken])).await;
    let ack = stream.ack().await.unwrap();
    assert_eq!(ack.refused.iter().map(|refused| (refused.shift, refused.document_id)).collect::<Vec<_>>(), [(5, 0)]);
    server.load();
    let open = FindingFilter { open_only: true, ..FindingFilter::default() };
    let findings = server.deps.store.findings(&open, Page::default()).unwrap();
    assert_eq!(findings.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["shift-refused"]);
    assert_eq!(findings[0].shift.unwrap().0, 5);
    assert!(
        crate::words::in_english(&findings[0].reason).contains("in the evening"),
        "{}",
        crate::words::in_english(&findings[0].reason)
    );
    let (_stream, holdings) = server.open(hello(&[5])).await.unwrap();
    assert!(!holdings[0].closed, "a closing that was refused is not here");
    let (mut stream, _) = server.open(hello(&[5])).await.unwrap();
    stream.send(batch(vec![], vec![good])).await;
    assert!(stream.ack().await.unwrap().refused.is_empty());
    server.load();
    assert!(server.deps.store.findings(&open, Page::default()).unwrap().is_empty());
}
