//! What a till says about itself: each field may lie, come twice, come late, be huge.

use super::model::{CommandState, Needs};
use super::pace::AT_ONCE;
use super::reconciler::decide_all;
use super::test_kit::{Kit, Talk};
use super::{Condition, Event};
use crate::dictionary::tests::kit::item;
use crate::store::dictionary::DictionaryStore as _;
use crate::store::exchange::ExchangeStore as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use tillway_exchangers::package::PackageReader;
use tillway_exchangers::package::PackageSource as _;
use tillway_proto::report::{AsideName, AsideSort, AsideUnit, Report, TillState};
use tillway_proto::{CursorProof, DeliveryState, Digest, ExchangeStatus, Order, PeerId, Revision, TillId};

fn talk() -> Talk {
    let talk = Talk::new();
    talk.kit.chain.load("All", &item("1", "Milk", "100"));
    talk
}

/// What an honest till says that has applied its newest delivery: what that package carried.
fn applied(talk: &Talk, till: &TillId) -> TillState {
    let delivery = talk.deliveries(till).remove(0);
    let package =
        PackageReader::open(&talk.packages.files().path(&delivery.package).unwrap(), &delivery.package).unwrap();
    TillState { cursor: delivery.to, proof: package.header().proof, ..TillState::default() }
}

fn contact(state: TillState) -> Report {
    Report::Contact { state }
}

fn cursor(cursor: u64) -> TillState {
    TillState { cursor: Revision(cursor), ..TillState::default() }
}

/// Everything that others depend on.
fn rest_of_the_server(talk: &Talk, liar: &TillId) -> (Revision, Option<Revision>, Vec<(TillId, Revision)>) {
    let others: HashSet<PeerId> = talk.tills.iter().filter(|till| *till != liar).cloned().map(PeerId::from).collect();
    let mut cursors = talk.kit.service.cursors().unwrap();
    cursors.retain(|(till, _)| till != liar);
    cursors.sort();
    (talk.kit.chain.db.head().unwrap(), talk.store().lowest_cursor(&others).unwrap(), cursors)
}

#[test]
fn a_cursor_that_was_never_given_out_moves_nothing_but_its_own_till() {
    for lie in [2, 1 << 48, 1 << 62, u64::MAX] {
        let mut talk = talk();
        let (honest, liar) = (talk.tills[0].clone(), talk.tills[1].clone());
        talk.pass();
        talk.say(&honest, contact(applied(&talk, &honest)));
        while talk.events.try_recv().is_ok() {}
        let before = rest_of_the_server(&talk, &liar);
        talk.say(&liar, contact(cursor(lie)));
        talk.pass();
        assert_eq!(rest_of_the_server(&talk, &liar), before, "{lie}");
        let heard: Vec<Event> = std::iter::from_fn(|| talk.events.try_recv().ok()).collect();
        assert!(!heard.iter().any(|event| matches!(event, Event::Applied { .. })), "{lie}: {heard:?}");
        let all = talk.tills.iter().cloned().map(PeerId::from).collect();
        assert_eq!(talk.store().lowest_cursor(&all).unwrap(), Some(Revision(1)), "nothing is kept for its sake");
        assert!(talk.store().broken_reports(9).unwrap().is_empty());

        let contact_of = talk.store().record(&liar.clone().into()).unwrap().contact.unwrap();
        assert_eq!(contact_of.state.cursor, Revision::ZERO, "{lie}");
        assert!(contact_of.claimed_at.is_some() && contact_of.claimed.is_some());
        let sent = talk.deliveries(&liar).remove(0);
        assert_eq!((sent.from, sent.repair.clone()), (Revision::ZERO, Needs::All));
        assert_eq!(sent.replaces, contact_of.claimed, "the package applies at the cursor that it claims");
        // It takes the snapshot: what it says then is true.
        talk.say(&liar, contact(applied(&talk, &liar)));
        let contact_of = talk.store().record(&liar.clone().into()).unwrap().contact.unwrap();
        assert_eq!((contact_of.state.cursor, contact_of.claimed), (Revision(1), None));
        assert!(contact_of.claimed_at.is_some(), "it stays a finding until somebody has seen it");
        assert_eq!(contact_of.went_back_at, None);
        // The server goes on as ever.
        talk.kit.chain.load("All", &item("1", "Milk", "110"));
        talk.pass();
        assert_eq!(talk.deliveries(&honest)[0].to, Revision(2));
    }
}

