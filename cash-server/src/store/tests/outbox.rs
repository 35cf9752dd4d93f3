//! What is sent: written once with what it tells of, and gone with its receiver.

use super::Home;
use crate::store::Stores;
use crate::store::outbox::{
    Alert, AlertChange, AlertSort, Content, MAX_WAITING, NewOutgoing, OutboxReason, Outcome, Receiver, Stage,
};
use crate::words::Reason;
use jiff::Timestamp;
use jiff::civil::date;
use tillway_service::actor::Grant;
use tillway_service::audit::AuditLine;
use tillway_service::people::{Change, Mailing, User};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn user(stores: &Stores, name: &str) -> i64 {
    let mut new = Some(User {
        no: 0,
        login: name.parse().unwrap(),
        name: String::new(),
        grant: Grant { role: "viewer".to_owned(), place: None },
        password: None,
        must_change: false,
        disabled: false,
        link: None,
        mailing: Mailing::default(),
        made_at: at(0),
        last_login: None,
    });
    stores.people.change(&mut |_| Ok(Change { put: new.take(), ..Change::of(AuditLine::any()) })).unwrap();
    stores.people.users().unwrap().into_iter().find(|user| user.login.as_str() == name).unwrap().no
}

fn alert(object: &str, size: u64) -> Alert {
    Alert {
        sort: AlertSort::SilentShop,
        object: object.to_owned(),
        node: "_shop_7_00ab34ef".parse().unwrap(),
        since: at(1),
        size,
        detail: Some(Reason::worded("why")),
    }
}

fn told(receiver: Receiver, object: &str) -> NewOutgoing {
    NewOutgoing { receiver, content: Content::Alert { stage: Stage::Start, at: at(2), alert: alert(object, 1) } }
}

pub(super) fn what_is_told_is_written_with_what_it_tells_of_and_survives_a_restart(home: &dyn Home) {
    let hook = Receiver::Hook("https://example.org/a".to_owned());
    {
        let stores = home.open();
        let anna = Receiver::User(user(&stores, "anna"));
        let outgoing = vec![told(anna, "7"), told(hook.clone(), "7")];
        let change = AlertChange { put: vec![alert("7", 1)], ended: Vec::new(), outgoing };
        stores.outbox.note_alerts(&change, at(3)).unwrap();
    }
    let stores = home.open();
    assert_eq!(stores.outbox.open_alerts().unwrap(), [alert("7", 1)]);
    let waiting = stores.outbox.waiting(10).unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!((&waiting[1].receiver, &waiting[1].content), (&hook, &told(hook.clone(), "7").content));
    assert_ne!(waiting[0].id, waiting[1].id);
    // More of it, and since when it is so stays; then it is over.
    let grown = AlertChange { put: vec![Alert { since: at(90), ..alert("7", 5) }], ..AlertChange::default() };
    stores.outbox.note_alerts(&grown, at(4)).unwrap();
    assert_eq!(stores.outbox.open_alerts().unwrap(), [alert("7", 5)]);
    let over = AlertChange { ended: vec![(AlertSort::SilentShop, "7".to_owned())], ..AlertChange::default() };
    stores.outbox.note_alerts(&over, at(5)).unwrap();
    assert_eq!(stores.outbox.open_alerts().unwrap(), []);
}

pub(super) fn reports_of_a_day_are_written_once_whoever_writes_them(home: &dyn Home) {
    let stores = [home.open(), home.open()];
    let anna = user(&stores[0], "anna");
    let day = date(2026, 12, 1);
    let report = |day| NewOutgoing { receiver: Receiver::User(anna), content: Content::Report { day } };
    assert_eq!(stores[0].outbox.report_written().unwrap(), None);
    let written = super::at_once(8, |n| stores[n % 2].outbox.write_report(day, &[report(day)], at(1)).unwrap());
    assert_eq!(written.into_iter().filter(|is_first| *is_first).count(), 1);
    assert_eq!(stores[1].outbox.waiting(10).unwrap().len(), 1);
    assert_eq!(stores[1].outbox.report_written().unwrap(), Some(day));
    let earlier = date(2026, 11, 30);
    assert!(!stores[0].outbox.write_report(earlier, &[report(earlier)], at(2)).unwrap(), "a day that is past");
}

