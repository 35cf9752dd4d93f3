//! One thing done with many tills: first what it would do, then what it did, till by till.

use super::super::act::judged;
use super::super::csv::Csv;
use super::tills::{Asked, tills_of};
use super::{Made, Reader, WebState, failed, gather, not_shown, step};
use crate::app::{Acting, AppError, BulkAct, BulkAsked, BulkDone, BulkOutcome, Forecast, MAX_BULK, NewCode, Till};
use crate::exchange::Condition;
use crate::network::Network;
use crate::rest::problem::RequestFault;
use crate::words::{FluentArgs, Reason, Words};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;
use std::collections::HashSet;
use tillway_proto::TillId;
use tillway_service::page::Crumb;

/// A form that names [`MAX_BULK`] tills.
const MAX_BULK_FORM_BYTES: usize = 256 * 1024;

/// Rows that are shown; the rest is counted.
const MAX_SHOWN: usize = 500;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/tills/bulk", post(ask))
        .route("/tills/bulk/do", post(act))
        .layer(DefaultBodyLimit::max(MAX_BULK_FORM_BYTES))
}

/// What the page of the question shows, and that of the answer.
#[derive(Debug, Serialize)]
pub(super) struct BulkView {
    pub(super) act: &'static str,
    /// The days that it is about, where it is about days.
    pub(super) from: String,
    pub(super) to: String,
    /// The shop that they move to, a setting with its value, the hours of codes: where it is about
    /// them.
    pub(super) shop: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) hours: String,
    /// The tills, as the form sends them on.
    pub(super) tills: String,
    pub(super) rows: Vec<BulkRow>,
    /// Rows that are not shown.
    pub(super) more: u64,
    /// How many tills it is about, and of how many what is true.
    pub(super) all: u64,
    pub(super) does: u64,
    pub(super) same: u64,
    pub(super) waits: u64,
    pub(super) fails: u64,
    pub(super) failed: u64,
    /// More than can be done at once; none is asked about.
    pub(super) max: Option<u64>,
    /// The filter of the list that they were chosen from, and its address.
    pub(super) filter: String,
    pub(super) back: String,
}

/// A till, and what would become or became of it.
#[derive(Debug, Serialize)]
pub(super) struct BulkRow {
    pub(super) folder: String,
    pub(super) place: String,
    pub(super) name: String,
    pub(super) condition: Option<Condition>,
    /// `bulk-<word>`.
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    /// Why it failed.
    pub(super) detail: String,
}

/// A form as it was sent: names may come several times.
#[derive(Default)]
struct Sent {
    token: String,
    asked: BulkAsked,
    is_all: bool,
    filter: String,
    tills: Vec<String>,
}

impl Sent {
    fn read(form: Vec<(String, String)>) -> Self {
        let mut sent = Self::default();
        let (mut key, mut set) = (String::new(), None);
        for (name, value) in form {
            match name.as_str() {
                "token" => sent.token = value,
                "act" => sent.asked.act = value,
                "from" => sent.asked.from = value.parse().ok(),
                "to" => sent.asked.to = value.parse().ok(),
                "shop" => value.trim().clone_into(&mut sent.asked.shop),
                "key" => key = value,
                "value" => set = Some(value),
                "hours" => sent.asked.hours = value.trim().parse().ok(),
                "scope" => sent.is_all = value == "all",
                "filter" => sent.filter = value,
                // One by one from boxes, in one field from the question.
                "till" | "tills" => sent.tills.extend(value.split_whitespace().map(str::to_owned)),
                _ => {}
            }
        }
        if !key.is_empty() {
            sent.asked.settings.insert(key, set);
        }
        sent
    }
}

