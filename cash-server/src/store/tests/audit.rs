//! The audit log: in the order of time, read as one, pruned apart.

use super::Home;
use crate::audit::Verb;
use crate::store::Stores;
use crate::store::audit::read_as_one;
use jiff::Timestamp;
use serde_json::json;
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::audit::AuditFilter;
use tillway_service::audit::AuditLine;
use uuid::Uuid;

fn caller(person: Option<&str>) -> Caller {
    match person {
        Some(name) => {
            let actor = Actor::SystemUser(name.to_owned());
            Caller { actor, face: Face::CommandLine, address: None, grant: None }
        }
        None => Caller::server(),
    }
}

/// A line of so many seconds after a moment that all tests share.
fn line(person: Option<&str>, seconds: u64, object: &str) -> AuditLine {
    let at = uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000 + seconds, 0);
    AuditLine { id: Uuid::new_v7(at), ..AuditLine::new(&caller(person), Verb::NodeRename, object) }
        .before(json!({"name": "was"}))
        .after(json!({"name": "is"}))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn all() -> AuditFilter {
    AuditFilter::newest(99)
}

fn read(stores: &Stores, filter: &AuditFilter) -> Vec<String> {
    let lines = read_as_one(stores.audit.iter().map(AsRef::as_ref), filter).unwrap();
    lines.into_iter().map(|line| line.object).collect()
}

pub(super) fn lines_come_newest_first_of_all_logs_and_are_paged(home: &dyn Home) {
    let stores = home.open();
    for n in [3_usize, 0, 7, 1, 5, 2, 6, 4] {
        stores.audit[n % stores.audit.len()].note(&line(None, n as u64, &n.to_string())).unwrap();
    }
    let stores = home.open();
    assert_eq!(read(&stores, &all()), ["7", "6", "5", "4", "3", "2", "1", "0"]);
    let (mut before, mut walked) = (None, Vec::new());
    loop {
        let filter = AuditFilter { before, limit: 3, ..all() };
        let page = read_as_one(stores.audit.iter().map(AsRef::as_ref), &filter).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        walked.extend(page.into_iter().map(|line| line.object));
    }
    assert_eq!(walked, ["7", "6", "5", "4", "3", "2", "1", "0"]);
    let whole = read_as_one(stores.audit.iter().map(AsRef::as_ref), &AuditFilter { limit: 1, ..all() }).unwrap();
    assert_eq!((&whole[0].before, &whole[0].after), (&json!({"name": "was"}), &json!({"name": "is"})));
}

pub(super) fn lines_are_found_by_actor_object_and_time(home: &dyn Home) {
    let stores = home.open();
    let log = &stores.audit[0];
    log.note(&line(Some("anna"), 1, "one")).unwrap();
    log.note(&line(Some("boris"), 2, "two")).unwrap();
    log.note(&line(Some("anna"), 3, "two")).unwrap();
    let actor = Some(caller(Some("anna")).actor.to_string());
    assert_eq!(read(&stores, &AuditFilter { actor: actor.clone(), ..all() }), ["two", "one"]);
    assert_eq!(read(&stores, &AuditFilter { actor, object: Some("two".to_owned()), ..all() }).len(), 1);
    assert_eq!(read(&stores, &AuditFilter { object: Some("Two".to_owned()), ..all() }).len(), 0);
    log.note(&line(None, 4, "by itself")).unwrap();
    assert_eq!(read(&stores, &AuditFilter { persons_only: true, ..all() }), ["two", "two", "one"]);
    let of = |verb: &str| AuditFilter { verb: Some(verb.to_owned()), ..all() };
    assert_eq!(read(&stores, &of(Verb::NodeRename.as_str())).len(), 4);
    assert_eq!(read(&stores, &of("node")).len(), 0, "a verb is told whole");
    let with = |text: &str| AuditFilter { text: Some(text.to_owned()), ..all() };
    for (text, found) in [("wo", 2), ("\"was\"", 4), ("\"is\"", 4), ("%", 0), ("'", 0)] {
        assert_eq!(read(&stores, &with(text)).len(), found, "{text}");
    }
    assert_eq!(read(&stores, &AuditFilter { from: at(2), to: at(3), ..all() }), ["two"], "from a time, before a time");
}

pub(super) fn old_lines_of_persons_and_of_others_go_apart(home: &dyn Home) {
    let stores = home.open();
    let log = &stores.audit[1];
    for seconds in 0..3 {
        log.note(&line(Some("anna"), seconds, "person")).unwrap();
        log.note(&line(None, seconds, "server")).unwrap();
    }
    assert_eq!(log.prune_audit(false, at(2), 1).unwrap(), 1);
    assert_eq!(log.prune_audit(false, at(2), 9).unwrap(), 1);
    assert_eq!(log.prune_audit(false, at(2), 9).unwrap(), 0);
    let mut left = read(&stores, &all());
    left.sort();
    assert_eq!(left, ["person", "person", "person", "server"]);
}
