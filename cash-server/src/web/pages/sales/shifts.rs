//! Shifts with their check; and tills asked once more for the sales of some days.

use super::super::super::csv::Csv;
use super::super::super::view::ShiftView;
use super::{
    Above, Gathered, Kind, Made, Of, Reader, WebState, changed, crumbs, day, first_of, show, source, table, till_named,
    trouble,
};
use crate::app::AppError;
use crate::sales::check::Verdict;
use crate::store::sales::{MAX_PAGE, Page, ShiftFilter, ShiftView as StoredShift};
use crate::words::{FluentArgs, Words};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::Zoned;
use serde::{Deserialize, Serialize};

const KIND: Kind = Kind {
    here: "sales",
    template: "sales.html",
    parts: &[("navigation", "navigation.html"), ("shifts", "sales_live.html")],
};

/// Rows of one page.
const PAGE: u32 = 50;

/// Most shifts of a table that is saved: those of a thousand tills in two months.
const MAX_CSV: u32 = 100_000;

/// Which shifts, as the address says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    #[serde(flatten)]
    pub(in super::super) of: Of,
    /// A verdict.
    pub(in super::super) verdict: String,
    /// From 1.
    pub(in super::super) page: String,
}

impl Asked {
    fn address(&self, path: &str, other: &[(&'static str, &str)]) -> String {
        changed(path, self.of.parameters().into_iter().chain([("verdict", self.verdict.as_str())]), other)
    }

    fn filter(&self) -> ShiftFilter {
        ShiftFilter {
            verdict: Verdict::from_word(&self.verdict),
            from_day: day(&self.of.from),
            to_day: day(&self.of.to),
            ..ShiftFilter::default()
        }
    }
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct SalesView {
    pub(in super::super) above: Above,
    /// Shifts, newest first.
    pub(in super::super) shifts: Vec<ShiftView>,
    pub(in super::super) verdicts: Vec<VerdictChip>,
    pub(in super::super) is_filtered: bool,
    pub(in super::super) previous: Option<String>,
    pub(in super::super) next: Option<String>,
    pub(in super::super) csv: String,
    /// Tills can be asked: the one that is typed is there.
    pub(in super::super) can_ask: bool,
    /// Days that tills are asked for, where nobody chose others: yesterday.
    pub(in super::super) ask_from: String,
    pub(in super::super) ask_to: String,
    /// The filter of the list of tills that is asked, and the till where it is one.
    pub(in super::super) ask_filter: String,
    pub(in super::super) ask_till: String,
}

/// A filter of one click.
#[derive(Debug, Serialize)]
pub(in super::super) struct VerdictChip {
    /// `verdict-<word>`.
    pub(in super::super) word: &'static str,
    pub(in super::super) address: String,
    pub(in super::super) is_on: bool,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/sales", get(page)).route("/sales/shifts.csv", get(csv))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &asked)).await
}

fn view(gathered: &Gathered<'_>, asked: &Asked) -> Result<Made<SalesView>, AppError> {
    let words = gathered.words;
    let (names, page) = (asked.of.names(), asked.page.parse::<u64>().unwrap_or(1).max(1));
    let part = Page { offset: (page - 1).saturating_mul(PAGE.into()), limit: PAGE + 1 };
    let mut above = Above::of(gathered, &asked.of, "shifts", |other| asked.address("/sales", other))?;
    let found = gathered.app.shifts(names.of(), &asked.filter(), part);
    let mut shifts = found.unwrap_or_else(|error| {
        above.trouble = Some(trouble(&error, words));
        Vec::new()
    });
    let is_more = shifts.len() > PAGE as usize;
    shifts.truncate(PAGE as usize);
    let to_page = |page: u64| asked.address("/sales", &[("page", &page.to_string())]);
    let till = names.till.as_deref().and_then(|till| gathered.app.till(till).ok());
    let yesterday = first_of(Zoned::now().date(), 2);
    let ask_from = day(&asked.of.from).unwrap_or(yesterday);
    let body = SalesView {
        shifts: shifts.iter().map(|one| shift(gathered, one)).collect(),
        verdicts: verdicts(asked),
        is_filtered: *asked != Asked::default(),
        previous: (page > 1).then(|| to_page(page - 1)),
        next: is_more.then(|| to_page(page + 1)),
        csv: asked.address("/sales/shifts.csv", &[]),
        can_ask: names.till.is_none() || till.is_some(),
        ask_from: ask_from.to_string(),
        ask_to: day(&asked.of.to).unwrap_or(ask_from).to_string(),
        ask_filter: super::with("", [("shop", asked.of.shop.as_str()), ("group", asked.of.group.as_str())])
            .trim_start_matches('?')
            .to_owned(),
        ask_till: till.map(|till| till.status.till.to_string()).unwrap_or_default(),
        above,
    };
    Ok(Made { crumbs: crumbs(words, None), body })
}

/// A shift with the address of its receipts.
fn shift(gathered: &Gathered<'_>, one: &StoredShift) -> ShiftView {
    let network = &gathered.facts.network;
    let till = network.till(&one.till).map_or_else(|| one.till.to_string(), |node| network.folder_name(node));
    let minute = |time: jiff::civil::DateTime| time.strftime("%Y-%m-%dT%H:%M").to_string();
    let began = one.began.map(minute).unwrap_or_default();
    let ended = one.ended.map(minute).unwrap_or_default();
    ShiftView {
        receipts: super::with("/sales/receipts", [("till", till.as_str()), ("from", &began), ("to", &ended)]),
        ..source::shift(network, one, gathered.words)
    }
}

/// The word in the address, and that of the message.
const VERDICTS: [(&str, &str); 4] =
    [("differs", "differs"), ("waiting", "waiting"), ("open", "open"), ("ok", "agrees")];

fn verdicts(asked: &Asked) -> Vec<VerdictChip> {
    let chip = |(verdict, word): (&'static str, &'static str)| {
        let is_on = asked.verdict == verdict;
        let other = if is_on { "" } else { verdict };
        VerdictChip { word, address: asked.address("/sales", &[("verdict", other)]), is_on }
    };
    VERDICTS.map(chip).into()
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    table(state, reader, "shifts.csv", move |app, words| {
        let gathered = super::super::gather(app, words)?;
        let network = &gathered.facts.network;
        let (names, filter) = (asked.of.names(), asked.filter());
        let mut csv = Csv::with_head([
            words.text("till", []),
            words.text("shift", []),
            words.text("opened", []),
            words.text("closed", []),
            words.text("check", []),
            words.text("receipts-till", []),
            words.text("receipts-server", []),
            words.text("sum-till", []),
            words.text("sum-server", []),
        ]);
        let mut offset = 0;
        while offset < u64::from(MAX_CSV) {
            let shifts = app.shifts(names.of(), &filter, Page { offset, limit: MAX_PAGE })?;
            for one in &shifts {
                csv.line(cells(one, &till_named(network, &one.till), words));
            }
            if shifts.len() < MAX_PAGE as usize {
                return Ok::<_, AppError>(csv);
            }
            offset += shifts.len() as u64;
        }
        csv.cut(words.text("audit-cut", []));
        Ok(csv)
    })
    .await
}

fn cells(one: &StoredShift, till: &str, words: &Words) -> [String; 9] {
    let verdict = VERDICTS.iter().find(|(verdict, _)| *verdict == one.outcome.verdict.as_str());
    let verdict = verdict.and_then(|(_, word)| words.message(&format!("verdict-{word}"), &FluentArgs::new()).ok());
    let time =
        |time: Option<jiff::civil::DateTime>| time.map(|time| super::time(&time.to_string())).unwrap_or_default();
    let counted = |counted: crate::sales::check::Counted| {
        ((counted.sales + counted.refunds).to_string(), (counted.sale_sum - counted.refund_sum).to_string())
    };
    let (till_receipts, till_sum) = one.till_counted.map(counted).unwrap_or_default();
    let (receipts, sum) = counted(one.server);
    [
        till.to_owned(),
        one.number.to_string(),
        time(one.began),
        time(one.ended),
        verdict.unwrap_or_default(),
        till_receipts,
        receipts,
        till_sum,
        sum,
    ]
}