#[test]
fn a_proof_of_another_revision_till_key_or_database_speaks_for_nothing() {
    let talk = talk();
    talk.pass();
    let till = &talk.tills[0];
    let honest = applied(&talk, till);
    let proof = honest.proof.unwrap();
    assert!(talk.packages.claims().unwrap().hold(till, &honest));
    let with = |cursor, proof| TillState { cursor, proof: Some(proof), ..TillState::default() };
    let lies = [
        with(Revision(2), proof),
        with(Revision(1), CursorProof { digest: Digest(5), ..proof }),
        with(Revision(1), CursorProof { code: [0; 32], ..proof }),
    ];
    for lie in lies {
        assert!(!talk.packages.claims().unwrap().hold(till, &lie), "{lie:?}");
    }
    let other = Talk::new();
    other.kit.chain.load("All", &item("1", "Milk", "100"));
    assert!(!other.packages.claims().unwrap().hold(&other.tills[0], &honest), "the key alone is not enough");
}

#[test]
fn a_server_put_back_from_a_backup_still_knows_what_it_gave_out_and_goes_on_after_it() {
    let talk = talk();
    let backup = talk.kit.chain.backup();
    for price in ["110", "120", "130"] {
        talk.kit.chain.load("All", &item("1", "Milk", price));
    }
    talk.pass();
    let till = talk.tills[0].clone();
    let newest = applied(&talk, &till);
    assert_eq!(newest.cursor, Revision(4));
    // The state of the exchange is lost too: nothing but the proof speaks for the till.
    let Talk { kit: Kit { mut chain, .. }, .. } = talk;
    chain.restore(&backup);
    for name in ["exchange.db", "exchange.db-wal", "exchange.db-shm"] {
        let _ = fs_err::remove_file(chain.folder.path().join(name));
    }
    let talk = Talk::over(Kit::over(chain));
    assert_eq!(talk.kit.chain.db.head().unwrap(), Revision(1));
    // First one that lies, then the one that was there.
    talk.say(&talk.tills[1], contact(cursor(1000)));
    talk.pass();
    assert_eq!(talk.kit.chain.db.head().unwrap(), Revision(1));
    talk.say(&till, contact(newest));
    assert_eq!(talk.store().record(&till.clone().into()).unwrap().cursor(), Revision(4));
    talk.pass();
    assert_eq!(talk.kit.chain.db.head().unwrap(), Revision(5));
    let sent = talk.deliveries(&till).remove(0);
    assert_eq!((sent.to, sent.replaces), (Revision(5), None));
}

/// What an agent of v0.1 says of a link that takes the place of its cursor.
fn pass_over(talk: &Talk, till: &TillId, cursor_of_it: u64) {
    let sent = talk.deliveries(till).remove(0);
    assert_eq!(sent.replaces, Some(Revision(cursor_of_it)));
    talk.say(
        till,
        Report::Delivery {
            delivery: sent.id,
            package: sent.package,
            state: DeliveryState::Superseded,
            reason: Some("the till is further already".to_owned()),
            cause: None,
            till_state: cursor(cursor_of_it),
        },
    );
}

#[test]
fn an_agent_of_v0_1_beyond_a_restored_server_is_told_of_and_goes_on_when_a_person_says_so() {
    let talk = talk();
    let (honest, old) = (talk.tills[0].clone(), talk.tills[1].clone());
    talk.pass();
    talk.say(&honest, contact(applied(&talk, &honest)));
    talk.say(&old, contact(cursor(5)));
    talk.pass();
    pass_over(&talk, &old, 5);
    let status = talk.kit.service.till(&old).unwrap();
    assert_eq!(Condition::of(&status), Condition::Trouble);
    let told = crate::words::in_english(&status.next.reason());
    assert!(told.contains("upgrade its agent") && told.contains(&format!("go-past {old} 5")), "{told}");
    let sent = talk.deliveries(&old).len();
    for _ in 0..5 {
        talk.say(&old, contact(cursor(5)));
        talk.pass();
    }
    assert_eq!(talk.deliveries(&old).len(), sent, "it is held back, not sent the same again and again");
    assert_eq!(talk.kit.chain.db.head().unwrap(), Revision(1), "what it says moves nothing");

    // Only the very revision that it names, and none that no backup can have lost.
    let refused = |till: &TillId, revision| talk.kit.service.go_past(till, Revision(revision)).unwrap_err().to_string();
    assert!(refused(&old, 6).contains("does not name revision 6"));
    assert!(refused(&honest, 1).contains("does not name revision 1"), "something speaks for that one");
    let liar = talk.tills[2].clone();
    talk.say(&liar, contact(cursor(1 << 48)));
    assert!(refused(&liar, 1 << 48).contains("upgrade the till's agent"));
    assert_eq!(talk.kit.chain.db.head().unwrap(), Revision(1));

    assert_eq!(talk.kit.service.go_past(&old, Revision(5)).unwrap(), Revision(6));
    talk.pass();
    let sent = talk.deliveries(&old).remove(0);
    assert_eq!((sent.from, sent.to, sent.replaces, sent.repair), (Revision::ZERO, Revision(6), None, Needs::All));
    talk.say(&old, contact(cursor(6)));
    let record = talk.store().record(&old.clone().into()).unwrap();
    assert_eq!((record.cursor(), record.claimed()), (Revision(6), None), "it was announced to it");
    assert_eq!(talk.deliveries(&honest)[0].from, Revision(1), "the others go on from what they have");
    assert!(refused(&old, 6).contains("does not name revision 6"));
}

