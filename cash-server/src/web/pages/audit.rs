//! Who changed what, when, from where: searched, page by page, as CSV.

use super::super::address::with;
use super::super::csv::Csv;
use super::super::people::blocking;
use super::super::source;
use super::network::address_of;
use super::{Made, Reader, WebState, step};
use crate::app::{Acting, AppError};
use crate::audit::Verb;
use crate::network::Network;
use crate::words::{FluentArgs, Words};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use tillway_proto::NodeId;
use tillway_service::audit::{AuditFilter, AuditRecord};
use tillway_service::page::Crumb;
use tillway_service::people;
use uuid::Uuid;

/// Lines of one page.
const PAGE: u32 = 50;

/// Lines of one file, and how many are read at once for it.
const MAX_IN_FILE: usize = 100_000;
const READ_AT_ONCE: u32 = 1_000;

/// Which lines, as the address says it. What is empty or does not read filters nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A text in the object, or in how it was or is.
    pub(super) q: String,
    /// Who, as the log has it; a name alone is a login.
    pub(super) who: String,
    /// What was done, as [`word`] has it.
    pub(super) verb: String,
    /// With what, as the log has it.
    pub(super) object: String,
    /// The first day, in the server's zone.
    pub(super) from: String,
    /// The last day.
    pub(super) to: String,
    /// Says anything: also what the server and tills did by themselves.
    pub(super) all: String,
    /// Lines before this one.
    pub(super) before: String,
}

