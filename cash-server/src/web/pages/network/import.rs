//! A table of nodes that is taken over: first what would become of each line, then what did.

use super::super::super::act::judged;
use super::super::{Made, Reader, WebState, failed, not_shown, step};
use crate::app::AppError;
use crate::rest::problem::RequestFault;
use crate::words::{Reason, Words};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tillway_proto::{NodeCode, NodeLevel};
use tillway_service::page::Crumb;

/// Most lines of a table that is taken over at once: each makes a node in a transaction of its
/// own.
const MAX_LINES: usize = 2_000;

/// A table of so many lines.
const MAX_TABLE_BYTES: usize = 512 * 1024;

pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/network/import", get(import))
        .route("/network/import/preview", post(preview))
        .route("/network/import/do", post(take_over))
        .layer(DefaultBodyLimit::max(MAX_TABLE_BYTES))
}

/// What the pages of a table show: before, as a question, and after.
#[derive(Debug, Default, Serialize)]
pub(in super::super) struct ImportView {
    pub(in super::super) table: String,
    pub(in super::super) lines: Vec<LineView>,
    pub(in super::super) makes: u64,
    pub(in super::super) same: u64,
    pub(in super::super) wrong: u64,
    pub(in super::super) is_done: bool,
    /// Why it cannot be read at all.
    pub(in super::super) trouble: String,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in super::super) struct LineView {
    pub(in super::super) line: u64,
    pub(in super::super) level: String,
    pub(in super::super) code: String,
    pub(in super::super) parent: String,
    pub(in super::super) name: String,
    /// `import-<word>`: `makes`, `same`, `wrong`, `made`.
    pub(in super::super) word: &'static str,
    pub(in super::super) detail: String,
}

#[derive(Deserialize)]
struct TableForm {
    token: String,
    table: String,
}

#[allow(clippy::unused_async)] // as handlers are
async fn import(State(state): State<WebState>, reader: Reader) -> Response {
    let crumbs = import_crumbs(&reader);
    step(&state, &reader, "network", "network_import.html", Made { crumbs, body: ImportView::default() })
}

fn import_crumbs(reader: &Reader) -> Vec<Crumb> {
    let words = reader.words();
    vec![Crumb::to(words.text("nav-network", []), "/network"), Crumb::here(words.text("import", []))]
}

async fn preview(State(state): State<WebState>, reader: Reader, Form(form): Form<TableForm>) -> Response {
    imported(state, reader, form, false).await
}

async fn take_over(State(state): State<WebState>, reader: Reader, Form(form): Form<TableForm>) -> Response {
    imported(state, reader, form, true).await
}

async fn imported(state: WebState, reader: Reader, form: TableForm, acts: bool) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let (app, words) = (reader.app(&state), reader.words());
    let made = tokio::task::spawn_blocking(move || {
        let there: Vec<Known> = app.nodes().list()?.into_iter().map(Known::of).collect();
        let mut lines = lines(&form.table, &there, words);
        if acts && lines.len() <= MAX_LINES {
            for line in lines.iter_mut().filter(|line| line.word == "makes") {
                let level = line.level.parse::<NodeLevel>().ok();
                let code = line.code.parse::<NodeCode>().ok();
                let Some((level, code)) = level.zip(code) else { continue };
                match app.nodes().create(&line.parent, level, &code, &line.name) {
                    Ok(_) => line.word = "made",
                    Err(error) => (line.word, line.detail) = ("wrong", words.reason(&Reason::of(&error))),
                }
            }
        }
        let count = |words: &[&str]| lines.iter().filter(|line| words.contains(&line.word)).count() as u64;
        let (makes, same, wrong) = (count(&["makes", "made"]), count(&["same"]), count(&["wrong"]));
        let too_many = words.text("import-too-many", [("n", MAX_LINES.into())]);
        let trouble = if lines.len() > MAX_LINES { too_many } else { String::new() };
        Ok::<_, AppError>(ImportView { table: form.table, makes, same, wrong, is_done: acts, trouble, lines })
    });
    match made.await {
        Ok(Ok(view)) => {
            let crumbs = import_crumbs(&reader);
            step(&state, &reader, "network", "network_import.html", Made { crumbs, body: view })
        }
        Ok(Err(error)) => not_shown(&state, &reader, error),
        Err(join) => failed(&state, &reader, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(&RequestFault::from(join))),
    }
}

/// A node that is there, or would be there after the lines before.
#[derive(Debug, Clone)]
struct Known {
    level: NodeLevel,
    code: String,
    folder: String,
    parent: String,
}

impl Known {
    fn of(info: crate::app::NodeInfo) -> Self {
        let parent = info.parent.map(|(_, folder)| folder).unwrap_or_default();
        Self { level: info.node.level(), code: info.node.code.to_string(), folder: info.folder, parent }
    }
}

