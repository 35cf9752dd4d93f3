//! People: decided over all of them, sessions of the password of now, ends that hold at once.

use super::{Home, at_once};
use crate::store::Stores;
use crate::store::audit::read_as_one;
use jiff::{SignedDuration, Timestamp};
use tillway_service::actor::{Caller, Grant};
use tillway_service::audit::{AuditFilter, AuditLine};
use tillway_service::people::{
    ApiKey, Change, EndSessions, Link, Login, Mailing, NewSession, PasswordHash, PeopleError, SecretHash, User, Which,
    after_restore,
};
use tillway_service::words::Language;

fn login(text: &str) -> Login {
    text.parse().unwrap()
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_text(text.to_owned())
}

fn new_user(name: &str) -> User {
    User {
        no: 0,
        login: login(name),
        name: name.to_uppercase(),
        grant: Grant { role: "operator".to_owned(), place: Some("_shop_7_00ab34ef".to_owned()) },
        password: Some(hash("one")),
        must_change: true,
        disabled: false,
        link: Some(Link { hash: SecretHash::of(name), ends_at: at(90) }),
        mailing: Mailing {
            address: Some("anna@example.org".parse().unwrap()),
            language: Some(Language::Russian),
            report: true,
            alerts: vec!["held-load".to_owned(), "silent-shop".to_owned()],
        },
        made_at: at(0),
        last_login: None,
    }
}

/// So many seconds after a moment that files of every store can hold.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn put(stores: &Stores, user: User) -> User {
    let (name, mut user) = (user.login.clone(), Some(user));
    stores.people.change(&mut |_| Ok(Change { put: user.take(), ..Change::of(AuditLine::any()) })).unwrap();
    find(stores, &name).unwrap()
}

fn find(stores: &Stores, name: &Login) -> Option<User> {
    stores.people.users().unwrap().into_iter().find(|user| user.login == *name)
}

fn new_session(user: &User, token: &str, at: Timestamp) -> NewSession {
    NewSession {
        hash: SecretHash::of(token),
        user: user.no,
        password: user.password.clone().unwrap(),
        at,
        address: Some("10.0.0.7".to_owned()),
        agent: "a browser".to_owned(),
        ended: (at - SignedDuration::from_secs(50), at - SignedDuration::from_secs(500)),
        keep: 3,
    }
}

fn begin(stores: &Stores, user: &User, token: &str, at: Timestamp) -> bool {
    stores.people.begin_session(&new_session(user, token, at), &AuditLine::any()).unwrap()
}

fn is_there(stores: &Stores, token: &str) -> bool {
    stores.people.session(&SecretHash::of(token)).unwrap().is_some()
}

fn lines(stores: &Stores) -> usize {
    let filter = AuditFilter::newest(1_000);
    read_as_one(stores.audit.iter().map(AsRef::as_ref), &filter).unwrap().len()
}

pub(super) fn a_login_is_one_user_s_whoever_adds_it_first(home: &dyn Home) {
    let stores = [home.open(), home.open()];
    let added = at_once(8, |n| {
        let added = stores[n % 2].people.change(&mut |users| {
            if users.iter().any(|user| user.login == login("anna")) {
                return Err(PeopleError::UserThere { login: login("anna") });
            }
            Ok(Change { put: Some(new_user("anna")), ..Change::of(AuditLine::any()) })
        });
        added.is_ok()
    });
    assert_eq!(added.into_iter().filter(|added| *added).count(), 1);
    let kept = find(&home.open(), &login("anna")).unwrap();
    assert_eq!(kept, User { no: kept.no, ..new_user("anna") });
    assert_eq!(lines(&stores[0]), 1);
}

pub(super) fn a_change_that_is_decided_against_leaves_nothing_and_a_number_is_never_given_again(home: &dyn Home) {
    let stores = home.open();
    let anna = put(&stores, new_user("anna"));
    let refused = stores.people.change(&mut |_| Err(PeopleError::LinkGone));
    assert!(matches!(refused, Err(PeopleError::LinkGone)));
    assert_eq!((stores.people.users().unwrap(), lines(&stores)), (vec![anna.clone()], 1));
    let note = Some(("note", "text".to_owned()));
    let changed = User { name: "A".to_owned(), link: None, must_change: false, ..anna.clone() };
    let change = || Change { put: Some(changed.clone()), note: note.clone(), ..Change::of(AuditLine::any()) };
    stores.people.change(&mut |_| Ok(change())).unwrap();
    assert_eq!((stores.people.users().unwrap(), lines(&stores)), (vec![changed.clone()], 2));
    assert_eq!(home.open().people.noted("note").unwrap().as_deref(), Some("text"));
    assert_eq!(stores.people.noted("other").unwrap(), None);
    stores.people.change(&mut |_| Ok(Change { remove: Some(anna.no), ..Change::of(AuditLine::any()) })).unwrap();
    assert_ne!(put(&stores, new_user("anna")).no, anna.no);
}

