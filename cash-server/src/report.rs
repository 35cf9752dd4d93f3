//! What needs a look, for one reader: found once, told alike by the page, mail, REST and the
//! command line.
//!
//! [`attention`](attention::attention) decides what needs a look, over plain facts; the first page
//! and the list of findings show it as it is. A [`Report`] is the same at one moment by kind, with
//! what is slow and what is late beside it: what a person reads in the morning.
//!
//! It knows only what its reader may see: it is made of use cases as that reader has them.

mod attention;
mod entries;
mod gather;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use attention::entry;
pub(crate) use entries::{Attention, AttentionSort, BrokerView};
pub(crate) use gather::{Gathered, broker, gather, place, short, till_address, till_place};

use crate::app::{AppError, SalesOf, Till};
use crate::exchange::Condition;
use crate::network::Network;
use crate::sales::check::Verdict;
use crate::store::sales::{Page, ShiftFilter, ShiftView};
use crate::words::{Reason, Words};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use serde::Serialize;

/// Most lines of a kind; the rest is counted.
const MAX_LINES: usize = 50;

/// A till in contact that is behind for longer is slow: a price is there within seconds.
const SLOW: SignedDuration = SignedDuration::from_mins(5);

/// A shift that closed so long ago and is not all here is late.
const LATE_MINUTES: i64 = 10;

/// Shifts that are looked at for that, the newest.
const MAX_SHIFTS: u32 = 500;

/// What needs a look, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When it was made.
    pub at: Timestamp,
    /// The part of the network that it tells of, in words.
    pub place: String,
    /// Tills there.
    pub tills: u64,
    /// Tills that have what they should have.
    pub current: u64,
    /// Tills that a newer state is on its way to.
    pub behind: u64,
    /// Tills that are silent.
    pub silent: u64,
    /// Tills under repair.
    pub parked: u64,
    /// What needs a look, the weightiest first.
    pub topics: Vec<Topic>,
}

/// What needs a look of one kind. Its words are `attention-<key>` and `todo-<key>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Of which kind.
    pub key: String,
    /// Whether money, prices or the server itself are wrong now.
    pub is_grave: bool,
    /// How much of it.
    pub count: u64,
    /// What it is about, one by one.
    pub lines: Vec<Line>,
    /// Lines beyond those.
    pub more: u64,
    /// The path of the page that tells more.
    pub address: String,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The shop or till, in words; may be empty.
    pub place: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What is known.
    pub detail: String,
    /// The task of the server that fails, where it is one: `task-<name>`.
    pub task: Option<&'static str>,
}

/// The report of now, for whoever this was gathered for.
pub(crate) fn report(gathered: &Gathered<'_>) -> Result<Report, AppError> {
    let Gathered { app, words, now, facts, attention } = gathered;
    let of = |condition| facts.tills.iter().filter(|till| Condition::of(&till.status) == condition).count() as u64;
    let mut topics = topics(attention);
    topics.extend(topic("slow", "/tills?state=behind", slow(&facts.tills, &facts.network, *now, words)));
    let waiting = ShiftFilter { verdict: Some(Verdict::Waiting), ..ShiftFilter::default() };
    let page = Page { offset: 0, limit: MAX_SHIFTS };
    // All else is told where the database of sales does not answer.
    let shifts = app.shifts(SalesOf::default(), &waiting, page).unwrap_or_default();
    let late = late(&shifts, &facts.network, Zoned::now().datetime(), words);
    topics.extend(topic("shift-late", "/sales?verdict=waiting", late));
    Ok(Report {
        at: *now,
        place: app.looks_at()?.map(|node| place(&facts.network, &node, words)).unwrap_or_default(),
        tills: facts.tills.len() as u64,
        current: of(Condition::Current),
        behind: of(Condition::Behind),
        silent: of(Condition::Silent),
        parked: of(Condition::Parked),
        topics,
    })
}

/// Entries by their kind, in their order.
fn topics(attention: &[Attention]) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for entry in attention {
        let Attention { sort, key, place, detail, since, task, tills, .. } = entry;
        let line = Line { place: place.clone(), since: *since, detail: detail.clone(), task: *task };
        let count = tills.len().max(1) as u64;
        match topics.iter_mut().find(|topic| topic.key == *key) {
            Some(topic) => {
                topic.count += count;
                if topic.lines.len() < MAX_LINES { topic.lines.push(line) } else { topic.more += 1 }
            }
            None => topics.push(Topic {
                key: key.clone(),
                is_grave: sort.is_grave(),
                count,
                lines: vec![line],
                more: 0,
                // Keys are words of ours: they need no escape.
                address: format!("/findings?kind={key}"),
            }),
        }
    }
    topics
}

/// A kind that the list of findings does not have; none where there is nothing of it.
fn topic(key: &str, address: &str, mut lines: Vec<Line>) -> Option<Topic> {
    let count = lines.len();
    lines.truncate(MAX_LINES);
    (count > 0).then(|| Topic {
        key: key.to_owned(),
        is_grave: false,
        count: count as u64,
        more: (count - lines.len()) as u64,
        lines,
        address: address.to_owned(),
    })
}

/// Tills in contact that are behind for long.
fn slow(tills: &[Till], network: &Network, now: Timestamp, words: &Words) -> Vec<Line> {
    let behind = tills.iter().map(|till| &till.status).filter(|status| Condition::of(status) == Condition::Behind);
    let slow = behind.filter_map(|status| {
        let since = status.record.newest.as_ref()?.created_at;
        (now.duration_since(since) >= SLOW).then(|| Line {
            place: till_place(network, &status.till),
            since: Some(since),
            detail: words.reason(&status.next.reason()),
            task: None,
        })
    });
    slow.collect()
}

/// Shifts that closed a while ago, by the till's clock, and are not all here.
fn late(shifts: &[ShiftView], network: &Network, now: DateTime, words: &Words) -> Vec<Line> {
    let before = now.checked_sub(LATE_MINUTES.minutes()).unwrap_or(DateTime::MIN);
    let late = shifts.iter().filter(|shift| shift.ended.is_none_or(|ended| ended <= before));
    let line = |shift: &ShiftView| {
        let reasons = shift.outcome.reasons();
        let reasons: Vec<String> = reasons.iter().map(|reason| words.reason(&Reason::of(reason))).collect();
        let number = [("number", shift.number.0.to_string().into()), ("why", reasons.join("; ").into())];
        Line {
            place: till_place(network, &shift.till),
            since: None,
            detail: words.text("report-shift", number),
            task: None,
        }
    };
    late.map(line).collect()
}