#[test]
fn a_till_that_says_something_else_each_time_gets_a_bounded_number_of_packages_and_delays_nobody() {
    let talk = talk();
    let (honest, liar) = (talk.tills[0].clone(), talk.tills[1].clone());
    talk.pass();
    talk.say(&honest, contact(applied(&talk, &honest)));
    let packages = || fs_err::read_dir(talk.packages.files().folder()).unwrap().count();
    let (built, sent) = (packages(), talk.deliveries(&liar).len());
    // Another cursor each time.
    for lie in 100..130 {
        talk.say(&liar, contact(cursor(lie)));
        talk.pass();
    }
    // Other kinds each time, which it says to have got.
    let kinds: Vec<_> = tillway_exchangers::kinds::all().map(|kind| kind.name().to_owned()).collect();
    for some in kinds.windows(2) {
        let till_state = applied(&talk, &liar);
        talk.say(&liar, Report::NeedSnapshot { kinds: some.to_vec(), reason: String::new(), till_state });
        talk.pass();
        talk.step(&talk.deliveries(&liar)[0], DeliveryState::Applied);
    }
    let most = AT_ONCE as usize;
    let sent = talk.kit.service.deliveries(Some(&liar), 1_000).unwrap().len() - sent;
    assert!((most / 2..=most).contains(&sent), "{sent} deliveries by its words alone");
    assert!(packages() - built <= most, "{} packages", packages() - built);
    talk.say(&liar, contact(cursor(7)));
    talk.pass();
    assert!(
        crate::words::in_english(&talk.kit.service.lock_trouble()[&liar.clone().into()])
            .contains("look at the machine")
    );
    // What is newer goes out at once, to it as well.
    talk.kit.chain.load("All", &item("1", "Milk", "110"));
    talk.pass();
    for till in [&honest, &liar] {
        assert_eq!(talk.deliveries(till)[0].to, Revision(2));
    }
}

#[test]
fn a_server_without_a_dictionary_does_not_go_past_what_its_tills_have() {
    let talk = Talk::new();
    let till = &talk.tills[0];
    talk.say(till, contact(cursor(5)));
    let refused = talk.kit.service.go_past(till, Revision(5)).unwrap_err().to_string();
    assert!(refused.contains("no dictionary"), "{refused}");
}

#[test]
fn who_has_no_proof_goes_on_from_what_was_announced_to_it_or_believed_before() {
    let talk = talk();
    talk.pass();
    let till = &talk.tills[0];
    let sent = talk.deliveries(till).remove(0);
    // An agent of v0.1: no proofs.
    talk.step(&sent, DeliveryState::Applied);
    assert_eq!(talk.store().record(&till.clone().into()).unwrap().cursor(), Revision(1));
    // Its delivery is forgotten; what it says is what was believed before.
    talk.store().tamper("DELETE FROM delivery");
    talk.say(till, contact(cursor(1)));
    let record = talk.store().record(&till.clone().into()).unwrap();
    assert_eq!((record.cursor(), record.claimed()), (Revision(1), None));
    talk.kit.chain.load("All", &item("1", "Milk", "110"));
    talk.pass();
    assert_eq!(talk.deliveries(till)[0].from, Revision(1), "a difference, not everything");
    // One whose delivery was to somebody else.
    talk.say(&talk.tills[1], contact(cursor(2)));
    assert_eq!(
        talk.store().record(&talk.tills[1].clone().into()).unwrap().cursor(),
        Revision(2),
        "its own was announced as well"
    );
    talk.store().tamper("DELETE FROM delivery");
    talk.say(&talk.tills[2], contact(cursor(2)));
    assert_eq!(talk.store().record(&talk.tills[2].clone().into()).unwrap().claimed(), Some(Revision(2)));
}

