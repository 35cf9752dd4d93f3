//! What a person should look at, the weightiest first: a pure function of what is known.
//!
//! This is the report that a chain would otherwise write for itself every morning: tills silent
//! for a day, wrong till codes, shifts that do not agree, and whatever keeps the server itself
//! from its work. A parked till is under somebody's hands and raises no alarm.

use super::entries::{Attention, AttentionSort as Sort, BrokerView};
use crate::attaching::FailedTries;
use crate::exchange::clock::{LOOK_FROM, off_together};
use crate::exchange::codes::{CodeFinding, MANY};
use crate::words::Words;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tillway_proto::Version;
use tillway_proto::report::MAX_DICTIONARY_LOG_BYTES;
use tillway_service::background::TaskState;

/// A till that is silent for longer is named by itself; shorter silences are told by shop, since a
/// shop's line that is down silences all its tills.
const SILENT_LONG: SignedDuration = SignedDuration::from_hours(24);

/// A till that was never heard of needs a look so long after it was made: it is set up on the same
/// day, or forgotten.
const NEVER_HEARD_OF_LONG: SignedDuration = SignedDuration::from_hours(24);

/// A finding about a till that nobody acknowledges is shown for so long.
const FINDING_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Somebody with a wrong till code who stops reporting is shown for so long.
const STRANGER_SHOWN: SignedDuration = SignedDuration::from_hours(24);

/// Most tills named in one line.
const MAX_NAMED: usize = 10;

/// One till, as far as it may need a look.
#[derive(Debug, Clone, Default)]
pub(crate) struct TillFacts {
    pub(crate) id: String,
    pub(crate) shop: String,
    pub(crate) code: String,
    pub(crate) parked: bool,
    pub(crate) trouble: Option<String>,
    pub(crate) silent_since: Option<Timestamp>,
    /// When it was made, where it was never heard of.
    pub(crate) never_heard_of_since: Option<Timestamp>,
    pub(crate) in_contact: bool,
    /// How far its clock is ahead, where that is a minute or more; below zero: behind.
    pub(crate) clock_ahead: Option<SignedDuration>,
    /// Why its receipts do not come.
    pub(crate) sales_wait: Option<String>,
    /// The log beside its dictionary.
    pub(crate) dictionary_log_bytes: u64,
    pub(crate) set_aside: u64,
    /// Many messages in its name without a right code: what they mean, how many, since when.
    pub(crate) refused: Option<(CodeFinding, u64, Timestamp)>,
    /// Messages in the server's name that it did not take.
    pub(crate) refused_by_till: u64,
    pub(crate) has_no_secret: bool,
    /// The version of its agent, where that does not fit this server's.
    pub(crate) other_version: Option<Version>,
    pub(crate) two_machines_at: Option<Timestamp>,
    pub(crate) went_back_at: Option<Timestamp>,
    pub(crate) claimed_at: Option<Timestamp>,
    pub(crate) acknowledged_at: Option<Timestamp>,
}

impl TillFacts {
    fn place(&self) -> String {
        format!("{}/{}", self.shop, self.code)
    }
}

/// Somebody who reports under an id that is not in the network.
#[derive(Debug, Clone)]
pub(crate) struct StrangerFacts {
    pub(crate) till: String,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) reports: u64,
}

/// Room for the data folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskFacts {
    pub(crate) free_bytes: u64,
    /// The server takes nothing in below this.
    pub(crate) reserve_bytes: u64,
}

/// Everything that may need a look. What comes in words already (findings of sales, loads) is
/// handed in as it is.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) now: Timestamp,
    pub(crate) words: &'a Words,
    pub(crate) broker: &'a BrokerView,
    pub(crate) disk: Option<DiskFacts>,
    pub(crate) sales_trouble: Option<&'a str>,
    pub(crate) tills: &'a [TillFacts],
    pub(crate) strangers: &'a [StrangerFacts],
    /// Units set aside here, by the sort of attention: refused loads apart.
    pub(crate) aside_here: u64,
    pub(crate) others: Vec<Attention>,
    /// What the server does by itself.
    pub(crate) tasks: &'a [TaskState],
    /// How many rejects and how many warnings nobody has seen.
    pub(crate) notices_open: (u64, u64),
    /// Many tries to attach tills that failed.
    pub(crate) attach_tries: Option<FailedTries>,
    /// Many wrong passwords, or tokens that are nobody's.
    pub(crate) password_tries: Option<FailedTries>,
}

