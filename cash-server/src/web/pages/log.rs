//! The newest lines of the server's log, for administrators.

use super::super::address::with;
use super::{Kind, Made, Reader, WebState, show};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::process::{LineFilter, LineLevel};
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "server",
    template: "log.html",
    parts: &[("navigation", "navigation.html"), ("lines", "log_lines.html")],
};

/// Most lines of the page; REST and the command line give all.
const SHOWN: usize = 500;

/// Which of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The word of a level; empty: all.
    level: String,
    /// A text in them.
    q: String,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct LogPage {
    pub(super) q: String,
    /// The word that was chosen; empty: all.
    pub(super) level: String,
    pub(super) levels: Vec<LevelChip>,
    pub(super) lines: Vec<LogRow>,
    /// Whether there may be more.
    pub(super) is_cut: bool,
}

/// A level to be chosen. Its words are `log-<word>`.
#[derive(Debug, Serialize)]
pub(super) struct LevelChip {
    pub(super) word: &'static str,
    pub(super) address: String,
    pub(super) is_chosen: bool,
}

/// A line.
#[derive(Debug, Serialize)]
pub(super) struct LogRow {
    pub(super) no: u64,
    pub(super) at: Timestamp,
    pub(super) level: &'static str,
    pub(super) text: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/server/log", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| {
        let words = gathered.words;
        let chosen = LineLevel::from_word(&asked.level);
        let level = chosen.unwrap_or(LineLevel::Trace);
        let lines = gathered.app.log(&LineFilter { level, text: &asked.q, limit: SHOWN })?;
        let row = |line: tillway_proto::process::KeptLine| LogRow {
            no: line.no,
            at: line.at,
            level: line.level.as_str(),
            text: line.text,
        };
        let body = LogPage {
            q: asked.q.clone(),
            level: chosen.map(|level| level.as_str().to_owned()).unwrap_or_default(),
            levels: chips(&asked.q, chosen),
            is_cut: lines.len() == SHOWN,
            lines: lines.into_iter().map(row).collect(),
        };
        let server = Crumb::to(words.text("nav-server", []), "/server");
        Ok(Made { crumbs: vec![server, Crumb::here(words.text("log", []))], body })
    })
    .await
}

/// All lines, or those as grave as a level. What only somebody who looks for a fault turns on is
/// among all.
fn chips(q: &str, chosen: Option<LineLevel>) -> Vec<LevelChip> {
    let chip = |(word, level): (&'static str, Option<LineLevel>)| LevelChip {
        word: if word.is_empty() { "all" } else { word },
        address: with("/server/log", [("level", word), ("q", q)]),
        is_chosen: level == chosen,
    };
    let graver = [LineLevel::Info, LineLevel::Warn, LineLevel::Error].map(|level| (level.as_str(), Some(level)));
    std::iter::once(("", None)).chain(graver).map(chip).collect()
}
