use super::*;
use crate::exchange::ExchangeReason;
use crate::exchange::model::{CommandState, Contact, Needs};
use crate::store::exchange::{MAX_BROKEN_BYTES, MAX_BROKEN_REPORTS};
use crate::words::Reason;
use proptest::prelude::*;
use tillway_proto::report::RejectCause;
use tillway_proto::report::TillState;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn peer(number: u32) -> PeerId {
    format!("_cash_{number}_00ab34ef").parse().unwrap()
}

fn delivery_of(number: u32, to: u64) -> Delivery {
    Delivery {
        id: DeliveryId::generate(),
        peer: peer(number),
        package: PackageName::from_hash([u8::try_from(to).unwrap(); 32]),
        bytes: 10,
        objects: 1,
        from: Revision(0),
        to: Revision(to),
        repair: Needs::Kinds(["item".to_owned()].into()),
        tries: 2,
        state: DeliveryState::Announced,
        state_at: at(0),
        created_at: at(0),
        confirmed: false,
        reason: None,
        bad_contents: 1,
        cause: Some(RejectCause::Gap),
        unanswered_since: at(-9),
        replaces: Some(Revision(9)),
    }
}

fn contact_at(seconds: i64, cursor: u64) -> Contact {
    Contact {
        first_at: at(0),
        last_at: at(seconds),
        present_since: at(0),
        sent_at: at(seconds),
        instance: Uuid::from_u128(7),
        previous_instance: None,
        state: TillState { cursor: Revision(cursor), rows: 5, ..TillState::default() },
        needs: Needs::All,
        needs_since: Some(at(1)),
        needs_reason: "differs".to_owned(),
        two_machines_at: None,
        went_back_at: Some(at(2)),
        claimed: Some(Revision(7)),
        claimed_at: Some(at(3)),
    }
}

fn seen(store: &SqliteExchange, number: u32) -> Option<(DeliveryId, DeliveryState)> {
    store.record(&peer(number)).unwrap().newest.map(|newest| (newest.id, newest.state))
}

fn announce(store: &SqliteExchange, delivery: &Delivery, seconds: i64) {
    let seen = store.record(&delivery.peer).unwrap().newest.map(|newest| (newest.id, newest.state));
    let written = store.announce(vec![NewDelivery { delivery: delivery.clone(), seen }], at(seconds)).unwrap();
    assert_eq!(written, std::slice::from_ref(delivery));
}

fn store() -> (tempfile::TempDir, SqliteExchange) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteExchange::open(&folder.path().join("exchange.db")).unwrap();
    (folder, store)
}

#[test]
fn last_words_are_written_together_and_seldom() {
    use crate::store::sqlite::exchange::heard::{Heard, LastWord, Step};
    let (folder, store) = store();
    let (first, now) = (contact_at(10, 3), std::time::Instant::now());
    let peers: Vec<PeerId> = (1..=100).map(peer).collect();
    let contacts = peers.iter().map(|peer| (peer.clone(), first.clone())).collect();
    store.put(&ExchangeChanges { contacts, ..ExchangeChanges::default() });
    let minutes = |count: u64| now + std::time::Duration::from_mins(count);
    let mut written = 0;
    for minute in 1..=1_440 {
        let later = contact_at(10 + 60 * i64::try_from(minute).unwrap(), 3);
        let word = LastWord::alone(Some(&first), &later).unwrap();
        let steps = peers.iter().map(|peer| Step::Noted(peer.clone(), word)).collect();
        let mut writer = store.database.writer();
        let transaction = writer.transaction().unwrap();
        let all = store.heard.write_where_due(&transaction, minutes(minute)).unwrap();
        transaction.commit().unwrap();
        store.heard.committed(steps, all, minutes(minute));
        written += u64::from(all);
    }
    assert!((280..=288).contains(&written), "{written} writes a day for 100 tills");
    let opened = Heard::open(&store.database, &store.unreadable, at(10_000_000)).unwrap();
    let mut read = first.clone();
    opened.put_into(&peers[99], &mut read);
    let lost = at(10 + 60 * 1_440).duration_since(read.last_at);
    assert!(lost <= jiff::SignedDuration::from_mins(5), "{lost:?}");
    assert_eq!(LastWord::alone(Some(&first), &contact_at(70, 4)), None, "a cursor is news");
    drop(folder);
}