/// An entry without more than words.
pub(crate) fn entry(sort: Sort, place: String, detail: String) -> Attention {
    let (key, tills) = (sort.word().to_owned(), Vec::new());
    Attention { sort, key, place, detail, since: None, acknowledge: None, finding: None, tills, task: None }
}

/// An entry about tills.
fn about<'a>(tills: impl IntoIterator<Item = &'a TillFacts>, entry: Attention) -> Attention {
    Attention { tills: tills.into_iter().map(|till| till.id.clone()).collect(), ..entry }
}

/// The list, whole and in order.
pub(crate) fn attention(facts: Facts<'_>) -> Vec<Attention> {
    let mut list = facts.others;
    if let Some(disk) = facts.disk.filter(|disk| disk.free_bytes < disk.reserve_bytes.saturating_mul(2)) {
        let mib = |bytes: u64| bytes >> 20;
        let detail = format!("{} MiB / {} MiB", mib(disk.free_bytes), mib(disk.reserve_bytes));
        list.push(entry(Sort::Disk, String::new(), detail));
    }
    if let Some(reason) = facts.sales_trouble {
        list.push(entry(Sort::SalesDatabase, String::new(), reason.to_owned()));
    }
    if !facts.broker.consuming {
        let detail = facts.broker.trouble.clone().unwrap_or_default();
        list.push(Attention { since: facts.broker.since, ..entry(Sort::Broker, String::new(), detail) });
    }
    if let Some(reason) = &facts.broker.foreign_queue {
        list.push(entry(Sort::ReportsQueue, String::new(), reason.clone()));
    }
    if let Some(reason) = &facts.broker.blocked {
        list.push(entry(Sort::BrokerBlocked, String::new(), reason.clone()));
    }
    for task in facts.tasks.iter().filter(|task| task.failures > 0) {
        let reason = task.last_error.as_ref().map(|error| facts.words.reason(&error.reason)).unwrap_or_default();
        list.push(Attention { task: Some(task.name), ..entry(Sort::Background, String::new(), reason) });
    }
    if facts.aside_here > 0 {
        list.push(entry(Sort::Aside, String::new(), facts.aside_here.to_string()));
    }
    if let (rejects, warnings) = facts.notices_open
        && rejects + warnings > 0
    {
        let counts = [("rejects", rejects.to_string().into()), ("warnings", warnings.to_string().into())];
        list.push(entry(Sort::Notices, String::new(), facts.words.text("notices-open", counts)));
    }
    let mut silent_by_shop: BTreeMap<&str, Vec<&TillFacts>> = BTreeMap::new();
    let mut never_by_shop: BTreeMap<&str, Vec<&TillFacts>> = BTreeMap::new();
    for till in facts.tills.iter().filter(|till| !till.parked) {
        of_till(till, facts.now, &mut list);
        if let Some(since) = till.silent_since {
            if facts.now.duration_since(since) >= SILENT_LONG {
                let one = about([till], entry(Sort::SilentLong, till.place(), String::new()));
                list.push(Attention { since: Some(since), ..one });
            } else {
                silent_by_shop.entry(&till.shop).or_default().push(till);
            }
        }
        if till.never_heard_of_since.is_some_and(|since| facts.now.duration_since(since) >= NEVER_HEARD_OF_LONG) {
            never_by_shop.entry(&till.shop).or_default().push(till);
        }
    }
    let tries = [(Sort::AttachTries, facts.attach_tries), (Sort::PasswordTries, facts.password_tries)];
    for (sort, tried) in tries {
        let Some(FailedTries { since, from }) = tried else { continue };
        let from = from.map(|from| from.to_string()).unwrap_or_default();
        list.push(Attention { since: Some(since), ..entry(sort, String::new(), from) });
    }
    list.extend(without_secret(facts.tills));
    list.extend(of_other_versions(facts.tills));
    clocks(facts.tills, &mut list);
    list.extend(silent_by_shop.into_values().map(|tills| of_shop(Sort::Silent, &tills, |till| till.silent_since)));
    list.extend(
        never_by_shop.into_values().map(|tills| of_shop(Sort::NeverHeardOf, &tills, |till| till.never_heard_of_since)),
    );
    let recent = |one: &&StrangerFacts| facts.now.duration_since(one.last_at) < STRANGER_SHOWN;
    for one in facts.strangers.iter().filter(recent) {
        let told = entry(Sort::Stranger, one.till.clone(), format!("× {}", one.reports));
        list.push(Attention { since: Some(one.first_at), ..told });
    }
    // Stable: within a sort the order in which they were found.
    list.sort_by_key(|entry| entry.sort);
    list
}

