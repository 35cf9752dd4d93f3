use super::*;
use crate::source::Source;
use crate::tests::TestTill;
use fs_err as fs;
use rusqlite::Connection;
use std::path::PathBuf;
use tillway_exchangers::package::{Facts, PackageBuilder, PackageReader, messages};
use tillway_exchangers::till::dictionary::Loader;
use tillway_file_queue::{NewMessage, Queue};
use tillway_proto::{DeliveryId, Report, Revision};

fn files<Si, So>(till: &TestTill<Si, So>) -> &Queue {
    till.loader.queue.files()
}

/// Puts a package without rows into the file queue, as an intake does.
fn put<Si, So>(till: &TestTill<Si, So>, from: u64, to: u64) -> PackageLink {
    put_of_size(till, from, to, 0)
}

fn put_of_size<Si, So>(till: &TestTill<Si, So>, from: u64, to: u64, objects: u64) -> PackageLink {
    let (from, to) = (Revision(from), Revision(to));
    let facts = Facts { from, to, layers: vec!["_chain_main_00000001".to_owned()], kinds: Vec::new() };
    let built = PackageBuilder::new(till.folder.path()).unwrap().finish(facts).unwrap();
    let link = PackageLink {
        delivery: DeliveryId::generate(),
        package: built.name.clone(),
        link: "/packages/x.twp".to_owned(),
        bytes: 1000,
        from,
        to,
        objects,
        until: None,
        replaces: None,
    };
    let mut batch = files(till).begin_batch().unwrap();
    batch.set_attribute(LINK_ATTRIBUTE, serde_json::to_string(&link).unwrap());
    for body in messages(PackageReader::open(&built.path, &built.name).unwrap(), 1000).unwrap() {
        batch.put(NewMessage::new("test"), &body.unwrap()).unwrap();
    }
    batch.commit().unwrap();
    till.loader.teller.delivery(&link, DeliveryState::Queued, None);
    link
}

fn only_batch<Si, So>(till: &TestTill<Si, So>) -> PathBuf {
    let mut batches = fs::read_dir(files(till).ready_folder()).unwrap();
    let batch = batches.next().unwrap().unwrap().path();
    assert!(batches.next().is_none());
    batch
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

/// What the server is told of the ends of deliveries.
async fn told<Si: Sink + 'static, So: Source + 'static>(
    till: &TestTill<Si, So>,
) -> Vec<(DeliveryId, DeliveryState, Option<RejectCause>, String)> {
    let reports = till.reported().await;
    let of_delivery = |report| match report {
        Report::Delivery { delivery, state, cause, reason, .. } if state.is_final() => {
            Some((delivery, state, cause, reason.unwrap_or_default()))
        }
        _ => None,
    };
    reports.into_iter().filter_map(of_delivery).collect()
}

#[tokio::test]
async fn a_batch_that_lies_damaged_is_told_at_once_by_its_link() {
    let till = TestTill::in_memory();
    let link = put(&till, 0, 1);
    damage(&only_batch(&till).join("00000000.msg"));
    let sound = put(&till, 0, 2);
    assert!(till.loader.drain().await.unwrap());
    let heard = told(&till).await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    let (delivery, state, cause, reason) = &heard[0];
    assert_eq!((*delivery, *state, *cause), (link.delivery, DeliveryState::Rejected, Some(RejectCause::Content)));
    assert_eq!(reason, "00000000.msg: the body does not match its checksum");
    assert_eq!((heard[1].0, heard[1].1), (sound.delivery, DeliveryState::Applied), "the rest goes on");
    assert!(till.loader.drain().await.unwrap());
    assert_eq!(told(&till).await, [], "once");
}

#[tokio::test]
async fn a_batch_whose_link_does_not_read_any_more_is_told_when_the_queue_is_empty() {
    let till = TestTill::in_memory();
    let link = put(&till, 0, 1);
    damage(&only_batch(&till).join("batch"));
    assert!(till.loader.drain().await.unwrap());
    let told = told(&till).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, link.delivery);
    assert_eq!((told[0].1, told[0].2), (DeliveryState::Rejected, Some(RejectCause::Transport)));
}

#[tokio::test]
async fn a_package_of_which_nothing_is_left_in_the_queue_is_told_as_lost_and_one_that_waits_is_not() {
    let till = TestTill::in_memory();
    let lost = put(&till, 0, 1);
    files(&till).drop_all().unwrap();
    let waiting = put(&till, 0, 2);
    let claim = files(&till).next().unwrap().unwrap();
    assert!(till.loader.drain().await.unwrap());
    assert_eq!(told(&till).await, [], "another process works on what there is");
    claim.put_back().unwrap();
    assert!(till.loader.drain().await.unwrap());
    let told = told(&till).await;
    let ends: Vec<_> = told.iter().map(|(delivery, state, ..)| (*delivery, *state)).collect();
    assert_eq!(ends, [(waiting.delivery, DeliveryState::Applied), (lost.delivery, DeliveryState::Rejected)]);
}

#[tokio::test]
async fn a_package_that_was_applied_before_the_agent_died_is_told_as_applied() {
    let till = TestTill::in_memory();
    let link = put(&till, 0, 1);
    let claim = files(&till).next().unwrap().unwrap();
    till.loader.apply(&link, &claim).unwrap();
    claim.ack().unwrap();
    // Here the process ended. Another one begins.
    assert!(till.loader.drain().await.unwrap());
    let told = told(&till).await;
    assert_eq!((told.len(), told[0].0, told[0].1), (1, link.delivery, DeliveryState::Applied));
}