async fn ask(State(state): State<WebState>, reader: Reader, Form(form): Form<Vec<(String, String)>>) -> Response {
    let sent = Sent::read(form);
    if let Err(refusal) = judged(&state, &reader, &sent.token) {
        return *refusal;
    }
    let Some(act) = BulkAct::of(sent.asked) else { return super::super::act::gone(&state, &reader) };
    let (app, words, word) = (reader.app(&state), reader.words(), act.word());
    let asked = tokio::task::spawn_blocking(move || {
        let gathered = gather(&app, words)?;
        let tills: Vec<&Till> = if sent.is_all {
            let address = format!("/tills?{}", sent.filter).parse::<Uri>();
            let filter = address.ok().and_then(|address| Query::<Asked>::try_from_uri(&address).ok());
            // A filter that does not read would be all tills.
            filter.map(|Query(asked)| tills_of(&gathered, &asked)).unwrap_or_default()
        } else {
            let named: HashSet<&str> = sent.tills.iter().map(String::as_str).collect();
            let all = tills_of(&gathered, &Asked::default());
            all.into_iter().filter(|till| named.contains(till.status.till.as_str())).collect()
        };
        question(&app, &act, &tills, &gathered.facts.network, sent.filter, words)
    });
    answered(&state, &reader, asked.await, word, "bulk_ask.html")
}

async fn act(State(state): State<WebState>, reader: Reader, Form(form): Form<Vec<(String, String)>>) -> Response {
    let sent = Sent::read(form);
    if let Err(refusal) = judged(&state, &reader, &sent.token) {
        return *refusal;
    }
    let Some(act) = BulkAct::of(sent.asked) else { return super::super::act::gone(&state, &reader) };
    if matches!(act, BulkAct::NewCodes { .. }) {
        return super::table(state, reader, "codes.csv", move |app, words| {
            Ok(codes(app.bulk(&act, sent.tills)?, words))
        })
        .await;
    }
    let (app, words, word) = (reader.app(&state), reader.words(), act.word());
    let done = tokio::task::spawn_blocking(move || {
        let outcomes = app.bulk(&act, sent.tills)?;
        let gathered = gather(&app, words)?;
        let network = &gathered.facts.network;
        let (mut view, mut rows) = (empty(&act, sent.filter), Vec::new());
        view.all = outcomes.len() as u64;
        for done in outcomes {
            let (word, detail) = match done.outcome {
                Ok(BulkOutcome::Done) => ("done", String::new()),
                Ok(BulkOutcome::AlreadySo) => ("same", String::new()),
                Ok(BulkOutcome::UnderWay) => ("under-way", String::new()),
                Err(error) => ("failed", words.reason(&Reason::of(&error))),
            };
            match word {
                "done" => view.does += 1,
                "failed" => view.failed += 1,
                _ => view.same += 1,
            }
            let till = gathered.facts.tills.iter().find(|till| till.status.till.as_str() == done.till);
            let row = match till {
                Some(till) => row(till, network, word),
                None => BulkRow {
                    folder: String::new(),
                    place: done.till,
                    name: String::new(),
                    condition: None,
                    word,
                    tone: tone(word),
                    detail: String::new(),
                },
            };
            rows.push(BulkRow { detail, ..row });
        }
        // What a person has to look at comes first.
        rows.sort_by_key(|row| row.word != "failed");
        view.more = rows.len().saturating_sub(MAX_SHOWN) as u64;
        rows.truncate(MAX_SHOWN);
        view.rows = rows;
        Ok::<_, AppError>(view)
    });
    answered(&state, &reader, done.await, word, "bulk_done.html")
}

/// The codes as a table, shown once; why a till got none stands beside it.
fn codes(done: Vec<BulkDone>, words: &Words) -> Csv {
    let mut csv = Csv::with_head([
        words.text("till", []),
        words.text("name", []),
        words.text("id", []),
        words.text("node-code", []),
        words.text("code-until", []),
        words.text("bulk-result", []),
    ]);
    for one in done {
        let told = one.outcome.err().map(|error| words.reason(&Reason::of(&error))).unwrap_or_default();
        csv.line(match one.code {
            Some(NewCode { till, code, ends_at, .. }) => {
                let (id, code) = (till.node.id.to_string(), code.to_string());
                [till.folder, till.node.name, id, code, ends_at.to_string(), told]
            }
            None => [one.till, String::new(), String::new(), String::new(), String::new(), told],
        });
    }
    csv
}

