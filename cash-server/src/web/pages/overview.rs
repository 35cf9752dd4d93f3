//! The first page: what is wrong, what is under way, the figures of the moment, and charts of a
//! day and a week.

mod lately;

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::super::view::{Attention, AttentionSort as Sort, LoadView};
use super::{Kind, Made, Reader, WebState, show};
use crate::app::{AppError, SalesOf};
use crate::exchange::Condition;
use crate::network::Network;
use crate::store::sales::{TotalsBy, TotalsFilter};
use crate::words::Language;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tillway_proto::{Kopecks, Revision};
use tillway_service::page::Crumb;

pub(super) use lately::Period;
#[cfg(test)]
pub(super) use lately::{Plot, SlotRow};

const KIND: Kind = Kind {
    here: "overview",
    template: "overview.html",
    parts: &[("navigation", "navigation.html"), ("overview", "overview_live.html"), ("lately", "overview_lately.html")],
};

/// Places that a problem names; the rest is counted.
const NAMED: usize = 3;

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct OverviewView {
    pub(super) tills_total: u64,
    pub(super) tills_current: u64,
    /// Tills that something is wrong with.
    pub(super) tills_look: u64,
    pub(super) revision: Revision,
    pub(super) problems: Vec<Problem>,
    /// Loads that are not at their end.
    pub(super) loads: Vec<LoadView>,
    /// Tills that a newer state is on its way to.
    pub(super) tills_behind: u64,
    /// Tasks of the server that run now.
    pub(super) tasks: Vec<&'static str>,
    /// From a price to the till in half of all cases, and in 95 of 100; none: nothing went out.
    pub(super) half: Option<String>,
    pub(super) most: Option<String>,
    pub(super) receipts_today: Option<u64>,
    /// Of the hour that runs.
    pub(super) receipts_hour: Option<u64>,
    pub(super) sum_today: Option<Kopecks>,
    /// Documents that tills have not brought yet, and how many tills.
    pub(super) unsent: u64,
    pub(super) unsent_tills: u64,
    pub(super) loads_today: u64,
    /// Charts of a day and a week.
    pub(super) lately: Vec<Period>,
}

/// All entries of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// Its words: `attention-<key>`.
    pub(super) key: String,
    pub(super) is_grave: bool,
    pub(super) count: u64,
    /// How many tills it is about.
    pub(super) tills: u64,
    /// Where, as far as named.
    pub(super) places: Vec<String>,
    /// How many more places there are.
    pub(super) more: u64,
    /// What is known, where that is the same of all of them.
    pub(super) detail: String,
    /// The task that fails, where it is one.
    pub(super) task: Option<&'static str>,
    pub(super) since: Option<Timestamp>,
    /// Where it is mended.
    pub(super) address: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader) -> Response {
    let language = reader.language;
    show(state, reader, &KIND, move |gathered| view(gathered, language)).await
}

fn view(gathered: &Gathered<'_>, language: Language) -> Result<Made<OverviewView>, AppError> {
    let (facts, now) = (&gathered.facts, gathered.now);
    let of = |condition| facts.tills.iter().filter(|till| Condition::of(&till.status) == condition).count() as u64;
    let unsent = facts.tills.iter().filter_map(|till| till.status.record.contact.as_ref()?.state.unsent_documents);
    let unsent: Vec<u64> = unsent.filter(|documents| *documents > 0).collect();
    let here = now.to_zoned(TimeZone::system());
    let today = here.date();
    let of_today = TotalsFilter { from: Some(today), to: Some(today), ..TotalsFilter::default() };
    // All else is shown where the database of sales does not answer.
    let totals = gathered.app.totals(SalesOf::default(), &of_today, TotalsBy::All).ok();
    let totals = totals.map(|rows| rows.into_iter().next().unwrap_or_default());
    let lately = gathered.app.lately(&here)?;
    let running = facts.loads.iter().filter(|report| !report.load.record.state.is_final());
    let mut look: Vec<&String> = gathered.attention.iter().flat_map(|one| &one.tills).collect();
    look.sort_unstable();
    look.dedup();
    let body = OverviewView {
        tills_total: facts.tills.len() as u64,
        tills_current: of(Condition::Current),
        tills_look: look.len() as u64,
        revision: facts.head,
        problems: problems(&gathered.attention, &facts.network),
        loads: running.map(|report| source::load(&facts.network, report, gathered.words)).collect(),
        tills_behind: of(Condition::Behind),
        tasks: facts.background.iter().flatten().filter(|task| runs_long(task, now)).map(|task| task.name).collect(),
        half: lately.half.map(|took| seconds(took, language)),
        most: lately.most.map(|took| seconds(took, language)),
        receipts_hour: lately.hours.last().and_then(|hour| hour.receipts),
        loads_today: lately.days.last().map_or(0, |day| day.loads),
        lately: lately::periods(&lately, gathered.words),
        receipts_today: totals.as_ref().map(|row| u64::try_from(row.receipts).unwrap_or_default()),
        sum_today: totals.map(|row| row.counted.sale_sum - row.counted.refund_sum),
        unsent: unsent.iter().sum(),
        unsent_tills: unsent.len() as u64,
    };
    Ok(Made { crumbs: vec![Crumb::here(gathered.words.text("nav-overview", []))], body })
}