fn of_till(till: &TillFacts, now: Timestamp, list: &mut Vec<Attention>) {
    let unseen = |at: Option<Timestamp>| {
        at.filter(|at| till.acknowledged_at.is_none_or(|seen| seen < *at) && now.duration_since(*at) < FINDING_SHOWN)
    };
    let found = [
        (Sort::TwoMachines, till.two_machines_at),
        (Sort::WentBack, till.went_back_at),
        (Sort::Claimed, till.claimed_at),
    ];
    for (sort, at) in found {
        if let Some(at) = unseen(at) {
            let one = about([till], entry(sort, till.place(), String::new()));
            list.push(Attention { since: Some(at), acknowledge: Some(till.id.clone()), ..one });
        }
    }
    if let Some((finding, messages, since)) = till.refused {
        let sort = match finding {
            CodeFinding::Forged => Sort::Forged,
            CodeFinding::OtherSecret => Sort::OtherSecret,
        };
        list.push(Attention {
            since: Some(since),
            ..about([till], entry(sort, till.place(), format!("× {messages}")))
        });
    }
    if till.refused_by_till >= MANY {
        list.push(about([till], entry(Sort::RefusedByTill, till.place(), format!("× {}", till.refused_by_till))));
    }
    if let Some(trouble) = &till.trouble {
        list.push(about([till], entry(Sort::Trouble, till.place(), trouble.clone())));
    }
    if let Some(reason) = &till.sales_wait {
        list.push(about([till], entry(Sort::SalesWait, till.place(), reason.clone())));
    }
    if till.dictionary_log_bytes >= MAX_DICTIONARY_LOG_BYTES {
        let size = format!("{} MiB", till.dictionary_log_bytes >> 20);
        list.push(about([till], entry(Sort::DictionaryLog, till.place(), size)));
    }
    if till.set_aside > 0 {
        list.push(about([till], entry(Sort::Aside, till.place(), till.set_aside.to_string())));
    }
}

/// Tills in contact that have no secret, in one line: after an upgrade they are all of them.
fn without_secret(tills: &[TillFacts]) -> Option<Attention> {
    let without: Vec<_> = tills.iter().filter(|till| till.in_contact && till.has_no_secret && !till.parked).collect();
    let mut names: Vec<String> = without.iter().take(MAX_NAMED).map(|till| till.place()).collect();
    if without.len() > MAX_NAMED {
        names.push("…".to_owned());
    }
    let place = names.join(", ");
    let told = || entry(Sort::NoSecret, place, format!("× {}", without.len()));
    (!without.is_empty()).then(|| about(without.iter().copied(), told()))
}

/// Tills whose agents do not go with this server, in one line.
fn of_other_versions(tills: &[TillFacts]) -> Option<Attention> {
    let apart = || tills.iter().filter(|till| till.in_contact && !till.parked);
    let apart = || apart().filter_map(|till| till.other_version.map(|version| (till, version)));
    let mut names: Vec<String> =
        apart().take(MAX_NAMED).map(|(till, version)| format!("{} ({version})", till.place())).collect();
    let count = apart().count();
    if count > MAX_NAMED {
        names.push("…".to_owned());
    }
    let told = || entry(Sort::Versions, names.join(", "), format!("× {count}"));
    (count > 0).then(|| about(apart().map(|(till, _)| till), told()))
}