impl Asked {
    fn filter(&self) -> [(&'static str, &str); 7] {
        [
            ("q", &self.q),
            ("who", &self.who),
            ("verb", &self.verb),
            ("object", &self.object),
            ("from", &self.from),
            ("to", &self.to),
            ("all", &self.all),
        ]
    }

    fn read(&self, limit: u32) -> AuditFilter {
        let told = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let who = told(&self.who).map(|who| match who.as_str() {
            "server" => who,
            _ if who.contains(':') => who,
            _ => format!("login:{who}"),
        });
        let all = AuditFilter::newest(limit);
        AuditFilter {
            from: start_of(&self.from, 0).unwrap_or(all.from),
            to: start_of(&self.to, 1).unwrap_or(all.to),
            before: self.before.parse().ok(),
            actor: who,
            object: told(&self.object),
            verb: verbs().find(|verb| word(verb) == self.verb).map(str::to_owned),
            text: told(&self.q),
            // Whoever names an actor gets what it did, whoever it is.
            persons_only: self.all.is_empty() && self.who.is_empty(),
            limit,
        }
    }
}

/// The moment at which a day, or one so many days later, begins here.
fn start_of(day: &str, later: i64) -> Option<Timestamp> {
    let day: Date = day.parse().ok()?;
    let zoned = day.checked_add(later.days()).ok()?.to_zoned(TimeZone::system()).ok()?;
    Some(zoned.timestamp())
}

/// All that can stand in the log.
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    Verb::ALL.into_iter().map(Verb::as_str).chain(people::Verb::ALL.into_iter().map(<&'static str>::from))
}

/// `audit-<word>` is the message for a verb.
pub(super) fn word(verb: &str) -> String {
    verb.replace('.', "-")
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct AuditView {
    pub(super) asked: Asked,
    pub(super) is_filtered: bool,
    pub(super) rows: Vec<Row>,
    /// The newest lines, where these are older ones.
    pub(super) newest: Option<String>,
    pub(super) older: Option<String>,
    pub(super) csv: String,
    pub(super) verbs: Vec<String>,
}

/// A line.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) by_who: String,
    pub(super) face: String,
    pub(super) address: String,
    pub(super) verb: String,
    pub(super) object: String,
    /// Where it is shown, where it still is.
    pub(super) object_at: Option<String>,
    pub(super) by_object: String,
    /// What differs: its name, how it was, how it is.
    pub(super) changes: Vec<(String, String, String)>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/audit", get(page)).route("/audit.csv", get(csv))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    let words = reader.words();
    match blocking(&state, &reader, move |app| view(app, asked, words)).await {
        Ok(body) => {
            let crumbs = vec![Crumb::here(words.text("nav-audit", []))];
            step(&state, &reader, "audit", "audit.html", Made { crumbs, body })
        }
        Err(response) => response,
    }
}

fn view(app: &Acting, asked: Asked, words: &Words) -> Result<AuditView, AppError> {
    // One more tells whether there are older ones.
    let mut lines = app.audit(&asked.read(PAGE + 1))?;
    let has_older = lines.len() > PAGE as usize;
    lines.truncate(PAGE as usize);
    let older = lines.last().filter(|_| has_older).map(|last| {
        let before = last.id.to_string();
        with("/audit", asked.filter().into_iter().chain([("before", before.as_str())]))
    });
    let network = app.network()?;
    Ok(AuditView {
        is_filtered: asked.filter().iter().any(|(_, value)| !value.is_empty()),
        rows: lines.into_iter().map(|line| row(&network, line, words)).collect(),
        newest: (!asked.before.is_empty()).then(|| with("/audit", asked.filter())),
        older,
        csv: with("/audit.csv", asked.filter()),
        verbs: verbs().map(word).collect(),
        asked,
    })
}

fn row(network: &Network, line: AuditRecord, words: &Words) -> Row {
    let node: Option<NodeId> = line.object.parse().ok();
    let load = line.object.strip_prefix("load:").and_then(|number| number.parse::<u64>().ok());
    let object_at = match (&node, load) {
        (Some(node), _) => network.node(node).map(|node| address_of(network, node)),
        (None, Some(load)) => Some(format!("/loads/{load}")),
        (None, None) => None,
    };
    Row {
        id: line.id,
        at: line.at,
        by_who: with("/audit", [("who", line.actor.as_str())]),
        who: line.actor,
        face: line.face,
        address: line.address.unwrap_or_default(),
        verb: word(&line.verb),
        by_object: with("/audit", [("object", line.object.as_str())]),
        object: called(network, line.object, words),
        object_at,
        changes: changes(&line.before, &line.after)
            .into_iter()
            .map(|(name, was, is)| (name, called(network, was, words), called(network, is, words)))
            .collect(),
    }
}

/// What people call it, where it is the id of a node.
fn called(network: &Network, text: String, words: &Words) -> String {
    text.parse().map_or(text, |node: NodeId| source::place(network, &node, words))
}

/// What differs between two values: where both are maps, by name.
fn changes(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let no_map = |value: &Value| !value.is_object() && !value.is_null();
    if no_map(before) || no_map(after) {
        return vec![(String::new(), told(before), told(after))];
    }
    let names = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let (was, is): (BTreeSet<String>, BTreeSet<String>) = (names(before), names(after));
    let differing = was.union(&is).filter(|name| before[name.as_str()] != after[name.as_str()]);
    let all = differing.map(|name| (name.clone(), told(&before[name.as_str()]), told(&after[name.as_str()])));
    all.filter(|(_, was, is)| !(was.is_empty() && is.is_empty())).collect()
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    super::table(state, reader, "audit.csv", move |app, words| {
        let mut filter = asked.read(READ_AT_ONCE);
        let mut csv = Csv::with_head(headings(words));
        let mut count = 0;
        while count < MAX_IN_FILE {
            let lines = app.audit(&filter)?;
            filter.before = lines.last().map(|last| last.id);
            count += lines.len();
            let is_last = lines.len() < READ_AT_ONCE as usize;
            for line in lines {
                csv.line(cells(line, words));
            }
            if is_last {
                return Ok(csv);
            }
        }
        csv.cut(words.text("audit-cut", []));
        Ok(csv)
    })
    .await
}

/// What stands above the columns of the file.
fn headings(words: &Words) -> [String; 8] {
    [
        words.text("audit-when", []),
        words.text("audit-who", []),
        words.text("audit-face", []),
        words.text("audit-address", []),
        words.text("audit-what", []),
        words.text("audit-object", []),
        words.text("audit-before", []),
        words.text("audit-after", []),
    ]
}

fn cells(line: AuditRecord, words: &Words) -> [String; 8] {
    let verb = words.message(&format!("audit-{}", word(&line.verb)), &FluentArgs::new());
    let address = line.address.unwrap_or_default();
    let verb = verb.unwrap_or(line.verb);
    [line.at.to_string(), line.actor, line.face, address, verb, line.object, told(&line.before), told(&line.after)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_by_name() {
        let told = |before: Value, after: Value| {
            let all = changes(&before, &after).into_iter();
            all.map(|(name, was, is)| format!("{name}: {was} > {is}")).collect::<Vec<_>>()
        };
        assert_eq!(told(json!({"name": "a", "code": 7}), json!({"name": "b", "code": 7})), ["name: a > b"]);
        assert_eq!(told(Value::Null, json!({"units": ["x"]})), ["units:  > [\"x\"]"]);
        assert_eq!(told(json!("a"), Value::Null), [": a > "]);
        assert!(told(Value::Null, Value::Null).is_empty());
    }

    #[test]
    fn an_address_reads_as_a_filter_and_what_does_not_read_filters_nothing() {
        let asked = Asked { who: "anna".to_owned(), verb: "till-token".to_owned(), ..Asked::default() };
        let filter = asked.read(9);
        assert_eq!((filter.actor.as_deref(), filter.verb.as_deref()), (Some("login:anna"), Some("till.token")));
        let day = Asked { from: "2026-11-30".to_owned(), to: "2026-11-30".to_owned(), ..Asked::default() }.read(9);
        assert_eq!(day.to.duration_since(day.from).as_hours(), 24, "both days are in it");
        let odd = || "odd".to_owned();
        let odd = Asked { verb: odd(), from: odd(), to: odd(), before: odd(), all: odd(), ..Asked::default() };
        assert_eq!(odd.read(9), AuditFilter::newest(9));
        assert!(Asked::default().read(9).persons_only);
    }
}
