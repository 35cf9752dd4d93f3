//! Batches of reports against the real store and network.

use super::*;
use crate::exchange::plan::Wanted;
use crate::exchange::reconciler::delivery_of;
use crate::hints::Hints;
use crate::packages::PackageFolder;
use crate::settings::proof_key::ProofKey;
use crate::store::sqlite::dictionary::DictionaryDb;
use crate::store::sqlite::exchange::SqliteExchange;
use crate::store::sqlite::packages::PackageDb;
use crate::words::in_english;
use futures_util::FutureExt as _;
use tillway_proto::command::AsideAction;
use tillway_proto::report::{AsideName, AsideSort, TillState};
use tillway_proto::{Command, NodeId, NodeLevel, Order};

struct Kit {
    folder: tempfile::TempDir,
    reports: Reports,
    _events: mpsc::Receiver<Event>,
    till: TillId,
    store: Arc<SqliteExchange>,
}

fn kit() -> Kit {
    let folder = tempfile::tempdir().unwrap();
    let dictionary = Arc::new(DictionaryDb::open(&folder.path().join("dictionary.db")).unwrap());
    let network = NetworkService::new(dictionary.clone());
    let chain = network.ensure_chain(&"1".parse().unwrap(), "Chain").unwrap();
    let shop = network.create(&chain, NodeLevel::Shop, &"7".parse().unwrap(), "Shop").unwrap();
    let made = network.create(&shop.id, NodeLevel::Till, &"1".parse().unwrap(), "Till").unwrap();
    let NodeId::Till(till) = made.id else { panic!("a till is a till") };
    let (events, heard) = mpsc::channel(64);
    let store = Arc::new(SqliteExchange::open(&folder.path().join("exchange.db")).unwrap());
    let memo = Arc::new(PackageDb::open(&folder.path().join("packages.db")).unwrap());
    let key = ProofKey::of([7; 32]);
    let files = PackageFolder::open(folder.path().join("packages")).unwrap();
    let packages = PackageService::new(dictionary, memo, Arc::new(files), key).unwrap();
    let reports = Reports {
        store: store.clone(),
        network,
        packages,
        silent_after: Duration::from_mins(3),
        clocks: Arc::default(),
        codes: crate::exchange::test_kit::codes(&folder),
        hints: Hints::default(),
        events,
    };
    Kit { folder, reports, _events: heard, till, store }
}

fn contact(till: &TillId) -> Vec<u8> {
    said(till).to_bytes().unwrap()
}

fn said(till: &TillId) -> Reported {
    let report = Report::Contact { state: TillState { cursor: Revision(3), ..TillState::default() } };
    let instance = Uuid::from_u128(1);
    Reported { schema: 1, peer: till.clone().into(), instance, sent_at: Timestamp::now(), report }
}

fn ordered(kit: &Kit, order: Order, state: CommandState, ago: SignedDuration) -> Uuid {
    let command = Command::new(order);
    let at = Timestamp::now() - ago;
    let sent = SentCommand {
        id: command.id,
        peer: kit.till.clone().into(),
        body: command.to_bytes().unwrap(),
        what: "x".to_owned(),
        state,
        state_at: at,
        created_at: at,
        receipts: 0,
        reason: None,
    };
    kit.store.put_command(&sent);
    command.id
}

#[test]
fn a_broken_report_stands_aside_and_those_beside_it_are_taken() {
    let kit = kit();
    kit.reports.take_now(&[b"{".to_vec(), contact(&kit.till), b"no".to_vec()], None).unwrap();
    assert_eq!(kit.reports.store.record(&kit.till.clone().into()).unwrap().claimed(), Some(Revision(3)));
    let broken = kit.reports.store.broken_reports(10).unwrap();
    assert_eq!(broken.len(), 2);
    assert!(kit.reports.store.forget_broken_report(broken[0].id, None).unwrap());
    assert!(!kit.reports.store.forget_broken_report(broken[0].id, None).unwrap());
    assert_eq!(kit.reports.store.broken_report(broken[1].id).unwrap().unwrap().reason, broken[1].reason);
}