/// Tasks that are done within a moment would only flicker.
fn runs_long(task: &tillway_service::background::TaskState, now: Timestamp) -> bool {
    task.running_since.is_some_and(|since| now.duration_since(since) >= SignedDuration::from_secs(3))
}

/// `0.4`, in Russian `0,4`.
fn seconds(time: SignedDuration, language: Language) -> String {
    let tenths = (time.as_millis().max(0) + 50) / 100;
    let point = match language {
        Language::English => '.',
        Language::Russian => ',',
    };
    format!("{}{point}{}", tenths / 10, tenths % 10)
}

/// Entries by their kind, the weightiest first.
pub(super) fn problems(attention: &[Attention], network: &Network) -> Vec<Problem> {
    let mut kinds: Vec<(&str, Vec<&Attention>)> = Vec::new();
    for entry in attention {
        match kinds.iter_mut().find(|(key, _)| *key == entry.key) {
            Some((_, entries)) => entries.push(entry),
            None => kinds.push((&entry.key, vec![entry])),
        }
    }
    kinds.into_iter().map(|(_, entries)| problem(&entries, network)).collect()
}

fn problem(entries: &[&Attention], network: &Network) -> Problem {
    let first = entries[0];
    let mut tills: Vec<&str> = entries.iter().flat_map(|entry| &entry.tills).map(String::as_str).collect();
    tills.sort_unstable();
    tills.dedup();
    let mut places: Vec<String> = Vec::new();
    for place in entries.iter().map(|entry| &entry.place).filter(|place| !place.is_empty()) {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    let more = places.len().saturating_sub(NAMED) as u64;
    places.truncate(NAMED);
    let is_same = entries.iter().all(|entry| entry.detail == first.detail);
    Problem {
        key: first.key.clone(),
        is_grave: first.sort.is_grave(),
        count: entries.iter().map(|entry| entry.tills.len().max(1) as u64).sum(),
        tills: tills.len() as u64,
        places,
        more,
        detail: if is_same { first.detail.clone() } else { String::new() },
        task: first.task.filter(|_| entries.len() == 1),
        since: entries.iter().filter_map(|entry| entry.since).min(),
        address: remedy(first, &tills, network),
    }
}

/// Where something is mended: the list of exactly those tills, or the page that it belongs to.
fn remedy(entry: &Attention, tills: &[&str], network: &Network) -> String {
    let of_tills = || match tills {
        [only] => match only.parse().ok().and_then(|till| source::till_address(network, &till)) {
            Some(address) => address,
            None => with("/findings", [("kind", entry.key.as_str())]),
        },
        _ => with("/tills", [("problem", entry.key.as_str())]),
    };
    match entry.sort {
        Sort::Shift | Sort::Finding => with("/findings", [("kind", entry.key.as_str())]),
        _ if !tills.is_empty() => of_tills(),
        Sort::Aside | Sort::AsideUnread | Sort::LoadHeld | Sort::LoadRefused | Sort::InboxFiles => {
            with("/findings", [("kind", entry.key.as_str())]) + "#aside"
        }
        Sort::Notices => "/loads#notices".to_owned(),
        Sort::Load => "/loads".to_owned(),
        Sort::Disk
        | Sort::SalesDatabase
        | Sort::Broker
        | Sort::BrokerBlocked
        | Sort::ReportsQueue
        | Sort::Background
        | Sort::Unsent
        | Sort::CertificateEnds
        | Sort::PlainOpen => "/server".to_owned(),
        _ => with("/findings", [("kind", entry.key.as_str())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::entry;

    fn about(sort: Sort, place: &str, detail: &str, tills: &[&str]) -> Attention {
        let tills = tills.iter().map(|till| (*till).to_owned()).collect();
        Attention { tills, ..entry(sort, place.to_owned(), detail.to_owned()) }
    }

    #[test]
    fn problems_of_one_kind_are_one_line_with_their_count_and_lead_to_exactly_those_tills() {
        let list = [
            about(Sort::Disk, "", "1 MiB", &[]),
            about(Sort::Silent, "7: 2 (1, 2)", "", &["_cash_1_00ab34ef", "_cash_2_00ab34ef"]),
            about(Sort::Silent, "8/1", "", &["_cash_1_00ab34ff"]),
            about(Sort::ClockAhead, "9/1", "7 min", &["_cash_9_00ab34ef"]),
        ];
        let told = problems(&list, &Network::default());
        let short: Vec<_> =
            told.iter().map(|one| (one.key.as_str(), one.count, one.tills, one.address.as_str())).collect();
        let expected = [
            ("disk", 1, 0, "/server"),
            ("silent", 3, 3, "/tills?problem=silent"),
            ("clock-ahead", 1, 1, "/findings?kind=clock-ahead"),
        ];
        assert_eq!(short, expected, "a till that is gone has no page");
        assert_eq!((told[1].places.len(), told[1].more, told[0].is_grave, told[1].is_grave), (2, 0, true, false));
    }

    #[test]
    fn times_are_told_in_tenths_of_seconds() {
        let told = |ms, language| seconds(SignedDuration::from_millis(ms), language);
        assert_eq!(
            (told(5_000, Language::English), told(9_460, Language::Russian)),
            ("5.0".to_owned(), "9,5".to_owned())
        );
    }
}