#[test]
fn what_is_written_reads_back() {
    let (_folder, store) = store();
    let (contact, delivery) = (contact_at(10, 3), delivery_of(1, 5));
    let changes = ExchangeChanges { contacts: vec![(peer(1), contact.clone())], ..ExchangeChanges::default() };
    store.put(&changes);
    announce(&store, &delivery, 0);
    let expected = PeerRecord { contact: Some(contact), newest: Some(delivery.clone()) };
    assert_eq!(store.record(&peer(1)).unwrap(), expected);
    assert_eq!(*store.records().unwrap(), Records::from([(peer(1), Arc::new(expected))]));
    assert_eq!(store.delivery(delivery.id).unwrap(), Some(delivery));
    assert_eq!(store.record(&peer(2)).unwrap(), PeerRecord::default());
}

#[test]
fn a_new_delivery_supersedes_the_open_one_of_its_till_only() {
    let (_folder, store) = store();
    let (first, other, second) = (delivery_of(1, 5), delivery_of(2, 5), delivery_of(1, 6));
    announce(&store, &first, 0);
    announce(&store, &other, 0);
    announce(&store, &second, 9);
    let state = |id| store.delivery(id).unwrap().unwrap().state;
    assert_eq!(state(first.id), DeliveryState::Superseded);
    assert_eq!(state(other.id), DeliveryState::Announced);
    assert_eq!(store.record(&peer(1)).unwrap().newest.unwrap().id, second.id);
    assert_eq!(store.packages_in_use().unwrap(), HashSet::from([other.package, second.package]));
    let open = DeliveryFilter { open_only: true, limit: 10, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&open).unwrap().len(), 2);
    let paged = DeliveryFilter { before: Some(second.id), limit: 1, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&paged).unwrap()[0].id, other.id);
}

#[test]
fn a_confirm_starts_the_deadline_and_a_final_state_stays() {
    let (_folder, store) = store();
    let delivery = delivery_of(1, 5);
    announce(&store, &delivery, 0);
    store.confirm(&[delivery.id], at(5)).unwrap();
    let confirmed = store.delivery(delivery.id).unwrap().unwrap();
    assert!(confirmed.confirmed);
    assert_eq!(confirmed.state_at, at(5));
    let end = |state, seconds| {
        let seen = DeliveryState::Announced;
        let ended = Ended { id: delivery.id, seen, state, reason: ExchangeReason::NothingHeard };
        store.end(&[ended], at(seconds)).unwrap();
        store.delivery(delivery.id).unwrap().unwrap()
    };
    assert_eq!(end(DeliveryState::Expired, 6).state, DeliveryState::Expired);
    assert_eq!(end(DeliveryState::Applied, 7).state, DeliveryState::Expired);
}

fn command_at(seconds: i64) -> SentCommand {
    SentCommand {
        id: Uuid::now_v7(),
        peer: peer(1),
        body: b"{}".to_vec(),
        what: "unload".to_owned(),
        state: CommandState::Waiting,
        state_at: at(seconds),
        created_at: at(seconds),
        receipts: 0,
        reason: None,
    }
}

fn ended(seen: &SentCommand, state: CommandState) -> EndedCommand {
    EndedCommand { id: seen.id, seen: (seen.state, seen.state_at), state, reason: ExchangeReason::NamesNothing }
}