#[test]
fn what_only_a_newer_agent_says_is_passed_over_or_set_aside_by_name_and_stops_nothing() {
    let kit = kit();
    let known = String::from_utf8(contact(&kit.till)).unwrap();
    let in_state = concat!(
        r#""cursor":3,"phase":"full","aside":[{"sort":"stars","name":"1","reason":"x"}],"#,
        r#""sales_wait":{"kind":"eclipse","text":"t","since":"2026-01-02T03:04:05Z"}"#
    );
    let more = known.replacen(r#""type""#, r#""mood":{"x":[1]},"type""#, 1).replacen(r#""cursor":3"#, in_state, 1);
    assert!(more.len() > known.len() + in_state.len(), "{more}");
    let newer = known.replacen(r#""type":"contact""#, r#""type":"weather""#, 1);
    kit.reports.take_now(&[newer.into_bytes(), more.into_bytes(), known.into_bytes()], None).unwrap();
    let contact = kit.store.record(&kit.till.clone().into()).unwrap().contact.unwrap();
    assert_eq!(contact.claimed, Some(Revision(3)));
    let broken = kit.store.broken_reports(10).unwrap();
    assert_eq!(broken.len(), 1);
    let told = in_english(&broken[0].reason);
    assert!(told.contains("weather") && told.contains("upgrade") && told.contains(kit.till.as_str()), "{told}");
}

#[test]
fn a_till_that_is_not_in_the_network_is_counted_once_and_known_once_it_is() {
    let kit = kit();
    let stranger: TillId = "_cash_9_00ab34ef".parse().unwrap();
    let peer = PeerId::from(stranger.clone());
    kit.reports.take_now(&[contact(&stranger), contact(&stranger)], None).unwrap();
    kit.reports.take_now(&[contact(&stranger)], None).unwrap();
    let strangers = kit.reports.store.strangers().unwrap();
    assert_eq!(strangers.iter().map(|one| (&one.peer, one.reports)).collect::<Vec<_>>(), [(&peer, 3)]);
    assert!(kit.reports.store.broken_reports(10).unwrap().is_empty(), "they do not push out what is broken");

    // As if its node had been made meanwhile: what was kept is taken now.
    let body = kit.reports.store.stranger(&peer).unwrap().unwrap().body;
    let known = String::from_utf8(body).unwrap().replace(stranger.as_str(), kit.till.as_str());
    kit.reports.take_now(&[known.into_bytes()], None).unwrap();
    assert_eq!(kit.reports.store.record(&kit.till.clone().into()).unwrap().claimed(), Some(Revision(3)));
    assert!(kit.reports.store.forget_stranger(&peer, &tillway_service::audit::AuditLine::any()).unwrap());
    assert!(kit.reports.store.strangers().unwrap().is_empty());
}

#[test]
fn a_report_of_a_shops_server_is_set_aside_and_those_of_tills_beside_it_are_taken() {
    let kit = kit();
    let said = String::from_utf8(contact(&kit.till)).unwrap();
    let of_a_shop = said.replace(kit.till.as_str(), "_shop_1_00ab34ef").into_bytes();
    kit.reports.take_now(&[of_a_shop, contact(&kit.till)], None).unwrap();
    let broken = kit.reports.store.broken_reports(10).unwrap();
    assert_eq!(broken.len(), 1);
    assert!(in_english(&broken[0].reason).contains("tills alone"), "{}", broken[0].reason);
    assert!(kit.reports.store.record(&kit.till.clone().into()).unwrap().contact.is_some());
}

#[test]
fn strangers_are_bounded() {
    let kit = kit();
    let many: Vec<_> = (0..1200).map(|number| contact(&format!("_cash_{number}_00ab34ef").parse().unwrap())).collect();
    kit.reports.take_now(&many, None).unwrap();
    assert_eq!(kit.reports.store.strangers().unwrap().len(), crate::store::exchange::MAX_STRANGERS as usize);
}

#[test]
fn an_order_that_a_contact_answers_is_done_with_the_first_contact_after_the_till_read_it() {
    let kit = kit();
    let unit = AsideName { sort: AsideSort::Package, name: "7".to_owned() };
    let settle = || Order::SettleAside { action: AsideAction::Retry, units: vec![unit.clone()] };
    let long_ago = SignedDuration::from_mins(1);
    let waiting = ordered(&kit, settle(), CommandState::Waiting, long_ago);
    let just_sent = ordered(&kit, Order::ReportState { verify: true }, CommandState::Sent, SignedDuration::ZERO);
    let sent = ordered(&kit, settle(), CommandState::Sent, long_ago);
    let verify = ordered(&kit, Order::ReportState { verify: true }, CommandState::Sent, long_ago);
    let selection = tillway_proto::UnloadSelection::MISSING;
    let unload = ordered(&kit, Order::UnloadSales { selection }, CommandState::Sent, long_ago);
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    let state = |id| kit.reports.store.command(id).unwrap().unwrap().state;
    assert_eq!(state(waiting), CommandState::Waiting);
    assert_eq!(state(just_sent), CommandState::Sent, "this contact may have been under way before");
    assert_eq!((state(sent), state(verify)), (CommandState::Done, CommandState::Done));
    assert_eq!(state(unload), CommandState::Sent, "this one names itself in its answer");
}

#[test]
fn a_till_whose_row_does_not_read_is_heard_anew_and_its_batch_is_taken() {
    let kit = kit();
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    kit.store.tamper("UPDATE contact SET needs = 'of a newer version'");
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    assert_eq!(kit.store.record(&kit.till.clone().into()).unwrap().claimed(), Some(Revision(3)));
    assert!(kit.store.broken_reports(10).unwrap().is_empty());
}

#[test]
fn a_report_that_cannot_be_written_stands_aside_and_its_batch_does_not_come_back() {
    let kit = kit();
    kit.store.tamper("CREATE TRIGGER refuse BEFORE INSERT ON contact BEGIN SELECT RAISE(ABORT, 'no such value'); END;");
    let stranger: TillId = "_cash_9_00ab34ef".parse().unwrap();
    kit.reports.take_now(&[contact(&stranger), contact(&kit.till), b"{".to_vec()], None).unwrap();
    let broken = kit.store.broken_reports(10).unwrap();
    assert_eq!(broken.len(), 2);
    assert!(broken.iter().any(|one| in_english(&one.reason).contains("no such value")), "{broken:?}");
    assert_eq!(kit.store.strangers().unwrap().len(), 1);
    kit.store.tamper("DROP TABLE stranger");
    kit.reports
        .take_now(&[contact(&stranger)], None)
        .expect_err("no fault of the report: the batch is kept by the broker");
}

#[test]
fn the_first_word_of_a_till_since_its_link_went_out_calls_for_a_pass_and_the_next_does_not() {
    let kit = kit();
    let wakes = kit.reports.hints.listen(&[Hint::Exchange]);
    let poked = || wakes.notified().now_or_never().is_some();
    let say = || kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    say();
    assert!(poked(), "it was never heard of before");
    let facts = crate::packages::PackageFacts {
        name: tillway_proto::PackageName::from_hash([1; 32]),
        bytes: 1,
        objects: 1,
        from: Revision(3),
        to: Revision(4),
        link: String::new(),
        full: false,
    };
    let wanted = Wanted {
        till: kit.till.clone(),
        from: Revision(3),
        repair: crate::exchange::model::Needs::Nothing,
        tries: 0,
        bad_contents: 0,
        seen: None,
        unanswered_since: None,
        claimed: None,
        is_called_for: false,
    };
    kit.store.announce(vec![delivery_of(wanted, facts)], Timestamp::now()).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    say();
    assert!(poked(), "what is newer than its link may wait for this");
    say();
    assert!(!poked());
}

/// How often something was written to the file.
fn writes(kit: &Kit) -> impl FnMut() -> bool {
    let other = rusqlite::Connection::open(kit.folder.path().join("exchange.db")).unwrap();
    let version = move || other.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).unwrap();
    let mut before = version();
    move || std::mem::replace(&mut before, version()) != before
}

#[test]
fn contacts_that_say_nothing_new_write_nothing_and_are_heard_all_the_same() {
    let kit = kit();
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    let mut was_written = writes(&kit);
    let before = kit.store.record(&kit.till.clone().into()).unwrap().contact.unwrap();
    // A day of one till, at a contact a minute.
    for _ in 0..1_440 {
        kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    }
    assert!(!was_written(), "nothing new was said");
    let after = kit.store.record(&kit.till.clone().into()).unwrap().contact.unwrap();
    assert!(after.last_at > before.last_at && after.sent_at > before.sent_at);
    assert_eq!(kit.store.records().unwrap()[&kit.till.clone().into()].contact.as_ref(), Some(&after));
    // What is new is written with the time.
    let state = TillState { cursor: Revision(3), queued: 1, ..TillState::default() };
    let news = Reported { report: Report::Contact { state }, ..said(&kit.till) };
    kit.reports.take_now(&[news.to_bytes().unwrap()], None).unwrap();
    assert!(was_written());
    assert_eq!(kit.store.record(&kit.till.clone().into()).unwrap().contact.unwrap().state.queued, 1);
}

#[test]
fn a_restart_makes_no_till_silent_that_was_in_contact_and_none_talk_that_was_silent() {
    let kit = kit();
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    let silent = |kit: &Kit, store: &SqliteExchange| {
        let contact = store.record(&kit.till.clone().into()).unwrap().contact.unwrap();
        super::super::hear::is_silent(&contact, kit.reports.silent_after, Timestamp::now())
    };
    let reopen = |minutes_ago: i64| {
        let ms = minutes_ago * 60_000;
        // As a process left it that was killed: what it heard since was in its memory alone.
        kit.store.tamper(&format!("UPDATE contact SET last_at = last_at - {ms}, present_since = present_since - {ms}"));
        SqliteExchange::open(&kit.folder.path().join("exchange.db")).unwrap()
    };
    assert!(!silent(&kit, &reopen(5)), "it may have been heard of until the start");
    assert!(silent(&kit, &reopen(10)), "it was silent before");
}

#[test]
fn a_contact_that_waited_in_the_queue_does_not_answer_a_later_order() {
    let kit = kit();
    let order = || Order::ReportState { verify: true };
    let sent = ordered(&kit, order(), CommandState::Sent, SignedDuration::from_mins(1));
    let long_ago = ordered(&kit, order(), CommandState::Sent, SignedDuration::from_mins(20));
    let old = Reported { sent_at: Timestamp::now() - SignedDuration::from_mins(30), ..said(&kit.till) };
    kit.reports.take_now(&[old.to_bytes().unwrap()], None).unwrap();
    let state = |id| kit.store.command(id).unwrap().unwrap().state;
    assert_eq!(state(sent), CommandState::Sent);
    assert_eq!(state(long_ago), CommandState::Done, "a till whose clock is slow is believed in the end");
    kit.reports.take_now(&[contact(&kit.till)], None).unwrap();
    assert_eq!(state(sent), CommandState::Done);
}

/// As it comes from the broker.
async fn received(kit: &Kit, head: MessageHead, body: &[u8]) {
    kit.reports.take(vec![Received { head: Some(head), body: body.to_vec() }]).await.unwrap();
}

#[tokio::test]
async fn in_the_name_of_a_till_with_a_secret_nothing_is_taken_without_its_code() {
    let kit = kit();
    let (peer, secret) = (PeerId::from(kit.till.clone()), tillway_proto::PeerSecret::generate());
    crate::peer_keys::PeerKeys::open(kit.folder.path()).unwrap().put(&peer, &secret).unwrap();
    let kit = Kit { reports: Reports { codes: crate::exchange::test_kit::codes(&kit.folder), ..kit.reports }, ..kit };
    let (body, heard) = (contact(&kit.till), || kit.store.record(&peer).unwrap().contact.is_some());
    let right = secret.code_key().head(tillway_proto::Direction::ToServer, &peer, "contact", "1", &body);
    received(&kit, MessageHead::default(), &body).await;
    received(&kit, MessageHead { id: "2".to_owned(), ..right.clone() }, &body).await;
    received(&kit, right.clone(), b"{").await;
    // What was kept before has lost its code.
    kit.reports.take_now(std::slice::from_ref(&body), None).unwrap();
    assert!(!heard(), "not even heard of");
    let broken = kit.store.broken_reports(10).unwrap();
    assert_eq!(broken.len(), 1, "what nobody can be sure of is not kept: {broken:?}");
    assert!(crate::words::in_english(&broken[0].reason).contains("without its code"), "{broken:?}");
    let counts = kit.reports.codes.refused(&peer, Timestamp::now()).unwrap().counts;
    assert_eq!(counts.into_values().sum::<u64>(), 3);
    received(&kit, right, &body).await;
    assert!(heard());
}