#[test]
fn a_proof_of_a_key_that_was_lost_costs_one_snapshot_at_most() {
    let talk = talk();
    talk.pass();
    let (known, unknown) = (talk.tills[0].clone(), talk.tills[1].clone());
    let state = applied(&talk, &known);
    let other_key = TillState { proof: state.proof.map(|proof| CursorProof { code: [9; 32], ..proof }), ..state };
    talk.say(&known, contact(other_key.clone()));
    assert_eq!(talk.store().record(&known.clone().into()).unwrap().cursor(), Revision(1), "it was announced to it");
    talk.store().tamper("DELETE FROM delivery");
    talk.say(&unknown, contact(other_key));
    talk.pass();
    let sent = talk.deliveries(&unknown).remove(0);
    assert_eq!((sent.from, sent.to), (Revision::ZERO, Revision(1)));
    talk.say(&unknown, contact(applied(&talk, &unknown)));
    talk.pass();
    assert_eq!(talk.deliveries(&unknown).len(), 1);
}

#[test]
fn packages_made_under_another_key_are_not_given_out_again() {
    use crate::packages::{PackageFolder, PackageService, Repair};
    use crate::settings::proof_key::ProofKey;
    use crate::store::sqlite::packages::PackageDb;
    let kit = Kit::new();
    kit.chain.load("All", &item("1", "Milk", "100"));
    let till = kit.chain.till("till-2-2");
    let package = |key| {
        let folder = kit.chain.folder.path();
        let memo = std::sync::Arc::new(PackageDb::open(&folder.join("packages.db")).unwrap());
        let files = std::sync::Arc::new(PackageFolder::open(folder.join("packages")).unwrap());
        let packages = PackageService::new(kit.chain.db.clone(), memo, files, ProofKey::of(key)).unwrap();
        packages.package_for(&till, Revision::ZERO, &Repair::None).unwrap().unwrap().name
    };
    let (first, again, other) = (package([1; 32]), package([1; 32]), package([2; 32]));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn no_number_list_or_text_of_a_till_is_kept_beyond_what_an_honest_one_says() {
    let talk = talk();
    let till = &talk.tills[0];
    let unit = AsideUnit {
        unit: AsideName { sort: AsideSort::Message, name: "n".repeat(300) },
        reason: "я".repeat(600),
        at: Some(Timestamp::MAX),
    };
    let huge = TillState {
        agent_version: "9".repeat(5_000),
        cursor: Revision::ZERO,
        proof: None,
        applied_at: Some(Timestamp::MIN),
        rows: u64::MAX,
        digest: Some(Digest(u128::MAX)),
        unsent_documents: Some(u64::MAX),
        last_sent: Some(jiff::civil::DateTime::MAX),
        dictionary_log_bytes: u64::MAX,
        queued: u64::MAX,
        set_aside: u64::MAX,
        aside: vec![unit; 25],
        ..TillState::default()
    };
    talk.say(till, contact(huge.clone()));
    let kept = talk.store().record(&till.clone().into()).unwrap().contact.unwrap().state;
    let sums = [kept.rows, kept.unsent_documents.unwrap(), kept.queued, kept.set_aside, kept.dictionary_log_bytes];
    assert!(sums.iter().all(|number| number.checked_mul(100_000).is_some_and(|sum| i64::try_from(sum).is_ok())));
    assert_eq!((kept.agent_version.chars().count(), kept.aside.len()), (64, 20));
    assert!(kept.aside.iter().all(|unit| unit.unit.name.len() <= 255 && unit.reason.chars().count() <= 500));
    assert!(talk.store().broken_reports(9).unwrap().is_empty());

    let reason = "x".repeat(5_000);
    let kinds = (0..1_000).map(|kind| format!("kind {kind}")).chain(["item".to_owned()]).collect();
    talk.say(till, Report::NeedSnapshot { kinds, reason, till_state: TillState::default() });
    let contact_of = talk.store().record(&till.clone().into()).unwrap().contact.unwrap();
    assert_eq!(contact_of.needs, Needs::Kinds(["item".to_owned()].into()));
    assert!(contact_of.needs_reason.chars().count() <= 1_000);
    // What names no kind that is known here can be mended by everything alone.
    let kinds = vec!["of a newer agent".to_owned()];
    talk.say(till, Report::NeedSnapshot { kinds, reason: String::new(), till_state: TillState::default() });
    assert_eq!(talk.store().record(&till.clone().into()).unwrap().contact.unwrap().needs, Needs::All);
}

#[test]
fn what_a_till_says_about_deliveries_and_orders_of_others_changes_nothing() {
    let talk = talk();
    talk.pass();
    let (honest, liar) = (&talk.tills[0], &talk.tills[1]);
    let theirs = talk.deliveries(honest).remove(0);
    let own = talk.deliveries(liar).remove(0);
    let order = talk.kit.service.request_state(honest, true).unwrap().unwrap();
    let step = |delivery, package, state| Report::Delivery {
        delivery,
        package,
        state,
        reason: None,
        cause: None,
        till_state: TillState::default(),
    };
    talk.say(liar, step(theirs.id, theirs.package.clone(), DeliveryState::Rejected));
    talk.say(liar, Report::Refused { command: order, reason: "no".to_owned() });
    let status = ExchangeStatus::Error;
    talk.say(liar, Report::Unload { command: Some(order), status, receipts: u64::MAX, reason: None });
    assert_eq!(talk.store().delivery(theirs.id).unwrap().unwrap(), theirs);
    assert_eq!(talk.store().command(order).unwrap().unwrap().state, CommandState::Waiting);
    // Of its own delivery it says another package, and that it applied what it has not.
    let other = tillway_proto::PackageName::from_hash([9; 32]);
    talk.say(liar, step(own.id, other, DeliveryState::Queued));
    talk.say(liar, step(own.id, own.package.clone(), DeliveryState::Applied));
    assert_eq!(talk.store().delivery(own.id).unwrap().unwrap().state, DeliveryState::Announced);
    for state in [DeliveryState::Expired, DeliveryState::Superseded, DeliveryState::Announced] {
        talk.say(liar, step(own.id, own.package.clone(), state));
        assert_eq!(talk.store().delivery(own.id).unwrap().unwrap().state, DeliveryState::Announced, "{state}");
    }
}

#[test]
fn an_order_that_a_till_works_on_for_ever_ends_all_the_same() {
    let talk = talk();
    let till = &talk.tills[0];
    let id = talk.kit.service.request_unload(till, crate::sales::requests::Ask::WhatIsMissing).unwrap().unwrap();
    let during = || {
        let status = ExchangeStatus::During;
        talk.say(till, Report::Unload { command: Some(id), status, receipts: u64::MAX, reason: None });
    };
    during();
    let two_days_ago = (Timestamp::now() - SignedDuration::from_hours(48)).as_millisecond();
    talk.store().tamper(&format!("UPDATE command SET created_at = {two_days_ago}, state_at = {two_days_ago}"));
    during();
    let kept = talk.store().command(id).unwrap().unwrap();
    assert!(kept.receipts < 1 << 60 && kept.order().is_some_and(|order| matches!(order, Order::UnloadSales { .. })));
    decide_all(&talk.kit.service, &talk.packages).unwrap();
    assert_eq!(talk.store().command(id).unwrap().unwrap().state, CommandState::Expired);
}

#[test]
fn a_clock_that_was_once_in_the_year_9999_hides_no_later_finding() {
    let talk = talk();
    talk.pass();
    let till = &talk.tills[0];
    let sent = talk.deliveries(till).remove(0);
    talk.step(&sent, DeliveryState::Applied);
    for lie in [Timestamp::MAX, Timestamp::MIN, Timestamp::now() + SignedDuration::from_hours(24 * 400)] {
        talk.say_at(till, contact(cursor(1)), lie);
    }
    assert_eq!(talk.store().record(&till.clone().into()).unwrap().contact.unwrap().went_back_at, None);
    talk.say(till, contact(cursor(0)));
    assert!(talk.store().record(&till.clone().into()).unwrap().contact.unwrap().went_back_at.is_some());
}

#[test]
fn a_link_with_the_code_of_an_old_secret_makes_way_for_one_with_the_new() {
    let talk = talk();
    let till = talk.tills[0].clone();
    talk.pass();
    let before = talk.deliveries(&till);
    let secret = tillway_proto::PeerSecret::generate();
    // A delivery of the same millisecond is taken for one with the new code.
    std::thread::sleep(std::time::Duration::from_millis(2));
    crate::peer_keys::PeerKeys::open(talk.kit.chain.folder.path()).unwrap().put(&till.clone().into(), &secret).unwrap();
    let talk = Talk::over(Kit::over(talk.kit.chain));
    talk.pass();
    let after = talk.deliveries(&till);
    assert_eq!((before.len(), after.len()), (1, 2));
    assert_eq!(after[1].state, DeliveryState::Superseded);
    assert_eq!(after[1].reason.as_ref().unwrap().kind(), "new-secret");
    talk.pass();
    assert_eq!(talk.deliveries(&till), after, "once");
}