/// What would become of each line of a table: `level,code,parent,name`, parents before what hangs
/// under them, named by their folders (`All`, `group-north`, `shop-7`).
fn lines(table: &str, there: &[Known], words: &Words) -> Vec<LineView> {
    let mut known: Vec<Known> = there.to_vec();
    let separator = if table.lines().next().is_some_and(|first| first.contains(';')) { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(table.trim_start_matches('\u{feff}').as_bytes());
    let mut lines = Vec::new();
    // One more than is taken, so that a longer one is told from one that just fits.
    for record in reader.records().take(MAX_LINES + 2) {
        let number = lines.len() as u64 + 1;
        let Ok(record) = record else {
            let line = LineView {
                line: number,
                level: String::new(),
                code: String::new(),
                parent: String::new(),
                name: String::new(),
                word: "wrong",
                detail: words.text("import-unreadable", []),
            };
            lines.push(line);
            continue;
        };
        let cell = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let line = record.position().map_or(number, csv::Position::line);
        let [level, code, parent, name] = [cell(0).to_lowercase(), cell(1), cell(2), cell(3)];
        // A head, and lines of nothing.
        if level == "level" || (level.is_empty() && code.is_empty()) {
            continue;
        }
        let (word, detail) = judge(&level, &code, &parent, &mut known, words);
        lines.push(LineView { line, level, code, parent, name, word, detail });
    }
    lines
}

fn judge(level: &str, code: &str, parent: &str, known: &mut Vec<Known>, words: &Words) -> (&'static str, String) {
    let wrong = |id: &'static str| ("wrong", words.text(id, []));
    let Ok(level @ (NodeLevel::Group | NodeLevel::Shop | NodeLevel::Till)) = level.parse::<NodeLevel>() else {
        return wrong("import-no-level");
    };
    if code.parse::<NodeCode>().is_err() || !code.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return wrong("import-no-code");
    }
    let Some(above) = known.iter().find(|node| node.folder == parent).cloned() else {
        return wrong("import-no-parent");
    };
    let fits = match level {
        NodeLevel::Till => above.level == NodeLevel::Shop,
        _ => matches!(above.level, NodeLevel::Chain | NodeLevel::Group),
    };
    if !fits {
        return wrong("import-wrong-parent");
    }
    // A till's code is its own within its shop, others' within the chain.
    let is_same =
        |node: &&Known| node.level == level && node.code == code && (level != NodeLevel::Till || node.parent == parent);
    if let Some(there) = known.iter().find(is_same) {
        return if there.parent == parent { ("same", String::new()) } else { wrong("import-elsewhere") };
    }
    let folder = match level {
        NodeLevel::Till => format!("till-{}-{code}", above.code),
        level => format!("{level}-{code}"),
    };
    known.push(Known { level, code: code.to_owned(), folder, parent: parent.to_owned() });
    ("makes", String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language};

    #[test]
    fn a_table_is_judged_line_by_line_as_it_would_be_after_the_lines_before() {
        let chain = Known {
            level: NodeLevel::Chain,
            code: "chain".to_owned(),
            folder: "All".to_owned(),
            parent: String::new(),
        };
        let shop = Known {
            level: NodeLevel::Shop,
            code: "7".to_owned(),
            folder: "shop-7".to_owned(),
            parent: "All".to_owned(),
        };
        let table = "level,code,parent,name\n\
            group,north,All,North\n\
            shop,8,group-north,\"Main, street\"\n\
            till,1,shop-8,\n\
            till,1,shop-8,again\n\
            shop,7,group-north,elsewhere\n\
            till,2,group-north,\n\
            till,3,shop-9,\n\
            planet,1,All,\n\
            shop,a b,All,\n";
        let judged = lines(table, &[chain, shop], words::of(Language::English));
        let told: Vec<_> = judged.iter().map(|line| (line.line, line.word)).collect();
        let expected = [
            (2, "makes"),
            (3, "makes"),
            (4, "makes"),
            (5, "same"),
            (6, "wrong"),
            (7, "wrong"),
            (8, "wrong"),
            (9, "wrong"),
            (10, "wrong"),
        ];
        assert_eq!(told, expected, "{judged:?}");
        assert_eq!(judged[1].name, "Main, street");
        let semicolons = lines(
            "level;code;parent;name\nshop;9;All;Nine",
            &[Known { level: NodeLevel::Chain, code: "c".to_owned(), folder: "All".to_owned(), parent: String::new() }],
            words::of(Language::Russian),
        );
        assert_eq!((semicolons.len(), semicolons[0].word, semicolons[0].name.as_str()), (1, "makes", "Nine"));
    }
}