/// Clocks that are off by so much that prices begin at another time than they should.
fn clocks(tills: &[TillFacts], list: &mut Vec<Attention>) {
    let in_contact: Vec<&TillFacts> = tills.iter().filter(|till| till.in_contact && !till.parked).collect();
    let together = off_together(&in_contact.iter().map(|till| till.clock_ahead).collect::<Vec<_>>());
    if let Some((ahead, tills)) = together {
        let side = if ahead.is_positive() { "+" } else { "−" };
        list.push(entry(Sort::ClockHere, String::new(), format!("{side}{} × {tills}", length(ahead.abs()))));
    }
    for till in in_contact {
        let Some(ahead) = till.clock_ahead.filter(|ahead| ahead.abs() >= LOOK_FROM) else { continue };
        // What most of them say is said once.
        if together.is_none_or(|(most, _)| most.is_positive() != ahead.is_positive()) {
            let sort = if ahead.is_positive() { Sort::ClockAhead } else { Sort::ClockBehind };
            list.push(about([till], entry(sort, till.place(), length(ahead.abs()))));
        }
    }
}

/// `7 min`, `2:05 h`.
fn length(offset: SignedDuration) -> String {
    let minutes = offset.as_mins();
    if minutes < 60 { format!("{minutes} min") } else { format!("{}:{:02} h", minutes / 60, minutes % 60) }
}