pub(super) fn what_was_sent_waits_no_more_and_what_failed_waits_until_then(home: &dyn Home) {
    let stores = home.open();
    let outbox = &stores.outbox;
    let anna = user(&stores, "anna");
    assert!(outbox.write_trial(anna, at(1), &AuditLine::any()).unwrap());
    assert!(!outbox.write_trial(anna, at(2), &AuditLine::any()).unwrap(), "one waits");
    let hook = || Receiver::Hook("https://example.org/a".to_owned());
    let change = AlertChange { outgoing: vec![told(hook(), "7"), told(hook(), "8")], ..AlertChange::default() };
    outbox.note_alerts(&change, at(3)).unwrap();
    let numbers: Vec<i64> = outbox.waiting(10).unwrap().iter().map(|one| one.no).collect();
    outbox.note_ended(&numbers[..1], Outcome::Sent, at(10)).unwrap();
    outbox.note_failed(&numbers[1..], &Reason::worded("no route"), at(60)).unwrap();
    let waiting = outbox.waiting(10).unwrap();
    assert_eq!(
        waiting.iter().map(|one| (one.no, one.tries, one.due_at)).collect::<Vec<_>>(),
        [(numbers[1], 1, at(60)), (numbers[2], 1, at(60))]
    );
    assert_eq!(outbox.mails_since(anna, at(10)).unwrap(), [at(10)]);
    assert_eq!(outbox.mails_since(anna, at(11)).unwrap(), []);
    outbox.note_ended(&numbers[1..2], Outcome::GivenUp, at(70)).unwrap();
    let state = outbox.state(at(20)).unwrap();
    assert_eq!((state.waiting, state.waiting_since, state.last_sent), (1, Some(at(3)), Some(at(10))));
    assert_eq!(state.last_error, Some(Reason::worded("no route")));
    assert_eq!((state.given_up, state.given_up_since), (1, Some(at(70))));
    assert_eq!(outbox.state(at(71)).unwrap().given_up, 0, "not lately");
    // Once something arrives there again, nobody has to look any more.
    outbox.note_ended(&numbers[2..], Outcome::Sent, at(80)).unwrap();
    assert_eq!(outbox.state(at(20)).unwrap().given_up, 0);
    assert_eq!(
        (outbox.prune(at(75), 1).unwrap(), outbox.prune(at(75), 9).unwrap(), outbox.prune(at(75), 9).unwrap()),
        (1, 1, 0)
    );
}

pub(super) fn a_user_who_goes_takes_along_what_waits_and_nothing_piles_up(home: &dyn Home) {
    let stores = home.open();
    let outbox = &stores.outbox;
    let (anna, bert) = (user(&stores, "anna"), user(&stores, "bert"));
    outbox.write_trial(anna, at(1), &AuditLine::any()).unwrap();
    let many = (0..=MAX_WAITING).map(|n| told(Receiver::User(bert), &n.to_string())).collect();
    outbox.note_alerts(&AlertChange { outgoing: many, ..AlertChange::default() }, at(2)).unwrap();
    assert_eq!(outbox.waiting(MAX_WAITING * 2).unwrap().len(), MAX_WAITING as usize + 1, "one is given up at once");
    let state = outbox.state(at(0)).unwrap();
    let why = Reason::of(&OutboxReason::TooMuchWaits { max: MAX_WAITING });
    assert_eq!((state.given_up, state.last_error), (1, Some(why)));
    stores.people.change(&mut |_| Ok(Change { remove: Some(bert), ..Change::of(AuditLine::any()) })).unwrap();
    assert_eq!(outbox.waiting(10).unwrap().len(), 1);
    // What a backup brought back is not sent once more.
    stores.people.end_all(&AuditLine::any()).unwrap();
    assert_eq!(outbox.waiting(10).unwrap(), []);
}
