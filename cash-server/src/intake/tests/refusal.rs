//! A disk that is nearly full, or full: nothing is accepted, nothing is lost, and it goes on by
//! itself.

use super::rest::{array_of, call, load_of, send};
use super::*;
use crate::reserve::DiskReserve;
use crate::store::intake::LoadState;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use std::sync::atomic::{AtomicU64, Ordering};

const RESERVE: u64 = 1_000_000;

/// A kit whose disk has as much room as the number says.
fn narrow(kit: &mut Kit, bytes: u64) -> Arc<AtomicU64> {
    let room = Arc::new(AtomicU64::new(bytes));
    let asked = Arc::clone(&room);
    kit.settings.disk_reserve = DiskReserve::asking(RESERVE, move |_| Ok(asked.load(Ordering::Relaxed)));
    kit.settings.scan_period = Duration::from_millis(50);
    room
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_waits_for_room_with_one_word_and_is_loaded_when_there_is_some() {
    let mut kit = Kit::new();
    let room = narrow(&mut kit, RESERVE);
    kit.deliver("All", "pos1", &file_of(&[unit(1, "old")]));
    age(&kit.inbox("All").join("pos1.flz"), 60);
    kit.deliver("All", "pos2", &file_of(&[unit(1, "new")]));
    let running = kit.start();
    let told = wait_for("a word to the producer", || kit.error_text("All").ok_or(())).await;
    assert!(told.contains("bytes left") && told.contains("leave data file and flag as they are"), "{told}");
    wait_for("the reason on the page", || match kit.newest() {
        load if load.state == LoadState::Queued && load.reason.is_some() => Ok(()),
        load => Err(load.state),
    })
    .await;
    // It is told once, and the later file does not overtake the earlier.
    fs::remove_file(kit.inbox("All").join("error.txt")).unwrap();
    kit.deliver("shop-7", "pos1", &file_of(&[unit(2, "kg")]));
    wait_for("a word to another producer", || kit.error_text("shop-7").ok_or(())).await;
    assert_eq!(kit.error_text("All"), None);
    assert_eq!(kit.journal.recent(9).unwrap().len(), 2);
    room.store(u64::MAX, Ordering::Relaxed);
    kit.gone("All", "pos").await;
    kit.gone("shop-7", "pos").await;
    let units = kit.objects(&kit.chain, "unit");
    assert!(String::from_utf8_lossy(&units[0].body).contains("new"));
    assert_eq!((kit.dictionary.head().unwrap(), kit.error_text("shop-7")), (Revision(3), None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_refused_before_it_is_accepted_and_in_its_middle() {
    let mut kit = Kit::new();
    let room = narrow(&mut kit, RESERVE - 1);
    let intake = kit.intake();
    let (status, answer) = send(&intake, call("", Some("7"), "[]")).await;
    assert_eq!((status, answer["success"].as_bool()), (StatusCode::INSUFFICIENT_STORAGE, Some(false)), "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("server.disk_reserve_mib"), "{answer}");
    room.store(RESERVE, Ordering::Relaxed);
    let filling = Arc::clone(&room);
    let pieces = stream::iter((0..64).map(move |n| {
        if n == 8 {
            filling.store(RESERVE - 1, Ordering::Relaxed);
        }
        Ok::<_, io::Error>(Bytes::from(if n == 0 { vec![b'['; 1] } else { vec![b' '; 1 << 20] }))
    }));
    let (status, _) = send(&intake, call("", Some("7"), Body::from_stream(pieces))).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!((names(&kit.settings.bodies), kit.journal.recent(1).unwrap()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_body_waits_for_room_however_long_it_takes() {
    let mut kit = Kit::new();
    let room = narrow(&mut kit, u64::MAX);
    let intake = kit.intake();
    let load = load_of(&send(&intake, call("", Some("7"), array_of(&[unit(1, "piece")]))).await.1);
    room.store(0, Ordering::Relaxed);
    let running = Running::start(intake);
    wait_for("the reason", || kit.newest().reason.ok_or(())).await;
    assert_eq!(kit.newest().state, LoadState::Queued);
    room.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(kit.ended(load).await.state, LoadState::Ready);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_more_in_the_middle_leaves_nothing_half_and_is_tried_again() {
    let mut kit = Kit::new();
    narrow(&mut kit, u64::MAX);
    let pages = |count: i64| kit.db.database().writer().pragma_update(None, "max_page_count", count).unwrap();
    let records: Vec<_> = (1..5000).map(|code| unit(code, "piece")).collect();
    pages(60);
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&records));
    let told = wait_for("a word to the producer", || kit.error_text("All").ok_or(())).await;
    assert!(told.contains("disk is full"), "{told}");
    assert_eq!((kit.dictionary.head().unwrap(), kit.objects(&kit.chain, "unit").len()), (Revision::ZERO, 0));
    pages(1_000_000);
    kit.gone("All", "pos1").await;
    let load = kit.newest();
    assert_eq!((load.id, load.state, load.counts.added), (LoadId(1), LoadState::Ready, 4999));
    assert_eq!((kit.dictionary.head().unwrap(), kit.error_text("All")), (Revision(1), None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_large_load_left_taken_is_given_back_before_a_delivery_waits_for_room() {
    let mut kit = Kit::new();
    let log = kit.folder.path().join("dictionary.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let free = move |_: &Path| Ok(if fs::metadata(&log).is_ok_and(|log| log.len() > 0) { 0 } else { u64::MAX });
    let store = kit.db.database().clone();
    kit.settings.disk_reserve = DiskReserve::asking(RESERVE, free).that_frees(Arc::new(move || store.cut_log()));
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("All", "pos1").await;
    let (status, _) = send(&running.intake, call("", Some("7"), "[]")).await;
    assert_eq!((status, kit.error_text("All")), (StatusCode::OK, None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_disk_could_take_is_given_up_at_once_and_the_next_one_is_loaded() {
    let mut kit = Kit::new();
    kit.settings.disk_reserve = DiskReserve::asking(RESERVE, |_| Ok(u64::MAX)).on_a_disk_of(RESERVE + 10_000);
    let running = kit.start();
    kit.deliver("All", "pos1", &"x".repeat(4000));
    assert_eq!(kit.not_taken("All", "pos1").await.state, LoadState::Error);
    let told = kit.error_text("All").unwrap();
    assert!(told.contains("which never fit") && told.contains("in parts"), "{told}");
    assert_eq!(names(&kit.settings.bad), Vec::<String>::new(), "it is not copied");
    kit.deliver("All", "pos2", &file_of(&[unit(1, "piece")]));
    kit.gone("All", "pos2").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_is_no_fault_of_a_file_however_often_it_is_tried() {
    let mut kit = Kit::new();
    let _ = narrow(&mut kit, u64::MAX);
    let starts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&starts);
    Meddled::with(&mut kit, move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let read_only = |on: bool| kit.db.database().writer().pragma_update(None, "query_only", on).unwrap();
    read_only(true);
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    wait_for("more tries than a broken file gets", || match starts.load(Ordering::Relaxed) {
        6.. => Ok(()),
        starts => Err(starts),
    })
    .await;
    let told = kit.error_text("All").unwrap();
    assert!(told.contains("readonly") && told.contains("leave data file and flag as they are"), "{told}");
    assert!(!kit.newest().state.is_final());
    read_only(false);
    kit.gone("All", "pos1").await;
    assert_eq!((kit.newest().id, kit.newest().state), (LoadId(1), LoadState::Ready));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_for_its_content_is_given_up_after_a_few_tries() {
    let kit = Kit::new();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON object BEGIN SELECT RAISE(ABORT, 'not this'); END";
    kit.db.database().writer().execute_batch(refuse).unwrap();
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let load = kit.not_taken("All", "pos1").await;
    assert!(crate::words::in_english(&load.reason.unwrap()).contains("not this"));
    assert_eq!(running.intake.refused(9).unwrap().len(), 1);
    running.stop().await;
}