#[test]
fn commands_are_due_that_wait_or_that_took_too_long() {
    let (_folder, store) = store();
    let commands: Vec<_> = (0..4).map(|_| command_at(0)).collect();
    for command in &commands {
        store.put_command(command);
    }
    let due = |earliest, latest| {
        let due = store.due_commands(at(earliest), at(latest)).unwrap();
        due.iter().map(|command| commands.iter().position(|one| one.id == command.id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(due(-10, 10), [0, 1, 2, 3]);
    store.set_sent(&[commands[0].id, commands[2].id], at(5)).unwrap();
    store.end_commands(&[ended(&commands[3], CommandState::Done)], at(5)).unwrap();
    assert_eq!(due(5, 5), [1], "sent within the time");
    assert_eq!(due(6, 9), [0, 1, 2], "too long ago");
    assert_eq!(due(1, 4), [0, 1, 2], "in the future: the clock went back");
}

#[test]
fn commands_end_once() {
    let (_folder, store) = store();
    let command = command_at(0);
    store.put_command(&command);
    assert_eq!(store.open_commands().unwrap(), std::slice::from_ref(&command));
    assert_eq!(store.open_commands_of(&peer(1)).unwrap(), std::slice::from_ref(&command));
    assert!(store.open_commands_of(&peer(2)).unwrap().is_empty());
    store.end_commands(&[ended(&command, CommandState::Failed)], at(1)).unwrap();
    store.end_commands(&[ended(&command, CommandState::Expired)], at(2)).unwrap();
    store.set_sent(&[command.id], at(2)).unwrap();
    let found = store.command(command.id).unwrap().unwrap();
    assert_eq!((found.state, found.reason), (CommandState::Failed, Some(ExchangeReason::NamesNothing.into())));
    assert_eq!(found.state_at, at(1));
    assert_eq!(store.commands(Some(&peer(1)), 5).unwrap().len(), 1);
    assert!(store.commands(Some(&peer(2)), 5).unwrap().is_empty());
    assert!(store.open_commands().unwrap().is_empty());
    assert!(store.open_commands_of(&peer(1)).unwrap().is_empty());
}

#[test]
fn broken_reports_are_bounded() {
    let (_folder, store) = store();
    let one =
        BrokenReport { id: 0, at: at(0), reason: Reason::worded("no JSON"), body: vec![b'x'; MAX_BROKEN_BYTES + 9] };
    for _ in 0..3 {
        let broken = vec![one.clone(); MAX_BROKEN_REPORTS as usize / 2];
        store.put(&ExchangeChanges { broken, ..ExchangeChanges::default() });
    }
    let kept = store.broken_reports(u32::MAX).unwrap();
    assert_eq!(kept.len(), MAX_BROKEN_REPORTS as usize);
    assert_eq!(kept[0].bytes, MAX_BROKEN_BYTES as u64);
}

#[test]
fn what_an_older_server_wrote_as_a_sentence_is_told_as_it_was_worded() {
    let (folder, store) = store();
    let delivery = delivery_of(1, 1);
    announce(&store, &delivery, 0);
    let older = rusqlite::Connection::open(folder.path().join("exchange.db")).unwrap();
    older
        .execute_batch(
            "INSERT INTO broken_report (at, reason, body) VALUES (7, 'not a report: expected value', x'00');
             UPDATE delivery SET state = 'expired', reason = 'nothing was heard';",
        )
        .unwrap();
    assert_eq!(store.broken_reports(9).unwrap()[0].reason, Reason::worded("not a report: expected value"));
    let listed = store.deliveries(&DeliveryFilter { peer: Some(peer(1)), limit: 9, ..DeliveryFilter::default() });
    assert_eq!(listed.unwrap()[0].reason, Some(Reason::worded("nothing was heard")));
}

#[test]
fn pruning_keeps_what_is_open_and_the_newest_of_each_till() {
    let (_folder, store) = store();
    let ids: Vec<_> = (1..=4)
        .map(|to| {
            let delivery = delivery_of(1, to);
            announce(&store, &delivery, 0);
            delivery.id
        })
        .collect();
    let (seen, state) = (DeliveryState::Announced, DeliveryState::Applied);
    store.end(&[Ended { id: ids[3], seen, state, reason: ExchangeReason::NothingHeard }], at(0)).unwrap();
    assert_eq!(store.prune(at(0), 100).unwrap(), 0);
    assert_eq!(store.prune(at(1), 2).unwrap(), 2);
    assert_eq!(store.prune(at(1), 100).unwrap(), 1);
    assert_eq!(store.record(&peer(1)).unwrap().newest.unwrap().id, ids[3]);
}

#[test]
fn the_lowest_cursor_leaves_out_tills_that_are_no_more() {
    let (_folder, store) = store();
    let contacts = vec![(peer(1), contact_at(1, 3)), (peer(2), contact_at(1, 9))];
    store.put(&ExchangeChanges { contacts, ..ExchangeChanges::default() });
    let both = HashSet::from([peer(1), peer(2)]);
    assert_eq!(store.lowest_cursor(&both).unwrap(), Some(Revision(3)));
    assert_eq!(store.lowest_cursor(&HashSet::from([peer(2)])).unwrap(), Some(Revision(9)));
    store.forget(&[peer(1), peer(2)]).unwrap();
    assert_eq!(store.lowest_cursor(&both).unwrap(), None);
}

#[test]
fn a_row_that_does_not_read_is_absent_and_the_others_are_there() {
    let (_folder, store) = store();
    let contacts = vec![(peer(1), contact_at(1, 3)), (peer(2), contact_at(1, 9))];
    store.put(&ExchangeChanges { contacts, ..ExchangeChanges::default() });
    let (odd, other) = (delivery_of(1, 5), delivery_of(2, 5));
    announce(&store, &odd, 0);
    announce(&store, &other, 0);
    store.tamper(
        "UPDATE contact SET state = '{\"cursor\": \"of a newer version\"}' WHERE till LIKE '_cash_1_%';
         UPDATE delivery SET state = 'paused' WHERE till LIKE '_cash_1_%';
         INSERT INTO acknowledged (till, at) VALUES (x'ff', 1);",
    );
    assert_eq!(store.record(&peer(1)).unwrap(), PeerRecord::default());
    assert_eq!(store.records().unwrap().keys().collect::<Vec<_>>(), [&peer(2)]);
    assert_eq!(store.delivery(odd.id).unwrap(), None);
    let all = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&all).unwrap(), std::slice::from_ref(&other));
    assert!(store.acknowledged().unwrap().is_empty());
    // The next report and the next delivery of the peer put good rows there.
    let again = vec![(peer(1), contact_at(2, 4))];
    store.put(&ExchangeChanges { contacts: again, ..ExchangeChanges::default() });
    let next = delivery_of(1, 6);
    announce(&store, &next, 3);
    let record = store.record(&peer(1)).unwrap();
    assert_eq!((record.cursor(), record.newest.map(|newest| newest.id)), (Revision(4), Some(next.id)));
    store.tamper("ALTER TABLE contact RENAME TO elsewhere");
    assert!(store.records().is_err(), "what the database itself fails at stays an error");
}

/// A delivery of this size is refused by a trigger of the test.
const REFUSED_BYTES: u64 = 666;

/// What changes records, by peers and revisions of few numbers, so that they meet.
#[derive(Debug, Clone)]
enum Change {
    Announce(u32),
    ConfirmNewest(u32),
    EndNewest(u32),
    Contact(u32, u64),
    Move(u32),
    Forget(u32),
    Prune,
    /// A write that fails in its middle, after a good row.
    Break(u32),
}

fn change() -> impl Strategy<Value = Change> {
    let number = || 1..4_u32;
    prop_oneof![
        number().prop_map(Change::Announce),
        number().prop_map(Change::ConfirmNewest),
        number().prop_map(Change::EndNewest),
        (number(), 1..5_u64).prop_map(|(number, cursor)| Change::Contact(number, cursor)),
        number().prop_map(Change::Move),
        number().prop_map(Change::Forget),
        Just(Change::Prune),
        number().prop_map(Change::Break),
    ]
}

fn make(store: &SqliteExchange, change: &Change, step: i64) {
    let newest = |number| store.record(&peer(number)).unwrap().newest;
    match *change {
        Change::Announce(number) => announce(store, &delivery_of(number, 5), step),
        Change::ConfirmNewest(number) => {
            let ids: Vec<_> = newest(number).iter().map(|delivery| delivery.id).collect();
            store.confirm(&ids, at(step)).unwrap();
        }
        Change::EndNewest(number) => {
            let state = DeliveryState::Expired;
            let end =
                |seen: Delivery| Ended { id: seen.id, seen: seen.state, state, reason: ExchangeReason::NothingHeard };
            let ended = newest(number).map(end);
            store.end(ended.as_slice(), at(step)).unwrap();
        }
        Change::Contact(number, cursor) => {
            let contacts = vec![(peer(number), contact_at(step, cursor))];
            store.put(&ExchangeChanges { contacts, ..ExchangeChanges::default() });
        }
        Change::Move(number) => {
            let moved = newest(number).map(|delivery| Delivery { state: DeliveryState::Queued, ..delivery });
            store.put(&ExchangeChanges { deliveries: Vec::from_iter(moved), ..ExchangeChanges::default() });
        }
        Change::Forget(number) => store.forget(&[peer(number)]).unwrap(),
        Change::Prune => drop(store.prune(at(step), 10).unwrap()),
        Change::Break(number) => {
            let refused = Delivery { bytes: REFUSED_BYTES, ..delivery_of(number, 6) };
            let good = NewDelivery { delivery: delivery_of(number, 6), seen: seen(store, number) };
            let refused = NewDelivery { delivery: refused, seen: Some((good.delivery.id, DeliveryState::Announced)) };
            store.announce(vec![good, refused], at(step)).unwrap_err();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_in_memory_is_what_stands_in_the_file(changes in prop::collection::vec(change(), 1..25)) {
        let (_folder, store) = store();
        store.tamper(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON delivery WHEN new.bytes = {REFUSED_BYTES}
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
        for (step, change) in (0..).zip(&changes) {
            make(&store, change, step);
            let kept = store.records().unwrap();
            store.known.forget();
            prop_assert_eq!(&kept, &store.records().unwrap(), "after {:?}", change);
        }
    }
}