pub(super) fn a_session_begins_with_the_password_of_now_alone(home: &dyn Home) {
    let stores = home.open();
    let anna = put(&stores, new_user("anna"));
    assert!(begin(&stores, &anna, "first", at(1)));
    let (session, user) = stores.people.session(&SecretHash::of("first")).unwrap().unwrap();
    assert_eq!((user.no, user.last_login), (anna.no, Some(at(1))));
    assert_eq!(
        (session.seen_at, session.address.as_deref(), session.agent.as_str()),
        (at(1), Some("10.0.0.7"), "a browser")
    );
    stores.people.touch_session(session.no, at(7)).unwrap();
    stores.people.touch_session(session.no, at(3)).unwrap();
    assert_eq!(stores.people.sessions(anna.no).unwrap()[0].seen_at, at(7), "never back");
    let before = lines(&stores);
    put(&stores, User { password: Some(hash("two")), ..anna.clone() });
    assert!(!begin(&stores, &anna, "second", at(8)), "compared with the one of before");
    let changed = put(&stores, User { password: Some(hash("two")), disabled: true, ..anna });
    assert!(!begin(&stores, &changed, "third", at(9)), "disabled");
    assert_eq!(lines(&stores), before + 2, "who does not come in leaves no line");
}

pub(super) fn sessions_of_a_user_are_bounded_and_old_ones_of_all_go(home: &dyn Home) {
    let stores = home.open();
    let [anna, boris] = ["anna", "boris"].map(|name| put(&stores, new_user(name)));
    assert!(begin(&stores, &boris, "boris", at(0)));
    for n in 0..5 {
        assert!(begin(&stores, &anna, &n.to_string(), at(n)));
    }
    let there: Vec<_> = (0..5).map(|n| is_there(&stores, &n.to_string())).collect();
    assert_eq!(there, [false, false, true, true, true]);
    assert!(is_there(&stores, "boris"));
    // Unused for 50 seconds, whoever they are of.
    assert!(begin(&stores, &anna, "later", at(53)));
    let there: Vec<_> = ["boris", "2", "3", "4", "later"].map(|token| is_there(&stores, token)).into();
    assert_eq!(there, [false, false, true, true, true]);
}

pub(super) fn sessions_end_as_they_are_named_and_with_their_user(home: &dyn Home) {
    let stores = home.open();
    let [anna, boris] = ["anna", "boris"].map(|name| put(&stores, new_user(name)));
    for (user, token) in [(&anna, "a1"), (&anna, "a2"), (&anna, "a3"), (&boris, "b1")] {
        assert!(begin(&stores, user, token, at(1)));
    }
    let no = |token: &str| stores.people.session(&SecretHash::of(token)).unwrap().unwrap().0.no;
    let end = |user: &User, which| {
        let before = lines(&stores);
        let ended = stores.people.end_sessions(EndSessions { user: user.no, which }, &AuditLine::any()).unwrap();
        assert_eq!(lines(&stores) - before, usize::from(ended > 0));
        ended
    };
    assert_eq!(end(&boris, Which::One(no("a1"))), 0, "of another");
    assert_eq!(end(&anna, Which::One(no("a1"))), 1);
    assert_eq!(end(&anna, Which::AllBut(no("a2"))), 1);
    assert!(is_there(&home.open(), "a2") && !is_there(&home.open(), "a3"));
    assert_eq!(end(&anna, Which::All), 1);
    assert!(begin(&stores, &anna, "a4", at(2)));
    let which = EndSessions { user: anna.no, which: Which::All };
    let change = || Change { put: Some(anna.clone()), end: Some(which), ..Change::of(AuditLine::any()) };
    stores.people.change(&mut |_| Ok(change())).unwrap();
    assert!(!is_there(&stores, "a4"));
    stores.people.change(&mut |_| Ok(Change { remove: Some(boris.no), ..Change::of(AuditLine::any()) })).unwrap();
    assert!(!is_there(&stores, "b1"));
}

pub(super) fn a_key_is_found_by_its_secret_until_it_is_removed(home: &dyn Home) {
    let stores = home.open();
    let key = |name: &str| ApiKey {
        name: login(name),
        grant: Grant { role: "viewer".to_owned(), place: None },
        made_by: "login:anna".to_owned(),
        made_at: at(0),
        ends_at: at(9),
        used_at: None,
    };
    let add = |name: &str, secret: &str| {
        stores.people.add_key(&key(name), &SecretHash::of(secret), &AuditLine::any()).unwrap()
    };
    assert!(add("erp", "s1") && !add("erp", "s2") && add("bi", "s3"));
    assert_eq!(lines(&stores), 2);
    assert_eq!(stores.people.key(&SecretHash::of("s1")).unwrap(), Some(key("erp")));
    assert_eq!(stores.people.key(&SecretHash::of("s2")).unwrap(), None);
    stores.people.touch_key(&login("erp"), at(5)).unwrap();
    assert_eq!(home.open().people.keys().unwrap(), [key("bi"), ApiKey { used_at: Some(at(5)), ..key("erp") }]);
    let remove = |name: &str| stores.people.remove_key(&login(name), &AuditLine::any()).unwrap();
    assert!(remove("erp") && !remove("erp"));
    assert_eq!(stores.people.key(&SecretHash::of("s1")).unwrap(), None);
    assert_eq!(lines(&stores), 3);
}

pub(super) fn all_sessions_and_links_end_at_once(home: &dyn Home) {
    let stores = home.open();
    let anna = put(&stores, new_user("anna"));
    assert!(begin(&stores, &anna, "a", at(1)));
    assert_eq!(after_restore(stores.people.as_ref(), &Caller::server()).unwrap(), 1);
    assert!(!is_there(&stores, "a"));
    let left = find(&stores, &login("anna")).unwrap();
    assert_eq!((left.link, left.password), (None, anna.password));
}