fn answered(
    state: &WebState,
    reader: &Reader,
    view: Result<Result<BulkView, AppError>, tokio::task::JoinError>,
    act: &'static str,
    template: &'static str,
) -> Response {
    match view {
        Ok(Ok(view)) => {
            let words = reader.words();
            let id = format!("bulk-act-{act}");
            let heading = words.message(&id, &FluentArgs::new()).unwrap_or(id);
            let crumbs = vec![Crumb::to(words.text("tills", []), view.back.clone()), Crumb::here(heading)];
            step(state, reader, "tills", template, Made { crumbs, body: view })
        }
        Ok(Err(error)) => {
            tracing::warn!(error = crate::error_chain(&error), "what was asked for of many tills was not done");
            not_shown(state, reader, error)
        }
        Err(join) => failed(state, reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

fn empty(act: &BulkAct, filter: String) -> BulkView {
    let (tills, rows, max) = (String::new(), Vec::new(), None);
    let back = if filter.is_empty() { "/tills".to_owned() } else { format!("/tills?{filter}") };
    let [from, to] = match act {
        BulkAct::AskForDays { from, to } => [from, to].map(ToString::to_string),
        _ => [String::new(), String::new()],
    };
    let shop = if let BulkAct::Move { shop } = act { shop.clone() } else { String::new() };
    let set = match act {
        BulkAct::Settings { changes } => changes.iter().next(),
        _ => None,
    };
    let (key, value) = set.map(|(key, value)| (key.clone(), value.clone().unwrap_or_default())).unwrap_or_default();
    let hours = match act {
        BulkAct::NewCodes { hours } => hours.map(|hours| hours.to_string()).unwrap_or_default(),
        _ => String::new(),
    };
    BulkView {
        act: act.word(),
        from,
        to,
        shop,
        key,
        value,
        hours,
        tills,
        rows,
        more: 0,
        all: 0,
        does: 0,
        same: 0,
        waits: 0,
        fails: 0,
        failed: 0,
        max,
        filter,
        back,
    }
}

fn question(
    app: &Acting,
    act: &BulkAct,
    tills: &[&Till],
    network: &Network,
    filter: String,
    words: &Words,
) -> Result<BulkView, AppError> {
    let mut view = empty(act, filter);
    view.all = tills.len() as u64;
    view.max = (tills.len() > MAX_BULK).then_some(MAX_BULK as u64);
    if view.max.is_some() {
        return Ok(view);
    }
    for (till, forecast) in tills.iter().zip(app.forecast(act, tills)?) {
        let (count, word) = match &forecast {
            Forecast::Does => (&mut view.does, "does"),
            Forecast::AlreadySo => (&mut view.same, "same"),
            Forecast::Waits => (&mut view.waits, "waits"),
            Forecast::Fails(_) => (&mut view.fails, "fails"),
        };
        *count += 1;
        if view.rows.len() < MAX_SHOWN {
            let detail = match &forecast {
                Forecast::Fails(error) => words.reason(&Reason::of(error)),
                _ => String::new(),
            };
            view.rows.push(BulkRow { detail, ..row(till, network, word) });
        } else {
            view.more += 1;
        }
    }
    view.tills = tills.iter().map(|till| till.status.till.as_str()).collect::<Vec<_>>().join(" ");
    Ok(view)
}

fn row(till: &Till, network: &Network, word: &'static str) -> BulkRow {
    let id: &TillId = &till.status.till;
    BulkRow {
        folder: network.till(id).map(|node| network.folder_name(node)).unwrap_or_default(),
        place: super::super::source::till_place(network, id),
        name: till.status.name.clone(),
        condition: Some(Condition::of(&till.status)),
        word,
        tone: tone(word),
        detail: String::new(),
    }
}

fn tone(word: &str) -> &'static str {
    match word {
        "done" => "fine",
        "does" => "under-way",
        "failed" | "fails" => "failing",
        _ => "",
    }
}