#[tokio::test]
async fn the_end_of_a_delivery_is_not_taken_back_by_a_step_that_is_told_late() {
    let till = TestTill::in_memory();
    let link = put(&till, 0, 1);
    till.loader.teller.delivery(&link, DeliveryState::Applied, None);
    till.loader.teller.delivery(&link, DeliveryState::Queued, None);
    let reports = till.reported().await;
    let ends: Vec<_> = reports.iter().filter(|report| matches!(report, Report::Delivery { .. })).collect();
    assert!(matches!(ends.as_slice(), [Report::Delivery { state: DeliveryState::Applied, .. }]), "{reports:?}");
}

#[tokio::test]
async fn a_package_waits_for_room_without_using_up_its_tries() {
    let till = TestTill::new();
    put_of_size(&till, 0, 1, u64::MAX);
    for _ in 0..=files(&till).limits().max_tries {
        assert!(!till.loader.drain().await.unwrap());
    }
    assert_eq!(told(&till).await, []);
    assert_eq!((files(&till).depth().unwrap().batches, files(&till).aside_depth().unwrap().batches), (1, 0));
}

#[tokio::test]
async fn what_the_till_is_to_blame_for_is_dropped_after_the_last_try_and_told_as_transport() {
    let till = TestTill::in_memory();
    till.sink.fail(Some(Fault::Passes));
    let link = put(&till, 0, 1);
    for _ in 1..files(&till).limits().max_tries {
        assert!(!till.loader.drain().await.unwrap());
        assert_eq!(told(&till).await, []);
    }
    assert!(till.loader.drain().await.unwrap());
    let told = told(&till).await;
    assert_eq!((told[0].0, told[0].2), (link.delivery, Some(RejectCause::Transport)), "{told:?}");
    assert_eq!(files(&till).aside_depth().unwrap().batches, 0, "the server has it");
}

#[tokio::test]
async fn a_package_that_a_sink_does_not_take_is_told_by_what_is_wrong() {
    let items = || vec!["item".to_owned()];
    // What is wrong; the cause that is told; which kinds are asked for; what lies aside.
    let cases = [
        (Fault::Gap, RejectCause::Gap, None, 0),
        (Fault::Diverged(items()), RejectCause::Content, Some(items()), 1),
        (Fault::Damaged, RejectCause::Transport, Some(Vec::new()), 0),
        (Fault::Package, RejectCause::Content, None, 1),
    ];
    for (fault, expected, asked_for, aside) in cases {
        let till = TestTill::in_memory();
        till.sink.fail(Some(fault.clone()));
        put(&till, 0, 1);
        assert!(till.loader.drain().await.unwrap());
        let reports = till.reported().await;
        let cause = reports.iter().find_map(|report| match report {
            Report::Delivery { state: DeliveryState::Rejected, cause, .. } => *cause,
            _ => None,
        });
        let kinds = reports.iter().find_map(|report| match report {
            Report::NeedSnapshot { kinds, .. } => Some(kinds.clone()),
            _ => None,
        });
        let found = (cause, kinds, files(&till).aside_depth().unwrap().batches);
        assert_eq!(found, (Some(expected), asked_for, aside), "{fault:?}");
    }
}

/// Damages a page that the loader reads and the POS does not.
fn damage_dictionary(till: &TestTill) {
    let path = till.sink.path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(Loader::open(path).unwrap());
    let tool = Connection::open(path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'tillway_cursor'";
    let page = tool.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    let size = tool.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap() as usize;
    drop(tool);
    let mut bytes = fs::read(path).unwrap();
    bytes[(page - 1) * size..page * size].fill(7);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_dictionary_stays_with_the_pos_until_a_whole_one_takes_its_place() {
    let till = TestTill::new();
    damage_dictionary(&till);
    let pos = Connection::open(till.sink.path()).unwrap();
    let reads =
        |pos: &Connection| pos.query_row("SELECT count(*) FROM tmc", [], |row| row.get::<_, i64>(0)).unwrap() == 0;
    assert!(reads(&pos));
    let innocent = put(&till, 0, 1);
    assert!(till.loader.drain().await.unwrap());
    let reports = till.reported().await;
    let rejected = |report: &Report| matches!(report, Report::Delivery { delivery, cause: Some(RejectCause::Transport), .. } if *delivery == innocent.delivery);
    let asked = |report: &Report| matches!(report, Report::NeedSnapshot { kinds, till_state, .. } if kinds.is_empty() && till_state.cursor == Revision::ZERO);
    assert!(reports.iter().any(rejected) && reports.iter().any(asked), "{reports:?}");
    assert_eq!(files(&till).aside_depth().unwrap().batches, 0, "nothing is wrong with the package");
    assert!(reads(&Connection::open(till.sink.path()).unwrap()), "a POS that starts now reads what can be read");

    put(&till, 1, 2);
    assert!(till.loader.drain().await.unwrap());
    assert_eq!(told(&till).await[0].2, Some(RejectCause::Gap), "only a whole one will do");
    let whole = put(&till, 0, 3);
    assert!(till.loader.drain().await.unwrap());
    let heard = told(&till).await;
    let (delivery, state, _, reason) = &heard[0];
    assert_eq!((*delivery, *state), (whole.delivery, DeliveryState::Applied));
    assert!(reason.contains("POS must be restarted"), "{reason}");
    assert_eq!(till.look().cursor, Revision(3));
    assert!(till.sink.verify().unwrap().is_empty());
    assert!(reads(&pos), "the old file, until the POS is restarted");
    assert!(till.sink.path().with_file_name("dictionaries.db.broken").exists());
}