/// Tills of one shop that the same is said of, in one line: since it is so of the first of them.
fn of_shop(sort: Sort, tills: &[&TillFacts], since: impl Fn(&TillFacts) -> Option<Timestamp>) -> Attention {
    let since = tills.iter().filter_map(|till| since(till)).min();
    if let [only] = tills {
        return Attention { since, ..about([*only], entry(sort, only.place(), String::new())) };
    }
    let mut names: Vec<&str> = tills.iter().take(MAX_NAMED).map(|till| till.code.as_str()).collect();
    if tills.len() > MAX_NAMED {
        names.push("…");
    }
    let place = format!("{}: {} ({})", tills[0].shop, tills.len(), names.join(", "));
    Attention { since, ..about(tills.iter().copied(), entry(sort, place, String::new())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language, Reason};
    use tillway_service::background::TaskError;

    fn english() -> &'static Words {
        words::of(Language::English)
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    fn till(code: &str) -> TillFacts {
        TillFacts {
            id: format!("_cash_{code}_00ab34ef"),
            shop: "7".to_owned(),
            code: code.to_owned(),
            ..TillFacts::default()
        }
    }

    fn sorts(tills: &[TillFacts]) -> Vec<(Sort, String)> {
        let broker = BrokerView { consuming: true, since: None, trouble: None, blocked: None, foreign_queue: None };
        let facts = Facts {
            now: at(0),
            words: english(),
            broker: &broker,
            disk: Some(DiskFacts { free_bytes: 10 << 30, reserve_bytes: 512 << 20 }),
            sales_trouble: None,
            tills,
            strangers: &[],
            aside_here: 0,
            others: Vec::new(),
            tasks: &[],
            notices_open: (0, 0),
            attach_tries: None,
            password_tries: None,
        };
        attention(facts).into_iter().map(|entry| (entry.sort, entry.place)).collect()
    }

    #[test]
    fn a_parked_till_raises_no_alarm() {
        let mut one = till("1");
        one.silent_since = Some(at(-50));
        one.set_aside = 3;
        one.went_back_at = Some(at(-1));
        assert_eq!(sorts(std::slice::from_ref(&one)).len(), 3);
        one.parked = true;
        assert_eq!(sorts(&[one]), []);
    }

    #[test]
    fn tills_that_a_shop_s_line_silences_are_one_line_and_a_day_of_silence_is_named() {
        let silent = |code: &str, hours: i64| TillFacts { silent_since: Some(at(-hours)), ..till(code) };
        let listed = sorts(&[silent("1", 1), silent("2", 2), silent("3", 30)]);
        assert_eq!(listed, [(Sort::SilentLong, "7/3".to_owned()), (Sort::Silent, "7: 2 (1, 2)".to_owned())]);
    }

    #[test]
    fn messages_without_a_right_code_need_a_look_and_tills_without_a_secret_are_one_line() {
        let refused = |code: &str, finding| TillFacts { refused: Some((finding, 12, at(-1))), ..till(code) };
        let bare = |code: &str| TillFacts { in_contact: true, has_no_secret: true, ..till(code) };
        let by_till = |count| TillFacts { refused_by_till: count, ..till("3") };
        let tills = [refused("1", CodeFinding::Forged), refused("2", CodeFinding::OtherSecret), bare("4"), bare("5")];
        let listed = sorts(&tills);
        let expected = [(Sort::Forged, "7/1"), (Sort::OtherSecret, "7/2"), (Sort::NoSecret, "7/4, 7/5")];
        assert_eq!(listed, expected.map(|(sort, place)| (sort, place.to_owned())));
        assert_eq!(sorts(&[by_till(MANY)]), [(Sort::RefusedByTill, "7/3".to_owned())]);
        assert_eq!(sorts(&[by_till(MANY - 1), TillFacts { in_contact: false, ..bare("4") }]), []);
    }

    #[test]
    fn agents_of_a_version_that_does_not_fit_are_one_line() {
        let of = |code: &str, version: &str| TillFacts {
            in_contact: true,
            other_version: Some(version.parse().unwrap()),
            ..till(code)
        };
        let listed = sorts(&[of("1", "0.9.0"), of("2", "2.0.1"), TillFacts { parked: true, ..of("3", "2.0.1") }]);
        assert_eq!(listed, [(Sort::Versions, "7/1 (0.9.0), 7/2 (2.0.1)".to_owned())]);
    }

    #[test]
    fn a_till_that_was_never_heard_of_needs_a_look_a_day_after_it_was_made() {
        let made = |code: &str, hours: i64| TillFacts { never_heard_of_since: Some(at(-hours)), ..till(code) };
        assert_eq!(sorts(&[made("1", 23)]), []);
        assert_eq!(sorts(&[made("1", 23), made("2", 24)]), [(Sort::NeverHeardOf, "7/2".to_owned())]);
        let both = sorts(&[made("1", 30), made("2", 24)]);
        assert_eq!(both, [(Sort::NeverHeardOf, "7: 2 (1, 2)".to_owned())]);
        assert_eq!(sorts(&[TillFacts { parked: true, ..made("2", 24) }]), []);
    }

    #[test]
    fn a_task_of_the_server_that_fails_needs_a_look_until_it_succeeds() {
        let task = |failures| TaskState {
            name: "old-audit",
            period: std::time::Duration::from_mins(10),
            running_since: None,
            last_run: Some(at(0)),
            last_took: std::time::Duration::ZERO,
            next_run: Some(at(1)),
            runs: 7,
            failures,
            last_error: Some(TaskError { at: at(0), reason: Reason::worded("no room") }),
        };
        let broker = BrokerView { consuming: true, since: None, trouble: None, blocked: None, foreign_queue: None };
        let look = |tasks: &[TaskState]| {
            attention(Facts {
                now: at(0),
                words: english(),
                broker: &broker,
                disk: None,
                sales_trouble: None,
                tills: &[],
                strangers: &[],
                aside_here: 0,
                others: Vec::new(),
                tasks,
                notices_open: (0, 0),
                attach_tries: None,
                password_tries: None,
            })
        };
        assert_eq!(look(&[task(0)]), []);
        let expected =
            Attention { task: Some("old-audit"), ..entry(Sort::Background, String::new(), "no room".to_owned()) };
        assert_eq!(look(&[task(0), task(2)]), [expected]);
    }

    #[test]
    fn a_clock_that_is_off_by_five_minutes_needs_a_look_and_most_clocks_together_are_this_server_s() {
        let off = |code: &str, minutes: i64| TillFacts {
            in_contact: true,
            clock_ahead: Some(SignedDuration::from_mins(minutes)),
            ..till(code)
        };
        let fine = |code: &str| TillFacts { in_contact: true, ..till(code) };
        assert_eq!(sorts(&[off("1", 4), off("2", -4)]), []);
        let one_each = sorts(&[off("1", 5), off("2", -125), fine("3")]);
        assert_eq!(one_each, [(Sort::ClockAhead, "7/1".to_owned()), (Sort::ClockBehind, "7/2".to_owned())]);
        let most = sorts(&[off("1", 60), off("2", 61), off("3", 60), fine("4")]);
        assert_eq!(most, [(Sort::ClockHere, String::new())]);
        assert_eq!(sorts(&[off("1", 60), off("2", 61), off("3", 60), fine("4"), fine("5"), fine("6")]).len(), 3);
        assert_eq!(sorts(&[TillFacts { parked: true, ..off("1", 60) }]), []);
        assert_eq!(
            (length(SignedDuration::from_mins(7)), length(SignedDuration::from_mins(125))),
            ("7 min".to_owned(), "2:05 h".to_owned())
        );
    }

    #[test]
    fn a_finding_about_a_till_stays_until_it_is_acknowledged_or_a_week_old() {
        let mut one = till("1");
        one.two_machines_at = Some(at(-3));
        assert_eq!(sorts(std::slice::from_ref(&one)), [(Sort::TwoMachines, "7/1".to_owned())]);
        one.acknowledged_at = Some(at(-2));
        assert_eq!(sorts(std::slice::from_ref(&one)), []);
        one.two_machines_at = Some(at(-1));
        assert_eq!(sorts(std::slice::from_ref(&one)).len(), 1, "seen again since");
        one.claimed_at = Some(at(-1));
        assert_eq!(sorts(std::slice::from_ref(&one))[1], (Sort::Claimed, "7/1".to_owned()));
        one.claimed_at = None;
        one.two_machines_at = Some(at(-24 * 8));
        one.acknowledged_at = None;
        assert_eq!(sorts(&[one]), []);
    }

    #[test]
    fn what_keeps_the_server_from_its_work_comes_first() {
        let broker = BrokerView {
            consuming: false,
            since: None,
            trouble: Some("refused".to_owned()),
            blocked: Some("low on memory".to_owned()),
            foreign_queue: None,
        };
        let stranger = |hours: i64| StrangerFacts {
            till: "_cash_9_00ab34ef".to_owned(),
            first_at: at(-90),
            last_at: at(-hours),
            reports: 5,
        };
        let facts = Facts {
            now: at(0),
            words: english(),
            broker: &broker,
            disk: Some(DiskFacts { free_bytes: 600 << 20, reserve_bytes: 512 << 20 }),
            sales_trouble: Some("locked"),
            tills: &[TillFacts {
                trouble: Some("rejected".to_owned()),
                sales_wait: Some("wrong token".to_owned()),
                dictionary_log_bytes: MAX_DICTIONARY_LOG_BYTES,
                ..till("1")
            }],
            strangers: &[stranger(1), stranger(30)],
            aside_here: 2,
            others: vec![entry(Sort::Shift, "7/1".to_owned(), "one receipt is missing".to_owned())],
            tasks: &[],
            notices_open: (0, 0),
            attach_tries: Some(FailedTries { since: at(-1), from: None }),
            password_tries: Some(FailedTries { since: at(-2), from: None }),
        };
        let listed: Vec<Sort> = attention(facts).into_iter().map(|entry| entry.sort).collect();
        let expected = [
            Sort::Disk,
            Sort::SalesDatabase,
            Sort::Broker,
            Sort::BrokerBlocked,
            Sort::AttachTries,
            Sort::PasswordTries,
            Sort::Shift,
            Sort::Trouble,
            Sort::SalesWait,
            Sort::DictionaryLog,
            Sort::Aside,
            Sort::Stranger,
        ];
        assert_eq!(listed, expected);
    }
}
